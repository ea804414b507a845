/* SPDX-License-Identifier: MIT
 *
 * Calls: one plugin asks, another answers, the hub keeps the thread between them. Every call that
 * was accepted gets exactly one reply: the answer, a time-out, or "not available" when the callee
 * goes away.
 */
#include <stdio.h>
#include <string.h>

#include "hub.h"

#define CALLS_EACH 256u           /* open ones of one caller, so that others find room for theirs */
#define CORE_CALLS 1000u          /* of one caller to the core, in a second */
#define CALLEE_WAITING (8u << 20) /* bytes: it has enough to do */

static struct hub_call *
hub_call_find(struct hub *h, uint64_t id)
{
	struct hub_call *c = &h->calls[id % HUB_CALLS_MAX];

	return id != 0 && c->id == id ? c : NULL;
}

static void
hub_call_free(struct hub *h, struct hub_call *c)
{
	if (c->caller != NULL)
		c->caller->calls--;
	c->id = 0;
	h->call_count--;
}

static void
hub_call_end(struct hub *h, struct hub_call *c, mk_result result, const char *error,
	     const uint8_t *body, uint32_t len)
{
	struct hub_call call = *c;
	struct seat *s = call.caller;

	hub_call_free(h, c);
	if (call.fn != NULL) {
		call.fn(call.arg, result, error, body, len);
		return;
	}
	if (s == NULL || !s->started)
		return;
	wire_begin(&s->control, WIRE_REPLY);
	wire_u64(&s->control, call.caller_id);
	wire_u32(&s->control, (uint32_t)result);
	wire_str(&s->control, call.method);
	wire_str(&s->control, error);
	wire_rest(&s->control, body, len);
	wire_end(&s->control);
	h->dirty = true;
}

static struct seat *
hub_method(struct hub *h, const char *method)
{
	for (struct seat *s = h->seats; s != NULL; s = s->next) {
		if (s->manifest == NULL)
			continue;
		for (const mk_method *m = s->manifest->methods; m->name != NULL; m++)
			if (strcmp(m->name, method) == 0)
				return s;
	}
	return NULL;
}

/* A free slot whose index the id carries. */
static struct hub_call *
hub_call_new(struct hub *h, const char *method, uint64_t timeout_us)
{
	uint64_t now = loop_now_us(h->loop);
	struct hub_call *c;

	if (h->call_count == HUB_CALLS_MAX)
		return NULL;
	timeout_us = timeout_us != 0 ? timeout_us : h->config.call_timeout_us;
	do {
		c = &h->calls[++h->call_next % HUB_CALLS_MAX];
	} while (c->id != 0);
	*c = (struct hub_call){ .id = h->call_next, .deadline_us = now + timeout_us };
	if (c->deadline_us < now)
		c->deadline_us = UINT64_MAX;
	snprintf(c->method, sizeof(c->method), "%s", method);
	h->call_count++;
	hub_need_tick(h);
	return c;
}

/* Bring a call to who answers it. */
static void
hub_call_send(struct hub *h, struct hub_call *c, const char *caller, const uint8_t *body,
	      uint32_t len)
{
	struct seat *s;

	if (strncmp(c->method, "core/", 5) == 0) {
		h->events.core_call(h->events.arg, c->caller, c->id, c->method, body, len);
		return;
	}
	s = hub_method(h, c->method);
	if (s == NULL)
		hub_call_end(h, c, MK_ENOENT, "no plugin answers this method", NULL, 0);
	else if (!s->running || s->said_stop)
		hub_call_end(h, c, MK_EUNAVAIL, "the plugin that answers it is not running", NULL,
			     0);
	else if (s->control.len > CALLEE_WAITING)
		hub_call_end(h, c, MK_EAGAIN, "the plugin that answers it is busy", NULL, 0);
	if (c->id == 0)
		return;
	c->callee = s;
	wire_begin(&s->control, WIRE_CALL);
	wire_u64(&s->control, c->id);
	wire_str(&s->control, c->method);
	wire_str(&s->control, caller);
	wire_rest(&s->control, body, len);
	wire_end(&s->control);
	h->dirty = true;
}

mk_result
hub_ask(struct hub *h, const char *method, const void *body, uint32_t len, uint64_t timeout_us,
	void (*fn)(void *, mk_result, const char *, const uint8_t *, uint32_t), void *arg,
	uint64_t *id)
{
	struct hub_call *c;

	if (!mk_topic_valid(method, false))
		return MK_EINVAL;
	c = hub_call_new(h, method, timeout_us);
	if (c == NULL)
		return MK_EAGAIN;
	c->fn = fn;
	c->arg = arg;
	*id = c->id;
	hub_call_send(h, c, "core", body, len);
	return MK_OK;
}

void
hub_forget_ask(struct hub *h, uint64_t id)
{
	struct hub_call *c = hub_call_find(h, id);

	if (c != NULL)
		hub_call_free(h, c);
}

/* The core is everybody's: nobody may keep it busy. */
static bool
hub_may_ask(struct seat *s, const char *method)
{
	if (s->calls == CALLS_EACH)
		return false;
	if (strncmp(method, "core/", 5) != 0)
		return true;
	s->core_calls.per_second = s->core_calls.burst = CORE_CALLS;
	if (rate_has(&s->core_calls, loop_now_us(s->hub->loop)) == 0)
		return false;
	rate_take(&s->core_calls, 1);
	return true;
}

void
hub_on_ask(struct seat *s, uint64_t id, uint64_t timeout_us, const char *method,
	   const uint8_t *body, uint32_t len)
{
	struct hub *h = s->hub;
	struct hub_call refused = { .caller = s, .caller_id = id };
	struct hub_call *c = NULL;
	mk_result why = MK_OK;
	char text[128];

	if (s->control.len > SEAT_CONTROL_MAX) {
		h->events.misbehaved(s->owner, "asks, and does not take the answers");
		h->events.lost_link(s->owner);
		return;
	}
	if (!mk_topic_valid(method, false))
		why = MK_EINVAL;
	else if (!mk_begins_map(body, len) || !seat_accepts(s, body, len, text))
		why = MK_EFORMAT;
	else if (!hub_may_ask(s, method) || (c = hub_call_new(h, method, timeout_us)) == NULL)
		why = MK_EAGAIN;
	s->calls++;
	if (why != MK_OK) {
		h->call_count++;
		hub_call_end(h, &refused, why, mk_result_text(why), NULL, 0);
		return;
	}
	c->caller = s;
	c->caller_id = id;
	hub_call_send(h, c, s->name, body, len);
}

void
hub_answer(struct hub *h, uint64_t call, mk_result result, const char *error, const void *body,
	   uint32_t len)
{
	struct hub_call *c = hub_call_find(h, call);

	if (c != NULL)
		hub_call_end(h, c, result, error, body, len);
}

void
hub_on_answer(struct seat *s, uint64_t id, mk_result result, const char *error, const uint8_t *body,
	      uint32_t len)
{
	struct hub_call *c = hub_call_find(s->hub, id);
	char text[256];

	if (c == NULL || c->callee != s)
		return; /* too late, or not its call */
	if (result > MK_OK ||
	    (len > 0 && (!mk_begins_map(body, len) || !seat_accepts(s, body, len, text)))) {
		s->hub->events.misbehaved(s->owner, "gave a malformed answer to a call");
		hub_call_end(s->hub, c, MK_EFORMAT, "malformed answer", NULL, 0);
		return;
	}
	snprintf(text, sizeof(text), "%s", error);
	wire_clean(text);
	hub_call_end(s->hub, c, result, text, body, len);
}

void
hub_drop_calls_of(struct seat *s)
{
	struct hub *h = s->hub;

	for (uint32_t i = 0; i < HUB_CALLS_MAX && h->call_count > 0; i++) {
		struct hub_call *c = &h->calls[i];

		if (c->id == 0)
			continue;
		if (c->callee == s)
			hub_call_end(h, c, MK_EUNAVAIL, "the plugin that answers it has gone", NULL,
				     0);
		else if (c->caller == s)
			hub_forget_ask(h, c->id);
	}
}

void
hub_expire_calls(struct hub *h, uint64_t now_us)
{
	for (uint32_t i = 0; i < HUB_CALLS_MAX && h->call_count > 0; i++) {
		struct hub_call *c = &h->calls[i];

		if (c->id == 0 || c->deadline_us > now_us)
			continue;
		h->call_timeouts++;
		hub_call_end(h, c, MK_ETIMEDOUT, "no answer in time", NULL, 0);
	}
}
