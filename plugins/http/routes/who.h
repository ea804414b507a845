/* SPDX-License-Identifier: MIT
 *
 * What the routes about nodes, observers and links have in common. All of it
 * for handlers that read the model.
 */
#ifndef MK_HTTP_WHO_H
#define MK_HTTP_WHO_H

#include "packet.h"

/* --- what is there --- */

struct read *who_read(const struct request *rq);
int64_t who_now(const struct request *rq); /* Unix seconds */
/* The time of a sample, which is that of the nearest interval and may lie ahead: at most `now`. */
void who_past(int64_t now, const char *at, char out[40]);
/* It is in the table and not hidden. */
bool who_is_there(const struct read_node *n);
/* The node of the path's first argument, or READ_NONE and the request has
 * failed with 404. */
uint32_t who_asked(struct request *rq);
/* Name and role of a number: of the node, else of the observer with its key,
 * else "". */
const char *who_name(const struct read *r, uint32_t node);
const char *who_role(const struct read *r, uint32_t node);
/* The id of the observer with this node's key; NULL: there is none. */
const char *who_observer_id(const struct read *r, uint32_t node);
bool who_is_relay(const struct read_node *n); /* by its role: repeater or room */
/* All that is to be in memory is; else the request has failed: ask again. */
bool who_is_ready(struct request *rq); /* the same of what is in tables */
bool who_is_warm(struct request *rq);
void who_filter(struct read_filter *out); /* one that everything passes */
/* Hex digits, at least `min`. */
bool who_is_hex(const char *text, size_t min);
/* Is a region in the list of a query, "SJC, oak"? */
bool who_in_regions(const char *list, const char *region);

/* Nodes to be listed, with their numbers. */
struct who_ref {
	const struct read_node *node;
	uint32_t id;
};

struct who_list {
	struct who_ref *at;
	uint32_t count;
};

enum who_order { ORDER_LAST_SEEN, ORDER_NAME, ORDER_ADVERTS };

/* All that `fn` wants, in order; NULL: all. False: out of memory. To be freed
 * with free(list.at). */
bool who_collect(const struct read *r, struct who_list *out,
		 bool (*fn)(const void *arg, const struct who_ref *ref), const void *arg);
void who_sort(struct who_list *list, enum who_order order);

/* Nodes that packets heard in `regions` have to do with, as bits; `adverts`:
 * only their senders. NULL: the request has failed. To be freed. */
uint8_t *who_of_regions(struct request *rq, const char *regions, bool adverts);
bool who_bit(const uint8_t *bits, uint32_t i);

/* --- how it is told --- */

void put_int(struct json *out, const char *key, int64_t v); /* READ_NULL: null */
void put_real(struct json *out, const char *key, bool has, double v);
void put_time(struct json *out, const char *key, int64_t seconds);
/* [lat, lon] as two fields, null where there is none. */
void put_place(struct json *out, const struct read_node *n);
/* Who saw a link, by keys. */
void put_watchers(struct json *out, const struct read *r, const struct hops_seen *seen);
/* A node as in tables: fields only. */
void put_node(struct json *out, const struct read_node *n);
/* With what other plugins know of it. */
void put_node_more(struct json *out, const struct read *r, uint32_t node, int64_t now);

#endif
