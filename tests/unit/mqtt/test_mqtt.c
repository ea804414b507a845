/* SPDX-License-Identifier: MIT
 *
 * The plugin on the test kit: options, batches out of an inbox that a killed process left, what it
 * says about brokers that it cannot reach. With a broker it is tested in tests/integration.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <criterion/criterion.h>

#include <meshkern/testkit.h>

#include "inbox.h"

TestSuite(mqtt, .timeout = 120);

/* Nobody listens on port 1 of this address, and no network is asked. */
#define SOURCE                                                                  \
	"sources: [ { name: one, broker: \"mqtt://127.0.0.1:1\", username: u, " \
	"password: secret } ]\n"

static mk_tk *
started(const char *config)
{
	mk_tk *tk = mk_tk_new(&mk_plugin_v1, config);

	cr_assert_eq(mk_tk_start(tk), MK_OK, "%s", mk_tk_error(tk));
	return tk;
}

static void
refused(const char *config, const char *why)
{
	mk_tk *tk = mk_tk_new(&mk_plugin_v1, config);

	cr_expect_neq(mk_tk_start(tk), MK_OK, "%s", config);
	cr_expect_not_null(strstr(mk_tk_error(tk), why), "%s: %s", config, mk_tk_error(tk));
	cr_expect_eq(mk_tk_free(tk), 0);
}

Test(mqtt, what_cannot_work_is_refused_by_name)
{
	refused("sources: [ { name: a, broker: \"http://h\" } ]", "sources[0].broker");
	refused("sources: [ { name: a, broker: \"mqtt://h\" }, { name: a, broker: \"mqtt://i\" } ]",
		"sources[1].name");
	refused("sources: [ { name: a, broker: \"mqtt://h\", topics: [ \"a/#/b\" ] } ]",
		"sources[0].topics[0]");
	refused("sources: [ { name: a, broker: \"mqtts://h\", tls: { cert: x } } ]",
		"sources[0].tls.cert");
	refused("sources: [ { name: a, broker: \"mqtt://u:p@h\" } ]", "sources[0].broker");
	refused("sources: [ { broker: \"mqtt://h\" } ]", "name");
}

/* Leaves `count` items of a topic in the inbox, as a killed process does. */
static void
leave(mk_tk *tk, uint32_t topic, uint32_t count)
{
	struct inbox b;

	cr_assert_eq(inbox_open(&b, mk_tk_dir(tk, MK_DIR_STATE), 64 << 20, NULL), MK_OK);
	for (uint32_t i = 0; i < count; i++)
		cr_assert_eq(inbox_put(&b, topic,
				       "\x81\xa2"
				       "at\x01",
				       5),
			     MK_OK);
	inbox_close(&b);
}

Test(mqtt, what_a_killed_process_had_acknowledged_is_published)
{
	mk_tk *tk = mk_tk_new(&mk_plugin_v1, NULL);

	leave(tk, 0, 1200);
	leave(tk, 2, 1);
	cr_assert_eq(mk_tk_start(tk), MK_OK, "%s", mk_tk_error(tk));
	mk_tk_advance(tk, 1000000);
	cr_expect_eq(mk_tk_published(tk, "rx/raw"), 3); /* 500, 500, 200 */
	cr_expect_eq(mk_tk_published(tk, "rx/client"), 1);
	cr_expect_str_eq(mk_tk_json(tk, "rx/client", 0), "{\"items\":[{\"at\":1}]}");
	mk_tk_stop(tk);
	mk_tk_forget(tk);
	cr_assert_eq(mk_tk_start(tk), MK_OK);
	mk_tk_advance(tk, 1000000);
	cr_expect_eq(mk_tk_published(tk, "rx/raw"), 0);
	cr_expect_eq(mk_tk_free(tk), 0);
}

Test(mqtt, a_full_outbox_is_told_and_tried_again)
{
	mk_tk *tk = mk_tk_new(&mk_plugin_v1, NULL);

	leave(tk, 1, 10);
	cr_assert_eq(mk_tk_start(tk), MK_OK, "%s", mk_tk_error(tk));
	mk_tk_publish_fails(tk, MK_EFULL, 20);
	mk_tk_advance(tk, 500000);
	cr_expect(mk_tk_log_has(tk, "the outbox is full"));
	cr_expect_eq(mk_tk_published(tk, "rx/status"), 0);
	mk_tk_advance(tk, 3000000);
	cr_expect_eq(mk_tk_published(tk, "rx/status"), 1);
	cr_expect(mk_tk_log_has(tk, "the outbox has room"));
	cr_expect_eq(mk_tk_free(tk), 0);
}

Test(mqtt, a_message_that_the_bus_never_takes_is_counted_and_does_not_stop_the_others)
{
	mk_tk *tk = mk_tk_new(&mk_plugin_v1, NULL);

	leave(tk, 0, 3);
	leave(tk, 1, 1);
	cr_assert_eq(mk_tk_start(tk), MK_OK, "%s", mk_tk_error(tk));
	mk_tk_publish_fails(tk, MK_ETOOBIG, 1);
	mk_tk_advance(tk, 1000000);
	cr_expect_eq(mk_tk_published(tk, "rx/status"), 1);
	cr_expect_eq(mk_tk_number(tk, "unpublishable"), 3);
	cr_expect_eq(mk_tk_free(tk), 0);
}

/* Lets real time pass for the net thread, and the kit's for the plugin, until `text` is in what was
 * published last. */
static void
wait_report(mk_tk *tk, const char *text)
{
	for (uint32_t i = 0; i < 1000; i++) {
		uint32_t n = mk_tk_published(tk, "mqtt/sources");

		if (n > 0 && strstr(mk_tk_json(tk, "mqtt/sources", n - 1), text) != NULL)
			return;
		mk_tk_advance(tk, 100000);
		(void)mk_tk_poll(tk, 10);
	}
	cr_assert_fail("%s was never reported", text);
}

Test(mqtt, a_broker_that_is_not_there_is_tried_for_ever_and_its_password_is_not_told)
{
	mk_tk *tk = started(SOURCE);
	const char *json;

	wait_report(tk, "\"failures\":3");
	json = mk_tk_json(tk, "mqtt/sources", mk_tk_published(tk, "mqtt/sources") - 1);
	cr_expect_not_null(strstr(json, "\"broker\":\"mqtt://127.0.0.1:1\""), "%s", json);
	cr_expect_not_null(strstr(json, "\"verdict\":\"disconnected\""), "%s", json);
	cr_expect_not_null(strstr(json, "\"retry_us\":"), "%s", json);
	cr_expect_not_null(strstr(json, "\"last_error\":\""), "%s", json);
	cr_expect_null(strstr(json, "secret"));
	cr_expect_not(mk_tk_log_has(tk, "secret"));
	cr_expect_eq(mk_tk_number(tk, "sources"), 1);
	cr_expect_eq(mk_tk_number(tk, "sources_connected"), 0);
	cr_expect_eq(mk_tk_misbehaved(tk), 0, "%s", mk_tk_misbehaved_text(tk));
	cr_expect_eq(mk_tk_free(tk), 0);
}

Test(mqtt, the_session_has_the_same_name_after_a_restart)
{
	mk_tk *tk = started(SOURCE);
	char first[400], *id;

	wait_report(tk, "\"failures\":1");
	snprintf(first, sizeof(first), "%s", mk_tk_json(tk, "mqtt/sources", 0));
	id = strstr(first, "\"client_id\":\"mk-");
	cr_assert_not_null(id);
	id[35] = '\0';
	mk_tk_stop(tk);
	mk_tk_forget(tk);
	cr_assert_eq(mk_tk_start(tk), MK_OK);
	wait_report(tk, id);
	cr_expect_eq(mk_tk_free(tk), 0);
}

Test(mqtt, sources_come_and_go_without_a_restart)
{
	mk_tk *tk = started(SOURCE);

	wait_report(tk, "\"failures\":2");
	cr_expect_eq(mk_tk_reconfigure(tk, SOURCE "iata_whitelist: [ SJC ]\nbuffer: 1MiB"), MK_OK);
	wait_report(tk, "\"failures\":3"); /* it was not begun anew */
	cr_expect_eq(
	    mk_tk_reconfigure(tk, "sources: [ { name: two, broker: \"mqtt://127.0.0.1:1\" } ]"),
	    MK_OK);
	wait_report(tk, "\"two\"");
	wait_report(tk, "{\"items\":[{\"name\":\"two\"");
	cr_expect_eq(mk_tk_reconfigure(tk, "sources: []"), MK_OK);
	wait_report(tk, "{\"items\":[]}");
	cr_expect_eq(mk_tk_free(tk), 0);
}
