/* SPDX-License-Identifier: MIT */
#include "read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "impl.h"

#define LEAST_BYTES ((uint64_t)1 << 20)
#define RECENT_S 2 /* counts are so old at most */

mk_result
read_new(struct read **out, const struct read_config *config)
{
	struct read *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return MK_ENOMEM;
	r->config = *config;
	if (r->config.max_bytes < LEAST_BYTES)
		r->config.max_bytes = LEAST_BYTES;
	r->newest_obs = r->newest_tx = INT64_MIN;
	if (pthread_mutex_init(&r->recent_lock, NULL) != 0) {
		free(r);
		return MK_ENOMEM;
	}
	if (pthread_mutex_init(&r->db_lock, NULL) != 0) {
		pthread_mutex_destroy(&r->recent_lock);
		free(r);
		return MK_ENOMEM;
	}
	mk_doc_init(&r->doc);
	*out = r;
	return MK_OK;
}

void
read_free(struct read *r)
{
	if (r == NULL)
		return;
	db_close_idle(r);
	store_clear(&r->store);
	people_fini(r);
	nodes_fini(r);
	mk_doc_fini(&r->doc);
	for (size_t i = 0; i < sizeof(r->recent) / sizeof(r->recent[0]); i++)
		free(r->recent[i].counts);
	pthread_mutex_destroy(&r->recent_lock);
	pthread_mutex_destroy(&r->db_lock);
	free(r);
}

void
read_configure(struct read *r, const struct read_config *config)
{
	model_write(r->config.model);
	/* Host and model stay: the loader looks at them without the lock. */
	r->config.max_bytes = config->max_bytes < LEAST_BYTES ? LEAST_BYTES : config->max_bytes;
	r->config.node_blacklist = config->node_blacklist;
	r->config.observer_blacklist = config->observer_blacklist;
	r->config.hidden_prefixes = config->hidden_prefixes;
	nodes_hide(r);
	nodes_settle(r);
	model_write_end(r->config.model, MODEL_NODES | MODEL_OBSERVERS);
}

/* ---------------------------------------------------------------- scratch -- */

struct read_scratch *
read_scratch_new(struct read *r)
{
	struct read_scratch *s = calloc(1, sizeof(*s));

	if (s != NULL)
		s->r = r;
	return s;
}

void
read_scratch_free(struct read_scratch *s)
{
	if (s == NULL)
		return;
	if (s->db != NULL)
		db_give(s->r, s->db);
	unpacked_fini(&s->u);
	free(s->tx);
	free(s);
}

void
read_scratch_skip(struct read_scratch *s, uint32_t parts)
{
	s->skip = parts;
}

/* ---------------------------------------------------------------- packets -- */

uint32_t
read_packet_begin(const struct read *r)
{
	return r->store.begin;
}

uint32_t
read_packet_end(const struct read *r)
{
	return r->store.begin + r->store.count;
}

static const struct read_packet *
read_unpack(const struct read *r, struct read_scratch *s, const struct tx *t)
{
	struct heads heads = nodes_heads(r);

	return unpack_tx(&s->u, t, &heads, s->skip) ? &s->u.p : NULL;
}

const struct read_packet *
read_packet_at(const struct read *r, struct read_scratch *s, uint32_t i)
{
	if (i < r->store.begin || i - r->store.begin >= r->store.count)
		return NULL;
	return read_unpack(r, s, &r->store.txs[i - r->store.begin]);
}

const struct read_packet *
read_packet_by_hash(struct read *r, struct read_scratch *s, const char *hash, size_t len)
{
	const struct read_packet *p = NULL;
	const struct tx *t = NULL;
	char text[17];
	uint64_t number;
	int64_t id;
	bool odd;

	if (len == 0 || len >= sizeof(text))
		return NULL;
	for (size_t i = 0; i < len; i++)
		text[i] = (char)(hash[i] >= 'A' && hash[i] <= 'F' ? hash[i] + 32 : hash[i]);
	text[len] = '\0';
	odd = !pack_hash(text, &number);
	if (!odd)
		t = store_find_hash(&r->store, number);
	if (t != NULL)
		return read_unpack(r, s, t);
	if (odd || !r->complete)
		p = db_packet(r, s, DB_HASH, 0, text);
	return p == NULL && db_alias(s, text, &id) ? read_packet_by_id(r, s, id) : p;
}

const struct read_packet *
read_packet_by_id(struct read *r, struct read_scratch *s, int64_t id)
{
	const struct tx *t = store_find_id(&r->store, id);

	if (t != NULL)
		return read_unpack(r, s, t);
	return r->complete ? NULL : db_packet(r, s, DB_ID, id, NULL);
}

const struct read_packet *
read_packet_by_obs(struct read *r, struct read_scratch *s, int64_t obs)
{
	return db_packet(r, s, DB_OBS, obs, NULL);
}

const uint32_t *
read_node_packets(const struct read *r, uint32_t node, uint32_t *count)
{
	const struct list *l;

	*count = 0;
	if (node >= r->store.node_cap)
		return NULL;
	l = &r->store.by_node[node];
	*count = l->count;
	return l->at;
}

/* ----------------------------------------------------------------- recent -- */

static bool
read_count(void *arg, const struct read_obs *o)
{
	struct recent *t = arg;

	if (o->at <= t->now_s - t->seconds || o->at > t->now_s)
		return true;
	t->all++;
	if (o->observer < t->cap)
		t->counts[o->observer]++;
	return true;
}

static mk_result
read_count_recent(struct read *r, struct recent *t)
{
	const struct store *s = &r->store;
	mk_err err;

	t->all = 0;
	if (t->cap < r->observer_count || t->counts == NULL) {
		uint32_t *counts = realloc(t->counts, (r->observer_cap + 1) * sizeof(*counts));

		if (counts == NULL)
			return MK_ENOMEM;
		t->counts = counts;
		t->cap = r->observer_cap;
	}
	memset(t->counts, 0, t->cap * sizeof(*t->counts));
	if (!r->warm)
		return db_recent(r, t, &err);
	for (uint32_t i = 0; i < s->count; i++)
		if ((int64_t)s->txs[i].latest > t->now_s - t->seconds)
			(void)unpack_each_obs(&s->txs[i], read_count, t);
	return MK_OK;
}

uint64_t
read_recent(const struct read *r, uint32_t observer, int64_t now_s, int64_t seconds)
{
	/* What is counted is kept with the model, under a lock of its own. */
	struct read *m = (struct read *)(uintptr_t)r;
	uint64_t version = model_version(r->config.model, MODEL_PACKETS | MODEL_WARM), n = 0;
	struct recent *t = NULL;

	pthread_mutex_lock(&m->recent_lock);
	for (size_t i = 0; i < sizeof(m->recent) / sizeof(m->recent[0]) && t == NULL; i++)
		if (m->recent[i].seconds == seconds || m->recent[i].seconds == 0)
			t = &m->recent[i];
	if (t == NULL)
		t = &m->recent[0];
	if (t->seconds != seconds || (t->version != version && now_s - t->now_s >= RECENT_S) ||
	    now_s - t->now_s >= 10 * RECENT_S || now_s < t->now_s) {
		t->seconds = seconds;
		t->now_s = now_s;
		t->version = version;
		if (read_count_recent(m, t) != MK_OK)
			t->seconds = 0;
	}
	if (observer == READ_NONE)
		n = t->all;
	else if (observer < t->cap && t->counts != NULL)
		n = t->counts[observer];
	pthread_mutex_unlock(&m->recent_lock);
	return n;
}

/* ------------------------------------------------------------------ state -- */

void
read_get_state(const struct read *r, struct read_state *out)
{
	*out = (struct read_state){
		.ready = r->ready,
		.warm = r->warm,
		.complete = r->complete,
		.tx = r->tx_total,
		.obs = r->obs_total,
		.tx_memory = r->store.count,
		.obs_memory = r->store.obs_count,
		.bytes = r->store.bytes,
		.limit = r->config.max_bytes,
		.progress = r->warm ? 1 : (double)atomic_load(&r->progress) / 1000,
		.evicted = r->store.evicted,
		.dropped = r->dropped,
		.gaps = r->gaps,
		.failures = r->failures,
	};
	if (r->store.count > 0) {
		struct unpacked u = { 0 };

		(void)unpack_tx(&u, &r->store.txs[0], &(struct heads){ NULL, 0 },
				READ_SKIP_JSON | READ_SKIP_OBS);
		(void)snprintf(out->oldest, sizeof(out->oldest), "%s", u.p.first_seen);
	}
	memcpy(out->database, r->database, sizeof(out->database));
}

static uint64_t
read_lists(const struct list *lists, uint32_t count)
{
	uint64_t bytes = count * sizeof(*lists);

	for (uint32_t i = 0; i < count; i++)
		bytes += lists[i].cap * sizeof(*lists[i].at);
	return bytes;
}

static uint64_t
read_text(const char *text)
{
	return text == NULL ? 0 : strlen(text) + 1;
}

void
read_get_memory(const struct read *r, struct read_memory *out)
{
	const struct store *s = &r->store;

	*out = (struct read_memory){
		.packets = s->cap * sizeof(*s->txs) + s->slot_count * sizeof(*s->by_hash),
		.lists = read_lists(s->by_node, s->node_cap) +
			 read_lists(s->by_observer, s->observer_cap),
		/* The resolver has the key and a candidate for each length of hop, too. */
		.nodes = r->node_cap * (sizeof(*r->nodes) + sizeof(*r->more) + sizeof(*r->heads)) +
			 r->hops.ids.count * (65 + 4 * sizeof(uint64_t)),
		.observers = r->observer_cap * (sizeof(*r->observers) + sizeof(*r->observer_texts)),
	};
	for (uint32_t i = 0; i < s->count; i++) {
		out->contents += s->txs[i].obs_at;
		out->observations += s->txs[i].len - s->txs[i].obs_at;
	}
	out->room = s->bytes - out->packets - out->lists - out->contents - out->observations;
	for (uint32_t i = 0; i < r->node_count; i++) {
		const struct read_node *n = &r->nodes[i];

		out->nodes += read_text(n->name) + read_text(n->role) + read_text(n->first_seen) +
			      read_text(n->last_seen);
	}
	for (uint32_t i = 0; i < r->observer_count; i++) {
		const struct read_observer *o = &r->observers[i];

		out->observers += read_text(o->id) + read_text(o->name) + read_text(o->model) +
				  read_text(o->firmware) + read_text(o->last_seen);
	}
}
