/* SPDX-License-Identifier: MIT */
#include "ingest_fixture.h"

TestSuite(node, .timeout = 120);

#define H(n) "00112233445566a" #n

Test(node, an_advert_makes_a_node_and_tells_it)
{
	struct world *w = world_new();

	SEND(w, BATCH_PACKETS,
	     ADVERT("A", H(1), KEY_A,
		    "'name':'Peak','role':'repeater','lat':50.5,'lon':4.25,'battery_mv':3700,"
		    "'temperature_c':21.5,'foreign':true"));
	EXPECT_ROWS(w, "SELECT * FROM nodes",
		    KEY_A "|Peak|repeater|50.5|4.25|2026-11-21T07:00:00Z|2026-11-21T07:00:00Z|1|"
			  "3700|21.5|1|NULL|0|NULL");
	EXPECT_ROWS(w, "SELECT from_pubkey FROM transmissions", KEY_A);
	cr_expect_str_eq(world_said(w, "node/changed"),
			 "node/changed {\"items\":[{\"public_key\":\"" KEY_A
			 "\",\"name\":\"Peak\",\"role\":\"repeater\",\"lat\":50.5,\"lon\":4.25,"
			 "\"last_seen\":\"2026-11-21T07:00:00Z\",\"first_seen\":"
			 "\"2026-11-21T07:00:00Z\",\"advert_count\":1,\"battery_mv\":3700,"
			 "\"temperature_c\":21.5,\"foreign_advert\":1,\"multibyte_sup\":0,"
			 "\"active\":true}]}");
	world_free(w);
}

Test(node, adverts_are_counted_and_copies_of_them_are_not)
{
	struct world *w = world_new();

	SEND(w, BATCH_PACKETS,
	     ADVERT("A", H(1), KEY_A, "'name':'N'") "," ADVERT(
		 "B", H(1), KEY_A, "'name':'N'") "," ADVERT("A", H(2), KEY_A, "'name':'N'"));
	SEND(w, BATCH_PACKETS, ADVERT("C", H(2), KEY_A, "'name':'N'"));
	EXPECT_ROWS(w, "SELECT advert_count FROM nodes", "2");
	cr_expect_eq(w->stats.node_upserts, 2, "one a transaction");
	world_free(w);
}

Test(node, what_an_advert_does_not_say_stays)
{
	struct world *w = world_new();

	SEND(w, BATCH_PACKETS,
	     ADVERT("A", H(1), KEY_A,
		    "'name':'Peak','role':'sensor','lat':1.5,'lon':2.5,'battery_mv':3700"));
	SEND(w, BATCH_PACKETS, ADVERT("A", H(2), KEY_A, "'name':'','temperature_c':3.5"));
	EXPECT_ROWS(w, "SELECT name, role, lat, lon, battery_mv, temperature_c FROM nodes",
		    "Peak|sensor|1.5|2.5|3700|3.5");
	world_free(w);
}

Test(node, back_in_the_area_it_is_foreign_no_more)
{
	struct world *w = world_new();

	SEND(w, BATCH_PACKETS, ADVERT("A", H(1), KEY_A, "'lat':1.5,'lon':2.5,'foreign':true"));
	SEND(w, BATCH_PACKETS, ADVERT("A", H(2), KEY_A, "'name':'says no position'"));
	EXPECT_ROWS(w, "SELECT foreign_advert FROM nodes", "1");
	SEND(w, BATCH_PACKETS, ADVERT("A", H(3), KEY_A, "'lat':1.5,'lon':2.5"));
	EXPECT_ROWS(w, "SELECT foreign_advert FROM nodes", "0");
	world_free(w);
}

Test(node, a_scope_that_is_known_becomes_its_default)
{
	struct world *w = world_new();

	SEND(w, BATCH_PACKETS,
	     "{'at':1795244400000000,'observer':'A','raw':'hex:11','hash':'" H(
		 1) "','path':[],"
		    "'from':'" KEY_A "','advert':{},'scope':'#be'}");
	SEND(w, BATCH_PACKETS,
	     "{'at':1795244400000000,'observer':'A','raw':'hex:11','hash':'" H(
		 2) "','path':[],"
		    "'from':'" KEY_A "','advert':{},'scope':''}");
	EXPECT_ROWS(w, "SELECT default_scope FROM nodes", "#be");
	world_free(w);
}

Test(node, one_that_comes_back_keeps_its_history)
{
	struct world *w = world_new();

	world_exec(w, "INSERT INTO inactive_nodes (public_key, name, role, lat, lon, last_seen,"
		      " first_seen, advert_count, default_scope, multibyte_sup, multibyte_evidence)"
		      " VALUES ('" KEY_A "', 'Old', 'repeater', 1, 2, '2026-01-02T00:00:00Z',"
		      " '2025-01-01T00:00:00Z', 41, '#be', 2, 'advert')");
	SEND(w, BATCH_PACKETS, ADVERT("A", H(1), KEY_A, "'name':'New'"));
	EXPECT_ROWS(w,
		    "SELECT name, role, lat, last_seen, first_seen, advert_count, default_scope,"
		    " multibyte_sup, multibyte_evidence FROM nodes",
		    "New|repeater|1.0|2026-11-21T07:00:00Z|2025-01-01T00:00:00Z|42|#be|2|advert");
	EXPECT_ROWS(w, "SELECT count(*) FROM inactive_nodes", "0");
	cr_expect_eq(w->stats.nodes_returned, 1);
	world_free(w);
}

Test(node, in_both_tables_it_has_counted_in_both)
{
	struct world *w = world_new();

	world_exec(w, "INSERT INTO nodes (public_key, first_seen, advert_count) VALUES"
		      " ('" KEY_A "', '2026-10-01T00:00:00Z', 5)");
	world_exec(w, "INSERT INTO inactive_nodes (public_key, first_seen, advert_count,"
		      " multibyte_sup, multibyte_evidence) VALUES"
		      " ('" KEY_A "', '2025-01-01T00:00:00Z', 40, 1, 'path')");
	SEND(w, BATCH_PACKETS, ADVERT("A", H(1), KEY_A, "'name':'N'"));
	EXPECT_ROWS(w,
		    "SELECT first_seen, advert_count, multibyte_sup, multibyte_evidence FROM nodes",
		    "2025-01-01T00:00:00Z|46|1|path");
	EXPECT_ROWS(w, "SELECT count(*) FROM inactive_nodes", "0");
	world_free(w);
}

Test(node, a_last_time_in_the_future_is_healed_and_none_goes_back)
{
	struct world *w = world_new();

	world_exec(w, "INSERT INTO nodes (public_key, last_seen) VALUES ('" KEY_A
		      "', '2031-01-01T00:00:00Z'), ('" KEY_B "', '2026-11-21T06:59:59.500Z')");
	w->wall_us = (SECOND + 5) * 1000000;
	SEND(w, BATCH_PACKETS,
	     ADVERT("A", H(1), KEY_A, "'name':'N'") "," ADVERT("A", H(2), KEY_B, "'name':'N'"));
	EXPECT_ROWS(w, "SELECT last_seen FROM nodes ORDER BY public_key",
		    "2026-11-21T07:00:05Z\n2026-11-21T07:00:00Z");
	SEND(w, BATCH_PACKETS,
	     "{'at':%lld,'observer':'A','raw':'hex:11','hash':'" H(3) "','path':[],'from':'" KEY_B
								      "','advert':{}}",
	     (long long)(SECOND - 100) * 1000000);
	EXPECT_ROWS(w, "SELECT last_seen FROM nodes WHERE public_key = '" KEY_B "'",
		    "2026-11-21T07:00:00Z");
	world_free(w);
}

Test(node, changes_by_jobs_are_told_and_no_candidate_remains)
{
	struct world *w = world_new();
	mk_err err;

	SEND(w, BATCH_PACKETS,
	     ADVERT("A", H(1), KEY_A, "'name':'N'") "," ADVERT("A", H(2), KEY_B, "'name':'N'"));
	cr_expect_eq(resolve_nodes(w->batch.rows.resolve), 2);
	world_exec(w, "INSERT INTO inactive_nodes (public_key, name) VALUES ('" KEY_A "', 'N')");
	world_exec(w, "DELETE FROM nodes");
	w->said_count = 0;
	cr_assert_eq(batch_changed(&w->batch, "nodes", KEY_A, &err), MK_OK);
	batch_settle(&w->batch);
	cr_expect_str_eq(world_said(w, "node/changed"),
			 "node/changed {\"items\":[{\"public_key\":\"" KEY_A
			 "\",\"name\":\"N\",\"advert_count\":0,\"foreign_advert\":0,"
			 "\"multibyte_sup\":0,\"active\":false}]}");
	cr_assert_eq(batch_changed(&w->batch, "nodes", KEY_B, &err), MK_OK);
	batch_settle(&w->batch);
	cr_expect_str_eq(world_said(w, "node/changed"),
			 "node/changed {\"items\":[{\"public_key\":\"" KEY_B
			 "\",\"active\":false,\"gone\":true}]}");
	cr_expect_eq(resolve_nodes(w->batch.rows.resolve), 0);
	world_free(w);
}
