/* SPDX-License-Identifier: MIT
 *
 * Records between the hub and an instance. Many records travel in one bus message (a bundle),
 * because a message costs nng about ten microseconds and a record a tenth of one.
 *
 *   record = length u32 (of what follows) | kind u8 | fields
 *
 * Integers are little-endian. Strings are u8 length + bytes + NUL, so that they can be used in
 * place. Whatever is read is checked against the end of the bundle: the peer may be hostile.
 */
#ifndef MK_HOST_WIRE_H
#define MK_HOST_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <meshkern/plugin.h>

/* Hub to instance. */
enum wire_down {
	WIRE_START = 1,   /* u64 epoch, u64 admitted: begin; outbox numbers up to it are known */
	WIRE_MSG = 2,     /* see wire_msg */
	WIRE_GAP = 3,     /* str topic, u64 epoch, u64 seq, u64 lost, u64 order */
	WIRE_CREDIT = 4,  /* u64 messages, u64 bytes it may have published in all */
	WIRE_CALL = 5,    /* u64 id, str method, str caller, rest body */
	WIRE_REPLY = 6,   /* u64 id, i32 result, str method, str error, rest body */
	WIRE_OPTIONS = 7, /* rest: values, for reconfigure */
	WIRE_TRIM = 8,    /* u64 number: committed up to it */
	WIRE_REWIND = 9,  /* u64 number: a subscriber lost what came after it, send again */
	WIRE_STOP = 10,   /* no message follows; stop and say WIRE_STATE stopped */
	WIRE_BYE = 11,    /* the last record: close the sockets */
};

/* Instance to hub. */
enum wire_up {
	WIRE_STATE = 64,      /* u8 state, i32 result, text (rest) */
	WIRE_PUB = 65,        /* u32 flags, u32 schema, u64 number, str topic, rest body */
	WIRE_ACK = 66,        /* u64 bundles received in all, u64 order done, u64 handled */
	WIRE_ASK = 67,        /* u64 id, u64 time-out, str method, rest body */
	WIRE_ANSWER = 68,     /* u64 id, i32 result, str error, rest body */
	WIRE_LOG = 69,        /* u8 level, text (rest) */
	WIRE_NUMBER = 70,     /* i64 value, str name */
	WIRE_MISBEHAVED = 71, /* text (rest): a rule was broken */
	WIRE_OUTBOX = 72,     /* u64 first, last, bytes, max_bytes, refused, damaged */
};

/* WIRE_STATE states */
enum wire_state {
	WIRE_STATE_HERE = 0, /* connected */
	WIRE_STATE_CREATED = 1,
	WIRE_STATE_RUNNING = 2,
	WIRE_STATE_STOPPED = 3,      /* destroyed; text: what it left behind */
	WIRE_STATE_FAILED = 4,       /* create or start failed */
	WIRE_STATE_RECONFIGURED = 5, /* result of reconfigure */
};

#define WIRE_PUB_AGAIN (1u << 16) /* flag of WIRE_PUB: known number, but deliver it again */

struct wire_msg {
	uint64_t order; /* the hub's order of everything; 0 = outside of it (retained) */
	uint64_t epoch, seq, time_us, origin_seq, origin_first;
	uint32_t flags, schema;
	const char *topic, *origin;
	const uint8_t *body;
	uint32_t len;
};

/* ------------------------------------------------------------- writing -- */

struct wire_out {
	uint8_t *data;
	size_t len, cap;
	size_t start; /* of the open record */
	bool failed;  /* out of memory: the open record is not there */
};

void wire_begin(struct wire_out *w, uint8_t kind);
void wire_u8(struct wire_out *w, uint8_t v);
void wire_u32(struct wire_out *w, uint32_t v);
void wire_u64(struct wire_out *w, uint64_t v);
void wire_str(struct wire_out *w, const char *s); /* cut at 255 bytes */
void wire_rest(struct wire_out *w, const void *data, size_t len);
/* False: the record was taken back. */
bool wire_end(struct wire_out *w);
/* A whole record of u64 fields. */
bool wire_numbers(struct wire_out *w, uint8_t kind, uint32_t count, const uint64_t *numbers);
void wire_msg(struct wire_out *w, const struct wire_msg *m);
/* Remove the first `len` bytes. */
void wire_drop(struct wire_out *w, size_t len);
/* Empty it; memory beyond 1 MiB goes back. */
void wire_clear(struct wire_out *w);
void wire_fini(struct wire_out *w);

/* ------------------------------------------------------------- reading -- */

struct wire_in {
	const uint8_t *p, *end;
	bool bad; /* something did not fit; sticky */
};

/* The next record of a bundle; false at its end or, with bundle->bad, at damage. */
bool wire_next(struct wire_in *bundle, uint8_t *kind, struct wire_in *record);
uint8_t wire_get_u8(struct wire_in *r);
uint32_t wire_get_u32(struct wire_in *r);
uint64_t wire_get_u64(struct wire_in *r);
const char *wire_get_str(struct wire_in *r); /* "" when bad */
const uint8_t *wire_get_rest(struct wire_in *r, uint32_t *len);
bool wire_get_msg(struct wire_in *r, struct wire_msg *m);
/* A text of the peer's, cut and made fit to be shown: see wire_clean. */
void wire_get_text(struct wire_in *r, char *text, size_t cap);

/* Put '?' for control characters and for what is not UTF-8: one text that cannot be written would
 * take the whole answer to `meshkern plugins` with it. */
void wire_clean(char *text);
/* Of a number: like the name of an option. */
bool wire_name_valid(const char *name);

#endif
