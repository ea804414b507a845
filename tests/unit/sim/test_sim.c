/* SPDX-License-Identifier: MIT
 *
 * What the synthetic mesh promises. Whether paths are the true ones is checked from outside, by
 * tests/integration/sim_truth.py.
 */
#include <string.h>

#include <criterion/criterion.h>
#include <meshcore/hash.h>
#include <meshcore/hex.h>
#include <meshcore/object.h>
#include <sim/impl.h>

TestSuite(sim, .timeout = 120);

static struct sim *
made(const struct sim_options *o)
{
	struct sim *s = NULL;
	mk_err err = { .code = MK_OK };

	cr_assert_eq(sim_new(o, &s, &err), MK_OK, "%s", err.text);
	return s;
}

static const struct sim_event *
next(struct sim *s)
{
	const struct sim_event *e = sim_next(s);

	cr_assert_not_null(e);
	return e;
}

/* Of everything that `count` events say. */
static const char *
digest(const struct sim_options *o, uint32_t count, char hex[17])
{
	struct sim *s = made(o);
	struct mc_sha sha;
	uint8_t sum[MC_SHA256_SIZE];

	mc_sha_init(&sha);
	for (uint32_t i = 0; i < count; i++) {
		const struct sim_event *e = next(s);
		int64_t numbers[] = { (int64_t)e->at_us, e->kind, e->who,
				      e->snr4,           e->rssi, e->lat_e6 };

		mc_sha_add(&sha, numbers, sizeof(numbers));
		mc_sha_add(&sha, e->raw, e->len);
	}
	mc_sha_end(&sha, sum);
	sim_free(s);
	return mc_hex_lower(sum, 8, hex);
}

/* If this changes although the model was not touched, the model depends on the machine. */
Test(sim, the_same_options_give_the_same_events_on_every_machine)
{
	char hex[17];

	cr_expect_str_eq(digest(&sim_defaults, 5000, hex), "fe959a6347221041");
}

Test(sim, another_seed_gives_other_events)
{
	struct sim_options o = sim_defaults;
	char a[17], b[17];

	digest(&o, 500, a);
	o.seed++;
	cr_expect_str_neq(a, digest(&o, 500, b));
}

Test(sim, another_start_leaves_the_nodes_as_they_are)
{
	struct sim_options o = sim_defaults;
	struct sim *a = made(&o), *b;

	o.start_us += 12345678;
	b = made(&o);
	for (uint32_t i = 0; i < o.nodes; i++) {
		cr_expect_arr_eq(a->nodes[i].id.key, b->nodes[i].id.key, MC_KEY_SIZE);
		cr_expect_str_eq(a->nodes[i].name, b->nodes[i].name);
	}
	sim_free(a);
	sim_free(b);
}

Test(sim, events_come_in_order_of_time)
{
	struct sim *s = made(&sim_defaults);
	uint64_t last = sim_defaults.start_us;

	for (int i = 0; i < 20000; i++) {
		const struct sim_event *e = next(s);

		cr_assert_geq(e->at_us, last);
		last = e->at_us;
	}
	sim_free(s);
}

/* Channels, as somebody has them configured who knows all of them. */
static void
keys_of(const struct sim *s, struct mc_keys *keys)
{
	mc_keys_init(keys);
	for (uint32_t i = 0; i < CHANNELS; i++) {
		char hex[33], name[8];

		snprintf(name, sizeof(name), "c%u", i);
		mc_hex_lower(s->channels[i].secret, 16, hex);
		cr_assert_eq(mc_keys_set(keys, name, hex), MC_KEY_SET);
	}
}

static void
check_object(const struct sim_event *e, const struct mc_frame *f, const struct mc_object *o)
{
	cr_assert(!o->failed, "type %u", f->type);
	cr_assert_null(o->anomaly);
	if (f->type == MC_ADVERT) {
		cr_assert_eq(o->signature_valid, !e->forged);
		cr_assert_null(mc_advert_fault(&o->advert));
		cr_assert_neq(o->advert.name[0], '\0');
		if (o->advert.flags % 16 == MC_NODE_SENSOR)
			cr_assert(o->advert.has_battery && o->advert.has_temperature);
	}
	if (f->type == MC_GRP_TXT || f->type == MC_GRP_DATA)
		cr_assert(o->decrypted);
	if (f->type == MC_CONTROL)
		cr_assert(f->hops == 0 && f->route == MC_DIRECT);
}

Test(sim, every_undamaged_packet_is_read_by_the_decoder)
{
	struct sim_options o = sim_defaults;
	uint32_t types[16] = { 0 }, routes[4] = { 0 };
	static struct mc_object object;
	struct mc_keys keys;
	struct sim *s;

	o.rate = 200;
	s = made(&o);
	keys_of(s, &keys);
	for (int i = 0; i < 40000; i++) {
		const struct mc_decoder how = { .keys = &keys, .verify = i % 16 == 0 };
		const struct sim_event *e = next(s);
		uint8_t hash[MC_HASH_SIZE];
		struct mc_frame f;

		if (e->kind == SIM_STATUS || e->damaged)
			continue;
		cr_assert_eq(mc_frame_parse(&f, e->raw, e->len), MC_GOOD);
		mc_hash(&f, hash);
		cr_assert_arr_eq(hash, e->hash, sizeof(hash));
		mc_object_decode(&object, &f, &how);
		if (how.verify || f.type != MC_ADVERT)
			check_object(e, &f, &object);
		types[f.type]++;
		routes[f.route]++;
	}
	for (uint8_t type = 0; type < 16; type++)
		cr_expect(types[type] > 0 || (type > MC_CONTROL && type < MC_RAW_CUSTOM), "type %u",
			  type);
	for (uint8_t route = 0; route < 4; route++)
		cr_expect(routes[route] > 0, "route %u", route);
	mc_keys_fini(&keys);
	sim_free(s);
}

Test(sim, damaged_copies_differ_and_are_as_many_as_wanted)
{
	struct sim_options o = sim_defaults;
	uint32_t damaged = 0, repeated = 0, forged = 0, receptions = 0;
	struct sim *s;

	o.rate = 1000;
	o.damaged = 0.1;
	o.repeated = 0.05;
	o.forged = 0.2;
	s = made(&o);
	for (int i = 0; i < 40000; i++) {
		const struct sim_event *e = next(s);

		receptions += e->kind == SIM_RECEPTION;
		damaged += e->kind == SIM_RECEPTION && e->damaged;
		repeated += e->kind == SIM_RECEPTION && e->repeated;
		forged += e->forged;
	}
	cr_expect_float_eq((double)damaged / receptions, 0.1, 0.01);
	cr_expect_float_eq((double)repeated / receptions, 0.05, 0.01);
	cr_expect_gt(forged, 100);
	sim_free(s);
}

/* Receptions in a second, over `seconds` after every node has introduced itself. */
static double
measure(struct sim_options o, double seconds)
{
	struct sim *s = made(&o);
	uint64_t from = 0, count = 0;
	const struct sim_event *e;

	do
		e = next(s);
	while (s->counted_us == 0);
	from = e->at_us;
	for (; (double)(e->at_us - from) < seconds * 1e6; e = next(s))
		count += e->kind == SIM_RECEPTION;
	sim_free(s);
	return (double)count / seconds;
}

Test(sim, the_rate_is_met)
{
	static const double rates[] = { 1, 5, 300, 20000, SIM_RATE_MAX };
	struct sim_options o = sim_defaults;

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		double seconds = 100000 / rates[i], got;

		o.rate = rates[i];
		got = measure(o, seconds > 7200 ? 7200 : seconds);
		cr_expect_float_eq(got / rates[i], 1, 0.15, "%g instead of %g", got, rates[i]);
	}
}

Test(sim, a_new_rate_is_met)
{
	struct sim *s = made(&sim_defaults);
	const struct sim_event *e;
	uint64_t from, count = 0;

	for (int i = 0; i < 8000; i++)
		e = next(s);
	cr_assert_eq(sim_set_rate(s, 2000), MK_OK);
	cr_expect_eq(sim_set_rate(s, 0), MK_EINVAL);
	for (int i = 0; i < 20000; i++) /* what was planned for the old one */
		e = next(s);
	from = e->at_us;
	for (; e->at_us < from + 20000000; e = next(s))
		count += e->kind == SIM_RECEPTION;
	cr_expect_float_eq((double)count / 20 / 2000, 1, 0.15, "%g", (double)count / 20);
	sim_free(s);
}

Test(sim, shifting_moves_everything_that_is_to_come)
{
	struct sim *a = made(&sim_defaults), *b = made(&sim_defaults);
	const int64_t by = 3600 * (int64_t)SECOND;

	for (int i = 0; i < 3000; i++) {
		next(a);
		next(b);
	}
	sim_shift(b, by);
	for (int i = 0; i < 3000; i++)
		cr_assert_eq(next(a)->at_us + (uint64_t)by, next(b)->at_us);
	sim_shift(b, -by);
	for (int i = 0; i < 10; i++)
		cr_assert_lt(next(b)->at_us, next(a)->at_us + SECOND * 60);
	sim_free(a);
	sim_free(b);
}

Test(sim, repeaters_share_first_bytes_of_keys)
{
	struct sim *s = made(&sim_defaults);
	uint32_t pairs = 0;

	for (uint32_t i = 0; i < s->o.nodes; i++) {
		cr_expect_neq(s->nodes[i].id.key[0], 0);
		cr_expect_neq(s->nodes[i].id.key[0], 0xff);
		for (uint32_t j = 0; j < i; j++)
			pairs += s->nodes[i].id.key[0] == s->nodes[j].id.key[0];
	}
	cr_expect_gt(pairs, 3);
	sim_free(s);
}

Test(sim, links_are_asymmetric_and_connect_everybody)
{
	struct sim *s = made(&sim_defaults);
	uint32_t different = 0;

	for (uint32_t i = 0; i < s->o.nodes; i++) {
		const struct node *n = &s->nodes[i];
		int best = SNR_LIMIT4;

		for (uint32_t k = 0; k < n->link_count; k++) {
			const struct link *l = &s->links[n->link + k];
			const struct node *m = &s->nodes[l->to];

			best = m->repeats && l->snr4 > best ? l->snr4 : best;
			for (uint32_t b = 0; b < m->link_count; b++)
				different += s->links[m->link + b].to == i &&
					     s->links[m->link + b].snr4 != l->snr4;
		}
		cr_expect_gt(best, -20, "node %u", i);
	}
	cr_expect_gt(different, s->link_count / 2);
	cr_expect_float_eq(links_loss(s, SNR_LIMIT4), 0.5, 0.1);
	cr_expect_float_eq(links_loss(s, 40), 0.03, 0.001);
	sim_free(s);
}

Test(sim, people_learn_ways_and_use_them)
{
	struct sim *s = made(&sim_defaults);
	uint32_t ways = 0;

	for (int i = 0; i < 30000; i++)
		next(s);
	for (uint32_t i = 0; i < s->o.nodes; i++) {
		for (uint32_t k = 0; k < s->nodes[i].contact_count; k++)
			ways += s->nodes[i].contacts[k].has_way;
	}
	cr_expect_gt(ways, 10);
	sim_free(s);
}

Test(sim, both_ends_of_a_conversation_have_the_same_secret)
{
	struct sim *s = made(&sim_defaults);
	uint32_t checked = 0;

	for (int i = 0; i < 30000; i++)
		next(s);
	for (uint32_t i = 0; i < s->o.nodes; i++) {
		for (uint32_t k = 0; k < s->nodes[i].contact_count; k++) {
			const struct contact *c = &s->nodes[i].contacts[k];
			const struct contact *d = world_contact(&s->nodes[c->peer], i);

			if (!c->has_secret || !d->has_secret)
				continue;
			cr_assert_arr_eq(c->secret.secret, d->secret.secret, 32);
			checked++;
		}
	}
	cr_expect_gt(checked, 10);
	sim_free(s);
}

static bool
refuses(struct sim_options o, const char *name)
{
	struct sim *s = NULL;
	mk_err err;

	if (sim_new(&o, &s, &err) != MK_EINVAL) {
		sim_free(s);
		return false;
	}
	return s == NULL && strstr(err.text, name) != NULL;
}

#define WITH(field, value) (set = sim_defaults, set.field = (value), set)

Test(sim, options_out_of_range_are_refused_by_name)
{
	static const char *const none[] = { NULL }, *const lower[] = { "bru", NULL };
	static const char *const many[] = { "a", "b", "c", NULL };
	struct sim_options set;

	cr_expect(refuses(WITH(nodes, 1), "nodes"));
	cr_expect(refuses(WITH(nodes, SIM_NODES_MAX + 1), "nodes"));
	cr_expect(refuses(WITH(observers, 0), "observers"));
	cr_expect(refuses(WITH(observers, 61), "observers"));
	cr_expect(refuses(WITH(phones, SIM_PHONES_MAX + 1), "phones"));
	cr_expect(refuses(WITH(rate, 0.5), "rate"));
	cr_expect(refuses(WITH(rate, SIM_RATE_MAX + 1), "rate"));
	cr_expect(refuses(WITH(lat, 91), "latitude"));
	cr_expect(refuses(WITH(regions, none), "regions"));
	cr_expect(refuses(WITH(regions, lower), "regions"));
	cr_expect(refuses(WITH(scopes, many), "scopes"));
}

Test(sim, the_smallest_and_a_large_mesh_live)
{
	struct sim_options set, o;
	struct sim *s;

	o = WITH(nodes, 2);
	o.observers = 2;
	s = made(&o);
	for (int i = 0; i < 500; i++)
		next(s);
	sim_free(s);
	o = WITH(nodes, 1500);
	o.observers = 1000;
	o.rate = 10000;
	s = made(&o);
	for (int i = 0; i < 50000; i++)
		next(s);
	sim_free(s);
}
