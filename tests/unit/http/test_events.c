/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>
#include <http/server/events.h>

TestSuite(events, .timeout = 120);

static const char *const topics[] = { "core/", "a/", "packet/stored", NULL };
static struct ring *ring;
static struct retained retained;
static struct model model;
static struct events *client;
static uint64_t epoch;

static void
begin(void)
{
	epoch = 1;
	ring = ring_new(16, 1 << 20);
	retained_init(&retained);
	cr_assert_eq(model_init(&model), MK_OK);
	client = events_new(FORM_EVENT, ring, &retained, &model, topics);
	cr_assert(ring != NULL && client != NULL);
}

static void
end(void)
{
	events_free(client);
	ring_free(ring);
	retained_fini(&retained);
	model_fini(&model);
}

/* {"n": seq, "items": [{"type": 1}, {"type": 2, "in": {"x": "y"}}]} */
static struct event *
message(const char *topic, uint64_t seq, uint32_t flags)
{
	mk_msg msg = { .struct_size = sizeof(msg), .topic = topic, .origin = "o", .flags = flags };
	struct event *e;
	mk_writer w;

	mk_writer_init(&w, 0);
	mk_put_map(&w, 2);
	mk_kv_u64(&w, "n", seq);
	mk_kv_array(&w, "items", 2);
	mk_put_map(&w, 1);
	mk_kv_u64(&w, "type", 1);
	mk_put_map(&w, 2);
	mk_kv_u64(&w, "type", 2);
	mk_kv_map(&w, "in", 1);
	mk_kv_str(&w, "x", "y");
	msg.epoch = epoch;
	msg.seq = seq;
	msg.body = w.data;
	msg.body_len = (uint32_t)w.len;
	e = event_new(&msg);
	mk_writer_fini(&w);
	cr_assert_not_null(e);
	return e;
}

static void
put(const char *topic, uint64_t seq)
{
	ring_put(ring, message(topic, seq, 0));
}

static void
heads(const char *topic, uint64_t seq)
{
	mk_msg msg = {
		.struct_size = sizeof(msg), .topic = "core/heads", .epoch = epoch, .seq = 1
	};
	mk_writer w;

	mk_writer_init(&w, 0);
	mk_put_map(&w, 1);
	mk_kv_map(&w, "heads", 1);
	mk_kv_u64(&w, topic, seq);
	msg.body = w.data;
	msg.body_len = (uint32_t)w.len;
	ring_put(ring, event_new(&msg));
	mk_writer_fini(&w);
}

static void
say(const char *text)
{
	cr_assert(events_read(client, text, strlen(text)));
}

/* The next text, or "". */
static const char *
next(void)
{
	static char text[4096];
	const char *s;
	size_t len;

	if (!events_next(client, &s, &len))
		return "";
	cr_assert_lt(len, sizeof(text));
	memcpy(text, s, len);
	text[len] = '\0';
	return text;
}

static bool
is(const char *text, const char *type, const char *more)
{
	char start[64];

	(void)snprintf(start, sizeof(start), "{\"type\":\"%s\"", type);
	return strncmp(text, start, strlen(start)) == 0 && strstr(text, more) != NULL;
}

#define expect(type, more)                                                        \
	do {                                                                      \
		const char *got = next();                                         \
		cr_expect(is(got, type, more), "%s, not %s %s", got, type, more); \
	} while (0)

static void
subscribed(const char *request)
{
	say(request);
	expect("hello", "");
	expect("ok", "");
}

Test(events, what_was_subscribed_to_comes_in_order, .init = begin, .fini = end)
{
	subscribed("{\"do\":\"subscribe\",\"topic\":\"a/\"}");
	put("a/x", 1);
	put("b/x", 1);
	put("a/x", 2);
	expect("message", "\"seq\":1,");
	expect("message", "\"seq\":2,");
	cr_expect_str_eq(next(), "");
	say("{\"do\":\"unsubscribe\",\"topic\":\"a/\"}");
	put("a/x", 3);
	expect("ok", "unsubscribe");
	cr_expect_str_eq(next(), "");
}

Test(events, retained_values_come_first_and_once, .init = begin, .fini = end)
{
	struct event *base = message("a/x", 5, 0), *delta = message("a/x", 6, MK_MSG_DELTA);

	retained_put(&retained, base);
	retained_put(&retained, delta);
	ring_put(ring, base);
	subscribed("{\"do\":\"subscribe\",\"topic\":\"a/x\"}");
	expect("message", "\"seq\":5,");
	ring_put(ring, delta); /* its way through the ring was longer */
	put("a/x", 7);
	expect("message", "\"delta\":true,\"retained\":true");
	expect("message", "\"seq\":7,");
	cr_expect_str_eq(next(), "");
}

/* A base of megabytes that nobody needs any more, and what was said about it. */
Test(events, a_large_value_leaves_the_ring_when_there_is_a_newer_one, .init = begin, .fini = end)
{
	static uint8_t bytes[RETAINED_LARGE];
	mk_msg msg = { .struct_size = sizeof(msg), .topic = "a/x", .epoch = epoch };
	mk_writer body;
	struct event *base[2], *delta = message("a/x", 2, MK_MSG_DELTA), *e;
	uint64_t one = 0, at = 0;
	bool fell = false;

	mk_writer_init(&body, 0);
	mk_put_map(&body, 1);
	mk_kv_bin(&body, "bytes", bytes, sizeof(bytes));
	msg.body = body.data;
	msg.body_len = (uint32_t)body.len;
	retained.ring = ring;
	for (uint32_t i = 0; i < 2; i++) {
		msg.seq = 1 + 2 * i;
		base[i] = event_new(&msg);
		retained_put(&retained, base[i]);
		ring_put(ring, base[i]);
		if (i == 0) {
			one = ring_bytes(ring);
			retained_put(&retained, delta);
			ring_put(ring, delta);
		}
	}
	mk_writer_fini(&body);
	cr_expect_eq(ring_bytes(ring), one);
	cr_expect_null(retained_find(&retained, "a/x")->before);
	e = ring_next(ring, &at, &fell);
	cr_assert_not_null(e);
	cr_expect(e->seq == 3 && at == 3 && !fell);
	event_unref(e);
	cr_expect_null(ring_next(ring, &at, &fell));
}

Test(events, a_base_that_is_replaced_meanwhile_begins_anew, .init = begin, .fini = end)
{
	struct event *e = message("a/x", 5, 0);

	retained_put(&retained, e);
	event_unref(e);
	subscribed("{\"do\":\"subscribe\",\"topic\":\"a/x\"}");
	expect("message", "\"seq\":5,");
	e = message("a/x", 9, 0);
	retained_put(&retained, e);
	event_unref(e);
	expect("message", "\"seq\":9,");
	cr_expect_str_eq(next(), "");
}

Test(events, a_slow_client_is_told_what_it_lost, .init = begin, .fini = end)
{
	subscribed("{\"do\":\"subscribe\",\"topic\":\"a/x\"}");
	put("a/x", 1);
	expect("message", "\"seq\":1,");
	for (uint64_t i = 2; i <= 40; i++)
		put("a/x", i);
	expect("lost", "\"from\":2,\"lost\":23");
	expect("message", "\"seq\":25,");
	cr_expect_eq(events_take_lost(client), 23);
	cr_expect_eq(events_take_lost(client), 0);
}

Test(events, a_loss_at_the_end_is_told_when_the_heads_come, .init = begin, .fini = end)
{
	subscribed("{\"do\":\"subscribe\",\"topic\":\"a/x\"}");
	put("a/x", 1);
	expect("message", "\"seq\":1,");
	put("a/x", 2);
	put("a/x", 3);
	for (uint64_t i = 1; i <= 20; i++)
		put("b/x", i);
	cr_expect_str_eq(next(), "");
	heads("a/x", 3);
	expect("lost", "\"from\":2,\"lost\":2");
	cr_expect_str_eq(next(), "");
}

Test(events, a_new_epoch_is_no_loss, .init = begin, .fini = end)
{
	subscribed("{\"do\":\"subscribe\",\"topic\":\"a/x\"}");
	put("a/x", 100);
	expect("message", "\"seq\":100,");
	epoch = 2;
	put("a/x", 1);
	expect("message", "\"epoch\":2,\"seq\":1,");
}

Test(events, a_filter_leaves_only_its_items, .init = begin, .fini = end)
{
	subscribed(
	    "{\"do\":\"subscribe\",\"topic\":\"a/x\",\"filter\":{\"type\":[2,3],\"in.x\":\"y\"}}");
	put("a/x", 1);
	expect("message", "\"body\":{\"n\":1,\"items\":[{\"type\":2,\"in\":{\"x\":\"y\"}}]}");
	say("{\"do\":\"subscribe\",\"topic\":\"a/x\",\"filter\":{\"type\":7}}");
	put("a/x", 2);
	expect("ok", "");
	cr_expect_str_eq(next(), "");
}

Test(events, a_replay_brings_what_is_there_and_says_what_is_not, .init = begin, .fini = end)
{
	subscribed("{\"do\":\"subscribe\",\"topic\":\"a/x\",\"retained\":false}");
	for (uint64_t i = 1; i <= 20; i++)
		put("a/x", i);
	for (int i = 0; i < 16; i++)
		next();
	say("{\"do\":\"replay\",\"topic\":\"a/x\",\"from\":3,\"n\":2}");
	expect("ok", "replay");
	expect("lost", "\"from\":3,\"lost\":2");
	expect("message", "\"seq\":5,");
	expect("message", "\"seq\":6,");
	expect("end", "\"seq\":7");
	say("{\"do\":\"replay\",\"topic\":\"a/x\",\"from\":21}");
	expect("ok", "replay");
	expect("end", "\"seq\":21");
}

Test(events, who_asks_without_listening_is_refused, .init = begin, .fini = end)
{
	bool good = true;

	for (uint32_t i = 0; good && i < 2 * EVENTS_ANSWERS; i++)
		good = events_read(client, "{}", 2);
	cr_expect_not(good);
}

Test(events, subscriptions_are_limited, .init = begin, .fini = end)
{
	char text[64];

	next();
	for (uint32_t i = 0; i <= EVENTS_SUBSCRIPTIONS; i++) {
		(void)snprintf(text, sizeof(text), "{\"do\":\"subscribe\",\"topic\":\"a/%u\"}", i);
		say(text);
		if (i < EVENTS_SUBSCRIPTIONS)
			expect("ok", "");
		else
			expect("error", "too many");
	}
}

Test(events, the_ring_is_bounded_in_bytes_with_its_texts, .init = begin, .fini = end)
{
	struct ring *small = ring_new(1024, 20000);
	struct events *e = events_new(FORM_EVENT, small, &retained, &model, topics);
	static const char request[] = "{\"do\":\"subscribe\",\"topic\":\"a/x\"}";
	const char *s;
	size_t len;

	events_read(e, request, sizeof(request) - 1);
	for (uint64_t i = 1; i < 500; i++) {
		ring_put(small, message("a/x", i, 0));
		while (events_next(e, &s, &len))
			;
		cr_assert_leq(ring_bytes(small), 20000 + 1000);
	}
	cr_expect_gt(ring_bytes(small), 15000);
	events_free(e);
	ring_free(small);
}
