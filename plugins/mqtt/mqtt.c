/* SPDX-License-Identifier: MIT
 *
 * mqtt: brokers -> bus. What a broker delivers is in the inbox when it is acknowledged, and leaves
 * it when it is in the outbox. This file is the plugin's thread: batches, options, reports.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <meshkern/codec.h>
#include <meshkern/err.h>
#include <meshkern/plugin.h>

#include "net.h"
#include "report.h"

#define TICK_US 100000u
#define BATCH_US 3000u /* so long messages are collected: 60 at 20,000 a second */
#define REPORT_TICKS 10u
#define TIMER_TICK 1u
#define TIMER_BATCH 2u

#define BODY_MAX (1u << 20)
#define BATCH_BYTES (512u << 10)
#define BATCH_ITEMS 500u
#define TURN_BYTES (4u << 20) /* published in one go; then other callbacks have their turn */

struct mqtt {
	const mk_host *host;
	mk_writer body;
	struct net net;
	struct inbox inbox;
	bool has_inbox, has_net;
	bool batch_due;          /* TIMER_BATCH is set */
	bool full;               /* the outbox was, the last time */
	size_t at[INBOX_TOPICS]; /* in the half that is being published */
	uint32_t ticks;
};

static const char *const topic_names[INBOX_TOPICS] = { "rx/raw", "rx/status", "rx/client" };

/* -------------------------------------------------------------- batches -- */

/* The next body of a topic from *at on; 0 items: there are no more. */
static uint32_t
batch_write(struct mqtt *m, const struct inbox_half *half, uint32_t topic, size_t *at)
{
	struct inbox_item item;
	uint32_t count = 0;
	size_t bytes = 0, end = *at;

	for (size_t next = end; count < BATCH_ITEMS && inbox_next(half, &next, &item);) {
		if (item.topic == topic && count > 0 && bytes + item.len > BATCH_BYTES)
			break;
		count += item.topic == topic;
		bytes += item.topic == topic ? item.len : 0;
		end = next;
	}
	mk_writer_reset(&m->body);
	mk_put_map(&m->body, 1);
	mk_kv_array(&m->body, "items", count);
	for (size_t next = *at; next < end && inbox_next(half, &next, &item);)
		if (item.topic == topic)
			mk_put_raw(&m->body, item.data, item.len);
	*at = end;
	return count;
}

/* False: later. */
static bool
batch_publish(struct mqtt *m, uint32_t topic, uint32_t count)
{
	mk_result rc = mk_writer_end(&m->body);
	char line[160];

	if (rc == MK_OK)
		rc = m->host->publish(m->host, topic_names[topic], m->body.data,
				      (uint32_t)m->body.len, 0);
	if ((rc == MK_EFULL) != m->full && (rc == MK_EFULL || rc == MK_OK)) {
		m->full = rc == MK_EFULL;
		m->host->log(m->host, m->full ? MK_LOG_WARN : MK_LOG_INFO,
			     m->full ? "the outbox is full: messages wait" : "the outbox has room");
	}
	if (rc == MK_OK)
		return true;
	if (rc != MK_EFORMAT && rc != MK_ETOOBIG && rc != MK_EDENIED)
		return false;
	/* It will not be better next time. */
	snprintf(line, sizeof(line), "messages are lost: %s topic=%s count=%u", mk_result_text(rc),
		 topic_names[topic], count);
	m->host->log(m->host, MK_LOG_ERROR, line);
	m->host->count(m->host, "unpublishable", count);
	return true;
}

/* All of one half, or `budget` bytes. True: the half is in the outbox. */
static bool
half_publish(struct mqtt *m, const struct inbox_half *half, size_t *budget)
{
	for (uint32_t topic = 0; topic < INBOX_TOPICS; topic++) {
		size_t at = m->at[topic];
		uint32_t count;

		while (*budget > 0 && (count = batch_write(m, half, topic, &at)) > 0) {
			if (!batch_publish(m, topic, count))
				return false;
			m->at[topic] = at;
			*budget -= m->body.len < *budget ? m->body.len : *budget;
		}
		if (*budget == 0)
			return false;
	}
	memset(m->at, 0, sizeof(m->at));
	return true;
}

/* True: there is more, but it is the others' turn. */
static bool
mqtt_publish(struct mqtt *m, size_t budget)
{
	const struct inbox_half *half;

	while ((half = inbox_take(&m->inbox)) != NULL) {
		if (!half_publish(m, half, &budget))
			return budget == 0;
		inbox_done(&m->inbox);
	}
	return false;
}

/* The outbox takes nothing, or not as fast as brokers deliver: their queues are longer than ours,
 * and they keep QoS 1 for a session that is not connected. */
static void
mqtt_balance(struct mqtt *m)
{
	size_t bytes = inbox_bytes(&m->inbox);
	size_t limit = (size_t)m->host->opt_int(m->host, "buffer");

	if (bytes > limit / 2)
		net_pause(&m->net, true);
	else if (bytes <= limit / 8)
		net_pause(&m->net, false);
}

static void
mqtt_flush(struct mqtt *m)
{
	bool more = mqtt_publish(m, TURN_BYTES);

	m->batch_due = more && m->host->timer(m->host, TIMER_BATCH, 0, 0) == MK_OK;
	mqtt_balance(m);
}

/* Posted by the receiver when it has put something into the inbox. */
static void
mqtt_on_item(void *self)
{
	struct mqtt *m = self;

	atomic_store(&m->net.posted, false);
	if (!m->batch_due)
		m->batch_due = m->host->timer(m->host, TIMER_BATCH, BATCH_US, 0) == MK_OK;
}

/* ---------------------------------------------------------------- reports -- */

static void
mqtt_report(struct mqtt *m)
{
	bool changed;

	report_numbers(&m->net);
	pthread_mutex_lock(&m->net.lock);
	changed = m->net.changed;
	pthread_mutex_unlock(&m->net.lock);
	if (!changed || report_write(&m->net, &m->body) != MK_OK)
		return;
	if (m->host->publish(m->host, "mqtt/sources", m->body.data, (uint32_t)m->body.len, 0) !=
	    MK_OK) {
		pthread_mutex_lock(&m->net.lock);
		m->net.changed = true; /* in a second again */
		pthread_mutex_unlock(&m->net.lock);
	}
}

static void
mqtt_on_timer(void *self, uint32_t id)
{
	struct mqtt *m = self;

	if (id == TIMER_BATCH) {
		mqtt_flush(m);
		return;
	}
	net_tick(&m->net);
	inbox_wake(&m->inbox);
	if (!m->batch_due)
		mqtt_flush(m);
	if (m->ticks++ % REPORT_TICKS == 0)
		mqtt_report(m);
}

/* -------------------------------------------------------------------- life -- */

/* Eight random digits that are kept as long as the state is. */
static mk_result
installation_read(const mk_host *host, char id[9])
{
	char path[4096];
	uint32_t random = 0;
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/installation", host->dir(host, MK_DIR_STATE));
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd == -1)
		return MK_EIO;
	n = read(fd, id, 8);
	id[8] = '\0';
	if (n != 8 || strspn(id, "0123456789abcdef") != 8) {
		n = getrandom(&random, sizeof(random), 0);
		snprintf(id, 9, "%08x", random);
		n = n == (ssize_t)sizeof(random) ? pwrite(fd, id, 8, 0) : -1;
	}
	close(fd);
	return n == 8 ? MK_OK : MK_EIO;
}

static mk_result
mqtt_create(const mk_host *host, void **self)
{
	struct mqtt *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return MK_ENOMEM;
	m->host = host;
	mk_writer_init(&m->body, BODY_MAX);
	*self = m;
	return MK_OK;
}

static mk_result
mqtt_configure(struct mqtt *m)
{
	struct settings s;
	mk_result rc = settings_read(m->host, &s);

	if (rc != MK_OK)
		return rc;
	rc = net_configure(&m->net, &s);
	if (rc == MK_OK)
		inbox_set_limit(&m->inbox, s.buffer);
	settings_fini(&s);
	return rc;
}

static mk_result
mqtt_open(struct mqtt *m)
{
	mk_err err = { 0 };
	mk_result rc;

	rc = inbox_open(&m->inbox, m->host->dir(m->host, MK_DIR_STATE),
			(size_t)m->host->opt_int(m->host, "buffer"), &err);
	m->has_inbox = rc == MK_OK;
	if (rc != MK_OK)
		m->host->log(m->host, MK_LOG_ERROR, err.text);
	if (rc == MK_OK && m->inbox.damaged > 0)
		m->host->log(m->host, MK_LOG_WARN,
			     "the inbox ended in the middle of a message, as after a kill");
	if (rc == MK_OK)
		rc = net_init(&m->net, m->host, &m->inbox, mqtt_on_item, m);
	m->has_net = rc == MK_OK;
	if (rc == MK_OK)
		rc = installation_read(m->host, m->net.installation);
	return rc;
}

static mk_result
mqtt_start(void *self)
{
	struct mqtt *m = self;
	mk_result rc = mqtt_open(m);

	if (rc == MK_OK)
		rc = mqtt_configure(m);
	if (rc == MK_OK && m->host->opt_count(m->host, "sources") == 0)
		m->host->log(m->host, MK_LOG_WARN, "no sources are configured");
	if (rc == MK_OK)
		rc = m->host->timer(m->host, TIMER_TICK, TICK_US, TICK_US);
	if (rc == MK_OK)
		rc = m->host->spawn(m->host, "mqtt-net", net_run, &m->net);
	return rc;
}

static mk_result
mqtt_reconfigure(void *self)
{
	return mqtt_configure(self);
}

/* What comes until the last broker is disconnected stays in the inbox for the next start. */
static void
mqtt_stop(void *self)
{
	struct mqtt *m = self;

	inbox_end(&m->inbox);
	net_stop(&m->net);
	(void)mqtt_publish(m, SIZE_MAX);
}

static void
mqtt_destroy(void *self)
{
	struct mqtt *m = self;

	if (m->has_net)
		net_fini(&m->net);
	if (m->has_inbox)
		inbox_close(&m->inbox);
	mk_writer_fini(&m->body);
	free(m);
}

static const mk_topic mqtt_publishes[] = {
	{ .name = "rx/raw",
	  .flags = MK_TOPIC_DURABLE,
	  .max_body = BODY_MAX,
	  .help = "packets as observers heard them" },
	{ .name = "rx/status",
	  .flags = MK_TOPIC_DURABLE,
	  .max_body = BODY_MAX,
	  .help = "observers about themselves" },
	{ .name = "rx/client",
	  .flags = MK_TOPIC_DURABLE,
	  .max_body = BODY_MAX,
	  .help = "packets as phones heard them" },
	{ .name = "mqtt/sources",
	  .flags = MK_TOPIC_RETAINED,
	  .max_body = BODY_MAX,
	  .help = "state and counters of every broker" },
	{ .name = NULL },
};

static const char *const mqtt_capabilities[] = { "net", NULL };

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD,
	.flags = MK_PLUGIN_SINGLE,
	.id = "mqtt",
	.version = "1.0.0",
	.summary = "Takes what observers send to MQTT brokers",
	.license = "MIT",
	.author = "The meshkern authors",
	.publishes = mqtt_publishes,
	.options = settings_options,
	.capabilities = mqtt_capabilities,
	.check = settings_check,
	.create = mqtt_create,
	.start = mqtt_start,
	.on_timer = mqtt_on_timer,
	.reconfigure = mqtt_reconfigure,
	.stop = mqtt_stop,
	.destroy = mqtt_destroy,
};
