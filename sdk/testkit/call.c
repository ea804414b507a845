/* SPDX-License-Identifier: MIT
 *
 * Calls both ways: those the test makes to the plugin, and those the plugin
 * makes, which the test answers or lets time out.
 */
#include "kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ----------------------------------------------------- to the plugin -- */

static const uint8_t call_empty[] = { 0x80 };

mk_result
mk_tk_call(mk_tk *tk, const char *method, const mk_writer *body)
{
	const void *data = body != NULL ? body->data : call_empty;
	size_t len = body != NULL ? body->len : sizeof(call_empty);
	const mk_method *m = tk->broken == MK_OK ? tk->manifest->methods : NULL;
	struct tk_loan loan;
	struct tk_entry e;

	if (tk->state != TK_RUNNING)
		return MK_ESTATE;
	if (body != NULL && mk_writer_end(body) != MK_OK)
		return mk_writer_end(body);
	if (!tk_is_map(data, len))
		return MK_EFORMAT;
	while (m != NULL && m->name != NULL && strcmp(m->name, method) != 0)
		m++;
	if (m == NULL || m->name == NULL)
		return MK_ENOENT;
	pthread_mutex_lock(&tk->lock);
	tk->call_id++;
	*TK_PUSH(&tk->open_calls) = tk->call_id;
	atomic_store(&tk->replied, false);
	snprintf(tk->call_method, sizeof(tk->call_method), "%s", method);
	pthread_mutex_unlock(&tk->lock);
	loan = tk_lend(data, len, method, "test");
	*(mk_call *)loan.head = (mk_call){ .struct_size = sizeof(mk_call),
					   .id = tk->call_id,
					   .name = loan.first,
					   .caller = loan.second,
					   .body = loan.body,
					   .body_len = (uint32_t)len };
	e = tk_enter(tk, "on_call", true);
	tk->desc->on_call(tk->self, loan.head);
	tk_leave(&e);
	tk_give_back(&loan);
	return atomic_load(&tk->replied) ? tk->reply.result : MK_EAGAIN;
}

const mk_reply *
mk_tk_reply(const mk_tk *tk)
{
	return atomic_load(&tk_mutable(tk)->replied) ? &tk->reply : NULL;
}

/* Take the id out of the open ones. The lock is held. */
static bool
call_close(mk_tk *tk, uint64_t id)
{
	for (size_t i = 0; i < tk->open_calls.count; i++) {
		if (tk->open_calls.items[i] == id) {
			TK_REMOVE(&tk->open_calls, i);
			return true;
		}
	}
	return false;
}

mk_result
tk_reply(mk_tk *tk, uint64_t id, mk_result result, const char *error, const void *body,
	 uint32_t len)
{
	bool known;

	if (len > MK_BODY_MAX || (body != NULL && !tk_is_map(body, len)) || result > 0) {
		tk_misbehaved(tk, "publish", "reply: the result or the body is malformed");
		return len > MK_BODY_MAX ? MK_ETOOBIG : MK_EFORMAT;
	}
	pthread_mutex_lock(&tk->lock);
	known = call_close(tk, id);
	if (known && id == tk->call_id) {
		free(tk->reply_error);
		free(tk->reply_body);
		tk->reply_error = tk_copy(error != NULL ? error : "");
		tk->reply_body = body != NULL ? tk_memdup(body, len) : NULL;
		tk->reply = (mk_reply){ .struct_size = sizeof(mk_reply),
					.result = result,
					.id = id,
					.name = tk->call_method,
					.error = tk->reply_error,
					.body = tk->reply_body,
					.body_len = body != NULL ? len : 0 };
		atomic_store(&tk->replied, true);
	}
	pthread_mutex_unlock(&tk->lock);
	if (!known)
		tk_misbehaved(tk, "other", "reply: call %llu is not open", (unsigned long long)id);
	return known ? MK_OK : MK_ENOENT;
}

/* ----------------------------------------------------- of the plugin -- */

mk_result
tk_ask(mk_tk *tk, const char *method, const void *body, uint32_t len, uint64_t timeout_us,
       uint64_t *id)
{
	uint64_t wait_us = timeout_us != 0 ? timeout_us : TK_CALL_US;
	struct tk_call *c;

	if (method == NULL || !mk_topic_valid(method, false) || id == NULL ||
	    tk->desc->on_reply == NULL) {
		tk_misbehaved(tk, "other", "call: bad method, no id, or no on_reply");
		return MK_EINVAL;
	}
	if (len > MK_BODY_MAX || !tk_is_map(body, len)) {
		tk_misbehaved(tk, "publish", "call %s: the body is not one msgpack map", method);
		return len > MK_BODY_MAX ? MK_ETOOBIG : MK_EFORMAT;
	}
	if (tk->asked.count == TK_TIMERS_MAX)
		return MK_EAGAIN;
	c = TK_PUSH(&tk->asked);
	c->id = ++tk->ask_id;
	c->due_us = wait_us < UINT64_MAX - tk->now_us ? tk->now_us + wait_us : UINT64_MAX;
	c->body = tk_memdup(body, len);
	c->len = len;
	snprintf(c->method, sizeof(c->method), "%s", method);
	*id = c->id;
	return MK_OK;
}

void
tk_answer(mk_tk *tk, size_t i, mk_result result, const char *error, const void *body, uint32_t len)
{
	struct tk_call c = tk->asked.items[i];
	struct tk_loan loan = tk_lend(body, len, c.method, error != NULL ? error : "");
	struct tk_entry e;

	TK_REMOVE(&tk->asked, i);
	*(mk_reply *)loan.head = (mk_reply){ .struct_size = sizeof(mk_reply),
					     .result = result,
					     .id = c.id,
					     .name = loan.first,
					     .error = loan.second,
					     .body = loan.body,
					     .body_len = len };
	e = tk_enter(tk, "on_reply", true);
	tk->desc->on_reply(tk->self, loan.head);
	tk_leave(&e);
	tk_give_back(&loan);
	free(c.body);
}

mk_result
mk_tk_answer(mk_tk *tk, mk_result result, const char *error, const mk_writer *body)
{
	if (tk->state != TK_RUNNING || tk->asked.count == 0)
		return MK_ENOENT;
	if (body != NULL && (mk_writer_end(body) != MK_OK || !tk_is_map(body->data, body->len)))
		return MK_EFORMAT;
	tk_answer(tk, 0, result, error, body != NULL ? body->data : NULL,
		  body != NULL ? (uint32_t)body->len : 0);
	return MK_OK;
}

const char *
mk_tk_asked(const mk_tk *tk)
{
	return tk->asked.count > 0 ? tk->asked.items[0].method : NULL;
}

const char *
mk_tk_asked_json(mk_tk *tk)
{
	return tk->asked.count > 0 ? tk_json(tk, tk->asked.items[0].body, tk->asked.items[0].len)
				   : NULL;
}

void
tk_calls_clear(mk_tk *tk)
{
	for (size_t i = 0; i < tk->asked.count; i++)
		free(tk->asked.items[i].body);
	tk->asked.count = 0;
	tk->open_calls.count = 0;
}

void
tk_calls_fini(mk_tk *tk)
{
	tk_calls_clear(tk);
	free(tk->asked.items);
	free(tk->open_calls.items);
	free(tk->reply_error);
	free(tk->reply_body);
}
