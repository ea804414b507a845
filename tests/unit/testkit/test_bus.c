/* SPDX-License-Identifier: MIT
 *
 * The fake bus: messages, publishing, calls.
 */
#include "probe.h"

#include <signal.h>
#include <stdlib.h>

TestSuite(bus, .timeout = 120);

static void
note_msg(const mk_host *host, const mk_msg *m)
{
	(void)host;
	note(m->topic, 0);
	note("%lld", (long long)m->seq);
	note("%lld", m->flags & MK_MSG_GAP ? (long long)m->lost : m->body_len);
}

Test(bus, messages_are_numbered_by_topic)
{
	mk_tk *tk = started(NULL);

	act.msg = note_msg;
	cr_expect_eq(send(tk, "in/a"), MK_OK);
	cr_expect_eq(send(tk, "in/b"), MK_OK);
	cr_expect_eq(send(tk, "in/a"), MK_OK);
	cr_expect_str_eq(trace, "in/a 1 4 in/b 1 4 in/a 2 4");
	clean(tk);
}

Test(bus, a_gap_takes_the_numbers_that_were_lost)
{
	mk_tk *tk = started(NULL);

	act.msg = note_msg;
	cr_expect_eq(mk_tk_send_gap(tk, "in/a", 7), MK_OK);
	cr_expect_eq(send(tk, "in/a"), MK_OK);
	cr_expect_eq(mk_tk_acked(tk, "in/a"), 8);
	cr_expect_str_eq(trace, "in/a 1 7 in/a 8 4");
	clean(tk);
}

Test(bus, a_replayed_message_has_its_old_number)
{
	mk_tk *tk = started(NULL);

	act.msg = note_msg;
	cr_expect_eq(send(tk, "in/a"), MK_OK);
	cr_expect_eq(mk_tk_send_raw(tk, "in/a", small_map, 4, MK_MSG_REPLAYED), MK_OK);
	cr_expect_str_eq(trace, "in/a 1 4 in/a 1 4");
	clean(tk);
}

Test(bus, what_the_bus_would_not_deliver_is_refused)
{
	mk_tk *tk = started(NULL);

	cr_expect_eq(send(tk, "other/a"), MK_EDENIED);
	cr_expect_eq(send(tk, "in/"), MK_EINVAL);
	cr_expect_eq(mk_tk_send_raw(tk, "in/a", "\x81\xa1", 2, 0), MK_EFORMAT);
	cr_expect_eq(mk_tk_send_raw(tk, "in/a", "\x90", 1, 0), MK_EFORMAT, "an array is no map");
	cr_expect_eq(mk_tk_send_raw(tk, "in/a", NULL, 0, 0), MK_EFORMAT);
	clean(tk);
}

static void
ack_it(const mk_host *host, const mk_msg *m)
{
	note("%lld", host->ack(host, m->topic, m->epoch, m->seq));
}

Test(bus, manual_topics_are_done_when_acknowledged)
{
	mk_tk *tk = started(NULL);

	send(tk, "in/manual");
	cr_expect_eq(mk_tk_acked(tk, "in/manual"), 0);
	act.msg = ack_it;
	send(tk, "in/manual");
	cr_expect_eq(mk_tk_acked(tk, "in/manual"), 2);
	clean(tk);
}

Test(bus, acknowledging_what_was_not_delivered_is_reported)
{
	mk_tk *tk = started(NULL);

	cr_expect_eq(the_host->ack(the_host, "in/manual", 1, 4), MK_EINVAL);
	broke(tk, "never delivered");
	mk_tk_free(tk);
}

#if COUNTS_MEMORY
static const void *kept;

static void
keep_body(const mk_host *host, const mk_msg *m)
{
	(void)host;
	kept = m->body;
}

Test(bus, a_body_cannot_be_read_after_the_callback, .signal = SIGSEGV)
{
	mk_tk *tk = started(NULL);

	act.msg = keep_body;
	send(tk, "in/a");
	cr_expect_eq(*(const volatile uint8_t *)kept, 0, "never reached");
}

static void
read_too_far(const mk_host *host, const mk_msg *m)
{
	(void)host;
	kept = (const uint8_t *)m->body + m->body_len;
	cr_expect_eq(*(const volatile uint8_t *)kept, 0, "never reached");
}

Test(bus, a_body_cannot_be_read_beyond_its_end, .signal = SIGSEGV)
{
	mk_tk *tk = started(NULL);

	act.msg = read_too_far;
	send(tk, "in/a");
}
#endif

Test(bus, what_is_published_can_be_looked_at)
{
	mk_tk *tk = started(NULL);
	size_t len;

	cr_expect_eq(publish(the_host, "out/a"), MK_OK);
	cr_expect_eq(publish(the_host, "out/b"), MK_OK);
	cr_expect_eq(mk_tk_published(tk, NULL), 2);
	cr_expect_eq(mk_tk_published(tk, "out/b"), 1);
	cr_expect_arr_eq(mk_tk_body(tk, "out/b", 0, &len), small_map, sizeof(small_map));
	cr_expect_str_eq(mk_tk_json(tk, NULL, 1), "{\"n\":1}");
	cr_expect_eq(mk_tk_body(tk, "out/b", 1, &len), NULL);
	mk_tk_forget(tk);
	cr_expect_eq(mk_tk_published(tk, NULL), 0);
	clean(tk);
}

Test(bus, an_undeclared_topic_is_denied_and_reported)
{
	mk_tk *tk = started(NULL);

	cr_expect_eq(publish(the_host, "in/a"), MK_EDENIED);
	broke(tk, "publish: \"in/a\" is not a declared topic");
	mk_tk_free(tk);
}

Test(bus, a_malformed_body_is_refused_and_reported)
{
	mk_tk *tk = started(NULL);

	cr_expect_eq(the_host->publish(the_host, "out/a", "\xdd\xff\xff\xff\xff", 5, 0),
		     MK_EFORMAT);
	broke(tk, "publish: out/a: the body is not one msgpack map");
	mk_tk_free(tk);
}

Test(bus, a_body_over_the_declared_size_is_refused_and_reported)
{
	mk_tk *tk = started(NULL);
	uint8_t body[104] = { 0x81, 0xa1, 'n', 0xc4, 99 };

	cr_expect_eq(the_host->publish(the_host, "out/a", body, 104, 0), MK_ETOOBIG);
	broke(tk, "declared are 100");
	cr_expect_eq(the_host->publish(the_host, "out/kept", body, 104, 0), MK_OK,
		     "the longest declaration counts");
	mk_tk_free(tk);
}

Test(bus, only_retained_topics_have_deltas)
{
	mk_tk *tk = started(NULL);

	cr_expect_eq(the_host->publish(the_host, "out/kept", small_map, 4, MK_PUB_DELTA), MK_OK);
	cr_expect_eq(the_host->publish(the_host, "out/a", small_map, 4, MK_PUB_DELTA), MK_EINVAL);
	broke(tk, "do not fit");
	mk_tk_free(tk);
}

Test(bus, publishing_fails_as_often_as_told)
{
	mk_tk *tk = started(NULL);

	mk_tk_publish_fails(tk, MK_EAGAIN, 2);
	cr_expect_eq(publish(the_host, "out/a"), MK_EAGAIN);
	cr_expect_eq(publish(the_host, "out/a"), MK_EAGAIN);
	cr_expect_eq(publish(the_host, "out/a"), MK_OK);
	cr_expect_eq(mk_tk_published(tk, NULL), 1);
	clean(tk);
}

static void
note_origin(const mk_host *host, const mk_msg *m)
{
	(void)host;
	note(m->origin, 0);
	note("%lld", m->flags & MK_MSG_DURABLE ? (long long)m->origin_seq : -1);
}

Test(bus, routing_delivers_once_what_the_other_subscribes_to)
{
	mk_tk *from = started(NULL);
	const mk_host *from_host = the_host;
	mk_tk *to = started(NULL);

	act.msg = note_origin;
	publish(from_host, "in/loop");
	publish(from_host, "out/a");
	cr_expect_eq(mk_tk_route(from, to), 1);
	cr_expect_eq(mk_tk_route(from, to), 0);
	mk_tk_forget(from);
	publish(from_host, "in/loop");
	cr_expect_eq(mk_tk_route(from, to), 1);
	cr_expect_str_eq(trace, "probe 1 probe 2");
	clean(from);
	clean(to);
}

static void
reply_at_once(const mk_host *host, const mk_call *call)
{
	note(call->name, 0);
	note("%lld", call->body_len);
	cr_expect_eq(host->reply(host, call->id, MK_EFULL, "no room", small_map, 4), MK_OK);
}

static uint64_t call_id;

static void
keep_call(const mk_host *host, const mk_call *call)
{
	(void)host;
	call_id = call->id;
}

Test(bus, a_call_is_answered)
{
	mk_tk *tk = started(NULL);

	act.call = reply_at_once;
	cr_expect_eq(mk_tk_call(tk, "do/it", NULL), MK_EFULL);
	cr_expect_str_eq(mk_tk_reply(tk)->error, "no room");
	cr_expect_eq(mk_tk_reply(tk)->body_len, 4);
	cr_expect_str_eq(trace, "do/it 1");
	cr_expect_eq(mk_tk_call(tk, "do/that", NULL), MK_ENOENT);
	clean(tk);
}

Test(bus, a_call_can_be_answered_later)
{
	mk_tk *tk = started(NULL);

	act.call = keep_call;
	cr_expect_eq(mk_tk_call(tk, "do/it", NULL), MK_EAGAIN);
	cr_expect_null(mk_tk_reply(tk));
	cr_expect_eq(the_host->reply(the_host, call_id, MK_OK, NULL, NULL, 0), MK_OK);
	cr_expect_eq(mk_tk_reply(tk)->result, MK_OK);
	clean(tk);
}

Test(bus, a_second_answer_is_reported)
{
	mk_tk *tk = started(NULL);

	act.call = reply_at_once;
	mk_tk_call(tk, "do/it", NULL);
	cr_expect_eq(the_host->reply(the_host, 1, MK_OK, NULL, NULL, 0), MK_ENOENT);
	broke(tk, "is not open");
	mk_tk_free(tk);
}

static void
note_reply(const mk_host *host, const mk_reply *reply)
{
	(void)host;
	note(mk_result_name(reply->result), 0);
	note(reply->name, 0);
	note("%lld", (long long)reply->id);
}

Test(bus, calls_of_the_plugin_are_answered_or_time_out)
{
	mk_tk *tk = started(NULL);
	uint64_t id;

	act.reply = note_reply;
	cr_expect_eq(the_host->call(the_host, "core/a", small_map, 4, 0, &id), MK_OK);
	cr_expect_eq(the_host->call(the_host, "core/b", small_map, 4, 1000000, &id), MK_OK);
	cr_expect_str_eq(mk_tk_asked(tk), "core/a");
	cr_expect_str_eq(mk_tk_asked_json(tk), "{\"n\":1}");
	cr_expect_eq(mk_tk_answer(tk, MK_OK, NULL, NULL), MK_OK);
	mk_tk_advance(tk, 1000000);
	cr_expect_eq(mk_tk_answer(tk, MK_OK, NULL, NULL), MK_ENOENT);
	cr_expect_str_eq(trace, "MK_OK core/a 1 MK_ETIMEDOUT core/b 2");
	clean(tk);
}
