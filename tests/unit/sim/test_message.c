/* SPDX-License-Identifier: MIT
 *
 * Events as MQTT messages.
 */
#include <string.h>

#include <criterion/criterion.h>
#include <jansson.h>
#include <sim/message.h>

TestSuite(message, .timeout = 120);

static struct sim *
made(void)
{
	struct sim_options o = sim_defaults;
	struct sim *s = NULL;

	o.rate = 500;
	cr_assert_eq(sim_new(&o, &s, NULL), MK_OK);
	return s;
}

Test(message, every_payload_is_json_with_what_its_kind_has)
{
	struct sim *s = made();
	uint32_t kinds[3] = { 0 }, as_text = 0, naive = 0;

	for (int i = 0; i < 10000; i++) {
		const struct sim_event *e = sim_next(s);
		struct message m;
		const char *time;
		json_t *root;

		message_make(s, e, &m);
		cr_assert_eq(strlen(m.payload), m.payload_len);
		cr_assert_eq(strlen(m.topic), m.topic_len);
		root = json_loadb(m.payload, m.payload_len, JSON_REJECT_DUPLICATES, NULL);
		cr_assert(json_is_object(root), "%s", m.payload);
		time = json_string_value(json_object_get(root, "timestamp"));
		cr_assert_not_null(time);
		naive += time[strlen(time) - 1] != 'Z';
		cr_assert(json_is_string(json_object_get(root, "origin")));
		if (e->kind == SIM_STATUS)
			cr_assert(json_is_object(json_object_get(root, "stats")));
		else
			cr_assert_eq(json_string_length(json_object_get(root, "raw")), 2u * e->len);
		if (e->kind == SIM_CLIENT)
			cr_assert(
			    json_is_real(json_object_get(json_object_get(root, "gps"), "lat")));
		as_text += json_is_string(json_object_get(root, "SNR"));
		kinds[e->kind]++;
		json_decref(root);
	}
	cr_expect(kinds[SIM_RECEPTION] > 0 && kinds[SIM_STATUS] > 0 && kinds[SIM_CLIENT] > 0);
	cr_expect(as_text > 0 && naive > 0); /* the quirks of real observers */
	sim_free(s);
}

Test(message, topics_name_region_and_observer)
{
	struct sim *s = made();
	const struct sim_event *e;
	struct message m;
	char want[MESSAGE_TOPIC_MAX];

	do
		e = sim_next(s);
	while (e->kind != SIM_RECEPTION);
	message_make(s, e, &m);
	snprintf(want, sizeof(want), "meshcore/%s/%s/packets", sim_observer(s, e->who)->region,
		 sim_observer(s, e->who)->id);
	cr_expect_str_eq(m.topic, want);
	sim_free(s);
}
