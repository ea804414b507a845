/* SPDX-License-Identifier: MIT
 *
 * The payloads of observers, phones and bridges. Every text is bounded and cleaned here, every
 * number is finite, and the packet is bytes; nobody behind this looks at what came in.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

#include "mend.h"
#include "parse.h"
#include "value.h"

#define ITEM_FIELDS 24
#define ITEM_TEXT 2048 /* bytes of all cleaned texts of an item */
#define TEXT_MAX 129   /* with its NUL */
#define RAW_MAX 1024   /* bytes of a packet; radios have 255 */
#define KEY_MAX 64     /* hex digits of a key */

/* -------------------------------------------------- items, before writing -- */

struct field {
	const char *key;
	enum { FIELD_U64, FIELD_I64, FIELD_F64, FIELD_BOOL, FIELD_STR, FIELD_BIN, FIELD_MAP } type;
	union {
		uint64_t u64;
		int64_t i64;
		double f64;
		bool flag;
		const void *data; /* borrowed */
	};
	size_t len;
};

struct item {
	const json_t *json;
	uint32_t count;
	struct field fields[ITEM_FIELDS]; /* more than any kind has */
	size_t text_len;
	char text[ITEM_TEXT];
	uint8_t raw[RAW_MAX];
	struct item *sub; /* the map of a FIELD_MAP */
};

static void
item_f64(struct item *item, const char *key, double v)
{
	item->fields[item->count++] = (struct field){ .key = key, .type = FIELD_F64, .f64 = v };
}

static void
item_i64(struct item *item, const char *key, int64_t v)
{
	item->fields[item->count++] = (struct field){ .key = key, .type = FIELD_I64, .i64 = v };
}

static void
item_bool(struct item *item, const char *key, bool v)
{
	item->fields[item->count++] = (struct field){ .key = key, .type = FIELD_BOOL, .flag = v };
}

static void
item_data(struct item *item, const char *key, bool is_text, const void *data, size_t len)
{
	item->fields[item->count++] = (struct field){
		.key = key, .type = is_text ? FIELD_STR : FIELD_BIN, .data = data, .len = len
	};
}

/* Nothing if it is empty. */
static void
item_text(struct item *item, const char *key, const char *text, size_t len)
{
	char *to = item->text + item->text_len;
	size_t room = ITEM_TEXT - item->text_len, n;

	n = value_clean(text, len, to, room < TEXT_MAX ? room : TEXT_MAX);
	if (n == 0)
		return;
	item->text_len += n + 1;
	item_data(item, key, true, to, n);
}

static void
item_write(const struct item *item, mk_writer *w)
{
	mk_put_map(w, item->count);
	for (uint32_t i = 0; i < item->count; i++) {
		const struct field *f = &item->fields[i];

		mk_put_str(w, f->key);
		switch (f->type) {
		case FIELD_U64:
			mk_put_u64(w, f->u64);
			break;
		case FIELD_I64:
			mk_put_i64(w, f->i64);
			break;
		case FIELD_F64:
			mk_put_f64(w, f->f64);
			break;
		case FIELD_BOOL:
			mk_put_bool(w, f->flag);
			break;
		case FIELD_STR:
			mk_put_strn(w, f->data, f->len);
			break;
		case FIELD_BIN:
			mk_put_bin(w, f->data, f->len);
			break;
		case FIELD_MAP:
			item_write(item->sub, w);
			break;
		}
	}
}

/* ----------------------------------------------------------------- JSON -- */

/* The payload as an object. */
static enum route_refusal
json_open(const struct route_rules *rules, const void *payload, size_t len, json_t **out)
{
	/* Integers as doubles: one that is too long is no reason to lose the message. Of keys that
	 * come twice the last counts. */
	size_t flags = JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL;
	char *mended = NULL;
	json_t *json;

	if (len > rules->max_payload)
		return ROUTE_TOO_LARGE;
	if (mend_depth(payload, len) > rules->max_depth)
		return ROUTE_TOO_DEEP;
	json = json_loadb(payload, len, flags, NULL);
	if (json == NULL && len > 0 && *(const char *)payload == '{') {
		mended = mend_json(payload, len, &len);
		if (mended == NULL)
			return ROUTE_NO_MEMORY;
		json = json_loadb(mended, len, flags, NULL);
		free(mended);
	}
	if (!json_is_object(json)) {
		json_decref(json);
		return ROUTE_NOT_JSON;
	}
	*out = json;
	return ROUTE_TAKEN;
}

/* ---------------------------------------------------------------- fields -- */

/* The first of two spellings that exists, even if its value is of no use. */
static const json_t *
find_either(const json_t *object, const char *one, const char *other)
{
	const json_t *v = json_object_get(object, one);

	return v != NULL ? v : json_object_get(object, other);
}

static void
add_number(struct item *item, const char *key, const json_t *v)
{
	double d;

	if (value_number(v, &d))
		item_f64(item, key, d);
}

/* False: absent, empty or no string. */
static bool
add_text(struct item *item, const char *key, const json_t *v)
{
	uint32_t before = item->count;

	if (json_is_string(v))
		item_text(item, key, json_string_value(v), json_string_length(v));
	return item->count > before;
}

static void
add_signal(struct item *item)
{
	add_number(item, "snr", find_either(item->json, "SNR", "snr"));
	add_number(item, "rssi", find_either(item->json, "RSSI", "rssi"));
	add_number(item, "score", find_either(item->json, "score", "Score"));
	(void)add_text(item, "direction", find_either(item->json, "direction", "Direction"));
}

static struct value_time
read_time(const struct item *item, uint64_t now_us)
{
	const json_t *v = json_object_get(item->json, "timestamp");

	return value_time(json_string_value(v), json_string_length(v), now_us);
}

/* Where and from whom: the payload's region, else the topic's, else the source's. */
static void
add_origin(struct item *item, const struct route *route, const struct parse_source *source,
	   uint64_t now_us)
{
	struct value_time t = read_time(item, now_us);

	if (!add_text(item, "region", json_object_get(item->json, "region"))) {
		if (route->parts > 1 && route->part[1].len > 0)
			item_text(item, "region", route->part[1].s, route->part[1].len);
		else if (source->region != NULL)
			item_text(item, "region", source->region, strlen(source->region));
	}
	if (route->parts > 2)
		item_text(item, "observer", route->part[2].s, route->part[2].len);
	(void)add_text(item, "name", json_object_get(item->json, "origin"));
	if (t.is_skewed)
		item_i64(item, "skew", t.skew);
}

static enum route_refusal
add_raw(struct item *item)
{
	const json_t *v = json_object_get(item->json, "raw");
	size_t len = json_string_length(v);

	if (!json_is_string(v) || len == 0)
		return ROUTE_NO_CONTENT;
	len = value_hex(json_string_value(v), len, item->raw, RAW_MAX);
	item_data(item, "raw", false, item->raw, len);
	return len > 0 ? ROUTE_TAKEN : ROUTE_BAD_HEX;
}

/* ----------------------------------------------------------------- kinds -- */

static enum route_refusal
parse_packet(struct item *item, const struct route *route, const struct parse_source *source,
	     uint64_t now_us)
{
	enum route_refusal why = add_raw(item);

	if (why != ROUTE_TAKEN)
		return why;
	add_origin(item, route, source, now_us);
	add_signal(item);
	return ROUTE_TAKEN;
}

/* What is in `stats` hides what stands beside it, even if it is null. */
static const json_t *
find_stat(const struct item *item, const char *key)
{
	const json_t *v = json_object_get(json_object_get(item->json, "stats"), key);

	return v != NULL ? v : json_object_get(item->json, key);
}

static enum route_refusal
parse_status(struct item *item, const struct route *route, const struct parse_source *source,
	     const struct parse_message *message)
{
	static const char *const counts[] = { "battery_mv",  "uptime_secs", "tx_air_secs",
					      "rx_air_secs", "recv_errors", "packets_sent",
					      "packets_recv" };
	const json_t *json = item->json;
	bool repeat;

	add_origin(item, route, source, message->at_us);
	(void)add_text(item, "model", json_object_get(json, "model"));
	if (!add_text(item, "firmware", json_object_get(json, "firmware_version")))
		(void)add_text(item, "firmware", json_object_get(json, "firmware"));
	if (!add_text(item, "client_version", json_object_get(json, "clientVersion")))
		(void)add_text(item, "client_version", json_object_get(json, "client_version"));
	(void)add_text(item, "radio", json_object_get(json, "radio"));
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		int64_t n;

		if (value_integer(find_stat(item, counts[i]), &n))
			item_i64(item, counts[i], n);
	}
	add_number(item, "noise_floor", find_stat(item, "noise_floor"));
	if (value_switch(json_object_get(json, "repeat"), &repeat))
		item_bool(item, "repeat", repeat);
	if (message->retained)
		item_bool(item, "retained", true);
	return ROUTE_TAKEN;
}

/* The key of a phone from the topic: 2 to 64 hex digits, lower case. */
static bool
add_companion(struct item *item, const char *s, size_t len)
{
	char *to = item->text + item->text_len;

	for (; len > 0 && *s == ' '; len--)
		s++;
	while (len > 0 && s[len - 1] == ' ')
		len--;
	if (len < 2 || len > KEY_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = s[i] >= 'A' && s[i] <= 'F' ? (char)(s[i] + ('a' - 'A')) : s[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
		to[i] = c;
	}
	item->text_len += len;
	item_data(item, "companion", true, to, len);
	return true;
}

static bool
add_place(struct item *item)
{
	const json_t *gps = json_object_get(item->json, "gps");
	double lat, lon, acc;

	if (!value_number(json_object_get(gps, "lat"), &lat) || fabs(lat) > 90 ||
	    !value_number(json_object_get(gps, "lon"), &lon) || fabs(lon) > 180)
		return false;
	item_f64(item, "lat", lat);
	item_f64(item, "lon", lon);
	if (value_number(json_object_get(gps, "acc_m"), &acc) && acc >= 0)
		item_f64(item, "acc_m", acc);
	return true;
}

static enum route_refusal
parse_client(struct item *item, const struct route *route, uint64_t now_us)
{
	const json_t *direction = find_either(item->json, "direction", "Direction");
	enum route_refusal why;
	double rssi;

	if (!add_companion(item, route->part[2].s, route->part[2].len))
		return ROUTE_BAD_TOPIC;
	why = add_raw(item);
	if (why != ROUTE_TAKEN)
		return why;
	if (!add_place(item) || json_string_length(direction) != 2 ||
	    strcasecmp(json_string_value(direction), "rx") != 0)
		return ROUTE_BAD_CLIENT;
	(void)add_text(item, "name", json_object_get(item->json, "origin"));
	add_number(item, "snr", find_either(item->json, "SNR", "snr"));
	if (value_number(find_either(item->json, "RSSI", "rssi"), &rssi))
		item_f64(item, "rssi", trunc(rssi));
	item_i64(item, "rx_at", read_time(item, now_us).seconds);
	return ROUTE_TAKEN;
}

/* A whole number without decimals, however it was written. */
static void
add_any(struct item *item, const char *key, const json_t *v, bool as_text)
{
	char text[32];
	double d = json_number_value(v);

	if (json_is_string(v)) {
		(void)add_text(item, key, v);
	} else if (json_is_number(v) && as_text) {
		item_text(item, key, text, (size_t)snprintf(text, sizeof(text), "%.15g", d));
	} else if (json_is_number(v) && d == trunc(d) && fabs(d) < 9e15) {
		item_i64(item, key, (int64_t)d);
	} else if (json_is_number(v)) {
		item_f64(item, key, d);
	}
}

static enum route_refusal
parse_bridge(struct item *item, const struct route *route, struct item *sub)
{
	const json_t *text = json_object_get(item->json, "text");
	bool is_channel = route->kind == ROUTE_CHANNEL;

	if (!json_is_string(text) || json_string_length(text) == 0)
		return ROUTE_NO_CONTENT;
	*sub = (struct item){ .json = item->json };
	item_text(sub, "kind", is_channel ? "channel" : "direct", is_channel ? 7 : 6);
	if (is_channel) {
		add_any(sub, "channel", json_object_get(item->json, "channel_idx"), true);
		if (sub->count == 1) /* nothing usable there */
			item_text(sub, "channel", route->part[3].s, route->part[3].len);
	}
	item_data(sub, "text", true, json_string_value(text), json_string_length(text));
	add_any(sub, "time", json_object_get(item->json, "sender_timestamp"), false);
	item->sub = sub;
	item->fields[item->count++] = (struct field){ .key = "bridge", .type = FIELD_MAP };
	add_signal(item);
	return ROUTE_TAKEN;
}

enum route_refusal
parse_message(const struct route_rules *rules, const struct parse_source *source,
	      const struct parse_message *m, enum route_kind *kind, mk_writer *out)
{
	struct item item, sub;
	struct route route;
	enum route_refusal why;
	json_t *json;

	why = route_topic(rules, source->iata_filter, m->topic, m->topic_len, &route);
	if (why != ROUTE_TAKEN)
		return why;
	/* A broker keeps the last packet and sends it at every connect, for days: nobody can tell
	 * when it was heard. */
	if (m->retained && route.kind != ROUTE_STATUS)
		return ROUTE_RETAINED;
	why = json_open(rules, m->payload, m->len, &json);
	if (why != ROUTE_TAKEN)
		return why;
	item.json = json;
	item.count = 0;
	item.text_len = 0;
	item.fields[item.count++] =
	    (struct field){ .key = "at", .type = FIELD_U64, .u64 = m->at_us };
	item_text(&item, "feed", source->feed, strlen(source->feed));
	switch (route.kind) {
	case ROUTE_PACKET:
		why = parse_packet(&item, &route, source, m->at_us);
		break;
	case ROUTE_STATUS:
		why = parse_status(&item, &route, source, m);
		break;
	case ROUTE_CLIENT:
		why = parse_client(&item, &route, m->at_us);
		break;
	case ROUTE_CHANNEL:
	case ROUTE_DIRECT:
		why = parse_bridge(&item, &route, &sub);
		break;
	}
	if (why == ROUTE_TAKEN)
		item_write(&item, out);
	json_decref(json);
	*kind = route.kind;
	return why;
}
