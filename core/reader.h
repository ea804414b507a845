/* SPDX-License-Identifier: MIT
 *
 * A place in the stream: which topics someone wants and how far they have come, over both rings
 * in the hub's order. Core thread only.
 *
 * A reader that falls out of a ring loses messages of its topics. It then says which and how
 * many, exactly, before it goes on: loss is never silent.
 */
#ifndef MK_CORE_READER_H
#define MK_CORE_READER_H

#include "ring.h"

#define RING_LATEST 0
#define RING_RELIABLE 1

struct stream { /* what there is to read */
	struct topics topics;
	struct ring rings[2];
	uint64_t order; /* last one given */
	uint64_t epoch;
};

/* An entry as a plugin or an outsider sees it; valid as long as the entry. */
mk_msg stream_msg(const struct stream *s, const struct entry *e, uint32_t flags);

struct reader {
	const struct stream *stream;
	bool (*wants)(void *arg, const char *topic);
	void *arg;
	uint64_t position[2];        /* next to look at, per ring */
	uint64_t next[TOPICS_MAX];   /* expected sequence; 0 = from the first */
	uint8_t matches[TOPICS_MAX]; /* 0 not asked yet, 1 no, 2 yes */
	bool jumped;                 /* fell out of a ring: tails must be checked */
};

enum reader_found { READER_NOTHING, READER_ENTRY, READER_GAP };

struct reader_item {
	struct entry *entry; /* READER_ENTRY; borrowed until the hub takes the next message */
	struct topic *topic; /* READER_GAP: of what, from where, how many */
	uint64_t seq, lost;
};

/* At the head: the next message is the next that comes. */
void reader_init(struct reader *r, const struct stream *s,
		 bool (*wants)(void *arg, const char *topic), void *arg);
/* From the beginning of the epoch, as far as the rings go back. */
void reader_from_start(struct reader *r);
/* The topics of interest have changed. */
void reader_rematch(struct reader *r);
bool reader_matches(struct reader *r, const struct topic *t);
/* The next sequence of a topic that it has not passed. */
uint64_t reader_next(const struct reader *r, const struct topic *t);
/* What comes next, without stepping past it. */
enum reader_found reader_peek(struct reader *r, struct reader_item *item);
void reader_pass(struct reader *r, enum reader_found found, const struct reader_item *item);
/* Step past everything up to `order` that was read with `r`. Used for the place that is
 * acknowledged, which follows the place that is sent. */
void reader_follow(struct reader *r, uint64_t order);
/* How many messages of its topics are ahead (counted over sequences). */
uint64_t reader_lag(struct reader *r);

#endif
