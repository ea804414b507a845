/* SPDX-License-Identifier: MIT
 *
 * A new database, and bodies of snapshots that are applied to it.
 */
#ifndef TEST_APPLY_FIXTURE_H
#define TEST_APPLY_FIXTURE_H

#include "database_fixture.h"

#include <storage/apply.h>

static struct opened o;
static mk_writer w;
static struct apply_report report;
static uint32_t told_nodes, told_edges;
static mk_err said_why; /* of the last refusal */

static inline void
begin(void)
{
	fixture_setup();
	open_or_fail(&o);
	mk_writer_init(&w, 0);
}

static inline void
finished(void)
{
	mk_writer_fini(&w);
	open_close(&o);
	fixture_teardown();
}

static inline void
on_node(void *arg, const char *table, const char *key)
{
	(void)arg;
	(void)table;
	(void)key;
	told_nodes++;
}

static inline void
on_edge(void *arg, const char *a, const char *b, bool gone)
{
	(void)arg;
	(void)a;
	(void)b;
	told_edges += !gone;
}

/* In a transaction, which is undone if it is refused. */
static inline mk_result
applied(const char *name, const char *origin, const void *body, size_t len, bool delta)
{
	struct apply_input in = { .name = name,
				  .origin = origin,
				  .body = body,
				  .len = len,
				  .delta = delta,
				  .on_node = on_node,
				  .on_edge = on_edge };
	mk_err err = { 0 };
	mk_result rc;

	report = (struct apply_report){ 0 };
	cr_assert_eq(db_begin(o.db, &err), MK_OK, "%s", err.text);
	rc = apply_snapshot(o.db, &in, &report, &err);
	if (rc != MK_OK && rc != MK_ENOENT)
		cr_expect_neq(err.text[0], '\0');
	said_why = err;
	if (rc == MK_OK)
		cr_assert_eq(db_commit(o.db, &err), MK_OK, "%s", err.text);
	else
		db_rollback(o.db);
	return rc;
}

/* Every byte changed and every length cut: what is refused has left no trace, even without the
 * transaction being undone. */
static inline void
expect_damage_is_harmless(const char *name, const char *everything)
{
	char *before = ask(everything), *after;
	uint8_t *bytes = malloc(w.len);
	uint32_t refused = 0;

	cr_assert_not_null(bytes);
	for (size_t i = 0; i < 2 * w.len; i++) {
		struct apply_input in = { .name = name,
					  .origin = name,
					  .body = bytes,
					  .len = i < w.len ? w.len : i - w.len };
		mk_err err;
		mk_result rc;

		memcpy(bytes, w.data, w.len);
		if (i < w.len)
			bytes[i] ^= (uint8_t)(i % 3 == 0 ? 0xff : 0x21);
		cr_assert_eq(db_begin(o.db, &err), MK_OK);
		rc = apply_snapshot(o.db, &in, NULL, &err);
		if (rc == MK_OK) {
			db_rollback(o.db);
			continue;
		}
		refused++;
		cr_assert_eq(db_commit(o.db, &err), MK_OK);
		after = ask(everything);
		cr_assert_str_eq(after, before, "byte %zu", i);
		free(after);
	}
	cr_expect_gt(refused, w.len);
	free(before);
	free(bytes);
}

#endif
