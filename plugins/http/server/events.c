/* SPDX-License-Identifier: MIT */
#include "events_impl.h"

#include <stdlib.h>
#include <string.h>

#include <meshkern/manifest.h>

#include "filter.h"

#define TEXT_MAX ((size_t)64 << 20)
#define HEADS "core/heads"

struct events *
events_new(enum ring_form form, struct ring *ring, struct retained *retained, struct model *model,
	   const char *const *topics)
{
	struct events *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	e->form = form;
	e->ring = ring;
	e->retained = retained;
	e->model = model;
	e->topics = topics;
	e->at = ring_head(ring);
	js_init(&e->answers, (size_t)1 << 20);
	js_init(&e->text, TEXT_MAX);
	mk_doc_init(&e->doc);
	return e;
}

void
events_offer(struct events *e, const struct events_more *more)
{
	e->more = *more;
}

void
events_free(struct events *e)
{
	if (e == NULL)
		return;
	for (uint32_t i = 0; i < e->count; i++)
		events_release(e, &e->subscriptions[i]);
	event_unref(e->entry);
	js_fini(&e->answers);
	js_fini(&e->text);
	mk_doc_fini(&e->doc);
	free(e->watched);
	free(e);
}

uint64_t
events_take_lost(struct events *e)
{
	uint64_t lost = e->lost;

	e->lost = 0;
	return lost;
}

/* ------------------------------------------------------------------ texts -- */

static void
events_head(struct json *out, const struct event *x, const char *how)
{
	js_object(out);
	js_kstr(out, "type", "message");
	js_kstr(out, "topic", x->topic);
	js_kuint(out, "epoch", x->epoch);
	js_kuint(out, "seq", x->seq);
	js_kuint(out, "time_us", x->time_us);
	js_kstr(out, "origin", x->origin);
	if ((x->flags & MK_MSG_DELTA) != 0)
		js_kbool(out, "delta", true);
	if (how != NULL)
		js_kbool(out, how, true);
	js_key(out, "body");
}

/* The body with only the items that the filter takes. False: nothing is left. */
static bool
events_filtered(struct json *out, json_t *filter, const mk_val *body)
{
	const mk_val *items = mk_find(body, "items");
	bool any = false;

	if (!mk_is_array(items)) {
		js_val(out, body);
		return filter_takes(filter, body);
	}
	js_object(out);
	for (uint32_t i = 0; i < mk_count(body); i++) {
		char key[128] = "";

		mk_copy_str(mk_key_at(body, i), key, sizeof(key));
		js_key(out, key);
		if (mk_val_at(body, i) != items) {
			js_val(out, mk_val_at(body, i));
			continue;
		}
		js_array(out);
		for (uint32_t k = 0; k < mk_count(items); k++) {
			if (!filter_takes(filter, mk_at(items, k)))
				continue;
			js_val(out, mk_at(items, k));
			any = true;
		}
		js_array_end(out);
	}
	js_object_end(out);
	return any;
}

/* A text of its own for this client, in e->text. */
static bool
events_write(struct events *e, const struct event *x, json_t *filter, const char *how)
{
	bool any = true;

	js_reset(&e->text);
	if (mk_doc_open(&e->doc, x->body, x->len, NULL, NULL, 0) != MK_OK)
		return false;
	events_head(&e->text, x, how);
	if (filter != NULL && json_object_size(filter) > 0)
		any = events_filtered(&e->text, filter, mk_doc_root(&e->doc));
	else
		js_val(&e->text, mk_doc_root(&e->doc));
	js_object_end(&e->text);
	mk_doc_close(&e->doc);
	return any && !e->text.failed;
}

/* The text for everyone without a filter. */
static struct frames *
events_frames(const struct event *x)
{
	struct frames *f = calloc(1, sizeof(*f));
	struct json out;
	mk_doc doc;

	if (f == NULL)
		return NULL;
	js_init(&out, TEXT_MAX);
	mk_doc_init(&doc);
	f->ends = calloc(1, sizeof(f->ends[0]));
	if (f->ends != NULL && mk_doc_open(&doc, x->body, x->len, NULL, NULL, 0) == MK_OK) {
		events_head(&out, x, NULL);
		js_val(&out, mk_doc_root(&doc));
		js_object_end(&out);
		f->count = !out.failed;
		f->ends[0] = (uint32_t)out.len;
		f->text = realloc(out.data, out.len);
		if (f->text != NULL)
			out.data = NULL;
		else
			f->count = 0;
	}
	js_fini(&out);
	mk_doc_fini(&doc);
	return f;
}

static bool
events_text(struct events *e, const char **text, size_t *len)
{
	*text = e->text.data;
	*len = e->text.len;
	return !e->text.failed && e->text.len > 0;
}

static bool
events_say_lost(struct events *e, const char *topic, uint64_t epoch, uint64_t from, uint64_t lost)
{
	e->lost += lost;
	js_reset(&e->text);
	js_object(&e->text);
	js_kstr(&e->text, "type", "lost");
	js_kstr(&e->text, "topic", topic);
	js_kuint(&e->text, "epoch", epoch);
	js_kuint(&e->text, "from", from);
	js_kuint(&e->text, "lost", lost);
	js_object_end(&e->text);
	return true;
}

/* ------------------------------------------------------------------- what is next -- */

static struct watched *
events_watch(struct events *e, const char *topic)
{
	for (uint32_t i = 0; i < e->watched_count; i++)
		if (strcmp(e->watched[i].topic, topic) == 0)
			return &e->watched[i];
	if (e->watched_count == EVENTS_TOPICS)
		return NULL;
	if ((e->watched_count & (e->watched_count - 1)) == 0) { /* 0, 1, 2, 4, ...: full */
		size_t cap = e->watched_count == 0 ? 1 : 2 * (size_t)e->watched_count;
		struct watched *all = realloc(e->watched, cap * sizeof(*all));

		if (all == NULL)
			return NULL;
		e->watched = all;
	}
	e->watched[e->watched_count] = (struct watched){ 0 };
	memcpy(e->watched[e->watched_count].topic, topic, strlen(topic) + 1);
	return &e->watched[e->watched_count++];
}

static bool
events_next_retained(struct events *e)
{
	for (uint32_t i = 0; i < e->count; i++) {
		struct subscription *s = &e->subscriptions[i];

		while (s->retained) {
			struct watched *w;
			struct event *x;
			bool good;

			model_read(e->model);
			x = retained_step(e->retained, s->topic, &s->cursor);
			model_read_end(e->model);
			if (x == NULL) {
				s->retained = false;
				break;
			}
			good = events_write(e, x, s->filter, "retained");
			w = events_watch(e, x->topic);
			if (w != NULL && (w->epoch != x->epoch || w->next <= x->seq)) {
				w->epoch = x->epoch;
				w->next = x->seq + 1;
			}
			event_unref(x);
			if (good)
				return true;
		}
	}
	return false;
}

static bool
events_end_replay(struct events *e)
{
	e->replay.on = false;
	js_reset(&e->text);
	js_object(&e->text);
	js_kstr(&e->text, "type", "end");
	js_kstr(&e->text, "topic", e->replay.topic);
	js_kuint(&e->text, "seq", e->replay.from);
	js_object_end(&e->text);
	return true;
}

static bool
events_next_replay(struct events *e)
{
	struct replay *r = &e->replay;
	const struct subscription *s = events_find(e, r->topic);
	bool fell = false;

	for (;;) {
		struct event *x =
		    r->at < r->end && r->n > 0 ? ring_next(e->ring, &r->at, &fell) : NULL;
		bool good;

		if (x == NULL)
			return events_end_replay(e);
		if (strcmp(x->topic, r->topic) != 0 || (r->epoch == 0 && x->seq < r->from) ||
		    (r->epoch != 0 && x->epoch == r->epoch && x->seq < r->from)) {
			event_unref(x);
			continue;
		}
		if (r->epoch != 0 && x->epoch != r->epoch) { /* all of the other epoch is gone */
			r->epoch = x->epoch;
			r->from = 1;
		}
		if (x->seq > r->from && r->from > 0) {
			uint64_t from = r->from;

			r->from = x->seq;
			r->at--;
			events_say_lost(e, r->topic, x->epoch, from, x->seq - from);
			event_unref(x);
			return true;
		}
		r->from = x->seq + 1;
		r->n--;
		good = events_write(e, x, s == NULL ? NULL : s->filter, "replayed");
		event_unref(x);
		if (good)
			return true;
	}
}

struct subscription *
events_covering(struct events *e, const char *topic)
{
	struct subscription *best = NULL;

	for (uint32_t i = 0; i < e->count; i++)
		if (mk_topic_covers(e->subscriptions[i].topic, topic) &&
		    (best == NULL || strlen(e->subscriptions[i].topic) > strlen(best->topic)))
			best = &e->subscriptions[i];
	return best;
}

/* After it fell out of the ring: what core/heads names and never came is lost, also when nothing
 * follows on that topic. True: there is something to say. */
static bool
events_check_heads(struct events *e, const struct event *x)
{
	const mk_val *heads;
	uint64_t head;

	if (mk_doc_open(&e->doc, x->body, x->len, NULL, NULL, 0) != MK_OK)
		return false;
	heads = mk_find(mk_doc_root(&e->doc), "heads");
	for (uint32_t i = 0; i < e->watched_count; i++) {
		struct watched *w = &e->watched[i];
		uint64_t from = w->next;

		if (strcmp(w->topic, HEADS) == 0 || w->epoch != x->epoch ||
		    events_covering(e, w->topic) == NULL ||
		    !mk_get_u64(mk_find(heads, w->topic), &head) || head < w->next)
			continue;
		w->next = head + 1;
		mk_doc_close(&e->doc);
		return events_say_lost(e, w->topic, x->epoch, from, head + 1 - from);
	}
	mk_doc_close(&e->doc);
	e->fell = false;
	return false;
}

/* A message of the ring. *again: look at the same one once more. */
static bool
events_live(struct events *e, struct event *x, bool *again, const char **text, size_t *len)
{
	struct subscription *s = events_covering(e, x->topic);
	const struct frames *f;
	struct watched *w;

	*again = e->fell && strcmp(x->topic, HEADS) == 0 && events_check_heads(e, x);
	if (*again)
		return events_text(e, text, len);
	w = s == NULL ? NULL : events_watch(e, x->topic);
	if (s == NULL)
		return false;
	if (w != NULL && w->epoch == x->epoch && x->seq < w->next)
		return false; /* it came among the retained values */
	if (w != NULL && w->epoch == x->epoch && x->seq > w->next) {
		uint64_t from = w->next;

		w->next = x->seq;
		*again = events_say_lost(e, x->topic, x->epoch, from, x->seq - from);
		return events_text(e, text, len);
	}
	if (w != NULL) {
		w->epoch = x->epoch;
		w->next = x->seq + 1;
	}
	if (s->filter != NULL)
		return events_write(e, x, s->filter, NULL) && events_text(e, text, len);
	f = ring_frames(e->ring, x, FORM_EVENT, events_frames);
	if (f == NULL || f->count == 0)
		return false;
	*text = f->text;
	*len = f->ends[0];
	return true;
}

static bool
events_next_live(struct events *e, const char **text, size_t *len)
{
	for (;;) {
		bool fell = false, again = false, good;

		event_unref(e->entry); /* the text of the last call may be in there */
		e->entry = ring_next(e->ring, &e->at, &fell);
		e->fell = e->fell || fell;
		if (e->entry == NULL)
			return false;
		good = events_live(e, e->entry, &again, text, len);
		if (again)
			e->at--;
		if (good)
			return true;
	}
}

static bool
events_next_feed(struct events *e, const char **text, size_t *len)
{
	for (;;) {
		const struct frames *f;
		uint64_t before = e->at;
		bool fell = false;

		f = e->entry == NULL ? NULL
				     : ring_frames(e->ring, e->entry, FORM_FEED, feed_frames);
		if (f != NULL && e->frame < f->count) {
			uint32_t from = e->frame == 0 ? 0 : f->ends[e->frame - 1];

			*text = f->text + from;
			*len = f->ends[e->frame++] - from;
			return true;
		}
		event_unref(e->entry);
		e->frame = 0;
		e->entry = ring_next(e->ring, &e->at, &fell);
		if (fell)
			e->lost += e->at - before - (e->entry != NULL);
		if (e->entry == NULL)
			return false;
		if (strcmp(e->entry->topic, "packet/stored") != 0) {
			event_unref(e->entry);
			e->entry = NULL;
		}
	}
}

static bool
events_greet(struct events *e)
{
	e->greeted = true;
	js_reset(&e->text);
	js_object(&e->text);
	js_kstr(&e->text, "type", "hello");
	js_karray(&e->text, "topics");
	for (const char *const *t = e->topics; *t != NULL; t++)
		js_str(&e->text, *t);
	js_array_end(&e->text);
	js_kbool(&e->text, "more", e->more.tap != NULL);
	js_object_end(&e->text);
	return true;
}

static bool
events_next_answer(struct events *e, const char **text, size_t *len)
{
	const char *end;

	if (e->answered == e->answers.len) {
		js_reset(&e->answers);
		e->answered = 0;
		return false;
	}
	*text = e->answers.data + e->answered;
	end = memchr(*text, '\n', e->answers.len - e->answered);
	*len = (size_t)(end - *text);
	e->answered += *len + 1;
	e->answer_count--;
	return true;
}

bool
events_next(struct events *e, const char **text, size_t *len)
{
	if (e->form == FORM_FEED)
		return events_next_feed(e, text, len);
	if (!e->greeted && events_greet(e))
		return events_text(e, text, len);
	if (events_next_answer(e, text, len))
		return true;
	if (events_next_retained(e) || (e->replay.on && events_next_replay(e)))
		return events_text(e, text, len);
	return events_next_live(e, text, len);
}
