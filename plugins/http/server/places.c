/* SPDX-License-Identifier: MIT
 *
 * The options about where things are: names of regions, areas, the map.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../read/db_tiles.h"
#include "settings.h"

#define CODE_BYTES 8
#define TILES_MAX 512

/* clang-format off */
const mk_option http_region_options[] = {
	{ .name = "code", .type = MK_OPT_STRING, .flags = MK_OPT_REQUIRED, .min = 1, .max = CODE_BYTES,
	  .help = "the region as it is in topics: letters, digits, - and _" },
	{ .name = "label", .type = MK_OPT_STRING, .flags = MK_OPT_REQUIRED, .min = 1, .max = 64,
	  .help = "its name" },
	{ .name = NULL },
};

const mk_option http_area_options[] = {
	{ .name = "key", .type = MK_OPT_STRING, .flags = MK_OPT_REQUIRED, .min = 1, .max = 64,
	  .help = "what stands in addresses" },
	{ .name = "label", .type = MK_OPT_STRING, .max = 64,
	  .help = "its name; without one the area is not offered" },
	{ .name = "polygon", .type = MK_OPT_LIST, .max = MC_AREA_POINTS_MAX,
	  .help = "corners, each \"lat,lon\"; three or more" },
	{ .name = "lat_min", .type = MK_OPT_FLOAT, .min = -90, .max = 90,
	  .help = "a box, used without a polygon: all four or none" },
	{ .name = "lat_max", .type = MK_OPT_FLOAT, .min = -90, .max = 90, .help = "its north" },
	{ .name = "lon_min", .type = MK_OPT_FLOAT, .min = -180, .max = 180, .help = "its west" },
	{ .name = "lon_max", .type = MK_OPT_FLOAT, .min = -180, .max = 180, .help = "its east" },
	{ .name = NULL },
};

const mk_option http_map_options[] = {
	{ .name = "center", .type = MK_OPT_STRING, .dflt = "37.45,-122", .help = "\"lat,lon\"" },
	{ .name = "zoom", .type = MK_OPT_INT, .min = 1, .max = 20, .dflt = "9", .help = "its scale" },
	{ .name = "tiles", .type = MK_OPT_STRING, .max = TILES_MAX,
	  .help = "map tiles of a server, as https://HOST/{z}/{x}/{y}.png: pages then contact that host, "
		  "and no other; none: the outline map that is built in" },
	{ .name = "tiles_attribution", .type = MK_OPT_STRING, .max = 200,
	  .help = "text that the owner of the tiles wants to be shown" },
	{ .name = "mbtiles", .type = MK_OPT_STRING,
	  .help = "MBTiles file with pictures, in place of `tiles`: streets without internet. From data_dir if it "
		  "is relative (with isolation: process it needs allow.read)" },
	{ .name = "tiles_max_zoom", .type = MK_OPT_INT, .min = 1, .max = 22, .dflt = "19",
	  .help = "beyond it tiles are magnified" },
	{ .name = NULL },
};
/* clang-format on */

static const char *
places_text(struct settings *s, const mk_host *host, const char *path)
{
	const char *text = host->opt_str(host, path);

	return mk_arena_dup(&s->arena, text == NULL ? "" : text, text == NULL ? 0 : strlen(text));
}

/* CoreScope's pages put codes and labels into HTML as they are. */
static bool
places_is_plain(const char *text)
{
	return strpbrk(text, "<>\"`&") == NULL;
}

static mk_result
places_regions(struct settings *s, const mk_host *host, mk_err *err)
{
	uint32_t n = host->opt_count(host, "regions");
	struct settings_region *list = mk_arena_array(&s->arena, n + 1, sizeof(*list));
	char at[48];

	for (uint32_t i = 0; i < n && list != NULL; i++) {
		(void)snprintf(at, sizeof(at), "regions[%u].code", i);
		list[i].code = places_text(s, host, at);
		(void)snprintf(at, sizeof(at), "regions[%u].label", i);
		list[i].label = places_text(s, host, at);
		if (list[i].code == NULL || list[i].label == NULL)
			return mk_err_set(err, MK_ENOMEM, "out of memory");
		if (list[i].code[strspn(list[i].code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")] !=
		    '\0')
			return mk_err_set(err, MK_EINVAL,
					  "regions[%u].code: only capital letters, digits, - and _",
					  i);
		if (!places_is_plain(list[i].label))
			return mk_err_set(err, MK_EINVAL, "%s: may not contain any of < > \" ` &",
					  at);
	}
	s->regions = list;
	s->region_count = n;
	return list == NULL ? mk_err_set(err, MK_ENOMEM, "out of memory") : MK_OK;
}

static mk_result
places_box(struct mc_area *a, const mk_host *host, uint32_t i, mk_err *err)
{
	static const char *const sides[] = { "lat_min", "lat_max", "lon_min", "lon_max" };
	double *const values[] = { &a->lat_min, &a->lat_max, &a->lon_min, &a->lon_max };
	uint32_t given = 0;
	char at[48];

	for (uint32_t k = 0; k < 4; k++) {
		(void)snprintf(at, sizeof(at), "areas[%u].%s", i, sides[k]);
		given += host->opt_str(host, at) != NULL;
		*values[k] = host->opt_float(host, at);
	}
	a->has_box = given == 4;
	return given == 0 || given == 4
		   ? MK_OK
		   : mk_err_set(err, MK_EINVAL, "areas[%u]: a box needs all four sides", i);
}

static mk_result
places_polygon(struct settings *s, struct mc_area *a, const mk_host *host, uint32_t i, mk_err *err)
{
	struct mc_point *points;
	char at[64];
	uint32_t n;

	(void)snprintf(at, sizeof(at), "areas[%u].polygon", i);
	n = host->opt_count(host, at);
	if (n == 1 || n == 2)
		return mk_err_set(err, MK_EINVAL, "%s: fewer than three corners", at);
	points = mk_arena_array(&s->arena, n + 1, sizeof(*points));
	if (points == NULL)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	for (uint32_t k = 0; k < n; k++) {
		(void)snprintf(at, sizeof(at), "areas[%u].polygon[%u]", i, k);
		if (!mc_point_parse(host->opt_str(host, at), &points[k]))
			return mk_err_set(err, MK_EINVAL, "%s: not \"lat,lon\"", at);
	}
	a->points = points;
	a->count = n;
	return MK_OK;
}

static int
places_order(const void *a, const void *b)
{
	return strcmp(((const struct settings_area *)a)->key,
		      ((const struct settings_area *)b)->key);
}

static mk_result
places_areas(struct settings *s, const mk_host *host, mk_err *err)
{
	uint32_t n = host->opt_count(host, "areas");
	struct settings_area *list = mk_arena_array(&s->arena, n + 1, sizeof(*list));
	mk_result rc = list == NULL ? mk_err_set(err, MK_ENOMEM, "out of memory") : MK_OK;
	char at[48];

	for (uint32_t i = 0; rc == MK_OK && i < n; i++) {
		(void)snprintf(at, sizeof(at), "areas[%u].key", i);
		list[i].key = places_text(s, host, at);
		(void)snprintf(at, sizeof(at), "areas[%u].label", i);
		list[i].label = places_text(s, host, at);
		if (list[i].key == NULL || list[i].label == NULL)
			return mk_err_set(err, MK_ENOMEM, "out of memory");
		if (!places_is_plain(list[i].key) || !places_is_plain(list[i].label))
			return mk_err_set(err, MK_EINVAL,
					  "areas[%u]: key and label may not contain any of "
					  "< > \" ` &",
					  i);
		rc = places_box(&list[i].area, host, i, err);
		if (rc == MK_OK)
			rc = places_polygon(s, &list[i].area, host, i, err);
	}
	if (rc == MK_OK && n > 0)
		qsort(list, n, sizeof(*list), places_order);
	s->areas = list;
	s->area_count = n;
	return rc;
}

/* The file's name; NULL: none is configured. */
static const char *
places_mbtiles(const mk_host *host)
{
	const char *name = host->opt_str(host, "map.mbtiles");

	return name == NULL || name[0] == '\0' ? NULL : name;
}

/* The address stands in a header, too, so nothing is taken that could end a directive there. */
static mk_result
places_tiles(struct settings *s, const mk_host *host, mk_err *err)
{
	static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				   "-._~:/?#[]@!$&()*+=%{}";
	static const char *const parts[] = { "{z}", "{x}", "{y}" };
	struct settings_tiles *t = &s->tiles;
	const char *url, *begin;
	size_t host_len;

	t->url = places_text(s, host, "map.tiles");
	t->attribution = places_text(s, host, "map.tiles_attribution");
	t->max_zoom = (uint32_t)host->opt_int(host, "map.tiles_max_zoom");
	if (t->url == NULL || t->attribution == NULL)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	url = t->url;
	if (url[0] == '\0') {
		t->url = NULL;
		return MK_OK;
	}
	if (strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0)
		return mk_err_set(err, MK_EINVAL, "map.tiles: it begins with https:// or http://");
	if (url[strspn(url, good)] != '\0')
		return mk_err_set(err, MK_EINVAL, "map.tiles: a character that no address has");
	begin = strstr(url, "//") + 2;
	host_len = strcspn(begin, "/");
	if (host_len == 0 || strcspn(begin, "{}?#@*%") < host_len)
		return mk_err_set(err, MK_EINVAL,
				  "map.tiles: one host, without placeholders or user names in it");
	for (size_t i = 0; i < 3; i++)
		if (strstr(begin + host_len, parts[i]) == NULL)
			return mk_err_set(err, MK_EINVAL, "map.tiles: there is no %s in it",
					  parts[i]);
	if (places_mbtiles(host) != NULL) { /* then nobody contacts the host */
		t->url = NULL;
		return MK_OK;
	}
	t->origin = mk_arena_dup(&s->arena, url, (size_t)(begin - url) + host_len);
	return t->origin == NULL ? mk_err_set(err, MK_ENOMEM, "out of memory") : MK_OK;
}

mk_result
http_places_open(struct settings *s, const mk_host *host, mk_err *err)
{
	const char *name = places_mbtiles(host), *path;

	if (name == NULL)
		return MK_OK;
	path = mk_arena_path(&s->arena, host->dir(host, MK_DIR_DATA), name);
	if (path == NULL)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	return tiles_open(&s->tiles.file, path, err) == MK_OK ? MK_OK
							      : mk_err_wrap(err, "map.mbtiles");
}

mk_result
http_places_read(struct settings *s, const mk_host *host, mk_err *err)
{
	struct mc_point center;
	mk_result rc = places_regions(s, host, err);

	if (rc == MK_OK)
		rc = places_areas(s, host, err);
	if (rc == MK_OK)
		rc = places_tiles(s, host, err);
	if (rc == MK_OK && !mc_point_parse(host->opt_str(host, "map.center"), &center))
		rc = mk_err_set(err, MK_EINVAL, "map.center: not \"lat,lon\"");
	return rc;
}
