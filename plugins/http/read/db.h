/* SPDX-License-Identifier: MIT
 *
 * The inside of db*.c: connections, and rows of packets. A connection belongs to one thread at a
 * time.
 */
#ifndef HTTP_READ_DB_H
#define HTTP_READ_DB_H

#include <sqlite3.h>

#include "impl.h"

#define DB_HOPS_MAX 255u
#define DB_HOP_MAX 8u

enum db_statement {
	DB_TX_ID,
	DB_TX_HASH,
	DB_TX_OBS,
	DB_OBS_OF,
	DB_ALIAS,
	DB_STATEMENTS,
};

struct dbc {
	sqlite3 *db;
	sqlite3_stmt *kept[DB_STATEMENTS];
	struct dbc *next;
	uint64_t storage_epoch; /* it was opened then */
	uint64_t until_us;      /* statements end then; 0: never */
	const struct read *r;
};

/* Who the keys and rows of others are. */
struct db_names {
	uint32_t (*node)(void *arg, const char *key, size_t len);
	uint32_t (*observer)(void *arg, int64_t row);
	void *arg;
};

struct db_tx { /* a row of transmissions; texts until the statement goes on */
	struct read_packet p;
	uint8_t raw[1024];
};

struct db_obs { /* a row of observations */
	struct read_obs o;
	uint8_t hops[DB_HOPS_MAX * DB_HOP_MAX];
	uint32_t nodes[DB_HOPS_MAX];
};

/* Who sent it: adverts only, also those that were stored before there was a column for it. */
#define DB_TX_FROM                                                                                 \
	"CASE WHEN t.payload_type = 4 THEN COALESCE(NULLIF(t.from_pubkey, ''),"                    \
	" CASE WHEN json_valid(t.decoded_json) THEN json_extract(t.decoded_json, '$.pubKey') END)" \
	" END"
#define DB_TX_COLUMNS                                                                        \
	"t.id, t.hash, t.first_seen, t.route_type, t.payload_type, t.raw_hex, t.scope_name," \
	" t.channel_hash, " DB_TX_FROM ", t.decoded_json"
#define DB_OBS_COLUMNS                                                                 \
	"o.id, o.observer_idx, o.direction, o.snr, o.rssi, o.path_json, o.timestamp, " \
	"o.resolved_path"

mk_result db_fail(struct dbc *c, mk_err *err);
/* A connection of one's own. */
mk_result db_open(struct dbc **out, const struct read *r, const char *path, uint32_t cache_kib,
		  mk_err *err);
void db_close(struct dbc *c);
/* What was read with its statements is no good any more. */
void db_reset(struct dbc *c);
/* Its statements end after so long. */
void db_limit(struct dbc *c, uint64_t us);
/* False: a row that is none: without hash or time. */
bool db_read_tx(struct db_tx *t, sqlite3_stmt *s, int column, const struct db_names *names);
void db_read_obs(struct db_obs *o, sqlite3_stmt *s, int column, const struct db_names *names);
uint8_t db_direction(const char *text);
/* The hops of `["AB","CD"]`; false: not such a list. */
bool db_read_path(struct db_obs *o, const char *json, size_t len);
/* The next string or word of a list: its beginning, and *len. NULL: the end. */
const char *db_item(const char **p, const char *end, size_t *len);
/* Who the model knows; under its read lock. */
struct db_names db_names_of(struct read *r);
/* A connection and a place for rows. */
mk_result db_ready(struct read_scratch *s, mk_err *err);
mk_result db_fill_obs(struct read_scratch *s, struct read_packet *p, mk_err *err);
/* A statement on transmissions t with the conditions of a filter; NULL: no memory, or SQLite refuses. */
sqlite3_stmt *db_prepare(struct dbc *c, const struct read *r, const struct db_search *q,
			 const char *head, const char *tail);
/* nodes, inactive_nodes, observers: takes the write lock. */
mk_result db_load_people(struct read *r, struct dbc *c, mk_err *err);

#endif
