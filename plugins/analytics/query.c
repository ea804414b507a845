/* SPDX-License-Identifier: MIT */
#include "query.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hops/time.h>

#define POLYGON_MAX 4096u /* corners; more are cut off */

bool
query_text(const struct an_query *q, const char *name, char *out, size_t cap)
{
	return mk_copy_str(mk_find(q->args, name), out, cap);
}

int64_t
query_int(const struct an_query *q, const char *name, int64_t otherwise)
{
	const mk_val *v = mk_find(q->args, name);
	char text[24], *end;
	int64_t n;

	if (mk_get_i64(v, &n))
		return n;
	if (!mk_copy_str(v, text, sizeof(text)) || text[0] == '\0')
		return otherwise;
	n = strtoll(text, &end, 10);
	return *end == '\0' ? n : otherwise;
}

static int
query_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

bool
query_hides(const struct an_query *q, uint32_t id)
{
	return q->hidden_count > 0 &&
	       bsearch(&id, q->hidden, q->hidden_count, sizeof(id), query_compare) != NULL;
}

/* ---------------------------------------------------------------- window -- */

static bool
query_time(const struct an_query *q, const char *name, int64_t *out)
{
	char text[48];

	return query_text(q, name, text, sizeof(text)) && hops_time_read(text, strlen(text), out);
}

bool
query_set_window(struct an_query *q, const char *text)
{
	static const struct {
		const char *text, *label;
		int64_t seconds;
	} windows[] = {
		{ "1h", "1h", 3600 },      { "24h", "24h", 86400 }, { "1d", "24h", 86400 },
		{ "3d", "3d", 259200 },    { "7d", "7d", 604800 },  { "1w", "7d", 604800 },
		{ "30d", "30d", 2592000 },
	};

	for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
		if (strcmp(text, windows[i].text) != 0)
			continue;
		q->since = q->now - windows[i].seconds;
		q->until = INT64_MAX;
		snprintf(q->window, sizeof(q->window), "%s", windows[i].label);
		snprintf(q->when, sizeof(q->when), "w%s", q->window);
		return true;
	}
	return false;
}

static void
query_window(struct an_query *q)
{
	char text[8];
	bool from = query_time(q, "from", &q->since), to = query_time(q, "to", &q->until);

	if (from || to)
		snprintf(q->when, sizeof(q->when), "t%lld:%lld", (long long)q->since,
			 (long long)q->until);
	else if (query_text(q, "window", text, sizeof(text)))
		query_set_window(q, text);
}

/* ---------------------------------------------------------------- region -- */

/* The next code of a list: without blanks, in upper case, not "ALL". */
static bool
region_next(const char **list, char code[16])
{
	while (**list != '\0') {
		size_t n = 0;

		for (; **list != '\0' && **list != ','; ++*list) {
			char c = **list;

			if (c != ' ' && c != '\t' && n < 15)
				code[n++] = (char)(c >= 'a' && c <= 'z' ? c - 32 : c);
		}
		code[n] = '\0';
		*list += **list == ',';
		if (n > 0 && strcmp(code, "ALL") != 0)
			return true;
	}
	return false;
}

static mk_result
query_region(struct an_query *q, const struct frame *f)
{
	char list[1024], code[16];
	const char *at = list;

	if (mk_find(q->args, "region") == NULL)
		return MK_OK;
	if (!query_text(q, "region", list, sizeof(list)))
		memcpy(list, "?", 2); /* what cannot be read is a region that nobody is in */
	while (region_next(&at, code)) {
		if (q->in_region == NULL)
			q->in_region = calloc(f->observer_count + 1u, 1);
		if (q->in_region == NULL)
			return MK_ENOMEM;
		q->region = true;
		for (uint32_t i = 0; i < f->observer_count; i++)
			q->in_region[i] |= strcmp(f->observers[i].region, code) == 0;
	}
	return MK_OK;
}

/* ------------------------------------------------------------------ area -- */

struct polygon {
	double (*corner)[2];
	uint32_t count;
	bool all;
};

static bool
polygon_has(const struct polygon *p, double lat, double lon)
{
	bool in = p->all;

	for (uint32_t i = 0, j = p->count - 1; i < p->count; j = i++) {
		const double *a = p->corner[i], *b = p->corner[j];

		if ((a[1] > lon) != (b[1] > lon) &&
		    lat < (b[0] - a[0]) * (lon - a[1]) / (b[1] - a[1]) + a[0])
			in = !in;
	}
	return in;
}

static bool
polygon_read(struct polygon *p, const mk_val *list)
{
	uint32_t n = mk_count(list) < POLYGON_MAX ? mk_count(list) : POLYGON_MAX;

	p->corner = calloc(n + 1, sizeof(*p->corner));
	for (uint32_t i = 0; p->corner != NULL && i < n; i++) {
		const mk_val *c = mk_at(list, i);
		double *at = p->corner[p->count];

		p->count += mk_get_f64(mk_at(c, 0), &at[0]) && mk_get_f64(mk_at(c, 1), &at[1]);
	}
	return p->corner != NULL;
}

static mk_result
query_area(struct an_query *q, const struct frame *f)
{
	const mk_val *area = mk_find(q->args, "area");
	struct polygon p = { 0 };
	double box[4];
	bool boxed;

	if (!mk_is_map(area))
		return MK_OK;
	boxed = mk_get_f64(mk_find(area, "latMin"), &box[0]) &&
		mk_get_f64(mk_find(area, "latMax"), &box[1]) &&
		mk_get_f64(mk_find(area, "lonMin"), &box[2]) &&
		mk_get_f64(mk_find(area, "lonMax"), &box[3]);
	q->in_area_count = f->nodes.ids.count;
	q->in_area = calloc(q->in_area_count + 1u, 1);
	if (q->in_area == NULL || !polygon_read(&p, mk_find(area, "polygon")))
		return MK_ENOMEM;
	q->area = true;
	p.count = p.count < 3 ? 0 : p.count;
	p.all = p.count == 0 && !boxed;
	for (uint32_t id = 0; id < q->in_area_count; id++) {
		const struct hops_node *n = hops_nodes_get(&f->nodes, id);

		if (n == NULL || !n->there || !n->has_gps)
			continue;
		q->in_area[id] = p.count > 0 || p.all ? polygon_has(&p, n->lat, n->lon)
						      : n->lat >= box[0] && n->lat <= box[1] &&
							    n->lon >= box[2] && n->lon <= box[3];
	}
	free(p.corner);
	return MK_OK;
}

/* ----------------------------------------------------------------- whole -- */

static mk_result
query_hidden(struct an_query *q, const struct frame *f)
{
	const mk_val *list = mk_find(q->args, "hidden");
	const char *key;
	size_t len;

	if (mk_count(list) == 0)
		return MK_OK;
	q->hidden = calloc(mk_count(list), sizeof(*q->hidden));
	if (q->hidden == NULL)
		return MK_ENOMEM;
	for (uint32_t i = 0; i < mk_count(list); i++) {
		uint32_t id = mk_get_str(mk_at(list, i), &key, &len)
				  ? hops_ids_find(&f->nodes.ids, key, len)
				  : HOPS_NONE;

		if (id != HOPS_NONE)
			q->hidden[q->hidden_count++] = id;
	}
	qsort(q->hidden, q->hidden_count, sizeof(*q->hidden), query_compare);
	return MK_OK;
}

/* Which are in, as a number; two sets are taken for equal if that is. */
static uint64_t
query_sum(const uint8_t *in, uint32_t count)
{
	uint64_t sum = 0x9e3779b97f4a7c15u;

	for (uint32_t i = 0; i < count; i++) {
		if (in[i] != 0)
			sum = hops_mix(sum ^ i);
	}
	return sum;
}

static void
query_shape(struct an_query *q, const struct frame *f)
{
	unsigned long long region = q->region ? query_sum(q->in_region, f->observer_count) : 0;
	unsigned long long area = q->area ? query_sum(q->in_area, q->in_area_count) : 0;

	if (q->region || q->area)
		snprintf(q->where, sizeof(q->where), "r%d%016llx a%d%016llx", q->region, region,
			 q->area, area);
}

mk_result
query_init(struct an_query *q, struct frame *f, const mk_val *args, int64_t now)
{
	mk_result rc;

	*q = (struct an_query){ .args = args, .now = now, .since = INT64_MIN, .until = INT64_MAX };
	query_window(q);
	rc = query_region(q, f);
	if (rc == MK_OK)
		rc = query_area(q, f);
	if (rc == MK_OK)
		rc = query_hidden(q, f);
	if (rc == MK_OK)
		query_shape(q, f);
	else
		query_fini(q);
	return rc;
}

void
query_fini(struct an_query *q)
{
	free(q->in_region);
	free(q->in_area);
	free(q->hidden);
	*q = (struct an_query){ 0 };
}
