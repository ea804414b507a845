/* SPDX-License-Identifier: MIT
 *
 * Copies of a database, made while it is in use, and files that appear complete or not at all.
 */
#ifndef STORAGE_BACKUP_H
#define STORAGE_BACKUP_H

#include <stdatomic.h>

#include "db.h"

struct backup_options {
	void (*on_progress)(void *arg, int64_t done, int64_t total); /* pages; may be NULL */
	void *arg;
	atomic_bool *cancel; /* may be NULL */
};

/* Copies what `source` is at this moment, or at the beginning of its open transaction, which is
 * then ended, to the new file `path`, page by page. The copy is on disk
 * when it returns; on failure there is none. MK_EFULL, before anything is written, if it cannot
 * fit. */
mk_result backup_copy(struct db *source, const char *path, const struct backup_options *options,
		      mk_err *err);

/* Gives the closed database `from` the name `to`, which does not exist yet, and makes both contents
 * and name survive a power failure. */
mk_result backup_publish(const char *from, const char *to, mk_err *err);
/* Deletes a database that was not finished, with its log. */
void backup_remove(const char *path);

#endif
