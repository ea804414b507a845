/* SPDX-License-Identifier: MIT */
#include "frame.h"

#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "query.h"
#include "render.h"
#include "table.h"
#include "view.h"

#define WAITING_MAX 1024u /* so many packets wait to be counted, also while history is read */

/* --------------------------------------------------------------- packets -- */

const json_t *
frame_json(struct frame *f, const struct an_news *news)
{
	if (f->json == NULL && news->json != NULL)
		f->json = json_loadb(news->json, news->json_len, 0, NULL);
	return f->json;
}

static int
frame_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 32);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Until the first character that is no hex digit. */
static uint32_t
frame_unhex(const char *hex, uint32_t len, uint8_t *out, uint32_t cap)
{
	uint32_t n = 0;

	for (; n < cap && 2 * n + 1 < len; n++) {
		int high = frame_digit(hex[2 * n]), low = frame_digit(hex[2 * n + 1]);

		if (high < 0 || low < 0)
			break;
		out[n] = (uint8_t)(high << 4 | low);
	}
	return n;
}

/* Route, type and size are those of the copy that was heard first, as far as it is known. */
static void
frame_read_head(struct an_packet *p, const struct an_news *news, const struct hops_obs *o)
{
	uint32_t at;

	p->route = o->route;
	p->type = o->type;
	p->size = o->size;
	p->bytes = (uint16_t)news->raw_len;
	if (news->raw_len == 0)
		return;
	at = (news->raw[0] & 3) == HOPS_ROUTE_TFLOOD || (news->raw[0] & 3) == HOPS_ROUTE_TDIRECT
		 ? 5
		 : 1;
	if (news->raw_len <= at)
		return;
	p->route = news->raw[0] & 3;
	p->type = news->raw[0] >> 2 & 15;
	p->size = (uint8_t)((news->raw[at] >> 6) + 1);
}

static void
frame_tell_packet(struct frame *f, struct an_packet *p, const struct hops_obs *o)
{
	const struct hops_packet *packet = o->packet;
	struct an_news news = { .json = packet->json,
				.json_len = packet->json_len,
				.channel = packet->channel,
				.channel_len = packet->channel_len,
				.raw = f->raw,
				.live = packet->hex == NULL };

	frame_unhex(packet->hash, packet->hash_len, p->hash, sizeof(p->hash));
	if (packet->hex != NULL) {
		news.raw_len = frame_unhex(packet->hex, packet->hex_len, f->raw, sizeof(f->raw));
	} else if (packet->raw != NULL && packet->raw_len <= sizeof(f->raw)) {
		news.raw_len = packet->raw_len;
		memcpy(f->raw, packet->raw, packet->raw_len);
	}
	frame_read_head(p, &news, o);
	if (o->from != NULL && p->type == HOPS_TYPE_ADVERT)
		p->from = hops_ids_put(&f->nodes.ids, o->from, o->from_len);
	if (packet->scoped)
		p->scope = packet->scope_len == 0
			       ? 1
			       : frame_text(f, &f->scopes, packet->scope, packet->scope_len);
	for (uint32_t i = 0; i < f->module_count; i++) {
		if (f->modules[i].class->on_packet != NULL)
			f->modules[i].class->on_packet(f->modules[i].self, p, &news);
	}
	json_decref(f->json);
	f->json = NULL;
}

static struct an_packet *
frame_new_packet(struct frame *f, const struct hops_obs *o)
{
	const struct hops_packet *packet = o->packet;
	int64_t first = packet == NULL ? 0 : packet->first > 0 ? packet->first : o->at;
	struct an_packet *p;

	/* A copy of something that is not kept any more, or never was. */
	if (packet == NULL || (packet->hex == NULL && !packet->fresh) || first < 0 ||
	    first > (int64_t)UINT32_MAX || first < f->newest - f->keep) {
		f->counts.late++;
		return NULL;
	}
	p = table_put(f, o->tx, first);
	if (p == NULL) {
		f->counts.refused++;
		return NULL;
	}
	f->counts.packets++;
	frame_tell_packet(f, p, o);
	return p;
}

void
frame_on_obs(struct frame *f, const struct hops_obs *o)
{
	struct an_packet *p = table_find(f, o->tx);

	f->counts.observations++;
	if (p == NULL)
		p = frame_new_packet(f, o);
	if (p == NULL)
		return;
	table_touch(f, p);
	if (o->packet != NULL && o->packet->hex == NULL)
		table_earlier(f, p, o->at);
	if (table_hear(f, p, o, names_observer(f, o->observer, o->observer_len)) != MK_OK)
		f->counts.refused++;
	for (uint32_t i = 0; i < f->module_count; i++) {
		if (f->modules[i].class->on_obs != NULL)
			f->modules[i].class->on_obs(f->modules[i].self, p, o);
	}
	if (f->waiting_count >= WAITING_MAX || f->packet_count > f->max_packets + 4096)
		table_expire(f);
}

void
frame_flush(struct frame *f)
{
	for (uint32_t i = 0; i < f->waiting_count; i++) {
		struct an_packet *p = table_at(f, f->waiting[i]);

		p->waits = false;
		if (!p->copy && !p->counted)
			frame_fold(f, p, 1);
	}
	f->waiting_count = 0;
}

const struct an_packet *
frame_find(const struct frame *f, uint64_t tx)
{
	return table_find(f, tx);
}

void
frame_each(struct frame *f, int64_t since, int64_t until,
	   void (*fn)(void *arg, const struct an_packet *p), void *arg)
{
	table_sort(f);
	for (uint32_t i = table_lower(f, since); i < f->order_count; i++) {
		const struct an_packet *p = table_at(f, f->order[i]);

		if ((int64_t)p->first > until)
			return;
		fn(arg, p);
	}
}

void
frame_set_copy(struct frame *f, const struct an_packet *packet, bool copy)
{
	struct an_packet *p = table_at(f, packet->slot);

	if (p->copy == copy)
		return;
	table_touch(f, p);
	p->copy = copy;
}

/* ------------------------------------------------------------------ life -- */

void
frame_on_live(struct frame *f)
{
	f->live = true;
	table_expire(f);
	for (uint32_t i = 0; i < f->module_count; i++) {
		if (f->modules[i].class->on_live != NULL)
			f->modules[i].class->on_live(f->modules[i].self);
	}
}

void
frame_on_tick(struct frame *f, int64_t now)
{
	table_expire(f);
	views_expire(f, now);
	for (uint32_t i = 0; i < f->module_count; i++) {
		if (f->modules[i].class->on_tick != NULL)
			f->modules[i].class->on_tick(f->modules[i].self, now);
	}
}

uint32_t
frame_answer(struct frame *f, const char *name, const mk_val *args, struct json *out)
{
	int64_t now = (int64_t)(f->host->wall_us(f->host) / 1000000);
	struct an_query q;
	uint32_t status;

	for (uint32_t i = 0; i < f->module_count; i++) {
		const struct an_method *m = f->modules[i].class->methods;

		for (; m != NULL && m->name != NULL; m++) {
			if (strcmp(m->name, name) != 0)
				continue;
			if (query_init(&q, f, args, now) != MK_OK)
				return render_error(out, 503, "out of memory");
			frame_flush(f);
			f->later = false;
			status = m->answer(f->modules[i].self, &q, out);
			query_fini(&q);
			if (f->later) {
				js_reset(out);
				return FRAME_LATER;
			}
			f->counts.answered++;
			return status;
		}
	}
	return 0;
}

static void
frame_destroy_modules(struct frame *f)
{
	views_free(f); /* some classes belong to their modules */
	while (f->module_count > 0) {
		f->module_count--;
		f->modules[f->module_count].class->destroy(f->modules[f->module_count].self);
	}
}

static mk_result
frame_create_modules(struct frame *f, const struct an_module *const *modules)
{
	mk_result rc = MK_OK;

	for (; rc == MK_OK && *modules != NULL; modules++) {
		void *self = NULL;

		if (f->module_count == FRAME_MODULES_MAX)
			return MK_EFULL;
		rc = (*modules)->create(f, &self);
		if (rc != MK_OK)
			return rc;
		f->modules[f->module_count].class = *modules;
		f->modules[f->module_count++].self = self;
	}
	return rc;
}

mk_result
frame_init(struct frame *f, const mk_host *host, const struct an_module *const *modules)
{
	mk_result rc;

	*f = (struct frame){ .host = host,
			     .keep = 30 * 86400,
			     .max_packets = 1000000,
			     .view_bytes = 12u << 20,
			     .lora = { 869600000, 62.5, 8, 5, 32 },
			     .graph = { .uncurious = true },
			     .classes = modules };
	frame_text(f, &f->scopes, "", 0);
	rc = frame_create_modules(f, modules);
	if (rc != MK_OK)
		frame_fini(f);
	return rc;
}

/* Modules begin anew too; what is known of people stays, they come again. */
mk_result
frame_clear(struct frame *f)
{
	frame_destroy_modules(f);
	table_clear(f);
	names_free(&f->channels);
	names_free(&f->senders);
	return frame_create_modules(f, f->classes);
}

void
frame_fini(struct frame *f)
{
	frame_destroy_modules(f);
	table_clear(f);
	names_free(&f->channels);
	names_free(&f->senders);
	names_free(&f->scopes);
	frame_on_people(f);
	for (uint32_t i = 0; i < f->observer_count; i++) {
		free(f->observers[i].id);
		free(f->observers[i].name);
	}
	free(f->node);
	free(f->whole_heard);
	free(f->observers);
	free(f->observer_of);
	free(f->hops);
	hops_graph_fini(&f->graph);
	hops_nodes_fini(&f->nodes);
	*f = (struct frame){ 0 };
}

size_t
frame_bytes(const struct frame *f)
{
	size_t bytes = table_bytes(f) + views_bytes(f) + f->hop_size * sizeof(*f->hops);

	for (uint32_t i = 0; i < f->module_count; i++) {
		if (f->modules[i].class->bytes != NULL)
			bytes += f->modules[i].class->bytes(f->modules[i].self);
	}
	return bytes;
}
