/* SPDX-License-Identifier: MIT
 *
 * channels: how much is said where, by whom and when. A channel is its hash byte; it has the name
 * that most of its readable messages have.
 */
#include "channels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "bag.h"
#include "modules.h"
#include "render.h"
#include "top.h"

#define TYPE_GROUP 5
#define SENDERS 15u
#define LENGTHS_MAX 10000u
#define EPOCH 1000000000 /* times are counted from here, in 32 bits */
#define SEPARATOR '\x1f'

enum channels_kind {
	CHANNELS_MESSAGES = 1,
	CHANNELS_LAST,
	CHANNELS_BOTH, /* channel and sender */
	CHANNELS_SENDER,
	CHANNELS_HOUR,
	CHANNELS_LENGTH
};

struct channels_counts {
	struct bag bag;
};

struct channels {
	struct frame *frame;
};

/* ---------------------------------------------------------------- names -- */

bool
channel_fits(const char *name, const char *hash)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	char whole[132], text[8];
	unsigned len;

	snprintf(whole, sizeof(whole), "%s%s", name[0] == '#' ? "" : "#", name);
	if (EVP_Digest(whole, strlen(whole), digest, &len, EVP_sha256(), NULL) != 1 ||
	    EVP_Digest(digest, 16, digest, &len, EVP_sha256(), NULL) != 1)
		return false;
	snprintf(text, sizeof(text), "%u", digest[0]);
	return strcmp(text, hash) == 0;
}

static const char *
channel_text(const json_t *object, const char *field)
{
	const char *s = json_string_value(json_object_get(object, field));

	return s == NULL ? "" : s;
}

/* Where the byte is 0, old rows have it in hexadecimal only. */
static void
channel_hash(struct channel_message *m, const json_t *object, const char *column, size_t len)
{
	const json_t *hash = json_object_get(object, "channelHash");

	if (json_is_number(hash))
		snprintf(m->hash, sizeof(m->hash), "%.0f", json_number_value(hash));
	else if (json_is_string(hash) && json_string_length(hash) > 0)
		snprintf(m->hash, sizeof(m->hash), "%s", json_string_value(hash));
	else if (strcmp(channel_text(object, "channelHashHex"), "00") == 0)
		snprintf(m->hash, sizeof(m->hash), "0");
	else if (column != NULL && len > 0)
		snprintf(m->hash, sizeof(m->hash), "%.*s", (int)(len < 23 ? len : 23), column);
	else
		snprintf(m->hash, sizeof(m->hash), "?");
}

void
channel_read(struct channel_message *m, const json_t *object, const char *column, size_t len)
{
	const char *name = channel_text(object, "channel");
	char none[32];

	*m = (struct channel_message){ .sender = channel_text(object, "sender"),
				       .text = channel_text(object, "text") };
	channel_hash(m, object, column, len);
	snprintf(none, sizeof(none), "ch%s", m->hash);
	m->encrypted = m->sender[0] == '\0' && m->text[0] == '\0';
	m->named = name[0] != '\0' && strcmp(name, none) != 0;
	if (m->named && strcmp(channel_text(object, "decryptionStatus"), "decrypted") != 0 &&
	    !channel_fits(name, m->hash)) {
		m->named = false;
		m->encrypted = true;
	}
	snprintf(m->name, sizeof(m->name), "%s", m->named ? name : none);
}

/* ---------------------------------------------------------------- counts -- */

/* Of a packet are kept the numbers of its sender, and of what is said of its channel:
 * "hash", "name", and "e" or "r" for encrypted or readable. */
static void
channels_on_packet(void *self, struct an_packet *p, const struct an_news *news)
{
	struct frame *f = ((struct channels *)self)->frame;
	struct channel_message m;
	char text[sizeof(m.hash) + sizeof(m.name) + 4];
	size_t len;

	if (p->type != TYPE_GROUP)
		return;
	channel_read(&m, frame_json(f, news), news->channel, news->channel_len);
	len = (size_t)snprintf(text, sizeof(text), "%s%c%s%c%c%c", m.hash, SEPARATOR, m.name,
			       SEPARATOR, m.encrypted ? 'e' : 'r', m.named ? 'n' : '-');
	p->channel = frame_text(f, &f->channels, text, len);
	if (m.sender[0] != '\0')
		p->sender = frame_text(f, &f->senders, m.sender, strlen(m.sender));
	len = strlen(m.text);
	p->text = len > UINT16_MAX ? UINT16_MAX : (uint16_t)len;
}

static uint64_t
channels_key(enum channels_kind kind, uint32_t a, uint32_t b)
{
	return (uint64_t)kind << 56 | (uint64_t)a << 24 | b;
}

static bool
channels_add(void *counts, const struct view *view, const struct an_packet *p, int sign)
{
	struct bag *bag = &((struct channels_counts *)counts)->bag;
	bool ok;

	(void)view;
	if (p->channel == 0)
		return true;
	ok = bag_add(bag, channels_key(CHANNELS_MESSAGES, p->channel, 0), sign) &&
	     bag_add(bag, channels_key(CHANNELS_HOUR, p->first / 3600, p->channel), sign) &&
	     bag_raise(bag, channels_key(CHANNELS_LAST, p->channel, 0), (int64_t)p->first - EPOCH);
	if (p->sender != 0)
		ok &= bag_add(bag, channels_key(CHANNELS_BOTH, p->channel, p->sender), sign) &&
		      bag_add(bag, channels_key(CHANNELS_SENDER, p->sender, 0), sign);
	if (p->text != 0)
		ok &= bag_add(bag, channels_key(CHANNELS_LENGTH, p->text, 0), sign);
	return ok;
}

static void
channels_fini(void *counts)
{
	bag_fini(&((struct channels_counts *)counts)->bag);
}

static size_t
channels_bytes(const void *counts)
{
	return bag_bytes(&((const struct channels_counts *)counts)->bag);
}

static const struct view_class channels_class = {
	.name = "channels",
	.size = sizeof(struct channels_counts),
	.add = channels_add,
	.fini = channels_fini,
	.bytes = channels_bytes,
};

/* ---------------------------------------------------------------- answer -- */

struct channel {
	const char *hash, *name;
	size_t hash_len, name_len;
	bool named, encrypted;
	int64_t messages, last, best; /* best: messages that have this name */
	struct bag senders;
};

struct channels_reading {
	const struct frame *f;
	struct bag_item *items;
	uint32_t count;
	uint16_t *of; /* by number of f->channels: which of the list + 1 */
	struct channel *list;
	uint32_t channels;
};

/* What was kept of a packet, taken apart. */
static void
channel_split(struct channel *c, const char *text)
{
	const char *name = strchr(text, SEPARATOR), *flags = strrchr(text, SEPARATOR);

	*c = (struct channel){ .hash = text,
			       .hash_len = (size_t)(name - text),
			       .name = name + 1,
			       .name_len = (size_t)(flags - name - 1),
			       .encrypted = flags[1] == 'e',
			       .named = flags[2] == 'n' };
}

static void
channels_meet(struct channels_reading *r, uint16_t number, int64_t messages)
{
	struct channel one, *c = NULL;

	channel_split(&one, r->f->channels.text[number]);
	for (uint32_t i = 0; i < r->channels && c == NULL; i++) {
		if (r->list[i].hash_len == one.hash_len &&
		    memcmp(r->list[i].hash, one.hash, one.hash_len) == 0)
			c = &r->list[i];
	}
	if (c == NULL) {
		c = &r->list[r->channels++];
		*c = one;
	}
	r->of[number] = (uint16_t)(c - r->list + 1);
	c->encrypted &= one.encrypted;
	c->messages += messages;
	if ((one.named && !c->named) || (one.named == c->named && messages > c->best)) {
		c->name = one.name;
		c->name_len = one.name_len;
		c->named = one.named;
		c->best = messages;
	}
}

/* Messages come first in the order of kinds, so it is known which channels there are. */
static void
channels_add_to(struct channels_reading *r, const struct bag_item *item, uint16_t number)
{
	struct channel *c = r->of[number] == 0 ? NULL : &r->list[r->of[number] - 1];

	if (c == NULL)
		return;
	if (item->key >> 56 == CHANNELS_BOTH)
		bag_add(&c->senders, item->key & 0xffffff, item->n);
	else if (item->n + EPOCH > c->last)
		c->last = item->n + EPOCH;
}

static bool
channels_gather(struct channels_reading *r, const struct channels_counts *counts)
{
	r->items = bag_sorted(&counts->bag, &r->count);
	r->of = calloc(r->f->channels.count + 1u, sizeof(*r->of));
	r->list = calloc(r->f->channels.count + 1u, sizeof(*r->list));
	if (r->items == NULL || r->of == NULL || r->list == NULL)
		return false;
	for (uint32_t i = 0; i < r->count; i++) {
		uint64_t key = r->items[i].key;
		uint16_t number = (uint16_t)(key >> 24);

		if (key >> 56 == CHANNELS_MESSAGES && r->items[i].n > 0)
			channels_meet(r, number, r->items[i].n);
		else if (key >> 56 == CHANNELS_LAST || key >> 56 == CHANNELS_BOTH)
			channels_add_to(r, &r->items[i], number);
	}
	return true;
}

static int
channel_compare(const void *a, const void *b)
{
	const struct channel *x = a, *y = b;
	size_t len = x->hash_len < y->hash_len ? x->hash_len : y->hash_len;
	int order;

	if (x->messages != y->messages)
		return x->messages > y->messages ? -1 : 1;
	order = memcmp(x->hash, y->hash, len);
	return order != 0 ? order : (x->hash_len > y->hash_len) - (x->hash_len < y->hash_len);
}

/* The list is in another order from here on; `of` is of no use any more. */
static void
channels_list(struct json *j, struct channels_reading *r)
{
	uint32_t readable = 0;

	if (r->channels > 1)
		qsort(r->list, r->channels, sizeof(*r->list), channel_compare);
	for (uint32_t i = 0; i < r->channels; i++)
		readable += !r->list[i].encrypted;
	js_kuint(j, "activeChannels", r->channels);
	js_kuint(j, "decryptable", readable);
	js_karray(j, "channels");
	for (uint32_t i = 0; i < r->channels; i++) {
		const struct channel *c = &r->list[i];
		struct bag_item item;
		uint32_t at = 0, senders = 0;

		while (bag_next(&c->senders, &at, &item))
			senders++;
		js_object(j);
		js_key(j, "hash");
		js_strn(j, c->hash, c->hash_len);
		js_key(j, "name");
		js_strn(j, c->name, c->name_len);
		js_kint(j, "messages", c->messages);
		js_kuint(j, "senders", senders);
		render_ktime(j, "lastActivity", c->last);
		js_kbool(j, "encrypted", c->encrypted);
		js_object_end(j);
	}
	js_array_end(j);
}

struct sender {
	const char *name;
	int64_t count;
};

static int
sender_compare(const void *a, const void *b)
{
	const struct sender *x = a, *y = b;

	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return strcmp(x->name, y->name);
}

static void
channels_senders(struct json *j, const struct channels_reading *r)
{
	struct sender best[SENDERS];
	struct top top = { best, sizeof(best[0]), SENDERS, 0, sender_compare };

	for (uint32_t i = 0; i < r->count; i++) {
		uint64_t key = r->items[i].key;
		struct sender one = { .count = r->items[i].n };

		if (key >> 56 != CHANNELS_SENDER || one.count <= 0)
			continue;
		one.name = r->f->senders.text[key >> 24 & 0xffff];
		top_put(&top, &one);
	}
	js_karray(j, "topSenders");
	for (uint32_t i = 0; i < top.count; i++) {
		js_object(j);
		js_kstr(j, "name", best[i].name);
		js_kint(j, "count", best[i].count);
		js_object_end(j);
	}
	js_array_end(j);
}

/* One item for each hour and name: messages of one name may be readable or not, and are of two
 * numbers then. */
static void
channels_timeline(struct json *j, const struct channels_reading *r)
{
	struct channel *hour = calloc(r->f->channels.count + 1u, sizeof(*hour));

	js_karray(j, "channelTimeline");
	for (uint32_t i = 0; hour != NULL && i < r->count;) {
		uint64_t at = r->items[i].key >> 24;
		uint32_t n = 0, k;

		if (at >> 32 != CHANNELS_HOUR) {
			i++;
			continue;
		}
		for (; i < r->count && r->items[i].key >> 24 == at; i++) {
			struct channel one;

			channel_split(&one, r->f->channels.text[r->items[i].key & 0xffff]);
			for (k = 0; k < n; k++) {
				if (hour[k].name_len == one.name_len &&
				    memcmp(hour[k].name, one.name, one.name_len) == 0)
					break;
			}
			if (k == n)
				hour[n++] = one;
			hour[k].messages += r->items[i].n;
		}
		if (n > 1)
			qsort(hour, n, sizeof(*hour), channel_compare);
		for (k = 0; k < n; k++) {
			js_object(j);
			render_khour(j, "hour", (int64_t)(at & 0xffffffff));
			js_key(j, "channel");
			js_strn(j, hour[k].name, hour[k].name_len);
			js_kint(j, "count", hour[k].messages);
			js_object_end(j);
		}
	}
	js_array_end(j);
	free(hour);
}

/* By length; of very many every n-th. */
static void
channels_lengths(struct json *j, const struct channels_reading *r)
{
	int64_t all = 0, seen = 0, next = 0, step;

	for (uint32_t i = 0; i < r->count; i++)
		all += r->items[i].key >> 56 == CHANNELS_LENGTH ? r->items[i].n : 0;
	step = all / (int64_t)LENGTHS_MAX + 1;
	js_karray(j, "msgLengths");
	for (uint32_t i = 0; i < r->count; i++) {
		if (r->items[i].key >> 56 != CHANNELS_LENGTH)
			continue;
		for (seen += r->items[i].n; next < seen; next += step)
			js_uint(j, r->items[i].key >> 24 & 0xffff);
	}
	js_array_end(j);
}

static uint32_t
channels_answer(void *self, const struct an_query *q, struct json *j)
{
	struct channels *c = self;
	struct channels_reading r = { .f = c->frame };
	const struct channels_counts *counts = frame_view(c->frame, &channels_class, q);
	uint32_t status = 200;

	if (counts != NULL && channels_gather(&r, counts)) {
		js_object(j);
		channels_senders(j, &r);
		channels_timeline(j, &r);
		channels_lengths(j, &r);
		channels_list(j, &r);
		js_object_end(j);
	} else {
		status = render_error(j, 503, "out of memory");
	}
	for (uint32_t i = 0; i < r.channels; i++)
		bag_fini(&r.list[i].senders);
	free(r.items);
	free(r.of);
	free(r.list);
	return status;
}

static mk_result
channels_create(struct frame *f, void **self)
{
	struct channels *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return MK_ENOMEM;
	c->frame = f;
	*self = c;
	return MK_OK;
}

static const struct an_method channels_methods[] = { { "channels", channels_answer },
						     { NULL, NULL } };

const struct an_module channels_module = {
	.name = "channels",
	.create = channels_create,
	.destroy = free,
	.on_packet = channels_on_packet,
	.methods = channels_methods,
};
