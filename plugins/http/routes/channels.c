/* SPDX-License-Identifier: MIT
 *
 * Channels and what was said in them.
 */
#include "who.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "../read/channels.h"

#define SENDER_MAX 50 /* ": " comes before this place, or there is no sender in the text */

static bool
channel_is_encrypted(const char *name)
{
	return strncmp(name, "enc_", 4) == 0;
}

/* The text without "sender: ". */
static const char *
channel_text(const char *text)
{
	const char *at = text == NULL ? NULL : strstr(text, ": ");

	return at != NULL && at > text && at - text < SENDER_MAX ? at + 2 : text;
}

/* -------------------------------------------------------------------------
 * list -- */

static int
channel_compare(const void *a, const void *b)
{
	const struct read_channel *x = a, *y = b;
	bool hidden = channel_is_encrypted(x->name);

	if (hidden != channel_is_encrypted(y->name))
		return hidden ? 1 : -1;
	if (x->last_s != y->last_s)
		return x->last_s < y->last_s ? 1 : -1;
	return strcmp(x->name, y->name);
}

static void
channel_put(struct json *out, const struct read_channel *c, const struct read_packet *last)
{
	bool encrypted = channel_is_encrypted(c->name);
	char name[24];
	json_t *object = last == NULL || last->json == NULL || encrypted
			     ? NULL
			     : json_loadb(last->json, last->json_len, 0, NULL);

	js_object(out);
	js_kstr(out, "hash", c->name);
	js_key(out, "name");
	if (encrypted)
		(void)snprintf(name, sizeof(name), "Encrypted (0x%.2s)",
			       who_is_hex(c->name + 4, 2) ? c->name + 4 : "??");
	js_str(out, encrypted ? name : c->name);
	js_kstr(out, "lastMessage",
		channel_text(json_string_value(json_object_get(object, "text"))));
	js_kstr(out, "lastSender", json_string_value(json_object_get(object, "sender")));
	js_kuint(out, "messageCount", c->count);
	js_kstr(out, "lastActivity", last == NULL ? NULL : last->first_seen);
	if (encrypted)
		js_kbool(out, "encrypted", true);
	js_object_end(out);
	json_decref(object);
}

static void
channels_list(struct request *rq, struct json *out)
{
	struct read *r = who_read(rq);
	const char *region = request_text(rq, "region");
	struct read_scratch *s = read_scratch_new(r);
	struct read_channels all = { 0 };
	mk_err err = { 0 };
	mk_result rc = s == NULL ? MK_ENOMEM : MK_OK;

	if (rc == MK_OK)
		rc = read_channels(r, packet_region(region), &all, &err);
	if (rc == MK_OK && all.count > 1)
		qsort(all.list, all.count, sizeof(*all.list), channel_compare);
	if (s != NULL)
		read_scratch_skip(s, READ_SKIP_OBS);
	js_object(out);
	js_karray(out, "channels");
	for (uint32_t i = 0; rc == MK_OK && i < all.count; i++) {
		if (channel_is_encrypted(all.list[i].name) && !request_bool(rq, "includeEncrypted"))
			break;
		channel_put(out, &all.list[i], read_packet_by_id(r, s, all.list[i].last_id));
	}
	js_array_end(out);
	js_object_end(out);
	if (rc != MK_OK)
		packet_fail(rq, rc, &err);
	read_channels_fini(&all);
	read_scratch_free(s);
}

/* ---------------------------------------------------------------------
 * messages -- */

struct message {
	int64_t latest, id;
};

struct messages {
	struct message *list;
	uint32_t count, cap;
	bool failed;
};

static bool
messages_add(void *arg, const struct read_packet *p)
{
	struct messages *m = arg;

	if (m->count == m->cap) {
		uint32_t cap = m->cap == 0 ? 256 : 2 * m->cap;
		struct message *grown = realloc(m->list, cap * sizeof(*grown));

		m->failed = grown == NULL;
		if (m->failed)
			return false;
		m->list = grown;
		m->cap = cap;
	}
	m->list[m->count++] =
	    (struct message){ p->latest != READ_NULL ? p->latest : p->first_s, p->id };
	return true;
}

static int
messages_compare(const void *a, const void *b)
{
	const struct message *x = a, *y = b;

	if (x->latest != y->latest)
		return x->latest < y->latest ? 1 : -1;
	return x->id < y->id ? 1 : x->id > y->id ? -1 : 0;
}

static void
messages_put(struct json *out, const struct read *r, const struct read_packet *p)
{
	const struct read_obs *o = p->obs_count > 0 ? &p->obs[0] : NULL;
	const struct read_observer *who =
	    o == NULL || o->observer == READ_NONE ? NULL : read_observer(r, o->observer);
	json_t *object = p->json == NULL ? NULL : json_loadb(p->json, p->json_len, 0, NULL);
	const char *text = json_string_value(json_object_get(object, "text"));
	const char *sender = json_string_value(json_object_get(object, "sender"));
	const json_t *at = json_object_get(object, "sender_timestamp");

	if (o == NULL || object == NULL) {
		json_decref(object);
		return;
	}
	js_object(out);
	js_kstr(out, "sender", sender == NULL ? "" : sender);
	js_kstr(out, "text", text == NULL ? "" : channel_text(text));
	put_time(out, "timestamp", p->latest);
	js_kstr(out, "first_seen", p->first_seen);
	put_int(out, "sender_timestamp", json_is_integer(at) ? json_integer_value(at) : READ_NULL);
	js_kint(out, "packetId", o->id);
	js_kstr(out, "packetHash", p->hash);
	js_kstr(out, "packet_hash", p->hash);
	js_kuint(out, "repeats", p->obs_count);
	js_karray(out, "observers");
	if (who != NULL && who->id[0] != '\0')
		js_str(out, who->name != NULL && who->name[0] != '\0' ? who->name : who->id);
	js_array_end(out);
	js_kuint(out, "hops", o->count);
	put_real(out, "snr", o->has_snr, o->snr);
	js_object_end(out);
	json_decref(object);
}

static void
messages_list(struct request *rq, struct json *out)
{
	struct read *r = who_read(rq);
	const char *region = request_text(rq, "region");
	uint64_t offset = (uint64_t)request_int(rq, "offset");
	uint64_t limit = (uint64_t)request_int(rq, "limit"), end;
	struct read_scratch *s = read_scratch_new(r);
	struct messages m = { 0 };
	struct read_filter f;
	mk_err err = { 0 };
	mk_result rc = MK_ENOMEM;

	who_filter(&f);
	f.type = 5;
	f.channel = request_arg(rq, 0);
	f.region = packet_region(region);
	if (s != NULL) {
		read_scratch_skip(s, READ_SKIP_JSON | READ_SKIP_OBS);
		rc = read_packets(r, s, &f, false, 0, UINT64_MAX, messages_add, &m, NULL, &err);
		read_scratch_skip(s, 0);
	}
	rc = m.failed ? MK_ENOMEM : rc;
	if (m.count > 1)
		qsort(m.list, m.count, sizeof(*m.list), messages_compare);
	end = offset + limit < m.count ? offset + limit : m.count;
	js_object(out);
	js_karray(out, "messages");
	for (uint64_t i = end; rc == MK_OK && i > offset; i--) {
		const struct read_packet *p = read_packet_by_id(r, s, m.list[i - 1].id);

		if (p != NULL)
			messages_put(out, r, p);
	}
	js_array_end(out);
	js_kuint(out, "total", m.count);
	js_object_end(out);
	if (rc != MK_OK)
		packet_fail(rq, rc, &err);
	free(m.list);
	read_scratch_free(s);
}

/* clang-format off */
static const struct route_param list_params[] = {
	{ "region", PARAM_TEXT, .help = "heard by observers there, as SJC,OAK" },
	{ "includeEncrypted", PARAM_BOOL, .help = "also those nobody has a key of" },
	{ .name = NULL },
};

static const struct route_param message_params[] = {
	{ "limit", PARAM_LIMIT, .dflt = 100, .max = 10000, .list = LIST_MESSAGES, .help = "at most so many" },
	{ "offset", PARAM_INT, .max = INT32_MAX, .help = "leave out so many of the newest" },
	{ "region", PARAM_TEXT, .help = "heard by observers there, as SJC,OAK" },
	{ .name = NULL },
};

#define CHANNEL_PARTS (MODEL_PACKETS | MODEL_OBSERVERS | MODEL_WARM)

const struct route channel_routes[] = {
	{ .method = "GET", .pattern = "/api/channels", .handle = channels_list,
	  .params = list_params, .reads = CHANNEL_PARTS, .max_age_s = 10, .cost = 1,
	  .summary = "channels, the one that was active last first", .answer = "{channels}" },
	{ .method = "GET", .pattern = "/api/channels/{hash}/messages", .handle = messages_list,
	  .params = message_params, .flags = ROUTE_SLASH, .reads = CHANNEL_PARTS, .max_age_s = 2, .cost = 1,
	  .summary = "the newest messages of a channel, oldest first",
	  .answer = "{messages, total}" },
	{ .method = NULL },
};
/* clang-format on */
