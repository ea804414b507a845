/* SPDX-License-Identifier: MIT
 *
 * The inside of the read model, for its own files and their tests.
 *
 *   nodes.c    keys and numbers          pack.c    a packet as bytes, and
 * unpack.c people.c   rows of nodes, observers  store.c   packets in memory
 *   find.c     what is asked of packets  db*.c     the database, read-only
 *   live.c     messages                  load.c    the thread that fills the
 * model read.c     the rest of read.h        when.c    times
 *
 * DOC: Which thread may do what
 *
 * The plugin's thread and the loader change the model under its write lock;
 * routes read it under the read lock. The loader fills a store of its own,
 * which becomes the model's when it is complete; while it reads, the plugin's
 * thread only remembers the newest observation it was told of, and the loader
 * goes on until it has read that far. Then it ends, and what is told is applied
 * as it comes. After a gap it is started again, from the newest observation in
 * memory.
 */
#ifndef HTTP_READ_IMPL_H
#define HTTP_READ_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "../server/model.h"
#include "read.h"
#include "when.h"

#define READ_NODES_MAX (1u << 17) /* keys; more are refused */
#define READ_OBSERVERS_MAX (1u << 17)

/* ---------------------------------------------------------------- packets --
 */

/* Numbers of packets, in order, each once. */
struct list {
	uint32_t *at;
	uint32_t count, cap;
};

struct tx { /* a packet in memory; the rest of it is in `bytes` */
	int64_t id;
	int64_t first_s;
	uint64_t hash;           /* unless `odd_hash` */
	uint8_t *bytes;          /* packed.h */
	uint32_t len, obs_at;    /* obs_at: where the observations begin */
	uint32_t oldest, latest; /* of the observations, Unix seconds */
	uint32_t obs_count, shown;
	uint32_t from;
	uint32_t shown_observer;     /* what the one that is displayed says */
	float shown_snr, shown_rssi; /* NaN: nothing */
	uint32_t last_hop;           /* of that one: bytes << 24 | value; 0: none */
	int16_t best_snr, best_rssi; /* of all: hundredths of a dB, dBm; INT16_MIN: none */
	uint16_t observers;          /* that are different */
	uint8_t shown_hops, shown_size;
	int8_t type, route;
	bool odd_hash;
	bool settled; /* `bytes` is in a block; else it is its own */
};

/* Many packets of about the same time, without room to grow. */
struct block {
	struct block *next;      /* newer */
	uint32_t len, cap, gone; /* gone: bytes of packets that are not there any more */
	uint8_t bytes[];
};

struct place { /* of a hop: where the path that ends with it begins, and its
                  length */
	uint32_t hop, node;
	uint8_t count;
};

/* A packet put together, and the memory for it. */
struct unpacked {
	struct read_packet p;
	char first_seen[WHEN_TEXT];
	struct read_obs *obs;
	uint8_t *hops;
	uint32_t *nodes;
	struct place *places; /* by number of hop, from 1 on */
	uint32_t obs_cap, hops_cap, nodes_cap, places_cap;
	char *json;
};

struct store {
	struct tx *txs; /* in the order of ids */
	uint32_t begin; /* number of txs[0] */
	uint32_t count, cap;
	uint32_t settled; /* so many of the first were settled; some may have changed
                       again */
	uint32_t changed; /* at most so many of those */
	struct block *oldest, *newest;
	struct unpacked work; /* for settling */
	uint8_t *room;
	uint32_t room_cap;
	uint32_t *by_hash; /* open addressing; index + 1 */
	uint32_t slot_count;
	struct list *by_node, *by_observer;
	uint32_t node_cap, observer_cap;
	uint64_t obs_count, bytes, evicted;
};

/* The first 8 bytes of the keys of nodes: what hops are beginnings of. */
struct heads {
	const uint64_t *at; /* 0: not hex */
	uint32_t count;
};

/* pack.c. False: out of memory. */
bool pack_tx(struct tx *t, const struct read_packet *p);
bool pack_obs(struct tx *t, const struct read_obs *o, const struct heads *heads);
/* The bytes of a packet that is not expected to grow any more, as short as can
 * be: *out of that length. 0: out of memory. */
uint32_t pack_settle(struct unpacked *u, const struct tx *t, const struct heads *heads,
		     uint8_t **out, uint32_t *cap);
/* How much there is room for in bytes that are a packet's own. */
static inline uint32_t
pack_cap(uint32_t len)
{
	return len < 1024 ? (len + 63) & ~63u : (len + 511) & ~511u;
}
/* 16 lower-case digits as a number; false: anything else. */
bool pack_hash(const char *text, uint64_t *out);
/* unpack.c */
bool unpack_tx(struct unpacked *u, const struct tx *t, const struct heads *heads, uint32_t skip);
/* Observations without their hops. False: fn said so. */
bool unpack_each_obs(const struct tx *t, bool (*fn)(void *arg, const struct read_obs *o),
		     void *arg);
/* Room for so many elements. */
bool unpacked_room(void **at, uint32_t *cap, size_t need, size_t size);
/* Paths and nodes of `count` observations, which lie there one behind the
 * other. `resolved` is only asked whether it is NULL. */
void unpacked_point(struct unpacked *u, uint32_t count);
void unpacked_fini(struct unpacked *u);

/* store.c */
void store_clear(struct store *s); /* numbers go on */
/* Behind all others: its id must be greater. NULL: out of memory. */
struct tx *store_add(struct store *s, const struct read_packet *p);
bool store_add_obs(struct store *s, struct tx *t, const struct read_obs *o,
		   const struct heads *heads);
/* The same packet, with other contents. */
bool store_replace(struct store *s, struct tx *t, const struct read_packet *p,
		   const struct heads *heads);
struct tx *store_find_id(const struct store *s, int64_t id);
struct tx *store_find_hash(const struct store *s, uint64_t hash);
/* Index of the first that has this id or a higher one. */
uint32_t store_lower(const struct store *s, int64_t id);
uint32_t store_number(const struct store *s, const struct tx *t);
/* Forget the oldest until it takes no more than `max_bytes`. */
void store_evict(struct store *s, uint64_t max_bytes);

/* ----------------------------------------------------------------- people --
 */

struct node_more {   /* of a node, beside the row */
	char *texts; /* one block for all texts of the row */
	struct read_mbcap mbcap;
	struct read_relay relay;
	char *scopes; /* of relay: pointers, then texts */
	bool has_mbcap, has_relay;
	uint32_t row; /* in struct read's rows, + 1; 0: none */
};

struct recent { /* what read_recent() has counted */
	uint64_t version;
	int64_t now_s, seconds;
	uint32_t *counts; /* by observer */
	uint32_t cap;
	uint64_t all;
};

struct read {
	struct read_config config;
	struct hops_nodes hops; /* its ids are the numbers of nodes */
	struct hops_graph graph;
	struct read_node *nodes;
	struct node_more *more;
	uint64_t *heads;
	uint32_t node_count, node_cap;
	uint32_t *rows; /* nodes in the order in which they became known: rows of
                     /api/sets/nodes */
	uint32_t row_count, row_cap;
	uint32_t *sorted; /* active nodes that are not hidden, by key */
	uint32_t sorted_count, sorted_cap;
	bool sorted_stale, joined_stale;

	struct read_observer *observers;
	char **observer_texts;
	uint32_t observer_count, observer_cap;
	uint32_t *observer_rows; /* by row: number + 1 */
	uint32_t observer_row_cap;

	struct store store;
	_Atomic bool ready; /* the database can be read, and nodes and observers were */
	bool warm, complete;
	char database[4096];
	_Atomic uint64_t storage_epoch; /* grows whenever the database is another one */
	uint64_t tx_total, obs_total;
	int64_t newest_obs, newest_tx; /* highest ids that are applied */
	uint64_t dropped, gaps, failures, refused;
	uint64_t epoch_told;            /* by storage/state */
	uint64_t graph_serial, graph_n; /* of the last snapshot/neighbors */
	bool jobs_told;                 /* of jobs that change or delete packets: rows */
	uint64_t jobs_done, jobs_deleted;
	bool refill; /* begin from nothing as soon as the loader has ended */
	_Atomic bool stopping;
	mk_doc doc;

	_Atomic(struct load *) load; /* NULL: none is under way */
	_Atomic bool failed;         /* the last one; the timer starts another */
	_Atomic int64_t told;        /* newest observation that was told of while loading */
	_Atomic uint32_t progress;   /* of the filling, thousandths */
	bool again;                  /* something was lost meanwhile: load once more */

	pthread_mutex_t recent_lock;
	struct recent recent[2];
	pthread_mutex_t db_lock;
	struct dbc *idle; /* connections that nobody uses */
};

struct read_scratch {
	struct read *r;
	uint32_t skip;
	struct unpacked u;
	struct dbc *db;   /* from the pool, or NULL */
	struct db_tx *tx; /* the packet, if it is from the database; or NULL */
};

/* nodes.c: all under the write lock */
/* The number of a key, a new one if need be; READ_NONE: refused. */
uint32_t nodes_put(struct read *r, const char *key, size_t len);
/* Arrays as long as there are keys. False: out of memory. */
bool nodes_sync(struct read *r);
/* What readers must find done: candidates, the order of keys, who observers
 * are. At the end of each change. */
void nodes_settle(struct read *r);
void nodes_hide(struct read *r); /* by the configuration; all */
void nodes_fini(struct read *r);
void nodes_hide_one(struct read *r, struct read_node *n);
void nodes_hide_observer(struct read *r, struct read_observer *o);
uint64_t nodes_head(const char *key);
struct heads nodes_heads(const struct read *r);

/* people.c: under the write lock */
/* A row, from the bus or from the database. NULL, false: it is not there or
 * NULL. */
struct row {
	void *arg;
	const char *(*text)(void *arg, const char *column, size_t *len);
	bool (*integer)(void *arg, const char *column, int64_t *out);
	bool (*real)(void *arg, const char *column, double *out);
};
bool people_set_node(struct read *r, const struct row *row, bool active, bool gone);
bool people_set_observer(struct read *r, const struct row *row, bool gone);
void people_clear(struct read *r); /* nobody is known any more; numbers stay */
void people_fini(struct read *r);
/* By the row in the database; READ_NONE. Packets come before the rows of their
 * observers, so there is a number, if need be a new one, before the observer is
 * known. */
uint32_t people_put_observer(struct read *r, int64_t row);
uint32_t people_observer(const struct read *r, int64_t row);
int64_t people_time(const char *text); /* Unix seconds, READ_NULL */

/* find.c: conditions on an observer */
bool find_in_region(const struct read *r, const struct read_filter *f, uint32_t observer);
bool find_is_observer(const struct read_filter *f, uint32_t observer);

/* db.c */
struct dbc;
struct db_tx;
struct dbc *db_take(struct read *r, mk_err *err);
void db_give(struct read *r, struct dbc *c);
void db_close_idle(struct read *r);

/* db_packets.c */
/* The packet of which `column` is this; NULL: there is none, or a failure. */
enum db_key { DB_ID, DB_HASH, DB_OBS };
const struct read_packet *db_packet(struct read *r, struct read_scratch *s, enum db_key by,
				    int64_t id, const char *hash);
/* The packet that had this hash, before storage corrected it. */
bool db_alias(struct read_scratch *s, const char *hash, int64_t *id);
/* Those with ids below `below`; like read_packets. */
struct db_search {
	const struct read_filter *f;
	int64_t below; /* READ_NULL: all */
	bool oldest;
	uint64_t offset, limit;
	bool (*fn)(void *arg, const struct read_packet *p);
	void *arg;
	uint64_t *total; /* or NULL */
	uint64_t given;
	bool ended; /* fn said so */
};
/* The `cap` with the newest observations, best first, into `out`; *count are
 * there. */
struct latest {
	int64_t at, id;
};
mk_result db_latest(struct read *r, struct read_scratch *s, const struct db_search *q,
		    struct latest *out, uint32_t cap, uint32_t *count, mk_err *err);
mk_result db_find(struct read *r, struct read_scratch *s, struct db_search *q, mk_err *err);
/* Transmissions with ids from `from` to `to`, and everything there is. */
mk_result db_totals(struct read *r, int64_t from, int64_t to, uint64_t *there, uint64_t *txs,
		    uint64_t *obs);
mk_result db_recent(struct read *r, struct recent *t, mk_err *err);

/* load.c: on the plugin's thread */
void load_start(struct read *r);

#endif
