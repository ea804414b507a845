/* SPDX-License-Identifier: MIT
 *
 * Messages as outsiders see them: what is written can be read, what cannot have been written is
 * refused.
 */
#include "frame.h"

#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

static struct wire_out out;
static mk_writer scratch, body;
static mk_doc doc;
static struct frame frame;
static mk_err err;
static uint8_t *copy; /* what was parsed last */

static void
setup(void)
{
	mk_doc_init(&doc);
	mk_writer_init(&scratch, 4096);
	mk_writer_init(&body, 0);
}

static void
teardown(void)
{
	mk_doc_fini(&doc);
	mk_writer_fini(&scratch);
	mk_writer_fini(&body);
	wire_fini(&out);
	free(copy);
}

TestSuite(frame, .timeout = 120, .init = setup, .fini = teardown);

/* A map that is `depth` maps deep. */
static void
fill_body(uint32_t depth)
{
	mk_writer_reset(&body);
	mk_put_map(&body, 1);
	for (uint32_t i = 1; i < depth; i++)
		mk_kv_map(&body, "deeper", 1);
	mk_kv_u64(&body, "n", 7);
	cr_assert_eq(mk_writer_end(&body), MK_OK);
}

static mk_msg
message(void)
{
	return (mk_msg){ .flags = MK_MSG_DELTA,
			 .topic = "rx/raw",
			 .origin = "sim",
			 .epoch = UINT64_MAX,
			 .seq = 12,
			 .time_us = 1700000000000000,
			 .origin_seq = 99,
			 .schema = 3,
			 .body = body.data,
			 .body_len = (uint32_t)body.len };
}

/* Parses from memory of exactly that size. */
static mk_result
parse(const void *data, size_t len)
{
	free(copy);
	copy = malloc(len + 1);
	cr_assert_not_null(copy);
	memcpy(copy + 1, data, len);
	err = (mk_err){ 0 };
	return frame_parse(&frame, &doc, copy + 1, len, &err);
}

/* A frame on "t" with a header of these fields (n number, b one that takes more than 32 bits,
 * s string), an empty body, and more behind it. */
static mk_result
parse_header(const char *fields, uint64_t version, uint64_t flags, const char *more)
{
	mk_writer_reset(&scratch);
	mk_put_array(&scratch, 2);
	mk_put_array(&scratch, (uint32_t)strlen(fields));
	for (size_t i = 0; fields[i] != '\0'; i++) {
		if (fields[i] == 's')
			mk_put_str(&scratch, "origin");
		else if (fields[i] == 'b')
			mk_put_u64(&scratch, UINT64_C(1) << 32);
		else
			mk_put_u64(&scratch, i == 0 ? version : i == 6 ? flags : 1);
	}
	mk_put_map(&scratch, 0);
	cr_assert_eq(mk_writer_end(&scratch), MK_OK);
	wire_clear(&out);
	wire_rest(&out, "t ", 2);
	wire_rest(&out, scratch.data, scratch.len);
	wire_rest(&out, more, strlen(more));
	return parse(out.data, out.len);
}

Test(frame, a_message_comes_back_with_every_field)
{
	mk_msg m;

	fill_body(1);
	m = message();
	cr_assert_eq(frame_write(&out, &scratch, "", &m), MK_OK);
	cr_assert_eq(frame_parse(&frame, &doc, out.data, out.len, &err), MK_OK, "%s", err.text);
	cr_expect_str_eq(frame.msg.topic, "rx/raw");
	cr_expect_str_eq(frame.msg.origin, "sim");
	cr_expect(frame.msg.epoch == m.epoch && frame.msg.seq == m.seq);
	cr_expect(frame.msg.time_us == m.time_us && frame.msg.schema == m.schema);
	cr_expect_eq(frame.msg.flags, m.flags);
	cr_expect_eq(frame.msg.origin_seq, 0, "not of a message that is not durable");
	cr_assert_eq(frame.msg.body_len, body.len);
	cr_expect_arr_eq(frame.msg.body, body.data, body.len);
}

Test(frame, a_durable_message_has_its_number)
{
	mk_msg m;

	fill_body(1);
	m = message();
	m.flags = MK_MSG_DURABLE | MK_MSG_REPLAYED;
	cr_assert_eq(frame_write(&out, &scratch, "", &m), MK_OK);
	cr_assert_eq(frame_parse(&frame, &doc, out.data, out.len, &err), MK_OK, "%s", err.text);
	cr_expect_eq(frame.msg.flags, m.flags);
	cr_expect_eq(frame.msg.origin_seq, 99);
}

Test(frame, the_topic_ends_at_the_first_space_so_that_subscribing_can_be_exact)
{
	mk_msg m;

	fill_body(1);
	m = message();
	cr_assert_eq(frame_write(&out, &scratch, "", &m), MK_OK);
	cr_assert_geq(out.len, 8);
	cr_expect_arr_eq(out.data, "rx/raw \x92", 8);
}

Test(frame, a_prefix_is_part_of_the_topic)
{
	char client[MK_ID_MAX + 3], longest[MK_TOPIC_MAX + 1];
	mk_msg m;

	memset(client, 'c', sizeof(client));
	client[0] = '~';
	client[MK_ID_MAX + 1] = '/';
	client[MK_ID_MAX + 2] = '\0';
	memset(longest, 't', sizeof(longest));
	longest[MK_TOPIC_MAX] = '\0';
	fill_body(1);
	m = message();
	m.topic = longest;
	cr_assert_eq(frame_write(&out, &scratch, client, &m), MK_OK);
	cr_assert_eq(frame_parse(&frame, &doc, out.data, out.len, &err), MK_OK, "%s", err.text);
	cr_expect_eq(strlen(frame.msg.topic), MK_ID_MAX + 2 + MK_TOPIC_MAX);
	cr_expect_eq(strncmp(frame.msg.topic, client, strlen(client)), 0);
}

Test(frame, a_body_as_deep_as_the_bus_allows_has_room_in_it)
{
	mk_msg m;

	for (uint32_t depth = 1; depth <= mk_limits_default.max_depth; depth++) {
		fill_body(depth);
		cr_assert_eq(mk_validate(body.data, body.len, NULL, NULL, 0), MK_OK);
		m = message();
		cr_assert_eq(frame_write(&out, &scratch, "", &m), MK_OK);
		cr_assert_eq(frame_parse(&frame, &doc, out.data, out.len, &err), MK_OK, "%u: %s",
			     depth, err.text);
		cr_expect_eq(frame.msg.body_len, body.len);
	}
}

Test(frame, a_body_that_is_deeper_than_the_bus_allows_is_refused)
{
	static const char too_deep[] = "\x81\xa1"
				       "a";

	wire_rest(&out, "t \x92\x97\x01\x01\x01\x01\xa1x\x01\x00", 12);
	for (uint32_t i = 0; i <= mk_limits_default.max_depth; i++)
		wire_rest(&out, too_deep, 3);
	wire_rest(&out, "\x01", 1);
	cr_expect_eq(parse(out.data, out.len), MK_EFORMAT);
}

Test(frame, one_that_is_cut_anywhere_is_refused)
{
	mk_msg m;
	size_t len;

	fill_body(3);
	m = message();
	cr_assert_eq(frame_write(&out, &scratch, "", &m), MK_OK);
	len = out.len;
	for (size_t cut = 0; cut < len; cut++) {
		cr_expect_eq(parse(out.data, cut), MK_EFORMAT, "%zu", cut);
		cr_expect_neq(err.text[0], '\0');
	}
	wire_rest(&out, "\x01", 1);
	cr_expect_eq(parse(out.data, out.len), MK_EFORMAT, "one byte more");
}

Test(frame, a_topic_is_needed_and_its_length_is_bounded)
{
	char text[200];

	fill_body(1);
	cr_expect_eq(parse("", 0), MK_EFORMAT);
	cr_expect_eq(parse("topic", 5), MK_EFORMAT);
	cr_expect_eq(parse(" \x92\x90\x80", 4), MK_EFORMAT);
	memset(text, 'x', sizeof(text));
	text[MK_TOPIC_MAX + MK_ID_MAX + 3] = ' ';
	cr_expect_eq(parse(text, sizeof(text)), MK_EFORMAT);
	cr_expect_not_null(strstr(err.text, "without a topic"), "%s", err.text);
}

Test(frame, a_topic_of_other_bytes_than_topics_have_is_refused)
{
	static const char *const bad[] = { "a\nb", "\x1b[2J", "\xff", "\x7f" };
	mk_msg m;

	fill_body(1);
	m = message();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		m.topic = bad[i];
		cr_assert_eq(frame_write(&out, &scratch, "", &m), MK_OK);
		cr_expect_eq(parse(out.data, out.len), MK_EFORMAT, "%zu", i);
	}
	m.topic = "ab";
	cr_assert_eq(frame_write(&out, &scratch, "", &m), MK_OK);
	out.data[1] = '\0';
	cr_expect_eq(parse(out.data, out.len), MK_EFORMAT);
}

Test(frame, the_header_has_the_fields_that_it_must_have)
{
	cr_assert_eq(parse_header("nnnnsnn", FRAME_VERSION, 0, ""), MK_OK, "%s", err.text);
	cr_expect_eq(parse_header("nnnnsnn", FRAME_VERSION + 1, 0, ""), MK_EFORMAT);
	cr_expect_eq(parse_header("nnnnsn", FRAME_VERSION, 0, ""), MK_EFORMAT);
	cr_expect_eq(parse_header("", FRAME_VERSION, 0, ""), MK_EFORMAT);
	cr_expect_eq(parse_header("nnnnnnn", FRAME_VERSION, 0, ""), MK_EFORMAT);
	cr_expect_eq(parse_header("nnnssnn", FRAME_VERSION, 0, ""), MK_EFORMAT);
	cr_expect_eq(parse_header("snnnsnn", FRAME_VERSION, 0, ""), MK_EFORMAT);
	cr_expect_eq(parse_header("nnnnsnn", FRAME_VERSION, 0, "\xc0"), MK_EFORMAT);
	cr_expect_eq(parse_header("nnnnsnn", FRAME_VERSION, MK_MSG_DURABLE, ""), MK_EFORMAT,
		     "durable, but without a number");
	cr_expect_eq(parse_header("nnnnsbn", FRAME_VERSION, 0, ""), MK_EFORMAT,
		     "a schema has 32 bits");
	cr_expect_eq(parse_header("nnnnsnb", FRAME_VERSION, 0, ""), MK_EFORMAT,
		     "flags have 32 bits");
}

Test(frame, what_later_versions_add_to_the_header_is_skipped)
{
	cr_assert_eq(parse_header("nnnnsnnnsn", FRAME_VERSION, 0, ""), MK_OK, "%s", err.text);
	cr_expect_eq(frame.msg.body_len, 1);
}

Test(frame, the_body_is_a_map)
{
	cr_expect_eq(parse("t \x92\x97\x01\x01\x01\x01\xa1x\x01\x00\x90", 13), MK_EFORMAT);
	cr_expect_eq(parse("t \x92\x97\x01\x01\x01\x01\xa1x\x01\x00\xc0", 13), MK_EFORMAT);
	cr_expect_eq(parse("t \x93\x97\x01\x01\x01\x01\xa1x\x01\x00\x80\x80", 14), MK_EFORMAT);
	cr_expect_eq(parse("t \x80", 3), MK_EFORMAT);
	cr_expect_eq(parse("t ", 2), MK_EFORMAT);
}
