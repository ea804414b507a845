/* SPDX-License-Identifier: MIT
 *
 * All brokers, and the thread that connects them. Paho keeps its one lock while it resolves names
 * and while it calls back, so nothing of Paho is ever called on the plugin's thread.
 *
 * Threads: `net` (ours) connects, subscribes and closes; Paho's receiver calls net_on_message; the
 * plugin's thread configures, ticks and reads. Who holds the lock calls neither Paho nor the inbox.
 */
#ifndef MK_MQTT_NET_H
#define MK_MQTT_NET_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <meshkern/codec.h>

#include "feed.h"
#include "inbox.h"
#include "parse.h"

struct net {
	const mk_host *host;
	struct inbox *inbox;
	void (*on_item)(
	    void *); /* posted to the plugin's thread when the inbox is no longer empty */
	void *arg;
	atomic_bool posted; /* cleared by on_item */

	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stopping;
	bool paused;  /* keep the brokers disconnected: there is no room */
	bool changed; /* something that is shown; cleared by who shows it */
	uint64_t silence_us;
	uint64_t random;
	char installation[9]; /* makes our sessions at a broker our own */
	struct route_rules rules;
	struct feed *feeds;
	mk_writer item; /* the receiver's */
};

mk_result net_init(struct net *n, const mk_host *host, struct inbox *inbox, void (*on_item)(void *),
		   void *arg);
void net_fini(struct net *n);

/* Takes over what it needs and leaves the rest to be freed. Sources are known by name; only those
 * whose connection changes are disconnected. On MK_ENOMEM everything is as before. [plugin] */
mk_result net_configure(struct net *n, struct settings *s);
void net_run(void *net);      /* the thread, until net_stop */
void net_stop(struct net *n); /* [any] */
void net_tick(struct net *n); /* several times a second: it has no clock of its own [any] */
void net_pause(struct net *n, bool on); /* [any] */

/* From Paho's threads. */
bool net_on_message(struct feed *f, const struct parse_message *m);
void net_on_event(struct feed *f, uint32_t event, const char *said);
void net_on_granted(struct feed *f, int qos); /* of one topic; 0x80: none */
void net_on_left(struct feed *f);             /* one stale topic */

#endif
