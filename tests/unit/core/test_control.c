/* SPDX-License-Identifier: MIT
 *
 * The control socket of a daemon without plugins, spoken to byte by byte.
 */
#define _GNU_SOURCE
#include "control.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "clock.h"
#include "frame.h"

#ifdef MK_ASAN
size_t __sanitizer_get_current_allocated_bytes(void);
#endif

#define MIB (1u << 20)

struct caller { /* a program at the socket */
	int fd;
	uint8_t *in; /* received; up to `at` it was looked at */
	size_t at, len, cap;
	bool closed; /* by the daemon */
};

static struct core *core;
static struct loop_timer *guard;
static char folder[] = "/tmp/test_control-XXXXXX", file[64];
static mk_doc doc;
static mk_writer request;
static struct frame frame;

static void
write_config(const char *more)
{
	FILE *f = fopen(file, "w");

	cr_assert_not_null(f);
	fprintf(f,
		"meshkern: 1\ndata_dir: ./d\nlog: { level: error }\n"
		"bus: { listen: [], ring: { messages: 256, bytes: 1MiB } }\n%s",
		more);
	fclose(f);
}

static void
on_guard(void *arg)
{
	(void)arg;
}

static void
setup(void)
{
	mk_problems *problems = mk_problems_new("f");
	mk_err err = { 0 };

	log_init(-1, MK_LOG_ERROR, LOG_TEXT);
	cr_assert_not_null(mkdtemp(folder));
	snprintf(file, sizeof(file), "%s/m.yaml", folder);
	write_config("");
	cr_assert_eq(core_new(&core, file, NULL, problems, &err), MK_OK, "%s", err.text);
	mk_problems_free(problems);
	guard = loop_timer_new(core->loop, on_guard, NULL);
	mk_doc_init(&doc);
	mk_writer_init(&request, 17 * MIB);
}

static void
teardown(void)
{
	static const char *const parts[] = { "d/run/bus", "d/run/plugins", "d/run/lock", "d/run",
					     "d/state",   "d/outbox",      "d",          "m.yaml" };
	char path[128];

	loop_timer_free(guard);
	core_free(core);
	mk_doc_fini(&doc);
	mk_writer_fini(&request);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, parts[i]);
		cr_expect_eq(remove(path), 0, "%s: %s", path, strerror(errno));
	}
	cr_expect_eq(rmdir(folder), 0);
}

TestSuite(control, .timeout = 10, .init = setup, .fini = teardown);
TestSuite(tail, .timeout = 10, .init = setup, .fini = teardown);

/* ----------------------------------------------------------------- talking -- */

/* What the daemon does in one round. */
static void
round_once(void)
{
	loop_timer_set(guard, clock_now_us() + 1000);
	loop_round(core->loop);
	hub_pump(core->hub);
	control_pump(core->control);
}

static struct caller
call_in(void)
{
	struct caller c = { .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0) };
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/d/run/control.sock", folder);
	cr_assert_eq(connect(c.fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return c;
}

static void
hang_up(struct caller *c)
{
	close(c->fd);
	free(c->in);
	*c = (struct caller){ .fd = -1 };
}

/* Take up to `most` bytes of what there is. */
static void
take(struct caller *c, size_t most)
{
	ssize_t n;

	if (c->at > c->len / 2) {
		c->len -= c->at;
		memmove(c->in, c->in + c->at, c->len);
		c->at = 0;
	}
	if (c->cap - c->len < most) {
		c->cap = c->cap * 2 + most;
		c->in = realloc(c->in, c->cap);
		cr_assert_not_null(c->in);
	}
	n = recv(c->fd, c->in + c->len, most, 0);
	c->closed = n == 0 || (n == -1 && errno != EAGAIN);
	c->len += n > 0 ? (size_t)n : 0;
}

static void
send_bytes(struct caller *c, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len > 0 && !c->closed) {
		ssize_t n = send(c->fd, p, len, MSG_NOSIGNAL);

		if (n == -1 && errno != EAGAIN)
			c->closed = true;
		p += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
		round_once();
	}
}

static void
send_message(struct caller *c, const void *data, size_t len)
{
	uint8_t head[4] = { (uint8_t)len, (uint8_t)(len >> 8), (uint8_t)(len >> 16),
			    (uint8_t)(len >> 24) };

	send_bytes(c, head, 4);
	send_bytes(c, data, len);
}

/* {"id": id, "do": what} and room for `more` pairs, to be sent by finish(). */
static void
begin(uint32_t id, const char *what, uint32_t more)
{
	mk_writer_reset(&request);
	mk_put_map(&request, 2 + more);
	mk_kv_u64(&request, "id", id);
	mk_kv_str(&request, "do", what);
}

static void
finish(struct caller *c)
{
	cr_assert_eq(mk_writer_end(&request), MK_OK);
	send_message(c, request.data, request.len);
}

static void
ask(struct caller *c, uint32_t id, const char *what)
{
	begin(id, what, 0);
	finish(c);
}

/* True if a whole answer is there; it is then in `doc`, and gone from the rest. */
static bool
next_answer(struct caller *c)
{
	static uint8_t *answer;
	const uint8_t *p = c->in + c->at;
	size_t len;

	if (c->len - c->at < 4)
		return false;
	len = (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;
	if (c->len - c->at < 4 + len)
		return false;
	free(answer);
	answer = malloc(len);
	cr_assert_not_null(answer);
	memcpy(answer, p + 4, len);
	c->at += 4 + len;
	cr_assert_eq(mk_doc_open(&doc, answer, len, NULL, NULL, 0), MK_OK);
	return true;
}

static bool
answer_comes(struct caller *c)
{
	uint64_t by = clock_now_us() + 3000000;

	while (!next_answer(c)) {
		if (c->closed || clock_now_us() > by)
			return false;
		round_once();
		take(c, 65536);
	}
	return true;
}

static const mk_val *
expect_answer(struct caller *c, uint32_t id, mk_result result)
{
	const mk_val *root;
	int64_t got_result = 1;
	uint32_t got_id = UINT32_MAX;
	char error[512] = "";

	cr_assert(answer_comes(c), "no answer to %u", id);
	root = mk_doc_root(&doc);
	cr_assert(mk_get_u32(mk_find(root, "id"), &got_id));
	cr_assert(mk_get_i64(mk_find(root, "result"), &got_result));
	cr_assert(mk_copy_str(mk_find(root, "error"), error, sizeof(error)));
	cr_assert_eq(got_id, id);
	cr_assert_eq(got_result, result, "%d: %s", (int)got_result, error);
	cr_expect_eq(error[0] == '\0', result == MK_OK, "%s", error);
	cr_expect(mk_is_map(mk_find(root, "data")));
	return mk_find(root, "data");
}

static void
expect_quiet(struct caller *c)
{
	for (int i = 0; i < 5; i++)
		round_once();
	take(c, 65536);
	cr_expect_eq(c->len, c->at);
	cr_expect_not(c->closed);
}

static void
expect_closed(struct caller *c)
{
	for (int i = 0; i < 100 && !c->closed; i++) {
		round_once();
		take(c, 65536);
	}
	cr_expect(c->closed);
	hang_up(c);
}

static size_t
allocated(void)
{
#ifdef MK_ASAN
	return __sanitizer_get_current_allocated_bytes();
#else
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
#endif
}

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
	cr_expect_gt(sent, 1000);
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
	static const char *const changing[] = { "core/enable", "core/disable", "core/restart",
						"core/reset", "core/reload" };

	cr_expect_eq(ask_core_as(none, "core/status"), MK_OK);
	cr_expect_eq(ask_core_as(none, "core/stats"), MK_OK);
	cr_expect_eq(ask_core_as(none, "core/plugins"), MK_OK);
	for (size_t i = 0; i < 5; i++) {
		cr_expect_eq(ask_core_as(none, changing[i]), MK_EDENIED, "%s", changing[i]);
		cr_expect_eq(ask_core_as(other, changing[i]), MK_EDENIED, "%s", changing[i]);
	}
	cr_expect_eq(ask_core_as(granted, "core/restart"), MK_ENOENT, "no such plugin");
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
on_reloaded(void *arg, bool good, bool changed, uint32_t count, const char *const *lines)
{
	(void)arg, (void)lines;
	cr_expect(good && !changed && count == 0);
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

/* --------------------------------------------------------------------- tail -- */

/* One message with a body of about `len` bytes. */
static void
say(const char *topic, size_t len, bool retained)
{
	mk_writer w;
	uint8_t *fill = calloc(1, len + 1);

	mk_writer_init(&w, 0);
	mk_put_map(&w, 1);
	mk_kv_bin(&w, "fill", fill, len);
	hub_say(core->hub, topic, retained, &w);
	mk_writer_fini(&w);
	free(fill);
}

struct reading { /* what was read of one */
	const mk_val *frames;
	uint32_t at;
	bool more;
};

static void
follow(struct caller *c, uint32_t id, const char *const *topics, uint32_t count, bool retained)
{
	begin(id, "tail", 2);
	mk_kv_bool(&request, "retained", retained);
	mk_kv_array(&request, "topics", count);
	for (uint32_t i = 0; i < count; i++)
		mk_put_str(&request, topics[i]);
	finish(c);
}

/* The next frame; false when the stream has ended. */
static bool
next_frame(struct caller *c, struct reading *s, uint32_t id)
{
	static mk_doc frame_doc;
	const uint8_t *data;
	mk_err err = { 0 };
	size_t len;

	while (s->at == mk_count(s->frames)) {
		if (s->frames != NULL && !s->more)
			return false;
		s->frames = mk_find(expect_answer(c, id, MK_OK), "frames");
		cr_assert(mk_get_bool(mk_find(mk_doc_root(&doc), "more"), &s->more));
		s->at = 0;
	}
	cr_assert(mk_get_bin(mk_at(s->frames, s->at++), &data, &len));
	mk_doc_init(&frame_doc);
	cr_assert_eq(frame_parse(&frame, &frame_doc, data, len, &err), MK_OK, "%s", err.text);
	mk_doc_fini(&frame_doc);
	return true;
}

static void
expect_frame(struct caller *c, struct reading *s, const char *topic, uint64_t seq, uint32_t flags)
{
	cr_assert(next_frame(c, s, 1));
	cr_assert_str_eq(frame.topic, topic);
	cr_assert_eq(frame.msg.seq, seq, "%s %d, expected %d", topic, (int)frame.msg.seq, (int)seq);
	cr_assert_eq(frame.msg.flags, flags);
}

Test(tail, what_is_published_from_now_on_comes)
{
	struct caller c = call_in();
	struct reading s = { 0 };

	say("core/a", 1, false);
	follow(&c, 1, NULL, 0, false);
	say("core/a", 1, false);
	say("core/b", 1, false);
	expect_frame(&c, &s, "core/a", 2, 0);
	expect_frame(&c, &s, "core/b", 1, 0);
	say("core/a", 1, false);
	expect_frame(&c, &s, "core/a", 3, 0);
	expect_quiet(&c);
	hang_up(&c);
}

Test(tail, only_the_topics_asked_for_come)
{
	static const char *const topics[] = { "core/a", "core/b/" };
	struct caller c = call_in();
	struct reading s = { 0 };

	follow(&c, 1, topics, 2, false);
	say("core/aa", 1, false);
	say("core/a/b", 1, false);
	say("core/b", 1, false);
	say("core/a", 1, false);
	say("core/b/c", 1, false);
	expect_frame(&c, &s, "core/a", 1, 0);
	expect_frame(&c, &s, "core/b/c", 1, 0);
	expect_quiet(&c);
	hang_up(&c);
}

Test(tail, topics_that_cannot_be_followed_are_refused_and_not_forgotten)
{
	static const char *const many[] = { "a", "b", "c", "d", "e", "f", "g", "h", "i",
					    "j", "k", "l", "m", "n", "o", "p", "q" };
	char too_long[MK_TOPIC_MAX + 2];
	const char *const one[] = { too_long };
	struct caller c = call_in();

	memset(too_long, 'x', sizeof(too_long));
	too_long[MK_TOPIC_MAX + 1] = '\0';
	follow(&c, 1, many, 17, false);
	expect_answer(&c, 1, MK_EINVAL);
	follow(&c, 2, one, 1, false);
	expect_answer(&c, 2, MK_EINVAL);
	say("core/a", 1, false);
	expect_quiet(&c);
	follow(&c, 3, many, 16, false);
	expect_quiet(&c);
	hang_up(&c);
}

Test(tail, retained_values_come_first_if_asked_for)
{
	static const char *const topics[] = { "core/kept", "core/a" };
	struct caller c = call_in();
	struct reading s = { 0 };

	say("core/kept", 1, true);
	say("core/kept", 1, true);
	say("core/other", 1, true);
	say("core/a", 1, false);
	follow(&c, 1, topics, 2, true);
	say("core/a", 1, false);
	expect_frame(&c, &s, "core/kept", 2, MK_MSG_RETAINED);
	expect_frame(&c, &s, "core/a", 2, 0);
	expect_quiet(&c);
	hang_up(&c);
}

Test(tail, a_new_stream_takes_the_place_of_the_one_before)
{
	static const char *const a[] = { "core/a" }, *const b[] = { "core/b" };
	struct caller c = call_in();
	struct reading s = { 0 };

	follow(&c, 2, a, 1, false);
	follow(&c, 1, b, 1, false);
	say("core/a", 1, false);
	say("core/b", 1, false);
	expect_frame(&c, &s, "core/b", 1, 0);
	expect_quiet(&c);
	hang_up(&c);
}

/* The reader never catches up, so that there is always something left to send to it. */
Test(tail, a_slow_reader_costs_little_and_hears_exactly_what_it_missed)
{
	static const char *const topics[] = { "core/a" };
	struct caller c = call_in();
	struct reading s = { 0 };
	uint64_t published = 0, next = 1, lost = 0;
	size_t before;

	follow(&c, 1, topics, 1, false);
	c.in = malloc(c.cap = 16 * MIB);
	before = allocated();
	for (int i = 0; i < 600; i++) {
		for (int k = 0; k < 5; k++, published++)
			say("core/a", 8192, false);
		round_once();
		take(&c, 20000);
	}
	cr_expect_lt(allocated(), before + 4 * MIB, "%zu more", allocated() - before);
	say("core/a", 1, false);
	published++;
	while (next <= published) {
		cr_assert(next_frame(&c, &s, 1));
		cr_assert_eq(frame.msg.seq, next);
		if ((frame.msg.flags & MK_MSG_GAP) != 0) {
			uint64_t n = 0;
			mk_doc gap;

			mk_doc_init(&gap);
			mk_doc_open(&gap, frame.msg.body, frame.msg.body_len, NULL, NULL, 0);
			cr_assert(mk_get_u64(mk_find(mk_doc_root(&gap), "lost"), &n));
			mk_doc_fini(&gap);
			next += n;
			lost += n;
		} else {
			next++;
		}
	}
	cr_expect_eq(next, published + 1);
	cr_expect_gt(lost, 0);
	cr_expect_lt(lost, published);
	hang_up(&c);
}

/* ------------------------------------------------------------------- replay -- */

static void
replay(struct caller *c, const char *topic, uint64_t from, uint64_t n)
{
	begin(1, "replay", 3);
	mk_kv_str(&request, "topic", topic);
	mk_kv_u64(&request, "from", from);
	mk_kv_u64(&request, "n", n);
	finish(c);
}

Test(tail, a_replay_goes_back_and_ends)
{
	struct caller c = call_in();
	struct reading s = { 0 };

	for (int i = 0; i < 300; i++)
		say("core/a", 1, false);
	replay(&c, "core/a", 290, 4);
	for (uint64_t i = 290; i < 294; i++)
		expect_frame(&c, &s, "core/a", i, MK_MSG_REPLAYED);
	cr_expect_not(next_frame(&c, &s, 1));
	s = (struct reading){ 0 };
	replay(&c, "core/a", 298, 0);
	for (uint64_t i = 298; i <= 300; i++)
		expect_frame(&c, &s, "core/a", i, MK_MSG_REPLAYED);
	cr_expect_not(next_frame(&c, &s, 1));
	s = (struct reading){ 0 };
	replay(&c, "core/a", 301, 10);
	cr_expect_not(next_frame(&c, &s, 1));
	say("core/a", 1, false);
	expect_quiet(&c);
	hang_up(&c);
}

Test(tail, a_replay_tells_what_the_ring_no_longer_has)
{
	struct caller c = call_in();
	struct reading s = { 0 };
	uint64_t first;

	for (int i = 0; i < 300; i++)
		say("core/a", 1, false);
	first = 300 + 1 - core->hub->stream.rings[RING_LATEST].count;
	replay(&c, "core/a", 0, 0);
	expect_frame(&c, &s, "core/a", 1, MK_MSG_GAP);
	for (uint64_t i = first; i <= 300; i++)
		expect_frame(&c, &s, "core/a", i, MK_MSG_REPLAYED);
	cr_expect_not(next_frame(&c, &s, 1));
	hang_up(&c);
}

Test(tail, a_replay_of_what_there_never_was_is_an_error)
{
	struct caller c = call_in();

	replay(&c, "core/none", 1, 1);
	expect_answer(&c, 1, MK_ENOENT);
	ask(&c, 2, "replay");
	expect_answer(&c, 2, MK_ENOENT);
	hang_up(&c);
}
