/* SPDX-License-Identifier: MIT
 *
 * What is left of a crash: a backtrace in the log, and for a plugin that took the daemon along a
 * record, so that the next start gives it a process of its own.
 */
#ifndef MK_HOST_CRASH_H
#define MK_HOST_CRASH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Fatal signals print a backtrace to stderr. With `record` (a path, may be NULL) they also write
 * the name of the instance whose thread it was. */
void crash_init(const char *record);
/* The instance that this thread works for; NULL = none. Threads that a plugin starts by itself do
 * not come here, but inherit the name of the instance's thread, which counts then. [any thread] */
void crash_set_instance(const char *name);
/* Set to 1 by a crash right after an allocation that failed. */
void crash_tell_memory(_Atomic int32_t *no_memory);
/* Write a record now: an instance that is stuck, perhaps for good. */
void crash_write(const char *name);
/* It is not after all. */
void crash_forget(void);
/* The instance that a former run crashed in, and forget it. */
bool crash_take(const char *record, char *name, size_t cap);

#endif
