/* SPDX-License-Identifier: MIT
 *
 * Ends its process where its option says: by a wild pointer, by abort(), by a stack that overflows,
 * or quietly. What it survives it publishes as bad/seen. Once there is a file "well" in its folder
 * it behaves.
 */
#define _GNU_SOURCE
#include "bad.h"

#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static int
overflow(volatile const char *above)
{
	volatile char room[4096];

	room[0] = above == NULL ? 1 : *above;
	if (room[0] == 0) /* never */
		return 0;
	return overflow(room) + room[0];
}

static mk_result
crash(const mk_host *host, const char *where)
{
	char well[1024];

	(void)snprintf(well, sizeof(well), "%s/well", host->dir(host, MK_DIR_STATE));
	if (!bad_is(host, where) || access(well, F_OK) == 0)
		return MK_OK;
	if (strcmp(host->opt_str(host, "how"), "refuse") == 0)
		return MK_EIO;
	if (strcmp(host->opt_str(host, "how"), "abort") == 0)
		abort();
	if (strcmp(host->opt_str(host, "how"), "overflow") == 0)
		return overflow(NULL);
	if (strcmp(host->opt_str(host, "how"), "leave") == 0)
		syscall(SYS_exit_group, 0); /* the audit refuses exit() */
	bad_crash();
	return MK_OK;
}

static mk_result
create(const mk_host *host, void **self)
{
	mk_result r = crash(host, "create");

	return r == MK_OK ? bad_create(host, self) : r;
}

static mk_result
start(void *self)
{
	return crash(((struct bad *)self)->host, "start");
}

static void
on_msg(void *self, const mk_msg *msg)
{
	struct bad *b = self;

	crash(b->host, "message");
	if ((int64_t)msg->seq == b->host->opt_int(b->host, "at"))
		crash(b->host, "poison");
	bad_publish(b->host, "bad/seen", "seq", msg->seq);
}

static void
stop(void *self)
{
	crash(((struct bad *)self)->host, "stop");
}

static void
destroy(void *self)
{
	crash(((struct bad *)self)->host, "destroy");
	free(self);
}

static const mk_topic subscribes[] = { { .name = "pulse/beat" }, { .name = NULL } };
static const mk_topic publishes[] = { { .name = "bad/seen", .flags = MK_TOPIC_RELIABLE },
				      { .name = NULL } };
static const char *const places[] = { "create", "start",   "message", "poison",
				      "stop",   "destroy", NULL };
static const char *const ways[] = { "crash", "abort", "overflow", "leave", "refuse", NULL };
static const mk_option options[] = {
	{ .name = "where", .type = MK_OPT_ENUM, .choices = places, .flags = MK_OPT_REQUIRED },
	{ .name = "how", .type = MK_OPT_ENUM, .choices = ways, .dflt = "crash" },
	{ .name = "at", .type = MK_OPT_INT, .max = INT32_MAX, .dflt = "0" },
	{ .name = NULL },
};

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD,         BAD_ABOUT("bad-crash"), .subscribes = subscribes,
	.publishes = publishes, .options = options,     .create = create,
	.start = start,         .on_msg = on_msg,       .stop = stop,
	.destroy = destroy,
};
