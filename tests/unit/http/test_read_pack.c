/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>
#include <http/read/impl.h>
#include <meshcore/compose.h>
#include <meshcore/object.h>

TestSuite(read_pack, .timeout = 120);

static const uint64_t head_list[] = { 0xaabbccddeeff0011, 0x0102030405060708, 0,
				      0xff00000000000000 };
static const struct heads heads = { head_list, 4 };

static struct read_packet
packet(const char *json)
{
	static const uint8_t raw[] = { 0x11, 0x00, 1, 2, 3 };

	return (struct read_packet){ .id = 7,
				     .hash = "0123456789abcdef",
				     .first_seen = "2026-11-21T06:43:00Z",
				     .first_s = 1795243380,
				     .route = 1,
				     .type = 4,
				     .raw = raw,
				     .raw_len = sizeof(raw),
				     .from = 2,
				     .json = json,
				     .json_len = json == NULL ? 0 : strlen(json) };
}

/* Into the store and out of it: in *u, which its texts point into. */
static void
again(struct unpacked *u, struct tx *t, const struct read_packet *p)
{
	*u = (struct unpacked){ 0 };
	*t = (struct tx){ .id = p->id,
			  .first_s = p->first_s,
			  .type = (int8_t)p->type,
			  .route = (int8_t)p->route,
			  .from = p->from };
	cr_assert(pack_tx(t, p));
	for (uint32_t i = 0; i < p->obs_count; i++) {
		cr_assert(pack_obs(t, &p->obs[i], &heads));
		t->obs_count++;
	}
	cr_assert(unpack_tx(u, t, &heads, 0));
}

static void
expect_obs(const struct read_obs *a, const struct read_obs *b)
{
	cr_expect_eq(a->id, b->id);
	cr_expect_eq(a->at, b->at);
	cr_expect_eq(a->observer, b->observer);
	cr_expect_eq(a->direction, b->direction);
	cr_expect_eq(a->has_snr, b->has_snr);
	cr_expect_eq(a->has_rssi, b->has_rssi);
	cr_expect(!a->has_snr || a->snr == b->snr, "%g %g", a->snr, b->snr);
	cr_expect(!a->has_rssi || a->rssi == b->rssi, "%g %g", a->rssi, b->rssi);
	cr_expect_eq(a->has_path, b->has_path);
	cr_assert_eq(a->count, b->count);
	cr_expect(a->count == 0 || a->hop_size == b->hop_size);
	cr_expect(a->count == 0 || memcmp(a->path, b->path, a->count * a->hop_size) == 0);
	cr_assert_eq(a->resolved == NULL, b->resolved == NULL);
	cr_expect(a->resolved == NULL ||
		  memcmp(a->resolved, b->resolved, a->count * sizeof(*a->resolved)) == 0);
}

/* The same in as few bytes as can be; returns how many. */
static uint32_t
expect_settled(const struct tx *t, const struct read_packet *p)
{
	struct unpacked work = { 0 }, u = { 0 };
	struct tx settled = *t;
	uint32_t cap = 0;

	settled.bytes = NULL;
	settled.len = pack_settle(&work, t, &heads, &settled.bytes, &cap);
	cr_assert_gt(settled.len, 0);
	cr_expect_leq(settled.len, t->len);
	cr_assert(unpack_tx(&u, &settled, &heads, 0));
	cr_assert_eq(u.p.obs_count, p->obs_count);
	for (uint32_t i = 0; i < p->obs_count; i++)
		expect_obs(&p->obs[i], &u.p.obs[i]);
	cr_expect_str_eq(u.p.hash, p->hash);
	unpacked_fini(&work);
	unpacked_fini(&u);
	free(settled.bytes);
	return settled.len;
}

Test(read_pack, texts_come_back_as_they_were)
{
	struct read_packet p = packet("{\"odd\": 1}");
	struct unpacked u;
	struct tx t;

	p.channel = "#test";
	p.scope = "";
	p.raw_lower = true;
	again(&u, &t, &p);
	cr_expect_str_eq(u.p.hash, p.hash);
	cr_expect_str_eq(u.p.first_seen, p.first_seen);
	cr_expect_str_eq(u.p.channel, "#test");
	cr_expect_str_eq(u.p.scope, "");
	cr_expect_str_eq(u.p.json, "{\"odd\": 1}");
	cr_expect(u.p.raw_lower);
	cr_expect_eq(u.p.raw_len, 5);
	cr_expect_eq(memcmp(u.p.raw, p.raw, 5), 0);
	cr_expect_eq(u.p.shown, READ_NONE);
	cr_expect_eq(u.p.latest, READ_NULL);
	unpacked_fini(&u);
	free(t.bytes);
}

Test(read_pack, what_is_null_stays_null)
{
	struct read_packet p = packet(NULL);
	struct unpacked u;
	struct tx t;

	p.type = p.route = -1;
	p.raw_len = 0;
	again(&u, &t, &p);
	cr_expect_null(u.p.json);
	cr_expect_null(u.p.channel);
	cr_expect_null(u.p.scope);
	cr_expect_eq(u.p.type, -1);
	cr_expect_eq(u.p.route, -1);
	cr_expect_eq(u.p.raw_len, 0);
	unpacked_fini(&u);
	free(t.bytes);
}

Test(read_pack, times_and_hashes_of_another_form_are_kept)
{
	static const char *const times[] = { "2026-11-21T06:43:00.250Z", "2026-11-21 06:43:00",
					     "never" };
	struct read_packet p = packet("{}");
	struct unpacked u;
	struct tx t;

	for (int i = 0; i < 3; i++) {
		p.first_seen = times[i];
		(void)snprintf(p.hash, sizeof(p.hash), "%s", i == 0 ? "ABC" : "0123456789ABCDEF");
		again(&u, &t, &p);
		cr_expect_str_eq(u.p.first_seen, times[i]);
		cr_expect_str_eq(u.p.hash, p.hash);
		cr_expect(t.odd_hash);
		unpacked_fini(&u);
		free(t.bytes);
	}
}

static size_t
advert_json(uint8_t raw[MC_FRAME_MAX], size_t *raw_len, char *json, bool verify)
{
	uint8_t payload[MC_PAYLOAD_MAX], seed[32] = { 5 };
	struct mc_advert a = { .flags = 2, .time = 1795243380, .name = "Tower" };
	struct mc_parts parts = {
		.route = MC_FLOOD, .type = MC_ADVERT, .hash_size = 1, .payload = payload
	};
	struct mc_decoder how = { .verify = verify };
	struct mc_identity id;
	struct mc_object *o = malloc(sizeof(*o));
	struct mc_frame f;
	size_t len;

	cr_assert(mc_identity_init(&id, seed));
	parts.payload_len = mc_compose_advert(&id, &a, payload);
	*raw_len = mc_compose_frame(&parts, raw);
	cr_assert_eq(mc_frame_parse(&f, raw, *raw_len), MC_GOOD);
	cr_assert(mc_object_decode(o, &f, &how));
	len = o->json_len;
	memcpy(json, o->json, len);
	json[len] = '\0';
	free(o);
	return len;
}

Test(read_pack, an_object_that_the_bytes_tell_is_not_kept)
{
	for (int verify = 0; verify < 2; verify++) {
		struct read_packet p = packet(NULL);
		uint8_t raw[MC_FRAME_MAX];
		char json[MC_JSON_MAX + 1];
		struct unpacked u;
		size_t len;
		struct tx t;

		p.json_len = advert_json(raw, &len, json, verify != 0);
		p.json = json;
		p.raw = raw;
		p.raw_len = (uint32_t)len;
		again(&u, &t, &p);
		cr_expect_lt(t.len, len + 16);
		cr_expect_eq(u.p.json_len, p.json_len);
		cr_expect_str_eq(u.p.json, json);
		unpacked_fini(&u);
		free(t.bytes);
	}
}

Test(read_pack, an_object_that_says_more_than_the_bytes_is_kept)
{
	struct read_packet p = packet(NULL);
	uint8_t raw[MC_FRAME_MAX];
	char json[MC_JSON_MAX + 1];
	struct unpacked u;
	size_t len;
	struct tx t;

	p.json_len = advert_json(raw, &len, json, false);
	json[p.json_len - 2] = 'X';
	p.json = json;
	p.raw = raw;
	p.raw_len = (uint32_t)len;
	again(&u, &t, &p);
	cr_expect_str_eq(u.p.json, json);
	unpacked_fini(&u);
	free(t.bytes);
}

Test(read_pack, observations_of_every_kind_come_back)
{
	static const uint8_t path[] = { 0xaa, 0xbb, 0x77, 0x88, 0x01, 0x02 };
	uint32_t nodes[3] = { 0, READ_NONE, 1 }, others[3] = { 1, 2, 70000 };
	struct read_obs list[] = {
		{ .id = 100,
		  .at = 1795243380,
		  .observer = 3,
		  .has_snr = true,
		  .snr = -7.25,
		  .has_rssi = true,
		  .rssi = -101,
		  .direction = 1,
		  .has_path = true,
		  .hop_size = 2,
		  .count = 3,
		  .path = path,
		  .resolved = nodes },
		{ .id = 90,
		  .at = 1795243300,
		  .observer = READ_NONE,
		  .has_path = true,
		  .path = path },
		{ .id = INT64_MAX,
		  .at = INT64_MIN,
		  .observer = 0,
		  .has_snr = true,
		  .snr = 0.1,
		  .has_rssi = true,
		  .rssi = 3.5,
		  .direction = 3 },
		{ .id = -5,
		  .at = 0,
		  .observer = 100000,
		  .has_path = true,
		  .hop_size = 1,
		  .count = 6,
		  .path = path },
		{ .id = 101,
		  .at = 1,
		  .observer = 1,
		  .has_path = true,
		  .hop_size = 2,
		  .count = 3,
		  .path = path,
		  .resolved = others,
		  .direction = 2 },
		{ .id = 102,
		  .at = 1,
		  .observer = 1,
		  .has_snr = true,
		  .snr = 31.75,
		  .has_rssi = true,
		  .rssi = -255,
		  .has_path = true,
		  .hop_size = 3,
		  .count = 2,
		  .path = path },
	};
	struct read_packet p = packet(NULL);
	struct unpacked u;
	struct tx t;

	p.obs = list;
	p.obs_count = sizeof(list) / sizeof(list[0]);
	again(&u, &t, &p);
	cr_assert_eq(u.p.obs_count, p.obs_count);
	for (uint32_t i = 0; i < p.obs_count; i++)
		expect_obs(&list[i], &u.p.obs[i]);
	(void)expect_settled(&t, &p);
	unpacked_fini(&u);
	free(t.bytes);
}

static uint64_t
dice(uint64_t *s)
{
	*s += 0x9e3779b97f4a7c15;
	return hops_mix(*s);
}

Test(read_pack, a_thousand_observations_by_chance_come_back)
{
	static struct read_obs list[1000];
	static uint8_t paths[1000][64];
	static uint32_t nodes[1000][63];
	struct read_packet p = packet(NULL);
	struct unpacked u;
	uint64_t s = 1;
	struct tx t;

	for (int i = 0; i < 1000; i++) {
		struct read_obs *o = &list[i];

		*o = (struct read_obs){ .id = 1000000 + i,
					.at = 1795243380 + (int64_t)(dice(&s) % 600),
					.observer = (uint32_t)(dice(&s) % 200),
					.has_path = true };
		o->has_snr = dice(&s) % 2;
		o->snr = (double)(int64_t)(dice(&s) % 4000) / 100 - 20;
		o->hop_size = (uint8_t)(1 + dice(&s) % 3);
		o->count = (uint8_t)(dice(&s) % (63 / o->hop_size));
		o->path = paths[i];
		o->resolved = o->count > 0 && dice(&s) % 2 ? nodes[i] : NULL;
		for (int k = 0; k < 63; k++) {
			paths[i][k] = (uint8_t)dice(&s);
			nodes[i][k] = dice(&s) % 3 ? (uint32_t)(dice(&s) % 5) : READ_NONE;
		}
		for (int k = 0; k < o->count && dice(&s) % 2; k++)
			memcpy(paths[i] + k * o->hop_size, "\xaa\xbb\xcc", o->hop_size);
	}
	p.obs = list;
	p.obs_count = 1000;
	again(&u, &t, &p);
	for (uint32_t i = 0; i < 1000; i++)
		expect_obs(&list[i], &u.p.obs[i]);
	(void)expect_settled(&t, &p);
	unpacked_fini(&u);
	free(t.bytes);
}

/* As a flood goes: each path is an earlier one and some hops more. */
Test(read_pack, what_paths_have_in_common_is_kept_once)
{
	static struct read_obs list[300];
	static uint8_t paths[300][255 * 3];
	static uint32_t nodes[300][255];
	struct read_packet p = packet(NULL);
	struct unpacked u;
	uint64_t s = 7;
	struct tx t;

	for (uint32_t i = 0; i < 300; i++) {
		uint32_t from = i == 0 ? 0 : (uint32_t)(dice(&s) % i), size = i % 50 == 0 ? 3 : 2;
		struct read_obs *o = &list[i];

		*o = (struct read_obs){ .id = 5 + i,
					.at = 1795243380,
					.observer = i % 7,
					.has_path = i % 11 != 0,
					.hop_size = (uint8_t)size,
					.path = paths[i],
					.resolved = i % 5 == 0 ? NULL : nodes[i] };
		if (!o->has_path || o->hop_size != list[from].hop_size)
			from = i;
		o->count = !o->has_path ? 0 : from == i ? 1 : list[from].count;
		memcpy(paths[i], paths[from], sizeof(paths[i]));
		memcpy(nodes[i], nodes[from], sizeof(nodes[i]));
		for (uint32_t more = (uint32_t)(dice(&s) % 3);
		     o->has_path && more > 0 && o->count < 255; more--, o->count++) {
			for (uint32_t k = 0; k < size; k++)
				paths[i][o->count * size + k] = (uint8_t)dice(&s);
			nodes[i][o->count] = dice(&s) % 3 ? (uint32_t)(dice(&s) % 200) : READ_NONE;
		}
		o->resolved = o->count == 0 ? NULL : o->resolved;
	}
	p.obs = list;
	p.obs_count = 300;
	again(&u, &t, &p);
	cr_expect_lt(expect_settled(&t, &p), t.len / 3 * 2);
	unpacked_fini(&u);
	free(t.bytes);
}

Test(read_pack, times_are_read_in_all_forms_and_written_in_one)
{
	static const struct {
		const char *text;
		int64_t at;
		uint32_t ms;
	} good[] = {
		{ "1970-01-01T00:00:00Z", 0, 0 },
		{ "2026-11-21T06:43:00Z", 1795243380, 0 },
		{ "2026-11-21 06:43:00", 1795243380, 0 },
		{ "2026-11-21T06:43:00.5Z", 1795243380, 500 },
		{ "2026-11-21T07:43:00+01:00", 1795243380, 0 },
		{ "2000-02-29T12:00:00.123456Z", 951825600, 123 },
	};
	static const char *const bad[] = { "",
					   "x",
					   "2026-13-01T00:00:00Z",
					   "2026-11-21",
					   "2026-11-21T06:43",
					   "2026-11-21T06:43:00Zx",
					   "2026-11-21T06:43:00+1" };
	char text[WHEN_TEXT];
	uint32_t ms;
	int64_t at;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		cr_assert(when_parse(good[i].text, &at, &ms), "%s", good[i].text);
		cr_expect_eq(at, good[i].at, "%s", good[i].text);
		cr_expect_eq(ms, good[i].ms, "%s", good[i].text);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_not(when_parse(bad[i], &at, NULL), "%s", bad[i]);
	cr_expect_not(when_parse(NULL, &at, NULL));
	for (int64_t s = -62000000000; s < 250000000000; s += 1234567891) {
		when_text(s, "Z", text);
		cr_assert(when_parse(text, &at, NULL), "%s", text);
		cr_expect_eq(at, s, "%s", text);
	}
	when_text(INT64_MAX, "Z", text);
	cr_expect_str_empty(text);
}
