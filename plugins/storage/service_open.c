/* SPDX-License-Identifier: MIT
 *
 * Opening the database, and the upgrade of an old one on a thread of its own, since that may take
 * minutes.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "service.h"

#define BACKOFF_US 250000u
#define BACKOFF_MAX_US 30000000u
#define SETTLE_US 50000u /* retained messages come at once, if at all */

void
service_hold(struct service *s)
{
	bool hold = s->congested || (s->state != SERVICE_READY && s->state != SERVICE_SETTLING);

	if (hold != s->held && s->host->hold(s->host, hold) == MK_OK)
		s->held = hold;
}

static void
service_set_reason(struct service *s, const char *reason)
{
	if (strcmp(s->reason, reason) == 0)
		return;
	(void)snprintf(s->reason, sizeof(s->reason), "%s", reason);
	s->state_due = true;
}

void
service_wait(struct service *s, const mk_err *err)
{
	char line[480];

	if (s->state == SERVICE_WAITING)
		s->backoff_us =
		    s->backoff_us * 2 > BACKOFF_MAX_US ? BACKOFF_MAX_US : s->backoff_us * 2;
	else
		s->backoff_us = BACKOFF_US;
	/* What the disk's owner or another program can cure needs no new connection. */
	s->reopen = err->code != MK_EFULL && err->code != MK_EAGAIN && err->code != MK_ENOMEM;
	if (s->state != SERVICE_WAITING || strcmp(s->reason, err->text) != 0) {
		(void)snprintf(line, sizeof(line), "waiting, and taking no messages: %s",
			       err->text);
		s->host->log(s->host, db_class(err->code) == DB_FATAL ? MK_LOG_ERROR : MK_LOG_WARN,
			     line);
	}
	s->state = SERVICE_WAITING;
	service_set_reason(s, err->text);
	service_hold(s);
	s->host->timer(s->host, TIMER_RETRY, s->backoff_us, 0);
	service_tell(s);
}

void
service_close(struct service *s)
{
	if (s->jobs != NULL)
		jobs_stop(s->jobs, 0);
	jobs_free(s->jobs);
	s->jobs = NULL;
	batch_detach(&s->batch);
	if (s->opened.db != NULL)
		open_close(&s->opened);
	s->opened = (struct opened){ .lock_fd = -1 };
}

/* ---------------------------------------------------------------- upgrade -- */

static void
service_upgrade_says(struct service_upgrade *u, const char *text)
{
	pthread_mutex_lock(&u->lock);
	(void)snprintf(u->what, sizeof(u->what), "%s", text);
	pthread_mutex_unlock(&u->lock);
}

static void
service_on_upgrade(void *arg, const char *what, int64_t done, int64_t total)
{
	struct service *s = arg;
	char text[sizeof(s->upgrade.what)];

	if (total > 0)
		(void)snprintf(text, sizeof(text), "upgrading: %s, %lld of %lld pages", what,
			       (long long)done, (long long)total);
	else
		(void)snprintf(text, sizeof(text), "upgrading: %s", what);
	service_upgrade_says(&s->upgrade, text);
}

/* Until the time is over or it is cancelled. */
static bool
service_upgrade_pause(struct service_upgrade *u, uint64_t us)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += (time_t)(us / 1000000);
	pthread_mutex_lock(&u->lock);
	while (!atomic_load(&u->cancel) && pthread_cond_timedwait(&u->wake, &u->lock, &until) == 0)
		;
	pthread_mutex_unlock(&u->lock);
	return !atomic_load(&u->cancel);
}

static void
service_upgraded(void *arg)
{
	service_look_at_upgrade(arg);
}

/* It tries again by itself: threads of a plugin are counted, and this way one is enough. */
static void
service_upgrade_run(void *arg)
{
	struct service *s = arg;
	struct service_upgrade *u = &s->upgrade;
	struct upgrade_options options = { .no_backup = u->no_backup,
					   .wall_us = u->wall_us,
					   .on_progress = service_on_upgrade,
					   .arg = s,
					   .cancel = &u->cancel };
	uint64_t pause_us = 1000000;
	mk_result rc;

	for (;;) {
		rc = upgrade_run(s->opened.db, &options, &u->report, &u->err);
		if (rc == MK_OK || db_class(rc) != DB_RETRY || atomic_load(&u->cancel))
			break;
		service_upgrade_says(u, u->err.text);
		if (!service_upgrade_pause(u, pause_us))
			break;
		pause_us = pause_us * 2 > BACKOFF_MAX_US ? BACKOFF_MAX_US : pause_us * 2;
	}
	pthread_mutex_lock(&u->lock);
	u->result = rc;
	u->finished = true;
	pthread_mutex_unlock(&u->lock);
	/* Refused, the next look of the timer finds it. */
	(void)s->host->post(s->host, service_upgraded, s);
}

static mk_result
service_upgrade(struct service *s, mk_err *err)
{
	struct service_upgrade *u = &s->upgrade;

	u->finished = false;
	u->wall_us = s->host->wall_us(s->host);
	s->state = SERVICE_OPENING;
	service_hold(s);
	service_upgrade_says(u, "upgrading the database");
	if (s->host->spawn(s->host, "upgrade", service_upgrade_run, s) != MK_OK)
		return mk_err_set(err, MK_EAGAIN, "no thread for the upgrade");
	u->running = true;
	service_set_reason(s, "upgrading the database");
	return MK_OK;
}

void
service_look_at_upgrade(struct service *s)
{
	struct service_upgrade *u = &s->upgrade;
	char what[sizeof(u->what)], line[700];
	bool finished;
	mk_err err;

	if (!u->running)
		return;
	pthread_mutex_lock(&u->lock);
	finished = u->finished;
	memcpy(what, u->what, sizeof(what));
	pthread_mutex_unlock(&u->lock);
	service_set_reason(s, what);
	if (!finished)
		return;
	u->running = false;
	if (s->stopped)
		return;
	if (u->result != MK_OK) {
		err = u->err;
		service_close(s);
		(void)mk_err_wrap(&err, "the upgrade failed");
		err.code = u->result;
		service_wait(s, &err);
		return;
	}
	(void)snprintf(line, sizeof(line),
		       "the database was upgraded  merged=%lld indexes=%lld backup=%s",
		       (long long)u->report.merged, (long long)u->report.indexes,
		       u->report.backup[0] != '\0' ? u->report.backup : "none");
	s->host->log(s->host, MK_LOG_INFO, line);
	s->opened.state = SCHEMA_READY;
	service_is_open(s);
}

/* ------------------------------------------------------------------- open -- */

static uint64_t
service_now_us(void *arg)
{
	const struct service *s = arg;

	return s->host->now_us(s->host);
}

static uint64_t
service_wall_us(void *arg)
{
	const struct service *s = arg;

	return s->host->wall_us(s->host);
}

static void
service_on_change(void *arg, const char *table, const char *key)
{
	struct service *s = arg;
	struct service_change *c;

	if (s->change_count == SERVICE_CHANGES || strlen(key) >= sizeof(c->key)) {
		batch_complain(&s->batch, "too many changes to tell them all  table=%s", table);
		return;
	}
	c = &s->changes[s->change_count++];
	c->table = strcmp(table, "observers") == 0 ? "observers" : "nodes";
	memcpy(c->key, key, strlen(key) + 1);
}

static mk_result
service_attach(struct service *s, mk_err *err)
{
	mk_result rc;

	s->jobs_options.now_us = service_now_us;
	s->jobs_options.wall_us = service_wall_us;
	s->jobs_options.on_progress = service_on_progress;
	s->jobs_options.on_change = service_on_change;
	s->jobs_options.arg = s;
	rc = batch_attach(&s->batch, s->opened.db, s->bucket_s, err);
	s->jobs_options.resolve = s->batch.rows.resolve;
	if (rc == MK_OK)
		rc = jobs_new(&s->jobs, s->opened.db, &s->jobs_options, err);
	if (rc == MK_OK && s->batch.failed)
		rc = batch_retry(&s->batch, err);
	return rc;
}

void
service_goes_on(struct service *s)
{
	mk_err err = { 0 };
	mk_result rc = service_sync_again(s, &err);

	if (rc != MK_OK) {
		err.code = rc;
		service_wait(s, &err);
		return;
	}
	if (s->state == SERVICE_WAITING)
		s->host->log(s->host, MK_LOG_INFO, "goes on");
	s->state = s->announced ? SERVICE_READY : SERVICE_SETTLING;
	s->state_due = s->state_due || s->announced;
	if (!s->announced)
		s->host->timer(s->host, TIMER_SETTLE, SETTLE_US, 0);
	s->host->timer(s->host, TIMER_RETRY, UINT64_MAX, 0);
	s->host->timer(s->host, TIMER_JOBS, 0, 0);
	service_hold(s);
	service_tell(s);
}

void
service_is_open(struct service *s)
{
	mk_err err = { 0 };
	mk_result rc = service_attach(s, &err);

	if (rc != MK_OK) {
		err.code = rc;
		service_close(s);
		service_wait(s, &err);
		return;
	}
	s->database_epoch = s->host->wall_us(s->host);
	db_checkpoints_elsewhere(s->opened.db);
	s->step_us = s->host->now_us(s->host);
	s->jobs_due = true;
	service_goes_on(s);
}

mk_result
service_open(struct service *s, mk_err *err)
{
	mk_result rc;

	s->opened = (struct opened){ .lock_fd = -1 };
	rc = open_database(&s->opened, &s->db_options, err);
	if (rc != MK_OK) {
		s->opened = (struct opened){ .lock_fd = -1 };
		return rc;
	}
	if (s->opened.state == SCHEMA_UPGRADE) {
		rc = service_upgrade(s, err);
		if (rc != MK_OK)
			service_close(s);
		return rc;
	}
	service_is_open(s);
	return MK_OK;
}
