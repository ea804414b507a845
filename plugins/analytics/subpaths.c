/* SPDX-License-Identifier: MIT
 *
 * subpaths: which runs of hops packets take again and again. Runs are counted by the hops as packets
 * have them, and those that name the same nodes are added up when somebody asks.
 */
#include "subpaths.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "modules.h"
#include "render.h"
#include "runs.h"
#include "top.h"

#define GROUPS_MAX 16u
#define LIMIT_MAX 200u
#define TEXT_MAX 4096u
/* With more of them, runs that were taken once are left out: they are not among the first, and can
 * only add one to the same run in other hash sizes. */
#define SINGLE_MAX 20000u

struct subpaths_counts {
	struct runs runs;
	int64_t packets; /* with two hops or more */
};

static bool
subpaths_add(void *counts, const struct view *view, const struct an_packet *p, int sign)
{
	struct subpaths_counts *c = counts;

	if (p->hop_count < 2)
		return true;
	c->packets += sign;
	return runs_add(&c->runs, view->frame, p, sign);
}

static void
subpaths_fini(void *counts)
{
	runs_fini(&((struct subpaths_counts *)counts)->runs);
}

static size_t
subpaths_bytes(const void *counts)
{
	return runs_bytes(&((const struct subpaths_counts *)counts)->runs);
}

static const struct view_class subpaths_class = {
	.name = "subpaths",
	.size = sizeof(struct subpaths_counts),
	.add = subpaths_add,
	.fini = subpaths_fini,
	.bytes = subpaths_bytes,
	.area_by_hops = true,
};

void
subpath_text(struct json *j, const char *key, struct frame *f, const uint32_t *hops, uint32_t count,
	     bool upper)
{
	char text[TEXT_MAX];
	size_t len = 0;

	for (uint32_t i = 0; i < count; i++) {
		const char *name = frame_name(f, frame_hop(f, hops[i], NULL));
		char token[HOPS_TOKEN_TEXT];
		int n;

		hops_token_text(hops[i], token);
		for (char *c = token; upper && *c != '\0'; c++)
			*c = (char)(*c >= 'a' ? *c - 32 : *c);
		n = snprintf(text + len, sizeof(text) - len, "%s%s", i == 0 ? "" : " \u2192 ",
			     name == NULL || name[0] == '\0' ? token : name);
		/* A name may be cut off here, and then the last of its characters is U+FFFD. */
		len += n < 0 ? 0 : (size_t)n;
		len = len < sizeof(text) ? len : sizeof(text) - 1;
	}
	js_key(j, key);
	js_strn(j, text, len);
}

/* ---------------------------------------------------------------- groups -- */

struct found {        /* runs of the same nodes */
	uint64_t who; /* 0: free */
	int64_t count;
	uint32_t node; /* the one that shows its hops: the one counted most */
	uint32_t most; /* how often */
	uint32_t more; /* hops behind it */
};

struct subpath_group {
	uint32_t least, longest, limit;
	struct found *best;
	struct top top;
};

struct counted { /* what `best` of a group is sorted by: hops decide between equal counts */
	struct found found;
	uint32_t hops[RUNS_LONGEST], length;
};

struct search {
	struct frame *frame;
	const struct an_query *q;
	const struct subpaths_counts *counts;
	const struct runs *runs;
	uint64_t *who;   /* by node of the tree: who its hops are */
	uint8_t *length; /* 0: it is not shown */
	struct found *table;
	uint32_t size, least, longest;
	bool single; /* runs that were taken once count */
};

static int
hops_compare(const struct counted *x, const struct counted *y)
{
	for (uint32_t i = 0; i < x->length && i < y->length; i++) {
		if (x->hops[i] != y->hops[i])
			return x->hops[i] < y->hops[i] ? -1 : 1;
	}
	return (x->length > y->length) - (x->length < y->length);
}

static int
counted_compare(const void *a, const void *b)
{
	const struct counted *x = a, *y = b;

	if (x->found.count != y->found.count)
		return x->found.count > y->found.count ? -1 : 1;
	return hops_compare(x, y);
}

/* Of variants with equal counts, the one with the lower hops. */
static bool
search_prefers(const struct search *s, const struct found *one, const struct found *to)
{
	struct counted x, y;

	if (one->most != to->most)
		return one->most > to->most;
	x.length = runs_hops(s->runs, s->frame, one->node, one->more, x.hops);
	y.length = runs_hops(s->runs, s->frame, to->node, to->more, y.hops);
	return hops_compare(&x, &y) < 0;
}

static void
search_put(struct search *s, const struct found *one)
{
	uint32_t i = (uint32_t)((one->who >> 32) * s->size >> 32);
	struct found *to;
	int64_t count;

	while (s->table[i].who != 0 && s->table[i].who != one->who)
		i = i + 1 == s->size ? 0 : i + 1;
	to = &s->table[i];
	count = to->count + one->count;
	if (to->who == 0 || search_prefers(s, one, to))
		*to = *one;
	to->count = count;
}

static bool
search_shows(const struct search *s, uint32_t id)
{
	return !query_hides(s->q, id);
}

static uint64_t
search_who(const struct search *s, uint32_t token, bool *shown)
{
	uint32_t id = frame_hop(s->frame, token, NULL);

	*shown = search_shows(s, id);
	/* Ids are below 2^20, tokens above 2^24. */
	return hops_mix(id == HOPS_NONE ? token : id + 1u) | 1;
}

static uint64_t
search_join(uint64_t run, uint64_t hop)
{
	return hops_mix(run * 3 + hop) | 1;
}

/* Parents come before their children, so one pass tells who everybody is. */
static void
search_names(struct search *s)
{
	for (uint32_t i = 1; i < s->runs->count; i++) {
		const struct runs_node *n = &s->runs->nodes[i];
		bool shown;

		if (n->parent == 0) {
			s->who[i] = search_who(s, n->token, &shown);
			s->length[i] = shown;
		} else if (n->value > 0 && s->length[n->parent] != 0 && s->length[n->token] != 0) {
			s->who[i] = search_join(s->who[n->parent], s->who[n->token]);
			s->length[i] = (uint8_t)(s->length[n->parent] + 1);
		}
	}
}

static bool
search_wants(const struct search *s, uint32_t node)
{
	return s->length[node] >= s->least && s->length[node] <= s->longest &&
	       runs_count(&s->runs->nodes[node]) > (s->single ? 0u : 1u);
}

/* What follows behind a run that was taken once. */
static void
search_rest(struct search *s, uint32_t node)
{
	uint32_t hops[RUNS_LONGEST], length = s->length[node];
	uint32_t more = runs_more(s->runs, s->frame, node, length);
	struct found one = { s->who[node], 1, node, 1, 0 };

	if (more == 0)
		return;
	runs_hops(s->runs, s->frame, node, more, hops);
	while (one.more < more) {
		bool shown;

		one.who = search_join(one.who, search_who(s, hops[length + one.more], &shown));
		one.more++;
		if (!shown)
			return;
		if (length + one.more >= s->least && length + one.more <= s->longest)
			search_put(s, &one);
	}
}

static bool
search_init(struct search *s)
{
	uint32_t wanted = 0;

	s->runs = &s->counts->runs;
	s->single = s->runs->single <= SINGLE_MAX;
	s->who = calloc(s->runs->count + 1u, sizeof(*s->who));
	s->length = calloc(s->runs->count + 1u, 1);
	if (s->who == NULL || s->length == NULL)
		return false;
	search_names(s);
	for (uint32_t i = 1; i < s->runs->count; i++)
		wanted += search_wants(s, i);
	wanted += s->single ? (uint32_t)s->runs->single : 0;
	s->size = wanted + wanted / 2 + 16;
	s->table = calloc(s->size, sizeof(*s->table));
	if (s->table == NULL)
		return false;
	for (uint32_t i = 1; i < s->runs->count; i++) {
		const struct runs_node *n = &s->runs->nodes[i];

		if (search_wants(s, i))
			search_put(s, &(struct found){ s->who[i], runs_count(n), i, runs_count(n),
						       0 });
		if (s->single && runs_rest(n) != 0 && s->length[i] != 0)
			search_rest(s, i);
	}
	return true;
}

static void
search_fini(struct search *s)
{
	free(s->who);
	free(s->length);
	free(s->table);
}

static void
search_offer(const struct search *s, struct subpath_group *g, const struct found *found)
{
	const struct counted *last = g->top.list;
	struct counted one = { .found = *found };

	/* Most are rare; their hops are not looked at. */
	if (g->top.count == g->top.most && g->top.count > 0 &&
	    found->count < last[g->top.count - 1].found.count)
		return;
	one.length = runs_hops(s->runs, s->frame, found->node, found->more, one.hops);
	top_put(&g->top, &one);
}

static void
search_render(const struct search *s, const struct subpath_group *g, struct json *j)
{
	const struct counted *best = g->top.list;

	js_object(j);
	js_karray(j, "subpaths");
	for (uint32_t i = 0; i < g->top.count; i++) {
		double share = (double)best[i].found.count / (double)s->counts->packets;

		js_object(j);
		subpath_text(j, "path", s->frame, best[i].hops, best[i].length, false);
		js_karray(j, "rawHops");
		for (uint32_t k = 0; k < best[i].length; k++) {
			char token[HOPS_TOKEN_TEXT];

			hops_token_text(best[i].hops[k], token);
			js_str(j, token);
		}
		js_array_end(j);
		js_kint(j, "count", best[i].found.count);
		js_kuint(j, "hops", best[i].length);
		js_knum(j, "pct", render_round(share * 100, 1));
		js_object_end(j);
	}
	js_array_end(j);
	js_kint(j, "totalPaths", s->counts->packets);
	js_object_end(j);
}

/* All groups from one look at the counts. */
static uint32_t
search_run(struct frame *f, const struct an_query *q, struct subpath_group *groups, uint32_t n,
	   struct json *j)
{
	struct search s = { .frame = f,
			    .q = q,
			    .counts = frame_view(f, &subpaths_class, q),
			    .least = RUNS_LONGEST };
	bool ok = s.counts != NULL;

	for (uint32_t i = 0; ok && i < n; i++) {
		s.least = groups[i].least < s.least ? groups[i].least : s.least;
		s.longest = groups[i].longest > s.longest ? groups[i].longest : s.longest;
		groups[i].top =
		    (struct top){ calloc(groups[i].limit, sizeof(struct counted)),
				  sizeof(struct counted), groups[i].limit, 0, counted_compare };
		ok = groups[i].top.list != NULL;
	}
	ok = ok && search_init(&s);
	for (uint32_t k = 0; ok && k < s.size; k++) {
		for (uint32_t i = 0; s.table[k].who != 0 && i < n; i++) {
			uint32_t length = s.length[s.table[k].node] + s.table[k].more;

			if (length >= groups[i].least && length <= groups[i].longest)
				search_offer(&s, &groups[i], &s.table[k]);
		}
	}
	for (uint32_t i = 0; i < n; i++) {
		if (ok)
			search_render(&s, &groups[i], j);
		free(groups[i].top.list);
	}
	search_fini(&s);
	return ok ? 200 : 503;
}

/* --------------------------------------------------------------- answers -- */

static uint32_t
subpaths_bound(int64_t v, int64_t least, int64_t most)
{
	return (uint32_t)(v < least ? least : v > most ? most : v);
}

static uint32_t
subpaths_answer(void *self, const struct an_query *q, struct json *j)
{
	struct subpath_group g = { 0 };
	int64_t limit = query_int(q, "limit", 100);

	g.least = subpaths_bound(query_int(q, "minLen", 2), 2, RUNS_LONGEST);
	g.longest = subpaths_bound(query_int(q, "maxLen", RUNS_LONGEST), g.least, RUNS_LONGEST);
	g.limit = limit <= 0 ? 100 : subpaths_bound(limit, 1, LIMIT_MAX);
	if (search_run(((struct subpaths *)self)->frame, q, &g, 1, j) == 200)
		return 200;
	return render_error(j, 503, "out of memory");
}

static uint32_t
bulk_refuse(struct json *j, const char *what, const char *text, size_t len)
{
	char line[160];

	snprintf(line, sizeof(line), "%s: %.*s", what, (int)(len < 64 ? len : 64), text);
	return render_error(j, 200, line);
}

/* "2-2:50,3-3:30". 0: it is answered that this is none. */
static uint32_t
bulk_read(const struct an_query *q, struct subpath_group *groups, struct json *j)
{
	char text[512], *at = text;
	uint32_t n = 0;

	if (!query_text(q, "groups", text, sizeof(text)) || text[0] == '\0') {
		render_error(j, 200, "groups parameter required (e.g. groups=2-2:50,3-3:30)");
		return 0;
	}
	while (n < GROUPS_MAX) {
		size_t len = strcspn(at, ",");
		char *end;
		long least = strtol(at, &end, 10), longest = 0, limit = 0;

		if (memchr(at, ':', len) == NULL || memchr(at, '-', len) == NULL) {
			bulk_refuse(j, "invalid group format", at, len);
			return 0;
		}
		if (*end == '-')
			longest = strtol(end + 1, &end, 10);
		if (*end == ':')
			limit = strtol(end + 1, &end, 10);
		if (end != at + len || least < 2 || longest < least || limit < 1) {
			bulk_refuse(j, "invalid group", at, len);
			return 0;
		}
		groups[n++] = (struct subpath_group){
			.least = subpaths_bound(least, 2, RUNS_LONGEST + 1),
			.longest = subpaths_bound(longest, 2, RUNS_LONGEST),
			.limit = subpaths_bound(limit, 1, LIMIT_MAX),
		};
		if (at[len] == '\0')
			return n;
		at += len + 1;
	}
	render_error(j, 200, "too many groups");
	return 0;
}

static uint32_t
subpaths_bulk(void *self, const struct an_query *q, struct json *j)
{
	struct subpath_group groups[GROUPS_MAX];
	uint32_t n = bulk_read(q, groups, j);

	if (n == 0)
		return 200;
	js_object(j);
	js_karray(j, "results");
	if (search_run(((struct subpaths *)self)->frame, q, groups, n, j) != 200) {
		js_reset(j);
		return render_error(j, 503, "out of memory");
	}
	js_array_end(j);
	js_object_end(j);
	return 200;
}

static mk_result
subpaths_create(struct frame *f, void **self)
{
	struct subpaths *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return MK_ENOMEM;
	s->frame = f;
	*self = s;
	return MK_OK;
}

static const struct an_method subpaths_methods[] = { { "subpaths", subpaths_answer },
						     { "subpaths-bulk", subpaths_bulk },
						     { "subpath-detail", subpath_detail },
						     { NULL, NULL } };

const struct an_module subpaths_module = {
	.name = "subpaths",
	.create = subpaths_create,
	.destroy = free,
	.methods = subpaths_methods,
};
