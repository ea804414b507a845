/* SPDX-License-Identifier: MIT
 *
 * The inside of the model, for its own files and their tests.
 *
 *   world.c    nodes: who there is             words.c    names and texts
 *   links.c    radio: who hears whom           flow.c     how a packet goes through the mesh
 *   traffic.c  what is sent, and when          talk.c     answers to what has arrived
 *   compose.c  the bytes of payloads           sim.c      time: the queue of events
 *   truth.c    what really happened            mqtt.c     what the observers make of it
 */
#ifndef SIM_IMPL_H
#define SIM_IMPL_H

#include <meshcore/compose.h>
#include <meshcore/scope.h>

#include "dice.h"
#include "sim.h"

#define NAME_MAX_LEN 31
#define CONTACTS_MAX 6
#define CHANNELS 8
#define SCOPES_MAX 2
#define REGION_SIZE 8
#define FADES 4096
#define SNR_LIMIT4 (-40) /* quarters of a dB: where SF8 ends */
#define SECOND 1000000u  /* of microseconds */
#define NOBODY UINT32_MAX

/* A way through the mesh: nodes, of which packets carry prefixes. */
struct way {
	uint8_t hash_size, hops;
	uint16_t nodes[MC_HOPS_MAX];
};

/* Somebody a node talks to, and the way there, once it is known. */
struct contact {
	uint32_t peer;
	bool has_secret, has_way;
	struct mc_key secret;
	struct way way;
};

struct node {
	struct mc_identity id;
	char name[NAME_MAX_LEN + 1];
	uint8_t role;
	uint8_t generation;    /* of the firmware: 0 knows one-byte paths only and no scopes */
	uint8_t hash_size;     /* of the packets it sends */
	uint8_t max_hops;      /* repeaters: of floods they forward */
	uint8_t contact_count; /* whom it talks to */
	bool up, repeats, says_place, multi_acks, in_scope[SCOPES_MAX];
	uint32_t town;
	uint32_t observer; /* or NOBODY */
	double x_km, y_km, log_height, noise_dbm;
	int32_t lat_e6, lon_e6;
	int64_t clock_us; /* its clock minus the right time */
	int32_t drift_ppm;
	uint32_t said_s;    /* the last time that it wrote into a packet: never twice the same */
	uint64_t advert_us; /* when it last sent an advert */
	uint8_t advert[MC_PAYLOAD_MAX]; /* and which */
	uint8_t advert_len;
	uint32_t link, link_count; /* who hears it: from..from+count of links */
	uint64_t seen;             /* the last packet it had; see flow.c */
	struct contact contacts[CONTACTS_MAX];
};

/* `to` hears the owner of the link. */
struct link {
	uint16_t to;
	int16_t snr4;
};

struct observer {
	struct sim_party party;
	uint32_t node;
	struct sim_vitals vitals;
	uint64_t up_us, tx_us, rx_us; /* since it was switched on; on the air */
};

struct phone {
	struct sim_party party;
	char name[NAME_MAX_LEN + 1];
	uint32_t from, to; /* towns */
	double way, step;  /* how much of the way is done, and is done in a step */
	double x_km, y_km;
	int16_t *snr4; /* of each node */
};

struct town {
	const char *name;
	double x_km, y_km;
};

/* What happens when a packet has arrived. */
enum after {
	AFTER_NOTHING,
	AFTER_TEXT,     /* an ACK, or if it was flooded a PATH with it */
	AFTER_REQUEST,  /* a RESPONSE, or a PATH with it */
	AFTER_PATH,     /* the way is known now; the other learns his */
	AFTER_RETURN,   /* the way is known now */
	AFTER_DISCOVER, /* whoever hears it answers */
};

/* A packet to be sent, and all there is to know about it. */
struct flow {
	uint64_t number, at_us;
	uint32_t from, to; /* `to` may be NOBODY */
	uint32_t about;    /* adverts: whose; else NOBODY */
	uint8_t route, type, len;
	uint8_t codes[4];
	uint8_t payload[MC_PAYLOAD_MAX];
	struct way way;  /* size of hops; direct: still to go; trace: the route in the payload */
	struct way told; /* the way that a PATH tells */
	uint32_t scope;  /* 1 + which, 0 none */
	uint32_t tag;    /* of what it wants to know: goes into the answer */
	bool forged, reached;
	enum after after;
};

/* One transmission of a flow. */
#define WRONG_MAX 12

struct sent {
	uint64_t at_us;
	uint32_t node, parent; /* parent: transmission that the node heard, or NOBODY */
	uint8_t hops, bytes;   /* of the path in the frame */
	uint8_t done;          /* hops of a direct route that are behind it */
	uint8_t wrong_count;
	uint16_t wrong[WRONG_MAX]; /* bits of the payload that relays spoiled */
	uint8_t path[MC_PATH_MAX];
};

/* Something that will happen. */
enum deed {
	DO_TRAFFIC,   /* whatever comes to somebody's mind */
	DO_INTRODUCE, /* one node after the other, at the start */
	DO_STATUS,    /* of an observer */
	DO_SERVICE,   /* a node comes or goes */
	DO_MOVE,      /* phones, links */
	DO_RETRY,     /* and the following: talk.c */
	DO_ACK,
	DO_REAL_ACK,
	DO_PATH,
	DO_RETURN,
	DO_RESPONSE,
	DO_FOUND,
};
struct intent {
	uint64_t at_us;
	enum deed deed;
	uint32_t who, to;
	uint32_t tag; /* an ACK's code, or of a request; DO_TRAFFIC: of which rate */
	int8_t snr4;
	uint8_t type; /* DO_PATH: of what it carries */
	struct way way;
};

/* A binary heap of slots by time and order. */
struct slot {
	uint64_t at_us, order;
	uint32_t index;
};
struct heap {
	struct slot *slots;
	uint32_t count, cap;
};
/* Things of one size, with a list of the free ones. */
struct pool {
	void *items;
	uint32_t *free_list;
	uint32_t size, cap, free_count;
};

struct sim {
	struct sim_options o;
	struct dice dice;
	struct node *nodes;
	struct link *links;
	struct observer *observers;
	struct phone *phones;
	uint32_t phone_count, town_count, link_count;
	struct town *towns;
	int8_t fades[FADES]; /* sorted: what a reception differs from the mean, quarters of a dB */
	char (*regions)[REGION_SIZE];
	uint32_t region_count;
	struct mc_regions scopes;
	struct mc_key channels[CHANNELS];
	double km_lon; /* of a degree of longitude */
	uint64_t now_us, order, packets;
	double spread; /* of the pauses between transmissions: less than 1 at high rates */

	struct flow flow; /* under way */
	struct sent *sent;
	uint32_t sent_count, sent_cap;
	struct heap hops; /* transmissions of the flow that are due */

	struct heap due, events; /* intents, receptions */
	struct pool intents, pending;
	uint32_t given,
	    making; /* events: that the caller has, that is being filled in; or NOBODY */
	bool failed;

	uint32_t rates;  /* how often it was changed */
	double per_deed; /* receptions that one DO_TRAFFIC brings, as seen so far */
	uint64_t deeds, heard, heard_before;
	uint64_t counted_us; /* since when `heard` counts; 0 not yet */
	FILE *truth;         /* the caller's */
	uint32_t truth_heard;
};

/* world.c */
mk_result world_make(struct sim *s, mk_err *err);
void world_free(struct sim *s);
uint32_t world_clock(struct sim *s, struct node *n, uint64_t at_us); /* what it writes */
uint32_t world_pick(struct sim *s, uint32_t roles);                  /* bits 1 << role, up */
struct contact *world_contact(struct node *n, uint32_t peer);        /* or NULL */

/* links.c */
mk_result links_make(struct sim *s, mk_err *err);
void links_drift(struct sim *s);
double links_loss(const struct sim *s, int snr4); /* 0 .. 1 */
void links_phone(struct sim *s, struct phone *p);
/* Is a transmission heard, and how? */
bool links_heard(struct sim *s, int mean4, int32_t *snr4);

/* flow.c: sends s->flow; false: out of memory */
bool flow_run(struct sim *s);

/* traffic.c */
void traffic_open(struct sim *s); /* plans what there is to do from the start */
void traffic_do(struct sim *s, const struct intent *i);
/* s->flow, empty: fill it in and send it. */
struct flow *traffic_begin(struct sim *s, uint32_t from, uint8_t type);
void traffic_flood(struct sim *s);
void traffic_direct(struct sim *s, const struct way *way);

/* talk.c */
void talk_some(struct sim *s, uint32_t from); /* with one of its contacts */
void talk_do(struct sim *s, const struct intent *i);
/* Node `at` has got s->flow by transmission `t`. */
void talk_arrived(struct sim *s, const struct sent *t, uint32_t at, uint64_t at_us, int32_t snr4);

/* sim.c */
void sim_plan(struct sim *s, const struct intent *i);
struct sim_event *sim_event_new(struct sim *s); /* NULL: no memory. Then sim_event_put */
void sim_event_put(struct sim *s, const struct sim_event *e);
uint64_t sim_pause(struct sim *s, uint32_t most_us); /* by chance; shorter at high rates */
bool heap_put(struct heap *h, uint64_t at_us, uint64_t order, uint32_t index);
uint32_t heap_take(struct heap *h); /* index; the heap is not empty */

/* truth.c: nothing if nobody listens */
void truth_packet(struct sim *s);
void truth_sent(struct sim *s, uint32_t index, const uint8_t hash[8], uint64_t end_us);
void truth_heard(struct sim *s, uint32_t node, int32_t snr4);
void truth_done(struct sim *s);
void truth_service(struct sim *s, uint32_t node);

#endif
