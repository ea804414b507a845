/* SPDX-License-Identifier: MIT
 *
 * The worked examples T-MP1..6 and the scenarios S6, S7.
 */
#include "apply_fixture.h"

TestSuite(apply_mbcap, .init = begin, .fini = finished, .timeout = 120);

static const char everything[] =
    "SELECT (SELECT group_concat(public_key || multibyte_sup || coalesce(multibyte_evidence, '-'))"
    " FROM nodes), (SELECT group_concat(public_key || multibyte_sup) FROM inactive_nodes),"
    " (SELECT group_concat(public_key || sup || max_size || evidence_at) FROM mk_capability),"
    " (SELECT group_concat(name || value) FROM mk_state)";
static const char active[] =
    "SELECT public_key, multibyte_sup, multibyte_evidence FROM nodes ORDER BY 1";
static const char inactive[] =
    "SELECT public_key, multibyte_sup, multibyte_evidence FROM inactive_nodes ORDER BY 1";

struct said {
	const char *key;
	uint64_t sup, size;
	int64_t at;
	bool downgrade;
};

static uint64_t serial;

static mk_result
apply(const struct said *said, uint32_t count)
{
	static const char *const evidence[] = { "", "path", "advert" };

	mk_writer_reset(&w);
	mk_put_map(&w, 5);
	mk_kv_u64(&w, "v", 1);
	mk_kv_u64(&w, "serial", ++serial);
	mk_kv_u64(&w, "n", 0);
	mk_kv_u64(&w, "cursor", 100);
	mk_kv_array(&w, "nodes", count);
	for (uint32_t i = 0; i < count; i++) {
		mk_put_array(&w, 10);
		mk_put_str(&w, said[i].key);
		mk_put_u64(&w, said[i].sup);
		mk_put_str(&w, evidence[said[i].sup]);
		mk_put_u64(&w, said[i].sup == 0 ? 1 : said[i].size);
		mk_put_i64(&w, said[i].at);
		mk_put_u64(&w, said[i].sup == 1);
		mk_put_bool(&w, said[i].downgrade);
		mk_put_u64(&w, 0);
		mk_put_bool(&w, false);
		mk_put_array(&w, 0);
	}
	cr_assert_eq(mk_writer_end(&w), MK_OK);
	return applied("mbcap", "mbcap", w.data, w.len, false);
}

static void
run(const char *sql)
{
	mk_err err;

	cr_assert_eq(db_exec(o.db, sql, &err), MK_OK, "%s", err.text);
}

static const struct said mp1[] = { { "aa11", 2, 2, 50, false },
				   { "bb22", 1, 3, 60, false },
				   { "cc33", 0, 1, 0, false } };

static void
people(void)
{
	run("INSERT INTO nodes (public_key) VALUES ('aa11')");
	run("INSERT INTO inactive_nodes (public_key) VALUES ('bb22')");
	run("INSERT INTO nodes (public_key, multibyte_sup, multibyte_evidence)"
	    " VALUES ('cc33', 2, 'advert')");
}

Test(apply_mbcap, mp1_known_is_written_and_unknown_never)
{
	people();
	cr_expect_eq(apply(mp1, 3), MK_OK);
	cr_expect_eq(report.read, 3);
	cr_expect_eq(report.skipped, 1);
	cr_expect_eq(report.written, 2);
	cr_expect_eq(told_nodes, 2);
	expect_answer(active, "aa11|2|advert;cc33|2|advert");
	expect_answer(inactive, "bb22|1|path");
	expect_answer("SELECT public_key, max_size FROM mk_capability ORDER BY 1", "aa11|2;bb22|3");
	/* the same again: nothing */
	cr_expect_eq(apply(mp1, 3), MK_OK);
	cr_expect_eq(report.written, 0);
	cr_expect_eq(told_nodes, 2);
	/* T-MP6: and it is still there after a restart */
	open_close(&o);
	open_or_fail(&o);
	expect_answer(active, "aa11|2|advert;cc33|2|advert");
}

Test(apply_mbcap, mp2_an_empty_snapshot_changes_nothing)
{
	people();
	cr_expect_eq(apply(NULL, 0), MK_OK);
	cr_expect_eq(report.read + report.written + report.skipped, 0);
	expect_answer(active, "aa11|0|NULL;cc33|2|advert");
}

Test(apply_mbcap, mp3_garbage_is_refused)
{
	people();
	cr_expect_eq(applied("mbcap", "mbcap", "not-json{{{garbage", 18, false), MK_EFORMAT);
	expect_answer(active, "aa11|0|NULL;cc33|2|advert");
}

Test(apply_mbcap, mp4_a_database_that_lost_its_columns_is_an_error_that_names_them)
{
	people();
	run("ALTER TABLE nodes DROP COLUMN multibyte_sup");
	cr_expect_neq(apply(mp1, 3), MK_OK);
	cr_expect_eq(report.written, 0);
	cr_expect_not_null(strstr(said_why.text, "multibyte_sup"), "%s", said_why.text);
	expect_answer(inactive, "bb22|0|NULL");
}

Test(apply_mbcap, mp5_only_unknown_is_all_skipped)
{
	static const struct said said[] = { { "aa11", 0, 1, 0, false }, { "cc33", 0, 1, 0, true } };

	people();
	run("UPDATE nodes SET multibyte_sup = 1, multibyte_evidence = 'path' WHERE public_key = "
	    "'aa11'");
	cr_expect_eq(apply(said, 2), MK_OK);
	cr_expect_eq(report.skipped, 2);
	cr_expect_eq(report.written, 0);
	expect_answer(active, "aa11|1|path;cc33|2|advert");
}

/* S6, D24 */
Test(apply_mbcap, s6_less_needs_newer_evidence_and_has_to_be_explicit)
{
	struct said said = { "cc33", 1, 2, 70, false };

	people();
	cr_expect_eq(apply((struct said[]){ { "cc33", 2, 2, 50, false } }, 1), MK_OK);
	cr_expect_eq(apply(&said, 1), MK_OK);
	cr_expect_eq(report.skipped, 1);
	expect_answer("SELECT multibyte_sup FROM nodes WHERE public_key = 'cc33'", "2");
	said.downgrade = true;
	said.at = 50;
	cr_expect_eq(apply(&said, 1), MK_OK);
	expect_answer("SELECT multibyte_sup FROM nodes WHERE public_key = 'cc33'", "2");
	said.at = 51;
	cr_expect_eq(apply(&said, 1), MK_OK);
	expect_answer(
	    "SELECT multibyte_sup, multibyte_evidence FROM nodes WHERE public_key = 'cc33'",
	    "1|path");
}

Test(apply_mbcap, s6_less_does_not_overwrite_what_corescope_stored)
{
	people();
	cr_expect_eq(apply((struct said[]){ { "cc33", 1, 2, 70, false } }, 1), MK_OK);
	expect_answer("SELECT multibyte_sup FROM nodes WHERE public_key = 'cc33'", "2");
}

Test(apply_mbcap, s7_a_key_in_both_tables_is_written_where_it_is_active)
{
	people();
	run("INSERT INTO inactive_nodes (public_key) VALUES ('aa11')");
	cr_expect_eq(apply(mp1, 1), MK_OK);
	expect_answer("SELECT multibyte_sup FROM nodes WHERE public_key = 'aa11'", "2");
	expect_answer("SELECT multibyte_sup FROM inactive_nodes WHERE public_key = 'aa11'", "0");
}

Test(apply_mbcap, a_key_in_neither_table_becomes_no_row)
{
	cr_expect_eq(apply(mp1, 1), MK_OK);
	cr_expect_eq(report.skipped, 1);
	expect_answer("SELECT count(*) FROM mk_capability", "0");
}

/* D12, D25 */
Test(apply_mbcap, capability_and_size_survive_a_node_that_comes_back)
{
	mk_err err;

	people();
	cr_expect_eq(apply(mp1, 1), MK_OK);
	run("DELETE FROM nodes WHERE public_key = 'aa11'");
	run("INSERT INTO nodes (public_key) VALUES ('aa11')");
	cr_expect_eq(apply_mbcap_revive(o.db, "aa11", &err), MK_OK);
	expect_answer(
	    "SELECT multibyte_sup, multibyte_evidence FROM nodes WHERE public_key = 'aa11'",
	    "2|advert");
	expect_answer("SELECT max_size FROM mk_capability WHERE public_key = 'aa11'", "2");
	cr_expect_eq(apply_mbcap_revive(o.db, "nobody", &err), MK_OK);
}

Test(apply_mbcap, what_is_malformed_or_cut_off_is_refused_without_a_trace)
{
	people();
	cr_assert_eq(apply(mp1, 3), MK_OK);
	cr_assert_eq(apply((struct said[]){ { "aa11", 2, 3, 80, false } }, 1), MK_OK);
	serial++;
	w.data[17]++; /* its serial: a new one */
	expect_damage_is_harmless("mbcap", everything);
}

Test(apply_mbcap, a_value_that_cannot_be_refuses_all_of_it)
{
	struct said said[] = { { "aa11", 2, 2, 50, false }, { "cc33", 2, 4, 50, false } };

	people();
	cr_expect_eq(apply(said, 2), MK_EFORMAT);
	expect_answer(active, "aa11|0|NULL;cc33|2|advert");
}

Test(apply_mbcap, who_has_not_the_name_is_refused)
{
	people();
	cr_assert_eq(apply(NULL, 0), MK_OK);
	cr_expect_eq(applied("mbcap", "somebody", w.data, w.len, false), MK_EDENIED);
}

static const char *
seeded(const char *name)
{
	static char text[4096];
	mk_err err;

	cr_assert_eq(apply_seed(o.db, name, 77, &w, &err), MK_OK);
	cr_assert_gt(mk_to_json(w.data, w.len, text, sizeof(text)), 0);
	return text;
}

/* T-MC1, D25: what CoreScope stored is what a first start serves */
Test(apply_mbcap, mc1_a_database_without_a_snapshot_says_what_its_rows_say)
{
	mk_err err;

	cr_expect_eq(apply_seed(o.db, "mbcap", 77, &w, &err), MK_ENOENT);
	run("INSERT INTO nodes (public_key, multibyte_sup, multibyte_evidence)"
	    " VALUES ('aa', 2, 'advert'), ('bb', 1, 'path'), ('cc', 0, NULL)");
	cr_expect_not_null(strstr(seeded("mbcap"),
				  "\"nodes\":[[\"aa\",2,\"advert\",2,0,0,false,0,false,[]],"
				  "[\"bb\",1,\"path\",2,0,0,false,0,false,[]]]"));
	/* It is a base that could be applied, and changes nothing that is stored. */
	cr_expect_eq(applied("mbcap", "mbcap", w.data, w.len, false), MK_OK);
	expect_answer(active, "aa|2|advert;bb|1|path;cc|0|NULL");
	cr_expect_eq(apply_seed(o.db, "rainmap", 77, &w, &err), MK_ENOENT);
}

Test(apply_mbcap, the_graph_that_corescope_stored_is_what_a_first_start_serves)
{
	mk_err err;

	cr_expect_eq(apply_seed(o.db, "neighbors", 77, &w, &err), MK_ENOENT);
	run("INSERT INTO neighbor_edges VALUES ('aa', 'bb', 5, '2026-01-01T00:00:00Z'),"
	    " ('aa', 'cc', 1, '2026-01-01T00:00:01Z')");
	cr_expect_not_null(
	    strstr(seeded("neighbors"),
		   "\"ids\":[\"aa\",\"bb\",\"aa\",\"cc\"],\"edges\":[[0,1,5,5,1767225600,"
		   "1767225600,[5,0,0,0],null,0,[],false],[2,3,1,1,1767225601"));
	cr_expect_eq(applied("neighbors", "neighbors", w.data, w.len, false), MK_OK);
	expect_answer("SELECT count(*) FROM neighbor_edges", "2");
}

Test(apply_mbcap, a_key_that_is_no_text_does_not_keep_the_others_from_being_served)
{
	run("INSERT INTO nodes (public_key, multibyte_sup, multibyte_evidence)"
	    " VALUES ('aa', 2, 'advert'), (CAST(x'c328' AS TEXT), 1, 'path'), (x'ff', 1, 'path')");
	cr_expect_not_null(
	    strstr(seeded("mbcap"), "\"nodes\":[[\"aa\",2,\"advert\",2,0,0,false,0,false,[]]]"));
	cr_expect_eq(mk_validate(w.data, w.len, NULL, NULL, 0), MK_OK);
	run("INSERT INTO neighbor_edges VALUES ('aa', 'bb', 5, '2026-01-01T00:00:00Z'),"
	    " ('aa', CAST(x'c328' AS TEXT), 1, '2026-01-01T00:00:01Z'),"
	    " ('aa', 'cc', 1, '2026-01-01T00:00:01Z')");
	cr_expect_not_null(strstr(seeded("neighbors"), "\"ids\":[\"aa\",\"bb\",\"aa\",\"cc\"]"));
	cr_expect_eq(mk_validate(w.data, w.len, NULL, NULL, 0), MK_OK);
	cr_expect_eq(applied("neighbors", "neighbors", w.data, w.len, false), MK_OK);
}
