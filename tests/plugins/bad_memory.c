/* SPDX-License-Identifier: MIT
 *
 * Takes 10 MB every 10 ms and uses them, or 1 GB at once.
 */
#include "bad.h"

#define EVERY_US 10000
#define STEP ((size_t)10 << 20)
#define HUGE_STEP ((size_t)1 << 30)

static mk_result
start(void *self)
{
	struct bad *b = self;

	return b->host->timer(b->host, 1, EVERY_US, EVERY_US);
}

static void
on_timer(void *self, uint32_t id)
{
	struct bad *b = self;
	size_t size = bad_is(b->host, "at-once") ? HUGE_STEP : STEP;
	volatile char *p;

	(void)id;
	p = malloc(size);
	if (p == NULL && bad_is(b->host, "copes")) {
		b->host->gauge(b->host, "refused", 1);
		return;
	}
	/* Who does not look at what malloc returns crashes here. */
	for (size_t i = 0; i < size; i += 4096)
		p[i] = 1;
	b->count += size;
}

static const char *const ways[] = { "steps", "at-once", "copes", NULL };
static const mk_option options[] = {
	{ .name = "where", .type = MK_OPT_ENUM, .choices = ways, .dflt = "steps" },
	{ .name = NULL },
};

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD, BAD_ABOUT("bad-memory"), .options = options, .create = bad_create,
	.start = start, .on_timer = on_timer,    .destroy = free,
};
