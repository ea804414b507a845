/* SPDX-License-Identifier: MIT */
#include "capability.h"

#include <stdlib.h>
#include <string.h>

#define TOKEN_SLOTS 4096u

const char *
mbcap_sup_text(int64_t sup)
{
	return sup == MBCAP_CONFIRMED   ? "confirmed"
	       : sup == MBCAP_SUSPECTED ? "suspected"
					: "unknown";
}

const char *
mbcap_evidence_text(enum mbcap_evidence evidence)
{
	return evidence == MBCAP_ADVERT ? "advert" : evidence == MBCAP_PATH ? "path" : "";
}

mk_result
mbcap_init(struct mbcap *m, struct hops_nodes *nodes, int64_t window)
{
	*m = (struct mbcap){ .nodes = nodes, .window = window };
	m->tokens = calloc(TOKEN_SLOTS, sizeof(*m->tokens));
	if (m->tokens == NULL)
		return MK_ENOMEM;
	m->token_slots = TOKEN_SLOTS;
	return MK_OK;
}

static void
mbcap_free_nodes(struct mbcap *m)
{
	for (uint32_t i = 0; i < m->cap; i++)
		free(m->at[i].adverts);
}

void
mbcap_fini(struct mbcap *m)
{
	mbcap_free_nodes(m);
	free(m->at);
	free(m->tokens);
	*m = (struct mbcap){ 0 };
}

void
mbcap_clear(struct mbcap *m)
{
	mbcap_free_nodes(m);
	if (m->cap > 0)
		memset(m->at, 0, m->cap * sizeof(*m->at));
	memset(m->tokens, 0, m->token_slots * sizeof(*m->tokens));
	m->token_count = 0;
	m->day_count = 0;
	m->cursor = 0;
}

struct mbcap_node *
mbcap_node_put(struct mbcap *m, uint32_t id)
{
	uint32_t cap = m->cap == 0 ? 256 : m->cap;
	struct mbcap_node *at;

	while (id >= cap)
		cap *= 2;
	if (cap != m->cap) {
		at = realloc(m->at, cap * sizeof(*at));
		if (at == NULL) {
			m->refused++;
			return NULL;
		}
		memset(at + m->cap, 0, (cap - m->cap) * sizeof(*at));
		m->at = at;
		m->cap = cap;
	}
	return &m->at[id];
}

static struct mbcap_token *
mbcap_token_slot(const struct mbcap *m, uint32_t token)
{
	uint32_t mask = m->token_slots - 1, i = (uint32_t)hops_mix(token) & mask;

	while (m->tokens[i].token != 0 && m->tokens[i].token != token)
		i = (i + 1) & mask;
	return &m->tokens[i];
}

/* Into a table of so many slots, without those that are all older than `since`. */
static bool
mbcap_rehash(struct mbcap *m, uint32_t slots, int64_t since)
{
	struct mbcap_token *old = m->tokens, *tokens = calloc(slots, sizeof(*tokens));
	uint32_t old_slots = m->token_slots;

	if (tokens == NULL)
		return false;
	m->tokens = tokens;
	m->token_slots = slots;
	m->token_count = 0;
	for (uint32_t i = 0; i < old_slots; i++) {
		if (old[i].token == 0 || (old[i].at[0] < since && old[i].at[1] < since))
			continue;
		*mbcap_token_slot(m, old[i].token) = old[i];
		m->token_count++;
	}
	free(old);
	return true;
}

struct mbcap_token *
mbcap_token_put(struct mbcap *m, uint32_t token)
{
	struct mbcap_token *t = mbcap_token_slot(m, token);

	if (t->token != 0)
		return t;
	if (m->token_count >= MBCAP_TOKENS_MAX ||
	    (m->token_count >= m->token_slots / 2 && !mbcap_rehash(m, m->token_slots * 2, 0))) {
		m->refused++;
		return NULL;
	}
	t = mbcap_token_slot(m, token);
	t->token = token;
	m->token_count++;
	return t;
}

/* Adverts stay in order of time, and of two at once the later transmission is the later one. Copies
 * of one advert are one, at the time of the first. */
void
mbcap_advert(struct mbcap *m, uint32_t id, uint64_t tx, int64_t at_ms, uint8_t size)
{
	struct mbcap_node *n = mbcap_node_put(m, id);
	struct mbcap_advert *a;
	uint32_t i;

	if (n == NULL || size < 1 || size > 3)
		return;
	if (at_ms / 1000 > n->advert_at[size])
		n->advert_at[size] = at_ms / 1000;
	n->changed = true;
	for (i = 0; i < n->count && n->adverts[i].tx != tx; i++)
		;
	if (i < n->count) {
		at_ms = n->adverts[i].at_ms < at_ms ? n->adverts[i].at_ms : at_ms;
		memmove(n->adverts + i, n->adverts + i + 1, (n->count - i - 1u) * sizeof(*a));
		n->count--;
	}
	if (n->count == n->cap && n->cap < MBCAP_ADVERTS_MAX) {
		uint8_t cap = n->cap == 0 ? 4 : (uint8_t)(n->cap * 2);

		a = realloc(n->adverts, cap * sizeof(*a));
		if (a == NULL) {
			m->refused++;
			return;
		}
		n->adverts = a;
		n->cap = cap;
	}
	for (i = n->count; i > 0; i--) {
		a = &n->adverts[i - 1];
		if (a->at_ms < at_ms || (a->at_ms == at_ms && a->tx < tx))
			break;
	}
	if (n->count == n->cap) { /* the oldest goes, which may be this one */
		if (i == 0)
			return;
		memmove(n->adverts, n->adverts + 1, (n->count - 1u) * sizeof(*a));
		n->count--;
		i--;
	}
	memmove(n->adverts + i + 1, n->adverts + i, (n->count - i) * sizeof(*a));
	n->adverts[i] = (struct mbcap_advert){ at_ms, tx, size };
	n->count++;
}

static void
mbcap_take_path(struct mbcap *m, const struct hops_obs *o)
{
	for (uint32_t i = 0; i < o->count; i++) {
		struct mbcap_token *t = mbcap_token_put(m, o->hops[i]);

		if (t == NULL)
			continue;
		if (o->at > t->at[o->size - 2]) {
			t->at[o->size - 2] = o->at;
			t->changed = true;
		}
	}
}

void
mbcap_take(struct mbcap *m, const struct hops_obs *o)
{
	bool flood = hops_obs_is_flood(o);
	uint32_t id;

	m->cursor = o->id > m->cursor ? o->id : m->cursor;
	m->observations++;
	/* A direct advert without hops says nothing: old firmware writes size 1 into it whatever it
	 * is set to. */
	if (o->type == HOPS_TYPE_ADVERT && o->from != NULL && (flood || o->count > 0) &&
	    o->size >= 1 && o->size <= 3 &&
	    hops_nodes_put(m->nodes, o->from, o->from_len, &id) != NULL)
		mbcap_advert(m, id, o->tx, o->at * 1000, o->size);
	if (flood && o->type != HOPS_TYPE_TRACE && (o->size == 2 || o->size == 3))
		mbcap_take_path(m, o);
}

/* -------------------------------------------------------------- judging -- */

static void
mbcap_judge_path(const struct mbcap *m, uint32_t id, int64_t since, struct mbcap_entry *e)
{
	const char *key = m->nodes->ids.text[id];
	size_t len = strlen(key);

	for (size_t size = 3; size >= 1 && e->sup == MBCAP_UNKNOWN; size--) {
		uint32_t token = len < 2 * size ? 0 : hops_token_read(key, 2 * size);
		const struct mbcap_token *t = token == 0 ? NULL : mbcap_token_slot(m, token);
		const struct hops_candidate *list;
		uint8_t with;

		if (t == NULL || t->token == 0 || (t->at[0] < since && t->at[1] < since))
			continue;
		with = t->at[1] >= since ? 3 : 2;
		e->sup = MBCAP_SUSPECTED;
		e->evidence = MBCAP_PATH;
		e->size = with;
		e->evidence_at = t->at[with - 2];
		e->candidates = hops_token_candidates(m->nodes, token, &list);
	}
}

/* Settled is who sent three alike at last; changing twice or more before that is flip-flop. */
static void
mbcap_judge_sizes(const struct mbcap_node *n, int64_t since, struct mbcap_entry *e)
{
	uint32_t first = 0, changes = 0, count;

	while (first < n->count && n->adverts[first].at_ms / 1000 < since)
		first++;
	count = n->count - first;
	for (uint32_t i = first; i < n->count; i++) {
		e->sizes |= (uint8_t)(1 << n->adverts[i].size);
		changes += i > first && n->adverts[i].size != n->adverts[i - 1].size;
		e->hash_size = n->adverts[i].size;
	}
	e->inconsistent = count >= 3 && changes >= 2 &&
			  !(n->adverts[n->count - 1].size == n->adverts[n->count - 2].size &&
			    n->adverts[n->count - 2].size == n->adverts[n->count - 3].size);
}

bool
mbcap_find(const struct mbcap *m, uint32_t id, int64_t now, struct mbcap_entry *e)
{
	static const struct mbcap_node none;
	const struct mbcap_node *n = id < m->cap ? &m->at[id] : &none;
	const struct hops_node *who = hops_nodes_get(m->nodes, id);
	int64_t since = now - m->window, multi;

	since = since > 1 ? since : 1; /* 0 is never */
	*e = (struct mbcap_entry){ .size = 1 };
	if (id >= m->nodes->ids.count || ((who == NULL || !who->there) && n->count == 0))
		return false;
	mbcap_judge_sizes(n, since, e);
	for (uint8_t size = 3; size >= 2 && e->sup == MBCAP_UNKNOWN; size--) {
		if (n->advert_at[size] < since)
			continue;
		e->sup = MBCAP_CONFIRMED;
		e->evidence = MBCAP_ADVERT;
		e->size = size;
		e->evidence_at = n->advert_at[size];
	}
	if (e->sup == MBCAP_UNKNOWN && who != NULL && who->there && who->relays && !who->listener)
		mbcap_judge_path(m, id, since, e);
	/* It was confirmed once, sends adverts of one byte since, and relays at most. */
	multi = n->advert_at[2] > n->advert_at[3] ? n->advert_at[2] : n->advert_at[3];
	e->downgrade = e->sup == MBCAP_SUSPECTED && multi > 0 && n->advert_at[1] > multi &&
		       n->advert_at[1] >= since;
	return true;
}

/* ---------------------------------------------------------------- trend -- */

const struct mbcap_day *
mbcap_day_find(const struct mbcap *m, int64_t day)
{
	for (uint32_t i = m->day_count; i > 0 && m->days[i - 1].day >= day; i--) {
		if (m->days[i - 1].day == day)
			return &m->days[i - 1];
	}
	return NULL;
}

/* A clock may go back: what was noted of later days stays. */
void
mbcap_day_put(struct mbcap *m, const struct mbcap_day *day)
{
	uint32_t i = m->day_count;

	while (i > 0 && m->days[i - 1].day > day->day)
		i--;
	if (i > 0 && m->days[i - 1].day == day->day) {
		m->days[i - 1] = *day;
		return;
	}
	if (m->day_count == MBCAP_DAYS_MAX) {
		if (i == 0)
			return;
		memmove(m->days, m->days + 1, --i * sizeof(*m->days));
		m->day_count--;
	} else {
		memmove(m->days + i + 1, m->days + i, (m->day_count - i) * sizeof(*m->days));
	}
	m->days[i] = *day;
	m->day_count++;
}

void
mbcap_prune(struct mbcap *m, int64_t now)
{
	int64_t since = now - m->window;

	for (uint32_t i = 0; i < m->cap; i++) {
		struct mbcap_node *n = &m->at[i];
		uint8_t old = 0;

		while (old < n->count && n->adverts[old].at_ms / 1000 < since)
			old++;
		if (old == 0)
			continue;
		n->count = (uint8_t)(n->count - old);
		memmove(n->adverts, n->adverts + old, n->count * sizeof(*n->adverts));
	}
	mbcap_rehash(m, m->token_slots, since);
}

void
mbcap_settled(struct mbcap *m)
{
	for (uint32_t i = 0; i < m->cap; i++)
		m->at[i].changed = false;
	for (uint32_t i = 0; i < m->token_slots; i++)
		m->tokens[i].changed = false;
}

size_t
mbcap_memory(const struct mbcap *m)
{
	size_t bytes = m->cap * sizeof(*m->at) + m->token_slots * sizeof(*m->tokens);

	for (uint32_t i = 0; i < m->cap; i++)
		bytes += m->at[i].cap * sizeof(*m->at[i].adverts);
	return bytes;
}
