/* SPDX-License-Identifier: MIT
 *
 * What the bus is told every second: state, progress of jobs, counters.
 */
#include <stdio.h>
#include <string.h>

#include "service.h"

static bool
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

static void
service_tell_jobs(struct service *s)
{
	mk_writer *w = &s->body;

	mk_writer_reset(w);
	mk_put_map(w, 1);
	mk_kv_array(w, "items", s->job_count);
	for (uint32_t i = 0; i < s->job_count; i++) {
		const struct service_job *j = &s->job_list[i];

		mk_put_map(w, 4u + (j->rate > 0) + (j->eta_s >= 0) + (j->error[0] != '\0'));
		mk_kv_str(w, "name", j->name);
		mk_kv_str(w, "state", j->state);
		mk_kv_i64(w, "done", j->done);
		mk_kv_i64(w, "total", j->total);
		if (j->rate > 0)
			mk_kv_f64(w, "rate", j->rate);
		if (j->eta_s >= 0)
			mk_kv_i64(w, "eta_s", j->eta_s);
		if (j->error[0] != '\0')
			mk_kv_str(w, "error", j->error);
	}
	s->jobs_due = !service_publish(s, "backfill/progress");
}

void
service_on_progress(void *arg, const struct job_progress *p)
{
	struct service *s = arg;
	struct service_job *j = NULL;

	for (uint32_t i = 0; i < s->job_count && j == NULL; i++)
		if (strcmp(s->job_list[i].name, p->name) == 0)
			j = &s->job_list[i];
	if (j == NULL && s->job_count == SERVICE_JOBS)
		return;
	if (j == NULL)
		j = &s->job_list[s->job_count++];
	*j = (struct service_job){ .state = p->state_text,
				   .done = p->done,
				   .total = p->total,
				   .rate = p->rate,
				   .eta_s = p->eta_s };
	(void)snprintf(j->name, sizeof(j->name), "%s", p->name);
	(void)snprintf(j->error, sizeof(j->error), "%s", p->error);
	s->jobs_due = true;
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
