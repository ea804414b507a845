/* SPDX-License-Identifier: MIT
 *
 * What the bus is told every second: state, jobs, counters.
 */
#include <stdio.h>
#include <string.h>

#include "service.h"

bool
service_publish(struct service *s, const char *topic)
{
	return mk_writer_end(&s->body) == MK_OK &&
	       s->host->publish(s->host, topic, s->body.data, (uint32_t)s->body.len, 0) == MK_OK;
}

static void
service_tell_state(struct service *s)
{
	bool ready = s->state == SERVICE_READY;
	mk_writer *w = &s->body;

	mk_writer_reset(w);
	mk_put_map(w, 4);
	mk_kv_str(w, "state", ready ? "ready" : "waiting");
	mk_kv_str(w, "reason", ready ? "" : s->reason);
	mk_kv_str(w, "database", s->path);
	mk_kv_u64(w, "epoch", s->database_epoch);
	s->state_due = !service_publish(s, "storage/state");
}

/* The host adds up what a counter grew by. True if one has changed. */
static bool
service_count(struct service *s)
{
	size_t i = 0;
	bool changed = false;

#define COUNT_ONE(name)                                                                   \
	if (s->stats.name != s->counted[i]) {                                             \
		s->host->count(s->host, #name, (int64_t)(s->stats.name - s->counted[i])); \
		s->counted[i] = s->stats.name;                                            \
		changed = true;                                                           \
	}                                                                                 \
	i++;
	STATS_COUNTERS(COUNT_ONE)
#undef COUNT_ONE
	return changed;
}

/* Also while nothing happens: what is kept then is kept for nothing. */
static void
service_measure(struct service *s)
{
	const struct batch *b = &s->batch;
	const mk_host *h = s->host;
	size_t memory = sizeof(*s) + SERVICE_CHANGES * sizeof(*s->changes) + s->body.cap +
			b->kept_bytes + b->events.ready_bytes + b->snapshots.waiting_bytes;

	h->gauge(h, "waiting", s->state != SERVICE_READY);
	h->gauge(h, "untold_bytes", (int64_t)b->events.ready_bytes);
	h->gauge(h, "snapshot_bytes", (int64_t)b->snapshots.waiting_bytes);
	if (b->db != NULL) {
		h->gauge(h, "nodes", (int64_t)resolve_nodes(b->rows.resolve));
		h->gauge(h, "edges", (int64_t)resolve_edges(b->rows.resolve));
		memory += db_memory(b->db) + resolve_memory(b->rows.resolve);
	}
	h->gauge(h, "memory_bytes", (int64_t)memory);
}

void
service_tell(struct service *s)
{
	if (s->state_due)
		service_tell_state(s);
	if (s->jobs_due)
		service_tell_jobs(s);
	service_measure(s);
	if (!service_count(s))
		return;
	mk_writer_reset(&s->body);
	if (stats_write(&s->stats, &s->body) == MK_OK)
		(void)service_publish(s, "storage/stats"); /* the next one has it, too */
}
