/* SPDX-License-Identifier: MIT
 *
 * What CoreScope's clients are sent of a message packet/stored: one text for each observation.
 */
#include "events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUTE_TRACE 9

static const char *
feed_type_name(uint64_t type, char *buf, size_t cap)
{
	static const char *const names[16] = { "REQ",    "RESPONSE", "TXT_MSG",   "ACK",
					       "ADVERT", "GRP_TXT",  "GRP_DATA",  "ANON_REQ",
					       "PATH",   "TRACE",    "MULTIPART", "CONTROL",
					       NULL,     NULL,       NULL,        "RAW_CUSTOM" };

	if (type < 16 && names[type] != NULL)
		return names[type];
	(void)snprintf(buf, cap, "UNK(%llu)", (unsigned long long)type);
	return buf;
}

/* A list of strings as a JSON text within a string. */
static void
feed_path(struct json *out, const mk_val *path)
{
	struct json inner;

	js_init(&inner, 65536);
	js_val(&inner, path);
	if (mk_is_array(path) && !inner.failed)
		js_strn(out, inner.data, inner.len);
	else
		js_null(out);
	js_fini(&inner);
}

static void
feed_times(struct json *out, const mk_val *item)
{
	static const char *const keys[] = { "first_seen", "timestamp" };
	const mk_val *seen = mk_find(item, "first_seen");
	uint64_t at = 0;

	mk_get_u64(mk_find(item, "at"), &at);
	for (int i = 0; i < 2; i++) {
		js_key(out, keys[i]);
		if (mk_is_str(seen))
			js_val(out, seen);
		else
			js_time_ms(out, at);
	}
}

/* The keys that `data` and `data.packet` have in common. */
static void
feed_fields(struct json *out, const mk_val *item)
{
	static const char *const texts[][2] = { { "observer_id", "observer" },
						{ "observer_name", "name" },
						{ "snr", "snr" },
						{ "rssi", "rssi" },
						{ "direction", "direction" },
						{ "observer_iata", "region" },
						{ "scope_name", "scope" } };
	const uint8_t *raw;
	uint64_t count = 1;
	size_t len;

	js_kval(out, "id", item, "tx");
	js_kval(out, "hash", item, "hash");
	js_key(out, "raw_hex");
	if (mk_get_bin(mk_find(item, "raw"), &raw, &len))
		js_hex(out, raw, len, true);
	else
		js_null(out);
	feed_times(out, item);
	js_kval(out, "route_type", item, "route");
	js_kval(out, "payload_type", item, "type");
	js_kval(out, "decoded_json", item, "json");
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		js_kval(out, texts[i][0], item, texts[i][1]);
	js_key(out, "path_json");
	feed_path(out, mk_find(item, "path"));
	mk_get_u64(mk_find(item, "observations"), &count);
	js_kuint(out, "observation_count", count);
	if (mk_count(mk_find(item, "resolved")) > 0)
		js_kval(out, "resolved_path", item, "resolved");
}

static void
feed_decoded(struct json *out, const mk_val *item)
{
	const char *json = NULL;
	uint64_t type = UINT64_MAX, hops = 0;
	char name[32];
	size_t len = 0;

	js_kobject(out, "decoded");
	js_kobject(out, "header");
	js_kstr(out, "payloadTypeName",
		mk_get_u64(mk_find(item, "type"), &type) ? feed_type_name(type, name, sizeof(name))
							 : "UNKNOWN");
	js_object_end(out);
	if (mk_get_str(mk_find(item, "json"), &json, &len)) {
		js_key(out, "payload");
		js_embed(out, json, len);
	}
	if (type == ROUTE_TRACE) {
		const mk_val *done = mk_find(item, "hops_completed");

		js_kobject(out, "path");
		js_kval(out, "hashSize", item, "hash_size");
		js_kuint(out, "hashCount", mk_count(mk_find(item, "path")));
		js_kval(out, "hops", item, "path");
		if (mk_get_u64(done, &hops))
			js_kuint(out, "hopsCompleted", hops);
		js_object_end(out);
	}
	js_object_end(out);
}

static void
feed_item(struct json *out, const mk_val *item)
{
	js_object(out);
	js_kstr(out, "type", "packet");
	js_kobject(out, "data");
	feed_fields(out, item);
	feed_decoded(out, item);
	js_kobject(out, "packet");
	feed_fields(out, item);
	js_object_end(out);
	js_object_end(out);
	js_object_end(out);
}

struct frames *
feed_frames(const struct event *entry)
{
	struct frames *f = calloc(1, sizeof(*f));
	const mk_val *items;
	struct json out;
	mk_doc doc;

	if (f == NULL)
		return NULL;
	js_init(&out, (size_t)64 << 20);
	mk_doc_init(&doc);
	if (mk_doc_open(&doc, entry->body, entry->len, NULL, NULL, 0) == MK_OK) {
		items = mk_find(mk_doc_root(&doc), "items");
		f->ends = calloc(mk_count(items) + 1, sizeof(f->ends[0]));
		for (uint32_t i = 0; f->ends != NULL && i < mk_count(items) && !out.failed; i++) {
			out.comma = 0;
			feed_item(&out, mk_at(items, i));
			f->ends[f->count++] = (uint32_t)out.len;
		}
	}
	if (out.failed)
		f->count = 0;
	f->text = out.data;
	mk_doc_fini(&doc);
	return f;
}
