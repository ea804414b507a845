/* SPDX-License-Identifier: MIT
 *
 * T, H: clocks that jump, long callbacks, and the wrong thread.
 */
#include "conform.h"

#include <string.h>

#include "kit.h"

#define TIME_DAY_US INT64_C(86400000000)
#define TIME_STORM 200000 /* callbacks, then it is enough */

static enum verdict
check_t1(struct conform *c)
{
	static const int64_t jumps_us[] = { TIME_DAY_US, -TIME_DAY_US, -TIME_DAY_US, TIME_DAY_US,
					    365 * TIME_DAY_US };
	mk_tk *tk = drive_start(c, c->config);

	if (tk == NULL)
		return FAIL;
	drive_some(c, tk, 5);
	for (size_t i = 0; i < sizeof(jumps_us) / sizeof(jumps_us[0]); i++) {
		mk_tk_set_wall(tk, (uint64_t)((int64_t)tk->wall_us + jumps_us[i]));
		drive_some(c, tk, 5);
		conform_doing(c, "wall clock jumped");
		drive_time(tk, 5);
	}
	mk_tk_set_wall(tk, 0); /* a machine without a clock, before it has the time */
	drive_some(c, tk, 5);
	conform_doing(c, "wall clock at 1970");
	drive_time(tk, 5);
	return drive_end(c, tk);
}

static enum verdict
check_t2(struct conform *c)
{
	mk_tk *tk = drive_start(c, c->config);
	uint64_t most;

	if (tk == NULL)
		return FAIL;
	drive_some(c, tk, 3);
	most = tk->callbacks + TIME_STORM;
	for (int minute = 0; minute < 24 * 60 && tk->callbacks < most; minute++) {
		conform_doing(c, "minute %d in one go", minute);
		mk_tk_advance(tk, 60000000);
		if (minute % 10 == 0)
			mk_tk_forget(tk);
	}
	return drive_end(c, tk);
}

/* Keep it busy, and look for broken rules of one kind. */
static enum verdict
time_kind(struct conform *c, const char *kind)
{
	mk_tk *tk = drive_start(c, c->config);
	const char *broken;
	enum verdict v;

	if (tk == NULL)
		return FAIL;
	drive_some(c, tk, 50);
	mk_tk_poll(tk, 100); /* real time, for threads to do something */
	conform_doing(c, "a minute");
	drive_time(tk, 60);
	mk_tk_stop(tk);
	broken = drive_broken(tk, kind);
	v = broken == NULL ? PASS : conform_fail(c, "%s", broken + strlen(kind));
	mk_tk_free(tk);
	return v;
}

static enum verdict
check_t3(struct conform *c)
{
	return time_kind(c, "slow: ");
}

static enum verdict
check_h1(struct conform *c)
{
	return time_kind(c, "thread: ");
}

const struct check time_checks[] = {
	{ "T1", "robust", 30, false, "the wall clock may jump", check_t1 },
	{ "T2", "robust", 60, false, "many timers at once", check_t2 },
	{ "T3", "robust", 60, false, "no callback takes more than 100 ms", check_t3 },
	{ "H1", "correct", 30, false, "[plugin] functions only on the plugin's thread", check_h1 },
	{ NULL, NULL, 0, false, NULL, NULL },
};
