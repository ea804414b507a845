/* SPDX-License-Identifier: MIT
 *
 * Observers: found by id in memory, counted there while a transaction is open.
 */
#include "rows.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 4096u
#define OBSERVERS_MAX 65536u /* kept in memory; anybody can invent ids */
#define IATA_MAX 32u
#define DAY_S 86400

static size_t
observer_slot(const char *id, size_t len)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (uint8_t)id[i]) * 16777619u;
	return (hash ^ hash >> 16) % SLOTS;
}

void
observers_clear(struct rows *r)
{
	for (size_t i = 0; r->observers != NULL && i < SLOTS; i++) {
		while (r->observers[i] != NULL) {
			struct observer *o = r->observers[i];

			r->observers[i] = o->next;
			free(o->name);
			free(o->iata);
			free(o);
		}
	}
	r->observer_dirty = r->observer_item = NULL;
	r->observer_count = 0;
}

/* A new one is the first of both of its lists, since nothing else was touched after it. */
void
observer_undo(struct rows *r)
{
	struct observer *o = r->observer_item, **slot;

	if (o == NULL)
		return;
	free(o->name);
	free(o->iata);
	o->name = o->iata = NULL; /* to be written again */
	r->observer_item = NULL;
	if (!o->born)
		return;
	slot = &r->observers[observer_slot(o->id, o->id_len)];
	*slot = o->next;
	r->observer_dirty = o->next_dirty;
	r->observer_count--;
	free(o);
}

static void
observer_touch(struct rows *r, struct observer *o)
{
	if (o->dirty)
		return;
	o->dirty = true;
	o->next_dirty = r->observer_dirty;
	r->observer_dirty = o;
}

/* Regions are compared by everybody, so they are stored in one form. */
static struct text
observer_iata(struct text region, char buf[IATA_MAX])
{
	size_t n = 0;

	while (region.len > 0 && isspace((unsigned char)region.s[0])) {
		region.s++;
		region.len--;
	}
	while (region.len > 0 && isspace((unsigned char)region.s[region.len - 1]))
		region.len--;
	for (; n < region.len && n < IATA_MAX; n++)
		buf[n] = (char)toupper((unsigned char)region.s[n]);
	return (struct text){ buf, n };
}

static bool
observer_same(const char *known, struct text now)
{
	return now.s == NULL || now.len == 0 ||
	       (known != NULL && strlen(known) == now.len && memcmp(known, now.s, now.len) == 0);
}

static char *
observer_dup(struct text t)
{
	char *copy = t.s == NULL || t.len == 0 ? NULL : malloc(t.len + 1);

	if (copy != NULL) {
		memcpy(copy, t.s, t.len);
		copy[t.len] = '\0';
	}
	return copy;
}

/* A name that could not be copied is only written once more. */
static void
observer_learn(char **known, struct text now)
{
	if (observer_same(*known, now))
		return;
	free(*known);
	*known = observer_dup(now);
}

static mk_result
observer_rename(struct rows *r, struct observer *o, struct text name, struct text iata, mk_err *err)
{
	sqlite3_stmt *s;
	mk_result rc;

	if (observer_same(o->name, name) && observer_same(o->iata, iata))
		return MK_OK;
	s = rows_statement(r, SQL_OBSERVER_NAME);
	(void)sqlite3_bind_int64(s, 1, o->idx);
	rows_bind_text(s, 2, name);
	rows_bind_text(s, 3, iata);
	rc = rows_run(r, s, err);
	if (rc != MK_OK)
		return rc;
	observer_learn(&o->name, name);
	observer_learn(&o->iata, iata);
	observer_touch(r, o);
	return MK_OK;
}

static mk_result
observer_insert(struct rows *r, const struct item *it, struct text iata, int64_t *idx, mk_err *err)
{
	sqlite3_stmt *s = rows_statement(r, SQL_OBSERVER_INSERT);
	mk_result rc;

	rows_bind_text(s, 1, it->observer);
	rows_bind_text(s, 2, it->name);
	rows_bind_text(s, 3, iata);
	rows_bind_chars(s, 4, stamp_text(&r->stamp, item_seconds(it)));
	rc = rows_run(r, s, err);
	if (rc == MK_OK)
		*idx = sqlite3_last_insert_rowid(db_handle(r->db));
	return rc;
}

static struct text
observer_column(sqlite3_stmt *row, int i)
{
	const char *s = (const char *)sqlite3_column_text(row, i);

	return (struct text){ s, s == NULL ? 0 : (size_t)sqlite3_column_bytes(row, i) };
}

/* Into memory, from its row or from a new one. */
static mk_result
observer_load(struct rows *r, const struct item *it, struct text iata, bool create,
	      struct observer **out, mk_err *err)
{
	sqlite3_stmt *s = rows_statement(r, SQL_OBSERVER_FIND);
	struct observer *o, **slot;
	struct text name = it->name;
	mk_result rc;
	bool born;

	rows_bind_text(s, 1, it->observer);
	rc = db_step(r->db, s, err);
	born = rc == MK_ENOENT;
	if ((born && !create) || (!born && rc != MK_OK))
		return born ? MK_OK : rc;
	o = calloc(1, sizeof(*o) + it->observer.len + 1);
	if (o == NULL) {
		(void)sqlite3_reset(s);
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	}
	if (!born) {
		o->idx = sqlite3_column_int64(s, 0);
		name = observer_column(s, 1);
		iata = observer_column(s, 2);
	} else {
		rc = observer_insert(r, it, iata, &o->idx, err);
		if (rc != MK_OK) {
			free(o);
			return rc;
		}
		o->born = true;
	}
	o->name = observer_dup(name);
	o->iata = observer_dup(iata);
	(void)sqlite3_reset(s);
	memcpy(o->id, it->observer.s, it->observer.len);
	o->id_len = it->observer.len;
	slot = &r->observers[observer_slot(o->id, o->id_len)];
	o->next = *slot;
	*slot = o;
	r->observer_count++;
	if (born)
		observer_touch(r, o);
	*out = o;
	return MK_OK;
}

mk_result
observer_get(struct rows *r, const struct item *it, bool create, struct observer **out, mk_err *err)
{
	char upper[IATA_MAX];
	struct text iata = observer_iata(it->region, upper);
	struct observer *o = NULL;
	mk_result rc;

	if (r->observer_item != NULL)
		r->observer_item->born = false;
	r->observer_item = NULL;
	*out = NULL;
	if (it->observer.s == NULL || it->observer.len == 0)
		return MK_OK;
	if (it->observer.len > ROWS_ID_MAX)
		return mk_err_set(err, ROWS_NONSENSE, "an observer's id of %zu bytes",
				  it->observer.len);
	if (r->observers == NULL)
		r->observers = calloc(SLOTS, sizeof(struct observer *));
	if (r->observers == NULL)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	/* Only between transactions, when none of them is dirty. */
	if (r->observer_count >= OBSERVERS_MAX && r->observer_dirty == NULL)
		observers_clear(r);
	for (o = r->observers[observer_slot(it->observer.s, it->observer.len)]; o != NULL;
	     o = o->next)
		if (o->id_len == it->observer.len && memcmp(o->id, it->observer.s, o->id_len) == 0)
			break;
	if (o == NULL) {
		rc = observer_load(r, it, iata, create, &o, err);
		if (rc != MK_OK || o == NULL)
			return rc;
	}
	r->observer_item = o;
	if (create) {
		rc = observer_rename(r, o, it->name, iata, err);
		if (rc != MK_OK)
			return rc;
	}
	*out = o;
	return MK_OK;
}

void
observer_heard(struct rows *r, struct observer *o, const struct item *it, bool counts)
{
	int64_t at = item_seconds(it);

	observer_touch(r, o);
	o->packets += counts;
	o->seen_s = at > o->seen_s ? at : o->seen_s;
	o->packet_s = at > o->packet_s ? at : o->packet_s;
	if (!it->skew.is || !counts)
		return;
	o->skews++;
	o->skew = it->skew.v;
	o->skew_s = at;
}

mk_result
rows_status(struct rows *r, const struct item *it, mk_err *err)
{
	struct observer *o;
	sqlite3_stmt *s;
	mk_result rc = observer_get(r, it, true, &o, err);

	if (rc != MK_OK)
		return rc;
	if (o == NULL)
		return mk_err_set(err, ROWS_NONSENSE, "a status of nobody");
	s = rows_statement(r, SQL_OBSERVER_STATUS);
	(void)sqlite3_bind_int64(s, 1, o->idx);
	rows_bind_text(s, 2, it->model);
	rows_bind_text(s, 3, it->firmware);
	rows_bind_text(s, 4, it->client_version);
	rows_bind_text(s, 5, it->radio);
	rows_bind_integer(s, 6, it->battery_mv);
	rows_bind_integer(s, 7, it->uptime_secs);
	rows_bind_real(s, 8, it->noise_floor);
	rows_bind_integer(s, 9, (struct integer){ it->repeat.is, it->repeat.v });
	rc = rows_run(r, s, err);
	/* What the broker had kept says nothing about now. */
	if (rc == MK_OK && !it->retained.v)
		rc = metrics_sample(r, it, err);
	if (rc != MK_OK)
		return rc;
	r->stats->statuses++;
	observer_touch(r, o);
	if (it->retained.v)
		return MK_OK;
	if (item_seconds(it) > o->seen_s)
		o->seen_s = item_seconds(it);
	if (it->skew.is) {
		o->skews++;
		o->skew = it->skew.v;
		o->skew_s = item_seconds(it);
	}
	return MK_OK;
}

/* -------------------------------------------------- end of transaction -- */

static mk_result
observer_tell(struct rows *r, sqlite3_stmt *row, mk_err *err)
{
	struct text id = rows_text(row, "id"), relays = rows_text(row, "can_relay"),
		    inactive = rows_text(row, "inactive");
	bool listener = relays.s != NULL && strcmp(relays.s, "0") == 0 &&
			(inactive.s == NULL || strcmp(inactive.s, "0") == 0);

	if (id.s != NULL && resolve_observer(r->resolve, id, listener) != MK_OK)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	(void)rows_event(r, row, 0);
	return events_add(r->events, EVENT_OBSERVER) == MK_OK
		   ? MK_OK
		   : mk_err_set(err, MK_ENOMEM, "out of memory");
}

static mk_result
observer_flush_skew(struct rows *r, struct observer *o, mk_err *err)
{
	sqlite3_stmt *s = rows_statement(r, SQL_OBSERVER_SKEW);

	(void)sqlite3_bind_int64(s, 1, o->idx);
	(void)sqlite3_bind_int64(s, 2, o->skew);
	rows_bind_chars(s, 3, stamp_text(&r->stamp, o->skew_s));
	rows_bind_chars(s, 4, stamp_text(&r->stamp_other, o->skew_s - DAY_S));
	(void)sqlite3_bind_int64(s, 5, o->skews);
	return rows_run(r, s, err);
}

static mk_result
observer_flush(struct rows *r, struct observer *o, mk_err *err)
{
	sqlite3_stmt *s;
	mk_result rc = o->skews > 0 ? observer_flush_skew(r, o, err) : MK_OK;

	if (rc != MK_OK)
		return rc;
	s = rows_statement(r, SQL_OBSERVER_SEEN);
	(void)sqlite3_clear_bindings(s);
	(void)sqlite3_bind_int64(s, 1, o->idx);
	(void)sqlite3_bind_int64(s, 2, o->packets);
	if (o->seen_s != 0)
		rows_bind_chars(s, 3, stamp_text(&r->stamp, o->seen_s));
	if (o->packet_s != 0)
		rows_bind_chars(s, 4, stamp_text(&r->stamp_other, o->packet_s));
	rows_bind_chars(s, 5, stamp_text(&r->stamp_now, r->now_s));
	rc = db_step(r->db, s, err);
	if (rc == MK_OK)
		rc = observer_tell(r, s, err);
	(void)sqlite3_reset(s);
	r->stats->observer_upserts += rc == MK_OK;
	return rc == MK_ENOENT ? MK_OK : rc;
}

mk_result
observers_flush(struct rows *r, mk_err *err)
{
	while (r->observer_dirty != NULL) {
		struct observer *o = r->observer_dirty;
		mk_result rc = rows_spare(r, observer_flush(r, o, err));

		if (rc != MK_OK)
			return rc;
		r->observer_dirty = o->next_dirty;
		o->dirty = false;
		o->packets = o->skews = 0;
		o->seen_s = o->packet_s = 0;
	}
	return MK_OK;
}

mk_result
observer_changed(struct rows *r, const char *id, mk_err *err)
{
	sqlite3_stmt *s = rows_statement(r, SQL_OBSERVER_ROW);
	mk_result rc;

	rows_bind_chars(s, 1, id);
	rc = db_step(r->db, s, err);
	if (rc == MK_OK)
		rc = observer_tell(r, s, err);
	(void)sqlite3_reset(s);
	return rc == MK_ENOENT ? MK_OK : rc;
}
