/* SPDX-License-Identifier: MIT
 *
 * Folders of the daemon. [any thread]
 */
#ifndef MK_HOST_FOLDER_H
#define MK_HOST_FOLDER_H

#include <stddef.h>

#include <sys/types.h>

#include <meshkern/err.h>

/* The path BASE/PART/NAME (PART and NAME may be ""), and the folder there unless it exists. */
mk_result folder_make(char *path, size_t cap, mode_t mode, const char *base, const char *part,
		      const char *name, mk_err *err);
/* Remove the files in it. */
void folder_empty(const char *path);
/* One process per folder: takes PATH/lock for the life of the process, or names who has it. */
mk_result folder_lock(const char *path, mk_err *err);

#endif
