/* SPDX-License-Identifier: MIT
 *
 * Routes that ask or change something: decode a packet, bring one in, plugins on and off.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "../http.h"

#define DECODE_US 5000000u
#define CONTROL_US 60000000u
#define STORE_US 5000000u /* how long a packet may take to its place in the database */
#define RAW_MAX 512u      /* bytes; a packet has at most 255 */
#define TEXT_FIELD 256u
#define HASH_DIGITS 16u

struct act_packet {
	uint8_t raw[RAW_MAX];
	size_t len;
	json_t *body; /* owned */
};

static int
act_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Blanks and line breaks do not count. */
static bool
act_hex(struct act_packet *p, const char *hex)
{
	int high = -1;

	for (; *hex != '\0'; hex++) {
		int digit = act_digit(*hex);

		if (*hex == ' ' || *hex == '\n' || *hex == '\r' || *hex == '\t')
			continue;
		if (digit < 0 || p->len == RAW_MAX)
			return false;
		if (high < 0) {
			high = digit;
			continue;
		}
		p->raw[p->len++] = (uint8_t)(high << 4 | digit);
		high = -1;
	}
	return high < 0;
}

/* {"hex": "..."}. False: the request has failed. Free the body in either case. */
static bool
act_read(struct request *rq, struct act_packet *p)
{
	size_t len;
	const char *text = request_body(rq, &len);
	const char *hex;

	p->len = 0;
	p->body = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	hex = json_string_value(json_object_get(p->body, "hex"));
	if (!json_is_object(p->body))
		request_fail(rq, 400, "invalid JSON body");
	else if (hex == NULL || hex[0] == '\0')
		request_fail(rq, 400, "hex is required");
	else if (!act_hex(p, hex))
		request_fail(rq, 400, "invalid hex: an even number of hex digits, at most %u",
			     2 * RAW_MAX);
	else
		return true;
	return false;
}

static void
act_ask_decode(struct request *rq, request_reply *fn)
{
	struct act_packet p;
	mk_writer w;

	if (act_read(rq, &p)) {
		mk_writer_init(&w, 4 * RAW_MAX);
		mk_put_map(&w, 1);
		mk_kv_bin(&w, "raw", p.raw, p.len);
		request_call(rq, "decode/packet", &w, DECODE_US, fn);
		mk_writer_fini(&w);
	}
	json_decref(p.body);
}

/* header, path and payload of what the decoder said. */
static void
act_fields(struct json *out, const mk_val *reply)
{
	const char *json = "";
	size_t len = 0;

	js_kval(out, "header", reply, "header");
	js_kval(out, "path", reply, "path");
	mk_get_str(mk_find(reply, "json"), &json, &len);
	js_key(out, "payload");
	js_embed(out, json, len);
}

static void
act_decoded(struct json *out, const mk_val *reply)
{
	js_kobject(out, "decoded");
	act_fields(out, reply);
	js_object_end(out);
}

/* True: there is a reply to show. */
static bool
act_has_decoded(struct request *rq, mk_result result, const char *error)
{
	if (result == MK_ENOENT || result == MK_EUNAVAIL)
		request_fail(rq, 503, "the decoder is not running");
	else if (result != MK_OK)
		request_fail_call(rq, result, error);
	return result == MK_OK;
}

static void
decode_reply(struct request *rq, mk_result result, const char *error, const mk_val *body,
	     struct json *out)
{
	if (!act_has_decoded(rq, result, error))
		return;
	js_object(out);
	act_decoded(out, body);
	js_object_end(out);
}

static void
decode_packet(struct request *rq, struct json *out)
{
	(void)out;
	act_ask_decode(rq, decode_reply);
}

/* -------------------------------------------------------------- packets -- */

static void
packets_write(mk_writer *w, const mk_host *host, const struct act_packet *p)
{
	static const char *const texts[] = { "region", "observer", "name" };
	static const char *const numbers[] = { "snr", "rssi" };
	uint32_t fields = 3;
	json_t *v;

	for (int i = 0; i < 3; i++)
		fields += json_string_length(json_object_get(p->body, texts[i])) > 0;
	for (int i = 0; i < 2; i++)
		fields += json_is_number(json_object_get(p->body, numbers[i]));
	mk_put_map(w, 1);
	mk_kv_array(w, "items", 1);
	mk_put_map(w, fields);
	mk_kv_u64(w, "at", host->wall_us(host));
	mk_kv_str(w, "feed", "http");
	for (int i = 0; i < 3; i++) {
		v = json_object_get(p->body, texts[i]);
		if (json_string_length(v) > 0)
			mk_kv_str(w, texts[i], json_string_value(v));
	}
	mk_kv_bin(w, "raw", p->raw, p->len);
	for (int i = 0; i < 2; i++) {
		v = json_object_get(p->body, numbers[i]);
		if (json_is_number(v))
			mk_kv_f64(w, numbers[i], json_number_value(v));
	}
}

/* Texts become names of observers and regions: short, and without control characters. */
static bool
packets_texts_are_good(const json_t *body)
{
	static const char *const texts[] = { "region", "observer", "name" };

	for (int i = 0; i < 3; i++) {
		const char *s = json_string_value(json_object_get(body, texts[i]));

		if (s != NULL && strlen(s) > TEXT_FIELD)
			return false;
		for (; s != NULL && *s != '\0'; s++)
			if ((unsigned char)*s < 0x20 || *s == 0x7f)
				return false;
	}
	return true;
}

/* The packet is in the database, or that takes long: then there is no id yet. */
static void
packets_stored(struct request *rq, mk_result result, const char *error, const mk_val *body,
	       struct json *out)
{
	const char *kept = request_kept(rq); /* the hash, and what was decoded */
	char hash[HASH_DIGITS + 1] = "";

	if (result != MK_OK && result != MK_ETIMEDOUT) {
		if (result == MK_EFULL || result == MK_EAGAIN)
			request_fail(rq, 503, "busy, try again");
		else
			request_fail_call(rq, result, error);
		return;
	}
	request_set_status(rq, result == MK_OK ? 200 : 202);
	js_object(out);
	js_kbool(out, "accepted", true);
	js_kval(out, "id", body, "id");
	if (kept == NULL || strlen(kept) < HASH_DIGITS) {
		request_fail(rq, 500, "out of memory");
		return;
	}
	memcpy(hash, kept, HASH_DIGITS);
	js_kstr(out, "hash", hash);
	js_key(out, "decoded");
	js_embed(out, kept + HASH_DIGITS, strlen(kept) - HASH_DIGITS);
	js_object_end(out);
}

static void
packets_publish(struct request *rq, const struct act_packet *p, const char *hash)
{
	char key[64];
	mk_writer w;

	(void)snprintf(key, sizeof(key), "packet/%s", hash);
	mk_writer_init(&w, 0);
	packets_write(&w, request_host(rq), p);
	request_publish(rq, "rx/raw", &w, key, STORE_US, packets_stored);
	mk_writer_fini(&w);
}

static void
packets_reply(struct request *rq, mk_result result, const char *error, const mk_val *body,
	      struct json *out)
{
	char hash[HASH_DIGITS + 1];
	struct act_packet p;

	if (!act_has_decoded(rq, result, error))
		return;
	if (!mk_copy_str(mk_find(body, "hash"), hash, sizeof(hash)) ||
	    strlen(hash) != HASH_DIGITS) {
		request_fail(rq, 500, "the decoder gave no hash");
		return;
	}
	js_text(out, hash, HASH_DIGITS);
	js_object(out);
	act_fields(out, body);
	js_object_end(out);
	request_keep(rq, out->data, out->len);
	js_reset(out);
	/* The request's body is there still; keeping what was read from it would be one more thing to
	 * free. */
	if (act_read(rq, &p))
		packets_publish(rq, &p, hash);
	json_decref(p.body);
}

static void
packets_post(struct request *rq, struct json *out)
{
	struct act_packet p;
	bool good = act_read(rq, &p);

	(void)out;
	if (good && !packets_texts_are_good(p.body)) {
		request_fail(rq, 400, "region, observer and name: at most %u plain characters",
			     TEXT_FIELD);
		good = false;
	}
	json_decref(p.body);
	if (good)
		act_ask_decode(rq, packets_reply);
}

/* -------------------------------------------------------------- plugins -- */

static void
control_reply(struct request *rq, mk_result result, const char *error, const mk_val *body,
	      struct json *out)
{
	if (result != MK_OK)
		request_fail_call(rq, result, error);
	else
		js_val(out, body);
}

static void
control_post(struct request *rq, struct json *out)
{
	static const char *const actions[] = { "enable", "disable", "restart", "reset" };
	const char *name = request_arg(rq, 0), *action = request_arg(rq, 1);
	char method[32];
	mk_writer w;
	size_t i = 0;

	(void)out;
	while (i < 4 && strcmp(actions[i], action) != 0)
		i++;
	if (i == 4 || strlen(name) > MK_ID_MAX) {
		request_fail(rq, 404, "not found");
		return;
	}
	(void)snprintf(method, sizeof(method), "core/%s", actions[i]);
	mk_writer_init(&w, 256);
	mk_put_map(&w, 1);
	mk_kv_str(&w, "name", name);
	request_call(rq, method, &w, CONTROL_US, control_reply);
	mk_writer_fini(&w);
}

/* clang-format off */
const struct route act_routes[] = {
	{ .method = "POST", .pattern = "/api/decode", .handle = decode_packet, .body_max = 8192,
	  .cost = 1, .summary = "a packet in hex, decoded",
	  .answer = "{decoded: {header, path, payload}}" },
	{ .method = "POST", .pattern = "/api/packets", .handle = packets_post, .body_max = 8192,
	  .flags = ROUTE_KEY, .summary = "brings in a packet as if it had been heard",
	  .answer = "{id, accepted, hash, decoded}; 202 without id if it takes long" },
	{ .method = "POST", .pattern = "/api/plugins/{name}/{action}", .handle = control_post,
	  .flags = ROUTE_KEY, .summary = "enable, disable, restart or reset a plugin",
	  .answer = "{name, state, note}" },
	{ .method = NULL },
};
/* clang-format on */
