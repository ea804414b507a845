/* SPDX-License-Identifier: MIT
 *
 * `meshkern import`: a CoreScope database, or one of meshkern, becomes a new database of ours. The
 * source may be in use, is opened for reading only, and stays as it is.
 */
#ifndef STORAGE_IMPORT_H
#define STORAGE_IMPORT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <meshkern/err.h>

#define IMPORT_TABLES_MAX 32

struct import_options {
	const char *from, *to;
	bool vacuum; /* make it anew, so that free pages can be given back later */
	uint64_t (*now_us)(void *arg);
	uint64_t (*wall_us)(void *arg);
	/* Optional; of 0 where the total is not known. */
	void (*on_progress)(void *arg, const char *what, int64_t done, int64_t total);
	void *arg;
	atomic_bool *cancel; /* optional */
};

struct import_table {
	char name[64];
	int64_t source;   /* rows in the source, and so in the copy */
	int64_t imported; /* rows at the end: without what was merged or could not be used */
};

struct import_report {
	struct import_table tables[IMPORT_TABLES_MAX];
	uint32_t count;
	int64_t bytes;
	int64_t orphans; /* observations whose transmission is not there */
};

/* `to` appears complete and checked, or not at all. MK_EEXIST if it is there. */
mk_result import_run(const struct import_options *options, struct import_report *report,
		     mk_err *err);

#endif
