/* SPDX-License-Identifier: MIT
 *
 * One of the two plugins that a plan is made of in unit/core/test_plan.c: it has one of everything.
 */
#include <stdio.h>
#include <stdlib.h>

#include <meshkern/plugin.h>

static const mk_topic publishes[] = {
	{ .name = "one/state", .flags = MK_TOPIC_RETAINED, .schema_min = 1 },
	{ .name = "one/note", .schema_min = 2, .schema_max = 3 },
	{ .name = NULL },
};

static const mk_method methods[] = {
	{ .name = "one/get" },
	{ .name = NULL },
};

static const mk_option options[] = {
	{ .name = "count",
	  .type = MK_OPT_INT,
	  .min = 1,
	  .max = 9,
	  .dflt = "3",
	  .help = "a number" },
	{ .name = NULL },
};

static const char *const capabilities[] = { "net", NULL };

static mk_result
check(const mk_host *config, char *why, uint32_t why_len)
{
	if (config->opt_int(config, "count") != 7)
		return MK_OK;
	(void)snprintf(why, why_len, "count: seven is one too many");
	return MK_EINVAL;
}

static mk_result
create(const mk_host *host, void **self)
{
	(void)host;
	*self = NULL;
	return MK_OK;
}

static void
on_call(void *self, const mk_call *call)
{
	(void)self, (void)call;
}

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD,
	.flags = MK_PLUGIN_SINGLE,
	.id = "plan-one",
	.version = "1.0.0",
	.summary = "one of everything",
	.license = "MIT",
	.author = "The meshkern authors",
	.publishes = publishes,
	.methods = methods,
	.options = options,
	.capabilities = capabilities,
	.check = check,
	.create = create,
	.on_call = on_call,
	.destroy = free,
};
