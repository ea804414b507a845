/* SPDX-License-Identifier: MIT
 *
 * All brokers: what Paho tells of them, the round of the net thread, and the configuration.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"
#include "value.h"

#define REFUSED_US 10000000u /* between lines about refused messages of a source */
#define ITEM_LIMIT (1u << 20)

/* --------------------------------------------------- from Paho's threads -- */

void
net_on_event(struct feed *f, uint32_t event, const char *said)
{
	struct net *n = f->net;

	pthread_mutex_lock(&n->lock);
	/* A detail of TLS comes before the failure, which knows less. */
	if (said != NULL && (event != FEED_FAILED || strncmp(f->said, "TLS: ", 5) != 0))
		(void)value_clean(said, strlen(said), f->said, sizeof(f->said));
	f->events |= event;
	pthread_cond_signal(&n->wake);
	pthread_mutex_unlock(&n->lock);
}

void
net_on_granted(struct feed *f, int qos)
{
	const char *said = NULL;
	uint32_t event = 0;

	pthread_mutex_lock(&f->net->lock);
	f->answered++;
	f->denied += qos < 0 || qos > 2;
	f->weaker += qos < f->settings.qos;
	if (f->denied > 0)
		said = "the broker refused some of the subscriptions";
	else if (f->weaker > 0)
		said =
		    "the broker grants QoS 0 only: what comes while we are not connected is lost";
	if (f->answered == f->settings.topics.n)
		event = f->denied == f->answered ? FEED_FAILED : FEED_SUBSCRIBED;
	if (event == FEED_FAILED)
		said = "the broker refused the subscription";
	pthread_mutex_unlock(&f->net->lock);
	if (event != 0)
		net_on_event(f, event, said);
}

void
net_on_left(struct feed *f)
{
	pthread_mutex_lock(&f->net->lock);
	f->left++;
	pthread_cond_signal(&f->net->wake);
	pthread_mutex_unlock(&f->net->lock);
}

/* One line for many messages, with no more of an id than its first 8 characters. */
static void
feed_log_refused(const struct feed *f, const struct parse_message *m, enum route_refusal why)
{
	char topic[96], extra[200];
	size_t to = 0, run = 0;

	for (size_t i = 0; i < m->topic_len && to + 1 < sizeof(topic); i++) {
		run = m->topic[i] == '/' ? 0 : run + 1;
		if (run <= 8)
			topic[to++] = m->topic[i];
	}
	topic[to] = '\0';
	snprintf(extra, sizeof(extra), "reason=%s count=%llu topic=%s", route_refusal_name(why),
		 (unsigned long long)f->refused[why], topic);
	feed_log(f, MK_LOG_INFO, "message refused", extra);
}

static bool
feed_wants(const struct feed *f, const struct parse_message *m)
{
	for (uint32_t i = 0; i < f->settings.topics.n; i++)
		if (route_filter_covers(f->settings.topics.v[i], m->topic, m->topic_len))
			return true;
	return false;
}

/* Under the lock. */
static enum route_refusal
net_parse(struct feed *f, struct parse_message *m, enum route_kind *kind)
{
	struct net *n = f->net;
	struct parse_source source = {
		.feed = f->settings.name,
		.region = f->settings.region,
		.iata_filter = &f->settings.iata_filter,
	};
	uint64_t now = n->host->now_us(n->host);
	enum route_refusal why;

	m->at_us = n->host->wall_us(n->host);
	f->messages++;
	f->last_message_us = m->at_us;
	feed_watch_begin(&f->watch, now);
	feed_rate_add(&f->rate, now);
	n->changed = true;
	mk_writer_reset(&n->item);
	/* A session of ours may have subscriptions from before the configuration was changed. */
	if (!feed_wants(f, m))
		return ROUTE_NOT_SUBSCRIBED;
	why = parse_message(&n->rules, &source, m, kind, &n->item);
	return why == ROUTE_TAKEN && mk_writer_end(&n->item) != MK_OK ? ROUTE_NO_MEMORY : why;
}

bool
net_on_message(struct feed *f, const struct parse_message *message)
{
	static const uint32_t topics[] = { [ROUTE_PACKET] = 0,
					   [ROUTE_STATUS] = 1,
					   [ROUTE_CLIENT] = 2,
					   [ROUTE_CHANNEL] = 0,
					   [ROUTE_DIRECT] = 0 };
	struct net *n = f->net;
	struct parse_message m = *message;
	enum route_kind kind = ROUTE_PACKET;
	enum route_refusal why;
	bool report = false;

	pthread_mutex_lock(&n->lock);
	why = net_parse(f, &m, &kind);
	if (why != ROUTE_TAKEN) {
		f->refused[why]++;
		report = f->reported_us == 0 || m.at_us > f->reported_us + REFUSED_US;
		f->reported_us = report ? m.at_us : f->reported_us;
	} else {
		f->accepted++;
	}
	if (report)
		feed_log_refused(f, &m, why);
	pthread_mutex_unlock(&n->lock);
	if (why != ROUTE_TAKEN)
		return false;
	if (inbox_put(n->inbox, topics[kind], n->item.data, (uint32_t)n->item.len) != MK_OK) {
		pthread_mutex_lock(&n->lock);
		f->unsaved++;
		pthread_mutex_unlock(&n->lock);
		n->host->log(n->host, MK_LOG_ERROR, "a message is lost: it cannot be written");
		return false;
	}
	if (!atomic_exchange(&n->posted, true) &&
	    n->host->post(n->host, n->on_item, n->arg) != MK_OK)
		atomic_store(&n->posted, false); /* a tick comes soon */
	return true;
}

/* -------------------------------------------------------- the net thread -- */

static void
feed_free(struct feed *f)
{
	source_settings_fini(&f->settings);
	strings_fini(&f->stale);
	if (f->change != NULL) {
		source_settings_fini(f->change);
		free(f->change);
	}
	free(f);
}

/* One round. Only this thread removes feeds; others add them in front, which does not disturb it. */
static void
net_steps(struct net *n)
{
	for (struct feed *f = n->feeds; f != NULL; f = f->next)
		feed_step(f);
	for (struct feed **at = &n->feeds; *at != NULL;) {
		struct feed *f = *at;

		if (!f->gone || f->phase != FEED_WAITING) {
			at = &f->next;
			continue;
		}
		*at = f->next;
		feed_free(f);
		n->changed = true;
	}
}

void
net_run(void *net)
{
	struct net *n = net;

	pthread_mutex_lock(&n->lock);
	while (!n->stopping) {
		net_steps(n);
		if (!n->stopping)
			pthread_cond_wait(&n->wake, &n->lock);
	}
	net_steps(n); /* disconnects all */
	pthread_mutex_unlock(&n->lock);
}

/* --------------------------------------------------- the plugin's thread -- */

mk_result
net_init(struct net *n, const mk_host *host, struct inbox *inbox, void (*on_item)(void *),
	 void *arg)
{
	*n = (struct net){ .host = host, .inbox = inbox, .on_item = on_item, .arg = arg };
	n->random = host->wall_us(host) | 1;
	atomic_init(&n->posted, false);
	mk_writer_init(&n->item, ITEM_LIMIT);
	if (pthread_mutex_init(&n->lock, NULL) != 0)
		return MK_ENOMEM;
	if (pthread_cond_init(&n->wake, NULL) == 0)
		return MK_OK;
	pthread_mutex_destroy(&n->lock);
	return MK_ENOMEM;
}

void
net_fini(struct net *n)
{
	while (n->feeds != NULL) {
		struct feed *f = n->feeds;

		n->feeds = f->next;
		feed_free(f);
	}
	strings_fini(&n->rules.iata_whitelist);
	strings_fini(&n->rules.observer_blacklist);
	mk_writer_fini(&n->item);
	pthread_cond_destroy(&n->wake);
	pthread_mutex_destroy(&n->lock);
}

static struct feed *
net_find(const struct net *n, const char *name)
{
	struct feed *f = n->feeds;

	while (f != NULL && (f->gone || strcmp(f->settings.name, name) != 0))
		f = f->next;
	return f;
}

/* The memory that the change will need, all of it before anything is changed. */
static bool
net_prepare(struct settings *s, struct feed **feeds, struct source_settings **changes)
{
	for (uint32_t i = 0; i < s->count; i++) {
		feeds[i] = calloc(1, sizeof(**feeds));
		changes[i] = calloc(1, sizeof(**changes));
		if (feeds[i] == NULL || changes[i] == NULL)
			return false;
	}
	return true;
}

/* Under the lock: takes the settings, and of *fresh and *change what it needs. */
static void
net_apply(struct net *n, struct source_settings *s, struct feed **fresh,
	  struct source_settings **change)
{
	struct feed *f = net_find(n, s->name);
	struct source_settings old;

	if (f == NULL) {
		f = *fresh;
		*fresh = NULL;
		f->net = n;
		f->settings = *s;
		feed_name_session(f);
		f->next = n->feeds;
		n->feeds = f;
	} else if (f->change == NULL && source_settings_same_connection(&f->settings, s)) {
		/* What only judges messages goes over at once, and the rest is the same. */
		old.iata_filter = f->settings.iata_filter;
		f->settings.iata_filter = s->iata_filter;
		s->iata_filter = old.iata_filter;
		old.region = f->settings.region;
		f->settings.region = s->region;
		s->region = old.region;
		return;
	} else {
		if (f->change != NULL) {
			source_settings_fini(f->change);
			free(f->change);
		}
		f->change = *change;
		*change = NULL;
		*f->change = *s;
	}
	*s = (struct source_settings){ 0 };
}

mk_result
net_configure(struct net *n, struct settings *s)
{
	struct feed **feeds = calloc(s->count + 1, sizeof(*feeds));
	struct source_settings **changes = calloc(s->count + 1, sizeof(*changes));
	struct route_rules old;
	mk_result rc = MK_ENOMEM;

	if (feeds == NULL || changes == NULL || !net_prepare(s, feeds, changes))
		goto out;
	pthread_mutex_lock(&n->lock);
	for (struct feed *f = n->feeds; f != NULL; f = f->next) {
		bool stays = false;

		for (uint32_t i = 0; i < s->count; i++)
			stays = stays || strcmp(s->sources[i].name, f->settings.name) == 0;
		f->gone = f->gone || !stays;
	}
	for (uint32_t i = 0; i < s->count; i++)
		net_apply(n, &s->sources[i], &feeds[i], &changes[i]);
	old = n->rules;
	n->rules = s->rules;
	s->rules = old;
	n->silence_us = s->silence_us;
	n->changed = true;
	pthread_cond_signal(&n->wake);
	pthread_mutex_unlock(&n->lock);
	rc = MK_OK;
out:
	for (uint32_t i = 0; i < s->count; i++) {
		free(feeds == NULL ? NULL : feeds[i]);
		free(changes == NULL ? NULL : changes[i]);
	}
	free(feeds);
	free(changes);
	return rc;
}

void
net_stop(struct net *n)
{
	pthread_mutex_lock(&n->lock);
	n->stopping = true;
	pthread_cond_signal(&n->wake);
	pthread_mutex_unlock(&n->lock);
}

void
net_tick(struct net *n)
{
	pthread_mutex_lock(&n->lock);
	pthread_cond_signal(&n->wake);
	pthread_mutex_unlock(&n->lock);
}

void
net_pause(struct net *n, bool on)
{
	pthread_mutex_lock(&n->lock);
	if (n->paused != on) {
		n->paused = on;
		n->changed = true;
		pthread_cond_signal(&n->wake);
	}
	pthread_mutex_unlock(&n->lock);
}
