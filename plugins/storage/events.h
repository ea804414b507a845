/* SPDX-License-Identifier: MIT
 *
 * What storage tells after a transaction. Items are gathered while it is open, thrown away if it
 * fails, and published in few messages once it is on disk. What the bus does not take at once waits
 * here.
 */
#ifndef STORAGE_EVENTS_H
#define STORAGE_EVENTS_H

#include <meshkern/codec.h>
#include <meshkern/plugin.h>

#define EVENTS_MAX_BODY (1u << 20)

enum event_topic { EVENT_STORED, EVENT_NODE, EVENT_OBSERVER, EVENT_COMMITTED, EVENT_TOPICS };

struct event_body; /* one message */

struct event_queue {
	struct event_body *first, **last;
};

struct events {
	mk_writer item;
	struct event_body *open[EVENT_TOPICS]; /* being filled */
	struct event_queue gathered;           /* full, of the transaction that is open */
	struct event_queue ready;              /* on disk, to be published */
	size_t ready_bytes;
};

void events_init(struct events *e);
void events_fini(struct events *e);
/* Write one map into this, then say for which topic it is. */
mk_writer *events_item(struct events *e);
mk_result events_add(struct events *e, enum event_topic topic);
/* The transaction failed: nothing of it is told. */
void events_drop(struct events *e);
/* The transaction is on disk. */
void events_keep(struct events *e);
/* Items of storage/committed are of no transaction: they go although one may be open. */
void events_keep_committed(struct events *e);
/* False: the bus is full, and something waits. */
bool events_send(struct events *e, const mk_host *host);

/* The value as it is. */
void events_put(mk_writer *w, const mk_val *v);

#endif
