/* SPDX-License-Identifier: MIT
 *
 * What really happened, as JSON lines: for tests and for whoever wants to know how well an analysis
 * guesses. The form is described in docs/sim.md. No text in it needs escaping: names come from our
 * own lists.
 */
#include <inttypes.h>

#include <meshcore/hex.h>

#include "impl.h"

static const char *const roles[] = { "none", "companion", "repeater", "room", "sensor" };

static const char *
truth_bool(bool b)
{
	return b ? "true" : "false";
}

static void
truth_key(const struct sim *s, const char *name, uint32_t node)
{
	char hex[2 * MC_KEY_SIZE + 1];

	fprintf(s->truth, "%s\"%s\"", name, mc_hex_lower(s->nodes[node].id.key, MC_KEY_SIZE, hex));
}

static void
truth_node(const struct sim *s, uint32_t i)
{
	const struct node *n = &s->nodes[i];

	truth_key(s, "{\"is\":\"node\",\"key\":", i);
	fprintf(s->truth,
		",\"name\":\"%s\",\"role\":\"%s\",\"town\":\"%s\",\"lat\":%.6f,\"lon\":%.6f,"
		"\"says_place\":%s,\"hash_size\":%u,\"multibyte\":%s,\"repeats\":%s,"
		"\"max_hops\":%u,\"clock_s\":%" PRId64 ",\"drift_ppm\":%" PRId32
		",\"up\":%s,\"observer\":%s}\n",
		n->name, roles[n->role], s->towns[n->town].name, n->lat_e6 / 1e6, n->lon_e6 / 1e6,
		truth_bool(n->says_place), n->hash_size, truth_bool(n->generation > 0),
		truth_bool(n->repeats), n->max_hops, n->clock_us / (int64_t)SECOND, n->drift_ppm,
		truth_bool(n->up), truth_bool(n->observer != NOBODY));
}

static void
truth_links(const struct sim *s, uint32_t from)
{
	const struct node *n = &s->nodes[from];

	for (uint32_t i = 0; i < n->link_count; i++) {
		const struct link *l = &s->links[n->link + i];

		truth_key(s, "{\"is\":\"link\",\"from\":", from);
		truth_key(s, ",\"to\":", l->to);
		fprintf(s->truth, ",\"snr\":%.2f,\"loss\":%.4f}\n", l->snr4 / 4.0,
			links_loss(s, l->snr4));
	}
}

mk_result
sim_tell(struct sim *s, FILE *file)
{
	char hex[2 * MC_KEY_SIZE + 1];

	s->truth = file;
	for (uint32_t i = 0; i < s->o.nodes; i++)
		truth_node(s, i);
	for (uint32_t i = 0; i < s->o.nodes; i++)
		truth_links(s, i);
	for (uint32_t i = 0; i < s->o.observers; i++) {
		const struct sim_party *p = &s->observers[i].party;

		truth_key(s, "{\"is\":\"observer\",\"key\":", s->observers[i].node);
		fprintf(file,
			",\"id\":\"%s\",\"region\":\"%s\",\"naive\":%s,\"zone_s\":%" PRId32 "}\n",
			p->id, p->region, truth_bool(p->naive), p->zone_s);
	}
	for (uint32_t i = 0; i < s->phone_count; i++)
		fprintf(file, "{\"is\":\"phone\",\"key\":\"%s\",\"name\":\"%s\"}\n",
			s->phones[i].party.id, s->phones[i].name);
	for (uint32_t i = 0; i < CHANNELS; i++)
		fprintf(file, "{\"is\":\"channel\",\"name\":\"%s\",\"secret\":\"%s\"}\n",
			s->channels[i].name, mc_hex_lower(s->channels[i].secret, 16, hex));
	for (uint32_t i = 0; i < s->scopes.count; i++)
		fprintf(file, "{\"is\":\"scope\",\"name\":\"%s\"}\n", s->scopes.at[i].name);
	return ferror(file) ? MK_EIO : MK_OK;
}

void
truth_packet(struct sim *s)
{
	const struct flow *f = &s->flow;
	uint32_t hops = f->route == MC_DIRECT ? f->way.hops : 0;

	if (s->truth == NULL)
		return;
	fprintf(s->truth,
		"{\"is\":\"packet\",\"id\":%" PRIu64 ",\"at_us\":%" PRIu64
		",\"type\":\"%s\",\"route\":\"%s\",\"hash_size\":%u",
		f->number, f->at_us, mc_type_name(f->type), mc_route_name(f->route),
		f->way.hash_size);
	truth_key(s, ",\"from\":", f->from);
	if (f->to != NOBODY)
		truth_key(s, ",\"to\":", f->to);
	if (f->about != NOBODY)
		truth_key(s, ",\"about\":", f->about);
	if (f->scope > 0)
		fprintf(s->truth, ",\"scope\":\"%s\"", s->scopes.at[f->scope - 1].name);
	for (uint32_t i = 0; i < hops; i++)
		truth_key(s, i == 0 ? ",\"way\":[" : ",", f->way.nodes[i]);
	fprintf(s->truth, "%s%s}\n", hops > 0 ? "]" : "", f->forged ? ",\"forged\":true" : "");
}

void
truth_sent(struct sim *s, uint32_t index, const uint8_t hash[8], uint64_t end_us)
{
	uint32_t way[2 * MC_HOPS_MAX], count = 0;
	char hex[17];

	if (s->truth == NULL)
		return;
	fprintf(s->truth,
		"{\"is\":\"copy\",\"id\":%" PRIu64 ",\"at_us\":%" PRIu64 ",\"hash\":\"%s\"",
		s->flow.number, end_us, mc_hex_lower(hash, 8, hex));
	if (s->sent[index].wrong_count > 0)
		fputs(",\"damaged\":true", s->truth);
	truth_key(s, ",\"by\":", s->sent[index].node);
	for (; s->sent[index].parent != NOBODY && count < 2 * MC_HOPS_MAX;
	     index = s->sent[index].parent)
		way[count++] = s->sent[index].node;
	fputs(",\"path\":[", s->truth);
	for (uint32_t i = count; i > 0; i--)
		truth_key(s, i == count ? "" : ",", way[i - 1]);
	fputs("],\"heard\":[", s->truth);
	s->truth_heard = 0;
}

void
truth_heard(struct sim *s, uint32_t node, int32_t snr4)
{
	if (s->truth == NULL)
		return;
	truth_key(s, s->truth_heard++ == 0 ? "{\"observer\":" : ",{\"observer\":", node);
	fprintf(s->truth, ",\"snr\":%.2f}", snr4 / 4.0);
}

void
truth_done(struct sim *s)
{
	if (s->truth != NULL)
		fputs("]}\n", s->truth);
}

void
truth_service(struct sim *s, uint32_t node)
{
	if (s->truth == NULL)
		return;
	truth_key(s, "{\"is\":\"service\",\"key\":", node);
	fprintf(s->truth, ",\"at_us\":%" PRIu64 ",\"up\":%s}\n", s->now_us,
		truth_bool(s->nodes[node].up));
}
