/* SPDX-License-Identifier: MIT
 *
 * Leaves a thread behind: one of its own making, or one that the host started and that does not
 * care about stop(). Or such a thread crashes.
 */
#include "bad.h"

#include <pthread.h>
#include <unistd.h>

static void
stay(void *arg)
{
	(void)arg;
	for (;;)
		bad_sleep(1000000);
}

static void *
stay_thread(void *arg)
{
	stay(arg);
	return NULL;
}

static void
crash(void *arg)
{
	(void)arg;
	bad_sleep(200000);
	bad_crash();
}

static void *
crash_thread(void *arg)
{
	crash(arg);
	return NULL;
}

static mk_result
start(void *self)
{
	struct bad *b = self;
	pthread_t thread;
	int pipes[2];

	if (bad_is(b->host, "host-crash"))
		return b->host->spawn(b->host, "crasher", crash, NULL);
	if (bad_is(b->host, "own-crash"))
		return pthread_create(&thread, NULL, crash_thread, NULL) == 0 ? MK_OK : MK_EAGAIN;
	if (bad_is(b->host, "host"))
		return b->host->spawn(b->host, "stayer", stay, NULL);
	if (bad_is(b->host, "descriptor"))
		return pipe(pipes) == 0 ? b->host->watch_fd(b->host, pipes[0], MK_FD_READ) : MK_EIO;
	return pthread_create(&thread, NULL, stay_thread, NULL) == 0 ? MK_OK : MK_EAGAIN;
}

static const char *const ways[] = { "own", "host", "descriptor", "own-crash", "host-crash", NULL };
static const mk_option options[] = {
	{ .name = "where", .type = MK_OPT_ENUM, .choices = ways, .dflt = "own" },
	{ .name = NULL },
};

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD,       BAD_ABOUT("bad-thread"), .options = options,
	.create = bad_create, .start = start,          .destroy = free,
};
