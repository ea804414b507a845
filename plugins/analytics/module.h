/* SPDX-License-Identifier: MIT
 *
 * What a module of analytics is, and what the frame (frame.h) gives it: packets as they come, who
 * there is, the graph, and questions. Everything runs on the plugin's thread.
 *
 * DOC: What a module keeps
 *
 * The frame keeps a compact table of packets. A module keeps counts of them: `fold` is called with
 * +1 when a packet, as it stands, begins to count, and with -1 before it changes or goes; so the
 * counts depend on which packets there are and not on the order in which they came. What is counted
 * are bytes of paths; who they are is decided when somebody asks (frame_name).
 *
 * A module that answers for windows, regions and areas has its counts in a view (frame.h), of which
 * there is one for everything and one for each filter that is asked for.
 */
#ifndef ANALYTICS_MODULE_H
#define ANALYTICS_MODULE_H

#include <jansson.h>
#include <json/json.h>
#include <meshkern/codec.h>

#include <hops/obs.h>
#include <hops/resolve.h>

#define AN_NO_OBSERVER UINT16_MAX
#define AN_NO_SNR INT8_MIN
#define AN_NO_RSSI UINT8_MAX

struct frame;
struct view;

/* One copy of a packet. Signals are as radios measure them: quarters of a dB, whole dBm. */
struct an_heard {
	uint16_t observer; /* place in frame->observers, or AN_NO_OBSERVER */
	int8_t snr;        /* quarters of a dB, or AN_NO_SNR */
	uint8_t rssi;      /* dBm without its sign, or AN_NO_RSSI */
};

/* A packet: all copies of one transmission. The pointers are the frame's, until the next callback. */
struct an_packet {
	uint64_t tx; /* row of the transmission */
	uint8_t hash[8];
	uint32_t *hops; /* tokens of the shown copy: the first one with the most hops; behind
				 * them those that only other copies have, unless it is packed */
	struct an_heard *heard; /* every copy; NULL while it is packed (table.h) */
	uint32_t slot;          /* its place in the table */
	uint32_t first;         /* Unix seconds: when it was heard first */
	uint32_t last;          /* the newest copy */
	uint32_t from;          /* id of an advert's originator, or HOPS_NONE */
	uint16_t heard_count;
	uint16_t shown;           /* observer of the shown copy */
	uint16_t bytes;           /* of the packet, 0: not known */
	uint16_t scope;           /* place in frame->scopes: 0 not scoped, 1 by an unknown region */
	uint16_t channel, sender; /* places in frame->channels and ->senders; 0: none */
	uint16_t text;            /* bytes of a message that can be read */
	int8_t snr;               /* of the shown copy */
	uint8_t rssi;
	uint8_t hop_count, more_count; /* in `hops` */
	uint8_t route, type, size;     /* of the transmission; size: bytes of a hop, 0 not known */
	bool counted : 1;              /* it is in the counts */
	bool waits : 1;                /* it will be, when its turn comes */
	bool copy : 1; /* a damaged copy of another one: it never counts (frame_set_copy) */
	bool packed : 1;
};

/* What is known of a packet only while it is new. */
struct an_news {
	const uint8_t *raw; /* the packet as it was heard first */
	uint32_t raw_len;
	uint32_t json_len;
	const char *json;    /* the decoded object, or NULL; frame_json reads it */
	const char *channel; /* as the row has it, or NULL */
	uint32_t channel_len;
	bool live; /* not out of the database */
};

/* Can it do multi-byte paths (snapshot/mbcap): 2 confirmed, 1 suspected; the largest size. */
struct an_capability {
	uint8_t sup, size;
};

struct an_node {                       /* by id, as far as frame->node_cap */
	char *name, *role;             /* NULL: not known; the role is in lower case */
	int64_t first_seen, last_seen; /* Unix seconds, 0 not known */
	struct an_capability capability;
};

struct an_observer {
	char *id;        /* as the observer writes it */
	char *name;      /* "" if not known */
	char region[16]; /* upper case, "" if not known */
	uint32_t node;   /* the id of the same key in frame->nodes.ids */
	bool inactive;
};

/* A question, read from the arguments of a call. */
struct an_query {
	const mk_val *args;     /* the whole map; mk_find(q->args, "limit") */
	int64_t now;            /* Unix seconds */
	int64_t since, until;   /* inclusive; INT64_MIN and INT64_MAX without a window */
	char window[8];         /* its label: "1h" "24h" "3d" "7d" "30d" or "" */
	bool region, area;      /* there is such a filter */
	uint8_t *in_region;     /* by observer */
	uint8_t *in_area;       /* by id of a node */
	uint32_t in_area_count; /* ids; those behind are not inside */
	uint32_t *hidden;       /* ids, sorted */
	uint32_t hidden_count;
	const uint32_t *run; /* tokens that a path has to have, for subpath-detail */
	uint32_t run_count;
	/* The filters as texts, equal for equal ones: the window; region and area. "" is none. */
	char when[48], where[48];
};

/* Answers a question with a JSON value and the HTTP status it goes with. */
struct an_method {
	const char *name; /* the part behind "analytics/" */
	uint32_t (*answer)(void *self, const struct an_query *q, struct json *out);
};

struct an_module {
	const char *name;
	mk_result (*create)(struct frame *f, void **self);
	void (*destroy)(void *self);
	/* All of the following may be NULL. */
	/* A transmission that was not known. Its `hops` and `heard` are empty still. */
	void (*on_packet)(void *self, struct an_packet *p, const struct an_news *news);
	/* Each observation once; p is as it is after it. */
	void (*on_obs)(void *self, const struct an_packet *p, const struct hops_obs *o);
	void (*fold)(void *self, const struct an_packet *p, int sign);
	/* It is older than what is kept, and was taken from the counts before. */
	void (*on_gone)(void *self, const struct an_packet *p);
	/* All that the database has was seen (again after each gap); the graph is another one; ten
	 * seconds have passed while live. */
	void (*on_live)(void *self);
	void (*on_graph)(void *self);
	void (*on_tick)(void *self, int64_t now);
	size_t (*bytes)(const void *self);
	const struct an_method *methods; /* end with a NULL name */
};

#endif
