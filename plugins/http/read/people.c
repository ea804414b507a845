/* SPDX-License-Identifier: MIT
 *
 * Rows of nodes, inactive_nodes and observers, from the database or from the bus.
 */
#include "impl.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

int64_t
people_time(const char *text)
{
	int64_t at;

	return when_parse(text, &at, NULL) ? at : READ_NULL;
}

static int64_t
people_int(const struct row *row, const char *column)
{
	int64_t v;

	return row->integer(row->arg, column, &v) ? v : READ_NULL;
}

static bool
people_flag(const struct row *row, const char *column, bool otherwise)
{
	int64_t v;

	return row->integer(row->arg, column, &v) ? v != 0 : otherwise;
}

struct people_text {
	const char *column;
	const char **out;
};

/* All texts of a row in one block, which replaces *block. False: out of memory. */
static bool
people_texts(const struct row *row, const struct people_text *texts, uint32_t count, char **block)
{
	size_t len, size = 0;
	char *fresh, *at;

	for (uint32_t i = 0; i < count; i++)
		if (row->text(row->arg, texts[i].column, &len) != NULL)
			size += len + 1;
	at = fresh = malloc(size + 1);
	if (fresh == NULL)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		const char *text = row->text(row->arg, texts[i].column, &len);

		*texts[i].out = text == NULL ? NULL : at;
		if (text == NULL)
			continue;
		memcpy(at, text, len);
		at[len] = '\0';
		at += len + 1;
	}
	free(*block);
	*block = fresh;
	return true;
}

/* ------------------------------------------------------------------ nodes -- */

static void
people_tell_hops(struct read *r, const struct read_node *n)
{
	struct hops_node now = {
		.lat = n->lat,
		.lon = n->lon,
		.adverts = n->advert_count > 0 ? (uint32_t)n->advert_count : 0,
		.there = n->active,
		.relays = n->role != NULL && hops_role_relays(n->role, strlen(n->role)),
		.has_gps = n->has_lat && n->has_lon && hops_has_gps(n->lat, n->lon),
	};

	(void)hops_nodes_set(&r->hops, n->key, strlen(n->key), &now);
}

static void
people_drop_node(struct read *r, uint32_t i)
{
	struct read_node *n = &r->nodes[i], empty = { .last_seen_s = READ_NULL,
						      .advert_count = READ_NULL,
						      .battery_mv = READ_NULL };

	memcpy(empty.key, n->key, sizeof(empty.key));
	r->sorted_stale |= n->active;
	r->joined_stale |= n->known;
	*n = empty;
	free(r->more[i].texts);
	r->more[i].texts = NULL;
	people_tell_hops(r, n);
}

/* Rows of a set are stable: a node gets one when it is known first, and keeps it. */
static bool
people_give_row(struct read *r, uint32_t node)
{
	if (r->more[node].row != 0)
		return true;
	if (r->row_count == r->row_cap) {
		uint32_t cap = r->row_cap == 0 ? 1024 : r->row_cap * 2;
		uint32_t *rows = realloc(r->rows, cap * sizeof(*rows));

		if (rows == NULL)
			return false;
		r->rows = rows;
		r->row_cap = cap;
	}
	r->rows[r->row_count++] = node;
	r->more[node].row = r->row_count;
	return true;
}

bool
people_set_node(struct read *r, const struct row *row, bool active, bool gone)
{
	size_t len;
	const char *key = row->text(row->arg, "public_key", &len);
	uint32_t i = key == NULL || len > 64 ? READ_NONE : nodes_put(r, key, len);
	struct read_node *n, now;

	if (i == READ_NONE)
		return false;
	n = &r->nodes[i];
	if (gone) {
		people_drop_node(r, i);
		return true;
	}
	now = (struct read_node){ .known = true, .active = active, .hidden = n->hidden };
	memcpy(now.key, n->key, sizeof(now.key));
	if (!people_texts(row,
			  (struct people_text[]){
			      { "name", &now.name },
			      { "role", &now.role },
			      { "first_seen", &now.first_seen },
			      { "last_seen", &now.last_seen },
			      { "default_scope", &now.default_scope },
			      { "multibyte_evidence", &now.multibyte_evidence } },
			  6, &r->more[i].texts))
		return false;
	if (!people_give_row(r, i))
		r->refused++;
	now.last_seen_s = people_time(now.last_seen);
	now.has_lat = row->real(row->arg, "lat", &now.lat);
	now.has_lon = row->real(row->arg, "lon", &now.lon);
	now.has_temperature = row->real(row->arg, "temperature_c", &now.temperature_c);
	now.advert_count = people_int(row, "advert_count");
	now.battery_mv = people_int(row, "battery_mv");
	now.multibyte_sup = (uint8_t)(people_int(row, "multibyte_sup") & 3);
	now.foreign = people_flag(row, "foreign_advert", false);
	r->sorted_stale |= n->active != active;
	r->joined_stale |= !n->known;
	*n = now;
	nodes_hide_one(r, n);
	people_tell_hops(r, n);
	return true;
}

/* -------------------------------------------------------------- observers -- */

uint32_t
people_observer(const struct read *r, int64_t row)
{
	return row >= 0 && row < r->observer_row_cap ? r->observer_rows[row] - 1 : READ_NONE;
}

static bool
people_grow_observers(struct read *r)
{
	uint32_t cap = r->observer_cap == 0 ? 256 : r->observer_cap * 2;
	struct read_observer *observers;
	char **texts;

	if (r->observer_count < r->observer_cap)
		return true;
	observers = realloc(r->observers, cap * sizeof(*observers));
	r->observers = observers != NULL ? observers : r->observers;
	texts = realloc(r->observer_texts, cap * sizeof(*texts));
	r->observer_texts = texts != NULL ? texts : r->observer_texts;
	if (observers == NULL || texts == NULL)
		return false;
	memset(texts + r->observer_cap, 0, (cap - r->observer_cap) * sizeof(*texts));
	r->observer_cap = cap;
	return true;
}

uint32_t
people_put_observer(struct read *r, int64_t row)
{
	uint32_t number = people_observer(r, row);

	if (number != READ_NONE)
		return number;
	if (row < 0 || row >= READ_OBSERVERS_MAX || !people_grow_observers(r)) {
		r->refused++;
		return READ_NONE;
	}
	if (row >= r->observer_row_cap) {
		uint32_t cap = (uint32_t)row + (uint32_t)row / 2 + 64;
		uint32_t *rows = realloc(r->observer_rows, cap * sizeof(*rows));

		if (rows == NULL)
			return READ_NONE;
		memset(rows + r->observer_row_cap, 0, (cap - r->observer_row_cap) * sizeof(*rows));
		r->observer_rows = rows;
		r->observer_row_cap = cap;
	}
	r->observers[r->observer_count] =
	    (struct read_observer){ .idx = row, .id = "", .node = READ_NONE };
	r->observer_rows[row] = ++r->observer_count;
	return r->observer_count - 1;
}

static void
people_region(struct read_observer *o)
{
	const char *s = o->iata == NULL ? "" : o->iata;
	size_t n = 0;

	while (isspace((unsigned char)*s))
		s++;
	for (; s[n] != '\0' && n < sizeof(o->region) - 1; n++)
		o->region[n] = (char)toupper((unsigned char)s[n]);
	while (n > 0 && isspace((unsigned char)o->region[n - 1]))
		n--;
	o->region[n] = '\0';
}

bool
people_set_observer(struct read *r, const struct row *row, bool gone)
{
	struct read_observer now = { .idx = people_int(row, "idx"), .node = READ_NONE };
	uint32_t i = people_put_observer(r, now.idx);

	if (i == READ_NONE ||
	    !people_texts(row,
			  (struct people_text[]){
			      { "id", &now.id },
			      { "name", &now.name },
			      { "iata", &now.iata },
			      { "first_seen", &now.first_seen },
			      { "last_seen", &now.last_seen },
			      { "model", &now.model },
			      { "firmware", &now.firmware },
			      { "client_version", &now.client_version },
			      { "radio", &now.radio },
			      { "last_packet_at", &now.last_packet_at },
			      { "clock_last_naive_at", &now.clock_last_naive_at } },
			  11, &r->observer_texts[i]))
		return false;
	now.id = now.id == NULL ? "" : now.id;
	people_region(&now);
	now.packet_count = people_int(row, "packet_count");
	now.battery_mv = people_int(row, "battery_mv");
	now.uptime_secs = people_int(row, "uptime_secs");
	now.clock_skew_seconds = people_int(row, "clock_skew_seconds");
	now.clock_skew_count_24h = people_int(row, "clock_skew_count_24h");
	now.has_noise_floor = row->real(row->arg, "noise_floor", &now.noise_floor);
	now.inactive = gone || people_flag(row, "inactive", false);
	now.can_relay = people_flag(row, "can_relay", true);
	now.can_relay_seen = people_flag(row, "can_relay_seen", false);
	r->observers[i] = now;
	r->joined_stale = true;
	nodes_hide_observer(r, &r->observers[i]);
	if (now.id[0] != '\0' && nodes_put(r, now.id, strlen(now.id)) != READ_NONE)
		(void)hops_nodes_set_listener(&r->hops, now.id, strlen(now.id),
					      !now.can_relay && !now.inactive);
	return true;
}

void
people_clear(struct read *r)
{
	for (uint32_t i = 0; i < r->node_count; i++)
		people_drop_node(r, i);
	for (uint32_t i = 0; i < r->observer_count; i++) {
		struct read_observer *o = &r->observers[i];

		*o = (struct read_observer){
			.idx = o->idx, .id = "", .inactive = true, .hidden = true, .node = READ_NONE
		};
		free(r->observer_texts[i]);
		r->observer_texts[i] = NULL;
	}
	hops_nodes_clear(&r->hops);
}

void
people_fini(struct read *r)
{
	for (uint32_t i = 0; i < r->observer_count; i++)
		free(r->observer_texts[i]);
	free(r->observers);
	free(r->observer_texts);
	free(r->observer_rows);
	free(r->rows);
}

/* ---------------------------------------------------------------- reading -- */

uint32_t
read_observer_count(const struct read *r)
{
	return r->observer_count;
}

const struct read_observer *
read_observer(const struct read *r, uint32_t observer)
{
	return observer < r->observer_count ? &r->observers[observer] : NULL;
}

uint32_t
read_observer_find(const struct read *r, const char *id, size_t len)
{
	for (uint32_t i = 0; i < r->observer_count; i++) {
		const char *there = r->observers[i].id;

		if (strncmp(there, id, len) == 0 && there[len] == '\0' && len > 0)
			return i;
	}
	return READ_NONE;
}
