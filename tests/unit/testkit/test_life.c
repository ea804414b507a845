/* SPDX-License-Identifier: MIT
 *
 * From configuration to restart, and what the instance said meanwhile.
 */
#define _GNU_SOURCE
#include "probe.h"

#include <fcntl.h>
#include <unistd.h>

TestSuite(life, .timeout = 120);

static mk_result
refuse(const mk_host *host, char *why, uint32_t why_len)
{
	snprintf(why, why_len, "rate: %d is odd", (int)host->opt_int(host, "rate"));
	return MK_EINVAL;
}

Test(life, a_bad_configuration_is_told_by_start)
{
	mk_tk *tk = mk_tk_new(&desc, "rte: 5");

	cr_expect_eq(mk_tk_start(tk), MK_EINVAL);
	cr_expect(strstr(mk_tk_error(tk), "rte") != NULL, "%s", mk_tk_error(tk));
	clean(tk);
}

Test(life, a_bad_descriptor_is_told_by_start)
{
	mk_plugin_desc bad = desc;
	mk_tk *tk;

	bad.abi_major = 9;
	tk = mk_tk_new(&bad, NULL);
	cr_expect_eq(mk_tk_start(tk), MK_EABI);
	cr_expect_neq(mk_tk_error(tk)[0], '\0');
	cr_expect_eq(mk_tk_send_raw(tk, "in/x", small_map, 4, 0), MK_ESTATE);
	clean(tk);
}

Test(life, the_sentence_of_check_is_the_error)
{
	mk_tk *tk = mk_tk_new(&desc, "rate: 7");

	act.check = refuse;
	cr_expect_eq(mk_tk_start(tk), MK_EINVAL);
	cr_expect_str_eq(mk_tk_error(tk), "check: rate: 7 is odd");
	clean(tk);
}

static mk_result
check_that_publishes(const mk_host *host, char *why, uint32_t why_len)
{
	(void)why;
	(void)why_len;
	cr_expect_eq(publish(host, "out/x"), MK_ESTATE);
	return MK_OK;
}

Test(life, check_may_only_read_options)
{
	mk_tk *tk = mk_tk_new(&desc, NULL);

	act.check = check_that_publishes;
	cr_expect_eq(mk_tk_check(tk), MK_OK);
	broke(tk, "publish was called in check()");
	cr_expect_eq(mk_tk_free(tk), 0);
}

static mk_result
fails_with_eio(const mk_host *host)
{
	(void)host;
	return MK_EIO;
}

static void
note_destroy(const mk_host *host)
{
	(void)host;
	note("destroy", 0);
}

Test(life, a_failed_start_destroys_the_instance)
{
	mk_tk *tk = mk_tk_new(&desc, NULL);

	act.start = fails_with_eio;
	act.destroy = note_destroy;
	cr_expect_eq(mk_tk_start(tk), MK_EIO);
	cr_expect_str_eq(trace, "destroy");
	clean(tk);
}

static mk_result
read_options(const mk_host *host)
{
	note("%lld", host->opt_int(host, "rate"));
	note(host->opt_str(host, "path"), 0);
	note("%lld", host->opt_count(host, "many"));
	note(host->opt_str(host, "many[1]"), 0);
	note("%lld", (long long)(host->opt_float(host, "part") * 1000));
	note(host->opt_str(host, "absent") == NULL ? "unset" : "set", 0);
	return MK_OK;
}

Test(life, options_are_read_by_path)
{
	mk_tk *tk = mk_tk_new(&desc, "{rate: 7, many: [a, b], part: 0.25}");

	act.create = read_options;
	cr_expect_eq(mk_tk_create(tk), MK_OK);
	cr_expect_str_eq(trace, "7 here 2 b 250 unset");
	clean(tk);
}

static mk_result
note_rate(const mk_host *host)
{
	note("%lld", host->opt_int(host, "rate"));
	return MK_OK;
}

Test(life, reconfigure_gives_new_values_of_live_options)
{
	mk_tk *tk = started(NULL);

	act.reconfigure = note_rate;
	cr_expect_eq(mk_tk_reconfigure(tk, "rate: 9"), MK_OK);
	cr_expect_eq(mk_tk_reconfigure(tk, "rate: 9"), MK_OK);
	cr_expect_eq(mk_tk_reconfigure(tk, "rate: 900"), MK_EINVAL);
	cr_expect_str_eq(trace, "9", "the same values are no change, bad ones do not arrive");
	clean(tk);
}

Test(life, a_change_that_is_not_live_waits_for_the_restart)
{
	mk_tk *tk = started("path: there");

	act.reconfigure = note_rate;
	cr_expect_eq(mk_tk_reconfigure(tk, "{path: elsewhere, rate: 3}"), MK_ERESTART);
	cr_expect_str_eq(trace, "");
	mk_tk_stop(tk);
	act.create = note_rate;
	cr_expect_eq(mk_tk_start(tk), MK_OK);
	cr_expect_str_eq(trace, "3");
	clean(tk);
}

static mk_result
make_files(const mk_host *host)
{
	char path[128];

	for (uint32_t kind = MK_DIR_STATE; kind <= MK_DIR_RUN; kind += MK_DIR_RUN) {
		snprintf(path, sizeof(path), "%s/file", host->dir(host, kind));
		note(access(path, F_OK) == 0 ? "kept" : "new", 0);
		close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	}
	return MK_OK;
}

Test(life, after_a_restart_the_state_folder_is_there_and_the_run_folder_is_empty)
{
	mk_tk *tk;
	char dir[128];

	act.start = make_files;
	tk = started(NULL);
	snprintf(dir, sizeof(dir), "%s", mk_tk_dir(tk, MK_DIR_STATE));
	mk_tk_stop(tk);
	cr_expect_eq(mk_tk_start(tk), MK_OK);
	cr_expect_str_eq(trace, "new new kept new");
	clean(tk);
	cr_expect_neq(access(dir, F_OK), 0, "the folders are removed");
}

Test(life, log_lines_are_kept_and_counted_by_level)
{
	mk_tk *tk = started(NULL);

	the_host->log(the_host, MK_LOG_WARN, "disk is slow  ms=80");
	cr_expect_eq(mk_tk_logged(tk, MK_LOG_WARN), 1);
	cr_expect_eq(mk_tk_logged(tk, MK_LOG_ERROR), 0);
	cr_expect(mk_tk_log_has(tk, "ms=80"));
	cr_expect_not(mk_tk_log_has(tk, "ms=81"));
	clean(tk);
}

Test(life, a_log_line_with_a_newline_is_reported)
{
	mk_tk *tk = started(NULL);

	the_host->log(the_host, MK_LOG_INFO, "two\nlines");
	broke(tk, "not one line");
	mk_tk_free(tk);
}

Test(life, gauges_are_set_and_counters_added)
{
	mk_tk *tk = started(NULL);

	the_host->gauge(the_host, "level", 7);
	the_host->gauge(the_host, "level", 5);
	the_host->count(the_host, "total", 7);
	the_host->count(the_host, "total", 5);
	cr_expect_eq(mk_tk_number(tk, "level"), 5);
	cr_expect_eq(mk_tk_number(tk, "total"), 12);
	clean(tk);
}

Test(life, there_are_at_most_256_numbers)
{
	mk_tk *tk = started(NULL);
	char name[16];

	for (int i = 0; i < 256; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		cr_assert_eq(the_host->gauge(the_host, name, i), MK_OK);
	}
	cr_expect_eq(the_host->gauge(the_host, "one_more", 1), MK_EFULL);
	cr_expect_eq(the_host->gauge(the_host, "Bad-Name", 1), MK_EINVAL);
	broke(tk, "bad name");
	mk_tk_free(tk);
}
