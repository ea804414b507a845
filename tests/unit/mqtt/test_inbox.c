/* SPDX-License-Identifier: MIT
 *
 * The inbox: what is put into it survives, in order, until it is done.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "inbox.h"

static char dir[64];
static struct inbox box;

static char *
path(uint32_t half)
{
	static char text[100];

	snprintf(text, sizeof(text), "%s/inbox-%u", dir, half);
	return text;
}

static void
setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/mk-inbox-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(inbox_open(&box, dir, 1000, NULL), MK_OK);
}

static void
teardown(void)
{
	inbox_close(&box);
	unlink(path(0));
	unlink(path(1));
	rmdir(dir);
}

TestSuite(inbox, .timeout = 120, .init = setup, .fini = teardown);

static void
put(uint32_t topic, const char *text)
{
	cr_assert_eq(inbox_put(&box, topic, text, (uint32_t)strlen(text)), MK_OK);
}

/* As after a kill: nothing is written at the end. */
static void
reopen(void)
{
	inbox_close(&box);
	cr_assert_eq(inbox_open(&box, dir, 1000, NULL), MK_OK);
}

/* All items of the half that is to be published, "0:text 1:text ". */
static const char *
items(const struct inbox_half *half)
{
	static char text[500];
	struct inbox_item item;
	size_t at = 0, len = 0;

	text[0] = '\0';
	while (half != NULL && inbox_next(half, &at, &item))
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%u:%.*s ", item.topic,
					(int)item.len, (const char *)item.data);
	return text;
}

/* Everything that is there; of the two halves after a start, either may be the first. */
static const char *
drain(void)
{
	static char text[1000];

	snprintf(text, sizeof(text), "%s", items(inbox_take(&box)));
	inbox_done(&box);
	snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s", items(inbox_take(&box)));
	return text;
}

static off_t
file_size(uint32_t half)
{
	struct stat st;

	cr_assert_eq(stat(path(half), &st), 0);
	return st.st_size;
}

Test(inbox, items_come_out_in_the_order_in_which_they_came_in)
{
	cr_expect_null(inbox_take(&box));
	put(0, "a");
	put(2, "");
	put(1, "ccc");
	cr_expect_str_eq(items(inbox_take(&box)), "0:a 2: 1:ccc ");
}

Test(inbox, what_comes_in_meanwhile_is_for_the_next_time)
{
	const struct inbox_half *half;

	put(0, "a");
	half = inbox_take(&box);
	put(0, "b");
	cr_expect_eq(inbox_take(&box), half);
	cr_expect_str_eq(items(half), "0:a ");
	inbox_done(&box);
	cr_expect_str_eq(items(inbox_take(&box)), "0:b ");
	inbox_done(&box);
	cr_expect_null(inbox_take(&box));
	cr_expect_eq(file_size(0) + file_size(1), 0);
}

Test(inbox, what_is_not_done_is_there_after_a_kill)
{
	put(0, "a");
	(void)inbox_take(&box);
	put(1, "b");
	reopen();
	cr_expect_str_eq(drain(), "1:b 0:a ");
	inbox_done(&box);
	reopen();
	cr_expect_null(inbox_take(&box));
	cr_expect_eq(box.damaged, 0);
}

Test(inbox, a_record_that_was_cut_off_is_dropped_and_what_follows_is_good)
{
	put(0, "first");
	put(0, "second");
	cr_assert_eq(truncate(path(0), file_size(0) - 1), 0);
	reopen();
	cr_expect_eq(box.damaged, 1);
	cr_expect_str_eq(items(inbox_take(&box)), "0:first ");
	put(0, "third");
	reopen();
	cr_expect_eq(box.damaged, 0);
	cr_expect_str_eq(drain(), "0:third 0:first ");
}

Test(inbox, a_record_that_was_changed_ends_the_file)
{
	int fd;

	put(0, "first");
	put(0, "second");
	fd = open(path(0), O_WRONLY);
	cr_assert_eq(pwrite(fd, "X", 1, file_size(0) - 1), 1);
	close(fd);
	reopen();
	cr_expect_eq(box.damaged, 1);
	cr_expect_str_eq(items(inbox_take(&box)), "0:first ");
}

struct waiter {
	pthread_t thread;
	mk_result result;
};

static void *
put_large(void *arg)
{
	struct waiter *w = arg;
	char text[600] = { 0 };

	w->result = inbox_put(&box, 0, text, sizeof(text));
	return NULL;
}

Test(inbox, whoever_puts_into_a_full_one_waits_for_room)
{
	struct waiter first, second;

	cr_assert_eq(pthread_create(&first.thread, NULL, put_large, &first), 0);
	pthread_join(first.thread, NULL);
	cr_expect_not_null(inbox_take(&box));
	cr_assert_eq(pthread_create(&second.thread, NULL, put_large, &second), 0);
	inbox_wake(&box);
	cr_expect_lt(inbox_bytes(&box), 1000);
	inbox_done(&box);
	pthread_join(second.thread, NULL);
	cr_expect_eq(second.result, MK_OK);
	cr_expect_gt(inbox_bytes(&box), 600);
}

Test(inbox, at_the_end_nobody_waits_and_nothing_is_lost)
{
	struct waiter first, second;

	cr_assert_eq(pthread_create(&first.thread, NULL, put_large, &first), 0);
	pthread_join(first.thread, NULL);
	cr_assert_eq(pthread_create(&second.thread, NULL, put_large, &second), 0);
	inbox_end(&box);
	pthread_join(second.thread, NULL);
	cr_expect_eq(second.result, MK_OK);
	cr_expect_gt(inbox_bytes(&box), 1200);
}

Test(inbox, a_disk_that_takes_nothing_is_tried_again)
{
	struct rlimit limit = { 0, RLIM_INFINITY };
	struct waiter w;

	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	cr_assert_eq(pthread_create(&w.thread, NULL, put_large, &w), 0);
	inbox_wake(&box);
	limit.rlim_cur = RLIM_INFINITY;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	inbox_end(&box);
	pthread_join(w.thread, NULL);
	cr_expect_eq(w.result, MK_OK);
	reopen();
	cr_expect_gt(inbox_bytes(&box), 600);
}

Test(inbox, at_the_end_a_disk_that_takes_nothing_is_an_error)
{
	struct rlimit limit = { 0, RLIM_INFINITY };

	put(0, "a");
	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	inbox_end(&box);
	cr_expect_eq(inbox_put(&box, 0, "b", 1), MK_EIO);
	limit.rlim_cur = RLIM_INFINITY;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	reopen();
	cr_expect_str_eq(items(inbox_take(&box)), "0:a ");
}

Test(inbox, a_folder_that_is_not_there_is_an_error)
{
	struct inbox other;
	mk_err err = { 0 };

	cr_expect_eq(inbox_open(&other, "/nowhere/at/all", 1000, &err), MK_EIO);
	cr_expect_not_null(strstr(err.text, "/nowhere/at/all/inbox-0"));
}
