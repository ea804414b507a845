/* SPDX-License-Identifier: MIT
 *
 * Who the hops of a packet are, one after another: a hop that several nodes may be is decided by the
 * one before it and the one behind it, once those are, and so on along the path. Two open hops
 * beside each other are decided together. What is left open is no end of a link.
 *
 * A decision is kept until distance_decide_again, so that what was counted can be taken away again.
 */
#include "distance.h"

#include <math.h>
#include <stdlib.h>

#define FARTHEST_KM 300.0 /* farther apart are no neighbours on a path */
#define EVIDENCE_RATIO 3.0
#define EVIDENCE_COUNT 3u

enum memo_kind { MEMO_WHO = 1, MEMO_BOTH, MEMO_FAR };

struct memo {         /* a decision */
	uint64_t key; /* 0: free */
	uint32_t a, b;
};

/* ------------------------------------------------------------------ memo -- */

static uint32_t
memo_probe(const struct memo *memo, uint32_t size, uint64_t key)
{
	uint32_t i = (uint32_t)((hops_mix(key) >> 32) * size >> 32);

	while (memo[i].key != 0 && memo[i].key != key)
		i = i + 1 == size ? 0 : i + 1;
	return i;
}

static bool
memo_grow(struct distance *d)
{
	uint32_t size = d->size == 0 ? 1024 : d->size * 2;
	struct memo *memo;

	if (d->count < d->size / 4 * 3)
		return true;
	memo = calloc(size, sizeof(*memo));
	if (memo == NULL)
		return false;
	for (uint32_t i = 0; i < d->size; i++) {
		if (d->memo[i].key != 0)
			memo[memo_probe(memo, size, d->memo[i].key)] = d->memo[i];
	}
	free(d->memo);
	d->memo = memo;
	d->size = size;
	return true;
}

/* Ids are below 2^20, tokens below 2^26. *fresh: it is to be decided. NULL: out of memory. */
static struct memo *
memo_get(struct distance *d, enum memo_kind kind, uint32_t a, uint32_t b, bool *fresh)
{
	uint64_t key = (uint64_t)kind << 60 | (uint64_t)(a & 0xfffffff) << 32 | b;
	struct memo *m;

	if (!memo_grow(d))
		return NULL;
	m = &d->memo[memo_probe(d->memo, d->size, key)];
	*fresh = m->key == 0;
	if (*fresh) {
		*m = (struct memo){ key, HOPS_NONE, HOPS_NONE };
		d->count++;
	}
	return m;
}

void
distance_decide_again(struct distance *d)
{
	free(d->memo);
	d->memo = NULL;
	d->size = d->count = 0;
}

size_t
distance_memo_bytes(const struct distance *d)
{
	return d->size * sizeof(struct memo);
}

/* -------------------------------------------------------------- decisions -- */

/* The only one who a token may be, or the one who is much more of a neighbour of `anchor` than any
 * other. */
static uint32_t
decide_who(struct frame *f, uint32_t anchor, uint32_t token)
{
	char text[HOPS_TOKEN_TEXT];
	struct hops_question q = { .hop = text,
				   .len = 2 * HOPS_TOKEN_SIZE(token),
				   .context = &anchor,
				   .context_count = anchor != HOPS_NONE,
				   .graph = &f->graph,
				   .now = f->newest };
	struct hops_answer answer;

	hops_token_text(token, text);
	answer = hops_resolve(&f->nodes, &q);
	return answer.method == HOPS_UNIQUE || answer.method == HOPS_AFFINITY ? answer.id
									      : HOPS_NONE;
}

static double
decide_weight(const struct frame *f, uint32_t a, uint32_t b)
{
	const struct hops_edge *e = hops_graph_find(&f->graph, a, b, 0);

	return e == NULL || e->t.count < EVIDENCE_COUNT
		   ? 0
		   : hops_score(&e->t, f->newest) * hops_confidence(&e->t);
}

/* The two candidates that are known to be neighbours, and much better known than any others. */
static void
decide_both(struct frame *f, uint32_t first, uint32_t second, struct memo *m)
{
	const struct hops_candidate *as = NULL, *bs = NULL;
	uint32_t na = hops_token_candidates(&f->nodes, first, &as);
	uint32_t nb = hops_token_candidates(&f->nodes, second, &bs);
	double best = 0, next = 0;

	for (uint32_t i = 0; i < na * nb; i++) {
		double w = decide_weight(f, as[i / nb].id, bs[i % nb].id);

		if (w > best) {
			next = best;
			best = w;
			m->a = as[i / nb].id;
			m->b = bs[i % nb].id;
		} else if (w > next) {
			next = w;
		}
	}
	if (best * (1 + 1e-9) < EVIDENCE_RATIO * next)
		m->a = m->b = HOPS_NONE;
}

/* Centimetres, or HOPS_NONE: where they are is not known, or too far. */
static uint32_t
decide_far(const struct frame *f, uint32_t a, uint32_t b)
{
	const struct hops_node *x = hops_nodes_get(&f->nodes, a), *y = hops_nodes_get(&f->nodes, b);
	double km;

	if (x == NULL || y == NULL || !x->has_gps || !y->has_gps)
		return HOPS_NONE;
	km = hops_distance_km(x, y);
	return km <= FARTHEST_KM ? (uint32_t)llround(km * 1e5) : HOPS_NONE;
}

/* ----------------------------------------------------------------- chains -- */

struct chain {
	struct distance *d;
	const struct an_packet *p;
	uint32_t *ids; /* behind that of the originator */
	bool ok;
};

static uint32_t
chain_who(struct chain *c, uint32_t anchor, uint32_t token)
{
	bool fresh;
	struct memo *m = memo_get(c->d, MEMO_WHO, anchor, token, &fresh);

	c->ok &= m != NULL;
	if (m != NULL && fresh)
		m->a = decide_who(c->d->frame, anchor, token);
	return m == NULL ? HOPS_NONE : m->a;
}

static bool
chain_has(const struct chain *c, uint32_t id)
{
	for (uint32_t i = 0; i <= c->p->hop_count; i++) {
		if (c->ids[i] == id)
			return true;
	}
	return false;
}

/* By those beside it; if they do not agree it stays open. Nobody forwards a packet twice. */
static void
chain_settle(struct chain *c, uint32_t i)
{
	uint32_t left = c->ids[i - 1], right = HOPS_NONE, token = c->p->hops[i - 1];

	if (c->ids[i] != HOPS_NONE)
		return;
	if (i < c->p->hop_count)
		right = c->ids[i + 1];
	left = left == HOPS_NONE ? HOPS_NONE : chain_who(c, left, token);
	right = right == HOPS_NONE ? HOPS_NONE : chain_who(c, right, token);
	if (left == HOPS_NONE)
		left = right;
	if ((right == HOPS_NONE || right == left) && !chain_has(c, left))
		c->ids[i] = left;
}

static void
chain_spread(struct chain *c)
{
	for (uint32_t i = 1; i <= c->p->hop_count; i++)
		chain_settle(c, i);
	for (uint32_t i = c->p->hop_count; i > 0; i--)
		chain_settle(c, i);
}

static bool
chain_settle_both(struct chain *c, uint32_t i)
{
	struct memo *m;
	bool fresh;

	if (c->ids[i] != HOPS_NONE || c->ids[i + 1] != HOPS_NONE)
		return false;
	m = memo_get(c->d, MEMO_BOTH, c->p->hops[i - 1], c->p->hops[i], &fresh);
	c->ok &= m != NULL;
	if (m != NULL && fresh)
		decide_both(c->d->frame, c->p->hops[i - 1], c->p->hops[i], m);
	if (m == NULL || m->a == HOPS_NONE || chain_has(c, m->a) || chain_has(c, m->b))
		return false;
	c->ids[i] = m->a;
	c->ids[i + 1] = m->b;
	return true;
}

bool
distance_chain(struct distance *d, const struct an_packet *p, uint32_t ids[HOPS_PATH_MAX + 1])
{
	bool flood = p->route == HOPS_ROUTE_FLOOD || p->route == HOPS_ROUTE_TFLOOD;
	struct chain c = { d, p, ids, true };
	uint32_t open = 0;
	bool more = false;

	/* Of what goes along a route, the hops that it has passed are not in the path any more. */
	ids[0] = flood ? p->from : HOPS_NONE;
	for (uint32_t i = 1; i <= p->hop_count; i++) {
		ids[i] = chain_who(&c, HOPS_NONE, p->hops[i - 1]);
		open += ids[i] == HOPS_NONE;
	}
	if (open == 0)
		return c.ok;
	chain_spread(&c);
	for (uint32_t i = 1; i < p->hop_count; i++)
		more |= chain_settle_both(&c, i);
	if (more)
		chain_spread(&c);
	return c.ok;
}

bool
distance_between(struct distance *d, uint32_t a, uint32_t b, double *km, bool *ok)
{
	struct memo *m;
	bool fresh;

	if (a == HOPS_NONE || b == HOPS_NONE || a == b)
		return false;
	m = memo_get(d, MEMO_FAR, a < b ? a : b, a < b ? b : a, &fresh);
	*ok &= m != NULL;
	if (m != NULL && fresh)
		m->a = decide_far(d->frame, a, b);
	if (m == NULL || m->a == HOPS_NONE)
		return false;
	*km = m->a / 1e5;
	return true;
}
