/* SPDX-License-Identifier: MIT
 *
 * What the pages Map and Packets ask for beside the sets: the map as it is configured, who was heard
 * in a region, and the longest paths of the packets that are in view.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../read/db_tiles.h"
#include "packet.h"
#include "who.h"

#define PATHS_MAX 100u

/* The version in the address makes browsers ask anew when the file is another one. */
static void
map_put_file(const struct settings *set, struct json *out)
{
	const struct tile_info *info = tiles_info(set->tiles.file);
	char url[64];

	(void)snprintf(url, sizeof(url), "/tiles/{z}/{x}/{y}?v=%" PRIx64, info->version);
	js_object(out);
	js_kstr(out, "url", url);
	js_kstr(out, "attribution",
		set->tiles.attribution[0] != '\0' ? set->tiles.attribution : info->attribution);
	js_kuint(out, "max_zoom", info->max_zoom);
	js_object_end(out);
}

static void
map_config(struct request *rq, struct json *out)
{
	const struct settings *set = request_settings(rq);

	js_object(out);
	js_key(out, "tiles");
	if (set->tiles.file != NULL) {
		map_put_file(set, out);
	} else if (set->tiles.url == NULL) {
		js_null(out);
	} else {
		js_object(out);
		js_kstr(out, "url", set->tiles.url);
		js_kstr(out, "attribution", set->tiles.attribution);
		js_kuint(out, "max_zoom", set->tiles.max_zoom);
		js_object_end(out);
	}
	js_object_end(out);
}

static void
map_heard(struct request *rq, struct json *out)
{
	struct read *r = who_read(rq);
	const char *regions = packet_region(request_text(rq, "region"));
	struct who_list list = { 0 };
	uint8_t *heard;

	if (!who_is_ready(rq))
		return;
	if (regions == NULL) {
		request_fail(rq, 400, "region: a code, or several as SJC,OAK");
		return;
	}
	heard = who_of_regions(rq, regions, false);
	if (heard == NULL)
		return;
	if (!who_collect(r, &list, NULL, NULL)) {
		request_fail(rq, 500, "out of memory");
	} else {
		js_object(out);
		js_karray(out, "keys");
		for (uint32_t i = 0; i < list.count; i++)
			if (who_bit(heard, list.at[i].id))
				js_str(out, list.at[i].node->key);
		js_array_end(out);
		js_object_end(out);
	}
	free(list.at);
	free(heard);
}

static void
map_put_path(struct read *r, const struct read_packet *p, struct json *out)
{
	const struct read_obs *o = packet_shown(p);

	js_object(out);
	js_kint(out, "id", p->id);
	js_key(out, "hops");
	packet_put_hops(out, o);
	if (o != NULL && o->resolved != NULL) {
		js_key(out, "keys");
		packet_put_resolved(out, r, o);
	}
	js_object_end(out);
}

static void
map_paths(struct request *rq, struct json *out)
{
	struct read *r = who_read(rq);
	struct read_scratch *s = read_scratch_new(r);
	const char *at = request_text(rq, "ids");

	if (s == NULL) {
		request_fail(rq, 500, "out of memory");
		return;
	}
	read_scratch_skip(s, READ_SKIP_JSON);
	js_object(out);
	js_karray(out, "paths");
	for (uint32_t n = 0; n < PATHS_MAX && *at != '\0'; n++) {
		const struct read_packet *p;
		char *end;
		int64_t id;

		errno = 0;
		id = strtoll(at, &end, 10);
		if (end == at || errno != 0 || (*end != '\0' && *end != ','))
			break;
		at = end + (*end == ',');
		p = read_packet_by_id(r, s, id);
		if (p != NULL)
			map_put_path(r, p, out);
	}
	js_array_end(out);
	js_object_end(out);
	read_scratch_free(s);
	if (*at != '\0')
		request_fail(rq, 400, "ids: at most %u numbers with commas between them",
			     PATHS_MAX);
}

/* clang-format off */
static const struct route_param map_heard_params[] = {
	{ .name = "region", .type = PARAM_TEXT, .min = 1, .error = "region is missing",
	  .help = "codes of regions, as SJC,OAK" },
	{ .name = NULL },
};

static const struct route_param map_paths_params[] = {
	{ .name = "ids", .type = PARAM_TEXT, .min = 1, .max = 2048, .error = "ids is missing",
	  .help = "ids of transmissions, with commas between them, at most 100" },
	{ .name = NULL },
};

const struct route web_map_routes[] = {
	{ .method = "GET", .pattern = "/api/web/map", .handle = map_config,
	  .summary = "the map as it is configured",
	  .answer = "{tiles: {url, attribution, max_zoom} or null}" },
	{ .method = "GET", .pattern = "/api/web/heard", .handle = map_heard, .params = map_heard_params,
	  .reads = MODEL_PACKETS | MODEL_NODES | MODEL_OBSERVERS, .max_age_s = 30, .cost = 20,
	  .summary = "nodes that packets heard in a region have to do with", .answer = "{keys}" },
	{ .method = "GET", .pattern = "/api/web/paths", .handle = map_paths, .params = map_paths_params,
	  .reads = MODEL_PACKETS | MODEL_NODES, .max_age_s = 2, .cost = 2,
	  .summary = "the longest paths of packets", .answer = "{paths: [{id, hops, keys}]}" },
	{ .method = NULL },
};
/* clang-format on */
