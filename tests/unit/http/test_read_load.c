/* SPDX-License-Identifier: MIT
 *
 * The thread that fills the read model, stopped at the moments that matter.
 */
#define _XOPEN_SOURCE 700
#include <criterion/criterion.h>

#include "read_fixture.h"

TestSuite(read_load, .timeout = 120, .init = setup, .fini = teardown);

/* A row that storage told of may be deleted before the loader comes to it. */
Test(read_load, what_was_told_and_deleted_is_not_waited_for)
{
	for (int64_t id = 1; id <= 5; id++)
		store(id);
	gate_close(OBSERVATIONS);
	tell_ready(1);
	gate_wait();
	tell_stored(6, 60, 1, true, 1);
	gate_open();
	cr_expect(state().warm);
	cr_expect_eq(count(), 5);
}

Test(read_load, what_was_missed_is_read_afterwards)
{
	mk_msg gap = {
		.struct_size = sizeof(gap), .topic = "packet/stored", .flags = MK_MSG_GAP, .lost = 3
	};

	for (int64_t id = 1; id <= 10; id++)
		store(id);
	tell_ready(1);
	join();
	for (int64_t id = 11; id <= 600; id++)
		store(id);
	read_on_msg(r, &gap);
	join();
	cr_expect_eq(count(), 600);
	cr_expect_eq(state().tx, 600);
	cr_expect_eq(state().obs, 600);
	cr_expect_eq(state().gaps, 1);
	tell_stored(601, 6010, 1, true, 1);
	cr_expect_eq(count(), 601);
}

/* It is written and told of, but the loader comes between the two. */
Test(read_load, no_packet_is_shown_before_its_observations)
{
	gate_close(PACKETS);
	tell_ready(1);
	gate_wait();
	store(1);
	gate_open();
	cr_expect(state().warm);
	cr_expect_eq(state().tx_memory, 0);
	tell_stored(1, 10, 1, true, 1);
	cr_expect_eq(read_packet_by_id(r, s, 1)->obs_count, 1);
}

Test(read_load, what_comes_while_only_a_part_is_read_is_in_the_totals)
{
	sql("BEGIN");
	for (int64_t id = 1; id <= 20000; id++)
		store(id);
	sql("COMMIT");
	gate_close(OBSERVATIONS);
	tell_ready(1);
	gate_wait();
	store(20001);
	tell_stored(20001, 200010, 1, true, 1);
	gate_open();
	cr_expect_not(state().complete);
	cr_expect_eq(state().tx, 20001);
	cr_expect_eq(state().obs, 20001);
	cr_expect_eq(count(), 20001);
}

Test(read_load, nothing_of_the_database_before_gets_in)
{
	static const char *const moments[] = { "PRAGMA cache_size", "count(*) FROM transmissions",
					       OBSERVATIONS, PACKETS };
	uint64_t epoch = 0;

	for (int64_t id = 1; id <= 5; id++)
		store(id);
	for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++) {
		gate_close(moments[i]);
		tell_ready(++epoch);
		gate_wait();
		tell_ready(++epoch);
		gate_open();
		cr_expect(!state().ready && !state().warm, "%s", moments[i]);
		cr_expect_eq(state().tx, 0, "%s", moments[i]);
		cr_expect_not(read_on_timer(r));
		join();
		cr_expect(state().warm && state().complete);
		cr_expect_eq(state().tx, 5);
	}
}
