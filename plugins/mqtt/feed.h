/* SPDX-License-Identifier: MIT
 *
 * One broker: its connection, and what is known about it. Everything but the calls of Paho is
 * decided here without doing anything, so that it can be tested.
 *
 * A connection that ends is thrown away together with Paho's handle, and the next one is made by
 * our own clock: Paho's automatic reconnect was seen to stop for ever.
 */
#ifndef MK_MQTT_FEED_H
#define MK_MQTT_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "settings.h"

struct net;

enum feed_phase { FEED_WAITING, FEED_CONNECTING, FEED_SUBSCRIBING, FEED_UP, FEED_LEAVING };

/* What Paho's threads tell the net thread. */
#define FEED_CONNECTED (1u << 0)
#define FEED_SUBSCRIBED (1u << 1)
#define FEED_FAILED (1u << 2) /* `said` tells why */
#define FEED_LOST (1u << 3)

enum feed_verdict {
	FEED_OK,
	FEED_IS_CONNECTING,
	FEED_DISCONNECTED,
	FEED_NEVER_RECEIVED,
	FEED_STALLED,
	FEED_PAUSED, /* on purpose: the outbox is full */
};

#define FEED_RATE_SECONDS 300u

/* Messages of the last five minutes, by second. */
struct feed_rate {
	uint64_t second; /* monotonic, of the newest bucket */
	uint32_t buckets[FEED_RATE_SECONDS];
};
void feed_rate_add(struct feed_rate *r, uint64_t now_us);
uint64_t feed_rate_sum(const struct feed_rate *r, uint64_t now_us);

/* When connections to a silent broker are thrown away: after T, then 2 T, 4 T, ... an hour. */
struct feed_watch {
	uint64_t quiet_us; /* since when nothing came */
	uint64_t forced_us;
	uint32_t forced; /* reconnects since then */
};
void feed_watch_begin(struct feed_watch *w, uint64_t now_us);
bool feed_watch_due(const struct feed_watch *w, uint64_t silence_us, uint64_t now_us);
void feed_watch_forced(struct feed_watch *w, uint64_t now_us);

/* How long to wait before attempt `n` after a failure: 1 s, 2 s, ... 60 s, a quarter more or less. */
uint64_t feed_backoff_us(uint32_t attempt, uint64_t random);

struct feed {
	struct net *net;
	struct feed *next;
	char client_id[128];
	void *client; /* MQTTAsync; the net thread's */

	/* Below: under net->lock. */
	struct source_settings settings;
	struct source_settings *change; /* settings to go over to; NULL: none [owned] */
	bool gone;                      /* not in the configuration any more */
	struct strings stale; /* topics that our session at the broker has and should not have; only
				 the net thread changes them */
	uint32_t left;        /* of them, that the broker has answered for since the connect */
	enum feed_phase phase;
	uint64_t deadline_us; /* of the phase; WAITING: when to connect */
	uint32_t events;
	char said[256];
	uint32_t answered, denied, weaker; /* topics that the broker has answered for */
	uint32_t attempt;                  /* failures in a row */
	uint64_t up_us;                    /* since when the connection stands */
	struct feed_watch watch;
	enum feed_verdict verdict;
	uint64_t alarmed_us; /* when the last warning about silence was given; 0: none */

	/* What is shown. */
	char error[256]; /* the last one; "" since the last success */
	uint64_t connects, disconnects, messages, accepted;
	uint64_t refused[ROUTE_COUNT];
	uint64_t unsaved; /* acknowledged, and lost: the disk was full when we had to end */
	uint64_t last_connect_us, last_disconnect_us, last_message_us; /* Unix time */
	uint64_t reported_us; /* when a refused message was logged last */
	struct feed_rate rate;
};

enum feed_verdict feed_judge(const struct feed *f, bool paused, uint64_t silence_us,
			     uint64_t now_us);
const char *feed_verdict_name(enum feed_verdict v);

/* feed_step.c, under net->lock, which feed_step lets go of for calls of Paho. */
void feed_step(struct feed *f); /* the net thread's */
void feed_name_session(struct feed *f);
void feed_log(const struct feed *f, int32_t level, const char *what, const char *extra);

/* feed_paho.c, for the net thread, without any lock. NULL or what is wrong. */
const char *feed_connect(struct feed *f);
const char *feed_subscribe(struct feed *f);
const char *feed_unsubscribe(struct feed *f); /* what is stale */
void feed_close(struct feed *f);

#endif
