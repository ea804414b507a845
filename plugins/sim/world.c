/* SPDX-License-Identifier: MIT
 *
 * Who there is: towns, nodes with their keys, names, clocks and firmware, observers, phones.
 */
#include <stdlib.h>
#include <string.h>

#include <meshcore/hex.h>

#include "impl.h"
#include "words.h"

/* From west to east; in small worlds only those of low rank exist. */
static const struct {
	struct town town;
	uint32_t rank;
} all_towns[] = {
	{ { "Oostende", -100, 30 }, 8 }, { { "Brugge", -79, 29 }, 6 },
	{ { "Kortrijk", -76, -13 }, 7 }, { { "Gent", -44, 11 }, 2 },
	{ { "Aalst", -22, -1 }, 4 },     { { "Brussel", 0, -11 }, 0 },
	{ { "Antwerpen", 4, 30 }, 1 },   { { "Mechelen", 9, 9 }, 3 },
	{ { "Leuven", 25, -8 }, 5 },     { { "Namur", 36, -53 }, 11 },
	{ { "Turnhout", 41, 41 }, 9 },   { { "Hasselt", 69, -2 }, 10 },
	{ { "Luik", 85, -36 }, 12 },
};
#define TOWNS (sizeof(all_towns) / sizeof(all_towns[0]))
#define NODES_PER_TOWN 5
#define NAME_WITH_PLACE 23 /* bytes that an advert has for the name then */
#define NAME_OF_SENSOR 18  /* and with its telemetry */

static const char *const models[] = { "Heltec V3", "RAK4631", "Station G2", "Xiao nRF52840",
				      "Heltec V4" };
static const char *const firmwares[] = { "v1.9.1-b2f1a77", "v1.14.0-5a2c9d1", "v1.17.1-d929643" };

static void
world_towns(struct sim *s)
{
	uint32_t want = s->o.nodes / NODES_PER_TOWN;

	want = want < 2 ? 2 : want;
	for (size_t i = 0; i < TOWNS; i++) {
		if (all_towns[i].rank < want)
			s->towns[s->town_count++] = all_towns[i].town;
	}
}

/* Most clocks are right within seconds. The others are what is seen in real networks: a zone taken
 * for another, never set since the firmware was built, drifting, or plainly wrong. */
static void
world_set_clock(struct sim *s, struct node *n)
{
	struct dice *d = &s->dice;
	uint32_t kind = dice_below(d, 100);
	int64_t seconds = (int64_t)dice_below(d, 9) - 4;

	if (kind < 6)
		seconds = 1715770351 - (int64_t)(s->o.start_us / SECOND); /* as built */
	else if (kind < 14)
		seconds += (1 + (int64_t)dice_below(d, 2)) * (kind < 10 ? 3600 : -3600);
	else if (kind < 22)
		seconds += (int64_t)dice_below(d, 3600) - 1800;
	else if (kind < 24)
		seconds += 86400 * (1 + (int64_t)dice_below(d, 400));
	else if (kind < 36)
		n->drift_ppm = (int32_t)dice_below(d, 4000) - 2000;
	n->clock_us = seconds * (int64_t)SECOND;
}

/* The keys of busy networks collide in their first byte. Small ones would not by themselves. */
static bool
world_wanted_key(const struct sim *s, uint32_t i, uint32_t tries)
{
	const uint8_t *key = s->nodes[i].id.key;

	if (key[0] == 0x00 || key[0] == 0xff)
		return false;
	if (i % 9 != 4 || tries > 400)
		return true;
	for (uint32_t j = 0; j < i; j++) {
		if (s->nodes[j].id.key[0] == key[0] && s->nodes[j].role == MC_NODE_REPEATER)
			return true;
	}
	return false;
}

static mk_result
world_key(struct sim *s, uint32_t i, mk_err *err)
{
	for (uint32_t tries = 0;; tries++) {
		uint8_t seed[MC_KEY_SIZE];

		dice_fill(&s->dice, seed, sizeof(seed));
		if (!mc_identity_init(&s->nodes[i].id, seed))
			return mk_err_set(err, MK_ENOMEM, "cannot make a key");
		if (world_wanted_key(s, i, tries))
			return MK_OK;
	}
}

/* The first node of each town is a repeater on a tower. */
static uint8_t
world_role(struct sim *s, uint32_t i)
{
	uint32_t kind = dice_below(&s->dice, 100);

	if (i < s->town_count && i + 1 < s->o.nodes)
		return MC_NODE_REPEATER;
	if (i + 1 == s->o.nodes || i == s->town_count)
		return MC_NODE_COMPANION;
	if (kind < 30)
		return MC_NODE_REPEATER;
	return kind < 40 ? MC_NODE_SENSOR : kind < 50 ? MC_NODE_ROOM : MC_NODE_COMPANION;
}

static void
world_place(struct sim *s, uint32_t i)
{
	struct node *n = &s->nodes[i];
	struct dice *d = &s->dice;
	bool tower = i < s->town_count;
	double height, around = tower ? 0.7 : 3.0;

	n->town = tower ? i : dice_below(d, s->town_count);
	n->x_km = s->towns[n->town].x_km + dice_normal(d) * around;
	n->y_km = s->towns[n->town].y_km + dice_normal(d) * around;
	n->lat_e6 = (int32_t)((s->o.lat + n->y_km / 111.195) * 1e6);
	n->lon_e6 = (int32_t)((s->o.lon + n->x_km / s->km_lon) * 1e6);
	if (n->role == MC_NODE_COMPANION)
		height = dice_chance(d, 0.2) ? 6 : 2;
	else
		height = n->role == MC_NODE_REPEATER ? 8 + dice_below(d, 18) : 3 + dice_below(d, 5);
	if (tower)
		height = 50 + dice_below(d, 41);
	n->log_height = dice_log2(height) * 0.30102999566398120;
	n->noise_dbm = -119 + dice_unit(d) * (tower ? 9 : 6);
	n->says_place = dice_chance(d, n->role == MC_NODE_COMPANION ? 0.6 : 0.95);
}

static mk_result
world_node(struct sim *s, uint32_t i, uint32_t *named, mk_err *err)
{
	struct node *n = &s->nodes[i];
	struct dice *d = &s->dice;
	uint32_t kind;
	size_t room = NAME_WITH_PLACE;

	n->role = world_role(s, i);
	n->repeats =
	    n->role == MC_NODE_REPEATER || (n->role == MC_NODE_ROOM && dice_chance(d, 0.2));
	world_place(s, i);
	if (n->role == MC_NODE_SENSOR)
		room = NAME_OF_SENSOR;
	/* Companions are numbered over the world, the others in their town. */
	kind = n->role == MC_NODE_COMPANION ? 0 : 1 + n->town;
	words_name(d, n->role, s->towns[n->town].name, named[kind]++, n->name, room);
	kind = dice_below(d, 100);
	n->generation = kind < 20 ? 0 : kind < 50 ? 1 : 2;
	kind = dice_below(d, 100);
	n->hash_size = n->generation == 0 || kind < 55 ? 1 : kind < 85 ? 2 : 3;
	n->max_hops = dice_chance(d, 0.15) ? (uint8_t)(6 + dice_below(d, 6)) : MC_HOPS_MAX;
	n->multi_acks = n->generation == 2 && dice_chance(d, 0.3);
	n->in_scope[0] = n->generation > 0;
	n->in_scope[1] = n->generation > 0 && n->x_km < 10;
	n->up = dice_below(d, 100) >= 4;
	n->observer = NOBODY;
	world_set_clock(s, n);
	return world_key(s, i, err);
}

static void
world_observer(struct sim *s, uint32_t i)
{
	struct observer *o = &s->observers[i];
	bool repeater = i % 5 != 1 && i % 5 != 4;
	uint32_t at = dice_below(&s->dice, s->o.nodes), tries = 0;
	struct node *n;

	/* The next one of the wanted kind; if there is none left, the next one. */
	while (s->nodes[at].observer != NOBODY ||
	       (tries < s->o.nodes && s->nodes[at].repeats != repeater)) {
		at = (at + 1) % s->o.nodes;
		tries++;
	}
	n = &s->nodes[at];
	n->observer = i;
	n->up = true;
	o->node = at;
	o->up_us = (1 + (uint64_t)dice_below(&s->dice, 20 * 86400)) * SECOND;
	o->vitals.battery_mv = 3600 + dice_below(&s->dice, 600);
	o->party.name = n->name;
	o->party.region = s->regions[n->town * s->region_count / s->town_count];
	o->party.model = models[dice_below(&s->dice, sizeof(models) / sizeof(models[0]))];
	o->party.firmware = firmwares[n->generation];
	o->party.repeats = n->repeats;
	o->party.numbers_as_text = i % 3 == 1;
	o->party.naive = i % 8 == 5 || i % 8 == 6;
	o->party.zone_s = i % 8 == 5 ? 7200 : 0;
	mc_hex_upper(n->id.key, MC_KEY_SIZE, o->party.id);
}

static mk_result
world_phone(struct sim *s, uint32_t i, mk_err *err)
{
	struct phone *p = &s->phones[i];
	uint8_t seed[MC_KEY_SIZE], key[MC_KEY_SIZE];

	p->snr4 = calloc(s->o.nodes, sizeof(*p->snr4));
	if (p->snr4 == NULL)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	s->phone_count++;
	dice_fill(&s->dice, seed, sizeof(seed));
	if (!mc_ed25519_public(seed, key))
		return mk_err_set(err, MK_ENOMEM, "cannot make a key");
	mc_hex_lower(key, sizeof(key), p->party.id);
	words_name(&s->dice, MC_NODE_COMPANION, "", 2 + 5 * i, p->name, NAME_WITH_PLACE);
	p->party.name = p->name;
	p->from = dice_below(&s->dice, s->town_count);
	p->to = (p->from + 1) % s->town_count;
	p->step = 0.004 + dice_unit(&s->dice) * 0.004;
	links_phone(s, p);
	return MK_OK;
}

/* Who writes to whom: people, rooms, and the repeaters and sensors that they look after. */
static void
world_contacts(struct sim *s)
{
	for (uint32_t i = 0; i < s->o.nodes; i++) {
		struct node *n = &s->nodes[i];
		uint32_t want = n->role == MC_NODE_COMPANION ? 2 + dice_below(&s->dice, 3) : 0;

		for (uint32_t k = 0; k < 20 && n->contact_count < want; k++) {
			uint32_t other = dice_below(&s->dice, s->o.nodes);
			struct node *m = &s->nodes[other];

			if (other == i || world_contact(n, other) != NULL ||
			    m->contact_count == CONTACTS_MAX)
				continue;
			n->contacts[n->contact_count++].peer = other;
			m->contacts[m->contact_count++].peer = i;
		}
	}
}

mk_result
world_make(struct sim *s, mk_err *err)
{
	uint32_t named[TOWNS + 1] = { 0 };
	mk_result r = MK_OK;

	s->nodes = calloc(s->o.nodes, sizeof(*s->nodes));
	s->observers = calloc(s->o.observers, sizeof(*s->observers));
	s->phones = calloc(s->o.phones + 1, sizeof(*s->phones));
	s->towns = calloc(TOWNS, sizeof(*s->towns));
	if (s->towns == NULL || s->nodes == NULL || s->observers == NULL || s->phones == NULL)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	world_towns(s);
	for (uint32_t i = 0; r == MK_OK && i < s->o.nodes; i++)
		r = world_node(s, i, named, err);
	if (r != MK_OK)
		return r;
	for (uint32_t i = 0; i < s->o.observers; i++)
		world_observer(s, i);
	for (uint32_t i = 0; r == MK_OK && i < s->o.phones; i++)
		r = world_phone(s, i, err);
	world_contacts(s);
	return r;
}

void
world_free(struct sim *s)
{
	for (uint32_t i = 0; i < s->phone_count; i++)
		free(s->phones[i].snr4);
	free(s->nodes);
	free(s->observers);
	free(s->phones);
	free(s->towns);
}

uint32_t
world_clock(struct sim *s, struct node *n, uint64_t at_us)
{
	int64_t ran = (int64_t)(at_us - s->o.start_us);
	int64_t now = (int64_t)at_us + n->clock_us + ran / 1000000 * n->drift_ppm;
	uint32_t now_s = (uint32_t)(now / (int64_t)SECOND);

	/* The firmware never says the same second twice. Where traffic is faster than any real one,
	 * clocks would run away by that, so it ends after two seconds. */
	if (now_s <= n->said_s && n->said_s - now_s < 2)
		now_s = n->said_s + 1;
	n->said_s = now_s > n->said_s ? now_s : n->said_s;
	return now_s;
}

uint32_t
world_pick(struct sim *s, uint32_t roles)
{
	uint32_t at = dice_below(&s->dice, s->o.nodes);

	for (uint32_t i = 0; i < s->o.nodes; i++, at = (at + 1) % s->o.nodes) {
		if (s->nodes[at].up && (roles >> s->nodes[at].role & 1) != 0)
			return at;
	}
	return at;
}

struct contact *
world_contact(struct node *n, uint32_t peer)
{
	for (uint32_t i = 0; i < n->contact_count; i++) {
		if (n->contacts[i].peer == peer)
			return &n->contacts[i];
	}
	return NULL;
}
