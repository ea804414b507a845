/* SPDX-License-Identifier: MIT
 *
 * Folders: made, emptied, locked.
 */
#include "folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

static char base[] = "/tmp/test_folder-XXXXXX";

static void
setup(void)
{
	cr_assert_not_null(mkdtemp(base));
}

TestSuite(folder, .timeout = 120, .init = setup);

Test(folder, it_is_made_once_and_its_path_is_told)
{
	char path[128], expected[128];
	struct stat st;

	snprintf(expected, sizeof(expected), "%s/part", base);
	cr_expect_eq(folder_make(path, sizeof(path), 0700, base, "part", "", NULL), MK_OK);
	cr_expect_str_eq(path, expected);
	cr_expect_eq(folder_make(path, sizeof(path), 0700, base, "part", "name", NULL), MK_OK);
	cr_expect_eq(folder_make(path, sizeof(path), 0700, base, "part", "name", NULL), MK_OK);
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0700);
	rmdir(path);
	rmdir(expected);
	rmdir(base);
}

Test(folder, a_path_that_does_not_fit_is_an_error_and_not_another_folder)
{
	char path[24];
	mk_err err = { 0 };

	cr_expect_eq(folder_make(path, sizeof(path), 0700, base, "part", "name", &err), MK_ETOOBIG);
	cr_expect_not_null(strstr(err.text, "part/name"));
	cr_expect_eq(rmdir(base), 0, "it is empty");
}

Test(folder, emptying_takes_files_and_leaves_folders)
{
	char file[128], sub[128];

	snprintf(file, sizeof(file), "%s/file", base);
	cr_assert_eq(folder_make(sub, sizeof(sub), 0700, base, "sub", "", NULL), MK_OK);
	fclose(fopen(file, "w"));
	folder_empty(base);
	cr_expect_neq(access(file, F_OK), 0);
	cr_expect_eq(rmdir(sub), 0);
	folder_empty(sub); /* is not there: nothing happens */
	rmdir(base);
}

Test(folder, who_has_the_lock_is_named_to_the_second)
{
	char lock[128], pid[32];
	mk_err err = { 0 };

	cr_expect_eq(folder_lock(base, &err), MK_OK, "%s", err.text);
	cr_expect_eq(folder_lock(base, &err), MK_EEXIST);
	snprintf(pid, sizeof(pid), "(pid %d)", (int)getpid());
	cr_expect_not_null(strstr(err.text, pid), "%s", err.text);
	snprintf(lock, sizeof(lock), "%s/lock", base);
	unlink(lock);
	rmdir(base);
}
