/* SPDX-License-Identifier: MIT
 *
 * Messages, on the plugin's thread.
 */
#define _GNU_SOURCE
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hops/body.h>

#include "db.h"
#include "impl.h"

/* ------------------------------------------------------------------- rows -- */

static const char *
live_text(void *arg, const char *column, size_t *len)
{
	const char *text = NULL;

	*len = 0;
	return mk_get_str(mk_find(arg, column), &text, len) ? text : NULL;
}

static bool
live_integer(void *arg, const char *column, int64_t *out)
{
	const mk_val *v = mk_find(arg, column);
	double real;
	bool flag;

	if (mk_get_i64(v, out))
		return true;
	if (mk_get_bool(v, &flag))
		*out = flag;
	else if (mk_get_f64(v, &real) && real > -9e18 && real < 9e18)
		*out = (int64_t)real;
	else
		return false;
	return true;
}

static bool
live_real(void *arg, const char *column, double *out)
{
	return mk_get_f64(mk_find(arg, column), out);
}

static void
live_rows(struct read *r, const mk_val *items, bool nodes)
{
	model_write(r->config.model);
	for (uint32_t i = 0; i < mk_count(items); i++) {
		struct row row = { (void *)(uintptr_t)mk_at(items, i), live_text, live_integer,
				   live_real };
		int64_t active = 1, gone = 0;

		(void)live_integer(row.arg, "active", &active);
		(void)live_integer(row.arg, "gone", &gone);
		if (nodes ? !people_set_node(r, &row, active != 0, gone != 0)
			  : !people_set_observer(r, &row, gone != 0))
			r->dropped++;
	}
	nodes_settle(r);
	model_write_end(r->config.model, nodes ? MODEL_NODES : MODEL_OBSERVERS);
}

/* ---------------------------------------------------------------- packets -- */

/* A field as text that lives as long as the arena. */
static const char *
live_keep(mk_arena *arena, const mk_val *item, const char *field)
{
	const char *text;
	size_t len;

	return mk_get_str(mk_find(item, field), &text, &len) ? mk_arena_dup(arena, text, len)
							     : NULL;
}

static int16_t
live_small(const mk_val *item, const char *field)
{
	uint64_t v;

	return mk_get_u64(mk_find(item, field), &v) && v < 128 ? (int16_t)v : -1;
}

static uint32_t
live_node(struct read *r, const mk_val *v)
{
	const char *key;
	size_t len;

	return mk_get_str(v, &key, &len) ? nodes_put(r, key, len) : READ_NONE;
}

static bool
live_read_tx(struct read *r, const mk_val *item, mk_arena *arena, int64_t at, char first[WHEN_TEXT],
	     struct read_packet *p)
{
	const uint8_t *raw;
	size_t len;

	*p = (struct read_packet){ .first_seen = first,
				   .first_s = at,
				   .route = live_small(item, "route"),
				   .type = live_small(item, "type"),
				   .scope = live_keep(arena, item, "scope"),
				   .channel = live_keep(arena, item, "channel"),
				   .from = live_node(r, mk_find(item, "from")) };
	when_text(at, "Z", first);
	if (mk_get_bin(mk_find(item, "raw"), &raw, &len)) {
		p->raw = raw;
		p->raw_len = (uint32_t)len;
	}
	p->json = live_keep(arena, item, "json");
	p->json_len = p->json == NULL ? 0 : strlen(p->json);
	return mk_copy_str(mk_find(item, "hash"), p->hash, sizeof(p->hash)) && first[0] != '\0';
}

static void
live_read_hops(struct read *r, const mk_val *item, struct db_obs *d)
{
	const mk_val *path = mk_find(item, "path"), *resolved = mk_find(item, "resolved");
	uint32_t count = mk_count(path), known = 0;
	const char *hop;
	size_t len, size = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct db_obs one;

		if (!mk_get_str(mk_at(path, i), &hop, &len) || i >= DB_HOPS_MAX)
			return;
		size = i == 0 ? len / 2 : size;
		if (len != 2 * size || size == 0 || size > DB_HOP_MAX ||
		    !db_read_path(&one, hop, len))
			return;
		memcpy(d->hops + i * size, one.hops, size);
	}
	d->o.count = (uint8_t)count;
	d->o.hop_size = (uint8_t)size;
	if (mk_count(resolved) != count || count == 0)
		return;
	for (uint32_t i = 0; i < count; i++) {
		d->nodes[i] = live_node(r, mk_at(resolved, i));
		known += d->nodes[i] != READ_NONE;
	}
	d->o.resolved = known > 0 ? d->nodes : NULL;
}

/* What the packet says of its observer, until the row comes. */
static const char *
live_observer_text(void *arg, const char *column, size_t *len)
{
	static const char *const names[][2] = { { "id", "observer" },
						{ "name", "name" },
						{ "iata", "region" } };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(column, names[i][0]) == 0)
			return live_text(arg, names[i][1], len);
	*len = 0;
	return NULL;
}

static bool
live_observer_integer(void *arg, const char *column, int64_t *out)
{
	return strcmp(column, "idx") == 0 && mk_get_i64(mk_find(arg, "observer_idx"), out);
}

static uint32_t
live_observer(struct read *r, const mk_val *item, int64_t row)
{
	uint32_t observer = people_observer(r, row);
	struct row told = { (void *)(uintptr_t)item, live_observer_text, live_observer_integer,
			    live_real };

	if (observer != READ_NONE)
		return observer;
	(void)people_set_observer(r, &told, false);
	return people_observer(r, row);
}

static void
live_read_obs(struct read *r, const mk_val *item, int64_t id, int64_t at, struct db_obs *d)
{
	struct read_obs *o = &d->o;
	int64_t row;
	char text[8];

	*o = (struct read_obs){ .id = id, .at = at, .observer = READ_NONE, .has_path = true };
	o->path = d->hops;
	if (mk_get_i64(mk_find(item, "observer_idx"), &row))
		o->observer = live_observer(r, item, row);
	o->has_snr = mk_get_f64(mk_find(item, "snr"), &o->snr);
	o->has_rssi = mk_get_f64(mk_find(item, "rssi"), &o->rssi);
	if (mk_copy_str(mk_find(item, "direction"), text, sizeof(text)))
		o->direction = db_direction(text);
	else if (mk_is_str(mk_find(item, "direction")))
		o->direction = 3;
	live_read_hops(r, item, d);
}

/* An observation that is there: what it lacked is filled in, as storage does. */
static bool
live_fill(struct read *r, struct tx *t, const struct read_obs *o)
{
	struct heads heads = nodes_heads(r);
	struct unpacked u = { 0 };
	bool good = unpack_tx(&u, t, &heads, 0), changed = false;

	for (uint32_t i = 0; good && i < t->obs_count; i++) {
		struct read_obs *old = &u.obs[i];

		if (old->id != o->id)
			continue;
		changed = (o->has_snr && !old->has_snr) || (o->has_rssi && !old->has_rssi) ||
			  (o->resolved != NULL && old->resolved == NULL && o->count == old->count);
		if (!old->has_snr) {
			old->snr = o->snr;
			old->has_snr = o->has_snr;
		}
		if (!old->has_rssi) {
			old->rssi = o->rssi;
			old->has_rssi = o->has_rssi;
		}
		if (old->resolved == NULL && o->count == old->count)
			old->resolved = o->resolved;
	}
	if (changed)
		good = store_replace(&r->store, t, &u.p, &heads);
	unpacked_fini(&u);
	return good;
}

/* A copy that was heard earlier came later. */
static bool
live_earlier(struct read *r, struct tx *t, int64_t at)
{
	struct heads heads = nodes_heads(r);
	struct unpacked u = { 0 };
	bool good = unpack_tx(&u, t, &heads, 0);

	u.p.first_s = at;
	when_text(at, "Z", u.first_seen);
	u.p.first_seen = u.first_seen;
	good = good && store_replace(&r->store, t, &u.p, &heads);
	unpacked_fini(&u);
	return good;
}

static bool
live_apply(struct read *r, const mk_val *item, int64_t tx, int64_t obs, bool first)
{
	char seen[WHEN_TEXT];
	struct tx *t = store_find_id(&r->store, tx);
	struct heads heads;
	struct read_packet p;
	mk_arena arena = { 0 };
	struct db_obs d;
	uint64_t at_us = 0;
	int64_t at;
	bool good = true;

	mk_get_u64(mk_find(item, "at"), &at_us);
	at = (int64_t)(at_us / 1000000);
	if (t == NULL && tx > r->newest_tx) {
		good = live_read_tx(r, item, &arena, at, seen, &p);
		p.id = tx;
		t = good ? store_add(&r->store, &p) : NULL;
		good = t != NULL;
		mk_arena_fini(&arena);
		r->newest_tx = tx;
		r->tx_total++;
	}
	r->obs_total += first;
	if (t == NULL)
		return good; /* older than what is in memory */
	live_read_obs(r, item, obs, at, &d);
	heads = nodes_heads(r);
	good = first ? store_add_obs(&r->store, t, &d.o, &heads) : live_fill(r, t, &d.o);
	if (good && at < t->first_s && at_us > 0)
		good = live_earlier(r, t, at);
	return good;
}

static void
live_item(struct read *r, const mk_val *item)
{
	int64_t tx, obs;
	bool first = true;

	if (!mk_get_i64(mk_find(item, "tx"), &tx) || !mk_get_i64(mk_find(item, "obs"), &obs)) {
		r->dropped++;
		return;
	}
	mk_get_bool(mk_find(item, "first"), &first);
	/* Also between a gap and the reading for it, which begins behind the newest that is here. */
	if (atomic_load(&r->load) != NULL || !r->warm || r->again || atomic_load(&r->failed)) {
		if (obs > atomic_load(&r->told))
			atomic_store(&r->told, obs);
		return;
	}
	if (first && obs <= r->newest_obs)
		return; /* it was read */
	if (first)
		r->newest_obs = obs;
	if (!live_apply(r, item, tx, obs, first))
		r->dropped++;
}

static void
live_stored(struct read *r, const mk_val *items)
{
	bool evicted;

	model_write(r->config.model);
	for (uint32_t i = 0; i < mk_count(items); i++)
		live_item(r, mk_at(items, i));
	evicted = r->store.bytes > r->config.max_bytes;
	if (evicted) {
		store_evict(&r->store, r->config.max_bytes);
		r->complete = false;
	}
	nodes_settle(r);
	model_write_end(r->config.model, MODEL_PACKETS);
	/* The thread that filled the model had a heap of its own, to which this goes back. */
	if (evicted)
		(void)malloc_trim(0);
}

/* -------------------------------------------------------------- snapshots -- */

static void
live_graph(struct read *r, const mk_val *body, bool delta)
{
	uint64_t serial = 0, n = 0;

	if (!mk_get_u64(mk_find(body, "serial"), &serial) || !mk_get_u64(mk_find(body, "n"), &n))
		return;
	/* A delta that does not follow waits for the next base. */
	if (delta && (serial != r->graph_serial || n != r->graph_n + 1))
		return;
	model_write(r->config.model);
	if (hops_graph_read(&r->graph, &r->hops.ids, body, delta) == MK_OK) {
		r->graph_serial = serial;
		r->graph_n = n;
	} else {
		r->dropped++;
	}
	if (!nodes_sync(r))
		r->dropped++;
	model_write_end(r->config.model, MODEL_GRAPH);
}

static const char *
live_evidence(const mk_val *v)
{
	static const char *const words[] = { "advert", "path" };
	char text[8] = "";

	mk_copy_str(v, text, sizeof(text));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i], text) == 0)
			return words[i];
	return "";
}

static uint32_t
live_u32(const mk_val *v)
{
	uint64_t n = 0;
	double real;

	if (!mk_get_u64(v, &n) && mk_get_f64(v, &real) && real > 0)
		n = (uint64_t)real;
	return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

static void
live_mbcap_row(struct node_more *m, const mk_val *row)
{
	const mk_val *sizes = mk_at(row, 9);

	m->has_mbcap = true;
	m->mbcap = (struct read_mbcap){ .sup = (uint8_t)live_u32(mk_at(row, 1)),
					.evidence = live_evidence(mk_at(row, 2)),
					.max_size = (uint8_t)live_u32(mk_at(row, 3)),
					.candidates = live_u32(mk_at(row, 5)),
					.hash_size = (uint8_t)live_u32(mk_at(row, 7)) };
	mk_get_i64(mk_at(row, 4), &m->mbcap.evidence_at);
	mk_get_bool(mk_at(row, 8), &m->mbcap.inconsistent);
	for (uint32_t i = 0; i < mk_count(sizes); i++)
		m->mbcap.sizes |= (uint8_t)(1u << (live_u32(mk_at(sizes, i)) & 7));
}

static double
live_f64(const mk_val *v)
{
	double d = 0;

	mk_get_f64(v, &d);
	return d;
}

static int
live_compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The scopes as a block: pointers, then texts. */
static void
live_scopes(struct node_more *m, const mk_val *list)
{
	uint32_t n = mk_count(list);
	size_t size = n * sizeof(char *), len;
	const char *text, **at;
	char *to;

	free(m->scopes);
	m->scopes = NULL;
	m->relay.scopes = NULL;
	m->relay.scope_count = 0;
	for (uint32_t i = 0; i < n; i++)
		size += mk_get_str(mk_at(list, i), &text, &len) ? len + 1 : 0;
	m->scopes = n == 0 ? NULL : malloc(size);
	if (m->scopes == NULL)
		return;
	at = (const char **)(void *)m->scopes;
	to = m->scopes + n * sizeof(char *);
	for (uint32_t i = 0; i < n; i++) {
		if (!mk_get_str(mk_at(list, i), &text, &len))
			continue;
		memcpy(to, text, len);
		to[len] = '\0';
		at[m->relay.scope_count++] = to;
		to += len + 1;
	}
	qsort(at, m->relay.scope_count, sizeof(*at), live_compare);
	m->relay.scopes = at;
}

static void
live_relay_row(struct node_more *m, const mk_val *row)
{
	m->has_relay = true;
	m->relay = (struct read_relay){ .count_1h = live_u32(mk_at(row, 2)),
					.count_24h = live_u32(mk_at(row, 3)),
					.unscoped_24h = live_u32(mk_at(row, 4)),
					.traffic = live_f64(mk_at(row, 6)),
					.bridge = live_f64(mk_at(row, 7)),
					.coverage = live_f64(mk_at(row, 8)),
					.redundancy = live_f64(mk_at(row, 9)),
					.usefulness = live_f64(mk_at(row, 10)),
					.flood_adverts_7d = live_u32(mk_at(row, 11)) };
	mk_get_i64(mk_at(row, 1), &m->relay.last_relayed);
	live_scopes(m, mk_at(row, 5));
}

static void
live_nodes(struct read *r, const mk_val *body, bool delta, bool relays)
{
	const mk_val *rows = mk_find(body, "nodes"), *gone = mk_find(body, "gone");

	if (!mk_is_array(rows))
		return;
	model_write(r->config.model);
	for (uint32_t i = 0; !delta && i < r->node_count; i++)
		*(relays ? &r->more[i].has_relay : &r->more[i].has_mbcap) = false;
	for (uint32_t i = 0; i < mk_count(rows); i++) {
		const mk_val *row = mk_at(rows, i);
		uint32_t node = live_node(r, mk_at(row, 0));

		if (node == READ_NONE)
			continue;
		relays ? live_relay_row(&r->more[node], row) : live_mbcap_row(&r->more[node], row);
	}
	for (uint32_t i = 0; i < mk_count(gone); i++) {
		uint32_t node = live_node(r, mk_at(gone, i));

		if (node != READ_NONE)
			*(relays ? &r->more[node].has_relay : &r->more[node].has_mbcap) = false;
	}
	nodes_settle(r);
	model_write_end(r->config.model, relays ? MODEL_RELAYS : MODEL_MBCAP);
}

/* --------------------------------------------------------------- database -- */

/* Another database, or the same one opened anew: begin from nothing. */
static void
live_reset(struct read *r, const char *database)
{
	model_write(r->config.model);
	(void)snprintf(r->database, sizeof(r->database), "%s", database);
	r->ready = r->warm = r->complete = false;
	r->storage_epoch++;
	r->newest_obs = r->newest_tx = INT64_MIN;
	r->tx_total = r->obs_total = 0;
	atomic_store(&r->progress, 0);
	store_clear(&r->store);
	model_write_end(r->config.model,
			MODEL_NODES | MODEL_OBSERVERS | MODEL_PACKETS | MODEL_WARM);
	db_close_idle(r);
}

static void
live_state(struct read *r, const mk_val *body)
{
	char state[16] = "", database[sizeof(r->database)] = "";
	uint64_t epoch = 0;

	mk_copy_str(mk_find(body, "state"), state, sizeof(state));
	mk_copy_str(mk_find(body, "database"), database, sizeof(database));
	mk_get_u64(mk_find(body, "epoch"), &epoch);
	if (strcmp(state, "ready") != 0 || database[0] == '\0' ||
	    (strcmp(database, r->database) == 0 && epoch == r->epoch_told))
		return;
	r->epoch_told = epoch;
	live_reset(r, database);
	load_start(r);
}

/* Packets from the beginning; who there is stays. Answers come from the database meanwhile. */
static void
live_refill(struct read *r)
{
	r->refill = atomic_load(&r->load) != NULL; /* then when that one has ended */
	if (r->refill || r->database[0] == '\0')
		return;
	model_write(r->config.model);
	r->warm = r->complete = false;
	r->newest_obs = r->newest_tx = INT64_MIN;
	store_clear(&r->store);
	model_write_end(r->config.model, MODEL_PACKETS | MODEL_WARM);
	load_start(r);
}

/* What retention deleted may have been in memory. */
static void
live_expire(struct read *r)
{
	uint64_t there = 0, txs = 0, obs = 0;
	int64_t from = INT64_MIN;
	uint32_t count;
	bool warm;

	model_read(r->config.model);
	warm = r->warm;
	count = r->store.count;
	if (count > 0)
		from = r->store.txs[0].id;
	model_read_end(r->config.model);
	if (!warm || db_totals(r, from, r->newest_tx, &there, &txs, &obs) != MK_OK)
		return;
	if (there != count) {
		live_refill(r);
		return;
	}
	model_write(r->config.model);
	r->tx_total = txs;
	r->obs_total = obs;
	model_write_end(r->config.model, MODEL_PACKETS);
}

/* Jobs tell only how many rows they have changed, and of packets nobody tells which. */
static void
live_jobs(struct read *r, const mk_val *items)
{
	static const char *const jobs[] = { "null_hash",        "from_pubkey", "channel_hash",
					    "rehash",           "path_json",   "resolved_path",
					    "retention_packets" };
	uint64_t done = 0, deleted = 0;
	bool running = false;

	for (uint32_t i = 0; i < mk_count(items); i++) {
		const mk_val *item = mk_at(items, i);
		char name[64] = "", state[16] = "";
		int64_t rows = 0;
		size_t k = 0;

		mk_copy_str(mk_find(item, "name"), name, sizeof(name));
		mk_copy_str(mk_find(item, "state"), state, sizeof(state));
		mk_get_i64(mk_find(item, "done"), &rows);
		while (k < sizeof(jobs) / sizeof(jobs[0]) && strstr(name, jobs[k]) == NULL)
			k++;
		if (k == sizeof(jobs) / sizeof(jobs[0]))
			continue;
		running |= strcmp(state, "running") == 0;
		*(strcmp(name, "retention_packets") == 0 ? &deleted : &done) += (uint64_t)rows;
	}
	if (running)
		return;
	if (r->jobs_told && done != r->jobs_done)
		live_refill(r);
	else if (r->jobs_told && deleted != r->jobs_deleted)
		live_expire(r);
	r->jobs_told = true;
	r->jobs_done = done;
	r->jobs_deleted = deleted;
}

/* --------------------------------------------------------------- messages -- */

static void
live_gap(struct read *r, const char *topic)
{
	bool rows = strcmp(topic, "packet/stored") == 0 || strcmp(topic, "node/changed") == 0 ||
		    strcmp(topic, "observer/changed") == 0;

	if (!rows)
		return;
	model_write(r->config.model);
	r->gaps++;
	model_write_end(r->config.model, 0);
	r->again = true;
}

static void
live_body(struct read *r, const mk_msg *msg, const mk_val *body)
{
	const mk_val *items = mk_find(body, "items");
	bool delta = (msg->flags & MK_MSG_DELTA) != 0;

	if (strcmp(msg->topic, "packet/stored") == 0)
		live_stored(r, items);
	else if (strcmp(msg->topic, "node/changed") == 0)
		live_rows(r, items, true);
	else if (strcmp(msg->topic, "observer/changed") == 0)
		live_rows(r, items, false);
	else if (strcmp(msg->topic, "storage/state") == 0)
		live_state(r, body);
	else if (strcmp(msg->topic, "snapshot/neighbors") == 0)
		live_graph(r, body, delta);
	else if (strcmp(msg->topic, "snapshot/mbcap") == 0)
		live_nodes(r, body, delta, false);
	else if (strcmp(msg->topic, "snapshot/relays") == 0)
		live_nodes(r, body, delta, true);
	else if (strcmp(msg->topic, "backfill/progress") == 0)
		live_jobs(r, items);
}

static bool
live_is_wanted(const char *topic)
{
	static const char *const topics[] = { "packet/stored",      "node/changed",
					      "observer/changed",   "storage/state",
					      "snapshot/neighbors", "snapshot/mbcap",
					      "snapshot/relays",    "backfill/progress" };

	for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++)
		if (strcmp(topic, topics[i]) == 0)
			return true;
	return false;
}

void
read_on_msg(struct read *r, const mk_msg *msg)
{
	if (!live_is_wanted(msg->topic))
		return;
	if ((msg->flags & MK_MSG_GAP) != 0) {
		live_gap(r, msg->topic);
	} else if (mk_doc_open(&r->doc, msg->body, msg->body_len, NULL, NULL, 0) == MK_OK) {
		live_body(r, msg, mk_doc_root(&r->doc));
		mk_doc_close(&r->doc);
	}
	if (r->again && atomic_load(&r->load) == NULL && r->database[0] != '\0')
		load_start(r);
}

/* Every second: what failed is tried again. */
bool
read_on_timer(struct read *r)
{
	bool warm;

	model_read(r->config.model);
	warm = r->warm;
	model_read_end(r->config.model);
	if (atomic_load(&r->load) != NULL || r->database[0] == '\0')
		return warm;
	if (r->refill)
		live_refill(r);
	else if (!warm || r->again || atomic_load(&r->failed))
		load_start(r);
	return warm;
}

void
read_stop(struct read *r)
{
	atomic_store(&r->stopping, true);
}
