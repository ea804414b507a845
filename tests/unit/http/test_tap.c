/* SPDX-License-Identifier: MIT
 *
 * The tap with a daemon that is a socket in a folder, and what clients may see through it.
 */
#define _XOPEN_SOURCE 700
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <http/server/events.h>
#include <http/server/tap.h>

TestSuite(tap, .timeout = 120);

#define KEY "\"key\":\"right\""

static const char *const own[] = { "core/", "packet/stored", NULL };
static char folder[64], run[128], path[128];
static int listening = -1, daemon_fd = -1, watched = -1;
static void (*posted)(void *);
static void *posted_arg;
static struct ring *ring;
static struct retained retained;
static struct model model;
static struct tap *tap;
static struct events *client;

static const char *
host_dir(const mk_host *h, uint32_t kind)
{
	(void)h;
	return kind == MK_DIR_RUN ? run : NULL;
}

static mk_result
host_watch_fd(const mk_host *h, int32_t fd, uint32_t events)
{
	(void)h;
	watched = events == 0 ? -1 : fd;
	return MK_OK;
}

static mk_result
host_post(const mk_host *h, void (*fn)(void *), void *arg)
{
	(void)h;
	posted = fn;
	posted_arg = arg;
	return MK_OK;
}

static void
host_log(const mk_host *h, int32_t level, const char *line)
{
	(void)h;
	(void)level;
	fprintf(stderr, "%s\n", line);
}

static const mk_host host = { .struct_size = sizeof(host),
			      .dir = host_dir,
			      .watch_fd = host_watch_fd,
			      .post = host_post,
			      .log = host_log };

static void
shown(void *arg, struct event *e)
{
	(void)arg;
	ring_put(ring, e);
}

static bool
allows(void *arg, const char *key)
{
	(void)arg;
	return strcmp(key, "right") == 0;
}

static void
begin(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct events_more more = { .allows = allows };

	(void)snprintf(folder, sizeof(folder), "/tmp/mk-tap-XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
	(void)snprintf(run, sizeof(run), "%s/plugins", folder);
	cr_assert_eq(mkdir(run, 0700), 0);
	(void)snprintf(run, sizeof(run), "%s/plugins/http", folder);
	cr_assert_eq(mkdir(run, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/control.sock", folder);
	memcpy(address.sun_path, path, strlen(path) + 1);
	listening = socket(AF_UNIX, SOCK_STREAM, 0);
	cr_assert_eq(bind(listening, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(listen(listening, 4), 0);
	ring = ring_new(2048, 1 << 20);
	retained_init(&retained);
	cr_assert_eq(model_init(&model), MK_OK);
	tap = more.tap = tap_new(&host, own, shown, NULL);
	client = events_new(FORM_EVENT, ring, &retained, &model, own);
	cr_assert(ring != NULL && tap != NULL && client != NULL);
	events_offer(client, &more);
}

static void
end(void)
{
	events_free(client);
	tap_stop(tap);
	tap_free(tap);
	ring_free(ring);
	retained_fini(&retained);
	model_fini(&model);
	close(listening);
	if (daemon_fd != -1)
		close(daemon_fd);
	unlink(path);
	rmdir(run);
	(void)snprintf(run, sizeof(run), "%s/plugins", folder);
	rmdir(run);
	rmdir(folder);
}

/* What was posted; and then there is a connection of the tap, or there is none. */
static void
settle(bool connects)
{
	if (posted != NULL)
		posted(posted_arg);
	posted = NULL;
	if (connects)
		daemon_fd = accept(listening, NULL, NULL);
	cr_assert(!connects || daemon_fd != -1);
}

/* The topics of the request that has come, with spaces between. */
static const char *
asked(void)
{
	static char text[256];
	uint8_t data[2048];
	ssize_t n = recv(daemon_fd, data, sizeof(data), MSG_DONTWAIT);
	const mk_val *topics;
	mk_doc doc;

	if (n < 4)
		return "nothing";
	text[0] = '\0';
	mk_doc_init(&doc);
	cr_assert_eq(mk_doc_open(&doc, data + 4, (size_t)n - 4, NULL, NULL, 0), MK_OK);
	topics = mk_find(mk_doc_root(&doc), "topics");
	for (uint32_t i = 0; i < mk_count(topics); i++) {
		char topic[64];

		cr_assert(mk_copy_str(mk_at(topics, i), topic, sizeof(topic)));
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
			       i == 0 ? "" : " ", topic);
	}
	mk_doc_fini(&doc);
	return text;
}

static void
answer(const void *data, size_t len)
{
	uint8_t head[4] = { (uint8_t)len, (uint8_t)(len >> 8), (uint8_t)(len >> 16), 0 };

	cr_assert_eq(send(daemon_fd, head, 4, MSG_NOSIGNAL), 4);
	cr_assert_eq(send(daemon_fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* An answer of the tail, with messages of one topic. */
static void
tail(const char *topic, uint64_t seq, uint32_t count)
{
	uint8_t frame[256];
	mk_writer w, f;

	mk_writer_init(&w, 0);
	mk_writer_init(&f, 0);
	mk_put_map(&w, 5);
	mk_kv_u64(&w, "id", 1);
	mk_kv_i64(&w, "result", 0);
	mk_kv_str(&w, "error", "");
	mk_kv_bool(&w, "more", true);
	mk_kv_map(&w, "data", 1);
	mk_kv_array(&w, "frames", count);
	for (uint32_t i = 0; i < count; i++) {
		size_t n = (size_t)snprintf((char *)frame, sizeof(frame), "%s ", topic);

		mk_writer_reset(&f);
		mk_put_array(&f, 2);
		mk_put_array(&f, 7);
		mk_put_u64(&f, 1);
		mk_put_u64(&f, 7);
		mk_put_u64(&f, seq + i);
		mk_put_u64(&f, 1000 + seq + i);
		mk_put_str(&f, "sim");
		mk_put_u64(&f, 0);
		mk_put_u64(&f, 0);
		mk_put_map(&f, 1);
		mk_kv_u64(&f, "n", seq + i);
		memcpy(frame + n, f.data, f.len);
		mk_put_bin(&w, frame, n + f.len);
	}
	cr_assert_eq(mk_writer_end(&w), MK_OK);
	answer(w.data, w.len);
	mk_writer_fini(&w);
	mk_writer_fini(&f);
}

/* The answer to a request, or the next text; "": there is none. */
static const char *
next(void)
{
	static char text[4096];
	const char *s;
	size_t len;

	do {
		if (!events_next(client, &s, &len))
			return "";
	} while (strncmp(s, "{\"type\":\"hello\"", 15) == 0);
	cr_assert_lt(len, sizeof(text));
	memcpy(text, s, len);
	text[len] = '\0';
	return text;
}

static const char *
say(const char *text)
{
	cr_assert(events_read(client, text, strlen(text)));
	return next();
}

static struct tap_stats
stats(void)
{
	struct tap_stats s;

	tap_get_stats(tap, &s);
	return s;
}

static void
look(const char *topic, bool connects)
{
	char text[128];

	(void)snprintf(text, sizeof(text), "{\"do\":\"subscribe\",\"topic\":\"%s\"," KEY "}",
		       topic);
	cr_assert_not_null(strstr(say(text), "\"ok\""));
	settle(connects);
}

Test(tap, only_who_has_the_key_is_shown_other_topics, .init = begin, .fini = end)
{
	cr_expect_not_null(
	    strstr(say("{\"do\":\"subscribe\",\"topic\":\"rx/raw\"}"), "nothing is"));
	cr_expect_not_null(
	    strstr(say("{\"do\":\"subscribe\",\"topic\":\"rx/raw\",\"key\":\"wrong\"}"),
		   "not right"));
	cr_expect_not_null(
	    strstr(say("{\"do\":\"replay\",\"topic\":\"rx/raw\",\"from\":1," KEY "}"),
		   "nothing is"));
	cr_expect_null(posted);
	cr_expect_eq(stats().count, 0);
}

Test(tap, there_is_a_connection_only_while_somebody_looks, .init = begin, .fini = end)
{
	cr_expect_eq(watched, -1);
	look("rx/raw", true);
	cr_expect_str_eq(asked(), "rx/raw");
	cr_expect_neq(watched, -1);
	look("packet/decoded", false);
	cr_expect_str_eq(asked(), "rx/raw packet/decoded");
	cr_expect_eq(stats().clients, 2);
	say("{\"do\":\"unsubscribe\",\"topic\":\"rx/raw\"}");
	settle(false);
	cr_expect_str_eq(asked(), "packet/decoded");
	events_free(client); /* its page was closed */
	client = NULL;
	settle(false);
	cr_expect_eq(watched, -1);
	cr_expect_eq(stats().count, 0);
}

Test(tap, what_comes_is_brought_to_who_looks_and_losses_are_told, .init = begin, .fini = end)
{
	look("rx/", true);
	tail("rx/raw", 5, 1);
	tail("packet/stored", 1, 1); /* comes by itself, too */
	tail("rx/raw", 8, 1);
	tap_on_fd(tap);
	cr_expect_not_null(
	    strstr(next(), "\"topic\":\"rx/raw\",\"epoch\":7,\"seq\":5,\"time_us\":1005"));
	cr_expect_not_null(
	    strstr(next(), "\"lost\",\"topic\":\"rx/raw\",\"epoch\":7,\"from\":6,\"lost\":2"));
	cr_expect_not_null(strstr(next(), "\"seq\":8,"));
	cr_expect_str_eq(next(), "");
	cr_expect(stats().messages == 2 && stats().lost == 2);
	/* Now that it looks at the topic, it may ask for what it has missed. */
	cr_expect_not_null(
	    strstr(say("{\"do\":\"replay\",\"topic\":\"rx/raw\",\"from\":8}"), "ok"));
	cr_expect_not_null(strstr(next(), "\"replayed\":true"));
}

Test(tap, what_came_while_nobody_looked_is_not_lost, .init = begin, .fini = end)
{
	look("rx/raw", true);
	tail("rx/raw", 5, 1);
	tap_on_fd(tap);
	cr_expect_not_null(strstr(next(), "\"seq\":5,"));
	say("{\"do\":\"unsubscribe\",\"topic\":\"rx/raw\"}");
	settle(false);
	close(daemon_fd);
	look("rx/raw", true);
	tail("rx/raw", 50, 1);
	tap_on_fd(tap);
	cr_expect_not_null(strstr(next(), "\"seq\":50,"));
	cr_expect_eq(stats().lost, 0);
}

Test(tap, too_many_messages_are_cut_until_the_next_second, .init = begin, .fini = end)
{
	uint32_t n = 0;

	look("rx/raw", true);
	for (uint32_t i = 0; i < TAP_PER_SECOND / 100 + 1; i++)
		tail("rx/raw", 1 + 100 * i, 100);
	tap_on_fd(tap);
	cr_expect_eq(watched, -1);
	cr_expect(stats().messages == TAP_PER_SECOND && stats().pauses == 1);
	while (next()[0] != '\0')
		n++;
	cr_expect_eq(n, TAP_PER_SECOND);
	close(daemon_fd);
	tap_on_timer(tap);
	settle(true);
	tail("rx/raw", 9001, 1);
	tap_on_fd(tap);
	cr_expect_not_null(strstr(next(), "\"lost\":8500"));
	cr_expect_eq(stats().lost, 9000 - TAP_PER_SECOND);
}

Test(tap, the_daemon_is_asked_again_after_nonsense, .init = begin, .fini = end)
{
	static const char *const bad[] = { "", "\x80", "\xc1", "\x82\xa2id\x01\xa6result\xff" };

	look("rx/raw", true);
	for (size_t i = 0; i < 4; i++) {
		answer(bad[i], strlen(bad[i]));
		tap_on_fd(tap);
		cr_expect_eq(watched, -1, "%zu", i);
		close(daemon_fd);
		tap_on_timer(tap);
		settle(true);
	}
	tail("rx raw", 1, 1); /* no frame */
	tap_on_fd(tap);
	cr_expect_eq(watched, -1);
	cr_expect_eq(stats().messages, 0);
}

Test(tap, topics_are_limited, .init = begin, .fini = end)
{
	char text[128];

	for (uint32_t i = 0; i < TAP_TOPICS; i++) {
		(void)snprintf(text, sizeof(text), "x/t%u", i);
		look(text, i == 0);
	}
	cr_expect_not_null(
	    strstr(say("{\"do\":\"subscribe\",\"topic\":\"x/y\"," KEY "}"), "too many"));
	cr_expect_not_null(
	    strstr(say("{\"do\":\"subscribe\",\"topic\":\"x/t1\"," KEY "}"), "\"ok\""));
	cr_expect_eq(stats().clients, TAP_TOPICS);
}

/* A daemon's answer may be of some MiB; nothing of it is kept when nobody looks any more. */
Test(tap, its_memory_goes_with_the_last_who_looks, .init = begin, .fini = end)
{
	static const uint8_t head[4] = { 0, 0, 0x80, 0 }, part[1 << 15];
	size_t before, with;

	before = mallinfo2().uordblks + mallinfo2().hblkhd;
	look("rx/raw", true);
	cr_assert_eq(send(daemon_fd, head, 4, MSG_NOSIGNAL), 4);
	for (int i = 0; i < 100; i++) {
		cr_assert_eq(send(daemon_fd, part, sizeof(part), MSG_NOSIGNAL),
			     (ssize_t)sizeof(part));
		tap_on_fd(tap);
	}
	with = mallinfo2().uordblks + mallinfo2().hblkhd;
	say("{\"do\":\"unsubscribe\",\"topic\":\"rx/raw\"}");
	settle(false);
	cr_expect_eq(watched, -1);
	cr_expect_leq(mallinfo2().uordblks + mallinfo2().hblkhd, before + 65536, "%zu, then %zu",
		      before, with);
}
