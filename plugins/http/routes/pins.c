/* SPDX-License-Identifier: MIT
 *
 * /api/overview: nodes that somebody looks after, each in a row.
 */
#include <string.h>

#include "overview.h"

#define DAY_S 86400
#define PINS_MAX 20u
#define PIN_PACKETS 2000u /* of a node, that are looked at */

bool
over_is_infra(const struct read_node *n)
{
	return n->role != NULL &&
	       (strcmp(n->role, "repeater") == 0 || strcmp(n->role, "room") == 0);
}

struct pin { /* what packets tell of a node within a day */
	uint32_t spark[24], packets, relayed, observers;
	uint64_t seen[16]; /* bits of the numbers of observers, folded */
	int64_t heard;     /* 0: not at all */
	uint32_t hops;     /* fewest */
	double snr;
	bool has_snr;
};

static void
pin_packet(struct pin *pin, const struct read_packet *p, uint32_t node, int64_t now_s)
{
	int64_t at = p->latest == READ_NULL ? p->first_s : p->latest;

	if (at <= now_s - DAY_S || at > now_s)
		return;
	pin->packets++;
	pin->spark[23 - (now_s - at) / 3600]++;
	pin->heard = at > pin->heard ? at : pin->heard;
	if (p->from != node) {
		pin->relayed++;
		return;
	}
	for (uint32_t i = 0; i < p->obs_count; i++) {
		const struct read_obs *o = &p->obs[i];
		uint64_t bit = 1ull << o->observer % 64;

		if (o->observer != READ_NONE && (pin->seen[o->observer / 64 % 16] & bit) == 0) {
			pin->seen[o->observer / 64 % 16] |= bit;
			pin->observers++;
		}
		pin->hops = o->count < pin->hops ? o->count : pin->hops;
		if (o->has_snr && o->count == 0 && (!pin->has_snr || o->snr > pin->snr)) {
			pin->snr = o->snr;
			pin->has_snr = true;
		}
	}
}

static const char *
pin_state(const struct over *o, const struct read_node *n, int64_t heard)
{
	bool infra = over_is_infra(n);
	int64_t silent = o->now_s - heard;

	if (heard == 0 || silent > (infra ? o->set->infra_silent_s : o->set->node_silent_s))
		return "silent";
	return silent > (infra ? o->set->infra_degraded_s : o->set->node_degraded_s) ? "degraded"
										     : "active";
}

static void
pin_put(const struct over *o, uint32_t node, const struct pin *pin)
{
	const struct read_node *n = read_node(o->h->read, node);
	int64_t heard = n->last_seen_s == READ_NULL ? 0 : n->last_seen_s;
	struct read_relay relay = { 0 };
	bool relays = read_relay(o->h->read, node, &relay);

	heard = pin->heard > heard ? pin->heard : heard;
	heard = relays && relay.last_relayed > heard ? relay.last_relayed : heard;
	js_object(o->out);
	js_kstr(o->out, "key", n->key);
	js_kstr(o->out, "name", n->name);
	js_kstr(o->out, "role", n->role);
	js_kstr(o->out, "state", pin_state(o, n, heard));
	over_known(o->out, "last_heard", heard == 0 ? -1 : (double)heard);
	js_kuint(o->out, "heard_by", pin->observers);
	over_known(o->out, "hops", pin->hops == UINT32_MAX ? -1 : (double)pin->hops);
	js_key(o->out, "snr");
	if (pin->has_snr)
		js_num(o->out, pin->snr);
	else
		js_null(o->out);
	over_known(o->out, "battery_mv", n->battery_mv < 0 ? -1 : (double)n->battery_mv);
	js_kuint(o->out, "relays_24h", relays ? relay.count_24h : pin->relayed);
	js_kuint(o->out, "packets_24h", pin->packets);
	js_karray(o->out, "spark");
	for (uint32_t i = 0; i < 24; i++)
		js_uint(o->out, pin->spark[i]);
	js_array_end(o->out);
	js_object_end(o->out);
}

static void
over_pin(const struct over *o, struct read_scratch *s, const char *key, size_t len)
{
	uint32_t node = read_node_find(o->h->read, key, len), count = 0;
	struct pin pin = { .hops = UINT32_MAX };
	const uint32_t *packets;

	if (node == READ_NONE || !read_node(o->h->read, node)->known ||
	    read_node(o->h->read, node)->hidden)
		return;
	packets = read_node_packets(o->h->read, node, &count);
	for (uint32_t i = 0; i < count && i < PIN_PACKETS; i++) {
		const struct read_packet *p = read_packet_at(o->h->read, s, packets[count - 1 - i]);

		if (p != NULL)
			pin_packet(&pin, p, node, o->now_s);
	}
	pin_put(o, node, &pin);
}

void
over_pins(const struct over *o, struct read_scratch *s, const char *pins)
{
	uint32_t n = 0;

	js_karray(o->out, "pins");
	while (pins != NULL && *pins != '\0' && n++ < PINS_MAX) {
		size_t len = strcspn(pins, ",");

		if (len > 0)
			over_pin(o, s, pins, len);
		pins += len + (pins[len] == ',');
	}
	js_array_end(o->out);
}
