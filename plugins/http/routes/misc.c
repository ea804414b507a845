/* SPDX-License-Identifier: MIT
 *
 * Small things that pages ask for: regions, airports, well-known channels, packets to listen to.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

#include "../http.h"
#include "../read/read.h"
#include "packet.h"

#define BUCKETS 24u
#define PICKS 8u

/* --------------------------------------------------------------- regions -- */

/* Pages show them unescaped, and they come from topics. */
static bool
region_is_plain(const char *code)
{
	size_t len = strspn(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

	return len > 0 && len <= 8 && code[len] == '\0';
}

static bool
region_is_new(const struct settings *set, const struct read *r, uint32_t observer)
{
	const char *code = read_observer(r, observer)->region;

	if (!region_is_plain(code))
		return false;
	for (uint32_t i = 0; i < set->region_count; i++)
		if (strcmp(set->regions[i].code, code) == 0)
			return false;
	for (uint32_t i = 0; i < observer; i++)
		if (strcmp(read_observer(r, i)->region, code) == 0)
			return false;
	return true;
}

static void
config_regions(struct request *rq, struct json *out)
{
	const struct http *h = request_context(rq);
	const struct settings *set = request_settings(rq);

	js_object(out);
	for (uint32_t i = 0; i < set->region_count; i++)
		js_kstr(out, set->regions[i].code, set->regions[i].label);
	for (uint32_t i = 0; i < read_observer_count(h->read); i++)
		if (region_is_new(set, h->read, i))
			js_kstr(out, read_observer(h->read, i)->region,
				read_observer(h->read, i)->region);
	js_object_end(out);
}

/* -------------------------------------------------------------- airports -- */

/* Regions are called by the codes of airports, which tells where they are. */
static const struct airport {
	const char *code;
	double lat, lon;
} airports[] = {
	/* clang-format off */
	{ "AMS", 52.3105, 4.7683 }, { "APC", 38.2132, -122.2807 },
	{ "ATL", 33.6407, -84.4277 }, { "AUS", 30.1975, -97.6664 },
	{ "BNA", 36.1263, -86.6774 }, { "BOI", 43.5644, -116.2228 },
	{ "BOS", 42.3656, -71.0096 }, { "CDG", 49.0097, 2.5479 },
	{ "CLT", 35.2144, -80.9473 }, { "DEN", 39.8561, -104.6737 },
	{ "DFW", 32.8998, -97.0403 }, { "DTW", 42.2124, -83.3534 },
	{ "EUG", 44.1246, -123.2119 }, { "EWR", 40.6895, -74.1745 },
	{ "FAT", 36.7762, -119.7181 }, { "FRA", 50.0379, 8.5622 },
	{ "HND", 35.5494, 139.7798 }, { "IAD", 38.9531, -77.4565 },
	{ "IAH", 29.9844, -95.3414 }, { "ICN", 37.4602, 126.4407 },
	{ "JFK", 40.6413, -73.7781 }, { "LAS", 36.084, -115.1537 },
	{ "LAX", 33.9425, -118.4081 }, { "LHR", 51.47, -0.4543 },
	{ "MCO", 28.4312, -81.3081 }, { "MEL", -37.669, 144.841 },
	{ "MFR", 42.3742, -122.8735 }, { "MIA", 25.7959, -80.287 },
	{ "MRY", 36.587, -121.843 }, { "MSP", 44.8848, -93.2223 },
	{ "MUC", 48.3537, 11.775 }, { "NRT", 35.772, 140.3929 },
	{ "OAK", 37.7213, -122.2208 }, { "ORD", 41.9742, -87.9073 },
	{ "PDX", 45.5898, -122.5951 }, { "PHX", 33.4373, -112.0078 },
	{ "RDD", 40.509, -122.2934 }, { "RDU", 35.8801, -78.788 },
	{ "RNO", 39.4991, -119.7681 }, { "SAN", 32.7338, -117.1933 },
	{ "SBA", 34.4262, -119.8405 }, { "SEA", 47.4502, -122.3088 },
	{ "SFO", 37.6213, -122.379 }, { "SJC", 37.3626, -121.929 },
	{ "SLC", 40.7884, -111.9778 }, { "SMF", 38.6954, -121.5908 },
	{ "SOF", 42.6952, 23.4062 }, { "STS", 38.509, -122.8128 },
	{ "SYD", -33.9461, 151.1772 }, { "YEG", 53.3097, -113.58 },
	{ "YOW", 45.3225, -75.6692 }, { "YVR", 49.1967, -123.1815 },
	{ "YYC", 51.1215, -114.0076 }, { "YYZ", 43.6777, -79.6248 },
	/* clang-format on */
};

static void
iata_coords(struct request *rq, struct json *out)
{
	(void)rq;
	js_object(out);
	js_kobject(out, "coords");
	for (size_t i = 0; i < sizeof(airports) / sizeof(airports[0]); i++) {
		js_kobject(out, airports[i].code);
		js_knum(out, "lat", airports[i].lat);
		js_knum(out, "lon", airports[i].lon);
		js_object_end(out);
	}
	js_object_end(out);
	js_object_end(out);
}

/* -------------------------------------------------------------- channels -- */

static bool
channel_is_of(const json_t *entry, const char *region)
{
	const char *s = json_string_value(json_object_get(entry, "region"));

	return s != NULL && strcasecmp(s, region) == 0;
}

static void
known_channels(struct request *rq, struct json *out)
{
	const char *text = request_settings(rq)->pages[PAGE_CHANNELS];
	const char *region = request_text(rq, "region");
	json_t *all, *entries, *entry, *kept;
	char *some;
	size_t i;

	if (region == NULL || region[0] == '\0') {
		js_text(out, text, strlen(text) - 1);
		return;
	}
	all = json_loads(text, 0, NULL);
	entries = json_object_get(all, "entries");
	kept = json_array();
	json_array_foreach(entries, i, entry)
	{
		if (channel_is_of(entry, region))
			(void)json_array_append(kept, entry);
	}
	(void)json_object_set_new(all, "entries", kept);
	some = json_dumps(all, JSON_COMPACT);
	json_decref(all);
	if (some != NULL)
		js_embed(out, some, strlen(some));
	else
		request_fail(rq, 500, "out of memory");
	free(some);
}

/* ------------------------------------------------------------- audio lab -- */

struct pick {
	uint32_t packet, len;
	int64_t id;
};

struct bucket {
	const char *name;
	struct pick *picks;
	uint32_t count, cap;
};

static const char *
bucket_name(const struct read_packet *p)
{
	static const char *const names[] = { "REQ",    "RESPONSE", "TXT_MSG",   "ACK",
					     "ADVERT", "GRP_TXT",  "GRP_DATA",  "ANON_REQ",
					     "PATH",   "TRACE",    "MULTIPART", "CONTROL" };

	/* Text that could be read: its channel has a name. */
	if (p->type == 5 && p->channel != NULL && p->channel[0] != '\0' &&
	    strncmp(p->channel, "enc_", 4) != 0)
		return "CHAN";
	if (p->type >= 0 && p->type < (int)(sizeof(names) / sizeof(names[0])))
		return names[p->type];
	return p->type == 15 ? "RAW_CUSTOM" : "UNKNOWN";
}

/* Names are static: equal ones are the same. False: out of memory. */
static bool
bucket_add(struct bucket *buckets, const char *name, const struct pick *pick)
{
	struct bucket *b = buckets;

	while (b->name != NULL && b->name != name)
		b++;
	b->name = name;
	if (b->count == b->cap) {
		uint32_t cap = b->cap == 0 ? 64 : 2 * b->cap;
		struct pick *grown = realloc(b->picks, cap * sizeof(*grown));

		if (grown == NULL)
			return false;
		b->picks = grown;
		b->cap = cap;
	}
	b->picks[b->count++] = *pick;
	return true;
}

static int
pick_compare(const void *a, const void *b)
{
	const struct pick *x = a, *y = b;

	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static void
pick_put(const struct read *r, const struct read_packet *p, struct json *out)
{
	const struct read_obs *o = packet_shown(p);

	js_object(out);
	js_kstr(out, "hash", p->hash);
	js_key(out, "raw_hex");
	js_hex(out, p->raw, p->raw_len, true);
	js_key(out, "decoded_json");
	if (p->json == NULL)
		js_null(out);
	else
		js_strn(out, p->json, p->json_len);
	js_kuint(out, "observation_count", p->obs_count == 0 ? 1 : p->obs_count);
	js_kint(out, "payload_type", p->type);
	js_key(out, "path_json");
	packet_put_path(out, o);
	js_key(out, "observer_id");
	js_str(out,
	       o == NULL || o->observer == READ_NONE ? NULL : read_observer(r, o->observer)->id);
	js_kstr(out, "timestamp", p->first_seen);
	js_object_end(out);
}

static bool
audio_gather(const struct read *r, struct read_scratch *s, struct bucket *buckets)
{
	read_scratch_skip(s, READ_SKIP_JSON | READ_SKIP_OBS);
	for (uint32_t i = read_packet_begin(r); i < read_packet_end(r); i++) {
		const struct read_packet *p = read_packet_at(r, s, i);
		struct pick pick;

		if (p == NULL || p->raw_len == 0)
			continue;
		pick = (struct pick){ i, p->raw_len, p->id };
		if (!bucket_add(buckets, bucket_name(p), &pick))
			return false;
	}
	read_scratch_skip(s, 0);
	return true;
}

static void
audio_buckets(struct request *rq, struct json *out)
{
	const struct http *h = request_context(rq);
	struct bucket buckets[BUCKETS] = { 0 };
	struct read_scratch *s;
	struct read_state state;
	bool good;

	read_get_state(h->read, &state);
	if (!state.warm) {
		packet_fail(rq, MK_EAGAIN, NULL);
		return;
	}
	s = read_scratch_new(h->read);
	good = s != NULL && audio_gather(h->read, s, buckets);
	if (!good)
		request_fail(rq, 500, "out of memory");
	js_object(out);
	js_kobject(out, "buckets");
	for (struct bucket *b = buckets; b->name != NULL; b++) {
		uint32_t n = b->count < PICKS ? b->count : PICKS;

		qsort(b->picks, b->count, sizeof(b->picks[0]), pick_compare);
		js_karray(out, b->name);
		for (uint32_t i = 0; good && i < n; i++) {
			uint32_t at = b->count <= PICKS ? i : i * b->count / PICKS;
			const struct read_packet *p =
			    read_packet_at(h->read, s, b->picks[at].packet);

			if (p != NULL)
				pick_put(h->read, p, out);
		}
		js_array_end(out);
		free(b->picks);
	}
	js_object_end(out);
	js_object_end(out);
	read_scratch_free(s);
}

/* clang-format off */
static const struct route_param channel_params[] = {
	{ .name = "region", .type = PARAM_TEXT, .max = 16, .help = "only those of this country" },
	{ .name = NULL },
};

const struct route misc_routes[] = {
	{ .method = "GET", .pattern = "/api/config/regions", .handle = config_regions,
	  .reads = MODEL_OBSERVERS, .summary = "regions and their names", .answer = "{code: label}" },
	{ .method = "GET", .pattern = "/api/iata-coords", .handle = iata_coords, .max_age_s = 3600,
	  .summary = "where airports are", .answer = "{coords: {code: {lat, lon}}}" },
	{ .method = "GET", .pattern = "/api/known-channels", .handle = known_channels,
	  .params = channel_params, .reads = MODEL_CONFIG,
	  .summary = "channels that are public knowledge", .answer = "{fetchedAt, source, entries}" },
	{ .method = "GET", .pattern = "/api/audio-lab/buckets", .handle = audio_buckets,
	  .reads = MODEL_PACKETS | MODEL_WARM, .max_age_s = 60, .cost = 20,
	  .summary = "packets of each kind, from the shortest to the longest",
	  .answer = "{buckets: {kind: [packet]}}" },
	{ .method = NULL },
};
/* clang-format on */
