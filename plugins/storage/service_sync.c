/* SPDX-License-Identifier: MIT
 *
 * Bringing commits to the disk: one round after the other, no more often than sync_after, as long as
 * something is stored that has not been told. Messages that come meanwhile are stored and published
 * as ever; only storage/committed and acknowledgements wait for it.
 */
#include <string.h>

#include "service.h"

void
service_sync(struct service *s)
{
	uint64_t now = s->host->now_us(s->host), due = s->sync.began_us + s->sync_us;

	if (s->sync.running || s->sync_failed || s->stopped || s->opened.db == NULL)
		return;
	if (s->sync.began_us != 0 && now < due) {
		s->host->timer(s->host, TIMER_SYNC, due - now, 0);
		return;
	}
	if (!batch_sync_begins(&s->batch))
		return;
	sync_begin(&s->sync, db_path(s->opened.db));
	if (!s->sync.started)
		service_look_at_sync(s); /* there was no thread for it */
}

void
service_look_at_sync(struct service *s)
{
	mk_err err = { 0 };
	mk_result rc;

	if (!sync_is_over(&s->sync, &rc, &err) || s->stopped)
		return;
	s->stats.syncs++;
	if (rc == MK_OK) {
		batch_synced(&s->batch);
	} else {
		s->stats.sync_errors++;
		s->sync_failed = true;
		(void)mk_err_wrap(&err, "what was stored may not survive a power failure");
		err.code = rc;
		service_wait(s, &err);
	}
	service_settle(s);
}

/* Also by means of it the log must have been complete: a reader may keep a part back. */
mk_result
service_sync_again(struct service *s, mk_err *err)
{
	struct db_wal wal = { 0 };
	mk_result rc;

	if (!s->sync_failed)
		return MK_OK;
	(void)batch_sync_begins(&s->batch);
	rc = db_checkpoint(s->opened.db, true, &wal, err);
	if (rc == MK_OK && wal.blocked)
		rc = mk_err_set(err, MK_EAGAIN, "the log of the database cannot be emptied: %s",
				wal.reason);
	if (rc != MK_OK)
		return rc;
	s->sync_failed = false;
	batch_synced(&s->batch);
	return MK_OK;
}

void
service_sync_last(struct service *s)
{
	mk_err err = { 0 };

	if (s->sync_failed || !batch_sync_begins(&s->batch))
		return;
	if (sync_file(db_path(s->opened.db), &err) == MK_OK)
		batch_synced(&s->batch);
	else
		s->host->log(s->host, MK_LOG_WARN, err.text);
}

void
service_checkpoint(struct service *s, bool idle)
{
	if (s->log.running || s->stopped || s->opened.db == NULL || !service_takes(s) ||
	    !db_wants_checkpoint(s->opened.db, idle))
		return;
	s->log.all = idle || db_wants_restart(s->opened.db);
	sync_begin(&s->log, db_path(s->opened.db));
	if (!s->log.started)
		service_look_at_log(s); /* there was no thread for it */
}

void
service_look_at_log(struct service *s)
{
	mk_err err = { 0 };
	mk_result rc;

	if (!sync_is_over(&s->log, &rc, &err) || s->stopped || s->opened.db == NULL)
		return;
	if (rc == MK_OK)
		db_checkpointed(s->opened.db, &s->log.wal);
	else
		batch_complain(&s->batch, "checkpoint: %s", err.text);
	service_step(s);
}
