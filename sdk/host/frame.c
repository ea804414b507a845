/* SPDX-License-Identifier: MIT */
#include "frame.h"

#include <string.h>

mk_result
frame_write(struct wire_out *out, mk_writer *scratch, const char *prefix, const mk_msg *m)
{
	bool durable = (m->flags & MK_MSG_DURABLE) != 0;
	mk_writer *w = scratch;

	mk_writer_reset(w);
	mk_put_array(w, durable ? 8 : 7);
	mk_put_u64(w, FRAME_VERSION);
	mk_put_u64(w, m->epoch);
	mk_put_u64(w, m->seq);
	mk_put_u64(w, m->time_us);
	mk_put_str(w, m->origin);
	mk_put_u64(w, m->schema);
	mk_put_u64(w, m->flags);
	if (durable)
		mk_put_u64(w, m->origin_seq);
	if (mk_writer_end(w) != MK_OK)
		return mk_writer_end(w);
	wire_clear(out);
	out->failed = false;
	wire_rest(out, prefix, strlen(prefix));
	wire_rest(out, m->topic, strlen(m->topic));
	wire_rest(out, " \x92", 2); /* a space, and an array of two */
	wire_rest(out, w->data, w->len);
	wire_rest(out, m->body, m->body_len);
	return out->failed ? MK_ENOMEM : MK_OK;
}

mk_result
frame_write_note(struct wire_out *out, mk_writer *scratch, const char *prefix, const mk_msg *msg,
		 const char *key, uint64_t value)
{
	mk_msg m = *msg;
	mk_writer body;
	mk_result rc;

	mk_writer_init(&body, 256);
	mk_put_map(&body, 1);
	mk_kv_u64(&body, key, value);
	rc = mk_writer_end(&body);
	m.body = body.data;
	m.body_len = (uint32_t)body.len;
	if (rc == MK_OK)
		rc = frame_write(out, scratch, prefix, &m);
	mk_writer_fini(&body);
	return rc;
}

/* The value at `i` of the header array, as a number. */
static bool
frame_number(const mk_val *header, uint32_t i, uint64_t *out)
{
	return mk_get_u64(mk_at(header, i), out);
}

/* The bytes before the first space; 0 if they are no topic. */
static size_t
frame_topic(const uint8_t *data, size_t len, size_t max)
{
	size_t n = 0;

	while (n < len && n < max && data[n] > ' ' && data[n] < 0x7f)
		n++;
	return n < len && n < max && data[n] == ' ' ? n : 0;
}

mk_result
frame_parse(struct frame *f, mk_doc *doc, const void *data, size_t len, mk_err *err)
{
	/* The array around header and body is one level more than a body may have. */
	const mk_limits limits = { .max_depth = mk_limits_default.max_depth + 1,
				   .max_nodes = mk_limits_default.max_nodes };
	size_t n = frame_topic(data, len, sizeof(f->topic));
	char why[128] = "out of memory";
	const mk_val *header;
	const uint8_t *text;
	uint64_t version;

	if (n == 0)
		return mk_err_set(err, MK_EFORMAT, "frame without a topic");
	memset(f, 0, sizeof(*f));
	memcpy(f->topic, data, n);
	text = (const uint8_t *)data + n + 1;
	n = len - n - 1;
	if (mk_doc_open(doc, text, n, &limits, why, sizeof(why)) != MK_OK)
		return mk_err_set(err, MK_EFORMAT, "frame on %s: %s", f->topic, why);
	header = mk_at(mk_doc_root(doc), 0);
	if (*text != 0x92 || !frame_number(header, 0, &version) ||
	    !frame_number(header, 1, &f->msg.epoch) || !frame_number(header, 2, &f->msg.seq) ||
	    !frame_number(header, 3, &f->msg.time_us) ||
	    !mk_copy_str(mk_at(header, 4), f->origin, sizeof(f->origin)) ||
	    !mk_get_u32(mk_at(header, 5), &f->msg.schema) ||
	    !mk_get_u32(mk_at(header, 6), &f->msg.flags) || version != FRAME_VERSION ||
	    !mk_is_map(mk_at(mk_doc_root(doc), 1)))
		return mk_err_set(err, MK_EFORMAT, "frame on %s: not [header, map]", f->topic);
	if ((f->msg.flags & MK_MSG_DURABLE) != 0 && !frame_number(header, 7, &f->msg.origin_seq))
		return mk_err_set(err, MK_EFORMAT, "frame on %s: no origin_seq", f->topic);
	/* Array head, header, body: the body is what the first two do not take. */
	f->msg.body = text + 1 + mk_length(text + 1, n - 1);
	f->msg.body_len =
	    (uint32_t)mk_length(f->msg.body, n - (size_t)((const uint8_t *)f->msg.body - text));
	f->msg.struct_size = sizeof(f->msg);
	f->msg.topic = f->topic;
	f->msg.origin = f->origin;
	return MK_OK;
}
