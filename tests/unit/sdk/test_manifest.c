/* SPDX-License-Identifier: MIT
 *
 * Names, the rules for descriptors, and manifests over a process border.
 */
#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

#include <meshkern/manifest.h>

TestSuite(manifest, .timeout = 120);

static mk_result
a_create(const mk_host *host, void **self)
{
	(void)host;
	(void)self;
	return MK_OK;
}

static void
a_destroy(void *self)
{
	(void)self;
}

static void
an_on_msg(void *self, const mk_msg *msg)
{
	(void)self;
	(void)msg;
}

static void
an_on_call(void *self, const mk_call *call)
{
	(void)self;
	(void)call;
}

static mk_result
a_reconfigure(void *self)
{
	(void)self;
	return MK_OK;
}

static const mk_plugin_desc plain = { MK_PLUGIN_HEAD,       .id = "rainmap",
				      .version = "1.2.3",   .create = a_create,
				      .destroy = a_destroy, .on_msg = an_on_msg,
				      .on_call = an_on_call };

/* The text of the error, "" if the descriptor is good. */
static const char *
fault(const mk_plugin_desc *desc)
{
	static mk_err err;

	err.text[0] = '\0';
	if (mk_desc_check(desc, &err) == MK_OK)
		cr_expect_str_empty(err.text);
	else
		cr_expect_str_not_empty(err.text);
	return err.text;
}

/* -------------------------------------------------------------- names -- */

Test(manifest, topics_are_parts_between_slashes)
{
	cr_expect(mk_topic_valid("a", false));
	cr_expect(mk_topic_valid("rx/raw", false));
	cr_expect(mk_topic_valid("a.b_c-d/0/...", false));
	cr_expect_not(mk_topic_valid(NULL, true));
	cr_expect_not(mk_topic_valid("", true));
	cr_expect_not(mk_topic_valid("/", true));
	cr_expect_not(mk_topic_valid("/rx", true));
	cr_expect_not(mk_topic_valid("rx//raw", true));
	cr_expect_not(mk_topic_valid("rx//", true));
	cr_expect_not(mk_topic_valid("RX", true));
	cr_expect_not(mk_topic_valid("rx raw", true));
	cr_expect_not(mk_topic_valid("r\xc3\xa4", true));
}

Test(manifest, topics_cannot_climb_out_of_a_folder)
{
	cr_expect_not(mk_topic_valid("..", true));
	cr_expect_not(mk_topic_valid(".", true));
	cr_expect_not(mk_topic_valid("a/../b", true));
	cr_expect_not(mk_topic_valid("a/./b", true));
	cr_expect_not(mk_topic_valid("a/../", true));
	cr_expect(mk_topic_valid("a/..b", true));
}

Test(manifest, a_subtree_ends_in_a_slash)
{
	cr_expect(mk_topic_valid("rx/", true));
	cr_expect_not(mk_topic_valid("rx/", false));
}

Test(manifest, topics_have_at_most_63_bytes)
{
	char name[66];

	memset(name, 'a', sizeof(name));
	name[63] = '\0';
	cr_expect(mk_topic_valid(name, false));
	name[63] = 'a';
	name[64] = '\0';
	cr_expect_not(mk_topic_valid(name, false));
	name[63] = '/';
	cr_expect_not(mk_topic_valid(name, true));
}

Test(manifest, ids_are_short_and_begin_with_a_letter)
{
	cr_expect(mk_id_valid("a"));
	cr_expect(mk_id_valid("rain-map2"));
	cr_expect(mk_id_valid("aaaaaaaaaabbbbbbbbbbccccccccccd"));
	cr_expect_not(mk_id_valid("aaaaaaaaaabbbbbbbbbbccccccccccdd"));
	cr_expect_not(mk_id_valid(NULL));
	cr_expect_not(mk_id_valid(""));
	cr_expect_not(mk_id_valid("1a"));
	cr_expect_not(mk_id_valid("-a"));
	cr_expect_not(mk_id_valid("a_b"));
	cr_expect_not(mk_id_valid("a/b"));
	cr_expect_not(mk_id_valid("A"));
}

Test(manifest, a_subtree_covers_what_is_below_it)
{
	cr_expect(mk_topic_covers("rx/", "rx/raw"));
	cr_expect(mk_topic_covers("rx/", "rx/raw/"));
	cr_expect(mk_topic_covers("rx/", "rx/"));
	cr_expect_not(mk_topic_covers("rx/", "rx"));
	cr_expect_not(mk_topic_covers("rx/", "rxx/raw"));
	cr_expect_not(mk_topic_covers("rx/raw/", "rx/"));
}

Test(manifest, a_topic_covers_only_itself)
{
	cr_expect(mk_topic_covers("rx/raw", "rx/raw"));
	cr_expect_not(mk_topic_covers("rx/raw", "rx/rawish"));
	cr_expect_not(mk_topic_covers("rx/raw", "rx/raw/x"));
	cr_expect_not(mk_topic_covers("rx/raw", "rx/"));
	cr_expect_not(mk_topic_covers("", "rx"));
}

/* --------------------------------------------------------- descriptors -- */

Test(manifest, a_minimal_descriptor_is_good)
{
	cr_expect_str_eq(fault(&plain), "");
}

Test(manifest, another_major_version_is_refused)
{
	mk_plugin_desc d = plain;

	d.abi_major = 2;
	cr_expect_eq(mk_desc_check(&d, NULL), MK_EABI);
	cr_expect_str_eq(fault(&d), "made for interface 2.1, this is 1.1");
}

Test(manifest, a_newer_minor_version_is_refused_only_if_it_needs_a_newer_host)
{
	mk_plugin_desc d = plain;

	d.abi_minor = 7;
	d.struct_size += 64;
	cr_expect_str_eq(fault(&d), "");
	d.min_host_minor = 6;
	cr_expect_eq(mk_desc_check(&d, NULL), MK_EABI);
	cr_expect_str_eq(fault(&d), "needs interface 1.6, this is 1.1");
}

Test(manifest, a_descriptor_that_is_too_small_is_refused)
{
	mk_plugin_desc d = plain;

	d.struct_size = sizeof(d) - 1;
	cr_expect_eq(mk_desc_check(&d, NULL), MK_EABI);
	d.struct_size = 0;
	cr_expect_eq(mk_desc_check(&d, NULL), MK_EABI);
	cr_expect_eq(mk_desc_check(NULL, NULL), MK_EABI);
}

Test(manifest, create_and_destroy_must_be_there)
{
	mk_plugin_desc d = plain;

	d.create = NULL;
	cr_expect_eq(mk_desc_check(&d, NULL), MK_EINVAL);
	d = plain;
	d.destroy = NULL;
	cr_expect_eq(mk_desc_check(&d, NULL), MK_EINVAL);
}

Test(manifest, the_id_must_be_well_formed)
{
	mk_plugin_desc d = plain;

	d.id = "Rain Map";
	cr_expect_str_eq(fault(&d), "id \"Rain Map\" is not 1 to 31 of a-z, 0-9 and '-', a letter "
				    "first");
	d.id = NULL;
	cr_expect_str_not_empty(fault(&d));
}

Test(manifest, the_version_must_be_semantic)
{
	static const char *const good[] = { "0.0.0",       "1.2.3",           "10.20.30",
					    "1.0.0-rc.1",  "1.0.0-alpha-1.x", "1.0.0+001",
					    "1.0.0-0a+b.0" };
	static const char *const bad[] = { "",         "1",          "1.2",        "1.2.",
					   "1.2.3.4",  "01.2.3",     "1.02.3",     "1.2.3-",
					   "1.2.3-01", "1.2.3+",     "1.2.3-a..b", "v1.2.3",
					   "1.2.3 ",   "1.2.3+a..b", "1.2.x",      "1.2.3-a_b" };
	mk_plugin_desc d = plain;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		d.version = good[i];
		cr_expect_str_eq(fault(&d), "", "%s", good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		d.version = bad[i];
		cr_expect_eq(mk_desc_check(&d, NULL), MK_EINVAL, "%s", bad[i]);
	}
}

Test(manifest, texts_are_bounded_utf8_without_control_characters)
{
	mk_plugin_desc d = plain;
	char text[300];

	memset(text, 'a', sizeof(text));
	text[255] = '\0';
	d.summary = text;
	cr_expect_str_eq(fault(&d), "");
	text[255] = 'a';
	text[256] = '\0';
	cr_expect_str_eq(fault(&d), "summary: longer than 255 bytes");
	d.summary = "\xff";
	cr_expect_str_eq(fault(&d), "summary: not UTF-8");
	d.summary = "two\nlines";
	cr_expect_str_eq(fault(&d), "summary: has a control character");
}

Test(manifest, topics_must_be_valid_and_different)
{
	mk_topic topics[] = { { .name = "rx/raw" }, { .name = "rx/" }, { .name = NULL } };
	mk_plugin_desc d = plain;

	d.subscribes = topics;
	cr_expect_str_eq(fault(&d), "");
	topics[1].name = "rx/raw";
	cr_expect_str_eq(fault(&d), "subscribes: rx/raw is there twice");
	topics[1].name = "Rx";
	cr_expect_str_eq(fault(&d), "subscribes: \"Rx\" is no topic");
	topics[1].name = "\xff";
	cr_expect_str_eq(fault(&d), "subscribes: entry 1: name: not UTF-8");
}

Test(manifest, what_a_plugin_publishes_keeps_more_rules)
{
	mk_topic topics[] = { { .name = "rain/map" }, { .name = NULL } };
	mk_plugin_desc d = plain;

	d.publishes = topics;
	cr_expect_str_eq(fault(&d), "");
	topics[0].max_body = MK_BODY_MAX + 1;
	cr_expect_str_eq(fault(&d), "publishes: rain/map: max_body is above 16777216");
	topics[0].max_body = 0;
	topics[0].flags = MK_TOPIC_MANUAL_ACK;
	cr_expect_str_eq(fault(&d),
			 "publishes: rain/map: MK_TOPIC_MANUAL_ACK is for subscriptions");
	topics[0].flags = 0;
	topics[0].schema_min = 2;
	cr_expect_str_eq(fault(&d), "");
	topics[0].schema_max = 1;
	cr_expect_str_eq(fault(&d), "publishes: rain/map: schema_min is above schema_max");
	topics[0] = (mk_topic){ .name = "core/state" };
	cr_expect_str_eq(fault(&d), "publishes: core/state: core/ is the core's own");
}

Test(manifest, topics_and_methods_need_their_callbacks)
{
	static const mk_topic topics[] = { { .name = "rx/raw" }, { .name = NULL } };
	static const mk_method methods[] = { { .name = "rain/now" }, { .name = NULL } };
	mk_plugin_desc d = plain;

	d.subscribes = topics;
	d.on_msg = NULL;
	cr_expect_str_eq(fault(&d), "subscribes to topics, but has no on_msg");
	d = plain;
	d.methods = methods;
	d.on_call = NULL;
	cr_expect_str_eq(fault(&d), "has methods, but no on_call");
}

Test(manifest, methods_must_be_valid_and_different)
{
	mk_method methods[] = { { .name = "a/b" }, { .name = "a/c" }, { .name = NULL } };
	mk_plugin_desc d = plain;

	d.methods = methods;
	cr_expect_str_eq(fault(&d), "");
	methods[1].name = "a/b";
	cr_expect_str_eq(fault(&d), "methods: a/b is there twice");
	methods[1].name = "a/";
	cr_expect_str_eq(fault(&d), "methods: \"a/\" is no method name");
	methods[1].name = "core/reload";
	cr_expect_str_eq(fault(&d), "methods: core/reload: core/ is the core's own");
}

Test(manifest, capabilities_must_be_known_and_different)
{
	const char *list[] = {
		"net", "storage.read", "storage.write", "exec", "core.control", NULL
	};
	mk_plugin_desc d = plain;

	d.capabilities = list;
	cr_expect_str_eq(fault(&d), "");
	list[1] = "net";
	cr_expect_str_eq(fault(&d), "capabilities: net is there twice");
	list[1] = "root";
	cr_expect_str_eq(fault(&d), "capabilities: \"root\" is not known");
}

Test(manifest, options_are_checked_by_their_own_rules)
{
	mk_option options[] = { { .name = "n", .type = MK_OPT_INT, .dflt = "5", .max = 9 },
				{ .name = NULL } };
	mk_plugin_desc d = plain;

	d.options = options;
	cr_expect_str_eq(fault(&d), "");
	options[0].dflt = "50";
	cr_expect_eq(mk_desc_check(&d, NULL), MK_EINVAL);
	options[0].dflt = "5";
	options[0].type = 99;
	cr_expect_eq(mk_desc_check(&d, NULL), MK_EINVAL);
}

Test(manifest, tables_without_an_end_are_refused)
{
	static mk_topic topics[200];
	static mk_method methods[200];
	static mk_option options[300];
	const char *capabilities[40];
	mk_plugin_desc d = plain;

	for (size_t i = 0; i < 200; i++) {
		topics[i].name = "a";
		methods[i].name = "a";
	}
	for (size_t i = 0; i < 300; i++)
		options[i] = (mk_option){ .name = "a", .type = MK_OPT_BOOL };
	for (size_t i = 0; i < 40; i++)
		capabilities[i] = "net";
	d.subscribes = topics;
	cr_expect_str_eq(fault(&d), "subscribes: more than 64 entries");
	d = plain;
	d.publishes = topics;
	cr_expect_str_eq(fault(&d), "publishes: more than 64 entries");
	d = plain;
	d.methods = methods;
	cr_expect_str_eq(fault(&d), "methods: more than 64 entries");
	d = plain;
	d.options = options;
	cr_expect_str_eq(fault(&d), "options: more than 256 entries");
	d = plain;
	d.capabilities = capabilities;
	cr_expect_str_eq(fault(&d), "capabilities: more than 16 entries");
}

Test(manifest, groups_that_contain_themselves_are_refused)
{
	mk_option options[2] = { { .name = "g", .type = MK_OPT_GROUP }, { .name = NULL } };
	mk_plugin_desc d = plain;

	options[0].sub = options;
	d.options = options;
	cr_expect_eq(mk_desc_check(&d, NULL), MK_EINVAL);
	cr_expect_str_eq(fault(&d), "options: g: g: g: g: g: more than 4 groups in one another");
}

Test(manifest, options_in_groups_count_together)
{
	static mk_option inner[130];
	static mk_option outer[131];
	static char names[130][16];
	mk_plugin_desc d = plain;

	for (int i = 0; i < 129; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "o%d", i);
		inner[i] = (mk_option){ .name = names[i], .type = MK_OPT_BOOL };
		outer[i] = inner[i];
	}
	outer[0].type = MK_OPT_GROUP;
	outer[0].sub = inner;
	d.options = outer;
	cr_expect_str_eq(fault(&d), "options: o0: more than 256 options altogether");
	inner[127].name = NULL;
	cr_expect_str_eq(fault(&d), "");
	outer[5] = outer[0];
	outer[5].name = "o5";
	cr_expect_str_eq(fault(&d), "options: o5: more than 256 options altogether");
}

Test(manifest, choices_without_an_end_are_refused)
{
	const char *choices[100];
	mk_option options[] = { { .name = "e", .type = MK_OPT_ENUM, .choices = choices },
				{ .name = NULL } };
	mk_plugin_desc d = plain;

	for (size_t i = 0; i < 100; i++)
		choices[i] = "x";
	d.options = options;
	cr_expect_str_eq(fault(&d), "options: e: more than 64 entries");
}

/* ------------------------------------------------ older and newer plugins -- */

Test(manifest, entries_of_a_newer_plugin_are_read_by_their_size)
{
	static const struct {
		mk_topic topic;
		uint64_t added[3];
	} topics[] = { { { .name = "a/b", .max_body = 100 }, { 1, 2, 3 } },
		       { { .name = "a/c", .max_body = 200 }, { 4, 5, 6 } },
		       { { .name = NULL }, { 7, 8, 9 } } };
	mk_plugin_desc d = plain;
	mk_manifest *m = NULL;
	mk_writer w;

	d.publishes = &topics[0].topic;
	d.topic_size = sizeof(topics[0]);
	cr_expect_str_eq(fault(&d), "");
	mk_writer_init(&w, 0);
	cr_assert_eq(mk_manifest_write(&d, &w), MK_OK);
	cr_assert_eq(mk_manifest_read(&m, w.data, w.len, NULL), MK_OK);
	cr_expect_str_eq(m->publishes[1].name, "a/c");
	cr_expect_eq(m->publishes[1].max_body, 200);
	cr_expect_null(m->publishes[2].name);
	mk_manifest_free(m);
	mk_writer_fini(&w);
}

Test(manifest, entries_of_an_older_plugin_are_read_by_their_size)
{
	static const struct {
		const char *name;
		uint32_t flags;
		uint32_t max_body;
	} topics[] = { { "a/b", MK_TOPIC_RETAINED, 100 }, { "a/c", 0, 0 }, { NULL, 9, 9 } };
	mk_plugin_desc d = plain;
	mk_manifest *m = NULL;
	mk_writer w;

	d.publishes = (const mk_topic *)(const void *)topics;
	d.topic_size = sizeof(topics[0]);
	cr_expect_str_eq(fault(&d), "");
	mk_writer_init(&w, 0);
	cr_assert_eq(mk_manifest_write(&d, &w), MK_OK);
	cr_assert_eq(mk_manifest_read(&m, w.data, w.len, NULL), MK_OK);
	cr_expect_eq(m->publishes[0].max_body, 100);
	cr_expect_eq(m->publishes[0].flags, MK_TOPIC_RETAINED);
	cr_expect_eq(m->publishes[1].max_body, MK_BODY_DEFAULT);
	cr_expect_eq(m->publishes[1].schema_max, 0);
	cr_expect_null(m->publishes[1].help);
	mk_manifest_free(m);
	mk_writer_fini(&w);
}

/* A size that ends within a pointer must not make half of it one. */
Test(manifest, members_that_are_cut_off_are_not_read)
{
	static const char *const names[] = { "a/b", "a/c", NULL };
	mk_plugin_desc d = plain;

	for (uint32_t size = sizeof(char *); size < sizeof(mk_method); size++) {
		_Alignas(8) char table[3 * sizeof(mk_method)];

		memset(table, 0xff, sizeof(table));
		for (uint32_t i = 0; i < 3; i++)
			memcpy(table + i * size, &names[i], sizeof(names[i]));
		d.methods = (const mk_method *)(const void *)table;
		d.method_size = size;
		cr_expect_str_eq(fault(&d), "");
	}
}

Test(manifest, entries_too_small_or_too_large_to_be_true_are_refused)
{
	static const mk_topic topics[] = { { .name = NULL } };
	mk_plugin_desc d = plain;

	d.subscribes = topics;
	d.topic_size = 0;
	cr_expect_eq(mk_desc_check(&d, NULL), MK_EABI);
	d.topic_size = sizeof(char *) - 1;
	cr_expect_eq(mk_desc_check(&d, NULL), MK_EABI);
	d.topic_size = UINT32_MAX;
	cr_expect_eq(mk_desc_check(&d, NULL), MK_EABI);
	d.subscribes = NULL;
	cr_expect_str_eq(fault(&d), "");
}

/* ----------------------------------------------------------- as msgpack -- */

static const mk_option full_sub[] = {
	{ .name = "broker", .type = MK_OPT_STRING, .flags = MK_OPT_REQUIRED, .max = 200 },
	{ .name = NULL }
};
static const char *const full_choices[] = { "low", "high", NULL };
static const mk_option full_options[] = {
	{ .name = "level", .type = MK_OPT_ENUM, .dflt = "low", .choices = full_choices },
	{ .name = "offset", .type = MK_OPT_INT, .min = -5, .max = INT64_MAX, .flags = MK_OPT_LIVE },
	{ .name = "sources", .type = MK_OPT_GROUPS, .sub = full_sub, .help = "Where from" },
	{ .name = NULL }
};
static const mk_topic full_subscribes[] = { { .name = "rx/", .flags = MK_TOPIC_MANUAL_ACK },
					    { .name = NULL } };
static const mk_topic full_publishes[] = {
	{ .name = "rain/map", .flags = MK_TOPIC_RETAINED, .schema_min = 3, .help = "The map" },
	{ .name = NULL }
};
static const mk_method full_methods[] = { { .name = "rain/now", .help = "The rain now" },
					  { .name = NULL } };
static const char *const full_capabilities[] = { "storage.read", "net", NULL };

static mk_plugin_desc
full(void)
{
	mk_plugin_desc d = plain;

	d.flags = MK_PLUGIN_SINGLE;
	d.summary = "Rain \xe2\x98\x94";
	d.license = "MIT";
	d.subscribes = full_subscribes;
	d.publishes = full_publishes;
	d.methods = full_methods;
	d.options = full_options;
	d.capabilities = full_capabilities;
	d.reconfigure = a_reconfigure;
	return d;
}

static mk_manifest *
written_and_read(const mk_plugin_desc *d)
{
	mk_manifest *m = NULL;
	mk_err err = { 0 };
	mk_writer w;

	mk_writer_init(&w, 0);
	cr_assert_eq(mk_manifest_write(d, &w), MK_OK);
	cr_assert_eq(mk_writer_end(&w), MK_OK);
	cr_assert_eq(mk_manifest_read(&m, w.data, w.len, &err), MK_OK, "%s", err.text);
	mk_writer_fini(&w);
	return m;
}

Test(manifest, everything_survives_the_way_through_msgpack)
{
	mk_plugin_desc d = full();
	mk_manifest *m = written_and_read(&d);

	cr_expect_eq(m->abi_major, 1);
	cr_expect_eq(m->flags, MK_PLUGIN_SINGLE);
	cr_expect_str_eq(m->id, "rainmap");
	cr_expect_str_eq(m->version, "1.2.3");
	cr_expect_str_eq(m->summary, "Rain \xe2\x98\x94");
	cr_expect_str_eq(m->author, "");
	cr_expect_str_eq(m->subscribes[0].name, "rx/");
	cr_expect_eq(m->subscribes[0].flags, MK_TOPIC_MANUAL_ACK);
	cr_expect_null(m->subscribes[1].name);
	cr_expect_str_eq(m->publishes[0].help, "The map");
	cr_expect_str_eq(m->methods[0].name, "rain/now");
	cr_expect_str_eq(m->options[0].dflt, "low");
	cr_expect_str_eq(m->options[0].choices[1], "high");
	cr_expect_null(m->options[0].choices[2]);
	cr_expect_null(m->options[0].sub);
	cr_expect_null(m->options[1].choices);
	cr_expect_null(m->options[1].dflt);
	cr_expect_eq(m->options[1].min, -5);
	cr_expect_eq(m->options[1].max, INT64_MAX);
	cr_expect_eq(m->options[1].flags, MK_OPT_LIVE);
	cr_expect_str_eq(m->options[2].sub[0].name, "broker");
	cr_expect_eq(m->options[2].sub[0].max, 200);
	cr_expect_null(m->options[2].sub[1].name);
	cr_expect_str_eq(m->capabilities[1], "net");
	cr_expect_null(m->capabilities[2]);
	cr_expect(m->has_reconfigure && m->has_on_msg && m->has_on_call);
	cr_expect_not(m->has_check);
	mk_manifest_free(m);
}

Test(manifest, what_is_left_out_is_filled_in)
{
	mk_plugin_desc d = full();
	mk_manifest *m = written_and_read(&d);

	cr_expect_eq(m->publishes[0].max_body, MK_BODY_DEFAULT);
	cr_expect_eq(m->publishes[0].schema_max, 3);
	mk_manifest_free(m);
}

Test(manifest, a_plugin_with_nothing_has_empty_lists)
{
	mk_manifest *m = written_and_read(&plain);

	cr_expect_null(m->subscribes[0].name);
	cr_expect_null(m->publishes[0].name);
	cr_expect_null(m->methods[0].name);
	cr_expect_null(m->options[0].name);
	cr_expect_null(m->capabilities[0]);
	mk_manifest_free(m);
	mk_manifest_free(NULL);
}

Test(manifest, a_writer_that_is_too_small_is_an_error)
{
	mk_writer w;

	mk_writer_init(&w, 100);
	cr_expect_eq(mk_manifest_write(&plain, &w), MK_ETOOBIG);
	mk_writer_fini(&w);
}

/* The manifest of `plain`, with one more pair; `key` must be unused. */
static const char *
read_with(const char *key, const char *raw, size_t raw_len)
{
	static mk_err err;
	mk_manifest *m = NULL;
	mk_writer w;

	err.text[0] = '\0';
	mk_writer_init(&w, 0);
	mk_put_map(&w, 4);
	mk_kv_u64(&w, "abi_major", 1);
	mk_kv_str(&w, "id", "x");
	mk_kv_str(&w, "version", "1.0.0");
	mk_put_str(&w, key);
	mk_put_raw(&w, raw, raw_len);
	cr_assert_eq(mk_writer_end(&w), MK_OK);
	if (mk_manifest_read(&m, w.data, w.len, &err) == MK_OK)
		mk_manifest_free(m);
	else
		cr_expect_null(m);
	mk_writer_fini(&w);
	return err.text;
}

#define READ_WITH(key, raw) read_with(key, raw, sizeof(raw) - 1)

Test(manifest, unknown_keys_are_no_error)
{
	cr_expect_str_eq(READ_WITH("from_the_future", "\x93\x01\x02\x80"), "");
}

Test(manifest, wrong_types_are_named)
{
	cr_expect_str_eq(READ_WITH("summary", "\x01"), "summary: not a string");
	cr_expect_str_eq(READ_WITH("flags", "\xa1x"), "flags: wrong type or range");
	cr_expect_str_eq(READ_WITH("flags", "\xff"), "flags: wrong type or range");
	cr_expect_str_eq(READ_WITH("abi_minor", "\xce\x00\x01\x00\x00"),
			 "abi_minor: wrong type or range");
	cr_expect_str_eq(READ_WITH("has_check", "\x01"), "has_check: wrong type or range");
	cr_expect_str_eq(READ_WITH("subscribes", "\x80"), "subscribes: not an array");
	cr_expect_str_eq(READ_WITH("subscribes", "\x91\x01"), "subscribes: entry 0: not a map");
	cr_expect_str_eq(READ_WITH("publishes", "\x91\x80"), "publishes: entry 0: no name");
	cr_expect_str_eq(READ_WITH("methods", "\x91\x81\xa4name\xc0"), "methods: entry 0: no name");
	cr_expect_str_eq(READ_WITH("capabilities", "\x91\xc0"), "capabilities: not a string");
	cr_expect_str_eq(READ_WITH("capabilities", "\xa3net"), "capabilities: not an array");
	cr_expect_str_eq(READ_WITH("options", "\x91\x82\xa4name\xa1o\xa3sub\x01"),
			 "options: o: not an array");
	cr_expect_str_eq(READ_WITH("options", "\x91\x82\xa4name\xa1o\xa7"
					      "choices\x91\x01"),
			 "options: o: not a string");
}

Test(manifest, strings_from_outside_cannot_hide_anything)
{
	cr_expect_str_eq(READ_WITH("summary", "\xa3"
					      "a\0b"),
			 "summary: has a control character");
	cr_expect_str_eq(READ_WITH("summary", "\xa1\x1b"), "summary: has a control character");
}

Test(manifest, the_rules_hold_for_what_is_read_too)
{
	cr_expect_str_eq(READ_WITH("capabilities", "\x91\xa1z"),
			 "capabilities: \"z\" is not known");
	cr_expect_str_eq(READ_WITH("min_host_minor", "\x09"), "needs interface 1.9, this is 1.1");
	cr_expect_str_eq(READ_WITH("subscribes", "\x91\x81\xa4name\xa2rx"),
			 "subscribes to topics, but has no on_msg");
}

Test(manifest, too_many_entries_from_outside_are_refused)
{
	uint8_t many[68] = { 0xdc, 0, 65 };

	memset(many + 3, 0xc0, 65);
	cr_expect_str_eq(read_with("subscribes", (char *)many, 68),
			 "subscribes: more than 64 entries");
	many[2] = 17;
	cr_expect_str_eq(read_with("capabilities", (char *)many, 20),
			 "capabilities: more than 16 entries");
}

Test(manifest, groups_from_outside_are_bounded_in_depth)
{
	char text[256];
	size_t len = 0;

	for (int i = 0; i < 6; i++) {
		memcpy(text + len, "\x91\x82\xa4name\xa1g\xa3sub", 13);
		len += 13;
	}
	text[len++] = (char)0x90;
	cr_expect_str_eq(read_with("options", text, len),
			 "options: g: g: g: g: g: more than 4 groups in one another");
}

Test(manifest, a_text_that_is_no_msgpack_is_refused)
{
	mk_manifest *m = NULL;
	mk_err err;

	cr_expect_eq(mk_manifest_read(&m, "\xc1", 1, &err), MK_EFORMAT);
	cr_expect_str_eq(err.text, "manifest: byte 0xc1 at 0 is not allowed");
	cr_expect_eq(mk_manifest_read(&m, "", 0, NULL), MK_EFORMAT);
	cr_expect_eq(mk_manifest_read(&m, "\x90", 1, NULL), MK_EFORMAT);
	cr_expect_eq(mk_manifest_read(&m, "\x80", 1, NULL), MK_EABI);
	cr_expect_null(m);
}
