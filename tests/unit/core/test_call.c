/* SPDX-License-Identifier: MIT
 *
 * Calls: whoever asks gets one reply, whatever becomes of who should answer.
 */
#include "bus_fixture.h"

static const struct hub_config config = { .ring_messages = 64,
					  .ring_bytes = 1u << 20,
					  .push_back_us = 5 * SECOND,
					  .call_timeout_us = 2 * SECOND };

static struct peer *a, *b; /* a asks, b answers */

static void
setup(void)
{
	stop_clock();
	hub_with(&config);
	a = peer_new("a", (struct spec){ 0 });
	b = peer_new("b", (struct spec){ .methods = "node/get node/put" });
	join(a);
	join(b);
}

TestSuite(call, .timeout = 120, .init = setup, .fini = teardown);

static void
ask_of(struct peer *p, uint64_t id, uint64_t timeout_us, const char *method)
{
	wire_begin(&p->out, WIRE_ASK);
	wire_u64(&p->out, id);
	wire_u64(&p->out, timeout_us);
	wire_str(&p->out, method);
	wire_rest(&p->out, body_of((uint32_t)id), 8);
	wire_end(&p->out);
}

static void
ask(uint64_t id, uint64_t timeout_us, const char *method)
{
	ask_of(a, id, timeout_us, method);
	settle();
}

static void
answer(struct peer *p, uint64_t id, mk_result result, const char *error, const char *body)
{
	wire_begin(&p->out, WIRE_ANSWER);
	wire_u64(&p->out, id);
	wire_u32(&p->out, (uint32_t)result);
	wire_str(&p->out, error);
	wire_rest(&p->out, body, strlen(body));
	wire_end(&p->out);
	settle();
}

/* The call that `p` is asked next; returns its id. */
static uint64_t
expect_call(struct peer *p, const char *method, const char *caller, uint32_t n)
{
	struct wire_in *r = next_record(p, WIRE_CALL);
	uint64_t id = wire_get_u64(r);
	const uint8_t *body;
	uint32_t len;

	cr_expect_str_eq(wire_get_str(r), method);
	cr_expect_str_eq(wire_get_str(r), caller);
	body = wire_get_rest(r, &len);
	cr_assert_eq(len, 8);
	cr_expect_arr_eq(body, body_of(n), 8);
	return id;
}

static void
expect_reply(struct peer *p, uint64_t id, mk_result result, const char *method, const char *body)
{
	struct wire_in *r = next_record(p, WIRE_REPLY);
	const char *error;
	const uint8_t *data;
	uint32_t len;

	cr_assert_eq(wire_get_u64(r), id);
	cr_assert_eq((mk_result)wire_get_u32(r), result);
	cr_expect_str_eq(wire_get_str(r), method);
	error = wire_get_str(r);
	cr_expect_eq(error[0] == '\0', result == MK_OK, "%s", error);
	data = wire_get_rest(r, &len);
	cr_assert_eq(len, strlen(body));
	cr_expect_eq(memcmp(data, body, len), 0);
}

Test(call, a_question_comes_to_who_answers_it_and_the_answer_to_who_asked)
{
	uint64_t id;

	ask(7, 0, "node/get");
	id = expect_call(b, "node/get", "a", 7);
	answer(b, id, MK_OK, "", "\x81\xa1y\x05");
	expect_reply(a, 7, MK_OK, "node/get", "\x81\xa1y\x05");
	expect_nothing(a);
	expect_nothing(b);
	cr_expect_eq(hub->call_count, 0);
}

Test(call, an_error_comes_back_with_its_text)
{
	ask(7, 0, "node/put");
	answer(b, expect_call(b, "node/put", "a", 7), MK_ENOENT, "no such node", "");
	expect_reply(a, 7, MK_ENOENT, "node/put", "");
	ask(8, 0, "node/put");
	answer(b, expect_call(b, "node/put", "a", 8), MK_EFULL, "full", "\x80");
	expect_reply(a, 8, MK_EFULL, "node/put", "\x80");
}

Test(call, answers_may_come_in_any_order)
{
	uint64_t id[3];

	for (uint32_t i = 0; i < 3; i++)
		ask(100 + i, 0, "node/get");
	for (uint32_t i = 0; i < 3; i++)
		id[i] = expect_call(b, "node/get", "a", 100 + i);
	for (int i = 2; i >= 0; i--) {
		answer(b, id[i], MK_OK, "", "\x80");
		expect_reply(a, 100 + (uint64_t)i, MK_OK, "node/get", "\x80");
	}
}

Test(call, a_call_is_answered_once)
{
	uint64_t id;

	ask(7, 0, "node/get");
	id = expect_call(b, "node/get", "a", 7);
	answer(b, id, MK_OK, "", "\x80");
	answer(b, id, MK_OK, "", "\x80");
	expect_reply(a, 7, MK_OK, "node/get", "\x80");
	expect_nothing(a);
}

Test(call, without_an_answer_in_time_it_times_out)
{
	uint64_t id;

	ask(7, 0, "node/get"); /* the configured time */
	ask(8, SECOND / 2, "node/get");
	id = expect_call(b, "node/get", "a", 7);
	later(SECOND);
	expect_reply(a, 8, MK_ETIMEDOUT, "node/get", "");
	expect_nothing(a);
	later(2 * SECOND);
	expect_reply(a, 7, MK_ETIMEDOUT, "node/get", "");
	answer(b, id, MK_OK, "", "\x80");
	expect_nothing(a); /* too late */
	cr_expect_eq(hub->call_timeouts, 2);
	cr_expect_eq(hub->call_count, 0);
}

Test(call, a_time_out_of_all_the_time_there_is_does_not_end_at_once)
{
	uint64_t id;

	ask(7, UINT64_MAX, "node/get");
	id = expect_call(b, "node/get", "a", 7);
	later(3600u * UINT64_C(1000000));
	expect_nothing(a);
	answer(b, id, MK_OK, "", "\x80");
	expect_reply(a, 7, MK_OK, "node/get", "\x80");
}

Test(call, a_method_that_nobody_answers_is_an_error)
{
	ask(7, 0, "node/none");
	expect_reply(a, 7, MK_ENOENT, "node/none", "");
	expect_nothing(b);
}

Test(call, a_method_is_a_name_and_a_body_is_a_map)
{
	wire_begin(&a->out, WIRE_ASK);
	wire_u64(&a->out, 1);
	wire_u64(&a->out, 0);
	wire_str(&a->out, "node/get");
	wire_end(&a->out);
	settle();
	expect_reply(a, 1, MK_EFORMAT, "", "");
	ask(2, 0, "Node");
	expect_reply(a, 2, MK_EINVAL, "", "");
	expect_nothing(b);
	cr_expect_eq(hub->call_count, 0);
}

Test(call, who_answers_may_not_be_running)
{
	peer_state(b, WIRE_STATE_STOPPED);
	settle();
	ask(7, 0, "node/get");
	expect_reply(a, 7, MK_EUNAVAIL, "node/get", "");
	leave(b);
	ask(8, 0, "node/get");
	expect_reply(a, 8, MK_EUNAVAIL, "node/get", "");
	join(b);
	ask(9, 0, "node/get");
	expect_call(b, "node/get", "a", 9);
}

Test(call, who_was_told_to_stop_is_asked_no_more)
{
	seat_drain(b->seat, true);
	settle();
	next_record(b, WIRE_STOP);
	ask(7, 0, "node/get");
	expect_reply(a, 7, MK_EUNAVAIL, "node/get", "");
	expect_nothing(b);
}

Test(call, when_who_answers_goes_everyone_who_waits_hears_it)
{
	struct peer *c = peer_new("c", (struct spec){ 0 });

	join(c);
	ask(7, 0, "node/get");
	ask(8, 0, "node/put");
	ask_of(c, 7, 0, "node/get");
	leave(b);
	settle();
	expect_reply(a, 7, MK_EUNAVAIL, "node/get", "");
	expect_reply(a, 8, MK_EUNAVAIL, "node/put", "");
	expect_reply(c, 7, MK_EUNAVAIL, "node/get", "");
	cr_expect_eq(hub->call_count, 0);
}

Test(call, when_who_asked_goes_the_answer_is_for_nobody)
{
	uint64_t id;

	ask(7, 0, "node/get");
	id = expect_call(b, "node/get", "a", 7);
	leave(a);
	cr_expect_eq(hub->call_count, 0);
	join(a); /* another process */
	answer(b, id, MK_OK, "", "\x80");
	expect_nothing(a);
	cr_expect_eq(b->misbehaved, 0);
}

Test(call, one_may_ask_oneself_and_leave)
{
	ask_of(b, 7, 0, "node/get");
	settle();
	answer(b, expect_call(b, "node/get", "b", 7), MK_OK, "", "\x80");
	expect_reply(b, 7, MK_OK, "node/get", "\x80");
	ask_of(b, 8, 0, "node/get");
	settle();
	leave(b);
	cr_expect_eq(hub->call_count, 0);
	join(b);
	expect_nothing(b);
}

Test(call, there_is_an_end_to_how_many_are_open)
{
	struct peer *askers[5];
	char name[32];

	for (int i = 0; i < 5; i++) { /* none of them may take all there are */
		snprintf(name, sizeof(name), "asker-%d", i);
		askers[i] = peer_new(name, (struct spec){ 0 });
		join(askers[i]);
	}
	for (uint64_t i = 0; i < HUB_CALLS_MAX; i++)
		ask_of(askers[i % 4], i, 3 * SECOND, "node/get");
	settle();
	cr_expect_eq(hub->call_count, HUB_CALLS_MAX);
	for (int i = 0; i < 4; i++)
		expect_nothing(askers[i]);
	ask_of(askers[4], 1, 0, "node/get");
	settle();
	expect_reply(askers[4], 1, MK_EAGAIN, "", "");
	answer(b, wire_get_u64(next_record(b, WIRE_CALL)), MK_OK, "", "\x80");
	ask_of(askers[4], 2, 0, "node/get");
	settle();
	expect_nothing(askers[4]);
	later(4 * SECOND);
	cr_expect_eq(hub->call_count, 0);
	cr_expect_eq(hub->call_timeouts, HUB_CALLS_MAX);
	expect_reply(askers[4], 2, MK_ETIMEDOUT, "node/get", "");
}

Test(call, nobody_answers_for_another)
{
	uint64_t id;

	ask(7, 0, "node/get");
	id = expect_call(b, "node/get", "a", 7);
	answer(a, id, MK_OK, "", "\x80");
	answer(b, id + 1, MK_OK, "", "\x80");
	answer(b, 0, MK_OK, "", "\x80");
	expect_nothing(a);
	answer(b, id, MK_OK, "", "\x80");
	expect_reply(a, 7, MK_OK, "node/get", "\x80");
}

/* ----------------------------------------------------------------- the core -- */

Test(call, what_begins_with_core_is_asked_of_the_core)
{
	ask(7, 0, "core/status");
	cr_expect_eq(core_call.caller, a->seat);
	cr_expect_str_eq(core_call.method, "core/status");
	cr_expect_eq(core_call.len, 8);
	hub_answer(hub, core_call.id, MK_OK, "", "\x80", 1);
	hub_answer(hub, core_call.id, MK_OK, "", "\x80", 1);
	settle();
	expect_reply(a, 7, MK_OK, "core/status", "\x80");
	expect_nothing(a);
}

static unsigned replies;
static mk_result reply_result;
static uint32_t reply_len;

static void
on_reply(void *arg, mk_result result, const char *error, const uint8_t *body, uint32_t len)
{
	(void)arg, (void)error, (void)body;
	replies++;
	reply_result = result;
	reply_len = len;
}

Test(call, the_core_asks_like_everyone_else)
{
	uint64_t id = 0;

	cr_assert_eq(hub_ask(hub, "node/get", body_of(1), 8, 0, on_reply, NULL, &id), MK_OK);
	settle();
	cr_expect_eq(expect_call(b, "node/get", "core", 1), id);
	answer(b, id, MK_OK, "", "\x80");
	cr_expect(replies == 1 && reply_result == MK_OK && reply_len == 1);
	cr_assert_eq(hub_ask(hub, "node/none", body_of(1), 8, 0, on_reply, NULL, &id), MK_OK);
	cr_expect(replies == 2 && reply_result == MK_ENOENT);
	cr_expect_eq(hub_ask(hub, "Node", body_of(1), 8, 0, on_reply, NULL, &id), MK_EINVAL);
	cr_assert_eq(hub_ask(hub, "node/get", body_of(2), 8, 0, on_reply, NULL, &id), MK_OK);
	later(3 * SECOND);
	cr_expect(replies == 3 && reply_result == MK_ETIMEDOUT);
	cr_assert_eq(hub_ask(hub, "node/get", body_of(3), 8, 0, on_reply, NULL, &id), MK_OK);
	hub_forget_ask(hub, id);
	hub_forget_ask(hub, id);
	later(3 * SECOND);
	cr_expect_eq(replies, 3, "nobody wants to know any more");
	cr_expect_eq(hub->call_count, 0);
}
