/* SPDX-License-Identifier: MIT
 *
 * Who is connected, and how much each may ask for. An IPv4 client is its address, an IPv6 client its
 * /64. Bounded: when the table is full, strangers share one entry. All functions are [any].
 */
#ifndef MK_HTTP_PEERS_H
#define MK_HTTP_PEERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct peers;

struct peer_key {
	uint8_t family; /* 4 or 6; 0: unknown */
	uint8_t bytes[8];
};

struct peers *peers_new(void); /* NULL: out of memory */
void peers_free(struct peers *p);

struct peer_key peer_key(const struct sockaddr *address);
/* A text like "192.0.2.1" or "2001:db8::1". False: it is none. */
bool peer_parse(const char *text, struct peer_key *key);

/* One more connection, unless it has `most`. Pair with peers_disconnect. */
bool peers_connect(struct peers *p, struct peer_key key, uint32_t most);
void peers_disconnect(struct peers *p, struct peer_key key);
/* Takes `cost` tokens from a bucket that holds `burst` and is filled with `per_second`. 0, or the
 * seconds to wait. */
uint32_t peers_spend(struct peers *p, struct peer_key key, uint32_t cost, uint32_t per_second,
		     uint32_t burst, uint64_t now_us);

#endif
