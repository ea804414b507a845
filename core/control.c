/* SPDX-License-Identifier: MIT */
#include "control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "frame.h"
#include "server.h"

#define FRAMES_MAX 256u /* frames in one answer of a stream */
#define TOPICS_MAX_TAIL 16u

struct follower { /* a client's tail or replay */
	uint64_t client;
	uint32_t id;
	bool on, ends;
	uint64_t left; /* replay: messages still wanted */
	struct reader reader;
	uint32_t topic_count; /* tail: 0 = everything */
	char topics[TOPICS_MAX_TAIL][MK_TOPIC_MAX + 1];
};

struct control {
	struct core *core;
	struct server *server;
	struct follower followers[SERVER_CLIENTS];
	mk_writer writer, scratch;
	struct wire_out frame, frames;
};

struct control_call { /* a request; its answer may come later */
	struct control *ctl;
	uint64_t client;
	uint32_t id;
};

/* The map in ctl->writer, as one answer. */
static void
control_send(struct control *ctl, uint64_t client)
{
	if (mk_writer_end(&ctl->writer) == MK_OK)
		server_send(ctl->server, client, ctl->writer.data, ctl->writer.len);
}

static void
control_answer(const struct control_call *call, mk_result result, const char *error,
	       const uint8_t *data, size_t len)
{
	mk_writer *w = &call->ctl->writer;

	mk_writer_reset(w);
	mk_put_map(w, 4);
	mk_kv_u64(w, "id", call->id);
	mk_kv_i64(w, "result", result);
	mk_kv_str(w, "error", error);
	mk_put_str(w, "data");
	if (len > 0)
		mk_put_raw(w, data, len);
	else
		mk_put_map(w, 0);
	if (mk_writer_end(w) != MK_OK)
		control_answer(call, MK_EFORMAT, "the answer could not be written", NULL, 0);
	else
		control_send(call->ctl, call->client);
}

/* ---------------------------------------------------------- later answers -- */

static void
control_on_command(void *arg, mk_result result, const char *error, const mk_writer *body)
{
	control_answer(arg, result, error, body != NULL ? body->data : NULL,
		       body != NULL ? body->len : 0);
	free(arg);
}

static void
control_on_reply(void *arg, mk_result result, const char *error, const uint8_t *body, uint32_t len)
{
	mk_writer w;

	mk_writer_init(&w, 0);
	mk_put_map(&w, 1);
	mk_kv_bin(&w, "body", body, len);
	control_on_command(arg, result, error, &w);
	mk_writer_fini(&w);
}

static void
control_call(struct control_call *call, const mk_val *request)
{
	struct core *c = call->ctl->core;
	uint64_t timeout = c->plan->settings->call_timeout_us, hub_id;
	const uint8_t *body = (const uint8_t *)"\x80";
	size_t len = 1;
	char method[MK_TOPIC_MAX + 1];
	mk_result rc = MK_EINVAL;

	mk_get_u64(mk_find(request, "timeout_us"), &timeout);
	mk_get_bin(mk_find(request, "body"), &body, &len);
	if (mk_copy_str(mk_find(request, "method"), method, sizeof(method)) &&
	    mk_validate(body, len, NULL, NULL, 0) == MK_OK)
		rc = hub_ask(c->hub, method, body, (uint32_t)len, timeout, control_on_reply, call,
			     &hub_id);
	if (rc != MK_OK)
		control_on_command(call, rc, mk_result_text(rc), NULL);
}

/* -------------------------------------------------------------- following -- */

static bool
follower_wants(void *arg, const char *topic)
{
	const struct follower *f = arg;

	for (uint32_t i = 0; i < f->topic_count; i++)
		if (f->topics[i][0] == '\0' || mk_topic_covers(f->topics[i], topic))
			return true;
	return f->topic_count == 0;
}

/* Append what was written to ctl->frame, if `rc` says so. */
static void
control_put(struct control *ctl, mk_result rc)
{
	if (rc != MK_OK)
		return;
	wire_begin(&ctl->frames, 0);
	wire_rest(&ctl->frames, ctl->frame.data, ctl->frame.len);
	wire_end(&ctl->frames);
}

static void
control_put_entry(struct control *ctl, const struct entry *e, uint32_t flags)
{
	mk_msg m = stream_msg(&ctl->core->hub->stream, e, flags);

	control_put(ctl, frame_write(&ctl->frame, &ctl->scratch, "", &m));
}

static void
control_put_gap(struct control *ctl, const struct reader_item *gap)
{
	mk_msg m = { .flags = MK_MSG_GAP,
		     .topic = gap->topic->name,
		     .origin = "core",
		     .epoch = ctl->core->hub->stream.epoch,
		     .seq = gap->seq };

	control_put(ctl, frame_write_note(&ctl->frame, &ctl->scratch, "", &m, "lost", gap->lost));
}

/* One answer with the `count` frames that were put, and forget them. */
static void
control_send_frames(struct control *ctl, const struct follower *f, uint32_t count)
{
	struct wire_in in = { .p = ctl->frames.data, .end = ctl->frames.data + ctl->frames.len };
	mk_writer *w = &ctl->writer;
	struct wire_in frame;
	uint8_t kind;

	mk_writer_reset(w);
	mk_put_map(w, 5);
	mk_kv_u64(w, "id", f->id);
	mk_kv_i64(w, "result", MK_OK);
	mk_kv_str(w, "error", "");
	mk_kv_bool(w, "more", f->on);
	mk_kv_map(w, "data", 1);
	mk_kv_array(w, "frames", count);
	while (wire_next(&in, &kind, &frame))
		mk_put_bin(w, frame.p, (size_t)(frame.end - frame.p));
	wire_clear(&ctl->frames);
	control_send(ctl, f->client);
}

static void
follower_pump(struct control *ctl, struct follower *f)
{
	enum reader_found found = READER_NOTHING;
	struct reader_item item;
	uint32_t n = 1;

	while (n > 0 && f->on && server_has_room(ctl->server, f->client)) {
		for (n = 0; n < FRAMES_MAX && ctl->frames.len < SERVER_WAITING_HIGH && f->left > 0;
		     n++) {
			found = reader_peek(&f->reader, &item);
			if (found == READER_NOTHING)
				break;
			if (found == READER_ENTRY)
				control_put_entry(ctl, item.entry, f->ends ? MK_MSG_REPLAYED : 0);
			else
				control_put_gap(ctl, &item);
			reader_pass(&f->reader, found, &item);
			f->left -= f->ends;
		}
		if (f->ends && (f->left == 0 || found == READER_NOTHING))
			f->on = false;
		if (n > 0 || !f->on)
			control_send_frames(ctl, f, n);
	}
	f->on = f->on && server_has(ctl->server, f->client);
}

/* Takes the place of what the same client followed before. */
static struct follower *
follower_new(const struct control_call *call)
{
	struct follower *f = &call->ctl->followers[call->client % SERVER_CLIENTS];

	*f = (struct follower){ .client = call->client, .id = call->id, .left = UINT64_MAX };
	reader_init(&f->reader, &call->ctl->core->hub->stream, follower_wants, f);
	return f;
}

static void
control_tail(struct control_call *call, const mk_val *request)
{
	const struct topics *all = &call->ctl->core->hub->stream.topics;
	const mk_val *topics = mk_find(request, "topics");
	struct follower *f = follower_new(call);
	bool retained = false;

	while (f->topic_count < TOPICS_MAX_TAIL &&
	       mk_copy_str(mk_at(topics, f->topic_count), f->topics[f->topic_count],
			   sizeof(f->topics[0])))
		f->topic_count++;
	f->on = f->topic_count == mk_count(topics);
	if (!f->on)
		control_answer(call, MK_EINVAL, "\"topics\" are names, at most 16", NULL, 0);
	mk_get_bool(mk_find(request, "retained"), &retained);
	for (uint32_t i = 0; f->on && retained && i < all->count; i++) {
		struct topic *t = all->at[i];

		if (t->kept_count == 0 || !reader_matches(&f->reader, t))
			continue;
		for (uint32_t j = 0; j < t->kept_count; j++)
			control_put_entry(call->ctl, t->kept[j], MK_MSG_RETAINED);
		control_send_frames(call->ctl, f, t->kept_count);
	}
	follower_pump(call->ctl, f);
	free(call);
}

static void
control_replay(struct control_call *call, const mk_val *request)
{
	struct follower *f = follower_new(call);
	struct topic *t = NULL;
	uint64_t from = 1;

	f->ends = true;
	f->topic_count = 1;
	mk_get_u64(mk_find(request, "from"), &from);
	if (mk_get_u64(mk_find(request, "n"), &f->left) && f->left == 0)
		f->left = UINT64_MAX;
	if (mk_copy_str(mk_find(request, "topic"), f->topics[0], sizeof(f->topics[0])))
		t = topics_find(&call->ctl->core->hub->stream.topics, f->topics[0]);
	if (t != NULL) {
		f->on = true;
		reader_from_start(&f->reader);
		f->reader.next[t->id] = from;
		follower_pump(call->ctl, f);
	} else {
		control_answer(call, MK_ENOENT, "no such topic since the daemon started", NULL, 0);
	}
	free(call);
}

/* --------------------------------------------------------------- requests -- */

static void
control_on_request(void *arg, uint64_t client, const uint8_t *data, size_t len)
{
	struct control_call *call = malloc(sizeof(*call));
	struct control *ctl = arg;
	char what[32], why[128];
	const mk_val *root;
	mk_doc doc;

	if (call == NULL)
		return;
	*call = (struct control_call){ .ctl = ctl, .client = client };
	mk_doc_init(&doc);
	if (mk_doc_open(&doc, data, len, NULL, why, sizeof(why)) != MK_OK) {
		control_on_command(call, MK_EFORMAT, why, NULL);
		mk_doc_fini(&doc);
		return;
	}
	root = mk_doc_root(&doc);
	mk_get_u32(mk_find(root, "id"), &call->id);
	if (!mk_copy_str(mk_find(root, "do"), what, sizeof(what)))
		control_on_command(call, MK_EINVAL, "\"do\" is missing", NULL);
	else if (strcmp(what, "tail") == 0)
		control_tail(call, root);
	else if (strcmp(what, "replay") == 0)
		control_replay(call, root);
	else if (strcmp(what, "call") == 0)
		control_call(call, root);
	else
		command_run(ctl->core, what, root, true, control_on_command, call);
	mk_doc_fini(&doc);
}

void
control_pump(struct control *ctl)
{
	/* A command begins something, and this round of plugins and bus is over. */
	if (server_serve(ctl->server))
		loop_hurry(ctl->core->loop);
	for (uint32_t i = 0; i < SERVER_CLIENTS; i++)
		if (ctl->followers[i].on)
			follower_pump(ctl, &ctl->followers[i]);
}

mk_result
control_new(struct control **out, struct core *c, const char *run_dir, mk_err *err)
{
	struct control *ctl = calloc(1, sizeof(*ctl));
	char path[1024];

	if (ctl == NULL)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	ctl->core = c;
	mk_writer_init(&ctl->writer, 4 * (size_t)MK_BODY_MAX);
	mk_writer_init(&ctl->scratch, 4096);
	*out = ctl;
	snprintf(path, sizeof(path), "%s/control.sock", run_dir);
	return server_new(&ctl->server, c->loop, path, control_on_request, ctl, err);
}

void
control_free(struct control *ctl)
{
	if (ctl == NULL)
		return;
	server_free(ctl->server);
	mk_writer_fini(&ctl->writer);
	mk_writer_fini(&ctl->scratch);
	wire_fini(&ctl->frame);
	wire_fini(&ctl->frames);
	free(ctl);
}
