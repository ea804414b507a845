/* SPDX-License-Identifier: MIT
 *
 * Numbers of an origin that will never come: their message crashes the plugin that deals with it,
 * and the core leaves it out from then on. Without this they would be holes below which nothing is
 * ever trimmed. Whom the message crashed matters: one that crashes a bystander still becomes rows by
 * way of decode.
 */
#include <string.h>

#include "batch.h"

static const char *const results[BATCH_TOPICS] = { BATCH_TOPIC_NAMES };
static const char *const sources[BATCH_TOPICS] = { "rx/raw", "rx/status", "rx/client" };

/* A message on its way to decode has its number in the poison, one from decode in its own body. */
static bool
poison_read(struct batch_poison *p, const mk_val *root)
{
	char topic[MK_TOPIC_MAX + 1];
	const uint8_t *body;
	mk_doc inner;
	size_t len;
	bool found;

	if (!mk_copy_str(mk_find(root, "plugin"), p->plugin, sizeof(p->plugin)) ||
	    !mk_copy_str(mk_find(root, "topic"), topic, sizeof(topic)) ||
	    !mk_get_u64(mk_find(root, "epoch"), &p->epoch))
		return false;
	while (p->topic < BATCH_TOPICS && strcmp(topic, sources[p->topic]) != 0 &&
	       strcmp(topic, results[p->topic]) != 0)
		p->topic++;
	if (p->topic == BATCH_TOPICS)
		return false;
	if (mk_get_u64(mk_find(root, "origin_seq"), &p->number))
		return mk_copy_str(mk_find(root, "origin"), p->source, sizeof(p->source));
	if (!mk_get_bin(mk_find(root, "body"), &body, &len))
		return false;
	mk_doc_init(&inner);
	found = mk_doc_open(&inner, body, len, NULL, NULL, 0) == MK_OK;
	if (found) {
		root = mk_doc_root(&inner);
		found = mk_copy_str(mk_find(root, "source"), p->source, sizeof(p->source)) &&
			mk_get_u64(mk_find(root, "seq"), &p->number);
		mk_doc_close(&inner);
	}
	mk_doc_fini(&inner);
	return found;
}

void
batch_poison(struct batch *b, const mk_msg *msg)
{
	struct batch_poison p = { .number = 0 };
	bool good;

	if (mk_doc_open(&b->doc, msg->body, msg->body_len, NULL, NULL, 0) != MK_OK)
		return;
	good = poison_read(&p, mk_doc_root(&b->doc)) && p.number > 0;
	mk_doc_close(&b->doc);
	if (!good)
		return; /* it is about something else */
	if (b->poison_count == BATCH_POISONS) {
		/* The hole that it leaves is found by asking for it. */
		memmove(b->poisons, b->poisons + 1, (BATCH_POISONS - 1) * sizeof(p));
		b->poison_count--;
	}
	b->poisons[b->poison_count++] = p;
}

/* Has it been counted, or will it never be? */
static bool
poison_settle(struct batch *b, const struct batch_poison *p)
{
	bool mine = strcmp(p->plugin, b->host->name(b->host)) == 0;
	uint32_t index;

	if (b->marks.epoch == 0 ||
	    marks_find(&b->marks, p->source, strlen(p->source), &index) != MK_OK)
		return false; /* the origin's first message tells where it begins */
	if (p->epoch != b->marks.epoch)
		return true;
	if (!mine && p->topic == BATCH_STATUS)
		return true; /* nobody stands between us and who sent it */
	if (!mine && b->decoder[p->topic][0] == '\0')
		return false;
	if (!mine && strcmp(p->plugin, b->decoder[p->topic]) != 0)
		return true;
	if (p->number <= b->marks.list[index].mark)
		return true;
	(void)marks_take(&b->marks, index, p->number, false);
	b->stats->numbers_poisoned++;
	batch_complain(b, "a message is given up, because it crashes %s  source=%s number=%llu",
		       p->plugin, p->source, (unsigned long long)p->number);
	return true;
}

bool
batch_close_holes(struct batch *b)
{
	uint32_t left = 0, index;
	uint64_t lost;

	for (uint32_t i = 0; i < b->poison_count; i++)
		if (!poison_settle(b, &b->poisons[i]))
			b->poisons[left++] = b->poisons[i];
	b->poison_count = left;
	while ((lost = marks_give_up(&b->marks, &index)) > 0) {
		const struct mark *k = &b->marks.list[index];

		b->stats->numbers_lost += lost;
		batch_complain(
		    b, "%s does not have what it should send again: given up  count=%llu mark=%llu",
		    k->source, (unsigned long long)lost, (unsigned long long)k->mark);
	}
	return b->marks.dirty;
}
