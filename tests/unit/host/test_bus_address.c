/* SPDX-License-Identifier: MIT
 *
 * Addresses of the bus. What is wrong with one is tested through meshkern.yaml, in test_settings.c.
 */
#include "bus_address.h"

#include <criterion/criterion.h>

TestSuite(bus_address, .timeout = 120);

Test(bus_address, each_scheme_is_known_and_the_rest_is_what_follows)
{
	const char *rest = NULL;

	cr_expect_eq(bus_scheme("ipc:///a", &rest), BUS_IPC);
	cr_expect_str_eq(rest, "/a");
	cr_expect_eq(bus_scheme("tls+tcp://*:1", &rest), BUS_TLS);
	cr_expect_str_eq(rest, "*:1");
	cr_expect_eq(bus_scheme("tcp://h:1", NULL), BUS_TCP);
	cr_expect_eq(bus_scheme("ws://h:1/x", NULL), BUS_WS);
	cr_expect_eq(bus_scheme("http://h:1", &rest), BUS_UNKNOWN);
	cr_expect_str_eq(rest, "*:1", "left alone");
}

Test(bus_address, replays_are_asked_for_beside_it_where_that_is_possible)
{
	mk_arena arena = { 0 };

	cr_expect_str_eq(bus_requests(&arena, "ipc:///run/bus"), "ipc:///run/bus.in");
	cr_expect_str_eq(bus_requests(&arena, "ws://h:1"), "ws://h:1/in");
	cr_expect_str_eq(bus_requests(&arena, "ws://h:1/"), "ws://h:1/in");
	cr_expect_null(bus_requests(&arena, "tcp://h:1"));
	cr_expect_null(bus_requests(&arena, "tls+tcp://h:1"));
	mk_arena_fini(&arena);
}

Test(bus_address, only_what_stays_on_this_machine_is_local)
{
	static const char *const local[] = { "ipc:///a", "tcp://127.0.0.1:1", "ws://localhost:1/x",
					     "tcp://[::1]:1", "tcp://127.9.9.9:1" };
	static const char *const open[] = { "tcp://0.0.0.0:1", "tcp://*:1", "ws://localhost.com:1",
					    "tcp://[::]:1", "tls+tcp://h:1" };

	for (int i = 0; i < 5; i++) {
		cr_expect(bus_is_local(local[i]), "%s", local[i]);
		cr_expect_not(bus_is_local(open[i]), "%s", open[i]);
	}
}
