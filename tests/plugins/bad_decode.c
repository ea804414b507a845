/* SPDX-License-Identifier: MIT
 *
 * Takes decode's place and decodes nothing: says of each message that it has seen it, and crashes
 * each time on number `at` of rx/raw, as a bug in a decoder would.
 */
#include "bad.h"

#define WAITING 4096u

struct state {
	const mk_host *host;
	struct {
		uint64_t seq, number;
		bool raw;
	} waiting[WAITING]; /* until storage has them */
	uint32_t first, count;
	uint64_t epoch;
};

static mk_result
create(const mk_host *host, void **self)
{
	struct state *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return MK_ENOMEM;
	s->host = host;
	*self = s;
	return MK_OK;
}

static void
on_committed(struct state *s, const mk_msg *msg)
{
	uint64_t number = 0;
	mk_doc doc;

	mk_doc_init(&doc);
	if (mk_doc_open(&doc, msg->body, msg->body_len, NULL, NULL, 0) == MK_OK)
		mk_get_u64(mk_find(mk_at(mk_find(mk_doc_root(&doc), "items"), 0), "seq"), &number);
	mk_doc_fini(&doc);
	while (s->count > 0 && s->waiting[s->first].number <= number) {
		s->host->ack(s->host, s->waiting[s->first].raw ? "rx/raw" : "rx/client", s->epoch,
			     s->waiting[s->first].seq);
		s->first = (s->first + 1) % WAITING;
		s->count--;
	}
}

static void
on_msg(void *self, const mk_msg *msg)
{
	struct state *s = self;
	bool raw = strcmp(msg->topic, "rx/raw") == 0;
	uint32_t last = (s->first + s->count) % WAITING;
	mk_writer w;

	if (strcmp(msg->topic, "storage/committed") == 0) {
		on_committed(s, msg);
		return;
	}
	if (raw && (int64_t)msg->seq == s->host->opt_int(s->host, "at"))
		bad_crash();
	mk_writer_init(&w, 0);
	mk_put_map(&w, 4);
	mk_kv_str(&w, "source", msg->origin);
	mk_kv_u64(&w, "seq", msg->origin_seq);
	mk_kv_u64(&w, "first", msg->origin_first);
	mk_kv_array(&w, "items", 0);
	if (mk_writer_end(&w) == MK_OK)
		s->host->publish(s->host, raw ? "packet/decoded" : "client/heard", w.data,
				 (uint32_t)w.len, 0);
	mk_writer_fini(&w);
	if (s->count == WAITING)
		return;
	s->epoch = msg->epoch;
	s->waiting[last].seq = msg->seq;
	s->waiting[last].number = msg->origin_seq;
	s->waiting[last].raw = raw;
	s->count++;
}

static const mk_topic subscribes[] = { { .name = "rx/raw", .flags = MK_TOPIC_MANUAL_ACK },
				       { .name = "rx/client", .flags = MK_TOPIC_MANUAL_ACK },
				       { .name = "storage/committed" },
				       { .name = NULL } };
static const mk_topic publishes[] = { { .name = "packet/decoded", .flags = MK_TOPIC_RELIABLE },
				      { .name = "client/heard", .flags = MK_TOPIC_RELIABLE },
				      { .name = NULL } };
static const mk_option options[] = {
	{ .name = "at", .type = MK_OPT_INT, .max = INT32_MAX, .dflt = "0" },
	{ .name = NULL },
};

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD,         BAD_ABOUT("bad-decode"), .subscribes = subscribes,
	.publishes = publishes, .options = options,      .create = create,
	.on_msg = on_msg,       .destroy = free,
};
