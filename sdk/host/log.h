/* SPDX-License-Identifier: MIT
 *
 * One log for the process: lines to a descriptor, as text or JSON. [any thread]
 *
 *   2026-11-21T03:27:11.123Z warn  plugin rainmap: slow callback  callback=on_msg ms=1200
 */
#ifndef MK_HOST_LOG_H
#define MK_HOST_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <meshkern/codec.h>
#include <meshkern/plugin.h>

enum log_format { LOG_TEXT, LOG_JSON };

/* A line that the reader of `fd` does not take within a moment is dropped and
 * counted: a stopped terminal must not stop the daemon. */
void log_init(int fd, int32_t level, enum log_format format);
void log_set(int32_t level, enum log_format format);
int32_t log_level(void);
uint64_t log_dropped(void);

/* `area` is the part that speaks: "bus", "plugin rainmap". The text is one
 * line; control bytes in it are escaped. */
void log_write(int32_t level, const char *area, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_error(area, ...) log_write(MK_LOG_ERROR, area, __VA_ARGS__)
#define log_warn(area, ...) log_write(MK_LOG_WARN, area, __VA_ARGS__)
#define log_info(area, ...) log_write(MK_LOG_INFO, area, __VA_ARGS__)
#define log_debug(area, ...) log_write(MK_LOG_DEBUG, area, __VA_ARGS__)

/* The last lines, the oldest first, as an array; at most LOG_RECENT of them, and long ones are cut. */
#define LOG_RECENT 400u
void log_write_recent(mk_writer *w, const char *key);

/* For what an outsider can trigger: at most `burst` lines a minute from one
 * place; what was left out is told by the next line ("left_out=812"). */
struct log_limit {
	uint64_t minute_us; /* guarded by the log's lock */
	uint32_t count;
	uint32_t left_out;
};
bool log_allowed(struct log_limit *limit, uint32_t burst, uint32_t *left_out);

/* A line that a plugin has written: LOG_PLUGIN_LINES of them a minute, so that it cannot fill the
 * disk and hide what others say. */
#define LOG_PLUGIN_LINES 6000u
void log_plugin(struct log_limit *limit, int32_t level, const char *area, const char *text,
		size_t len);

#endif
