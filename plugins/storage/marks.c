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
	if ((uint64_t)mark > k->mark)
		k->mark = (uint64_t)mark;
	k->stored = k->mark;
	return MK_OK;
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
	for (uint32_t i = 0; i < m->count; i++) {
		if (strlen(m->list[i].source) == len &&
		    memcmp(m->list[i].source, source, len) == 0) {
			*index = i;
			return MK_OK;
		}
	}
	if (len == 0 || len > MK_ID_MAX)
		return mk_err_set(err, MK_EFORMAT, "no name of an origin");
	if (m->count == MARKS_ORIGINS)
		return mk_err_set(err, MK_EFULL, "more than %u origins", MARKS_ORIGINS);
	k = &m->list[m->count];
	*k = (struct mark){ .mark = first > 0 ? first - 1 : 0, .patience_us = PATIENCE_US };
	memcpy(k->source, source, len);
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

bool
marks_take(struct marks *m, uint32_t index, uint64_t number)
{
	struct mark *k = &m->list[index];

	if (number <= k->mark)
		return true;
	if (number > k->high)
		k->high = number;
	if (number == k->mark + 1) {
		k->mark++;
	} else {
		if (k->seen == NULL)
			k->seen = calloc(1, MARKS_WINDOW / 8);
		if (k->seen == NULL || number - k->mark > MARKS_WINDOW)
			return false;
		k->seen[number % MARKS_WINDOW / 8] |= (uint8_t)(1u << number % 8);
		return true;
	}
	while (mark_is_seen(k, k->mark + 1)) {
		k->mark++;
		k->seen[k->mark % MARKS_WINDOW / 8] &= (uint8_t) ~(1u << k->mark % 8);
	}
	k->waited_us = 0;
	k->patience_us = PATIENCE_US;
	m->dirty = true;
	return true;
}

bool
marks_covers(const struct marks *m, uint32_t index, uint64_t number)
{
	return number <= m->list[index].stored;
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
	mk_kv_u64(w, "seq", k->stored);
	if (again)
		mk_kv_bool(w, "again", true);
	return events_add(events, EVENT_COMMITTED);
}

mk_result
marks_stored(struct marks *m, struct events *events)
{
	mk_result rc = MK_OK;

	m->dirty = false;
	for (uint32_t i = 0; i < m->count && rc == MK_OK; i++) {
		struct mark *k = &m->list[i];

		k->stored = k->mark;
		if (k->told == k->stored)
			continue;
		rc = marks_tell(events, k, false);
		if (rc == MK_OK)
			k->told = k->stored;
	}
	return rc;
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
		if (marks_tell(events, k, true) != MK_OK)
			continue;
		k->waited_us = now_us;
		if (2 * k->patience_us <= PATIENCE_MAX_US)
			k->patience_us *= 2;
		asked++;
	}
	return asked;
}
