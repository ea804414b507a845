/* SPDX-License-Identifier: MIT
 *
 * What backfills there are, as storage tells it, and which of them goes on when. Pure: no host, no
 * clock, so that tests can say what time it is.
 */
#ifndef BACKFILL_PLAN_H
#define BACKFILL_PLAN_H

#include <meshkern/codec.h>

#define PLAN_MAX 64u

/* What only who asks for the steps knows of a job; since this process began. */
struct plan_pace {
	uint64_t steps, yields; /* yields: steps after which ingest had the time */
	int64_t batch, done;    /* rows of the last step; behind it */
	uint64_t began_us;      /* Unix time of its first step */
	bool retried;           /* by the operator */
	struct {
		uint64_t at_us;
		int64_t done;
	} marks[2];  /* the older one is 30 to 60 s old */
	double rate; /* rows a second since then; 0: not known */
};

struct plan_item {
	char name[80], table[64], kind[16], state[16], waits[80], error[384];
	bool paused;
	int64_t done, total, skipped, attempts, eta_s;
	double rate;
	uint64_t longest_us;
	uint64_t due_us, retry_us; /* after an error, not before; and how long it waits next time */
	struct plan_pace pace;
};

struct plan {
	struct plan_item items[PLAN_MAX];
	uint32_t count;
};

/* The body of storage/backfills. False if it makes no sense: the plan is as before. */
bool plan_read(struct plan *p, const mk_val *body);
/* An answer to a step. */
bool plan_take(struct plan *p, const mk_val *item);
/* The next one to ask a step for, or NULL; then *wait_us says when there may be one, UINT64_MAX if
 * only news can bring one. */
struct plan_item *plan_next(struct plan *p, uint64_t now_us, uint64_t *wait_us);
struct plan_item *plan_find(struct plan *p, const char *name);
/* After a step that was taken: `busy`, and ingest is let before the next one. */
void plan_stepped(struct plan_item *item, uint64_t now_us, uint64_t wall_us, bool busy);
/* A step failed for a reason that may pass. */
void plan_failed(struct plan_item *item, uint64_t now_us, const char *error);
/* The body of backfill/progress. */
void plan_write(const struct plan *p, mk_writer *w);

#endif
