/* SPDX-License-Identifier: MIT
 *
 * What the hub takes, in which order, and what becomes of numbers of outboxes. What it keeps for who
 * joins is in test_retained.c.
 */
#include "bus_fixture.h"

static const struct hub_config config = { .ring_messages = 64,
					  .ring_bytes = 1u << 20,
					  .push_back_us = 5 * SECOND,
					  .call_timeout_us = SECOND };

static void
setup(void)
{
	stop_clock();
	hub_with(&config);
}

TestSuite(hub, .timeout = 120, .init = setup, .fini = teardown);
TestSuite(durable, .timeout = 120, .init = setup, .fini = teardown);

/* ------------------------------------------------------------- admission -- */

Test(hub, messages_are_numbered_by_topic_and_come_in_one_order)
{
	struct peer *a = peer_joined("a", "x:r y", ""), *b = peer_joined("b", "x:r", "");
	struct peer *s = peer_joined("s", "", "x y");
	struct wire_msg m[4];

	publish_many(a, "x", 1);
	publish_many(b, "x", 1);
	publish_many(a, "y", 1);
	publish_many(a, "x", 1);
	m[0] = expect_msg(s, "x", 1, 0);
	cr_expect_str_eq(m[0].origin, "a");
	cr_expect_eq(m[0].epoch, hub->stream.epoch);
	cr_expect_eq(m[0].schema, 1);
	cr_expect_eq(m[0].len, 8);
	m[1] = expect_msg(s, "x", 2, 0);
	cr_expect_str_eq(m[1].origin, "b");
	m[2] = expect_msg(s, "y", 1, 0);
	m[3] = expect_msg(s, "x", 3, 0);
	for (uint64_t i = 0; i < 4; i++)
		cr_expect_eq(m[i].order, i + 1);
	expect_nothing(s);
	cr_expect_eq(hub->published, 4);
}

Test(hub, what_is_not_declared_is_refused_and_its_publisher_hears_of_it)
{
	struct peer *p = peer_joined("p", "x y/", "");

	send_record(p, 0, 0, "z", body_of(1), 8);
	settle();
	cr_expect_eq(p->misbehaved, 1);
	cr_expect_str_eq(p->text, "message on z refused: not declared or not granted");
	send_record(p, 0, 0, "x/more", body_of(1), 8);
	send_record(p, 0, 0, "core/stats", body_of(1), 8);
	publish(p, "y/below");
	settle();
	cr_expect_eq(p->misbehaved, 3);
	cr_expect_eq(p->seat->refused, 3);
	cr_expect_eq(hub->refused, 3);
	cr_expect_eq(hub->published, 1);
}

Test(hub, a_message_that_breaks_a_rule_is_refused)
{
	static const struct {
		const char *topic, *body;
		size_t len;
		const char *why;
	} bad[] = {
		{ "X", "\x80", 1, "not a topic name" },
		{ "x/", "\x80", 1, "not a topic name" },
		{ "", "\x80", 1, "not a topic name" },
		{ "x/../y", "\x80", 1, "not a topic name" },
		{ "x", "", 0, "cut off" },
		{ "x", "\x81\xa1", 2, "does not fit" },
		{ "x", "\x80\x80", 2, "" },
		{ "x", "\x90", 1, "not a map" },
		{ "x", "\xc0", 1, "not a map" },
		{ "x", "\xdf\xff\xff\xff\xff", 5, "does not fit" },
	};
	struct peer *p = peer_joined("p", "x", ""), *s = peer_joined("s", "", "x");
	uint8_t *large = calloc(1, (2u << 20) + 1);

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		send_record(p, 0, 0, bad[i].topic, bad[i].body, bad[i].len);
		settle();
		cr_expect_eq(p->misbehaved, i + 1);
		cr_expect_not_null(strstr(p->text, bad[i].why), "%u: %s", i, p->text);
	}
	p->misbehaved = 0;
	send_record(p, 0, 0, "x", large, (2u << 20) + 1);
	settle();
	cr_expect_eq(p->misbehaved, 1);
	cr_expect_not_null(strstr(p->text, "max_body"), "%s", p->text);
	cr_expect_eq(hub->published, 0);
	expect_nothing(s);
	free(large);
}

Test(hub, maps_of_every_form_are_taken)
{
	struct peer *p = peer_joined("p", "x", ""), *s = peer_joined("s", "", "x");

	send_record(p, 0, 0, "x", "\x80", 1);
	send_record(p, 0, 0, "x", "\xde\0\0", 3);
	send_record(p, 0, 0, "x", "\xdf\0\0\0\0", 5);
	settle();
	expect_msgs(s, "x", 1, 3);
	cr_expect_eq(p->misbehaved, 0);
}

Test(hub, our_own_code_has_checked_its_bodies_itself)
{
	struct peer *p = peer_joined("p", "x", "");

	seat_declare(p->seat, p->manifest, 0, true);
	send_record(p, 0, 0, "x", "\xc1", 1);
	send_record(p, 0, 0, "z", "\x80", 1);
	settle();
	cr_expect_eq(hub->published, 1);
	cr_expect_eq(p->misbehaved, 1, "what it may publish is checked as for everyone");
}

Test(hub, the_longest_name_that_covers_a_topic_gives_its_class)
{
	struct peer *p = peer_joined("p", "x/ x/y/:rt x/y/z:d", "");

	publish_many(p, "x/a", 1);
	publish_many(p, "x/y/a", 1);
	publish_many(p, "x/y/z", 1);
	cr_expect_str_eq(topic_class(topics_find(&hub->stream.topics, "x/a")), "latest");
	cr_expect_str_eq(topic_class(topics_find(&hub->stream.topics, "x/y/a")),
			 "reliable retained");
	cr_expect_str_eq(topic_class(topics_find(&hub->stream.topics, "x/y/z")), "durable");
}

Test(hub, a_topic_beyond_the_most_there_may_be_is_refused)
{
	struct peer *p[5];
	char name[MK_TOPIC_MAX + 1];

	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "p-%d", i);
		p[i] = peer_joined(name, "t/", "");
	}
	for (unsigned i = 0; i < TOPICS_MAX; i++) { /* one publisher may not make all of them */
		snprintf(name, sizeof(name), "t/%u", i);
		publish(p[i % 4], name);
	}
	settle();
	cr_expect_eq(hub->published, TOPICS_MAX);
	publish_many(p[4], "t/one-more", 1);
	cr_expect_eq(p[4]->misbehaved, 1);
	cr_expect_str_eq(p[4]->text, "message on t/one-more refused: too many topics");
	publish_many(p[4], "t/0", 1);
	cr_expect_eq(hub->published, TOPICS_MAX + 1, "those that there are go on");
}

Test(hub, the_core_speaks_on_the_bus_too)
{
	struct peer *s = peer_joined("s", "", "core/");
	mk_writer w;

	mk_writer_init(&w, 64);
	mk_put_map(&w, 1);
	hub_say(hub, "core/half", false, &w);
	mk_kv_bool(&w, "on", true);
	hub_say(hub, "core/plugins", true, &w);
	hub_say(hub, "core/stats", false, &w);
	mk_writer_fini(&w);
	settle();
	cr_expect_str_eq(expect_msg(s, "core/plugins", 1, 0).origin, "core");
	expect_msg(s, "core/stats", 1, 0);
	expect_nothing(s);
	leave(s);
	join(s);
	expect_msg(s, "core/plugins", 1, MK_MSG_RETAINED);
	expect_nothing(s);
}

/* {"heads": {"x": 3, ...}} of the next message on core/heads: the value for "x". */
static uint64_t
expect_head(struct peer *s, uint64_t seq)
{
	struct wire_msg m = expect_msg(s, "core/heads", seq, 0);
	uint64_t head = 0;
	mk_doc doc;

	mk_doc_init(&doc);
	cr_assert_eq(mk_doc_open(&doc, m.body, m.len, NULL, NULL, 0), MK_OK);
	cr_assert(mk_get_u64(mk_find(mk_find(mk_doc_root(&doc), "heads"), "x"), &head));
	mk_doc_fini(&doc);
	return head;
}

Test(hub, the_last_number_of_every_topic_is_told_soon_after_it_changed)
{
	struct peer *p = peer_joined("p", "x", ""), *s = peer_joined("s", "", "core/heads");

	publish_many(p, "x", 3);
	later(SECOND);
	cr_expect_eq(expect_head(s, 1), 3);
	later(SECOND);
	later(SECOND);
	expect_nothing(s);
	publish_many(p, "x", 1);
	later(SECOND);
	cr_expect_eq(expect_head(s, 2), 4);
	for (int i = 0; i < 9; i++)
		later(SECOND);
	expect_nothing(s);
	later(SECOND);
	later(SECOND);
	cr_expect_eq(expect_head(s, 3), 4, "and from time to time anyway");
	expect_nothing(s);
}

/* ---------------------------------------------------------------- durable -- */

Test(durable, a_number_that_was_seen_is_dropped_unless_it_is_sent_again_on_purpose)
{
	struct peer *p = peer_joined("p", "x:d", ""), *s = peer_joined("s", "", "x");

	publish_as(p, 0, 5, "x");
	publish_as(p, 0, 5, "x");
	publish_as(p, 0, 4, "x");
	publish_as(p, 0, 9, "x");
	publish_as(p, WIRE_PUB_AGAIN, 5, "x");
	publish_as(p, 0, 9, "x");
	publish_as(p, 0, 10, "x");
	settle();
	cr_expect_eq(expect_msg(s, "x", 1, MK_MSG_DURABLE).origin_seq, 5);
	cr_expect_eq(expect_msg(s, "x", 2, MK_MSG_DURABLE).origin_seq, 9);
	cr_expect_eq(expect_msg(s, "x", 3, MK_MSG_DURABLE).origin_seq, 5);
	cr_expect_eq(expect_msg(s, "x", 4, MK_MSG_DURABLE).origin_seq, 10);
	expect_nothing(s);
	cr_expect_eq(p->seat->duplicates, 3);
	cr_expect_eq(p->misbehaved, 0, "a duplicate is no fault");
}

Test(durable, who_comes_back_is_told_what_was_seen)
{
	struct peer *p = peer_joined("p", "x:d", "");

	cr_expect_eq(p->admitted, 0);
	publish_as(p, 0, 7, "x");
	leave(p);
	join(p);
	cr_expect_eq(p->admitted, 7);
	publish_as(p, 0, 7, "x");
	settle();
	cr_expect_eq(p->seat->duplicates, 1);
}

Test(durable, a_number_that_was_refused_was_not_seen)
{
	struct peer *p = peer_joined("p", "x:d", "");

	send_record(p, 0, 3, "x", "\x90", 1);
	settle();
	cr_expect_eq(p->misbehaved, 1);
	cr_expect_eq(p->seat->admitted, 0);
	publish_as(p, 0, 3, "x");
	settle();
	cr_expect_eq(hub->published, 1);
}

/* What storage says when everything of `source` up to `number` is on disk. */
static void
commit_or(struct peer *storage, const char *source, uint64_t number, bool again)
{
	mk_writer w;

	mk_writer_init(&w, 0);
	mk_put_map(&w, 1);
	mk_kv_array(&w, "items", 3);
	mk_put_map(&w, 2);
	mk_kv_str(&w, "source", "nobody");
	mk_kv_u64(&w, "seq", 1000);
	mk_put_map(&w, 0);
	mk_put_map(&w, again ? 3 : 2);
	mk_kv_str(&w, "source", source);
	mk_kv_u64(&w, "seq", number);
	if (again)
		mk_kv_bool(&w, "again", true);
	cr_assert_eq(mk_writer_end(&w), MK_OK);
	send_record(storage, 0, 0, HUB_COMMITTED, w.data, w.len);
	mk_writer_fini(&w);
	settle();
}

static void
commit(struct peer *storage, const char *source, uint64_t number)
{
	commit_or(storage, source, number, false);
}

static void
expect_number(struct peer *p, uint8_t kind, uint64_t number)
{
	struct wire_in *r = next_record(p, kind);

	cr_assert_eq(wire_get_u64(r), number);
	cr_assert(!r->bad && r->p == r->end);
}

Test(durable, what_is_on_disk_is_told_to_who_published_it_and_counts_upwards_only)
{
	struct peer *storage = peer_joined("storage", "storage/committed:r", "");
	struct peer *a = peer_joined("a", "x:d", ""), *b = peer_joined("b", "x:d", "");

	commit(storage, "a", 5);
	expect_number(a, WIRE_TRIM, 5);
	commit(storage, "a", 5);
	commit(storage, "a", 4);
	expect_nothing(a);
	commit(storage, "a", 6);
	expect_number(a, WIRE_TRIM, 6);
	expect_nothing(b);
	leave(a);
	join(a);
	expect_number(a, WIRE_TRIM, 6);
	expect_nothing(a);
}

Test(durable, what_was_committed_while_nobody_sat_there_is_told_to_who_comes)
{
	struct peer *storage = peer_joined("storage", "storage/committed:r", "");
	struct peer *a = peer_new("a", (struct spec){ .publishes = "x:d" });

	commit(storage, "a", 5);
	join(a);
	expect_number(a, WIRE_TRIM, 5);
	expect_nothing(a);
}

Test(durable, what_did_not_get_through_is_sent_again_when_storage_says_so)
{
	struct peer *storage = peer_joined("storage", "storage/committed:r", "");
	struct peer *p = peer_joined("p", "x:d", "");

	later(2 * SECOND);
	for (uint64_t n = 3; n <= 6; n++)
		publish_as(p, 0, n, "x");
	settle();
	commit_or(storage, "p", 4, true);
	expect_number(p, WIRE_TRIM, 4);
	later(SECOND);
	expect_number(p, WIRE_REWIND, 4);
	expect_nothing(p);
}

Test(durable, every_message_says_where_its_origin_began_in_this_epoch)
{
	struct peer *p = peer_joined("p", "x:d", ""), *s = peer_joined("s", "", "x");

	publish_as(p, 0, 7, "x");
	publish_as(p, 0, 8, "x");
	settle();
	cr_expect_eq(expect_msg(s, "x", 1, MK_MSG_DURABLE).origin_first, 7);
	leave(p);
	join(p);
	publish_as(p, 0, 9, "x");
	settle();
	cr_expect_eq(expect_msg(s, "x", 2, MK_MSG_DURABLE).origin_seq, 8);
	cr_expect_eq(expect_msg(s, "x", 3, MK_MSG_DURABLE).origin_first, 7);
}

Test(durable, a_commit_that_makes_no_sense_is_ignored)
{
	static const char *const bodies[] = { "\xc1", "\x80", "\x81\xa5items\x01",
					      "\x81\xa5items\x91\x80" };
	struct peer *storage = peer_joined("storage", "storage/committed:r", "");
	struct peer *p = peer_joined("p", "x:d", "");

	seat_declare(storage->seat, storage->manifest, 0, true); /* nobody checks what it sends */
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		send_record(storage, 0, 0, HUB_COMMITTED, bodies[i], strlen(bodies[i]));
	settle();
	cr_expect_eq(storage->seat->in_messages, 4);
	cr_expect_eq(p->seat->committed, 0);
	expect_nothing(p);
}

Test(durable, only_who_may_publish_it_commits)
{
	struct peer *p = peer_joined("p", "x:d", ""), *other = peer_joined("other", "y", "");

	commit(other, "p", 5);
	cr_expect_eq(other->misbehaved, 1);
	expect_nothing(p);
}

/* A subscriber that was away while the ring of reliable topics went by. */
static void
lose_messages(struct peer *p, struct peer *s, uint32_t n)
{
	leave(s);
	seat_park(s->seat, true);
	publish_many(p, "x", n);
	join(s);
}

Test(durable, a_gap_makes_its_publisher_send_again_what_is_not_committed)
{
	struct peer *storage = peer_joined("storage", "storage/committed:r", "");
	struct peer *p = peer_joined("p", "x:d", ""), *other = peer_joined("other", "y:d", "");
	struct peer *s = peer_joined("s", "", "x"), *watcher = peer_joined("w", "", "core/gap");

	later(2 * SECOND);
	publish_many(p, "x", 1);
	commit(storage, "p", 1);
	expect_number(p, WIRE_TRIM, 1);
	forget_records(s);
	lose_messages(p, s, 70);
	expect_gap(s, "x", 2, 6);
	expect_msgs(s, "x", 8, 71);
	expect_number(p, WIRE_REWIND, 1);
	expect_nothing(p);
	expect_nothing(other);
	expect_msg(watcher, "core/gap", 1, 0);
	expect_nothing(watcher);
	cr_expect_eq(s->seat->gaps, 1);
	cr_expect_eq(s->seat->lost, 6);
}

Test(durable, sending_again_is_asked_for_once_a_second_and_not_forgotten)
{
	struct peer *p = peer_joined("p", "x:d", ""), *s = peer_joined("s", "", "x");

	later(2 * SECOND);
	lose_messages(p, s, 70);
	expect_number(p, WIRE_REWIND, 0);
	lose_messages(p, s, 70);
	lose_messages(p, s, 70);
	cr_expect_eq(s->seat->gaps, 3);
	expect_nothing(p);
	later(SECOND);
	expect_number(p, WIRE_REWIND, 0);
	later(2 * SECOND);
	expect_nothing(p);
}

Test(durable, a_publisher_that_is_away_is_asked_when_it_is_back)
{
	struct peer *p = peer_joined("p", "x:d", ""), *s = peer_joined("s", "", "x");

	later(2 * SECOND);
	leave(s);
	seat_park(s->seat, true);
	publish_many(p, "x", 70);
	leave(p);
	join(s);
	cr_expect_eq(s->seat->gaps, 1);
	join(p);
	later(SECOND);
	expect_number(p, WIRE_REWIND, 0);
	expect_nothing(p);
}

Test(durable, a_gap_in_another_topic_makes_nobody_send_again)
{
	struct peer *p = peer_joined("p", "x:r", ""), *s = peer_joined("s", "", "x");

	later(2 * SECOND);
	lose_messages(p, s, 70);
	expect_gap(s, "x", 1, 6);
	expect_nothing(p);
}
