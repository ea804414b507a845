/* SPDX-License-Identifier: MIT
 *
 * A process that has been taken over speaks the records by itself, and whatever it likes: the hub
 * refuses it, counts it, names it, and serves the others.
 */
#define _GNU_SOURCE
#include "bus_fixture.h"

#include <sys/stat.h>

static struct peer *source, *sink, *server, *villain;
static uint64_t served;

static void
setup(void)
{
	static const struct hub_config config = { .ring_messages = 4096,
						  .ring_bytes = 64u << 20,
						  .push_back_us = 5 * SECOND };

	hub_with(&config);
	source = peer_new("source", (struct spec){ .publishes = "good/item:r good/late:r" });
	sink = peer_new("sink", (struct spec){ .subscribes = "good/item bad/" });
	server = peer_new("server", (struct spec){ .methods = "good/ask" });
	villain = peer_new("villain", (struct spec){ .publishes = "bad/item:r bad/sub/:r",
						     .subscribes = "good/item",
						     .methods = "bad/ask" });
	join(source);
	join(sink);
	join(server);
	join(villain);
	forget_records(server);
	forget_records(sink);
}

TestSuite(hostile_peer, .init = setup, .fini = teardown, .timeout = 120);

/* The others exchange messages as if nothing was, and nothing of the villain's came through. */
static void
others_go_on(void)
{
	publish_many(source, "good/item", 10);
	expect_msgs(sink, "good/item", served + 1, served + 10);
	expect_nothing(sink);
	served += 10;
	cr_expect_eq(source->misbehaved + sink->misbehaved + server->misbehaved, 0);
	cr_expect_eq(source->lost_links + sink->lost_links + server->lost_links, 0);
}

static void
expect_misbehaved(unsigned times, const char *what)
{
	cr_assert_eq(villain->misbehaved, times, "%u times, expected %u: %s", villain->misbehaved,
		     times, what);
	cr_expect_not_null(strstr(villain->text, what), "told as: %s", villain->text);
}

static void
send_bytes(const void *data, size_t len)
{
	wire_rest(&villain->out, data, len);
	UNTIL(villain->out.len == 0);
}

/* A record of any kind with any bytes. */
static void
send_raw(uint8_t kind, const void *data, size_t len)
{
	wire_begin(&villain->out, kind);
	wire_rest(&villain->out, data, len);
	wire_end(&villain->out);
	UNTIL(villain->out.len == 0);
}

/* ---------------------------------------------------------------- messages -- */

Test(hostile_peer, malformed_bodies_are_refused_one_by_one)
{
	static uint8_t deep[30000], wide[9] = { 0x81, 0xa1, 'k', 0xdd, 0xff, 0xff, 0xff, 0xff };
	static const struct {
		const char *what;
		const void *body;
		size_t len;
	} bodies[] = {
		{ "depth", deep, sizeof(deep) },
		{ "array of 4294967295", wide, 8 },
		{ "map of 4294967295", "\xdf\xff\xff\xff\xff", 5 },
		{ "map of 65535", "\xde\xff\xff", 3 },
		{ "long string", "\x81\xa1k\xdb\xff\xff\xff\xff", 8 },
		{ "long binary", "\x81\xa1k\xc6\xff\xff\xff\xff", 8 },
		{ "long extension", "\x81\xa1k\xc9\xff\xff\xff\xff\x01", 9 },
		{ "no such type", "\x81\xa1k\xc1", 4 },
		{ "trailing byte", "\x80\x00", 2 },
		{ "two maps", "\x80\x80", 2 },
		{ "no value", "\x81\xa1k", 3 },
		{ "cut number", "\x81\xa1k\xcf\x01", 5 },
		{ "nothing", "", 0 },
		{ "array", "\x90", 1 },
		{ "number", "\x01", 1 },
		{ "number as a key", "\x81\x01\x01", 3 },
		{ "key twice", "\x82\xa1k\x01\xa1k\x01", 7 },
		{ "not UTF-8", "\x81\xa1k\xa1\xff", 5 },
	};
	unsigned n = sizeof(bodies) / sizeof(bodies[0]);

	for (size_t i = 0; i + 3 <= sizeof(deep); i += 3)
		memcpy(deep + i, "\x81\xa1k", 3);
	for (unsigned i = 0; i < n; i++) {
		send_record(villain, 0, 0, "bad/item", bodies[i].body, bodies[i].len);
		settle();
		cr_assert_eq(villain->misbehaved, i + 1, "%s", bodies[i].what);
		cr_assert_not_null(strstr(villain->text, "message on bad/item refused: "));
	}
	cr_expect_eq(villain->seat->refused, n);
	cr_expect_eq(hub->refused, n);
	others_go_on();
}

Test(hostile_peer, topics_that_it_may_not_publish_are_refused)
{
	static const char *const topics[] = { "good/item", "bad",       "bad/item/sub",
					      "bad/",      "bad/sub/",  "core/gap",
					      "",          "bad/sub/X", "bad/sub/\xff",
					      "bad/sub/ ", "/bad/item", "bad//item" };
	char longest[200];
	unsigned n = sizeof(topics) / sizeof(topics[0]);

	for (unsigned i = 0; i < n; i++)
		send_record(villain, 0, 0, topics[i], body_of(1), 8);
	memset(longest, 'x', sizeof(longest) - 1);
	memcpy(longest, "bad/sub/", 8);
	longest[199] = '\0';
	send_record(villain, 0, 0, longest, body_of(1), 8);
	settle();
	expect_misbehaved(n + 1, "refused");
	cr_expect_eq(villain->seat->refused, n + 1);
	others_go_on();
}

Test(hostile_peer, a_body_above_what_was_declared_is_refused)
{
	publish_large(villain, "bad/item", 2u << 20);
	expect_misbehaved(1, "message on bad/item refused: body above the declared max_body");
	others_go_on();
}

Test(hostile_peer, more_than_its_credit_is_refused)
{
	uint64_t credit = villain->credit;

	for (uint64_t i = 0; i < credit + 500; i++)
		send_record(villain, 0, 0, "bad/item", body_of(1), 8);
	settle();
	cr_assert_eq(villain->misbehaved, 500);
	expect_misbehaved(500, "published beyond its credit");
	expect_msgs(sink, "bad/item", 1, credit);
	others_go_on();
}

Test(hostile_peer, topics_of_one_publisher_leave_room_for_those_of_others)
{
	char topic[64];

	for (int i = 0; i < 1000; i++) {
		snprintf(topic, sizeof(topic), "bad/sub/%d", i);
		publish(villain, topic);
	}
	settle();
	cr_assert_gt(villain->misbehaved, 0);
	expect_misbehaved(villain->misbehaved, "refused: too many topics");
	forget_records(sink);
	publish_many(source, "good/late", 1);
	cr_expect_not_null(topics_find(&hub->stream.topics, "good/late"));
	others_go_on();
}

/* ----------------------------------------------------------------- records -- */

Test(hostile_peer, records_that_end_too_early_are_no_records)
{
	static const uint8_t kinds[] = { WIRE_STATE,  WIRE_PUB,    WIRE_ACK,   WIRE_ASK,
					 WIRE_ANSWER, WIRE_NUMBER, WIRE_OUTBOX };
	static const size_t lengths[] = { 5, 18, 24, 18, 14, 10, 48 }; /* the least that is whole */
	static const uint8_t zeros[64];
	unsigned n = 0;

	for (size_t k = 0; k < sizeof(kinds); k++)
		for (size_t len = 0; len < lengths[k]; len++, n++) {
			uint8_t before = villain->state;

			send_raw(kinds[k], zeros, len);
			settle();
			cr_assert_eq(villain->state, before);
			cr_assert_eq(villain->misbehaved, n + 1, "kind %d, %zu bytes", kinds[k],
				     len);
		}
	expect_misbehaved(n, "sent a malformed record");
	cr_expect_eq(villain->seat->in_messages, 0);
	others_go_on();
}

Test(hostile_peer, what_follows_damage_in_a_bundle_is_not_read)
{
	static const struct {
		uint8_t head[6];
		size_t len;
	} damage[] = { { { 0, 0, 0, 0 }, 4 },
		       { { 0xff, 0xff, 0xff, 0xff, WIRE_LOG }, 5 },
		       { { 1, 0, 0, 0, 250 }, 5 },
		       { { 200, 0, 0, 0, WIRE_LOG, 3 }, 6 } };
	unsigned n = sizeof(damage) / sizeof(damage[0]);

	for (unsigned i = 0; i < n; i++) {
		wire_rest(&villain->out, damage[i].head, damage[i].len);
		send_record(villain, 0, 0, "bad/item", body_of(1), 8);
		UNTIL(villain->out.len == 0);
	}
	settle();
	expect_misbehaved(n, "sent a malformed record");
	others_go_on();
}

Test(hostile_peer, kinds_of_records_that_do_not_exist_are_named)
{
	unsigned n = 0;

	for (int kind = 0; kind < 256; kind++) {
		if (kind >= WIRE_STATE && kind <= WIRE_OUTBOX)
			continue;
		send_raw((uint8_t)kind, "\0\0\0\0\0\0\0\0", 8);
		n++;
	}
	settle();
	expect_misbehaved(n, "sent a malformed record");
	others_go_on();
}

Test(hostile_peer, strings_without_an_end_or_with_one_inside_are_malformed)
{
	uint8_t name[300] = { 0, 0, 0, 0, 0, 0, 0, 0, 255 };

	memset(name + 9, 'x', sizeof(name) - 9);
	send_raw(WIRE_NUMBER, name, sizeof(name)); /* no NUL */
	name[9 + 255] = '\0';
	name[20] = '\0';
	send_raw(WIRE_NUMBER, name, sizeof(name)); /* two of them */
	settle();
	expect_misbehaved(2, "sent a malformed record");
	others_go_on();
}

Test(hostile_peer, names_of_numbers_are_checked)
{
	static const char *const names[] = { "", "With Space", "x\xff", "1st",
					     "a_name_that_is_longer_than_allowed" };
	unsigned n = sizeof(names) / sizeof(names[0]);
	int64_t before;

	settle();
	before = villain->number;
	for (unsigned i = 0; i < n; i++) {
		wire_begin(&villain->out, WIRE_NUMBER);
		wire_u64(&villain->out, 4711);
		wire_str(&villain->out, names[i]);
		wire_end(&villain->out);
		UNTIL(villain->out.len == 0);
		UNTIL(villain->misbehaved == i + 1);
		cr_expect_eq(villain->number, before);
	}
	expect_misbehaved(n, "malformed");
	others_go_on();
}

static bool
is_clean(const char *text)
{
	for (const char *p = text; *p != '\0'; p++)
		if ((uint8_t)*p < 0x20 || *p == 0x7f)
			return false;
	return mk_utf8_valid(text, strlen(text));
}

/* A text that is refused takes with it what it is told in: the answer to `meshkern plugins`. */
Test(hostile_peer, what_it_says_is_made_readable)
{
	static char text[100000];

	memset(text, 0xc3, sizeof(text));
	memcpy(text, "\x02\0\0\0\0a\x1b[31m\xff\n", 12); /* WIRE_STATE_RUNNING, MK_OK */
	send_raw(WIRE_STATE, text, sizeof(text));
	UNTIL(strncmp(villain->text, "a", 1) == 0);
	cr_expect(is_clean(villain->text), "%s", villain->text);
	memcpy(text, "b\x1b[31m\xff\n", 8);
	send_raw(WIRE_MISBEHAVED, text, sizeof(text));
	UNTIL(strncmp(villain->text, "b", 1) == 0);
	cr_expect(is_clean(villain->text), "%s", villain->text);
	/* A character that the end of the buffer cuts is no reason to garble the others. */
	for (size_t i = 0; i < 1000; i += 2)
		memcpy(text + i, "\xc3\xa9", 2);
	memcpy(text, "c", 1);
	send_raw(WIRE_MISBEHAVED, text + 1, 999);
	UNTIL(strncmp(villain->text, "?", 1) == 0);
	cr_expect(is_clean(villain->text), "%s", villain->text);
	cr_expect_not_null(strstr(villain->text, "\xc3\xa9"));
	others_go_on();
}

Test(hostile_peer, its_log_lines_are_limited)
{
	char path[] = "/tmp/mk-hostile-XXXXXX";
	int fd = mkstemp(path);
	struct stat st;

	cr_assert_neq(fd, -1);
	log_init(fd, MK_LOG_INFO, LOG_TEXT);
	for (int i = 0; i < 100000; i++) {
		wire_begin(&villain->out, WIRE_LOG);
		wire_rest(&villain->out, "\1look at me", 11);
		wire_end(&villain->out);
	}
	settle();
	others_go_on();
	log_init(-1, MK_LOG_ERROR, LOG_TEXT);
	cr_expect_eq(fstat(fd, &st), 0);
	cr_expect_gt(st.st_size, 1000);
	cr_expect_lt(st.st_size, 2 << 20, "%d bytes", (int)st.st_size);
	close(fd);
	unlink(path);
}

Test(hostile_peer, noise_harms_nobody)
{
	uint64_t random = 88172645463325252u;
	uint8_t noise[512];

	for (int i = 0; i < 3000; i++) {
		for (size_t j = 0; j < sizeof(noise); j++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			noise[j] = (uint8_t)(random >> 32);
		}
		/* Half of them begin like a record, so that something of it is read. */
		if (i % 2 == 0)
			memcpy(noise,
			       (uint8_t[]){ (uint8_t)(random % 250 + 1), 0, 0, 0,
					    (uint8_t)(WIRE_STATE + random / 256 % 9) },
			       5);
		send_bytes(noise, 64 + random % (sizeof(noise) - 64));
	}
	UNTIL(villain->misbehaved > 2000);
	others_go_on();
}

/* --------------------------------------------------------- acknowledgements -- */

Test(hostile_peer, what_it_was_not_sent_it_cannot_acknowledge)
{
	uint64_t received = villain->seat->bundles_received;

	villain->silent = true;
	publish_many(source, "good/item", 20);
	served += 20;
	forget_records(sink);
	UNTIL(villain->bundles == villain->seat->bundles_sent);
	peer_ack(villain, villain->bundles + 1, 0);
	peer_ack(villain, UINT64_MAX, 0);
	peer_ack(villain, 0, villain->order + 1);
	peer_ack(villain, 0, UINT64_MAX);
	UNTIL(villain->misbehaved > 0);
	expect_misbehaved(villain->misbehaved, "sent a malformed record");
	cr_expect_eq(villain->seat->bundles_received, received);
	forget_records(villain);
	leave(villain);
	villain->silent = false;
	join(villain);
	for (uint64_t seq = 1; seq <= 20; seq++) /* nothing was skipped */
		expect_msg(villain, "good/item", seq, MK_MSG_REPLAYED);
	others_go_on();
}

Test(hostile_peer, who_never_acknowledges_is_sent_no_more_than_a_window)
{
	villain->silent = true;
	for (int i = 0; i < 3000; i++)
		publish(source, "good/item");
	UNTIL(source->seat->in_messages == 3000 && sink->order == 3000);
	cr_expect_lt(villain->seat->bundles_sent - villain->seat->bundles_received, 32);
	cr_expect_lt(villain->seat->bytes_unreceived, 8u << 20);
	served = 3000;
	forget_records(sink);
	villain->silent = false;
	peer_ack(villain, villain->bundles, villain->order);
	others_go_on();
}

/* ------------------------------------------------------------------- calls -- */

static void
ask(struct peer *p, uint64_t id, const char *method, const void *body, size_t len)
{
	wire_begin(&p->out, WIRE_ASK);
	wire_u64(&p->out, id);
	wire_u64(&p->out, 60 * SECOND);
	wire_str(&p->out, method);
	wire_rest(&p->out, body, len);
	cr_assert(wire_end(&p->out));
}

static void
answer(struct peer *p, uint64_t id, mk_result result, const char *error, const void *body,
       size_t len)
{
	wire_begin(&p->out, WIRE_ANSWER);
	wire_u64(&p->out, id);
	wire_u32(&p->out, (uint32_t)result);
	wire_str(&p->out, error);
	wire_rest(&p->out, body, len);
	cr_assert(wire_end(&p->out));
}

/* The hub's id of the call that comes next to a peer. */
static uint64_t
called(struct peer *p)
{
	UNTIL(p->first != NULL);
	return wire_get_u64(next_record(p, WIRE_CALL));
}

static void
expect_reply(struct peer *p, uint64_t id, mk_result result)
{
	struct wire_in *r;

	UNTIL(p->first != NULL);
	r = next_record(p, WIRE_REPLY);
	cr_assert_eq(wire_get_u64(r), id);
	cr_assert_eq((mk_result)wire_get_u32(r), result);
}

static void
others_call(void)
{
	forget_records(source);
	forget_records(server);
	ask(source, 77, "good/ask", "\x80", 1);
	answer(server, called(server), MK_OK, "", "\x81\xa1k\x01", 4);
	expect_reply(source, 77, MK_OK);
}

Test(hostile_peer, calls_of_others_cannot_be_answered)
{
	uint64_t id;

	forget_records(source);
	ask(source, 5, "good/ask", "\x80", 1);
	id = called(server);
	for (uint64_t forged = 0; forged < 3000; forged++)
		answer(villain, forged, MK_OK, "", "\x80", 1);
	answer(villain, UINT64_MAX, MK_OK, "", "\x80", 1);
	settle();
	expect_nothing(source);
	answer(server, id, MK_OK, "", "\x81\xa1k\x01", 4);
	expect_reply(source, 5, MK_OK);
	others_go_on();
}

Test(hostile_peer, a_malformed_answer_is_an_error_for_who_asked)
{
	static const struct {
		mk_result result;
		const void *body;
		size_t len;
	} answers[] = {
		{ MK_OK, "\x81", 1 },
		{ MK_OK, "\x80\x80", 2 },
		{ MK_OK, "\x90", 1 },
		{ 1, "\x80", 1 },
	};
	unsigned n = sizeof(answers) / sizeof(answers[0]);

	forget_records(source);
	forget_records(villain);
	for (unsigned i = 0; i < n; i++) {
		ask(source, i, "bad/ask", "\x80", 1);
		answer(villain, called(villain), answers[i].result, "", answers[i].body,
		       answers[i].len);
		expect_reply(source, i, MK_EFORMAT);
	}
	expect_misbehaved(n, "gave a malformed answer to a call");
	others_go_on();
}

Test(hostile_peer, the_error_of_an_answer_is_made_readable)
{
	struct wire_in *r;

	forget_records(source);
	forget_records(villain);
	ask(source, 1, "bad/ask", "\x80", 1);
	answer(villain, called(villain), MK_EIO, "no \xff\x1b[31m", NULL, 0);
	UNTIL(source->first != NULL);
	r = next_record(source, WIRE_REPLY);
	wire_get_u64(r);
	cr_assert_eq((mk_result)wire_get_u32(r), MK_EIO);
	cr_expect_str_eq(wire_get_str(r), "bad/ask");
	cr_expect_str_eq(wire_get_str(r), "no ??[31m");
	others_go_on();
}

Test(hostile_peer, malformed_calls_are_refused)
{
	forget_records(villain);
	ask(villain, 1, "good/ask", "\x81", 1);
	expect_reply(villain, 1, MK_EFORMAT);
	ask(villain, 2, "good/ask", "\x90", 1);
	expect_reply(villain, 2, MK_EFORMAT);
	ask(villain, 3, "good/ask", "", 0);
	expect_reply(villain, 3, MK_EFORMAT);
	ask(villain, 4, "Not a method", "\x80", 1);
	expect_reply(villain, 4, MK_EINVAL);
	ask(villain, 5, "nobody/answers", "\x80", 1);
	expect_reply(villain, 5, MK_ENOENT);
	settle();
	expect_nothing(server);
	others_call();
	others_go_on();
}

Test(hostile_peer, many_calls_leave_room_for_those_of_others)
{
	for (uint64_t id = 1; id <= 2 * HUB_CALLS_MAX; id++)
		ask(villain, id, "good/ask", "\x80", 1);
	settle();
	later(2 * SECOND);
	others_call();
	others_go_on();
}

Test(hostile_peer, large_calls_do_not_bury_who_is_slow_to_answer)
{
	static uint8_t body[1u << 20] = { 0x81, 0xa1, 'k', 0xc6, 0, 0x0f, 0xff, 0xf8 };

	server->silent = true;
	for (uint64_t id = 1; id <= 200; id++) {
		ask(villain, id, "good/ask", body, sizeof(body));
		UNTIL(villain->out.len == 0);
	}
	for (int i = 0; i < 100; i++)
		round_once();
	cr_expect_eq(server->lost_links, 0);
	cr_expect_lt(server->seat->control.len, 32u << 20);
	server->silent = false;
	peer_ack(server, server->bundles, server->order);
	others_go_on();
}

static unsigned core_calls;

static void
answer_core_call(void *arg, struct seat *caller, uint64_t call, const char *method,
		 const uint8_t *body, uint32_t len)
{
	(void)arg, (void)caller, (void)method, (void)body, (void)len;
	core_calls++;
	hub_answer(hub, call, MK_OK, "", "\x80", 1);
}

Test(hostile_peer, calls_of_the_core_are_limited_to_some_a_second)
{
	forget_records(villain);
	hub->events.core_call = answer_core_call;
	for (uint64_t id = 1; id <= 100000; id++)
		ask(villain, id, "core/stats", "\x80", 1);
	settle();
	cr_expect_gt(core_calls, 0);
	cr_expect_lt(core_calls, 10000, "%u", core_calls);
	others_go_on();
}

/* Whatever needs time has one timer in common: who needs it, too, may not put it off for others. */
Test(hostile_peer, a_flood_of_calls_does_not_stop_the_clock)
{
	forget_records(source);
	wire_begin(&source->out, WIRE_ASK);
	wire_u64(&source->out, 1);
	wire_u64(&source->out, 50000);
	wire_str(&source->out, "good/ask");
	wire_rest(&source->out, "\x80", 1);
	wire_end(&source->out);
	called(server);
	for (int i = 0; i < 30; i++) { /* 120 ms */
		hub_need_tick(hub);
		clock_ahead_us += 4000;
		loop_hurry(loop);
		round_once();
	}
	cr_expect_eq(hub->call_count, 0);
	expect_reply(source, 1, MK_ETIMEDOUT);
}
