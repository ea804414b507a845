/* SPDX-License-Identifier: MIT
 *
 * The decoder against packets with known results, captured ones and constructed ones. Those that
 * have a "corrected" say why, and "was" has what CoreScope makes of them: see docs/compat.md.
 */
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>
#include <jansson.h>

#include <meshcore/hash.h>
#include <meshcore/hex.h>
#include <meshcore/object.h>
#include <meshcore/scope.h>

TestSuite(vectors, .timeout = 120);

struct vector {
	const char *line, *name, *raw_hex, *reject;
	json_t *root, *expect;
	struct mc_keys keys;
	uint8_t raw[1024];
	size_t len;
	bool hex;
	enum mc_reject got;
	struct mc_frame frame;
	struct mc_object object;
};

static void
vector_decode(struct vector *v)
{
	struct mc_decoder how = { &v->keys, true };
	const char *name;
	json_t *key, *verify = json_object_get(v->root, "validate_signatures");

	mc_keys_init(&v->keys);
	json_object_foreach(json_object_get(v->root, "channel_keys"), name, key)
	    cr_assert_eq(mc_keys_set(&v->keys, name, json_string_value(key)), MC_KEY_SET);
	how.verify = verify == NULL || json_is_true(verify);
	v->hex = mc_hex_decode(v->raw_hex, strlen(v->raw_hex), v->raw, sizeof(v->raw), &v->len);
	v->got = v->hex ? mc_frame_parse(&v->frame, v->raw, v->len) : MC_BAD_HEX;
	if (v->got == MC_GOOD)
		cr_assert(mc_object_decode(&v->object, &v->frame, &how));
}

/* Calls `each` for every line of the file. Returns how many there were. */
static uint32_t
vectors_each(void (*each)(struct vector *v))
{
	static char line[65536];
	FILE *in = fopen(TEST_DATA "/vectors.jsonl", "r");
	uint32_t n = 0;

	cr_assert_not_null(in);
	for (; fgets(line, sizeof(line), in) != NULL; n++) {
		struct vector v = { .line = line };

		line[strcspn(line, "\n")] = '\0';
		v.root = json_loads(line, 0, NULL);
		cr_assert_not_null(v.root, "line %u", n + 1);
		v.name = json_string_value(json_object_get(v.root, "name"));
		v.raw_hex = json_string_value(json_object_get(v.root, "raw_hex"));
		v.expect = json_object_get(v.root, "expect");
		v.reject = json_string_value(json_object_get(v.expect, "reject"));
		vector_decode(&v);
		each(&v);
		mc_keys_fini(&v.keys);
		json_decref(v.root);
	}
	fclose(in);
	return n;
}

static void
check_reject(struct vector *v)
{
	cr_expect_str_eq(mc_reject_name(v->got), v->reject != NULL ? v->reject : "", "%s", v->name);
}

Test(vectors, all_are_packets_or_not_for_the_expected_reason)
{
	cr_expect_eq(vectors_each(check_reject), 247);
}

static void
check_object(struct vector *v)
{
	const char *want = strstr(v->line, ",\"decoded\":");
	char got[MC_JSON_MAX + 16];

	if (v->reject != NULL)
		return;
	cr_assert_not_null(want);
	snprintf(got, sizeof(got), ",\"decoded\":%s}", v->object.json);
	cr_expect_str_eq(got, want, "%s", v->name);
	cr_expect_eq(strlen(v->object.json), v->object.json_len);
}

Test(vectors, objects_are_the_same_to_the_byte)
{
	vectors_each(check_object);
}

static void
check_hash(struct vector *v)
{
	const char *want = json_string_value(json_object_get(v->expect, "hash"));
	char stored[MC_HASH_TEXT], text[MC_HASH_TEXT];
	uint8_t hash[MC_HASH_SIZE];

	mc_hash_stored(v->raw_hex, stored);
	cr_expect_str_eq(stored, want, "%s", v->name);
	if (v->got != MC_GOOD)
		return;
	mc_hash(&v->frame, hash);
	cr_expect_str_eq(mc_hex_lower(hash, sizeof(hash), text), want, "%s", v->name);
}

Test(vectors, hashes_are_those_of_the_firmware)
{
	vectors_each(check_hash);
}

static void
check_header(struct vector *v)
{
	json_t *codes = json_object_get(v->expect, "transport_codes");
	char text[5];

	if (v->got != MC_GOOD)
		return;
	cr_expect_eq(v->frame.route, json_integer_value(json_object_get(v->expect, "route_type")));
	cr_expect_eq(v->frame.type, json_integer_value(json_object_get(v->expect, "payload_type")));
	cr_expect_eq(v->frame.version, 0);
	cr_expect_eq(v->frame.has_codes, codes != NULL, "%s", v->name);
	for (size_t i = 0; i < 2 && codes != NULL; i++)
		cr_expect_str_eq(mc_hex_upper(v->frame.codes[i], 2, text),
				 json_string_value(json_object_get(codes, i ? "code2" : "code1")));
}

Test(vectors, headers_are_read)
{
	vectors_each(check_header);
}

static void
check_path(struct vector *v)
{
	json_t *info = json_object_get(v->expect, "path_info");
	json_t *path = json_object_get(v->expect, "path");
	json_t *completed = json_object_get(info, "hopsCompleted");
	struct mc_hops hops;
	char text[17];

	if (v->got != MC_GOOD)
		return;
	hops = mc_frame_hops(&v->frame);
	cr_expect_eq(hops.size, json_integer_value(json_object_get(info, "hashSize")), "%s",
		     v->name);
	cr_expect_eq(hops.completed, completed != NULL ? json_integer_value(completed) : -1, "%s",
		     v->name);
	cr_assert_eq(hops.count, json_array_size(path), "%s", v->name);
	for (size_t i = 0; i < hops.count; i++)
		cr_expect_str_eq(mc_hex_upper(hops.at + i * hops.size, hops.size, text),
				 json_string_value(json_array_get(path, i)), "%s", v->name);
}

Test(vectors, paths_have_the_expected_hops)
{
	vectors_each(check_path);
}

static void
check_anomaly(struct vector *v)
{
	const char *want = json_string_value(json_object_get(v->expect, "anomaly"));

	if (v->got == MC_GOOD)
		cr_expect_str_eq(v->object.anomaly != NULL ? v->object.anomaly : "",
				 want != NULL ? want : "", "%s", v->name);
}

Test(vectors, anomalies_are_noticed)
{
	vectors_each(check_anomaly);
}

static void
check_advert(struct vector *v)
{
	json_t *accepted = json_object_get(v->expect, "advert_accepted");
	const char *role = json_string_value(json_object_get(v->expect, "role"));
	char text[MC_ROLE_TEXT];

	if (v->got != MC_GOOD)
		return;
	cr_expect_eq(v->object.has_advert, accepted != NULL, "%s", v->name);
	if (accepted == NULL)
		return;
	cr_expect_eq(mc_object_refusal(&v->object) == NULL, json_is_true(accepted), "%s", v->name);
	if (role != NULL)
		cr_expect_str_eq(mc_advert_role(&v->object.advert, text), role, "%s", v->name);
}

Test(vectors, adverts_are_accepted_and_refused)
{
	vectors_each(check_advert);
}

/* What one reception needs, whatever the keys: nothing may depend on what was decoded before. */
static void
check_again(struct vector *v)
{
	static struct mc_object again;
	struct mc_decoder how = { NULL, false };

	if (v->got != MC_GOOD)
		return;
	memset(&again, 0x5A, sizeof(again));
	cr_assert(mc_object_decode(&again, &v->frame, &how));
	cr_expect_eq(again.json[again.json_len], '\0');
	cr_expect_not(again.decrypted);
	cr_expect(again.signature_valid);
}

Test(vectors, without_keys_and_checks_everything_is_decoded_too)
{
	vectors_each(check_again);
}
