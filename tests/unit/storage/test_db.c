/* SPDX-License-Identifier: MIT */
#include "database_fixture.h"

TestSuite(db, .init = fixture_setup, .fini = fixture_teardown, .timeout = 120);

/* Opening must fail with this result and text, and leave the file as it is. */
static void
expect_refused(mk_result wanted, const char *part)
{
	struct db_options options = { .path = path, .busy_ms = 50 };
	struct opened o = { .lock_fd = -1 };
	mk_err err = { .text = "" };

	cr_expect_eq(open_database(&o, &options, &err), wanted, "%s", err.text);
	expect_text(err, part);
	expect_text(err, path);
}

Test(db, a_second_daemon_is_refused_by_the_pid_of_the_first)
{
	struct opened o;
	char pid[32];

	open_or_fail(&o);
	(void)snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
	expect_refused(MK_EUNAVAIL, pid);
	open_close(&o);
	open_or_fail(&o);
	open_close(&o);
}

Test(db, a_lock_file_that_was_left_behind_means_nothing)
{
	char name[96];
	struct opened o;

	(void)snprintf(name, sizeof(name), "%s.lock", path);
	write_file(name, "1\n", 2);
	open_or_fail(&o);
	open_close(&o);
}

Test(db, through_a_link_it_is_the_same_database)
{
	char name[96];
	struct opened o, second = { .lock_fd = -1 };
	struct db_options options = { .path = name };
	mk_err err = { .text = "" };

	(void)snprintf(name, sizeof(name), "%s/link.db", folder);
	cr_assert_eq(symlink("mesh.db", name), 0);
	open_or_fail(&o);
	cr_expect_eq(open_database(&second, &options, &err), MK_EUNAVAIL);
	open_close(&o);
}

static sqlite3_vfs *real_vfs;
static int temporary_files;

static int
open_counting(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out)
{
	(void)v;
	temporary_files += (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)) == 0;
	return real_vfs->xOpen(real_vfs, name, f, flags, out);
}

Test(db, what_a_statement_may_have_to_take_back_needs_no_temporary_file)
{
	struct opened o;
	sqlite3_vfs counting;
	mk_err err = { .text = "" };

	real_vfs = sqlite3_vfs_find(NULL);
	counting = *real_vfs;
	counting.zName = "counting";
	counting.xOpen = open_counting;
	sqlite3_vfs_register(&counting, 1);
	open_or_fail(&o);
	temporary_files = 0; /* making a database is something else */
	cr_assert_eq(db_exec(o.db, "CREATE TABLE many (n INTEGER PRIMARY KEY, text)", &err), MK_OK);
	cr_assert_eq(
	    db_exec(o.db,
		    "BEGIN; WITH RECURSIVE up (n) AS (SELECT 1 UNION ALL SELECT n + 1"
		    " FROM up WHERE n < 2000) INSERT INTO many SELECT n, hex(zeroblob(500))"
		    " FROM up; SAVEPOINT one; UPDATE many SET text = hex(zeroblob(501));"
		    " RELEASE one; COMMIT",
		    &err),
	    MK_OK, "%s", err.text);
	cr_expect_eq(temporary_files, 0, "%d", temporary_files);
	open_close(&o);
	sqlite3_vfs_unregister(&counting);
}

/* A child that has the write lock of the file until the pipe is closed. */
static pid_t
start_writer(int *end)
{
	int up[2], down[2];
	pid_t pid;
	char c;

	cr_assert_eq(pipe(up), 0);
	cr_assert_eq(pipe(down), 0);
	pid = fork();
	if (pid == 0) {
		sqlite3 *h = NULL;

		close(down[1]);
		if (sqlite3_open(path, &h) != SQLITE_OK ||
		    sqlite3_exec(h, "BEGIN EXCLUSIVE", NULL, NULL, NULL) != SQLITE_OK ||
		    write(up[1], "x", 1) != 1 || read(down[0], &c, 1) < 0)
			_exit(1);
		_exit(0);
	}
	close(down[0]);
	cr_assert_eq(read(up[0], &c, 1), 1);
	*end = down[1];
	return pid;
}

Test(db, another_program_that_writes_is_named_and_waited_for_shortly)
{
	struct db_options options = { .path = path, .busy_ms = 50 };
	struct opened o = { .lock_fd = -1 };
	mk_err err = { .text = "" };
	char name[32];
	int end, status;
	mk_result rc;
	pid_t pid;

	sql_on(path, old_schema);
	pid = start_writer(&end);
	rc = open_database(&o, &options, &err);
	cr_expect_eq(rc, MK_EAGAIN, "%s", err.text);
	cr_expect_eq(db_class(rc), DB_RETRY);
	(void)snprintf(name, sizeof(name), "process %ld", (long)pid);
	expect_text(err, name);
	close(end);
	waitpid(pid, &status, 0);
	open_or_fail(&o);
	open_close(&o);
}

Test(db, a_transaction_waits_for_another_programs_and_then_says_so)
{
	struct opened o;
	mk_err err = { .text = "" };
	int end, status;
	pid_t pid;

	open_or_fail(&o);
	pid = start_writer(&end);
	cr_expect_eq(db_begin(o.db, &err), MK_EAGAIN, "%s", err.text);
	close(end);
	waitpid(pid, &status, 0);
	cr_expect_eq(db_begin(o.db, &err), MK_OK, "%s", err.text);
	db_rollback(o.db);
	open_close(&o);
}

Test(db, a_directory_is_no_database)
{
	cr_assert_eq(mkdir(path, 0755), 0);
	expect_refused(MK_EFORMAT, "is a directory");
}

Test(db, an_empty_file_is_left_as_it_is)
{
	struct stat st;

	write_file(path, "", 0);
	expect_refused(MK_EFORMAT, "is empty");
	cr_expect_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_size, 0);
}

Test(db, what_is_no_database_is_left_as_it_is)
{
	static const char text[] = "hello, this is a letter to my grandmother and no database";
	uint64_t before;

	write_file(path, text, sizeof(text));
	before = file_sum(path);
	expect_refused(MK_EFORMAT, "is no SQLite database");
	cr_expect_eq(file_sum(path), before);
}

Test(db, a_database_that_was_cut_off_is_damaged)
{
	struct opened o;
	uint64_t before;

	open_or_fail(&o);
	open_close(&o);
	cr_assert_eq(truncate(path, 4096), 0);
	before = file_sum(path);
	expect_refused(MK_EFORMAT, "is damaged");
	cr_expect_eq(file_sum(path), before);
}

Test(db, a_missing_database_whose_log_is_there_is_not_replaced)
{
	char name[96];

	(void)snprintf(name, sizeof(name), "%s-wal", path);
	write_file(name, "something", 9);
	expect_refused(MK_EFORMAT, "is missing");
	cr_expect_neq(access(path, F_OK), 0);
}

Test(db, a_link_to_nothing_is_no_place_for_a_database)
{
	cr_assert_eq(symlink("nowhere.db", path), 0);
	expect_refused(MK_EFORMAT, "link");
}

Test(db, without_permission_it_says_so)
{
	struct opened o;

	open_or_fail(&o);
	open_close(&o);
	cr_assert_eq(chmod(path, 0444), 0);
	cr_assert_eq(chmod(folder, 0777), 0);
	(void)unlink("mesh.db.lock");
	{
		char name[96];

		(void)snprintf(name, sizeof(name), "%s.lock", path);
		(void)unlink(name);
	}
	if (geteuid() == 0)
		cr_assert_eq(setuid(65534), 0);
	expect_refused(MK_EDENIED, "user must be able to write");
}

Test(db, a_folder_that_cannot_be_written_is_named)
{
	cr_assert_eq(chmod(folder, 0555), 0);
	if (geteuid() == 0)
		cr_assert_eq(setuid(65534), 0);
	expect_refused(MK_EDENIED, ".lock");
}

Test(db, a_full_disk_can_be_waited_for)
{
	struct opened o;
	mk_err err = { .text = "" };
	mk_result rc;

	open_or_fail(&o);
	cr_assert_eq(db_exec(o.db, "PRAGMA max_page_count = 1", &err), MK_OK);
	cr_assert_eq(db_begin(o.db, &err), MK_OK, "%s", err.text);
	rc = db_run(o.db, &err, "INSERT INTO mk_state VALUES ('big', zeroblob(100000))", "");
	cr_expect_eq(rc, MK_EFULL, "%s", err.text);
	cr_expect_eq(db_class(rc), DB_RETRY);
	db_rollback(o.db);
	open_close(&o);
}

Test(db, a_row_that_breaks_a_constraint_is_only_this_rows_fault)
{
	struct opened o;
	mk_err err = { .text = "" };
	mk_result rc;

	open_or_fail(&o);
	rc = db_run(o.db, &err,
		    "INSERT INTO observations (transmission_id, timestamp) VALUES (?, ?)", "ii",
		    INT64_C(77), INT64_C(1));
	cr_expect_eq(rc, MK_EEXIST, "a foreign key: %s", err.text);
	cr_expect_eq(db_class(rc), DB_ROW);
	open_close(&o);
}

Test(db, values_are_bound_by_their_letters)
{
	struct opened o;
	mk_err err = { .text = "" };
	sqlite3_stmt *row;

	open_or_fail(&o);
	cr_assert_eq(db_row(o.db, &err, &row, "SELECT ?1, ?2, ?3, ?4, ?5, ?6", "idssnb",
			    INT64_C(-5), 1.5, "text", NULL, "ab", 2),
		     MK_OK, "%s", err.text);
	cr_expect_eq(sqlite3_column_int64(row, 0), -5);
	cr_expect_eq(sqlite3_column_double(row, 1), 1.5);
	cr_expect_str_eq((const char *)sqlite3_column_text(row, 2), "text");
	cr_expect_eq(sqlite3_column_type(row, 3), SQLITE_NULL);
	cr_expect_eq(sqlite3_column_type(row, 4), SQLITE_NULL);
	cr_expect_eq(sqlite3_column_bytes(row, 5), 2);
	sqlite3_reset(row);
	open_close(&o);
}

Test(db, the_log_gets_short_although_somebody_is_reading)
{
	struct db_wal wal = { .pages = 0 };
	struct opened o;
	mk_err err = { .text = "" };
	sqlite3 *reader = NULL;
	bool did = false;
	char *answer;

	open_or_fail(&o);
	cr_assert_eq(sqlite3_open_v2(path, &reader, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(reader, "BEGIN", NULL, NULL, NULL), SQLITE_OK);
	answer = ask_handle(reader, "SELECT count(*) FROM nodes");
	free(answer);
	for (int i = 0; i < 20; i++)
		cr_assert_eq(db_run(o.db, &err,
				    "INSERT INTO mk_state VALUES (?, zeroblob(2000000))", "i",
				    (int64_t)i),
			     MK_OK, "%s", err.text);
	/* One read that does not end is named as the reason after a minute. */
	cr_expect_eq(db_housekeep(o.db, 1, true, &did, &wal, &err), MK_OK);
	cr_expect_eq(db_housekeep(o.db, 40000000, true, &did, &wal, &err), MK_OK);
	cr_expect(did);
	cr_expect_not(wal.blocked, "not yet");
	cr_expect_eq(db_housekeep(o.db, 120000000, true, &did, &wal, &err), MK_OK);
	cr_expect(wal.blocked);
	cr_expect_not_null(strstr(wal.reason, "a long read"), "%s", wal.reason);
	cr_expect_gt(wal.pages, wal.checkpointed);
	sqlite3_exec(reader, "COMMIT", NULL, NULL, NULL);
	cr_expect_eq(db_housekeep(o.db, 160000000, true, &did, &wal, &err), MK_OK);
	cr_expect_not(wal.blocked);
	cr_expect_eq(wal.pages, 0, "truncated, not %lld", (long long)wal.pages);
	sqlite3_close(reader);
	open_close(&o);
}

Test(db, synchronous_is_normal_and_full_if_asked_for)
{
	struct db_options options = { .path = path, .full = true, .cache_kib = 4096 };
	struct opened o;
	mk_err err = { .text = "" };
	int64_t value = 0;

	open_or_fail(&o);
	cr_assert_eq(db_int(o.db, &err, &value, "PRAGMA synchronous", ""), MK_OK);
	cr_expect_eq(value, 1);
	open_close(&o);
	cr_assert_eq(open_database(&o, &options, &err), MK_OK);
	cr_assert_eq(db_int(o.db, &err, &value, "PRAGMA synchronous", ""), MK_OK);
	cr_expect_eq(value, 2);
	cr_assert_eq(db_int(o.db, &err, &value, "PRAGMA foreign_keys", ""), MK_OK);
	cr_expect_eq(value, 1);
	cr_assert_eq(db_int(o.db, &err, &value, "PRAGMA cache_size", ""), MK_OK);
	cr_expect_eq(value, -4096);
	open_close(&o);
}
