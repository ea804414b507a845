/* SPDX-License-Identifier: MIT */
#include "coverage_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "grow.h"

#define EVERY_S 10
#define HANGS_S 300 /* a reading that has not ended by then never will */

static mk_result
coverage_create(struct frame *f, void **self)
{
	struct coverage *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return MK_ENOMEM;
	c->frame = f;
	c->last = INT64_MIN;
	*self = c;
	return MK_OK;
}

static void
coverage_destroy(void *self)
{
	struct coverage *c = self;

	if (c->reading != NULL)
		receptions_drop(c->reading);
	for (uint32_t i = 0; i < c->name_cap; i++)
		free(c->names[i]);
	free(c->names);
	free(c->at);
	free(c);
}

static size_t
coverage_bytes(const void *self)
{
	const struct coverage *c = self;

	return sizeof(*c) + c->cap * sizeof(*c->at) + c->name_cap * sizeof(*c->names);
}

uint32_t
coverage_heard(struct coverage *c, uint32_t heard)
{
	const struct hops_candidate *found;

	if ((heard & COVERAGE_NODE) == 0 &&
	    hops_token_candidates(&c->frame->nodes, heard, &found) == 1)
		return COVERAGE_NODE | found->id;
	return heard;
}

static void
coverage_put(struct coverage *c, const struct reception_row *row)
{
	struct hops_ids *ids = &c->frame->nodes.ids;
	size_t len = strlen(row->heard);
	struct reception r = { .at = row->at,
			       .lat = row->lat,
			       .lon = row->lon,
			       .snr = (float)row->snr,
			       .has_snr = row->has_snr && isfinite(row->snr) };
	uint32_t id;

	if (!(fabs(row->lat) <= 90 && fabs(row->lon) <= 180))
		return;
	r.client = hops_ids_put(ids, row->client, strlen(row->client));
	r.heard = len == 4 || len == 6 ? hops_token_read(row->heard, len) : 0;
	if (len == 64 && (id = hops_ids_put(ids, row->heard, len)) != HOPS_NONE)
		r.heard = COVERAGE_NODE | id;
	if (r.client == HOPS_NONE || r.heard == 0) {
		c->refused++;
		return;
	}
	if (c->count - c->begin == COVERAGE_MAX)
		c->begin++;
	if (c->count == c->cap && c->begin > c->cap / 4) {
		c->count -= c->begin;
		memmove(c->at, c->at + c->begin, c->count * sizeof(*c->at));
		c->begin = 0;
	}
	if (!grow_to(&c->at, &c->cap, c->count + 1, sizeof(*c->at)))
		c->refused++;
	else
		c->at[c->count++] = r;
}

static void
coverage_name(struct coverage *c, const struct client_row *row)
{
	uint32_t id = hops_ids_put(&c->frame->nodes.ids, row->key, strlen(row->key));
	size_t len = strlen(row->name) + 1;
	char *name;

	if (id == HOPS_NONE || !grow_to(&c->names, &c->name_cap, id + 1, sizeof(*c->names)) ||
	    (name = malloc(len)) == NULL)
		return;
	memcpy(name, row->name, len);
	free(c->names[id]);
	c->names[id] = name;
}

void
coverage_take(void *self, const struct receptions_chunk *chunk)
{
	struct coverage *c = self;

	for (uint32_t i = 0; i < chunk->count; i++) {
		c->last = chunk->rows[i].id;
		if (chunk->rows[i].client != NULL)
			coverage_put(c, &chunk->rows[i]);
	}
	for (uint32_t i = 0; i < chunk->client_count; i++)
		coverage_name(c, &chunk->clients[i]);
	if (chunk->end && c->reading != NULL) {
		receptions_drop(c->reading);
		c->reading = NULL;
	}
}

static void
coverage_on_tick(void *self, int64_t now)
{
	struct coverage *c = self;
	const char *path = c->frame->database;

	if (c->reading != NULL && now - c->asked > HANGS_S) {
		receptions_drop(c->reading);
		c->reading = NULL;
	}
	if (c->reading != NULL || path == NULL || path[0] == '\0' || now - c->asked < EVERY_S)
		return;
	c->asked = now;
	if (receptions_read(&c->reading, c->frame->host, path, c->last, COVERAGE_MAX, coverage_take,
			    c) != MK_OK)
		c->reading = NULL;
}

static void
coverage_on_live(void *self)
{
	struct coverage *c = self;

	coverage_on_tick(c, (int64_t)(c->frame->host->wall_us(c->frame->host) / 1000000));
}

const struct an_module coverage_module = {
	.name = "coverage",
	.create = coverage_create,
	.destroy = coverage_destroy,
	.on_live = coverage_on_live,
	.on_tick = coverage_on_tick,
	.bytes = coverage_bytes,
	.methods = coverage_methods,
};
