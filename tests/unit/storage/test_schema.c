/* SPDX-License-Identifier: MIT */
#include "database_fixture.h"

TestSuite(schema, .init = fixture_setup, .fini = fixture_teardown, .timeout = 120);

/* Everything that CoreScope's schema says, as text that two databases can be compared by. */
static const char tables_sql[] =
    "SELECT m.name, c.cid, c.name, upper(c.type), c.\"notnull\", c.dflt_value, c.pk "
    "FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' "
    "AND m.name NOT LIKE 'mk_%' AND m.name NOT LIKE 'sqlite_%' "
    "AND NOT (m.name = '_async_migrations' AND c.cid > 4) ORDER BY 1, 2";
static const char indexes_sql[] =
    "SELECT name, tbl_name, replace(replace(lower(sql), ' ', ''), char(10), '') "
    "FROM sqlite_master WHERE type = 'index' AND tbl_name NOT LIKE 'mk_%' AND name NOT LIKE 'mk_%' "
    "ORDER BY 1";

Test(schema, a_new_database_is_what_corescope_makes)
{
	char from[512], *text = NULL, *ours, *theirs;
	sqlite3 *h = NULL;
	struct opened o;
	size_t cap = 0;
	FILE *in;

	(void)snprintf(from, sizeof(from), "%s/spec/schema.sql", TEST_SHARED);
	in = fopen(from, "r");
	if (in == NULL)
		cr_skip_test("%s is not there", from);
	cr_assert_gt(getdelim(&text, &cap, '\0', in), 0);
	fclose(in);
	cr_assert_eq(sqlite3_open(":memory:", &h), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(h, text, NULL, NULL, NULL), SQLITE_OK);
	free(text);
	open_or_fail(&o);
	cr_expect(o.created);
	open_close(&o);
	for (int i = 0; i < 5; i++) {
		const char *const questions[] = {
			tables_sql, indexes_sql, "SELECT name FROM _migrations ORDER BY 1",
			"SELECT name, status FROM _async_migrations ORDER BY 1",
			"SELECT c.name FROM pragma_table_info('packets_v') c"
		};

		ours = ask(questions[i]);
		theirs = ask_handle(h, questions[i]);
		cr_expect_str_eq(ours, theirs);
		free(ours);
		free(theirs);
	}
	sqlite3_close(h);
}

Test(schema, a_new_database_has_incremental_vacuum_and_a_log)
{
	struct opened o;

	open_or_fail(&o);
	open_close(&o);
	expect_answer("PRAGMA auto_vacuum", "2");
	expect_answer("PRAGMA journal_mode", "wal");
	expect_answer("PRAGMA integrity_check", "ok");
}

Test(schema, opening_it_again_changes_nothing)
{
	struct opened o;
	uint64_t before;

	open_or_fail(&o);
	open_close(&o);
	before = file_sum(path);
	open_or_fail(&o);
	cr_expect_eq(o.state, SCHEMA_READY);
	cr_expect_not(o.created);
	open_close(&o);
	cr_expect_eq(file_sum(path), before);
}

Test(schema, an_interrupted_creation_leaves_nothing_that_matters)
{
	char name[96];
	struct opened o;

	(void)snprintf(name, sizeof(name), "%s.new", path);
	write_file(name, "half of a database", 18);
	open_or_fail(&o);
	open_close(&o);
	cr_expect_neq(access(name, F_OK), 0);
}

Test(schema, a_database_without_tables_is_filled)
{
	struct opened o;

	sql_on(path, "CREATE TABLE x (y); DROP TABLE x");
	open_or_fail(&o);
	cr_expect(o.created);
	open_close(&o);
	expect_answer("SELECT count(*) FROM transmissions", "0");
	expect_answer("PRAGMA auto_vacuum", "2");
}

static void
expect_foreign(const char *part)
{
	struct db_options options = { .path = path };
	uint64_t before = file_sum(path);
	struct opened o = { .lock_fd = -1 };
	mk_err err = { .text = "" };
	mk_result rc = open_database(&o, &options, &err);

	cr_expect_eq(rc, MK_EABI, "%s", err.text);
	cr_expect_eq(db_class(rc), DB_FATAL);
	expect_text(err, part);
	cr_expect_eq(file_sum(path), before, "it was changed");
}

Test(schema, a_version_2_database_is_refused_with_directions)
{
	sql_on(path, "CREATE TABLE nodes (public_key TEXT PRIMARY KEY);"
		     "CREATE TABLE observers (id TEXT PRIMARY KEY);"
		     "CREATE TABLE transmissions (id INTEGER PRIMARY KEY, hash TEXT UNIQUE);"
		     "CREATE TABLE observations (id INTEGER PRIMARY KEY, transmission_id INTEGER, "
		     "observer_id TEXT, timestamp TEXT)");
	expect_foreign("meshkern import");
}

/* Copies a file while its connection is open, as after a crash. */
static void
copy_file(const char *from, const char *to)
{
	char buf[65536];
	FILE *in = fopen(from, "r"), *out = fopen(to, "w");
	size_t n;

	cr_assert(in != NULL && out != NULL);
	while ((n = fread(buf, 1, sizeof(buf), in)) > 0)
		cr_assert_eq(fwrite(buf, 1, n, out), n);
	fclose(in);
	fclose(out);
}

Test(schema, what_a_crashed_program_left_in_its_log_stays_there)
{
	char other[96], log[112], name[112];
	sqlite3 *h = NULL;
	uint64_t before;

	(void)snprintf(other, sizeof(other), "%s/other.db", folder);
	(void)snprintf(name, sizeof(name), "%s-wal", other);
	(void)snprintf(log, sizeof(log), "%s-wal", path);
	cr_assert_eq(sqlite3_open(other, &h), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(h, "PRAGMA journal_mode = WAL; CREATE TABLE places (x)", NULL,
				  NULL, NULL),
		     SQLITE_OK);
	copy_file(other, path);
	copy_file(name, log);
	sqlite3_close(h);
	before = file_sum(log);
	expect_foreign("another program");
	cr_expect_eq(file_sum(log), before);
}

Test(schema, the_database_of_another_program_is_refused)
{
	sql_on(path, "CREATE TABLE moz_places (id INTEGER PRIMARY KEY, url TEXT)");
	expect_foreign("another program");
}

Test(schema, a_table_that_only_has_the_right_name_is_refused)
{
	sql_on(path, old_schema);
	sql_on(path, "DROP TABLE observations; DROP TABLE transmissions; "
		     "CREATE TABLE transmissions (id INTEGER PRIMARY KEY, raw_hex TEXT, "
		     "first_seen TEXT, created_at TEXT)");
	expect_foreign("transmissions.hash");
}

Test(schema, hashes_that_may_be_there_twice_are_refused)
{
	sql_on(path, old_schema);
	sql_on(path, "DROP TABLE observations; DROP TABLE transmissions; "
		     "CREATE TABLE transmissions (id INTEGER PRIMARY KEY, raw_hex TEXT, hash TEXT, "
		     "first_seen TEXT, created_at TEXT)");
	expect_foreign("not unique by hash");
}

Test(schema, a_database_of_a_newer_version_is_refused)
{
	struct opened o;

	open_or_fail(&o);
	open_close(&o);
	sql_on(path, "UPDATE mk_state SET value = 99 WHERE name = 'schema'");
	sql_on(path, "PRAGMA wal_checkpoint(TRUNCATE)");
	expect_foreign("newer meshkern");
}

Test(schema, what_is_missing_is_found_by_definition_and_not_by_name)
{
	char missing[500];
	struct opened o;
	mk_err err = { .text = "" };

	open_or_fail(&o);
	open_close(&o);
	sql_on(path, "DROP INDEX idx_observations_dedup; CREATE INDEX idx_observations_dedup "
		     "ON observations(transmission_id, observer_idx, COALESCE(path_json, ''));"
		     "DROP VIEW packets_v; ALTER TABLE observers DROP COLUMN can_relay;"
		     "DROP TABLE client_observers");
	open_or_fail(&o);
	cr_expect_eq(o.state, SCHEMA_UPGRADE);
	cr_assert_eq(schema_missing(o.db, missing, sizeof(missing), &err), MK_OK);
	cr_expect_str_eq(missing, "column observers.can_relay, table client_observers, "
				  "index idx_observations_dedup, view packets_v");
	open_close(&o);
}

Test(schema, white_space_case_and_quotes_in_definitions_do_not_matter)
{
	struct opened o;

	open_or_fail(&o);
	open_close(&o);
	sql_on(path, "DROP INDEX idx_tx_last_seen_zero; CREATE INDEX IF NOT EXISTS "
		     "\"idx_tx_last_seen_zero\" on transmissions ( id )  WHERE last_seen=0");
	open_or_fail(&o);
	cr_expect_eq(o.state, SCHEMA_READY);
	open_close(&o);
}

Test(schema, every_table_is_unique_by_what_is_written)
{
	struct opened o;
	mk_err err = { .text = "" };
	int64_t n = 0;

	open_or_fail(&o);
	cr_assert_eq(schema_set(o.db, "x", 5, &err), MK_OK);
	cr_assert_eq(schema_set(o.db, "x", 6, &err), MK_OK);
	cr_expect_eq(schema_get(o.db, "x", &n, &err), MK_OK);
	cr_expect_eq(n, 6);
	cr_expect_eq(schema_get(o.db, "y", &n, &err), MK_ENOENT);
	open_close(&o);
}
