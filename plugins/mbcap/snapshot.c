/* SPDX-License-Identifier: MIT */
#include "snapshot.h"

#include <stdlib.h>
#include <string.h>

mk_result
mbcap_view_make(struct mbcap_view *v, const struct mbcap *m, int64_t now)
{
	uint32_t n = m->nodes->ids.count;
	struct mbcap_view made = { calloc(n + 1, sizeof(*v->at)), calloc(n + 1, sizeof(bool)), n };

	if (made.at == NULL || made.there == NULL) {
		mbcap_view_free(&made);
		return MK_ENOMEM;
	}
	for (uint32_t i = 0; i < n; i++)
		made.there[i] = mbcap_find(m, i, now, &made.at[i]);
	*v = made;
	return MK_OK;
}

void
mbcap_view_free(struct mbcap_view *v)
{
	free(v->at);
	free(v->there);
	*v = (struct mbcap_view){ 0 };
}

void
mbcap_view_note(const struct mbcap_view *v, struct mbcap *m, int64_t now)
{
	struct mbcap_day day = { .day = now / MBCAP_DAY_S };

	for (uint32_t i = 0; i < v->count; i++) {
		const struct hops_node *n = hops_nodes_get(m->nodes, i);

		if (v->there[i] && n != NULL && n->there && n->relays)
			day.relays[v->at[i].sup]++;
	}
	mbcap_day_put(m, &day);
}

static bool
view_has(const struct mbcap_view *v, uint32_t id)
{
	return v != NULL && id < v->count && v->there[id];
}

static bool
view_differs(const struct mbcap_view *a, const struct mbcap_view *b, uint32_t id)
{
	const struct mbcap_entry *x, *y;

	if (!view_has(a, id) || !view_has(b, id))
		return view_has(a, id) != view_has(b, id);
	x = &a->at[id];
	y = &b->at[id];
	return x->sup != y->sup || x->evidence != y->evidence || x->size != y->size ||
	       x->downgrade != y->downgrade || x->evidence_at != y->evidence_at ||
	       x->candidates != y->candidates || x->hash_size != y->hash_size ||
	       x->sizes != y->sizes || x->inconsistent != y->inconsistent;
}

bool
mbcap_view_same(const struct mbcap_view *a, const struct mbcap_view *b)
{
	uint32_t n = a->count > b->count ? a->count : b->count;

	for (uint32_t i = 0; i < n; i++) {
		if (view_differs(a, b, i))
			return false;
	}
	return true;
}

/* --------------------------------------------------------------- writing -- */

struct name {
	const char *key;
	uint32_t id;
};

static int
name_compare(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->key, ((const struct name *)b)->key);
}

static int
token_compare(const void *a, const void *b)
{
	uint32_t x = ((const struct mbcap_token *)a)->token;
	uint32_t y = ((const struct mbcap_token *)b)->token;

	return (x > y) - (x < y);
}

static void
write_entry(mk_writer *w, const char *key, const struct mbcap_entry *e)
{
	uint32_t sizes = 0;

	mk_put_array(w, 10);
	mk_put_str(w, key);
	mk_put_u64(w, e->sup);
	mk_put_str(w, mbcap_evidence_text(e->evidence));
	mk_put_u64(w, e->size);
	mk_put_i64(w, e->evidence_at);
	mk_put_u64(w, e->candidates);
	mk_put_bool(w, e->downgrade);
	mk_put_u64(w, e->hash_size);
	mk_put_bool(w, e->inconsistent);
	for (uint32_t i = 1; i <= 3; i++)
		sizes += (e->sizes >> i & 1) != 0;
	mk_put_array(w, sizes);
	for (uint32_t i = 1; i <= 3; i++) {
		if ((e->sizes >> i & 1) != 0)
			mk_put_u64(w, i);
	}
}

static void
write_nodes(mk_writer *w, const struct name *names, uint32_t count, const struct mbcap_view *view,
	    const struct mbcap_view *shown)
{
	uint32_t some = 0, gone = 0;

	for (uint32_t i = 0; i < count; i++) {
		bool differs = view_differs(view, shown, names[i].id);

		some += differs && view_has(view, names[i].id);
		gone += differs && !view_has(view, names[i].id);
	}
	mk_kv_array(w, "nodes", some);
	for (uint32_t i = 0; i < count; i++) {
		if (view_has(view, names[i].id) && view_differs(view, shown, names[i].id))
			write_entry(w, names[i].key, &view->at[names[i].id]);
	}
	mk_kv_array(w, "gone", gone);
	for (uint32_t i = 0; i < count; i++) {
		if (!view_has(view, names[i].id) && view_has(shown, names[i].id))
			mk_put_str(w, names[i].key);
	}
}

static bool
node_is_told(const struct mbcap *m, uint32_t id, bool base)
{
	const struct mbcap_node *n = id < m->cap ? &m->at[id] : NULL;

	return n != NULL && (n->advert_at[1] | n->advert_at[2] | n->advert_at[3]) != 0 &&
	       (base || n->changed);
}

static void
write_adverts(mk_writer *w, const struct mbcap *m, const struct name *names, uint32_t count,
	      bool base)
{
	uint32_t some = 0;

	for (uint32_t i = 0; i < count; i++)
		some += node_is_told(m, names[i].id, base);
	mk_kv_array(w, "adverts", some);
	for (uint32_t i = 0; i < count; i++) {
		const struct mbcap_node *n = &m->at[names[i].id];

		if (!node_is_told(m, names[i].id, base))
			continue;
		mk_put_array(w, 5);
		mk_put_str(w, names[i].key);
		for (uint32_t size = 1; size <= 3; size++)
			mk_put_i64(w, n->advert_at[size]);
		mk_put_array(w, n->count * 3u);
		for (uint32_t k = 0; k < n->count; k++) {
			mk_put_i64(w, n->adverts[k].at_ms);
			mk_put_u64(w, n->adverts[k].tx);
			mk_put_u64(w, n->adverts[k].size);
		}
	}
}

static mk_result
write_paths(mk_writer *w, const struct mbcap *m, bool base)
{
	struct mbcap_token *list = malloc((m->token_count + 1) * sizeof(*list));
	uint32_t n = 0;

	if (list == NULL)
		return MK_ENOMEM;
	for (uint32_t i = 0; i < m->token_slots; i++) {
		if (m->tokens[i].token != 0 && (base || m->tokens[i].changed))
			list[n++] = m->tokens[i];
	}
	qsort(list, n, sizeof(*list), token_compare);
	mk_kv_array(w, "paths", n);
	for (uint32_t i = 0; i < n; i++) {
		char text[HOPS_TOKEN_TEXT];

		hops_token_text(list[i].token, text);
		mk_put_array(w, 3);
		mk_put_str(w, text);
		mk_put_i64(w, list[i].at[0]);
		mk_put_i64(w, list[i].at[1]);
	}
	free(list);
	return MK_OK;
}

static void
write_day(mk_writer *w, const struct mbcap_day *d)
{
	mk_put_array(w, 4);
	mk_put_i64(w, d->day);
	mk_put_u64(w, d->relays[MBCAP_CONFIRMED]);
	mk_put_u64(w, d->relays[MBCAP_SUSPECTED]);
	mk_put_u64(w, d->relays[MBCAP_UNKNOWN]);
}

/* All of them, or (in a delta) today. */
static void
write_days(mk_writer *w, const struct mbcap *m, int64_t at, bool base)
{
	const struct mbcap_day *today = mbcap_day_find(m, at / MBCAP_DAY_S);

	mk_kv_array(w, "days", base ? m->day_count : today != NULL);
	if (!base && today != NULL)
		write_day(w, today);
	for (uint32_t i = 0; base && i < m->day_count; i++)
		write_day(w, &m->days[i]);
}

mk_result
mbcap_write(mk_writer *w, const struct mbcap *m, const struct mbcap_view *view,
	    const struct mbcap_view *shown, struct mbcap_order order, int64_t at)
{
	uint32_t count = m->nodes->ids.count;
	struct name *names = malloc((count + 1) * sizeof(*names));
	mk_writer inner;
	mk_result rc;

	if (names == NULL)
		return MK_ENOMEM;
	for (uint32_t i = 0; i < count; i++)
		names[i] = (struct name){ m->nodes->ids.text[i], i };
	qsort(names, count, sizeof(*names), name_compare);
	mk_writer_init(&inner, 0);
	mk_put_map(&inner, 2);
	write_adverts(&inner, m, names, count, shown == NULL);
	rc = write_paths(&inner, m, shown == NULL);
	if (rc == MK_OK)
		rc = mk_writer_end(&inner);
	if (rc == MK_OK) {
		mk_writer_reset(w);
		mk_put_map(w, 10);
		mk_kv_u64(w, "v", MBCAP_BODY_VERSION);
		mk_kv_u64(w, "serial", order.serial);
		mk_kv_u64(w, "n", order.n);
		mk_kv_u64(w, "cursor", m->cursor);
		mk_kv_i64(w, "at", at);
		mk_kv_i64(w, "window", m->window);
		write_nodes(w, names, count, view, shown);
		write_days(w, m, at, shown == NULL);
		mk_kv_bin(w, "evidence", inner.data, inner.len);
		rc = mk_writer_end(w);
	}
	free(names);
	mk_writer_fini(&inner);
	return rc;
}

/* --------------------------------------------------------------- reading -- */

static bool
read_advert(struct mbcap *m, const mk_val *v, bool apply)
{
	const mk_val *list = mk_at(v, 4);
	int64_t at[4] = { 0 };
	struct hops_node *who;
	struct mbcap_node *n;
	const char *key;
	uint32_t id;
	size_t len;

	if (!mk_get_str(mk_at(v, 0), &key, &len) || len == 0 || len > HOPS_ID_MAX ||
	    !mk_get_i64(mk_at(v, 1), &at[1]) || !mk_get_i64(mk_at(v, 2), &at[2]) ||
	    !mk_get_i64(mk_at(v, 3), &at[3]) || !mk_is_array(list) || mk_count(list) % 3 != 0 ||
	    mk_count(list) / 3 > MBCAP_ADVERTS_MAX)
		return false;
	who = apply ? hops_nodes_put(m->nodes, key, len, &id) : NULL;
	n = who == NULL ? NULL : mbcap_node_put(m, id);
	if (n != NULL)
		n->count = 0;
	for (uint32_t i = 0; i < mk_count(list); i += 3) {
		int64_t at_ms;
		uint64_t tx;
		uint32_t size;

		if (!mk_get_i64(mk_at(list, i), &at_ms) || !mk_get_u64(mk_at(list, i + 1), &tx) ||
		    !mk_get_u32(mk_at(list, i + 2), &size) || size < 1 || size > 3)
			return false;
		if (n != NULL)
			mbcap_advert(m, id, tx, at_ms, (uint8_t)size);
	}
	if (n != NULL) {
		memcpy(n->advert_at, at, sizeof(at));
		n->changed = false;
	}
	return true;
}

static bool
read_path(struct mbcap *m, const mk_val *v, bool apply)
{
	struct mbcap_token *t;
	const char *hex;
	size_t len;
	int64_t at[2];

	if (!mk_get_str(mk_at(v, 0), &hex, &len) || hops_token_read(hex, len) == 0 ||
	    !mk_get_i64(mk_at(v, 1), &at[0]) || !mk_get_i64(mk_at(v, 2), &at[1]))
		return false;
	t = apply ? mbcap_token_put(m, hops_token_read(hex, len)) : NULL;
	if (t != NULL)
		memcpy(t->at, at, sizeof(at));
	return true;
}

static bool
read_evidence(struct mbcap *m, const mk_val *root, bool apply)
{
	const mk_val *adverts = mk_find(root, "adverts"), *paths = mk_find(root, "paths");

	for (uint32_t i = 0; i < mk_count(adverts); i++) {
		if (!read_advert(m, mk_at(adverts, i), apply))
			return false;
	}
	for (uint32_t i = 0; i < mk_count(paths); i++) {
		if (!read_path(m, mk_at(paths, i), apply))
			return false;
	}
	return mk_is_array(adverts) && mk_is_array(paths);
}

/* Bodies of earlier versions have no days. */
static bool
read_days(struct mbcap *m, const mk_val *list, bool apply)
{
	if (list == NULL)
		return true;
	if (!mk_is_array(list) || mk_count(list) > MBCAP_DAYS_MAX)
		return false;
	for (uint32_t i = 0; i < mk_count(list); i++) {
		const mk_val *v = mk_at(list, i);
		struct mbcap_day d;

		if (!mk_get_i64(mk_at(v, 0), &d.day) || d.day < 0 ||
		    !mk_get_u32(mk_at(v, 1), &d.relays[MBCAP_CONFIRMED]) ||
		    !mk_get_u32(mk_at(v, 2), &d.relays[MBCAP_SUSPECTED]) ||
		    !mk_get_u32(mk_at(v, 3), &d.relays[MBCAP_UNKNOWN]))
			return false;
		if (apply)
			mbcap_day_put(m, &d);
	}
	return true;
}

mk_result
mbcap_read(struct mbcap *m, struct mbcap_order *order, const mk_val *body, bool delta)
{
	struct mbcap_order now;
	const uint8_t *bin;
	uint64_t v, cursor;
	size_t len;
	mk_doc doc;
	mk_result rc;

	if (!mk_get_u64(mk_find(body, "v"), &v) || v != MBCAP_BODY_VERSION ||
	    !mk_get_u64(mk_find(body, "serial"), &now.serial) ||
	    !mk_get_u64(mk_find(body, "n"), &now.n) || (now.n == 0) == delta ||
	    !mk_get_u64(mk_find(body, "cursor"), &cursor))
		return MK_EFORMAT;
	if (delta && (now.serial != order->serial || now.n != order->n + 1))
		return MK_ESTATE;
	if (cursor < m->cursor || (!delta && cursor == m->cursor))
		return MK_EEXIST;
	if (!mk_get_bin(mk_find(body, "evidence"), &bin, &len) ||
	    !read_days(m, mk_find(body, "days"), false))
		return MK_EFORMAT;
	mk_doc_init(&doc);
	rc = mk_doc_open(&doc, bin, len, NULL, NULL, 0);
	if (rc == MK_OK && !read_evidence(m, mk_doc_root(&doc), false))
		rc = MK_EFORMAT;
	if (rc == MK_OK) {
		if (!delta)
			mbcap_clear(m);
		read_evidence(m, mk_doc_root(&doc), true);
		read_days(m, mk_find(body, "days"), true);
		m->cursor = cursor;
		*order = now;
	}
	mk_doc_fini(&doc);
	return rc;
}
