/* SPDX-License-Identifier: MIT
 *
 * The read model with a database made here and a host that has threads and nothing else.
 */
#define _XOPEN_SOURCE 700
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <http/read/admin.h>
#include <http/read/impl.h>
#include <sqlite3.h>

#include "read_fixture.h"

TestSuite(read, .timeout = 120, .init = setup, .fini = teardown);

Test(read, nothing_is_answered_before_there_is_a_database)
{
	struct read_filter f = { .type = -1 };
	mk_err err;

	cr_expect_eq(read_packets(r, s, &f, false, 0, 1, NULL, NULL, NULL, &err), MK_EUNAVAIL);
	cr_expect_null(read_packet_by_id(r, s, 1));
	cr_expect_not(state().ready);
}

Test(read, the_database_is_read_and_what_is_told_comes_behind_it)
{
	const struct read_packet *p;
	uint32_t n;

	for (int64_t id = -2; id <= 50; id++)
		store(id);
	tell_ready(1);
	join();
	cr_expect(state().warm && state().complete);
	cr_expect_eq(state().tx, 53);
	cr_expect_eq(count(), 53);
	tell_stored(50, 500, 1, true, 1); /* it was read */
	tell_stored(50, 501, 1, true, 1);
	tell_stored(51, 510, 1, true, 1);
	cr_expect_eq(count(), 54);
	p = read_packet_by_id(r, s, 50);
	cr_expect_eq(p->obs_count, 2);
	cr_expect_str_eq(read_packet_by_hash(r, s, "FFFFFFFFFFFFFFFE", 16)->hash,
			 "fffffffffffffffe");
	cr_expect_eq(read_packet_by_obs(r, s, 30)->id, 3);
	n = read_node_find(r, KEY("AA11BB22"), 64);
	cr_expect_str_eq(read_node(r, n)->name, "Alpha");
	(void)read_node_packets(r, n, &n);
	cr_expect_eq(n, 54);
	cr_expect_str_eq(read_observer(r, 0)->region, "BRU");
	cr_expect_eq(read_recent(r, 0, NOW + 60, 3600), 55);
}

/* ------------------------------------------------------------ while it warms -- */

static struct json said;

static bool
say(void *arg, const struct read_packet *p)
{
	(void)arg;
	js_int(&said, p->id);
	js_str(&said, p->hash);
	js_uint(&said, p->obs_count);
	js_uint(&said, p->shown);
	js_int(&said, p->latest);
	for (uint32_t i = 0; i < p->obs_count; i++) {
		js_int(&said, p->obs[i].id);
		js_uint(&said, p->obs[i].observer);
		js_num(&said, p->obs[i].snr);
		js_hex(&said, p->obs[i].path, (size_t)p->obs[i].count * p->obs[i].hop_size, true);
		js_uint(&said, p->obs[i].resolved == NULL ? READ_NONE : p->obs[i].resolved[0]);
	}
	return true;
}

static void
say_lists(const struct read_filter *f, uint64_t offset)
{
	for (int i = 0; i < 3; i++) {
		uint64_t total = 0;
		mk_err err = { 0 };
		mk_result rc =
		    i < 2 ? read_packets(r, s, f, i == 1, offset, 7, say, NULL, &total, &err)
			  : read_packets_latest(r, s, f, offset, 7, say, NULL, &total, &err);

		cr_assert_eq(rc, MK_OK, "%s", err.text);
		js_uint(&said, total);
	}
}

/* What there is to ask, answered as text, which is to be freed. */
static char *
say_all(void)
{
	static const uint8_t members[1] = { 255 };
	static const uint32_t none[1] = { 0 };
	const struct read_filter all = { .since = READ_NULL,
					 .until = READ_NULL,
					 .after_id = READ_NULL,
					 .before_id = READ_NULL,
					 .type = -1,
					 .route = -1 };
	struct read_filter f[11];

	for (int i = 0; i < 11; i++)
		f[i] = all;
	f[1].since = NOW + 20;
	f[2].until = NOW + 20;
	f[3].type = 5;
	f[3].before_id = 30;
	f[4].route = 0;
	f[5].region = "ams, bru";
	f[6].observers = none;
	f[6].observer_count = 1;
	f[7].hash = "0000000000000007";
	f[8].members = members;
	f[9].nodes = none;
	f[9].node_count = 1;
	f[9].sent = true;
	f[10] = f[9];
	f[10].sent = false;
	js_init(&said, 1 << 20);
	js_array(&said);
	model_read(&model);
	for (int i = 0; i < 11; i++) {
		say_lists(&f[i], 0);
		say_lists(&f[i], 5);
	}
	(void)say(NULL, read_packet_by_hash(r, s, "0000000000000009", 16));
	(void)say(NULL, read_packet_by_id(r, s, 11));
	(void)say(NULL, read_packet_by_obs(r, s, 120));
	cr_expect_null(read_packet_by_id(r, s, 1000));
	js_uint(&said, read_recent(r, READ_NONE, NOW + 60, 3600));
	js_uint(&said, read_recent(r, 0, NOW + 30, 20));
	js_uint(&said, state().tx);
	js_uint(&said, state().obs);
	model_read_end(&model);
	js_array_end(&said);
	cr_assert_not(said.failed);
	js_text(&said, "", 1);
	return said.data;
}

Test(read, while_it_is_filled_the_answers_are_those_of_the_filled_one)
{
	char *before, *after;

	for (int64_t id = 1; id <= 40; id++)
		store(id);
	sql("INSERT INTO observations SELECT id + 1000, transmission_id, 1, 'tx', NULL, -7, NULL,"
	    " '[\"BB\",\"AA\"]', timestamp + 60, NULL, NULL FROM observations WHERE id % 30 = 0");
	sql("UPDATE transmissions SET last_seen = (SELECT max(timestamp) FROM observations WHERE"
	    " transmission_id = transmissions.id)");
	gate_close(OBSERVATIONS);
	tell_ready(1);
	gate_wait();
	cr_expect(state().ready && !state().warm);
	cr_expect_eq(state().tx, 40);
	before = say_all();
	cr_expect_not(read_on_timer(r));
	gate_open();
	cr_expect(state().warm && state().complete);
	cr_expect(read_on_timer(r));
	after = say_all();
	for (size_t i = 0; i <= strlen(before); i++) {
		size_t from = i < 200 ? 0 : i - 200;

		cr_assert_eq(before[i], after[i], "%.300s\ninstead of\n%.300s", before + from,
			     after + from);
	}
	cr_expect_gt(strlen(after), 10000);
	free(before);
	free(after);
}

Test(read, an_observer_has_its_name_before_its_row_comes)
{
	tell_ready(1);
	join();
	tell_stored(1, 10, 7, true, 1);
	cr_expect_eq(read_packet_by_id(r, s, 1)->obs[0].observer, 1);
	cr_expect_str_eq(read_observer(r, 1)->id, "Two");
	cr_expect_str_eq(read_observer(r, 1)->name, "second");
}

Test(read, a_copy_fills_in_what_the_first_did_not_know)
{
	const struct read_packet *p;

	store(1);
	sql("UPDATE observations SET snr = NULL");
	tell_ready(1);
	join();
	cr_expect_not(read_packet_by_id(r, s, 1)->obs[0].has_snr);
	tell_stored(1, 10, 1, false, -3.5);
	tell_stored(1, 10, 1, false, 9);
	p = read_packet_by_id(r, s, 1);
	cr_expect_eq(p->obs_count, 1);
	cr_expect_eq(p->obs[0].snr, -3.5);
}

Test(read, what_does_not_fit_stays_in_the_database)
{
	sql("BEGIN");
	for (int64_t id = 1; id <= 20000; id++)
		store(id);
	sql("COMMIT");
	tell_ready(1);
	join();
	cr_expect(state().warm);
	cr_expect_not(state().complete);
	cr_expect_lt(state().tx_memory, 15000);
	cr_expect_gt(state().tx_memory, 1000);
	cr_expect_leq(state().bytes, 1 << 20);
	cr_expect_eq(count(), 20000);
	cr_expect_eq(read_packet_by_id(r, s, 1)->obs_count, 1);
	cr_expect_eq(read_packet_by_hash(r, s, "0000000000000002", 16)->id, 2);
	for (int64_t id = 20001; id < 40000; id++)
		tell_stored(id, 10 * id, 1, true, 1);
	cr_expect_leq(state().bytes, 1 << 20);
	cr_expect_eq(state().tx, 39999);
	cr_expect_eq(read_packet_by_id(r, s, 39999)->id, 39999);
}

struct ids {
	int64_t at[64];
	uint32_t count;
};

static bool
ids_add(void *arg, const struct read_packet *p)
{
	struct ids *ids = arg;

	ids->at[ids->count++] = p->id;
	return true;
}

/* Of 8,000 packets, too many for the memory, these have to do with a node: hops, an advert, one in
 * capitals, one of before there was a column for senders; and one path that does not fit its nodes. */
static const int64_t related[] = { 20, 30, 40, 50, 7900, 7910, 7920 };

static void
store_related(const char *key, const char *index)
{
	sql("BEGIN");
	for (int64_t id = 1; id <= 8000; id++)
		store(id);
	sqlf("UPDATE observations SET resolved_path = '[null,\"%s\"]', path_json ="
	     " '[\"AA\",\"BB\"]' WHERE id IN (200, 300, 79000)",
	     key);
	sqlf("UPDATE observations SET resolved_path = '[null,\"%s\"]' WHERE id IN (600, 79300)",
	     key);
	sqlf("UPDATE transmissions SET payload_type = 4, from_pubkey = '%s' WHERE id IN (40, 7910)",
	     key);
	sqlf("UPDATE transmissions SET payload_type = 4, decoded_json ="
	     " '{\"pubKey\":\"' || upper('%s') || '\"}' WHERE id IN (50, 7920)",
	     key);
	sql("UPDATE transmissions SET payload_type = 4, from_pubkey = '' WHERE id IN (70, 7940);"
	    "UPDATE transmissions SET last_seen = last_seen + id");
	sql("COMMIT");
	sql(index);
}

static void
expect_related(const struct read_filter *f, uint32_t from)
{
	const uint32_t all = sizeof(related) / sizeof(related[0]);
	mk_err err = { 0 };

	for (uint32_t page = 0; page < 3; page++) {
		struct ids newest = { 0 }, oldest = { 0 }, latest = { 0 };
		uint64_t total[3] = { 0 };
		uint32_t n = 0;

		cr_assert_eq(read_packets(r, s, f, false, 3 * page, 3, ids_add, &newest, &total[0],
					  &err),
			     MK_OK, "%s", err.text);
		cr_assert_eq(read_packets(r, s, f, true, 3 * page, 3, ids_add, &oldest, &total[1],
					  &err),
			     MK_OK);
		cr_assert_eq(read_packets_latest(r, s, f, 3 * page, 3, ids_add, &latest, &total[2],
						 &err),
			     MK_OK);
		for (uint32_t i = 0; i < 3; i++)
			cr_expect_eq(total[i], all - from);
		for (uint32_t i = 3 * page; i < 3 * page + 3 && i < all - from; i++, n++) {
			cr_expect_eq(newest.at[n], related[all - 1 - i]);
			cr_expect_eq(oldest.at[n], related[from + i]);
			cr_expect_eq(latest.at[n], related[all - 1 - i]);
		}
		cr_expect(newest.count == n && oldest.count == n && latest.count == n);
	}
}

Test(read, a_nodes_packets_are_the_same_wherever_they_are)
{
	struct read_filter f = { .since = READ_NULL,
				 .until = READ_NULL,
				 .after_id = READ_NULL,
				 .before_id = READ_NULL,
				 .type = -1,
				 .route = -1,
				 .node_count = 1 };
	struct read_config config = { .host = &host, .model = &model, .max_bytes = 1 << 18 };
	uint32_t node;

	read_configure(r, &config);
	sqlf("INSERT INTO nodes VALUES ('%s', 'Beta', 'repeater', 50, 4, NULL, NULL, 3)",
	     KEY("bb22bb22"));
	store_related(KEY("bb22bb22"), "CREATE UNIQUE INDEX idx_observations_dedup ON observations("
				       "transmission_id, observer_idx, COALESCE(path_json, ''))");
	tell_ready(1);
	join();
	cr_expect(state().warm && !state().complete);
	cr_expect_lt(state().tx_memory, 7800);
	cr_expect_gt(state().tx_memory, 200);
	node = read_node_find(r, KEY("BB22BB22"), 64);
	f.nodes = &node;
	expect_related(&f, 0);
	f.since = NOW + 40;
	expect_related(&f, 2);
}

Test(read, a_key_that_only_older_packets_have_finds_them)
{
	const char *key = KEY("BB33cc33");
	struct read_filter f = { .since = READ_NULL,
				 .until = READ_NULL,
				 .after_id = READ_NULL,
				 .before_id = READ_NULL,
				 .type = -1,
				 .route = -1,
				 .strangers = &key,
				 .stranger_count = 1 };
	struct read_config config = { .host = &host, .model = &model, .max_bytes = 1 << 18 };
	struct ids found = { 0 };
	uint64_t total = 0;
	mk_err err;

	read_configure(r, &config);
	store_related(KEY("bb33cc33"), "CREATE INDEX other ON observations(transmission_id)");
	sql("DELETE FROM observations WHERE transmission_id BETWEEN 7900 AND 7940;"
	    "DELETE FROM transmissions WHERE id BETWEEN 7900 AND 7940");
	tell_ready(1);
	join();
	cr_expect(!state().complete);
	cr_expect_eq(read_packets(r, s, &f, true, 0, 64, ids_add, &found, &total, &err), MK_OK);
	cr_expect_eq(total, 4);
	cr_expect_eq(found.count, 4);
	for (uint32_t i = 0; i < 4; i++)
		cr_expect_eq(found.at[i], related[i]);
}

Test(read, a_hash_of_before_finds_its_packet)
{
	static const char old[] = "00000000000abcde";

	for (int64_t id = 1; id <= 10; id++)
		store(id);
	tell_ready(1);
	join();
	cr_expect_null(read_packet_by_hash(r, s, old, 16), "there is no table");
	sqlf("CREATE TABLE mk_hash_aliases (hash TEXT PRIMARY KEY, transmission_id INTEGER NOT"
	     " NULL); INSERT INTO mk_hash_aliases VALUES ('%s', 3), ('odd', 4),"
	     " ('0000000000000005', 6), ('00000000000fffff', 99)",
	     old);
	cr_expect_eq(read_packet_by_hash(r, s, "00000000000ABCDE", 16)->id, 3);
	cr_expect_eq(read_packet_by_hash(r, s, "odd", 3)->id, 4);
	cr_expect_eq(read_packet_by_hash(r, s, "0000000000000005", 16)->id, 5,
		     "a packet comes first");
	cr_expect_null(read_packet_by_hash(r, s, "00000000000fffff", 16), "it is gone");
	cr_expect_null(read_packet_by_hash(r, s, "00000000000ffffe", 16));
}

Test(read, rows_that_a_job_changed_are_read_again)
{
	for (int64_t id = 1; id <= 10; id++)
		store(id);
	tell_ready(1);
	join();
	tell_job("mk_rehash_v1", "done", 0);
	sql("UPDATE transmissions SET hash = 'aaaaaaaaaaaaaaaa' WHERE id = 3");
	tell_job("mk_rehash_v1", "running", 1);
	cr_expect_eq(read_packet_by_id(r, s, 3)->hash[0], '0');
	tell_job("mk_rehash_v1", "done", 1);
	join();
	cr_expect(state().warm);
	cr_expect_str_eq(read_packet_by_id(r, s, 3)->hash, "aaaaaaaaaaaaaaaa");
}

Test(read, what_comes_between_a_gap_and_the_reading_for_it_hides_nothing)
{
	for (int64_t id = 1; id <= 10; id++)
		store(id);
	tell_ready(1);
	join();
	store(11);
	r->again = true; /* a gap was told while a load was at work, which has just ended */
	store(12);
	tell_stored(12, 120, 1, true, 2.5);
	join();
	cr_expect_eq(count(), 12);
	cr_expect_eq(state().tx, 12);
	cr_expect_eq(state().obs, 12);
	cr_expect_not_null(read_packet_by_id(r, s, 11));
}

Test(read, what_could_not_be_read_for_a_gap_is_read_later)
{
	for (int64_t id = 1; id <= 10; id++)
		store(id);
	tell_ready(1);
	join();
	store(11);
	sql("ALTER TABLE transmissions RENAME TO hidden");
	r->again = true;
	(void)read_on_timer(r);
	join();
	cr_expect_eq(r->failures, 1);
	sql("ALTER TABLE hidden RENAME TO transmissions");
	store(12);
	tell_stored(12, 120, 1, true, 2.5);
	(void)read_on_timer(r);
	join();
	cr_expect_eq(count(), 12);
	cr_expect_eq(state().tx, 12);
}

Test(read, a_job_of_a_database_that_is_not_known_yet_is_no_reason_to_read)
{
	for (int64_t id = 1; id <= 10; id++)
		store(id);
	tell_job("mk_rehash_v1", "done", 0);
	tell_job("mk_rehash_v1", "done", 1);
	cr_expect_eq(thread_count, 0);
	join();
	cr_expect_eq(r->failures, 0);
	tell_ready(1);
	join();
	cr_expect_eq(count(), 10);
}

Test(read, packets_that_were_deleted_are_no_more)
{
	for (int64_t id = 1; id <= 10; id++)
		store(id);
	tell_ready(1);
	join();
	tell_job("retention_packets", "done", 0);
	sql("DELETE FROM observations WHERE id < 50; DELETE FROM transmissions WHERE id < 5");
	tell_job("retention_packets", "done", 4);
	join();
	cr_expect_eq(count(), 6);
	cr_expect_null(read_packet_by_id(r, s, 4));
}

Test(read, another_database_begins_anew)
{
	for (int64_t id = 1; id <= 10; id++)
		store(id);
	tell_ready(1);
	join();
	sql("DELETE FROM observations; DELETE FROM transmissions; DELETE FROM nodes");
	store(3);
	tell_ready(1);
	join();
	cr_expect_eq(count(), 10, "that is the same one");
	tell_ready(2);
	join();
	cr_expect_eq(count(), 1);
	cr_expect_eq(read_packet_by_id(r, s, 3)->obs_count, 1);
	cr_expect_not(read_node(r, read_node_find(r, KEY("aa11bb22"), 64))->known);
}

Test(read, observations_are_counted_by_minute_whatever_their_time_is)
{
	_Atomic bool stop = false;
	uint32_t around[4] = { 7, 7, 7, 7 };
	int64_t newest = 0;
	mk_err err = { .text = "" };

	for (int64_t id = 1; id <= 6; id++)
		store(id);
	sql("UPDATE observations SET timestamp = CASE id WHEN 10 THEN 59 WHEN 20 THEN 60"
	    " WHEN 30 THEN 119 WHEN 40 THEN 180 WHEN 50 THEN 'soon' ELSE x'00' END");
	tell_ready(1);
	join();
	cr_assert_eq(read_minutes(r, 1, &around[1], 2, &stop, &newest, &err), MK_OK, "%s",
		     err.text);
	cr_expect_eq(around[1], 2);
	cr_expect_eq(around[2], 0);
	cr_expect(around[0] == 7 && around[3] == 7, "before or behind it: %u, %u", around[0],
		  around[3]);
}

Test(read, messages_without_sense_change_nothing)
{
	mk_writer w;

	store(1);
	tell_ready(1);
	join();
	mk_writer_init(&w, 0);
	mk_put_map(&w, 1);
	mk_kv_array(&w, "items", 3);
	mk_put_nil(&w);
	mk_put_str(&w, "x");
	mk_put_map(&w, 2);
	mk_kv_i64(&w, "tx", 9);
	mk_kv_i64(&w, "obs", 90);
	tell("packet/stored", &w);
	mk_writer_init(&w, 0);
	mk_put_map(&w, 1);
	mk_kv_str(&w, "items", "none");
	tell("node/changed", &w);
	cr_expect_eq(count(), 1);
	cr_expect_eq(state().dropped, 3);
}
