/* SPDX-License-Identifier: MIT
 *
 * sim publishes what the observers of a synthetic mesh hear, as the mqtt plugin does for real ones,
 * so that there is something to look at without a radio. Time in the mesh is the host's. When the
 * bus takes no more, the mesh waits: nothing is dropped, `stalls` counts.
 */
#include <stdlib.h>
#include <string.h>

#include <meshkern/codec.h>
#include <meshkern/plugin.h>

#include "sim.h"

#define BATCH_MAX 400         /* events in hand */
#define BODY_MAX (256u << 10) /* bytes of a message of so many */
#define BATCHES_MAX 4         /* in one callback */
#define TICK_US 20000         /* at least between two callbacks */
#define RETRY_US 50000        /* when the bus was busy */
#define LATE_US 1000000       /* when the machine is too slow for the rate */
#define NAIVE_S 900           /* a clock without zone is noticed from here on */
#define LIST_MAX 64

enum { TIMER_TICK = 1 };

static const char *const topics[] = {
	[SIM_RECEPTION] = "rx/raw", [SIM_STATUS] = "rx/status", [SIM_CLIENT] = "rx/client"
};
static const char *const counters[] = {
	[SIM_RECEPTION] = "receptions", [SIM_STATUS] = "statuses", [SIM_CLIENT] = "clients"
};
#define KINDS 3

struct sim_plugin {
	const mk_host *host; /* borrowed, valid until destroy() */
	struct sim *sim;
	const struct sim_event *next; /* not in the batch yet */
	mk_writer body;
	struct sim_event batch[BATCH_MAX];
	uint32_t count, kind;   /* in the batch; kinds below that are published */
	int64_t wall_minus_now; /* of the host's two clocks */
	uint64_t stalled_us;    /* since when, 0 not */
};

static mk_result
plugin_create(const mk_host *host, void **self)
{
	struct sim_plugin *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return MK_ENOMEM;
	p->host = host;
	mk_writer_init(&p->body, BODY_MAX);
	*self = p;
	return MK_OK;
}

static void
plugin_destroy(void *self)
{
	struct sim_plugin *p = self;

	sim_free(p->sim);
	mk_writer_fini(&p->body);
	free(p);
}

/* ------------------------------------------------------------- publishing -- */

static void
plugin_put_head(struct sim_plugin *p, const struct sim_event *e, const struct sim_party *who,
		uint32_t fields)
{
	bool skewed = who->naive && abs(who->zone_s) > NAIVE_S && e->kind != SIM_CLIENT;

	mk_put_map(&p->body, fields + 3 + skewed);
	mk_kv_u64(&p->body, "at", e->at_us);
	mk_kv_str(&p->body, "feed", p->host->name(p->host));
	mk_kv_str(&p->body, "name", who->name);
	if (skewed)
		mk_kv_i64(&p->body, "skew", who->zone_s);
}

static void
plugin_put_signal(struct sim_plugin *p, const struct sim_event *e)
{
	mk_kv_bin(&p->body, "raw", e->raw, e->len);
	mk_kv_f64(&p->body, "snr", e->snr4 / 4.0);
	mk_kv_f64(&p->body, "rssi", e->rssi);
}

static void
plugin_put_reception(struct sim_plugin *p, const struct sim_event *e)
{
	const struct sim_party *who = sim_observer(p->sim, e->who);

	plugin_put_head(p, e, who, 7);
	mk_kv_str(&p->body, "region", who->region);
	mk_kv_str(&p->body, "observer", who->id);
	plugin_put_signal(p, e);
	mk_kv_f64(&p->body, "score", (e->snr4 + 40) * 10.0);
	mk_kv_str(&p->body, "direction", "rx");
}

static void
plugin_put_status(struct sim_plugin *p, const struct sim_event *e)
{
	const struct sim_party *who = sim_observer(p->sim, e->who);
	const struct sim_vitals *v = &e->vitals;
	mk_writer *w = &p->body;

	plugin_put_head(p, e, who, 15);
	mk_kv_str(w, "region", who->region);
	mk_kv_str(w, "observer", who->id);
	mk_kv_str(w, "model", who->model);
	mk_kv_str(w, "firmware", who->firmware);
	mk_kv_str(w, "client_version", "meshsim/1");
	mk_kv_str(w, "radio", "869.618,62.5,8,5");
	mk_kv_i64(w, "battery_mv", v->battery_mv);
	mk_kv_i64(w, "uptime_secs", v->uptime_s);
	mk_kv_i64(w, "tx_air_secs", v->tx_air_s);
	mk_kv_i64(w, "rx_air_secs", v->rx_air_s);
	mk_kv_i64(w, "recv_errors", v->errors);
	mk_kv_i64(w, "packets_sent", v->sent);
	mk_kv_i64(w, "packets_recv", v->received);
	mk_kv_f64(w, "noise_floor", v->noise_dbm);
	mk_kv_bool(w, "repeat", who->repeats);
}

static void
plugin_put_client(struct sim_plugin *p, const struct sim_event *e)
{
	const struct sim_party *who = sim_phone(p->sim, e->who);

	plugin_put_head(p, e, who, 8);
	mk_kv_str(&p->body, "companion", who->id);
	plugin_put_signal(p, e);
	mk_kv_f64(&p->body, "lat", e->lat_e6 / 1e6);
	mk_kv_f64(&p->body, "lon", e->lon_e6 / 1e6);
	mk_kv_f64(&p->body, "acc_m", e->acc_m);
	mk_kv_i64(&p->body, "rx_at", (int64_t)(e->at_us / 1000000));
}

/* One message with all of a kind that is in hand. */
static mk_result
plugin_publish(struct sim_plugin *p, uint32_t kind)
{
	static void (*const put[])(struct sim_plugin *,
				   const struct sim_event *) = { [SIM_RECEPTION] =
								     plugin_put_reception,
								 [SIM_STATUS] = plugin_put_status,
								 [SIM_CLIENT] = plugin_put_client };
	uint32_t items = 0;
	mk_result r;

	for (uint32_t i = 0; i < p->count; i++)
		items += p->batch[i].kind == kind;
	if (items == 0)
		return MK_OK;
	mk_writer_reset(&p->body);
	mk_put_map(&p->body, 1);
	mk_kv_array(&p->body, "items", items);
	for (uint32_t i = 0; i < p->count; i++) {
		if (p->batch[i].kind == kind)
			put[kind](p, &p->batch[i]);
	}
	r = mk_writer_end(&p->body);
	if (r == MK_OK)
		r = p->host->publish(p->host, topics[kind], p->body.data, (uint32_t)p->body.len, 0);
	if (r == MK_OK)
		p->host->count(p->host, counters[kind], items);
	return r;
}

/* Everything in hand, or as much as the bus takes; the rest stays. */
static mk_result
plugin_flush(struct sim_plugin *p)
{
	for (; p->kind < KINDS; p->kind++) {
		mk_result r = plugin_publish(p, p->kind);

		if (r != MK_OK)
			return r;
	}
	p->kind = 0;
	p->count = 0;
	return MK_OK;
}

/* ------------------------------------------------------------------- time -- */

static uint64_t
plugin_time(const struct sim_plugin *p)
{
	return p->host->now_us(p->host) + (uint64_t)p->wall_minus_now;
}

/* The mesh lives by the host's wall clock, and jumps with it. */
static void
plugin_follow_clock(struct sim_plugin *p)
{
	int64_t apart = (int64_t)(p->host->wall_us(p->host) - p->host->now_us(p->host));
	int64_t jump = apart - p->wall_minus_now;

	if (jump > -LATE_US && jump < LATE_US)
		return;
	p->wall_minus_now = apart;
	sim_shift(p->sim, jump);
}

static void
plugin_stall(struct sim_plugin *p, mk_result why)
{
	p->host->count(p->host, "stalls", 1);
	if (p->stalled_us == 0) {
		p->stalled_us = p->host->now_us(p->host);
		if (why != MK_EAGAIN && why != MK_EFULL)
			p->host->log(p->host, MK_LOG_ERROR, mk_result_text(why));
	}
	p->host->timer(p->host, TIMER_TICK, RETRY_US, 0);
}

static void
plugin_resume(struct sim_plugin *p)
{
	uint64_t us = p->host->now_us(p->host) - p->stalled_us;

	p->stalled_us = 0;
	p->host->count(p->host, "stalled_ms", (int64_t)(us / 1000));
	sim_shift(p->sim, (int64_t)us);
}

/* Take what is due, in batches. */
static mk_result
plugin_run(struct sim_plugin *p)
{
	for (uint32_t i = 0; i < BATCHES_MAX; i++) {
		uint64_t now_us = plugin_time(p);
		mk_result r;

		while (p->next != NULL && p->next->at_us <= now_us && p->count < BATCH_MAX) {
			p->batch[p->count++] = *p->next;
			p->next = sim_next(p->sim);
		}
		if (p->next == NULL)
			return MK_ENOMEM;
		if (p->count == 0)
			break;
		r = plugin_flush(p);
		if (r != MK_OK)
			return r;
	}
	return MK_OK;
}

static void
plugin_on_timer(void *self, uint32_t id)
{
	struct sim_plugin *p = self;
	uint64_t now_us, wait_us = TICK_US;
	mk_result r;

	(void)id;            /* there is only one */
	r = plugin_flush(p); /* what was refused the last time */
	if (r == MK_OK) {
		if (p->stalled_us > 0)
			plugin_resume(p);
		plugin_follow_clock(p);
		r = plugin_run(p);
	}
	if (p->next == NULL) {
		p->host->log(p->host, MK_LOG_ERROR, "the mesh has ended: out of memory");
		return;
	}
	if (r != MK_OK) {
		plugin_stall(p, r);
		return;
	}
	now_us = plugin_time(p);
	if (p->next->at_us > now_us + TICK_US)
		wait_us = p->next->at_us - now_us;
	else if (p->next->at_us <= now_us)
		wait_us = 0;
	if (p->next->at_us + LATE_US < now_us) {
		p->host->count(p->host, "late_ms", (int64_t)(now_us - p->next->at_us) / 1000);
		sim_shift(p->sim, (int64_t)(now_us - p->next->at_us));
	}
	/* The host's clock may jump: it is looked at once a second. */
	p->host->timer(p->host, TIMER_TICK, wait_us < LATE_US ? wait_us : LATE_US, 0);
}

/* ------------------------------------------------------------------- life -- */

/* A list option as sim_options has it; `out` has room for LIST_MAX + 1. */
static const char *const *
plugin_list(const mk_host *host, const char *name, const char **out)
{
	uint32_t count = host->opt_count(host, name);

	for (uint32_t i = 0; i < count; i++) {
		char path[32];

		snprintf(path, sizeof(path), "%s[%u]", name, (unsigned)i);
		out[i] = host->opt_str(host, path);
	}
	out[count] = NULL;
	return out;
}

static void
plugin_options(const mk_host *host, struct sim_options *o, const char **regions,
	       const char **scopes)
{
	*o = sim_defaults;
	o->seed = (uint64_t)host->opt_int(host, "seed");
	o->nodes = (uint32_t)host->opt_int(host, "nodes");
	o->observers = (uint32_t)host->opt_int(host, "observers");
	o->phones = (uint32_t)host->opt_int(host, "phones");
	o->rate = host->opt_float(host, "rate");
	o->lat = host->opt_float(host, "latitude");
	o->lon = host->opt_float(host, "longitude");
	o->damaged = host->opt_float(host, "damaged");
	o->spoiled = host->opt_float(host, "spoiled");
	o->repeated = host->opt_float(host, "repeated");
	o->forged = host->opt_float(host, "forged");
	o->regions = plugin_list(host, "regions", regions);
	o->scopes = plugin_list(host, "scopes", scopes);
}

static mk_result
plugin_check(const mk_host *config, char *why, uint32_t why_len)
{
	const char *regions[LIST_MAX + 1], *scopes[LIST_MAX + 1];
	struct sim_options o;
	mk_err err;
	mk_result r;

	plugin_options(config, &o, regions, scopes);
	r = sim_check(&o, &err);
	if (r != MK_OK)
		snprintf(why, why_len, "%s", err.text);
	return r;
}

static mk_result
plugin_start(void *self)
{
	struct sim_plugin *p = self;
	const char *regions[LIST_MAX + 1], *scopes[LIST_MAX + 1];
	struct sim_options o;
	mk_err err;
	mk_result r;

	plugin_options(p->host, &o, regions, scopes);
	o.start_us = p->host->wall_us(p->host);
	p->wall_minus_now = (int64_t)(o.start_us - p->host->now_us(p->host));
	r = sim_new(&o, &p->sim, &err);
	if (r != MK_OK) {
		p->host->log(p->host, MK_LOG_ERROR, err.text);
		return r;
	}
	p->next = sim_next(p->sim);
	if (p->next == NULL)
		return MK_ENOMEM;
	p->host->gauge(p->host, "nodes", o.nodes);
	return p->host->timer(p->host, TIMER_TICK, TICK_US, 0);
}

static mk_result
plugin_reconfigure(void *self)
{
	struct sim_plugin *p = self;

	return sim_set_rate(p->sim, p->host->opt_float(p->host, "rate"));
}

static void
plugin_stop(void *self)
{
	struct sim_plugin *p = self;

	if (plugin_flush(p) == MK_OK)
		return;
	p->host->count(p->host, "unsent", p->count);
	p->host->log(p->host, MK_LOG_WARN, "the bus did not take the last receptions");
}

/* clang-format off */
static const mk_topic publishes[] = {
	{ .name = "rx/raw", .flags = MK_TOPIC_DURABLE, .max_body = BODY_MAX,
	  .help = "what observers heard" },
	{ .name = "rx/status", .flags = MK_TOPIC_DURABLE, .max_body = BODY_MAX,
	  .help = "what observers say about themselves" },
	{ .name = "rx/client", .flags = MK_TOPIC_DURABLE, .max_body = BODY_MAX,
	  .help = "what phones heard on their way" },
	{ .name = NULL },
};

static const mk_option options[] = {
	{ .name = "nodes", .help = "nodes of the mesh",
	  .type = MK_OPT_INT, .min = 2, .max = SIM_NODES_MAX, .dflt = "60" },
	{ .name = "observers", .help = "how many of them report what they hear; no more than nodes",
	  .type = MK_OPT_INT, .min = 1, .max = SIM_OBSERVERS_MAX, .dflt = "12" },
	{ .name = "phones", .help = "phones that drive from town to town",
	  .type = MK_OPT_INT, .min = 0, .max = SIM_PHONES_MAX, .dflt = "3" },
	{ .name = "seed", .help = "another seed, another mesh",
	  .type = MK_OPT_INT, .min = 0, .max = INT64_MAX, .dflt = "1" },
	{ .name = "rate", .help = "receptions a second",
	  .type = MK_OPT_FLOAT, .min = 1, .max = SIM_RATE_MAX, .dflt = "5", .flags = MK_OPT_LIVE },
	{ .name = "latitude", .help = "of the middle of the towns",
	  .type = MK_OPT_FLOAT, .min = -80, .max = 80, .dflt = "50.95" },
	{ .name = "longitude", .help = "of the middle of the towns",
	  .type = MK_OPT_FLOAT, .min = -177, .max = 177, .dflt = "4.35" },
	{ .name = "regions", .help = "airport codes of the observers, from west to east",
	  .type = MK_OPT_LIST, .min = 1, .max = LIST_MAX, .dflt = "[OST, BRU, ANR, LGG]" },
	{ .name = "scopes", .help = "regions that some people limit their floods to: up to two",
	  .type = MK_OPT_LIST, .min = 0, .max = 2, .dflt = "[belgium, vlaanderen]" },
	{ .name = "damaged", .help = "share of receptions with a wrong bit",
	  .type = MK_OPT_FLOAT, .min = 0, .max = 1, .dflt = "0.002" },
	{ .name = "spoiled", .help = "share of floods that a relay sends on with wrong bits",
	  .type = MK_OPT_FLOAT, .min = 0, .max = 1, .dflt = "0" },
	{ .name = "repeated", .help = "share of receptions that arrives twice",
	  .type = MK_OPT_FLOAT, .min = 0, .max = 1, .dflt = "0.01" },
	{ .name = "forged", .help = "share of packets that are adverts with a wrong signature",
	  .type = MK_OPT_FLOAT, .min = 0, .max = 1, .dflt = "0.005" },
	{ .name = NULL },
};
/* clang-format on */

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD,
	.id = "sim",
	.version = "1.0.0",
	.summary = "A synthetic mesh, for demonstrations, load and tests",
	.license = "MIT",
	.author = "The meshkern authors",
	.publishes = publishes,
	.options = options,
	.check = plugin_check,
	.create = plugin_create,
	.start = plugin_start,
	.on_timer = plugin_on_timer,
	.reconfigure = plugin_reconfigure,
	.stop = plugin_stop,
	.destroy = plugin_destroy,
};
