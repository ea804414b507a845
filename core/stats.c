/* SPDX-License-Identifier: MIT
 *
 * What the daemon says about itself: the maps behind `meshkern status`, `plugins` and `stats`,
 * core/plugins and core/stats.
 */
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "core.h"
#include "plug.h"

#define STATS_COUNTERS 6u

void
core_write_status(struct core *c, mk_writer *w)
{
	uint32_t running = 0, starting = 0, failed = 0, disabled = 0;
	uint64_t delivered = 0, gaps = 0, lost = 0;

	for (const struct plug *p = c->plugs; p != NULL; p = p->next) {
		running += p->state == PLUG_RUNNING;
		starting += p->state == PLUG_STARTING || p->state == PLUG_DRAINING;
		failed += p->state == PLUG_BACKOFF || p->state == PLUG_QUARANTINED ||
			  p->state == PLUG_STUCK;
		disabled += p->state == PLUG_DISABLED;
		delivered += p->seat->out_messages;
		gaps += p->seat->gaps;
		lost += p->seat->lost;
	}
	mk_put_map(w, 10);
	mk_kv_str(w, "version", MK_VERSION);
	mk_kv_u64(w, "pid", (uint64_t)getpid());
	mk_kv_u64(w, "epoch", c->hub->stream.epoch);
	mk_kv_u64(w, "uptime_us", clock_now_us() - c->started_us);
	mk_kv_str(w, "config", c->file);
	mk_kv_str(w, "data_dir", c->plan->settings->data_dir);
	mk_kv_str(w, "state", c->stop_by != 0 ? "stopping" : "running");
	mk_kv_u64(w, "rss_bytes", child_rss(getpid()));
	mk_kv_map(w, "plugins", 4);
	mk_kv_u64(w, "running", running);
	mk_kv_u64(w, "starting", starting);
	mk_kv_u64(w, "failed", failed);
	mk_kv_u64(w, "disabled", disabled);
	mk_kv_map(w, "bus", 5);
	mk_kv_u64(w, "published", c->hub->published);
	mk_kv_u64(w, "delivered", delivered);
	mk_kv_u64(w, "refused", c->hub->refused);
	mk_kv_u64(w, "gaps", gaps);
	mk_kv_u64(w, "lost", lost);
}

static void
stats_outbox(mk_writer *w, const struct plug *p)
{
	static const char *const keys[] = { "first",     "last",    "bytes",
					    "max_bytes", "refused", "damaged" };

	if (!p->has_outbox) {
		mk_kv_nil(w, "outbox");
		return;
	}
	mk_kv_map(w, "outbox", 6);
	for (int i = 0; i < 6; i++)
		mk_kv_u64(w, keys[i], p->outbox[i]);
}

/* STATS_COUNTERS pairs. */
static void
stats_counters(mk_writer *w, const struct plug *p)
{
	const struct seat *seat = p->seat;
	const struct vitals *v = p->run.vitals;

	mk_kv_u64(w, "in", seat->in_messages);
	mk_kv_u64(w, "out", seat->out_messages);
	mk_kv_u64(w, "refused", seat->refused + (v != NULL ? atomic_load(&v->refused) : 0));
	mk_kv_u64(w, "gaps", seat->gaps);
	mk_kv_u64(w, "lost", seat->lost);
	mk_kv_u64(w, "lag", reader_lag(&p->seat->sent));
}

static void
stats_plugin(mk_writer *w, const struct plug *p)
{
	const mk_manifest *m = p->item->manifest;
	const struct plugin_settings *s = p->item->settings;
	const struct vitals *v = p->run.vitals;
	uint32_t callback = v == NULL ? VITALS_NONE : atomic_load(&v->callback);
	bool inproc = v != NULL ? p->inproc : s->isolation == ISOLATION_INPROC;

	mk_put_map(w, 25 + STATS_COUNTERS);
	mk_kv_str(w, "name", p->name);
	mk_kv_str(w, "plugin", s->plugin);
	mk_kv_str(w, "version", m != NULL ? m->version : "");
	mk_kv_str(w, "summary", m != NULL ? m->summary : "");
	mk_kv_str(w, "state", plug_state_text(p->state));
	mk_kv_str(w, "reason", p->reason);
	mk_kv_str(w, "isolation", inproc ? "inproc" : "process");
	mk_kv_u64(w, "pid", (uint64_t)p->run.child.pid);
	mk_kv_u64(w, "since_us", p->state_us);
	mk_kv_u64(w, "restarts", p->starts > 0 ? p->starts - 1 : 0);
	mk_kv_u64(w, "crashes", p->crashes);
	mk_kv_str(w, "path", s->path);
	mk_kv_bool(w, "builtin", s->builtin);
	mk_kv_bool(w, "enabled", p->wanted);
	mk_kv_u64(w, "rss_bytes", child_rss(p->run.child.pid));
	mk_kv_topics(w, "subscribes", m != NULL ? m->subscribes : NULL);
	mk_kv_topics(w, "publishes", m != NULL ? m->publishes : NULL);
	mk_kv_u64(w, "misbehaved", p->misbehaved);
	mk_kv_str(w, "last_misbehaviour", p->misbehaviour);
	mk_kv_u64(w, "throttled", p->seat->throttled);
	stats_counters(w, p);
	stats_outbox(w, p);
	mk_kv_map(w, "numbers", p->number_count);
	for (uint32_t i = 0; i < p->number_count; i++)
		mk_kv_i64(w, p->numbers[i].name, p->numbers[i].value);
	mk_kv_str(w, "callback", vitals_text(callback));
	mk_kv_u64(w, "callback_us",
		  callback == VITALS_NONE ? 0 : clock_now_us() - atomic_load(&v->since_us));
	mk_kv_i64(w, "landlock", v == NULL ? -1 : atomic_load(&v->landlock));
}

void
core_write_plugins(struct core *c, mk_writer *w)
{
	uint32_t n = 0;

	for (const struct plug *p = c->plugs; p != NULL; p = p->next)
		n++;
	mk_put_map(w, 1);
	mk_kv_array(w, "items", n);
	for (const struct plug *p = c->plugs; p != NULL; p = p->next)
		stats_plugin(w, p);
}

static void
stats_ring(mk_writer *w, const struct hub *h, int which)
{
	const struct ring *r = &h->stream.rings[which];

	mk_kv_map(w, which == RING_RELIABLE ? "reliable" : "latest", 7);
	mk_kv_u64(w, "messages", r->count);
	mk_kv_u64(w, "bytes", r->bytes);
	mk_kv_u64(w, "max_messages", r->max_messages);
	mk_kv_u64(w, "max_bytes", r->max_bytes);
	mk_kv_u64(w, "evicted", r->evicted);
	mk_kv_u64(w, "superseded", r->hollow);
	mk_kv_u64(w, "pushed_back_us",
		  which == RING_LATEST
		      ? 0
		      : h->pushed_back_us + (h->over_us != 0 ? clock_now_us() - h->over_us : 0));
}

static bool
stats_publishes(const struct plug *p, const char *topic)
{
	return p->item->manifest != NULL &&
	       mk_topic_lookup(p->item->manifest->publishes, topic) != NULL;
}

static void
stats_names(struct core *c, mk_writer *w, const struct topic *t, bool publishers)
{
	const char *names[64];
	uint32_t n = 0;

	for (struct plug *p = c->plugs; p != NULL && n < 64; p = p->next)
		if (publishers ? stats_publishes(p, t->name) : reader_matches(&p->seat->sent, t))
			names[n++] = p->name;
	mk_kv_strs(w, publishers ? "publishers" : "subscribers", n, names);
}

static void
stats_topic(struct core *c, mk_writer *w, const struct topic *t)
{
	mk_put_map(w, 7);
	mk_kv_str(w, "name", t->name);
	mk_kv_str(w, "class", topic_class(t));
	mk_kv_u64(w, "seq", t->seq);
	mk_kv_u64(w, "bytes", t->bytes);
	mk_kv_u64(w, "first", t->first);
	stats_names(c, w, t, true);
	stats_names(c, w, t, false);
}

void
core_write_stats(struct core *c, mk_writer *w)
{
	const struct topics *topics = &c->hub->stream.topics;
	struct outside_stats outside;
	uint32_t n = 0;

	for (const struct plug *p = c->plugs; p != NULL; p = p->next)
		n++;
	outside_get_stats(c->outside, &outside);
	mk_put_map(w, 11);
	mk_kv_u64(w, "uptime_us", clock_now_us() - c->started_us);
	mk_kv_u64(w, "rss_bytes", child_rss(getpid()));
	mk_kv_u64(w, "cpu_us", clock_cpu_us());
	mk_kv_u64(w, "published", c->hub->published);
	mk_kv_u64(w, "refused", c->hub->refused);
	mk_kv_map(w, "ring", 2);
	stats_ring(w, c->hub, RING_LATEST);
	stats_ring(w, c->hub, RING_RELIABLE);
	mk_kv_array(w, "topics", topics->count);
	for (uint32_t i = 0; i < topics->count; i++)
		stats_topic(c, w, topics->at[i]);
	mk_kv_array(w, "instances", n);
	for (const struct plug *p = c->plugs; p != NULL; p = p->next) {
		mk_put_map(w, 1 + STATS_COUNTERS);
		mk_kv_str(w, "name", p->name);
		stats_counters(w, p);
	}
	mk_kv_map(w, "outside", 5);
	mk_kv_u64(w, "clients", outside.clients);
	mk_kv_u64(w, "published", outside.published);
	mk_kv_u64(w, "replayed", outside.replayed);
	mk_kv_u64(w, "requests", outside.requests);
	mk_kv_u64(w, "refused", outside.refused);
	mk_kv_map(w, "calls", 2);
	mk_kv_u64(w, "open", c->hub->call_count);
	mk_kv_u64(w, "timeouts", c->hub->call_timeouts);
	mk_kv_u64(w, "log_dropped", log_dropped());
}
