/* SPDX-License-Identifier: MIT
 *
 * The control socket: requests, answers, calls, reloads. What follows the bus is in
 * test_control_stream.c.
 */
#define _GNU_SOURCE
#include "control_fixture.h"

#include <sys/stat.h>

TestSuite(control, .timeout = 120, .init = setup, .fini = teardown);

/* ---------------------------------------------------------------- requests -- */

Test(control, a_request_is_answered_under_its_number)
{
	struct caller c = call_in();
	const mk_val *data;
	char text[16];

	ask(&c, 7, "status");
	data = expect_answer(&c, 7, MK_OK);
	cr_expect(mk_copy_str(mk_find(data, "state"), text, sizeof(text)));
	cr_expect_str_eq(text, "running");
	ask(&c, UINT32_MAX, "plugins");
	expect_answer(&c, UINT32_MAX, MK_OK);
	ask(&c, 0, "stats");
	expect_answer(&c, 0, MK_OK);
	expect_quiet(&c);
	hang_up(&c);
}

Test(control, two_requests_in_one_write_are_two_requests)
{
	struct caller c = call_in();
	uint8_t two[200];
	size_t len;

	begin(1, "status", 0);
	len = request.len;
	for (int i = 0; i < 2; i++) {
		memcpy(two + (len + 4) * (size_t)i, "\0\0\0", 4);
		two[(len + 4) * (size_t)i] = (uint8_t)len;
		memcpy(two + (len + 4) * (size_t)i + 4, request.data, len);
	}
	send_bytes(&c, two, 2 * (len + 4));
	expect_answer(&c, 1, MK_OK);
	expect_answer(&c, 1, MK_OK);
	expect_quiet(&c);
	hang_up(&c);
}

Test(control, a_request_may_come_byte_by_byte)
{
	struct caller c = call_in();
	uint8_t head[4] = { 0 };

	begin(1, "status", 0);
	head[0] = (uint8_t)request.len;
	for (size_t i = 0; i < 4; i++)
		send_bytes(&c, head + i, 1);
	for (size_t i = 0; i < request.len; i++) {
		cr_expect_eq(c.len, c.at);
		send_bytes(&c, request.data + i, 1);
	}
	expect_answer(&c, 1, MK_OK);
	hang_up(&c);
}

Test(control, malformed_requests_are_answered_with_what_is_wrong)
{
	static const struct {
		const char *bytes;
		size_t len;
		mk_result result;
		uint32_t id;
	} bad[] = {
		{ "", 0, MK_EFORMAT, 0 },
		{ "\xc1", 1, MK_EFORMAT, 0 },
		{ "\x81", 1, MK_EFORMAT, 0 },
		{ "\xdf\xff\xff\xff\xff", 5, MK_EFORMAT, 0 },
		{ "\x80", 1, MK_EINVAL, 0 },
		{ "\x90", 1, MK_EINVAL, 0 },
		{ "\xa2hi", 3, MK_EINVAL, 0 },
		{ "\x81\xa2id\x05", 5, MK_EINVAL, 5 },
		{ "\x82\xa2id\x05\xa2"
		  "do\x07",
		  9, MK_EINVAL, 5 },
		{ "\x82\xa2id\xa1x\xa2"
		  "do\xa3"
		  "fly",
		  13, MK_ENOENT, 0 },
	};
	struct caller c = call_in();

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		send_message(&c, bad[i].bytes, bad[i].len);
		expect_answer(&c, bad[i].id, bad[i].result);
	}
	ask(&c, 9, "status");
	expect_answer(&c, 9, MK_OK);
	hang_up(&c);
}

Test(control, a_command_that_there_is_not_is_said_to_be_none)
{
	struct caller c = call_in();

	ask(&c, 1, "fly");
	expect_answer(&c, 1, MK_ENOENT);
	ask(&c, 2, "a name that is longer than any command has ever been");
	expect_answer(&c, 2, MK_EINVAL);
	hang_up(&c);
}

Test(control, commands_about_plugins_name_one_that_there_is)
{
	static const char *const commands[] = { "enable", "disable", "restart", "reset" };
	struct caller c = call_in();

	for (uint32_t i = 0; i < 4; i++) {
		ask(&c, i, commands[i]);
		expect_answer(&c, i, MK_EINVAL);
		begin(i, commands[i], 1);
		mk_kv_str(&request, "name", "nobody");
		finish(&c);
		expect_answer(&c, i, MK_ENOENT);
	}
	hang_up(&c);
}

Test(control, a_request_as_large_as_allowed_is_read_and_a_larger_one_ends_the_connection)
{
	struct caller c = call_in(), other = call_in();
	uint8_t *large = calloc(1, 16 * MIB);

	cr_assert_not_null(large);
	begin(3, "status", 1);
	mk_kv_bin(&request, "fill", large, 16 * MIB - request.len - 10);
	cr_assert_eq(request.len, 16 * MIB);
	finish(&c);
	expect_answer(&c, 3, MK_OK);
	send_bytes(&c, "\1\0\0\1", 4);
	expect_closed(&c);
	c = call_in();
	send_bytes(&c, "\377\377\377\377", 4);
	expect_closed(&c);
	ask(&other, 4, "status");
	expect_answer(&other, 4, MK_OK);
	hang_up(&other);
	free(large);
}

Test(control, who_hangs_up_in_the_middle_of_anything_disturbs_nobody)
{
	struct caller c = call_in(), other = call_in();

	send_bytes(&c, "\5\0", 2);
	hang_up(&c);
	c = call_in();
	begin(1, "status", 0);
	send_bytes(&c, "\20\0\0\0\x82", 5);
	hang_up(&c);
	c = call_in();
	ask(&c, 1, "stats"); /* and does not wait for the answer */
	hang_up(&c);
	c = call_in();
	begin(1, "tail", 0);
	finish(&c);
	hang_up(&c);
	round_once();
	ask(&other, 4, "status");
	expect_answer(&other, 4, MK_OK);
	hang_up(&other);
}

Test(control, a_late_answer_is_not_for_who_called_in_afterwards)
{
	struct caller c = call_in();

	round_once();
	ask(&c, 1, "reload"); /* is prepared on a thread */
	hang_up(&c);
	for (int i = 0; i < 3; i++)
		round_once();
	c = call_in();
	while (core->reload != NULL)
		round_once();
	expect_quiet(&c);
	ask(&c, 2, "status");
	expect_answer(&c, 2, MK_OK);
	hang_up(&c);
}

Test(control, there_is_room_for_so_many_and_then_for_no_more)
{
	struct caller c[32], one_more;

	for (uint32_t i = 0; i < 32; i++) {
		c[i] = call_in();
		ask(&c[i], i, "status");
		expect_answer(&c[i], i, MK_OK);
	}
	one_more = call_in();
	expect_closed(&one_more);
	hang_up(&c[5]);
	round_once();
	one_more = call_in();
	ask(&one_more, 1, "status");
	expect_answer(&one_more, 1, MK_OK);
	hang_up(&one_more);
	for (uint32_t i = 0; i < 32; i++)
		if (c[i].fd != -1)
			hang_up(&c[i]);
}

Test(control, who_asks_and_does_not_read_is_answered_later_and_costs_little)
{
	struct caller c = call_in();
	uint32_t sent = 0;
	size_t before;

	round_once();
	before = allocated();
	for (int idle = 0; idle < 20; sent++) { /* until it takes no more */
		uint8_t head[4] = { 0 };

		begin(sent, "stats", 0);
		head[0] = (uint8_t)request.len;
		if (send(c.fd, head, 4, MSG_NOSIGNAL) != 4)
			break;
		while (send(c.fd, request.data, request.len, MSG_NOSIGNAL) == -1 && idle++ < 20)
			round_once();
		round_once();
	}
	cr_expect_gt(sent, 500);
	cr_expect_lt(allocated(), before + 2 * MIB);
	for (uint32_t i = 0; i + 1 < sent; i++)
		expect_answer(&c, i, MK_OK);
	hang_up(&c);
}

/* -------------------------------------------------------------------- calls -- */

static void
call(struct caller *c, uint32_t id, const char *method, const char *body, size_t len)
{
	begin(id, "call", 2);
	mk_kv_str(&request, "method", method);
	mk_kv_bin(&request, "body", body, len);
	finish(c);
}

Test(control, a_call_brings_the_body_of_its_answer)
{
	struct caller c = call_in();
	const uint8_t *body;
	size_t len;

	call(&c, 1, "core/status", "\x80", 1);
	cr_assert(mk_get_bin(mk_find(expect_answer(&c, 1, MK_OK), "body"), &body, &len));
	cr_expect_eq(mk_validate(body, len, NULL, NULL, 0), MK_OK);
	cr_expect_gt(len, 100);
	call(&c, 2, "core/fly", "\x80", 1);
	expect_answer(&c, 2, MK_ENOENT);
	call(&c, 3, "nobody/answers", "\x80", 1);
	expect_answer(&c, 3, MK_ENOENT);
	call(&c, 4, "core/status", "\xc1", 1);
	expect_answer(&c, 4, MK_EINVAL);
	call(&c, 5, "Not a name", "\x80", 1);
	expect_answer(&c, 5, MK_EINVAL);
	ask(&c, 6, "call");
	expect_answer(&c, 6, MK_EINVAL);
	begin(7, "call", 1);
	mk_kv_str(&request, "method", "core/status");
	finish(&c);
	expect_answer(&c, 7, MK_OK);
	cr_expect_eq(core->hub->call_count, 0);
	hang_up(&c);
}

static mk_result asked_result = 1;

static void
on_core_reply(void *arg, mk_result result, const char *error, const uint8_t *body, uint32_t len)
{
	(void)arg, (void)error, (void)body, (void)len;
	asked_result = result;
}

/* What the core tells a plugin with these capabilities. */
static mk_result
ask_core_as(const char *const *capabilities, const char *method)
{
	static const mk_topic no_topics[] = { { 0 } };
	static const mk_method no_methods[] = { { 0 } };
	mk_manifest m = { .subscribes = no_topics,
			  .publishes = no_topics,
			  .methods = no_methods,
			  .capabilities = capabilities };
	struct seat *s = seat_new(core->hub, "asker", NULL, false);
	uint64_t id = 0;

	/* A call of the core's own, passed on as if it were the plugin's. */
	cr_assert_eq(hub_ask(core->hub, "nobody/answers", "\x80", 1, 0, on_core_reply, NULL, &id),
		     MK_OK);
	core->hub->calls[id % HUB_CALLS_MAX] = (struct hub_call){ .id = id, .fn = on_core_reply };
	core->hub->call_count++;
	asked_result = 1;
	seat_declare(s, &m, 0, true);
	core->hub->events.core_call(core->hub->events.arg, s, id, method,
				    (const uint8_t *)"\x81\xa4name\xa1x", 8);
	seat_declare(s, NULL, 0, false);
	seat_free(s);
	return asked_result;
}

Test(control, a_plugin_looks_but_changes_nothing_unless_it_was_granted)
{
	static const char *const none[] = { NULL }, *const granted[] = { "core.control", NULL },
				 *const other[] = { "net", "exec", NULL };
	/* The last one changes nothing, but tells what others log and are configured with. */
	static const char *const changing[] = { "core/enable", "core/disable", "core/restart",
						"core/reset",  "core/reload",  "core/details" };

	cr_expect_eq(ask_core_as(none, "core/status"), MK_OK);
	cr_expect_eq(ask_core_as(none, "core/stats"), MK_OK);
	cr_expect_eq(ask_core_as(none, "core/plugins"), MK_OK);
	for (size_t i = 0; i < 6; i++) {
		cr_expect_eq(ask_core_as(none, changing[i]), MK_EDENIED, "%s", changing[i]);
		cr_expect_eq(ask_core_as(other, changing[i]), MK_EDENIED, "%s", changing[i]);
	}
	cr_expect_eq(ask_core_as(granted, "core/restart"), MK_ENOENT, "no such plugin");
	cr_expect_eq(ask_core_as(granted, "core/details"), MK_OK);
}

/* ------------------------------------------------------------------- reload -- */

Test(control, a_reload_says_what_would_change_and_what_is_wrong)
{
	struct caller c = call_in();
	const mk_val *data;
	bool changed = true;

	ask(&c, 1, "reload");
	data = expect_answer(&c, 1, MK_OK);
	cr_expect(mk_get_bool(mk_find(data, "changed"), &changed) && !changed);
	write_config("plugins: { nobody: {} }\n");
	begin(2, "reload", 1);
	mk_kv_bool(&request, "dry_run", true);
	finish(&c);
	data = expect_answer(&c, 2, MK_EINVAL);
	cr_expect_eq(mk_count(mk_find(data, "problems")), 1);
	write_config("plugins: { nobody: { enabled: false } }\n");
	begin(3, "reload", 1);
	mk_kv_bool(&request, "dry_run", true);
	finish(&c);
	data = expect_answer(&c, 3, MK_OK);
	cr_expect_eq(mk_count(mk_find(data, "plan")), 1);
	cr_expect_null(core->plugs, "nothing was done");
	hang_up(&c);
}

static unsigned reloads;

static void
on_reloaded(void *arg, const struct core_reload_outcome *o)
{
	(void)arg;
	cr_expect(o->good && o->all_good && !o->changed && o->count + o->result_count == 0);
	reloads++;
}

Test(control, of_two_reloads_at_a_time_the_second_is_refused)
{
	cr_expect_eq(core_reload(core, false, on_reloaded, NULL), MK_OK);
	cr_expect_eq(core_reload(core, false, on_reloaded, NULL), MK_EAGAIN);
	while (core->reload != NULL)
		round_once();
	cr_expect_eq(reloads, 1);
	cr_expect_eq(core_reload(core, false, on_reloaded, NULL), MK_OK);
	while (core->reload != NULL)
		round_once();
	cr_expect_eq(reloads, 2);
}

/* A text may be cut in the middle of a character; the answer comes all the same. */
Test(control, an_answer_that_cannot_be_written_is_an_error_and_not_silence)
{
	struct caller c = call_in();
	char name[400] = "x";

	for (int i = 0; i < 120; i++)
		memcpy(name + 1 + 2 * i, "\xc3\xa4", 3);
	strncat(name, ": {}\n", 6);
	for (int shift = 0; shift < 2; shift++) {
		char config[500];

		snprintf(config, sizeof(config), "plugins:\n  %s", name + shift);
		write_config(config);
		ask(&c, 1, "reload");
		cr_assert(answer_comes(&c));
	}
	ask(&c, 2, "status");
	expect_answer(&c, 2, MK_OK);
	hang_up(&c);
}

Test(control, a_daemon_that_goes_while_it_reloads_waits_for_it)
{
	cr_assert_eq(core_reload(core, false, on_reloaded, NULL), MK_OK);
	core_free(core);
	core = NULL;
	cr_expect_eq(reloads, 1);
}

/* -------------------------------------------------------------- where it is -- */

Test(control, the_socket_is_its_owners_alone_and_there_is_one_daemon_a_folder)
{
	mk_problems *problems = mk_problems_new("f");
	struct core *second = NULL;
	mk_err err = { 0 };
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/d/run/control.sock", folder);
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0600);
	cr_expect_eq(core_new(&second, file, NULL, problems, &err), MK_EEXIST);
	snprintf(path, sizeof(path), "(pid %d)", (int)getpid());
	cr_expect_not_null(strstr(err.text, path), "%s", err.text);
	core_free(second);
	snprintf(path, sizeof(path), "%s/d/run/control.sock", folder);
	cr_expect_eq(stat(path, &st), 0, "the socket of the first one is still there");
	mk_problems_free(problems);
}
