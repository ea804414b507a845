/* SPDX-License-Identifier: MIT
 *
 * Snapshots of other plugins, kept over restarts: for each name the last base and the deltas since.
 * They wait in memory for a while, so that a plugin that publishes every second is written seldom,
 * and are published again when the daemon starts anew, unless their plugin was faster.
 */
#ifndef STORAGE_SNAPSHOT_H
#define STORAGE_SNAPSHOT_H

#include <meshkern/plugin.h>

#include "db.h"
#include "stats.h"

#define SNAPSHOT_NAMES 256u
#define SNAPSHOT_DELTAS 1024u               /* of one base */
#define SNAPSHOT_DELTA_BYTES (4u << 20)     /* all of one base */
#define SNAPSHOT_WAITING_BYTES (128u << 20) /* all in memory */
#define SNAPSHOT_PREFIX "snapshot/"

struct snapshot_part { /* a base or a delta that is not stored yet */
	struct snapshot_part *next;
	uint32_t number; /* 0: the base */
	uint32_t schema;
	int64_t time_us;
	char origin[MK_ID_MAX + 1];
	bool refused; /* by who would make rows of it: neither is it kept, nor what builds on it */
	size_t len;
	uint8_t body[];
};

struct snapshot {
	char name[MK_TOPIC_MAX + 1]; /* behind the prefix */
	struct snapshot_part *first, **last;
	uint32_t stored;       /* parts in the database */
	uint32_t parts;        /* of the present base, those that wait too */
	uint64_t delta_bytes;  /* of the present base */
	uint64_t stored_bytes; /* of deltas in the database */
	bool cut;              /* a delta did not fit: wait for the next base */
	bool replace;          /* what is in the database belongs to an older base */
	bool fresh;            /* its plugin has published since the start */
};

struct snapshots {
	struct db *db;
	struct stats *stats;
	struct snapshot *list[SNAPSHOT_NAMES];
	uint32_t count;
	uint64_t waiting_bytes;
	bool dirty;
};

void snapshots_init(struct snapshots *s, struct stats *stats);
void snapshots_fini(struct snapshots *s);
/* What is there already, by name; nothing waits to be stored. */
mk_result snapshots_open(struct snapshots *s, struct db *db, mk_err *err);
/* A message of snapshot/NAME. MK_EFULL: not kept. */
mk_result snapshots_take(struct snapshots *s, const mk_msg *msg);
/* The bus has that topic already. */
void snapshots_saw(struct snapshots *s, const char *topic);
/* Is anything known of it, stored or from the bus? */
bool snapshots_knows(const struct snapshots *s, const char *name);
/* Within a transaction, and after it. */
mk_result snapshots_store(struct snapshots *s, mk_err *err);
void snapshots_stored(struct snapshots *s);
/* Publish those from `*at` on that nobody published since the start. MK_EAGAIN: the bus is full, go
 * on later. */
mk_result snapshots_publish(struct snapshots *s, const mk_host *host, uint32_t *at, mk_err *err);

#endif
