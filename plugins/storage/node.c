/* SPDX-License-Identifier: MIT
 *
 * Nodes: what their adverts say, summed up while a transaction is open. A node that comes back from
 * inactive_nodes keeps its history.
 */
#include "apply.h"
#include "rows.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS 4096u

struct node {
	uint8_t key[ITEM_KEY];
	uint32_t next; /* in its slot: index + 1 */
	uint32_t adverts;
	int64_t first_s, seen_s;
	struct advert says; /* the last of each */
	struct text scope;
	struct integer foreign;
};

void
nodes_clear(struct rows *r)
{
	r->node_count = 0;
	if (r->node_slots != NULL)
		memset(r->node_slots, 0, SLOTS * sizeof(*r->node_slots));
}

static uint32_t *
node_slot(struct rows *r, const uint8_t key[ITEM_KEY])
{
	return &r->node_slots[(key[0] | (uint32_t)key[1] << 8) % SLOTS];
}

/* The node's sum of this transaction, a new one if need be. NULL: no memory. */
static struct node *
node_get(struct rows *r, const uint8_t key[ITEM_KEY])
{
	uint32_t *slot;
	struct node *n;

	if (r->node_slots == NULL)
		r->node_slots = calloc(SLOTS, sizeof(*r->node_slots));
	if (r->node_slots == NULL)
		return NULL;
	slot = node_slot(r, key);
	for (uint32_t i = *slot; i != 0; i = r->nodes[i - 1].next)
		if (memcmp(r->nodes[i - 1].key, key, ITEM_KEY) == 0)
			return &r->nodes[i - 1];
	if (r->node_count == r->node_cap) {
		uint32_t cap = r->node_cap == 0 ? 64 : 2 * r->node_cap;
		struct node *grown = realloc(r->nodes, cap * sizeof(*grown));

		if (grown == NULL)
			return NULL;
		r->nodes = grown;
		r->node_cap = cap;
	}
	n = &r->nodes[r->node_count++];
	*n = (struct node){ .next = *slot };
	memcpy(n->key, key, ITEM_KEY);
	*slot = r->node_count;
	return n;
}

static void
node_learn_text(struct text *known, struct text now)
{
	if (now.s != NULL && now.len > 0)
		*known = now;
}

mk_result
node_heard(struct rows *r, const struct item *it, const uint8_t key[ITEM_KEY], bool is_new,
	   mk_err *err)
{
	struct node *n = node_get(r, key);
	int64_t at = item_seconds(it);
	struct advert a;

	if (n == NULL)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	item_read_advert(it->advert, &a);
	n->adverts += is_new;
	n->seen_s = at > n->seen_s ? at : n->seen_s;
	n->first_s = n->first_s == 0 || at < n->first_s ? at : n->first_s;
	node_learn_text(&n->says.name, a.name);
	node_learn_text(&n->says.role, a.role);
	node_learn_text(&n->scope, it->scope);
	if (a.lat.is && a.lon.is) {
		n->says.lat = a.lat;
		n->says.lon = a.lon;
		/* Whether it is outside is said with every position: a node that has moved into
		 * the area is foreign no more. */
		n->foreign = (struct integer){ true, a.foreign.v };
	}
	if (a.battery_mv.is)
		n->says.battery_mv = a.battery_mv;
	if (a.temperature_c.is)
		n->says.temperature_c = a.temperature_c;
	return MK_OK;
}

/* ---------------------------------------------------- end of transaction -- */

static mk_result
node_return(struct rows *r, const char *key, mk_err *err)
{
	sqlite3_stmt *s = rows_statement(r, SQL_NODE_INACTIVE);
	mk_result rc;

	rows_bind_chars(s, 1, key);
	rc = db_step(r->db, s, err);
	(void)sqlite3_reset(s);
	if (rc != MK_OK)
		return rc == MK_ENOENT ? MK_OK : rc;
	s = rows_statement(r, SQL_NODE_RETURN);
	rows_bind_chars(s, 1, key);
	rc = rows_run(r, s, err);
	if (rc != MK_OK)
		return rc;
	r->stats->nodes_returned++;
	s = rows_statement(r, SQL_NODE_LEAVE);
	rows_bind_chars(s, 1, key);
	return rows_run(r, s, err);
}

static mk_result
node_tell(struct rows *r, sqlite3_stmt *row, bool active, mk_err *err)
{
	if (active &&
	    resolve_node(r->resolve, rows_text(row, "public_key"), rows_text(row, "role")) != MK_OK)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	mk_kv_bool(rows_event(r, row, 1), "active", active);
	return events_add(r->events, EVENT_NODE) == MK_OK
		   ? MK_OK
		   : mk_err_set(err, MK_ENOMEM, "out of memory");
}

static mk_result
node_flush(struct rows *r, const struct node *n, mk_err *err)
{
	char key[2 * ITEM_KEY + 1];
	sqlite3_stmt *s;
	mk_result rc;

	item_hex(n->key, ITEM_KEY, false, key);
	rc = node_return(r, key, err);
	if (rc != MK_OK)
		return rc;
	s = rows_statement(r, SQL_NODE_SEEN);
	rows_bind_chars(s, 1, key);
	rows_bind_text(s, 2, n->says.name);
	rows_bind_text(s, 3, n->says.role);
	rows_bind_real(s, 4, n->says.lat);
	rows_bind_real(s, 5, n->says.lon);
	rows_bind_chars(s, 6, stamp_text(&r->stamp, n->seen_s));
	rows_bind_chars(s, 7, stamp_text(&r->stamp_other, n->first_s));
	(void)sqlite3_bind_int64(s, 8, n->adverts);
	rows_bind_integer(s, 9, n->says.battery_mv);
	rows_bind_real(s, 10, n->says.temperature_c);
	rows_bind_integer(s, 11, n->foreign);
	rows_bind_text(s, 12, n->scope);
	rows_bind_chars(s, 13, stamp_text(&r->stamp_now, r->now_s));
	rc = db_step(r->db, s, err);
	if (rc == MK_OK && resolve_has(r->resolve, n->key))
		rc = node_tell(r, s, true, err);
	(void)sqlite3_reset(s);
	if (rc == MK_OK && !resolve_has(r->resolve, n->key)) {
		rc = apply_mbcap_revive(r->db, key, err);
		if (rc == MK_OK)
			rc = node_changed(r, key, err);
	}
	r->stats->node_upserts += rc == MK_OK;
	return rc == MK_ENOENT ? MK_OK : rc;
}

mk_result
nodes_flush(struct rows *r, mk_err *err)
{
	for (uint32_t i = 0; i < r->node_count; i++) {
		mk_result rc = rows_spare(r, node_flush(r, &r->nodes[i], err));

		if (rc != MK_OK)
			return rc;
	}
	for (uint32_t i = 0; i < r->node_count; i++)
		*node_slot(r, r->nodes[i].key) = 0;
	r->node_count = 0;
	return MK_OK;
}

/* A row that is in neither table is gone; what is left of it is its key. */
static mk_result
node_tell_gone(struct rows *r, const char *key, mk_err *err)
{
	mk_writer *w = events_item(r->events);

	mk_put_map(w, 3);
	mk_kv_str(w, "public_key", key);
	mk_kv_bool(w, "active", false);
	mk_kv_bool(w, "gone", true);
	return events_add(r->events, EVENT_NODE) == MK_OK
		   ? MK_OK
		   : mk_err_set(err, MK_ENOMEM, "out of memory");
}

mk_result
node_changed(struct rows *r, const char *key, mk_err *err)
{
	static const enum rows_statement tables[] = { SQL_NODE_ROW, SQL_NODE_INACTIVE_ROW };
	mk_result rc = MK_ENOENT;

	for (size_t i = 0; i < 2 && rc == MK_ENOENT; i++) {
		sqlite3_stmt *s = rows_statement(r, tables[i]);

		rows_bind_chars(s, 1, key);
		rc = db_step(r->db, s, err);
		if (rc == MK_OK)
			rc = node_tell(r, s, i == 0, err);
		(void)sqlite3_reset(s);
		if (rc == MK_ENOENT && i == 0)
			resolve_remove(r->resolve, (struct text){ key, strlen(key) });
	}
	return rc == MK_ENOENT ? node_tell_gone(r, key, err) : rc;
}
