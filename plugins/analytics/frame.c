/* SPDX-License-Identifier: MIT */
#include "frame.h"

#include <stdlib.h>
#include <string.h>

#include <hops/body.h>

#include "query.h"
#include "table.h"
#include "view.h"

#define NAMES_MAX 65535u
#define TICK_OBSERVATIONS 65536u /* what waits is counted after so many, also while reading */

/* ----------------------------------------------------------------- names -- */

static char *
frame_dup(const char *text, size_t len)
{
	char *copy = malloc(len + 1);

	if (copy != NULL) {
		memcpy(copy, text, len);
		copy[len] = '\0';
	}
	return copy;
}

static uint32_t
names_probe(const struct names *n, const char *text, size_t len)
{
	uint64_t hash = len;
	uint32_t i;

	for (size_t k = 0; k < len; k++)
		hash = (hash ^ (uint8_t)text[k]) * 0x100000001b3u;
	for (i = (uint32_t)hops_mix(hash) & (n->slot_count - 1); n->slots[i] != 0;
	     i = (i + 1) & (n->slot_count - 1)) {
		const char *there = n->text[n->slots[i]];

		if (strlen(there) == len && memcmp(there, text, len) == 0)
			break;
	}
	return i;
}

static bool
names_grow(struct names *n)
{
	uint32_t cap = n->cap == 0 ? 64 : n->cap * 2, *slots;
	char **text;

	if (n->count + 1 < n->cap)
		return true;
	text = realloc(n->text, cap * sizeof(*text));
	if (text == NULL)
		return false;
	n->text = text;
	slots = calloc((size_t)cap * 2, sizeof(*slots));
	if (slots == NULL)
		return false;
	free(n->slots);
	n->text[0] = NULL;
	n->slots = slots;
	n->slot_count = cap * 2;
	n->cap = cap;
	for (uint32_t i = 1; i <= n->count; i++)
		slots[names_probe(n, text[i], strlen(text[i]))] = i;
	return true;
}

static void
names_free(struct names *n)
{
	for (uint32_t i = 1; i <= n->count; i++)
		free(n->text[i]);
	free(n->text);
	free(n->slots);
	*n = (struct names){ 0 };
}

uint16_t
frame_text(struct frame *f, struct names *n, const char *text, size_t len)
{
	uint32_t slot;
	char *copy;

	if (text == NULL || memchr(text, '\0', len) != NULL || !names_grow(n))
		return 0;
	slot = names_probe(n, text, len);
	if (n->slots[slot] != 0)
		return (uint16_t)n->slots[slot];
	copy = n->count >= NAMES_MAX ? NULL : frame_dup(text, len);
	if (copy == NULL) {
		f->counts.refused++;
		return 0;
	}
	n->text[++n->count] = copy;
	n->slots[slot] = n->count;
	return (uint16_t)n->count;
}

/* ---------------------------------------------------------------- people -- */

static struct an_node *
frame_node(struct frame *f, uint32_t id)
{
	if (id >= f->node_cap) {
		uint32_t cap = f->node_cap == 0 ? 1024 : f->node_cap;
		struct an_node *node;

		while (cap <= id)
			cap *= 2;
		node = realloc(f->node, cap * sizeof(*node));
		if (node == NULL)
			return NULL;
		memset(node + f->node_cap, 0, (cap - f->node_cap) * sizeof(*node));
		f->node = node;
		f->node_cap = cap;
	}
	return &f->node[id];
}

static bool
frame_observer_room(struct frame *f, uint32_t id)
{
	if (f->observer_count == f->observer_cap) {
		uint32_t cap = f->observer_cap == 0 ? 64 : f->observer_cap * 2;
		struct an_observer *grown = realloc(f->observers, cap * sizeof(*grown));

		if (grown == NULL)
			return false;
		f->observers = grown;
		f->observer_cap = cap;
	}
	if (id >= f->observer_of_cap) {
		uint32_t cap = f->observer_of_cap == 0 ? 1024 : f->observer_of_cap;
		uint16_t *grown;

		while (cap <= id)
			cap *= 2;
		grown = realloc(f->observer_of, cap * sizeof(*grown));
		if (grown == NULL)
			return false;
		memset(grown + f->observer_of_cap, 0, (cap - f->observer_of_cap) * sizeof(*grown));
		f->observer_of = grown;
		f->observer_of_cap = cap;
	}
	return true;
}

static uint16_t
frame_observer_put(struct frame *f, const char *id, size_t len)
{
	uint32_t node = id == NULL ? HOPS_NONE : hops_ids_put(&f->nodes.ids, id, len);
	struct an_observer o = { .node = node };

	if (node == HOPS_NONE)
		return AN_NO_OBSERVER;
	if (node < f->observer_of_cap && f->observer_of[node] != 0)
		return (uint16_t)(f->observer_of[node] - 1);
	if (f->observer_count == FRAME_OBSERVERS_MAX || !frame_observer_room(f, node)) {
		f->counts.refused++;
		return AN_NO_OBSERVER;
	}
	o.id = frame_dup(id, len);
	if (o.id == NULL)
		return AN_NO_OBSERVER;
	f->observers[f->observer_count++] = o;
	f->observer_of[node] = (uint16_t)f->observer_count;
	f->people++;
	return (uint16_t)(f->observer_count - 1);
}

uint16_t
frame_observer(const struct frame *f, const char *id, size_t len)
{
	uint32_t node = hops_ids_find(&f->nodes.ids, id, len);

	return node < f->observer_of_cap ? (uint16_t)(f->observer_of[node] - 1) : AN_NO_OBSERVER;
}

/* Without blanks at its ends; `shift` to lower (32) or to upper case (-32). */
static void
frame_trim(char *text, int shift)
{
	char low = shift > 0 ? 'A' : 'a', high = shift > 0 ? 'Z' : 'z';
	size_t start = strspn(text, " \t\r\n"), len = strlen(text + start);

	memmove(text, text + start, len + 1);
	while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL)
		text[--len] = '\0';
	for (size_t i = 0; i < len; i++) {
		if (text[i] >= low && text[i] <= high)
			text[i] = (char)(text[i] + shift);
	}
}

static void
frame_on_observer(struct frame *f, const struct history_person *p)
{
	uint16_t place = frame_observer_put(f, p->key, strlen(p->key));
	struct an_observer *o;
	size_t len;

	if (place == AN_NO_OBSERVER)
		return;
	o = &f->observers[place];
	o->inactive = p->inactive;
	if (p->name != NULL) {
		free(o->name);
		o->name = frame_dup(p->name, strlen(p->name));
	}
	if (p->region != NULL) {
		char region[64] = "";

		len = strlen(p->region);
		memcpy(region, p->region, len < sizeof(region) ? len : sizeof(region) - 1);
		frame_trim(region, 'A' - 'a');
		memcpy(o->region, region, sizeof(o->region) - 1);
	}
}

void
frame_on_person(struct frame *f, const struct history_person *p)
{
	uint32_t id;
	struct an_node *n;

	if (p->key == NULL)
		return;
	f->people++;
	if (p->observer) {
		frame_on_observer(f, p);
		return;
	}
	id = hops_ids_put(&f->nodes.ids, p->key, strlen(p->key));
	n = id == HOPS_NONE ? NULL : frame_node(f, id);
	if (n == NULL)
		return;
	free(n->name);
	free(n->role);
	n->name = p->name == NULL ? NULL : frame_dup(p->name, strlen(p->name));
	n->role = p->role == NULL ? NULL : frame_dup(p->role, strlen(p->role));
	if (n->role != NULL)
		frame_trim(n->role, 'a' - 'A');
	n->first_seen = p->first_seen;
	n->last_seen = p->last_seen;
}

void
frame_on_people(struct frame *f)
{
	f->people++;
	for (uint32_t i = 0; i < f->node_cap; i++) {
		free(f->node[i].name);
		free(f->node[i].role);
		f->node[i] = (struct an_node){ .capability = f->node[i].capability };
	}
}

const char *
frame_key(const struct frame *f, uint32_t id)
{
	return id < f->nodes.ids.count ? f->nodes.ids.text[id] : NULL;
}

const char *
frame_name(const struct frame *f, uint32_t id)
{
	return id < f->node_cap ? f->node[id].name : NULL;
}

const char *
frame_role(const struct frame *f, uint32_t id)
{
	return id < f->node_cap ? f->node[id].role : NULL;
}

/* ------------------------------------------------------------------ hops -- */

/* Everybody who moved or came may change an answer; then all are forgotten. */
static bool
frame_hop_room(struct frame *f)
{
	uint32_t size = f->hop_size == 0 ? 1024 : f->hop_size * 2;
	struct frame_hop *old = f->hops, *grown;
	uint32_t old_size = f->hop_size;

	if (f->hops != NULL && f->hops_at != f->nodes.changes) {
		memset(f->hops, 0, f->hop_size * sizeof(*f->hops));
		f->hop_count = 0;
	}
	f->hops_at = f->nodes.changes;
	if (f->hops != NULL && f->hop_count < f->hop_size / 4 * 3)
		return true;
	grown = calloc(size, sizeof(*grown));
	if (grown == NULL)
		return false;
	for (uint32_t i = 0; i < old_size; i++) {
		uint32_t k = (uint32_t)hops_mix(old[i].token) & (size - 1);

		while (old[i].token != 0 && grown[k].token != 0)
			k = (k + 1) & (size - 1);
		if (old[i].token != 0)
			grown[k] = old[i];
	}
	free(old);
	f->hops = grown;
	f->hop_size = size;
	return true;
}

uint32_t
frame_hop(struct frame *f, uint32_t token, bool *sure)
{
	struct hops_question question = { 0 };
	char text[HOPS_TOKEN_TEXT];
	struct hops_answer answer;
	struct frame_hop *h;
	uint32_t i;

	if (token == 0 || !frame_hop_room(f))
		return HOPS_NONE;
	for (i = (uint32_t)hops_mix(token) & (f->hop_size - 1);
	     f->hops[i].token != 0 && f->hops[i].token != token;)
		i = (i + 1) & (f->hop_size - 1);
	h = &f->hops[i];
	if (h->token == 0) {
		hops_token_text(token, text);
		question.hop = text;
		question.len = strlen(text);
		answer = hops_resolve(&f->nodes, &question);
		*h = (struct frame_hop){ token, answer.id, answer.method == HOPS_UNIQUE };
		f->hop_count++;
	}
	if (sure != NULL)
		*sure = h->sure;
	return h->id;
}

void
frame_on_graph(struct frame *f, const mk_val *body, bool delta)
{
	if (hops_graph_read(&f->graph, &f->nodes.ids, body, delta) != MK_OK) {
		f->host->count(f->host, "refused_snapshots", 1);
		return;
	}
	for (uint32_t i = 0; i < f->module_count; i++) {
		if (f->modules[i].class->on_graph != NULL)
			f->modules[i].class->on_graph(f->modules[i].self);
	}
}

static struct an_node *
frame_named(struct frame *f, const mk_val *key)
{
	const char *s;
	size_t len;
	uint32_t id = mk_get_str(key, &s, &len) ? hops_ids_put(&f->nodes.ids, s, len) : HOPS_NONE;

	return id == HOPS_NONE ? NULL : frame_node(f, id);
}

void
frame_on_capability(struct frame *f, const mk_val *body, bool delta)
{
	const mk_val *nodes = mk_find(body, "nodes"), *gone = mk_find(body, "gone");

	for (uint32_t i = 0; !delta && i < f->node_cap; i++)
		f->node[i].capability = (struct an_capability){ 0 };
	for (uint32_t i = 0; i < mk_count(nodes); i++) {
		struct an_node *n = frame_named(f, mk_at(mk_at(nodes, i), 0));
		uint32_t sup = 0, size = 0;

		mk_get_u32(mk_at(mk_at(nodes, i), 1), &sup);
		mk_get_u32(mk_at(mk_at(nodes, i), 3), &size);
		if (n != NULL && sup <= 2 && size <= 3)
			n->capability = (struct an_capability){ (uint8_t)sup, (uint8_t)size };
	}
	for (uint32_t i = 0; i < mk_count(gone); i++) {
		struct an_node *n = frame_named(f, mk_at(gone, i));

		if (n != NULL)
			n->capability = (struct an_capability){ 0 };
	}
}

/* --------------------------------------------------------------- packets -- */

const json_t *
frame_json(struct frame *f, const struct an_news *news)
{
	if (f->json == NULL && news->json != NULL)
		f->json = json_loadb(news->json, news->json_len, 0, NULL);
	return f->json;
}

static int
frame_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 32);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Until the first character that is no hex digit. */
static uint32_t
frame_unhex(const char *hex, uint32_t len, uint8_t *out, uint32_t cap)
{
	uint32_t n = 0;

	for (; n < cap && 2 * n + 1 < len; n++) {
		int high = frame_digit(hex[2 * n]), low = frame_digit(hex[2 * n + 1]);

		if (high < 0 || low < 0)
			break;
		out[n] = (uint8_t)(high << 4 | low);
	}
	return n;
}

/* Route, type and size are those of the copy that was heard first, as far as it is known. */
static void
frame_read_head(struct an_packet *p, const struct an_news *news, const struct hops_obs *o)
{
	uint32_t at;

	p->route = o->route;
	p->type = o->type;
	p->size = o->size;
	p->bytes = (uint16_t)news->raw_len;
	if (news->raw_len == 0)
		return;
	at = (news->raw[0] & 3) == HOPS_ROUTE_TFLOOD || (news->raw[0] & 3) == HOPS_ROUTE_TDIRECT
		 ? 5
		 : 1;
	if (news->raw_len <= at)
		return;
	p->route = news->raw[0] & 3;
	p->type = news->raw[0] >> 2 & 15;
	p->size = (uint8_t)((news->raw[at] >> 6) + 1);
}

static void
frame_tell_packet(struct frame *f, struct an_packet *p, const struct hops_obs *o)
{
	const struct hops_packet *packet = o->packet;
	struct an_news news = { .json = packet->json,
				.json_len = packet->json_len,
				.channel = packet->channel,
				.channel_len = packet->channel_len,
				.raw = f->raw,
				.live = packet->hex == NULL };

	frame_unhex(packet->hash, packet->hash_len, p->hash, sizeof(p->hash));
	if (packet->hex != NULL) {
		news.raw_len = frame_unhex(packet->hex, packet->hex_len, f->raw, sizeof(f->raw));
	} else if (packet->raw != NULL && packet->raw_len <= sizeof(f->raw)) {
		news.raw_len = packet->raw_len;
		memcpy(f->raw, packet->raw, packet->raw_len);
	}
	frame_read_head(p, &news, o);
	if (o->from != NULL && p->type == HOPS_TYPE_ADVERT)
		p->from = hops_ids_put(&f->nodes.ids, o->from, o->from_len);
	if (packet->scoped)
		p->scope = packet->scope_len == 0
			       ? 1
			       : frame_text(f, &f->scopes, packet->scope, packet->scope_len);
	for (uint32_t i = 0; i < f->module_count; i++) {
		if (f->modules[i].class->on_packet != NULL)
			f->modules[i].class->on_packet(f->modules[i].self, p, &news);
	}
	json_decref(f->json);
	f->json = NULL;
}

static struct an_packet *
frame_new_packet(struct frame *f, const struct hops_obs *o)
{
	const struct hops_packet *packet = o->packet;
	int64_t first = packet == NULL ? 0 : packet->first > 0 ? packet->first : o->at;
	struct an_packet *p;

	/* A copy of something that is not kept any more, or never was. */
	if (packet == NULL || (packet->hex == NULL && !packet->fresh) || first < 0 ||
	    first > (int64_t)UINT32_MAX || first < f->newest - f->keep) {
		f->counts.late++;
		return NULL;
	}
	p = table_put(f, o->tx, first);
	if (p == NULL) {
		f->counts.refused++;
		return NULL;
	}
	f->counts.packets++;
	frame_tell_packet(f, p, o);
	return p;
}

void
frame_on_obs(struct frame *f, const struct hops_obs *o)
{
	struct an_packet *p = table_find(f, o->tx);

	f->counts.observations++;
	if (p == NULL)
		p = frame_new_packet(f, o);
	if (p == NULL)
		return;
	table_touch(f, p);
	if (o->packet != NULL && o->packet->hex == NULL)
		table_earlier(f, p, o->at);
	if (table_hear(p, o, frame_observer_put(f, o->observer, o->observer_len)) != MK_OK)
		f->counts.refused++;
	for (uint32_t i = 0; i < f->module_count; i++) {
		if (f->modules[i].class->on_obs != NULL)
			f->modules[i].class->on_obs(f->modules[i].self, p, o);
	}
	if (f->waiting_count >= TICK_OBSERVATIONS || f->packet_count > f->max_packets + 4096)
		table_expire(f);
}

void
frame_flush(struct frame *f)
{
	for (uint32_t i = 0; i < f->waiting_count; i++) {
		struct an_packet *p = table_at(f, f->waiting[i]);

		p->waits = false;
		if (!p->copy && !p->counted)
			frame_fold(f, p, 1);
	}
	f->waiting_count = 0;
}

const struct an_packet *
frame_find(const struct frame *f, uint64_t tx)
{
	return table_find(f, tx);
}

void
frame_each(struct frame *f, int64_t since, int64_t until,
	   void (*fn)(void *arg, const struct an_packet *p), void *arg)
{
	table_sort(f);
	for (uint32_t i = table_lower(f, since); i < f->order_count; i++) {
		const struct an_packet *p = table_at(f, f->order[i]);

		if ((int64_t)p->first > until)
			return;
		fn(arg, p);
	}
}

void
frame_set_copy(struct frame *f, const struct an_packet *packet, bool copy)
{
	struct an_packet *p = table_at(f, packet->slot);

	if (p->copy == copy)
		return;
	table_touch(f, p);
	p->copy = copy;
}

/* ------------------------------------------------------------------ life -- */

void
frame_on_live(struct frame *f)
{
	f->live = true;
	table_expire(f);
	for (uint32_t i = 0; i < f->module_count; i++) {
		if (f->modules[i].class->on_live != NULL)
			f->modules[i].class->on_live(f->modules[i].self);
	}
}

void
frame_on_tick(struct frame *f, int64_t now)
{
	table_expire(f);
	for (uint32_t i = 0; i < f->module_count; i++) {
		if (f->modules[i].class->on_tick != NULL)
			f->modules[i].class->on_tick(f->modules[i].self, now);
	}
}

uint32_t
frame_answer(struct frame *f, const char *name, const mk_val *args, struct json *out)
{
	int64_t now = (int64_t)(f->host->wall_us(f->host) / 1000000);
	struct an_query q;
	uint32_t status;

	for (uint32_t i = 0; i < f->module_count; i++) {
		const struct an_method *m = f->modules[i].class->methods;

		for (; m != NULL && m->name != NULL; m++) {
			if (strcmp(m->name, name) != 0)
				continue;
			if (query_init(&q, f, args, now) != MK_OK)
				return 503;
			frame_flush(f);
			status = m->answer(f->modules[i].self, &q, out);
			query_fini(&q);
			f->counts.answered++;
			return status;
		}
	}
	return 0;
}

static void
frame_destroy_modules(struct frame *f)
{
	while (f->module_count > 0) {
		f->module_count--;
		f->modules[f->module_count].class->destroy(f->modules[f->module_count].self);
	}
	views_free(f);
}

static mk_result
frame_create_modules(struct frame *f, const struct an_module *const *modules)
{
	mk_result rc = MK_OK;

	for (; rc == MK_OK && *modules != NULL; modules++) {
		void *self = NULL;

		if (f->module_count == FRAME_MODULES_MAX)
			return MK_EFULL;
		rc = (*modules)->create(f, &self);
		if (rc != MK_OK)
			return rc;
		f->modules[f->module_count].class = *modules;
		f->modules[f->module_count++].self = self;
	}
	return rc;
}

mk_result
frame_init(struct frame *f, const mk_host *host, const struct an_module *const *modules)
{
	mk_result rc;

	*f = (struct frame){ .host = host,
			     .keep = 30 * 86400,
			     .max_packets = 1000000,
			     .view_bytes = 8u << 20,
			     .lora = { 869600000, 62.5, 8, 5, 32 },
			     .classes = modules };
	frame_text(f, &f->scopes, "", 0);
	rc = frame_create_modules(f, modules);
	if (rc != MK_OK)
		frame_fini(f);
	return rc;
}

/* Modules begin anew too; what is known of people stays, they come again. */
mk_result
frame_clear(struct frame *f)
{
	frame_destroy_modules(f);
	table_clear(f);
	names_free(&f->channels);
	names_free(&f->senders);
	return frame_create_modules(f, f->classes);
}

void
frame_fini(struct frame *f)
{
	frame_destroy_modules(f);
	table_clear(f);
	names_free(&f->channels);
	names_free(&f->senders);
	names_free(&f->scopes);
	frame_on_people(f);
	for (uint32_t i = 0; i < f->observer_count; i++) {
		free(f->observers[i].id);
		free(f->observers[i].name);
	}
	free(f->node);
	free(f->observers);
	free(f->observer_of);
	free(f->hops);
	hops_graph_fini(&f->graph);
	hops_nodes_fini(&f->nodes);
	*f = (struct frame){ 0 };
}

size_t
frame_bytes(const struct frame *f)
{
	size_t bytes = table_bytes(f) + views_bytes(f) + f->hop_size * sizeof(*f->hops);

	for (uint32_t i = 0; i < f->module_count; i++) {
		if (f->modules[i].class->bytes != NULL)
			bytes += f->modules[i].class->bytes(f->modules[i].self);
	}
	return bytes;
}
