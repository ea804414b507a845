/* SPDX-License-Identifier: MIT
 *
 * The log: what a line looks like, and that no reader can stop or forge it.
 */
#define _GNU_SOURCE
#include "log.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "clock.h"

#define STAMP "0000-00-00T00:00:00.000Z"

static int fds[2]; /* the log's reader, the log */
static char line[8192];

static void
setup(void)
{
	cr_assert_eq(pipe(fds), 0);
	log_init(fds[1], MK_LOG_DEBUG, LOG_TEXT);
}

static void
teardown(void)
{
	close(fds[0]);
	close(fds[1]);
}

TestSuite(log, .init = setup, .fini = teardown, .timeout = 120);

/* All that was written so far, digits of the time replaced by 0. */
static const char *
written(void)
{
	ssize_t n;
	char *t;

	cr_assert_eq(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	n = read(fds[0], line, sizeof(line) - 1);
	line[n < 0 ? 0 : n] = '\0';
	t = line[0] == '{' ? strstr(line, "\"ts\":\"") : line;
	if (t != NULL && n > 32)
		for (t += line[0] == '{' ? 6 : 0; *t != 'Z'; t++)
			*t = *t >= '0' && *t <= '9' ? '0' : *t;
	return line;
}

Test(log, a_text_line_has_time_level_area_and_message)
{
	log_warn("plugin rainmap", "slow callback  callback=%s ms=%d", "on_msg", 1200);
	cr_expect_str_eq(written(), STAMP " warn  plugin rainmap: slow callback  "
					  "callback=on_msg ms=1200\n");
	log_error("bus", "x");
	cr_expect_str_eq(written(), STAMP " error bus: x\n");
}

Test(log, a_json_line_is_one_object)
{
	log_set(MK_LOG_DEBUG, LOG_JSON);
	log_info("bus", "a \"quoted\" back\\slash");
	cr_expect_str_eq(written(), "{\"ts\":\"" STAMP "\",\"level\":\"info\",\"area\":\"bus\","
				    "\"msg\":\"a \\\"quoted\\\" back\\\\slash\"}\n");
}

Test(log, a_line_below_the_level_is_not_written)
{
	log_set(MK_LOG_WARN, LOG_TEXT);
	cr_expect_eq(log_level(), MK_LOG_WARN);
	log_info("bus", "x");
	cr_expect_str_eq(written(), "");
	cr_expect_eq(log_dropped(), 0);
}

/* The message as it is written, in text. */
static const char *
message(const char *text)
{
	char *end;

	log_error("a", "%s", text);
	written();
	end = strchr(line, '\n');
	cr_assert_not_null(end);
	cr_assert_eq(end[1], '\0', "more than one line: %s", line);
	*end = '\0';
	return strstr(line, "a: ") + 3;
}

Test(log, control_bytes_are_escaped)
{
	cr_expect_str_eq(message("a\nb\rc\td"), "a\\nb\\rc\\td");
	cr_expect_str_eq(message("\x1b[31m\x01\x7f"), "\\u001b[31m\\u0001\\u007f");
	cr_expect_str_eq(message("\xc2\x9b"
				 "31m"),
			 "\\u009b31m"); /* the same escape for a terminal */
	cr_expect_str_eq(message("\xc2\xa0"), "\xc2\xa0");
	log_set(MK_LOG_DEBUG, LOG_JSON);
	log_info("a\n", "\x1b\n");
	cr_expect_not_null(strstr(written(), "\"area\":\"a\\n\",\"msg\":\"\\u001b\\n\"}\n"));
}

Test(log, utf8_stays_and_what_is_not_is_replaced)
{
#define BAD "\xef\xbf\xbd"
	static const char *const pairs[][2] = {
		{ "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80",
		  "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80" },
		{ "\xff", BAD },
		{ "a\x80z", "a" BAD "z" },
		{ "\xc3", BAD },
		{ "\xe2\x82", BAD BAD },
		{ "\xc0\x80", BAD BAD },                 /* longer than needed */
		{ "\xe0\x80\xaf", BAD BAD BAD },         /* longer than needed */
		{ "\xed\xa0\x80", BAD BAD BAD },         /* a surrogate */
		{ "\xf4\x90\x80\x80", BAD BAD BAD BAD }, /* above U+10FFFF */
		{ "\xf0\x80\x80\x80", BAD BAD BAD BAD },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		cr_expect_str_eq(message(pairs[i][0]), pairs[i][1], "%zu", i);
}

Test(log, a_long_line_is_cut_between_characters)
{
	char text[6000];

	for (size_t offset = 0; offset < 3; offset++) {
		for (size_t i = 0; i < sizeof(text) - 1; i++)
			text[i] = i < offset ? 'x' : "\xe2\x82\xac"[(i - offset) % 3];
		text[sizeof(text) - 1] = '\0';
		message(text);
		cr_expect_leq(strlen(line), 2047);
		cr_expect_gt(strlen(line), 2040);
		cr_expect_str_eq(line + strlen(line) - 6, "\xe2\x82\xac...");
	}
	log_set(MK_LOG_DEBUG, LOG_JSON);
	memset(text, '"', sizeof(text) - 1);
	log_error(text, "%s", text);
	written();
	cr_expect_leq(strlen(line), 2048);
	cr_expect_str_eq(line + strlen(line) - 8, "\\\"...\"}\n");
	cr_expect_not_null(strstr(line, "\\\"...\",\"msg\":\"\\\""));
}

Test(log, a_reader_that_stops_costs_lines_and_is_told)
{
	uint64_t begin = clock_now_us();
	unsigned long long dropped;
	char expected[64];

	while (log_dropped() < 1000)
		log_info("bus", "%0500d", 0);
	cr_expect_lt(clock_now_us() - begin, 60000000, "only the first may wait");
	dropped = log_dropped();
	while (*written() != '\0')
		;
	log_info("bus", "back");
	snprintf(expected, sizeof(expected), "lines were dropped  count=%llu\n", dropped);
	cr_expect_not_null(strstr(written(), expected), "%s", line);
	cr_expect_not_null(strstr(line, "bus: back\n"));
	log_info("bus", "once");
	cr_expect_null(strstr(written(), "dropped"));
	cr_expect_eq(log_dropped(), dropped);
}

Test(log, a_reader_that_is_gone_does_no_harm)
{
	signal(SIGPIPE, SIG_DFL);
	close(fds[0]);
	log_info("bus", "x");
	cr_expect_eq(log_dropped(), 1);
}

Test(log, a_line_written_in_part_does_not_spoil_the_next)
{
	struct rlimit limit = { 40, RLIM_INFINITY };
	char text[512] = "";
	FILE *f = tmpfile();

	cr_assert_not_null(f);
	log_init(fileno(f), MK_LOG_INFO, LOG_TEXT);
	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	log_info("bus", "longer than is left on the disk");
	cr_expect_eq(log_dropped(), 1);
	limit.rlim_cur = RLIM_INFINITY;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	log_info("bus", "next");
	rewind(f);
	cr_assert_neq(fread(text, 1, sizeof(text) - 1, f), 0);
	cr_expect_eq(text[40], '\n');
	cr_expect_not_null(strstr(text, "log: lines were dropped  count=1\n"));
	cr_expect_str_eq(text + strlen(text) - 10, "bus: next\n");
	fclose(f);
}

/* The kept lines, "AREA TEXT" each; returns how many there are. */
static uint32_t
recent(uint32_t which, char out[512])
{
	char area[64], text[256];
	const mk_val *items, *item;
	mk_writer w;
	mk_doc doc;
	uint32_t n;

	mk_writer_init(&w, 0);
	mk_put_map(&w, 1);
	log_write_recent(&w, "log");
	cr_assert_eq(mk_writer_end(&w), MK_OK);
	mk_doc_init(&doc);
	cr_assert_eq(mk_doc_open(&doc, w.data, w.len, NULL, NULL, 0), MK_OK);
	items = mk_find(mk_doc_root(&doc), "log");
	n = mk_count(items);
	item = mk_at(items, which < n ? which : n - 1);
	cr_assert(mk_copy_str(mk_find(item, "area"), area, sizeof(area)));
	cr_assert(mk_copy_str(mk_find(item, "text"), text, sizeof(text)));
	snprintf(out, 512, "%s %s", area, text);
	mk_doc_fini(&doc);
	mk_writer_fini(&w);
	return n;
}

Test(log, the_last_lines_are_kept_harmless_and_cut)
{
	char out[512], text[600];

	log_info("bus", "one\x1b\xff");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_warn("plugin rainmap", "%s", text);
	log_set(MK_LOG_WARN, LOG_TEXT);
	log_info("bus", "below the level");
	cr_expect_eq(recent(0, out), 2);
	cr_expect_str_eq(out, "bus one\\u001b\xef\xbf\xbd");
	recent(1, out);
	cr_expect_eq(strlen(out), strlen("plugin rainmap ") + 207);
}

Test(log, of_many_lines_the_newest_are_kept)
{
	char out[512];

	log_init(-1, MK_LOG_INFO, LOG_TEXT);
	for (int i = 0; i < 1000; i++)
		log_info("bus", "%d", i);
	cr_expect_eq(recent(0, out), LOG_RECENT);
	cr_expect_str_eq(out, "bus 600");
	recent(LOG_RECENT - 1, out);
	cr_expect_str_eq(out, "bus 999");
}

Test(log, a_limited_place_tells_what_it_left_out)
{
	struct log_limit limit = { 0, 0, 0 };
	uint32_t left_out = 77;

	cr_expect(log_allowed(&limit, 2, &left_out));
	cr_expect_eq(left_out, 0);
	cr_expect(log_allowed(&limit, 2, &left_out));
	for (int i = 0; i < 812; i++)
		cr_expect_not(log_allowed(&limit, 2, &left_out));
	limit.minute_us -= 60000000; /* a minute later */
	cr_expect(log_allowed(&limit, 2, &left_out));
	cr_expect_eq(left_out, 812);
	cr_expect(log_allowed(&limit, 2, &left_out));
	cr_expect_eq(left_out, 0);
	cr_expect_not(log_allowed(&limit, 2, &left_out));
}

static void *
write_many(void *arg)
{
	for (int i = 0; i < 500; i++)
		log_info("thread", "%s%s%s", (char *)arg, (char *)arg, (char *)arg);
	return NULL;
}

Test(log, lines_of_several_threads_do_not_mix)
{
	static char texts[3][24] = { "aaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbb",
				     "cccccccccccccccccccc" };
	pthread_t threads[3];
	FILE *f = tmpfile();
	unsigned lines = 0;

	cr_assert_not_null(f);
	log_init(fileno(f), MK_LOG_INFO, LOG_TEXT);
	for (size_t i = 0; i < 3; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, write_many, texts[i]), 0);
	for (size_t i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	rewind(f);
	for (; fgets(line, sizeof(line), f) != NULL; lines++) {
		const char *text = strstr(line, "thread: ");

		cr_assert_not_null(text);
		cr_assert_eq(strspn(text + 8, (char[]){ text[8], '\0' }), 60);
		cr_assert_str_eq(text + 68, "\n");
	}
	cr_expect_eq(lines, 1500);
	fclose(f);
}
