/* SPDX-License-Identifier: MIT
 *
 * What a message is judged by before anybody reads it: its topic, and the lists of the operator.
 * Pure functions.
 */
#ifndef MK_MQTT_ROUTE_H
#define MK_MQTT_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct strings {
	char **v; /* owned */
	uint32_t n;
};

bool strings_add(struct strings *list, const char *text); /* copies; false: no memory */
void strings_fini(struct strings *list);
bool strings_same(const struct strings *a, const struct strings *b);
/* One of `list` is `text` but for the case of letters. */
bool strings_have(const struct strings *list, const char *text, size_t len);

/* A subscription that a broker takes. */
bool route_filter_valid(const char *filter);
/* The subscription `filter` covers `topic`. */
bool route_filter_covers(const char *filter, const char *topic, size_t len);

/* Why a message was not passed on. The names are those of counters. */
#define ROUTE_REFUSALS(X)                                                      \
	X(TOO_LARGE, "too_large")       /* more than max_payload bytes */      \
	X(NOT_JSON, "not_json")         /* or not an object */                 \
	X(TOO_DEEP, "too_deep")         /* nested more than max_depth */       \
	X(BAD_TOPIC, "bad_topic")       /* a part is too long or unreadable */ \
	X(NOT_SUBSCRIBED, "not_wanted") /* of an earlier configuration */      \
	X(NO_CONTENT, "no_content")     /* none of the kinds we know */        \
	X(BLACKLISTED, "blacklisted")   /* observer_blacklist */               \
	X(REGION, "region")             /* iata_whitelist */                   \
	X(FILTERED, "filtered")         /* iata_filter of the source */        \
	X(BAD_HEX, "bad_hex")           /* `raw` is not a packet */            \
	X(COVERAGE_OFF, "coverage_off") /* a phone, without client_coverage */ \
	X(BAD_CLIENT, "bad_client")     /* a phone without a place, or sent */ \
	X(RETAINED, "retained")         /* a packet of an unknown time */      \
	X(NO_MEMORY, "no_memory")

enum route_refusal {
	ROUTE_TAKEN,
#define ROUTE_ENUM(id, name) ROUTE_##id,
	ROUTE_REFUSALS(ROUTE_ENUM)
#undef ROUTE_ENUM
	    ROUTE_COUNT
};
const char *route_refusal_name(enum route_refusal why); /* "" for ROUTE_TAKEN */

enum route_kind {
	ROUTE_PACKET,
	ROUTE_STATUS,
	ROUTE_CLIENT,
	ROUTE_CHANNEL, /* messages that a companion radio has decrypted */
	ROUTE_DIRECT,
};

#define ROUTE_PARTS 4

struct route {
	enum route_kind kind;
	uint32_t parts; /* of the topic, all of them */
	struct {
		const char *s; /* borrowed, not NUL-terminated */
		size_t len;
	} part[ROUTE_PARTS];
};

/* The same for all sources. */
struct route_rules {
	struct strings iata_whitelist;
	struct strings observer_blacklist;
	bool client_coverage;
	uint32_t max_payload; /* bytes */
	uint32_t max_depth;
};

/* What a message on this topic is, and whether it is wanted. */
enum route_refusal route_topic(const struct route_rules *rules, const struct strings *iata_filter,
			       const char *topic, size_t len, struct route *out);

#endif
