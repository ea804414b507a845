/* SPDX-License-Identifier: MIT
 *
 * From a CoreScope v3 database, or one of an earlier meshkern, to ours: what must have happened
 * before anything is written into it. The rest is done by jobs (jobs.h) afterwards.
 *
 * It takes as long as copying the file and building the indexes that are missing takes, so the
 * plugin holds its messages and runs this on a helper thread. A crash at any point leaves a
 * database with which the next run goes on.
 */
#ifndef STORAGE_UPGRADE_H
#define STORAGE_UPGRADE_H

#include <stdatomic.h>

#include "db.h"

struct upgrade_options {
	bool no_backup;   /* the operator has one, or works on a copy */
	uint64_t wall_us; /* now: the date in the backup's name */
	/* Optional; from the thread that runs it. `done` of `total` pages, 0 of 0 where it is not
	 * known. */
	void (*on_progress)(void *arg, const char *what, int64_t done, int64_t total);
	void *arg;
	atomic_bool *cancel; /* optional: it ends with MK_ETIMEDOUT soon after this is set */
};

struct upgrade_report {
	char backup[512]; /* the file that was made, or "" */
	int64_t merged;   /* observations that were there twice */
	int64_t indexes;  /* that were built */
};

mk_result upgrade_run(struct db *db, const struct upgrade_options *options,
		      struct upgrade_report *report, mk_err *err);

#endif
