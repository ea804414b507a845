/* SPDX-License-Identifier: MIT
 *
 * What the tests of the control socket share: a daemon without plugins, and programs that speak to
 * its socket byte by byte.
 */
#ifndef MK_TESTS_CONTROL_FIXTURE_H
#define MK_TESTS_CONTROL_FIXTURE_H

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "clock.h"
#include "control.h"

#ifdef MK_ASAN
size_t __sanitizer_get_current_allocated_bytes(void);
#endif

#define MIB (1u << 20)

struct caller { /* a program at the socket */
	int fd;
	uint8_t *in; /* received; up to `at` it was looked at */
	size_t at, len, cap;
	bool closed; /* by the daemon */
};

static struct core *core;
static struct loop_timer *guard;
static char folder[] = "/tmp/test_control-XXXXXX", file[64];
static mk_doc doc;
static mk_writer request;

static inline void
write_config(const char *more)
{
	FILE *f = fopen(file, "w");

	cr_assert_not_null(f);
	fprintf(f,
		"meshkern: 1\ndata_dir: ./d\nlog: { level: error }\n"
		"bus: { listen: [], ring: { messages: 256, bytes: 1MiB } }\n%s",
		more);
	fclose(f);
}

static inline void
on_guard(void *arg)
{
	(void)arg;
}

static inline void
setup(void)
{
	mk_problems *problems = mk_problems_new("f");
	mk_err err = { 0 };

	log_init(-1, MK_LOG_ERROR, LOG_TEXT);
	cr_assert_not_null(mkdtemp(folder));
	snprintf(file, sizeof(file), "%s/m.yaml", folder);
	write_config("");
	cr_assert_eq(core_new(&core, file, NULL, problems, &err), MK_OK, "%s", err.text);
	mk_problems_free(problems);
	guard = loop_timer_new(core->loop, on_guard, NULL);
	mk_doc_init(&doc);
	mk_writer_init(&request, 17 * MIB);
}

static inline void
teardown(void)
{
	static const char *const parts[] = { "d/run/bus", "d/run/plugins", "d/run/lock", "d/run",
					     "d/state",   "d/outbox",      "d",          "m.yaml" };
	char path[128];

	loop_timer_free(guard);
	core_free(core);
	mk_doc_fini(&doc);
	mk_writer_fini(&request);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, parts[i]);
		cr_expect_eq(remove(path), 0, "%s: %s", path, strerror(errno));
	}
	cr_expect_eq(rmdir(folder), 0);
}

/* ----------------------------------------------------------------- talking -- */

/* What the daemon does in one round. */
static inline void
round_once(void)
{
	loop_timer_set(guard, clock_now_us() + 1000);
	loop_round(core->loop);
	hub_pump(core->hub);
	control_pump(core->control);
}

static inline struct caller
call_in(void)
{
	struct caller c = { .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0) };
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/d/run/control.sock", folder);
	cr_assert_eq(connect(c.fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return c;
}

static inline void
hang_up(struct caller *c)
{
	close(c->fd);
	free(c->in);
	*c = (struct caller){ .fd = -1 };
}

/* Take up to `most` bytes of what there is. */
static inline void
take(struct caller *c, size_t most)
{
	ssize_t n;

	if (c->at > c->len / 2) {
		c->len -= c->at;
		memmove(c->in, c->in + c->at, c->len);
		c->at = 0;
	}
	if (c->cap - c->len < most) {
		c->cap = c->cap * 2 + most;
		c->in = realloc(c->in, c->cap);
		cr_assert_not_null(c->in);
	}
	n = recv(c->fd, c->in + c->len, most, 0);
	c->closed = n == 0 || (n == -1 && errno != EAGAIN);
	c->len += n > 0 ? (size_t)n : 0;
}

static inline void
send_bytes(struct caller *c, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len > 0 && !c->closed) {
		ssize_t n = send(c->fd, p, len, MSG_NOSIGNAL);

		if (n == -1 && errno != EAGAIN)
			c->closed = true;
		p += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
		round_once();
	}
}

static inline void
send_message(struct caller *c, const void *data, size_t len)
{
	uint8_t head[4] = { (uint8_t)len, (uint8_t)(len >> 8), (uint8_t)(len >> 16),
			    (uint8_t)(len >> 24) };

	send_bytes(c, head, 4);
	send_bytes(c, data, len);
}

/* {"id": id, "do": what} and room for `more` pairs, to be sent by finish(). */
static inline void
begin(uint32_t id, const char *what, uint32_t more)
{
	mk_writer_reset(&request);
	mk_put_map(&request, 2 + more);
	mk_kv_u64(&request, "id", id);
	mk_kv_str(&request, "do", what);
}

static inline void
finish(struct caller *c)
{
	cr_assert_eq(mk_writer_end(&request), MK_OK);
	send_message(c, request.data, request.len);
}

static inline void
ask(struct caller *c, uint32_t id, const char *what)
{
	begin(id, what, 0);
	finish(c);
}

/* True if a whole answer is there; it is then in `doc`, and gone from the rest. */
static inline bool
next_answer(struct caller *c)
{
	static uint8_t *answer;
	const uint8_t *p = c->in + c->at;
	size_t len;

	if (c->len - c->at < 4)
		return false;
	len = (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;
	if (c->len - c->at < 4 + len)
		return false;
	free(answer);
	answer = malloc(len);
	cr_assert_not_null(answer);
	memcpy(answer, p + 4, len);
	c->at += 4 + len;
	cr_assert_eq(mk_doc_open(&doc, answer, len, NULL, NULL, 0), MK_OK);
	return true;
}

static inline bool
answer_comes(struct caller *c)
{
	uint64_t by = clock_now_us() + 60000000;

	while (!next_answer(c)) {
		if (c->closed || clock_now_us() > by)
			return false;
		round_once();
		take(c, 65536);
	}
	return true;
}

static inline const mk_val *
expect_answer(struct caller *c, uint32_t id, mk_result result)
{
	const mk_val *root;
	int64_t got_result = 1;
	uint32_t got_id = UINT32_MAX;
	char error[512] = "";

	cr_assert(answer_comes(c), "no answer to %u", id);
	root = mk_doc_root(&doc);
	cr_assert(mk_get_u32(mk_find(root, "id"), &got_id));
	cr_assert(mk_get_i64(mk_find(root, "result"), &got_result));
	cr_assert(mk_copy_str(mk_find(root, "error"), error, sizeof(error)));
	cr_assert_eq(got_id, id);
	cr_assert_eq(got_result, result, "%d: %s", (int)got_result, error);
	cr_expect_eq(error[0] == '\0', result == MK_OK, "%s", error);
	cr_expect(mk_is_map(mk_find(root, "data")));
	return mk_find(root, "data");
}

static inline void
expect_quiet(struct caller *c)
{
	for (int i = 0; i < 5; i++)
		round_once();
	take(c, 65536);
	cr_expect_eq(c->len, c->at);
	cr_expect_not(c->closed);
}

static inline void
expect_closed(struct caller *c)
{
	for (int i = 0; i < 100 && !c->closed; i++) {
		round_once();
		take(c, 65536);
	}
	cr_expect(c->closed);
	hang_up(c);
}

static inline size_t
allocated(void)
{
#ifdef MK_ASAN
	return __sanitizer_get_current_allocated_bytes();
#else
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
#endif
}

#endif
