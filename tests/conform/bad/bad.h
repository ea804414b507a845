/* SPDX-License-Identifier: MIT
 *
 * What the bad plugins share: a correct plugin, of which each replaces a part
 * by one that breaks a rule. The file's name begins with the check that has to
 * find it.
 */
#ifndef MK_TESTS_CONFORM_BAD_H
#define MK_TESTS_CONFORM_BAD_H

#include <stdlib.h>
#include <string.h>

#include <meshkern/codec.h>
#include <meshkern/plugin.h>

struct bad {
	const mk_host *host;
	void *extra; /* freed by bad_destroy */
	uint64_t number;
};

static const uint8_t bad_body[] = { 0x81, 0xa1, 'n', 1 };
static const mk_topic bad_in[] = { { .name = "bad/in" }, { .name = NULL } };
static const mk_topic bad_out[] = { { .name = "bad/out" }, { .name = NULL } };

static inline mk_result
bad_create(const mk_host *host, void **self)
{
	struct bad *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return MK_ENOMEM;
	b->host = host;
	*self = b;
	return MK_OK;
}

static inline void
bad_destroy(void *self)
{
	struct bad *b = self;

	free(b->extra);
	free(b);
}

/* A timer every second, number 1. */
static inline mk_result
bad_start(void *self)
{
	struct bad *b = self;

	return b->host->timer(b->host, 1, 1000000, 1000000);
}

static inline mk_result
bad_publish(struct bad *b, const char *topic)
{
	return b->host->publish(b->host, topic, bad_body, sizeof(bad_body), 0);
}

#define BAD_NAMED(ID, VERSION, ...)                                                             \
	MK_EXPORT const mk_plugin_desc mk_plugin_v1 = { MK_PLUGIN_HEAD, .id = (ID),             \
							.version = (VERSION), .license = "MIT", \
							__VA_ARGS__ }
#define BAD_PLUGIN(...) BAD_NAMED("bad", "1.0.0", __VA_ARGS__)

#endif
