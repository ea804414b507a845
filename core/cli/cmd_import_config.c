/* SPDX-License-Identifier: MIT
 *
 * meshkern import-config: the config.json of CoreScope as a meshkern.yaml that does the same. What
 * has no counterpart is named in comments, with the reason.
 */
#define _XOPEN_SOURCE 700 /* realpath() */

#include <ctype.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <jansson.h>

#include "cli.h"
#include "import_config.h"

#define IMPORT_MAX (4u << 20) /* bytes of a config.json */
#define NAME_MAX_BYTES 64

/* Keys that are not taken over, and why; "" is what is. A key stands for all below it. Keys are
 * matched without regard to case, as CoreScope does. */
#define PAGES "the pages have no such option"
#define INCREMENTAL "nothing to set: analytics follow every packet instead of being recomputed"
#define BOUNDED "nothing to set: every queue and cache has a limit of its own"

static const struct known {
	const char *key, *why;
} known[] = {
	{ "dbpath", "" },
	{ "port", "" },
	{ "apikey", "" },
	{ "corsallowedorigins", "" },
	{ "compression.gzip", "" },
	{ "compression", "answers of every kind that shrinks are compressed" },
	{ "mqttsources", "" },
	{ "mqtt", "" },
	{ "observeriatawhitelist", "" },
	{ "observerblacklist", "" },
	{ "clientrxcoverage.enabled", "" },
	{ "channelkeys", "" },
	{ "channelkeyspath", "" },
	{ "hashchannels", "" },
	{ "hashregions", "" },
	{ "validatesignatures", "" },
	{ "geo_filter", "" },
	{ "foreignadverts.mode", "" },
	{ "retention.nodedays", "" },
	{ "retention.observerdays", "" },
	{ "retention.metricsdays", "" },
	{ "retention.packetdays", "" },
	{ "retention.clientrxdays", "" },
	{ "neighboredgesmaxagedays", "" },
	{ "metrics.sampleintervalsec", "" },
	{ "ingestbuffersize",
	  "no message is dropped when storage is slow: see outbox.size of mqtt" },
	{ "runtime", "the limit of a plugin's process is limits.memory of its entry" },
	{ "loglevel", "CoreScope did not use it; here it is log.level" },
	{ "db.vacuumonstartup", "a database is made smaller in small steps while it is used" },
	{ "db.incrementalvacuumpages",
	  "a database is made smaller in small steps while it is used" },
	{ "db", BOUNDED },
	{ "packetstore", BOUNDED },
	{ "listlimits", "" },
	{ "cachettl", "" },
	{ "observerscache", "nothing to set: an answer is new when what it tells of has changed" },
	{ "analytics", INCREMENTAL },
	{ "resolvedpath", INCREMENTAL },
	{ "neighborgraph.maxagedays", "CoreScope did not use it; see retention.edges of storage" },
	{ "neighborgraph", INCREMENTAL },
	{ "nodeblacklist", "" },
	{ "hiddennameprefixes", "" },
	{ "defaultregion", PAGES },
	{ "regions", "" },
	{ "areas", "" },
	{ "mapdefaults", "" },
	{ "map", "" },
	{ "tiles", "" },
	{ "mapdarktileprovider", "" },
	{ "branding", "" },
	{ "theme", "" },
	{ "themedark", "" },
	{ "nodecolors", "" },
	{ "typecolors", "" },
	{ "home", "" },
	{ "markerstroke", "" },
	{ "roles", "" },
	{ "timestamps", "" },
	{ "healththresholds", "" },
	{ "batterythresholds", "" },
	{ "snrthresholds", "" },
	{ "distthresholds", "" },
	{ "limits", "" },
	{ "externalurls", "" },
	{ "maxhopdist", "" },
	{ "perfslowms", "" },
	{ "wsreconnectms", "" },
	{ "cacheinvalidatems", "" },
	{ "propagationbufferms", "" },
	{ "livemapmaxnodes", "" },
	{ "livemap.maxnodes", "" },
	{ "livemap.propagationbufferms", "" },
	{ "livemap", PAGES },
	{ "customizer.disabledtabs", "" },
	{ "customizer", PAGES },
	{ "debugaffinity", "" },
	{ "knownchannelsurl",
	  "meshkern fetches nothing from elsewhere: see pages.known_channels of http" },
	{ "https", "see tls of http" },
};

/* --------------------------------------------------------------- reading -- */

const json_t *
import_find(const json_t *object, const char *key)
{
	const char *name;
	json_t *value;

	if (!json_is_object(object))
		return NULL;
	/* json_object_foreach wants a pointer that is not const, and changes nothing. */
	for (void *i = json_object_iter((json_t *)(uintptr_t)object); i != NULL;
	     i = json_object_iter_next((json_t *)(uintptr_t)object, i)) {
		name = json_object_iter_key(i);
		value = json_object_iter_value(i);
		if (strcasecmp(name, key) == 0 && !json_is_null(value))
			return value;
	}
	return NULL;
}

const json_t *
import_find_in(const struct import *im, const char *group, const char *key)
{
	return import_find(import_find(im->root, group), key);
}

const char *
import_text(const json_t *v)
{
	const char *s = json_string_value(v);

	return s != NULL && s[0] != '\0' ? s : NULL;
}

bool
import_whole(const json_t *v, long *out)
{
	double d = json_number_value(v);

	if (!json_is_number(v) || d < -1e9 || d > 1e9)
		return false;
	*out = lround(d);
	return true;
}

/* --------------------------------------------------------------- writing -- */

void
import_put_quoted(const char *s)
{
	putchar('"');
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			printf("\\%c", *s);
		else if ((unsigned char)*s < ' ' || *s == 0x7f)
			printf("\\x%02x", (unsigned)(unsigned char)*s);
		else
			putchar(*s);
	}
	putchar('"');
}

void
import_put_note(struct import *im, const char *indent, const char *what, const char *value)
{
	im->notes++;
	printf("%s# %s", indent, what);
	if (value != NULL) {
		fputs(": ", stdout);
		import_put_quoted(value);
	}
	putchar('\n');
}

void
import_put_text(const char *indent, const char *key, const char *value)
{
	if (value == NULL)
		return;
	printf("%s%s: ", indent, key);
	import_put_quoted(value);
	putchar('\n');
}

void
import_put_list(const char *indent, const char *key, const json_t *list)
{
	bool first = true;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *s = import_text(json_array_get(list, i));

		if (s == NULL || s[strspn(s, " \t")] == '\0')
			continue;
		if (first)
			printf("%s%s: [ ", indent, key);
		else
			fputs(", ", stdout);
		import_put_quoted(s);
		first = false;
	}
	if (!first)
		fputs(" ]\n", stdout);
}

/* A path of config.json, which starts in its folder. [owned] */
static char *
path_of(const struct import *im, const char *path)
{
	return path[0] == '/' ? cli_format("%s", path) : cli_format("%s/%s", im->dir, path);
}

/* ----------------------------------------------------------------- mqtt -- */

static bool
broker_is_good(const char *broker)
{
	static const char *const schemes[] = { "mqtt://", "mqtts://", "ws://", "wss://",
					       "tcp://",  "ssl://",   "tls://" };

	for (size_t i = 0; broker != NULL && i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (strncasecmp(broker, schemes[i], strlen(schemes[i])) == 0)
			return strlen(broker) > strlen(schemes[i]);
	return false;
}

/* Names are unique and have no control characters; a source without one is called after its place,
 * since its address may contain a password. [owned] */
static char *
source_name(const json_t *sources, size_t at)
{
	const char *given = import_text(import_find(json_array_get(sources, at), "name"));
	char *name = given == NULL ? cli_format("source %zu", at + 1)
				   : cli_format("%.*s", NAME_MAX_BYTES - 8, given);
	bool taken = false;

	for (char *c = name; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	for (size_t i = 0; i < at && given != NULL; i++) {
		const char *other = import_text(import_find(json_array_get(sources, i), "name"));

		taken = taken || (other != NULL && strcmp(other, given) == 0);
	}
	if (taken) {
		char *longer = cli_format("%s #%zu", name, at + 1);

		free(name);
		name = longer;
	}
	return name;
}

/* %XX as the byte that it stands for, in place. */
static void
unescape(char *s)
{
	char *to = s;

	for (; *s != '\0'; s++) {
		char digits[3] = { 0 };

		if (*s == '%' && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2]) &&
		    strncmp(s, "%00", 3) != 0) {
			memcpy(digits, s + 1, 2);
			*to++ = (char)strtol(digits, NULL, 16);
			s += 2;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

/* The address without user:password@, which get keys of their own unless they have them. */
static void
put_broker(const json_t *source, const char *broker, const char *indent)
{
	const char *user = import_text(import_find(source, "username"));
	const char *password = import_text(import_find(source, "password"));
	const char *rest = strstr(broker, "://") + 3, *at = rest + strcspn(rest, "/");
	char *credentials, *colon, *address;

	while (at > rest && at[-1] != '@')
		at--;
	credentials = cli_format("%.*s", at > rest ? (int)(at - rest) - 1 : 0, rest);
	address = cli_format("%.*s%s", (int)(rest - broker), broker, at);
	colon = strchr(credentials, ':');
	if (colon != NULL) {
		*colon++ = '\0';
		unescape(colon);
	}
	unescape(credentials);
	if (user == NULL && credentials[0] != '\0')
		user = credentials;
	if (password == NULL && colon != NULL && colon[0] != '\0')
		password = colon;
	import_put_text(indent, "broker", address);
	import_put_text(indent, "username", user);
	import_put_text(indent, "password", password);
	free(address);
	free(credentials);
}

static void
put_source(struct import *im, const json_t *sources, size_t at)
{
	const json_t *s = json_array_get(sources, at);
	const char *broker = import_text(import_find(s, "broker")), *indent = "          ";
	char *name = source_name(sources, at);
	long seconds;

	if (!broker_is_good(broker)) {
		import_put_note(im, "        ", "a source without an address that can be used",
				name);
		free(name);
		return;
	}
	fputs("        - name: ", stdout);
	import_put_quoted(name);
	putchar('\n');
	free(name);
	put_broker(s, broker, indent);
	import_put_list(indent, "topics", import_find(s, "topics"));
	import_put_list(indent, "iata_filter", import_find(s, "iataFilter"));
	import_put_text(indent, "region", import_text(import_find(s, "region")));
	if (import_whole(import_find(s, "connectTimeoutSec"), &seconds) && seconds > 0)
		printf("%sconnect_timeout: %lds\n", indent, seconds > 300 ? 300 : seconds);
	if (json_is_false(import_find(s, "rejectUnauthorized")))
		printf("%stls: { verify: false }\n", indent);
}

/* The single source of old; the caller's. */
static json_t *
legacy_sources(const struct import *im)
{
	const char *broker = import_text(import_find_in(im, "mqtt", "broker"));
	const char *topic = import_text(import_find_in(im, "mqtt", "topic"));
	json_t *list = json_array(), *topics = json_array(), *source = json_object();

	/* "meshcore/#" is what CoreScope adds; a broker that is given a topic twice sends twice. */
	if (broker != NULL && topic != NULL && strcmp(topic, "meshcore/#") != 0)
		(void)json_array_append_new(topics, json_string(topic));
	(void)json_array_append_new(topics, json_string("meshcore/#"));
	(void)json_object_set_new(source, "name",
				  json_string(broker == NULL ? "local" : "default"));
	(void)json_object_set_new(source, "broker",
				  json_string(broker == NULL ? "mqtt://localhost:1883" : broker));
	(void)json_object_set_new(source, "topics", topics);
	(void)json_array_append_new(list, source);
	return list;
}

static void
put_mqtt(struct import *im)
{
	const json_t *configured = import_find(im->root, "mqttSources");
	json_t *legacy = json_array_size(configured) > 0 ? NULL : legacy_sources(im);
	const json_t *sources = legacy == NULL ? configured : legacy;
	bool any = false;

	fputs("  mqtt:\n    enabled: true\n    config:\n", stdout);
	import_put_list("      ", "iata_whitelist", import_find(im->root, "observerIATAWhitelist"));
	import_put_list("      ", "observer_blacklist", import_find(im->root, "observerBlacklist"));
	if (json_is_true(import_find_in(im, "clientRxCoverage", "enabled")))
		fputs("      client_coverage: true\n", stdout);
	for (size_t i = 0; i < json_array_size(sources); i++)
		any = any || broker_is_good(
				 import_text(import_find(json_array_get(sources, i), "broker")));
	printf("      sources:%s\n", any ? "" : " []");
	for (size_t i = 0; i < json_array_size(sources); i++)
		put_source(im, sources, i);
	json_decref(legacy);
}

/* ---------------------------------------------------------------- decode -- */

static bool
key_is_good(const char *name, const char *hex)
{
	size_t len = hex == NULL ? 0 : strlen(hex);

	return name[0] != '\0' && strlen(name) <= 63 && (len == 32 || len == 64) &&
	       strspn(hex, "0123456789abcdefABCDEF") == len;
}

static void
put_channel_keys(struct import *im)
{
	json_t *keys = (json_t *)(uintptr_t)import_find(im->root, "channelKeys"), *value;
	const char *name;
	bool first = true;

	json_object_foreach(keys, name, value)
	{
		const char *hex = import_text(value);

		if (!key_is_good(name, hex)) {
			import_put_note(im, "      ", "channelKeys: no key of 32 or 64 hex digits",
					name);
			continue;
		}
		if (first)
			fputs("      channel_keys:\n", stdout);
		first = false;
		fputs("        - { name: ", stdout);
		import_put_quoted(name);
		printf(", key: \"%s\" }\n", hex);
	}
}

static void
put_channel_file(const struct import *im)
{
	const char *given = import_text(import_find(im->root, "channelKeysPath"));
	char *path = path_of(im, given == NULL ? "channel-rainbow.json" : given);

	if (given != NULL || access(path, R_OK) == 0)
		import_put_text("      ", "channel_keys_file", path);
	free(path);
}

bool
import_point(const json_t *point)
{
	double lat = json_number_value(json_array_get(point, 0));
	double lon = json_number_value(json_array_get(point, 1));

	return json_is_number(json_array_get(point, 0)) &&
	       json_is_number(json_array_get(point, 1)) && fabs(lat) <= 90 && fabs(lon) <= 180;
}

void
import_put_polygon(const char *indent, const json_t *polygon)
{
	printf("%spolygon: [ ", indent);
	for (size_t i = 0; i < json_array_size(polygon); i++) {
		const json_t *p = json_array_get(polygon, i);

		printf("%s\"%.9g,%.9g\"", i == 0 ? "" : ", ",
		       json_number_value(json_array_get(p, 0)),
		       json_number_value(json_array_get(p, 1)));
	}
	fputs(" ]\n", stdout);
}

static void
put_geo_filter(struct import *im)
{
	static const char *const box[4][2] = { { "latMin", "lat_min" },
					       { "latMax", "lat_max" },
					       { "lonMin", "lon_min" },
					       { "lonMax", "lon_max" } };
	const json_t *filter = import_find(im->root, "geo_filter"),
		     *polygon = import_find(filter, "polygon");
	const json_t *buffer = import_find(filter, "bufferKm");
	double km = json_number_value(buffer);
	bool good = json_array_size(polygon) >= 3, all = true;

	for (size_t i = 0; i < json_array_size(polygon); i++)
		good = good && import_point(json_array_get(polygon, i));
	for (size_t i = 0; i < 4; i++)
		all = all && json_is_number(import_find(filter, box[i][0]));
	if (!good && !all) {
		if (filter != NULL)
			import_put_note(im, "      ",
					"geo_filter: neither three good corners nor a box", NULL);
		return;
	}
	fputs("      geo_filter:\n", stdout);
	if (good)
		import_put_polygon("        ", polygon);
	if (km > 0 && km <= 20000)
		printf("        buffer_km: %.9g\n", km);
	for (size_t i = 0; i < 4 && all && !good; i++)
		printf("        %s: %.9g\n", box[i][1],
		       json_number_value(import_find(filter, box[i][0])));
}

static void
put_decode(struct import *im)
{
	const char *mode = import_text(import_find_in(im, "foreignAdverts", "mode"));

	fputs("  decode:\n    enabled: true\n    config:\n", stdout);
	printf("      validate_signatures: %s\n",
	       json_is_false(import_find(im->root, "validateSignatures")) ? "false" : "true");
	put_channel_keys(im);
	put_channel_file(im);
	import_put_list("      ", "hash_channels", import_find(im->root, "hashChannels"));
	import_put_list("      ", "hash_regions", import_find(im->root, "hashRegions"));
	put_geo_filter(im);
	if (mode != NULL && strncasecmp(mode + strspn(mode, " \t"), "drop", 4) == 0)
		fputs("      foreign_adverts: drop\n", stdout);
}

/* -------------------------------------------------------- storage and http -- */

static void
put_days(const json_t *v, const char *key, long otherwise, bool negative_is_never)
{
	long days = 0;
	bool given = import_whole(v, &days);

	if (given && days < 0 && negative_is_never)
		days = 0;
	else if (!given || days <= 0)
		days = otherwise;
	printf("        %s: %ld\n", key, days > 36500 ? 36500 : days);
}

static void
put_storage(const struct import *im, const char *database)
{
	const json_t *r = import_find(im->root, "retention");
	long seconds;

	fputs("  storage:\n    enabled: true\n    config:\n", stdout);
	import_put_text("      ", "database", database);
	if (import_whole(import_find_in(im, "metrics", "sampleIntervalSec"), &seconds) &&
	    seconds > 0)
		printf("      metrics_interval: %lds\n", seconds > 86400 ? 86400 : seconds);
	fputs("      retention:\n", stdout);
	put_days(import_find(r, "nodeDays"), "nodes", 7, false);
	put_days(import_find(r, "observerDays"), "observers", 14, true);
	put_days(import_find(r, "packetDays"), "packets", 0, false);
	put_days(import_find(r, "metricsDays"), "metrics", 30, false);
	put_days(import_find(r, "clientRxDays"), "clients", 0, false);
	put_days(import_find(im->root, "neighborEdgesMaxAgeDays"), "edges", 5, false);
}

static void
put_http(struct import *im)
{
	const char *key = import_text(import_find(im->root, "apiKey"));
	long port = 3000;

	if (!import_whole(import_find(im->root, "port"), &port) || port < 1 || port > 65535)
		port = 3000;
	fputs("  http:\n    enabled: true\n    config:\n", stdout);
	printf("      listen: [ \"*:%ld\" ]\n", port);
	if (key != NULL && strlen(key) < 16)
		import_put_note(im, "      ", "apiKey: has less than 16 characters", NULL);
	else
		import_put_text("      ", "api_key", key);
	import_put_list("      ", "cors", import_find(im->root, "corsAllowedOrigins"));
	if (json_is_false(import_find_in(im, "compression", "gzip")))
		fputs("      gzip: false\n", stdout);
	import_put_pages(im);
}

/* ----------------------------------------------------------- what is left -- */

/* Why a key is not taken over; "" if it is, NULL if nobody knows it. */
static const char *
why_not(const char *key)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t len = strlen(known[i].key);

		if (strncasecmp(known[i].key, key, len) == 0 &&
		    (key[len] == '\0' || key[len] == '.'))
			return known[i].why;
	}
	return NULL;
}

/* A map whose keys have meanings of their own. */
static bool
has_parts(const char *key)
{
	size_t len = strlen(key);

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strncasecmp(known[i].key, key, len) == 0 && known[i].key[len] == '.')
			return true;
	return false;
}

static void
put_rest(struct import *im, const json_t *object, const char *above)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, name, value)
	{
		char *key = cli_format("%s%s", above, name), *part;
		const char *why = why_not(key);

		if (json_is_object(value) && above[0] == '\0' && has_parts(key)) {
			part = cli_format("%s.", key);
			put_rest(im, value, part);
			free(part);
		} else if (strncmp(name, "_comment", 8) != 0 && (why == NULL || why[0] != '\0')) {
			import_put_note(im, "", why == NULL ? "not known" : why, key);
		}
		free(key);
	}
}

/* What CoreScope's server did by itself. */
static void
put_analytics(void)
{
	static const char *const names[] = { "backfill", "neighbors", "mbcap", "analytics" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		printf("  %s:\n    enabled: true\n", names[i]);
}

static void
put_all(struct import *im, const char *file)
{
	const char *given = import_text(import_find(im->root, "dbPath"));
	char *path = path_of(im, given == NULL ? "data/meshcore.db" : given);
	char *slash = strrchr(path, '/');

	printf("# Made by `meshkern import-config`. It may contain passwords: mode 0600.\n");
	import_put_note(im, "", "From", file);
	im->notes = 0;
	fputs("meshkern: 1\n\n"
	      "# The database stays where it is, and is copied before it is upgraded. What the "
	      "variables\n"
	      "# DB_PATH, MQTT_BROKER, MQTT_TOPIC and CHANNEL_KEYS_PATH said is not in here.\n",
	      stdout);
	*slash = '\0';
	import_put_text("", "data_dir", path[0] == '\0' ? "/" : path);
	fputs("\nplugins:\n", stdout);
	put_mqtt(im);
	put_decode(im);
	put_storage(im, slash[1] == '\0' ? "meshcore.db" : slash + 1);
	put_analytics();
	put_http(im);
	fputs("\n# What is not taken over:\n", stdout);
	put_rest(im, im->root, "");
	if (im->notes == 0)
		fputs("# nothing\n", stdout);
	free(path);
}

static int
run_import_config(const struct cli *cli)
{
	const char *file = cli->args[0];
	struct import im = { 0 };
	char *real = realpath(file, NULL);
	size_t len = 0;
	char *text = real == NULL ? NULL : cli_read_file(real, IMPORT_MAX, &len);
	json_error_t error;
	json_t *root;

	if (text == NULL) {
		int status = cli_say(CLI_FAILED, "read %s: %s", file, strerror(errno));

		free(real);
		return status;
	}
	root = json_loadb(text, len, 0, &error);
	free(text);
	if (!json_is_object(root)) {
		int status = cli_say(CLI_FAILED, "%s:%d:%d: %s", file, error.line, error.column,
				     root == NULL ? error.text : "not an object");

		json_decref(root);
		free(real);
		return status;
	}
	im.root = root;
	im.file = strdup(real);
	im.dir = dirname(real);
	put_all(&im, file);
	json_decref(root);
	free((void *)(uintptr_t)im.file);
	free(real);
	return 0;
}

const struct command command_import_config = {
	.name = "import-config",
	.usage = "CONFIG.JSON",
	.summary = "a configuration that does what CoreScope's config.json did",
	.help = "Prints a meshkern.yaml. What has no counterpart is named in comments at its end,\n"
		"with the reason. Check the result before it is used:\n"
		"\n"
		"  meshkern import-config config.json > meshkern.yaml && meshkernd --check",
	.min_args = 1,
	.max_args = 1,
	.run = run_import_config,
};
