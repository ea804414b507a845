/* SPDX-License-Identifier: MIT
 *
 * What was published, counted as a correct analyser counts it. Keys are 64 bits of a hash: two
 * different observations fall together once in billions, and are then counted as one.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <meshcore/advert.h>
#include <meshcore/hash.h>

#include "meshsim.h"

static uint64_t
tally_mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static bool
tally_grow(struct tally_set *s)
{
	struct tally_set more = { .cap = s->cap == 0 ? 4096 : s->cap * 2 };

	more.at = calloc(more.cap, sizeof(*more.at));
	if (more.at == NULL)
		return false;
	for (size_t i = 0; i < s->cap; i++) {
		size_t at = s->at[i] & (more.cap - 1);

		while (s->at[i] != 0 && more.at[at] != 0)
			at = (at + 1) & (more.cap - 1);
		if (s->at[i] != 0)
			more.at[at] = s->at[i];
	}
	more.count = s->count;
	free(s->at);
	*s = more;
	return true;
}

static bool
tally_put(struct tally_set *s, uint64_t key, bool *fresh)
{
	size_t at;

	key += key == 0;
	if (s->count * 4 >= s->cap * 3 && !tally_grow(s))
		return false;
	at = key & (s->cap - 1);
	while (s->at[at] != 0 && s->at[at] != key)
		at = (at + 1) & (s->cap - 1);
	*fresh = s->at[at] == 0;
	s->count += *fresh;
	s->at[at] = key;
	return true;
}

bool
tally_add(struct tally *t, const struct sim_event *e, bool *fresh)
{
	struct mc_frame f;
	struct mc_hops hops;
	uint8_t hash[MC_HASH_SIZE];
	uint64_t key;
	bool new_hash = false, new_obs = false;

	*fresh = true;
	t->messages++;
	t->statuses += e->kind == SIM_STATUS;
	t->clients += e->kind == SIM_CLIENT;
	if (e->kind != SIM_RECEPTION)
		return true;
	t->receptions++;
	*fresh = false;
	if (mc_frame_parse(&f, e->raw, e->len) != MC_GOOD) {
		t->rejected++;
		return true;
	}
	memcpy(hash, e->hash, sizeof(hash));
	if (e->damaged)
		mc_hash(&f, hash);
	if (f.type == MC_ADVERT && f.payload_len >= MC_ADVERT_MIN &&
	    (e->forged || memcmp(hash, e->hash, sizeof(hash)) != 0)) {
		t->refused++;
		return true;
	}
	memcpy(&key, hash, sizeof(key));
	hops = mc_frame_hops(&f);
	if (!tally_put(&t->hashes, key, &new_hash))
		return false;
	key = tally_mix(key + e->who + 1);
	if (hops.count > 0) /* no hops are the same path, whatever their size */
		key += (uint64_t)hops.size * 64 + hops.count;
	for (uint32_t i = 0; i < (uint32_t)hops.size * hops.count; i++)
		key = (key ^ hops.at[i]) * 0x100000001b3u;
	if (!tally_put(&t->observed, tally_mix(key), &new_obs))
		return false;
	t->transmissions += new_hash;
	t->observations += new_obs;
	*fresh = new_obs;
	return true;
}

void
tally_print(const struct tally *t, double seconds, FILE *out)
{
	fprintf(out,
		"messages=%" PRIu64 " receptions=%" PRIu64 " transmissions=%" PRIu64
		" observations=%" PRIu64 " statuses=%" PRIu64 " clients=%" PRIu64
		" rejected=%" PRIu64 " refused=%" PRIu64 " seconds=%.3f per_second=%.0f\n",
		t->messages, t->receptions, t->transmissions, t->observations, t->statuses,
		t->clients, t->rejected, t->refused, seconds,
		seconds > 0 ? (double)t->messages / seconds : 0);
}

void
tally_fini(struct tally *t)
{
	free(t->hashes.at);
	free(t->observed.at);
}
