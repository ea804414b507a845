/* SPDX-License-Identifier: MIT
 *
 * How right the damaged copies are: synthetic meshes in which relays send on what they got wrong, and
 * observers get bits wrong themselves. Nothing can be decrypted, so no MAC helps to tell them.
 *
 *   precision   share of the packets told to be damaged copies that are
 *   recall      share of the damaged packets that are told, of those whose original was heard, too
 *   linked      share of those that are right whose original is the right one
 */
#include <string.h>

#include <analytics/copies.h>
#include <meshcore/frame.h>
#include <meshcore/hash.h>
#include <sim/sim.h>

#include "figures.h"

#define PACKETS_MAX (1u << 17)

struct known { /* a packet, by its number */
	uint8_t hash[8], original[8];
	bool damaged;
};

struct run {
	struct frame frame;
	mk_host host;
	struct sim *sim;
	struct known *packets;
	uint32_t count, obs, slots[2 * PACKETS_MAX];
	int64_t now;
};

static uint64_t
run_now(const mk_host *host)
{
	return (uint64_t)((const struct run *)host->impl)->now * 1000000;
}

static mk_result
run_count(const mk_host *host, const char *name, int64_t v)
{
	(void)host;
	(void)name;
	(void)v;
	return MK_OK;
}

static uint32_t
run_packet(struct run *r, const uint8_t hash[8], bool *fresh)
{
	uint64_t key;
	uint32_t i;

	memcpy(&key, hash, sizeof(key));
	i = (uint32_t)hops_mix(key) % (2 * PACKETS_MAX);
	while (r->slots[i] != 0 && memcmp(r->packets[r->slots[i]].hash, hash, 8) != 0)
		i = (i + 1) % (2 * PACKETS_MAX);
	*fresh = r->slots[i] == 0;
	if (*fresh && r->count + 1 < PACKETS_MAX) {
		r->slots[i] = ++r->count;
		memcpy(r->packets[r->count].hash, hash, 8);
	}
	return r->slots[i];
}

static void
run_take(struct run *r, const struct sim_event *e)
{
	struct hops_packet packet = { .raw = e->raw, .raw_len = e->len };
	struct hops_obs o = { .id = ++r->obs, .at = (int64_t)(e->at_us / 1000000) };
	char text[17];
	uint8_t hash[8];
	struct mc_frame f;

	if (e->kind != SIM_RECEPTION || e->repeated || e->forged ||
	    mc_frame_parse(&f, e->raw, e->len) != MC_GOOD)
		return;
	mc_hash(&f, hash);
	if (f.type == MC_ADVERT && memcmp(hash, e->hash, 8) != 0)
		return; /* refused for its signature */
	o.tx = run_packet(r, hash, &packet.fresh);
	if (o.tx == 0)
		return;
	if (packet.fresh) {
		memcpy(r->packets[o.tx].original, e->hash, 8);
		r->packets[o.tx].damaged = memcmp(hash, e->hash, 8) != 0;
		for (int i = 0; i < 8; i++)
			(void)snprintf(text + 2 * i, 3, "%02x", hash[i]);
		packet.hash = text;
		packet.hash_len = 16;
		packet.first = o.at;
		o.packet = &packet;
	}
	r->now = o.at;
	o.observer = sim_observer(r->sim, e->who)->id;
	o.observer_len = 64;
	o.route = f.route;
	o.type = f.type;
	o.size = f.hash_size;
	o.count = f.type == MC_TRACE ? 0 : f.hops;
	for (uint32_t i = 0; i < o.count; i++) {
		uint32_t value = 0;

		for (uint32_t k = 0; k < f.hash_size; k++)
			value = value << 8 | f.path[i * f.hash_size + k];
		o.hops[i] = HOPS_TOKEN(f.hash_size, value);
	}
	frame_on_obs(&r->frame, &o);
}

/* True: the original of a packet was heard, too. */
static bool
run_has_original(const struct run *r, const struct known *k)
{
	uint64_t key;
	uint32_t i;

	memcpy(&key, k->original, sizeof(key));
	i = (uint32_t)hops_mix(key) % (2 * PACKETS_MAX);
	while (r->slots[i] != 0 && memcmp(r->packets[r->slots[i]].hash, k->original, 8) != 0)
		i = (i + 1) % (2 * PACKETS_MAX);
	return r->slots[i] != 0;
}

static void
run_judge(struct run *r, struct figure *figures)
{
	uint32_t told = 0, right = 0, real = 0, linked = 0;

	for (uint32_t i = 1; i <= r->count; i++) {
		const struct known *k = &r->packets[i];
		const struct an_packet *p = frame_find(&r->frame, i);
		uint64_t original = p != NULL ? copies_original(&r->frame, i) : 0;

		if (p == NULL)
			continue;
		told += p->copy;
		right += p->copy && k->damaged;
		real += k->damaged && run_has_original(r, k);
		linked += p->copy && k->damaged && original > 0 && original <= r->count &&
			  memcmp(r->packets[original].hash, k->original, 8) == 0;
	}
	figure_add(&figures[0], "precision", "share", told > 0 ? (double)right / told : 1);
	figure_add(&figures[1], "recall", "share", real > 0 ? (double)right / real : 1);
	figure_add(&figures[2], "linked", "share", right > 0 ? (double)linked / right : 1);
	figure_add(&figures[3], "damaged", "packets", real);
	figure_add(&figures[4], "all", "packets", r->count);
}

static int
run_mesh(const char *name, uint32_t nodes, uint32_t observers, double spoiled, double damaged,
	 uint32_t receptions)
{
	static const struct an_module *const modules[] = { &copies_module, NULL };
	struct figure figures[5] = { 0 };

	for (uint64_t seed = 1; seed <= 3; seed++) {
		struct run *r = calloc(1, sizeof(*r));
		struct sim_options o = sim_defaults;
		mk_err err;

		if (r == NULL || (r->packets = calloc(PACKETS_MAX, sizeof(*r->packets))) == NULL)
			return 1;
		o.seed = seed;
		o.nodes = nodes;
		o.observers = observers;
		o.rate = 40;
		o.phones = 0;
		o.spoiled = spoiled;
		o.damaged = damaged;
		o.start_us = UINT64_C(1790000000000000);
		r->host = (mk_host){ .impl = r,
				     .now_us = run_now,
				     .wall_us = run_now,
				     .gauge = run_count,
				     .count = run_count };
		if (frame_init(&r->frame, &r->host, modules) != MK_OK ||
		    sim_new(&o, &r->sim, &err) != MK_OK)
			return 1;
		r->frame.keep = 365 * 86400;
		r->frame.max_packets = PACKETS_MAX;
		for (uint32_t i = 0; i < receptions; i++) {
			const struct sim_event *e = sim_next(r->sim);

			if (e == NULL)
				break;
			run_take(r, e);
		}
		run_judge(r, figures);
		sim_free(r->sim);
		frame_fini(&r->frame);
		free(r->packets);
		free(r);
	}
	for (int i = 0; i < 5; i++)
		figure_print(&figures[i], "copies", name);
	return 0;
}

int
main(void)
{
	return run_mesh("60-nodes-relays-damage", 60, 12, 0.02, 0, 60000) ||
	       run_mesh("60-nodes-observers-damage", 60, 12, 0, 0.01, 60000) ||
	       run_mesh("300-nodes-both", 300, 40, 0.02, 0.002, 100000) ||
	       run_mesh("300-nodes-nothing-damaged", 300, 40, 0, 0, 100000);
}
