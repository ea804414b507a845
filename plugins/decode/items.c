/* SPDX-License-Identifier: MIT
 *
 * From reception to decoded packet: see items.h. [plugin]
 */
#include "items.h"

#include <math.h>
#include <string.h>

#include "meshcore/hex.h"

enum kind { KIND_U64, KIND_I64, KIND_F64, KIND_STR, KIND_BIN, KIND_BRIDGE };

struct field {
	const char *name;
	enum kind kind;
};

#define FIELDS_MAX 12
#define FIELD_AT 0 /* the first of both tables */

static const struct field raw_fields[] = {
	{ "at", KIND_U64 },        { "raw", KIND_BIN },  { "observer", KIND_STR },
	{ "name", KIND_STR },      { "feed", KIND_STR }, { "region", KIND_STR },
	{ "snr", KIND_F64 },       { "rssi", KIND_F64 }, { "score", KIND_F64 },
	{ "direction", KIND_STR }, { "skew", KIND_I64 }, { "bridge", KIND_BRIDGE },
};
#define RAW_FIELDS (sizeof(raw_fields) / sizeof(raw_fields[0]))
#define RAW_RAW 1
#define RAW_BRIDGE 11

/* `raw` is read, but not passed on. */
static const struct field client_fields[] = {
	{ "at", KIND_U64 },   { "raw", KIND_BIN },   { "companion", KIND_STR },
	{ "name", KIND_STR }, { "feed", KIND_STR },  { "lat", KIND_F64 },
	{ "lon", KIND_F64 },  { "acc_m", KIND_F64 }, { "rx_at", KIND_I64 },
	{ "snr", KIND_F64 },  { "rssi", KIND_F64 },
};
#define CLIENT_FIELDS (sizeof(client_fields) / sizeof(client_fields[0]))

struct value {
	const mk_val *v; /* NULL: not there, or of no use */
	union {
		uint64_t u;
		int64_t i;
		double d;
		const char *s;
		const uint8_t *b;
	};
	size_t len;
};

struct bridge { /* the map in place of a packet */
	const char *kind, *channel, *text, *time;
	size_t kind_len, channel_len, text_len, time_len;
	double time_number;
	bool has_number;
};

static bool
value_get(struct value *out, enum kind kind, const mk_val *v)
{
	switch (kind) {
	case KIND_U64:
		return mk_get_u64(v, &out->u);
	case KIND_I64:
		return mk_get_i64(v, &out->i);
	case KIND_F64:
		return mk_get_f64(v, &out->d) && isfinite(out->d);
	case KIND_STR:
		return mk_get_str(v, &out->s, &out->len) && out->len > 0;
	case KIND_BIN:
		return mk_get_bin(v, &out->b, &out->len);
	case KIND_BRIDGE:
		break;
	}
	return mk_is_map(v);
}

/* Fills `values` and says how many there are. */
static uint32_t
item_read(struct value *values, const struct field *fields, size_t count, const mk_val *item)
{
	uint32_t found = 0;

	memset(values, 0, count * sizeof(values[0]));
	for (uint32_t i = 0; i < mk_count(item) && mk_is_map(item); i++) {
		const char *key = NULL;
		size_t len = 0, f = 0;

		(void)mk_get_str(mk_key_at(item, i), &key, &len);
		while (f < count &&
		       (strlen(fields[f].name) != len || memcmp(fields[f].name, key, len) != 0))
			f++;
		if (f < count && value_get(&values[f], fields[f].kind, mk_val_at(item, i))) {
			values[f].v = mk_val_at(item, i);
			found++;
		}
	}
	return found;
}

static void
item_put(mk_writer *w, const struct field *f, const struct value *v)
{
	if (v->v == NULL || f->kind == KIND_BRIDGE)
		return;
	mk_put_str(w, f->name);
	switch (f->kind) {
	case KIND_U64:
		mk_put_u64(w, v->u);
		break;
	case KIND_I64:
		mk_put_i64(w, v->i);
		break;
	case KIND_F64:
		mk_put_f64(w, v->d);
		break;
	case KIND_STR:
		mk_put_strn(w, v->s, v->len);
		break;
	case KIND_BIN:
		mk_put_bin(w, v->b, v->len);
		break;
	case KIND_BRIDGE:
		break;
	}
}

/* ---------------------------------------------------------------- bridges -- */

static void
bridge_read(struct bridge *b, const mk_val *map)
{
	const mk_val *time = mk_find(map, "time");

	memset(b, 0, sizeof(*b));
	(void)mk_get_str(mk_find(map, "kind"), &b->kind, &b->kind_len);
	(void)mk_get_str(mk_find(map, "channel"), &b->channel, &b->channel_len);
	(void)mk_get_str(mk_find(map, "text"), &b->text, &b->text_len);
	if (!mk_get_str(time, &b->time, &b->time_len))
		b->has_number = mk_get_f64(time, &b->time_number) && isfinite(b->time_number);
}

static void
put_strn_if(mk_writer *w, const char *key, const char *s, size_t len)
{
	if (s != NULL) {
		mk_put_str(w, key);
		mk_put_strn(w, s, len);
	}
}

static void
bridge_put(mk_writer *w, const struct bridge *b)
{
	mk_kv_map(w, "bridge",
		  0u + (b->kind != NULL) + (b->channel != NULL) + (b->text != NULL) +
		      (b->time != NULL || b->has_number));
	put_strn_if(w, "kind", b->kind, b->kind_len);
	put_strn_if(w, "channel", b->channel, b->channel_len);
	put_strn_if(w, "text", b->text, b->text_len);
	put_strn_if(w, "time", b->time, b->time_len);
	if (b->has_number)
		mk_kv_f64(w, "time", b->time_number);
}

static bool
bridge_is(const struct bridge *b, const char *kind)
{
	return b->kind_len == strlen(kind) && memcmp(b->kind, kind, b->kind_len) == 0;
}

static bool
bridge_decode(struct items *s, const struct bridge *b, uint64_t at_us, struct mc_json *json,
	      char hash[MC_HASH_TEXT])
{
	bool direct = bridge_is(b, "direct");
	struct mc_bridge m = {
		.channel = direct ? NULL : b->channel,
		.channel_len = b->channel_len,
		.text = b->text,
		.text_len = b->text_len,
		.time_text = b->time,
		.time_len = b->time_len,
		.time_number = b->time_number,
		.time_kind = b->time != NULL ? MC_BRIDGE_TIME_TEXT
			     : b->has_number ? MC_BRIDGE_TIME_NUMBER
					     : MC_BRIDGE_TIME_NONE,
	};

	if (b->text_len == 0 || (!direct && (!bridge_is(b, "channel") || b->channel_len == 0)))
		return false;
	mc_json_init(json, s->bridge_json, sizeof(s->bridge_json));
	return mc_bridge_decode(&m, at_us, json, hash);
}

/* `values` is what was read, `found` how much of it. */
static void
item_bridge(struct items *s, const struct value *values, uint32_t found, mk_writer *w)
{
	char hash[MC_HASH_TEXT], channel[2 + MC_BRIDGE_CHANNEL_MAX] = "ch";
	struct mc_json json;
	struct bridge b;
	bool good, direct;

	bridge_read(&b, values[RAW_BRIDGE].v);
	good = bridge_decode(s, &b, values[FIELD_AT].u, &json, hash);
	direct = good && bridge_is(&b, "direct");
	s->counts[good ? COUNT_BRIDGED : COUNT_BRIDGE_BAD]++;
	mk_put_map(w, found + (!good ? 1 : direct ? 7 : 8));
	for (size_t i = 0; i < RAW_FIELDS; i++)
		item_put(w, &raw_fields[i], &values[i]);
	bridge_put(w, &b);
	if (!good) {
		mk_kv_str(w, "rejected", "bad_bridge");
		return;
	}
	mk_kv_str(w, "hash", hash);
	mk_kv_u64(w, "route", MC_FLOOD);
	mk_kv_u64(w, "type", direct ? MC_TXT_MSG : MC_GRP_TXT);
	mk_kv_u64(w, "version", 0);
	mk_kv_u64(w, "hash_size", 0);
	mk_kv_array(w, "path", 0);
	put_strn_if(w, "json", json.buf, json.len);
	if (!direct) {
		memcpy(channel + 2, b.channel, b.channel_len);
		put_strn_if(w, "channel", channel, 2 + b.channel_len);
	}
}

/* ---------------------------------------------------------------- packets -- */

void
items_put_path(mk_writer *w, const struct mc_hops *hops)
{
	char hop[17]; /* of a trace, a hop has up to 8 bytes */

	mk_put_array(w, hops->count);
	for (size_t i = 0; i < hops->count; i++)
		mk_put_strn(w, mc_hex_upper(hops->at + i * hops->size, hops->size, hop),
			    2u * hops->size);
}

static void
put_advert(mk_writer *w, const struct decoded *d)
{
	const struct mc_advert *a = &d->advert;
	char role[MC_ROLE_TEXT];

	mk_kv_map(w, "advert",
		  2u + (a->name[0] != '\0') + 2u * a->has_location + a->has_battery +
		      a->has_temperature + d->foreign);
	if (a->name[0] != '\0')
		mk_kv_str(w, "name", a->name);
	mk_kv_str(w, "role", mc_advert_role(a, role));
	if (a->has_location) {
		mk_kv_f64(w, "lat", a->lat_e6 / 1e6);
		mk_kv_f64(w, "lon", a->lon_e6 / 1e6);
	}
	mk_kv_u64(w, "time", a->time);
	if (a->has_battery)
		mk_kv_i64(w, "battery_mv", a->battery_mv);
	if (a->has_temperature)
		mk_kv_f64(w, "temperature_c", a->temperature_centi / 100.0);
	if (d->foreign)
		mk_kv_bool(w, "foreign", true);
}

static void
put_codes(mk_writer *w, const struct mc_frame *f)
{
	char code[5];

	mk_kv_array(w, "codes", 2);
	for (size_t i = 0; i < 2; i++)
		mk_put_str(w, mc_hex_upper(f->codes[i], 2, code));
}

static void
put_key(mk_writer *w, const char *name, const uint8_t *key)
{
	char text[2 * MC_KEY_SIZE + 1];

	if (key != NULL)
		mk_kv_str(w, name, mc_hex_lower(key, MC_KEY_SIZE, text));
}

static void
count_advert(struct items *s, const struct decoded *d)
{
	s->counts[COUNT_BAD_SIGNATURES] += d->bad_signature;
	s->counts[COUNT_REFUSED] += d->refused != NULL;
	s->counts[COUNT_FOREIGN] += d->foreign;
}

static void
put_packet(struct items *s, struct decoded *d, const struct mc_frame *f, const struct value *values,
	   uint32_t found, mk_writer *w)
{
	struct mc_hops hops = mc_frame_hops(f);
	const char *scope = cache_scope(s->cache, d, f);
	bool shared = mc_frame_is_shared(f);

	if (d->has_advert)
		count_advert(s, d);
	mk_put_map(w, found + 7u + f->has_codes + (d->channel[0] != '\0') + (scope != NULL) +
			  2u * d->has_advert + (d->sender != NULL) + shared + (d->refused != NULL));
	for (size_t i = 0; i < RAW_FIELDS; i++)
		item_put(w, &raw_fields[i], &values[i]);
	mk_kv_str(w, "hash", d->hash);
	mk_kv_u64(w, "route", f->route);
	mk_kv_u64(w, "type", f->type);
	mk_kv_u64(w, "version", f->version);
	mk_kv_u64(w, "hash_size", hops.size);
	if (f->has_codes)
		put_codes(w, f);
	mk_put_str(w, "path");
	items_put_path(w, &hops);
	put_strn_if(w, "json", d->json, d->json_len);
	if (d->channel[0] != '\0')
		mk_kv_str(w, "channel", d->channel);
	if (scope != NULL)
		mk_kv_str(w, "scope", scope);
	put_key(w, "sender", d->sender);
	if (shared)
		mk_kv_bool(w, "shared", true);
	if (d->has_advert) {
		put_key(w, "from", d->advert.key);
		put_advert(w, d);
	}
	if (d->refused != NULL)
		mk_kv_str(w, "refused", d->refused);
}

static void
put_rejected(const struct field *fields, size_t count, const struct value *values, uint32_t found,
	     const char *why, mk_writer *w)
{
	mk_put_map(w, found + 1);
	for (size_t i = 0; i < count; i++)
		item_put(w, &fields[i], &values[i]);
	mk_kv_str(w, "rejected", why);
}

/* A field that is always there. */
static uint32_t
item_ensure_at(struct value *values, const mk_val *item, uint64_t now_us)
{
	if (values[FIELD_AT].v != NULL)
		return 0;
	values[FIELD_AT] = (struct value){ .v = item, .u = now_us };
	return 1;
}

mk_result
items_raw(struct items *s, const mk_val *item, uint64_t now_us, mk_writer *w)
{
	struct value values[RAW_FIELDS];
	uint32_t found = item_read(values, raw_fields, RAW_FIELDS, item);
	const struct value *raw = &values[RAW_RAW];
	enum mc_reject reject;
	struct mc_frame frame;
	struct decoded *d;

	found += item_ensure_at(values, item, now_us);
	if (raw->v == NULL && values[RAW_BRIDGE].v != NULL) {
		item_bridge(s, values, found, w);
		return MK_OK;
	}
	if (values[RAW_BRIDGE].v != NULL) { /* a packet says more */
		values[RAW_BRIDGE].v = NULL;
		found--;
	}
	if (raw->v == NULL) {
		s->counts[COUNT_MALFORMED]++;
		put_rejected(raw_fields, RAW_FIELDS, values, found, "no_packet", w);
		return MK_OK;
	}
	reject = mc_frame_parse(&frame, raw->b, raw->len);
	if (reject != MC_GOOD) {
		s->counts[COUNT_REJECTED + reject]++;
		put_rejected(raw_fields, RAW_FIELDS, values, found, mc_reject_name(reject), w);
		return MK_OK;
	}
	d = cache_decode(s->cache, &frame);
	if (d == NULL)
		return MK_ENOMEM;
	s->counts[COUNT_PACKETS]++;
	put_packet(s, d, &frame, values, found, w);
	return MK_OK;
}

/* ----------------------------------------------------------------- phones -- */

struct heard {
	const uint8_t *key;
	uint32_t bytes;
	const char *src;
	const char *why; /* nobody can be named, and why */
};

/* Who sent what was heard: the forwarder that appended itself last, or the node itself. A direct
 * packet with a path is sent by somebody who is not in it, and what stands in the path of a trace
 * is no forwarder. */
static struct heard
heard_whom(const struct mc_frame *f, const struct decoded *d)
{
	struct heard h = { .why = "not_attributable" };

	if (f->hops > 0 && mc_frame_is_flood(f) && f->type != MC_TRACE) {
		if (f->hash_size < 2) {
			h.why = "prefix_too_short";
			return h;
		}
		return (struct heard){ f->path + f->path_len - f->hash_size, f->hash_size, "rxlog",
				       NULL };
	}
	if (f->hops > 0 || !d->has_advert || mc_frame_is_shared(f))
		return h;
	if (d->refused != NULL && strcmp(d->refused, "foreign") != 0) {
		h.why = d->refused;
		return h;
	}
	return (struct heard){ d->advert.key, MC_KEY_SIZE, "advert", NULL };
}

mk_result
items_client(struct items *s, const mk_val *item, uint64_t now_us, mk_writer *w)
{
	struct value values[CLIENT_FIELDS], raw;
	uint32_t found = item_read(values, client_fields, CLIENT_FIELDS, item);
	char text[2 * MC_KEY_SIZE + 1];
	enum mc_reject reject = MC_GOOD;
	struct heard heard = { .why = "no_packet" };
	struct mc_frame frame;
	struct decoded *d;

	found += item_ensure_at(values, item, now_us);
	raw = values[RAW_RAW];
	if (raw.v != NULL) {
		values[RAW_RAW].v = NULL;
		found--;
		reject = mc_frame_parse(&frame, raw.b, raw.len);
		heard.why = mc_reject_name(reject);
	}
	if (raw.v != NULL && reject == MC_GOOD) {
		d = cache_decode(s->cache, &frame);
		if (d == NULL)
			return MK_ENOMEM;
		heard = heard_whom(&frame, d);
	}
	s->counts[heard.why == NULL ? COUNT_HEARD : COUNT_UNHEARD]++;
	if (heard.why != NULL) {
		put_rejected(client_fields, CLIENT_FIELDS, values, found, heard.why, w);
		return MK_OK;
	}
	mk_put_map(w, found + 3);
	for (size_t i = 0; i < CLIENT_FIELDS; i++)
		item_put(w, &client_fields[i], &values[i]);
	mk_kv_str(w, "heard", mc_hex_lower(heard.key, heard.bytes, text));
	mk_kv_u64(w, "bytes", heard.bytes);
	mk_kv_str(w, "src", heard.src);
	return MK_OK;
}
