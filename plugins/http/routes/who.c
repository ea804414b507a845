/* SPDX-License-Identifier: MIT
 *
 * What the routes about nodes, observers and links have in common.
 */
#include "who.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <hops/time.h>

#include "../read/brief.h"

#define RELAY_ACTIVE_S 86400
#define ADVERT 4

struct read *
who_read(const struct request *rq)
{
	const struct http *h = request_context(rq);

	return h->read;
}

int64_t
who_now(const struct request *rq)
{
	const mk_host *host = request_host(rq);

	return (int64_t)(host->wall_us(host) / 1000000);
}

void
who_past(int64_t now, const char *at, char out[40])
{
	int64_t seconds;

	if (hops_time_read(at, strlen(at), &seconds) && seconds > now)
		hops_time_write(now, out);
	else
		(void)snprintf(out, 40, "%s", at);
}

bool
who_is_there(const struct read_node *n)
{
	return n != NULL && n->known && n->active && !n->hidden;
}

uint32_t
who_asked(struct request *rq)
{
	const struct read *r = who_read(rq);
	const char *key = request_arg(rq, 0);
	uint32_t node = read_node_find(r, key, strlen(key));

	if (node != READ_NONE && who_is_there(read_node(r, node)))
		return node;
	if (who_is_ready(rq))
		request_fail(rq, 404, "Not found");
	return READ_NONE;
}

/* Of a node that is in the tables, or of a key that is only known as an observer's. */
static const struct read_observer *
who_observer(const struct read *r, uint32_t node)
{
	const char *key = read_node(r, node)->key;

	for (uint32_t i = 0; i < read_observer_count(r); i++) {
		const struct read_observer *o = read_observer(r, i);

		if (!o->hidden && strcasecmp(o->id, key) == 0)
			return o;
	}
	return NULL;
}

const char *
who_name(const struct read *r, uint32_t node)
{
	const struct read_node *n = node == READ_NONE ? NULL : read_node(r, node);
	const struct read_observer *o;

	if (n == NULL)
		return "";
	if (n->known)
		return n->name == NULL ? "" : n->name;
	o = who_observer(r, node);
	return o == NULL || o->name == NULL ? "" : o->name;
}

const char *
who_role(const struct read *r, uint32_t node)
{
	const struct read_node *n = node == READ_NONE ? NULL : read_node(r, node);

	if (n == NULL)
		return "";
	if (n->known)
		return n->role == NULL ? "" : n->role;
	return who_observer(r, node) == NULL ? "" : "observer";
}

const char *
who_observer_id(const struct read *r, uint32_t node)
{
	const struct read_observer *o = who_observer(r, node);

	return o == NULL ? NULL : o->id;
}

bool
who_is_relay(const struct read_node *n)
{
	return n->role != NULL &&
	       (strcmp(n->role, "repeater") == 0 || strcmp(n->role, "room") == 0);
}

bool
who_is_ready(struct request *rq)
{
	struct read_state state;

	read_get_state(who_read(rq), &state);
	if (!state.ready)
		packet_fail(rq, MK_EUNAVAIL, NULL);
	return state.ready;
}

bool
who_is_warm(struct request *rq)
{
	struct read_state state;

	read_get_state(who_read(rq), &state);
	if (!state.warm)
		packet_fail(rq, MK_EAGAIN, NULL);
	return state.warm;
}

void
who_filter(struct read_filter *out)
{
	*out = (struct read_filter){ .since = READ_NULL,
				     .until = READ_NULL,
				     .after_id = READ_NULL,
				     .before_id = READ_NULL,
				     .type = -1,
				     .route = -1 };
}

bool
who_is_hex(const char *text, size_t min)
{
	size_t len = strspn(text, "0123456789abcdefABCDEF");

	return text[len] == '\0' && len >= min;
}

/* ---------------------------------------------------------------- regions --
 */

static char
who_upper(char c)
{
	return (char)(c >= 'a' && c <= 'z' ? c - ('a' - 'A') : c);
}

static bool
who_is(const char *text, size_t len, const char *upper)
{
	size_t i;

	for (i = 0; i < len && upper[i] != '\0'; i++)
		if (who_upper(text[i]) != upper[i])
			return false;
	return i == len && upper[i] == '\0';
}

/* The next code of a list, without blanks; NULL: there is none. */
static const char *
who_region(const char **list, size_t *len)
{
	while (*list != NULL && **list != '\0') {
		const char *at = *list + strspn(*list, " \t,");

		*len = strcspn(at, ",");
		*list = at + *len;
		while (*len > 0 && (at[*len - 1] == ' ' || at[*len - 1] == '\t'))
			(*len)--;
		if (*len > 0 && !who_is(at, *len, "ALL"))
			return at;
	}
	return NULL;
}

bool
who_in_regions(const char *list, const char *region)
{
	const char *at;
	size_t len;

	while ((at = who_region(&list, &len)) != NULL)
		if (who_is(at, len, region))
			return true;
	return false;
}

bool
who_bit(const uint8_t *bits, uint32_t i)
{
	return (bits[i / 8] >> i % 8 & 1) != 0;
}

static void
who_mark(uint8_t *bits, uint32_t node, uint32_t count)
{
	if (node < count)
		bits[node / 8] |= (uint8_t)(1u << node % 8);
}

struct who_heard {
	uint8_t *bits;
	uint32_t count;
};

static bool
who_hear(void *arg, const struct read_packet *p)
{
	const struct who_heard *heard = arg;

	who_mark(heard->bits, p->from, heard->count);
	return true;
}

/* While the model is being filled: who sent adverts, out of the database. */
static mk_result
who_hear_database(struct read *r, struct who_heard *heard, const char *regions, mk_err *err)
{
	struct read_scratch *s = read_scratch_new(r);
	struct read_filter filter;
	mk_result rc = MK_ENOMEM;

	who_filter(&filter);
	filter.region = regions;
	filter.type = ADVERT;
	if (s != NULL) {
		read_scratch_skip(s, READ_SKIP_JSON | READ_SKIP_OBS);
		rc = read_packets(r, s, &filter, false, 0, UINT64_MAX, who_hear, heard, NULL, err);
	}
	read_scratch_free(s);
	return rc;
}

static bool
who_was_heard(const uint64_t *heard, uint32_t begin, uint32_t packet)
{
	return packet >= begin && (heard[(packet - begin) / 64] >> (packet - begin) % 64 & 1) != 0;
}

static void
who_hear_adverts(const struct read *r, struct who_heard *out, const uint64_t *heard)
{
	uint32_t begin = read_packet_begin(r), end = read_packet_end(r);
	struct read_brief p;

	for (uint32_t i = begin; i < end; i++)
		if (who_was_heard(heard, begin, i) && read_brief(r, i, &p) && p.type == ADVERT)
			who_mark(out->bits, p.from, out->count);
}

static void
who_hear_all(const struct read *r, struct who_heard *out, const uint64_t *heard)
{
	for (uint32_t node = 0; node < out->count; node++) {
		uint32_t count, i = 0;
		const uint32_t *at = read_node_packets(r, node, &count);

		while (i < count && !who_was_heard(heard, read_packet_begin(r), at[i]))
			i++;
		if (i < count)
			who_mark(out->bits, node, out->count);
	}
}

uint8_t *
who_of_regions(struct request *rq, const char *regions, bool adverts)
{
	struct read *r = who_read(rq);
	struct who_heard heard = { .count = read_node_count(r) };
	struct read_state state;
	uint64_t *packets = NULL;
	mk_err err = { 0 };
	mk_result rc = MK_ENOMEM;

	read_get_state(r, &state);
	heard.bits = calloc(heard.count / 8 + 1, 1);
	if (heard.bits != NULL && !state.warm)
		rc = who_hear_database(r, &heard, regions, &err);
	else if (heard.bits != NULL && (packets = read_heard_in(r, regions)) != NULL)
		rc = MK_OK;
	if (packets != NULL && adverts)
		who_hear_adverts(r, &heard, packets);
	else if (packets != NULL)
		who_hear_all(r, &heard, packets);
	free(packets);
	if (rc == MK_OK)
		return heard.bits;
	free(heard.bits);
	packet_fail(rq, rc, &err);
	return NULL;
}

/* ------------------------------------------------------------------ lists --
 */

bool
who_collect(const struct read *r, struct who_list *out,
	    bool (*fn)(const void *arg, const struct who_ref *ref), const void *arg)
{
	uint32_t n = read_node_count(r);

	*out = (struct who_list){ .at = calloc(n + 1, sizeof(*out->at)) };
	for (uint32_t i = 0; out->at != NULL && i < n; i++) {
		struct who_ref ref = { read_node(r, i), i };

		if (who_is_there(ref.node) && (fn == NULL || fn(arg, &ref)))
			out->at[out->count++] = ref;
	}
	return out->at != NULL;
}

static int
who_compare_text(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return (a != NULL) - (b != NULL);
	return strcmp(a, b);
}

static int
who_by_key(const struct who_ref *a, const struct who_ref *b)
{
	return strcmp(a->node->key, b->node->key);
}

static int
who_by_name(const void *a, const void *b)
{
	const struct who_ref *x = a, *y = b;
	int c = who_compare_text(x->node->name, y->node->name);

	return c != 0 ? c : who_by_key(x, y);
}

static int
who_by_seen(const void *a, const void *b)
{
	const struct who_ref *x = a, *y = b;
	int c = who_compare_text(y->node->last_seen, x->node->last_seen);

	return c != 0 ? c : who_by_key(x, y);
}

static int
who_by_adverts(const void *a, const void *b)
{
	const struct who_ref *x = a, *y = b;

	if (x->node->advert_count != y->node->advert_count)
		return x->node->advert_count < y->node->advert_count ? 1 : -1;
	return who_by_key(x, y);
}

void
who_sort(struct who_list *list, enum who_order order)
{
	static int (*const orders[])(const void *, const void *) = { who_by_seen, who_by_name,
								     who_by_adverts };

	if (list->count > 1)
		qsort(list->at, list->count, sizeof(*list->at), orders[order]);
}

/* --------------------------------------------------------------- as JSON -- */

void
put_int(struct json *out, const char *key, int64_t v)
{
	js_key(out, key);
	if (v == READ_NULL)
		js_null(out);
	else
		js_int(out, v);
}

void
put_real(struct json *out, const char *key, bool has, double v)
{
	js_key(out, key);
	if (has)
		js_num(out, v);
	else
		js_null(out);
}

void
put_time(struct json *out, const char *key, int64_t seconds)
{
	char text[HOPS_TIME_TEXT];

	hops_time_write(seconds, text);
	js_kstr(out, key, text);
}

void
put_place(struct json *out, const struct read_node *n)
{
	put_real(out, "lat", n != NULL && n->has_lat, n != NULL ? n->lat : 0);
	put_real(out, "lon", n != NULL && n->has_lon, n != NULL ? n->lon : 0);
}

void
put_watchers(struct json *out, const struct read *r, const struct hops_seen *seen)
{
	const struct hops_graph *g = read_graph(r);

	js_karray(out, "observers");
	for (uint32_t i = 0; i < g->observer_count; i++) {
		uint32_t node = read_from_hops(r, g->observers[i]);

		if (hops_seen_has(seen, i) && node != READ_NONE)
			js_str(out, read_node(r, node)->key);
	}
	js_array_end(out);
}

void
put_node(struct json *out, const struct read_node *n)
{
	js_kstr(out, "public_key", n->key);
	js_kstr(out, "name", n->name);
	js_kstr(out, "role", n->role);
	put_place(out, n);
	js_kstr(out, "last_seen", n->last_seen);
	js_kstr(out, "first_seen", n->first_seen);
	js_kstr(out, "last_heard", n->last_seen);
	js_kint(out, "advert_count", n->advert_count == READ_NULL ? 0 : n->advert_count);
	js_kbool(out, "foreign", n->foreign);
	put_int(out, "battery_mv", n->battery_mv);
	put_real(out, "temperature_c", n->has_temperature, n->temperature_c);
	js_kstr(out, "default_scope", n->default_scope);
}

static void
put_hash_size(struct json *out, uint8_t size, bool inconsistent, uint8_t sizes)
{
	put_int(out, "hash_size", size == 0 ? READ_NULL : size);
	js_kbool(out, "hash_size_inconsistent", inconsistent);
	if ((sizes & (sizes - 1)) == 0)
		return;
	js_karray(out, "hash_sizes_seen");
	for (uint8_t i = 0; i < 8; i++)
		if ((sizes >> i & 1) != 0)
			js_uint(out, i);
	js_array_end(out);
}

static void
put_mbcap(struct json *out, const struct read *r, uint32_t node)
{
	static const char *const levels[] = { "unknown", "suspected", "confirmed" };
	const struct read_node *n = read_node(r, node);
	struct read_mbcap m = { 0 };
	bool known = read_mbcap(r, node, &m);

	put_hash_size(out, m.hash_size, m.inconsistent, m.sizes);
	if (!known && n->multibyte_sup == 0)
		return;
	if (!known) { /* what the database remembers */
		m.sup = n->multibyte_sup;
		m.evidence = n->multibyte_evidence;
	}
	js_kstr(out, "multi_byte_status", levels[m.sup <= 2 ? m.sup : 0]);
	js_kstr(out, "multi_byte_evidence", m.evidence == NULL ? "" : m.evidence);
	if (known)
		js_kuint(out, "multi_byte_max_hash_size", m.max_size);
}

static const char *
put_grade(double usefulness)
{
	static const struct {
		double from;
		const char *grade;
	} grades[] = { { 0.65, "A" }, { 0.45, "B" }, { 0.30, "C" }, { 0.15, "D" } };

	for (size_t i = 0; i < sizeof(grades) / sizeof(grades[0]); i++)
		if (usefulness >= grades[i].from)
			return grades[i].grade;
	return "F";
}

static void
put_relay(struct json *out, const struct read_relay *y, int64_t now)
{
	if (y->last_relayed > 0)
		put_time(out, "last_relayed", y->last_relayed);
	js_kbool(out, "relay_active",
		 y->last_relayed > 0 && now - y->last_relayed <= RELAY_ACTIVE_S);
	js_kuint(out, "relay_count_1h", y->count_1h);
	js_kuint(out, "relay_count_24h", y->count_24h);
	js_kuint(out, "unscoped_relay_count_24h", y->unscoped_24h);
	if (y->scope_count > 0) {
		js_karray(out, "transported_scopes");
		for (uint32_t i = 0; i < y->scope_count; i++)
			js_str(out, y->scopes[i]);
		js_array_end(out);
	}
	js_knum(out, "traffic_share_score", y->traffic);
	js_knum(out, "bridge_score", y->bridge);
	js_knum(out, "coverage_score", y->coverage);
	js_knum(out, "redundancy_score", y->redundancy);
	js_knum(out, "usefulness_score", y->usefulness);
	js_kstr(out, "usefulness_grade", put_grade(y->usefulness));
}

void
put_node_more(struct json *out, const struct read *r, uint32_t node, int64_t now)
{
	const struct read_node *n = read_node(r, node);
	struct read_relay relay;

	put_node(out, n);
	put_mbcap(out, r, node);
	if (who_is_relay(n) && read_relay(r, node, &relay))
		put_relay(out, &relay, now);
}
