/* SPDX-License-Identifier: MIT
 *
 * What storage counts since its start, as storage/stats tells it.
 */
#ifndef STORAGE_STATS_H
#define STORAGE_STATS_H

#include <meshkern/codec.h>

#define STATS_COUNTERS(X)                                                              \
	X(tx_inserted)       /* transmissions */                                       \
	X(tx_dupes)          /* packets whose transmission was there already */        \
	X(obs_inserted)      /* observations */                                        \
	X(obs_dupes)         /* packets whose observation was there already */         \
	X(node_upserts)      /* rows of nodes, at most one a transaction and node */   \
	X(nodes_returned)    /* from inactive_nodes */                                 \
	X(observer_upserts)  /* rows of observers, at most one a transaction */        \
	X(statuses)          /* of observers */                                        \
	X(metrics_samples)   /* rows of observer_metrics written */                    \
	X(client_inserted)   /* rows of client_receptions */                           \
	X(client_dupes)      /* that were there already */                             \
	X(sig_drops)         /* adverts with a wrong signature */                      \
	X(refused)           /* adverts that must not become a node, sig_drops too */  \
	X(rejected)          /* receptions that are no packets */                      \
	X(bad_items)         /* items and messages that make no sense */               \
	X(write_errors)      /* items that the database refused */                     \
	X(rollbacks)         /* transactions that failed and were or will be redone */ \
	X(wal_commits)       /* transactions */                                        \
	X(rows)              /* items in them */                                       \
	X(guests_refused)    /* definitions and steps that would take too much room */ \
	X(snapshots_saved)   /* snapshots written */                                   \
	X(snapshots_cut)     /* deltas that did not fit */                             \
	X(snapshots_refused) /* that should have become rows, and made no sense */     \
	X(gaps)              /* times that the bus lost messages */                    \
	X(asked_again)       /* times that an origin was asked to send again */        \
	X(numbers_poisoned)  /* messages that crash who deals with them: skipped */    \
	X(numbers_lost)      /* of an origin, which does not have them any more */     \
	X(syncs)             /* times that the log was brought to the disk */          \
	X(sync_errors)       /* times that this failed */

#define STATS_PARTS(X)                                               \
	X(ingest)    /* from the bus to the end of the statements */ \
	X(commit)    /* COMMIT alone */                              \
	X(snapshots) /* writing them */                              \
	X(jobs)      /* a chunk of backfill, retention or vacuum */

enum stats_part {
#define STATS_PART_ENUM(name) STATS_##name,
	STATS_PARTS(STATS_PART_ENUM)
#undef STATS_PART_ENUM
	    STATS_PART_COUNT
};

#define STATS_SAMPLES 1024u

struct stats_perf {
	uint64_t count, contention;      /* contention: it waited for more than 100 ms */
	uint32_t wait_us[STATS_SAMPLES]; /* the last ones, as rings */
	uint32_t hold_us[STATS_SAMPLES];
	uint32_t wait_max_us, hold_max_us; /* since the start */
};

struct stats {
#define STATS_COUNTER_FIELD(name) uint64_t name;
	STATS_COUNTERS(STATS_COUNTER_FIELD)
#undef STATS_COUNTER_FIELD
	struct stats_perf perf[STATS_PART_COUNT];
};

void stats_time(struct stats *s, enum stats_part part, uint64_t wait_us, uint64_t hold_us);
/* The body of storage/stats. */
mk_result stats_write(const struct stats *s, mk_writer *w);

#endif
