/* SPDX-License-Identifier: MIT */
#include "route.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_DEFAULT 1024

struct router_entry {
	const struct route *route;
	uint32_t segments;
	uint32_t fixed; /* bit i: segment i is no parameter */
	const char *segment[TARGET_SEGMENTS];
	size_t len[TARGET_SEGMENTS];
};

struct router {
	uint32_t count;
	struct router_entry entries[]; /* those with more fixed segments first */
};

static void
router_split(struct router_entry *e, const struct route *route)
{
	const char *s = route->pattern;

	e->route = route;
	e->segments = e->fixed = 0;
	while (*s == '/' && s[1] != '\0' && e->segments < TARGET_SEGMENTS) {
		e->segment[e->segments] = s + 1;
		e->len[e->segments] = strcspn(s + 1, "/");
		if (s[1] != '{')
			e->fixed |= 1u << e->segments;
		s += 1 + e->len[e->segments++];
	}
}

/* Among paths of the same length: the one whose first difference is a fixed segment. */
static int
router_compare(const void *a, const void *b)
{
	const struct router_entry *x = a, *y = b;
	uint32_t i = 0;

	if (x->segments != y->segments)
		return x->segments < y->segments ? -1 : 1;
	while (i < x->segments && ((x->fixed ^ y->fixed) >> i & 1) == 0)
		i++;
	if (i == x->segments)
		return x->route < y->route ? -1 : x->route > y->route;
	return (x->fixed >> i & 1) != 0 ? -1 : 1;
}

struct router *
router_new(const struct route *const *tables)
{
	struct router *r;
	uint32_t n = 0;

	for (const struct route *const *t = tables; *t != NULL; t++)
		for (const struct route *x = *t; x->method != NULL; x++)
			n++;
	r = calloc(1, sizeof(*r) + n * sizeof(r->entries[0]));
	if (r == NULL)
		return NULL;
	for (const struct route *const *t = tables; *t != NULL; t++)
		for (const struct route *x = *t; x->method != NULL; x++)
			router_split(&r->entries[r->count++], x);
	qsort(r->entries, n, sizeof(r->entries[0]), router_compare);
	return r;
}

void
router_free(struct router *r)
{
	free(r);
}

uint32_t
router_count(const struct router *r)
{
	return r->count;
}

const struct route *
router_at(const struct router *r, uint32_t i)
{
	return r->entries[i].route;
}

static bool
router_fits(const struct router_entry *e, const struct target *t, const size_t *lengths)
{
	if (e->segments != t->segments)
		return false;
	/* From the end: most paths begin with the same word. */
	for (uint32_t i = e->segments; i-- > 0;) {
		if ((e->fixed >> i & 1) == 0) {
			if (lengths[i] == 0 || ((e->route->flags & ROUTE_SLASH) == 0 &&
						strchr(t->segment[i], '/') != NULL))
				return false;
		} else if (e->len[i] != lengths[i] ||
			   memcmp(e->segment[i], t->segment[i], lengths[i]) != 0) {
			return false;
		}
	}
	return true;
}

static void
router_allow(struct route_match *m, const char *method)
{
	static const char *const extra[] = { "", ", HEAD" };
	size_t used = strlen(m->allow);
	const char *more = extra[strcmp(method, "GET") == 0];

	if (used + strlen(method) + strlen(more) + 3 > sizeof(m->allow))
		return;
	if (used > 0) {
		memcpy(m->allow + used, ", ", 3);
		used += 2;
	}
	memcpy(m->allow + used, method, strlen(method) + 1);
	used += strlen(method);
	memcpy(m->allow + used, more, strlen(more) + 1);
}

void
router_find(const struct router *r, const char *method, const struct target *t,
	    struct route_match *match)
{
	const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
	size_t lengths[TARGET_SEGMENTS];

	match->route = NULL;
	match->allow[0] = '\0';
	for (uint32_t i = 0; i < t->segments; i++)
		lengths[i] = strlen(t->segment[i]);
	for (uint32_t i = 0; i < r->count; i++) {
		const struct router_entry *e = &r->entries[i];
		uint32_t n = 0;

		if (!router_fits(e, t, lengths))
			continue;
		if (strcmp(e->route->method, wanted) != 0) {
			router_allow(match, e->route->method);
			continue;
		}
		match->route = e->route;
		match->index = i;
		for (uint32_t k = 0; k < e->segments && n < ROUTE_ARGS; k++)
			if ((e->fixed >> k & 1) == 0)
				match->args[n++] = t->segment[k];
		return;
	}
}

/* ----------------------------------------------------------- parameters -- */

static bool
param_integer(const char *text, int64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoll(text, &end, 10);
	return end != text && *end == '\0' && text[0] != ' ' && (errno == 0 || errno == ERANGE);
}

static bool
param_choice(const char *const *choices, const char *text, int64_t *out)
{
	for (int64_t i = 0; choices[i] != NULL; i++) {
		if (strcmp(choices[i], text) == 0) {
			*out = i;
			return true;
		}
	}
	return false;
}

static bool
param_real(const struct route_param *p, const char *text, struct param_value *out)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end != '\0' || text[0] == ' ' || !isfinite(v))
		return false;
	if (p->min != 0 || p->max != 0)
		v = v < (double)p->min ? (double)p->min : v > (double)p->max ? (double)p->max : v;
	out->real = v;
	return true;
}

bool
route_param_read(const struct route_param *p, const char *text, struct param_value *out)
{
	static const char *const booleans[] = { "false", "true", "0", "1", NULL };
	bool given = text != NULL && text[0] != '\0';
	int64_t v = 0;
	bool good = false;

	*out = (struct param_value){ .text = text, .number = p->dflt, .real = (double)p->dflt };
	switch (p->type) {
	case PARAM_TEXT:
		good = strlen(given ? text : "") <= (size_t)(p->max > 0 ? p->max : TEXT_DEFAULT);
		if (!good)
			out->text = NULL;
		return (good && (given || p->min == 0)) || p->error == NULL;
	case PARAM_FLOAT:
		good = given && param_real(p, text, out);
		return good || !given || p->error == NULL;
	case PARAM_BOOL:
		good = given && param_choice(booleans, text, &v);
		v &= 1;
		break;
	case PARAM_ENUM:
		good = given && param_choice(p->choices, text, &v);
		break;
	case PARAM_LIMIT:
		good = given && param_integer(text, &v) && v > 0;
		v = v > p->max ? p->max : v;
		break;
	case PARAM_INT:
		good = given && param_integer(text, &v);
		if (p->min != 0 || p->max != 0)
			v = v < p->min ? p->min : v > p->max ? p->max : v;
		break;
	}
	if (good)
		out->number = v;
	return good || !given || p->error == NULL;
}
