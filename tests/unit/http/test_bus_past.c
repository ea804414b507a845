/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>
#include <http/routes/bus_past.h>

TestSuite(bus_past, .timeout = 120);

#define START 1795243200000000u /* a full day of Unix time */
#define SECOND 1000000u
#define MINUTE (60u * SECOND)
#define HOUR (60u * MINUTE)

static struct bus_past *past;
static struct json out;

static void
begin(void)
{
	past = bus_past_new();
	js_init(&out, 1 << 20);
}

static void
end(void)
{
	bus_past_free(past);
	js_fini(&out);
}

static void
note(const char *topic, uint64_t at_us, uint32_t flags, mk_writer *w)
{
	mk_msg m = { .struct_size = sizeof(m), .topic = topic, .flags = flags, .time_us = at_us };
	struct event *e;

	cr_assert_eq(mk_writer_end(w), MK_OK);
	m.body = w->data;
	m.body_len = (uint32_t)w->len;
	e = event_new(&m);
	bus_past_note(past, e);
	event_unref(e);
	mk_writer_fini(w);
}

/* One topic and one plugin. */
static void
stats(uint64_t at_us, uint64_t seq, uint64_t taken, uint64_t lag, uint64_t lost)
{
	mk_writer w;

	mk_writer_init(&w, 0);
	mk_put_map(&w, 3);
	mk_kv_u64(&w, "uptime_us", at_us - START + 48 * (uint64_t)HOUR);
	mk_kv_array(&w, "topics", 1);
	mk_put_map(&w, 2);
	mk_kv_str(&w, "name", "a/b");
	mk_kv_u64(&w, "seq", seq);
	mk_kv_array(&w, "instances", 1);
	mk_put_map(&w, 4);
	mk_kv_str(&w, "name", "one");
	mk_kv_u64(&w, "out", taken);
	mk_kv_u64(&w, "lag", lag);
	mk_kv_u64(&w, "lost", lost);
	note("core/stats", at_us, 0, &w);
}

static void
plugin(uint64_t at_us, uint32_t flags, const char *state, uint64_t restarts, uint64_t crashes)
{
	mk_writer w;

	mk_writer_init(&w, 0);
	mk_put_map(&w, 1);
	mk_kv_array(&w, "items", 1);
	mk_put_map(&w, 4);
	mk_kv_str(&w, "name", "one");
	mk_kv_str(&w, "state", state);
	mk_kv_u64(&w, "restarts", restarts);
	mk_kv_u64(&w, "crashes", crashes);
	note("core/plugins", at_us, flags, &w);
}

static const char *
answer(void)
{
	js_reset(&out);
	bus_past_write(past, &out);
	cr_assert(!out.failed);
	js_text(&out, "", 1);
	return out.data;
}

#define expect(text) cr_expect_not_null(strstr(answer(), text), "%s in %s", text, answer())

/* The last cells of the strip. */
static const char *
beats(uint32_t count)
{
	const char *at = strstr(answer(), "\"beats\":\"");
	static char cells[361];

	cr_assert_not_null(at);
	cr_assert_eq(strcspn(at + 9, "\""), 360);
	(void)snprintf(cells, sizeof(cells), "%.*s", (int)count, at + 9 + 360 - count);
	return cells;
}

Test(bus_past, messages_are_counted_by_minute_and_the_past_is_unknown, .init = begin, .fini = end)
{
	stats(START + 30 * SECOND, 5000, 0, 0, 0);
	for (uint32_t i = 7; i <= 30; i++) /* 10 messages each time */
		stats(START + 5 * i * SECOND, 4940 + 10 * i, 0, 0, 0);
	expect("\"name\":\"a/b\",\"per_second\":[null,");
	expect(
	    "null,null,1.66,2,2.33]"); /* half of a minute, a whole one, half of one that is not over */
}

Test(bus_past, a_minute_in_which_nobody_looked_is_empty_and_older_ones_are_forgotten, .init = begin,
     .fini = end)
{
	stats(START, 0, 0, 0, 0);
	stats(START + 2 * MINUTE, 60, 0, 0, 0);
	stats(START + 5 * MINUTE, 60, 0, 0, 0);
	expect(",0,0,1,0,0,null]");
	stats(START + 3 * (uint64_t)HOUR, 60, 0, 0, 0);
	cr_expect_null(strstr(answer(), ",1,"));
	cr_expect_null(strstr(answer(), "null,0"));
}

Test(bus_past, the_lag_has_quantiles_and_a_high_water_mark_in_messages_and_time, .init = begin,
     .fini = end)
{
	stats(START, 0, 1000, 0, 0);
	for (uint32_t i = 1; i <= 9; i++)
		stats(START + 5 * i * SECOND, 0, 1000 + 1000 * i, 0, 0);
	stats(START + 50 * SECOND, 0, 11000, 500, 0); /* takes 200 a second */
	expect("\"lag\":{\"p50\":0,\"p95\":500,\"max\":500},\"lag_ms\":{\"p50\":0,\"p95\":2500,"
	       "\"max\":"
	       "2500}");
	stats(START + 55 * SECOND, 0, 11000, 700, 0); /* nothing */
	expect("\"max\":7500}");
	expect("\"most\":700,\"most_us\":1795243255000000");
}

Test(bus_past, the_strip_shows_the_worst_of_ten_seconds, .init = begin, .fini = end)
{
	plugin(START - (uint64_t)HOUR, MK_MSG_RETAINED, "running", 3, 1);
	stats(START, 0, 0, 0, 0);
	stats(START + 10 * SECOND, 0, 50, 0, 0);
	stats(START + 15 * SECOND, 0, 50, 0, 0);
	stats(START + 20 * SECOND, 0, 51, 2, 0);
	stats(START + 30 * SECOND, 0, 100, 0, 7);
	plugin(START + 41 * SECOND, 0, "backoff", 3, 2);
	stats(START + 45 * SECOND, 0, 100, 0, 7);
	stats(START + 50 * SECOND, 0, 100, 0, 7);
	plugin(START + 61 * SECOND, 0, "running", 4, 2);
	stats(START + 71 * SECOND, 0, 100, 0, 7);
	plugin(START + 81 * SECOND, 0, "disabled", 4, 2);
	stats(START + 91 * SECOND, 0, 100, 0, 7);
	cr_expect_str_eq(beats(11), "02345767211");
	expect("\"gap_us\":1795243230000000,\"restarts_24h\":1,\"crashes_24h\":1");
}

Test(bus_past, restarts_are_of_one_day, .init = begin, .fini = end)
{
	stats(START, 0, 0, 0, 0);
	plugin(START, 0, "running", 0, 0);
	plugin(START + MINUTE, 0, "running", 2, 1);
	expect("\"day\":false");
	plugin(START + 20 * (uint64_t)HOUR, 0, "running", 3, 1);
	stats(START + 20 * (uint64_t)HOUR, 0, 0, 0, 0);
	expect("\"restarts_24h\":3,\"crashes_24h\":1");
	stats(START + 30 * (uint64_t)HOUR, 0, 0, 0, 0);
	expect("\"restarts_24h\":1,\"crashes_24h\":0");
	expect("\"day\":true");
}

Test(bus_past, a_clock_that_is_set_back_begins_anew, .init = begin, .fini = end)
{
	stats(START + 2 * (uint64_t)HOUR, 0, 0, 0, 0);
	stats(START + 2 * (uint64_t)HOUR + MINUTE, 600, 9, 0, 0);
	stats(START, 1200, 9, 0, 0);
	stats(START + 2 * MINUTE, 1800, 9, 0, 0);
	expect("\"since_us\":1795243200000000");
	cr_expect_str_eq(beats(360) + 360 - 13, "2000000000002");
	stats(START + 2 * MINUTE - SECOND, 1800, 9, 0,
	      0); /* but not if it is corrected by a little */
	expect("\"since_us\":1795243200000000");
	cr_expect_str_eq(beats(360) + 360 - 13, "2000000000002");
}

Test(bus_past, nonsense_and_too_much_are_survived, .init = begin, .fini = end)
{
	char name[32];
	mk_writer w;

	mk_writer_init(&w, 0);
	mk_put_map(&w, 2);
	mk_kv_array(&w, "topics", PAST_TOPICS + 50);
	for (uint32_t i = 0; i < PAST_TOPICS + 50; i++) {
		mk_put_map(&w, 2);
		(void)snprintf(name, sizeof(name), "t/%u", i);
		mk_kv_str(&w, "name", name);
		mk_kv_u64(&w, "seq", UINT64_MAX);
	}
	mk_kv_array(&w, "instances", 2);
	mk_put_nil(&w);
	mk_put_map(&w, 1);
	mk_kv_str(&w, "name", "a-name-that-is-longer-than-names-of-plugins-are");
	note("core/stats", START, 0, &w);
	mk_writer_init(&w, 0);
	mk_put_map(&w, 1);
	mk_kv_str(&w, "items", "none");
	note("core/plugins", START, 0, &w);
	expect("\"instances\":[],\"refused\":50");
}
