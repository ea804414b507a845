/* SPDX-License-Identifier: MIT
 *
 * M: whatever the bus may deliver, and a bus that takes nothing.
 */
#include "conform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit.h"

#define MESSAGE_BUDGET_US 60000000u /* real time for the large check */

static bool
message_has_targets(struct conform *c)
{
	return c->target_count > 0;
}

static bool
message_has_topics(struct conform *c)
{
	return c->manifest->subscribes->name != NULL;
}

/* The simplest bodies, and those given with --body, to every target. */
static void
message_known(struct conform *c, mk_tk *tk)
{
	static const char *const simple[] = { "\x80", "\x81\xa5items\x90", "\x81\xa5items\x91\x80",
					      "\x81\xa5items\xc0" };
	static const size_t lengths[] = { 1, 8, 9, 8 };

	for (size_t k = 0; k < c->target_count; k++) {
		const struct target *t = &c->targets[k];

		for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
			drive_send(c, tk, t, simple[i], lengths[i]);
		for (size_t i = 0; i < c->given_count; i++) {
			if (strcmp(c->given[i].topic, t->name) == 0)
				drive_send(c, tk, t, c->given[i].data, c->given[i].len);
		}
	}
}

static enum verdict
check_m1(struct conform *c)
{
	mk_tk *tk;
	size_t open_calls;
	enum verdict v;

	if (!message_has_targets(c))
		return conform_skip(c, "subscribes to nothing and has no methods");
	tk = drive_start(c, c->config);
	if (tk == NULL)
		return FAIL;
	message_known(c, tk);
	drive_some(c, tk, 200);
	drive_time(tk, 60);
	mk_tk_poll(tk, 100);
	open_calls = tk->open_calls.count;
	v = drive_end(c, tk);
	if (v == PASS && open_calls > 0)
		return conform_fail(c, "%zu calls were not answered within a minute", open_calls);
	return v;
}

static enum verdict
check_m2(struct conform *c)
{
	uint64_t end_us = tk_real_us() + MESSAGE_BUDGET_US;
	mk_tk *tk;
	mk_writer w;

	if (!message_has_targets(c))
		return conform_skip(c, "subscribes to nothing and has no methods");
	tk = drive_start(c, c->config);
	if (tk == NULL)
		return FAIL;
	mk_writer_init(&w, MK_BODY_MAX);
	for (uint32_t i = 0; i < 100000 && (i % 256 != 0 || tk_real_us() < end_us); i++) {
		const struct target *t = &c->targets[i % c->target_count];

		bodies_make(c, t, &w);
		bodies_mutate(c, &w);
		drive_send(c, tk, t, w.data, w.len);
		if (i % 64 == 0) {
			mk_tk_advance(tk, 10000);
			mk_tk_poll(tk, 0);
			mk_tk_forget(tk);
		}
	}
	mk_writer_fini(&w);
	return drive_end(c, tk);
}

/* One pass over topics for check_m3; with keys and a version of the future. */
static mk_tk *
message_pass(struct conform *c, bool future)
{
	mk_tk *tk = drive_start(c, c->config);
	uint64_t seed = c->seed;
	mk_writer w, extended;

	mk_writer_init(&w, MK_BODY_MAX);
	mk_writer_init(&extended, MK_BODY_MAX);
	for (size_t i = 0; tk != NULL && i < 40 * c->target_count; i++) {
		const struct target *t = &c->targets[i % c->target_count];
		const mk_writer *body = &w;

		if (t->method)
			continue;
		bodies_make(c, t, &w);
		if (future) {
			bodies_extend(w.data, w.len, &extended);
			body = mk_writer_end(&extended) == MK_OK ? &extended : &w;
		}
		conform_doing(c, "message %s%s", t->name, future ? " with unknown keys" : "");
		tk_send(tk, t->name, body->data, body->len, 0, t->schema + future);
	}
	if (tk != NULL)
		drive_time(tk, 60);
	mk_writer_fini(&w);
	mk_writer_fini(&extended);
	c->seed = seed;
	return tk;
}

/* A topic that the one publishes on and the other does not, or NULL. */
static const char *
message_missing(const mk_tk *one, const mk_tk *other)
{
	const char *seen[16] = { "" }; /* a plugin has few; others are looked up each time */
	size_t count = 1;

	for (size_t i = 0; i < one->published.count; i++) {
		const char *topic = one->published.items[i].topic;
		size_t k = 0;

		while (k < count && strcmp(seen[k], topic) != 0)
			k++;
		if (k < count)
			continue;
		if (mk_tk_published(other, topic) == 0)
			return topic;
		if (count < sizeof(seen) / sizeof(seen[0]))
			seen[count++] = topic;
	}
	return NULL;
}

static enum verdict
check_m3(struct conform *c)
{
	mk_tk *now, *future;
	char missing[MK_TOPIC_MAX + 1] = "";
	const char *topic;
	enum verdict v, last;

	if (!message_has_topics(c))
		return conform_skip(c, "subscribes to nothing");
	now = message_pass(c, false);
	future = now != NULL ? message_pass(c, true) : NULL;
	if (future == NULL)
		return FAIL;
	topic = message_missing(now, future);
	snprintf(missing, sizeof(missing), "%s", topic != NULL ? topic : "");
	v = drive_end(c, now);
	last = drive_end(c, future);
	if (topic != NULL)
		return conform_fail(c, "nothing comes on %s when messages have unknown keys",
				    missing);
	return v != PASS ? v : last;
}

static enum verdict
check_m4(struct conform *c)
{
	static const uint32_t flags[] = { MK_MSG_REPLAYED, MK_MSG_REPLAYED | MK_MSG_DURABLE,
					  MK_MSG_RETAINED, MK_MSG_RETAINED | MK_MSG_DELTA,
					  MK_MSG_DELTA,    MK_MSG_DURABLE };
	mk_tk *tk;
	mk_writer w;

	if (!message_has_topics(c))
		return conform_skip(c, "subscribes to nothing");
	tk = drive_start(c, c->config);
	if (tk == NULL)
		return FAIL;
	mk_writer_init(&w, MK_BODY_MAX);
	for (size_t i = 0; i < 60 * c->target_count; i++) {
		const struct target *t = &c->targets[i % c->target_count];

		if (t->method)
			continue;
		bodies_make(c, t, &w);
		drive_send(c, tk, t, w.data, w.len);
		conform_doing(c, "message %s again", t->name);
		mk_tk_send_raw(tk, t->name, w.data, w.len, flags[i / c->target_count % 6]);
	}
	mk_writer_fini(&w);
	drive_time(tk, 10);
	return drive_end(c, tk);
}

static enum verdict
check_m5(struct conform *c)
{
	static const uint64_t lost[] = { 1, 1000, UINT64_MAX / 2 };
	mk_tk *tk;

	if (!message_has_topics(c))
		return conform_skip(c, "subscribes to nothing");
	tk = drive_start(c, c->config);
	if (tk == NULL)
		return FAIL;
	for (int i = 0; i < 3; i++) {
		for (size_t k = 0; k < c->target_count; k++) {
			conform_doing(c, "gap on %s", c->targets[k].name);
			if (!c->targets[k].method)
				mk_tk_send_gap(tk, c->targets[k].name, lost[i]);
		}
		drive_some(c, tk, 5);
	}
	drive_time(tk, 10);
	return drive_end(c, tk);
}

/* What it publishes in a minute, after ten seconds in which nothing (or
 * everything) was taken; -1 if it does not start. */
static int64_t
message_after_refusal(struct conform *c, bool refuse, enum verdict *v)
{
	mk_tk *tk = drive_start(c, c->config);
	int64_t count;

	*v = FAIL;
	if (tk == NULL)
		return -1;
	if (refuse)
		mk_tk_publish_fails(tk, MK_EAGAIN, UINT32_MAX);
	for (int i = 0; i < 10; i++) {
		drive_some(c, tk, 2);
		conform_doing(c, "ten seconds in which the bus is busy");
		drive_time(tk, 1);
	}
	mk_tk_publish_fails(tk, MK_OK, 0);
	mk_tk_forget(tk);
	drive_some(c, tk, 10);
	conform_doing(c, "a minute after the bus was busy");
	drive_time(tk, 60);
	count = mk_tk_published(tk, NULL);
	*v = drive_end(c, tk);
	return count;
}

static enum verdict
check_m6(struct conform *c)
{
	uint64_t seed = c->seed;
	enum verdict v;
	int64_t usual, after;

	if (c->manifest->publishes->name == NULL)
		return conform_skip(c, "publishes nothing");
	usual = message_after_refusal(c, false, &v);
	if (v != PASS)
		return v;
	c->seed = seed;
	after = message_after_refusal(c, true, &v);
	if (v == PASS && usual > 0 && after == 0)
		return conform_fail(c, "publishes nothing more after the bus was busy");
	return v;
}

/* Runs everything, and looks for broken rules of one kind. */
static enum verdict
check_m7(struct conform *c)
{
	mk_tk *tk = drive_start(c, c->config);
	const char *broken;
	enum verdict v;

	if (tk == NULL)
		return FAIL;
	message_known(c, tk);
	drive_some(c, tk, 50);
	drive_time(tk, 60);
	mk_tk_stop(tk);
	broken = drive_broken(tk, "publish: ");
	v = broken == NULL ? PASS : conform_fail(c, "%s", broken + strlen("publish: "));
	mk_tk_free(tk);
	return v;
}

static enum verdict
check_m8(struct conform *c)
{
	mk_tk *tk;

	if (!message_has_targets(c))
		return conform_skip(c, "subscribes to nothing and has no methods");
	tk = drive_start(c, c->config);
	if (tk == NULL)
		return FAIL;
	/* Every message is out of reach when its callback has returned. */
	for (int i = 0; i < 20; i++) {
		drive_some(c, tk, 1);
		conform_doing(c, "time after a message");
		drive_time(tk, 5);
	}
	return drive_end(c, tk);
}

static void
message_sizes(struct conform *c, mk_tk *tk, const struct target *t)
{
	static const uint32_t counts[] = { 60000, 1000000 };
	uint8_t *bytes = calloc(1, MK_BODY_MAX);
	mk_writer w;

	mk_writer_init(&w, MK_BODY_MAX);
	if (bytes == NULL)
		abort();
	drive_send(c, tk, t, "\x80", 1);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		mk_writer_reset(&w);
		mk_put_map(&w, 1);
		mk_kv_array(&w, "items", counts[i]);
		for (uint32_t k = 0; k < counts[i]; k++)
			mk_put_map(&w, 0);
		drive_send(c, tk, t, w.data, w.len);
	}
	for (size_t i = 0; i < c->word_count; i += c->word_count / 16 + 1) {
		mk_writer_reset(&w);
		mk_put_map(&w, 1);
		mk_kv_bin(&w, c->words[i], bytes, MK_BODY_MAX - 256);
		drive_send(c, tk, t, w.data, w.len);
	}
	mk_writer_fini(&w);
	free(bytes);
}

static enum verdict
check_m9(struct conform *c)
{
	mk_tk *tk;

	if (!message_has_targets(c))
		return conform_skip(c, "subscribes to nothing and has no methods");
	tk = drive_start(c, c->config);
	if (tk == NULL)
		return FAIL;
	for (size_t i = 0; i < c->target_count && i < 8; i++)
		message_sizes(c, tk, &c->targets[i]);
	drive_time(tk, 5);
	return drive_end(c, tk);
}

const struct check message_checks[] = {
	{ "M1", "correct", 60, false, "takes valid bodies on each topic, answers each call",
	  check_m1 },
	{ "M2", "robust", 120, false, "takes 100,000 generated and mutated bodies", check_m2 },
	{ "M3", "correct", 60, false, "tolerates unknown keys and newer schemas", check_m3 },
	{ "M4", "correct", 60, false, "tolerates duplicates, replays, retained values, deltas",
	  check_m4 },
	{ "M5", "correct", 60, false, "tolerates gaps", check_m5 },
	{ "M6", "robust", 60, false, "goes on after the bus was busy for ten seconds", check_m6 },
	{ "M7", "correct", 60, false, "publishes only what it declared, well formed", check_m7 },
	{ "M8", "correct", 60, false, "does not use a message after its callback", check_m8 },
	{ "M9", "robust", 120, false, "takes the smallest and the largest bodies", check_m9 },
	{ NULL, NULL, 0, false, NULL, NULL },
};
