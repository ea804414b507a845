/* SPDX-License-Identifier: MIT
 *
 * What CoreScope's pages are told, by options and by files that these name. Finished as JSON when the
 * options are read, since every page asks for it first.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "../json/json.h"
#include "settings.h"

#define FILE_BYTES ((size_t)1 << 20)
#define CHANNEL_BYTES 64u

/* clang-format off */
#define HOUR 3600000000
static const mk_option health_options[] = {
	{ .name = "infra_degraded", .type = MK_OPT_DURATION, .min = 0, .max = 8760 * HOUR, .dflt = "24h",
	  .help = "a repeater or room is degraded when it was not heard for so long" },
	{ .name = "infra_silent", .type = MK_OPT_DURATION, .min = 0, .max = 8760 * HOUR, .dflt = "72h",
	  .help = "and silent" },
	{ .name = "node_degraded", .type = MK_OPT_DURATION, .min = 0, .max = 8760 * HOUR, .dflt = "1h",
	  .help = "the same for other nodes" },
	{ .name = "node_silent", .type = MK_OPT_DURATION, .min = 0, .max = 8760 * HOUR, .dflt = "24h",
	  .help = "and silent" },
	{ .name = "observer_online", .type = MK_OPT_DURATION, .min = 0, .max = 8760 * HOUR, .dflt = "1h",
	  .help = "an observer that reported so lately is online" },
	{ .name = "observer_stale", .type = MK_OPT_DURATION, .min = 0, .max = 8760 * HOUR, .dflt = "24h",
	  .help = "and stale after this" },
	{ .name = NULL },
};

static const char *const mode_choices[] = { "ago", "absolute", NULL };
static const char *const zone_choices[] = { "local", "utc", NULL };
static const char *const format_choices[] = { "iso", "iso-seconds", "locale", NULL };

static const mk_option time_options[] = {
	{ .name = "mode", .type = MK_OPT_ENUM, .choices = mode_choices, .dflt = "ago",
	  .help = "as \"5 min ago\", or as a time" },
	{ .name = "timezone", .type = MK_OPT_ENUM, .choices = zone_choices, .dflt = "local",
	  .help = "of times" },
	{ .name = "format", .type = MK_OPT_ENUM, .choices = format_choices, .dflt = "iso",
	  .help = "of times" },
	{ .name = "custom_format", .type = MK_OPT_STRING, .max = 64, .help = "another format" },
	{ .name = "allow_custom", .type = MK_OPT_BOOL, .dflt = "false",
	  .help = "visitors may choose a format of their own" },
	{ .name = NULL },
};

const mk_option http_page_options[] = {
	{ .name = "files", .type = MK_OPT_LIST, .max = 8,
	  .help = "JSON files with sections of CoreScope's config.json or theme.json: branding, theme, "
		  "themeDark, nodeColors, typeColors, home, markerStroke, map, tiles, "
		  "mapDarkTileProvider, roles, snrThresholds, distThresholds, limits, externalUrls, "
		  "cacheTTL. Later files win. Seen from data_dir; read at start and at a reload" },
	{ .name = "known_channels", .type = MK_OPT_STRING,
	  .help = "a JSON file {\"entries\": [{channel, key, description, region, regionName}]} with "
		  "channels that are public knowledge" },
	{ .name = "health", .type = MK_OPT_GROUP, .sub = health_options,
	  .help = "who counts as degraded or silent" },
	{ .name = "times", .type = MK_OPT_GROUP, .sub = time_options, .help = "how times are shown" },
	{ .name = "max_hop_km", .type = MK_OPT_FLOAT, .min = 0, .max = 20000,
	  .help = "longer hops are not drawn" },
	{ .name = "slow_request", .type = MK_OPT_DURATION, .min = 0, .max = HOUR,
	  .help = "requests that take longer are marked in the browser's console" },
	{ .name = "reconnect", .type = MK_OPT_DURATION, .min = 0, .max = HOUR,
	  .help = "pause before a lost connection is made again" },
	{ .name = "refresh", .type = MK_OPT_DURATION, .min = 0, .max = HOUR,
	  .help = "how long the pages keep answers once something has changed" },
	{ .name = "propagation", .type = MK_OPT_DURATION, .min = 0, .max = HOUR, .dflt = "5s",
	  .help = "how long the live map waits for more observations of a packet" },
	{ .name = "live_map_nodes", .type = MK_OPT_INT, .min = 100, .max = 20000, .dflt = "2000",
	  .help = "nodes on the live map" },
	{ .name = "disabled_tabs", .type = MK_OPT_LIST, .max = 32, .help = "tabs of the customizer" },
	{ .name = "debug_affinity", .type = MK_OPT_BOOL, .dflt = "false",
	  .help = "show panels for debugging of hop resolution" },
	{ .name = "client_coverage", .type = MK_OPT_BOOL, .dflt = "false",
	  .help = "show the page about what phones heard" },
	{ .name = NULL },
};
/* clang-format on */

/* ----------------------------------------------------------------- files -- */

/* A JSON object from a file that an option names; the caller's. NULL: see err. */
static json_t *
pages_load(const mk_host *host, const char *name, mk_err *err)
{
	mk_arena arena = { 0 };
	const char *path = mk_arena_path(&arena, host->dir(host, MK_DIR_DATA), name);
	int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *text = malloc(FILE_BYTES + 1);
	json_error_t error = { 0 };
	json_t *root = NULL;
	ssize_t got = -1;
	size_t n = 0;

	if (fd != -1 && text != NULL)
		while (n <= FILE_BYTES && (got = read(fd, text + n, FILE_BYTES + 1 - n)) > 0)
			n += (size_t)got;
	if (got == -1) {
		(void)mk_err_errno(err, "read %s", name);
	} else if (n > FILE_BYTES) {
		(void)mk_err_set(err, MK_ETOOBIG, "%s is longer than 1 MiB", name);
	} else {
		root = json_loadb(text, n, 0, &error);
		if (!json_is_object(root)) {
			json_decref(root);
			root = NULL;
			(void)mk_err_set(err, MK_EFORMAT, "%s:%d: %s", name, error.line,
					 error.text[0] == '\0' ? "not an object" : error.text);
		}
	}
	if (fd != -1)
		close(fd);
	free(text);
	mk_arena_fini(&arena);
	return root;
}

/* An object that lacks something for want of memory is given up: half of it must not be told. Takes
 * the value. */
static void
pages_put(json_t **object, const char *key, json_t *v)
{
	if (json_object_set_new(*object, key, v) == 0)
		return;
	json_decref(*object);
	*object = NULL;
}

static void
pages_join(json_t **object, json_t *more)
{
	if (json_object_update(*object, more) == 0)
		return;
	json_decref(*object);
	*object = NULL;
}

/* All files as one object: sections that are objects are joined key by key. */
static mk_result
pages_files(const mk_host *host, json_t **all, mk_err *err)
{
	const char *name;
	char at[32];
	json_t *value;

	for (uint32_t i = 0; i < host->opt_count(host, "pages.files"); i++) {
		json_t *file;

		(void)snprintf(at, sizeof(at), "pages.files[%u]", i);
		file = pages_load(host, host->opt_str(host, at), err);
		if (file == NULL)
			return mk_err_wrap(err, "%s", at);
		json_object_foreach(file, name, value)
		{
			json_t *joined = json_copy(json_object_get(*all, name));

			if (json_is_object(joined) && json_is_object(value)) {
				pages_join(&joined, value);
				pages_put(all, name, joined);
			} else {
				json_decref(joined);
				pages_put(all, name, json_incref(value));
			}
		}
		json_decref(file);
	}
	return MK_OK;
}

/* An entry is taken if it is what the pages expect, and left out otherwise: it comes from elsewhere. */
static json_t *
pages_channel(const json_t *from)
{
	static const char *const names[] = { "channel", "description", "key", "region",
					     "regionName" };
	json_t *to = json_object();

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		json_t *v = json_object_get(from, names[i]);
		size_t max = i == 1 ? 4 * CHANNEL_BYTES : CHANNEL_BYTES;

		if (json_string_length(v) > 0 && json_string_length(v) <= max)
			(void)json_object_set(to, names[i], v);
	}
	if (json_object_get(to, "channel") == NULL) {
		json_decref(to);
		return NULL;
	}
	return to;
}

static mk_result
pages_channels(const mk_host *host, bool files, json_t *out, mk_err *err)
{
	const char *name = host->opt_str(host, "pages.known_channels");
	json_t *entries = json_array(), *file = NULL, *list;

	(void)json_object_set_new(out, "fetchedAt", json_string("0001-01-01T00:00:00Z"));
	(void)json_object_set_new(out, "source", json_string(""));
	(void)json_object_set_new(out, "entries", entries);
	if (name == NULL || name[0] == '\0' || !files)
		return MK_OK;
	file = pages_load(host, name, err);
	if (file == NULL)
		return mk_err_wrap(err, "pages.known_channels");
	list = json_object_get(file, "entries");
	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *entry = pages_channel(json_array_get(list, i));

		if (entry != NULL)
			(void)json_array_append_new(entries, entry);
	}
	for (int i = 0; i < 4; i++) {
		static const char *const head[] = { "generatedAt", "license", "fetchedAt",
						    "source" };
		json_t *v = json_object_get(file, head[i]);

		if (json_is_string(v) && json_string_length(v) <= 4 * CHANNEL_BYTES)
			(void)json_object_set(out, head[i], v);
	}
	json_decref(file);
	return MK_OK;
}

/* ------------------------------------------------------------------ JSON -- */

/* CoreScope's colours. */
static const char theme_defaults[] =
    "{\"branding\":{\"siteName\":\"CoreScope\","
    "\"tagline\":\"Real-time MeshCore LoRa mesh network analyzer\"},"
    "\"theme\":{\"accent\":\"#4a9eff\",\"accentHover\":\"#6db3ff\",\"navBg\":\"#0f0f23\","
    "\"navBg2\":\"#1a1a2e\",\"navText\":\"#ffffff\",\"navTextMuted\":\"#cbd5e1\","
    "\"background\":\"#f4f5f7\",\"text\":\"#1a1a2e\",\"textMuted\":\"#5b6370\","
    "\"border\":\"#e2e5ea\",\"surface1\":\"#ffffff\",\"surface2\":\"#ffffff\","
    "\"surface3\":\"#ffffff\",\"sectionBg\":\"#eef2ff\",\"cardBg\":\"#ffffff\","
    "\"contentBg\":\"#f4f5f7\",\"detailBg\":\"#ffffff\",\"inputBg\":\"#ffffff\","
    "\"rowStripe\":\"#f9fafb\",\"rowHover\":\"#eef2ff\",\"selectedBg\":\"#dbeafe\","
    "\"statusGreen\":\"#22c55e\",\"statusYellow\":\"#eab308\",\"statusRed\":\"#ef4444\"},"
    "\"themeDark\":{\"accent\":\"#4a9eff\",\"accentHover\":\"#6db3ff\",\"navBg\":\"#0f0f23\","
    "\"navBg2\":\"#1a1a2e\",\"navText\":\"#ffffff\",\"navTextMuted\":\"#cbd5e1\","
    "\"background\":\"#0f0f23\",\"text\":\"#e2e8f0\",\"textMuted\":\"#a8b8cc\","
    "\"border\":\"#334155\",\"surface1\":\"#1a1a2e\",\"surface2\":\"#232340\","
    "\"surface3\":\"#2d2d50\",\"sectionBg\":\"#1e1e34\",\"cardBg\":\"#1a1a2e\","
    "\"contentBg\":\"#0f0f23\",\"detailBg\":\"#232340\",\"inputBg\":\"#1e1e34\","
    "\"rowStripe\":\"#1e1e34\",\"rowHover\":\"#2d2d50\",\"selectedBg\":\"#1e3a5f\","
    "\"statusGreen\":\"#22c55e\",\"statusYellow\":\"#eab308\",\"statusRed\":\"#ef4444\"},"
    "\"nodeColors\":{\"repeater\":\"#dc2626\",\"companion\":\"#2563eb\",\"room\":\"#16a34a\","
    "\"sensor\":\"#d97706\",\"observer\":\"#8b5cf6\"},"
    "\"typeColors\":{\"ADVERT\":\"#22c55e\",\"GRP_TXT\":\"#3b82f6\",\"TXT_MSG\":\"#f59e0b\","
    "\"ACK\":\"#6b7280\",\"REQ\":\"#a855f7\",\"RESPONSE\":\"#06b6d4\",\"TRACE\":\"#ec4899\","
    "\"PATH\":\"#14b8a6\",\"ANON_REQ\":\"#f43f5e\",\"UNKNOWN\":\"#6b7280\"},"
    "\"markerStroke\":{\"color\":\"rgba(255,255,255,0.85)\",\"width\":1,\"opacity\":1}}";

static json_t *
pages_theme(const json_t *all)
{
	static const char *const sections[] = { "branding",   "theme", "themeDark",   "nodeColors",
						"typeColors", "home",  "markerStroke" };
	json_t *theme = json_loads(theme_defaults, 0, NULL), *types, *request;

	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		json_t *section = json_object_get(all, sections[i]);
		json_t *there = json_object_get(theme, sections[i]);

		if (!json_is_object(section))
			continue;
		there = there == NULL ? json_object() : json_copy(there);
		pages_join(&there, section);
		pages_put(&theme, sections[i], there);
	}
	/* Two names for one kind of packet. */
	types = json_copy(json_object_get(theme, "typeColors"));
	request = json_object_get(types, "REQUEST");
	if (request != NULL)
		pages_put(&types, "REQ", json_incref(request));
	pages_put(&types, "REQUEST", json_incref(json_object_get(types, "REQ")));
	pages_put(&theme, "typeColors", types);
	return theme;
}

static json_t *
pages_duration(const mk_host *host, const char *path)
{
	return host->opt_str(host, path) == NULL ? json_null()
						 : json_integer(host->opt_int(host, path) / 1000);
}

static json_t *
pages_times(const mk_host *host)
{
	const char *custom = host->opt_str(host, "pages.times.custom_format");

	return json_pack("{s:s, s:s, s:s, s:s, s:b}", "defaultMode",
			 host->opt_str(host, "pages.times.mode"), "timezone",
			 host->opt_str(host, "pages.times.timezone"), "formatPreset",
			 host->opt_str(host, "pages.times.format"), "customFormat",
			 custom == NULL ? "" : custom, "allowCustomFormat",
			 (int)host->opt_int(host, "pages.times.allow_custom"));
}

static json_t *
pages_health(const mk_host *host)
{
	static const char *const names[][2] = {
		{ "infraDegradedMs", "infra_degraded" },   { "infraSilentMs", "infra_silent" },
		{ "nodeDegradedMs", "node_degraded" },     { "nodeSilentMs", "node_silent" },
		{ "observerOnlineMs", "observer_online" }, { "observerStaleMs", "observer_stale" }
	};
	json_t *health = json_object();
	char at[64];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(at, sizeof(at), "pages.health.%s", names[i][1]);
		(void)json_object_set_new(health, names[i][0],
					  json_integer(host->opt_int(host, at) / 1000));
	}
	return health;
}

/* The map's options, into which older ones are folded. */
static json_t *
pages_tiles(const json_t *all)
{
	json_t *map = json_copy(json_object_get(all, "map")), *tiles;
	json_t *dark = json_object_get(all, "mapDarkTileProvider");

	if (!json_is_object(map)) {
		json_decref(map);
		map = json_object();
	}
	tiles = json_is_object(json_object_get(all, "tiles"))
		    ? json_copy(json_object_get(all, "tiles"))
		    : json_object();
	if (json_is_string(dark))
		pages_put(&tiles, "darkDefault", json_incref(dark));
	if (json_is_object(json_object_get(map, "tiles")))
		pages_join(&tiles, json_object_get(map, "tiles"));
	pages_put(&map, "tiles", tiles);
	return map;
}

static json_t *
pages_tabs(const mk_host *host)
{
	json_t *tabs = json_array();
	char at[48];

	for (uint32_t i = 0; i < host->opt_count(host, "pages.disabled_tabs"); i++) {
		(void)snprintf(at, sizeof(at), "pages.disabled_tabs[%u]", i);
		(void)json_array_append_new(tabs, json_string(host->opt_str(host, at)));
	}
	return json_pack("{s:o}", "disabledTabs", tabs);
}

static json_t *
pages_client(const mk_host *host, const json_t *all)
{
	static const char *const sections[] = { "roles",          "tiles",  "snrThresholds",
						"distThresholds", "limits", "externalUrls" };
	bool far = host->opt_str(host, "pages.max_hop_km") != NULL;
	json_t *c = json_object();

	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		json_t *v = json_object_get(all, sections[i]);

		pages_put(&c, sections[i], json_is_object(v) ? json_incref(v) : json_null());
	}
	pages_put(&c, "healthThresholds", pages_health(host));
	pages_put(&c, "map", pages_tiles(all));
	pages_put(&c, "maxHopDist",
		  far ? json_real(host->opt_float(host, "pages.max_hop_km")) : json_null());
	pages_put(&c, "perfSlowMs", pages_duration(host, "pages.slow_request"));
	pages_put(&c, "wsReconnectMs", pages_duration(host, "pages.reconnect"));
	pages_put(&c, "cacheInvalidateMs", pages_duration(host, "pages.refresh"));
	pages_put(&c, "propagationBufferMs", pages_duration(host, "pages.propagation"));
	pages_put(&c, "liveMapMaxNodes", json_integer(host->opt_int(host, "pages.live_map_nodes")));
	pages_put(&c, "timestamps", pages_times(host));
	if (host->opt_int(host, "pages.debug_affinity") != 0)
		pages_put(&c, "debugAffinity", json_true());
	if (json_is_string(json_object_get(all, "mapDarkTileProvider")))
		pages_put(&c, "mapDarkTileProvider",
			  json_incref(json_object_get(all, "mapDarkTileProvider")));
	pages_put(&c, "customizer", pages_tabs(host));
	pages_put(&c, "clientRxCoverage",
		  json_boolean(host->opt_int(host, "pages.client_coverage") != 0));
	return c;
}

static json_t *
pages_area(const struct settings_area *a)
{
	json_t *o = json_pack("{s:s, s:s}", "key", a->key, "label", a->label), *polygon;

	if (a->area.count > 0) {
		polygon = json_array();
		for (uint32_t i = 0; i < a->area.count; i++)
			(void)json_array_append_new(polygon,
						    json_pack("[f, f]", a->area.points[i].lat,
							      a->area.points[i].lon));
		(void)json_object_set_new(o, "polygon", polygon);
	}
	if (a->area.has_box) {
		(void)json_object_set_new(o, "latMin", json_real(a->area.lat_min));
		(void)json_object_set_new(o, "latMax", json_real(a->area.lat_max));
		(void)json_object_set_new(o, "lonMin", json_real(a->area.lon_min));
		(void)json_object_set_new(o, "lonMax", json_real(a->area.lon_max));
	}
	return o;
}

static void
pages_lists(const struct settings *s, json_t **areas, json_t **polygons)
{
	*areas = json_array();
	*polygons = json_array();
	for (uint32_t i = 0; i < s->area_count; i++) {
		if (s->areas[i].label[0] != '\0')
			(void)json_array_append_new(*areas,
						    json_pack("{s:s, s:s}", "key", s->areas[i].key,
							      "label", s->areas[i].label));
		(void)json_array_append_new(*polygons, pages_area(&s->areas[i]));
	}
}

/* Takes the value. Fifteen digits: as somebody wrote it, not as a double is. */
static mk_result
pages_keep(struct settings *s, enum settings_page page, json_t *v)
{
	char *text = json_dumps(v, JSON_COMPACT | JSON_REAL_PRECISION(15));
	struct json out;

	js_init(&out, 4 * FILE_BYTES);
	if (text != NULL)
		js_embed(&out, text, strlen(text));
	js_text(&out, "\n", 1);
	s->pages[page] =
	    text == NULL || out.failed ? NULL : mk_arena_dup(&s->arena, out.data, out.len);
	js_fini(&out);
	free(text);
	json_decref(v);
	return s->pages[page] == NULL ? MK_ENOMEM : MK_OK;
}

static mk_result
pages_write(struct settings *s, const mk_host *host, const json_t *all, json_t *channels)
{
	struct mc_point center = { 0 };
	json_t *ttl = json_object_get(all, "cacheTTL"), *areas, *polygons;
	bool bad = false;

	(void)mc_point_parse(host->opt_str(host, "map.center"), &center);
	pages_lists(s, &areas, &polygons);
	bad |= pages_keep(s, PAGE_CACHE, json_is_object(ttl) ? json_incref(ttl) : json_object());
	bad |= pages_keep(s, PAGE_CLIENT, pages_client(host, all));
	bad |= pages_keep(s, PAGE_THEME, pages_theme(all));
	bad |= pages_keep(s, PAGE_MAP,
			  json_pack("{s:[f, f], s:I}", "center", center.lat, center.lon, "zoom",
				    (json_int_t)host->opt_int(host, "map.zoom")));
	bad |= pages_keep(s, PAGE_AREAS, areas);
	bad |= pages_keep(s, PAGE_POLYGONS, polygons);
	bad |= pages_keep(s, PAGE_CHANNELS, json_incref(channels));
	return bad ? MK_ENOMEM : MK_OK;
}

static void
pages_thresholds(struct settings *s, const mk_host *host)
{
	s->infra_degraded_s = host->opt_int(host, "pages.health.infra_degraded") / 1000000;
	s->infra_silent_s = host->opt_int(host, "pages.health.infra_silent") / 1000000;
	s->node_degraded_s = host->opt_int(host, "pages.health.node_degraded") / 1000000;
	s->node_silent_s = host->opt_int(host, "pages.health.node_silent") / 1000000;
	s->observer_online_s = host->opt_int(host, "pages.health.observer_online") / 1000000;
	s->observer_stale_s = host->opt_int(host, "pages.health.observer_stale") / 1000000;
}

mk_result
http_pages_read(struct settings *s, const mk_host *host, bool files, mk_err *err)
{
	json_t *all = json_object(), *channels = json_object();
	mk_result rc = files ? pages_files(host, &all, err) : MK_OK;

	pages_thresholds(s, host);
	s->client_coverage = host->opt_int(host, "pages.client_coverage") != 0;
	if (rc == MK_OK)
		rc = pages_channels(host, files, channels, err);
	if (rc == MK_OK && pages_write(s, host, all, channels) != MK_OK)
		rc = mk_err_set(err, MK_ENOMEM, "out of memory");
	json_decref(all);
	json_decref(channels);
	return rc;
}
