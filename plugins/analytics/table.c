/* SPDX-License-Identifier: MIT */
#include "table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "packed.h"
#include "view.h"

#define SHIFTS_MAX 4096u /* places that a late packet is moved; beyond, all are sorted anew */

struct an_packet *
table_at(const struct frame *f, uint32_t slot)
{
	return &f->blocks[slot / FRAME_BLOCK][slot % FRAME_BLOCK];
}

/* ----------------------------------------------------------------- index -- */

static uint32_t
table_probe(const struct frame *f, uint64_t tx)
{
	uint32_t mask = f->index_size - 1, i = (uint32_t)hops_mix(tx) & mask;

	while (f->index[i] != 0 && table_at(f, f->index[i] - 1)->tx != tx)
		i = (i + 1) & mask;
	return i;
}

static bool
table_grow_index(struct frame *f)
{
	uint32_t *old = f->index, size = f->index_size, n = size == 0 ? 4096 : size * 2;

	if (size > 0 && f->packet_count < size / 4 * 3)
		return true;
	f->index = calloc(n, sizeof(*f->index));
	if (f->index == NULL) {
		f->index = old;
		return false;
	}
	f->index_size = n;
	for (uint32_t i = 0; i < size; i++) {
		if (old[i] != 0)
			f->index[table_probe(f, table_at(f, old[i] - 1)->tx)] = old[i];
	}
	free(old);
	return true;
}

/* Open addressing without marks for what is gone: what follows in the chain moves up. */
static void
table_unindex(struct frame *f, uint64_t tx)
{
	uint32_t mask = f->index_size - 1, hole = table_probe(f, tx), i = hole;

	while (f->index[i = (i + 1) & mask] != 0) {
		uint32_t home = (uint32_t)hops_mix(table_at(f, f->index[i] - 1)->tx) & mask;

		if (((i - home) & mask) >= ((i - hole) & mask)) {
			f->index[hole] = f->index[i];
			hole = i;
		}
	}
	f->index[hole] = 0;
}

struct an_packet *
table_find(const struct frame *f, uint64_t tx)
{
	uint32_t i;

	if (f->index_size == 0)
		return NULL;
	i = table_probe(f, tx);
	return f->index[i] == 0 ? NULL : table_at(f, f->index[i] - 1);
}

/* ----------------------------------------------------------------- lists -- */

static bool
table_push(uint32_t **list, uint32_t *count, uint32_t *cap, uint32_t value)
{
	if (*count == *cap) {
		uint32_t n = *cap == 0 ? 1024 : *cap + *cap / 2;
		uint32_t *grown = realloc(*list, n * sizeof(*grown));

		if (grown == NULL)
			return false;
		*list = grown;
		*cap = n;
	}
	(*list)[(*count)++] = value;
	return true;
}

static bool
table_slot(struct frame *f, uint32_t *slot)
{
	struct an_packet **blocks;

	if (f->free_count > 0) {
		*slot = f->free_slots[--f->free_count];
		return true;
	}
	if (f->slot_count == f->block_count * FRAME_BLOCK) {
		blocks = realloc(f->blocks, (f->block_count + 1) * sizeof(struct an_packet *));
		if (blocks == NULL)
			return false;
		f->blocks = blocks;
		blocks[f->block_count] = calloc(FRAME_BLOCK, sizeof(struct an_packet));
		if (blocks[f->block_count] == NULL)
			return false;
		f->block_count++;
	}
	*slot = f->slot_count++;
	return true;
}

/* -1, 0, 1: by time, then by row, so that the order does not depend on arrival. */
static int
table_compare(const struct an_packet *a, const struct an_packet *b)
{
	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	return (a->tx > b->tx) - (a->tx < b->tx);
}

/* Packets come nearly in order: the new one is moved forward past the few that are younger. */
static void
table_settle(struct frame *f)
{
	uint32_t *order = f->order, i = f->order_count - 1, moved = 0;
	const struct an_packet *p = table_at(f, order[i]);

	for (; i > f->order_start && moved < SHIFTS_MAX; i--, moved++) {
		uint32_t before = order[i - 1];

		if (table_compare(table_at(f, before), p) <= 0)
			return;
		order[i - 1] = order[i];
		order[i] = before;
	}
	f->unsorted |= i > f->order_start;
}

struct table_key {
	uint32_t first, slot;
	uint64_t tx;
};

static int
table_key_compare(const void *a, const void *b)
{
	const struct table_key *x = a, *y = b;

	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return (x->tx > y->tx) - (x->tx < y->tx);
}

void
table_sort(struct frame *f)
{
	uint32_t n = f->order_count - f->order_start;
	struct table_key *keys;

	if (!f->unsorted)
		return;
	keys = malloc((n + 1) * sizeof(*keys));
	if (keys == NULL)
		return; /* windows are wrong at their edges until there is memory again */
	for (uint32_t i = 0; i < n; i++) {
		const struct an_packet *p = table_at(f, f->order[f->order_start + i]);

		keys[i] = (struct table_key){ p->first, p->slot, p->tx };
	}
	qsort(keys, n, sizeof(*keys), table_key_compare);
	for (uint32_t i = 0; i < n; i++)
		f->order[f->order_start + i] = keys[i].slot;
	free(keys);
	f->unsorted = false;
}

uint32_t
table_lower(const struct frame *f, int64_t at)
{
	uint32_t low = f->order_start, high = f->order_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if ((int64_t)table_at(f, f->order[middle])->first < at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* --------------------------------------------------------------- packing -- */

/* Four at a time: most packets have few copies. */
static size_t
table_heard_bytes(uint32_t count)
{
	return (count / 4 + 1) * 4 * sizeof(struct an_heard);
}

const struct an_packet *
table_whole(struct frame *f, const struct an_packet *p)
{
	if (!p->packed)
		return p;
	if (!grow_to(&f->whole_heard, &f->whole_cap, p->heard_count, sizeof(*f->whole_heard)))
		return NULL;
	f->whole = *p;
	f->whole.hops = f->whole_hops;
	f->whole.heard = f->whole_heard;
	f->whole.packed = false;
	packed_read(p, f->whole_hops, f->whole_heard);
	return &f->whole;
}

static void
table_pack(struct frame *f, struct an_packet *p)
{
	uint8_t *block;
	size_t len;

	if (p->packed || p->heard_count == 0)
		return;
	len = packed_length(p);
	block = malloc(len);
	if (block == NULL)
		return;
	packed_write(p, block);
	free(p->hops);
	free(p->heard);
	p->hops = (uint32_t *)(void *)block;
	p->heard = NULL;
	p->packed = true;
	f->packed_bytes += grow_room(len);
}

/* The oldest one that is plain is packed if there are too many. */
static void
table_is_plain(struct frame *f, uint32_t slot)
{
	if (f->plain == NULL)
		f->plain = calloc(TABLE_PLAIN, sizeof(*f->plain));
	if (f->plain == NULL)
		return;
	if (f->plain_count == TABLE_PLAIN) {
		table_pack(f, table_at(f, f->plain[f->plain_at]));
		f->plain_at = (f->plain_at + 1) % TABLE_PLAIN;
		f->plain_count--;
	}
	f->plain[(f->plain_at + f->plain_count++) % TABLE_PLAIN] = slot;
}

static mk_result
table_unpack(struct frame *f, struct an_packet *p)
{
	uint32_t *hops = malloc((p->hop_count + p->more_count + 1u) * sizeof(*hops));
	struct an_heard *heard = malloc(table_heard_bytes(p->heard_count));

	if (hops == NULL || heard == NULL) {
		free(hops);
		free(heard);
		return MK_ENOMEM;
	}
	/* First, because its place may be in the ring already, of an earlier packet. */
	table_is_plain(f, p->slot);
	f->packed_bytes -= grow_room(packed_read(p, hops, heard));
	free(p->hops);
	p->hops = hops;
	p->heard = heard;
	p->packed = false;
	return MK_OK;
}

/* --------------------------------------------------------------- packets -- */

struct an_packet *
table_put(struct frame *f, uint64_t tx, int64_t first)
{
	struct an_packet *p;
	uint32_t slot;

	if (!table_grow_index(f) || !table_slot(f, &slot))
		return NULL;
	p = table_at(f, slot);
	*p = (struct an_packet){ .tx = tx,
				 .slot = slot,
				 .first = (uint32_t)first,
				 .last = (uint32_t)first,
				 .from = HOPS_NONE,
				 .shown = AN_NO_OBSERVER,
				 .snr = AN_NO_SNR,
				 .rssi = AN_NO_RSSI };
	if (!table_push(&f->order, &f->order_count, &f->order_cap, slot)) {
		table_push(&f->free_slots, &f->free_count, &f->free_cap, slot);
		return NULL;
	}
	f->index[table_probe(f, tx)] = slot + 1;
	f->packet_count++;
	table_settle(f);
	table_is_plain(f, slot);
	f->newest = first > f->newest ? first : f->newest;
	table_touch(f, p);
	return p;
}

void
table_touch(struct frame *f, struct an_packet *p)
{
	f->version++;
	if (p->counted)
		frame_fold(f, p, -1);
	if (p->waits)
		return;
	p->waits = table_push(&f->waiting, &f->waiting_count, &f->waiting_cap, p->slot);
	if (!p->waits)
		f->counts.refused++;
}

void
table_earlier(struct frame *f, struct an_packet *p, int64_t first)
{
	if (first < 0 || first >= (int64_t)p->first)
		return;
	table_touch(f, p);
	p->first = (uint32_t)first;
	f->unsorted = true;
}

/* Quarters of a dB, whole dBm: what radios measure. What is off that grid goes to the nearest. */
static int8_t
table_snr(const struct hops_obs *o)
{
	float v = roundf(o->snr * 4);

	return !o->has_snr || !(v > -1e6f && v < 1e6f) ? AN_NO_SNR
	       : v < -127                              ? -127
	       : v > 127                               ? 127
						       : (int8_t)v;
}

static uint8_t
table_rssi(const struct hops_obs *o)
{
	float v = roundf(-o->rssi);

	return !o->has_rssi || !(v > -1e6f && v < 1e6f) ? AN_NO_RSSI
	       : v < 0                                  ? 0
	       : v > 254                                ? 254
							: (uint8_t)v;
}

static bool
table_has_hop(const uint32_t *hops, uint32_t count, uint32_t token)
{
	for (uint32_t i = 0; i < count; i++) {
		if (hops[i] == token)
			return true;
	}
	return false;
}

/* `shown` hops first, then what only others have. */
static mk_result
table_set_hops(struct an_packet *p, const uint32_t *shown, uint32_t count, const uint32_t *others,
	       uint32_t other_count)
{
	uint32_t hops[HOPS_PATH_MAX + UINT8_MAX + 1], n = count, *made;

	if (count > 0)
		memcpy(hops, shown, count * sizeof(*hops));
	for (uint32_t i = 0; i < other_count && n - count < UINT8_MAX; i++) {
		if (!table_has_hop(hops, n, others[i]))
			hops[n++] = others[i];
	}
	if (n > 0) {
		made = realloc(p->hops, n * sizeof(*made));
		if (made == NULL)
			return MK_ENOMEM;
		memcpy(made, hops, n * sizeof(*made));
		p->hops = made;
	}
	p->hop_count = (uint8_t)count;
	p->more_count = (uint8_t)(n - count);
	return MK_OK;
}

/* A copy with more hops is shown from now on; of another one only hops that are new are kept. */
static mk_result
table_show(struct an_packet *p, const struct hops_obs *o)
{
	uint32_t old[HOPS_PATH_MAX + UINT8_MAX + 1], n = (uint32_t)p->hop_count + p->more_count;
	const struct an_heard *h = &p->heard[p->heard_count - 1];
	bool fresh = false;

	if (n > 0)
		memcpy(old, p->hops, n * sizeof(*old));
	if (p->heard_count == 1 || o->count > p->hop_count) {
		p->shown = h->observer;
		p->snr = h->snr;
		p->rssi = h->rssi;
		return table_set_hops(p, o->hops, o->count, old, n);
	}
	for (uint32_t i = 0; i < o->count && !fresh; i++)
		fresh = !table_has_hop(old, n, o->hops[i]);
	if (!fresh)
		return MK_OK;
	memcpy(old + n, o->hops,
	       (o->count < UINT8_MAX + 1 - p->more_count ? o->count : 0) * sizeof(*old));
	n += o->count < UINT8_MAX + 1 - p->more_count ? o->count : 0;
	return table_set_hops(p, old, p->hop_count, old + p->hop_count, n - p->hop_count);
}

mk_result
table_hear(struct frame *f, struct an_packet *p, const struct hops_obs *o, uint16_t observer)
{
	struct an_heard *heard;

	if (p->heard_count == UINT16_MAX)
		return MK_EFULL;
	if (p->packed && table_unpack(f, p) != MK_OK)
		return MK_ENOMEM;
	if (p->heard_count % 4 == 0) {
		heard = realloc(p->heard, table_heard_bytes(p->heard_count));
		if (heard == NULL)
			return MK_ENOMEM;
		p->heard = heard;
	}
	p->heard[p->heard_count++] = (struct an_heard){ observer, table_snr(o), table_rssi(o) };
	p->last = o->at > (int64_t)p->last && o->at <= UINT32_MAX ? (uint32_t)o->at : p->last;
	return table_show(p, o);
}

static void
table_drop(struct frame *f, struct an_packet *p)
{
	if (p->counted)
		frame_fold(f, p, -1);
	for (uint32_t i = 0; i < f->module_count; i++) {
		if (f->modules[i].class->on_gone != NULL)
			f->modules[i].class->on_gone(f->modules[i].self, p);
	}
	table_unindex(f, p->tx);
	if (p->packed && table_whole(f, p) != NULL)
		f->packed_bytes -= grow_room(packed_read(p, f->whole_hops, f->whole_heard));
	free(p->hops);
	free(p->heard);
	p->hops = NULL;
	p->heard = NULL;
	p->counted = p->waits = p->packed = false;
	p->hop_count = p->more_count = 0;
	p->heard_count = 0;
	f->packet_count--;
	f->counts.gone++;
	f->version++;
	table_push(&f->free_slots, &f->free_count, &f->free_cap, p->slot);
}

void
table_expire(struct frame *f)
{
	/* A slot that waits and is given to another packet would be counted before its time. */
	frame_flush(f);
	table_sort(f);
	while (f->order_start < f->order_count) {
		struct an_packet *p = table_at(f, f->order[f->order_start]);

		if ((int64_t)p->first >= f->newest - f->keep && f->packet_count <= f->max_packets)
			break;
		f->order_start++;
		table_drop(f, p);
	}
	if (f->order_start > 4096 && f->order_start > f->order_count / 2) {
		f->order_count -= f->order_start;
		memmove(f->order, f->order + f->order_start, f->order_count * sizeof(*f->order));
		f->order_start = 0;
	}
}

void
table_clear(struct frame *f)
{
	for (uint32_t i = 0; i < f->slot_count; i++) {
		free(table_at(f, i)->hops);
		free(table_at(f, i)->heard);
	}
	for (uint32_t i = 0; i < f->block_count; i++)
		free(f->blocks[i]);
	free(f->blocks);
	free(f->free_slots);
	free(f->index);
	free(f->order);
	free(f->waiting);
	free(f->plain);
	f->blocks = NULL;
	f->free_slots = f->index = f->order = f->waiting = NULL;
	f->block_count = f->slot_count = f->free_count = f->free_cap = f->index_size = 0;
	f->packet_count = f->order_start = f->order_count = f->order_cap = 0;
	f->waiting_count = f->waiting_cap = f->plain_at = f->plain_count = 0;
	f->packed_bytes = 0;
	f->plain = NULL;
	f->unsorted = false;
	f->newest = 0;
	f->cursor = 0;
	f->version++;
}

size_t
table_bytes(const struct frame *f)
{
	size_t bytes =
	    f->block_count * FRAME_BLOCK * sizeof(struct an_packet) + f->packed_bytes +
	    f->whole_cap * sizeof(*f->whole_heard) +
	    (f->index_size + f->free_cap + f->order_cap + f->waiting_cap + f->plain_count) *
		sizeof(uint32_t);

	for (uint32_t i = 0; i < f->plain_count; i++) {
		const struct an_packet *p = table_at(f, f->plain[(f->plain_at + i) % TABLE_PLAIN]);

		if (!p->packed && p->heard_count > 0)
			bytes +=
			    grow_room((size_t)(p->hop_count + p->more_count) * sizeof(*p->hops)) +
			    grow_room(table_heard_bytes(p->heard_count - 1u));
	}
	return bytes;
}
