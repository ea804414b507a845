/* SPDX-License-Identifier: MIT
 *
 * What is asked of packets: a filter is prepared once, with a bit for each packet in memory that a
 * node or an observer has to do with, and then looked at for each packet.
 */
#include "impl.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct find {
	const struct read *r;
	const struct read_filter *f;
	uint64_t *observed, *placed, *related; /* bits by index; NULL: any */
};

/* ---------------------------------------------------------------- regions -- */

/* Is `region` (trimmed, upper case) in "SJC, oak"? */
static bool
find_region(const char *list, const char *region)
{
	while (*list != '\0') {
		size_t n, i;

		while (*list == ',' || isspace((unsigned char)*list))
			list++;
		n = strcspn(list, ",");
		for (i = n; i > 0 && isspace((unsigned char)list[i - 1]);)
			i--;
		if (i > 0 && strlen(region) == i) {
			size_t k = 0;

			while (k < i && toupper((unsigned char)list[k]) == region[k])
				k++;
			if (k == i)
				return true;
		}
		list += n;
	}
	return false;
}

bool
find_in_region(const struct read *r, const struct read_filter *f, uint32_t observer)
{
	return f->region == NULL ||
	       (observer < r->observer_count && r->observers[observer].region[0] != '\0' &&
		find_region(f->region, r->observers[observer].region));
}

bool
find_is_observer(const struct read_filter *f, uint32_t observer)
{
	for (uint32_t i = 0; i < f->observer_count; i++)
		if (f->observers[i] == observer)
			return true;
	return f->observer_count == 0;
}

/* ------------------------------------------------------------------- bits -- */

static bool
find_bits(const struct store *s, uint64_t **bits)
{
	if (*bits == NULL)
		*bits = calloc(s->count / 64 + 1, sizeof(**bits));
	return *bits != NULL;
}

static void
find_set(const struct store *s, const struct list *l, uint64_t *bits)
{
	for (uint32_t i = 0; i < l->count; i++)
		if (l->at[i] >= s->begin)
			bits[(l->at[i] - s->begin) / 64] |= (uint64_t)1
							    << (l->at[i] - s->begin) % 64;
}

static bool
find_has(const uint64_t *bits, uint32_t i)
{
	return bits == NULL || (bits[i / 64] >> i % 64 & 1) != 0;
}

static mk_result
find_prepare(struct find *q)
{
	const struct store *s = &q->r->store;
	const struct read_filter *f = q->f;

	if ((f->observer_count > 0 && !find_bits(s, &q->observed)) ||
	    (f->region != NULL && !find_bits(s, &q->placed)) ||
	    (f->node_count + f->stranger_count > 0 && !find_bits(s, &q->related)))
		return MK_ENOMEM;
	for (uint32_t i = 0; i < s->observer_cap; i++) {
		if (q->observed != NULL && find_is_observer(f, i))
			find_set(s, &s->by_observer[i], q->observed);
		if (q->placed != NULL && find_in_region(q->r, f, i))
			find_set(s, &s->by_observer[i], q->placed);
	}
	for (uint32_t i = 0; i < f->node_count; i++)
		if (f->nodes[i] < s->node_cap)
			find_set(s, &s->by_node[f->nodes[i]], q->related);
	return MK_OK;
}

static void
find_end(struct find *q)
{
	free(q->observed);
	free(q->placed);
	free(q->related);
}

/* ------------------------------------------------------------------- times -- */

static bool
find_between(const struct read_filter *f, int64_t at)
{
	return (f->since == READ_NULL || at >= f->since) &&
	       (f->until == READ_NULL || at <= f->until);
}

static bool
find_not_between(void *arg, const struct read_obs *o)
{
	return !find_between(arg, o->at);
}

static bool
find_time(const struct read_filter *f, const struct tx *t)
{
	if (f->since == READ_NULL && f->until == READ_NULL)
		return true;
	if (t->obs_count == 0)
		return find_between(f, t->first_s);
	if ((f->since != READ_NULL && (int64_t)t->latest < f->since) ||
	    (f->until != READ_NULL && (int64_t)t->oldest > f->until))
		return false;
	if (find_between(f, t->oldest) || find_between(f, t->latest))
		return true;
	return !unpack_each_obs(t, find_not_between, (void *)(uintptr_t)f);
}

/* --------------------------------------------------------------- conditions -- */

static bool
find_member(const struct read_filter *f, int16_t type, uint32_t from)
{
	return f->members == NULL ||
	       (type == 4 && from != READ_NONE && (f->members[from / 8] >> from % 8 & 1) != 0);
}

static bool
find_sender(const struct read_filter *f, uint32_t from)
{
	for (uint32_t i = 0; i < f->node_count; i++)
		if (f->nodes[i] == from)
			return true;
	return f->node_count == 0;
}

static const char *
find_channel(const struct find *q, const struct tx *t)
{
	struct unpacked u = { 0 };

	/* Only the head is put together, and that needs no memory. */
	(void)unpack_tx(&u, t, &(struct heads){ NULL, 0 }, READ_SKIP_JSON | READ_SKIP_OBS);
	(void)q;
	return u.p.channel;
}

static bool
find_matches(const struct find *q, uint32_t i)
{
	const struct read_filter *f = q->f;
	const struct tx *t = &q->r->store.txs[i];
	uint64_t hash;

	if ((f->type >= 0 && t->type != f->type) || (f->route >= 0 && t->route != f->route) ||
	    !find_has(q->related, i) || !find_has(q->observed, i) || !find_has(q->placed, i) ||
	    (f->after_id != READ_NULL && t->id <= f->after_id) ||
	    (f->before_id != READ_NULL && t->id >= f->before_id) ||
	    !find_member(f, t->type, t->from))
		return false;
	if (f->sent && !find_sender(f, t->from))
		return false;
	if (f->hash != NULL && (t->odd_hash || !pack_hash(f->hash, &hash) || hash != t->hash))
		return false;
	if (f->channel != NULL) {
		const char *channel = t->type == 5 ? find_channel(q, t) : NULL;

		if (channel == NULL || strcmp(channel, f->channel) != 0)
			return false;
	}
	return find_time(f, t);
}

/* ------------------------------------------------------------------ search -- */

struct search {
	struct find find;
	struct read_scratch *s;
	uint64_t offset, limit, seen, given;
	bool (*fn)(void *arg, const struct read_packet *p);
	void *arg;
	bool ended, count;
};

static mk_result
find_memory(struct read *r, struct search *q, bool oldest)
{
	const struct store *s = &r->store;
	uint32_t first = 0, end = s->count;
	struct heads heads = nodes_heads(r);

	/* Ids narrow it down. */
	if (q->find.f->after_id != READ_NULL)
		first = store_lower(s, q->find.f->after_id + 1);
	if (q->find.f->before_id != READ_NULL)
		end = store_lower(s, q->find.f->before_id);
	for (uint32_t n = first; n < end; n++) {
		uint32_t i = oldest ? n : end - 1 - (n - first);

		if (q->ended || q->given == q->limit) {
			if (!q->count)
				return MK_OK;
		}
		if (!find_matches(&q->find, i))
			continue;
		q->seen++;
		if (q->ended || q->given == q->limit || q->seen <= q->offset)
			continue;
		if (!unpack_tx(&q->s->u, &s->txs[i], &heads, q->s->skip))
			return MK_ENOMEM;
		q->given++;
		q->ended = !q->fn(q->arg, &q->s->u.p);
	}
	return MK_OK;
}

/* What takes too long now does not when everything is in memory. */
static mk_result
find_late(const struct read *r, mk_result rc)
{
	return rc == MK_ETIMEDOUT && !r->warm ? MK_EAGAIN : rc;
}

static mk_result
find_database(struct read *r, struct search *q, bool oldest, mk_err *err)
{
	struct db_search d = { .f = q->find.f,
			       .below = r->store.count > 0 ? r->store.txs[0].id : READ_NULL,
			       .oldest = oldest,
			       .offset = q->offset > q->seen ? q->offset - q->seen : 0,
			       .limit = q->ended ? 0 : q->limit - q->given,
			       .fn = q->fn,
			       .arg = q->arg };
	uint64_t total = 0;
	mk_result rc;

	if (r->complete || (d.limit == 0 && !q->count))
		return MK_OK;
	d.total = q->count || (oldest && q->offset > 0) ? &total : NULL;
	rc = find_late(r, db_find(r, q->s, &d, err));
	q->given += d.given;
	q->seen += d.total != NULL ? total : d.given;
	q->ended |= d.ended;
	return rc;
}

mk_result
read_packets(struct read *r, struct read_scratch *s, const struct read_filter *f, bool oldest,
	     uint64_t offset, uint64_t limit, bool (*fn)(void *arg, const struct read_packet *p),
	     void *arg, uint64_t *total, mk_err *err)
{
	struct search q = { .find = { .r = r, .f = f },
			    .s = s,
			    .offset = offset,
			    .limit = limit,
			    .fn = fn,
			    .arg = arg,
			    .count = total != NULL };
	mk_result rc = MK_OK;

	if (total != NULL)
		*total = 0;
	if (f->nothing)
		return MK_OK;
	if (!r->ready)
		return mk_err_set(err, MK_EUNAVAIL, "the database is not ready");
	if (find_prepare(&q.find) != MK_OK)
		rc = mk_err_set(err, MK_ENOMEM, "out of memory");
	if (rc == MK_OK && oldest)
		rc = find_database(r, &q, oldest, err);
	if (rc == MK_OK)
		rc = find_memory(r, &q, oldest);
	if (rc == MK_OK && !oldest)
		rc = find_database(r, &q, oldest, err);
	find_end(&q.find);
	if (rc == MK_OK && total != NULL)
		*total = q.seen;
	return rc;
}

/* ------------------------------------------------------------------ latest -- */

/* Which is shown first: positive if `a` is not. */
static int
latest_compare(const void *a, const void *b)
{
	const struct latest *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? 1 : -1;
	return (x->id < y->id) - (x->id > y->id);
}

/* The best `cap` of all that are added: a heap with the worst of them on top. */
struct best {
	struct latest *at;
	uint32_t count, cap;
};

static void
best_add(struct best *b, struct latest l)
{
	uint32_t i = b->count;

	if (b->count < b->cap) {
		b->count++;
		for (; i > 0 && latest_compare(&l, &b->at[(i - 1) / 2]) > 0; i = (i - 1) / 2)
			b->at[i] = b->at[(i - 1) / 2];
		b->at[i] = l;
		return;
	}
	if (b->cap == 0 || latest_compare(&l, &b->at[0]) >= 0)
		return;
	for (i = 0; 2 * i + 1 < b->count;) {
		uint32_t child = 2 * i + 1;

		if (child + 1 < b->count && latest_compare(&b->at[child + 1], &b->at[child]) > 0)
			child++;
		if (latest_compare(&b->at[child], &l) <= 0)
			break;
		b->at[i] = b->at[child];
		i = child;
	}
	b->at[i] = l;
}

static mk_result
latest_memory(struct read *r, const struct read_filter *f, struct best *b, uint64_t *total)
{
	struct find q = { .r = r, .f = f };
	mk_result rc = find_prepare(&q);

	for (uint32_t i = 0; rc == MK_OK && i < r->store.count; i++) {
		const struct tx *t = &r->store.txs[i];

		if (!find_matches(&q, i))
			continue;
		++*total;
		best_add(b, (struct latest){
				t->obs_count > 0 && t->latest > t->first_s ? t->latest : t->first_s,
				t->id });
	}
	find_end(&q);
	return rc;
}

static mk_result
latest_database(struct read *r, struct read_scratch *s, const struct read_filter *f, struct best *b,
		uint64_t *total, mk_err *err)
{
	uint64_t matches = 0;
	struct db_search q = { .f = f,
			       .below = r->store.count > 0 ? r->store.txs[0].id : READ_NULL,
			       .total = &matches };
	uint32_t count = 0;
	struct latest *list;
	mk_result rc;

	list = malloc((b->cap + 1) * sizeof(*list));
	if (list == NULL)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	rc = db_find(r, s, &q, err);
	if (rc == MK_OK && matches > 0)
		rc = db_latest(r, s, &q, list, b->cap, &count, err);
	for (uint32_t i = 0; rc == MK_OK && i < count; i++)
		best_add(b, list[i]);
	free(list);
	*total += matches;
	return find_late(r, rc);
}

mk_result
read_packets_latest(struct read *r, struct read_scratch *s, const struct read_filter *f,
		    uint64_t offset, uint64_t limit,
		    bool (*fn)(void *arg, const struct read_packet *p), void *arg, uint64_t *total,
		    mk_err *err)
{
	uint64_t cap = r->store.count + r->tx_total + 1, all = 0;
	struct best b = { 0 };
	mk_result rc = MK_OK;

	if (total != NULL)
		*total = 0;
	if (f->nothing)
		return MK_OK;
	if (!r->ready)
		return mk_err_set(err, MK_EUNAVAIL, "the database is not ready");
	cap = offset < cap && limit < cap - offset ? offset + limit : cap;
	b.cap = cap > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)cap;
	b.at = malloc((b.cap + 1u) * sizeof(*b.at));
	if (b.at == NULL)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	rc = latest_memory(r, f, &b, &all);
	if (rc == MK_OK && !r->complete)
		rc = latest_database(r, s, f, &b, &all, err);
	if (b.count > 1)
		qsort(b.at, b.count, sizeof(*b.at), latest_compare);
	for (uint64_t i = offset; rc == MK_OK && i < b.count; i++) {
		const struct read_packet *p = read_packet_by_id(r, s, b.at[i].id);

		if (p != NULL && !fn(arg, p))
			break;
	}
	free(b.at);
	if (total != NULL)
		*total = all;
	return rc;
}
