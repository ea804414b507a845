/* SPDX-License-Identifier: MIT */
#include "ingest_fixture.h"

TestSuite(snapshot, .timeout = 120);

static mk_result
take_from(struct world *w, const char *origin, const char *topic, uint32_t flags, const char *json)
{
	mk_writer body;
	mk_msg msg = { .struct_size = sizeof(msg),
		       .topic = topic,
		       .origin = origin,
		       .flags = flags,
		       .schema = 3,
		       .time_us = w->wall_us };
	mk_result rc;

	json_write(&body, json);
	msg.body = body.data;
	msg.body_len = (uint32_t)body.len;
	rc = snapshots_take(&w->batch.snapshots, &msg);
	mk_writer_fini(&body);
	return rc;
}

static mk_result
take(struct world *w, const char *topic, uint32_t flags, const char *json)
{
	return take_from(w, "rain", topic, flags, json);
}

static void
save(struct world *w)
{
	mk_err err = { 0 };

	cr_assert_eq(batch_commit(&w->batch, true, &err), MK_OK, "%s", err.text);
	batch_settle(&w->batch);
}

static void
publish(struct world *w)
{
	uint32_t at = 0;
	mk_err err;

	w->said_count = 0;
	cr_assert_eq(snapshots_publish(&w->batch.snapshots, &w->host, &at, &err), MK_OK);
}

#define PARTS "SELECT name, part, schema, origin, length(body) FROM mk_snapshots ORDER BY 1, 2"

Test(snapshot, a_base_and_its_deltas_are_kept_and_published_again)
{
	struct world *w = world_new();

	take(w, "snapshot/rain", 0, "{'mm':1}");
	take(w, "snapshot/rain", MK_MSG_DELTA, "{'mm':2}");
	save(w);
	take(w, "snapshot/rain", MK_MSG_DELTA, "{'mm':3}");
	save(w);
	EXPECT_ROWS(w, PARTS, "rain|0|3|rain|5\nrain|1|3|rain|5\nrain|2|3|rain|5");
	world_crash(w);
	publish(w);
	cr_assert_eq(w->said_count, 3);
	cr_expect_str_eq(w->said[0], "snapshot/rain {\"mm\":1}");
	cr_expect_str_eq(w->said[2], "snapshot/rain {\"mm\":3}");
	world_free(w);
}

Test(snapshot, a_new_base_replaces_everything)
{
	struct world *w = world_new();

	take(w, "snapshot/rain", 0, "{'mm':1}");
	take(w, "snapshot/rain", MK_MSG_DELTA, "{'mm':2}");
	save(w);
	take(w, "snapshot/rain", 0, "{'mm':33}");
	take(w, "snapshot/rain", 0, "{'mm':400}");
	save(w);
	EXPECT_ROWS(w, PARTS, "rain|0|3|rain|7");
	cr_expect_eq(w->stats.snapshots_saved, 2);
	cr_expect_eq(w->batch.snapshots.waiting_bytes, 0);
	world_free(w);
}

Test(snapshot, nothing_is_written_before_it_is_time)
{
	struct world *w = world_new();
	mk_err err;

	take(w, "snapshot/rain", 0, "{'mm':1}");
	cr_assert_eq(batch_commit(&w->batch, false, &err), MK_OK);
	EXPECT_ROWS(w, PARTS, "");
	cr_assert_eq(world_take(w, BATCH_STATUS, 0, "{'at':1795244400000000,'observer':'O'}"),
		     MK_OK);
	save(w);
	EXPECT_ROWS(w, PARTS, "rain|0|3|rain|5");
	cr_expect_eq(w->stats.wal_commits, 1, "with the rows, in one transaction");
	world_free(w);
}

Test(snapshot, one_whose_plugin_was_faster_is_not_published)
{
	struct world *w = world_new();

	take(w, "snapshot/rain", 0, "{'mm':1}");
	take(w, "snapshot/wind", 0, "{'bft':1}");
	save(w);
	world_crash(w);
	snapshots_saw(&w->batch.snapshots, "snapshot/rain");
	publish(w);
	cr_assert_eq(w->said_count, 1);
	cr_expect_str_eq(w->said[0], "snapshot/wind {\"bft\":1}");
	world_free(w);
}

Test(snapshot, on_a_full_bus_it_goes_on_where_it_was)
{
	struct world *w = world_new();
	uint32_t at = 0;
	mk_err err;

	take(w, "snapshot/rain", 0, "{'mm':1}");
	take(w, "snapshot/wind", 0, "{'bft':1}");
	save(w);
	world_crash(w);
	w->refuse = 1;
	cr_expect_eq(snapshots_publish(&w->batch.snapshots, &w->host, &at, &err), MK_EAGAIN);
	cr_expect_eq(snapshots_publish(&w->batch.snapshots, &w->host, &at, &err), MK_OK);
	cr_expect_eq(w->said_count, 2);
	world_free(w);
}

Test(snapshot, a_delta_without_a_base_is_not_kept)
{
	struct world *w = world_new();

	cr_expect_eq(take(w, "snapshot/rain", MK_MSG_DELTA, "{'mm':2}"), MK_EFULL);
	save(w);
	EXPECT_ROWS(w, PARTS, "");
	world_free(w);
}

Test(snapshot, more_deltas_than_fit_end_the_chain_until_the_next_base)
{
	struct world *w = world_new();

	take(w, "snapshot/rain", 0, "{'mm':1}");
	for (uint32_t i = 1; i < SNAPSHOT_DELTAS; i++)
		cr_assert_eq(take(w, "snapshot/rain", MK_MSG_DELTA, "{'mm':2}"), MK_OK);
	cr_expect_eq(take(w, "snapshot/rain", MK_MSG_DELTA, "{'mm':2}"), MK_EFULL);
	cr_expect_eq(take(w, "snapshot/rain", MK_MSG_DELTA, "{'mm':2}"), MK_EFULL);
	cr_expect_eq(w->stats.snapshots_cut, 1);
	save(w);
	EXPECT_ROWS(w, "SELECT count(*) FROM mk_snapshots", "1024");
	world_crash(w);
	cr_expect_eq(take(w, "snapshot/rain", MK_MSG_DELTA, "{'mm':2}"), MK_EFULL);
	cr_expect_eq(take(w, "snapshot/rain", 0, "{'mm':1}"), MK_OK);
	cr_expect_eq(take(w, "snapshot/rain", MK_MSG_DELTA, "{'mm':2}"), MK_OK);
	save(w);
	EXPECT_ROWS(w, "SELECT count(*) FROM mk_snapshots", "2");
	world_free(w);
}

Test(snapshot, names_are_bounded)
{
	struct world *w = world_new();
	char topic[64];

	for (uint32_t i = 0; i < SNAPSHOT_NAMES; i++) {
		snprintf(topic, sizeof(topic), "snapshot/n%u", i);
		cr_assert_eq(take(w, topic, 0, "{}"), MK_OK);
	}
	cr_expect_eq(take(w, "snapshot/more", 0, "{}"), MK_EFULL);
	save(w);
	EXPECT_ROWS(w, "SELECT count(*) FROM mk_snapshots", "256");
	world_free(w);
}

Test(snapshot, one_that_could_not_be_written_waits)
{
	struct world *w = world_new();
	mk_err err;

	world_exec(w, "CREATE TRIGGER full BEFORE INSERT ON mk_snapshots BEGIN SELECT"
		      " RAISE(ABORT, 'no'); END");
	take(w, "snapshot/rain", 0, "{'mm':1}");
	cr_expect_neq(batch_commit(&w->batch, true, &err), MK_OK);
	world_exec(w, "DROP TRIGGER full");
	cr_expect_eq(batch_retry(&w->batch, &err), MK_OK);
	save(w);
	EXPECT_ROWS(w, PARTS, "rain|0|3|rain|5");
	world_free(w);
}

#define MBCAP(sup) \
	"{'v':1,'serial':1,'n':0,'cursor':0,'nodes':[['" KEY_A "'," sup ",2,1795244400,0,false]]}"

Test(snapshot, what_becomes_rows_is_applied_kept_and_told)
{
	struct world *w = world_new();

	SEND(w, BATCH_PACKETS, ADVERT("A", "00112233445566aa", KEY_A, "'name':'N'"));
	w->said_count = 0;
	cr_assert_eq(take_from(w, "mbcap", "snapshot/mbcap", 0, MBCAP("2,'advert'")), MK_OK);
	save(w);
	EXPECT_ROWS(w, "SELECT multibyte_sup, multibyte_evidence FROM nodes", "2|advert");
	EXPECT_ROWS(w, "SELECT name, part FROM mk_snapshots", "mbcap|0");
	cr_expect(strstr(world_said(w, "node/changed"), "\"multibyte_sup\":2") != NULL);
	cr_expect_eq(w->stats.snapshots_refused, 0);
	world_free(w);
}

Test(snapshot, what_must_not_become_rows_costs_only_itself)
{
	struct world *w = world_new();

	SEND(w, BATCH_PACKETS, ADVERT("A", "00112233445566aa", KEY_A, "'name':'N'"));
	take(w, "snapshot/mbcap", 0, MBCAP("2,'advert'"));
	take(w, "snapshot/rain", 0, "{'mm':1}");
	cr_assert_eq(world_take(w, BATCH_PACKETS, 1, PACKET("B", "00112233445566bb", "")), MK_OK);
	save(w);
	EXPECT_ROWS(w, "SELECT multibyte_sup FROM nodes", "0");
	EXPECT_ROWS(w, "SELECT count(*) FROM transmissions", "2");
	EXPECT_ROWS(w, "SELECT name FROM mk_snapshots", "rain");
	cr_expect_eq(w->stats.snapshots_refused, 1);
	world_free(w);
}

Test(snapshot, what_is_refused_leaves_what_is_kept_as_it_was)
{
	struct world *w = world_new();

	SEND(w, BATCH_PACKETS, ADVERT("A", "00112233445566aa", KEY_A, "'name':'N'"));
	take_from(w, "mbcap", "snapshot/mbcap", 0, MBCAP("2,'advert'"));
	save(w);
	take_from(w, "mbcap", "snapshot/mbcap", 0, MBCAP("1,'path'")); /* the same serial */
	save(w);
	take_from(w, "mbcap", "snapshot/mbcap", 0, "{'v':1,'serial':'two','n':0}");
	take_from(w, "mbcap", "snapshot/mbcap", MK_MSG_DELTA, "{'v':1,'serial':2,'n':1}");
	save(w);
	cr_expect_geq(w->stats.snapshots_refused, 3);
	EXPECT_ROWS(w, "SELECT multibyte_sup FROM nodes", "2");
	EXPECT_ROWS(w, "SELECT name, part FROM mk_snapshots", "mbcap|0");
	publish(w); /* as after a start, but its plugin was faster */
	world_crash(w);
	publish(w);
	cr_expect(strstr(world_said(w, "snapshot/mbcap"), "advert") != NULL);
	world_free(w);
}

Test(snapshot, a_node_that_is_made_anew_has_the_capability_that_is_known)
{
	struct world *w = world_new();

	SEND(w, BATCH_PACKETS, ADVERT("A", "00112233445566aa", KEY_A, "'name':'N'"));
	take_from(w, "mbcap", "snapshot/mbcap", 0, MBCAP("2,'advert'"));
	save(w);
	world_exec(w, "DELETE FROM nodes");
	world_crash(w);
	SEND(w, BATCH_PACKETS, ADVERT("A", "00112233445566bb", KEY_A, "'name':'N'"));
	EXPECT_ROWS(w, "SELECT multibyte_sup, multibyte_evidence FROM nodes", "2|advert");
	cr_expect(strstr(world_said(w, "node/changed"), "\"multibyte_sup\":2") != NULL);
	world_free(w);
}
