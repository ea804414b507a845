/* SPDX-License-Identifier: MIT
 *
 * A hostile program at the control socket of a daemon without plugins. The input is a list of
 * writes, each a byte of length and so many bytes; a byte of 0xff closes the writing end, one of
 * 0xfe stops reading. Whatever was sent, every answer is well formed, and the next client is served.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "core.h"

#define REQUIRE(x)               \
	do {                     \
		if (!(x))        \
			abort(); \
	} while (0)

enum { CLOSE = 0xff, DEAF = 0xfe };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[64] = P_tmpdir "/fuzz_control.XXXXXX", file[80];
static struct core *core;
static struct loop_timer *guard;
static uint8_t in[1u << 22]; /* what came back */
static size_t in_len;

static void
remove_folder(void)
{
	static const char *const parts[] = { "d/run/bus",
					     "d/run/plugins",
					     "d/run/control.sock",
					     "d/run/lock",
					     "d/run",
					     "d/state",
					     "d/outbox",
					     "d",
					     "m.yaml",
					     "" };
	char path[128];

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", folder, parts[i]);
		(void)remove(path);
	}
}

static void
on_guard(void *arg)
{
	(void)arg;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	mk_problems *problems = mk_problems_new("f");
	mk_err err = { 0 };
	FILE *f;

	(void)argc, (void)argv;
	log_init(-1, MK_LOG_ERROR, LOG_TEXT);
	REQUIRE(mkdtemp(folder) != NULL);
	(void)atexit(remove_folder);
	(void)snprintf(file, sizeof(file), "%s/m.yaml", folder);
	f = fopen(file, "w");
	REQUIRE(f != NULL);
	fputs("meshkern: 1\ndata_dir: ./d\nbus: { listen: [], ring: { messages: 64 } }\n"
	      "plugins: { none: { enabled: false } }\n",
	      f);
	fclose(f);
	REQUIRE(core_new(&core, file, NULL, problems, &err) == MK_OK);
	mk_problems_free(problems);
	guard = loop_timer_new(core->loop, on_guard, NULL);
	return 0;
}

/* What the daemon does in one round; it never waits. */
static void
round_once(void)
{
	loop_hurry(core->loop);
	loop_round(core->loop);
	hub_pump(core->hub);
	control_pump(core->control);
}

static int
call_in(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/d/run/control.sock", folder);
	REQUIRE(fd != -1 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	in_len = 0;
	return fd;
}

/* Answers are maps with a result. What is left is the beginning of one. */
static void
take(int fd)
{
	ssize_t n = recv(fd, in + in_len, sizeof(in) - in_len, 0);
	size_t at = 0;
	mk_doc doc;

	in_len += n > 0 ? (size_t)n : 0;
	mk_doc_init(&doc);
	while (in_len - at >= 4) {
		const uint8_t *p = in + at;
		size_t len =
		    (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;
		int64_t result;

		REQUIRE(len < sizeof(in) - 4);
		if (in_len - at < 4 + len)
			break;
		REQUIRE(mk_doc_open(&doc, p + 4, len, NULL, NULL, 0) == MK_OK);
		REQUIRE(mk_get_i64(mk_find(mk_doc_root(&doc), "result"), &result) && result <= 0);
		at += 4 + len;
	}
	mk_doc_fini(&doc);
	in_len -= at;
	memmove(in, in + at, in_len);
}

static void
say_something(void)
{
	mk_writer w;

	mk_writer_init(&w, 64);
	mk_put_map(&w, 1);
	mk_kv_str(&w, "hello", "world");
	hub_say(core->hub, "core/hello", true, &w);
	mk_writer_fini(&w);
}

static void
expect_service(void)
{
	static const uint8_t request[] = "\13\0\0\0\x81\xa2"
					 "do\xa6status";
	int fd = call_in();
	int rounds = 0;

	/* 4 bytes that say 11: without the string's NUL. */
	REQUIRE(send(fd, request, 15, MSG_NOSIGNAL) == 15);
	while (recv(fd, in, sizeof(in), MSG_PEEK) <= 4) {
		round_once();
		REQUIRE(rounds++ < 1000);
	}
	take(fd);
	REQUIRE(in_len == 0);
	close(fd);
	round_once();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = call_in();
	bool deaf = false;

	while (size > 0) {
		size_t len = *data;

		data++;
		size--;
		if (len == CLOSE) {
			(void)shutdown(fd, SHUT_WR);
		} else if (len == DEAF) {
			deaf = !deaf;
		} else {
			len = len < size ? len : size;
			(void)send(fd, data, len, MSG_NOSIGNAL);
			data += len;
			size -= len;
		}
		say_something();
		round_once();
		if (!deaf)
			take(fd);
	}
	for (int i = 0; i < 3; i++) {
		round_once();
		take(fd);
	}
	close(fd);
	round_once();
	expect_service();
	return 0;
}
