/* SPDX-License-Identifier: MIT */
#include "database_fixture.h"

#include <storage/import.h>

TestSuite(import, .init = fixture_setup, .fini = fixture_teardown, .timeout = 120);

static char target[64];
static struct import_report report;
static mk_err err;

static mk_result
import(bool vacuum)
{
	struct import_options options = { .from = path,
					  .to = target,
					  .vacuum = vacuum,
					  .now_us = fixture_now_us,
					  .wall_us = fixture_wall_us };

	(void)snprintf(target, sizeof(target), "%s/new.db", folder);
	err.text[0] = '\0';
	return import_run(&options, &report, &err);
}

static const struct import_table *
table(const char *name)
{
	for (uint32_t i = 0; i < report.count; i++) {
		if (strcmp(report.tables[i].name, name) == 0)
			return &report.tables[i];
	}
	cr_assert_fail("no table %s", name);
	return NULL;
}

static bool
is_there(const char *suffix)
{
	char name[128];

	(void)snprintf(name, sizeof(name), "%s%s", path, suffix);
	return access(name, F_OK) == 0;
}

Test(import, a_real_database_becomes_one_of_ours_and_stays_as_it_is)
{
	struct opened o;
	uint64_t before;

	use_shared("corescope-old.db");
	before = file_sum(path);
	cr_assert_eq(import(false), MK_OK, "%s", err.text);
	cr_expect_eq(file_sum(path), before);
	cr_expect_not(is_there("-wal") || is_there("-shm") || is_there("-journal"));
	cr_expect_eq(table("transmissions")->source, 499);
	cr_expect_eq(table("transmissions")->imported, 499);
	cr_expect_eq(table("observations")->source, 500);
	cr_expect_eq(table("observations")->imported, 499);
	cr_expect_eq(table("nodes")->imported, 200);
	memcpy(path, target, sizeof(path));
	expect_answer("SELECT sum(advert_count) FROM nodes", "8396");
	expect_answer("SELECT count(*) FROM _async_migrations WHERE status <> 'done'", "0");
	open_or_fail(&o);
	cr_expect_eq(o.state, SCHEMA_READY);
	open_close(&o);
}

Test(import, a_database_with_a_log_at_rest_gets_no_files_beside_it)
{
	uint64_t before;

	use_shared("corescope-current.db");
	before = file_sum(path);
	cr_assert_eq(import(true), MK_OK, "%s", err.text);
	cr_expect_eq(file_sum(path), before);
	cr_expect_not(is_there("-wal") || is_there("-shm"));
	memcpy(path, target, sizeof(path));
	expect_answer("PRAGMA auto_vacuum", "2");
	expect_answer(
	    "SELECT count(DISTINCT observer_idx) FROM observations WHERE observer_idx NOT IN "
	    "(SELECT rowid FROM observers)",
	    "0");
}

Test(import, what_another_program_is_still_writing_is_taken_with_its_log)
{
	sqlite3 *live = NULL;
	char *text = NULL;

	sql_on(path, old_schema);
	cr_assert_eq(sqlite3_open(path, &live), SQLITE_OK);
	cr_assert_eq(
	    sqlite3_exec(live,
			 "PRAGMA journal_mode = WAL; INSERT INTO transmissions (raw_hex, hash, "
			 "first_seen) VALUES ('', 'a', '2026-11-01T00:00:00Z');"
			 "BEGIN IMMEDIATE; INSERT INTO transmissions (raw_hex, hash, first_seen) "
			 "VALUES ('', 'b', '2026-11-01T00:00:00Z')",
			 NULL, NULL, &text),
	    SQLITE_OK, "%s", text);
	cr_assert_eq(import(false), MK_OK, "%s", err.text);
	cr_expect_eq(table("transmissions")->imported, 1, "what was committed");
	cr_expect_eq(sqlite3_exec(live, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(live);
	expect_answer("SELECT count(*) FROM transmissions", "2");
}

Test(import, an_existing_database_is_never_replaced)
{
	uint64_t before;

	sql_on(path, old_schema);
	(void)snprintf(target, sizeof(target), "%s/new.db", folder);
	write_file(target, "precious", 8);
	before = file_sum(target);
	cr_expect_eq(import(false), MK_EEXIST);
	expect_text(err, "exists already");
	cr_expect_eq(file_sum(target), before);
}

static void
expect_nothing(mk_result wanted, const char *part)
{
	cr_expect_eq(import(false), wanted, "%s", err.text);
	expect_text(err, part);
	cr_expect_neq(access(target, F_OK), 0);
	(void)snprintf(path, sizeof(path), "%s/new.db.import-part", folder);
	cr_expect_neq(access(path, F_OK), 0, "the part is left");
}

Test(import, what_does_not_exist_is_no_source)
{
	expect_nothing(MK_ENOENT, "does not exist");
}

Test(import, what_is_no_database_is_no_source)
{
	write_file(path, "some text that is no database", 29);
	expect_nothing(MK_EFORMAT, "no SQLite database");
}

Test(import, a_version_2_database_is_no_source)
{
	sql_on(path, "CREATE TABLE packets (id INTEGER PRIMARY KEY)");
	expect_nothing(MK_EABI, "before version 3");
}

Test(import, a_damaged_source_leaves_nothing)
{
	static const char junk[8192];
	FILE *f;

	use_shared("corescope-old.db");
	f = fopen(path, "r+");
	cr_assert_not_null(f);
	cr_assert_eq(fseek(f, 40960, SEEK_SET), 0);
	cr_assert_eq(fwrite(junk, 1, sizeof(junk), f), sizeof(junk));
	fclose(f);
	cr_expect_neq(import(false), MK_OK);
	cr_expect_neq(access(target, F_OK), 0);
}

Test(import, a_cancelled_import_leaves_nothing)
{
	atomic_bool cancel = true;
	struct import_options options = { .from = path,
					  .to = target,
					  .now_us = fixture_now_us,
					  .wall_us = fixture_wall_us,
					  .cancel = &cancel };

	(void)snprintf(target, sizeof(target), "%s/new.db", folder);
	sql_on(path, old_schema);
	cr_expect_eq(import_run(&options, &report, &err), MK_ETIMEDOUT, "%s", err.text);
	cr_expect_neq(access(target, F_OK), 0);
}
