/* SPDX-License-Identifier: MIT
 *
 * Which messages may be acknowledged: see acks.h. [plugin]
 */
#include "acks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOPICS_MAX 8u

mk_result
acks_init(struct acks *a, const mk_host *host, const char *const *topics)
{
	memset(a, 0, sizeof(*a));
	a->host = host;
	a->topics = topics;
	a->ring = calloc(ACKS_MAX, sizeof(*a->ring));
	return a->ring != NULL ? MK_OK : MK_ENOMEM;
}

void
acks_fini(struct acks *a)
{
	free(a->ring);
	a->ring = NULL;
}

/* Numbers of different epochs have nothing to do with each other. */
static void
acks_enter(struct acks *a, uint64_t epoch)
{
	if (a->epoch == epoch)
		return;
	a->epoch = epoch;
	a->count = a->mark_count = a->mark_next = 0;
}

static struct acks_mark *
acks_find(struct acks *a, const char *origin)
{
	for (uint32_t i = 0; i < a->mark_count; i++)
		if (strcmp(a->marks[i].origin, origin) == 0)
			return &a->marks[i];
	return NULL;
}

void
acks_commit(struct acks *a, uint64_t epoch, const char *origin, uint64_t number)
{
	struct acks_mark *m;

	acks_enter(a, epoch);
	m = acks_find(a, origin);
	if (m == NULL) {
		/* With more origins than places one is forgotten, until its next commit. */
		m = &a->marks[a->mark_next++ % ACKS_ORIGINS];
		if (a->mark_count < ACKS_ORIGINS)
			a->mark_count++;
		snprintf(m->origin, sizeof(m->origin), "%s", origin);
		m->number = 0;
	}
	if (number > m->number)
		m->number = number;
}

static bool
acks_is_done(struct acks *a, const struct acks_wait *wait)
{
	const struct acks_mark *m = wait->number > 0 ? acks_find(a, wait->origin) : NULL;

	return wait->number == 0 || (m != NULL && m->number >= wait->number);
}

void
acks_flush(struct acks *a)
{
	uint64_t last[TOPICS_MAX] = { 0 };

	a->handled++;
	while (a->count > 0) {
		const struct acks_wait *wait = &a->ring[a->first];

		if (!acks_is_done(a, wait)) {
			if (a->handled - wait->handled < ACKS_MAX)
				break;
			a->early++;
		}
		last[wait->topic] = wait->seq;
		a->first = (a->first + 1) % ACKS_MAX;
		a->count--;
	}
	for (uint32_t i = 0; a->topics[i] != NULL; i++)
		if (last[i] > 0)
			(void)a->host->ack(a->host, a->topics[i], a->epoch, last[i]);
}

void
acks_add(struct acks *a, uint8_t topic, const mk_msg *msg)
{
	struct acks_wait *wait;

	acks_enter(a, msg->epoch);
	/* There is room: acks_flush leaves none that is ACKS_MAX messages old. */
	wait = &a->ring[(a->first + a->count++) % ACKS_MAX];
	wait->seq = msg->seq;
	wait->number = (msg->flags & MK_MSG_DURABLE) != 0 ? msg->origin_seq : 0;
	wait->handled = a->handled;
	wait->topic = topic;
	snprintf(wait->origin, sizeof(wait->origin), "%s", msg->origin);
}
