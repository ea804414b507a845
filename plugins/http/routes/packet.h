/* SPDX-License-Identifier: MIT
 *
 * Packets as CoreScope's clients know them, for every route that shows some.
 */
#ifndef HTTP_ROUTES_PACKET_H
#define HTTP_ROUTES_PACKET_H

#include "../http.h"
#include "../read/read.h"
#include "../read/when.h"

/* A complete item of a list. `p` needs its observations and its object. */
#define PACKET_OBSERVATIONS (1u << 0) /* with `observations` */
void packet_put(struct json *out, const struct read *r, const struct read_packet *p,
		uint32_t flags);
/* The fields that all forms of a packet have, without braces. */
void packet_put_common(struct json *out, const struct read *r, const struct read_packet *p);
/* Those of packet_put. */
void packet_put_fields(struct json *out, const struct read *r, const struct read_packet *p);
/* One observation: `full` has hash and raw_hex, too. */
void packet_put_obs(struct json *out, const struct read *r, const struct read_packet *p,
		    const struct read_obs *o, bool full);
/* raw_hex, as it is stored. */
void packet_put_raw(struct json *out, const struct read_packet *p);
/* path_json of an observation (NULL: null), as a text or as a list. */
void packet_put_path(struct json *out, const struct read_obs *o);
void packet_put_hops(struct json *out, const struct read_obs *o);
/* Keys or null for each hop. */
void packet_put_resolved(struct json *out, const struct read *r, const struct read_obs *o);
/* The observation that is displayed, or NULL. */
const struct read_obs *packet_shown(const struct read_packet *p);

/* "SJC, oak" with something in it; else NULL: any. */
const char *packet_region(const char *text);
/* A bit for each node in the area of that key; NULL: any. Free it. *error: out of memory. */
uint8_t *packet_area(struct request *rq, const char *key, bool *error);
/* A key or the exact name of a node; READ_NONE. Hidden ones are none. */
uint32_t packet_node(const struct read *r, const char *text, size_t len);
/* Answers that the model could not give one: 503 with Retry-After. */
void packet_fail(struct request *rq, mk_result rc, const mk_err *err);

#endif
