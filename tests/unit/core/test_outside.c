/* SPDX-License-Identifier: MIT
 *
 * Programs outside: what a plain subscriber gets, and what it may ask for again.
 */
#include "outside.h"

#include "bus_fixture.h"
#include "frame.h"

#define RING 8192u

struct got { /* one frame */
	struct got *next;
	struct frame frame;
	uint8_t body[64];
};

static struct outside *outside;
static struct peer *publisher;
static struct link *sub, *push;
static struct loop_watch *watch, *push_watch;
static unsigned changes; /* how often a connection for requests came or went */
static struct got *first, **last = &first, *given;
static uint64_t received, asked, ended;
static mk_doc doc;
static mk_writer writer;
static char folder[] = "/tmp/test_outside-XXXXXX";

static const struct hub_config config = { .ring_messages = RING,
					  .ring_bytes = 64u << 20,
					  .push_back_us = 5 * SECOND };

static void
on_sub(void *arg, uint32_t events)
{
	const uint8_t *data;
	size_t len;

	(void)arg, (void)events;
	while ((data = link_receive(sub, &len)) != NULL) {
		struct got *g = calloc(1, sizeof(*g));
		mk_err err = { 0 };

		cr_assert_not_null(g);
		cr_assert_eq(frame_parse(&g->frame, &doc, data, len, &err), MK_OK, "%s", err.text);
		if (g->frame.msg.body_len <= sizeof(g->body))
			memcpy(g->body, g->frame.msg.body, g->frame.msg.body_len);
		ended += mk_find(mk_at(mk_doc_root(&doc), 1), "end") != NULL;
		*last = g;
		last = &g->next;
		received++;
	}
}

static void
on_change(void *arg, uint32_t events)
{
	(void)events;
	link_peers_seen(arg);
	changes++;
}

/* Everything that was published outside has arrived. */
static void
settle_outside(void)
{
	struct outside_stats stats;

	settle();
	outside_get_stats(outside, &stats);
	UNTIL(received == stats.published);
}

static void
connect_to(const char *url, const char *requests)
{
	mk_err err = { 0 };
	struct outside_stats stats;

	cr_assert_eq(link_open(&sub, LINK_SUB, 8192, 0, &err), MK_OK);
	cr_assert_eq(link_open(&push, LINK_PUSH, 128, 0, &err), MK_OK);
	watch = loop_watch(loop, link_fd(sub), LOOP_READ, on_sub, NULL);
	push_watch = loop_watch(loop, link_peers_fd(push), LOOP_READ, on_change, push);
	cr_assert_eq(link_dial(sub, url, &err), MK_OK);
	cr_assert_eq(link_dial(push, requests, &err), MK_OK);
	UNTIL(changes > 0 && link_peers(push) == 1 &&
	      (outside_get_stats(outside, &stats), stats.clients == 1));
}

static void
begin(void)
{
	stop_clock();
	hub_with(&config);
	mk_doc_init(&doc);
	mk_writer_init(&writer, 16384);
	cr_assert_not_null(mkdtemp(folder));
	publisher = peer_new("p", (struct spec){ .publishes = "x:r y state:t rx/raw:d" });
	join(publisher);
}

static void
setup(void)
{
	static const struct listen_address address = { .url = "inproc://bus",
						       .requests = "inproc://requests" };
	mk_err err = { 0 };

	begin();
	cr_assert_eq(outside_new(&outside, hub, loop, &address, 1, &err), MK_OK, "%s", err.text);
	connect_to(address.url, address.requests);
}

static void
end(void)
{
	if (outside != NULL)
		settle_outside();
	while (first != NULL) {
		struct got *g = first;

		first = g->next;
		free(g);
	}
	free(given);
	loop_unwatch(watch);
	loop_unwatch(push_watch);
	link_close(push);
	link_close(sub);
	outside_free(outside);
	teardown();
	mk_doc_fini(&doc);
	mk_writer_fini(&writer);
	(void)rmdir(folder);
}

TestSuite(outside, .timeout = 120, .init = setup, .fini = end);
TestSuite(replay, .timeout = 120, .init = setup, .fini = end);
TestSuite(listening, .timeout = 120, .init = begin, .fini = end);

/* --------------------------------------------------------------- asking -- */

static void
send_request(const void *data, size_t len)
{
	UNTIL(link_send(push, data, len) == MK_OK);
	asked++;
}

static void
ask_only(const char *topic, uint64_t from, uint64_t n)
{
	mk_writer_reset(&writer);
	mk_put_map(&writer, 5);
	mk_kv_str(&writer, "do", "replay");
	mk_kv_str(&writer, "client", "c-1");
	mk_kv_str(&writer, "topic", topic);
	mk_kv_u64(&writer, "from", from);
	mk_kv_u64(&writer, "n", n);
	cr_assert_eq(mk_writer_end(&writer), MK_OK);
	send_request(writer.data, writer.len);
}

/* All that was asked for was looked at. */
static void
wait_for_requests(struct outside_stats *stats)
{
	UNTIL((outside_get_stats(outside, stats), stats->requests + stats->refused == asked));
}

static void
ask(const char *topic, uint64_t from, uint64_t n)
{
	uint64_t before = ended;

	ask_only(topic, from, n);
	while (ended == before)
		later(5000); /* the answer has its time, which is not ours */
	settle_outside();
}

/* -------------------------------------------------------------- expecting -- */

static const mk_msg *
expect_frame(const char *topic, uint64_t seq, uint32_t flags)
{
	const mk_msg *m;

	free(given);
	given = first;
	cr_assert_not_null(given, "nothing was received, expected %s %d", topic, (int)seq);
	first = given->next;
	if (first == NULL)
		last = &first;
	m = &given->frame.msg;
	cr_assert_str_eq(given->frame.topic, topic);
	cr_assert_eq(m->seq, seq, "%s %d, expected %d", topic, (int)m->seq, (int)seq);
	cr_assert_eq(m->flags, flags, "%s %d has the flags %u", topic, (int)seq, m->flags);
	cr_assert_eq(m->epoch, hub->stream.epoch);
	return m;
}

static void
expect_frames(const char *topic, uint64_t from, uint64_t to, uint32_t flags)
{
	while (from <= to)
		expect_frame(topic, from++, flags);
}

/* A record of the answer itself: {"end": n}, {"lost": n}. */
static void
expect_note(const char *topic, const char *key, uint64_t value, uint64_t seq, uint32_t flags)
{
	const mk_msg *m = expect_frame(topic, seq, flags);
	uint64_t found = 0;

	cr_assert_str_eq(given->frame.origin, "core");
	cr_assert_eq(mk_doc_open(&doc, given->body, m->body_len, NULL, NULL, 0), MK_OK);
	cr_assert(mk_get_u64(mk_find(mk_doc_root(&doc), key), &found), "no %s", key);
	cr_assert_eq(found, value, "%s: %d, expected %d", key, (int)found, (int)value);
}

static void
expect_no_frame(void)
{
	cr_assert_null(first, "there is %s %d", first->frame.topic, (int)first->frame.msg.seq);
}

static void
forget_frames(void)
{
	settle_outside();
	while (first != NULL)
		expect_frame(first->frame.topic, first->frame.msg.seq, first->frame.msg.flags);
}

/* ------------------------------------------------------------ subscribing -- */

Test(outside, a_subscriber_gets_every_message_as_a_frame)
{
	publish(publisher, "x");
	publish(publisher, "y");
	publish_as(publisher, 0, 17, "rx/raw");
	publish(publisher, "state");
	publish_as(publisher, MK_PUB_DELTA, 0, "state");
	settle_outside();
	expect_frame("x", 1, 0);
	cr_expect_str_eq(given->frame.origin, "p");
	cr_expect_eq(given->frame.msg.schema, 1);
	cr_expect_eq(given->frame.msg.body_len, 8);
	cr_expect_arr_eq(given->body, body_of(0), 8);
	expect_frame("y", 1, 0);
	cr_expect_eq(expect_frame("rx/raw", 1, MK_MSG_DURABLE)->origin_seq, 17);
	expect_frame("state", 1, 0);
	expect_frame("state", 2, MK_MSG_DELTA);
	expect_no_frame();
}

Test(outside, who_only_looks_holds_up_nobody)
{
	publish_many(publisher, "x", RING + 10);
	cr_expect_eq(hub->stream.rings[RING_RELIABLE].count, RING);
	cr_expect_eq(hub->over_us, 0);
}

Test(outside, without_a_subscriber_nothing_is_written)
{
	struct outside_stats stats;

	settle_outside();
	loop_unwatch(watch);
	watch = NULL;
	link_close(sub);
	sub = NULL;
	UNTIL((outside_get_stats(outside, &stats), stats.clients == 0));
	publish_many(publisher, "x", 3);
	outside_get_stats(outside, &stats);
	cr_expect_eq(stats.published, 0);
}

/* ---------------------------------------------------------------- replays -- */

#define AGAIN MK_MSG_REPLAYED

Test(replay, what_is_asked_for_comes_in_order_and_ends_where_to_go_on)
{
	struct outside_stats stats;

	publish_many(publisher, "x", 10);
	forget_frames();
	ask("x", 3, 4);
	expect_frames("~c-1/x", 3, 6, AGAIN);
	expect_note("~c-1/x", "end", 7, 7, 0);
	expect_no_frame();
	outside_get_stats(outside, &stats);
	cr_expect_eq(stats.requests, 1);
	cr_expect_eq(stats.refused, 0);
	cr_expect_eq(stats.replayed, 4);
}

Test(replay, it_ends_with_what_there_was_when_it_was_asked_for)
{
	publish_many(publisher, "x", 5);
	forget_frames();
	ask("x", 4, 1000);
	expect_frames("~c-1/x", 4, 5, AGAIN);
	expect_note("~c-1/x", "end", 6, 6, 0);
	ask("x", 6, 10);
	expect_note("~c-1/x", "end", 6, 6, 0);
	ask("x", 1, 0);
	expect_note("~c-1/x", "end", 1, 1, 0);
	ask("z", 4, 10);
	expect_note("~c-1/z", "end", 4, 4, 0);
	ask("x", UINT64_MAX, UINT64_MAX);
	expect_note("~c-1/x", "end", UINT64_MAX, UINT64_MAX, 0);
	expect_no_frame();
}

Test(replay, from_nought_is_from_the_first)
{
	publish_many(publisher, "x", 2);
	forget_frames();
	ask("x", 0, 10);
	expect_frames("~c-1/x", 1, 2, AGAIN);
	expect_note("~c-1/x", "end", 3, 3, 0);
}

Test(replay, a_durable_message_keeps_its_number)
{
	publish_as(publisher, 0, 17, "rx/raw");
	forget_frames();
	ask("rx/raw", 1, 10);
	cr_expect_eq(expect_frame("~c-1/rx/raw", 1, AGAIN | MK_MSG_DURABLE)->origin_seq, 17);
	expect_note("~c-1/rx/raw", "end", 2, 2, 0);
}

static void
forget_oldest(uint32_t which, uint64_t n)
{
	while (n-- > 0)
		ring_evict(&hub->stream.rings[which]);
}

Test(replay, what_the_ring_no_longer_has_is_told_as_lost)
{
	publish_many(publisher, "x", 10);
	forget_frames();
	forget_oldest(RING_RELIABLE, 6);
	ask("x", 3, 100);
	expect_note("~c-1/x", "lost", 4, 3, MK_MSG_GAP);
	expect_frames("~c-1/x", 7, 10, AGAIN);
	expect_note("~c-1/x", "end", 11, 11, 0);
	ask("x", 3, 2);
	expect_note("~c-1/x", "lost", 2, 3, MK_MSG_GAP);
	expect_note("~c-1/x", "end", 5, 5, 0);
	ask("x", 5, 3);
	expect_note("~c-1/x", "lost", 2, 5, MK_MSG_GAP);
	expect_frames("~c-1/x", 7, 7, AGAIN);
	expect_note("~c-1/x", "end", 8, 8, 0);
	forget_oldest(RING_RELIABLE, 4);
	ask("x", 9, 100);
	expect_note("~c-1/x", "lost", 2, 9, MK_MSG_GAP);
	expect_note("~c-1/x", "end", 11, 11, 0);
	expect_no_frame();
}

Test(replay, one_answer_is_of_limited_length)
{
	publish_many(publisher, "x", 5000);
	forget_frames();
	ask("x", 2, UINT64_MAX);
	expect_frames("~c-1/x", 2, 4097, AGAIN);
	expect_note("~c-1/x", "end", 4098, 4098, 0);
	expect_no_frame();
}

Test(replay, a_short_answer_does_not_wait_for_a_long_one)
{
	unsigned n = 0;

	publish_many(publisher, "x", 3000);
	publish_many(publisher, "y", 2);
	forget_frames();
	ask_only("x", 1, 3000);
	ask("y", 1, 2);
	while (strcmp(first->frame.topic, "~c-1/x") == 0) {
		expect_frame("~c-1/x", ++n, AGAIN);
		cr_assert_not_null(first);
	}
	cr_expect_lt(n, 1000);
	while (ended < 2)
		later(5000);
}

Test(replay, the_retained_value_comes_with_its_deltas)
{
	publish(publisher, "state");
	publish(publisher, "state");
	publish_as(publisher, MK_PUB_DELTA, 0, "state");
	settle();
	forget_frames();
	forget_oldest(RING_LATEST, 3);
	ask("state", 0, 0);
	expect_frame("~c-1/state", 2, AGAIN | MK_MSG_RETAINED);
	expect_frame("~c-1/state", 3, AGAIN | MK_MSG_RETAINED | MK_MSG_DELTA);
	expect_note("~c-1/state", "end", 4, 4, 0);
	ask("state", 2, 1);
	expect_note("~c-1/state", "lost", 1, 2, MK_MSG_GAP);
	expect_note("~c-1/state", "end", 3, 3, 0);
	expect_no_frame();
}

Test(replay, deltas_beyond_the_chain_are_told_as_lost)
{
	publish(publisher, "state");
	for (unsigned i = 0; i < KEPT_MAX + 3; i++)
		publish_as(publisher, MK_PUB_DELTA, 0, "state");
	settle();
	forget_frames();
	ask("state", 0, 0);
	expect_frame("~c-1/state", 1, AGAIN | MK_MSG_RETAINED);
	expect_frames("~c-1/state", 2, 1 + KEPT_MAX, AGAIN | MK_MSG_RETAINED | MK_MSG_DELTA);
	expect_note("~c-1/state", "lost", 3, 2 + KEPT_MAX, MK_MSG_GAP);
	expect_note("~c-1/state", "end", 5 + KEPT_MAX, 5 + KEPT_MAX, 0);
}

Test(replay, deltas_without_a_base_are_told_as_lost)
{
	publish_as(publisher, MK_PUB_DELTA, 0, "state");
	publish_as(publisher, MK_PUB_DELTA, 0, "state");
	settle();
	forget_frames();
	ask("state", 0, 0);
	expect_note("~c-1/state", "lost", 2, 1, MK_MSG_GAP);
	expect_note("~c-1/state", "end", 3, 3, 0);
}

Test(replay, more_than_there_is_room_for_is_answered_with_the_end_alone)
{
	struct outside_stats stats;
	unsigned ends = 0, frames = 0;

	publish_many(publisher, "x", 100);
	forget_frames();
	for (int i = 0; i < 65; i++)
		ask_only("x", 1, 100);
	wait_for_requests(&stats);
	cr_expect_eq(stats.requests, 64);
	cr_expect_eq(stats.refused, 1);
	while (ended < 65)
		later(5000);
	settle_outside();
	while (first != NULL) {
		const mk_msg *m =
		    expect_frame("~c-1/x", first->frame.msg.seq, first->frame.msg.flags);

		frames += m->flags == AGAIN;
		ends += m->flags == 0;
		cr_expect(ends > 1 || m->flags == AGAIN || m->seq == 1,
			  "the first end is that one");
	}
	cr_expect_eq(frames, 64 * 100);
	cr_expect_eq(ends, 65);
	ask("x", 100, 1);
	outside_get_stats(outside, &stats);
	cr_expect_eq(stats.requests, 65, "there is room again");
}

/* {"do": ..., "client": ..., "topic": ..., "from": 1, "n": 1} without the key `without`. */
static void
ask_wrong(const char *what, const char *client, const char *topic, const char *without)
{
	static const char *const keys[] = { "do", "client", "topic", "from", "n" };
	const char *texts[] = { what, client, topic };

	mk_writer_reset(&writer);
	mk_put_map(&writer, without[0] == '\0' ? 5 : 4);
	for (size_t i = 0; i < 5; i++) {
		if (strcmp(keys[i], without) == 0)
			continue;
		if (i < 3)
			mk_kv_str(&writer, keys[i], texts[i]);
		else
			mk_kv_u64(&writer, keys[i], 1);
	}
	send_request(writer.data, writer.len);
}

Test(replay, malformed_requests_are_counted_and_not_answered)
{
	static const char *const bytes[] = { "", "\x80", "\xc1", "\x90", "\201\242do", "hello" };
	char too_long[80];
	struct outside_stats stats;

	memset(too_long, 'c', sizeof(too_long));
	too_long[MK_TOPIC_MAX + 1] = '\0';
	publish_many(publisher, "x", 1);
	forget_frames();
	for (size_t i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++)
		send_request(bytes[i], strlen(bytes[i]));
	ask_wrong("replay", "c-1", "x", "do");
	ask_wrong("replay", "c-1", "x", "client");
	ask_wrong("replay", "c-1", "x", "topic");
	ask_wrong("replay", "c-1", "x", "from");
	ask_wrong("replay", "c-1", "x", "n");
	ask_wrong("reply", "c-1", "x", "");
	ask_wrong("replay", "", "x", "");
	ask_wrong("replay", "a/b", "x", "");
	ask_wrong("replay", "C", "x", "");
	ask_wrong("replay", "a b", "x", "");
	ask_wrong("replay", too_long, "x", "");
	ask_wrong("replay", "c-1", "", "");
	ask_wrong("replay", "c-1", "x/", "");
	ask_wrong("replay", "c-1", "x y", "");
	ask_wrong("replay", "c-1", too_long, "");
	wait_for_requests(&stats);
	cr_expect_eq(stats.requests, 0);
	cr_expect_eq(stats.refused, asked);
	later(5000);
	settle_outside();
	expect_no_frame();
	ask_wrong("replay", "c-1", "x", "");
	wait_for_requests(&stats);
	cr_expect_eq(stats.requests, 1, "but for what was wrong with them they were good");
	while (ended < 1)
		later(5000);
}

/* -------------------------------------------------------------- listening -- */

Test(listening, a_request_that_is_too_large_costs_its_sender_the_connection)
{
	char url[64], requests[64];
	struct listen_address address = { .url = url, .requests = requests, .mode = 0600 };
	static uint8_t large[8192];
	struct loop_watch *rude_watch;
	struct link *rude;
	mk_err err = { 0 };

	snprintf(url, sizeof(url), "ipc://%s/bus", folder);
	snprintf(requests, sizeof(requests), "ipc://%s/requests", folder);
	cr_assert_eq(outside_new(&outside, hub, loop, &address, 1, &err), MK_OK, "%s", err.text);
	connect_to(url, requests);
	publish_many(publisher, "x", 1);
	forget_frames();
	changes = 0;
	cr_assert_eq(link_open(&rude, LINK_PUSH, 128, 0, &err), MK_OK);
	rude_watch = loop_watch(loop, link_peers_fd(rude), LOOP_READ, on_change, rude);
	cr_assert_eq(link_dial(rude, requests, &err), MK_OK);
	UNTIL(changes == 1 && link_peers(rude) == 1);
	cr_assert_eq(link_send(rude, large, sizeof(large)), MK_OK);
	UNTIL(changes > 1 && link_peers(rude) == 1); /* it tries again by itself */
	/* Nothing more goes this way: nng's PUSH may keep a pipe that was closed while it sent, and
	 * what it sends then crashes or goes nowhere. */
	loop_unwatch(rude_watch);
	link_close(rude);
	ask("x", 1, 1);
	expect_frame("~c-1/x", 1, AGAIN);
	expect_note("~c-1/x", "end", 2, 2, 0);
}

Test(listening, on_every_address_or_on_none)
{
	static const struct listen_address addresses[] = {
		{ .url = "inproc://one", .requests = "inproc://two" },
		{ .url = "inproc://three", .requests = "inproc://two" },
	};
	mk_err err = { 0 };

	cr_assert_eq(outside_new(&outside, hub, loop, addresses, 2, &err), MK_EEXIST);
	cr_expect_eq(strncmp(err.text, "bus.listen: inproc://two: ", 26), 0, "%s", err.text);
	outside = NULL;
	cr_assert_eq(outside_new(&outside, hub, loop, addresses, 1, &err), MK_OK, "%s", err.text);
	publish_many(publisher, "x", 1);
}

Test(listening, without_an_address_nobody_is_served)
{
	struct outside_stats stats;
	mk_err err = { 0 };

	cr_assert_eq(outside_new(&outside, hub, loop, NULL, 0, &err), MK_OK, "%s", err.text);
	publish_many(publisher, "x", 1);
	outside_get_stats(outside, &stats);
	cr_expect_eq(stats.clients + stats.published, 0);
}
