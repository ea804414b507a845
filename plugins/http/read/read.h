/* SPDX-License-Identifier: MIT
 *
 * The read model: what the database holds, in memory as far as it fits, for the routes to answer
 * from. The plugin's thread fills it from the bus and, at start, from the database; routes read it
 * under the model's read lock.
 *
 * Nodes, observers and the newest packets are columns in memory. Older packets (and all of them while
 * the model is being filled) come out of the database in the same struct read_packet, so a route has
 * one code path and does not know where a packet was.
 */
#ifndef HTTP_READ_READ_H
#define HTTP_READ_READ_H

#include <meshkern/err.h>
#include <meshkern/plugin.h>

#include <hops/graph.h>
#include <hops/nodes.h>

#include "../json/json.h"

#define READ_NONE UINT32_MAX /* no node, no observer, no text */
#define READ_NULL INT64_MIN  /* an integer column that is NULL */

/* Parts of the model (server/model.h), for `reads` of a route and model_write_end(). */
#define MODEL_NODES (1u << 8)     /* rows of nodes and inactive_nodes */
#define MODEL_OBSERVERS (1u << 9) /* rows of observers */
#define MODEL_PACKETS (1u << 10)  /* transmissions and observations */
#define MODEL_GRAPH (1u << 11)    /* snapshot/neighbors */
#define MODEL_MBCAP (1u << 12)    /* snapshot/mbcap */
#define MODEL_WARM (1u << 13)     /* it came to know all, or lost it again */
#define MODEL_RELAYS (1u << 14)   /* snapshot/relays */

struct read;

/* ---------------------------------------------------------------- nodes -- */

/* A row of `nodes` or `inactive_nodes`. A node has a number, for ever; numbers are dense. A key that
 * is only known from packets has one, too, and is not `known`. Texts are NULL where the column is. */
struct read_node {
	char key[65]; /* 64 hex digits, lower case; in old databases anything */
	const char *name, *role, *first_seen, *last_seen, *default_scope;
	int64_t last_seen_s; /* the text as Unix seconds; READ_NULL if it is none */
	double lat, lon, temperature_c;
	bool has_lat, has_lon, has_temperature;
	int64_t advert_count, battery_mv; /* READ_NULL */
	uint8_t multibyte_sup;            /* of the row; what mbcap says now is in read_mbcap */
	const char *multibyte_evidence;
	bool foreign;
	bool known;  /* there is a row */
	bool active; /* it is in `nodes` */
	bool hidden; /* by the configuration: as if it were not there */
};

uint32_t read_node_count(const struct read *r); /* numbers are below */
const struct read_node *read_node(const struct read *r, uint32_t node);
/* By key, any case. READ_NONE: never heard of. */
uint32_t read_node_find(const struct read *r, const char *key, size_t len);
/* Those that are active and not hidden, whose keys begin so (hex, any case), in the order of keys:
 * the first `max` numbers; returns how many there are. */
uint32_t read_node_prefix(const struct read *r, const char *prefix, size_t len, uint32_t *out,
			  uint32_t max);
/* What mbcap says: false if it says nothing of the node. */
struct read_mbcap {
	uint8_t sup;          /* 2 confirmed, 1 suspected, 0 unknown */
	const char *evidence; /* "advert", "path", "" */
	uint8_t max_size;
	int64_t evidence_at;
	uint32_t candidates;
	uint8_t hash_size; /* of the newest advert; 0: none */
	bool inconsistent;
	uint8_t sizes; /* bit n: size n was seen */
};
bool read_mbcap(const struct read *r, uint32_t node, struct read_mbcap *out);
/* What snapshot/relays says: false if it says nothing of the node. */
struct read_relay {
	int64_t last_relayed; /* Unix seconds, 0: never */
	uint32_t count_1h, count_24h, unscoped_24h, flood_adverts_7d, scope_count;
	const char *const *scopes; /* sorted */
	double traffic, bridge, coverage, redundancy, usefulness;
};
bool read_relay(const struct read *r, uint32_t node, struct read_relay *out);
/* Packets a node has to do with: it is the originator, or among the resolved hops. In the order in
 * which they came (index 0 is the oldest in memory); numbers of packets for read_packet_at(). */
const uint32_t *read_node_packets(const struct read *r, uint32_t node, uint32_t *count);

/* The graph of snapshot/neighbors and the nodes as the resolver wants them (hops/resolve.h). */
const struct hops_graph *read_graph(const struct read *r);
struct hops_nodes *read_hops(const struct read *r);
/* Between the numbers of the resolver and ours. READ_NONE / HOPS_NONE: not there. */
uint32_t read_from_hops(const struct read *r, uint32_t hops_id);
uint32_t read_to_hops(const struct read *r, uint32_t node);

/* ------------------------------------------------------------ observers -- */

struct read_observer { /* columns of `observers`; numbers are dense and stay */
	int64_t idx;   /* the row */
	const char *id, *name, *iata, *first_seen, *last_seen, *model, *firmware, *client_version,
	    *radio, *last_packet_at, *clock_last_naive_at;
	char region[17]; /* iata trimmed and upper case; "" */
	int64_t packet_count, battery_mv, uptime_secs, clock_skew_seconds, clock_skew_count_24h;
	double noise_floor;
	bool has_noise_floor, inactive, can_relay, can_relay_seen;
	bool hidden;   /* by the configuration */
	uint32_t node; /* the node with the same key, or READ_NONE */
};

uint32_t read_observer_count(const struct read *r);
const struct read_observer *read_observer(const struct read *r, uint32_t observer);
uint32_t read_observer_find(const struct read *r, const char *id, size_t len); /* exact */
/* Observations of the last hour and the last day, of one observer or (READ_NONE) of all. */
uint64_t read_recent(const struct read *r, uint32_t observer, int64_t now_s, int64_t seconds);

/* -------------------------------------------------------------- packets -- */

struct read_obs {          /* one observation */
	int64_t id, at;    /* at: Unix seconds */
	uint32_t observer; /* number, or READ_NONE */
	double snr, rssi;
	bool has_snr, has_rssi;
	uint8_t direction;       /* 0 null, 1 rx, 2 tx, 3 anything else */
	uint8_t hop_size, count; /* bytes of a hop as path_json shows it; hops. 0 hops: "[]" */
	bool has_path;           /* path_json is not NULL */
	const uint8_t *path;     /* count * hop_size bytes */
	const uint32_t
	    *resolved; /* count numbers of nodes, READ_NONE where not certain; NULL: none */
};

struct read_packet { /* one transmission */
	int64_t id;
	char hash[17];
	const char *first_seen; /* as stored */
	int64_t first_s;        /* the same as Unix seconds */
	int16_t route, type;    /* -1: NULL */
	const uint8_t *raw;
	uint32_t raw_len;
	bool raw_lower;      /* it is shown with digits in lower case, as it is stored */
	const char *scope;   /* NULL: not scoped; "": an unknown region */
	const char *channel; /* the column channel_hash, or NULL */
	uint32_t from;       /* node of an advert, or READ_NONE */
	uint32_t obs_count;
	const struct read_obs *obs; /* in the order in which they came */
	uint32_t
	    shown; /* the one that is displayed: most hops, the first of those; READ_NONE if none */
	int64_t latest;   /* newest observation, READ_NULL if none */
	const char *json; /* decoded_json; NULL: NULL */
	size_t json_len;
};

/* A place to put packets together in, one for each thread and request. */
struct read_scratch;
struct read_scratch *read_scratch_new(struct read *r); /* NULL: out of memory */
void read_scratch_free(struct read_scratch *s);        /* takes NULL */
/* Leave out what is not looked at, for loops over many packets: `json` is then NULL, `obs` too (but
 * obs_count, shown and latest are right). 0: everything. */
#define READ_SKIP_JSON (1u << 0)
#define READ_SKIP_OBS (1u << 1)
void read_scratch_skip(struct read_scratch *s, uint32_t parts);

/* Packets in memory, by number: oldest first, numbers are below read_packet_end() and from
 * read_packet_begin() on. The result is good until the next call with this scratch. */
uint32_t read_packet_begin(const struct read *r);
uint32_t read_packet_end(const struct read *r);
const struct read_packet *read_packet_at(const struct read *r, struct read_scratch *s, uint32_t i);

/* Wherever they are. NULL: there is none. Old hashes find their packet, too. */
const struct read_packet *read_packet_by_hash(struct read *r, struct read_scratch *s,
					      const char *hash, size_t len);
const struct read_packet *read_packet_by_id(struct read *r, struct read_scratch *s, int64_t id);
const struct read_packet *read_packet_by_obs(struct read *r, struct read_scratch *s, int64_t obs);

/* What is asked of packets; all conditions must hold. Zeroed with the -1s set: everything. */
struct read_filter {
	int64_t since, until; /* Unix seconds, an observation (else first_seen) in between, both
				 inclusive; READ_NULL: open */
	int64_t after_id, before_id; /* ids, exclusive; READ_NULL: open */
	int16_t type, route;         /* -1: any */
	const char *hash;
	const uint32_t *observers; /* one of them observed it */
	uint32_t observer_count;   /* 0: any */
	const char *region;        /* "SJC,OAK" as in the query; NULL: any */
	const uint8_t
	    *members; /* of an area: a bit for each node, adverts of which qualify; NULL: any */
	const uint32_t *nodes; /* one of them is related */
	uint32_t node_count;   /* 0: any */
	bool sent;             /* related are those only that one of them sent: adverts */
	/* As many again, by keys (64 digits) that the model does not know: what a packet that is
	 * not in memory may have to do with. */
	const char *const *strangers;
	uint32_t stranger_count;
	const char *channel;
	bool nothing; /* a condition that cannot hold: an unknown region, node, observer */
};

/* All packets that match, by id, newest or oldest first: `fn` gets those from `offset` on until it
 * has `limit`; returning false ends it. `total`: how many match in all; NULL: do not count.
 * MK_EUNAVAIL: the database cannot be read; MK_EAGAIN: this cannot be told before the model is warm;
 * MK_ETIMEDOUT: it would take too long. read_fail() (routes.h) answers with them. */
mk_result read_packets(struct read *r, struct read_scratch *s, const struct read_filter *f,
		       bool oldest, uint64_t offset, uint64_t limit,
		       bool (*fn)(void *arg, const struct read_packet *p), void *arg,
		       uint64_t *total, mk_err *err);
/* The same in the order of the newest observation (first_seen, if that is later), newest first. */
mk_result read_packets_latest(struct read *r, struct read_scratch *s, const struct read_filter *f,
			      uint64_t offset, uint64_t limit,
			      bool (*fn)(void *arg, const struct read_packet *p), void *arg,
			      uint64_t *total, mk_err *err);

/* ------------------------------------------------------------ the whole -- */

struct read_state {
	bool ready;       /* the database can be read */
	bool warm;        /* everything that is to be in memory is */
	bool complete;    /* nothing is older than what is in memory */
	uint64_t tx, obs; /* in the database */
	uint64_t tx_memory, obs_memory;
	uint64_t bytes, limit; /* of the model */
	double progress;       /* 0..1 of the filling */
	uint64_t evicted, dropped, gaps, failures;
	char oldest[32]; /* first_seen of the oldest packet in memory; "" if there is none */
	char database[4096];
};
void read_get_state(const struct read *r, struct read_state *out);

struct read_memory {      /* bytes, for who wants to know where they are */
	uint64_t packets; /* a row for each, and finding them by hash */
	uint64_t contents, observations;
	uint64_t room;  /* for more of both */
	uint64_t lists; /* which packets a node or an observer has to do with */
	uint64_t nodes, observers;
};
void read_get_memory(const struct read *r, struct read_memory *out);
#define READ_WARM "read/warm" /* what httpd_tell() is to say when that has become true */

/* For the plugin's thread. Messages: packet/stored, node/changed, observer/changed, storage/state,
 * snapshot/neighbors, snapshot/mbcap, snapshot/relays, backfill/progress. Takes the model's write lock itself. */
struct read_config {
	const mk_host *host;
	struct model *model;
	uint64_t max_bytes;
	const char *const *node_blacklist, *const *observer_blacklist,
					       *const *hidden_prefixes; /* end with NULL; or NULL */
};
mk_result read_new(struct read **out, const struct read_config *config);
void read_free(struct read *r); /* takes NULL */
/* Another configuration: of it, max_bytes and the lists of what is hidden. */
void read_configure(struct read *r, const struct read_config *config);
void read_on_msg(struct read *r, const mk_msg *msg);
bool read_on_timer(struct read *r); /* true: it is warm */
void read_stop(struct read *r);

#endif
