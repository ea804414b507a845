/* SPDX-License-Identifier: MIT
 *
 * A plugin to order, for the tests of the test kit: it does what the test puts
 * into `act`, and nothing where that is empty.
 */
#ifndef MK_TESTS_TESTKIT_PROBE_H
#define MK_TESTS_TESTKIT_PROBE_H

#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>
#include <meshkern/testkit.h>

#if defined(MK_ASAN) || defined(MK_TSAN)
#define COUNTS_MEMORY 0
#else
#define COUNTS_MEMORY 1
#endif

static const uint8_t small_map[] = { 0x81, 0xa1, 'n', 1 };

static struct {
	mk_result (*check)(const mk_host *host, char *why, uint32_t why_len);
	mk_result (*create)(const mk_host *host);
	mk_result (*start)(const mk_host *host);
	void (*msg)(const mk_host *host, const mk_msg *msg);
	void (*call)(const mk_host *host, const mk_call *call);
	void (*reply)(const mk_host *host, const mk_reply *reply);
	void (*timer)(const mk_host *host, uint32_t id);
	void (*fd)(const mk_host *host, int32_t fd, uint32_t events);
	mk_result (*reconfigure)(const mk_host *host);
	void (*stop)(const mk_host *host);
	void (*destroy)(const mk_host *host);
} act;

static const mk_host *the_host;
static char trace[512]; /* what happened, in order */

static inline void
note(const char *format, long long value)
{
	size_t used = strlen(trace);

	/* Every format used here has one %lld or none. */
	snprintf(trace + used, sizeof(trace) - used, "%s", used > 0 ? " " : "");
	used = strlen(trace);
	if (strcmp(format, "%lld") == 0)
		snprintf(trace + used, sizeof(trace) - used, "%lld", value);
	else
		snprintf(trace + used, sizeof(trace) - used, "%s", format);
}

static mk_result
on_check(const mk_host *config, char *why, uint32_t why_len)
{
	return act.check != NULL ? act.check(config, why, why_len) : MK_OK;
}

static mk_result
on_create(const mk_host *host, void **self)
{
	the_host = host;
	*self = &act;
	return act.create != NULL ? act.create(host) : MK_OK;
}

static mk_result
on_start(void *self)
{
	(void)self;
	return act.start != NULL ? act.start(the_host) : MK_OK;
}

static void
on_msg(void *self, const mk_msg *msg)
{
	(void)self;
	if (act.msg != NULL)
		act.msg(the_host, msg);
}

static void
on_call(void *self, const mk_call *call)
{
	(void)self;
	if (act.call != NULL)
		act.call(the_host, call);
}

static void
on_reply(void *self, const mk_reply *reply)
{
	(void)self;
	if (act.reply != NULL)
		act.reply(the_host, reply);
}

static void
on_timer(void *self, uint32_t id)
{
	(void)self;
	if (act.timer != NULL)
		act.timer(the_host, id);
}

static void
on_fd(void *self, int32_t fd, uint32_t events)
{
	(void)self;
	if (act.fd != NULL)
		act.fd(the_host, fd, events);
}

static mk_result
on_reconfigure(void *self)
{
	(void)self;
	return act.reconfigure != NULL ? act.reconfigure(the_host) : MK_OK;
}

static void
on_stop(void *self)
{
	(void)self;
	if (act.stop != NULL)
		act.stop(the_host);
}

static void
on_destroy(void *self)
{
	(void)self;
	if (act.destroy != NULL)
		act.destroy(the_host);
}

static const mk_topic subscribes[] = {
	{ .name = "in/", .schema_max = 3 },
	{ .name = "in/manual", .flags = MK_TOPIC_MANUAL_ACK },
	{ .name = NULL },
};
static const mk_topic publishes[] = {
	{ .name = "out/", .max_body = 100 },
	{ .name = "in/loop", .flags = MK_TOPIC_DURABLE },
	{ .name = "out/kept", .flags = MK_TOPIC_RETAINED },
	{ .name = NULL },
};
static const mk_method methods[] = { { "do/it", "" }, { NULL, NULL } };
static const mk_option options[] = {
	{ .name = "rate", .type = MK_OPT_INT, .dflt = "5", .max = 100, .flags = MK_OPT_LIVE },
	{ .name = "path", .type = MK_OPT_STRING, .dflt = "here" },
	{ .name = "many", .type = MK_OPT_LIST },
	{ .name = "part", .type = MK_OPT_FLOAT, .dflt = "0.5", .max = 1 },
	{ .name = NULL },
};

static mk_plugin_desc desc = {
	MK_PLUGIN_HEAD,         .id = "probe",
	.version = "1.2.3",     .summary = "Does what the test says",
	.license = "MIT",       .subscribes = subscribes,
	.publishes = publishes, .methods = methods,
	.options = options,     .check = on_check,
	.create = on_create,    .start = on_start,
	.on_msg = on_msg,       .on_call = on_call,
	.on_reply = on_reply,   .on_timer = on_timer,
	.on_fd = on_fd,         .reconfigure = on_reconfigure,
	.stop = on_stop,        .destroy = on_destroy,
};

static inline mk_tk *
started(const char *config)
{
	mk_tk *tk = mk_tk_new(&desc, config);

	cr_assert_eq(mk_tk_start(tk), MK_OK, "%s", mk_tk_error(tk));
	return tk;
}

static inline void
clean(mk_tk *tk)
{
	cr_expect_eq(mk_tk_misbehaved(tk), 0, "%s", mk_tk_misbehaved_text(tk));
	cr_expect_eq(mk_tk_free(tk), 0, "%s", mk_tk_leaks());
}

/* One broken rule whose text has `text`. */
static inline void
broke(mk_tk *tk, const char *text)
{
	cr_expect_eq(mk_tk_misbehaved(tk), 1, "%s", mk_tk_misbehaved_text(tk));
	cr_expect(strstr(mk_tk_misbehaved_text(tk), text) != NULL, "%s", mk_tk_misbehaved_text(tk));
}

static inline mk_result
send(mk_tk *tk, const char *topic)
{
	return mk_tk_send_raw(tk, topic, small_map, sizeof(small_map), 0);
}

static inline mk_result
publish(const mk_host *host, const char *topic)
{
	return host->publish(host, topic, small_map, sizeof(small_map), 0);
}

#endif
