/* SPDX-License-Identifier: MIT
 *
 * Records between the hub and an instance: what is written comes back, and whatever else arrives is
 * told from it. Bundles are read from memory of exactly their size, so that reading beyond their
 * end is seen.
 */
#include "wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

/* Memory that is not to be had is NULL, under the address sanitizer, too. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *
__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

/* Every record with its fields as wire.h has them: u8, u32 (d), u64 (q), string, rest. */
static const struct {
	uint8_t kind;
	const char *fields;
} records[] = {
	{ WIRE_START, "qq" },     { WIRE_MSG, "qqqqqddssr" }, { WIRE_GAP, "sqqq" },
	{ WIRE_CREDIT, "qq" },    { WIRE_CALL, "qssr" },      { WIRE_REPLY, "qdssr" },
	{ WIRE_OPTIONS, "r" },    { WIRE_TRIM, "q" },         { WIRE_REWIND, "q" },
	{ WIRE_STOP, "" },        { WIRE_BYE, "" },           { WIRE_STATE, "bdr" },
	{ WIRE_PUB, "ddqsr" },    { WIRE_ACK, "qqq" },        { WIRE_ASK, "qqsr" },
	{ WIRE_ANSWER, "qdsr" },  { WIRE_LOG, "br" },         { WIRE_NUMBER, "qs" },
	{ WIRE_MISBEHAVED, "r" }, { WIRE_OUTBOX, "qqqqqq" },
};
#define RECORDS (sizeof(records) / sizeof(records[0]))

static struct wire_out out;
static uint8_t *bundle; /* a copy of `out` */

static void
tear_down(void)
{
	free(bundle);
	wire_fini(&out);
}

TestSuite(wire, .timeout = 120, .fini = tear_down);

/* A value that differs from field to field. */
static uint64_t
value(size_t record, size_t field)
{
	return 0x8182838485868788u + record * 0x0101010101010101u + field * 7919;
}

static void
write_record(size_t i)
{
	const char *fields = records[i].fields;
	char text[32];

	wire_begin(&out, records[i].kind);
	for (size_t k = 0; fields[k] != '\0'; k++) {
		snprintf(text, sizeof(text), "%zu.%zu", i, k);
		if (fields[k] == 'b')
			wire_u8(&out, (uint8_t)value(i, k));
		else if (fields[k] == 'd')
			wire_u32(&out, (uint32_t)value(i, k));
		else if (fields[k] == 'q')
			wire_u64(&out, value(i, k));
		else if (fields[k] == 's')
			wire_str(&out, text);
		else
			wire_rest(&out, text, strlen(text));
	}
	cr_assert(wire_end(&out));
}

/* Reads a record's fields; true if every one is what write_record wrote. */
static bool
read_record(size_t i, struct wire_in *r)
{
	const char *fields = records[i].fields;
	char text[32];
	bool same = true;
	uint32_t len;

	for (size_t k = 0; fields[k] != '\0'; k++) {
		snprintf(text, sizeof(text), "%zu.%zu", i, k);
		if (fields[k] == 'b') {
			same = wire_get_u8(r) == (uint8_t)value(i, k) && same;
		} else if (fields[k] == 'd') {
			same = wire_get_u32(r) == (uint32_t)value(i, k) && same;
		} else if (fields[k] == 'q') {
			same = wire_get_u64(r) == value(i, k) && same;
		} else if (fields[k] == 's') {
			same = strcmp(wire_get_str(r), text) == 0 && same;
		} else {
			const uint8_t *p = wire_get_rest(r, &len);

			same =
			    p != NULL && len == strlen(text) && memcmp(p, text, len) == 0 && same;
		}
	}
	return same && !r->bad;
}

/* The first `len` bytes at the end of memory of their own. */
static struct wire_in
copy_of(const void *data, size_t len)
{
	free(bundle);
	bundle = malloc(len + 1);
	cr_assert_not_null(bundle);
	memcpy(bundle + 1, data, len);
	return (struct wire_in){ .p = bundle + 1, .end = bundle + 1 + len };
}

Test(wire, every_record_comes_back_as_it_was_written)
{
	struct wire_in in, r;
	uint8_t kind;

	for (size_t i = 0; i < RECORDS; i++)
		write_record(i);
	in = copy_of(out.data, out.len);
	for (size_t i = 0; i < RECORDS; i++) {
		cr_assert(wire_next(&in, &kind, &r));
		cr_expect_eq(kind, records[i].kind);
		cr_expect(read_record(i, &r), "kind %d", kind);
		cr_expect_eq(r.p, r.end, "kind %d has more", kind);
	}
	cr_expect_not(wire_next(&in, &kind, &r));
	cr_expect_not(in.bad);
}

Test(wire, a_bundle_that_is_cut_anywhere_is_bad_from_the_cut_on)
{
	size_t ends[RECORDS];

	for (size_t i = 0; i < RECORDS; i++) {
		write_record(i);
		ends[i] = out.len;
	}
	for (size_t cut = 0, whole = 0; cut < out.len; cut++) {
		struct wire_in in = copy_of(out.data, cut), r;
		size_t n = 0;
		uint8_t kind;

		whole += cut == ends[whole];
		while (wire_next(&in, &kind, &r))
			cr_expect(read_record(n++, &r));
		cr_expect_eq(n, whole);
		cr_expect_eq(in.bad, cut != 0 && cut != ends[n == 0 ? 0 : n - 1]);
		cr_expect_not(wire_next(&in, &kind, &r), "damage is final");
	}
}

Test(wire, a_record_that_is_cut_anywhere_is_bad_and_stays_so)
{
	for (size_t i = 0; i < RECORDS; i++) {
		size_t n = strlen(records[i].fields), rest = 0;

		wire_clear(&out);
		write_record(i);
		if (n > 0 && records[i].fields[n - 1] == 'r')
			rest = strlen("0.0") + (i > 9);
		for (size_t cut = 5; cut + rest < out.len; cut++) {
			struct wire_in in = copy_of(out.data, cut), r;
			uint8_t kind;

			bundle[1] = (uint8_t)(cut - 4);
			cr_assert(wire_next(&in, &kind, &r));
			cr_expect_not(read_record(i, &r), "kind %d", kind);
			cr_expect(r.bad, "kind %d", kind);
			cr_expect_eq(wire_get_u64(&r), 0);
			cr_expect_str_eq(wire_get_str(&r), "");
		}
	}
}

Test(wire, an_empty_bundle_has_no_record_and_is_not_bad)
{
	struct wire_in in = copy_of("", 0), r;
	uint8_t kind;

	cr_expect_not(wire_next(&in, &kind, &r));
	cr_expect_not(in.bad);
}

Test(wire, a_record_of_no_length_is_bad)
{
	struct wire_in in = copy_of("\0\0\0\0\1\0\0\0\12", 9), r;
	uint8_t kind;

	cr_expect_not(wire_next(&in, &kind, &r));
	cr_expect(in.bad);
}

Test(wire, a_length_beyond_the_end_is_bad)
{
	static const char *const lengths[] = { "\3\0\0\0", "\377\377\377\377", "\0\0\0\200" };
	struct wire_in in, r;
	char data[7];
	uint8_t kind;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		memcpy(data, lengths[i], 4);
		memcpy(data + 4, "\12\0", 2);
		in = copy_of(data, 6);
		cr_expect_not(wire_next(&in, &kind, &r));
		cr_expect(in.bad);
	}
}

Test(wire, a_string_ends_with_its_nul_and_has_none_before)
{
	struct wire_in r = copy_of("\2ab\0\1", 5);

	cr_expect_str_eq(wire_get_str(&r), "ab");
	cr_expect_not(r.bad);
	r = copy_of("\2abc", 4);
	cr_expect_str_eq(wire_get_str(&r), "");
	cr_expect(r.bad);
	r = copy_of("\2a\0\0", 4);
	cr_expect_str_eq(wire_get_str(&r), "");
	cr_expect(r.bad);
	r = copy_of("\2ab", 3);
	cr_expect_str_eq(wire_get_str(&r), "");
	cr_expect(r.bad);
	r = copy_of("\0\0", 2);
	cr_expect_str_eq(wire_get_str(&r), "");
	cr_expect_not(r.bad, "an empty string is one");
}

Test(wire, a_long_string_is_cut_at_255_bytes)
{
	char text[301];
	struct wire_in in, r;
	uint8_t kind;

	memset(text, 'x', 300);
	text[300] = '\0';
	wire_begin(&out, WIRE_NUMBER);
	wire_str(&out, text);
	cr_assert(wire_end(&out));
	in = copy_of(out.data, out.len);
	cr_assert(wire_next(&in, &kind, &r));
	cr_expect_eq(strlen(wire_get_str(&r)), 255);
	cr_expect_eq(r.p, r.end);
}

Test(wire, integers_are_little_endian)
{
	static const uint8_t expected[] = {
		17, 0, 0, 0, WIRE_CREDIT, 8, 7, 6, 5, 4, 3, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0,
	};

	wire_begin(&out, WIRE_CREDIT);
	wire_u64(&out, 0x0102030405060708u);
	wire_u64(&out, 1);
	cr_assert(wire_end(&out));
	cr_assert_eq(out.len, sizeof(expected));
	cr_expect_arr_eq(out.data, expected, sizeof(expected));
}

Test(wire, a_message_comes_back_with_every_field)
{
	static const uint8_t body[] = { 0x81, 0xa1, 'n', 7 };
	struct wire_msg m = { .order = 11,
			      .epoch = 12,
			      .seq = 13,
			      .time_us = 14,
			      .origin_seq = 15,
			      .flags = 16,
			      .schema = 17,
			      .topic = "rx/raw",
			      .origin = "sim",
			      .body = body,
			      .len = sizeof(body) },
			got = { 0 };
	struct wire_in in, r;
	uint8_t kind;

	wire_msg(&out, &m);
	m.len = 0;
	wire_msg(&out, &m);
	in = copy_of(out.data, out.len);
	cr_assert(wire_next(&in, &kind, &r));
	cr_assert_eq(kind, WIRE_MSG);
	cr_assert(wire_get_msg(&r, &got));
	cr_expect(got.order == 11 && got.epoch == 12 && got.seq == 13 && got.time_us == 14);
	cr_expect(got.origin_seq == 15 && got.flags == 16 && got.schema == 17);
	cr_expect_str_eq(got.topic, "rx/raw");
	cr_expect_str_eq(got.origin, "sim");
	cr_assert_eq(got.len, sizeof(body));
	cr_expect_arr_eq(got.body, body, sizeof(body));
	cr_assert(wire_next(&in, &kind, &r));
	cr_assert(wire_get_msg(&r, &got));
	cr_expect_eq(got.len, 0, "a body may be empty");
}

Test(wire, dropping_leaves_what_came_after)
{
	size_t first;

	write_record(0);
	first = out.len;
	write_record(1);
	wire_drop(&out, first);
	wire_drop(&out, 0);
	cr_expect_eq(out.data[4], records[1].kind);
	wire_drop(&out, out.len);
	cr_expect_eq(out.len, 0);
	write_record(2);
	cr_expect_eq(out.data[4], records[2].kind);
}

Test(wire, clearing_gives_back_only_much_memory)
{
	const uint8_t *before;
	char *big = calloc(1, (1u << 20) + 1);

	cr_assert_not_null(big);
	write_record(0);
	before = out.data;
	wire_clear(&out);
	cr_expect_eq(out.len, 0);
	cr_expect_eq(out.data, before);
	wire_rest(&out, big, (1u << 20) + 1);
	wire_clear(&out);
	cr_expect_null(out.data);
	cr_expect_eq(out.cap, 0);
	write_record(0);
	cr_expect_eq(out.data[4], records[0].kind, "it can be used again");
	free(big);
}

Test(wire, a_record_without_memory_is_taken_back_and_the_others_stay)
{
	size_t whole, more_than_there_is = (size_t)1 << 62;
	struct wire_in in, r;
	uint8_t kind;

	write_record(3);
	whole = out.len;
	wire_begin(&out, WIRE_OPTIONS);
	wire_u64(&out, 1);
	wire_rest(&out, "", more_than_there_is);
	wire_u64(&out, 2);
	cr_expect(out.failed);
	cr_expect_not(wire_end(&out));
	cr_expect_eq(out.len, whole);
	write_record(0);
	in = copy_of(out.data, out.len);
	cr_assert(wire_next(&in, &kind, &r));
	cr_expect(read_record(3, &r));
	cr_assert(wire_next(&in, &kind, &r));
	cr_expect(read_record(0, &r));
}
