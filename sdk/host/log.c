/* SPDX-License-Identifier: MIT
 *
 * The process's log.
 *
 *   - a message is formatted by its caller; under the lock it is made harmless
 *     (control bytes escaped, invalid UTF-8 replaced) and cut to LINE_BYTES
 *   - it goes out by one write(), and only after poll() says that the reader
 *     takes it, so that a stopped terminal stops nobody
 *   - what was dropped is counted, and told as soon as the reader is back
 */
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <meshkern/codec.h>

#include "clock.h"

#define MINUTE_US 60000000u

enum {
	LINE_BYTES = 2048, /* less than PIPE_BUF: a pipe takes all of it or nothing */
	AREA_BYTES = 128,
	WAIT_MS = 5 /* what a line may cost when the reader stops; the next cost nothing */
};

/* Everything but the level is guarded by the lock. */
static struct {
	pthread_mutex_t lock;
	int fd;
	enum log_format format;
	bool stuck; /* the last line was not taken */
	bool torn;  /* the last line went out in part */
	uint64_t dropped;
	uint64_t told; /* of those, the ones that the log mentions */
} sink = { .lock = PTHREAD_MUTEX_INITIALIZER, .fd = STDERR_FILENO };

/* Relaxed: that another thread sees a new level a line later does no harm. */
static _Atomic int32_t threshold = MK_LOG_INFO;

/* Kept to be shown; guarded by the lock, too. */
struct recent {
	uint64_t time_us;
	int32_t level;
	char area[36], text[208];
};
static struct recent recent[LOG_RECENT];
static uint64_t recent_count; /* ever */

struct line {
	size_t len;
	char text[LINE_BYTES];
};

void
log_init(int fd, int32_t level, enum log_format format)
{
	pthread_mutex_lock(&sink.lock);
	sink.fd = fd;
	sink.stuck = sink.torn = false;
	sink.dropped = sink.told = 0;
	pthread_mutex_unlock(&sink.lock);
	log_set(level, format);
}

void
log_set(int32_t level, enum log_format format)
{
	atomic_store_explicit(&threshold, level, memory_order_relaxed);
	pthread_mutex_lock(&sink.lock);
	sink.format = format;
	pthread_mutex_unlock(&sink.lock);
}

int32_t
log_level(void)
{
	return atomic_load_explicit(&threshold, memory_order_relaxed);
}

uint64_t
log_dropped(void)
{
	uint64_t dropped;

	pthread_mutex_lock(&sink.lock);
	dropped = sink.dropped;
	pthread_mutex_unlock(&sink.lock);
	return dropped;
}

/* The character at *text as it is written, into `out`; *text moves past it. */
static size_t
log_escape(const char **text, bool json, char out[8])
{
	const char *s = *text;
	uint32_t c;
	size_t len = mk_utf8_next(s, strnlen(s, 4), &c);

	*text += len == 0 ? 1 : len;
	if (len == 0) {
		memcpy(out, "\xef\xbf\xbd", 3); /* U+FFFD */
		return 3;
	}
	if (c == '\n' || c == '\r' || c == '\t')
		return (size_t)snprintf(out, 8, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
	if (c < 0x20 || (c >= 0x7f && c < 0xa0)) /* terminals obey U+0080 to U+009F too */
		return (size_t)snprintf(out, 8, "\\u%04x", (unsigned)c);
	if (json && (c == '"' || c == '\\'))
		return (size_t)snprintf(out, 8, "\\%c", (int)c);
	memcpy(out, s, len);
	return len;
}

/* The text, harmless, in at most `room` bytes; "..." stands for the rest. */
static void
line_text(struct line *line, const char *text, size_t room, bool json)
{
	size_t end = line->len + room - 3;
	char unit[8];

	while (*text != '\0') {
		size_t len = log_escape(&text, json, unit);

		if (line->len + len > end) {
			memcpy(line->text + line->len, "...", 3);
			line->len += 3;
			return;
		}
		memcpy(line->text + line->len, unit, len);
		line->len += len;
	}
}

static void
line_plain(struct line *line, const char *text)
{
	size_t len = strlen(text);

	memcpy(line->text + line->len, text, len);
	line->len += len;
}

static void
line_build(struct line *line, int32_t level, const char *area, const char *text)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };
	const char *name = names[level < MK_LOG_ERROR   ? MK_LOG_ERROR
				 : level > MK_LOG_DEBUG ? MK_LOG_DEBUG
							: level];
	bool json = sink.format == LOG_JSON;
	uint64_t now = clock_wall_us();
	time_t seconds = (time_t)(now / 1000000u);
	char stamp[32];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	line->len = (size_t)snprintf(line->text, sizeof(line->text),
				     json ? "{\"ts\":\"%s.%03uZ\",\"level\":\"%s\",\"area\":\""
					  : "%s.%03uZ %-5s ",
				     stamp, (unsigned)(now / 1000u % 1000u), name);
	line_text(line, area, AREA_BYTES, json);
	line_plain(line, json ? "\",\"msg\":\"" : ": ");
	line_text(line, text, sizeof(line->text) - line->len - strlen("\"}\n"), json);
	line_plain(line, json ? "\"}\n" : "\n");
}

/* As much of the text as fits, harmless. */
static void
recent_text(char *to, size_t room, const char *text)
{
	size_t len = 0, n;
	char unit[8];

	for (; *text != '\0'; len += n) {
		n = log_escape(&text, false, unit);
		if (len + n >= room)
			break;
		memcpy(to + len, unit, n);
	}
	to[len] = '\0';
}

static void
recent_keep(int32_t level, const char *area, const char *text)
{
	struct recent *r = &recent[recent_count++ % LOG_RECENT];

	r->time_us = clock_wall_us();
	r->level = level;
	recent_text(r->area, sizeof(r->area), area);
	recent_text(r->text, sizeof(r->text), text);
}

void
log_write_recent(mk_writer *w, const char *key)
{
	uint64_t n;

	pthread_mutex_lock(&sink.lock);
	n = recent_count < LOG_RECENT ? recent_count : LOG_RECENT;
	mk_kv_array(w, key, (uint32_t)n);
	for (uint64_t i = recent_count - n; i < recent_count; i++) {
		const struct recent *r = &recent[i % LOG_RECENT];

		mk_put_map(w, 4);
		mk_kv_u64(w, "time_us", r->time_us);
		mk_kv_i64(w, "level", r->level);
		mk_kv_str(w, "area", r->area);
		mk_kv_str(w, "text", r->text);
	}
	pthread_mutex_unlock(&sink.lock);
}

/* One write of all of it. False: the reader did not take it. */
static bool
sink_write(const struct line *line)
{
	struct pollfd reader = { .fd = sink.fd, .events = POLLOUT };
	ssize_t n = -1;
	int ready;

	do
		ready = poll(&reader, 1, sink.stuck ? 0 : WAIT_MS);
	while (ready == -1 && errno == EINTR);
	/* Anything but POLLOUT is a reader that is gone: writing would be a SIGPIPE. */
	if (ready == 1 && reader.revents == POLLOUT) {
		if (sink.torn && write(sink.fd, "\n", 1) == 1)
			sink.torn = false;
		n = write(sink.fd, line->text, line->len);
	}
	sink.stuck = n != (ssize_t)line->len;
	if (sink.stuck && n > 0)
		sink.torn = true;
	return !sink.stuck;
}

void
log_write(int32_t level, const char *area, const char *format, ...)
{
	char text[LINE_BYTES]; /* what is cut off here would not fit the line either */
	struct line line;
	va_list args;
	int n;

	if (level > log_level())
		return;
	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n < 0)
		snprintf(text, sizeof(text), "unprintable: %s", format);

	pthread_mutex_lock(&sink.lock);
	if (sink.told < sink.dropped) {
		char note[64];

		snprintf(note, sizeof(note), "lines were dropped  count=%llu",
			 (unsigned long long)(sink.dropped - sink.told));
		line_build(&line, MK_LOG_WARN, "log", note);
		if (sink_write(&line))
			sink.told = sink.dropped;
	}
	recent_keep(level, area, text);
	line_build(&line, level, area, text);
	if (sink.told < sink.dropped || !sink_write(&line))
		sink.dropped++;
	pthread_mutex_unlock(&sink.lock);
}

bool
log_allowed(struct log_limit *limit, uint32_t burst, uint32_t *left_out)
{
	uint64_t now = clock_now_us();
	bool allowed;

	pthread_mutex_lock(&sink.lock);
	if (now - limit->minute_us >= MINUTE_US) {
		limit->minute_us = now;
		limit->count = 0;
	}
	allowed = limit->count < burst;
	if (allowed) {
		limit->count++;
		*left_out = limit->left_out;
		limit->left_out = 0;
	} else if (limit->left_out < UINT32_MAX) {
		limit->left_out++;
	}
	pthread_mutex_unlock(&sink.lock);
	return allowed;
}

void
log_plugin(struct log_limit *limit, int32_t level, const char *area, const char *text, size_t len)
{
	uint32_t left_out;

	if (level > log_level() || !log_allowed(limit, LOG_PLUGIN_LINES, &left_out))
		return;
	if (left_out > 0)
		log_warn(area, "wrote too many lines  left_out=%u", left_out);
	log_write(level, area, "%.*s", len < LINE_BYTES ? (int)len : LINE_BYTES, text);
}
