/* SPDX-License-Identifier: MIT
 *
 * What each node does for the others: what it relayed and when, and how much the mesh depends on it.
 * Published as snapshot/relays.
 */
#ifndef ANALYTICS_RELAYS_H
#define ANALYTICS_RELAYS_H

#include "axes.h"
#include "trails.h"

#define RELAYS_VERSION 1
#define RELAYS_SCOPES_MAX 32u

extern const struct an_module relays_module;

/* What a node relayed, of packets that are no adverts. */
struct relay_activity {
	int64_t last; /* Unix seconds, 0: never */
	uint32_t in_1h, in_24h, unscoped_24h;
	uint64_t relayed;                   /* all that are known */
	uint32_t flood_adverts_7d;          /* that it originated */
	uint16_t scopes[RELAYS_SCOPES_MAX]; /* places in frame->scopes, by name */
	uint32_t scope_count;
};

/* The trails of a frame, up to date; NULL if the module is not among its modules. */
struct trails *relays_trails(const struct frame *f);
/* Of one node, from fresh trails. */
void relay_activity(const struct trails *t, uint32_t id, int64_t now, struct relay_activity *out);

#endif
