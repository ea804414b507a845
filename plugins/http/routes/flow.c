/* SPDX-License-Identifier: MIT */
#include "flow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <meshkern/codec.h>

#include "../read/admin.h"
#include "../server/model.h"

#define DAY_MINUTES 1440
#define WEEK_DAYS 7
#define DAYS_LEAST 3 /* of history, for something to be called usual */

void
flow_init(struct flow *f, const mk_host *host, struct model *model, struct read *read)
{
	f->host = host;
	f->model = model;
	f->read = read;
}

/* ---------------------------------------------------------------- minutes -- */

/* False: it is too old, or from the future. */
static bool
flow_advance(struct flow *f, int64_t minute)
{
	int64_t head = atomic_load(&f->head);

	if (minute > (int64_t)(f->host->wall_us(f->host) / 60000000) + 1)
		return false;
	if (minute > head) {
		int64_t from = minute - head > (int64_t)FLOW_MINUTES
				   ? minute - (int64_t)FLOW_MINUTES + 1
				   : head + 1;

		for (int64_t m = from; m <= minute; m++)
			atomic_store(&f->minutes[m % FLOW_MINUTES], 0);
		atomic_store(&f->head, minute);
		return true;
	}
	return minute > head - (int64_t)FLOW_MINUTES;
}

uint64_t
flow_sum(const struct flow *f, int64_t first, uint32_t count)
{
	int64_t head = atomic_load(&f->head);
	uint64_t n = 0;

	for (int64_t m = first; m < first + count; m++)
		if (m > head - (int64_t)FLOW_MINUTES && m <= head && m >= 0)
			n += atomic_load(&f->minutes[m % FLOW_MINUTES]);
	return n;
}

double
flow_usual(const struct flow *f, int64_t now_minute)
{
	double sum = 0;
	int days = 0;

	for (int d = 1; d <= WEEK_DAYS; d++) {
		int64_t end = now_minute - d * DAY_MINUTES;

		/* A day without anything is one on which nobody was listening. */
		if (flow_sum(f, end - DAY_MINUTES / 2, DAY_MINUTES) == 0)
			continue;
		sum += (double)flow_sum(f, end - 60, 60) / 60;
		days++;
	}
	return days < DAYS_LEAST || !atomic_load(&f->seeded) ? -1 : sum / days;
}

static int
flow_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

double
flow_lag_ms(const struct flow *f)
{
	uint64_t count = atomic_load(&f->lag_count);
	uint32_t n = count < FLOW_LAGS ? (uint32_t)count : FLOW_LAGS, sorted[FLOW_LAGS];

	if (n == 0)
		return -1;
	for (uint32_t i = 0; i < n; i++)
		sorted[i] = atomic_load(&f->lags_us[i]);
	qsort(sorted, n, sizeof(sorted[0]), flow_compare);
	return (double)sorted[n * 95 / 100] / 1000;
}

/* --------------------------------------------------------------- messages -- */

static void
flow_packet(struct flow *f, const mk_val *item)
{
	uint64_t at, now = f->host->wall_us(f->host), lag;
	bool first = false;

	if (!mk_get_u64(mk_find(item, "at"), &at) || !mk_get_bool(mk_find(item, "first"), &first) ||
	    !first || !flow_advance(f, (int64_t)(at / 60000000)))
		return;
	atomic_fetch_add(&f->minutes[at / 60000000 % FLOW_MINUTES], 1);
	if ((int64_t)at > atomic_load(&f->last_us))
		atomic_store(&f->last_us, (int64_t)at);
	lag = now > at ? now - at : 0;
	atomic_store(&f->lags_us[atomic_load(&f->lag_count) % FLOW_LAGS],
		     lag > UINT32_MAX ? UINT32_MAX : (uint32_t)lag);
	atomic_fetch_add(&f->lag_count, 1);
}

static void
flow_keep(struct flow *f, struct flow_change *c)
{
	c->at = (int64_t)(f->host->wall_us(f->host) / 1000000);
	model_write(f->model);
	f->changes[f->change_count++ % FLOW_CHANGES] = *c;
	model_write_end(f->model, 0);
}

static void
flow_observer(struct flow *f, const mk_val *row)
{
	struct flow_change c = { .kind = "firmware" };
	const struct read_observer *o;
	char firmware[64];
	uint32_t number;

	if (!mk_copy_str(mk_find(row, "id"), c.key, sizeof(c.key)) ||
	    !mk_copy_str(mk_find(row, "firmware"), firmware, sizeof(firmware)))
		return;
	model_read(f->model);
	number = read_observer_find(f->read, c.key, strlen(c.key));
	o = number == READ_NONE ? NULL : read_observer(f->read, number);
	if (o != NULL && !o->hidden && o->firmware != NULL && o->firmware[0] != '\0' &&
	    firmware[0] != '\0' && strcmp(o->firmware, firmware) != 0) {
		(void)snprintf(c.name, sizeof(c.name), "%s", o->name == NULL ? "" : o->name);
		(void)snprintf(c.text, sizeof(c.text), "%.40s -> %.40s", o->firmware, firmware);
	}
	model_read_end(f->model);
	if (c.text[0] != '\0')
		flow_keep(f, &c);
}

static void
flow_node(struct flow *f, const mk_val *row)
{
	struct flow_change c = { .kind = "multibyte" };
	const struct read_node *n;
	uint64_t sup = 0;
	uint32_t number;
	bool news;

	if (!mk_copy_str(mk_find(row, "public_key"), c.key, sizeof(c.key)) ||
	    !mk_get_u64(mk_find(row, "multibyte_sup"), &sup) || sup != 2)
		return;
	model_read(f->model);
	number = read_node_find(f->read, c.key, strlen(c.key));
	n = number == READ_NONE ? NULL : read_node(f->read, number);
	news = n != NULL && n->known && !n->hidden && n->multibyte_sup < 2;
	if (news)
		(void)snprintf(c.name, sizeof(c.name), "%s", n->name == NULL ? "" : n->name);
	model_read_end(f->model);
	if (news)
		flow_keep(f, &c);
}

void
flow_on_msg(struct flow *f, const mk_msg *msg)
{
	static const struct {
		const char *topic;
		void (*fn)(struct flow *f, const mk_val *item);
	} topics[] = { { "packet/stored", flow_packet },
		       { "observer/changed", flow_observer },
		       { "node/changed", flow_node } };
	const mk_val *items;
	mk_doc doc;

	for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
		if ((msg->flags & MK_MSG_GAP) != 0 || strcmp(msg->topic, topics[i].topic) != 0)
			continue;
		mk_doc_init(&doc);
		if (mk_doc_open(&doc, msg->body, msg->body_len, NULL, NULL, 0) == MK_OK) {
			items = mk_find(mk_doc_root(&doc), "items");
			for (uint32_t k = 0; mk_is_array(items) && k < mk_count(items); k++)
				topics[i].fn(f, mk_at(items, k));
		}
		mk_doc_fini(&doc);
	}
}

/* --------------------------------------------------------------- the past -- */

/* A minute that was counted by both is in the database in full, or still coming: the larger one. */
static void
flow_seed_minute(struct flow *f, int64_t minute, uint32_t count)
{
	_Atomic uint32_t *at = &f->minutes[minute % FLOW_MINUTES];
	uint32_t there = atomic_load(at);

	if (minute > atomic_load(&f->head) ||
	    minute <= atomic_load(&f->head) - (int64_t)FLOW_MINUTES)
		return;
	while (there < count && !atomic_compare_exchange_weak(at, &there, count))
		;
}

/* A thread of its own. */
static void
flow_seed(void *arg)
{
	struct flow *f = arg;
	uint32_t *counts = malloc(FLOW_MINUTES * sizeof(*counts));
	int64_t first = atomic_load(&f->head) - (int64_t)FLOW_MINUTES + 1, newest = 0;
	int64_t none = 0, now;
	mk_err err = { .text = "out of memory" };

	if (first < 0)
		first = 0;
	if (counts != NULL &&
	    read_minutes(f->read, first, counts, FLOW_MINUTES, &f->stop, &newest, &err) == MK_OK) {
		for (uint32_t i = 0; i < FLOW_MINUTES; i++)
			flow_seed_minute(f, first + i, counts[i]);
		atomic_store(&f->seeded, true);
	} else if (!atomic_load(&f->stop)) {
		f->host->log(f->host, MK_LOG_WARN, err.text);
	}
	free(counts);
	now = (int64_t)(f->host->wall_us(f->host) / 1000000);
	/* The database may say anything. */
	newest = newest < 0 ? 0 : newest < now ? newest * 1000000 : now * 1000000;
	while (newest > none && !atomic_compare_exchange_weak(&f->last_us, &none, newest))
		;
}

void
flow_on_timer(struct flow *f)
{
	struct read_state s;

	if (f->asked)
		return;
	model_read(f->model);
	read_get_state(f->read, &s);
	model_read_end(f->model);
	if (!s.warm)
		return;
	f->asked = true;
	(void)flow_advance(f, (int64_t)(f->host->wall_us(f->host) / 60000000));
	if (f->host->spawn(f->host, "http-past", flow_seed, f) != MK_OK)
		f->host->log(f->host, MK_LOG_WARN, "no thread to count what came in the last days");
}
