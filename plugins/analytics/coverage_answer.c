/* SPDX-License-Identifier: MIT
 *
 * Coverage as a map (GeoJSON), of everybody or of one node, and the list of those who brought it in.
 */
#include "coverage_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cells.h"
#include "grow.h"
#include "render.h"

#define DAY_S 86400
#define SHOWN_CELLS 5000u
#define SHOWN_NODES 25u
#define BOARD_RESOLUTION 13
#define ID_TEXT 40

struct hit { /* a reception that the question is about */
	struct cell cell;
	uint32_t heard, client;
	const struct reception *r;
};

struct hits {
	struct hit *at;
	uint32_t count, cap;
};

struct want { /* which ones */
	struct coverage *c;
	const struct an_query *q;
	double box[4]; /* min lat, min lon, max lat, max lon */
	int64_t since;
	uint32_t node, client; /* or HOPS_NONE: any */
	int resolution;
};

static bool
want_takes(const struct want *w, const struct reception *r)
{
	return r->at >= w->since && r->lat >= w->box[0] && r->lat <= w->box[2] &&
	       r->lon >= w->box[1] && r->lon <= w->box[3] &&
	       (w->client == HOPS_NONE || r->client == w->client);
}

/* False: out of memory. */
static bool
want_collect(const struct want *w, struct hits *hits)
{
	for (uint32_t i = w->c->begin; i < w->c->count; i++) {
		const struct reception *r = &w->c->at[i];
		uint32_t heard;

		if (!want_takes(w, r))
			continue;
		heard = coverage_heard(w->c, r->heard);
		if (w->node != HOPS_NONE && heard != (COVERAGE_NODE | w->node))
			continue;
		if ((heard & COVERAGE_NODE) && query_hides(w->q, heard & ~COVERAGE_NODE))
			continue;
		if (!grow_to(&hits->at, &hits->cap, hits->count + 1, sizeof(*hits->at)))
			return false;
		hits->at[hits->count++] =
		    (struct hit){ cells_at(r->lat, r->lon, w->resolution), heard, r->client, r };
	}
	return true;
}

/* By cell, by who was heard, newest first. */
static int
hit_compare(const void *x, const void *y)
{
	const struct hit *a = x, *b = y;

	if (a->cell.q != b->cell.q)
		return a->cell.q < b->cell.q ? -1 : 1;
	if (a->cell.r != b->cell.r)
		return a->cell.r < b->cell.r ? -1 : 1;
	if (a->heard != b->heard)
		return a->heard < b->heard ? -1 : 1;
	return a->r->at > b->r->at ? -1 : a->r->at < b->r->at;
}

static bool
hit_is_same_cell(const struct hit *a, const struct hit *b)
{
	return a->cell.q == b->cell.q && a->cell.r == b->cell.r;
}

/* ------------------------------------------------------------------ cells -- */

struct spot { /* a cell with its hits */
	char id[ID_TEXT];
	uint32_t first, count;
};

struct voice {            /* who was heard in a cell */
	const char *name; /* NULL: not known */
	char prefix[65];
	float snr; /* of the newest */
	bool has_snr;
	uint32_t count;
};

static int
spot_compare_density(const void *x, const void *y)
{
	const struct spot *a = x, *b = y;

	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	return strcmp(a->id, b->id);
}

static int
spot_compare_id(const void *x, const void *y)
{
	return strcmp(((const struct spot *)x)->id, ((const struct spot *)y)->id);
}

static int
voice_compare(const void *x, const void *y)
{
	const struct voice *a = x, *b = y;

	if (a->has_snr != b->has_snr)
		return a->has_snr ? -1 : 1;
	if (a->has_snr && (a->snr < b->snr || a->snr > b->snr))
		return a->snr > b->snr ? -1 : 1;
	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	return strcmp(a->prefix, b->prefix);
}

static struct voice
voice_of(const struct coverage *c, const struct hit *hits, uint32_t count)
{
	struct voice v = { .has_snr = hits[0].r->has_snr, .snr = hits[0].r->snr, .count = count };

	/* The longest of what it was heard under, up to the whole key. */
	for (uint32_t i = 0; i < count; i++) {
		char token[HOPS_TOKEN_TEXT] = "";
		const char *text = token;

		if (hits[i].r->heard & COVERAGE_NODE)
			text = frame_key(c->frame, hits[i].r->heard & ~COVERAGE_NODE);
		else
			hops_token_text(hits[i].r->heard, token);
		if (strlen(text) > strlen(v.prefix))
			(void)snprintf(v.prefix, sizeof(v.prefix), "%s", text);
	}
	if (hits[0].heard & COVERAGE_NODE)
		v.name = frame_name(c->frame, hits[0].heard & ~COVERAGE_NODE);
	return v;
}

static void
spot_write_voices(const struct coverage *c, const struct hit *hits, uint32_t count,
		  struct json *out)
{
	struct voice *voices = calloc(count, sizeof(*voices));
	uint32_t n = 0;

	for (uint32_t i = 0, k; voices != NULL && i < count; i += k) {
		for (k = 1; i + k < count && hits[i + k].heard == hits[i].heard;)
			k++;
		voices[n++] = voice_of(c, &hits[i], k);
	}
	if (n > 0)
		qsort(voices, n, sizeof(*voices), voice_compare);
	js_karray(out, "nodes");
	for (uint32_t i = 0; i < n && i < SHOWN_NODES; i++) {
		js_object(out);
		js_kstr(out, "prefix", voices[i].prefix);
		if (voices[i].name != NULL)
			js_kstr(out, "name", voices[i].name);
		js_key(out, "snr");
		if (voices[i].has_snr)
			js_num(out, voices[i].snr);
		else
			js_null(out);
		js_kuint(out, "count", voices[i].count);
		js_object_end(out);
	}
	js_array_end(out);
	if (n > SHOWN_NODES)
		js_kbool(out, "nodes_truncated", true);
	free(voices);
}

static void
spot_write(const struct want *w, const struct spot *spot, const struct hit *hits, struct json *out)
{
	float best = 0;
	bool heard = false;

	for (uint32_t i = 0; i < spot->count; i++) {
		if (hits[i].r->has_snr && (!heard || hits[i].r->snr > best))
			best = hits[i].r->snr;
		heard |= hits[i].r->has_snr;
	}
	js_object(out);
	js_kstr(out, "type", "Feature");
	js_kobject(out, "geometry");
	js_kstr(out, "type", "Polygon");
	js_karray(out, "coordinates");
	js_array(out);
	for (int i = 0; i <= 6; i++) {
		double lat, lon;

		cells_corner(hits[0].cell, w->resolution, i % 6, &lat, &lon);
		js_array(out);
		js_num(out, render_round(lon, 7));
		js_num(out, render_round(lat, 7));
		js_array_end(out);
	}
	js_array_end(out);
	js_array_end(out);
	js_object_end(out);
	js_kobject(out, "properties");
	js_kstr(out, "cell", spot->id);
	js_kuint(out, "count", spot->count);
	js_key(out, "best_snr");
	if (heard)
		js_num(out, best);
	else
		js_null(out);
	js_kbool(out, "has_sig", heard);
	spot_write_voices(w->c, hits, spot->count, out);
	js_object_end(out);
	js_object_end(out);
}

static uint32_t
hits_spots(const struct hits *hits, int resolution, struct spot *spots)
{
	uint32_t n = 0;

	for (uint32_t i = 0, k; i < hits->count; i += k) {
		for (k = 1;
		     i + k < hits->count && hit_is_same_cell(&hits->at[i + k], &hits->at[i]);)
			k++;
		spots[n].first = i;
		spots[n].count = k;
		(void)snprintf(spots[n++].id, ID_TEXT, "%d:%d:%d", resolution, hits->at[i].cell.q,
			       hits->at[i].cell.r);
	}
	return n;
}

/* What was heard of a node anywhere, and by how many. */
static void
coverage_write_totals(struct want *w, struct json *out)
{
	struct hits all = { 0 };
	uint32_t clients = 0;

	w->box[0] = w->box[1] = -INFINITY;
	w->box[2] = w->box[3] = INFINITY;
	(void)want_collect(w, &all);
	for (uint32_t i = 0; i < all.count; i++) {
		uint32_t k = 0;

		while (k < i && all.at[k].client != all.at[i].client)
			k++;
		clients += k == i;
	}
	if (all.count > 0) {
		js_kuint(out, "mobile_receptions", all.count);
		js_kuint(out, "mobile_clients", clients);
	}
	free(all.at);
}

static uint32_t
coverage_write(struct want *w, bool totals, struct json *out)
{
	struct hits hits = { 0 };
	struct spot *spots = NULL;
	uint32_t n, shown;

	if (!want_collect(w, &hits) ||
	    (spots = calloc((size_t)hits.count + 1, sizeof(*spots))) == NULL) {
		free(hits.at);
		return render_error(out, 500, "out of memory");
	}
	if (hits.count > 0)
		qsort(hits.at, hits.count, sizeof(*hits.at), hit_compare);
	n = hits_spots(&hits, w->resolution, spots);
	shown = n < SHOWN_CELLS ? n : SHOWN_CELLS;
	qsort(spots, n, sizeof(*spots), spot_compare_density);
	qsort(spots, shown, sizeof(*spots), spot_compare_id);
	js_object(out);
	js_kstr(out, "type", "FeatureCollection");
	js_karray(out, "features");
	for (uint32_t i = 0; i < shown; i++)
		spot_write(w, &spots[i], &hits.at[spots[i].first], out);
	js_array_end(out);
	if (n > shown)
		js_kbool(out, "truncated", true);
	if (totals)
		coverage_write_totals(w, out);
	js_object_end(out);
	free(spots);
	free(hits.at);
	return 200;
}

/* --------------------------------------------------------------- questions -- */

/* The id of a key in the arguments. False: it was given, and there is nothing of it. */
static bool
want_id(const struct want *w, const char *name, uint32_t *id)
{
	char key[HOPS_ID_MAX + 1];

	*id = HOPS_NONE;
	if (!query_text(w->q, name, key, sizeof(key)) || key[0] == '\0')
		return true;
	*id = hops_ids_find(&w->c->frame->nodes.ids, key, strlen(key));
	return *id != HOPS_NONE;
}

static bool
want_init(struct want *w, struct coverage *c, const struct an_query *q)
{
	char box[128];
	int64_t zoom = query_int(q, "z", CELLS_MIN);

	*w = (struct want){ .c = c, .q = q, .since = INT64_MIN, .client = HOPS_NONE };
	w->resolution = (int)(zoom < CELLS_MIN ? CELLS_MIN : zoom > CELLS_MAX ? CELLS_MAX : zoom);
	return query_text(q, "bbox", box, sizeof(box)) &&
	       sscanf(box, "%lf,%lf,%lf,%lf", &w->box[0], &w->box[1], &w->box[2], &w->box[3]) == 4;
}

static uint32_t
coverage_answer(void *self, const struct an_query *q, struct json *out)
{
	int64_t days = query_int(q, "days", 7);
	struct want w;

	if (!want_init(&w, self, q))
		return render_error(out, 400, "bbox required as minLat,minLon,maxLat,maxLon");
	w.since = q->now - (days < 1 ? 1 : days > 30 ? 30 : days) * DAY_S;
	if (!want_id(&w, "node", &w.node) || !want_id(&w, "rx", &w.client))
		w.since = INT64_MAX; /* nobody */
	return coverage_write(&w, false, out);
}

static uint32_t
coverage_answer_node(void *self, const struct an_query *q, struct json *out)
{
	struct want w;

	if (!want_init(&w, self, q))
		return render_error(out, 400, "bbox required as minLat,minLon,maxLat,maxLon");
	if (!want_id(&w, "key", &w.node) || w.node == HOPS_NONE || query_hides(q, w.node))
		return render_error(out, 404, "Not found");
	return coverage_write(&w, true, out);
}

struct scorer {
	const char *key;
	uint32_t id;
	uint64_t receptions, nodes, cells;
	double score;
};

static int
scorer_compare(const void *x, const void *y)
{
	const struct scorer *a = x, *b = y;

	if (a->score < b->score || a->score > b->score)
		return a->score > b->score ? -1 : 1;
	if (a->receptions != b->receptions)
		return a->receptions > b->receptions ? -1 : 1;
	return strcmp(a->key, b->key);
}

static struct scorer *
board_put(struct scorer **board, uint32_t *count, uint32_t *cap, const struct coverage *c,
	  uint32_t id)
{
	for (uint32_t i = 0; i < *count; i++)
		if ((*board)[i].id == id)
			return &(*board)[i];
	if (!grow_to(board, cap, *count + 1, sizeof(**board)))
		return NULL;
	(*board)[*count] = (struct scorer){ .id = id, .key = frame_key(c->frame, id) };
	return &(*board)[(*count)++];
}

static int
hit_compare_client(const void *x, const void *y)
{
	const struct hit *a = x, *b = y;

	if (a->client != b->client)
		return a->client < b->client ? -1 : 1;
	return a->heard < b->heard ? -1 : a->heard > b->heard;
}

static int
hit_compare_visit(const void *x, const void *y)
{
	const struct hit *a = x, *b = y;

	if (!hit_is_same_cell(a, b))
		return a->cell.q != b->cell.q ? (a->cell.q < b->cell.q ? -1 : 1)
					      : (a->cell.r < b->cell.r ? -1 : 1);
	return a->client < b->client ? -1 : a->client > b->client;
}

/* Each cell is worth one, shared by all who have been there. */
static void
board_visits(struct hits *hits, struct scorer **board, uint32_t *count, uint32_t *cap,
	     const struct coverage *c)
{
	qsort(hits->at, hits->count, sizeof(*hits->at), hit_compare_visit);
	for (uint32_t i = 0, k; i < hits->count; i += k) {
		uint32_t clients = 0;

		for (k = 0; i + k < hits->count && hit_is_same_cell(&hits->at[i + k], &hits->at[i]);
		     k++)
			clients += k == 0 || hits->at[i + k].client != hits->at[i + k - 1].client;
		for (uint32_t n = 0; n < k; n++) {
			struct scorer *s;

			if (n > 0 && hits->at[i + n].client == hits->at[i + n - 1].client)
				continue;
			s = board_put(board, count, cap, c, hits->at[i + n].client);
			if (s == NULL)
				continue;
			s->cells++;
			s->score += 1.0 / clients;
		}
	}
}

static void
board_nodes(struct hits *hits, struct scorer **board, uint32_t *count, uint32_t *cap,
	    const struct coverage *c)
{
	qsort(hits->at, hits->count, sizeof(*hits->at), hit_compare_client);
	for (uint32_t i = 0; i < hits->count; i++) {
		struct scorer *s = board_put(board, count, cap, c, hits->at[i].client);

		if (s == NULL)
			continue;
		s->receptions++;
		s->nodes += i == 0 || hits->at[i].client != hits->at[i - 1].client ||
			    hits->at[i].heard != hits->at[i - 1].heard;
	}
}

static void
board_write(const struct coverage *c, const struct an_query *q, int64_t days,
	    const struct scorer *board, uint32_t count, struct json *out)
{
	int64_t limit = query_int(q, "limit", 20);

	limit = limit < 1 || limit > 100 ? 20 : limit;
	js_object(out);
	js_kint(out, "days", days);
	js_karray(out, "observers");
	for (uint32_t i = 0; i < count && i < limit; i++) {
		const char *name = board[i].id < c->name_cap ? c->names[board[i].id] : NULL;

		if (query_hides(q, board[i].id))
			name = NULL;
		js_object(out);
		js_kstr(out, "pubkey", board[i].key);
		js_kstr(out, "name", name != NULL ? name : "");
		js_kuint(out, "receptions", board[i].receptions);
		js_kuint(out, "nodes", board[i].nodes);
		js_kuint(out, "cells", board[i].cells);
		js_knum(out, "score", board[i].score);
		js_object_end(out);
	}
	js_array_end(out);
	js_object_end(out);
}

static uint32_t
coverage_answer_board(void *self, const struct an_query *q, struct json *out)
{
	struct coverage *c = self;
	int64_t days = query_int(q, "days", 7);
	struct want w = { .c = c,
			  .q = q,
			  .box = { -INFINITY, -INFINITY, INFINITY, INFINITY },
			  .node = HOPS_NONE,
			  .client = HOPS_NONE,
			  .resolution = BOARD_RESOLUTION };
	struct hits hits = { 0 };
	struct scorer *board = NULL;
	uint32_t count = 0, cap = 0;

	days = days < 1 ? 1 : days > 30 ? 30 : days;
	w.since = q->now - days * DAY_S;
	if (!want_collect(&w, &hits)) {
		free(hits.at);
		return render_error(out, 500, "out of memory");
	}
	if (hits.count > 0) {
		board_visits(&hits, &board, &count, &cap, c);
		board_nodes(&hits, &board, &count, &cap, c);
		qsort(board, count, sizeof(*board), scorer_compare);
	}
	board_write(c, q, days, board, count, out);
	free(board);
	free(hits.at);
	return 200;
}

const struct an_method coverage_methods[] = {
	{ "rx-coverage", coverage_answer },
	{ "node-rx-coverage", coverage_answer_node },
	{ "rx-leaderboard", coverage_answer_board },
	{ NULL, NULL },
};
