/* SPDX-License-Identifier: MIT */
#include "service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply.h"

#define SECOND_US 1000000u
#define SEND_US 5000u /* until the bus is asked again whether it takes more */
#define CONGESTED_BYTES (4u << 20)

static void
service_read_options(struct service *s)
{
	const mk_host *h = s->host;
	const char *name = h->opt_str(h, "database");
	struct jobs_options *j = &s->jobs_options;

	if (name[0] == '/')
		(void)snprintf(s->path, sizeof(s->path), "%s", name);
	else
		(void)snprintf(s->path, sizeof(s->path), "%s/%s", h->dir(h, MK_DIR_DATA), name);
	s->db_options = (struct db_options){
		.path = s->path,
		.cache_kib = (uint32_t)(h->opt_int(h, "cache") / 1024),
		.full = strcmp(h->opt_str(h, "synchronous"), "full") == 0,
	};
	s->batch.max_rows = (uint32_t)h->opt_int(h, "commit_rows");
	s->batch.lazy = !s->db_options.full;
	s->commit_us = (uint64_t)h->opt_int(h, "commit_after");
	s->sync_us = (uint64_t)h->opt_int(h, "sync_after");
	s->save_us = (uint64_t)h->opt_int(h, "snapshots_after");
	s->bucket_s = h->opt_int(h, "metrics_interval") / 1000000;
	s->upgrade.no_backup = h->opt_int(h, "backup") == 0;
	jobs_defaults(j);
	j->node_days = h->opt_int(h, "retention.nodes");
	j->observer_days = h->opt_int(h, "retention.observers");
	j->metrics_days = h->opt_int(h, "retention.metrics");
	j->packet_days = h->opt_int(h, "retention.packets");
	j->client_days = h->opt_int(h, "retention.clients");
	j->edge_days = h->opt_int(h, "retention.edges");
	j->guest_bytes = h->opt_int(h, "guests_size");
	j->guests_refused = &s->stats.guests_refused;
}

static void
service_on_sync(void *arg)
{
	service_look_at_sync(arg);
}

static void
service_on_log(void *arg)
{
	service_look_at_log(arg);
}

mk_result
service_create(const mk_host *host, void **self)
{
	struct service *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return MK_ENOMEM;
	s->changes = calloc(SERVICE_CHANGES, sizeof(*s->changes));
	if (s->changes == NULL) {
		free(s);
		return MK_ENOMEM;
	}
	s->host = host;
	s->opened.lock_fd = -1;
	(void)pthread_mutex_init(&s->upgrade.lock, NULL);
	(void)pthread_cond_init(&s->upgrade.wake, NULL);
	mk_writer_init(&s->body, EVENTS_MAX_BODY);
	batch_init(&s->batch, host, &s->stats);
	sync_init(&s->sync, host, "sync", sync_disk, service_on_sync, s);
	sync_init(&s->log, host, "checkpoint", sync_log, service_on_log, s);
	*self = s;
	return MK_OK;
}

mk_result
service_start(void *self)
{
	struct service *s = self;
	mk_err err = { 0 };
	mk_result rc;

	service_read_options(s);
	(void)snprintf(s->reason, sizeof(s->reason), "opening the database");
	s->state_due = true; /* an earlier instance may have left another one */
	rc = service_open(s, &err);
	if (db_class(rc) == DB_FATAL) {
		s->host->log(s->host, MK_LOG_ERROR, err.text);
		return rc;
	}
	if (rc != MK_OK) {
		err.code = rc;
		service_wait(s, &err);
	}
	s->host->timer(s->host, TIMER_SECOND, SECOND_US, SECOND_US);
	s->host->timer(s->host, TIMER_SAVE, s->save_us, s->save_us);
	service_tell(s);
	return MK_OK;
}

void
service_settle(struct service *s)
{
	bool through;

	service_sync(s);
	service_checkpoint(s, false);
	through = batch_settle(&s->batch);
	if (!through)
		s->host->timer(s->host, TIMER_SEND, SEND_US, 0);
	s->congested = !through && s->batch.events.ready_bytes > CONGESTED_BYTES;
	service_hold(s);
}

void
service_commit(struct service *s, bool snapshots)
{
	mk_err err = { 0 };
	mk_result rc = batch_commit(&s->batch, snapshots, &err);

	if (rc != MK_OK) {
		err.code = rc;
		service_wait(s, &err);
	}
	service_settle(s);
	service_step(s);
}

bool
service_takes(const struct service *s)
{
	return s->state == SERVICE_READY || s->state == SERVICE_SETTLING;
}

static void
service_on_rows(struct service *s, const mk_msg *msg)
{
	bool was_open = batch_is_open(&s->batch), full;
	mk_err err = { 0 };
	mk_result rc;

	if ((msg->flags & MK_MSG_GAP) != 0) {
		batch_gap(&s->batch);
		return;
	}
	s->messages++;
	rc = batch_take(&s->batch, msg, &full, &err);
	if (rc != MK_OK) {
		err.code = rc;
		service_wait(s, &err);
	} else if (full) {
		service_commit(s, false);
	} else if (!was_open) {
		s->host->timer(s->host, TIMER_COMMIT, s->commit_us, 0);
	}
}

void
service_on_msg(void *self, const mk_msg *msg)
{
	struct service *s = self;

	if (strcmp(msg->topic, "core/poison") == 0) {
		if ((msg->flags & MK_MSG_GAP) == 0)
			batch_poison(&s->batch, msg);
	} else if (strncmp(msg->topic, SNAPSHOT_PREFIX, strlen(SNAPSHOT_PREFIX)) != 0) {
		service_on_rows(s, msg);
	} else if ((msg->flags & MK_MSG_GAP) != 0) {
		return; /* the next base repairs it */
	} else if (strcmp(msg->origin, s->host->name(s->host)) == 0) {
		snapshots_saw(&s->batch.snapshots, msg->topic);
	} else if (snapshots_take(&s->batch.snapshots, msg) != MK_OK) {
		batch_complain(&s->batch, "a snapshot was not kept  topic=%s bytes=%u", msg->topic,
			       msg->body_len);
	}
}

/* ----------------------------------------------------------------- timers -- */

static void
service_retry(struct service *s)
{
	mk_err err = { 0 };
	mk_result rc;

	if (s->state != SERVICE_WAITING)
		return;
	if (s->opened.db == NULL || s->reopen) {
		service_close(s);
		rc = service_open(s, &err);
	} else {
		rc = batch_retry(&s->batch, &err);
		if (rc == MK_OK)
			service_goes_on(s);
	}
	if (rc != MK_OK) {
		err.code = rc;
		service_wait(s, &err);
	}
	service_settle(s);
}

/* A database that has no such snapshot yet, CoreScope's for example, knows something all the same. */
static mk_result
service_seed(struct service *s, mk_err *err)
{
	static const char *const names[] = { "neighbors", "mbcap" };

	for (; s->seeds_at < sizeof(names) / sizeof(names[0]); s->seeds_at++) {
		const char *name = names[s->seeds_at];
		char topic[MK_TOPIC_MAX + 1];
		mk_writer body;
		mk_result rc;

		if (snapshots_knows(&s->batch.snapshots, name))
			continue;
		(void)snprintf(topic, sizeof(topic), SNAPSHOT_PREFIX "%s", name);
		mk_writer_init(&body, 0);
		rc = apply_seed(s->opened.db, name, (int64_t)(s->host->wall_us(s->host) / 1000000),
				&body, err);
		if (rc == MK_OK)
			rc = s->host->publish(s->host, topic, body.data, (uint32_t)body.len, 0);
		mk_writer_fini(&body);
		if (rc == MK_EAGAIN)
			return rc;
		if (rc != MK_OK && rc != MK_ENOENT)
			batch_complain(&s->batch, "no snapshot of what the database knows  name=%s",
				       name);
	}
	return MK_OK;
}

static void
service_announce(struct service *s)
{
	mk_err err = { 0 };

	if (s->state != SERVICE_SETTLING)
		return;
	if (snapshots_publish(&s->batch.snapshots, s->host, &s->snapshots_at, &err) == MK_EAGAIN ||
	    service_seed(s, &err) == MK_EAGAIN) {
		s->host->timer(s->host, TIMER_SETTLE, SEND_US, 0);
		return;
	}
	s->announced = true;
	s->state = SERVICE_READY;
	s->state_due = true;
	service_tell(s);
}

static void
service_housekeep(struct service *s)
{
	struct db_wal wal = { 0 };
	mk_err err = { 0 };
	bool did = false, idle = s->messages == s->messages_before;
	bool busy = batch_is_open(&s->batch);
	mk_result rc;

	s->messages_before = s->messages;
	if (service_takes(s))
		service_commit(s, false);
	if (!service_takes(s))
		return;
	batch_ask(&s->batch);
	if (batch_close_holes(&s->batch))
		service_commit(s, false);
	service_settle(s);
	if (!service_takes(s) || busy) /* commits see to the log */
		return;
	service_checkpoint(s, true);
	rc = db_housekeep(s->opened.db, s->host->now_us(s->host), idle, &did, &wal, &err);
	if (rc != MK_OK)
		batch_complain(&s->batch, "checkpoint: %s", err.text);
	if (did)
		s->host->gauge(s->host, "wal_pages", wal.pages);
	if (did && wal.blocked)
		batch_complain(&s->batch, "the log of the database cannot shrink: %s", wal.reason);
	service_settle(s);
}

void
service_on_timer(void *self, uint32_t id)
{
	struct service *s = self;

	switch (id) {
	case TIMER_COMMIT:
		if (service_takes(s))
			service_commit(s, false);
		break;
	case TIMER_SAVE:
		if (service_takes(s))
			service_commit(s, true);
		break;
	case TIMER_RETRY:
		service_retry(s);
		break;
	case TIMER_JOBS:
		service_run_jobs(s);
		break;
	case TIMER_SEND:
	case TIMER_SYNC:
		service_settle(s);
		break;
	case TIMER_SETTLE:
		service_announce(s);
		break;
	default:
		service_look_at_upgrade(s);
		service_look_at_sync(s);
		service_look_at_log(s);
		service_housekeep(s);
		service_look_at_jobs(s);
		service_tell(s);
		break;
	}
}

/* ------------------------------------------------------------- the rest -- */

mk_result
service_reconfigure(void *self)
{
	struct service *s = self;

	service_read_options(s); /* what is not live has not changed */
	if (s->jobs != NULL)
		jobs_configure(s->jobs, &s->jobs_options);
	s->batch.rows.bucket_s = s->bucket_s;
	s->host->timer(s->host, TIMER_SAVE, s->save_us, s->save_us);
	return MK_OK;
}

void
service_stop(void *self)
{
	struct service *s = self;
	mk_err err = { 0 };

	s->stopped = true;
	pthread_mutex_lock(&s->upgrade.lock);
	atomic_store(&s->upgrade.cancel, true);
	pthread_cond_signal(&s->upgrade.wake);
	pthread_mutex_unlock(&s->upgrade.lock);
	sync_stop(&s->sync);
	sync_stop(&s->log);
	if (s->upgrade.running)
		return; /* the database is still the thread's */
	if (service_takes(s)) {
		if (batch_commit(&s->batch, true, &err) != MK_OK)
			s->host->log(s->host, MK_LOG_WARN, err.text);
		service_sync_last(s);
		(void)batch_settle(&s->batch);
	}
	if (s->jobs != NULL)
		jobs_stop(s->jobs, 0);
	service_tell(s);
}

void
service_destroy(void *self)
{
	struct service *s = self;

	service_close(s);
	batch_fini(&s->batch);
	mk_writer_fini(&s->body);
	sync_fini(&s->sync);
	sync_fini(&s->log);
	pthread_cond_destroy(&s->upgrade.wake);
	pthread_mutex_destroy(&s->upgrade.lock);
	free(s->changes);
	free(s);
}
