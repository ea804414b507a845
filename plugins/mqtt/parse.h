/* SPDX-License-Identifier: MIT
 *
 * From an MQTT message to an item of rx/raw, rx/status or rx/client. A pure function.
 */
#ifndef MK_MQTT_PARSE_H
#define MK_MQTT_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <meshkern/codec.h>

#include "route.h"

struct parse_message {
	const char *topic;
	size_t topic_len;
	const void *payload;
	size_t len;
	bool retained;
	uint64_t at_us; /* Unix time of its arrival */
};

/* What the source that brought it adds. */
struct parse_source {
	const char *feed;   /* its name */
	const char *region; /* for topics without one; NULL or "" if there is none */
	const struct strings *iata_filter;
};

/* Appends one msgpack map to `out`, and says of which kind it is. Otherwise the reason; then
 * nothing was appended. */
enum route_refusal parse_message(const struct route_rules *rules, const struct parse_source *source,
				 const struct parse_message *message, enum route_kind *kind,
				 mk_writer *out);

#endif
