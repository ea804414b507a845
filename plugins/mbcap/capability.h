/* SPDX-License-Identifier: MIT
 *
 * Which nodes can do multi-byte paths, and which hash size they use. The state is a set of newest
 * times: the order of observations, and getting one of them twice, change nothing, and each costs
 * the same however many there were.
 *
 *   confirmed  the node sent an advert with hashes of two bytes or more
 *   suspected  a hop of a multi-byte flood begins like its key, and it is a relay. Other relays may
 *              begin so as well; `candidates` says how many
 *   unknown    neither, within the window
 *
 * A struct mbcap belongs to one thread.
 */
#ifndef MBCAP_CAPABILITY_H
#define MBCAP_CAPABILITY_H

#include <hops/obs.h>

#define MBCAP_ADVERTS_MAX 64u       /* of one node, the newest */
#define MBCAP_TOKENS_MAX (1u << 18) /* prefixes seen in multi-byte paths */
#define MBCAP_DAYS_MAX 400u         /* of the trend */

enum mbcap_sup { MBCAP_UNKNOWN, MBCAP_SUSPECTED, MBCAP_CONFIRMED };
enum mbcap_evidence { MBCAP_NOTHING, MBCAP_ADVERT, MBCAP_PATH };

const char *mbcap_sup_text(int64_t sup); /* "confirmed", "suspected"; anything else "unknown" */
const char *mbcap_evidence_text(enum mbcap_evidence evidence); /* "advert", "path", "" */

struct mbcap_advert {
	int64_t at_ms;
	uint64_t tx;
	uint8_t size;
};

struct mbcap_node {
	int64_t advert_at[4];         /* Unix seconds of the newest advert by hash size; 0 none */
	struct mbcap_advert *adverts; /* in order of time */
	uint8_t count, cap;
	bool changed; /* since mbcap_settled */
};

struct mbcap_token {
	uint32_t token; /* 0: free */
	int64_t at[2];  /* newest multi-byte path of hash size 2, 3 with this hop */
	bool changed;
};

/* What is known of a node now. */
struct mbcap_entry {
	enum mbcap_sup sup;
	enum mbcap_evidence evidence;
	uint8_t size;        /* largest hash size; 1 if nothing else is known */
	bool downgrade;      /* less than it was, and the evidence for that is newer */
	int64_t evidence_at; /* 0: none */
	uint32_t candidates; /* relays that begin like the hop; 0 unless by path */
	uint8_t hash_size;   /* of its newest advert; 0: none in the window */
	uint8_t sizes;       /* bits 1 << size of all its adverts in the window */
	bool inconsistent;   /* it keeps changing between sizes */
};

struct mbcap_day {          /* the relays as they were judged last on that day */
	int64_t day;        /* since 1970, UTC */
	uint32_t relays[3]; /* by enum mbcap_sup */
};

struct mbcap {
	struct hops_nodes *nodes; /* borrowed */
	struct mbcap_node *at;    /* by id */
	uint32_t cap;
	struct mbcap_token *tokens; /* open addressing */
	uint32_t token_count, token_slots;
	struct mbcap_day days[MBCAP_DAYS_MAX]; /* in order */
	uint32_t day_count;
	uint64_t cursor; /* the last observation */
	int64_t window;  /* seconds */
	uint64_t observations, refused;
};

mk_result mbcap_init(struct mbcap *m, struct hops_nodes *nodes, int64_t window);
void mbcap_fini(struct mbcap *m);
void mbcap_clear(struct mbcap *m);

void mbcap_take(struct mbcap *m, const struct hops_obs *o);
/* An advert that says something about the hash size, of transmission `tx`. */
void mbcap_advert(struct mbcap *m, uint32_t id, uint64_t tx, int64_t at_ms, uint8_t size);

/* One lookup. False: nothing is known of this id, and it is no node. */
bool mbcap_find(const struct mbcap *m, uint32_t id, int64_t now, struct mbcap_entry *entry);

/* In the place of what is known of that day; beyond the most the oldest goes. */
void mbcap_day_put(struct mbcap *m, const struct mbcap_day *day);
const struct mbcap_day *mbcap_day_find(const struct mbcap *m, int64_t day); /* NULL: not known */

/* Forget what is older than the window. */
void mbcap_prune(struct mbcap *m, int64_t now);
void mbcap_settled(struct mbcap *m);

/* For reading a snapshot; NULL: no room. */
struct mbcap_node *mbcap_node_put(struct mbcap *m, uint32_t id);
struct mbcap_token *mbcap_token_put(struct mbcap *m, uint32_t token);
size_t mbcap_memory(const struct mbcap *m);

#endif
