/* SPDX-License-Identifier: MIT
 *
 * How right the neighbour graph and the capabilities are: synthetic meshes, whose truth is known,
 * judged beside the rules of CoreScope on the same observations. All rules get the same list of
 * nodes, the complete one of the end, which is best for those that only look for unique prefixes.
 *
 *   precision    share of the edges told that observed packets used
 *   possible     share of the edges told that are radio links at all
 *   recall       share of the links used by observed packets, in a way that a packet tells, that are told
 *   recall_ends  the same, only first hops of adverts and last hops: all that CoreScope looks at
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <hops/resolve.h>
#include <mbcap/capability.h>
#include <meshcore/frame.h>
#include <neighbors/solve.h>
#include <sim/impl.h>

#include "figures.h"

#define KEY 64
#define TELL_EVERY 256 /* events between two looks at the truth */

/* --------------------------------------------------------------- pairs -- */

/* A set of pairs of nodes, by index. */
struct pairs {
	uint32_t n;
	uint8_t *bits;
};

static void
pairs_init(struct pairs *p, uint32_t n)
{
	p->n = n;
	p->bits = calloc(((size_t)n * n + 7) / 8, 1);
}

static size_t
pairs_at(const struct pairs *p, uint32_t a, uint32_t b)
{
	return a < b ? (size_t)a * p->n + b : (size_t)b * p->n + a;
}

static void
pairs_add(struct pairs *p, uint32_t a, uint32_t b)
{
	if (a != b && a < p->n && b < p->n)
		p->bits[pairs_at(p, a, b) / 8] |= (uint8_t)(1 << pairs_at(p, a, b) % 8);
}

static bool
pairs_has(const struct pairs *p, uint32_t a, uint32_t b)
{
	return a < p->n && b < p->n &&
	       (p->bits[pairs_at(p, a, b) / 8] >> pairs_at(p, a, b) % 8 & 1) != 0;
}

/* ---------------------------------------------------------------- world -- */

struct seen_tx {
	uint64_t hash;
	uint64_t id;
};

struct mesh {
	struct sim *sim;
	uint32_t n;
	struct hops_nodes nodes;
	uint32_t *index; /* node of the mesh by id; HOPS_NONE: not one */
	struct pairs real, used, ends;
	bool *shows;           /* a node that an observed packet shows to be capable */
	struct hops_obs **obs; /* each cut off behind its hops */
	uint32_t count;
	mk_arena arena;
	uint64_t *known; /* hash set of observations */
	uint32_t known_slots;
	FILE *truth;
	char *line;
	size_t line_cap;
	struct { /* the packet that the lines are about */
		uint64_t id;
		uint32_t from, about;
		bool flood, advert, counts;
		uint8_t size;
	} packets[65536];
};

static uint32_t
mesh_find(struct mesh *w, const char *key)
{
	uint32_t id = hops_ids_find(&w->nodes.ids, key, KEY);

	return id == HOPS_NONE || id >= w->n ? HOPS_NONE : id;
}

/* Keys come first into the directory, so that their ids are the indexes. */
static void
mesh_names(struct mesh *w)
{
	for (uint32_t i = 0; i < w->n; i++) {
		char key[KEY + 1];
		uint32_t id;

		for (uint32_t k = 0; k < 32; k++)
			snprintf(key + 2 * k, 3, "%02x", w->sim->nodes[i].id.key[k]);
		hops_nodes_put(&w->nodes, key, KEY, &id);
	}
}

static const char *
field(const char *line, const char *name)
{
	const char *at = strstr(line, name);

	return at == NULL ? NULL : at + strlen(name);
}

static void
mesh_take_packet(struct mesh *w, const char *line)
{
	uint64_t id = strtoull(field(line, "\"id\":"), NULL, 10);
	const char *about = field(line, "\"about\":\""), *size = field(line, "\"hash_size\":");

	w->packets[id % 65536].id = id;
	w->packets[id % 65536].from = mesh_find(w, field(line, "\"from\":\""));
	w->packets[id % 65536].about = about == NULL ? HOPS_NONE : mesh_find(w, about);
	w->packets[id % 65536].flood = strstr(line, "FLOOD\"") != NULL;
	w->packets[id % 65536].advert = strstr(line, "\"ADVERT\"") != NULL;
	w->packets[id % 65536].counts = strstr(line, "\"TRACE\"") == NULL;
	w->packets[id % 65536].size = (uint8_t)strtoul(size, NULL, 10);
}

/* A copy that an observer heard: which links it used, as far as the packet tells. */
static void
mesh_take_copy(struct mesh *w, char *line)
{
	uint64_t id = strtoull(field(line, "\"id\":"), NULL, 10);
	uint32_t path[256], hops = 0, from = w->packets[id % 65536].from;
	char *heard = strstr(line, "\"heard\":["), *at = strstr(line, "\"path\":[");
	bool advert = w->packets[id % 65536].advert && w->packets[id % 65536].about == from;

	if (w->packets[id % 65536].id != id || !w->packets[id % 65536].counts ||
	    strstr(heard, "observer") == NULL)
		return;
	*heard++ = '\0';
	for (at += 8; hops < 256 && (at = strchr(at, '"')) != NULL; at = strchr(at + 1, '"') + 1)
		path[hops++] = mesh_find(w, at + 1);
	if (!w->packets[id % 65536].flood && hops > 0)
		return;
	if (hops > 0 && advert) {
		pairs_add(&w->used, from, path[0]);
		pairs_add(&w->ends, from, path[0]);
	}
	if (advert && w->packets[id % 65536].size > 1 && (hops > 0 || w->packets[id % 65536].flood))
		w->shows[from] = true;
	for (uint32_t i = 0; i < hops; i++) {
		if (w->packets[id % 65536].size > 1 && path[i] < w->n)
			w->shows[path[i]] = true;
		if (i > 0)
			pairs_add(&w->used, path[i - 1], path[i]);
	}
	if (hops == 0 && !advert)
		return;
	while ((heard = strstr(heard, "\"observer\":\"")) != NULL) {
		uint32_t observer = mesh_find(w, heard += 12);

		pairs_add(&w->used, hops > 0 ? path[hops - 1] : from, observer);
		pairs_add(&w->ends, hops > 0 ? path[hops - 1] : from, observer);
	}
}

static void
mesh_read_truth(struct mesh *w)
{
	fflush(w->truth);
	rewind(w->truth);
	while (getline(&w->line, &w->line_cap, w->truth) > 0) {
		if (strstr(w->line, "{\"is\":\"packet\"") == w->line)
			mesh_take_packet(w, w->line);
		else if (strstr(w->line, "{\"is\":\"copy\"") == w->line)
			mesh_take_copy(w, w->line);
	}
	rewind(w->truth);
	if (ftruncate(fileno(w->truth), 0) != 0)
		abort();
}

/* As storage keeps it: one row for each packet, observer and path. */
static bool
mesh_is_new(struct mesh *w, uint64_t key)
{
	uint32_t i = (uint32_t)key & (w->known_slots - 1);

	while (w->known[i] != 0 && w->known[i] != key)
		i = (i + 1) & (w->known_slots - 1);
	if (w->known[i] == key)
		return false;
	w->known[i] = key;
	return true;
}

/* Everybody who is there, as after a week: adverts are rare, and a few minutes of them are not how
 * a list of nodes looks. */
static void
mesh_people(struct mesh *w)
{
	for (uint32_t i = 0; i < w->n; i++) {
		const struct node *n = &w->sim->nodes[i];
		struct hops_node node = { .there = true, .has_gps = n->says_place };

		node.relays = n->role == MC_NODE_REPEATER || n->role == MC_NODE_ROOM;
		node.lat = node.has_gps ? n->lat_e6 / 1e6 : 0;
		node.lon = node.has_gps ? n->lon_e6 / 1e6 : 0;
		hops_nodes_set(&w->nodes, w->nodes.ids.text[i], KEY, &node);
	}
}

static void
mesh_take(struct mesh *w, const struct sim_event *e)
{
	struct hops_obs taken, *o = &taken;
	size_t size;
	struct mc_frame f;
	uint64_t key = 0, tx;
	bool advert;

	if (e->kind != SIM_RECEPTION || e->repeated ||
	    mc_frame_parse(&f, e->raw, e->len) != MC_GOOD)
		return;
	advert = f.type == MC_ADVERT;
	if (advert && (e->damaged || e->forged))
		return; /* refused for its signature */
	memcpy(&tx, e->hash, sizeof(tx));
	if (e->damaged)
		tx = hops_mix(tx + e->packet * 977 + w->count);
	for (uint32_t i = 0; i < f.path_len; i++)
		key = hops_mix(key ^ f.path[i]);
	if (!mesh_is_new(w, hops_mix(key ^ tx ^ ((uint64_t)e->who << 48)) | 1))
		return;
	*o = (struct hops_obs){ .id = w->count + 1,
				.tx = tx,
				.at = (int64_t)(e->at_us / 1000000),
				.observer = sim_observer(w->sim, e->who)->id,
				.observer_len = KEY,
				.route = f.route,
				.type = f.type,
				.size = f.hash_size,
				.has_snr = true,
				.snr = (float)e->snr4 / 4 };
	if (f.type != MC_TRACE) {
		o->count = f.hops;
		for (uint32_t i = 0; i < f.hops; i++) {
			uint32_t value = 0;

			for (uint32_t k = 0; k < f.hash_size; k++)
				value = value << 8 | f.path[i * f.hash_size + k];
			o->hops[i] = HOPS_TOKEN(f.hash_size, value);
		}
	}
	if (advert) {
		char hex[KEY + 1];

		for (uint32_t k = 0; k < 32; k++)
			snprintf(hex + 2 * k, 3, "%02x", f.payload[k]);
		o->from = w->nodes.ids.text[mesh_find(w, hex)];
		o->from_len = KEY;
		o->shared = f.route == MC_TRANSPORT_DIRECT && f.hops == 0;
	}
	size = offsetof(struct hops_obs, hops) + o->count * sizeof(o->hops[0]);
	w->obs[w->count] = mk_arena_alloc(&w->arena, size);
	if (w->obs[w->count] == NULL)
		abort();
	memcpy(w->obs[w->count++], o, size);
}

struct shape {
	uint32_t nodes, observers, receptions, seeds;
};

static bool
mesh_make(struct mesh *w, const struct shape *shape, uint64_t seed, bool one_byte)
{
	const uint32_t nodes = shape->nodes, observers = shape->observers;
	const uint32_t receptions = shape->receptions;
	struct sim_options o = sim_defaults;
	mk_err err;

	o.seed = seed;
	o.nodes = nodes;
	o.observers = observers;
	o.rate = 40;
	if (o.start_us == 0)
		o.start_us = 1770000000000000u;
	if (sim_new(&o, &w->sim, &err) != MK_OK) {
		fprintf(stderr, "%s\n", err.text);
		return false;
	}
	w->n = nodes;
	w->obs = calloc(receptions + 1, sizeof(*w->obs));
	for (w->known_slots = 1; w->known_slots < receptions * 2; w->known_slots *= 2)
		;
	w->known = calloc(w->known_slots, sizeof(*w->known));
	w->shows = calloc(nodes, sizeof(*w->shows));
	w->truth = tmpfile();
	pairs_init(&w->real, nodes);
	pairs_init(&w->used, nodes);
	pairs_init(&w->ends, nodes);
	if (w->obs == NULL || w->known == NULL || w->shows == NULL || w->truth == NULL)
		return false;
	mesh_names(w);
	mesh_people(w);
	for (uint32_t i = 0; i < nodes; i++) {
		const struct node *n = &w->sim->nodes[i];

		for (uint32_t k = 0; k < n->link_count; k++)
			pairs_add(&w->real, i, w->sim->links[n->link + k].to);
		if (one_byte)
			w->sim->nodes[i].hash_size = 1;
	}
	sim_tell(w->sim, w->truth);
	for (uint32_t i = 0; w->count < receptions; i++) {
		const struct sim_event *e = sim_next(w->sim);

		if (e == NULL)
			return false;
		mesh_take(w, e);
		if (i % TELL_EVERY == 0)
			mesh_read_truth(w);
	}
	mesh_read_truth(w);
	for (uint32_t i = 0; i < observers; i++)
		hops_nodes_set_listener(&w->nodes, sim_observer(w->sim, i)->id, KEY,
					!sim_observer(w->sim, i)->repeats);
	return true;
}

static void
mesh_free(struct mesh *w)
{
	mk_arena_fini(&w->arena);
	sim_free(w->sim);
	hops_nodes_fini(&w->nodes);
	free(w->obs);
	free(w->known);
	free(w->shows);
	free(w->real.bits);
	free(w->used.bits);
	free(w->ends.bits);
	free(w->line);
	if (w->truth != NULL)
		fclose(w->truth);
}

/* --------------------------------------------------- the rules of CoreScope -- */

static void
reference_everybody(struct hops_nodes *all, const struct mesh *w)
{
	for (uint32_t i = 0; i < w->n; i++) {
		struct hops_node node = w->nodes.at[i];

		node.relays = true;
		node.listener = false;
		hops_nodes_set(all, w->nodes.ids.text[i], KEY, &node);
	}
}

static void
reference_edge(struct hops_graph *g, const struct hops_ids *ids, uint32_t a, uint32_t b,
	       const struct hops_obs *o)
{
	bool turned = strcmp(ids->text[a], ids->text[b]) > 0;
	struct hops_edge *e = turned ? hops_graph_put(g, b, a, 0) : hops_graph_put(g, a, b, 0);
	struct hops_tally t = { .count = 1, .first = (uint32_t)o->at, .last = (uint32_t)o->at };

	if (e != NULL)
		hops_tally_merge(&e->t, &t, false);
}

/* The writer: unique prefixes of all nodes, whatever the route. */
static void
reference_writer(struct mesh *w, struct hops_graph *g)
{
	struct hops_nodes all = { 0 };

	reference_everybody(&all, w);
	for (uint32_t i = 0; i < w->count; i++) {
		const struct hops_obs *o = w->obs[i];
		uint32_t from = o->from ? hops_ids_find(&all.ids, o->from, KEY) : HOPS_NONE;
		uint32_t observer = hops_ids_find(&all.ids, o->observer, KEY);
		const struct hops_candidate *list;

		if (o->count == 0) {
			if (from != HOPS_NONE && from != observer)
				reference_edge(g, &all.ids, from, observer, o);
			continue;
		}
		if (from != HOPS_NONE && hops_token_candidates(&all, o->hops[0], &list) == 1 &&
		    list[0].id != from)
			reference_edge(g, &all.ids, from, list[0].id, o);
		if (hops_token_candidates(&all, o->hops[o->count - 1], &list) == 1 &&
		    list[0].id != observer)
			reference_edge(g, &all.ids, observer, list[0].id, o);
	}
	hops_nodes_fini(&all);
}

static void
reference_candidate(struct mesh *w, struct hops_graph *g, struct hops_graph *open, uint32_t known,
		    uint32_t token, const struct hops_obs *o)
{
	const struct hops_candidate *list = NULL;
	uint32_t n = hops_token_candidates(&w->nodes, token, &list), left = 0, id = HOPS_NONE;
	const struct hops_node *a = hops_nodes_get(&w->nodes, known), *b;
	struct hops_tally t = { .count = 1, .first = (uint32_t)o->at, .last = (uint32_t)o->at };
	struct hops_edge *e;

	for (uint32_t i = 0; i < n; i++) {
		if (list[i].id != known) {
			left++;
			id = list[i].id;
		}
	}
	if (n == 1 && left == 0)
		return;
	if (left == 1) {
		b = hops_nodes_get(&w->nodes, id);
		if (!a->has_gps || !b->has_gps || hops_distance_km(a, b) <= HOPS_MAX_KM)
			reference_edge(g, &w->nodes.ids, known, id, o);
		return;
	}
	e = hops_graph_put(open, known, HOPS_NONE, token);
	if (e != NULL) {
		hops_tally_merge(&e->t, &t, false);
		e->t.observers = 1;
	}
}

static uint32_t
reference_jaccard(struct mesh *w, const struct hops_graph *g, const struct hops_edge *open)
{
	const struct hops_candidate *list = NULL;
	uint32_t n = hops_token_candidates(&w->nodes, open->token, &list), id = HOPS_NONE;
	double best = 0, second = 0;

	for (uint32_t i = 0; n >= 2 && open->t.count >= 3 && i < n; i++) {
		double j = list[i].id == open->a ? 0 : hops_jaccard(g, open->a, list[i].id);

		if (j > best) {
			second = best;
			best = j;
			id = list[i].id;
		} else if (j > second) {
			second = j;
		}
	}
	return best > 0 && best >= 3 * second ? id : HOPS_NONE;
}

/* The graph of the interface: affinity, the nearest at any distance, common neighbours. */
static void
reference_api(struct mesh *w, struct hops_graph *g)
{
	struct hops_graph open = { 0 };
	struct hops_obs none = { 0 };

	for (uint32_t i = 0; i < w->count; i++) {
		const struct hops_obs *o = w->obs[i];
		uint32_t from = o->from ? hops_ids_find(&w->nodes.ids, o->from, KEY) : HOPS_NONE;
		uint32_t observer = hops_ids_find(&w->nodes.ids, o->observer, KEY);

		if (o->count == 0 && from != HOPS_NONE && from != observer)
			reference_edge(g, &w->nodes.ids, from, observer, o);
		if (o->count > 0 && from != HOPS_NONE)
			reference_candidate(w, g, &open, from, o->hops[0], o);
		if (o->count > 0)
			reference_candidate(w, g, &open, observer, o->hops[o->count - 1], o);
	}
	for (int phase = 0; phase < 2; phase++) {
		for (uint32_t i = 0; i < open.count; i++) {
			struct hops_edge *e = &open.edges[i];
			char token[HOPS_TOKEN_TEXT];
			struct hops_question q = { .context = &e->a,
						   .context_count = 1,
						   .graph = g,
						   .now = e->t.last,
						   .hop = token,
						   .max_km = 40000 };
			struct hops_answer a;

			if (e->resolved)
				continue;
			hops_token_text(e->token, token);
			q.len = strlen(token);
			a = hops_resolve(&w->nodes, &q);
			e->b = phase == 1 ? reference_jaccard(w, g, e)
			       : a.method >= HOPS_UNIQUE && a.method <= HOPS_GEO && a.id != e->a
				   ? a.id
				   : HOPS_NONE;
		}
		for (uint32_t i = 0; i < open.count; i++) {
			struct hops_edge *e = &open.edges[i];

			if (e->resolved || e->b == HOPS_NONE)
				continue;
			none.at = e->t.last;
			reference_edge(g, &w->nodes.ids, e->a, e->b, &none);
			e->resolved = true;
		}
	}
	hops_graph_fini(&open);
}

/* -------------------------------------------------------------- judgement -- */

/* Every mesh is made from several seeds; a figure has a value for each. */
struct told_figure {
	char name[96];
	struct figure figure;
};
static struct told_figure figures[64];
static uint32_t figure_count;

static void
print(const char *name, const char *rule, const char *metric, double value)
{
	char full[96];
	uint32_t i = 0;

	snprintf(full, sizeof(full), "%s-%s", name, rule);
	while (i < figure_count && (strcmp(figures[i].name, full) != 0 ||
				    strcmp(figures[i].figure.metric, metric) != 0))
		i++;
	if (i == sizeof(figures) / sizeof(figures[0]))
		abort();
	if (i == figure_count)
		memcpy(figures[figure_count++].name, full, sizeof(full));
	figure_add(&figures[i].figure, metric, strcmp(metric, "cycle_s") != 0 ? "1" : "s", value);
}

static void
print_all(void)
{
	for (uint32_t i = 0; i < figure_count; i++)
		figure_print(&figures[i].figure, "accuracy", figures[i].name);
	memset(figures, 0, sizeof(figures));
	figure_count = 0;
}

static double
share(const struct pairs *told, const struct pairs *of)
{
	uint32_t all = 0, right = 0;

	for (uint32_t a = 0; a < of->n; a++) {
		for (uint32_t b = a + 1; b < of->n; b++) {
			all += pairs_has(of, a, b);
			right += pairs_has(of, a, b) && pairs_has(told, a, b);
		}
	}
	return all == 0 ? 1 : (double)right / all;
}

/* `certain`: without the edges that come from ambiguous hops alone. */
static void
judge(const struct mesh *w, const char *name, const char *rule, const struct hops_graph *g,
      bool certain)
{
	struct pairs told, real = w->real;
	uint32_t n = 0;

	pairs_init(&told, w->n);
	for (uint32_t i = 0; i < g->count; i++) {
		if (g->edges[i].b != HOPS_NONE && !(certain && g->edges[i].resolved)) {
			pairs_add(&told, g->edges[i].a, g->edges[i].b);
			n++;
		}
	}
	print(name, rule, "edges", n);
	print(name, rule, "precision", share(&w->used, &told));
	print(name, rule, "possible", share(&real, &told));
	print(name, rule, "recall", share(&told, &w->used));
	print(name, rule, "recall_ends", share(&told, &w->ends));
	free(told.bits);
}

static void
neighbors(struct mesh *w, const char *name)
{
	struct hops_graph g = { 0 };
	struct links links;
	struct solve_report report;
	struct timespec began, ended;
	struct solve_options options = { .least = 3, .now = w->obs[w->count - 1]->at };

	if (links_init(&links, &w->nodes, 5 * 86400, 1 << 20) != MK_OK)
		abort();
	for (uint32_t i = 0; i < w->count; i++)
		links_take(&links, w->obs[i], false);
	clock_gettime(CLOCK_MONOTONIC, &began);
	solve_graph(&g, &links, &options, &report);
	clock_gettime(CLOCK_MONOTONIC, &ended);
	print(name, "meshkern", "cycle_s",
	      (double)(ended.tv_sec - began.tv_sec) +
		  (double)(ended.tv_nsec - began.tv_nsec) / 1e9);
	judge(w, name, "meshkern", &g, false);
	judge(w, name, "meshkern-certain", &g, true);
	links_fini(&links);
	hops_graph_clear(&g);
	reference_writer(w, &g);
	judge(w, name, "corescope-stored", &g, false);
	hops_graph_clear(&g);
	reference_api(w, &g);
	judge(w, name, "corescope-api", &g, false);
	hops_graph_fini(&g);
}

/* Told as confirmed or suspected: the share that can, the share that observed packets show to, and
 * the share of those shown that is told. */
static void
judge_capable(const struct mesh *w, const char *name, const char *rule, const bool *told)
{
	uint32_t n = 0, right = 0, shown = 0, found = 0;

	for (uint32_t i = 0; i < w->n; i++) {
		n += told[i];
		right += told[i] && w->sim->nodes[i].generation > 0;
		shown += w->shows[i];
		found += told[i] && w->shows[i];
	}
	print(name, rule, "capable", n);
	print(name, rule, "capable_precision", n == 0 ? 1 : (double)right / n);
	print(name, rule, "capable_shown", n == 0 ? 1 : (double)found / n);
	print(name, rule, "capable_recall", shown == 0 ? 1 : (double)found / shown);
}

/* Everybody whose key begins like a hop of a multi-byte packet, whatever its route. */
static void
reference_capable(const struct mesh *w, bool *told)
{
	struct hops_nodes all = { 0 };

	reference_everybody(&all, w);
	for (uint32_t i = 0; i < w->count; i++) {
		const struct hops_obs *o = w->obs[i];
		bool direct = !hops_obs_is_flood(o);

		if (o->size < 2 || o->type == 8)
			continue;
		if (o->from != NULL && !(direct && o->count == 0))
			told[hops_ids_find(&w->nodes.ids, o->from, KEY)] = true;
		for (uint32_t k = 0; k < o->count; k++) {
			const struct hops_candidate *list;
			uint32_t n = hops_token_candidates(&all, o->hops[k], &list);

			for (uint32_t c = 0; c < n; c++)
				told[list[c].id] = true;
		}
	}
	hops_nodes_fini(&all);
}

static void
capability(struct mesh *w, const char *name)
{
	int64_t now = w->obs[w->count - 1]->at;
	bool *told = calloc(w->n, sizeof(*told));
	struct mbcap m;

	if (told == NULL || mbcap_init(&m, &w->nodes, 7 * 86400) != MK_OK)
		abort();
	for (uint32_t i = 0; i < w->count; i++)
		mbcap_take(&m, w->obs[i]);
	for (uint32_t i = 0; i < w->n; i++) {
		struct mbcap_entry e;

		told[i] = mbcap_find(&m, i, now, &e) && e.sup >= MBCAP_SUSPECTED;
	}
	judge_capable(w, name, "meshkern", told);
	memset(told, 0, w->n * sizeof(*told));
	reference_capable(w, told);
	judge_capable(w, name, "corescope", told);
	mbcap_fini(&m);
	free(told);
}

static void
run(const struct shape *shape, uint64_t seed, bool one_byte)
{
	struct mesh *w = calloc(1, sizeof(*w));
	char name[64];

	snprintf(name, sizeof(name), "%u-%s", shape->nodes, one_byte ? "one-byte" : "mixed");
	if (w == NULL || !mesh_make(w, shape, seed, one_byte))
		abort();
	neighbors(w, name);
	capability(w, name);
	mesh_free(w);
	free(w);
}

/* The first seed is the one on which the thresholds of plugins/neighbors/solve.c were found. */
int
main(void)
{
	static const struct shape shapes[] = { { 60, 12, 20000, 7 },
					       { 300, 30, 60000, 7 },
					       { 2000, 60, 1000000, 3 } };

	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		for (int one_byte = 1; one_byte >= 0; one_byte--) {
			for (uint64_t seed = 7; seed < 7 + shapes[i].seeds; seed++)
				run(&shapes[i], seed, one_byte != 0);
			print_all();
		}
	}
	return 0;
}
