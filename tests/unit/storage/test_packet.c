/* SPDX-License-Identifier: MIT */
#include "ingest_fixture.h"

TestSuite(packet, .timeout = 120);

#define H1 "00112233445566aa"
#define H2 "00112233445566bb"
#define TX "SELECT id, raw_hex, hash, first_seen, last_seen FROM transmissions"

Test(packet, a_packet_becomes_a_transmission_an_observation_and_an_observer)
{
	struct world *w = world_new();

	SEND(w, BATCH_PACKETS,
	     PACKET("Obs", H1,
		    ",'snr':5.5,'rssi':-110,'score':0.5,'direction':'rx',"
		    "'channel':'#test','scope':'#be'"));
	EXPECT_ROWS(w, TX, "1|15010AF00D|" H1 "|2026-11-21T07:00:00Z|1795244400");
	EXPECT_ROWS(w,
		    "SELECT route_type, payload_type, payload_version, decoded_json, from_pubkey,"
		    " channel_hash, scope_name FROM transmissions",
		    "1|5|0|{}|NULL|#test|#be");
	EXPECT_ROWS(w, "SELECT * FROM observations",
		    "1|1|1|rx|5.5|-110.0|0.5|[\"0A\"]|1795244400|NULL|15010AF00D");
	EXPECT_ROWS(w,
		    "SELECT id, name, iata, last_seen, first_seen, packet_count, last_packet_at,"
		    " inactive, can_relay, can_relay_seen FROM observers",
		    "Obs|Observer Obs|BRU|2026-11-21T07:00:00Z|2026-11-21T07:00:00Z|1|"
		    "2026-11-21T07:00:00Z|0|1|0");
	world_free(w);
}

Test(packet, what_is_told_is_the_item_and_its_ids)
{
	struct world *w = world_new();

	SEND(w, BATCH_PACKETS, PACKET("Obs", H1, ",'new':'not ours','extra':[1,-2,{'a':true}]"));
	cr_expect_str_eq(
	    world_said(w, "packet/stored"),
	    "packet/stored {\"items\":[{\"at\":1795244400000000,\"feed\":\"test\",\"region\":"
	    "\"bru\",\"observer\":\"Obs\",\"name\":\"Observer Obs\",\"raw\":{\"$bin\":"
	    "\"15010af00d\"},\"hash\":\"" H1 "\",\"route\":1,\"type\":5,\"version\":0,\"path\":"
	    "[\"0A\"],\"json\":\"{}\",\"extra\":[1,-2,{\"a\":true}],\"tx\":1,\"obs\":1,\"new\":"
	    "true,\"first\":true,\"first_seen\":\"2026-11-21T07:00:00Z\",\"observations\":1,"
	    "\"observer_idx\":1,\"resolved\":[null]}]}");
	world_free(w);
}

Test(packet, the_same_again_fills_in_what_is_known_now_and_counts_nothing)
{
	struct world *w = world_new();

	SEND(w, BATCH_PACKETS, PACKET("Obs", H1, ",'rssi':-100,'direction':'rx'"));
	SEND(w, BATCH_PACKETS, PACKET("Obs", H1, ",'snr':3,'direction':'tx'"));
	EXPECT_ROWS(w, "SELECT id, snr, rssi, direction FROM observations", "1|3.0|-100.0|rx");
	SEND(w, BATCH_PACKETS, PACKET("Obs", H1, ",'snr':9,'rssi':-50"));
	EXPECT_ROWS(w, "SELECT id, snr, rssi, direction FROM observations", "1|3.0|-100.0|rx");
	EXPECT_ROWS(w, "SELECT packet_count FROM observers", "1");
	cr_expect(strstr(world_said(w, "packet/stored"),
			 "\"tx\":1,\"obs\":1,\"new\":false,\"first\":false,\"first_seen\":\"2026-"
			 "11-21T07:00:00Z\",\"observations\":1") != NULL);
	cr_expect_eq(w->stats.tx_inserted, 1);
	cr_expect_eq(w->stats.tx_dupes, 2);
	cr_expect_eq(w->stats.obs_inserted, 1);
	cr_expect_eq(w->stats.obs_dupes, 2);
	world_free(w);
}

Test(packet, another_path_or_observer_is_another_observation)
{
	struct world *w = world_new();

	SEND(w, BATCH_PACKETS, PACKET("A", H1, "") "," PACKET("B", H1, ""));
	SEND(w, BATCH_PACKETS,
	     "{'at':1795244400000000,'observer':'A','raw':'hex:15','hash':'" H1 "','path':['0B']}");
	EXPECT_ROWS(w, "SELECT transmission_id, observer_idx, path_json FROM observations",
		    "1|1|[\"0A\"]\n1|2|[\"0A\"]\n1|1|[\"0B\"]");
	EXPECT_ROWS(w, "SELECT packet_count FROM observers", "2\n1");
	world_free(w);
}

Test(packet, without_an_observer_the_same_is_still_the_same)
{
	struct world *w = world_new();

	for (int i = 0; i < 3; i++)
		SEND(w, BATCH_PACKETS,
		     "{'at':1795244400000000,'raw':'hex:15','hash':'" H1 "','path':[]}");
	EXPECT_ROWS(w, "SELECT transmission_id, observer_idx, path_json FROM observations",
		    "1|NULL|[]");
	EXPECT_ROWS(w, "SELECT count(*) FROM observers", "0");
	world_free(w);
}

Test(packet, a_message_of_a_bridge_makes_no_observer)
{
	struct world *w = world_new();

	for (int i = 0; i < 2; i++)
		SEND(w, BATCH_PACKETS,
		     "{'at':1795244400000000,'observer':'companion','bridge':{'kind':'channel'},"
		     "'hash':'" H1 "','type':5,'path':[],'channel':'ch3'}");
	EXPECT_ROWS(w, "SELECT raw_hex = '', channel_hash FROM transmissions", "1|ch3");
	EXPECT_ROWS(w, "SELECT observer_idx, raw_hex FROM observations", "NULL|NULL");
	EXPECT_ROWS(w, "SELECT count(*) FROM observers", "0");
	world_free(w);
}

Test(packet, first_and_last_time_grow_apart_only)
{
	struct world *w = world_new();
	static const int offsets[] = { 0, 60, -60, 30 };

	for (int i = 0; i < 4; i++)
		SEND(w, BATCH_PACKETS,
		     "{'at':%lld,'observer':'O%d','raw':'hex:15','hash':'" H1 "','path':[]}",
		     (long long)(SECOND + (uint64_t)offsets[i]) * 1000000, i);
	EXPECT_ROWS(w, TX, "1|15|" H1 "|2026-11-21T06:59:00Z|1795244460");
	world_crash(w);
	SEND(w, BATCH_PACKETS,
	     "{'at':%lld,'observer':'P','raw':'hex:15','hash':'" H1 "','path':[]}",
	     (long long)(SECOND + 90) * 1000000);
	SEND(w, BATCH_PACKETS,
	     "{'at':%lld,'observer':'Q','raw':'hex:15','hash':'" H1 "','path':[]}",
	     (long long)(SECOND - 90) * 1000000);
	EXPECT_ROWS(w, TX, "1|15|" H1 "|2026-11-21T06:58:30Z|1795244490");
	world_free(w);
}

Test(packet, scope_has_three_states)
{
	struct world *w = world_new();

	SEND(w, BATCH_PACKETS,
	     PACKET("A", "0000000000000001",
		    "") "," PACKET("A", "0000000000000002",
				   ",'scope':''") "," PACKET("A", "0000000000000003",
							     ",'scope':'#be'"));
	EXPECT_ROWS(w, "SELECT scope_name IS NULL, scope_name FROM transmissions",
		    "1|NULL\n0|\n0|#be");
	world_free(w);
}

Test(packet, what_was_rejected_leaves_no_row)
{
	struct world *w = world_new();

	SEND(w, BATCH_PACKETS,
	     "{'at':1795244400000000,'observer':'A','raw':'hex:15','rejected':'too_short'}");
	EXPECT_ROWS(
	    w, "SELECT (SELECT count(*) FROM transmissions) + (SELECT count(*) FROM observers)",
	    "0");
	cr_expect_eq(w->stats.rejected, 1);
	cr_expect_str_eq(world_said(w, "packet/stored"), "");
	world_free(w);
}

Test(packet, a_refused_advert_is_kept_once_per_observer_and_refreshes_it)
{
	struct world *w = world_new();
	static const char refused[] =
	    "{'at':1795244400000000,'observer':'%s','name':'N','raw':'hex:11ab','hash':'" H1 "',"
	    "'from':'" KEY_A "','advert':{'name':'Bad'},'refused':'%s'}";

	for (int i = 0; i < 2; i++)
		SEND(w, BATCH_PACKETS, refused, "A", "invalid signature");
	SEND(w, BATCH_PACKETS, refused, "B", "invalid signature");
	SEND(w, BATCH_PACKETS, refused, "C", "foreign");
	EXPECT_ROWS(w, "SELECT * FROM dropped_packets",
		    "1|" H1 "|11AB|invalid signature|A|N|" KEY_A "|Bad|2026-11-21 07:00:00\n"
		    "2|" H1 "|11AB|invalid signature|B|N|" KEY_A "|Bad|2026-11-21 07:00:00");
	EXPECT_ROWS(w, "SELECT id, packet_count, last_seen FROM observers",
		    "A|0|2026-11-21T07:00:00Z\nB|0|2026-11-21T07:00:00Z\nC|0|2026-11-21T07:00:00Z");
	EXPECT_ROWS(w, "SELECT count(*) FROM nodes", "0");
	EXPECT_ROWS(w, "SELECT count(*) FROM transmissions", "0");
	cr_expect_eq(w->stats.sig_drops, 3);
	cr_expect_eq(w->stats.refused, 4);
	world_free(w);
}

Test(packet, hops_are_resolved_by_nodes_of_the_same_transaction_on)
{
	struct world *w = world_new();

	SEND(w, BATCH_PACKETS, ADVERT("A", H2, KEY_B, "'name':'B','role':'repeater'"));
	SEND(w, BATCH_PACKETS,
	     "{'at':1795244400000000,'observer':'A','raw':'hex:15','hash':'" H1
	     "','path':['B2','77']}");
	EXPECT_ROWS(w, "SELECT resolved_path FROM observations WHERE id = 2",
		    "[\"" KEY_B "\",null]");
	cr_expect(strstr(world_said(w, "packet/stored"), "\"resolved\":[\"" KEY_B "\",null]") !=
		  NULL);
	world_free(w);
}

Test(packet, a_resolved_path_is_not_forgotten_when_it_can_be_no_more)
{
	struct world *w = world_new();

	SEND(w, BATCH_PACKETS, ADVERT("A", H2, KEY_B, "'name':'B','role':'repeater'"));
	SEND(w, BATCH_PACKETS,
	     "{'at':1795244400000000,'observer':'A','raw':'hex:15','hash':'" H1 "','path':['B2']}");
	world_exec(w, "DELETE FROM nodes");
	world_crash(w);
	SEND(w, BATCH_PACKETS,
	     "{'at':1795244400000000,'observer':'A','raw':'hex:15','hash':'" H1 "','path':['B2']}");
	EXPECT_ROWS(w, "SELECT resolved_path FROM observations WHERE id = 2", "[\"" KEY_B "\"]");
	world_free(w);
}

Test(packet, neighbours_of_the_database_help_from_the_start)
{
	struct world *w = world_new();

	world_exec(w, "INSERT INTO nodes (public_key, role) VALUES ('" KEY_A
		      "', 'repeater'), ('" KEY_B "', 'room'), ('" KEY_C "', 'repeater')");
	world_exec(w, "INSERT INTO neighbor_edges VALUES ('" KEY_B "', '" KEY_C "', 1, NULL)");
	world_crash(w);
	SEND(w, BATCH_PACKETS,
	     "{'at':1795244400000000,'observer':'A','raw':'hex:15','hash':'" H1
	     "','path':['B2','A3','A1']}");
	EXPECT_ROWS(w, "SELECT resolved_path FROM observations",
		    "[\"" KEY_B "\",\"" KEY_C "\",\"" KEY_A "\"]");
	SEND(w, BATCH_PACKETS,
	     "{'at':1795244400000000,'observer':'A','raw':'hex:15','hash':'" H2
	     "','path':['B2','a3']}");
	EXPECT_ROWS(w, "SELECT resolved_path FROM observations WHERE id = 2",
		    "[\"" KEY_B "\",\"" KEY_C "\"]");
	world_free(w);
}

Test(packet, items_that_make_no_sense_cost_only_themselves)
{
	struct world *w = world_new();

	SEND(w, BATCH_PACKETS,
	     "{'observer':'A'},"
	     "{'at':1795244400000000,'observer':'A','raw':'hex:15','path':[]},"
	     "{'at':1795244400000000,'observer':'A','raw':'hex:15','hash':'xyz','path':[]},"
	     "{'at':1795244400000000,'observer':'A','raw':'hex:15','hash':'" H1 "','path':['\"A']},"
	     "{'at':1795244400000000,'observer':'A','raw':'hex:15','hash':'" H1 "','path':['ABC']},"
	     "{'at':1795244400000000,'observer':'A','hash':'" H1 "','path':[]},"
	     "{'at':1795244400000000,'observer':'A','raw':'hex:15','hash':'" H1
	     "','path':[],'from':'me'},"
	     "{'at':99999999999999999999,'observer':'A'},"
	     "{'at':-5},[],7," PACKET("A", H2, ""));
	EXPECT_ROWS(w, "SELECT hash FROM transmissions", H2);
	cr_expect_eq(w->stats.bad_items, 11, "%llu", (unsigned long long)w->stats.bad_items);
	cr_expect(strstr(w->log, "left out") != NULL);
	world_free(w);
}

Test(packet, a_trace_of_184_hops_is_stored_and_one_more_is_refused)
{
	struct world *w = world_new();
	char hops[2000] = "'AA'";

	for (int i = 1; i < 184; i++)
		text_add(hops, sizeof(hops), ",'AA'");
	SEND(w, BATCH_PACKETS,
	     "{'at':1795244400000000,'observer':'A','raw':'hex:15','hash':'" H1 "','path':[%s]}",
	     hops);
	EXPECT_ROWS(w, "SELECT length(path_json) FROM observations", "921");
	SEND(w, BATCH_PACKETS,
	     "{'at':1795244400000000,'observer':'A','raw':'hex:15','hash':'" H2
	     "','path':[%s,'AA']}",
	     hops);
	cr_expect_eq(w->stats.bad_items, 1);
	world_free(w);
}

Test(packet, last_times_of_more_transmissions_than_are_remembered_are_right)
{
	struct world *w = world_new();
	char json[20000];

	/* They all fall into one set of the table, and are heard again an hour later, in one
	 * transaction. */
	for (int round = 0; round < 2; round++) {
		for (int copy = 0; copy < 2; copy++) {
			json[0] = '\0';
			for (unsigned i = 0; i < 20; i++)
				text_add(json, sizeof(json),
					 "%s{'at':%lld,'observer':'O%d','raw':'hex:15','hash':"
					 "'0000%08x0000','path':[]}",
					 i > 0 ? "," : "",
					 (long long)(SECOND + (uint64_t)round * 3600 +
						     (uint64_t)copy) *
					     1000000,
					 copy, i);
			cr_assert_eq(world_take(w, BATCH_PACKETS, 0, "%s", json), MK_OK);
		}
		world_commit(w);
	}
	EXPECT_ROWS(w, "SELECT count(*), min(last_seen), max(last_seen) FROM transmissions",
		    "20|1795248001|1795248001");
	world_free(w);
}

Test(packet, what_a_phone_heard_is_stored_once)
{
	struct world *w = world_new();
	static const char heard[] =
	    "{'at':1795244400000000,'companion':'aa11','name':'Phone','heard':'bbcc','bytes':2,"
	    "'src':'rxlog','rx_at':1795244390,'lat':50.5,'lon':4.25,'acc_m':5,'rssi':-99.9,"
	    "'snr':2.5}";

	SEND(w, BATCH_CLIENT, heard);
	SEND(w, BATCH_CLIENT, heard);
	SEND(w, BATCH_CLIENT, "{'at':1795244400000000,'companion':'aa11','rejected':'too_short'}");
	SEND(w, BATCH_CLIENT,
	     "{'at':1795244400000000,'companion':'aa11','heard':'bbcc','bytes':2,"
	     "'src':'rxlog','rx_at':1795244390,'lat':91,'lon':4}");
	EXPECT_ROWS(w, "SELECT * FROM client_receptions",
		    "1|aa11|bbcc|2|-99|2.5|50.5|4.25|5.0|2026-11-21T06:59:50Z|"
		    "2026-11-21T07:00:00Z|rxlog");
	EXPECT_ROWS(w, "SELECT * FROM client_observers", "aa11|Phone|2026-11-21T07:00:00Z");
	EXPECT_ROWS(w, "SELECT count(*) FROM observers", "0");
	cr_expect_eq(w->stats.client_inserted, 1);
	cr_expect_eq(w->stats.client_dupes, 1);
	cr_expect_eq(w->stats.rejected, 1);
	cr_expect_eq(w->stats.bad_items, 1);
	world_free(w);
}
