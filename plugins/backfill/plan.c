/* SPDX-License-Identifier: MIT */
#include "plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_US UINT64_C(1000000)
#define RETRY_MIN_US (1 * SECOND_US)
#define RETRY_MAX_US (60 * SECOND_US)
#define MARK_US (30 * SECOND_US)

static bool
item_read(struct plan_item *item, const mk_val *v)
{
	*item = (struct plan_item){ .eta_s = -1 };
	if (!mk_copy_str(mk_find(v, "name"), item->name, sizeof(item->name)) ||
	    !mk_copy_str(mk_find(v, "state"), item->state, sizeof(item->state)) ||
	    !mk_copy_str(mk_find(v, "kind"), item->kind, sizeof(item->kind)) ||
	    !mk_get_i64(mk_find(v, "done"), &item->done) ||
	    !mk_get_i64(mk_find(v, "total"), &item->total))
		return false;
	(void)mk_copy_str(mk_find(v, "table"), item->table, sizeof(item->table));
	(void)mk_copy_str(mk_find(v, "waits"), item->waits, sizeof(item->waits));
	(void)mk_copy_str(mk_find(v, "error"), item->error, sizeof(item->error));
	(void)mk_get_bool(mk_find(v, "paused"), &item->paused);
	(void)mk_get_i64(mk_find(v, "skipped"), &item->skipped);
	(void)mk_get_i64(mk_find(v, "attempts"), &item->attempts);
	(void)mk_get_i64(mk_find(v, "eta_s"), &item->eta_s);
	(void)mk_get_f64(mk_find(v, "rate"), &item->rate);
	(void)mk_get_u64(mk_find(v, "longest_us"), &item->longest_us);
	return true;
}

struct plan_item *
plan_find(struct plan *p, const char *name)
{
	for (uint32_t i = 0; i < p->count; i++)
		if (strcmp(p->items[i].name, name) == 0)
			return &p->items[i];
	return NULL;
}

/* The list and the answers to steps come on different ways: a list may be older than an answer. Not
 * what is pending: somebody wants it again, or the next step corrects it. */
static bool
item_is_older(const struct plan_item *item, const struct plan_item *had)
{
	if (strcmp(item->state, "pending") == 0)
		return false;
	return item->attempts < had->attempts ||
	       (item->attempts == had->attempts && item->done < had->done);
}

bool
plan_read(struct plan *p, const mk_val *body)
{
	const mk_val *list = mk_find(body, "items");
	uint32_t count = mk_count(list);
	struct plan *next;

	if (!mk_is_array(list) || count > PLAN_MAX)
		return false;
	next = calloc(1, sizeof(*next));
	if (next == NULL)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		struct plan_item *item = &next->items[next->count++], *had;

		if (!item_read(item, mk_at(list, i))) {
			free(next);
			return false;
		}
		had = plan_find(p, item->name);
		if (had != NULL && item_is_older(item, had)) {
			*item = *had;
		} else if (had != NULL) {
			item->due_us = had->due_us;
			item->retry_us = had->retry_us;
			item->pace = had->pace;
		}
	}
	*p = *next;
	free(next);
	return true;
}

bool
plan_take(struct plan *p, const mk_val *v)
{
	struct plan_item item, *had;

	if (!item_read(&item, v))
		return false;
	had = plan_find(p, item.name);
	if (had == NULL)
		return false;
	item.pace = had->pace;
	*had = item;
	return true;
}

void
plan_stepped(struct plan_item *item, uint64_t now_us, uint64_t wall_us, bool busy)
{
	struct plan_pace *p = &item->pace;

	/* What begins anew, or was done by an earlier process, is no batch. */
	if (p->steps == 0 || item->done < p->done) {
		p->began_us = wall_us;
		p->batch = 0;
		p->rate = 0;
		p->marks[0].at_us = p->marks[1].at_us = now_us;
		p->marks[0].done = p->marks[1].done = item->done;
	} else {
		p->batch = item->done - p->done;
	}
	if (now_us > p->marks[0].at_us + SECOND_US)
		p->rate = (double)(item->done - p->marks[0].done) * 1e6 /
			  (double)(now_us - p->marks[0].at_us);
	if (now_us >= p->marks[1].at_us + MARK_US) {
		p->marks[0] = p->marks[1];
		p->marks[1].at_us = now_us;
		p->marks[1].done = item->done;
	}
	p->done = item->done;
	p->steps++;
	p->yields += busy;
}

struct plan_item *
plan_next(struct plan *p, uint64_t now_us, uint64_t *wait_us)
{
	*wait_us = UINT64_MAX;
	for (uint32_t i = 0; i < p->count; i++) {
		struct plan_item *item = &p->items[i];
		uint64_t wait;

		if (strcmp(item->kind, "backfill") != 0 || item->paused || item->waits[0] != '\0' ||
		    strcmp(item->state, "done") == 0 || strcmp(item->state, "failed") == 0)
			continue;
		wait = item->due_us > now_us ? item->due_us - now_us : 0;
		if (wait == 0)
			return item;
		*wait_us = wait < *wait_us ? wait : *wait_us;
	}
	return NULL;
}

void
plan_failed(struct plan_item *item, uint64_t now_us, const char *error)
{
	item->retry_us = item->retry_us == 0 ? RETRY_MIN_US : 2 * item->retry_us;
	if (item->retry_us > RETRY_MAX_US)
		item->retry_us = RETRY_MAX_US;
	item->due_us = now_us + item->retry_us;
	(void)snprintf(item->error, sizeof(item->error), "%s", error);
}

/* Whose wish it is: of storage for an old database, of the plugin whose table it is, of the operator. */
static void
item_write_by(const struct plan_item *item, mk_writer *w)
{
	const char *dot = strchr(item->name, '.');
	char text[sizeof(item->name) + 8];

	if (dot != NULL)
		(void)snprintf(text, sizeof(text), "plugin %.*s", (int)(dot - item->name),
			       item->name);
	mk_kv_str(w, "by", item->pace.retried ? "operator" : dot != NULL ? text : "upgrade");
}

static void
item_write_pace(const struct plan_item *item, mk_writer *w)
{
	const struct plan_pace *p = &item->pace;

	mk_kv_u64(w, "steps", p->steps);
	mk_kv_u64(w, "yields", p->yields);
	mk_kv_i64(w, "batch", p->batch);
	mk_kv_u64(w, "began_us", p->began_us);
	if (p->rate > 0)
		mk_kv_f64(w, "rate_now", p->rate);
}

void
plan_write(const struct plan *p, mk_writer *w)
{
	mk_put_map(w, 1);
	mk_kv_array(w, "items", p->count);
	for (uint32_t i = 0; i < p->count; i++) {
		const struct plan_item *item = &p->items[i];
		bool backfill = strcmp(item->kind, "backfill") == 0, paced = item->pace.steps > 0;

		mk_put_map(w, 11u + (item->rate > 0) + (item->eta_s >= 0) +
				  (item->error[0] != '\0') + backfill +
				  (paced ? 4u + (item->pace.rate > 0) : 0));
		mk_kv_str(w, "name", item->name);
		mk_kv_str(w, "table", item->table);
		mk_kv_str(w, "kind", item->kind);
		mk_kv_str(w, "state", item->state);
		mk_kv_bool(w, "paused", item->paused);
		mk_kv_str(w, "waits", item->waits);
		mk_kv_i64(w, "done", item->done);
		mk_kv_i64(w, "total", item->total);
		mk_kv_i64(w, "skipped", item->skipped);
		mk_kv_i64(w, "attempts", item->attempts);
		mk_kv_u64(w, "longest_us", item->longest_us);
		if (item->rate > 0)
			mk_kv_f64(w, "rate", item->rate);
		if (item->eta_s >= 0)
			mk_kv_i64(w, "eta_s", item->eta_s);
		if (item->error[0] != '\0')
			mk_kv_str(w, "error", item->error);
		if (backfill)
			item_write_by(item, w);
		if (paced)
			item_write_pace(item, w);
	}
}
