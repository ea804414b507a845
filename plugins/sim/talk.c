/* SPDX-License-Identifier: MIT
 *
 * Talk between two nodes: the first message floods, its answer tells the way it came, later ones go
 * that way; what does not arrive is sent again as a flood.
 */
#include <string.h>

#include <meshcore/bytes.h>

#include "compose.h"
#include "impl.h"
#include "words.h"

#define TEXT_MAX 120
#define DATA_MAX 40 /* bytes of an answer */

/* What `from` and its contact share; NULL: out of memory. */
static const struct mc_key *
talk_secret(struct sim *s, uint32_t from, struct contact *c)
{
	uint8_t secret[32];

	if (c->has_secret)
		return &c->secret;
	if (!compose_secret(s->nodes[from].id.seed, s->nodes[c->peer].id.key, secret)) {
		s->failed = true;
		return NULL;
	}
	mc_key_init(&c->secret, secret, sizeof(secret));
	c->has_secret = true;
	return &c->secret;
}

/* A packet that only the contact can read. */
static void
talk_seal(struct sim *s, struct contact *c, const uint8_t *plain, size_t len)
{
	struct flow *f = &s->flow;
	const struct mc_identity *me = &s->nodes[f->from].id;
	const struct mc_key *key = talk_secret(s, f->from, c);
	uint8_t to = s->nodes[c->peer].id.key[0];

	f->to = c->peer;
	if (key == NULL)
		return;
	if (f->type == MC_ANON_REQ)
		f->len = (uint8_t)mc_compose_anon_req(key, to, me->key, plain, len, f->payload);
	else
		f->len = (uint8_t)mc_compose_peer(key, to, me->key[0], plain, len, f->payload);
}

/* Flood what has no known way, or failed on it. */
static void
talk_send(struct sim *s, struct contact *c, bool flood)
{
	if (flood || !c->has_way) {
		traffic_flood(s);
		return;
	}
	traffic_direct(s, &c->way);
	if (s->flow.reached || s->flow.after == AFTER_NOTHING || s->flow.after == AFTER_RETURN)
		return;
	c->has_way = false;
	sim_plan(s, &(struct intent){ .deed = DO_RETRY,
				      .at_us = s->now_us + sim_pause(s, 8 * SECOND),
				      .who = s->flow.from,
				      .to = s->flow.to,
				      .type = s->flow.type });
}

static void
talk_text(struct sim *s, uint32_t from, struct contact *c, bool again)
{
	struct node *n = &s->nodes[from];
	struct flow *f = traffic_begin(s, from, MC_TXT_MSG);
	uint8_t plain[5 + TEXT_MAX + 1], code[4], flags = again ? 1 : 0;
	char text[TEXT_MAX + 1];
	uint32_t time = world_clock(s, n, s->now_us);
	size_t len;

	words_text(&s->dice, s->towns[n->town].name, text, TEXT_MAX);
	len = strlen(text);
	mc_put_u32(plain, time);
	plain[4] = flags;
	memcpy(plain + 5, text, len);
	mc_ack_code(time, flags, text, len, n->id.key, code);
	f->tag = mc_get_u32(code);
	f->after = AFTER_TEXT;
	talk_seal(s, c, plain, 5 + len);
	talk_send(s, c, again);
}

/* Logging in, or asking for status, telemetry or the like. */
static void
talk_ask(struct sim *s, uint32_t from, struct contact *c, uint8_t type, bool again)
{
	static const uint8_t questions[] = { 1, 3, 6, 7 };
	struct flow *f = traffic_begin(s, from, type);
	uint8_t plain[16] = { 0 };

	f->tag = world_clock(s, &s->nodes[from], s->now_us);
	f->after = AFTER_REQUEST;
	mc_put_u32(plain, f->tag);
	if (type == MC_ANON_REQ)
		memcpy(plain + 4, "hello", 5);
	else
		plain[4] = questions[dice_below(&s->dice, sizeof(questions))];
	talk_seal(s, c, plain, type == MC_ANON_REQ ? 9 : 13);
	talk_send(s, c, again);
}

void
talk_some(struct sim *s, uint32_t from)
{
	struct node *n = &s->nodes[from];
	struct contact *c;
	uint8_t role;

	if (n->contact_count == 0)
		return;
	c = &n->contacts[dice_below(&s->dice, n->contact_count)];
	role = s->nodes[c->peer].role;
	if (role == MC_NODE_COMPANION || (role == MC_NODE_ROOM && dice_chance(&s->dice, 0.6)))
		talk_text(s, from, c, false);
	else
		talk_ask(s, from, c, c->has_way ? MC_REQ : MC_ANON_REQ, false);
}

/* An ACK has two more bytes since version 1.16: the attempt, and chance so that repeats differ. */
static size_t
talk_ack(struct sim *s, uint32_t from, uint32_t tag, uint8_t code[4], uint8_t extra[2])
{
	mc_put_u32(code, tag);
	extra[0] = 0;
	dice_fill(&s->dice, extra + 1, 1);
	return s->nodes[from].generation == 2 ? 6 : 4;
}

static void
talk_send_ack(struct sim *s, const struct intent *i, struct contact *c)
{
	struct flow *f = traffic_begin(s, i->who, MC_ACK);
	uint8_t code[4], extra[2];
	size_t len = talk_ack(s, i->who, i->tag, code, extra);
	struct intent real = *i;

	f->to = i->to;
	if (i->deed == DO_ACK && c->has_way && s->nodes[i->who].multi_acks) {
		f->type = MC_MULTIPART;
		f->len =
		    (uint8_t)mc_compose_multipart_ack(1, code, len > 4 ? extra : NULL, f->payload);
		real.deed = DO_REAL_ACK;
		real.at_us += (uint64_t)(300000 * s->spread);
		sim_plan(s, &real);
	} else {
		f->len = (uint8_t)mc_compose_ack(code, len > 4 ? extra : NULL, f->payload);
	}
	talk_send(s, c, false);
}

/* Tag and whatever was asked for, as far as anybody can tell from outside. */
static size_t
talk_answer(struct sim *s, uint32_t tag, uint8_t *out)
{
	size_t len = 4 + 4 + dice_below(&s->dice, DATA_MAX - 8);

	mc_put_u32(out, tag);
	dice_fill(&s->dice, out + 4, len - 4);
	return len;
}

/* The way by which a flood came, and what is to be said with it. */
static void
talk_tell_way(struct sim *s, const struct intent *i, struct contact *c)
{
	struct flow *f = traffic_begin(s, i->who, MC_PATH);
	const struct way *way = &i->way;
	uint8_t plain[2 + MC_PATH_MAX + DATA_MAX], code[4], *more;
	size_t len = 0;

	plain[len++] = (uint8_t)((way->hash_size - 1) << 6 | way->hops);
	for (uint32_t k = 0; k < way->hops; k++, len += way->hash_size)
		memcpy(plain + len, s->nodes[way->nodes[k]].id.key, way->hash_size);
	plain[len++] = i->type;
	more = plain + len;
	if (i->deed == DO_RETURN) {
		dice_fill(&s->dice, more, 4); /* nothing, but never the same packet */
		len += 4;
	} else if (i->type == MC_ACK) {
		len += talk_ack(s, i->who, i->tag, code, more + 4);
		memcpy(more, code, sizeof(code));
	} else {
		len += talk_answer(s, i->tag, more);
	}
	f->after = i->deed == DO_RETURN ? AFTER_RETURN : AFTER_PATH;
	f->told = *way;
	talk_seal(s, c, plain, len);
	talk_send(s, c, i->deed != DO_RETURN);
}

static void
talk_respond(struct sim *s, const struct intent *i, struct contact *c)
{
	uint8_t plain[DATA_MAX];
	size_t len = talk_answer(s, i->tag, plain);

	traffic_begin(s, i->who, MC_RESPONSE);
	talk_seal(s, c, plain, len);
	talk_send(s, c, false);
}

static void
talk_found(struct sim *s, const struct intent *i)
{
	const struct node *n = &s->nodes[i->who];
	struct flow *f = traffic_begin(s, i->who, MC_CONTROL);

	f->len = (uint8_t)mc_compose_discover_resp(n->role, i->snr4, i->tag, n->id.key,
						   n->generation == 2 ? 8 : 32, f->payload);
	traffic_direct(s, NULL);
}

void
talk_do(struct sim *s, const struct intent *i)
{
	struct contact *c = world_contact(&s->nodes[i->who], i->to);

	if (!s->nodes[i->who].up)
		return;
	if (i->deed == DO_FOUND)
		talk_found(s, i);
	else if (c == NULL)
		return;
	else if (i->deed == DO_ACK || i->deed == DO_REAL_ACK)
		talk_send_ack(s, i, c);
	else if (i->deed == DO_PATH || i->deed == DO_RETURN)
		talk_tell_way(s, i, c);
	else if (i->deed == DO_RESPONSE)
		talk_respond(s, i, c);
	else if (i->type == MC_TXT_MSG)
		talk_text(s, i->who, c, true);
	else
		talk_ask(s, i->who, c, i->type, true);
}

/* The forwarders of the copy that arrived. */
static void
talk_way(const struct sim *s, const struct sent *t, struct way *way)
{
	way->hash_size = s->flow.way.hash_size;
	way->hops = t->hops;
	for (uint32_t k = t->hops; k > 0; k--, t = &s->sent[t->parent])
		way->nodes[k - 1] = (uint16_t)t->node;
}

void
talk_arrived(struct sim *s, const struct sent *t, uint32_t at, uint64_t at_us, int32_t snr4)
{
	struct flow *f = &s->flow;
	bool flood = f->route == MC_FLOOD || f->route == MC_TRANSPORT_FLOOD;
	struct intent i = { .who = at, .to = f->from, .tag = f->tag, .snr4 = (int8_t)snr4 };
	struct contact *c = world_contact(&s->nodes[at], f->from);

	f->reached = true;
	i.at_us = at_us + sim_pause(s, f->after == AFTER_DISCOVER ? 3 * SECOND : SECOND / 2);
	if (flood)
		talk_way(s, t, &i.way);
	if ((f->after == AFTER_PATH || f->after == AFTER_RETURN) && c != NULL) {
		c->way = f->told;
		c->has_way = true;
	}
	i.type = f->after == AFTER_TEXT ? MC_ACK : MC_RESPONSE;
	if (f->after == AFTER_TEXT)
		i.deed = flood ? DO_PATH : DO_ACK;
	else if (f->after == AFTER_REQUEST)
		i.deed = flood ? DO_PATH : DO_RESPONSE;
	else if (f->after == AFTER_PATH && flood)
		i.deed = DO_RETURN, i.type = 0xff;
	else if (f->after == AFTER_DISCOVER && s->nodes[at].repeats)
		i.deed = DO_FOUND;
	else
		return;
	sim_plan(s, &i);
}
