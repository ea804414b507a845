/* SPDX-License-Identifier: MIT
 *
 * A packet as bytes, so that a million and a half of observations fit into
 * memory.
 *
 *   flags, raw bytes, then what the flags name: first_seen, hash, channel,
 * scope, object for each observation: flags, id, time, observer, signal, path
 *
 * A hop that begins like the key of the node it is resolved to is only the
 * number of that node. The object is mostly what decoding the bytes again
 * makes, so it is not kept then.
 *
 * Copies of a packet took the same way for a while: a path may begin with the
 * first hops of an earlier one. Hops that are told have numbers, from 1 on,
 * through the whole packet; a path that is continued names the last of the hops
 * that it has in common with another.
 */
#ifndef HTTP_READ_PACKED_H
#define HTTP_READ_PACKED_H

#include <meshcore/object.h>

#include "impl.h"

#define TX_ODD_TIME 1u /* first_seen as text */
#define TX_ODD_HASH 2u
#define TX_CHANNEL 4u
#define TX_SCOPE 8u
#define TX_LOWER 16u /* raw_hex was in lower case */
#define TX_JSON 5u   /* the bits of enum object from here on */

enum object {
	OBJECT_NULL,
	OBJECT_TEXT,     /* as it is */
	OBJECT_AGAIN,    /* what decoding makes */
	OBJECT_FAILED,   /* the same, but decryption was tried */
	OBJECT_VERIFIED, /* the same, and the signature is good */
};

#define OBS_DIRECTION 3u
#define OBS_PATH 4u
#define OBS_RESOLVED 8u
#define OBS_SNR 4u  /* two bits from here: none, quarters of a dB in a byte, a double */
#define OBS_RSSI 6u /* two bits: none, minus a byte, a double */

enum { REAL_NONE, REAL_BYTE, REAL_DOUBLE };

#define PATH_HOPS 31u /* bits: hops that follow; 31: a number follows */
#define PATH_SIZE \
	5u               /* two bits from here: bytes of a hop; 0: a byte follows, if there are    \
        hops */
#define PATH_SIZE_MAX 3u /* of these two bits */
#define PATH_CONTINUES 128u /* the number of a hop follows */

#define JSON_MAX (MC_JSON_MAX + 32u) /* of an object that is made again */

/* The object that is made of the bytes, into `out`; 0: none. */
size_t pack_decode(const uint8_t *raw, size_t raw_len, enum object how, char out[JSON_MAX]);
/* The first observation stands for what the others are told relative to. */
void pack_base(const struct tx *t, int64_t *id, int64_t *at);

#endif
