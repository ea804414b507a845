/* SPDX-License-Identifier: MIT
 *
 * L: instances come, go, and leave nothing behind.
 */
#include "conform.h"

#include <stdio.h>
#include <string.h>

#include "kit.h"

#define LIFE_FLOOD 5000
#define LIFE_STOP_US 5000000u /* the daemon's default deadline */
#define LIFE_FAULTS 5000      /* allocations of one start that are failed */

static enum verdict
check_l1(struct conform *c)
{
	for (int i = 0; i < 1000; i++) {
		mk_tk *tk = mk_tk_new(c->desc, c->config);
		enum verdict v;

		conform_doing(c, "create %d", i);
		if (mk_tk_create(tk) != MK_OK) {
			v = conform_fail(c, "create %d: %s", i, mk_tk_error(tk));
			mk_tk_free(tk);
			return v;
		}
		v = drive_end(c, tk);
		if (v != PASS)
			return v;
	}
	return PASS;
}

static enum verdict
check_l2(struct conform *c)
{
	for (int i = 0; i < 100; i++) {
		mk_tk *tk = drive_start(c, c->config);
		enum verdict v = FAIL;

		if (tk != NULL) {
			drive_some(c, tk, 1);
			v = drive_end(c, tk);
		}
		if (v != PASS)
			return v;
	}
	return PASS;
}

static enum verdict
check_l3(struct conform *c)
{
	mk_tk *tk = drive_start(c, c->config);
	uint64_t before_us, took_us;
	enum verdict v;

	if (tk == NULL)
		return FAIL;
	for (uint32_t i = 0; i < LIFE_FLOOD && i * c->target_count < LIFE_FLOOD; i++)
		drive_some(c, tk, 1);
	mk_tk_publish_fails(tk, MK_EAGAIN, UINT32_MAX); /* nobody takes its last words */
	conform_doing(c, "stop");
	before_us = tk_real_us();
	mk_tk_stop(tk);
	took_us = tk_real_us() - before_us;
	v = drive_end(c, tk);
	if (took_us > LIFE_STOP_US)
		return conform_fail(c, "stop() took %llu ms", (unsigned long long)took_us / 1000);
	return v;
}

static enum verdict
check_l4(struct conform *c)
{
	mk_tk *tk = mk_tk_new(c->desc, c->config);

	conform_doing(c, "create");
	if (mk_tk_create(tk) != MK_OK)
		return conform_fail(c, "create: %s", mk_tk_error(tk));
	conform_doing(c, "destroy without start");
	return drive_end(c, tk);
}

static enum verdict
check_l5(struct conform *c)
{
	bool failed = true;

	for (uint32_t n = 1; failed && n <= LIFE_FAULTS; n++) {
		mk_tk *tk = mk_tk_new(c->desc, c->config);
		enum verdict v;

		if (!mk_tk_fail_alloc(tk, n)) {
			mk_tk_free(tk);
			return conform_skip(c, "allocations are not counted in a sanitizer build");
		}
		conform_doing(c, "allocation %u fails", n);
		mk_tk_start(tk);
		failed = mk_tk_alloc_failed(tk);
		v = drive_end(c, tk);
		if (v != PASS) {
			size_t used = strlen(c->report->text);

			snprintf(c->report->text + used, sizeof(c->report->text) - used,
				 " (when allocation %u of create and start fails)", n);
			return v;
		}
	}
	return PASS;
}

static enum verdict
check_l6(struct conform *c)
{
	mk_tk *one, *two;
	enum verdict v;

	if ((c->manifest->flags & MK_PLUGIN_SINGLE) != 0)
		return conform_skip(c, "MK_PLUGIN_SINGLE");
	one = drive_start(c, c->config);
	two = one != NULL ? drive_start(c, c->config) : NULL;
	if (two == NULL)
		return FAIL;
	drive_some(c, one, 3);
	drive_some(c, two, 3);
	v = drive_end(c, one);
	drive_some(c, two, 3);
	return v == PASS ? drive_end(c, two) : v;
}

static enum verdict
check_l7(struct conform *c)
{
	mk_tk *tk = drive_start(c, c->config);
	const char *line;

	if (tk == NULL)
		return FAIL;
	drive_some(c, tk, 3);
	mk_tk_poll(tk, 50); /* real time, for threads to get going */
	conform_doing(c, "stop");
	mk_tk_free(tk);
	line = strstr(mk_tk_leaks(), "thread ");
	return line == NULL ? PASS : conform_fail(c, "%.*s", (int)strcspn(line, "\n"), line);
}

const struct check life_checks[] = {
	{ "L1", "correct", 60, false, "1000 times create and destroy leave nothing", check_l1 },
	{ "L2", "correct", 60, false, "100 times start and stop leave nothing", check_l2 },
	{ "L3", "robust", 60, false, "stops in time after a flood, while nothing is taken",
	  check_l3 },
	{ "L4", "correct", 10, false, "destroy without start", check_l4 },
	{ "L5", "robust", 120, false, "survives each allocation of create and start failing",
	  check_l5 },
	{ "L6", "correct", 20, false, "two instances do not disturb each other", check_l6 },
	{ "L7", "correct", 20, false, "no thread is left", check_l7 },
	{ NULL, NULL, 0, false, NULL, NULL },
};
