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

void
service_tell(struct service *s)
{
	const mk_host *h = s->host;

	if (s->state_due)
		service_tell_state(s);
	if (s->jobs_due)
		service_tell_jobs(s);
	if (!service_count(s))
		return;
	h->gauge(h, "waiting", s->state != SERVICE_READY);
	h->gauge(h, "untold_bytes", (int64_t)s->batch.events.ready_bytes);
	h->gauge(h, "snapshot_bytes", (int64_t)s->batch.snapshots.waiting_bytes);
	if (s->batch.db != NULL) {
		h->gauge(h, "nodes", (int64_t)resolve_nodes(s->batch.rows.resolve));
		h->gauge(h, "edges", (int64_t)resolve_edges(s->batch.rows.resolve));
	}
	mk_writer_reset(&s->body);
	if (stats_write(&s->stats, &s->body) == MK_OK)
		(void)service_publish(s, "storage/stats"); /* the next one has it, too */
}
