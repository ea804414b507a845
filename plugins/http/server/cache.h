/* SPDX-License-Identifier: MIT
 *
 * Finished answers: bytes to send and what is said about them. Immutable and counted, so that a
 * connection may send one that the cache has forgotten. The cache is bounded in bytes, the one not
 * asked for longest goes first. All functions are [any].
 */
#ifndef MK_HTTP_CACHE_H
#define MK_HTTP_CACHE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct answer {
	_Atomic uint32_t refs;
	uint64_t version;    /* of the model; or anything else that must be equal */
	uint64_t until_us;   /* good until then, whatever the version */
	uint64_t expires_us; /* gone then */
	const char *type;    /* static */
	char tag[24];        /* ETag, weak, for both forms; "" = none */
	bool gzip;
	size_t len;
	char *data; /* owned, or `here` */
	char here[];
};

struct answer *answer_new(size_t len); /* one reference; NULL: out of memory */
/* Around memory from malloc, which it takes, whether it succeeds or not. */
struct answer *answer_take(char *data, size_t len);
struct answer *answer_ref(struct answer *a);
void answer_unref(void *answer); /* takes NULL */
/* An ETag from the contents. */
void answer_tag(struct answer *a, const char *data, size_t len);

struct cache;

struct cache *cache_new(uint64_t max_bytes); /* NULL: out of memory */
void cache_free(struct cache *c);            /* takes NULL */
/* With a reference, or NULL. */
struct answer *cache_get(struct cache *c, const char *key, bool gzip, uint64_t version,
			 uint64_t now_us);
/* Replaces what is there; keeps a reference of its own. Too large: does nothing. */
void cache_put(struct cache *c, const char *key, struct answer *a);
uint64_t cache_bytes(struct cache *c);
uint32_t cache_entries(struct cache *c);

/* Compression, for one thread. */
struct gzip;
struct gzip *gzip_new(void);    /* NULL: out of memory */
void gzip_free(struct gzip *g); /* takes NULL */
/* A copy that is compressed, with the same tag and times; NULL if it is not smaller. */
struct answer *gzip_answer(struct gzip *g, const struct answer *a);

#endif
