/* SPDX-License-Identifier: MIT
 *
 * The sandbox: each test forks a child that enters it and tries things. Where
 * the kernel lacks what a test is about, it is skipped.
 */
#define _GNU_SOURCE
#include "sandbox.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

enum { SKIPPED = 77 };

/* In a child: end it with the line that failed. */
#define CHECK(x)                                                                                  \
	do {                                                                                      \
		if (!(x)) {                                                                       \
			fprintf(stderr, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #x, errno); \
			_exit(1);                                                                 \
		}                                                                                 \
	} while (0)
#define CHECK_DENIED(x, error) CHECK((x) == -1 && errno == (error))

/* base/read, base/write, base/other, each with a file of five bytes. */
static char base[64], read_dir[80], write_dir[80], other_dir[80];
static const char *read_paths[2], *write_paths[2];
static struct sandbox box;

static const char *
in(const char *dir, const char *name)
{
	static char paths[4][PATH_MAX];
	static unsigned turn;
	char *path = paths[turn++ % 4];

	snprintf(path, PATH_MAX, "%s/%s", dir, name);
	return path;
}

static void
make_dir(char path[80], const char *name)
{
	FILE *f;

	snprintf(path, 80, "%s/%s", base, name);
	cr_assert_eq(mkdir(path, 0700), 0);
	f = fopen(in(path, "file"), "w");
	cr_assert_not_null(f);
	cr_assert_eq(fputs("hello", f) < 0, 0);
	fclose(f);
}

static void
setup(void)
{
	snprintf(base, sizeof(base), P_tmpdir "/test_sandbox.XXXXXX");
	cr_assert_not_null(mkdtemp(base));
	make_dir(read_dir, "read");
	make_dir(write_dir, "write");
	make_dir(other_dir, "other");
	read_paths[0] = read_dir;
	write_paths[0] = write_dir;
	box = (struct sandbox){ .read_paths = read_paths, .write_paths = write_paths };
}

static void
remove_tree(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *entry;

	while (d != NULL && (entry = readdir(d)) != NULL) {
		char child[PATH_MAX];

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(child, sizeof(child), "%s/%s", path, entry->d_name);
		if (remove(child) == -1)
			remove_tree(child);
	}
	if (d != NULL)
		closedir(d);
	cr_expect_eq(rmdir(path), 0);
}

static void
teardown(void)
{
	remove_tree(base);
}

TestSuite(sandbox, .init = setup, .fini = teardown, .timeout = 120);

/* A child enters the box and tries. Skips the test below Landlock `abi`. */
static void
in_the_box(int abi, void (*attempt)(void))
{
	int status, found = -1;
	mk_err err;
	pid_t pid = fork();

	cr_assert_neq(pid, -1);
	if (pid == 0) {
		if (sandbox_enter(&box, &found, &err) != MK_OK) {
			fprintf(stderr, "%s\n", err.text);
			_exit(2);
		}
		if (found < abi)
			_exit(SKIPPED);
		attempt();
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
		cr_skip_test("the kernel's Landlock is older than version %d", abi);
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", (unsigned)status);
}

/* ---------------------------------------------------------------- files --- */

static void
try_reading(void)
{
	char text[8];
	int fd = open(in(read_dir, "file"), O_RDONLY);

	CHECK(fd != -1 && read(fd, text, sizeof(text)) == 5);
	CHECK(opendir(read_dir) != NULL);
	CHECK_DENIED(open(in(read_dir, "file"), O_WRONLY), EACCES);
	CHECK_DENIED(open(in(read_dir, "new"), O_WRONLY | O_CREAT, 0600), EACCES);
	CHECK_DENIED(unlink(in(read_dir, "file")), EACCES);
	CHECK_DENIED(open(in(other_dir, "file"), O_RDONLY), EACCES);
	CHECK_DENIED(open(other_dir, O_RDONLY | O_DIRECTORY), EACCES);
	CHECK_DENIED(mkdir(in(other_dir, "new"), 0700), EACCES);
}

Test(sandbox, only_what_is_granted_can_be_read)
{
	in_the_box(1, try_reading);
}

static void
try_writing(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = open(in(write_dir, "new"), O_RDWR | O_CREAT | O_EXCL, 0600);

	CHECK(fd != -1 && write(fd, "hello", 5) == 5);
	CHECK(fdatasync(fd) == 0 && ftruncate(fd, 2) == 0);
	CHECK(open(in(write_dir, "file"), O_WRONLY | O_TRUNC) != -1);
	CHECK(mkdir(in(write_dir, "sub"), 0700) == 0);
	CHECK(rename(in(write_dir, "new"), in(write_dir, "newer")) == 0);
	CHECK(unlink(in(write_dir, "newer")) == 0);
	CHECK(rmdir(in(write_dir, "sub")) == 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/sock", write_dir);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK(bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0);
}

Test(sandbox, a_writable_directory_is_good_for_all_a_store_needs)
{
	in_the_box(1, try_writing);
}

static void
try_moving(void)
{
	CHECK(mkdir(in(write_dir, "sub"), 0700) == 0);
	CHECK(rename(in(write_dir, "file"), in(write_dir, "sub/file")) == 0);
	CHECK_DENIED(rename(in(write_dir, "sub/file"), in(other_dir, "moved")), EACCES);
}

Test(sandbox, files_move_inside_a_writable_directory_only)
{
	in_the_box(2, try_moving);
}

static void
try_truncating(void)
{
	CHECK(truncate(in(write_dir, "file"), 1) == 0);
	CHECK_DENIED(truncate(in(other_dir, "file"), 1), EACCES);
	CHECK_DENIED(truncate(in(read_dir, "file"), 1), EACCES);
}

Test(sandbox, truncating_is_writing)
{
	in_the_box(3, try_truncating);
}

static void
try_one_file(void)
{
	CHECK(open(in(other_dir, "file"), O_RDWR) != -1);
	CHECK_DENIED(open(in(other_dir, "new"), O_RDWR | O_CREAT, 0600), EACCES);
}

Test(sandbox, a_single_file_can_be_granted)
{
	write_paths[0] = in(other_dir, "file");
	in_the_box(1, try_one_file);
}

static void
try_the_system(void)
{
	int null = open("/dev/null", O_WRONLY | O_TRUNC), zero = open("/dev/zero", O_RDWR);

	CHECK(null != -1 && zero != -1 && write(null, "x", 1) == 1);
	CHECK(open("/dev/urandom", O_RDWR) != -1);
	CHECK(open("/etc/passwd", O_RDONLY) != -1);
	CHECK(open("/proc/self/status", O_RDONLY) != -1);
	CHECK(open("/sys/devices/system/cpu/online", O_RDONLY) != -1 || errno == ENOENT);
	CHECK(dlopen("libm.so.6", RTLD_NOW) != NULL); /* a map that is executable */
	CHECK_DENIED(open("/dev/mem", O_RDONLY), access("/dev/mem", F_OK) == 0 ? EACCES : errno);
	CHECK_DENIED(open("/", O_RDONLY | O_DIRECTORY), EACCES);
}

Test(sandbox, what_a_program_needs_of_the_system_is_there)
{
	in_the_box(1, try_the_system);
}

static void
try_the_parent(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%ld/mem", (long)getppid());
	CHECK_DENIED(open(path, O_RDONLY), EACCES);
	snprintf(path, sizeof(path), "/proc/%ld/environ", (long)getppid());
	if (geteuid() != 0) /* CAP_PERFMON may read it since Linux 6.16 */
		CHECK_DENIED(open(path, O_RDONLY), EACCES);
}

Test(sandbox, other_processes_keep_their_secrets)
{
	in_the_box(1, try_the_parent);
}

static int kept;

static void
try_kept(void)
{
	char text[8];

	CHECK(read(kept, text, sizeof(text)) == 5);
}

Test(sandbox, what_was_open_stays_open)
{
	kept = open(in(other_dir, "file"), O_RDONLY);
	cr_assert_neq(kept, -1);
	in_the_box(0, try_kept);
	close(kept);
}

/* ------------------------------------------------- programs and sockets --- */

static void
try_no_exec(void)
{
	char name[] = "true", *argv[] = { name, NULL };

	CHECK_DENIED(execv("/bin/true", argv), EACCES);
	CHECK_DENIED(execv("/usr/bin/env", argv), EACCES);
}

Test(sandbox, without_exec_no_program_starts)
{
	in_the_box(1, try_no_exec);
}

static void
try_exec(void)
{
	char name[] = "true", *argv[] = { name, NULL };

	execv("/bin/true", argv);
	CHECK(false);
}

Test(sandbox, with_exec_programs_start)
{
	box.exec = true;
	in_the_box(0, try_exec);
}

static int
tcp_call(int (*call)(int, const struct sockaddr *, socklen_t), in_port_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(port),
				       .sin_addr = { htonl(INADDR_LOOPBACK) } };

	return call(socket(AF_INET, SOCK_STREAM, 0), (const struct sockaddr *)&address,
		    sizeof(address));
}

static void
try_no_tcp(void)
{
	CHECK_DENIED(tcp_call(bind, 0), EACCES);
	CHECK_DENIED(tcp_call(connect, 9), EACCES);
}

Test(sandbox, without_net_there_is_no_tcp)
{
	in_the_box(4, try_no_tcp);
}

static void
try_tcp(void)
{
	CHECK(tcp_call(bind, 0) == 0);
	CHECK_DENIED(tcp_call(connect, 9), ECONNREFUSED); /* but it was allowed to try */
}

Test(sandbox, with_net_there_is_tcp)
{
	box.net = true;
	in_the_box(0, try_tcp);
}

static void
try_unix_socket(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/sock", other_dir);
	CHECK(connect(socket(AF_UNIX, SOCK_STREAM, 0), (const struct sockaddr *)&address,
		      sizeof(address)) == 0);
}

Test(sandbox, unix_sockets_can_be_connected_to_anywhere)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/sock", other_dir);
	cr_assert_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(listen(fd, 1), 0);
	in_the_box(0, try_unix_socket);
	close(fd);
}

static void
try_signals(void)
{
	CHECK_DENIED(kill(getppid(), 0), EPERM);
	CHECK(kill(getpid(), 0) == 0);
}

Test(sandbox, the_parent_gets_no_signals)
{
	in_the_box(6, try_signals);
}

/* --------------------------------------------------- limits and process --- */

static void
try_limits(void)
{
	struct rlimit limit;
	int fds = 0;

	CHECK(getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_max == 0);
	CHECK(getrlimit(RLIMIT_CPU, &limit) == 0 && limit.rlim_cur == 100 && limit.rlim_max == 101);
	while (dup(1) != -1)
		fds++;
	CHECK(errno == EMFILE && fds > 30 && fds < 64);
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
}

Test(sandbox, limits_are_in_force)
{
	box.files = 64;
	box.cpu_seconds = 100;
	in_the_box(0, try_limits);
}

static void
try_default_limits(void)
{
	struct rlimit limit;

	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur <= 1024);
	CHECK(getrlimit(RLIMIT_CPU, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY);
	CHECK(getrlimit(RLIMIT_DATA, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY);
}

Test(sandbox, no_limit_was_asked_for_and_none_is_set)
{
	in_the_box(0, try_default_limits);
}

Test(sandbox, a_limit_above_the_one_in_force_leaves_that)
{
	struct rlimit limit = { 50, 50 };

	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	box.files = 64;
	box.cpu_seconds = 100;
	in_the_box(0, try_limits);
}

#ifndef MK_ASAN /* which maps terabytes */
static void
try_memory(void)
{
	CHECK(malloc(8 << 20) != NULL);
	CHECK(malloc(64 << 20) == NULL && errno == ENOMEM);
}

Test(sandbox, memory_is_limited)
{
	box.memory_bytes = 32 << 20;
	in_the_box(0, try_memory);
}
#endif

Test(sandbox, it_dies_with_its_parent)
{
	struct pollfd end = { .events = POLLIN };
	int life[2], ready[2], abi;
	char byte;

	cr_assert_eq(pipe(life), 0);
	cr_assert_eq(pipe(ready), 0);
	if (fork() == 0) { /* the parent that dies */
		if (fork() == 0) {
			alarm(20); /* should it live on */
			CHECK(sandbox_enter(&box, &abi, NULL) == MK_OK);
			CHECK(write(ready[1], "r", 1) == 1);
			for (;;)
				pause();
		}
		CHECK(read(ready[0], &byte, 1) == 1);
		_exit(0);
	}
	close(life[1]);
	end.fd = life[0]; /* its last writer is the grandchild */
	cr_expect_eq(poll(&end, 1, 5000), 1);
	cr_expect_eq(read(life[0], &byte, 1), 0);
	close(life[0]);
}

/* --------------------------------------------------------------- errors --- */

/* A child whose entering fails with `code` and `text`. */
static void
expect_refused(mk_result code, const char *text)
{
	int status, abi = -1;
	mk_err err = { 0 };
	pid_t pid = fork();

	cr_assert_neq(pid, -1);
	if (pid == 0) {
		if (sandbox_enter(&box, &abi, &err) == MK_OK)
			_exit(SKIPPED);
		fprintf(stderr, "%s\n", err.text);
		_exit(err.code == code && strstr(err.text, text) != NULL && abi == -1 ? 0 : 1);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
		cr_skip_test("the kernel has no Landlock");
	cr_expect_eq(status, 0);
}

Test(sandbox, a_granted_path_that_does_not_exist_is_an_error)
{
	read_paths[0] = "/does/not/exist";
	expect_refused(MK_ENOENT, "sandbox: /does/not/exist: ");
}

static void *
wait_for_end(void *fd)
{
	char byte;

	(void)!read(*(int *)fd, &byte, 1);
	return NULL;
}

Test(sandbox, a_thread_that_would_stay_outside_is_an_error)
{
	pthread_t thread;
	mk_err err = { 0 };
	int fds[2], abi = -1;

	cr_assert_eq(pipe(fds), 0);
	cr_assert_eq(pthread_create(&thread, NULL, wait_for_end, &fds[0]), 0);
	cr_expect_eq(sandbox_enter(&box, &abi, &err), MK_ESTATE);
	cr_expect_not_null(strstr(err.text, "threads are running already"), "%s", err.text);
	cr_expect_eq(abi, -1);
	close(fds[1]);
	pthread_join(thread, NULL);
	close(fds[0]);
}
