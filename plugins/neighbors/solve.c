/* SPDX-License-Identifier: MIT */
#include "solve.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RATIO 3.0         /* how much better the best must be than the next */
#define SURE 0.67         /* share of the likelihood of all candidates that decides */
#define SAMPLES_LEAST 24u /* edges from which a reach can be learned */
#define NODES_MOST 256u   /* of which all distances are looked at for it */
#define BINS 24u
#define EARTH_KM 6371.0
#define RADIANS (3.14159265358979323846 / 180)

/* A place on the unit sphere: chords are cheaper than arcs, and as good for comparing. */
struct solve_place {
	float x, y, z;
	bool known;
};

struct solve {
	struct hops_nodes *nodes;
	const struct links *links;
	const struct solve_options *o;
	struct solve_report *report;
	struct hops_graph *g;
	struct hops_graph open; /* ends that are not decided yet */
	struct solve_place *places;
	double max_km;
	double far2;             /* no edge is longer: the square of its chord */
	double limit2[BINS];     /* distances up to here belong to a bin */
	double likelihood[BINS]; /* of an edge between two nodes that far apart */
	double anywhere;         /* and if that is not known */
	bool learned;
	bool no_memory;
};

/* Who an end may be: a node, or the candidates of a token. */
struct solve_end {
	const struct hops_candidate *list;
	struct hops_candidate one;
	uint32_t n;
	uint32_t token; /* 0: an id */
};

static void
solve_end(struct solve *s, uint32_t end, struct solve_end *out)
{
	*out = (struct solve_end){ 0 };
	if ((end & LINKS_TOKEN) == 0) {
		out->one.id = end;
		out->n = 1;
		return;
	}
	out->token = end & ~LINKS_TOKEN;
	out->n = hops_token_candidates(s->nodes, out->token, &out->list);
}

static uint32_t
solve_at(const struct solve_end *e, uint32_t i)
{
	return e->token == 0 ? e->one.id : e->list[i].id;
}

static double
solve_chord2(double km)
{
	double half = km / EARTH_KM / 2, chord = half < 1.5 ? 2 * sin(half) : 2;

	return chord * chord;
}

/* The square of the chord between two nodes, or -1 if it is not known. */
static double
solve_apart(const struct solve *s, uint32_t a, uint32_t b)
{
	const struct solve_place *p = &s->places[a], *q = &s->places[b];
	double x = (double)p->x - (double)q->x, y = (double)p->y - (double)q->y;
	double z = (double)p->z - (double)q->z;

	return p->known && q->known ? x * x + y * y + z * z : -1;
}

static void
solve_locate(struct solve *s)
{
	uint32_t n = s->nodes->ids.count;

	s->places = calloc(n + 1, sizeof(*s->places));
	if (s->places == NULL) {
		s->no_memory = true;
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		const struct hops_node *node = hops_nodes_get(s->nodes, i);

		if (node == NULL || !node->has_gps)
			continue;
		s->places[i].x = (float)(cos(node->lat * RADIANS) * cos(node->lon * RADIANS));
		s->places[i].y = (float)(cos(node->lat * RADIANS) * sin(node->lon * RADIANS));
		s->places[i].z = (float)sin(node->lat * RADIANS);
		s->places[i].known = true;
	}
}

/* A tally and who saw it. */
struct solve_sight {
	struct hops_tally t;
	struct hops_seen seen;
};

static void
solve_sight(const struct solve *s, const struct links_row *k, bool turned, struct solve_sight *x)
{
	uint32_t token = (k->from & LINKS_TOKEN) != 0 ? k->from : k->to & LINKS_TOKEN ? k->to : 0;
	uint32_t mode = HOPS_TOKEN_SIZE(token & ~LINKS_TOKEN);

	x->t = (struct hops_tally){
		.count = k->count,
		.ab = turned ? 0 : k->count,
		.first = k->first,
		.last = k->last,
		.snr_sum = k->snr_sum,
		.snr_n = k->snr_n,
	};
	x->t.modes[mode] = k->count;
	hops_sets_get(&s->links->sets, (uint32_t)(k - s->links->at), &x->seen);
}

static void
solve_merge(struct solve *s, struct hops_graph *g, struct hops_edge *e, const struct solve_sight *x,
	    bool turned)
{
	hops_tally_merge(&e->t, &x->t, turned);
	if (!hops_graph_see(g, e, &x->seen))
		s->no_memory = true;
}

/* Adds to the edge of two ids, unless they are too far apart. `x` is from a to b; `guess`: from
 * ambiguous hops, which an edge that has nothing else is marked with. */
static struct hops_edge *
solve_add(struct solve *s, uint32_t a, uint32_t b, const struct solve_sight *x, bool guess)
{
	bool turned = strcmp(s->nodes->ids.text[a], s->nodes->ids.text[b]) > 0;
	struct hops_edge *e;

	if (s->max_km > 0 && solve_apart(s, a, b) > s->far2) {
		s->g->too_far += x->t.count;
		return NULL;
	}
	e = turned ? hops_graph_put(s->g, b, a, 0) : hops_graph_put(s->g, a, b, 0);
	if (e == NULL) {
		s->no_memory = true;
		return NULL;
	}
	e->resolved = guess && (e->t.count == 0 || e->resolved);
	solve_merge(s, s->g, e, x, turned);
	return e;
}

/* ------------------------------------------------------------- certainty -- */

/* Certain enough to learn from: two ids, or a single candidate for two bytes or more. */
static bool
solve_is_sample(const struct solve_end *from, const struct solve_end *to)
{
	return from->n == 1 && to->n == 1 &&
	       (from->token == 0 || HOPS_TOKEN_SIZE(from->token) >= 2) &&
	       (to->token == 0 || HOPS_TOKEN_SIZE(to->token) >= 2) &&
	       solve_at(from, 0) != solve_at(to, 0);
}

static uint32_t
solve_bin(const struct solve *s, double apart)
{
	uint32_t i = 0;

	while (i + 1 < BINS && apart > s->limit2[i])
		i++;
	return i;
}

/* How many certain edges there are of each length, beside how many there could be: the distances
 * from some relays to all others. */
static void
solve_learn(struct solve *s)
{
	double edges[BINS] = { 0 }, pairs[BINS] = { 0 }, all_edges = 0, all_pairs = 0;
	uint32_t n = s->nodes->list_count, step = n / NODES_MOST + 1;

	for (uint32_t i = 0; i < s->links->count; i++) {
		struct solve_end from, to;
		double d;

		solve_end(s, s->links->at[i].from, &from);
		solve_end(s, s->links->at[i].to, &to);
		if (!solve_is_sample(&from, &to))
			continue;
		d = solve_apart(s, solve_at(&from, 0), solve_at(&to, 0));
		if (d >= 0 && (s->max_km <= 0 || d <= s->far2)) {
			edges[solve_bin(s, d)]++;
			all_edges++;
		}
	}
	s->learned = all_edges >= SAMPLES_LEAST;
	for (uint32_t i = 0; s->learned && i < n; i += step) {
		for (uint32_t k = 0; k < n; k++) {
			double d = solve_apart(s, s->nodes->list[i].id, s->nodes->list[k].id);

			if (d >= 0 && i != k) {
				pairs[solve_bin(s, d)]++;
				all_pairs++;
			}
		}
	}
	for (uint32_t i = 0; i < BINS; i++)
		s->likelihood[i] = (edges[i] + 0.1) / (pairs[i] + 1);
	s->anywhere = (all_edges + 0.1) / (all_pairs + 1);
}

/* How likely are two nodes neighbours? An edge that exists is certain. */
static double
solve_likelihood(const struct solve *s, uint32_t a, uint32_t b)
{
	const struct hops_edge *e = hops_graph_find(s->g, a, b, 0);
	double d = solve_apart(s, a, b);

	if (s->max_km > 0 && d > s->far2)
		return 0;
	if (e != NULL)
		return 1;
	if (!s->learned)
		return SURE / RATIO;
	return d < 0 ? s->anywhere : s->likelihood[solve_bin(s, d)];
}

/* A known end beside a token. */
static void
solve_beside(struct solve *s, const struct links_row *k, uint32_t known, const struct solve_end *e)
{
	struct hops_edge *open;
	struct solve_sight x;
	uint32_t left = 0, id = HOPS_NONE;

	solve_sight(s, k, k->from != known, &x);
	for (uint32_t i = 0; i < e->n; i++) {
		if (e->list[i].id != known) {
			id = e->list[i].id;
			left++;
		}
	}
	if (left == 1) {
		solve_add(s, known, id, &x, false);
		return;
	}
	if (left == 0 && e->n == 1)
		return; /* the known end itself, and nobody else */
	open = hops_graph_put(&s->open, known, HOPS_NONE, e->token);
	if (open == NULL)
		s->no_memory = true;
	else
		solve_merge(s, &s->open, open, &x, false);
}

static void
solve_certain(struct solve *s)
{
	for (uint32_t i = 0; i < s->links->count; i++) {
		const struct links_row *k = &s->links->at[i];
		struct solve_end from, to;
		struct solve_sight x;

		solve_end(s, k->from, &from);
		solve_end(s, k->to, &to);
		if (from.token != 0 && to.token != 0) {
			if (from.n != 1 || to.n != 1 || from.list[0].id == to.list[0].id ||
			    (HOPS_TOKEN_SIZE(from.token) == 1 && k->count < s->o->least))
				continue;
			solve_sight(s, k, false, &x);
			solve_add(s, from.list[0].id, to.list[0].id, &x, false);
		} else if (from.token != 0) {
			solve_beside(s, k, to.one.id, &from);
		} else if (to.token != 0) {
			solve_beside(s, k, from.one.id, &to);
		} else {
			solve_sight(s, k, false, &x);
			solve_add(s, from.one.id, to.one.id, &x, false);
		}
	}
}

/* ------------------------------------------------------------ open ends -- */

/* The candidate that has SURE of the likelihood of all of them. */
static uint32_t
solve_likeliest(struct solve *s, const struct hops_edge *open)
{
	struct solve_end e;
	double best = 0, sum = 0;
	uint32_t id = HOPS_NONE;

	solve_end(s, open->token | LINKS_TOKEN, &e);
	for (uint32_t i = 0; i < e.n; i++) {
		double v = e.list[i].id == open->a ? 0 : solve_likelihood(s, open->a, e.list[i].id);

		sum += v;
		if (v > best) {
			best = v;
			id = e.list[i].id;
		}
	}
	return best >= SURE * sum ? id : HOPS_NONE;
}

/* The candidate that has RATIO times as much in common with the known end as the next. */
static uint32_t
solve_most_common(struct solve *s, const struct hops_edge *open)
{
	struct solve_end e;
	double best = 0, second = 0;
	uint32_t id = HOPS_NONE;

	solve_end(s, open->token | LINKS_TOKEN, &e);
	for (uint32_t i = 0; i < e.n; i++) {
		double v;

		if (e.list[i].id == open->a || solve_likelihood(s, open->a, e.list[i].id) <= 0)
			continue;
		v = hops_jaccard(s->g, open->a, e.list[i].id);
		if (v > best) {
			second = best;
			best = v;
			id = e.list[i].id;
		} else if (v > second) {
			second = v;
		}
	}
	return best * (1 + 1e-9) >= RATIO * second ? id : HOPS_NONE;
}

/* One step for all open ends: decide first, then apply. `b` holds the decision in between. */
static void
solve_step(struct solve *s, uint32_t (*decide)(struct solve *, const struct hops_edge *),
	   uint32_t *count)
{
	for (uint32_t i = 0; i < s->open.count; i++) {
		struct hops_edge *open = &s->open.edges[i];

		if (!open->resolved && (s->learned || open->t.count >= s->o->least))
			open->b = decide(s, open);
	}
	for (uint32_t i = 0; i < s->open.count; i++) {
		struct hops_edge *open = &s->open.edges[i], *e;
		struct solve_sight x = { .t = open->t };

		if (open->resolved || open->b == HOPS_NONE)
			continue;
		hops_graph_seen(&s->open, open, &x.seen);
		e = solve_add(s, open->a, open->b, &x, true);
		if (e != NULL) {
			open->resolved = true;
			(*count)++;
		}
		open->b = HOPS_NONE;
	}
}

/* ---------------------------------------------------------------- pairs -- */

struct solve_pair {
	uint32_t link, a, b;
};

/* The pair of candidates that has SURE of the likelihood of all pairs. */
static bool
solve_pair(struct solve *s, const struct links_row *k, struct solve_pair *p)
{
	struct solve_end from, to;
	double best = 0, sum = 0;

	solve_end(s, k->from, &from);
	solve_end(s, k->to, &to);
	if (from.n * to.n <= 1)
		return false; /* decided already, or impossible */
	for (uint32_t i = 0; i < from.n; i++) {
		for (uint32_t n = 0; n < to.n; n++) {
			uint32_t a = from.list[i].id, b = to.list[n].id;
			double v = a == b ? 0 : solve_likelihood(s, a, b);

			sum += v;
			if (v > best) {
				best = v;
				p->a = a;
				p->b = b;
			}
		}
	}
	return best > 0 && best >= SURE * sum;
}

/* New edges are decided with those of the steps before, so that the order of links means nothing. */
static void
solve_pairs(struct solve *s)
{
	uint32_t n = s->links->count, found = 0;
	struct solve_pair *list = malloc((n + 1) * sizeof(*list));

	if (list == NULL) {
		s->no_memory = true;
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		const struct links_row *k = &s->links->at[i];

		list[found].link = i;
		if ((k->from & k->to & LINKS_TOKEN) != 0 && (s->learned || k->count >= s->o->least))
			found += solve_pair(s, k, &list[found]);
	}
	for (uint32_t i = 0; i < found; i++) {
		struct solve_sight x;

		solve_sight(s, &s->links->at[list[i].link], false, &x);
		solve_add(s, list[i].a, list[i].b, &x, true);
	}
	s->report->pairs = found;
	free(list);
}

/* What is left stays open, beside the edges. */
static void
solve_leave_open(struct solve *s)
{
	for (uint32_t i = 0; i < s->open.count; i++) {
		const struct hops_edge *open = &s->open.edges[i];
		struct solve_sight x = { .t = open->t };
		struct solve_end candidates;
		struct hops_edge *e;
		uint32_t who = 0;

		if (open->resolved)
			continue;
		e = hops_graph_put(s->g, open->a, HOPS_NONE, open->token);
		if (e == NULL)
			s->no_memory = true;
		if (e == NULL)
			continue;
		hops_graph_seen(&s->open, open, &x.seen);
		solve_merge(s, s->g, e, &x, false);
		solve_end(s, open->token | LINKS_TOKEN, &candidates);
		for (uint32_t k = 0; k < candidates.n; k++)
			who = (uint32_t)hops_mix((uint64_t)who << 32 | candidates.list[k].id);
		e->who = who & INT32_MAX;
	}
}

mk_result
solve_graph(struct hops_graph *graph, const struct links *links,
	    const struct solve_options *options, struct solve_report *report)
{
	struct solve s = {
		.nodes = links->nodes,
		.links = links,
		.o = options,
		.report = report,
		.g = graph,
		.max_km = options->max_km == 0 ? HOPS_MAX_KM : options->max_km,
	};

	*report = (struct solve_report){ 0 };
	hops_graph_clear(graph);
	s.far2 = solve_chord2(s.max_km);
	for (uint32_t i = 0; i < BINS; i++)
		s.limit2[i] = solve_chord2(0.35 * pow(1.45, i));
	solve_locate(&s);
	if (s.places != NULL) {
		solve_certain(&s);
		solve_learn(&s);
		solve_step(&s, solve_likeliest, &report->by_likelihood);
		solve_step(&s, solve_most_common, &report->by_neighbors);
		solve_pairs(&s);
		solve_leave_open(&s);
	}
	free(s.places);
	hops_graph_fini(&s.open);
	return s.no_memory ? MK_ENOMEM : MK_OK;
}
