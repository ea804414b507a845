/* SPDX-License-Identifier: MIT */
#include "peers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define PEERS_SLOTS 8192u /* a power of two */
#define PEERS_PROBES 16u

struct peer {
	struct peer_key key;
	bool used;
	uint32_t connections;
	double tokens;
	uint64_t filled_us;
};

struct peers {
	pthread_mutex_t lock;
	struct peer slots[PEERS_SLOTS];
	struct peer others; /* for whom there is no slot */
};

struct peers *
peers_new(void)
{
	struct peers *p = calloc(1, sizeof(*p));

	if (p != NULL)
		pthread_mutex_init(&p->lock, NULL);
	return p;
}

void
peers_free(struct peers *p)
{
	if (p != NULL)
		pthread_mutex_destroy(&p->lock);
	free(p);
}

static struct peer_key
peer_key_6(const struct in6_addr *a)
{
	struct peer_key key = { .family = 6 };

	if (IN6_IS_ADDR_V4MAPPED(a)) {
		key.family = 4;
		memcpy(key.bytes, a->s6_addr + 12, 4);
	} else {
		memcpy(key.bytes, a->s6_addr, 8);
	}
	return key;
}

struct peer_key
peer_key(const struct sockaddr *address)
{
	struct peer_key key = { 0 };
	struct sockaddr_in four;
	struct sockaddr_in6 six;

	if (address->sa_family == AF_INET) {
		memcpy(&four, address, sizeof(four));
		key.family = 4;
		memcpy(key.bytes, &four.sin_addr, 4);
	} else if (address->sa_family == AF_INET6) {
		memcpy(&six, address, sizeof(six));
		key = peer_key_6(&six.sin6_addr);
	}
	return key;
}

bool
peer_parse(const char *text, struct peer_key *key)
{
	struct in6_addr six;
	struct in_addr four;

	if (inet_pton(AF_INET, text, &four) == 1) {
		*key = (struct peer_key){ .family = 4 };
		memcpy(key->bytes, &four, 4);
		return true;
	}
	if (inet_pton(AF_INET6, text, &six) != 1)
		return false;
	*key = peer_key_6(&six);
	return true;
}

static uint32_t
peer_hash(struct peer_key key)
{
	uint64_t h;

	memcpy(&h, key.bytes, 8);
	h = (h ^ key.family) * 0x9e3779b97f4a7c15u;
	return (uint32_t)(h >> 32) & (PEERS_SLOTS - 1);
}

/* Under the lock. An entry without connections may make room for another: what its owner had spent
 * is forgotten then, so the one that has been left alone longest goes. */
static struct peer *
peers_find(struct peers *p, struct peer_key key)
{
	uint32_t at = peer_hash(key);
	struct peer *victim = NULL;

	for (uint32_t i = 0; i < PEERS_PROBES; i++) {
		struct peer *x = &p->slots[(at + i) & (PEERS_SLOTS - 1)];

		if (x->used && memcmp(&x->key, &key, sizeof(key)) == 0)
			return x;
		if (victim != NULL && !victim->used)
			continue;
		if (!x->used ||
		    (x->connections == 0 && (victim == NULL || x->filled_us < victim->filled_us)))
			victim = x;
	}
	if (victim == NULL)
		return &p->others;
	*victim = (struct peer){ .key = key, .used = true };
	return victim;
}

bool
peers_connect(struct peers *p, struct peer_key key, uint32_t most)
{
	struct peer *x;
	bool good;

	pthread_mutex_lock(&p->lock);
	x = peers_find(p, key);
	good = x->connections < most;
	x->connections += good;
	pthread_mutex_unlock(&p->lock);
	return good;
}

/* An entry with connections is never taken away, so whoever had one finds it again; who was counted
 * among the others may have got a slot since, and the others' count is then the one to lower. */
void
peers_disconnect(struct peers *p, struct peer_key key)
{
	struct peer *x;

	pthread_mutex_lock(&p->lock);
	x = peers_find(p, key);
	if (x->connections == 0)
		x = &p->others;
	if (x->connections > 0)
		x->connections--;
	pthread_mutex_unlock(&p->lock);
}

uint32_t
peers_spend(struct peers *p, struct peer_key key, uint32_t cost, uint32_t per_second,
	    uint32_t burst, uint64_t now_us)
{
	uint32_t wait = 0;
	struct peer *x;

	if (cost > burst)
		cost = burst;
	pthread_mutex_lock(&p->lock);
	x = peers_find(p, key);
	if (x->filled_us == 0 || now_us < x->filled_us)
		x->tokens = burst;
	else
		x->tokens += (double)(now_us - x->filled_us) * 1e-6 * per_second;
	if (x->tokens > burst)
		x->tokens = burst;
	x->filled_us = now_us == 0 ? 1 : now_us;
	if (x->tokens >= cost)
		x->tokens -= cost;
	else
		wait = (uint32_t)((cost - x->tokens) / (per_second == 0 ? 1 : per_second)) + 1;
	pthread_mutex_unlock(&p->lock);
	return wait;
}
