/* SPDX-License-Identifier: MIT
 *
 * Who there is, what they are called, and which of them hops are: this part of the frame.
 */
#include "names.h"

#include <stdlib.h>
#include <string.h>

#include <hops/body.h>

#define NAMES_MAX 65535u

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

void
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

/* Each copy names its observer, nearly always one of a few hundred and always spelled alike. */
static uint16_t *
names_lately(struct frame *f, const char *id, size_t len)
{
	uint64_t end;

	if (id == NULL || len < sizeof(end))
		return &f->lately[0];
	memcpy(&end, id + len - sizeof(end), sizeof(end));
	return &f->lately[hops_mix(end) % FRAME_LATELY];
}

static uint16_t
names_observer_put(struct frame *f, const char *id, size_t len)
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
names_observer(struct frame *f, const char *id, size_t len)
{
	uint16_t *lately = names_lately(f, id, len);
	const char *known = *lately < f->observer_count ? f->observers[*lately].id : NULL;

	if (known != NULL && id != NULL && strlen(known) == len && memcmp(known, id, len) == 0)
		return *lately;
	*lately = names_observer_put(f, id, len);
	return *lately;
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
	uint16_t place = names_observer(f, p->key, strlen(p->key));
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
