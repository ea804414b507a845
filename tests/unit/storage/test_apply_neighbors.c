/* SPDX-License-Identifier: MIT */
#include "apply_fixture.h"

TestSuite(apply_neighbors, .init = begin, .fini = finished, .timeout = 120);

static const char everything[] =
    "SELECT (SELECT group_concat(node_a || node_b || count || last_seen) FROM neighbor_edges),"
    " (SELECT group_concat(node_a || node_b || first_seen || count_ab || modes || observers)"
    " FROM mk_neighbor_edges), (SELECT group_concat(name || value) FROM mk_state)";

/* The edge a-b and the open end a-?c1; `gone` NULL is a base. */
static void
body(uint64_t serial, uint64_t n, uint64_t cursor, uint64_t count, const char *b, const char *gone)
{
	mk_writer_reset(&w);
	mk_put_map(&w, gone == NULL ? 8 : 9);
	mk_kv_u64(&w, "v", 1);
	mk_kv_u64(&w, "serial", serial);
	mk_kv_u64(&w, "n", n);
	mk_kv_u64(&w, "cursor", cursor);
	mk_kv_i64(&w, "at", 1767225600);
	mk_kv_array(&w, "ids", gone == NULL ? 3 : 4);
	mk_put_str(&w, "aaaa");
	mk_put_str(&w, b);
	mk_put_str(&w, "obs \"1\"");
	if (gone != NULL)
		mk_put_str(&w, gone);
	for (int open = 0; open < 2; open++) {
		mk_kv_array(&w, open ? "open" : "edges", 1);
		mk_put_array(&w, 11);
		mk_put_u64(&w, 0);
		if (open)
			mk_put_str(&w, "c1");
		else
			mk_put_u64(&w, 1);
		mk_put_u64(&w, count);
		mk_put_u64(&w, 1);
		mk_put_i64(&w, 1767225000);
		mk_put_i64(&w, 1767225600);
		mk_put_array(&w, 4);
		for (uint64_t i = 0; i < 4; i++)
			mk_put_u64(&w, i == 1 ? count : 0);
		mk_put_f64(&w, -7.25);
		mk_put_u64(&w, 2);
		mk_put_array(&w, 1);
		mk_put_u64(&w, 2);
		if (open)
			mk_put_array(&w, 0);
		else
			mk_put_bool(&w, true);
	}
	if (gone != NULL) {
		mk_kv_array(&w, "gone", 2);
		mk_put_array(&w, 2);
		mk_put_u64(&w, 0);
		mk_put_u64(&w, 3);
		mk_put_array(&w, 2);
		mk_put_u64(&w, 0);
		mk_put_str(&w, "c2");
	}
	cr_assert_eq(mk_writer_end(&w), MK_OK);
}

static mk_result
apply(bool delta)
{
	return applied("neighbors", "neighbors", w.data, w.len, delta);
}

Test(apply_neighbors, an_edge_becomes_a_row_as_corescope_knows_it)
{
	body(10, 0, 100, 5, "bbbb", NULL);
	cr_expect_eq(apply(false), MK_OK);
	expect_answer("SELECT * FROM neighbor_edges", "aaaa|bbbb|5|2026-01-01T00:00:00Z");
	expect_answer("SELECT * FROM mk_neighbor_edges",
		      "aaaa|bbbb|1767225000|1|[0,5,0,0]|-7.25|2|[\"obs \\\"1\\\"\"]|1");
	cr_expect_eq(report.written, 1);
	cr_expect_eq(told_edges, 1);
}

Test(apply_neighbors, applying_it_again_writes_nothing)
{
	body(10, 0, 100, 5, "bbbb", NULL);
	cr_assert_eq(apply(false), MK_OK);
	body(11, 0, 100, 5, "bbbb", NULL);
	cr_expect_eq(apply(false), MK_OK);
	cr_expect_eq(report.written, 0);
	cr_expect_eq(report.read, 1);
}

Test(apply_neighbors, a_base_replaces_what_was_there_and_a_delta_adds)
{
	mk_err err;

	cr_assert_eq(db_exec(o.db, "INSERT INTO neighbor_edges VALUES ('x', 'y', 7, '2020')", &err),
		     MK_OK);
	body(10, 0, 100, 5, "bbbb", NULL);
	cr_assert_eq(apply(false), MK_OK);
	expect_answer("SELECT node_b FROM neighbor_edges", "bbbb");
	body(10, 1, 110, 6, "cccc", "dddd");
	cr_expect_eq(apply(true), MK_OK);
	expect_answer("SELECT node_b, count FROM neighbor_edges ORDER BY 1", "bbbb|5;cccc|6");
	body(10, 2, 120, 7, "cccc", "bbbb");
	cr_expect_eq(apply(true), MK_OK);
	expect_answer("SELECT node_b, count FROM neighbor_edges ORDER BY 1", "cccc|7");
	expect_answer("SELECT node_b FROM mk_neighbor_edges ORDER BY 1", "cccc");
}

Test(apply_neighbors, what_is_replayed_or_reordered_is_refused)
{
	char *before, *after;

	body(10, 1, 110, 6, "cccc", "dddd");
	cr_expect_eq(apply(true), MK_ESTATE); /* no base */
	body(10, 0, 100, 5, "bbbb", NULL);
	cr_assert_eq(apply(false), MK_OK);
	body(10, 1, 110, 6, "cccc", "dddd");
	cr_assert_eq(apply(true), MK_OK);
	before = ask(everything);
	cr_expect_eq(apply(true), MK_EEXIST); /* again */
	body(10, 3, 130, 9, "cccc", "dddd");
	cr_expect_eq(apply(true), MK_ESTATE); /* one is missing */
	body(9, 2, 130, 9, "cccc", "dddd");
	cr_expect_eq(apply(true), MK_EEXIST); /* of an older base */
	body(11, 2, 130, 9, "cccc", "dddd");
	cr_expect_eq(apply(true), MK_ESTATE); /* of a base that did not come */
	body(10, 0, 130, 9, "cccc", NULL);
	cr_expect_eq(apply(false), MK_EEXIST); /* the base again */
	body(12, 0, 90, 9, "cccc", NULL);
	cr_expect_eq(apply(false), MK_EEXIST); /* it covers less */
	body(12, 0, 130, 9, "cccc", NULL);
	cr_expect_eq(apply(true), MK_EFORMAT); /* a base told as a delta */
	after = ask(everything);
	cr_expect_str_eq(after, before);
	free(before);
	free(after);
}

Test(apply_neighbors, what_is_malformed_or_cut_off_is_refused_without_a_trace)
{
	body(10, 0, 100, 5, "bbbb", NULL);
	cr_assert_eq(apply(false), MK_OK);
	body(11, 0, 120, 9, "cccc", NULL);
	expect_damage_is_harmless("neighbors", everything);
}

Test(apply_neighbors, who_has_not_the_name_is_refused)
{
	body(10, 0, 100, 5, "bbbb", NULL);
	cr_expect_eq(applied("neighbors", "rainmap", w.data, w.len, false), MK_EDENIED);
	cr_expect_eq(applied("rainmap", "rainmap", w.data, w.len, false), MK_ENOENT);
	expect_answer("SELECT count(*) FROM neighbor_edges", "0");
}

Test(apply_neighbors, ends_in_the_wrong_order_are_refused)
{
	body(10, 0, 100, 5, "0000", NULL);
	cr_expect_eq(apply(false), MK_EFORMAT);
}
