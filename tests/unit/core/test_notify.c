/* SPDX-License-Identifier: MIT
 *
 * systemd's notifications, received by a socket of our own.
 */
#define _GNU_SOURCE
#include "notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <criterion/criterion.h>

static int fd;
static struct sockaddr_un address;

static void
setup(void)
{
	memset(&address, 0, sizeof(address));
	address.sun_family = AF_UNIX;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	cr_assert_neq(fd, -1);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

static void
teardown(void)
{
	close(fd);
	if (address.sun_path[0] == '/')
		unlink(address.sun_path);
}

TestSuite(notify, .init = setup, .fini = teardown, .timeout = 120);

static void
listen_at(size_t name_len)
{
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + name_len);

	cr_assert_eq(bind(fd, (const struct sockaddr *)&address, len), 0);
}

static void
expect_received(const char *expected)
{
	char text[256];
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	cr_assert_geq(n, 0);
	text[n] = '\0';
	cr_expect_str_eq(text, expected);
}

Test(notify, a_state_arrives_at_a_socket_in_the_file_system)
{
	snprintf(address.sun_path, sizeof(address.sun_path), P_tmpdir "/test_notify.%ld",
		 (long)getpid());
	listen_at(strlen(address.sun_path) + 1);
	setenv("NOTIFY_SOCKET", address.sun_path, 1);
	notify_send("READY=1");
	notify_send("STOPPING=1\nSTATUS=bye");
	expect_received("READY=1");
	expect_received("STOPPING=1\nSTATUS=bye");
}

Test(notify, a_state_arrives_at_an_abstract_socket)
{
	char name[64];
	int len = snprintf(name, sizeof(name), "@test_notify.%ld", (long)getpid());

	memcpy(address.sun_path + 1, name + 1, (size_t)len - 1);
	listen_at((size_t)len);
	setenv("NOTIFY_SOCKET", name, 1);
	notify_send("WATCHDOG=1");
	expect_received("WATCHDOG=1");
}

Test(notify, without_a_usable_socket_nothing_happens)
{
	char name[sizeof(address.sun_path) + 2];

	notify_send("READY=1");
	setenv("NOTIFY_SOCKET", "", 1);
	notify_send("READY=1");
	setenv("NOTIFY_SOCKET", "vsock:1:2", 1);
	notify_send("READY=1");
	setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
	notify_send("READY=1");
	memset(name, 'a', sizeof(name)); /* longer than an address can be */
	name[0] = '/';
	name[sizeof(name) - 1] = '\0';
	setenv("NOTIFY_SOCKET", name, 1);
	notify_send("READY=1");
}

Test(notify, the_watchdog_is_fed_twice_as_often_as_it_wants)
{
	char pid[32];

	cr_expect_eq(notify_watchdog_us(), 0);
	setenv("WATCHDOG_USEC", "30000000", 1);
	cr_expect_eq(notify_watchdog_us(), 15000000);
	snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	setenv("WATCHDOG_PID", pid, 1);
	cr_expect_eq(notify_watchdog_us(), 15000000);
}

Test(notify, the_watchdog_of_another_process_is_not_ours)
{
	setenv("WATCHDOG_USEC", "30000000", 1);
	setenv("WATCHDOG_PID", "1", 1);
	cr_expect_eq(notify_watchdog_us(), 0);
}

Test(notify, a_watchdog_interval_that_is_no_number_is_none)
{
	static const char *const values[] = {
		"", "x", "12x", "-5", " 5", "99999999999999999999999"
	};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		setenv("WATCHDOG_USEC", values[i], 1);
		cr_expect_eq(notify_watchdog_us(), 0, "\"%s\"", values[i]);
	}
}
