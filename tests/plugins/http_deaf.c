/* SPDX-License-Identifier: MIT
 *
 * A decoder that never answers: whoever asks has to live with the time-out.
 */
#include <stdlib.h>

#include <meshkern/plugin.h>

static mk_result
deaf_create(const mk_host *host, void **self)
{
	(void)host;
	*self = malloc(1);
	return *self == NULL ? MK_ENOMEM : MK_OK;
}

static void
deaf_on_call(void *self, const mk_call *call)
{
	(void)self;
	(void)call;
}

static void
deaf_destroy(void *self)
{
	free(self);
}

static const mk_method methods[] = {
	{ .name = "decode/packet", .help = "is heard, and nothing else" },
	{ .name = NULL },
};

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD,          .id = "deaf",
	.version = "1.0.0",      .summary = "Does not answer",
	.license = "MIT",        .author = "The meshkern authors",
	.methods = methods,      .create = deaf_create,
	.on_call = deaf_on_call, .destroy = deaf_destroy,
};
