/* SPDX-License-Identifier: MIT */
#include "sync.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

mk_result
sync_file(const char *database, mk_err *err)
{
	char path[4200];
	mk_result rc;
	int fd, failed;

	(void)snprintf(path, sizeof(path), "%s-wal", database);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return errno == ENOENT ? MK_OK : mk_err_errno(err, "open %s", path);
	do
		failed = fdatasync(fd);
	while (failed != 0 && errno == EINTR);
	rc = failed == 0 ? MK_OK : mk_err_errno(err, "bring %s to the disk", path);
	close(fd);
	return rc;
}

mk_result
sync_disk(struct sync *s, mk_err *err)
{
	return sync_file(s->path, err);
}

mk_result
sync_log(struct sync *s, mk_err *err)
{
	return db_checkpoint_apart(s->path, s->all, &s->wal, err);
}

void
sync_init(struct sync *s, const mk_host *host, const char *name,
	  mk_result (*work)(struct sync *, mk_err *), void (*on_done)(void *), void *arg)
{
	*s = (struct sync){
		.host = host, .name = name, .work = work, .on_done = on_done, .arg = arg
	};
	(void)pthread_mutex_init(&s->lock, NULL);
	(void)pthread_cond_init(&s->wake, NULL);
}

void
sync_fini(struct sync *s)
{
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
}

static void
sync_run(void *arg)
{
	struct sync *s = arg;

	pthread_mutex_lock(&s->lock);
	while (!s->over) {
		mk_err err = { 0 };
		mk_result rc;

		if (!s->asked) {
			pthread_cond_wait(&s->wake, &s->lock);
			continue;
		}
		s->asked = false;
		pthread_mutex_unlock(&s->lock);
		rc = s->work(s, &err); /* the path stays while a round is under way */
		pthread_mutex_lock(&s->lock);
		s->result = rc;
		s->err = err;
		s->done = true;
		pthread_mutex_unlock(&s->lock);
		/* Refused, the timer that looks each second finds it. */
		(void)s->host->post(s->host, s->on_done, s->arg);
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
}

void
sync_begin(struct sync *s, const char *database)
{
	if (!s->started && !s->over)
		s->started = s->host->spawn(s->host, s->name, sync_run, s) == MK_OK;
	s->running = true;
	s->began_us = s->host->now_us(s->host);
	pthread_mutex_lock(&s->lock);
	(void)snprintf(s->path, sizeof(s->path), "%s", database);
	s->asked = s->started;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	if (s->started)
		return;
	s->result = s->work(s, &s->err);
	s->done = true;
}

bool
sync_is_over(struct sync *s, mk_result *result, mk_err *err)
{
	bool done;

	pthread_mutex_lock(&s->lock);
	done = s->running && s->done;
	if (done) {
		*result = s->result;
		*err = s->err;
		s->running = s->done = false;
	}
	pthread_mutex_unlock(&s->lock);
	return done;
}

void
sync_stop(struct sync *s)
{
	pthread_mutex_lock(&s->lock);
	s->over = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
}
