/* SPDX-License-Identifier: MIT
 *
 * Shared by events.c and events_read.c only.
 */
#ifndef MK_HTTP_EVENTS_IMPL_H
#define MK_HTTP_EVENTS_IMPL_H

#include <jansson.h>

#include "events.h"

struct subscription {
	char topic[MK_TOPIC_MAX + 2];
	json_t *filter; /* an object, or NULL */
	bool retained;  /* values are to be sent yet */
	bool tapped;    /* by the tap, which is told when nobody looks any more */
	struct retained_cursor cursor;
};

struct watched { /* a topic, and what comes next */
	char topic[MK_TOPIC_MAX + 1];
	uint64_t epoch, next;
};

struct replay {
	bool on;
	char topic[MK_TOPIC_MAX + 1];
	uint64_t from, n;
	uint64_t epoch;   /* 0: any */
	uint64_t at, end; /* positions in the ring */
	bool begun;
};

struct events {
	enum ring_form form;
	struct ring *ring;
	struct retained *retained;
	struct model *model;
	const char *const *topics;
	struct events_more more;
	uint64_t at; /* position in the ring */
	struct subscription subscriptions[EVENTS_SUBSCRIPTIONS];
	uint32_t count;
	struct watched *watched;
	uint32_t watched_count;
	struct replay replay;
	bool greeted, fell;
	uint64_t lost;
	/* answers that wait */
	struct json answers; /* lines */
	size_t answered;     /* bytes of them that are sent */
	uint32_t answer_count;
	/* what is being sent */
	struct event *entry;
	uint32_t frame;
	struct json text;
	mk_doc doc;
};

/* The subscription to exactly this, or NULL. */
struct subscription *events_find(struct events *e, const char *topic);
/* The one with the longest name that covers a topic, or NULL. */
struct subscription *events_covering(struct events *e, const char *topic);
void events_release(struct events *e, struct subscription *s); /* what it holds */

#endif
