/* SPDX-License-Identifier: MIT
 *
 * What a client of /api/events says.
 */
#include <string.h>

#include <meshkern/manifest.h>

#include "events_impl.h"
#include "filter.h"
#include "tap.h"

#define REPLAY_MAX 4096u

static void
events_answer(struct events *e, const json_t *request, const char *type, const char *error)
{
	static const char *const keys[] = { "do", "topic" };
	const json_t *id = json_object_get(request, "id");
	struct json *out = &e->answers;

	e->answer_count++;
	out->comma = 0;
	js_object(out);
	js_kstr(out, "type", type);
	for (int i = 0; i < 2; i++) {
		const char *text = json_string_value(json_object_get(request, keys[i]));

		if (text != NULL)
			js_kstr(out, keys[i], text);
	}
	if (error != NULL)
		js_kstr(out, "error", error);
	if (json_is_string(id))
		js_kstr(out, "id", json_string_value(id));
	else if (json_is_integer(id))
		js_kint(out, "id", json_integer_value(id));
	js_object_end(out);
	js_text(out, "\n", 1);
}

/* Is there something to subscribe to under this name? */
static bool
events_offers(const struct events *e, const char *topic)
{
	for (const char *const *t = e->topics; *t != NULL; t++)
		if (mk_topic_covers(*t, topic))
			return true;
	return false;
}

struct subscription *
events_find(struct events *e, const char *topic)
{
	for (uint32_t i = 0; i < e->count; i++)
		if (strcmp(e->subscriptions[i].topic, topic) == 0)
			return &e->subscriptions[i];
	return NULL;
}

void
events_release(struct events *e, struct subscription *s)
{
	json_decref(s->filter);
	if (s->tapped)
		tap_drop(e->more.tap, s->topic);
}

/* What is not offered to everybody: may this client have it, and is it there? */
static const char *
events_tap(struct events *e, const json_t *request, struct subscription *s)
{
	const char *key = json_string_value(json_object_get(request, "key"));

	if (e->more.tap == NULL || key == NULL)
		return "nothing is offered under this topic";
	if (!e->more.allows(e->more.arg, key))
		return "the key is not right";
	if (!s->tapped && !tap_want(e->more.tap, s->topic))
		return "too many topics are looked at";
	s->tapped = true;
	return NULL;
}

static const char *
events_subscribe(struct events *e, const json_t *request, const char *topic)
{
	struct subscription fresh = { 0 }, *s = events_find(e, topic);
	json_t *filter = json_object_get(request, "filter");
	const char *error = NULL;

	if (!filter_is_good(filter))
		return "the filter is not good";
	if (s == NULL && e->count == EVENTS_SUBSCRIPTIONS)
		return "too many subscriptions";
	if (s == NULL)
		memcpy(fresh.topic, topic, strlen(topic) + 1);
	if (!events_offers(e, topic))
		error = events_tap(e, request, s == NULL ? &fresh : s);
	if (error != NULL)
		return error;
	if (s == NULL) {
		s = &e->subscriptions[e->count++];
		*s = fresh;
	}
	json_decref(s->filter);
	s->filter = json_incref(filter);
	s->retained = !json_is_false(json_object_get(request, "retained"));
	s->cursor = (struct retained_cursor){ 0 };
	return NULL;
}

static const char *
events_unsubscribe(struct events *e, const char *topic)
{
	struct subscription *s = events_find(e, topic);
	uint32_t kept = 0;

	if (s == NULL)
		return "not subscribed to this";
	events_release(e, s);
	*s = e->subscriptions[--e->count];
	/* Should it be subscribed to again, what came meanwhile is not lost. */
	for (uint32_t i = 0; i < e->watched_count; i++)
		if (events_covering(e, e->watched[i].topic) != NULL)
			e->watched[kept++] = e->watched[i];
	e->watched_count = kept;
	return NULL;
}

/* A replay needs no subscription, except of what not everybody may see. */
static bool
events_may_replay(struct events *e, const char *topic)
{
	const struct subscription *s = events_covering(e, topic);

	return events_offers(e, topic) || (s != NULL && s->tapped);
}

static const char *
events_replay(struct events *e, const json_t *request, const char *topic)
{
	const json_t *from = json_object_get(request, "from");
	const json_t *n = json_object_get(request, "n");
	struct replay *r = &e->replay;

	if (r->on)
		return "a replay is under way";
	if (!events_may_replay(e, topic) || !mk_topic_valid(topic, false))
		return "nothing is offered under this topic";
	if (!json_is_integer(from) || json_integer_value(from) < 0)
		return "\"from\" is missing";
	*r = (struct replay){ .on = true, .from = (uint64_t)json_integer_value(from) };
	memcpy(r->topic, topic, strlen(topic) + 1);
	r->epoch = (uint64_t)json_integer_value(json_object_get(request, "epoch"));
	r->n = json_is_integer(n) && json_integer_value(n) > 0 ? (uint64_t)json_integer_value(n)
							       : REPLAY_MAX;
	r->n = r->n > REPLAY_MAX ? REPLAY_MAX : r->n;
	r->at = ring_tail(e->ring);
	r->end = e->at;
	return NULL;
}

bool
events_read(struct events *e, const char *text, size_t len)
{
	json_t *request;
	const char *what, *topic, *error = NULL, *type = "ok";

	if (e->form == FORM_FEED)
		return true;
	if (e->answer_count >= EVENTS_ANSWERS)
		return false;
	request = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	what = json_string_value(json_object_get(request, "do"));
	topic = json_string_value(json_object_get(request, "topic"));
	if (what != NULL && strcmp(what, "ping") == 0)
		type = "pong";
	else if (what == NULL)
		error = "this is no request";
	else if (topic == NULL || !mk_topic_valid(topic, true))
		error = "a good topic is missing";
	else if (strcmp(what, "subscribe") == 0)
		error = events_subscribe(e, request, topic);
	else if (strcmp(what, "unsubscribe") == 0)
		error = events_unsubscribe(e, topic);
	else if (strcmp(what, "replay") == 0)
		error = events_replay(e, request, topic);
	else
		error = "this is no request";
	events_answer(e, request, error == NULL ? type : "error", error);
	json_decref(request);
	return !e->answers.failed;
}
