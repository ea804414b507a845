/* SPDX-License-Identifier: MIT
 *
 * What the columnar sets are made of: a packet as numbers, without putting it together.
 */
#ifndef HTTP_READ_COLUMNS_H
#define HTTP_READ_COLUMNS_H

#include "read.h"

struct read_brief_packet {
	int64_t id, first_ms;
	uint8_t hash[8];
	int64_t latest;         /* Unix seconds; READ_NULL */
	int16_t type, route;    /* -1: NULL */
	uint8_t hops, hop_size; /* of the one that is displayed */
	uint32_t observations, observers, size;
	int16_t snr, rssi;           /* best; hundredths of a dB, dBm; INT16_MIN: none */
	uint32_t observer, from;     /* READ_NONE */
	uint32_t last_hop;           /* bytes << 24 | value; 0: none */
	const char *channel, *scope; /* or NULL */
};

/* By index from read_packet_begin() on, as read_packet_at(). False: it is not in memory. */
bool read_packet_numbers(const struct read *r, uint32_t i, struct read_brief_packet *out);

/* Rows of the set of nodes: nodes in the order in which they became known, for ever. */
uint32_t read_row_count(const struct read *r);
uint32_t read_row_node(const struct read *r, uint32_t row);
uint32_t read_node_row(const struct read *r, uint32_t node); /* READ_NONE: it has none */

#endif
