/* SPDX-License-Identifier: MIT
 *
 * Backfills as the bus sees them: asked for, told, defined, and left alone.
 */
#include "ingest_fixture.h"

#include <meshkern/testkit.h>

TestSuite(service_jobs, .timeout = 120);

#define LAST_SEEN "tx_last_seen_backfill_v1"

static const char *
last(mk_tk *tk, const char *topic)
{
	uint32_t n = mk_tk_published(tk, topic);

	return n == 0 ? "" : mk_tk_json(tk, topic, n - 1);
}

static void
wait_for(mk_tk *tk, const char *topic, const char *text)
{
	for (int i = 0; i < 400 && strstr(last(tk, topic), text) == NULL; i++) {
		mk_tk_poll(tk, 10);
		mk_tk_advance(tk, 60000);
	}
	cr_assert(strstr(last(tk, topic), text) != NULL, "%s", last(tk, topic));
}

/* A database in which every backfill is still to be done. */
static mk_tk *
started(const char *config)
{
	mk_tk *tk = mk_tk_new(&mk_plugin_v1, config);
	char path[300];
	sqlite3 *db;

	mk_tk_set_wall(tk, SECOND * 1000000);
	cr_assert_eq(mk_tk_start(tk), MK_OK, "%s", mk_tk_error(tk));
	wait_for(tk, "storage/state", "\"ready\"");
	mk_tk_stop(tk);
	snprintf(path, sizeof(path), "%s/meshkern.db", mk_tk_dir(tk, MK_DIR_DATA));
	cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(db,
				  "DELETE FROM mk_state WHERE name = 'born';"
				  "DELETE FROM _async_migrations; DELETE FROM _migrations;"
				  "INSERT INTO transmissions (raw_hex, hash, first_seen) VALUES "
				  "('', 'a', '2026-11-01T00:00:00Z')",
				  NULL, NULL, NULL),
		     SQLITE_OK);
	sqlite3_close(db);
	mk_tk_forget(tk);
	cr_assert_eq(mk_tk_start(tk), MK_OK, "%s", mk_tk_error(tk));
	wait_for(tk, "storage/state", "\"ready\"");
	return tk;
}

static void
finished(mk_tk *tk)
{
	cr_expect_eq(mk_tk_free(tk), 0, "%s", mk_tk_leaks());
}

static mk_result
call(mk_tk *tk, const char *method, const char *json)
{
	mk_writer body;
	mk_result rc;

	json_write(&body, json);
	rc = mk_tk_call(tk, method, &body);
	mk_writer_fini(&body);
	return rc;
}

static const char *
answer(const mk_tk *tk)
{
	static char text[2000];
	const mk_reply *reply = mk_tk_reply(tk);

	cr_assert_not_null(reply);
	if (reply->body == NULL || mk_to_json(reply->body, reply->body_len, text, sizeof(text)) < 0)
		return reply->error;
	return text;
}

Test(service_jobs, what_is_to_be_done_is_told_before_anything_is_done)
{
	mk_tk *tk = started(NULL);

	wait_for(tk, "storage/backfills", "\"open\":11");
	cr_expect_not_null(strstr(last(tk, "storage/backfills"),
				  "{\"name\":\"" LAST_SEEN "\",\"table\":\"transmissions\","
				  "\"kind\":\"backfill\",\"state\":\"pending\""));
	finished(tk);
}

Test(service_jobs, a_step_is_done_when_it_is_asked_for_and_never_by_itself)
{
	mk_tk *tk = started(NULL);

	mk_tk_advance(tk, 3000000);
	cr_expect_not_null(strstr(last(tk, "storage/backfills"), "\"open\":11"));
	cr_expect_eq(call(tk, "storage/step", "{'name':'" LAST_SEEN "','hold_us':5000}"), MK_OK);
	cr_expect_not_null(strstr(answer(tk), "\"state\":\"done\""), "%s", answer(tk));
	cr_expect_not_null(strstr(answer(tk), "\"done\":1"), "%s", answer(tk));
	wait_for(tk, "storage/backfills", "\"open\":10");
	cr_expect_eq(call(tk, "storage/step", "{'name':'nobody'}"), MK_ENOENT);
	cr_expect_eq(call(tk, "storage/step", "{'name':7}"), MK_EINVAL);
	finished(tk);
}

static void
send_packet(mk_tk *tk, uint64_t seq)
{
	char json[1000];
	mk_writer body;

	snprintf(json, sizeof(json), "{'items':[%s],'source':'mqtt','seq':%llu,'first':1}",
		 PACKET("A", "00112233445566a1", ""), (unsigned long long)seq);
	json_write(&body, json);
	cr_assert_eq(mk_tk_send(tk, "packet/decoded", &body), MK_OK);
	mk_writer_fini(&body);
}

Test(service_jobs, a_step_waits_for_the_transaction_and_a_second_one_is_refused)
{
	mk_tk *tk = started("commit_after: 100ms");

	send_packet(tk, 1);
	cr_expect_eq(call(tk, "storage/step", "{'name':'" LAST_SEEN "'}"), MK_EAGAIN);
	cr_expect_null(mk_tk_reply(tk));
	mk_tk_advance(tk, 100000);
	cr_expect_eq(mk_tk_published(tk, "packet/stored"), 1);
	cr_expect_not_null(strstr(answer(tk), "\"state\":\"done\""), "%s", answer(tk));
	cr_expect_not_null(strstr(answer(tk), "\"busy\":true"), "%s", answer(tk));
	send_packet(tk, 2);
	cr_expect_eq(call(tk, "storage/step", "{'name':'mk_rehash_v1'}"), MK_EAGAIN);
	cr_expect_eq(call(tk, "storage/step", "{'name':'mk_rehash_v1'}"), MK_EAGAIN);
	cr_expect_str_eq(answer(tk), "a step is asked for already");
	wait_for(tk, "storage/backfills", "\"open\":9");
	finished(tk);
}

Test(service_jobs, that_nobody_asks_is_said)
{
	mk_tk *tk = started(NULL);

	cr_expect_not_null(strstr(last(tk, "storage/backfills"), "\"reason\":\"\""));
	wait_for(tk, "storage/backfills", "nobody asks for steps");
	cr_expect(mk_tk_log_has(tk, "is the plugin backfill enabled?"));
	cr_expect_eq(mk_tk_number(tk, "backfills_open"), 11);
	cr_expect_eq(call(tk, "storage/step", "{}"), MK_OK, "somebody is there");
	wait_for(tk, "storage/backfills", "\"reason\":\"\"");
	finished(tk);
}

Test(service_jobs, the_operator_is_heard)
{
	mk_tk *tk = started(NULL);

	cr_expect_eq(call(tk, "storage/backfill", "{'name':'" LAST_SEEN "','do':'pause'}"), MK_OK);
	cr_expect_not_null(strstr(last(tk, "storage/backfills"), "\"paused\":true"));
	cr_expect_eq(call(tk, "storage/step", "{'name':'" LAST_SEEN "'}"), MK_ESTATE);
	cr_expect_eq(call(tk, "storage/backfill", "{'name':'" LAST_SEEN "','do':'resume'}"), MK_OK);
	cr_expect_eq(call(tk, "storage/step", "{'name':'" LAST_SEEN "'}"), MK_OK);
	cr_expect_eq(call(tk, "storage/backfill", "{'name':'" LAST_SEEN "','do':'dance'}"),
		     MK_EINVAL);
	cr_expect_eq(call(tk, "storage/backfill", "{}"), MK_ENOENT);
	finished(tk);
}

Test(service_jobs, only_guests_define_backfills)
{
	static const char definition[] = "{'name':'x','table':'nodes','step':'SELECT ?1'}";
	mk_tk *tk = started(NULL);
	char config[100];

	cr_expect_eq(call(tk, "storage/define", definition), MK_EDENIED);
	cr_expect_not_null(strstr(answer(tk), "add it to the option guests"), "%s", answer(tk));
	snprintf(config, sizeof(config), "guests: [ %.*s ]", (int)strcspn(answer(tk), " "),
		 answer(tk));
	cr_assert_eq(mk_tk_reconfigure(tk, config), MK_OK);
	cr_expect_eq(call(tk, "storage/define", definition), MK_OK, "%s", answer(tk));
	cr_expect_not_null(strstr(last(tk, "storage/backfills"), ".x\",\"table\":\"nodes\""));
	finished(tk);
}
