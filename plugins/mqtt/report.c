/* SPDX-License-Identifier: MIT
 *
 * The state of every broker as one message, and as numbers. Passwords are in neither.
 */
#include <stdio.h>

#include "report.h"

#define NUMBERED_SOURCES 12 /* of 64 numbers; a message has them all */

static void
put_time(mk_writer *w, const char *key, uint64_t unix_us, uint32_t *fields, bool write)
{
	if (unix_us == 0)
		return;
	*fields += 1;
	if (write)
		mk_kv_u64(w, key, unix_us);
}

/* Fields that may be absent; called twice, to count and to write. */
static uint32_t
put_optional(const struct feed *f, uint64_t now_us, mk_writer *w, bool write)
{
	bool waits = f->phase == FEED_WAITING && f->deadline_us > now_us;
	uint32_t n = 0;

	put_time(w, "last_connect", f->last_connect_us, &n, write);
	put_time(w, "last_disconnect", f->last_disconnect_us, &n, write);
	put_time(w, "last_message", f->last_message_us, &n, write);
	if (f->error[0] != '\0' && write)
		mk_kv_str(w, "last_error", f->error);
	if (waits && write)
		mk_kv_u64(w, "retry_us", f->deadline_us - now_us);
	return n + (f->error[0] != '\0') + waits;
}

static void
put_feed(const struct feed *f, uint64_t now_us, mk_writer *w)
{
	uint32_t reasons = 0;

	for (uint32_t i = ROUTE_TAKEN + 1; i < ROUTE_COUNT; i++)
		reasons += f->refused[i] > 0;
	mk_put_map(w, 12 + put_optional(f, now_us, w, false));
	mk_kv_str(w, "name", f->settings.name);
	mk_kv_str(w, "broker", f->settings.url.shown);
	mk_kv_str(w, "client_id", f->client_id);
	mk_kv_bool(w, "connected", f->phase == FEED_UP);
	mk_kv_str(w, "verdict", feed_verdict_name(f->verdict));
	mk_kv_u64(w, "connects", f->connects);
	mk_kv_u64(w, "disconnects", f->disconnects);
	mk_kv_u64(w, "failures", f->attempt);
	mk_kv_u64(w, "messages", f->messages);
	mk_kv_u64(w, "accepted", f->accepted);
	mk_kv_u64(w, "last_5m", feed_rate_sum(&f->rate, now_us));
	mk_kv_map(w, "refused", reasons);
	for (uint32_t i = ROUTE_TAKEN + 1; i < ROUTE_COUNT; i++)
		if (f->refused[i] > 0)
			mk_kv_u64(w, route_refusal_name((enum route_refusal)i), f->refused[i]);
	(void)put_optional(f, now_us, w, true);
}

mk_result
report_write(struct net *n, mk_writer *w)
{
	uint64_t now = n->host->now_us(n->host);
	uint32_t count = 0;

	mk_writer_reset(w);
	pthread_mutex_lock(&n->lock);
	n->changed = false;
	for (const struct feed *f = n->feeds; f != NULL; f = f->next)
		count += !f->gone;
	mk_put_map(w, 1);
	mk_kv_array(w, "items", count);
	for (const struct feed *f = n->feeds; f != NULL; f = f->next)
		if (!f->gone)
			put_feed(f, now, w);
	pthread_mutex_unlock(&n->lock);
	return mk_writer_end(w);
}

/* NAME_what, with a name that a number may have. */
static void
set_number(struct net *n, const char *name, const char *what, uint64_t value)
{
	char text[32];
	size_t len = 0;

	for (; name[len] != '\0' && len < 18; len++) {
		char c = name[len] >= 'A' && name[len] <= 'Z' ? (char)(name[len] + 32) : name[len];
		bool good = (c >= 'a' && c <= 'z') || (len > 0 && c >= '0' && c <= '9');

		text[len] = good ? c : len == 0 ? 's' : '_';
	}
	snprintf(text + len, sizeof(text) - len, "_%s", what);
	(void)n->host->gauge(n->host, text, (int64_t)value);
}

void
report_numbers(struct net *n)
{
	uint64_t refused[ROUTE_COUNT] = { 0 }, messages = 0, accepted = 0, unsaved = 0;
	uint32_t sources = 0, connected = 0;
	const mk_host *h = n->host;

	pthread_mutex_lock(&n->lock);
	for (const struct feed *f = n->feeds; f != NULL; f = f->next) {
		if (f->gone)
			continue;
		if (sources < NUMBERED_SOURCES) {
			set_number(n, f->settings.name, "connected", f->phase == FEED_UP);
			set_number(n, f->settings.name, "messages", f->messages);
		}
		for (uint32_t i = 0; i < ROUTE_COUNT; i++)
			refused[i] += f->refused[i];
		sources++;
		connected += f->phase == FEED_UP;
		messages += f->messages;
		accepted += f->accepted;
		unsaved += f->unsaved;
	}
	pthread_mutex_unlock(&n->lock);
	(void)h->gauge(h, "sources", sources);
	(void)h->gauge(h, "sources_connected", connected);
	(void)h->gauge(h, "messages", (int64_t)messages);
	(void)h->gauge(h, "accepted", (int64_t)accepted);
	(void)h->gauge(h, "unsaved", (int64_t)unsaved);
	(void)h->gauge(h, "inbox_bytes", (int64_t)inbox_bytes(n->inbox));
	for (uint32_t i = ROUTE_TAKEN + 1; i < ROUTE_COUNT; i++) {
		char name[32];

		snprintf(name, sizeof(name), "refused_%s",
			 route_refusal_name((enum route_refusal)i));
		if (refused[i] > 0)
			(void)h->gauge(h, name, (int64_t)refused[i]);
	}
}
