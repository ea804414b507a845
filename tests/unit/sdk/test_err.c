/* SPDX-License-Identifier: MIT
 *
 * Results as text and errors with context.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>

#include <meshkern/err.h>

TestSuite(err, .timeout = 120);

Test(err, every_result_has_its_name_and_text)
{
	cr_expect_str_eq(mk_result_name(MK_OK), "MK_OK");
	cr_expect_str_eq(mk_result_text(MK_OK), "success");
	cr_expect_str_eq(mk_result_name(MK_ELOST), "MK_ELOST");
	cr_expect_str_eq(mk_result_text(MK_ELOST), "messages were lost");
#define IS_KNOWN(name, value, text)                     \
	cr_expect_str_eq(mk_result_name(value), #name); \
	cr_expect_str_eq(mk_result_text(value), text);
	MK_RESULT_MAP(IS_KNOWN)
}

Test(err, a_number_that_is_no_result_has_a_text_all_the_same)
{
	cr_expect_str_eq(mk_result_name(1), "MK_UNKNOWN");
	cr_expect_str_eq(mk_result_text(-1000), "unknown result");
}

Test(err, set_keeps_code_and_text)
{
	mk_err err;

	cr_expect_eq(mk_err_set(&err, MK_EFULL, "%d of %d", 5, 5), MK_EFULL);
	cr_expect_eq(err.code, MK_EFULL);
	cr_expect_str_eq(err.text, "5 of 5");
}

Test(err, each_level_puts_its_operation_in_front)
{
	mk_err err;

	(void)mk_err_set(&err, MK_ENOENT, "no such file");
	(void)mk_err_wrap(&err, "open %s", "./rainmap.so");
	cr_expect_eq(mk_err_wrap(&err, "plugin %s", "rainmap"), MK_ENOENT);
	cr_expect_str_eq(err.text, "plugin rainmap: open ./rainmap.so: no such file");
}

Test(err, the_own_text_may_be_an_argument)
{
	mk_err err;

	(void)mk_err_set(&err, MK_EIO, "inner");
	(void)mk_err_set(&err, MK_EINVAL, "outer (%s)", err.text);
	cr_expect_str_eq(err.text, "outer (inner)");
	(void)mk_err_wrap(&err, "again %s", err.text);
	cr_expect_str_eq(err.text, "again outer (inner): outer (inner)");
}

Test(err, errno_becomes_a_result_and_a_reason)
{
	static const struct {
		int number;
		mk_result code;
	} cases[] = { { ENOENT, MK_ENOENT }, { ENOTDIR, MK_ENOENT }, { EACCES, MK_EDENIED },
		      { EPERM, MK_EDENIED }, { EROFS, MK_EDENIED },  { ENOMEM, MK_ENOMEM },
		      { EIO, MK_EIO },       { ENOSPC, MK_EIO } };
	mk_err err;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		errno = cases[i].number;
		cr_expect_eq(mk_err_errno(&err, "open %s", "x"), cases[i].code);
		cr_expect_eq(errno, cases[i].number);
	}
	errno = ENOENT;
	(void)mk_err_errno(&err, "open %s", "x");
	cr_expect_str_eq(err.text, "open x: No such file or directory");
}

Test(err, text_that_does_not_fit_ends_in_dots)
{
	char text[1000];
	mk_err err;

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	(void)mk_err_set(&err, MK_EIO, "%s", text);
	cr_expect_eq(strlen(err.text), sizeof(err.text) - 1);
	cr_expect_str_eq(err.text + sizeof(err.text) - 4, "...");
	(void)mk_err_wrap(&err, "front");
	cr_expect_eq(strncmp(err.text, "front: aaa", 10), 0);
	cr_expect_str_eq(err.text + sizeof(err.text) - 4, "...");
}

Test(err, text_that_just_fits_is_not_cut)
{
	char text[sizeof(((mk_err *)NULL)->text)];
	mk_err err;

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	(void)mk_err_set(&err, MK_EIO, "%s", text);
	cr_expect_str_eq(err.text, text);
}

Test(err, a_cut_leaves_whole_characters)
{
	char text[1001];
	mk_err err;

	for (size_t i = 0; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xa4", 3);
	for (int shift = 0; shift < 2; shift++) {
		(void)mk_err_set(&err, MK_EIO, "%s%s", shift ? "x" : "", text);
		cr_expect_eq((unsigned char)err.text[strlen(err.text) - 4], 0xa4);
	}
}

Test(err, without_an_error_to_fill_the_code_comes_back)
{
	cr_expect_eq(mk_err_set(NULL, MK_EFULL, "x"), MK_EFULL);
	errno = EACCES;
	cr_expect_eq(mk_err_errno(NULL, "x"), MK_EDENIED);
	cr_expect_neq(mk_err_wrap(NULL, "x"), MK_OK);
}
