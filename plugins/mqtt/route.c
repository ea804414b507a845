/* SPDX-License-Identifier: MIT
 *
 * From the topic of a message to its kind, or to the reason why it is not wanted.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <meshkern/codec.h>

#include "route.h"

#define PART_MAX 128 /* bytes of a part that names somebody; a key has 64 */

/* -------------------------------------------------------------- strings -- */

bool
strings_add(struct strings *list, const char *text)
{
	char **grown = realloc(list->v, (list->n + 1) * sizeof(*grown));

	if (grown == NULL)
		return false;
	list->v = grown;
	grown[list->n] = strdup(text);
	if (grown[list->n] == NULL)
		return false;
	list->n++;
	return true;
}

void
strings_fini(struct strings *list)
{
	for (uint32_t i = 0; i < list->n; i++)
		free(list->v[i]);
	free(list->v);
	*list = (struct strings){ 0 };
}

bool
strings_same(const struct strings *a, const struct strings *b)
{
	for (uint32_t i = 0; i < a->n && i < b->n; i++)
		if (strcmp(a->v[i], b->v[i]) != 0)
			return false;
	return a->n == b->n;
}

bool
strings_have(const struct strings *list, const char *text, size_t len)
{
	for (uint32_t i = 0; i < list->n; i++)
		if (strlen(list->v[i]) == len && strncasecmp(list->v[i], text, len) == 0)
			return true;
	return false;
}

/* -------------------------------------------------------------- filters -- */

bool
route_filter_valid(const char *filter)
{
	size_t len = strlen(filter);

	if (len == 0 || len > 1024 || !mk_utf8_valid(filter, len))
		return false;
	for (size_t i = 0; i < len; i++) {
		bool starts = i == 0 || filter[i - 1] == '/';
		bool ends = i + 1 == len || filter[i + 1] == '/';

		if ((filter[i] == '#' && (!starts || i + 1 != len)) ||
		    (filter[i] == '+' && (!starts || !ends)))
			return false;
	}
	return true;
}

bool
route_filter_covers(const char *filter, const char *topic, size_t len)
{
	const char *end = topic + len;

	/* "$share/GROUP/FILTER" is a subscription to FILTER. */
	if (strncmp(filter, "$share/", 7) == 0 && strchr(filter + 7, '/') != NULL)
		filter = strchr(filter + 7, '/') + 1;
	for (;;) {
		size_t want = strcspn(filter, "/");
		const char *slash = memchr(topic, '/', (size_t)(end - topic));
		size_t have = (size_t)((slash == NULL ? end : slash) - topic);

		if (filter[0] == '#')
			return true;
		if (!(want == 1 && filter[0] == '+') &&
		    (want != have || memcmp(filter, topic, want) != 0))
			return false;
		filter += want;
		topic += have;
		if (topic == end) /* "a/#" covers "a" as well */
			return *filter == '\0' || strcmp(filter, "/#") == 0;
		if (*filter == '\0')
			return false;
		filter++;
		topic++;
	}
}

/* --------------------------------------------------------------- topics -- */

const char *
route_refusal_name(enum route_refusal why)
{
	static const char *const names[] = { "",
#define ROUTE_NAME(id, name) name,
					     ROUTE_REFUSALS(ROUTE_NAME)
#undef ROUTE_NAME
	};

	return names[why];
}

static bool
is_topic(const char *topic, size_t len, const char *text)
{
	return len == strlen(text) && memcmp(topic, text, len) == 0;
}

static bool
starts_with(const char *topic, size_t len, const char *text)
{
	return len >= strlen(text) && memcmp(topic, text, strlen(text)) == 0;
}

static bool
is_part(const struct route *r, uint32_t i, const char *text)
{
	return r->parts > i && is_topic(r->part[i].s, r->part[i].len, text);
}

/* Region and observer become rows and words in a log. */
static bool
part_is_clean(const struct route *r, uint32_t i)
{
	if (r->parts <= i)
		return true;
	if (r->part[i].len > PART_MAX || !mk_utf8_valid(r->part[i].s, r->part[i].len))
		return false;
	for (size_t k = 0; k < r->part[i].len; k++) {
		unsigned char c = (unsigned char)r->part[i].s[k];

		if (c < ' ' || c == 0x7f)
			return false;
	}
	return true;
}

static void
route_split(const char *topic, size_t len, struct route *r)
{
	const char *end = topic + len;

	*r = (struct route){ 0 };
	for (;;) {
		const char *slash = memchr(topic, '/', (size_t)(end - topic));
		const char *stop = slash == NULL ? end : slash;

		if (r->parts < ROUTE_PARTS) {
			r->part[r->parts].s = topic;
			r->part[r->parts].len = (size_t)(stop - topic);
		}
		r->parts++;
		if (slash == NULL)
			return;
		topic = slash + 1;
	}
}

static enum route_refusal
route_client(const struct route_rules *rules, struct route *r)
{
	r->kind = ROUTE_CLIENT;
	if (!rules->client_coverage)
		return ROUTE_COVERAGE_OFF;
	if (!is_part(r, 3, "packets"))
		return ROUTE_NO_CONTENT;
	return strings_have(&rules->observer_blacklist, r->part[2].s, r->part[2].len)
		   ? ROUTE_BLACKLISTED
		   : ROUTE_TAKEN;
}

enum route_refusal
route_topic(const struct route_rules *rules, const struct strings *iata_filter, const char *topic,
	    size_t len, struct route *r)
{
	route_split(topic, len, r);
	if (!part_is_clean(r, 1) || !part_is_clean(r, 2) || !part_is_clean(r, 3))
		return ROUTE_BAD_TOPIC;
	/* Messages of a bridge have no region in their topic: no list of regions is for them. */
	if (starts_with(topic, len, "meshcore/message/channel/") ||
	    starts_with(topic, len, "meshcore/message/direct/")) {
		r->kind = is_part(r, 2, "channel") ? ROUTE_CHANNEL : ROUTE_DIRECT;
		return ROUTE_TAKEN;
	}
	if (is_part(r, 1, "client"))
		return route_client(rules, r);
	if (is_topic(topic, len, "meshcore/status") ||
	    is_topic(topic, len, "meshcore/events/connection"))
		return ROUTE_NO_CONTENT;
	if (r->parts > 2 && strings_have(&rules->observer_blacklist, r->part[2].s, r->part[2].len))
		return ROUTE_BLACKLISTED;
	if (r->parts > 1 && rules->iata_whitelist.n > 0 &&
	    !strings_have(&rules->iata_whitelist, r->part[1].s, r->part[1].len))
		return ROUTE_REGION;
	if (is_part(r, 3, "status")) {
		r->kind = ROUTE_STATUS;
		return r->part[2].len > 0 ? ROUTE_TAKEN : ROUTE_BAD_TOPIC;
	}
	if (r->parts > 1 && iata_filter->n > 0 &&
	    !strings_have(iata_filter, r->part[1].s, r->part[1].len))
		return ROUTE_FILTERED;
	r->kind = ROUTE_PACKET;
	return ROUTE_TAKEN;
}
