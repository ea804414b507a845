/* SPDX-License-Identifier: MIT */
#define ZLIB_CONST
#include "cache.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <zlib.h>

#define CACHE_BUCKETS 4096u /* a power of two */
#define CACHE_ITEMS 16384u
#define CACHE_OVERHEAD 256u
#define GZIP_LEVEL 4 /* 6 costs twice the time for 3 % less */
#define GZIP_LEAST 512u

struct item {
	struct item *chain;         /* of the bucket */
	struct item *newer, *older; /* by use */
	uint64_t hash;
	struct answer *answer;
	bool gzip;
	char key[];
};

struct cache {
	pthread_mutex_t lock;
	uint64_t bytes, max_bytes, seed;
	uint32_t items;
	struct item *newest, *oldest;
	struct item *buckets[CACHE_BUCKETS];
};

/* -------------------------------------------------------------- answers -- */

struct answer *
answer_new(size_t len)
{
	struct answer *a = len > SIZE_MAX - sizeof(*a) ? NULL : malloc(sizeof(*a) + len);

	if (a == NULL)
		return NULL;
	memset(a, 0, sizeof(*a));
	atomic_init(&a->refs, 1);
	a->len = len;
	a->data = a->here;
	return a;
}

struct answer *
answer_take(char *data, size_t len)
{
	struct answer *a = answer_new(0);

	if (a == NULL) {
		free(data);
		return NULL;
	}
	a->data = data;
	a->len = len;
	return a;
}

struct answer *
answer_ref(struct answer *a)
{
	atomic_fetch_add(&a->refs, 1);
	return a;
}

void
answer_unref(void *answer)
{
	struct answer *a = answer;

	if (a == NULL || atomic_fetch_sub(&a->refs, 1) != 1)
		return;
	if (a->data != a->here)
		free(a->data);
	free(a);
}

/* Eight bytes at a time; good enough to tell two answers apart, no protection against malice. */
static uint64_t
answer_hash(const char *data, size_t len, uint64_t seed)
{
	uint64_t h = seed ^ len * 0x9e3779b97f4a7c15u, word;

	while (len > 0) {
		size_t n = len < 8 ? len : 8;

		word = 0;
		memcpy(&word, data, n);
		h = (h ^ word) * 0xff51afd7ed558ccdu;
		h ^= h >> 32;
		data += n;
		len -= n;
	}
	return h ^ h >> 29;
}

void
answer_tag(struct answer *a, const char *data, size_t len)
{
	(void)snprintf(a->tag, sizeof(a->tag), "W/\"%016llx\"",
		       (unsigned long long)answer_hash(data, len, 0));
}

/* ---------------------------------------------------------------- cache -- */

struct cache *
cache_new(uint64_t max_bytes)
{
	struct cache *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	pthread_mutex_init(&c->lock, NULL);
	c->max_bytes = max_bytes;
	/* So that nobody can choose keys for one bucket. */
	if (getrandom(&c->seed, sizeof(c->seed), 0) != (ssize_t)sizeof(c->seed))
		c->seed = (uint64_t)(uintptr_t)c;
	return c;
}

/* The following are under the lock. */
static void
cache_unlink(struct cache *c, struct item *i)
{
	*(i->newer == NULL ? &c->newest : &i->newer->older) = i->older;
	*(i->older == NULL ? &c->oldest : &i->older->newer) = i->newer;
}

static void
cache_link(struct cache *c, struct item *i)
{
	i->newer = NULL;
	i->older = c->newest;
	*(c->newest == NULL ? &c->oldest : &c->newest->newer) = i;
	c->newest = i;
}

static uint64_t
cache_weight(const struct item *i)
{
	return CACHE_OVERHEAD + strlen(i->key) + i->answer->len;
}

static struct item **
cache_find(struct cache *c, uint64_t hash, const char *key, bool gzip)
{
	struct item **at = &c->buckets[hash & (CACHE_BUCKETS - 1)];

	while (*at != NULL &&
	       ((*at)->hash != hash || (*at)->gzip != gzip || strcmp((*at)->key, key) != 0))
		at = &(*at)->chain;
	return at;
}

static void
cache_remove(struct cache *c, struct item **at)
{
	struct item *i = *at;

	*at = i->chain;
	cache_unlink(c, i);
	c->bytes -= cache_weight(i);
	c->items--;
	answer_unref(i->answer);
	free(i);
}

void
cache_free(struct cache *c)
{
	if (c == NULL)
		return;
	while (c->oldest != NULL)
		cache_remove(c, cache_find(c, c->oldest->hash, c->oldest->key, c->oldest->gzip));
	pthread_mutex_destroy(&c->lock);
	free(c);
}

struct answer *
cache_get(struct cache *c, const char *key, bool gzip, uint64_t version, uint64_t now_us)
{
	uint64_t hash = answer_hash(key, strlen(key), c->seed);
	struct answer *a = NULL;
	struct item **at;

	pthread_mutex_lock(&c->lock);
	at = cache_find(c, hash, key, gzip);
	if (*at != NULL) {
		a = (*at)->answer;
		if ((a->version != version && now_us >= a->until_us) || now_us >= a->expires_us) {
			cache_remove(c, at);
			a = NULL;
		} else {
			struct item *i = *at;

			answer_ref(a);
			cache_unlink(c, i);
			cache_link(c, i);
		}
	}
	pthread_mutex_unlock(&c->lock);
	return a;
}

void
cache_put(struct cache *c, const char *key, struct answer *a)
{
	size_t len = strlen(key) + 1;
	struct item *i;
	struct item **at;

	if (CACHE_OVERHEAD + len + a->len > c->max_bytes / 4)
		return;
	i = calloc(1, sizeof(*i) + len);
	if (i == NULL)
		return;
	memcpy(i->key, key, len);
	i->hash = answer_hash(key, len - 1, c->seed);
	i->gzip = a->gzip;
	i->answer = answer_ref(a);
	pthread_mutex_lock(&c->lock);
	at = cache_find(c, i->hash, key, i->gzip);
	if (*at != NULL)
		cache_remove(c, at);
	while (c->oldest != NULL &&
	       (c->bytes + cache_weight(i) > c->max_bytes || c->items == CACHE_ITEMS))
		cache_remove(c, cache_find(c, c->oldest->hash, c->oldest->key, c->oldest->gzip));
	at = &c->buckets[i->hash & (CACHE_BUCKETS - 1)];
	i->chain = *at;
	*at = i;
	cache_link(c, i);
	c->bytes += cache_weight(i);
	c->items++;
	pthread_mutex_unlock(&c->lock);
}

uint32_t
cache_entries(struct cache *c)
{
	uint32_t n;

	pthread_mutex_lock(&c->lock);
	n = c->items;
	pthread_mutex_unlock(&c->lock);
	return n;
}

uint64_t
cache_bytes(struct cache *c)
{
	uint64_t bytes;

	pthread_mutex_lock(&c->lock);
	bytes = c->bytes;
	pthread_mutex_unlock(&c->lock);
	return bytes;
}

/* ----------------------------------------------------------------- gzip -- */

struct gzip {
	z_stream stream;
};

struct gzip *
gzip_new(void)
{
	struct gzip *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return NULL;
	if (deflateInit2(&g->stream, GZIP_LEVEL, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) !=
	    Z_OK) {
		free(g);
		return NULL;
	}
	return g;
}

void
gzip_free(struct gzip *g)
{
	if (g != NULL)
		deflateEnd(&g->stream);
	free(g);
}

/* In slices, because zlib counts in 32 bits. */
static bool
gzip_run(struct gzip *g, const struct answer *a, struct answer *out, size_t *made)
{
	z_stream *z = &g->stream;
	size_t in_left = a->len, out_left = out->len;
	int rc = Z_OK;

	deflateReset(z);
	z->next_in = (const Bytef *)a->data;
	z->next_out = (Bytef *)out->data;
	z->avail_in = z->avail_out = 0;
	while (rc == Z_OK) {
		if (z->avail_in == 0) {
			z->avail_in = (uInt)(in_left < (1u << 30) ? in_left : (1u << 30));
			in_left -= z->avail_in;
		}
		if (z->avail_out == 0) {
			z->avail_out = (uInt)(out_left < (1u << 30) ? out_left : (1u << 30));
			out_left -= z->avail_out;
			if (z->avail_out == 0)
				return false; /* it does not get smaller */
		}
		rc = deflate(z, in_left == 0 ? Z_FINISH : Z_NO_FLUSH);
		if (rc == Z_BUF_ERROR)
			rc = Z_OK;
	}
	*made = out->len - out_left - z->avail_out;
	return rc == Z_STREAM_END;
}

struct answer *
gzip_answer(struct gzip *g, const struct answer *a)
{
	struct answer *out, *small;
	size_t len = 0;

	if (a->len < GZIP_LEAST)
		return NULL;
	out = answer_new(a->len - a->len / 16);
	if (out == NULL || !gzip_run(g, a, out, &len)) {
		answer_unref(out);
		return NULL;
	}
	out->version = a->version;
	out->until_us = a->until_us;
	out->expires_us = a->expires_us;
	out->type = a->type;
	memcpy(out->tag, a->tag, sizeof(a->tag));
	out->gzip = true;
	out->len = len;
	small = realloc(out, sizeof(*out) + len); /* most of it is not needed any more */
	if (small == NULL)
		return out;
	small->data = small->here;
	return small;
}
