/* SPDX-License-Identifier: MIT */
#include "relays.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "grow.h"

#define HOUR_S 3600
#define PUBLISH_S 60
#define AXES_S 300     /* at most this often, if the graph has changed */
#define SLICE_US 4000u /* for the axes, before somebody else has a turn */

struct axes_job { /* outlives the module if need be: it waits at the host */
	struct relays *owner;
	struct axes *axes;
	uint32_t *ids; /* of the nodes of the graph */
	uint32_t count;
};

struct relays {
	struct frame *frame;
	struct trails trails;
	/* By id. */
	struct relay_axes {
		double bridge, coverage, redundancy;
	} * axes;
	uint32_t axes_cap;
	struct axes_job *job;
	bool has_axes, stale;
	int64_t axes_at, published_at;
	uint64_t serial, sent; /* of the last publication: a number, and its contents mixed */
	mk_writer body, rows;
};

/* --------------------------------------------------------------- activity -- */

static void
relay_add_scope(const struct frame *f, struct relay_activity *out, uint16_t scope)
{
	uint32_t i = 0;

	if (scope > f->scopes.count ||
	    !mk_utf8_valid(f->scopes.text[scope], strlen(f->scopes.text[scope])))
		return;
	while (i < out->scope_count &&
	       strcmp(f->scopes.text[out->scopes[i]], f->scopes.text[scope]) < 0)
		i++;
	if ((i < out->scope_count && out->scopes[i] == scope) || i == RELAYS_SCOPES_MAX)
		return;
	if (out->scope_count == RELAYS_SCOPES_MAX)
		out->scope_count--;
	memmove(&out->scopes[i + 1], &out->scopes[i],
		(out->scope_count - i) * sizeof(out->scopes[0]));
	out->scopes[i] = scope;
	out->scope_count++;
}

static void
relay_add_trail(const struct trails *t, const struct trail *trail, int64_t now,
		struct relay_activity *out)
{
	int64_t last = 0;

	for (uint32_t i = trail->end; i > trail->begin; i--) {
		const struct an_packet *p = trail_packet(t, trail, i - 1);

		if (last > 0 && p->first <= now - 24 * HOUR_S)
			break;
		if (p->type == HOPS_TYPE_ADVERT)
			continue;
		last = last > 0 ? last : p->first;
		out->in_1h += p->first > now - HOUR_S;
		out->in_24h += p->first > now - 24 * HOUR_S;
		out->unscoped_24h += p->first > now - 24 * HOUR_S && p->route == HOPS_ROUTE_FLOOD;
	}
	out->last = last > out->last ? last : out->last;
	out->relayed += trail->relayed;
	for (uint32_t i = 0; trail->scopes != NULL && i < trail->scopes->count; i++)
		relay_add_scope(t->frame, out, trail->scopes->at[i].scope);
}

void
relay_activity(const struct trails *t, uint32_t id, int64_t now, struct relay_activity *out)
{
	uint32_t first, count = trails_of(t, id, &first);

	*out = (struct relay_activity){ 0 };
	for (uint32_t i = 0; i < count; i++) {
		const struct trail *trail = &t->at[t->order[first + i]];

		if (trail->token != 0) {
			relay_add_trail(t, trail, now, out);
			continue;
		}
		for (uint32_t k = trail_lower(t, trail, now - 168 * HOUR_S); k < trail->end; k++)
			out->flood_adverts_7d +=
			    trail_packet(t, trail, k)->route == HOPS_ROUTE_FLOOD;
	}
}

struct trails *
relays_trails(const struct frame *f)
{
	for (uint32_t i = 0; i < f->module_count; i++) {
		if (f->modules[i].class == &relays_module) {
			struct relays *r = f->modules[i].self;

			trails_refresh(&r->trails);
			return &r->trails;
		}
	}
	return NULL;
}

/* ------------------------------------------------------------ publication -- */

static double
relay_share(const struct relays *r, uint64_t relayed)
{
	double all = (double)r->trails.relayed;

	return all > 0 ? fmin(1, (double)relayed / all) : 0;
}

static void
relays_put(struct relays *r, uint32_t id, const struct relay_activity *a, double most)
{
	static const struct relay_axes none;
	const struct relay_axes *x = id < r->axes_cap ? &r->axes[id] : &none;
	double share = relay_share(r, a->relayed);

	mk_put_array(&r->rows, 12);
	mk_put_str(&r->rows, frame_key(r->frame, id));
	mk_put_i64(&r->rows, a->last);
	mk_put_u64(&r->rows, a->in_1h);
	mk_put_u64(&r->rows, a->in_24h);
	mk_put_u64(&r->rows, a->unscoped_24h);
	mk_put_array(&r->rows, a->scope_count);
	for (uint32_t i = 0; i < a->scope_count; i++)
		mk_put_str(&r->rows, r->frame->scopes.text[a->scopes[i]]);
	mk_put_f64(&r->rows, share);
	mk_put_f64(&r->rows, x->bridge);
	mk_put_f64(&r->rows, x->coverage);
	mk_put_f64(&r->rows, x->redundancy);
	mk_put_f64(&r->rows, axes_usefulness(x->bridge, x->coverage, x->redundancy,
					     most > 0 ? share / most : 0));
	mk_put_u64(&r->rows, a->flood_adverts_7d);
}

static bool
relays_is_worth(const struct relays *r, uint32_t id, const struct relay_activity *a)
{
	const struct hops_node *node = hops_nodes_get(&r->frame->nodes, id);
	const char *key = frame_key(r->frame, id);

	return node != NULL && node->there && mk_utf8_valid(key, strlen(key)) &&
	       (a->last > 0 || a->flood_adverts_7d > 0 || node->relays ||
		(id < r->axes_cap && r->axes[id].coverage > 0));
}

/* The array of rows into r->rows: first how many there are, and who relayed most. */
static void
relays_rows(struct relays *r, int64_t now)
{
	uint32_t ids = r->frame->nodes.ids.count, count = 0;
	struct relay_activity a;
	uint64_t most = 0;

	for (uint32_t pass = 0; pass < 2; pass++) {
		for (uint32_t id = 0; id < ids; id++) {
			relay_activity(&r->trails, id, now, &a);
			if (!relays_is_worth(r, id, &a))
				continue;
			if (pass == 0) {
				most = a.relayed > most ? a.relayed : most;
				count++;
			} else {
				relays_put(r, id, &a, relay_share(r, most));
			}
		}
		if (pass == 0) {
			mk_writer_reset(&r->rows);
			mk_put_array(&r->rows, count);
		}
	}
}

static uint64_t
relays_mix(const void *data, size_t len)
{
	const uint8_t *bytes = data;
	uint64_t mixed = len;

	for (size_t i = 0; i < len; i++)
		mixed = hops_mix(mixed ^ bytes[i]);
	return mixed;
}

static void
relays_publish(struct relays *r, int64_t now)
{
	const mk_host *host = r->frame->host;
	uint64_t wall = host->wall_us(host), mixed;

	trails_refresh(&r->trails);
	relays_rows(r, now);
	mixed = relays_mix(r->rows.data, r->rows.len);
	r->published_at = now;
	if (mixed == r->sent)
		return;
	mk_writer_reset(&r->body);
	mk_put_map(&r->body, 6);
	mk_kv_u64(&r->body, "v", RELAYS_VERSION);
	mk_kv_u64(&r->body, "serial", wall > r->serial ? wall : r->serial + 1);
	mk_kv_u64(&r->body, "n", 0);
	mk_kv_u64(&r->body, "cursor", r->frame->cursor);
	mk_kv_i64(&r->body, "at", now);
	mk_put_str(&r->body, "nodes");
	mk_put_raw(&r->body, r->rows.data, r->rows.len);
	if (mk_writer_end(&r->body) != MK_OK || host->publish(host, "snapshot/relays", r->body.data,
							      (uint32_t)r->body.len, 0) != MK_OK) {
		host->count(host, "unpublished", 1);
		return;
	}
	r->serial = wall > r->serial ? wall : r->serial + 1;
	r->sent = mixed;
}

/* ------------------------------------------------------------------- axes -- */

static void
job_free(struct axes_job *job)
{
	axes_free(job->axes);
	free(job->ids);
	free(job);
}

static void
job_done(struct axes_job *job)
{
	struct relays *r = job->owner;

	if (grow_to(&r->axes, &r->axes_cap, r->frame->nodes.ids.count, sizeof(*r->axes)) &&
	    r->axes_cap > 0) {
		memset(r->axes, 0, r->axes_cap * sizeof(*r->axes));
		for (uint32_t i = 0; i < job->count; i++)
			r->axes[job->ids[i]] = (struct relay_axes){ axes_bridge(job->axes)[i],
								    axes_coverage(job->axes)[i],
								    axes_redundancy(job->axes)[i] };
	}
	r->has_axes = true;
	r->job = NULL;
	r->published_at = 0; /* what is new shall be seen soon */
}

/* A slice of the work; then whatever else waits has its turn. */
static void
job_step(void *arg)
{
	struct axes_job *job = arg;
	const mk_host *host = job->owner != NULL ? job->owner->frame->host : NULL;
	uint64_t until;
	bool done = false;

	if (host == NULL) {
		job_free(job);
		return;
	}
	until = host->now_us(host) + SLICE_US;
	do
		done = axes_step(job->axes, 1);
	while (!done && host->now_us(host) < until);
	if (!done && host->post(host, job_step, job) == MK_OK)
		return;
	if (done)
		job_done(job);
	else
		job->owner->job = NULL; /* it ends, or the queue is full: another time */
	job_free(job);
}

static mk_result
job_edges(struct relays *r, struct axes_job *job, int64_t now)
{
	const struct hops_graph *g = &r->frame->graph;
	struct axes_edge *edges = calloc((size_t)g->count + 1, sizeof(*edges));
	uint32_t ids = r->frame->nodes.ids.count, n = 0;
	uint32_t *place = calloc((size_t)ids + 1, sizeof(*place));
	mk_result rc = MK_ENOMEM;

	job->ids = calloc((size_t)ids + 1, sizeof(*job->ids));
	for (uint32_t i = 0; edges != NULL && place != NULL && job->ids != NULL && i < g->count;
	     i++) {
		const struct hops_edge *e = &g->edges[i];
		uint32_t ends[2] = { e->a, e->b };

		if (e->b == HOPS_NONE || e->a >= ids || e->b >= ids)
			continue;
		for (int k = 0; k < 2; k++) {
			if (place[ends[k]] == 0) {
				job->ids[job->count++] = ends[k];
				place[ends[k]] = job->count;
			}
		}
		edges[n++] = (struct axes_edge){ place[e->a] - 1, place[e->b] - 1,
						 hops_score(&e->t, now) * hops_confidence(&e->t) };
	}
	if (edges != NULL && place != NULL && job->ids != NULL)
		rc = axes_new(&job->axes, job->count, edges, n);
	free(edges);
	free(place);
	return rc;
}

static void
relays_start(struct relays *r, int64_t now)
{
	const mk_host *host = r->frame->host;
	struct axes_job *job = calloc(1, sizeof(*job));

	if (job == NULL)
		return;
	job->owner = r;
	if (job_edges(r, job, now) != MK_OK || host->post(host, job_step, job) != MK_OK) {
		job_free(job);
		return;
	}
	r->job = job;
	r->stale = false;
	r->axes_at = now;
}

/* ----------------------------------------------------------------- module -- */

static mk_result
relays_create(struct frame *f, void **self)
{
	struct relays *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return MK_ENOMEM;
	r->frame = f;
	r->stale = true;
	trails_init(&r->trails, f);
	mk_writer_init(&r->body, 0);
	mk_writer_init(&r->rows, 0);
	*self = r;
	return MK_OK;
}

static void
relays_destroy(void *self)
{
	struct relays *r = self;

	if (r->job != NULL)
		r->job->owner = NULL;
	trails_fini(&r->trails);
	mk_writer_fini(&r->body);
	mk_writer_fini(&r->rows);
	free(r->axes);
	free(r);
}

static void
relays_fold(void *self, const struct an_packet *p, int sign)
{
	trails_fold(&((struct relays *)self)->trails, p, sign);
}

static void
relays_on_tick(void *self, int64_t now)
{
	struct relays *r = self;

	if (r->job == NULL && r->stale && (!r->has_axes || now - r->axes_at >= AXES_S))
		relays_start(r, now);
	if (r->has_axes && now - r->published_at >= PUBLISH_S)
		relays_publish(r, now);
}

static void
relays_on_live(void *self)
{
	struct relays *r = self;

	relays_on_tick(self, (int64_t)(r->frame->host->wall_us(r->frame->host) / 1000000));
}

static void
relays_on_graph(void *self)
{
	struct relays *r = self;

	r->stale = true;
	trails_on_graph(&r->trails);
}

static size_t
relays_bytes(const void *self)
{
	const struct relays *r = self;

	return sizeof(*r) + trails_bytes(&r->trails) + r->axes_cap * sizeof(*r->axes) +
	       (r->job != NULL ? axes_bytes(r->job->axes) : 0) + r->body.cap + r->rows.cap;
}

const struct an_module relays_module = {
	.name = "relays",
	.create = relays_create,
	.destroy = relays_destroy,
	.fold = relays_fold,
	.on_live = relays_on_live,
	.on_graph = relays_on_graph,
	.on_tick = relays_on_tick,
	.bytes = relays_bytes,
};
