/* SPDX-License-Identifier: MIT
 *
 * What another plugin may send to storage/define, storage/step and storage/backfill, as any bytes.
 * Whatever it is, rows and tables that are not its own stay as they are, nothing acts by itself later,
 * no transaction stays open, its tables keep their limit, and what is told of it is valid.
 *
 *   byte 0: bit 0 the rest is a body as it came, else fields separated by zeros: name, table,
 *   where, index, step, verify, and what is to be created; bits 1 and 2 what an operator says
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <meshkern/codec.h>

#include <storage/jobs.h>
#include <storage/schema.h>

#define INPUTS_MAX 200u /* then the database begins anew */
#define STEPS_MAX 20
#define GUEST_BYTES (256 * 1024)
#define FIELDS 6
#define MORE_MAX 20

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	struct db *db;
	struct jobs *jobs;
	uint64_t now_us;
	int64_t pages;
	uint32_t inputs;
} world;

static void
require(bool holds)
{
	if (!holds)
		abort();
}

/* Each look is later, so that statements without an end are interrupted soon. */
static uint64_t
world_now(void *arg)
{
	(void)arg;
	return world.now_us += 1000;
}

static int64_t
world_ask(const char *sql)
{
	int64_t value = -1;

	require(db_int(world.db, NULL, &value, sql, "") == MK_OK);
	return value;
}

static void
world_begin(void)
{
	struct db_options options = { .path = ":memory:", .create = true };

	require(db_open(&world.db, &options, NULL) == MK_OK);
	require(db_begin(world.db, NULL) == MK_OK && schema_create(world.db, NULL) == MK_OK);
	require(db_exec(world.db,
			"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
			"WHERE i < 12) INSERT INTO transmissions (raw_hex, hash, first_seen) "
			"SELECT '', 'h' || i, 'x' FROM n",
			NULL) == MK_OK);
	require(db_commit(world.db, NULL) == MK_OK);
	world.pages = world_ask("PRAGMA page_count");
}

static void
world_end(void)
{
	db_close(world.db);
	world.db = NULL;
	world.inputs = 0;
}

/* ------------------------------------------------------------------------ input -- */

static void
body_of_fields(mk_writer *w, const uint8_t *data, size_t size)
{
	static const char *const keys[] = { "name", "table", "where", "index", "step", "verify" };
	const char *values[FIELDS + MORE_MAX] = { NULL };
	uint32_t lengths[FIELDS + MORE_MAX], count = 0, given = 0;

	while (size > 0 && count < FIELDS + MORE_MAX) {
		const uint8_t *end = memchr(data, 0, size);

		lengths[count] = (uint32_t)(end == NULL ? size : (size_t)(end - data));
		values[count++] = (const char *)data;
		size -= end == NULL ? size : lengths[count - 1] + 1;
		data += lengths[count - 1] + 1;
	}
	for (uint32_t i = 0; i < count && i < FIELDS; i++)
		given += lengths[i] > 0;
	mk_put_map(w, given + 1);
	for (uint32_t i = 0; i < count && i < FIELDS; i++) {
		if (lengths[i] == 0)
			continue;
		mk_put_str(w, keys[i]);
		mk_put_strn(w, values[i], lengths[i]);
	}
	mk_put_str(w, "create");
	mk_put_array(w, count > FIELDS ? count - FIELDS : 0);
	for (uint32_t i = FIELDS; i < count; i++)
		mk_put_strn(w, values[i], lengths[i]);
}

static void
check(void)
{
	struct job_progress p;

	require(sqlite3_get_autocommit(db_handle(world.db)) != 0);
	for (uint32_t i = 0; jobs_at(world.jobs, i, &p); i++) {
		require(mk_utf8_valid(p.name, strlen(p.name)));
		require(mk_utf8_valid(p.error, strlen(p.error)));
	}
	require(world_ask("SELECT count(*) * 1000 + sum(length(hash)) + sum(last_seen) "
			  "FROM transmissions") == 12 * 1000 + 9 * 2 + 3 * 3);
	require(world_ask("SELECT count(*) FROM sqlite_master WHERE type IN ('trigger', 'view') "
			  "AND name <> 'packets_v'") == 0);
	require(world_ask("SELECT count(*) FROM sqlite_master WHERE name LIKE 'x~_%' ESCAPE '~' "
			  "AND tbl_name NOT LIKE 'x~_g~_~_%' ESCAPE '~'") == 0);
	require(world_ask("SELECT count(*) FROM nodes") == 0);
	require(world_ask("PRAGMA page_count") * 4096 <=
		world.pages * 4096 + 2 * GUEST_BYTES + (1 << 20));
}

static void
run(const mk_val *body, uint8_t how)
{
	static const char *const words[] = { "pause", "resume", "retry", "?" };
	char name[100] = "g.", word[16] = "";
	struct job_progress p;
	mk_err err = { .text = "" };

	(void)jobs_define(world.jobs, "g", body, &err);
	check();
	(void)mk_copy_str(mk_find(body, "name"), name + 2, sizeof(name) - 2);
	for (int i = 0; i < STEPS_MAX; i++) {
		if (i == STEPS_MAX / 2)
			(void)jobs_control(world.jobs, name, words[how & 3], &err);
		if (jobs_step(world.jobs, name, (uint64_t)how * 1000, &p, &err) == MK_ENOENT)
			break;
		check();
	}
	(void)mk_copy_str(mk_find(body, "do"), word, sizeof(word));
	(void)jobs_control(world.jobs, name, word, &err);
	check();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct jobs_options options = { .now_us = world_now, .wall_us = world_now };
	mk_writer w;
	mk_doc doc;

	if (size == 0)
		return 0;
	if (world.db == NULL)
		world_begin();
	options.guest_bytes = GUEST_BYTES;
	require(jobs_new(&world.jobs, world.db, &options, NULL) == MK_OK);
	mk_writer_init(&w, 0);
	if ((data[0] & 1) != 0)
		mk_put_raw(&w, data + 1, size - 1);
	else
		body_of_fields(&w, data + 1, size - 1);
	mk_doc_init(&doc);
	if (w.len > 0 && mk_doc_open(&doc, w.data, w.len, NULL, NULL, 0) == MK_OK)
		run(mk_doc_root(&doc), data[0] >> 1);
	mk_doc_fini(&doc);
	mk_writer_fini(&w);
	jobs_free(world.jobs);
	if (++world.inputs >= INPUTS_MAX)
		world_end();
	return 0;
}
