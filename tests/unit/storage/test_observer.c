/* SPDX-License-Identifier: MIT */
#include "ingest_fixture.h"

TestSuite(observer, .timeout = 120);

#define H(n) "00112233445566a" #n

Test(observer, a_status_updates_what_it_says)
{
	struct world *w = world_new();

	SEND(w, BATCH_STATUS,
	     "{'at':1795244400000000,'observer':'O','name':'Roof','region':' bru ','model':'M',"
	     "'firmware':'1.2','client_version':'c','radio':'r','battery_mv':4100,"
	     "'uptime_secs':100,'noise_floor':-115.5,'repeat':false}");
	SEND(w, BATCH_STATUS,
	     "{'at':1795244401000000,'observer':'O','model':'','uptime_secs':200}");
	EXPECT_ROWS(w,
		    "SELECT id, name, iata, last_seen, first_seen, packet_count, model, firmware,"
		    " client_version, radio, battery_mv, uptime_secs, noise_floor, can_relay,"
		    " can_relay_seen, last_packet_at FROM observers",
		    "O|Roof|BRU|2026-11-21T07:00:01Z|2026-11-21T07:00:00Z|0|M|1.2|c|r|4100|200|"
		    "-115.5|0|1|NULL");
	cr_expect(strstr(world_said(w, "observer/changed"), "\"idx\":1,\"id\":\"O\"") != NULL);
	world_free(w);
}

Test(observer, names_and_regions_that_are_missing_do_not_erase)
{
	struct world *w = world_new();

	SEND(w, BATCH_PACKETS, PACKET("O", H(1), ""));
	SEND(w, BATCH_PACKETS,
	     "{'at':1795244400000000,'observer':'O','name':'','region':'  ','raw':'hex:15',"
	     "'hash':'" H(2) "','path':[]}");
	EXPECT_ROWS(w, "SELECT name, iata, packet_count FROM observers", "Observer O|BRU|2");
	SEND(w, BATCH_PACKETS,
	     "{'at':1795244400000000,'observer':'O','name':'New','region':'ams','raw':'hex:15',"
	     "'hash':'" H(3) "','path':[]}");
	EXPECT_ROWS(w, "SELECT name, iata FROM observers", "New|AMS");
	world_free(w);
}

Test(observer, what_the_broker_kept_says_nothing_about_now)
{
	struct world *w = world_new();

	SEND(w, BATCH_STATUS,
	     "{'at':1795244400000000,'observer':'N','model':'M','battery_mv':4,"
	     "'retained':true}");
	world_exec(w, "INSERT INTO observers (id, last_seen, inactive) VALUES ('O', 'then', 1)");
	SEND(w, BATCH_STATUS, "{'at':1795244400000000,'observer':'O','model':'M','retained':true}");
	EXPECT_ROWS(w, "SELECT id, model, last_seen, inactive FROM observers",
		    "N|M|NULL|0\nO|M|then|1");
	EXPECT_ROWS(w, "SELECT count(*) FROM observer_metrics", "0");
	world_free(w);
}

Test(observer, one_that_is_heard_is_active_again)
{
	struct world *w = world_new();

	world_exec(w, "INSERT INTO observers (id, last_seen, inactive, packet_count)"
		      " VALUES ('O', '2031-01-01T00:00:00Z', 1, NULL)");
	SEND(w, BATCH_PACKETS, PACKET("O", H(1), ""));
	EXPECT_ROWS(w, "SELECT last_seen, inactive, packet_count FROM observers",
		    "2026-11-21T07:00:00Z|0|1");
	EXPECT_ROWS(w, "SELECT observer_idx = (SELECT rowid FROM observers) FROM observations",
		    "1");
	world_free(w);
}

Test(observer, a_clock_without_zone_is_counted_within_a_day)
{
	struct world *w = world_new();
	static const char status[] = "{'at':%lld,'observer':'O','skew':%d}";

	cr_assert_eq(world_take(w, BATCH_STATUS, 0, status, (long long)SECOND * 1000000, 3600), 0);
	SEND(w, BATCH_PACKETS, PACKET("O", H(1), ",'skew':3601"));
	EXPECT_ROWS(w,
		    "SELECT clock_skew_seconds, clock_skew_count_24h, clock_last_naive_at,"
		    " first_seen IS NULL FROM observers",
		    "3601|2|2026-11-21T07:00:00Z|0");
	SEND(w, BATCH_PACKETS, PACKET("O", H(1), ",'skew':3601"));
	SEND(w, BATCH_STATUS, status, (long long)(SECOND + 3600) * 1000000, -7200);
	EXPECT_ROWS(w, "SELECT clock_skew_seconds, clock_skew_count_24h FROM observers", "-7200|3");
	SEND(w, BATCH_STATUS, status, (long long)(SECOND + 200000) * 1000000, 1800);
	EXPECT_ROWS(w, "SELECT clock_skew_seconds, clock_skew_count_24h FROM observers", "1800|1");
	world_free(w);
}

Test(observer, samples_of_one_bucket_are_merged)
{
	struct world *w = world_new();

	SEND(w, BATCH_STATUS,
	     "{'at':1795244400000000,'observer':'O','battery_mv':4100,"
	     "'noise_floor':-110,'packets_sent':7}");
	SEND(w, BATCH_STATUS,
	     "{'at':1795244410000000,'observer':'O','tx_air_secs':5,"
	     "'packets_sent':8}");
	SEND(w, BATCH_STATUS,
	     "{'at':1795244560000000,'observer':'O','rx_air_secs':9,"
	     "'recv_errors':1,'packets_recv':2}");
	SEND(w, BATCH_STATUS, "{'at':1795244420000000,'observer':'O','model':'only'}");
	EXPECT_ROWS(w, "SELECT * FROM observer_metrics",
		    "O|2026-11-21T07:00:00Z|-110.0|5|NULL|NULL|4100|8|NULL\n"
		    "O|2026-11-21T07:05:00Z|NULL|NULL|9|1|NULL|NULL|2");
	world_free(w);
}

Test(observer, many_packets_change_its_row_once)
{
	struct world *w = world_new();

	SEND(w, BATCH_PACKETS,
	     PACKET("O", H(1), "") "," PACKET("O", H(2), "") "," PACKET("O", H(3), ""));
	EXPECT_ROWS(w, "SELECT packet_count FROM observers", "3");
	cr_expect_eq(w->stats.observer_upserts, 1);
	world_free(w);
}

Test(observer, ids_are_bounded_and_a_status_of_nobody_is_none)
{
	struct world *w = world_new();

	SEND(w, BATCH_STATUS, "{'at':1795244400000000,'observer':'%0256d'}", 1);
	SEND(w, BATCH_STATUS, "{'at':1795244400000000,'observer':''}");
	SEND(w, BATCH_STATUS, "{'at':1795244400000000}");
	EXPECT_ROWS(w, "SELECT count(*) FROM observers", "0");
	cr_expect_eq(w->stats.bad_items, 3);
	world_free(w);
}

Test(observer, a_change_by_a_job_is_told)
{
	struct world *w = world_new();
	mk_err err;

	SEND(w, BATCH_PACKETS, PACKET("O", H(1), ""));
	world_exec(w, "UPDATE observers SET inactive = 1");
	w->said_count = 0;
	cr_assert_eq(batch_changed(&w->batch, "observers", "O", &err), MK_OK);
	batch_settle(&w->batch);
	cr_expect(strstr(world_said(w, "observer/changed"), "\"inactive\":1") != NULL);
	world_free(w);
}
