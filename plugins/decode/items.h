/* SPDX-License-Identifier: MIT
 *
 * From the items of rx/raw and rx/client to those of packet/decoded and client/heard: the fields are
 * those of docs/events.md. What an item has beyond them, or of the wrong type, is left out.
 */
#ifndef DECODE_ITEMS_H
#define DECODE_ITEMS_H

#include <meshkern/codec.h>

#include "meshcore/bridge.h"

#include "cache.h"

enum counter {
	COUNT_MESSAGES, /* taken */
	COUNT_PACKETS,  /* decoded */
	COUNT_BRIDGED,  /* messages without a packet */
	COUNT_HEARD,    /* receptions of phones that say whom they heard */
	COUNT_UNHEARD,  /* that do not */
	COUNT_BAD_SIGNATURES,
	COUNT_REFUSED,   /* adverts that become no nodes, bad signatures included */
	COUNT_FOREIGN,   /* adverts from outside of the area */
	COUNT_MALFORMED, /* items and bodies without sense */
	COUNT_BRIDGE_BAD,
	COUNT_REJECTED, /* the first of MC_REJECTS; MC_GOOD is not used */
	COUNT_MAX = COUNT_REJECTED + MC_REJECTS,
};

struct items {
	struct cache *cache;
	uint32_t counts[COUNT_MAX];
	char bridge_json[MC_BRIDGE_JSON_MAX];
};

/* One item, as one value. `now_us` stands in for a missing time. MK_ENOMEM; what the writer thinks
 * of it is in the writer. */
mk_result items_raw(struct items *s, const mk_val *item, uint64_t now_us, mk_writer *w);
mk_result items_client(struct items *s, const mk_val *item, uint64_t now_us, mk_writer *w);

/* A list of hops, upper-case hex, as value. */
void items_put_path(mk_writer *w, const struct mc_hops *hops);

#endif
