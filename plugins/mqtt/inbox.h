/* SPDX-License-Identifier: MIT
 *
 * What brokers have delivered and the outbox does not have yet. Paho acknowledges a message when
 * its callback returns, so every item is in a file of ours before that; many of them then become
 * one message of the bus. A killed process finds them in the file and publishes them again.
 *
 * Two halves: one takes what comes in, the other is being published and is emptied when all of it
 * is in the outbox. Only then do they change places.
 */
#ifndef MK_MQTT_INBOX_H
#define MK_MQTT_INBOX_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <meshkern/err.h>
#include <meshkern/plugin.h>

#define INBOX_TOPICS 3u /* rx/raw, rx/status, rx/client */

struct inbox_half {
	int fd;
	uint8_t *data; /* the records, as they are in the file */
	size_t len, cap;
};

struct inbox {
	pthread_mutex_t lock;
	pthread_cond_t room;
	struct inbox_half half[2];
	uint32_t filling; /* which half takes what comes in; the other one is the plugin thread's */
	size_t limit;     /* bytes that put() lets both have together */
	bool closing;     /* nobody waits any more */
	uint32_t damaged; /* files whose end was not readable */
};

struct inbox_item {
	uint32_t topic;      /* index, below INBOX_TOPICS */
	const uint8_t *data; /* one msgpack map, borrowed until inbox_done */
	uint32_t len;
};

/* Opens or makes the files in `dir` and reads what is left in them. */
mk_result inbox_open(struct inbox *b, const char *dir, size_t limit, mk_err *err);
void inbox_close(struct inbox *b); /* what is in the files stays there */

/* MK_OK: it survives a kill. Waits while there is no room or the disk does not take it; after
 * inbox_end() it takes what the disk takes, else MK_EIO. [any] */
mk_result inbox_put(struct inbox *b, uint32_t topic, const void *item, uint32_t len);
void inbox_end(struct inbox *b);                     /* put() no longer waits [any] */
void inbox_wake(struct inbox *b);                    /* put() tries again [any] */
void inbox_set_limit(struct inbox *b, size_t limit); /* [any] */
size_t inbox_bytes(struct inbox *b);                 /* waiting [any] */

/* The half to publish; NULL if there is nothing. The same one until inbox_done. [plugin] */
const struct inbox_half *inbox_take(struct inbox *b);
/* Reads the record at *at and moves behind it; false at the end. [plugin] */
bool inbox_next(const struct inbox_half *half, size_t *at, struct inbox_item *out);
void inbox_done(struct inbox *b); /* all of the half is in the outbox [plugin] */

#endif
