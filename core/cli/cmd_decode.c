/* SPDX-License-Identifier: MIT
 *
 * meshkern decode: one packet, without a daemon.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <meshcore/hash.h>
#include <meshcore/hex.h>
#include <meshcore/json.h>
#include <meshcore/keys_file.h>
#include <meshcore/object.h>

#include "cli.h"
#include "text.h"

struct decode {
	uint8_t raw[2 * MC_FRAME_MAX]; /* so that too long is told apart from no hex */
	size_t len;
	struct mc_frame frame;
	struct mc_keys keys;
	struct mc_object object;
	char hash[MC_HASH_TEXT];
};

static int
decode_keys_file(struct mc_keys *ring, const char *path)
{
	char why[160], *text;
	uint32_t skipped = 0;
	size_t len = 0;
	bool good;

	text = cli_read_file(path, MC_KEYS_FILE_MAX, &len);
	if (text == NULL)
		return cli_say(CLI_FAILED, "%s: %s", path, strerror(errno));
	good = mc_keys_parse(ring, text, len, &skipped, why, sizeof(why));
	free(text);
	if (!good)
		return cli_say(CLI_FAILED, "%s: %s", path, why);
	if (skipped > 0)
		(void)cli_say(0, "%s: %u entries are no keys", path, skipped);
	return 0;
}

static int
decode_keys(struct mc_keys *ring, const struct cli *cli)
{
	const char *file = cli_value(cli, "--keys"), *key = cli_value(cli, "--key");
	const char *channel = cli_value(cli, "--channel"), *hex;
	enum mc_key_result r;
	char *name;
	int rc = 0;

	if (mc_keys_add_public(ring) != MC_KEY_SET)
		return cli_say(CLI_FAILED, "out of memory");
	if (file != NULL)
		rc = decode_keys_file(ring, file);
	if (rc == 0 && channel != NULL) {
		r = mc_keys_add_hashtag(ring, channel);
		if (r != MC_KEY_SET && r != MC_KEY_KEPT)
			return cli_say(CLI_USAGE, "--channel: \"%s\" is no name", channel);
	}
	if (rc != 0 || key == NULL)
		return rc;
	hex = strrchr(key, '=');
	if (hex == NULL)
		return cli_say(CLI_USAGE, "--key: expected NAME=HEX");
	name = cli_format("%.*s", (int)(hex - key), key);
	r = mc_keys_set(ring, name, hex + 1);
	free(name);
	if (r == MC_KEY_SET || r == MC_KEY_KEPT)
		return 0;
	return cli_say(CLI_USAGE, "--key: %s",
		       r == MC_KEY_BAD ? "a key has 32 or 64 hex digits" : "that is no name");
}

/* The arguments together are the packet: hex digits are often copied with spaces. */
static enum mc_reject
decode_read(struct decode *d, const struct cli *cli)
{
	for (uint32_t i = 0; i < cli->arg_count; i++) {
		const char *hex = cli->args[i];
		size_t len = 0;

		if (!mc_hex_decode(hex, strlen(hex), d->raw + d->len, sizeof(d->raw) - d->len,
				   &len))
			return MC_BAD_HEX;
		d->len += len;
	}
	return mc_frame_parse(&d->frame, d->raw, d->len);
}

/* ------------------------------------------------------------------- JSON -- */

static void
json_text(struct mc_json *j, const char *key, const char *s)
{
	mc_json_str(j, key, s, strlen(s));
}

static void
json_head(struct mc_json *j, const struct mc_frame *f)
{
	mc_json_open(j, "header", '{');
	mc_json_int(j, "routeType", f->route);
	json_text(j, "routeTypeName", mc_route_name(f->route));
	mc_json_int(j, "payloadType", f->type);
	json_text(j, "payloadTypeName", mc_type_name(f->type));
	mc_json_int(j, "payloadVersion", f->version);
	mc_json_close(j, '}');
	if (!f->has_codes) {
		mc_json_raw(j, "transportCodes", "null", 4);
		return;
	}
	mc_json_open(j, "transportCodes", '{');
	mc_json_hex_upper(j, "code1", f->codes[0], 2);
	mc_json_hex_upper(j, "code2", f->codes[1], 2);
	mc_json_close(j, '}');
}

static void
json_path(struct mc_json *j, const struct mc_hops *hops)
{
	mc_json_open(j, "path", '{');
	mc_json_int(j, "hashSize", hops->size);
	mc_json_int(j, "hashCount", hops->count);
	mc_json_open(j, "hops", '[');
	for (uint32_t i = 0; i < hops->count; i++)
		mc_json_hex_upper(j, NULL, hops->at + i * hops->size, hops->size);
	mc_json_close(j, ']');
	if (hops->completed >= 0)
		mc_json_int(j, "hopsCompleted", hops->completed);
	mc_json_close(j, '}');
}

static void
decode_print_json(const struct decode *d)
{
	struct mc_hops hops = mc_frame_hops(&d->frame);
	char buf[MC_JSON_MAX + 4096];
	struct mc_json j;

	mc_json_init(&j, buf, sizeof(buf));
	mc_json_open(&j, NULL, '{');
	json_head(&j, &d->frame);
	json_path(&j, &hops);
	mc_json_raw(&j, "payload", d->object.json, d->object.json_len);
	mc_json_hex_upper(&j, "raw", d->raw, d->len);
	json_text(&j, "hash", d->hash);
	if (d->object.anomaly != NULL)
		json_text(&j, "anomaly", d->object.anomaly);
	mc_json_close(&j, '}');
	puts(buf);
}

/* ------------------------------------------------------------- for people -- */

static void
row(struct table *t, const char *name, const char *value)
{
	table_add(t, TONE_DIM, name, strlen(name));
	table_add(t, TONE_PLAIN, value, strlen(value));
}

static void
rows_path(struct table *t, const struct mc_frame *f)
{
	struct mc_hops hops = mc_frame_hops(f);
	char hop[17], *text = cli_format("%s", hops.count == 0 ? "-" : ""), *longer;

	for (uint32_t i = 0; i < hops.count; i++) {
		longer = cli_format("%s%s%s", text, i == 0 ? "" : " ",
				    mc_hex_upper(hops.at + i * hops.size, hops.size, hop));
		free(text);
		text = longer;
	}
	row(t, f->type == MC_TRACE ? "route to take" : "path", text);
	free(text);
	if (hops.completed >= 0) {
		text = cli_format("%d of %u", hops.completed, hops.count);
		row(t, "hops done", text);
		free(text);
	}
}

/* Numbers as they stand in JSON, strings without quotes. */
static void
rows_object(struct table *t, const struct decode *d)
{
	json_t *root = json_loadb(d->object.json, d->object.json_len, 0, NULL), *value;
	const char *name;

	json_object_foreach(root, name, value)
	{
		char *text = NULL;

		if (!json_is_string(value))
			text = json_dumps(value,
					  JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(10));
		row(t, name,
		    text != NULL            ? text
		    : json_is_string(value) ? json_string_value(value)
					    : "");
		free(text);
	}
	json_decref(root);
}

static void
decode_print(const struct decode *d, const struct cli *cli)
{
	static const char *const heads[] = { "", "~" };
	const struct mc_frame *f = &d->frame;
	const char *refusal = mc_object_refusal(&d->object);
	char code1[5], code2[5], *text;
	struct table t;

	table_init(&t, heads, 2);
	row(&t, "packet", mc_type_name(f->type));
	row(&t, "route", mc_route_name(f->route));
	if (f->has_codes) {
		text = cli_format("%s %s", mc_hex_upper(f->codes[0], 2, code1),
				  mc_hex_upper(f->codes[1], 2, code2));
		row(&t, "transport codes", text);
		free(text);
	}
	rows_path(&t, f);
	row(&t, "hash", d->hash);
	if (mc_frame_is_shared(f))
		row(&t, "shared", "somebody else's advert, passed on by hand");
	if (d->object.anomaly != NULL)
		row(&t, "anomaly", d->object.anomaly);
	if (refusal != NULL)
		row(&t, "refused", refusal);
	rows_object(&t, d);
	table_print(&t, stdout, cli->width, cli->colour);
}

static int
decode_run(const struct cli *cli)
{
	struct decode *d = cli_alloc(NULL, sizeof(*d));
	struct mc_decoder how = { &d->keys, true };
	uint8_t hash[MC_HASH_SIZE];
	enum mc_reject reject;
	int rc;

	memset(d, 0, sizeof(*d));
	mc_keys_init(&d->keys);
	rc = decode_keys(&d->keys, cli);
	reject = rc == 0 ? decode_read(d, cli) : MC_GOOD;
	if (reject != MC_GOOD)
		rc = cli_say(CLI_FAILED, "%s", mc_reject_text(reject));
	if (rc == 0 && !mc_object_decode(&d->object, &d->frame, &how))
		rc = cli_say(CLI_FAILED, "out of memory");
	if (rc == 0) {
		mc_hash(&d->frame, hash);
		mc_hex_lower(hash, sizeof(hash), d->hash);
		if (cli->json)
			decode_print_json(d);
		else
			decode_print(d, cli);
	}
	mc_keys_fini(&d->keys);
	free(d);
	return rc;
}

const struct command command_decode = {
	.name = "decode",
	.usage = "HEX... [--keys FILE] [--key NAME=HEX] [--channel NAME]",
	.summary = "show what is in a packet",
	.help =
	    "Needs no daemon. The packet may be cut by spaces. Texts on the channel Public are\n"
	    "readable without a key; an own key wins over a hashtag, and that over the file.\n\n"
	    "With --json the result is {header, transportCodes, path, payload, raw, hash, "
	    "anomaly};\n"
	    "payload is the object that is stored.\n",
	.flags = { { "--keys", "FILE", "keys of channels, JSON: {\"name\": \"hex\"}" },
		   { "--key", "NAME=HEX", "one such key" },
		   { "--channel", "NAME", "a hashtag channel" } },
	.min_args = 1,
	.max_args = 512,
	.run = decode_run,
};
