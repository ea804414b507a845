/* SPDX-License-Identifier: MIT
 *
 * The control socket: programs that follow the bus, and replays.
 */
#define _GNU_SOURCE
#include "control_fixture.h"

#include "frame.h"

static struct frame frame;

TestSuite(tail, .timeout = 120, .init = setup, .fini = teardown);
TestSuite(tail_replay, .timeout = 120, .init = setup, .fini = teardown);

/* One message with a body of about `len` bytes. */
static void
say(const char *topic, size_t len, bool retained)
{
	mk_writer w;
	uint8_t *fill = calloc(1, len + 1);

	mk_writer_init(&w, 0);
	mk_put_map(&w, 1);
	mk_kv_bin(&w, "fill", fill, len);
	hub_say(core->hub, topic, retained, &w);
	mk_writer_fini(&w);
	free(fill);
}

struct reading { /* what was read of one */
	const mk_val *frames;
	uint32_t at;
	bool more;
};

static void
follow(struct caller *c, uint32_t id, const char *const *topics, uint32_t count, bool retained)
{
	begin(id, "tail", 2);
	mk_kv_bool(&request, "retained", retained);
	mk_kv_array(&request, "topics", count);
	for (uint32_t i = 0; i < count; i++)
		mk_put_str(&request, topics[i]);
	finish(c);
}

/* The next frame; false when the stream has ended. */
static bool
next_frame(struct caller *c, struct reading *s, uint32_t id)
{
	static mk_doc frame_doc;
	const uint8_t *data;
	mk_err err = { 0 };
	size_t len;

	while (s->at == mk_count(s->frames)) {
		if (s->frames != NULL && !s->more)
			return false;
		s->frames = mk_find(expect_answer(c, id, MK_OK), "frames");
		cr_assert(mk_get_bool(mk_find(mk_doc_root(&doc), "more"), &s->more));
		s->at = 0;
	}
	cr_assert(mk_get_bin(mk_at(s->frames, s->at++), &data, &len));
	mk_doc_init(&frame_doc);
	cr_assert_eq(frame_parse(&frame, &frame_doc, data, len, &err), MK_OK, "%s", err.text);
	mk_doc_fini(&frame_doc);
	return true;
}

static void
expect_frame(struct caller *c, struct reading *s, const char *topic, uint64_t seq, uint32_t flags)
{
	cr_assert(next_frame(c, s, 1));
	cr_assert_str_eq(frame.topic, topic);
	cr_assert_eq(frame.msg.seq, seq, "%s %d, expected %d", topic, (int)frame.msg.seq, (int)seq);
	cr_assert_eq(frame.msg.flags, flags);
}

Test(tail, what_is_published_from_now_on_comes)
{
	struct caller c = call_in();
	struct reading s = { 0 };

	say("core/a", 1, false);
	follow(&c, 1, NULL, 0, false);
	say("core/a", 1, false);
	say("core/b", 1, false);
	expect_frame(&c, &s, "core/a", 2, 0);
	expect_frame(&c, &s, "core/b", 1, 0);
	say("core/a", 1, false);
	expect_frame(&c, &s, "core/a", 3, 0);
	expect_quiet(&c);
	hang_up(&c);
}

Test(tail, only_the_topics_asked_for_come)
{
	static const char *const topics[] = { "core/a", "core/b/" };
	struct caller c = call_in();
	struct reading s = { 0 };

	follow(&c, 1, topics, 2, false);
	say("core/aa", 1, false);
	say("core/a/b", 1, false);
	say("core/b", 1, false);
	say("core/a", 1, false);
	say("core/b/c", 1, false);
	expect_frame(&c, &s, "core/a", 1, 0);
	expect_frame(&c, &s, "core/b/c", 1, 0);
	expect_quiet(&c);
	hang_up(&c);
}

Test(tail, topics_that_cannot_be_followed_are_refused_and_not_forgotten)
{
	static const char *const many[] = { "a", "b", "c", "d", "e", "f", "g", "h", "i",
					    "j", "k", "l", "m", "n", "o", "p", "q" };
	char too_long[MK_TOPIC_MAX + 2];
	const char *const one[] = { too_long };
	struct caller c = call_in();

	memset(too_long, 'x', sizeof(too_long));
	too_long[MK_TOPIC_MAX + 1] = '\0';
	follow(&c, 1, many, 17, false);
	expect_answer(&c, 1, MK_EINVAL);
	follow(&c, 2, one, 1, false);
	expect_answer(&c, 2, MK_EINVAL);
	say("core/a", 1, false);
	expect_quiet(&c);
	follow(&c, 3, many, 16, false);
	expect_quiet(&c);
	hang_up(&c);
}

Test(tail, retained_values_come_first_if_asked_for)
{
	static const char *const topics[] = { "core/kept", "core/a" };
	struct caller c = call_in();
	struct reading s = { 0 };

	say("core/kept", 1, true);
	say("core/kept", 1, true);
	say("core/other", 1, true);
	say("core/a", 1, false);
	follow(&c, 1, topics, 2, true);
	say("core/a", 1, false);
	expect_frame(&c, &s, "core/kept", 2, MK_MSG_RETAINED);
	expect_frame(&c, &s, "core/a", 2, 0);
	expect_quiet(&c);
	hang_up(&c);
}

Test(tail, a_new_stream_takes_the_place_of_the_one_before)
{
	static const char *const a[] = { "core/a" }, *const b[] = { "core/b" };
	struct caller c = call_in();
	struct reading s = { 0 };

	follow(&c, 2, a, 1, false);
	follow(&c, 1, b, 1, false);
	say("core/a", 1, false);
	say("core/b", 1, false);
	expect_frame(&c, &s, "core/b", 1, 0);
	expect_quiet(&c);
	hang_up(&c);
}

/* The reader never catches up, so that there is always something left to send to it. */
Test(tail, a_slow_reader_costs_little_and_hears_exactly_what_it_missed)
{
	static const char *const topics[] = { "core/a" };
	struct caller c = call_in();
	struct reading s = { 0 };
	uint64_t published = 0, next = 1, lost = 0;
	size_t before;

	follow(&c, 1, topics, 1, false);
	c.in = malloc(c.cap = 16 * MIB);
	before = allocated();
	for (int i = 0; i < 600; i++) {
		for (int k = 0; k < 5; k++, published++)
			say("core/a", 8192, false);
		round_once();
		take(&c, 20000);
	}
	cr_expect_lt(allocated(), before + 4 * MIB, "%zu more", allocated() - before);
	say("core/a", 1, false);
	published++;
	while (next <= published) {
		cr_assert(next_frame(&c, &s, 1));
		cr_assert_eq(frame.msg.seq, next);
		if ((frame.msg.flags & MK_MSG_GAP) != 0) {
			uint64_t n = 0;
			mk_doc gap;

			mk_doc_init(&gap);
			mk_doc_open(&gap, frame.msg.body, frame.msg.body_len, NULL, NULL, 0);
			cr_assert(mk_get_u64(mk_find(mk_doc_root(&gap), "lost"), &n));
			mk_doc_fini(&gap);
			next += n;
			lost += n;
		} else {
			next++;
		}
	}
	cr_expect_eq(next, published + 1);
	cr_expect_gt(lost, 0);
	cr_expect_lt(lost, published);
	hang_up(&c);
}

/* ------------------------------------------------------------------- replay -- */

static void
replay(struct caller *c, const char *topic, uint64_t from, uint64_t n)
{
	begin(1, "replay", 3);
	mk_kv_str(&request, "topic", topic);
	mk_kv_u64(&request, "from", from);
	mk_kv_u64(&request, "n", n);
	finish(c);
}

Test(tail_replay, a_replay_goes_back_and_ends)
{
	struct caller c = call_in();
	struct reading s = { 0 };

	for (int i = 0; i < 300; i++)
		say("core/a", 1, false);
	replay(&c, "core/a", 290, 4);
	for (uint64_t i = 290; i < 294; i++)
		expect_frame(&c, &s, "core/a", i, MK_MSG_REPLAYED);
	cr_expect_not(next_frame(&c, &s, 1));
	s = (struct reading){ 0 };
	replay(&c, "core/a", 298, 0);
	for (uint64_t i = 298; i <= 300; i++)
		expect_frame(&c, &s, "core/a", i, MK_MSG_REPLAYED);
	cr_expect_not(next_frame(&c, &s, 1));
	s = (struct reading){ 0 };
	replay(&c, "core/a", 301, 10);
	cr_expect_not(next_frame(&c, &s, 1));
	say("core/a", 1, false);
	expect_quiet(&c);
	hang_up(&c);
}

Test(tail_replay, a_replay_tells_what_the_ring_no_longer_has)
{
	struct caller c = call_in();
	struct reading s = { 0 };
	uint64_t first;

	for (int i = 0; i < 300; i++)
		say("core/a", 1, false);
	first = 300 + 1 - core->hub->stream.rings[RING_LATEST].count;
	replay(&c, "core/a", 0, 0);
	expect_frame(&c, &s, "core/a", 1, MK_MSG_GAP);
	for (uint64_t i = first; i <= 300; i++)
		expect_frame(&c, &s, "core/a", i, MK_MSG_REPLAYED);
	cr_expect_not(next_frame(&c, &s, 1));
	hang_up(&c);
}

Test(tail_replay, a_replay_of_what_there_never_was_is_an_error)
{
	struct caller c = call_in();

	replay(&c, "core/none", 1, 1);
	expect_answer(&c, 1, MK_ENOENT);
	ask(&c, 2, "replay");
	expect_answer(&c, 2, MK_ENOENT);
	hang_up(&c);
}
