/* SPDX-License-Identifier: MIT */
#include "snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
snapshots_init(struct snapshots *s, struct stats *stats)
{
	*s = (struct snapshots){ .stats = stats };
}

static void
snapshot_drop(struct snapshots *s, struct snapshot *n)
{
	while (n->first != NULL) {
		struct snapshot_part *p = n->first;

		n->first = p->next;
		s->waiting_bytes -= p->len;
		free(p);
	}
	n->last = &n->first;
}

void
snapshots_fini(struct snapshots *s)
{
	for (uint32_t i = 0; i < s->count; i++) {
		snapshot_drop(s, s->list[i]);
		free(s->list[i]);
	}
	snapshots_init(s, s->stats);
}

/* NULL: too many, or no memory. */
static struct snapshot *
snapshot_get(struct snapshots *s, const char *name)
{
	struct snapshot *n;

	for (uint32_t i = 0; i < s->count; i++)
		if (strcmp(s->list[i]->name, name) == 0)
			return s->list[i];
	if (s->count == SNAPSHOT_NAMES || strlen(name) > MK_TOPIC_MAX)
		return NULL;
	n = calloc(1, sizeof(*n));
	if (n == NULL)
		return NULL;
	memcpy(n->name, name, strlen(name) + 1);
	n->last = &n->first;
	n->cut = true; /* deltas mean nothing before there is a base */
	s->list[s->count++] = n;
	return n;
}

mk_result
snapshots_open(struct snapshots *s, struct db *db, mk_err *err)
{
	sqlite3_stmt *row;
	mk_result rc = db_stmt(db,
			       "SELECT name, count(*), sum(CASE WHEN part > 0 THEN length(body)"
			       " ELSE 0 END) FROM mk_snapshots GROUP BY name",
			       &row, err);

	s->db = db;
	for (uint32_t i = 0; i < s->count; i++)
		s->list[i]->stored = 0;
	while (rc == MK_OK && (rc = db_step(db, row, err)) == MK_OK) {
		const char *name = (const char *)sqlite3_column_text(row, 0);
		struct snapshot *n = name == NULL ? NULL : snapshot_get(s, name);

		if (n == NULL)
			continue; /* too many: it stays where it is */
		n->stored = (uint32_t)sqlite3_column_int64(row, 1);
		if (n->parts > 0)
			continue; /* the database was opened again */
		n->parts = n->stored;
		n->delta_bytes = n->stored_bytes = (uint64_t)sqlite3_column_int64(row, 2);
		n->cut = false;
	}
	return rc == MK_ENOENT ? MK_OK : rc;
}

static bool
snapshot_has_room(const struct snapshots *s, const struct snapshot *n, const mk_msg *msg)
{
	if (s->waiting_bytes + msg->body_len > SNAPSHOT_WAITING_BYTES)
		return false;
	return (msg->flags & MK_MSG_DELTA) == 0 ||
	       (!n->cut && n->parts < SNAPSHOT_DELTAS &&
		n->delta_bytes + msg->body_len <= SNAPSHOT_DELTA_BYTES);
}

void
snapshots_saw(struct snapshots *s, const char *topic)
{
	struct snapshot *n = snapshot_get(s, topic + strlen(SNAPSHOT_PREFIX));

	if (n != NULL)
		n->fresh = true;
}

bool
snapshots_knows(const struct snapshots *s, const char *name)
{
	for (uint32_t i = 0; i < s->count; i++)
		if (strcmp(s->list[i]->name, name) == 0)
			return s->list[i]->fresh || s->list[i]->parts > 0;
	return false;
}

mk_result
snapshots_take(struct snapshots *s, const mk_msg *msg)
{
	struct snapshot *n = snapshot_get(s, msg->topic + strlen(SNAPSHOT_PREFIX));
	bool delta = (msg->flags & MK_MSG_DELTA) != 0;
	struct snapshot_part *p;

	if (n == NULL)
		return MK_EFULL;
	n->fresh = true;
	if (!snapshot_has_room(s, n, msg)) {
		/* What follows would not fit to what is kept. */
		s->stats->snapshots_cut += !(delta && n->cut);
		n->cut = true;
		return MK_EFULL;
	}
	p = malloc(sizeof(*p) + msg->body_len);
	if (p == NULL) {
		n->cut = true;
		return MK_ENOMEM;
	}
	if (!delta) {
		snapshot_drop(s, n);
		n->parts = 0;
		n->delta_bytes = 0;
		n->replace = true;
		n->cut = false;
	} else {
		n->delta_bytes += msg->body_len;
	}
	*p = (struct snapshot_part){ .number = n->parts++,
				     .schema = msg->schema,
				     .time_us = (int64_t)msg->time_us,
				     .len = msg->body_len };
	memcpy(p->origin, msg->origin, strnlen(msg->origin, MK_ID_MAX));
	memcpy(p->body, msg->body, msg->body_len);
	*n->last = p;
	n->last = &p->next;
	s->waiting_bytes += p->len;
	s->dirty = true;
	return MK_OK;
}

/* --------------------------------------------------------------- storing -- */

/* The part that was refused, or NULL. */
static const struct snapshot_part *
snapshot_refused(const struct snapshot *n)
{
	const struct snapshot_part *p = n->first;

	while (p != NULL && !p->refused)
		p = p->next;
	return p;
}

/* The chain as it is in the database now. A refused delta ends it until the next base; a refused
 * base never was. */
static void
snapshot_settle(struct snapshot *n)
{
	const struct snapshot_part *refused = snapshot_refused(n);

	if (refused != NULL && refused == n->first && n->replace) {
		n->parts = n->stored;
		n->delta_bytes = n->stored_bytes;
	} else if (refused != NULL) {
		n->parts = refused->number;
		n->cut = true;
	}
	n->stored = n->parts;
	n->stored_bytes = n->delta_bytes;
	n->replace = false;
}

static mk_result
snapshot_store(struct snapshots *s, const struct snapshot *n, mk_err *err)
{
	mk_result rc = MK_OK;

	if (n->replace && !n->first->refused)
		rc = db_run(s->db, err, "DELETE FROM mk_snapshots WHERE name = ?1", "s", n->name);
	for (const struct snapshot_part *p = n->first; p != NULL && !p->refused && rc == MK_OK;
	     p = p->next)
		rc = db_run(s->db, err,
			    "INSERT INTO mk_snapshots (name, part, schema, origin, saved_at, body)"
			    " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
			    "siisib", n->name, (int64_t)p->number, (int64_t)p->schema, p->origin,
			    p->time_us, p->body, (int)p->len);
	return rc;
}

mk_result
snapshots_store(struct snapshots *s, mk_err *err)
{
	mk_result rc = MK_OK;

	for (uint32_t i = 0; s->dirty && i < s->count && rc == MK_OK; i++)
		if (s->list[i]->first != NULL)
			rc = snapshot_store(s, s->list[i], err);
	return rc;
}

void
snapshots_stored(struct snapshots *s)
{
	for (uint32_t i = 0; s->dirty && i < s->count; i++) {
		struct snapshot *n = s->list[i];

		if (n->first == NULL)
			continue;
		s->stats->snapshots_saved += !n->first->refused;
		snapshot_settle(n);
		snapshot_drop(s, n);
	}
	s->dirty = false;
}

/* ------------------------------------------------------------ publishing -- */

static mk_result
snapshot_publish(struct snapshots *s, const mk_host *host, const struct snapshot *n, mk_err *err)
{
	char topic[MK_TOPIC_MAX + sizeof(SNAPSHOT_PREFIX)];
	sqlite3_stmt *row;
	mk_result rc =
	    db_stmt(s->db,
		    "SELECT part, schema, body FROM mk_snapshots WHERE name = ?1 ORDER BY part",
		    &row, err);

	(void)snprintf(topic, sizeof(topic), SNAPSHOT_PREFIX "%s", n->name);
	if (rc == MK_OK)
		rc = db_bind(s->db, err, row, "s", n->name);
	while (rc == MK_OK && (rc = db_step(s->db, row, err)) == MK_OK) {
		uint32_t flags = MK_PUB_SCHEMA((uint32_t)sqlite3_column_int64(row, 1));

		if (sqlite3_column_int64(row, 0) > 0)
			flags |= MK_PUB_DELTA;
		rc = host->publish(host, topic, sqlite3_column_blob(row, 2),
				   (uint32_t)sqlite3_column_bytes(row, 2), flags);
	}
	(void)sqlite3_reset(row);
	return rc == MK_ENOENT ? MK_OK : rc;
}

mk_result
snapshots_publish(struct snapshots *s, const mk_host *host, uint32_t *at, mk_err *err)
{
	for (; *at < s->count; ++*at) {
		const struct snapshot *n = s->list[*at];
		mk_result rc;

		if (n->fresh || n->stored == 0)
			continue;
		rc = snapshot_publish(s, host, n, err);
		/* Full, it comes again with its base, which replaces what got through. What the
		 * bus refuses for another reason, it would refuse again. */
		if (rc == MK_EAGAIN)
			return rc;
	}
	return MK_OK;
}
