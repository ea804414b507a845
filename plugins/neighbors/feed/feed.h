/* SPDX-License-Identifier: MIT
 *
 * How an analytics plugin gets its observations: each exactly once and in the order of their ids,
 * out of the database as long as it is behind, live from then on, and out of the database again when
 * the bus lost something. Also who there is, in a struct hops_nodes, and the plugin's own last
 * snapshot.
 *
 * DOC: How history and live join
 *
 * Storage publishes an observation after its transaction, so what was published can be read. While
 * the history is read, live observations are dropped, and only the highest id is remembered. When
 * the reader finds no more rows and has reached that id, everything that was published has been
 * read, everything that comes later has a higher id, and the feed is live.
 */
#ifndef FEED_FEED_H
#define FEED_FEED_H

#include "history.h"

struct feed_calls {
	/* The last observation that the state covers. */
	uint64_t (*cursor)(void *arg);
	/* `again`: it is within the window before the cursor, and covered. */
	void (*on_obs)(void *arg, const struct hops_obs *o, bool again);
	/* Rows up to this id are dealt with, also those that said nothing. */
	void (*on_passed)(void *arg, uint64_t id);
	/* The plugin's snapshot, of an earlier run of it. */
	void (*on_snapshot)(void *arg, const mk_val *body, bool delta);
	/* The database is not the one of the state: forget everything. */
	void (*on_other)(void *arg);
	/* Everything there was has been seen. Again after each gap. */
	void (*on_live)(void *arg);
	/* These two may be NULL. They come anew, all of them; one of them, as it is now. */
	void (*on_people)(void *arg);
	void (*on_person)(void *arg, const struct history_person *p);
};

enum feed_state { FEED_WAITING, FEED_SETTLING, FEED_READING, FEED_LIVE };

struct feed_counts {
	uint64_t malformed; /* items that are none */
	uint64_t gaps;
	uint64_t readings; /* of the history */
	uint64_t failures; /* of those */
};

struct feed {
	const mk_host *host;
	struct hops_nodes *nodes; /* borrowed */
	const struct feed_calls *calls;
	void *arg;
	const char *snapshot; /* the plugin's own topic */
	uint64_t window;      /* observations before the cursor that are wanted again */
	uint32_t timer;       /* of the plugin's timers, this one is the feed's */
	bool whole;           /* also what packets are, and what people are called */
	enum feed_state state;
	char database[4096];
	struct history *history;
	mk_doc doc;
	mk_arena arena;   /* of the person that is told of */
	uint64_t newest;  /* live observation that was dropped */
	uint64_t reached; /* by the reading */
	bool stale;       /* something was missed while reading: once more */
	bool people;      /* the reading has brought who there is */
	struct feed_counts counts;
};

void feed_init(struct feed *f);
void feed_fini(struct feed *f);
/* Subscribe to FEED_TOPICS, retained snapshot/NAME among them, and pass all of it. */
void feed_on_msg(struct feed *f, const mk_msg *msg);
void feed_on_timer(struct feed *f);
/* In stop(). */
void feed_stop(struct feed *f);

#define FEED_TOPICS                                                                               \
	{ .name = "packet/stored", .help = "what was observed" },                                 \
	    { .name = "node/changed", .help = "who there is" },                                   \
	    { .name = "observer/changed", .help = "who forwards nothing" },                       \
	{                                                                                         \
		.name = "storage/state", .help = "where the database is, and when it can be read" \
	}

#endif
