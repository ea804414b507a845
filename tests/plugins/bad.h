/* SPDX-License-Identifier: MIT
 *
 * What the misbehaving plugins have in common. Each of them breaks one rule on purpose; the tests
 * integration/contain_*.py show that the daemon contains it.
 */
#ifndef MK_TESTS_BAD_H
#define MK_TESTS_BAD_H

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <meshkern/codec.h>
#include <meshkern/plugin.h>

#define BAD_ABOUT(id_)                                                                         \
	.id = (id_), .version = "1.0.0", .summary = "misbehaves on purpose", .license = "MIT", \
	.author = "The meshkern authors"

struct bad {
	const mk_host *host;
	uint64_t count;
};

/* The state of most of them is this. */
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

/* Is the option `where` set to this? */
static inline int
bad_is(const mk_host *host, const char *where)
{
	return strcmp(host->opt_str(host, "where"), where) == 0;
}

static inline void
bad_sleep(uint64_t us)
{
	struct timespec t = { .tv_sec = (time_t)(us / 1000000),
			      .tv_nsec = (long)(us % 1000000) * 1000 };

	while (nanosleep(&t, &t) != 0)
		;
}

/* By a wild pointer. The compiler may not see that it is one: it would leave the access out. */
static inline void
bad_crash(void)
{
	volatile int *volatile nowhere = NULL;

	*nowhere = 1;
}

/* {KEY: n} on a topic. */
static inline mk_result
bad_publish(const mk_host *host, const char *topic, const char *key, uint64_t n)
{
	mk_writer w;
	mk_result r;

	mk_writer_init(&w, 0);
	mk_put_map(&w, 1);
	mk_kv_u64(&w, key, n);
	r = mk_writer_end(&w);
	if (r == MK_OK)
		r = host->publish(host, topic, w.data, (uint32_t)w.len, 0);
	mk_writer_fini(&w);
	return r;
}

#endif
