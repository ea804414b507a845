/* SPDX-License-Identifier: MIT
 *
 * What is told of the mesh before everything has been read.
 */
#define _XOPEN_SOURCE 700
#include <http/routes/alerts.h>

#include "read_fixture.h"

TestSuite(alerts, .timeout = 120, .init = setup, .fini = teardown);

static struct http http;
static struct alert list[ALERTS_MAX];

/* How many alerts of a kind there are. */
static uint32_t
count_alerts(const char *kind, int64_t now_s)
{
	const struct settings set = { .infra_degraded_s = 24 * 3600,
				      .infra_silent_s = 72 * 3600,
				      .observer_online_s = 3600 };
	uint32_t total = 0, n, found = 0;

	http.host = &host;
	http.read = r;
	model_read(&model);
	n = alerts_find(&http, &set, now_s, list, &total);
	model_read_end(&model);
	for (uint32_t i = 0; i < n; i++)
		found += strcmp(list[i].kind, kind) == 0;
	return found;
}

Test(alerts, repeaters_that_are_silent_are_told_before_everything_is_read)
{
	const int64_t later = NOW + (int64_t)30 * 3600;

	sql("UPDATE observers SET last_seen = '2026-11-21T06:43:00Z'");
	for (int64_t id = 1; id <= 100; id++)
		store(-id);
	cr_expect_eq(count_alerts("node", later), 0);
	gate_close(OBSERVATIONS);
	tell_ready(1);
	gate_wait();
	cr_expect(state().ready && !state().warm);
	cr_expect_eq(count_alerts("node", later), 1);
	cr_expect_eq(count_alerts("node", NOW + 3600), 0);
	cr_expect_eq(count_alerts("observer", NOW + 18000), 0);
	gate_open();
	cr_expect_eq(count_alerts("node", later), 1);
	cr_expect_eq(count_alerts("observer", NOW + 18000), 1);
}
