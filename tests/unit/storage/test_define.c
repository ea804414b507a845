/* SPDX-License-Identifier: MIT
 *
 * Backfills that other plugins define for tables of their own.
 */
#include "database_fixture.h"

TestSuite(define, .init = fixture_setup, .fini = fixture_teardown, .timeout = 120);

struct definition {
	const char *name, *table, *where, *index, *step, *verify, *create[4];
};

/* Twelve transmissions, each of which becomes a cell. */
static const struct definition cells = {
	.name = "cells-v1",
	.table = "transmissions",
	.step =
	    "INSERT INTO x_rain_map__cells SELECT id, hash, NULL FROM transmissions WHERE id = ?1",
	.verify = "SELECT count(*) FROM transmissions t WHERE id > ?1 AND id <= ?2 AND NOT EXISTS "
		  "(SELECT 1 FROM x_rain_map__cells c WHERE c.id = t.id)",
	.create = { "CREATE TABLE IF NOT EXISTS x_rain_map__cells (id INTEGER PRIMARY KEY, "
		    "hash TEXT UNIQUE, wet INTEGER)",
		    "CREATE INDEX IF NOT EXISTS x_rain_map__dry ON x_rain_map__cells (id) "
		    "WHERE wet IS NULL" },
};

static mk_result
define(struct jobs *jobs, const char *owner, const struct definition *d, mk_err *err)
{
	const char *const keys[] = { "name", "table", "where", "index", "step", "verify" };
	const char *const values[] = { d->name, d->table, d->where, d->index, d->step, d->verify };
	uint32_t count = 0, creates = 0;
	mk_result rc;
	mk_writer w;
	mk_doc doc;

	for (int i = 0; i < 6; i++)
		count += values[i] != NULL;
	while (creates < 4 && d->create[creates] != NULL)
		creates++;
	mk_writer_init(&w, 0);
	mk_put_map(&w, count + 1);
	for (int i = 0; i < 6; i++)
		if (values[i] != NULL)
			mk_kv_str(&w, keys[i], values[i]);
	mk_kv_array(&w, "create", creates);
	for (uint32_t i = 0; i < creates; i++)
		mk_put_str(&w, d->create[i]);
	cr_assert_eq(mk_writer_end(&w), MK_OK);
	mk_doc_init(&doc);
	cr_assert_eq(mk_doc_open(&doc, w.data, w.len, NULL, NULL, 0), MK_OK);
	rc = jobs_define(jobs, owner, mk_doc_root(&doc), err);
	mk_doc_fini(&doc);
	mk_writer_fini(&w);
	return rc;
}

static struct jobs *
start(struct opened *o)
{
	open_or_fail(o);
	cr_assert_eq(db_exec(o->db,
			     "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
			     "WHERE i < 12) INSERT INTO transmissions (raw_hex, hash, first_seen) "
			     "SELECT '', 'h' || i, 'x' FROM n",
			     NULL),
		     MK_OK);
	return jobs_make(o->db, NULL);
}

static void
end(struct opened *o, struct jobs *jobs)
{
	jobs_free(jobs);
	open_close(o);
}

Test(define, a_plugin_fills_a_table_of_its_own)
{
	struct opened o;
	struct jobs *jobs = start(&o);
	struct job_progress p;
	mk_err err = { .text = "" };

	tick_us = 500; /* a few rows a step */
	cr_assert_eq(define(jobs, "rain-map", &cells, &err), MK_OK, "%s", err.text);
	expect_answer("SELECT name, status FROM _async_migrations WHERE name LIKE 'rain%'",
		      "rain-map.cells-v1|pending_async");
	cr_expect_str_eq(jobs_next(jobs), "rain-map.cells-v1");
	cr_assert_eq(jobs_step(jobs, "rain-map.cells-v1", JOBS_HOLD_US, &p, NULL), MK_OK);
	cr_expect_str_eq(p.state_text, "running");
	cr_expect_eq(p.total, 12);
	jobs_finish(jobs);
	cr_expect_eq(jobs_open(jobs), 0);
	expect_answer("SELECT count(*), min(hash) FROM x_rain_map__cells", "12|h1");
	/* The plugin was restarted. */
	cr_expect_eq(define(jobs, "rain-map", &cells, &err), MK_OK, "%s", err.text);
	jobs_free(jobs);
	jobs = jobs_make(o.db, NULL);
	cr_expect_eq(define(jobs, "rain-map", &cells, &err), MK_OK, "%s", err.text);
	cr_expect_null(jobs_next(jobs), "what was done stays done");
	end(&o, jobs);
}

Test(define, only_rows_that_its_index_finds_are_walked)
{
	static const struct definition dry = {
		.name = "wet",
		.table = "x_rain_map__cells",
		.where = "wet IS NULL",
		.index = "x_rain_map__dry",
		.step = "UPDATE x_rain_map__cells SET wet = 1 WHERE id = ?1",
	};
	struct opened o;
	struct jobs *jobs = start(&o);
	struct job_progress p;
	mk_err err = { .text = "" };

	cr_assert_eq(define(jobs, "rain-map", &cells, &err), MK_OK, "%s", err.text);
	jobs_finish(jobs);
	cr_assert_eq(db_exec(o.db, "UPDATE x_rain_map__cells SET wet = 0 WHERE id <> 7", NULL),
		     MK_OK);
	cr_assert_eq(define(jobs, "rain-map", &dry, &err), MK_OK, "%s", err.text);
	jobs_finish(jobs);
	cr_expect_eq(jobs_step(jobs, "rain-map.wet", 0, &p, NULL), MK_OK);
	cr_expect_eq(p.done, 1);
	expect_answer("SELECT sum(wet) FROM x_rain_map__cells", "1");
	end(&o, jobs);
}

static void
expect_refused(struct jobs *jobs, const char *owner, struct definition d, mk_result rc,
	       const char *why)
{
	mk_err err = { .text = "" };

	cr_expect_eq(define(jobs, owner, &d, &err), rc, "%s: %s", why, err.text);
	expect_text(err, why);
	cr_expect_null(jobs_next(jobs));
}

Test(define, what_is_not_its_own_stays_out_of_reach)
{
	static const char *const steps[] = {
		"DELETE FROM transmissions WHERE id = ?1",
		"INSERT INTO x_rain__cells VALUES (?1)",
		"UPDATE nodes SET name = 'mine' WHERE rowid = ?1",
		"CREATE TABLE x_rain_map__more (id)",
		"PRAGMA journal_mode = DELETE",
		"ATTACH '/tmp/other.db' AS other",
		"COMMIT",
		"DROP TABLE x_rain_map__cells",
	};
	static const char *const creates[] = {
		"CREATE TABLE mine (id)",
		"CREATE TRIGGER x_rain_map__t AFTER INSERT ON nodes BEGIN SELECT 1; END",
		"CREATE VIEW x_rain_map__v AS SELECT 1",
		"CREATE INDEX x_rain_map__i ON transmissions (hash)",
		"CREATE TABLE x_rain_map__r (id INTEGER REFERENCES transmissions (id))",
		"DROP TABLE transmissions",
		"CREATE TEMP TABLE x_rain_map__t (id)",
	};
	struct opened o;
	struct jobs *jobs = start(&o);
	struct definition d;

	sql_on(path, "CREATE TABLE x_rain__cells (id)");
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		d = cells;
		d.step = steps[i];
		expect_refused(jobs, "rain-map", d, MK_EDENIED, "rain-map.cells-v1");
	}
	for (size_t i = 0; i < sizeof(creates) / sizeof(creates[0]); i++) {
		d = cells;
		d.create[1] = creates[i];
		expect_refused(jobs, "rain-map", d, MK_EDENIED, "rain-map.cells-v1");
	}
	/* Nothing of what was refused remains. */
	expect_answer(
	    "SELECT count(*) FROM sqlite_master WHERE name LIKE 'x\\_rain\\_map%' ESCAPE '\\'",
	    "0");
	expect_answer("SELECT count(*) FROM _async_migrations WHERE name LIKE 'rain%'", "0");
	end(&o, jobs);
}

Test(define, nonsense_is_refused_with_a_reason)
{
	struct opened o;
	struct jobs *jobs = start(&o);
	struct definition d = cells;

	d.name = "Cells!";
	expect_refused(jobs, "rain-map", d, MK_EINVAL, "name (of a-z");
	d = cells;
	d.table = "x\" WHERE 1; --";
	expect_refused(jobs, "rain-map", d, MK_EINVAL, "without quotes");
	d = cells;
	d.where = "1";
	expect_refused(jobs, "rain-map", d, MK_EINVAL, "where needs its index");
	d = cells;
	d.step = "SELECT 1; SELECT 2";
	expect_refused(jobs, "rain-map", d, MK_EINVAL, "exactly one statement");
	d.step = "";
	expect_refused(jobs, "rain-map", d, MK_EINVAL, "step are needed");
	d.step = " -- nothing";
	expect_refused(jobs, "rain-map", d, MK_EINVAL, "exactly one statement");
	d.step = "SELEKT";
	expect_refused(jobs, "rain-map", d, MK_EINVAL, "syntax error");
	expect_refused(jobs, "rain--map", cells, MK_EINVAL, "may have no \"--\"");
	expect_refused(jobs, "rain-", cells, MK_EINVAL, "no \"-\" at the end");
	end(&o, jobs);
}

Test(define, another_definition_of_the_same_name_is_refused)
{
	struct opened o;
	struct jobs *jobs = start(&o);
	struct definition d = cells;
	mk_err err = { .text = "" };

	cr_assert_eq(define(jobs, "rain-map", &cells, &err), MK_OK, "%s", err.text);
	d.step = "SELECT ?1";
	cr_expect_eq(define(jobs, "rain-map", &d, &err), MK_EEXIST);
	expect_text(err, "use another name");
	end(&o, jobs);
}

Test(define, an_error_with_half_a_character_is_still_text)
{
	char step[700] =
	    "   INSERT INTO x_rain_map__cells SELECT ?1, max(i), 1 FROM (WITH RECURSIVE "
	    "n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n) /*";
	struct definition d = cells;
	struct opened o;
	struct jobs *jobs = start(&o);
	struct job_progress p;
	mk_err err = { .text = "" };

	while (strlen(step) < 650)
		memcpy(step + strlen(step), "\xe2\x82\xac", 4);
	for (int i = 0; i < 3; i++) { /* wherever it is cut */
		char name[] = "abc", full[20];

		name[i] = '\0';
		(void)snprintf(full, sizeof(full), "rain-map.x%s", name);
		d.name = full + strlen("rain-map.");
		d.step = step + i; /* spaces */
		cr_assert_eq(define(jobs, "rain-map", &d, &err), MK_OK, "%s", err.text);
		cr_expect_eq(jobs_step(jobs, full, JOBS_HOLD_US, &p, &err), MK_OK);
		cr_expect_str_eq(p.state_text, "failed");
		cr_expect(mk_utf8_valid(p.error, strlen(p.error)), "%s", p.error);
	}
	end(&o, jobs);
}

Test(define, a_statement_that_takes_long_fails_alone)
{
	struct opened o;
	struct jobs *jobs = start(&o);
	struct definition d = cells;
	struct job_progress p;
	mk_err err = { .text = "" };

	d.step = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
		 "INSERT INTO x_rain_map__cells SELECT ?1, max(i), 1 FROM n";
	cr_assert_eq(define(jobs, "rain-map", &d, &err), MK_OK, "%s", err.text);
	cr_expect_eq(jobs_step(jobs, "rain-map.cells-v1", JOBS_HOLD_US, &p, &err), MK_OK);
	cr_expect_str_eq(p.state_text, "failed");
	cr_expect_not_null(strstr(p.error, "took more than 200 ms"), "%s", p.error);
	expect_answer("SELECT count(*) FROM x_rain_map__cells", "0");
	end(&o, jobs);
}

Test(define, tables_that_take_too_much_room_fail_and_what_went_beyond_is_undone)
{
	static const struct definition greedy = {
		.name = "greedy",
		.table = "transmissions",
		.step = "INSERT INTO x_a__big SELECT ?1, zeroblob(20000)",
		.create = { "CREATE TABLE IF NOT EXISTS x_a__big (id INTEGER PRIMARY KEY, rest)" },
	};
	static const struct definition other = {
		.name = "other",
		.table = "transmissions",
		.step = "INSERT INTO x_b__big SELECT ?1, zeroblob(20000)",
		.create = { "CREATE TABLE IF NOT EXISTS x_b__big (id INTEGER PRIMARY KEY, rest)" },
	};
	static const struct definition another = {
		.name = "another",
		.table = "transmissions",
		.step = "SELECT ?1",
		.create = { "CREATE TABLE x_a__more (id)", "CREATE INDEX x_a__i ON x_a__more (id)",
			    "CREATE TABLE x_a__m2 (id)", "CREATE TABLE x_a__m3 (id)" },
	};
	uint64_t refused = 0;
	struct opened o;
	struct jobs *jobs;
	struct jobs_options options;
	struct job_progress p;
	mk_err err = { .text = "" };

	jobs_free(start(&o));
	jobs_defaults(&options);
	options.guest_bytes = 100000;
	options.guests_refused = &refused;
	jobs = jobs_make(o.db, &options);
	tick_us = 5000; /* a row a step */
	cr_assert_eq(define(jobs, "a", &greedy, &err), MK_OK, "%s", err.text);
	run_steps(jobs, 100);
	cr_assert_eq(jobs_step(jobs, "a.greedy", JOBS_HOLD_US, &p, &err), MK_OK);
	cr_expect_eq(p.state, JOB_FAILED);
	cr_expect_not_null(strstr(p.error, "may take 97: to allow more, change the option"), "%s",
			   p.error);
	cr_expect_eq(refused, 1);
	expect_answer("SELECT count(*) BETWEEN 3 AND 4, max(id) = count(*) FROM x_a__big", "1|1");
	/* Another step, and another definition, of the same owner; and another owner. */
	cr_expect_eq(define(jobs, "a", &another, &err), MK_ETOOBIG);
	cr_expect_eq(refused, 2);
	expect_answer("SELECT count(*) FROM sqlite_master WHERE name = 'x_a__more'", "0");
	cr_expect_eq(define(jobs, "b", &other, &err), MK_OK, "%s", err.text);
	options.guest_bytes = 1000000;
	jobs_configure(jobs, &options);
	cr_expect_eq(jobs_control(jobs, "a.greedy", "retry", &err), MK_OK);
	cr_assert_eq(db_exec(o.db, "DELETE FROM x_a__big", NULL), MK_OK);
	jobs_finish(jobs);
	expect_answer("SELECT (SELECT count(*) FROM x_a__big), (SELECT count(*) FROM x_b__big)",
		      "12|12");
	end(&o, jobs);
}
