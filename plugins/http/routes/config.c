/* SPDX-License-Identifier: MIT
 *
 * What pages ask for first: options, areas, and the area that hides nodes. The latter
 * belongs to the decode plugin, which marks what is foreign; it is set there by a call and comes back
 * as decode/area.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "../http.h"

#define AREA_US 10000000u
#define BUFFER_MAX 20000.0

static void
config_send(struct request *rq, struct json *out, enum settings_page page)
{
	const char *text = request_settings(rq)->pages[page];

	js_text(out, text, strlen(text) - 1); /* the end of the line comes by itself */
}

static void
config_cache(struct request *rq, struct json *out)
{
	config_send(rq, out, PAGE_CACHE);
}

static void
config_client(struct request *rq, struct json *out)
{
	config_send(rq, out, PAGE_CLIENT);
}

static void
config_theme(struct request *rq, struct json *out)
{
	config_send(rq, out, PAGE_THEME);
}

static void
config_map(struct request *rq, struct json *out)
{
	config_send(rq, out, PAGE_MAP);
}

static void
config_areas(struct request *rq, struct json *out)
{
	config_send(rq, out, PAGE_AREAS);
}

static void
config_polygons(struct request *rq, struct json *out)
{
	config_send(rq, out, PAGE_POLYGONS);
}

/* ------------------------------------------------------------ geo filter -- */

void
config_note_area(struct http *h, const struct event *e)
{
	static const char *const sides[] = { "lat_min", "lat_max", "lon_min", "lon_max" };
	struct mc_area area = { 0 };
	double *const values[] = { &area.lat_min, &area.lat_max, &area.lon_min, &area.lon_max };
	struct mc_point *points = NULL;
	const mk_val *root = NULL, *polygon;
	uint32_t n;
	mk_doc doc;

	mk_doc_init(&doc);
	if (mk_doc_open(&doc, e->body, e->len, NULL, NULL, 0) == MK_OK)
		root = mk_doc_root(&doc);
	polygon = mk_find(root, "polygon");
	n = mk_is_array(polygon) ? mk_count(polygon) : 0;
	points = n >= 3 && n <= MC_AREA_POINTS_MAX ? calloc(n, sizeof(*points)) : NULL;
	for (uint32_t i = 0; points != NULL && i < n; i++)
		if (mk_get_f64(mk_at(mk_at(polygon, i), 0), &points[i].lat) &&
		    mk_get_f64(mk_at(mk_at(polygon, i), 1), &points[i].lon))
			area.count++;
	mk_get_f64(mk_find(root, "buffer_km"), &area.buffer_km);
	area.has_box = true;
	for (uint32_t i = 0; i < 4; i++)
		area.has_box = mk_get_f64(mk_find(root, sides[i]), values[i]) && area.has_box;
	mk_doc_fini(&doc);
	free((void *)(uintptr_t)h->area.points);
	area.points = points;
	h->area = area;
}

static void
filter_put(struct json *out, const struct mc_area *area)
{
	js_key(out, "polygon");
	if (area->count >= 3) {
		js_array(out);
		for (uint32_t i = 0; i < area->count; i++) {
			js_array(out);
			js_num(out, area->points[i].lat);
			js_num(out, area->points[i].lon);
			js_array_end(out);
		}
		js_array_end(out);
	} else {
		js_null(out);
	}
	js_knum(out, "bufferKm", area->count >= 3 ? area->buffer_km : 0);
}

static void
filter_get(struct request *rq, struct json *out)
{
	const struct http *h = request_context(rq);
	const struct settings *set = request_settings(rq);

	js_object(out);
	filter_put(out, &h->area);
	js_kbool(out, "writeEnabled", set->api_key != NULL && !set->key_weak);
	js_object_end(out);
}

/* False: the request has failed. */
static bool
filter_check(struct request *rq, const json_t *polygon, double buffer)
{
	size_t n = json_array_size(polygon);

	if (n == 1 || n == 2) {
		request_fail(rq, 400, "polygon must have at least 3 points");
		return false;
	}
	if (n > MC_AREA_POINTS_MAX) {
		request_fail(rq, 400, "polygon must have at most %u points", MC_AREA_POINTS_MAX);
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		const json_t *p = json_array_get(polygon, i);

		if (json_array_size(p) == 2 && json_is_number(json_array_get(p, 0)) &&
		    json_is_number(json_array_get(p, 1)) &&
		    fabs(json_number_value(json_array_get(p, 0))) <= 90 &&
		    fabs(json_number_value(json_array_get(p, 1))) <= 180)
			continue;
		request_fail(rq, 400,
			     "polygon point out of range: lat must be in [-90,90], lon in "
			     "[-180,180]");
		return false;
	}
	if (!(buffer >= 0 && buffer <= BUFFER_MAX)) {
		request_fail(rq, 400, "bufferKm must be a finite number in [0, 20000]");
		return false;
	}
	return true;
}

static void
filter_reply(struct request *rq, mk_result result, const char *error, const mk_val *body,
	     struct json *out)
{
	const mk_val *polygon = mk_find(body, "polygon");

	if (result == MK_ENOENT || result == MK_EUNAVAIL) {
		request_fail(rq, 503, "the decoder is not running");
		return;
	}
	if (result != MK_OK) {
		request_host(rq)->log(request_host(rq), MK_LOG_ERROR, error);
		request_fail(rq, 500, "failed to save config");
		return;
	}
	js_object(out);
	js_key(out, "polygon");
	if (polygon != NULL)
		js_val(out, polygon);
	else
		js_null(out);
	js_key(out, "bufferKm");
	if (polygon != NULL)
		js_val(out, mk_find(body, "buffer_km"));
	else
		js_int(out, 0);
	js_object_end(out);
}

static void
filter_put_request(struct request *rq, struct json *out)
{
	size_t len, n;
	const char *text = request_body(rq, &len);
	json_t *body = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	const json_t *polygon = json_object_get(body, "polygon");
	const json_t *km = json_object_get(body, "bufferKm");
	double buffer = json_number_value(km);
	mk_writer w;

	(void)out;
	n = json_array_size(polygon);
	if (!json_is_object(body) ||
	    !(polygon == NULL || json_is_null(polygon) || json_is_array(polygon)) ||
	    !(km == NULL || json_is_null(km) || json_is_number(km))) {
		request_fail(rq, 400, "invalid JSON");
	} else if (filter_check(rq, polygon, buffer)) {
		mk_writer_init(&w, MK_BODY_DEFAULT);
		mk_put_map(&w, 2);
		mk_kv_array(&w, "polygon", (uint32_t)n);
		for (size_t i = 0; i < n; i++) {
			const json_t *p = json_array_get(polygon, i);

			mk_put_array(&w, 2);
			mk_put_f64(&w, json_number_value(json_array_get(p, 0)));
			mk_put_f64(&w, json_number_value(json_array_get(p, 1)));
		}
		mk_kv_f64(&w, "buffer_km", n == 0 ? 0 : buffer);
		request_call(rq, "decode/set_area", &w, AREA_US, filter_reply);
		mk_writer_fini(&w);
	}
	json_decref(body);
}

/* clang-format off */
const struct route config_routes[] = {
	{ .method = "GET", .pattern = "/api/config/cache", .handle = config_cache,
	  .reads = MODEL_CONFIG,
	  .summary = "for how many seconds pages keep answers", .answer = "{name: seconds}" },
	{ .method = "GET", .pattern = "/api/config/client", .handle = config_client,
	  .reads = MODEL_CONFIG,
	  .summary = "options of the pages" },
	{ .method = "GET", .pattern = "/api/config/theme", .handle = config_theme,
	  .reads = MODEL_CONFIG,
	  .summary = "names and colours" },
	{ .method = "GET", .pattern = "/api/config/map", .handle = config_map,
	  .reads = MODEL_CONFIG,
	  .summary = "what maps show at first", .answer = "{center: [lat, lon], zoom}" },
	{ .method = "GET", .pattern = "/api/config/areas", .handle = config_areas,
	  .reads = MODEL_CONFIG,
	  .summary = "areas that can be asked for", .answer = "[{key, label}]" },
	{ .method = "GET", .pattern = "/api/config/areas/polygons", .handle = config_polygons,
	  .reads = MODEL_CONFIG,
	  .summary = "the same with their borders" },
	{ .method = "GET", .pattern = "/api/config/geo-filter", .handle = filter_get,
	  .reads = MODEL_AREA | MODEL_CONFIG, .summary = "the area outside of which nodes are hidden",
	  .answer = "{polygon: [[lat, lon]], bufferKm, writeEnabled}" },
	{ .method = "PUT", .pattern = "/api/config/geo-filter", .handle = filter_put_request,
	  .flags = ROUTE_KEY, .body_max = 1 << 20, .summary = "sets that area, also for the next start",
	  .answer = "{polygon, bufferKm}" },
	{ .method = NULL },
};
/* clang-format on */
