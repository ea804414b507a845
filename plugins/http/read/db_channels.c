/* SPDX-License-Identifier: MIT
 *
 * Channels: of what is in memory, and of what is only in the database.
 */
#include "channels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db.h"

#define CHANNELS_US 3000000u
#define GROUP_TEXT 5

void
read_channels_fini(struct read_channels *c)
{
	free(c->list);
	free(c->slots);
}

static uint32_t
channels_slot(const struct read_channels *c, const char *name)
{
	uint32_t mask = 2 * c->cap - 1, i;
	uint64_t h = 0;

	for (const char *p = name; *p != '\0'; p++)
		h = h * 31 + (uint8_t)*p;
	for (i = (uint32_t)hops_mix(h) & mask; c->slots[i] != 0; i = (i + 1) & mask)
		if (strcmp(c->list[c->slots[i] - 1].name, name) == 0)
			break;
	return i;
}

static bool
channels_grow(struct read_channels *c)
{
	uint32_t cap = c->cap == 0 ? 64 : 2 * c->cap;
	struct read_channel *list;
	uint32_t *slots;

	if (c->count < c->cap)
		return true;
	list = cap > READ_CHANNELS_MAX ? NULL : realloc(c->list, cap * sizeof(*list));
	if (list == NULL)
		return false;
	c->list = list;
	slots = calloc(2 * (size_t)cap, sizeof(*slots));
	if (slots == NULL)
		return false;
	free(c->slots);
	c->slots = slots;
	c->cap = cap;
	for (uint32_t i = 0; i < c->count; i++)
		slots[channels_slot(c, list[i].name)] = i + 1;
	return true;
}

static void
channels_add(struct read_channels *c, const char *name, uint64_t count, int64_t last_s, int64_t id)
{
	struct read_channel *row;
	uint32_t slot;

	if (name == NULL || name[0] == '\0' || strlen(name) >= sizeof(row->name))
		return;
	if (!channels_grow(c)) {
		c->failed = true;
		return;
	}
	slot = channels_slot(c, name);
	if (c->slots[slot] == 0) {
		row = &c->list[c->count++];
		*row = (struct read_channel){ .last_s = INT64_MIN };
		memcpy(row->name, name, strlen(name));
		c->slots[slot] = c->count;
	}
	row = &c->list[c->slots[slot] - 1];
	row->count += count;
	if (last_s > row->last_s || (last_s == row->last_s && id > row->last_id)) {
		row->last_s = last_s;
		row->last_id = id;
	}
}

static bool
channels_packet(void *arg, const struct read_packet *p)
{
	channels_add(arg, p->channel, 1, p->first_s, p->id);
	return true;
}

/* What is older than what is in memory. */
static mk_result
channels_older(struct read *r, const struct read_filter *f, struct read_channels *out, mk_err *err)
{
	struct dbc *c = db_take(r, err);
	sqlite3_stmt *s = NULL;
	mk_result result = MK_OK;
	int64_t at = INT64_MIN;
	int rc;

	if (c == NULL)
		return MK_EUNAVAIL;
	db_limit(c, CHANNELS_US);
	s = db_prepare(c, r, &(struct db_search){ .f = f, .below = READ_NULL },
		       "SELECT t.channel_hash, count(*), max(t.first_seen), t.id",
		       " AND t.channel_hash IS NOT NULL GROUP BY 1");
	rc = s == NULL ? SQLITE_ERROR : SQLITE_OK;
	while (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		const char *last = (const char *)sqlite3_column_text(s, 2);

		if (last == NULL || !when_parse(last, &at, NULL))
			at = INT64_MIN;
		channels_add(out, (const char *)sqlite3_column_text(s, 0),
			     (uint64_t)sqlite3_column_int64(s, 1), at, sqlite3_column_int64(s, 3));
		rc = SQLITE_OK;
	}
	if (rc != SQLITE_DONE)
		result = db_fail(c, err);
	sqlite3_finalize(s);
	db_give(r, c);
	return result;
}

mk_result
read_channels(struct read *r, const char *region, struct read_channels *out, mk_err *err)
{
	struct read_filter f = { .since = READ_NULL,
				 .until = READ_NULL,
				 .after_id = READ_NULL,
				 .before_id = READ_NULL,
				 .type = GROUP_TEXT,
				 .route = -1,
				 .region = region };
	struct read_scratch *s = read_scratch_new(r);
	mk_result rc = s == NULL ? mk_err_set(err, MK_ENOMEM, "out of memory") : MK_OK;

	*out = (struct read_channels){ 0 };
	if (rc == MK_OK && r->store.count > 0) {
		read_scratch_skip(s, READ_SKIP_JSON | READ_SKIP_OBS);
		f.after_id = r->store.txs[0].id - 1;
		rc = read_packets(r, s, &f, true, 0, UINT64_MAX, channels_packet, out, NULL, err);
		f.after_id = READ_NULL;
		f.before_id = r->store.txs[0].id;
	}
	if (rc == MK_OK && !r->complete)
		rc = channels_older(r, &f, out, err);
	if (rc == MK_OK && out->failed)
		rc = mk_err_set(err, MK_ENOMEM, "out of memory, or too many channels");
	read_scratch_free(s);
	return rc;
}
