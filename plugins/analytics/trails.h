/* SPDX-License-Identifier: MIT
 *
 * Which packets went over which hop. A trail is a hop with the one before it, and the packets that
 * took it; who the hop is is decided from the two together, again whenever nodes or the graph have
 * changed. A packet that a node originated is on the trail from that node.
 */
#ifndef ANALYTICS_TRAILS_H
#define ANALYTICS_TRAILS_H

#include "frame.h"

#define TRAILS_MAX (1u << 18)  /* more are refused: no mesh has so many, but noise may */
#define TRAIL_SCOPES_MAX 64u   /* of one trail */
#define TRAIL_FROM 0x80000000u /* `before` is the originator's id and no token */

struct trail_scopes { /* that packets which are no adverts have */
	uint16_t count, cap;
	struct trail_scope {
		uint16_t scope; /* place in frame->scopes */
		uint32_t count;
	} at[];
};

struct trail {
	uint32_t before; /* the hop before, TRAIL_FROM | id, or 0: not known */
	uint32_t token;  /* 0: the trail of packets that `before` originated */
	uint32_t id;     /* who the hop is; HOPS_NONE: not certain */
	uint32_t begin, end, cap;
	uint32_t *at;     /* begin..end: slots of packets, by when they were heard first */
	uint32_t relayed; /* of them no adverts */
	struct trail_scopes *scopes; /* NULL: none */
};

struct trails {
	struct frame *frame;
	struct trail *at;
	uint32_t count, cap;
	uint32_t *slots; /* open addressing by before and token; place + 1 */
	uint32_t slot_count;
	/* Trails whose id is certain, by id, as of the last refresh. */
	uint32_t *order;
	uint32_t order_count, order_cap;
	uint64_t people, graph, graph_now; /* what it was, and is */
	uint32_t resolved;                 /* trails, then */
	uint64_t total, relayed;           /* packets; no adverts */
	size_t bytes;
	uint64_t lost; /* to limits, and to a lack of memory */
};

void trails_init(struct trails *t, struct frame *f);
void trails_fini(struct trails *t);
void trails_fold(struct trails *t, const struct an_packet *p, int sign);
/* The graph is another one. */
void trails_on_graph(struct trails *t);
size_t trails_bytes(const struct trails *t);

/* Who the hops are, as of now. Cheap if nothing has changed. */
void trails_refresh(struct trails *t);
/* The trails of a node, among t->order after a refresh: from *first on, so many. */
uint32_t trails_of(const struct trails *t, uint32_t id, uint32_t *first);
/* The packet at a place. */
const struct an_packet *trail_packet(const struct trails *t, const struct trail *trail,
				     uint32_t place);
/* The first place behind `begin` whose packet was heard at `since` or later. */
uint32_t trail_lower(const struct trails *t, const struct trail *trail, int64_t since);
/* What a node originated or forwarded since then, each once and in the order of time, into *out, an
 * array that the caller frees. Its length; 0 also without memory. */
uint32_t trails_packets(struct trails *t, uint32_t id, int64_t since,
			const struct an_packet ***out);

#endif
