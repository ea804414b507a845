/* SPDX-License-Identifier: MIT
 *
 * The database read-only, from a thread of its own: first who there is, then observations in the
 * order of their ids, a chunk at a time, until there are no more. Each chunk is a read transaction of
 * its own, so no reader keeps the log of the database from being written back. The plugin's thread
 * gets chunks by host->post, at most HISTORY_AHEAD of them before it is done with the first.
 */
#ifndef FEED_HISTORY_H
#define FEED_HISTORY_H

#include <hops/obs.h>

#define HISTORY_CHUNK 2048u
#define HISTORY_AHEAD 4u

struct history;

enum history_kind { HISTORY_NODES, HISTORY_OBSERVATIONS, HISTORY_END };

struct history_person { /* of `nodes`, or of `observers` */
	const char *key;
	struct hops_node node;
	bool observer, listener;
	/* The rest only for those who ask for it; NULL and 0: not known. */
	const char *name, *role, *region;
	int64_t first_seen, last_seen; /* Unix seconds */
	bool inactive;
};

struct history_chunk {
	enum history_kind kind;
	struct history *history;
	mk_arena arena; /* owns the texts */
	struct history_person *people;
	uint32_t person_count, person_cap;
	struct hops_obs *obs;
	uint32_t count;
	uint64_t last;   /* id of the last row, a skipped one too */
	uint64_t newest; /* HISTORY_NODES: the highest id that was ever given, 0 if not known */
	mk_result rc;    /* HISTORY_END */
	char error[256]; /* then */
};

/* Reads `path` from behind the observation `after`; `whole`: also what packets are (hops_obs.packet)
 * and what people are called. `on_chunk` is called on the plugin's thread and borrows the chunk; the
 * last one is HISTORY_END, also after a failure. */
mk_result history_start(struct history **out, const mk_host *host, const char *path, uint64_t after,
			bool whole, void (*on_chunk)(void *arg, struct history_chunk *chunk),
			void *arg);
/* Go on reading from behind `after` (the database is another one than was thought). Only while
 * on_chunk runs with HISTORY_NODES. */
void history_rewind(struct history *h, uint64_t after);
/* No more chunks come. The thread ends soon; the rest is freed when both have let go of it. */
void history_drop(struct history *h);

#endif
