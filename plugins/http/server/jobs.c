/* SPDX-License-Identifier: MIT
 *
 * What takes long and is asked for seldom: a request waits while a thread of its own makes a file,
 * which is then sent. One at a time; who asks meanwhile is told so.
 */
#include "server_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct job {
	struct worker *worker;
	struct request *rq; /* not to be looked into */
	uint64_t ticket;
	request_job *run;
	void *arg;
};

static void
job_end(struct job *j, mk_result result, const char *error, int fd)
{
	struct worker *w = j->worker;
	struct reply *r = reply_new(0);

	if (r != NULL) {
		r->rq = j->rq;
		r->ticket = j->ticket;
		r->result = result;
		r->fd = fd;
		(void)snprintf(r->error, sizeof(r->error), "%.199s", error);
	} else if (fd != -1) {
		close(fd);
	}
	free(j);
	/* First: who has the answer may ask again at once. */
	atomic_store(&w->server->job, false);
	if (r != NULL)
		reply_deliver(w, r);
}

/* A thread of its own. */
static void
job_run(void *arg)
{
	struct job *j = arg;
	mk_err err = { 0 };
	int fd = -1;
	mk_result rc = j->run(j->arg, &j->worker->server->stopping, &fd, &err);

	job_end(j, rc, err.text, fd);
}

/* The plugin's thread, which alone may start others. */
static void
job_start(void *arg)
{
	struct job *j = arg;
	struct httpd *s = j->worker->server;
	mk_result rc = MK_EUNAVAIL;

	if (!atomic_load(&s->stopping))
		rc = s->config.host->spawn(s->config.host, "http-job", job_run, j);
	if (rc != MK_OK)
		job_end(j, rc, mk_result_text(rc), -1);
}

void
request_run(struct request *rq, request_job *run, void *arg, request_reply *fn)
{
	struct httpd *s = rq->conn->worker->server;
	struct job *j = NULL;

	if (atomic_load(&s->stopping)) {
		request_fail(rq, 503, "stopping");
		return;
	}
	if (atomic_exchange(&s->job, true)) {
		request_fail(rq, 503, "busy, try again");
		return;
	}
	j = calloc(1, sizeof(*j));
	if (j != NULL) {
		j->worker = rq->conn->worker;
		j->rq = rq;
		j->ticket = rq->ticket = atomic_fetch_add(&s->ticket, 1) + 1;
		j->run = run;
		j->arg = arg;
		rq->on_reply = fn;
		rq->suspended = true;
		if (s->config.host->post(s->config.host, job_start, j) == MK_OK)
			return;
	}
	rq->suspended = false;
	free(j);
	atomic_store(&s->job, false);
	request_fail(rq, 503, "busy, try again");
}

void
request_send_file(struct request *rq, const char *type)
{
	if (rq->reply == NULL || rq->reply->fd == -1) {
		request_fail(rq, 500, "there is no file");
		return;
	}
	rq->file_type = type;
}

enum MHD_Result
answer_file(struct request *rq)
{
	struct MHD_Response *response = NULL;
	struct stat st;

	if (fstat(rq->reply->fd, &st) == 0)
		response = MHD_create_response_from_fd64((uint64_t)st.st_size, rq->reply->fd);
	if (response == NULL)
		return MHD_NO;
	rq->reply->fd = -1; /* the response closes it */
	(void)MHD_add_response_header(response, "Content-Type", rq->file_type);
	(void)MHD_add_response_header(response, "Cache-Control", "no-store");
	return answer_queue(rq, 200, response, (uint64_t)st.st_size);
}
