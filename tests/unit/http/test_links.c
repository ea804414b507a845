/* SPDX-License-Identifier: MIT
 *
 * The routes about links, on a graph made here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>
#include <http/http.h>
#include <http/read/impl.h>
#include <http/server/server_impl.h>
#include <jansson.h>

#define NOW 1795243380
#define DAY 86400

/* ------------------------------------------------------------- a model by hand -- */

static struct http http;
static struct httpd server;

static uint64_t
now_us(const mk_host *host)
{
	(void)host;
	return (uint64_t)NOW * 1000000;
}

static const mk_host host = { .now_us = now_us, .wall_us = now_us };

struct person {
	const char *key, *name, *role;
	double lat, lon;
	const char *id, *iata; /* of an observer: then nothing else but `name` */
	int64_t row;
};

static const char *
person_text(void *arg, const char *column, size_t *len)
{
	const struct person *p = arg;
	const char *v = strcmp(column, "public_key") == 0 ? p->key
			: strcmp(column, "name") == 0     ? p->name
			: strcmp(column, "role") == 0     ? p->role
			: strcmp(column, "id") == 0       ? p->id
			: strcmp(column, "iata") == 0     ? p->iata
							  : NULL;

	*len = v == NULL ? 0 : strlen(v);
	return v;
}

static bool
person_integer(void *arg, const char *column, int64_t *out)
{
	const struct person *p = arg;

	*out = p->row;
	return strcmp(column, "idx") == 0;
}

static bool
person_real(void *arg, const char *column, double *out)
{
	const struct person *p = arg;
	bool lat = strcmp(column, "lat") == 0;

	*out = lat ? p->lat : p->lon;
	return p->lat != 0 && (lat || strcmp(column, "lon") == 0);
}

static void
add(const struct person *p)
{
	struct row row = { (void *)(uintptr_t)p, person_text, person_integer, person_real };

	cr_assert(p->id != NULL ? people_set_observer(http.read, &row, false)
				: people_set_node(http.read, &row, true, false));
	nodes_settle(http.read);
}

static void
node(const char *key, const char *name, double lat, double lon)
{
	add(&(struct person){
	    .key = key, .name = name, .role = "repeater", .lat = lat, .lon = lon });
}

static uint32_t
number(const char *key)
{
	return nodes_put(http.read, key, strlen(key));
}

/* A link, or an open end if `b` is NULL, seen just now by `observer`. */
static struct hops_edge *
link_of(const char *a, const char *b, const char *token, uint32_t count, const char *observer)
{
	struct hops_graph *g = &http.read->graph;
	uint32_t who = number(observer), bit = 0;
	struct hops_seen seen = { 0 };
	struct hops_edge *e = hops_graph_put(g, number(a), b == NULL ? HOPS_NONE : number(b),
					     b == NULL ? hops_token_read(token, strlen(token)) : 0);

	cr_assert_not_null(e);
	while (bit < g->observer_count && g->observers[bit] != who)
		bit++;
	g->observers[bit] = who;
	g->observer_count += bit == g->observer_count;
	e->t.count = e->t.modes[1] = count;
	e->t.first = NOW - DAY;
	e->t.last = NOW;
	hops_seen_put(&seen, bit);
	cr_assert(hops_graph_see(g, e, &seen));
	cr_assert(nodes_sync(http.read));
	nodes_settle(http.read);
	return e;
}

static void
begin(void)
{
	struct read_config config = { .host = &host, .model = &http.model, .max_bytes = 1 << 20 };

	cr_assert_eq(model_init(&http.model), MK_OK);
	cr_assert_eq(read_new(&http.read, &config), MK_OK);
	http.read->ready = http.read->warm = true;
	server.config.host = &host;
	server.config.context = &http;
}

static void
end(void)
{
	read_free(http.read);
	model_fini(&http.model);
}

TestSuite(links, .timeout = 120, .init = begin, .fini = end);

/* The answer of a route; `body` NULL: it has none. */
static json_t *
asked(const struct route *table, const char *pattern, const char *target, const char *body,
      unsigned status)
{
	static struct worker worker = { .server = &server };
	static struct conn conn = { .worker = &worker };
	struct request rq = { .conn = &conn };
	const struct route *tables[] = { table, NULL };
	struct router *router = router_new(tables);
	struct json out;
	json_t *answer;

	cr_assert_eq(target_parse(&rq.target, target, strlen(target)), TARGET_GOOD, "%s", target);
	router_find(router, body == NULL ? "GET" : "POST", &rq.target, &rq.match);
	cr_assert_not_null(rq.match.route);
	cr_assert_str_eq(rq.match.route->pattern, pattern);
	rq.route = rq.match.route;
	rq.settings = calloc(1, sizeof(*rq.settings));
	for (int i = 0; i < LIST_COUNT; i++)
		rq.settings->lists[i] = 1000;
	rq.body = (uint8_t *)(uintptr_t)body;
	rq.body_len = body == NULL ? 0 : strlen(body);
	js_init(&out, 1 << 20);
	rq.route->handle(&rq, &out);
	cr_assert_eq(rq.failed ? rq.status : 200, status, "%u %s", rq.status, rq.error);
	answer = rq.failed ? NULL : json_loadb(out.data, out.len, 0, NULL);
	cr_assert(rq.failed || answer != NULL);
	js_fini(&out);
	free(rq.settings);
	router_free(router);
	return answer;
}

static json_t *
neighbors(const char *key, const char *query)
{
	char target[256];

	(void)snprintf(target, sizeof(target), "/api/nodes/%s/neighbors%s", key, query);
	return asked(graph_routes, "/api/nodes/{pubkey}/neighbors", target, NULL, 200);
}

static const json_t *
at(const json_t *list, const char *name, size_t i)
{
	return json_array_get(json_object_get(list, name), i);
}

static json_int_t
integer(const json_t *o, const char *name)
{
	return json_integer_value(json_object_get(o, name));
}

static const char *
text(const json_t *o, const char *name)
{
	const char *v = json_string_value(json_object_get(o, name));

	return v == NULL ? "(null)" : v;
}

static size_t
length(const json_t *o, const char *name)
{
	return json_array_size(json_object_get(o, name));
}

Test(links, an_open_end_that_begins_like_one_neighbor_is_told_with_it)
{
	json_t *answer;
	const json_t *row;

	node("aa", "A", 50, 4);
	node("b0b1", "B", 50.1, 4.1);
	link_of("aa", "b0b1", NULL, 1, "w1")->t.last = NOW - 60;
	link_of("aa", NULL, "b0", 207, "w2");
	answer = neighbors("aa", "");
	cr_assert_eq(length(answer, "neighbors"), 1);
	row = at(answer, "neighbors", 0);
	cr_expect_eq(integer(row, "count"), 208);
	cr_expect_eq(integer(json_object_get(row, "counts_by_mode"), "1"), 208);
	cr_expect_str_eq(text(row, "last_seen"), "2026-11-21T06:43:00Z");
	cr_expect_str_eq(text(row, "name"), "B");
	cr_expect_eq(length(row, "observers"), 2);
	cr_expect_eq(integer(answer, "total_observations"), 208);
	cr_expect_float_eq(json_number_value(json_object_get(row, "distance_km")), 13.21, 0.02);
	json_decref(answer);
}

Test(links, an_open_end_that_two_neighbors_begin_like_stays)
{
	json_t *answer;
	const json_t *row;

	node("aa", "A", 50, 4);
	node("b0b1", "B", 0, 0);
	node("b0c2", "C", 0, 0);
	link_of("aa", "b0b1", NULL, 5, "w1");
	link_of("aa", "b0c2", NULL, 4, "w1");
	link_of("aa", NULL, "b0", 207, "w2");
	answer = neighbors("aa", "");
	cr_assert_eq(length(answer, "neighbors"), 3);
	row = at(answer, "neighbors", 0);
	cr_expect(json_is_null(json_object_get(row, "pubkey")));
	cr_expect_str_eq(text(row, "prefix"), "b0");
	cr_expect(json_is_true(json_object_get(row, "ambiguous")));
	cr_expect_eq(length(row, "candidates"), 2);
	json_decref(answer);
	answer = neighbors("AA", "?include_ambiguous=false&min_count=5");
	cr_assert_eq(length(answer, "neighbors"), 1);
	cr_expect_str_eq(text(answer, "node"), "aa");
	json_decref(answer);
}

Test(links, sightings_are_added_up_and_filtered)
{
	json_t *answer;

	node("aa", "A", 50, 4);
	node("bb", "B", 0, 0);
	link_of("aa", "bb", NULL, 100, "w1");
	link_of("aa", "ff", NULL, 10, "w1")->t.last = NOW - 700 * DAY;
	answer = neighbors("aa", "");
	cr_expect_eq(integer(answer, "total_observations"), 110);
	cr_expect(json_is_null(json_object_get(at(answer, "neighbors", 1), "name")));
	json_decref(answer);
	answer = neighbors("aa", "?min_score=0.5");
	cr_expect_eq(integer(answer, "total_observations"), 100);
	json_decref(answer);
}

static json_t *
graph(const char *query)
{
	char target[256];

	(void)snprintf(target, sizeof(target), "/api/analytics/neighbor-graph%s", query);
	return asked(graph_routes, "/api/analytics/neighbor-graph", target, NULL, 200);
}

Test(links, the_graph_is_filtered_by_count_score_role_and_region)
{
	static const struct person observers[] = {
		{ .id = "W1", .name = "first", .iata = "sjc ", .row = 1 },
		{ .id = "W2", .name = "second", .iata = "OAK", .row = 2 },
	};
	static const struct {
		const char *query;
		size_t edges, nodes;
	} cases[] = {
		{ "?min_count=1&min_score=0", 4, 4 },
		{ "", 2, 2 },
		{ "?min_score=0.0", 3, 3 },
		{ "?min_count=1&min_score=0&region=SJC", 2, 2 },
		{ "?min_count=1&min_score=0&region=oak,%20xyz", 2, 4 },
		{ "?min_count=1&min_score=0&region=XYZ", 0, 0 },
		{ "?min_count=1&min_score=0&region=All", 4, 4 },
		{ "?min_count=1&min_score=0&role=observer", 1, 2 },
		{ "?min_count=1&min_score=0&role=sensor", 0, 0 },
		{ "?min_count=-7&min_score=bad", 2, 2 },
	};
	const json_t *edge;
	json_t *answer;

	node("aa", "A", 50, 4);
	node("bb", "B", 0, 0);
	node("cc", "C", 0, 0);
	link_of("aa", "bb", NULL, 50, "w1")->t.ab = 20;
	link_of("aa", NULL, "d0", 20, "w1");
	link_of("bb", "cc", NULL, 6, "w2");
	link_of("aa", "w2", NULL, 3, "w2");
	add(&observers[0]);
	add(&observers[1]);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		answer = graph(cases[i].query);
		cr_expect_eq(length(answer, "edges"), cases[i].edges, "%s: %zu", cases[i].query,
			     length(answer, "edges"));
		cr_expect_eq(length(answer, "nodes"), cases[i].nodes, "%s: %zu", cases[i].query,
			     length(answer, "nodes"));
		json_decref(answer);
	}
	answer = graph("");
	edge = at(answer, "edges", 0);
	cr_expect_str_eq(text(edge, "source"), "aa");
	cr_expect_eq(integer(edge, "weight"), 50);
	cr_expect(json_is_true(json_object_get(edge, "bidirectional")));
	cr_expect_str_eq(text(at(answer, "edges", 1), "target"), "prefix:d0");
	cr_expect_eq(integer(json_object_get(answer, "stats"), "ambiguous_edges"), 1);
	json_decref(answer);
}

/* ----------------------------------------------------------------- paths/inspect -- */

static json_t *
inspected(const char *body)
{
	return asked(inspect_routes, "/api/paths/inspect", "/api/paths/inspect", body, 200);
}

static double
score_of(const json_t *answer, size_t i)
{
	return json_number_value(json_object_get(at(answer, "candidates", i), "score"));
}

static void
add_inspected(void)
{
	node("aabb1234", "a1", 0, 0);
	node("aacc1234", "a2", 0, 0);
	node("ccdd1111", "c1", 0, 0);
	node("ccdd5555", "c2", 0, 0);
	node("ccdd9999", "c3", 0, 0);
}

Test(links, a_first_hop_that_three_can_be_is_worth_four_fifths)
{
	json_t *answer;

	add_inspected();
	answer = inspected("{\"prefixes\":[\"cc\"]}");
	cr_assert_eq(length(answer, "candidates"), 3);
	cr_expect_float_eq(score_of(answer, 0), 0.8, 1e-9);
	json_decref(answer);
}

Test(links, a_path_without_links_is_speculative)
{
	json_t *answer;

	add_inspected();
	answer = inspected("{\"prefixes\":[\"aa\",\"CC\"],\"limit\":3}");
	cr_assert_eq(length(answer, "candidates"), 3);
	cr_expect_float_eq(score_of(answer, 0), 0.505, 1e-9);
	cr_expect(json_is_true(json_object_get(at(answer, "candidates", 0), "speculative")));
	json_decref(answer);
}

Test(links, a_path_along_a_link_is_found_and_is_not_speculative)
{
	const json_t *best, *hop;
	json_t *answer;

	add_inspected();
	link_of("aabb1234", "ccdd9999", NULL, 50, "w1");
	answer = inspected("{\"prefixes\":[\"aa\",\"cc\"]}");
	best = at(answer, "candidates", 0);
	cr_expect_float_eq(score_of(answer, 0), 0.729, 1e-9);
	cr_expect(json_is_false(json_object_get(best, "speculative")));
	cr_expect_str_eq(json_string_value(at(best, "path", 1)), "ccdd9999");
	hop = at(json_object_get(best, "evidence"), "perHop", 1);
	cr_expect_eq(integer(hop, "candidatesConsidered"), 3);
	cr_expect_eq(length(hop, "alternatives"), 2);
	cr_expect_float_eq(json_number_value(json_object_get(hop, "edgeWeight")), 0.625, 1e-9);
	json_decref(answer);
}

Test(links, a_long_path_that_many_can_be_is_searched_in_time)
{
	char body[1024] = "{\"prefixes\":[\"cc\"", key[16];
	json_t *answer;

	for (unsigned i = 0; i < 300; i++) {
		(void)snprintf(key, sizeof(key), "cc%06x", i);
		node(key, "n", 0, 0);
	}
	for (unsigned i = 1; i < 64; i++)
		(void)snprintf(body + strlen(body), sizeof(body) - strlen(body), ",\"cc\"");
	(void)snprintf(body + strlen(body), sizeof(body) - strlen(body), "],\"limit\":9999}");
	answer = inspected(body);
	cr_assert_eq(length(answer, "candidates"), 20);
	cr_expect_eq(length(at(answer, "candidates", 0), "path"), 64);
	json_decref(answer);
}

/* ---------------------------------------------------------------- debug/affinity -- */

Test(links, links_are_told_with_all_that_is_known)
{
	const json_t *edge, *open;
	json_t *answer;

	node("aa", "A", 50, 4);
	node("bb", "B", 0, 0);
	node("b0b1", "B1", 0, 0);
	node("b0b2", "B2", 0, 0);
	link_of("aa", "bb", NULL, 50, "w1")->resolved = true;
	link_of("aa", NULL, "b0", 4, "w1");
	answer = asked(affinity_routes, "/api/debug/affinity", "/api/debug/affinity", NULL, 200);
	cr_assert_eq(length(answer, "edges"), 2);
	edge = at(answer, "edges", 0);
	cr_expect(json_is_true(json_object_get(edge, "resolved")));
	cr_expect_str_eq(json_string_value(at(edge, "observers", 0)), "w1");
	open = at(answer, "resolutions", 1);
	cr_expect_str_eq(text(open, "method"), "ambiguous");
	cr_expect_eq(length(open, "candidates"), 2);
	cr_expect_eq(integer(json_object_get(answer, "stats"), "ambiguousCount"), 1);
	json_decref(answer);
	answer = asked(affinity_routes, "/api/debug/affinity", "/api/debug/affinity?prefix=B0",
		       NULL, 200);
	cr_expect_eq(length(answer, "edges"), 1);
	json_decref(answer);
	answer = asked(affinity_routes, "/api/debug/affinity", "/api/debug/affinity?node=none",
		       NULL, 200);
	cr_expect_eq(length(answer, "edges"), 0);
	json_decref(answer);
}

Test(links, nothing_is_told_before_the_database_is_read)
{
	http.read->ready = http.read->warm = false;
	(void)asked(graph_routes, "/api/analytics/neighbor-graph", "/api/analytics/neighbor-graph",
		    NULL, 503);
	(void)asked(node_routes, "/api/nodes", "/api/nodes", NULL, 503);
	(void)asked(node_one_routes, "/api/nodes/{pubkey}", "/api/nodes/aa", NULL, 503);
	(void)asked(observer_routes, "/api/observers", "/api/observers", NULL, 503);
	(void)asked(observer_metrics_routes, "/api/observers/{id}/metrics",
		    "/api/observers/x/metrics", NULL, 503);
	(void)asked(channel_routes, "/api/channels", "/api/channels", NULL, 503);
	(void)asked(channel_routes, "/api/channels/{hash}/messages", "/api/channels/x/messages",
		    NULL, 503);
	(void)asked(hop_routes, "/api/resolve-hops", "/api/resolve-hops?hops=aa", NULL, 503);
	(void)asked(hop_routes, "/api/traces/{hash}", "/api/traces/0011223344556677", NULL, 503);
}

/* --------------------------------------------------------------------- enrichment -- */

Test(links, what_a_relay_does_is_told_of_repeaters_and_rooms)
{
	static const char *const scopes[] = { "bru", "eu" };
	const struct read_relay relay = { .last_relayed = NOW - DAY,
					  .count_1h = 3,
					  .count_24h = 9,
					  .unscoped_24h = 4,
					  .scope_count = 2,
					  .scopes = scopes,
					  .bridge = 1,
					  .usefulness = 0.45 };
	const json_t *row;
	json_t *answer;

	node("aa", "A", 50, 4);
	add(&(struct person){ .key = "bb", .name = "B", .role = "companion" });
	for (uint32_t i = 0; i < 2; i++) {
		http.read->more[i].relay = relay;
		http.read->more[i].has_relay = true;
	}
	http.read->more[0].mbcap = (struct read_mbcap){
		.sup = 2, .evidence = "advert", .max_size = 3, .sizes = 6, .hash_size = 2
	};
	http.read->more[0].has_mbcap = true;
	answer = asked(node_routes, "/api/nodes", "/api/nodes?sortBy=name", NULL, 200);
	row = at(answer, "nodes", 0);
	cr_expect_str_eq(text(row, "last_relayed"), "2026-11-20T06:43:00Z");
	cr_expect(json_is_true(json_object_get(row, "relay_active")));
	cr_expect_eq(integer(row, "relay_count_24h"), 9);
	cr_expect_str_eq(text(row, "usefulness_grade"), "B");
	cr_expect_eq(length(row, "transported_scopes"), 2);
	cr_expect_str_eq(text(row, "multi_byte_status"), "confirmed");
	cr_expect_eq(integer(row, "hash_size"), 2);
	cr_expect_eq(json_integer_value(at(row, "hash_sizes_seen", 1)), 2);
	row = at(answer, "nodes", 1);
	cr_expect_null(json_object_get(row, "relay_active"));
	cr_expect_null(json_object_get(row, "multi_byte_status"));
	cr_expect(json_is_null(json_object_get(row, "hash_size")));
	json_decref(answer);
	http.read->more[0].has_relay = http.read->more[1].has_relay = false;
}
