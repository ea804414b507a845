/* SPDX-License-Identifier: MIT
 *
 * meshkern import-config: what CoreScope's pages are told. What is only for them, and may hold
 * anything, stays in config.json and theme.json, which the http plugin reads these sections of.
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "import_config.h"

#define CODE_BYTES 8u
#define LABEL_BYTES 64u

/* Sections that the http plugin reads from the file itself. */
static const char *const sections[] = {
	"branding",       "theme",
	"themeDark",      "nodeColors",
	"typeColors",     "home",
	"markerStroke",   "map",
	"tiles",          "mapDarkTileProvider",
	"roles",          "snrThresholds",
	"distThresholds", "limits",
	"externalUrls",   "cacheTTL",
};

static bool
label_is_good(const char *label)
{
	return label != NULL && strlen(label) <= LABEL_BYTES && strpbrk(label, "<>\"`&") == NULL;
}

static void
put_regions(struct import *im)
{
	json_t *regions = (json_t *)(uintptr_t)import_find(im->root, "regions"), *value;
	bool first = true;
	const char *name;

	json_object_foreach(regions, name, value)
	{
		char code[CODE_BYTES + 1] = "";

		for (size_t i = 0; name[i] != '\0' && i < CODE_BYTES; i++)
			code[i] = (char)toupper((unsigned char)name[i]);
		if (strlen(name) > CODE_BYTES || code[0] == '\0' ||
		    code[strspn(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")] != '\0' ||
		    !label_is_good(import_text(value))) {
			import_put_note(im, "      ", "regions: no code or no name that is one",
					name);
			continue;
		}
		if (first)
			fputs("      regions:\n", stdout);
		first = false;
		printf("        - { code: \"%s\", label: ", code);
		import_put_quoted(import_text(value));
		fputs(" }\n", stdout);
	}
}

static void
put_area(struct import *im, const char *key, const json_t *area)
{
	static const char *const box[4][2] = { { "latMin", "lat_min" },
					       { "latMax", "lat_max" },
					       { "lonMin", "lon_min" },
					       { "lonMax", "lon_max" } };
	const json_t *polygon = import_find(area, "polygon");
	const char *label = import_text(import_find(area, "label"));
	bool good = json_array_size(polygon) >= 3, all = true;

	for (size_t i = 0; i < json_array_size(polygon); i++)
		good = good && import_point(json_array_get(polygon, i));
	for (size_t i = 0; i < 4; i++) {
		double side = json_number_value(import_find(area, box[i][0]));

		all = all && json_is_number(import_find(area, box[i][0])) &&
		      fabs(side) <= (i < 2 ? 90 : 180);
	}
	if (!label_is_good(key) || key[0] == '\0' || (label != NULL && !label_is_good(label))) {
		import_put_note(im, "        ", "areas: no key or no name that is one", key);
		return;
	}
	fputs("        - key: ", stdout);
	import_put_quoted(key);
	putchar('\n');
	import_put_text("          ", "label", label);
	if (good)
		import_put_polygon("          ", polygon);
	else if (json_array_size(polygon) > 0)
		import_put_note(im, "          ", "a polygon with fewer than three good corners",
				NULL);
	for (size_t i = 0; i < 4 && all; i++)
		printf("          %s: %.9g\n", box[i][1],
		       json_number_value(import_find(area, box[i][0])));
}

static void
put_areas(struct import *im)
{
	json_t *areas = (json_t *)(uintptr_t)import_find(im->root, "areas"), *value;
	const char *name;

	if (json_object_size(areas) > 0)
		fputs("      areas:\n", stdout);
	json_object_foreach(areas, name, value)
	{
		put_area(im, name, value);
	}
}

static void
put_map(struct import *im)
{
	const json_t *center = import_find_in(im, "mapDefaults", "center");
	long zoom = 0;
	bool has_zoom = import_whole(import_find_in(im, "mapDefaults", "zoom"), &zoom) &&
			zoom >= 1 && zoom <= 20;

	if (center != NULL && !import_point(center)) {
		import_put_note(im, "      ", "mapDefaults.center is no place", NULL);
		center = NULL;
	}
	if (center == NULL && !has_zoom)
		return;
	fputs("      map:\n", stdout);
	if (center != NULL)
		printf("        center: \"%.9g,%.9g\"\n",
		       json_number_value(json_array_get(center, 0)),
		       json_number_value(json_array_get(center, 1)));
	if (has_zoom)
		printf("        zoom: %ld\n", zoom);
}

static void
put_lists(const struct import *im)
{
	static const char *const names[][2] = { { "packetsMax", "packets" },
						{ "nodesMax", "nodes" },
						{ "analyticsMax", "analytics" },
						{ "channelMessagesMax", "channel_messages" },
						{ "bulkHealthMax", "bulk_health" } };
	static const long most[] = { 100000, 100000, 10000, 10000, 10000 };
	bool first = true;
	long n;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!import_whole(import_find_in(im, "listLimits", names[i][0]), &n) || n <= 0)
			continue;
		if (first)
			fputs("      lists:\n", stdout);
		first = false;
		printf("        %s: %ld\n", names[i][1], n > most[i] ? most[i] : n);
	}
}

static void
put_battery(const struct import *im)
{
	static const char *const names[][2] = { { "lowMv", "low" }, { "criticalMv", "critical" } };
	bool first = true;
	long n;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!import_whole(import_find_in(im, "batteryThresholds", names[i][0]), &n) ||
		    n <= 0 || n > 100000)
			continue;
		if (first)
			fputs("      battery:\n", stdout);
		first = false;
		printf("        %s: %ld\n", names[i][1], n);
	}
}

/* "Hours" or "Minutes" are part of the names. */
static void
put_health(const struct import *im)
{
	static const char *const names[][2] = {
		{ "infraDegraded", "infra_degraded" },   { "infraSilent", "infra_silent" },
		{ "nodeDegraded", "node_degraded" },     { "nodeSilent", "node_silent" },
		{ "observerOnline", "observer_online" }, { "observerStale", "observer_stale" },
	};
	const json_t *all = import_find(im->root, "healthThresholds");
	bool first = true;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char hours[32], minutes[32];
		double least;

		(void)snprintf(hours, sizeof(hours), "%sHours", names[i][0]);
		(void)snprintf(minutes, sizeof(minutes), "%sMinutes", names[i][0]);
		least = 60 * json_number_value(import_find(all, hours));
		if (least <= 0)
			least = json_number_value(import_find(all, minutes));
		if (!(least > 0))
			continue;
		if (first)
			fputs("        health:\n", stdout);
		first = false;
		printf("          %s: %.0fs\n", names[i][1], 60 * fmin(least, 8760.0 * 60));
	}
}

static void
put_choice(const char *key, const char *value, const char *const *choices)
{
	for (; value != NULL && *choices != NULL; choices++)
		if (strcmp(value, *choices) == 0)
			printf("          %s: %s\n", key, value);
}

static void
put_times(const struct import *im)
{
	static const char *const modes[] = { "ago", "absolute", NULL };
	static const char *const zones[] = { "local", "utc", NULL };
	static const char *const formats[] = { "iso", "iso-seconds", "locale", NULL };
	const json_t *t = import_find(im->root, "timestamps");
	const char *custom = import_text(import_find(t, "customFormat"));

	if (json_object_size(t) == 0)
		return;
	fputs("        times:\n", stdout);
	put_choice("mode", import_text(import_find(t, "defaultMode")), modes);
	put_choice("timezone", import_text(import_find(t, "timezone")), zones);
	put_choice("format", import_text(import_find(t, "formatPreset")), formats);
	if (custom != NULL && strlen(custom) <= 64)
		import_put_text("          ", "custom_format", custom);
	printf("          allow_custom: %s\n",
	       json_is_true(import_find(t, "allowCustomFormat")) ? "true" : "false");
}

static void
put_milliseconds(const struct import *im, const char *from, const char *to)
{
	const json_t *v = import_find(im->root, from);
	long ms;

	if (v == NULL)
		v = import_find_in(im, "liveMap", from);
	if (import_whole(v, &ms) && ms >= 0)
		printf("        %s: %ldms\n", to, ms > 3600000 ? 3600000 : ms);
}

static void
put_files(const struct import *im)
{
	char *theme = cli_format("%s/theme.json", im->dir);
	bool any = false, has_theme = access(theme, R_OK) == 0;

	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
		any = any || import_find(im->root, sections[i]) != NULL;
	if (!has_theme) {
		free(theme);
		theme = cli_format("%s/data/theme.json", im->dir);
		has_theme = access(theme, R_OK) == 0;
	}
	if (any || has_theme) {
		fputs("        files: [ ", stdout);
		if (any)
			import_put_quoted(im->file);
		fputs(any && has_theme ? ", " : "", stdout);
		if (has_theme)
			import_put_quoted(theme);
		fputs(" ]\n", stdout);
	}
	free(theme);
}

void
import_put_pages(struct import *im)
{
	const json_t *hop = import_find(im->root, "maxHopDist");
	long nodes;

	import_put_list("      ", "node_blacklist", import_find(im->root, "nodeBlacklist"));
	import_put_list("      ", "observer_blacklist", import_find(im->root, "observerBlacklist"));
	import_put_list("      ", "hidden_names", import_find(im->root, "hiddenNamePrefixes"));
	put_lists(im);
	put_battery(im);
	put_regions(im);
	put_areas(im);
	put_map(im);
	fputs("      pages:\n", stdout);
	put_files(im);
	put_health(im);
	put_times(im);
	if (json_number_value(hop) > 0 && json_number_value(hop) <= 20000)
		printf("        max_hop_km: %.9g\n", json_number_value(hop));
	put_milliseconds(im, "perfSlowMs", "slow_request");
	put_milliseconds(im, "wsReconnectMs", "reconnect");
	put_milliseconds(im, "cacheInvalidateMs", "refresh");
	put_milliseconds(im, "propagationBufferMs", "propagation");
	if (import_whole(import_find(im->root, "liveMapMaxNodes"), &nodes) ||
	    import_whole(import_find_in(im, "liveMap", "maxNodes"), &nodes))
		printf("        live_map_nodes: %ld\n", nodes < 100     ? 100
							: nodes > 20000 ? 20000
									: nodes);
	import_put_list("        ", "disabled_tabs",
			import_find_in(im, "customizer", "disabledTabs"));
	printf("        debug_affinity: %s\n",
	       json_is_true(import_find(im->root, "debugAffinity")) ? "true" : "false");
	printf("        client_coverage: %s\n",
	       json_is_true(import_find_in(im, "clientRxCoverage", "enabled")) ? "true" : "false");
}
