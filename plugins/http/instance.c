/* SPDX-License-Identifier: MIT
 *
 * The plugin's thread: messages into the model and the ring, numbers out.
 */
#include "http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <meshkern/manifest.h>

#include "read/read.h"
#include "routes/bus_past.h"
#include "server/tap.h"

#define RING_ENTRIES 16384u

const char *const http_topics[] = { "core/",        "packet/stored",
				    "node/changed", "observer/changed",
				    "snapshot/",    "backfill/progress",
				    "storage/",     "mqtt/sources",
				    "decode/area",  NULL };

/* Topics whose last value is kept, and the part of the model that it is. */
static const struct {
	const char *topic;
	uint32_t part;
} http_kept[] = {
	{ "snapshot/", MODEL_SNAPSHOTS },
	{ "core/plugins", MODEL_PLUGINS },
	{ "core/stats", MODEL_STATS },
	{ "storage/state", MODEL_STORAGE },
	{ "storage/stats", MODEL_STORAGE },
	{ "storage/backfills", MODEL_STORAGE },
	{ "backfill/progress", MODEL_SNAPSHOTS },
	{ "mqtt/sources", MODEL_MQTT },
	{ "decode/area", MODEL_AREA },
};

static const struct route *const http_tables[] = { bus_routes,
						   health_routes,
						   act_routes,
						   metrics_routes,
						   page_routes,
						   overview_routes,
						   config_routes,
						   stats_routes,
						   perf_routes,
						   misc_routes,
						   spec_routes,
						   admin_routes,
						   packet_routes,
						   set_routes,
						   web_plugin_routes,
						   web_compare_routes,
						   web_map_routes,
						   web_link_routes,
						   web_evidence_routes,
						   web_tiles_routes,
						   node_routes,
						   node_one_routes,
						   node_health_routes,
						   observer_routes,
						   observer_metrics_routes,
						   channel_routes,
						   hop_routes,
						   inspect_routes,
						   graph_routes,
						   affinity_routes,
						   analytics_routes,
						   NULL };

mk_result
http_new(const mk_host *host, struct http **out)
{
	struct http *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return MK_ENOMEM;
	h->host = host;
	h->started_us = host->now_us(host);
	h->io.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	h->prunes.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	retained_init(&h->retained);
	h->has_model = model_init(&h->model) == MK_OK;
	h->past = bus_past_new();
	if (!h->has_model || h->past == NULL) {
		http_free(h);
		return MK_ENOMEM;
	}
	*out = h;
	return MK_OK;
}

void
http_free(struct http *h)
{
	httpd_free(h->server);
	read_free(h->read);
	http_settings_unref(h->settings);
	tap_free(h->tap);
	bus_past_free(h->past);
	ring_free(h->ring);
	retained_fini(&h->retained);
	for (uint32_t i = 0; i < HTTP_GAPS; i++)
		event_unref(h->gaps[i]);
	if (h->has_model)
		model_fini(&h->model);
	free((void *)(uintptr_t)h->area.points);
	for (uint32_t i = 0; i < HTTP_PRUNES; i++)
		free(h->prunes.at[i].nodes);
	free(h);
}

/* To the live clients. Takes the event. */
static void
http_show(void *arg, struct event *e)
{
	struct http *h = arg;
	struct httpd_stats stats;

	ring_put(h->ring, e);
	httpd_get_stats(h->server, &stats);
	if (stats.clients > 0)
		httpd_wake(h->server);
}

static mk_result
http_start_read(struct http *h, struct settings *settings, mk_err *err)
{
	struct read_config config = {
		.host = h->host,
		.model = &h->model,
		.max_bytes = settings->memory_bytes,
		.node_blacklist = settings->node_blacklist,
		.observer_blacklist = settings->observer_blacklist,
		.hidden_prefixes = settings->hidden_names,
	};

	h->settings = http_settings_ref(settings);
	if (read_new(&h->read, &config) != MK_OK)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	flow_init(&h->flow, h->host, &h->model, h->read);
	return MK_OK;
}

mk_result
http_start(struct http *h)
{
	struct httpd_config config = {
		.host = h->host,
		.tables = http_tables,
		.model = &h->model,
		.retained = &h->retained,
		.context = h,
		.page = page_text,
		.topics = http_topics,
	};
	mk_err err = { 0 };
	mk_result rc = http_settings_read(h->host, &config.settings, &err);

	if (rc == MK_OK)
		rc = http_start_read(h, config.settings, &err);
	if (rc == MK_OK) {
		h->ring = config.ring = ring_new(RING_ENTRIES, config.settings->ring_bytes);
		h->retained.ring = h->ring;
		h->tap = config.tap = tap_new(h->host, http_topics, http_show, h);
		rc = h->ring == NULL || h->tap == NULL
			 ? mk_err_set(&err, MK_ENOMEM, "out of memory")
			 : httpd_new(&h->server, &config, &err);
		http_settings_unref(config.settings);
	}
	if (rc == MK_OK)
		rc = httpd_start(h->server, &err);
	if (rc == MK_OK)
		rc = h->host->timer(h->host, 0, 1000000, 1000000);
	if (rc != MK_OK)
		h->host->log(h->host, MK_LOG_ERROR,
			     err.text[0] != '\0' ? err.text : mk_result_text(rc));
	return rc;
}

mk_result
http_reconfigure(struct http *h)
{
	struct settings *settings;
	mk_err err = { 0 };
	mk_result rc = http_settings_read(h->host, &settings, &err);

	if (rc != MK_OK) {
		h->host->log(h->host, MK_LOG_ERROR, err.text);
		return rc;
	}
	httpd_set_settings(h->server, settings);
	model_write(&h->model);
	model_write_end(&h->model, UINT32_MAX); /* any answer may be another now */
	http_settings_unref(settings);
	return MK_OK;
}

/* ------------------------------------------------------------- messages -- */

static uint32_t
http_part(const char *topic)
{
	for (size_t i = 0; i < sizeof(http_kept) / sizeof(http_kept[0]); i++)
		if (mk_topic_covers(http_kept[i].topic, topic))
			return http_kept[i].part;
	return 0;
}

static void
http_note_state(struct http *h, const struct event *e)
{
	char state[16] = "";
	mk_doc doc;

	mk_doc_init(&doc);
	if (mk_doc_open(&doc, e->body, e->len, NULL, NULL, 0) == MK_OK)
		mk_copy_str(mk_find(mk_doc_root(&doc), "state"), state, sizeof(state));
	httpd_set_ready(h->server, strcmp(state, "ready") == 0);
	mk_doc_fini(&doc);
}

static void
http_keep(struct http *h, struct event *e)
{
	bool gap = strcmp(e->topic, "core/gap") == 0;
	uint32_t part = gap ? MODEL_STATS : http_part(e->topic);

	if (part == 0)
		return;
	model_write(&h->model);
	if (gap) {
		struct event **at = &h->gaps[h->gap_count++ % HTTP_GAPS];

		event_unref(*at);
		*at = event_ref(e);
	} else {
		retained_put(&h->retained, e);
		if (part == MODEL_STATS || part == MODEL_PLUGINS)
			bus_past_note(h->past, e);
		if (part == MODEL_AREA)
			config_note_area(h, e);
	}
	model_write_end(&h->model, part);
	if (strcmp(e->topic, "storage/state") == 0)
		http_note_state(h, e);
}

/* Who has posted a packet wants to know its id. */
static void
http_tell_stored(struct http *h, const mk_msg *msg)
{
	const mk_val *items;
	mk_writer w;
	mk_doc doc;

	mk_doc_init(&doc);
	mk_writer_init(&w, 64);
	if (mk_doc_open(&doc, msg->body, msg->body_len, NULL, NULL, 0) == MK_OK) {
		items = mk_find(mk_doc_root(&doc), "items");
		for (uint32_t i = 0; i < mk_count(items); i++) {
			char hash[17], key[32];
			int64_t id;

			if (!mk_copy_str(mk_find(mk_at(items, i), "hash"), hash, sizeof(hash)) ||
			    !mk_get_i64(mk_find(mk_at(items, i), "tx"), &id))
				continue;
			mk_writer_reset(&w);
			mk_put_map(&w, 1);
			mk_kv_i64(&w, "id", id);
			(void)snprintf(key, sizeof(key), "packet/%s", hash);
			httpd_tell(h->server, key, w.data, (uint32_t)w.len);
		}
	}
	mk_writer_fini(&w);
	mk_doc_fini(&doc);
}

void
http_on_msg(struct http *h, const mk_msg *msg)
{
	struct event *e;

	flow_on_msg(&h->flow, msg);
	read_on_msg(h->read, msg);
	if (msg->body != NULL && strcmp(msg->topic, "packet/stored") == 0 &&
	    httpd_is_waited(h->server))
		http_tell_stored(h, msg);
	if ((msg->flags & MK_MSG_GAP) != 0) {
		/* Clients see it in the sequence; a value with lost deltas is marked. */
		model_write(&h->model);
		retained_gap(&h->retained, msg->topic);
		model_write_end(&h->model, http_part(msg->topic));
		return;
	}
	e = event_new(msg);
	if (e == NULL) {
		h->host->count(h->host, "out_of_memory", 1);
		return;
	}
	http_keep(h, e);
	/* What was there before is among the retained values already. */
	if ((msg->flags & MK_MSG_RETAINED) != 0) {
		event_unref(e);
		return;
	}
	http_show(h, e);
}

static uint64_t
http_rss(void)
{
	unsigned long size, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f == NULL)
		return 0;
	if (fscanf(f, "%lu %lu", &size, &resident) != 2)
		resident = 0;
	fclose(f);
	return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

void
http_on_fd(struct http *h)
{
	tap_on_fd(h->tap);
}

void
http_on_timer(struct http *h)
{
	const mk_host *host = h->host;
	struct tap_stats tap;
	struct httpd_stats s;

	health_tick(h);
	if (read_on_timer(h->read))
		httpd_tell(h->server, READ_WARM, NULL, 0);
	httpd_on_timer(h->server);
	tap_on_timer(h->tap);
	flow_on_timer(&h->flow);
	httpd_get_stats(h->server, &s);
	atomic_store(&h->rss_bytes, http_rss());
	host->gauge(host, "connections", s.connections);
	host->gauge(host, "clients", s.clients);
	host->gauge(host, "requests", (int64_t)s.requests);
	host->gauge(host, "errors", (int64_t)s.errors);
	host->gauge(host, "refused", (int64_t)s.refused);
	host->gauge(host, "limited", (int64_t)s.limited);
	host->gauge(host, "timeouts", (int64_t)s.timeouts);
	host->gauge(host, "cache_hits", (int64_t)s.cache_hits);
	host->gauge(host, "cache_bytes", (int64_t)s.cache_bytes);
	host->gauge(host, "events_sent", (int64_t)s.events_sent);
	host->gauge(host, "events_lost", (int64_t)s.events_lost);
	host->gauge(host, "clients_refused", (int64_t)s.clients_refused);
	host->gauge(host, "clients_dropped", (int64_t)s.clients_dropped);
	host->gauge(host, "ring_bytes", (int64_t)ring_bytes(h->ring));
	host->gauge(host, "port", httpd_port(h->server, 0));
	host->gauge(host, "values_refused", (int64_t)h->retained.refused);
	tap_get_stats(h->tap, &tap);
	host->gauge(host, "inspected", (int64_t)tap.messages);
	host->gauge(host, "inspected_lost", (int64_t)tap.lost);
}

void
http_stop(struct http *h)
{
	atomic_store(&h->flow.stop, true);
	read_stop(h->read);
	tap_stop(h->tap);
	httpd_stop(h->server);
}

const mk_val *
http_last(const struct http *h, const char *topic, mk_doc *doc)
{
	const struct retained_topic *t = retained_find(&h->retained, topic);

	mk_doc_init(doc);
	if (t == NULL || t->base == NULL ||
	    mk_doc_open(doc, t->base->body, t->base->len, NULL, NULL, 0) != MK_OK)
		return NULL;
	return mk_doc_root(doc);
}
