/* SPDX-License-Identifier: MIT
 *
 * The worked examples T-HS1..9 and T-MB1..13, and the scenarios S2, S4, S11.
 */
#include "../hops/fixture.h"

#include <mbcap/snapshot.h>

#define DAY 86400

static struct hops_nodes n;
static struct mbcap m;

static void
begin(void)
{
	cr_assert_eq(mbcap_init(&m, &n, 7 * DAY), MK_OK);
}

static void
finished(void)
{
	mbcap_fini(&m);
	hops_nodes_fini(&n);
}

TestSuite(capability, .timeout = 120, .init = begin, .fini = finished);

static struct mbcap_entry
entry(const char *key, int64_t now)
{
	struct mbcap_entry e = { 0 };

	cr_assert(mbcap_find(&m, id_of(&n, key), now, &e), "%s", key);
	return e;
}

/* The packet's first bytes in hex, as it was heard a second after the one before. */
static void
heard(uint64_t id, const char *from, const char *raw, const char *path)
{
	struct hops_obs o = { .id = id, .tx = id, .at = T0 + (int64_t)id, .observer = "obs" };

	o.observer_len = 3;
	o.from = from;
	o.from_len = from == NULL ? 0 : (uint32_t)strlen(from);
	cr_assert(hops_obs_path(&o, path, strlen(path)));
	cr_assert(hops_obs_head(&o, raw, strlen(raw)));
	mbcap_take(&m, &o);
}

/* Flood adverts with these hash sizes, one an hour. */
static struct mbcap_entry
adverts(const char *sizes)
{
	for (uint32_t i = 0; sizes[i] != '\0'; i++)
		mbcap_advert(&m, id_of(&n, "aa"), i + 1, (T0 + 3600 * (int64_t)i) * 1000,
			     (uint8_t)(sizes[i] - '0'));
	return entry("aa", T0 + DAY);
}

static void
expect_capability(const char *key, enum mbcap_sup sup, const char *evidence, uint8_t size)
{
	struct mbcap_entry e = entry(key, T0 + 1000);

	cr_expect_str_eq(mbcap_sup_text(e.sup), mbcap_sup_text(sup));
	cr_expect_str_eq(mbcap_evidence_text(e.evidence), evidence);
	cr_expect_eq(e.size, size);
}

/* ---------------------------------------------------------- hash sizes -- */

Test(capability, hs1_changing_back_and_forth_is_inconsistent)
{
	struct mbcap_entry e = adverts("121");

	cr_expect_eq(e.sizes, 1 << 1 | 1 << 2);
	cr_expect(e.inconsistent);
}

Test(capability, hs2_three_alike_at_last_are_settled)
{
	struct mbcap_entry e = adverts("21222");

	cr_expect_eq(e.hash_size, 2);
	cr_expect_not(e.inconsistent);
}

Test(capability, hs3_never_settling_is_inconsistent)
{
	cr_expect(adverts("21212").inconsistent);
}

Test(capability, hs4_one_change_is_consistent)
{
	struct mbcap_entry e = adverts("11112");

	cr_expect_eq(e.hash_size, 2);
	cr_expect_eq(e.sizes, 1 << 1 | 1 << 2);
	cr_expect_not(e.inconsistent);
}

Test(capability, hs5_direct_adverts_without_hops_do_not_count)
{
	struct mbcap_entry e;

	for (uint64_t i = 0; i < 4; i++) {
		heard(2 * i + 1, "aa", "1140", "[]");
		heard(2 * i + 2, "aa", "1200", "[]");
	}
	e = entry("aa", T0 + 100);
	cr_expect_eq(e.sizes, 1 << 2);
	cr_expect_not(e.inconsistent);
}

Test(capability, hs6_and_alone_they_say_nothing)
{
	node(&n, "aa", "repeater", NOWHERE);
	heard(1, "aa", "1200", "[]");
	heard(2, "aa", "131122334400", "[]");
	cr_expect_eq(entry("aa", T0 + 100).hash_size, 0);
}

Test(capability, hs7_a_direct_advert_with_hops_counts)
{
	heard(1, "aa", "1241", "[\"B1B2\"]");
	cr_expect_eq(entry("aa", T0 + 100).hash_size, 2);
}

Test(capability, hs8_the_newest_is_the_newest_by_a_millisecond)
{
	mbcap_advert(&m, id_of(&n, "aa"), 1, T0 * INT64_C(1000) + 5001, 2);
	mbcap_advert(&m, id_of(&n, "aa"), 2, T0 * INT64_C(1000) + 5000, 1);
	cr_expect_eq(entry("aa", T0 + 100).hash_size, 2);
}

Test(capability, hs9_other_packets_say_nothing_about_the_size)
{
	struct mbcap_entry e;

	heard(1, NULL, "0141", "[\"AABB\"]");
	cr_expect_not(mbcap_find(&m, id_of(&n, "aa"), T0 + 100, &e));
}

/* D19 */
Test(capability, the_reserved_size_is_none)
{
	node(&n, "aa", "repeater", NOWHERE);
	heard(1, "aa", "11c0", "[]");
	expect_capability("aa", MBCAP_UNKNOWN, "", 1);
}

Test(capability, copies_of_an_advert_are_one_advert)
{
	for (uint64_t i = 0; i < 10; i++)
		mbcap_advert(&m, id_of(&n, "aa"), 1 + i % 2, (T0 + (int64_t)i) * 1000,
			     (uint8_t)(1 + i % 2));
	cr_expect_eq(m.at[id_of(&n, "aa")].count, 2);
	cr_expect_not(entry("aa", T0 + 100).inconsistent);
}

Test(capability, the_newest_sixty_four_adverts_are_kept)
{
	for (int64_t i = 199; i >= 0; i--)
		mbcap_advert(&m, id_of(&n, "aa"), (uint64_t)i + 1, (T0 + i) * 1000,
			     i == 199 ? 3 : 1);
	cr_expect_eq(m.at[id_of(&n, "aa")].count, 64);
	cr_expect_eq(m.at[id_of(&n, "aa")].adverts[0].tx, 137);
	cr_expect_eq(entry("aa", T0 + 1000).hash_size, 3);
}

/* ---------------------------------------------------------- capability -- */

Test(capability, mb1_an_advert_confirms)
{
	node(&n, "aabbcc01", "repeater", NOWHERE);
	heard(1, "aabbcc01", "1141", "[\"B1B2\"]");
	expect_capability("aabbcc01", MBCAP_CONFIRMED, "advert", 2);
	/* T-MB8 */
	heard(2, NULL, "2541", "[\"AABB\"]");
	expect_capability("aabbcc01", MBCAP_CONFIRMED, "advert", 2);
}

Test(capability, mb2_a_hop_makes_suspect)
{
	node(&n, "aabbccdd", "repeater", NOWHERE);
	heard(1, NULL, "0141", "[\"AABB\"]");
	expect_capability("aabbccdd", MBCAP_SUSPECTED, "path", 2);
	cr_expect_eq(entry("aabbccdd", T0 + 100).candidates, 1);
	cr_expect_eq(entry("aabbccdd", T0 + 100).evidence_at, T0 + 1);
	/* T-MB7: it also sends such adverts */
	heard(2, "aabbccdd", "1140", "[]");
	expect_capability("aabbccdd", MBCAP_CONFIRMED, "advert", 2);
}

Test(capability, mb3_one_byte_adverts_say_nothing)
{
	node(&n, "aabb", "repeater", NOWHERE);
	heard(1, "aabb", "1101", "[\"B1\"]");
	expect_capability("aabb", MBCAP_UNKNOWN, "", 1);
}

Test(capability, mb4_companions_are_confirmed_like_others)
{
	node(&n, "aabb", "companion", NOWHERE);
	heard(1, "aabb", "1141", "[\"B1B2\"]");
	expect_capability("aabb", MBCAP_CONFIRMED, "advert", 2);
}

Test(capability, mb5_a_short_hop_of_a_long_path_makes_everybody_suspect)
{
	node(&n, "aabb0001", "repeater", NOWHERE);
	node(&n, "aacc0002", "repeater", NOWHERE);
	heard(1, "aabb0001", "1141", "[\"B1B2\"]");
	heard(2, NULL, "0141", "[\"AA\"]");
	expect_capability("aabb0001", MBCAP_CONFIRMED, "advert", 2);
	expect_capability("aacc0002", MBCAP_SUSPECTED, "path", 2);
	cr_expect_eq(entry("aacc0002", T0 + 100).candidates, 2);
}

/* T-MB6!, D22: PATH is evidence, TRACE is none */
Test(capability, mb6_a_returned_path_is_evidence_and_a_trace_is_not)
{
	node(&n, "aabbccdd", "repeater", NOWHERE);
	heard(1, NULL, "2541", "[\"AABB\"]");
	expect_capability("aabbccdd", MBCAP_UNKNOWN, "", 1);
	heard(2, NULL, "2141", "[\"AABB\"]");
	expect_capability("aabbccdd", MBCAP_SUSPECTED, "path", 2);
}

Test(capability, mb9_three_bytes_are_three)
{
	node(&n, "aabbccdd", "repeater", NOWHERE);
	heard(1, NULL, "0181", "[\"AABBCC\"]");
	expect_capability("aabbccdd", MBCAP_SUSPECTED, "path", 3);
}

Test(capability, mb10_a_room_is_judged_like_a_repeater)
{
	node(&n, "aabbccdd", "room_server", NOWHERE);
	heard(1, "aabbccdd", "1101", "[\"B1\"]");
	expect_capability("aabbccdd", MBCAP_UNKNOWN, "", 1);
}

/* D21 */
Test(capability, who_cannot_relay_is_not_suspected)
{
	node(&n, "aabb01", "companion", NOWHERE);
	node(&n, "aabb02", "sensor", NOWHERE);
	node(&n, "aabb03", "repeater", NOWHERE);
	node(&n, "aabb04", "repeater", NOWHERE);
	hops_nodes_set_listener(&n, "aabb04", 6, true);
	heard(1, NULL, "0141", "[\"AABB\"]");
	expect_capability("aabb01", MBCAP_UNKNOWN, "", 1);
	expect_capability("aabb02", MBCAP_UNKNOWN, "", 1);
	expect_capability("aabb03", MBCAP_SUSPECTED, "path", 2);
	expect_capability("aabb04", MBCAP_UNKNOWN, "", 1);
	cr_expect_eq(entry("aabb03", T0 + 100).candidates, 1);
}

Test(capability, the_way_of_a_direct_packet_makes_nobody_suspect)
{
	node(&n, "aabb03", "repeater", NOWHERE);
	heard(1, NULL, "0241", "[\"AABB\"]");
	expect_capability("aabb03", MBCAP_UNKNOWN, "", 1);
}

Test(capability, mb12_one_lookup_finds_it_or_does_not)
{
	struct mbcap_entry e;

	node(&n, "aabb", "repeater", NOWHERE);
	cr_expect(mbcap_find(&m, id_of(&n, "aabb"), T0, &e));
	cr_expect_not(mbcap_find(&m, HOPS_NONE, T0, &e));
	cr_expect_not(mbcap_find(&m, 17, T0, &e));
}

/* S11 */
Test(capability, mb13_evidence_ends_with_the_window)
{
	node(&n, "aabbccdd", "repeater", NOWHERE);
	heard(1, "aabbccdd", "1141", "[\"B1B2\"]");
	heard(3 * DAY, NULL, "0141", "[\"AABB\"]");
	cr_expect_eq(entry("aabbccdd", T0 + 7 * DAY).sup, MBCAP_CONFIRMED);
	cr_expect_eq(entry("aabbccdd", T0 + 7 * DAY + 2).sup, MBCAP_SUSPECTED);
	cr_expect_not(entry("aabbccdd", T0 + 7 * DAY + 2).downgrade);
	cr_expect_eq(entry("aabbccdd", T0 + 10 * DAY + 1).sup, MBCAP_UNKNOWN);
	mbcap_prune(&m, T0 + 11 * DAY);
	cr_expect_eq(m.token_count, 0);
	cr_expect_eq(m.at[id_of(&n, "aabbccdd")].count, 0);
}

Test(capability, less_is_explicit_only_if_newer_adverts_say_so)
{
	node(&n, "aabbccdd", "repeater", NOWHERE);
	heard(1, "aabbccdd", "1141", "[\"B1B2\"]");
	heard(6 * DAY, "aabbccdd", "1101", "[\"B1\"]");
	heard(6 * DAY + 1, NULL, "0141", "[\"AABB\"]");
	cr_expect_not(entry("aabbccdd", T0 + 6 * DAY).downgrade);
	cr_expect_eq(entry("aabbccdd", T0 + 8 * DAY).sup, MBCAP_SUSPECTED);
	cr_expect(entry("aabbccdd", T0 + 8 * DAY).downgrade);
}

Test(capability, texts_are_those_of_the_interface)
{
	cr_expect_str_eq(mbcap_sup_text(2), "confirmed");
	cr_expect_str_eq(mbcap_sup_text(1), "suspected");
	cr_expect_str_eq(mbcap_sup_text(0), "unknown");
	cr_expect_str_eq(mbcap_sup_text(3), "unknown");
	cr_expect_str_eq(mbcap_sup_text(-1), "unknown");
}

/* ------------------------------------------------------------- snapshot -- */

static void
history(const uint32_t step)
{
	for (uint32_t i = 0; i < 240; i++) {
		uint32_t k = i * step % 240;
		char key[16], path[32];
		struct hops_obs o = { .id = i + 1,
				      .tx = 1 + k / 4,
				      .at = T0 + k / 4 * 60 + k % 4,
				      .from = k / 4 % 3 == 0 ? key : NULL,
				      .from_len = 8 };

		snprintf(key, sizeof(key), "aa%02x0011", k / 12);
		snprintf(path, sizeof(path), "[\"AA%02X\",\"BBCC\"]", k % 64);
		hops_obs_path(&o, path, strlen(path));
		hops_obs_head(&o, k / 4 % 3 == 0 ? "1142" : "0142", 4);
		mbcap_take(&m, &o);
	}
}

static void
written(mk_writer *w, struct mbcap_view *view, const struct mbcap_view *shown,
	struct mbcap_order order)
{
	mk_writer_init(w, 0);
	cr_assert_eq(mbcap_view_make(view, &m, T0 + 20000), MK_OK);
	cr_assert_eq(mbcap_write(w, &m, view, shown, order, 0), MK_OK);
}

static mk_result
read_back(const void *data, size_t len, struct mbcap_order *order, bool delta)
{
	mk_doc doc;
	mk_result rc;

	mk_doc_init(&doc);
	rc = mk_doc_open(&doc, data, len, NULL, NULL, 0);
	if (rc == MK_OK)
		rc = mbcap_read(&m, order, mk_doc_root(&doc), delta);
	mk_doc_fini(&doc);
	return rc;
}

static void
people(void)
{
	for (uint32_t i = 0; i < 64; i++) {
		char key[16];

		snprintf(key, sizeof(key), "aa%02x0011", i);
		node(&n, key, i % 5 == 0 ? "companion" : "repeater", NOWHERE);
	}
}

/* S2, S4, S1 */
Test(capability, order_repetition_and_restarts_change_nothing)
{
	struct mbcap_order order = { 0 };
	struct mbcap_view view;
	mk_writer w[4];

	for (uint32_t k = 0; k < 4; k++) {
		finished();
		begin();
		people();
		if (k < 3)
			history((uint32_t[]){ 1, 77, 239 }[k]);
		if (k == 2)
			history(1);
		if (k == 3)
			cr_assert_eq(read_back(w[0].data, w[0].len, &order, false), MK_OK);
		written(&w[k], &view, NULL, (struct mbcap_order){ 5, 0 });
		mbcap_view_free(&view);
		cr_expect_eq(w[k].len, w[0].len);
		cr_expect_eq(memcmp(w[k].data, w[0].data, w[0].len), 0, "way %u", k);
	}
	for (size_t k = 0; k < 4; k++)
		mk_writer_fini(&w[k]);
}

Test(capability, a_delta_says_what_changed_and_follows_its_base)
{
	struct mbcap_order order = { 0 };
	struct mbcap_view first, second;
	mk_writer base, delta, whole;

	people();
	history(1);
	written(&base, &first, NULL, (struct mbcap_order){ 5, 0 });
	mbcap_settled(&m);
	heard(1000, "aa050011", "1181", "[\"B1B2B3\"]");
	written(&delta, &second, &first, (struct mbcap_order){ 5, 1 });
	cr_expect_lt(delta.len, 500);
	cr_expect_not(mbcap_view_same(&first, &second));
	mbcap_view_free(&first);
	mbcap_view_free(&second);
	written(&whole, &first, NULL, (struct mbcap_order){ 6, 0 });
	mbcap_view_free(&first);
	finished();
	begin();
	people();
	cr_expect_eq(read_back(delta.data, delta.len, &order, true), MK_ESTATE);
	cr_expect_eq(read_back(base.data, base.len, &order, false), MK_OK);
	cr_expect_eq(read_back(base.data, base.len, &order, false), MK_EEXIST);
	cr_expect_eq(read_back(delta.data, delta.len, &order, true), MK_OK);
	cr_expect_eq(read_back(delta.data, delta.len, &order, true), MK_ESTATE);
	mk_writer_fini(&base);
	written(&base, &first, NULL, (struct mbcap_order){ 6, 0 });
	cr_expect_eq(base.len, whole.len);
	cr_expect_eq(memcmp(base.data, whole.data, whole.len), 0);
	mbcap_view_free(&first);
	mk_writer_fini(&base);
	mk_writer_fini(&delta);
	mk_writer_fini(&whole);
}

Test(capability, a_damaged_snapshot_is_refused_and_leaves_nothing)
{
	struct mbcap_view view;
	uint32_t refused = 0;
	mk_writer base;

	people();
	history(1);
	mbcap_day_put(&m, &(struct mbcap_day){ .day = 20000, .relays = { 1, 2, 3 } });
	written(&base, &view, NULL, (struct mbcap_order){ 5, 0 });
	mbcap_view_free(&view);
	for (size_t i = 0; i < base.len; i += 7) {
		uint8_t *bytes = (uint8_t *)(uintptr_t)base.data, old = bytes[i];
		struct mbcap_order order = { 0 };

		bytes[i] ^= 0xff;
		finished();
		begin();
		if (read_back(base.data, base.len, &order, false) != MK_OK) {
			refused++;
			cr_expect_eq(m.token_count, 0);
			cr_expect_eq(m.day_count, 0);
			cr_expect_eq(m.cursor, 0);
		}
		bytes[i] = old;
	}
	cr_expect_gt(refused, 0);
	mk_writer_fini(&base);
}

/* --------------------------------------------------------------- trend -- */

static void
noted(int64_t day, uint32_t confirmed)
{
	struct mbcap_day d = { .day = day };

	d.relays[MBCAP_CONFIRMED] = confirmed;
	mbcap_day_put(&m, &d);
}

Test(capability, a_day_counts_the_relays_as_they_were_last)
{
	struct mbcap_view view;
	const struct mbcap_day *d;

	people();
	for (uint32_t more = 0; more < 2; more++) {
		if (more == 1)
			history(1);
		cr_assert_eq(mbcap_view_make(&view, &m, T0 + 20000), MK_OK);
		mbcap_view_note(&view, &m, T0 + 20000);
		mbcap_view_free(&view);
		cr_expect_eq(m.day_count, 1);
		d = mbcap_day_find(&m, (T0 + 20000) / DAY);
		cr_assert_not_null(d);
		/* 13 of the 64 are companions. */
		cr_expect_eq(d->relays[0] + d->relays[1] + d->relays[2], 51);
		cr_expect_eq(d->relays[MBCAP_UNKNOWN] == 51, more == 0);
	}
	cr_expect_null(mbcap_day_find(&m, (T0 + 20000) / DAY + 1));
}

Test(capability, days_are_in_order_and_the_oldest_go)
{
	noted(10, 1);
	noted(8, 2);
	noted(9, 3);
	noted(8, 4);
	cr_assert_eq(m.day_count, 3);
	for (uint32_t i = 0; i < 3; i++)
		cr_expect_eq(m.days[i].day, 8 + i);
	cr_expect_eq(m.days[0].relays[MBCAP_CONFIRMED], 4);
	for (uint32_t i = 0; i < MBCAP_DAYS_MAX; i++)
		noted(100 + i, i);
	cr_expect_eq(m.day_count, MBCAP_DAYS_MAX);
	cr_expect_eq(m.days[0].day, 100);
	noted(9, 1);
	cr_expect_eq(m.days[0].day, 100, "older than all that there is room for");
	cr_expect_eq(m.days[MBCAP_DAYS_MAX - 1].day, 99 + MBCAP_DAYS_MAX);
}

Test(capability, a_snapshot_keeps_the_days)
{
	struct mbcap_order order = { 0 };
	struct mbcap_view view;
	mk_writer base, delta;

	people();
	history(1);
	noted(-1 + T0 / DAY, 7);
	written(&base, &view, NULL, (struct mbcap_order){ 5, 0 });
	mk_writer_init(&delta, 0);
	noted(T0 / DAY, 8);
	noted(1 + T0 / DAY, 9);
	cr_assert_eq(mbcap_write(&delta, &m, &view, &view, (struct mbcap_order){ 5, 1 }, T0 + DAY),
		     MK_OK);
	mbcap_view_free(&view);
	finished();
	begin();
	people();
	noted(1, 1); /* of another state: it goes with it */
	cr_expect_eq(read_back(base.data, base.len, &order, false), MK_OK);
	cr_expect_eq(m.day_count, 1);
	cr_expect_eq(read_back(delta.data, delta.len, &order, true), MK_OK);
	cr_assert_eq(m.day_count, 2, "a delta has the day that it is of");
	cr_expect_eq(m.days[0].relays[MBCAP_CONFIRMED], 7);
	cr_expect_eq(m.days[1].day, 1 + T0 / DAY);
	cr_expect_eq(m.days[1].relays[MBCAP_CONFIRMED], 9);
	mk_writer_fini(&base);
	mk_writer_fini(&delta);
}

Test(capability, more_prefixes_than_the_limit_are_refused_and_counted)
{
	for (uint32_t i = 0; i < MBCAP_TOKENS_MAX + 10; i++)
		mbcap_token_put(&m, HOPS_TOKEN(3, i));
	cr_expect_eq(m.token_count, MBCAP_TOKENS_MAX);
	cr_expect_eq(m.refused, 10);
}
