/* SPDX-License-Identifier: MIT
 *
 * Does what a process can do that has been taken over: it writes to the socket of its host by
 * itself, and over the memory that tells the daemon what it is doing.
 */
#define _GNU_SOURCE
#include "bad.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FDS 256
#define IPC_HEAD 9 /* 1, and the length in 64 bits, big-endian */
#define RECORD_HEAD 5

#define IN_ON_MSG 4

/* Kinds of records, from the instance to the hub. */
enum { STATE = 64, PUB = 65, NUMBER = 70, MISBEHAVED = 71 };

/* The host's socket towards the hub: its peer is called NAME.N.in. */
static int
find_socket(void)
{
	for (int fd = 3; fd < FDS; fd++) {
		struct sockaddr_un a = { .sun_family = AF_UNSPEC };
		socklen_t len = sizeof(a) - 1;
		size_t n;

		if (getpeername(fd, (struct sockaddr *)&a, &len) != 0 || a.sun_family != AF_UNIX)
			continue;
		n = strlen(a.sun_path);
		if (n > 3 && strcmp(a.sun_path + n - 3, ".in") == 0)
			return fd;
	}
	return -1;
}

/* One bundle with one record. */
static void
say(int fd, uint8_t kind, const void *data, size_t len)
{
	uint8_t frame[512] = { 1 };
	size_t whole = IPC_HEAD + RECORD_HEAD + len;

	frame[7] = (uint8_t)((RECORD_HEAD + len) >> 8);
	frame[8] = (uint8_t)(RECORD_HEAD + len);
	frame[9] = (uint8_t)(len + 1);
	frame[10] = (uint8_t)((len + 1) >> 8);
	frame[13] = kind;
	memcpy(frame + IPC_HEAD + RECORD_HEAD, data, len);
	if (write(fd, frame, whole) != (ssize_t)whole)
		bad_crash();
}

/* A message past the host's checks: flags, schema, number, topic, body. */
static void
publish(int fd, const char *topic, const void *body, size_t len)
{
	uint8_t record[400] = { 0 };
	size_t n = strlen(topic);

	record[16] = (uint8_t)n;
	memcpy(record + 17, topic, n + 1);
	memcpy(record + 18 + n, body, len);
	say(fd, PUB, record, 18 + n + len);
}

static void
speak(int fd)
{
	static uint8_t deep[300];

	for (size_t i = 0; i < sizeof(deep); i += 3)
		memcpy(deep + i, "\x81\xa1k", 3);
	publish(fd, "bad/wire", deep, sizeof(deep));
	publish(fd, "bad/wire", "\x81\xa1k\xdd\xff\xff\xff\xff", 8);
	publish(fd, "bad/wire", "\x80\x80", 2);
	publish(fd, "bad/wire", "\x81\xa1k", 3);
	publish(fd, "pulse/beat", "\x80", 1);
	say(fd, 250, "", 0);
	say(fd, NUMBER, "\0\0\0\0\0\0\0\0\2\xff\xfe\0", 12);
	say(fd, MISBEHAVED, "\xff\x1b[2J\n", 6);
	publish(fd, "bad/wire", "\x80", 1); /* and this one is right */
}

/* Great numbers, texts that are no texts, and the claim that it is in on_msg. */
static void
scribble(void)
{
	uintptr_t from = 0, to = 0;
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "re");

	while (maps != NULL && fgets(line, sizeof(line), maps) != NULL)
		if (strstr(line, "memfd:vitals") != NULL &&
		    sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &from, &to) == 2)
			break;
	if (maps != NULL)
		fclose(maps);
	memset((void *)from, 0xff, to - from);
	*(uint32_t *)from = IN_ON_MSG;
	bad_crash();
}

static void
on_timer(void *self, uint32_t id)
{
	const mk_host *host = ((struct bad *)self)->host;
	int fd = find_socket();

	(void)id;
	if (bad_is(host, "records") && fd != -1)
		speak(fd);
	if (bad_is(host, "stopped") && fd != -1)
		say(fd, STATE, "\3\0\0\0\0", 5);
	if (bad_is(host, "vitals"))
		scribble();
	if (bad_is(host, "cut") && fd != -1)
		close(fd);
}

static mk_result
start(void *self)
{
	struct bad *b = self;

	return b->host->timer(b->host, 1, 100000, 0);
}

static const mk_topic publishes[] = { { .name = "bad/wire", .flags = MK_TOPIC_RELIABLE },
				      { .name = NULL } };
static const char *const places[] = { "records", "stopped", "vitals", "cut", NULL };
static const mk_option options[] = {
	{ .name = "where", .type = MK_OPT_ENUM, .choices = places, .flags = MK_OPT_REQUIRED },
	{ .name = NULL },
};

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD,       BAD_ABOUT("bad-wire"), .publishes = publishes, .options = options,
	.create = bad_create, .start = start,        .on_timer = on_timer,   .destroy = free,
};
