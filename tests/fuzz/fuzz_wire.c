/* SPDX-License-Identifier: MIT
 *
 * Bundles from a hostile peer. Every record is read the way its kind is read; what was read
 * without a fault is written again, and gives the same bytes.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"

#define REQUIRE(x)               \
	do {                     \
		if (!(x))        \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct wire_out out;

/* The fields of each kind: u8, u32 (d), u64 (q), string, rest. */
static const char *
fields_of(uint8_t kind)
{
	static const char *const down[] = {
		[WIRE_START] = "qq",  [WIRE_GAP] = "sqqq",    [WIRE_CREDIT] = "qq",
		[WIRE_CALL] = "qssr", [WIRE_REPLY] = "qdssr", [WIRE_OPTIONS] = "r",
		[WIRE_TRIM] = "q",    [WIRE_REWIND] = "q",    [WIRE_STOP] = "",
		[WIRE_BYE] = "",
	};
	static const char *const up[] = { "bdr", "ddqsr", "qq", "qqsr",  "qdsr",
					  "br",  "qs",    "r",  "qqqqqq" };

	if (kind < sizeof(down) / sizeof(down[0]))
		return down[kind];
	if (kind >= WIRE_STATE && kind - WIRE_STATE < (int)(sizeof(up) / sizeof(up[0])))
		return up[kind - WIRE_STATE];
	return NULL;
}

static void
copy_string(struct wire_in *r)
{
	const char *s = wire_get_str(r);

	REQUIRE(strlen(s) <= 255);
	REQUIRE(r->bad ? s[0] == '\0' : (const uint8_t *)s + strlen(s) + 1 == r->p);
	wire_str(&out, s);
}

static void
copy_rest(struct wire_in *r)
{
	uint32_t len;
	const uint8_t *p = wire_get_rest(r, &len);

	REQUIRE(p != NULL || (r->bad && len == 0));
	if (p != NULL)
		wire_rest(&out, p, len);
}

static void
copy_fields(const char *fields, struct wire_in *r)
{
	for (; *fields != '\0'; fields++) {
		REQUIRE(r->p <= r->end);
		if (*fields == 'b')
			wire_u8(&out, wire_get_u8(r));
		else if (*fields == 'd')
			wire_u32(&out, wire_get_u32(r));
		else if (*fields == 'q')
			wire_u64(&out, wire_get_u64(r));
		else if (*fields == 's')
			copy_string(r);
		else
			copy_rest(r);
	}
}

static void
copy_record(uint8_t kind, struct wire_in r)
{
	const char *fields = fields_of(kind);
	const uint8_t *begin = r.p;
	struct wire_msg m;

	wire_clear(&out);
	if (kind == WIRE_MSG) {
		if (!wire_get_msg(&r, &m))
			return;
		wire_msg(&out, &m);
	} else if (fields != NULL) {
		wire_begin(&out, kind);
		copy_fields(fields, &r);
		REQUIRE(wire_end(&out));
		if (r.bad)
			return;
	} else {
		return;
	}
	REQUIRE(out.data[4] == kind);
	REQUIRE(out.len - 5 == (size_t)(r.p - begin));
	REQUIRE(memcmp(out.data + 5, begin, out.len - 5) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_in bundle = { .p = data, .end = data + size }, record;
	size_t whole = 0;
	uint8_t kind;

	while (wire_next(&bundle, &kind, &record)) {
		REQUIRE(record.p > data && record.p <= record.end && record.end == bundle.p);
		whole = (size_t)(bundle.p - data);
		copy_record(kind, record);
	}
	REQUIRE(bundle.bad || whole == size);
	REQUIRE(!wire_next(&bundle, &kind, &record));
	return 0;
}
