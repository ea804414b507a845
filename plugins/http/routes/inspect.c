/* SPDX-License-Identifier: MIT
 *
 * Which ways a path of prefixes may have gone: a beam search over everybody
 * that the hops can be, with what the graph of links says of each pair.
 */
#include "who.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <hops/resolve.h>
#include <jansson.h>

#define INSPECT_BODY 4096u
#define PREFIXES_MAX 64u
#define BEAM 20u
#define ANSWERS_MAX 50
#define ALTERNATIVES 5u
#define SPECULATIVE 0.7

struct inspect_path {
	uint32_t ids[PREFIXES_MAX]; /* of the resolver */
	double scores[PREFIXES_MAX];
	double product;
};

struct inspect_step { /* a path of the beam, made longer */
	uint32_t from, id, order;
	double score, product;
};

struct inspect {
	struct read *r;
	int64_t now;
	char prefixes[PREFIXES_MAX][7];
	uint32_t count, limit;
	struct inspect_path *beam, *next;
	uint32_t beam_count;
	struct inspect_step *steps;
	uint32_t step_cap;
};

/* -------------------------------------------------------------------- the body
 * -- */

/* NULL: it is good. */
static const char *
inspect_prefixes(struct inspect *in, const json_t *list)
{
	size_t n = json_array_size(list);

	if (n == 0)
		return "prefixes required";
	if (n > PREFIXES_MAX)
		return "too many prefixes (max 64)";
	for (size_t i = 0; i < n; i++) {
		const char *text = json_string_value(json_array_get(list, i));
		size_t len = text == NULL ? 0 : strlen(text);

		if (len == 0 || len % 2 != 0)
			return "prefixes must be even-length hex";
		if (!who_is_hex(text, len))
			return "prefixes must be valid hex";
		if (len > 6)
			return "prefix exceeds 3 bytes";
		if (i > 0 && len != strlen(in->prefixes[0]))
			return "mixed prefix lengths not allowed";
		for (size_t k = 0; k <= len; k++)
			in->prefixes[i][k] =
			    (char)(text[k] >= 'A' && text[k] <= 'F' ? text[k] + 32 : text[k]);
		in->count++;
	}
	return NULL;
}

static const char *
inspect_read(struct request *rq, struct inspect *in)
{
	size_t len;
	const char *text = request_body(rq, &len);
	json_t *body = json_loadb(text, len, 0, NULL);
	json_int_t limit = json_integer_value(json_object_get(body, "limit"));
	const char *why = "invalid JSON";

	if (json_is_object(body))
		why = inspect_prefixes(in, json_object_get(body, "prefixes"));
	json_decref(body);
	in->limit = (uint32_t)(limit <= 0 ? 10 : limit > ANSWERS_MAX ? ANSWERS_MAX : limit);
	return why;
}

/* -------------------------------------------------------------------- the
 * search -- */

/* How likely `id` is the hop after `before`, HOPS_NONE: the first one. */
static double
inspect_score(const struct inspect *in, uint32_t before, uint32_t id, uint32_t candidates)
{
	const struct hops_edge *e = NULL;
	const struct hops_node *a, *b;
	double edge = 1, geo = 1, recency = 1, score, hours, km = 0;

	if (before != HOPS_NONE) {
		e = hops_graph_find(read_graph(in->r), before, id, 0);
		edge = e == NULL ? 0 : hops_score(&e->t, in->now);
		hours = e == NULL ? 0 : (double)(in->now - e->t.last) / 3600;
		recency = e == NULL ? 0 : hours <= 24 ? 1 : fmax(0.1, 24 / hours);
		a = hops_nodes_get(read_hops(in->r), before);
		b = hops_nodes_get(read_hops(in->r), id);
		if (a != NULL && b != NULL && a->has_gps && b->has_gps)
			km = hops_distance_km(a, b);
		geo = km > 50 ? fmax(0.1, 50 / km) : 1;
	}
	score = 0.35 * edge + 0.20 * geo + 0.15 * recency + 0.30 / candidates;
	return score < 0.05 ? 0.05 : score;
}

/* Those that are shown at all, packed to the front of `out`; the number of
 * them. */
static uint32_t
inspect_candidates(const struct inspect *in, uint32_t hop, uint32_t *out, uint32_t max)
{
	const struct hops_candidate *all = NULL;
	uint32_t n = 0, found = hops_candidates(read_hops(in->r), in->prefixes[hop],
						strlen(in->prefixes[hop]), &all);

	for (uint32_t i = 0; i < found && n < max; i++) {
		uint32_t node = read_from_hops(in->r, all[i].id);

		if (node != READ_NONE && who_is_there(read_node(in->r, node)))
			out[n++] = all[i].id;
	}
	return n;
}

/* Better ones first; of equal ones those of better paths, then by key. */
static int
inspect_order(const void *a, const void *b)
{
	const struct inspect_step *x = a, *y = b;

	if (x->product != y->product)
		return x->product < y->product ? 1 : -1;
	return x->order < y->order ? -1 : x->order > y->order;
}

#define CANDIDATES_MAX 512u

/* One hop further. False: nobody can be it, or memory is out. */
static bool
inspect_step(struct inspect *in, uint32_t hop)
{
	uint32_t list[CANDIDATES_MAX], n = inspect_candidates(in, hop, list, CANDIDATES_MAX);
	uint32_t begin = hop == 0 ? 1 : in->beam_count, count = 0;
	struct inspect_path *swap;

	for (uint32_t p = 0; p < begin; p++) {
		const struct inspect_path *path = &in->beam[p];
		uint32_t before = hop == 0 ? HOPS_NONE : path->ids[hop - 1];

		for (uint32_t i = 0; i < n; i++) {
			double score = inspect_score(in, before, list[i], n);

			in->steps[count] =
			    (struct inspect_step){ p, list[i], count, score,
						   (hop == 0 ? 1 : path->product) * score };
			count++;
		}
	}
	if (count > 1)
		qsort(in->steps, count, sizeof(*in->steps), inspect_order);
	for (uint32_t i = 0; i < count && i < BEAM; i++) {
		const struct inspect_step *step = &in->steps[i];

		in->next[i] = in->beam[step->from];
		in->next[i].ids[hop] = step->id;
		in->next[i].scores[hop] = step->score;
		in->next[i].product = step->product;
	}
	swap = in->beam;
	in->beam = in->next;
	in->next = swap;
	in->beam_count = count < BEAM ? count : BEAM;
	return count > 0;
}

/* -------------------------------------------------------------------- the
 * answer -- */

static double
inspect_round(double v)
{
	return floor(v * 1000 + 0.5) / 1000;
}

static void
inspect_put_hop(const struct inspect *in, struct json *out, const struct inspect_path *path,
		uint32_t hop)
{
	uint32_t list[CANDIDATES_MAX], n = inspect_candidates(in, hop, list, CANDIDATES_MAX);
	uint32_t before = hop == 0 ? HOPS_NONE : path->ids[hop - 1], count = 0;
	struct inspect_step *steps = in->steps;

	for (uint32_t i = 0; i < n; i++) {
		if (list[i] != path->ids[hop])
			steps[count++] =
			    (struct inspect_step){ .id = list[i],
						   .order = i,
						   .product =
						       inspect_score(in, before, list[i], n) };
	}
	if (count > 1)
		qsort(steps, count, sizeof(*steps), inspect_order);
	js_object(out);
	js_kstr(out, "prefix", in->prefixes[hop]);
	js_kuint(out, "candidatesConsidered", n);
	js_kstr(out, "chosen", read_node(in->r, read_from_hops(in->r, path->ids[hop]))->key);
	js_knum(out, "edgeWeight", inspect_round(path->scores[hop]));
	if (count > 0) {
		js_karray(out, "alternatives");
		for (uint32_t i = 0; i < count && i < ALTERNATIVES; i++) {
			uint32_t node = read_from_hops(in->r, steps[i].id);

			js_object(out);
			js_kstr(out, "publicKey", read_node(in->r, node)->key);
			js_kstr(out, "name", who_name(in->r, node));
			js_knum(out, "score", inspect_round(steps[i].product));
			js_object_end(out);
		}
		js_array_end(out);
	}
	js_object_end(out);
}

static void
inspect_put(const struct inspect *in, struct json *out, const struct inspect_path *path)
{
	double score = inspect_round(pow(path->product, 1.0 / in->count));

	js_object(out);
	js_karray(out, "path");
	for (uint32_t i = 0; i < in->count; i++)
		js_str(out, read_node(in->r, read_from_hops(in->r, path->ids[i]))->key);
	js_array_end(out);
	js_karray(out, "names");
	for (uint32_t i = 0; i < in->count; i++)
		js_str(out, who_name(in->r, read_from_hops(in->r, path->ids[i])));
	js_array_end(out);
	js_knum(out, "score", score);
	js_kbool(out, "speculative", score < SPECULATIVE);
	js_kobject(out, "evidence");
	js_karray(out, "perHop");
	for (uint32_t i = 0; i < in->count; i++)
		inspect_put_hop(in, out, path, i);
	js_array_end(out);
	js_object_end(out);
	js_object_end(out);
}

static void
inspect_answer(const struct inspect *in, struct json *out, uint64_t elapsed_us)
{
	js_object(out);
	js_karray(out, "candidates");
	for (uint32_t i = 0; i < in->beam_count && i < in->limit; i++)
		inspect_put(in, out, &in->beam[i]);
	js_array_end(out);
	js_kobject(out, "input");
	js_kuint(out, "hops", in->count);
	js_karray(out, "prefixes");
	for (uint32_t i = 0; i < in->count; i++)
		js_str(out, in->prefixes[i]);
	js_array_end(out);
	js_object_end(out);
	js_kobject(out, "stats");
	js_kuint(out, "beamWidth", BEAM);
	js_kuint(out, "elapsedMs", elapsed_us / 1000);
	js_kuint(out, "expansionsRun", (uint64_t)in->count * BEAM);
	js_object_end(out);
	js_object_end(out);
}

static void
inspect_show(struct request *rq, struct json *out)
{
	const mk_host *host = request_host(rq);
	struct inspect in = { .r = who_read(rq), .now = who_now(rq) };
	uint64_t begin = host->now_us(host);
	const char *why = inspect_read(rq, &in);

	if (!who_is_ready(rq))
		return;
	if (why != NULL) { /* CoreScope says it as JSON that calls itself text */
		request_fail(rq, 400, "{\"error\":\"%s\"}", why);
		return;
	}
	in.beam = calloc(BEAM, sizeof(*in.beam));
	in.next = calloc(BEAM, sizeof(*in.next));
	in.steps = calloc((size_t)BEAM * CANDIDATES_MAX, sizeof(*in.steps));
	if (in.beam == NULL || in.next == NULL || in.steps == NULL) {
		request_fail(rq, 500, "{\"error\":\"out of memory\"}");
	} else {
		for (uint32_t i = 0; i < in.count && inspect_step(&in, i); i++)
			;
		inspect_answer(&in, out, host->now_us(host) - begin);
	}
	free(in.beam);
	free(in.next);
	free(in.steps);
}

/* clang-format off */
const struct route inspect_routes[] = {
	{ .method = "POST", .pattern = "/api/paths/inspect", .handle = inspect_show,
	  .flags = ROUTE_PLAIN_ERRORS, .reads = MODEL_NODES | MODEL_GRAPH, .cost = 5,
	  .body_max = INSPECT_BODY, .summary = "ways that a path of prefixes may have gone",
	  .answer = "{candidates: [{path, names, score, speculative, evidence}], input, stats}" },
	{ .method = NULL },
};
/* clang-format on */
