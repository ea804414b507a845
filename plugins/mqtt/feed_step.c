/* SPDX-License-Identifier: MIT
 *
 * What the net thread does about one broker: connect, subscribe, watch, fail, begin again. All of it
 * under net->lock, which is let go of for calls of Paho.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"
#include "value.h"

#define SECOND 1000000ull
#define STOOD_US (30 * SECOND)    /* so long a connection must stand to have been a success */
#define LEAVE_US (5 * SECOND)     /* for the broker to take back subscriptions */
#define ANSWER_US (15 * SECOND)   /* for a subscription; and what we allow Paho on top */
#define REMIND_US (3600 * SECOND) /* between warnings about the same silence */

void
feed_log(const struct feed *f, int32_t level, const char *what, const char *extra)
{
	const mk_host *host = f->net->host;
	char line[700], name[80], safe[512];

	(void)value_clean(f->settings.name, strlen(f->settings.name), name, sizeof(name));
	(void)value_clean(extra, strlen(extra), safe, sizeof(safe));
	snprintf(line, sizeof(line), "%s source=\"%s\"%s%s", what, name, safe[0] == '\0' ? "" : " ",
		 safe);
	host->log(host, level, line);
}

static uint64_t
net_random(struct net *n)
{
	n->random ^= n->random << 13;
	n->random ^= n->random >> 7;
	n->random ^= n->random << 17;
	return n->random;
}

/* Ends the connection, or the attempt; the lock is let go of meanwhile. */
static void
feed_end(struct feed *f)
{
	struct net *n = f->net;
	bool was_up = f->phase == FEED_UP || f->phase == FEED_LEAVING;

	if (f->client != NULL) {
		pthread_mutex_unlock(&n->lock);
		feed_close(f);
		pthread_mutex_lock(&n->lock);
	}
	if (was_up) {
		f->disconnects++;
		f->last_disconnect_us = n->host->wall_us(n->host);
	}
	f->phase = FEED_WAITING;
	f->events = 0;
	n->changed = true;
}

/* It did not work, or works no longer: again, later each time. A broker that throws us out again
 * and again must not be asked every second, so a connection counts only once it has stood. */
static void
feed_fail(struct feed *f, const char *why)
{
	struct net *n = f->net;
	uint64_t now = n->host->now_us(n->host), wait;
	char extra[400];

	(void)value_clean(why, strlen(why), f->error, sizeof(f->error));
	if (f->phase == FEED_UP && now >= f->up_us + STOOD_US)
		f->attempt = 0;
	feed_end(f);
	wait = feed_backoff_us(f->attempt, net_random(n));
	f->attempt++;
	f->deadline_us = now + wait;
	snprintf(extra, sizeof(extra), "reason=\"%s\" retry_ms=%llu", f->error,
		 (unsigned long long)(wait / 1000));
	feed_log(f, f->attempt <= 3 ? MK_LOG_WARN : MK_LOG_INFO, "not connected", extra);
}

/* A call of Paho, without the lock. False: it failed, and was reported. */
static bool
feed_call(struct feed *f, const char *(*call)(struct feed *))
{
	struct net *n = f->net;
	const char *why;

	pthread_mutex_unlock(&n->lock);
	why = call(f);
	pthread_mutex_lock(&n->lock);
	if (why != NULL)
		feed_fail(f, why);
	return why == NULL;
}

static void
feed_begin(struct feed *f, uint64_t now)
{
	f->events = 0;
	f->said[0] = '\0';
	f->answered = f->denied = f->weaker = f->left = 0;
	f->phase = FEED_CONNECTING;
	f->deadline_us = now + f->settings.connect_timeout_us + ANSWER_US;
	f->net->changed = true;
	(void)feed_call(f, feed_connect);
}

static void
feed_is_up(struct feed *f, uint64_t now)
{
	struct net *n = f->net;

	f->phase = FEED_UP;
	f->deadline_us = UINT64_MAX;
	f->up_us = now;
	f->connects++;
	f->last_connect_us = n->host->wall_us(n->host);
	if (f->watch.forced == 0)
		feed_watch_begin(&f->watch, now);
	n->changed = true;
	if (f->said[0] != '\0')
		feed_log(f, MK_LOG_WARN, f->said, "");
	memcpy(f->error, f->said, sizeof(f->error)); /* a warning, or nothing */
	feed_log(f, MK_LOG_INFO, "connected", "");
}

/* Warns when silence begins, again every hour, and tells its end. */
static void
feed_alarm(struct feed *f, uint64_t now)
{
	struct net *n = f->net;
	enum feed_verdict v = feed_judge(f, n->paused, n->silence_us, now);
	bool silent = v == FEED_STALLED || v == FEED_NEVER_RECEIVED;

	n->changed = n->changed || v != f->verdict;
	f->verdict = v;
	if (silent && (f->alarmed_us == 0 || now >= f->alarmed_us + REMIND_US)) {
		feed_log(f, MK_LOG_WARN, v == FEED_STALLED ? "no more messages" : "never a message",
			 "");
		f->alarmed_us = now;
	} else if (v == FEED_OK && f->alarmed_us != 0) {
		feed_log(f, MK_LOG_INFO, "messages again", "");
		f->alarmed_us = 0;
	}
}

/* Half-open: our packets go nowhere, or the broker has forgotten what we want. */
static void
feed_watch_step(struct feed *f, uint64_t now)
{
	struct net *n = f->net;

	if (!feed_watch_due(&f->watch, n->silence_us, now))
		return;
	feed_watch_forced(&f->watch, now);
	feed_log(f, MK_LOG_INFO, "connecting anew after silence", "");
	feed_end(f);
	f->deadline_us = now;
}

static void
feed_step_connected(struct feed *f, uint32_t events, uint64_t now)
{
	if (f->phase == FEED_CONNECTING && (events & FEED_CONNECTED) != 0) {
		f->phase = FEED_SUBSCRIBING;
		f->deadline_us = now + ANSWER_US;
		if (feed_call(f, feed_subscribe))
			return;
	} else if (f->phase == FEED_SUBSCRIBING && (events & FEED_SUBSCRIBED) != 0) {
		feed_is_up(f, now);
	} else if (now >= f->deadline_us) {
		feed_fail(f, "the broker does not answer");
	} else if (f->phase == FEED_UP) {
		if (f->left >= f->stale.n)
			strings_fini(&f->stale);
		feed_watch_step(f, now);
	}
}

/* The same in every run of this installation, and no other installation's: brokers throw out the
 * older one of two clients with the same id. 23 bytes are what every broker takes. */
void
feed_name_session(struct feed *f)
{
	const struct source_settings *s = &f->settings;
	const char *parts[] = { f->net->host->name(f->net->host), "/", s->name };
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < 3; i++)
		for (const char *c = parts[i]; *c != '\0'; c++)
			hash = (hash ^ (unsigned char)*c) * 16777619u;
	if (s->client_id != NULL)
		snprintf(f->client_id, sizeof(f->client_id), "%s", s->client_id);
	else
		snprintf(f->client_id, sizeof(f->client_id), "mk-%s-%08x", f->net->installation,
			 hash);
}

static bool
feed_has_topic(const struct strings *topics, const char *topic)
{
	for (uint32_t i = 0; i < topics->n; i++)
		if (strcmp(topics->v[i], topic) == 0)
			return true;
	return false;
}

/* What our session has of before and shall not have any more. Without memory for it the broker goes
 * on sending, and we refuse that. */
static void
feed_find_stale(struct feed *f)
{
	const struct source_settings *now = f->change;
	const struct strings *had[] = { &f->stale, &f->settings.topics };
	struct strings stale = { 0 };

	for (int k = 0; k < 2 && source_settings_same_session(&f->settings, now); k++)
		for (uint32_t i = 0; i < had[k]->n; i++)
			if (!feed_has_topic(&now->topics, had[k]->v[i]))
				(void)strings_add(&stale, had[k]->v[i]);
	strings_fini(&f->stale);
	if (!f->settings.clean_session)
		f->stale = stale;
	else
		strings_fini(&stale);
}

/* The broker keeps a session of ours, and what comes for it, also when nobody is to ask for it again.
 * True: it has not answered yet that it does not. */
static bool
feed_leaves(struct feed *f, uint32_t events, uint64_t now)
{
	bool ends = f->gone ||
		    (f->change != NULL && !source_settings_same_session(&f->settings, f->change));

	if (!ends || f->net->stopping || f->settings.clean_session ||
	    (events & (FEED_FAILED | FEED_LOST)) != 0)
		return false;
	if (f->phase == FEED_UP) {
		strings_fini(&f->stale);
		f->stale = f->settings.topics;
		f->settings.topics = (struct strings){ 0 };
		f->left = 0;
		f->phase = FEED_LEAVING;
		f->deadline_us = now + LEAVE_US;
		return feed_call(f, feed_unsubscribe);
	}
	return f->phase == FEED_LEAVING && f->left < f->stale.n && now < f->deadline_us;
}

static void
feed_take_change(struct feed *f)
{
	feed_find_stale(f);
	source_settings_fini(&f->settings);
	f->settings = *f->change;
	free(f->change);
	f->change = NULL;
	feed_name_session(f);
	f->attempt = 0;
	f->deadline_us = 0;
	f->watch = (struct feed_watch){ 0 };
}

/* With the lock, which is let go of for calls of Paho. */
void
feed_step(struct feed *f)
{
	struct net *n = f->net;
	uint64_t now = n->host->now_us(n->host);
	uint32_t events = f->events;
	char said[sizeof(f->said)];

	f->events = 0;
	if (feed_leaves(f, events, now)) {
		n->changed = true;
	} else if (n->stopping || n->paused || f->gone || f->change != NULL) {
		if (f->phase != FEED_WAITING)
			feed_end(f);
		f->deadline_us = 0; /* at once when the pause is over */
		if (f->change != NULL)
			feed_take_change(f);
	} else if (f->phase == FEED_WAITING) {
		if (now >= f->deadline_us)
			feed_begin(f, now);
	} else if ((events & (FEED_FAILED | FEED_LOST)) != 0) {
		memcpy(said, f->said, sizeof(said));
		feed_fail(f, said);
	} else {
		feed_step_connected(f, events, now);
	}
	feed_alarm(f, now);
}
