/* SPDX-License-Identifier: MIT */
#include "feed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hops/time.h>

/* Retained messages come one after another when a plugin joins, in no certain order, and a snapshot
 * that was not delivered before comes later, in its turn: the state of the storage may precede it by
 * this much. Being wrong costs a reading, nothing else. */
#define SETTLE_US 100000u
#define RETRY_US 2000000u

static void feed_read(struct feed *f);

void
feed_init(struct feed *f)
{
	mk_doc_init(&f->doc);
}

void
feed_fini(struct feed *f)
{
	mk_doc_fini(&f->doc);
}

static void
feed_log(const struct feed *f, int32_t level, const char *what, const char *why)
{
	char line[4600];

	snprintf(line, sizeof(line), "%s database=%s%s%s", what, f->database,
		 why[0] == '\0' ? "" : " reason=", why);
	f->host->log(f->host, level, line);
}

/* ---------------------------------------------------------------- people -- */

static void
feed_set_node(struct feed *f, const char *key, size_t len, const struct hops_node *node)
{
	if (hops_nodes_set(f->nodes, key, len, node) != MK_OK)
		f->host->count(f->host, "refused_nodes", 1);
}

static void
feed_take_people(struct feed *f, const struct history_chunk *c)
{
	hops_nodes_clear(f->nodes);
	if (f->calls->on_people != NULL)
		f->calls->on_people(f->arg);
	for (uint32_t i = 0; i < c->person_count; i++) {
		const struct history_person *p = &c->people[i];

		if (p->key == NULL)
			continue;
		if (p->observer)
			hops_nodes_set_listener(f->nodes, p->key, strlen(p->key), p->listener);
		else
			feed_set_node(f, p->key, strlen(p->key), &p->node);
		if (f->calls->on_person != NULL)
			f->calls->on_person(f->arg, p);
	}
	f->people = true;
}

static bool
feed_flag(const mk_val *v, bool otherwise)
{
	int64_t n;
	bool b;

	if (mk_get_bool(v, &b))
		return b;
	return mk_get_i64(v, &n) ? n != 0 : otherwise;
}

/* Texts out of a message are not ended. */
static const char *
feed_text(struct feed *f, const mk_val *item, const char *field)
{
	const char *s;
	size_t len;

	return mk_get_str(mk_find(item, field), &s, &len) ? mk_arena_dup(&f->arena, s, len) : NULL;
}

static void
feed_tell(struct feed *f, struct history_person *p, const mk_val *item, const char *key)
{
	const char *s;
	size_t len;

	if (f->calls->on_person == NULL)
		return;
	p->key = feed_text(f, item, key);
	p->name = feed_text(f, item, "name");
	p->role = feed_text(f, item, "role");
	p->region = feed_text(f, item, "iata");
	if (mk_get_str(mk_find(item, "first_seen"), &s, &len))
		hops_time_read(s, len, &p->first_seen);
	if (mk_get_str(mk_find(item, "last_seen"), &s, &len))
		hops_time_read(s, len, &p->last_seen);
	if (p->key != NULL)
		f->calls->on_person(f->arg, p);
	mk_arena_fini(&f->arena);
}

static void
feed_on_node(struct feed *f, const mk_val *item)
{
	struct hops_node node = { 0 };
	const char *key, *role;
	size_t len, role_len;
	int64_t adverts = 0;

	if (!mk_get_str(mk_find(item, "public_key"), &key, &len)) {
		f->counts.malformed++;
		return;
	}
	node.there =
	    feed_flag(mk_find(item, "active"), true) && !feed_flag(mk_find(item, "gone"), false);
	node.relays =
	    mk_get_str(mk_find(item, "role"), &role, &role_len) && hops_role_relays(role, role_len);
	node.has_gps = mk_get_f64(mk_find(item, "lat"), &node.lat) &&
		       mk_get_f64(mk_find(item, "lon"), &node.lon) &&
		       hops_has_gps(node.lat, node.lon);
	mk_get_i64(mk_find(item, "advert_count"), &adverts);
	node.adverts = adverts > 0 ? (uint32_t)adverts : 0;
	feed_set_node(f, key, len, &node);
	feed_tell(f, &(struct history_person){ .node = node }, item, "public_key");
}

static void
feed_on_observer(struct feed *f, const mk_val *item)
{
	const char *id;
	size_t len;
	bool listens = !feed_flag(mk_find(item, "can_relay"), true) &&
		       !feed_flag(mk_find(item, "inactive"), false) &&
		       !feed_flag(mk_find(item, "gone"), false);

	if (!mk_get_str(mk_find(item, "id"), &id, &len)) {
		f->counts.malformed++;
		return;
	}
	if (hops_nodes_set_listener(f->nodes, id, len, listens) != MK_OK)
		f->host->count(f->host, "refused_nodes", 1);
	feed_tell(f,
		  &(struct history_person){ .observer = true,
					    .listener = listens,
					    .inactive =
						feed_flag(mk_find(item, "inactive"), false) ||
						feed_flag(mk_find(item, "gone"), false) },
		  item, "id");
}

/* --------------------------------------------------------------- history -- */

static void
feed_end(struct feed *f, const struct history_chunk *c)
{
	history_drop(f->history);
	f->history = NULL;
	if (c->rc != MK_OK) {
		f->counts.failures++;
		feed_log(f, MK_LOG_WARN, "cannot read the history, trying again", c->error);
		f->state = FEED_SETTLING;
		f->host->timer(f->host, f->timer, RETRY_US, 0);
		return;
	}
	if (f->stale || f->newest > f->reached) {
		feed_read(f);
		return;
	}
	f->state = FEED_LIVE;
	f->calls->on_live(f->arg);
}

static void
feed_take_observations(struct feed *f, const struct history_chunk *c)
{
	uint64_t cursor = f->calls->cursor(f->arg);

	for (uint32_t i = 0; i < c->count; i++)
		f->calls->on_obs(f->arg, &c->obs[i], c->obs[i].id <= cursor);
	f->reached = c->last;
	if (c->last > cursor)
		f->calls->on_passed(f->arg, c->last);
}

static void
feed_on_chunk(void *arg, struct history_chunk *c)
{
	struct feed *f = arg;

	if (c->kind == HISTORY_END) {
		feed_end(f, c);
	} else if (c->kind == HISTORY_OBSERVATIONS) {
		feed_take_observations(f, c);
	} else {
		feed_take_people(f, c);
		if (c->newest >= f->calls->cursor(f->arg))
			return;
		/* Ids are never given twice, so the state is of a database that was replaced. */
		feed_log(f, MK_LOG_WARN, "the database is another one, beginning anew", "");
		f->calls->on_other(f->arg);
		f->reached = 0;
		history_rewind(c->history, 0);
	}
}

/* From the window before the cursor on. */
static void
feed_read(struct feed *f)
{
	uint64_t cursor = f->calls->cursor(f->arg);
	mk_result rc;

	f->state = FEED_READING;
	f->stale = f->people = false;
	f->newest = 0;
	f->reached = cursor;
	f->counts.readings++;
	rc = history_start(&f->history, f->host, f->database,
			   cursor > f->window ? cursor - f->window : 0, f->whole, feed_on_chunk, f);
	if (rc == MK_OK)
		return;
	f->counts.failures++;
	feed_log(f, MK_LOG_WARN, "cannot read the history, trying again", mk_result_text(rc));
	f->state = FEED_SETTLING;
	f->host->timer(f->host, f->timer, RETRY_US, 0);
}

void
feed_on_timer(struct feed *f)
{
	if (f->state == FEED_SETTLING)
		feed_read(f);
}

void
feed_stop(struct feed *f)
{
	if (f->history != NULL)
		history_drop(f->history);
	f->history = NULL;
	f->state = FEED_WAITING;
}

/* -------------------------------------------------------------- messages -- */

/* Read from the beginning, when no more of what belongs together is to be expected. */
static void
feed_settle(struct feed *f)
{
	if (f->history != NULL)
		history_drop(f->history);
	f->history = NULL;
	f->state = FEED_SETTLING;
	f->host->timer(f->host, f->timer, SETTLE_US, 0);
}

/* While reading, the present reading is not enough; live, the next one is needed. */
static void
feed_missed(struct feed *f)
{
	if (f->state == FEED_READING)
		f->stale = true;
	else if (f->state == FEED_LIVE)
		feed_read(f);
}

static void
feed_on_state(struct feed *f, const mk_val *body)
{
	char state[16], database[sizeof(f->database)];

	if (!mk_copy_str(mk_find(body, "state"), state, sizeof(state)) ||
	    !mk_copy_str(mk_find(body, "database"), database, sizeof(database))) {
		f->counts.malformed++;
		return;
	}
	if (strcmp(state, "ready") != 0)
		return;
	if (f->state == FEED_WAITING || strcmp(f->database, database) != 0) {
		memcpy(f->database, database, sizeof(database));
		feed_settle(f);
	}
}

/* One that is taken while the history is read puts another state in the place of what was read so
 * far, and with that goes what was remembered of the window before the cursor: the reading begins
 * again, from the cursor that it has now. */
static void
feed_on_snapshot(struct feed *f, const mk_msg *msg, const mk_val *body)
{
	uint64_t cursor = f->calls->cursor(f->arg);

	f->calls->on_snapshot(f->arg, body, (msg->flags & MK_MSG_DELTA) != 0);
	if (f->state == FEED_READING && f->calls->cursor(f->arg) != cursor)
		feed_settle(f);
}

static void
feed_on_stored(struct feed *f, const mk_val *items)
{
	struct hops_packet packet;
	struct hops_obs o;
	uint64_t id;

	for (uint32_t i = 0; i < mk_count(items); i++) {
		const mk_val *item = mk_at(items, i);

		if (!mk_get_u64(mk_find(item, "obs"), &id)) {
			f->counts.malformed++;
			continue;
		}
		if (f->state != FEED_LIVE) {
			f->newest = id > f->newest ? id : f->newest;
			continue;
		}
		if (id <= f->calls->cursor(f->arg))
			continue;
		if (hops_obs_read(&o, item)) {
			if (f->whole)
				hops_obs_read_packet(&o, &packet, item);
			f->calls->on_obs(f->arg, &o, false);
		} else {
			f->counts.malformed++;
		}
		f->calls->on_passed(f->arg, id);
	}
}

static void
feed_on_body(struct feed *f, const mk_msg *msg, const mk_val *body)
{
	const mk_val *items = mk_find(body, "items");
	bool nodes = strcmp(msg->topic, "node/changed") == 0;

	if (strcmp(msg->topic, "storage/state") == 0) {
		feed_on_state(f, body);
	} else if (strcmp(msg->topic, "packet/stored") == 0) {
		feed_on_stored(f, items);
	} else if (strcmp(msg->topic, f->snapshot) == 0) {
		feed_on_snapshot(f, msg, body);
	} else if (f->state == FEED_READING && !f->people) {
		f->stale = true; /* the table may be read already, and come later */
	} else if (f->state == FEED_READING || f->state == FEED_LIVE) {
		for (uint32_t i = 0; i < mk_count(items); i++)
			nodes ? feed_on_node(f, mk_at(items, i))
			      : feed_on_observer(f, mk_at(items, i));
	}
}

void
feed_on_msg(struct feed *f, const mk_msg *msg)
{
	bool own = strcmp(msg->topic, f->snapshot) == 0;

	if ((msg->flags & MK_MSG_GAP) != 0) {
		if (own)
			return;
		f->counts.gaps++;
		f->host->count(f->host, "gaps", 1);
		feed_missed(f);
		return;
	}
	/* What this instance published a moment ago comes back to it. */
	if (own && f->state == FEED_LIVE)
		return;
	if (mk_doc_open(&f->doc, msg->body, msg->body_len, NULL, NULL, 0) != MK_OK) {
		f->counts.malformed++;
		return;
	}
	feed_on_body(f, msg, mk_doc_root(&f->doc));
	mk_doc_close(&f->doc);
}
