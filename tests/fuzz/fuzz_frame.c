/* SPDX-License-Identifier: MIT
 *
 * Frames from a hostile publisher: what is taken for one keeps its promises, and comes through
 * writing and reading again as it was.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"

#define REQUIRE(x)               \
	do {                     \
		if (!(x))        \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct frame *f, const uint8_t *data, size_t size)
{
	const mk_msg *m = &f->msg;
	const uint8_t *body = m->body;

	REQUIRE(strlen(f->topic) > 0 && strlen(f->topic) < sizeof(f->topic));
	REQUIRE(memcmp(f->topic, data, strlen(f->topic)) == 0 && data[strlen(f->topic)] == ' ');
	REQUIRE(m->topic == f->topic && m->origin == f->origin);
	REQUIRE(strlen(f->origin) <= MK_ID_MAX);
	REQUIRE(body > data && body + m->body_len == data + size);
	REQUIRE(mk_validate(body, m->body_len, NULL, NULL, 0) == MK_OK);
	REQUIRE((body[0] & 0xf0) == 0x80 || (body[0] & 0xfe) == 0xde);
}

static bool
is_same(const mk_msg *a, const mk_msg *b)
{
	return strcmp(a->topic, b->topic) == 0 && strcmp(a->origin, b->origin) == 0 &&
	       a->epoch == b->epoch && a->seq == b->seq && a->time_us == b->time_us &&
	       a->origin_seq == b->origin_seq && a->flags == b->flags && a->schema == b->schema &&
	       a->body_len == b->body_len && memcmp(a->body, b->body, a->body_len) == 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_out out = { 0 };
	struct frame f, again;
	mk_err err = { 0 };
	mk_writer scratch;
	mk_doc doc;

	mk_doc_init(&doc);
	mk_writer_init(&scratch, 4096);
	if (frame_parse(&f, &doc, data, size, &err) == MK_OK) {
		check(&f, data, size);
		REQUIRE(frame_write(&out, &scratch, "", &f.msg) == MK_OK);
		REQUIRE(frame_parse(&again, &doc, out.data, out.len, &err) == MK_OK);
		REQUIRE(is_same(&f.msg, &again.msg));
	} else {
		REQUIRE(err.code == MK_EFORMAT && err.text[0] != '\0');
	}
	wire_fini(&out);
	mk_writer_fini(&scratch);
	mk_doc_fini(&doc);
	return 0;
}
