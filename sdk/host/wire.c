/* SPDX-License-Identifier: MIT */
#include "wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <meshkern/codec.h>

#define WIRE_KEEP (512u << 10)

static uint8_t *
wire_room(struct wire_out *w, size_t n)
{
	uint8_t *data;
	size_t cap = w->cap == 0 ? 4096 : w->cap;

	if (w->failed)
		return NULL;
	while (cap - w->len < n)
		cap *= 2;
	if (cap != w->cap) {
		data = realloc(w->data, cap);
		if (data == NULL) {
			w->failed = true;
			return NULL;
		}
		w->data = data;
		w->cap = cap;
	}
	w->len += n;
	return w->data + w->len - n;
}

static void
wire_store(uint8_t *p, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t
wire_load(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

static void
wire_int(struct wire_out *w, uint64_t v, size_t n)
{
	uint8_t *p = wire_room(w, n);

	if (p != NULL)
		wire_store(p, v, n);
}

void
wire_begin(struct wire_out *w, uint8_t kind)
{
	w->failed = false;
	w->start = w->len;
	wire_int(w, 0, 4);
	wire_int(w, kind, 1);
}

void
wire_u8(struct wire_out *w, uint8_t v)
{
	wire_int(w, v, 1);
}

void
wire_u32(struct wire_out *w, uint32_t v)
{
	wire_int(w, v, 4);
}

void
wire_u64(struct wire_out *w, uint64_t v)
{
	wire_int(w, v, 8);
}

void
wire_str(struct wire_out *w, const char *s)
{
	size_t len = strlen(s);
	uint8_t *p;

	if (len > 255)
		len = 255;
	p = wire_room(w, len + 2);
	if (p == NULL)
		return;
	p[0] = (uint8_t)len;
	memcpy(p + 1, s, len);
	p[1 + len] = 0;
}

void
wire_rest(struct wire_out *w, const void *data, size_t len)
{
	uint8_t *p = wire_room(w, len);

	if (p != NULL && len > 0)
		memcpy(p, data, len);
}

bool
wire_end(struct wire_out *w)
{
	if (w->failed) {
		w->len = w->start;
		return false;
	}
	wire_store(w->data + w->start, w->len - w->start - 4, 4);
	return true;
}

bool
wire_numbers(struct wire_out *w, uint8_t kind, uint32_t count, const uint64_t *numbers)
{
	wire_begin(w, kind);
	for (uint32_t i = 0; i < count; i++)
		wire_u64(w, numbers[i]);
	return wire_end(w);
}

void
wire_msg(struct wire_out *w, const struct wire_msg *m)
{
	wire_begin(w, WIRE_MSG);
	wire_u64(w, m->order);
	wire_u64(w, m->epoch);
	wire_u64(w, m->seq);
	wire_u64(w, m->time_us);
	wire_u64(w, m->origin_seq);
	wire_u64(w, m->origin_first);
	wire_u32(w, m->flags);
	wire_u32(w, m->schema);
	wire_str(w, m->topic);
	wire_str(w, m->origin);
	wire_rest(w, m->body, m->len);
	wire_end(w);
}

void
wire_drop(struct wire_out *w, size_t len)
{
	memmove(w->data, w->data + len, w->len - len);
	w->len -= len;
}

void
wire_clear(struct wire_out *w)
{
	w->len = 0;
	if (w->cap > WIRE_KEEP)
		wire_fini(w);
}

void
wire_fini(struct wire_out *w)
{
	free(w->data);
	*w = (struct wire_out){ 0 };
}

static const uint8_t *
wire_take(struct wire_in *r, size_t n)
{
	const uint8_t *p = r->p;

	if (r->bad || (size_t)(r->end - r->p) < n) {
		r->bad = true;
		return NULL;
	}
	r->p += n;
	return p;
}

static uint64_t
wire_get_int(struct wire_in *r, size_t n)
{
	const uint8_t *p = wire_take(r, n);

	return p == NULL ? 0 : wire_load(p, n);
}

bool
wire_next(struct wire_in *bundle, uint8_t *kind, struct wire_in *record)
{
	uint32_t len;
	const uint8_t *p;

	if (bundle->bad || bundle->p == bundle->end)
		return false;
	len = wire_get_u32(bundle);
	p = wire_take(bundle, len);
	if (p == NULL || len == 0) {
		bundle->bad = true;
		return false;
	}
	*kind = *p;
	*record = (struct wire_in){ .p = p + 1, .end = p + len };
	return true;
}

uint8_t
wire_get_u8(struct wire_in *r)
{
	return (uint8_t)wire_get_int(r, 1);
}

uint32_t
wire_get_u32(struct wire_in *r)
{
	return (uint32_t)wire_get_int(r, 4);
}

uint64_t
wire_get_u64(struct wire_in *r)
{
	return wire_get_int(r, 8);
}

const char *
wire_get_str(struct wire_in *r)
{
	size_t len = wire_get_u8(r);
	const uint8_t *p = wire_take(r, len + 1);

	if (p == NULL)
		return "";
	if (p[len] != 0 || memchr(p, 0, len) != NULL) {
		r->bad = true;
		return "";
	}
	return (const char *)p;
}

const uint8_t *
wire_get_rest(struct wire_in *r, uint32_t *len)
{
	size_t n = r->bad ? 0 : (size_t)(r->end - r->p);
	const uint8_t *p = wire_take(r, n);

	*len = (uint32_t)n;
	return p;
}

bool
wire_get_msg(struct wire_in *r, struct wire_msg *m)
{
	m->order = wire_get_u64(r);
	m->epoch = wire_get_u64(r);
	m->seq = wire_get_u64(r);
	m->time_us = wire_get_u64(r);
	m->origin_seq = wire_get_u64(r);
	m->origin_first = wire_get_u64(r);
	m->flags = wire_get_u32(r);
	m->schema = wire_get_u32(r);
	m->topic = wire_get_str(r);
	m->origin = wire_get_str(r);
	m->body = wire_get_rest(r, &m->len);
	return !r->bad;
}

void
wire_get_text(struct wire_in *r, char *text, size_t cap)
{
	uint32_t len;
	const uint8_t *p = wire_get_rest(r, &len);

	snprintf(text, cap, "%.*s", (int)len, p != NULL ? (const char *)p : "");
	wire_clean(text);
}

void
wire_clean(char *text)
{
	while (*text != '\0') {
		size_t len = 1;

		while (len < 4 && text[len] != '\0' && !mk_utf8_valid(text, len))
			len++;
		if (!mk_utf8_valid(text, len) || (uint8_t)*text < 0x20 || *text == 0x7f) {
			*text = '?';
			len = 1;
		}
		text += len;
	}
}

bool
wire_name_valid(const char *name)
{
	size_t len = strlen(name);

	return len <= MK_ID_MAX && name[0] >= 'a' && name[0] <= 'z' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == len;
}
