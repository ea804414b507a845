/* SPDX-License-Identifier: MIT
 *
 * The other plugin of unit/core/test_plan.c: it does not go together with the first, nor with
 * another one of itself.
 */
#include <stdlib.h>

#include <meshkern/plugin.h>

static const mk_topic publishes[] = {
	{ .name = "one/state", .schema_min = 1 }, /* of another class */
	{ .name = NULL },
};

static const mk_topic subscribes[] = {
	{ .name = "one/note", .schema_min = 4 }, /* the first has up to 3 */
	{ .name = NULL },
};

static const mk_method methods[] = {
	{ .name = "one/get" },
	{ .name = NULL },
};

static const char *const capabilities[] = { "storage.write", NULL };

static mk_result
create(const mk_host *host, void **self)
{
	(void)host;
	*self = NULL;
	return MK_OK;
}

static void
on_msg(void *self, const mk_msg *msg)
{
	(void)self, (void)msg;
}

static void
on_call(void *self, const mk_call *call)
{
	(void)self, (void)call;
}

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD,         .id = "plan-two",
	.version = "1.0.0",     .summary = "does not go together with plan-one",
	.license = "MIT",       .author = "The meshkern authors",
	.publishes = publishes, .subscribes = subscribes,
	.methods = methods,     .capabilities = capabilities,
	.create = create,       .on_msg = on_msg,
	.on_call = on_call,     .destroy = free,
};
