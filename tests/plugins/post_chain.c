/* SPDX-License-Identifier: MIT
 *
 * Does its work in steps: each posts the next one, and nothing else happens meanwhile.
 */
#include <stdlib.h>

#include <meshkern/plugin.h>

#define STEPS 1000

struct chain {
	const mk_host *host;
	int64_t steps;
};

static mk_result
chain_create(const mk_host *host, void **self)
{
	struct chain *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return MK_ENOMEM;
	c->host = host;
	*self = c;
	return MK_OK;
}

static void
chain_step(void *arg)
{
	struct chain *c = arg;

	c->host->gauge(c->host, "steps", ++c->steps);
	if (c->steps < STEPS && c->host->post(c->host, chain_step, c) != MK_OK)
		abort();
}

static mk_result
chain_start(void *self)
{
	struct chain *c = self;

	return c->host->post(c->host, chain_step, c);
}

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD,         .id = "post-chain",
	.version = "1.0.0",     .summary = "Works in steps that post each other",
	.license = "MIT",       .author = "The meshkern authors",
	.create = chain_create, .start = chain_start,
	.destroy = free,
};
