/* SPDX-License-Identifier: MIT */
#include "marks.h"

#include <stdlib.h>
#include <string.h>

#define PATIENCE_US 5000000u /* before it asks the first time, and twice as long each time after */
#define PATIENCE_MAX_US 60000000u

void
marks_init(struct marks *m, struct db *db)
{
	*m = (struct marks){ .db = db };
}

void
marks_fini(struct marks *m)
{
	for (uint32_t i = 0; i < m->count; i++)
		free(m->list[i].seen);
	*m = (struct marks){ 0 };
}

static mk_result
marks_read(struct marks *m, struct mark *k, mk_err *err)
{
	int64_t mark;
	mk_result rc = db_int(m->db, err, &mark,
			      "SELECT mark FROM mk_sources WHERE source = ?1 AND epoch = ?2", "si",
			      k->source, (int64_t)m->epoch);

	if (rc != MK_OK)
		return rc == MK_ENOENT ? MK_OK : rc;
	/* Committed by the instance before this one, but perhaps not on the disk. */
	if ((uint64_t)mark > k->mark)
		k->mark = k->stored = (uint64_t)mark;
	return MK_OK;
}

mk_result
marks_find(const struct marks *m, const char *source, size_t len, uint32_t *index)
{
	for (uint32_t i = 0; i < m->count; i++) {
		if (strlen(m->list[i].source) == len &&
		    memcmp(m->list[i].source, source, len) == 0) {
			*index = i;
			return MK_OK;
		}
	}
	return MK_ENOENT;
}

mk_result
marks_get(struct marks *m, uint64_t epoch, const char *source, size_t len, uint64_t first,
	  uint32_t *index, mk_err *err)
{
	struct mark *k;
	mk_result rc;

	if (epoch != m->epoch) {
		struct db *db = m->db;

		marks_fini(m);
		marks_init(m, db);
		m->epoch = epoch;
	}
	if (marks_find(m, source, len, index) == MK_OK)
		return MK_OK;
	if (len == 0 || len > MK_ID_MAX)
		return mk_err_set(err, MK_EFORMAT, "no name of an origin");
	if (m->count == MARKS_ORIGINS)
		return mk_err_set(err, MK_EFULL, "more than %u origins", MARKS_ORIGINS);
	k = &m->list[m->count];
	*k = (struct mark){ .mark = first > 0 ? first - 1 : 0, .patience_us = PATIENCE_US };
	memcpy(k->source, source, len);
	k->stored = k->synced = k->mark;
	rc = marks_read(m, k, err);
	if (rc == MK_OK)
		*index = m->count++;
	k->high = k->mark;
	return rc;
}

static bool
mark_is_seen(const struct mark *k, uint64_t number)
{
	uint64_t bit = number % MARKS_WINDOW;

	return k->seen != NULL && (k->seen[bit / 8] & 1u << bit % 8) != 0;
}

static void
mark_forget(struct mark *k, uint64_t number)
{
	k->seen[number % MARKS_WINDOW / 8] &= (uint8_t) ~(1u << number % 8);
	k->above--;
}

/* The mark has moved: what was missing is there, or given up. */
static void
mark_moved(struct marks *m, struct mark *k)
{
	while (k->above > 0 && mark_is_seen(k, k->mark + 1))
		mark_forget(k, ++k->mark);
	if (k->far_low <= k->mark)
		k->far_low = 0;
	k->waited_us = k->answers = k->wanted = 0;
	k->patience_us = PATIENCE_US;
	m->dirty = true;
}

bool
marks_take(struct marks *m, uint32_t index, uint64_t number, bool decoded)
{
	struct mark *k = &m->list[index];
	bool far;

	if (number <= k->mark)
		return true;
	if (number == k->mark + 1) {
		k->mark++;
		if (k->high < k->mark)
			k->high = k->mark;
		mark_moved(m, k);
		return true;
	}
	if (k->seen == NULL)
		k->seen = calloc(1, MARKS_WINDOW / 8);
	far = k->seen == NULL || number - k->mark > MARKS_WINDOW;
	if (far ? number <= k->high : mark_is_seen(k, number)) {
		k->repeats++;
		if (decoded && number > k->through)
			k->through = number;
	} else if (!far) {
		k->seen[number % MARKS_WINDOW / 8] |= (uint8_t)(1u << number % 8);
		k->above++;
	}
	if (number > k->high)
		k->high = number;
	if (far && (k->far_low == 0 || number < k->far_low))
		k->far_low = number;
	return !far;
}

bool
marks_covers(const struct marks *m, uint32_t index, uint64_t number)
{
	return number <= m->list[index].synced;
}

mk_result
marks_store(struct marks *m, mk_err *err)
{
	mk_result rc = MK_OK;

	for (uint32_t i = 0; m->dirty && i < m->count && rc == MK_OK; i++) {
		const struct mark *k = &m->list[i];

		if (k->mark == k->stored)
			continue;
		rc = db_run(m->db, err,
			    "INSERT INTO mk_sources (source, epoch, mark) VALUES (?1, ?2, ?3)"
			    " ON CONFLICT (source) DO UPDATE SET epoch = ?2, mark = ?3",
			    "sii", k->source, (int64_t)m->epoch, (int64_t)k->mark);
	}
	return rc;
}

static mk_result
marks_tell(struct events *events, const struct mark *k, bool again)
{
	mk_writer *w = events_item(events);

	mk_put_map(w, again ? 3 : 2);
	mk_kv_str(w, "source", k->source);
	mk_kv_u64(w, "seq", k->synced);
	if (again)
		mk_kv_bool(w, "again", true);
	return events_add(events, EVENT_COMMITTED);
}

void
marks_stored(struct marks *m)
{
	m->dirty = false;
	for (uint32_t i = 0; i < m->count; i++)
		m->list[i].stored = m->list[i].mark;
}

bool
marks_sync_begins(struct marks *m)
{
	bool any = false;

	for (uint32_t i = 0; i < m->count; i++) {
		struct mark *k = &m->list[i];

		k->syncing = k->stored;
		any = any || k->syncing != k->told;
	}
	return any;
}

mk_result
marks_sync_ended(struct marks *m, struct events *events)
{
	mk_result rc = MK_OK;

	for (uint32_t i = 0; i < m->count && rc == MK_OK; i++) {
		struct mark *k = &m->list[i];

		if (k->syncing > k->synced) /* it is zero where the epoch has changed meanwhile */
			k->synced = k->syncing;
		if (k->told == k->synced)
			continue;
		rc = marks_tell(events, k, false);
		if (rc == MK_OK)
			k->told = k->synced;
	}
	return rc;
}

/* One time of asking is over: was that an answer, and which holes did it leave? */
static void
mark_judge(struct mark *k)
{
	uint64_t until = k->through;

	if (k->wanted == 0 || k->repeats < k->wanted || until <= k->mark)
		return;
	k->until = k->answers == 0 || until < k->until ? until : k->until;
	k->answers++;
}

uint64_t
marks_give_up(struct marks *m, uint32_t *index)
{
	for (uint32_t i = 0; i < m->count; i++) {
		struct mark *k = &m->list[i];
		uint64_t lost = 0, until = k->until - 1;

		if (k->answers < MARKS_ANSWERS)
			continue;
		if (k->above == 0 && k->far_low > 0 && k->far_low - 1 < until)
			until = k->far_low - 1;
		else if (k->above > 0 && until - k->mark > MARKS_WINDOW)
			until = k->mark + MARKS_WINDOW;
		if (k->above == 0) {
			lost = until - k->mark;
			k->mark = until;
		}
		while (k->mark < until) {
			k->mark++;
			if (mark_is_seen(k, k->mark))
				mark_forget(k, k->mark);
			else
				lost++;
		}
		mark_moved(m, k);
		*index = i;
		return lost;
	}
	return 0;
}

/* Only between transactions: then what lies above a mark is a hole, and not merely unstored. */
uint32_t
marks_ask(struct marks *m, struct events *events, uint64_t now_us, bool all)
{
	uint32_t asked = 0;

	for (uint32_t i = 0; i < m->count; i++) {
		struct mark *k = &m->list[i];

		if (k->high <= k->mark && !all)
			continue;
		if (k->waited_us == 0)
			k->waited_us = now_us;
		if (!all && now_us - k->waited_us < k->patience_us)
			continue;
		mark_judge(k);
		if (marks_tell(events, k, true) != MK_OK)
			continue;
		k->waited_us = now_us;
		k->wanted = k->above > 0 ? k->above : 1;
		k->repeats = k->through = 0;
		if (2 * k->patience_us <= PATIENCE_MAX_US)
			k->patience_us *= 2;
		asked++;
	}
	return asked;
}
