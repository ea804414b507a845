/* SPDX-License-Identifier: MIT
 *
 * Sizes of hashes and collisions, and what is said in channels.
 */
#include "world.h"

#include <analytics/channels.h>
#include <analytics/hashes.h>
#include <analytics/modules.h>

#define ADVERT 4
#define FLOOD 1
#define DIRECT 2

static const struct an_module *const modules[] = { &hashes_module, &channels_module, NULL };
static struct world w;
static uint64_t next;

static void
hashes_setup(void)
{
	world_init(&w, modules);
	world_observer(&w, "obs-PDX", "PDX");
	world_observer(&w, "obs-SJC", "SJC");
	next = 1;
}

static void
hashes_teardown(void)
{
	world_fini(&w);
}

TestSuite(hashes, .init = hashes_setup, .fini = hashes_teardown, .timeout = 120);

static void
advert(const char *key, uint8_t route, const char *path, const char *observer)
{
	w.now++;
	world_hear(&w, (struct heard){ .tx = next++,
				       .observer = observer,
				       .type = ADVERT,
				       .route = route,
				       .path = path,
				       .from = key });
}

/* Adverts of a node with one hop of these sizes. */
static struct hashes_info
after(const char *sizes)
{
	static const char *const paths[] = { "", "AA", "AABB", "AABBCC" };
	struct hashes_info info;

	for (; *sizes != '\0'; sizes++)
		advert("aa11", FLOOD, paths[*sizes - '0'], "obs-SJC");
	frame_flush(&w.frame);
	info = hashes_info(w.frame.modules[0].self, hops_ids_find(&w.frame.nodes.ids, "aa11", 4),
			   w.now);
	return info;
}

Test(hashes, changing_there_and_back_is_inconsistent)
{
	struct hashes_info info = after("121");

	cr_expect_eq(info.sizes, 6);
	cr_expect(info.inconsistent);
}

Test(hashes, who_has_settled_is_consistent)
{
	struct hashes_info info = after("21222");

	cr_expect_eq(info.size, 2);
	cr_expect_not(info.inconsistent);
}

Test(hashes, who_goes_on_changing_is_inconsistent)
{
	cr_expect(after("21212").inconsistent);
}

Test(hashes, one_change_is_consistent)
{
	struct hashes_info info = after("11112");

	cr_expect_eq(info.size, 2);
	cr_expect_eq(info.sizes, 6);
	cr_expect_not(info.inconsistent);
}

Test(hashes, a_direct_advert_without_hops_says_nothing)
{
	struct hashes_info info;

	after("2");
	advert("aa11", DIRECT, NULL, "obs-SJC");
	info = after("");
	cr_expect_eq(info.size, 2);
	cr_expect_eq(info.sizes, 4);
	advert("bb22", DIRECT, NULL, "obs-SJC");
	frame_flush(&w.frame);
	info = hashes_info(w.frame.modules[0].self, hops_ids_find(&w.frame.nodes.ids, "bb22", 4),
			   w.now);
	cr_expect_eq(info.size, 0);
}

Test(hashes, a_direct_advert_with_hops_counts)
{
	struct hashes_info info;

	advert("aa11", DIRECT, "AABB", "obs-SJC");
	info = after("");
	cr_expect_eq(info.size, 2);
}

Test(hashes, adverts_of_last_week_are_forgotten)
{
	after("2");
	w.now += 8 * 86400;
	cr_expect_eq(after("").size, 0);
}

Test(hashes, a_node_belongs_to_its_home_region)
{
	json_t *v;

	world_node(&w, "aa11", "repeater", 0, 0);
	advert("aa11", DIRECT, NULL, "obs-PDX");
	advert("aa11", FLOOD, "BBCC", "obs-SJC");
	v = world_ask(&w, "hash-sizes", "{\"region\": \"SJC\"}", 200);
	cr_expect_eq(json_array_size(world_at(v, "multiByteNodes")), 0);
	world_expect(v, "attributionMethod", "\"repeater\"");
	json_decref(v);
	v = world_ask(&w, "hash-sizes", "{\"region\": \"PDX\"}", 200);
	world_expect(v, "multiByteNodes.0.pubkey", "\"aa11\"");
	world_expect(v, "multiByteNodes.0.packets", "2");
	json_decref(v);
	v = world_ask(&w, "hash-sizes", "{}", 200);
	world_expect(v, "attributionMethod", "\"observer\"");
	world_expect(v, "multiByteNodes.0.hashSize", "2");
	json_decref(v);
}

Test(hashes, an_advert_without_hops_counts_for_its_node_only)
{
	json_t *v;

	world_node(&w, "aa11", "repeater", 0, 0);
	advert("aa11", FLOOD, NULL, "obs-SJC");
	v = world_ask(&w, "hash-sizes", "{}", 200);
	world_expect(v, "distributionByRepeaters.1", "1");
	world_expect(v, "total", "0");
	world_expect(v, "distribution", "{\"1\":0,\"2\":0,\"3\":0}");
	json_decref(v);
}

Test(hashes, capability_is_the_same_under_every_filter)
{
	static const char area[] = "{\"area\": {\"latMin\": 1.0, \"latMax\": 2.0, \"lonMin\": 1.0,"
				   " \"lonMax\": 2.0}}";
	static const char *const filters[] = { "{}", "{\"region\": \"PDX\"}",
					       "{\"region\": \"XXX\"}", area };

	world_node(&w, "aa11", "repeater", 0, 0);
	w.frame.node[hops_ids_find(&w.frame.nodes.ids, "aa11", 4)].capability =
	    (struct an_capability){ 2, 2 };
	for (size_t i = 0; i < 4; i++) {
		json_t *v = world_ask(&w, "hash-sizes", filters[i], 200);

		world_expect(v, "multiByteCapability.0.status", "\"confirmed\"");
		world_expect(v, "multiByteCapability.0.evidence", "\"advert\"");
		world_expect(v, "multiByteCapability.0.maxHashSize", "2");
		json_decref(v);
	}
}

Test(hashes, two_nodes_that_begin_alike_collide)
{
	json_t *v;

	world_node(&w, "aabb11ccdd", "repeater", 50, 4);
	world_node(&w, "aabb11eeff", "repeater", 50.1, 4);
	world_node(&w, "ccdd110000", "repeater", 0, 0);
	world_node(&w, "aabb110000", "companion", 0, 0);
	advert("aabb11ccdd", FLOOD, "010203", "obs-SJC");
	advert("aabb11eeff", FLOOD, "010203", "obs-SJC");
	advert("ccdd110000", FLOOD, "0102", "obs-SJC");
	v = world_ask(&w, "hash-collisions", "{}", 200);
	world_expect(v, "by_size.3.collisions.0.prefix", "\"AABB11\"");
	world_expect(v, "by_size.3.collisions.0.appearances", "2");
	world_expect(v, "by_size.3.collisions.0.classification", "\"local\"");
	world_expect(v, "by_size.1.collisions", "[]");
	world_expect(v, "by_size.2.collisions", "[]");
	world_expect(v, "by_size.3.stats.unique_prefixes", "1");
	world_expect(v, "by_size.2.stats.total_nodes", "4");
	cr_expect_eq(json_object_size(world_at(v, "by_size.1.one_byte_cells")), 256);
	cr_expect_eq(json_array_size(world_at(v, "by_size.1.one_byte_cells.AA")), 2);
	cr_expect_eq(json_array_size(world_at(v, "by_size.2.two_byte_cells.CC.group_nodes")), 1);
	json_decref(v);
	v = world_ask(&w, "hash-collisions", "{\"hidden\": [\"aabb11eeff\"]}", 200);
	world_expect(v, "by_size.3.collisions", "[]");
	json_decref(v);
}

/* ---------------------------------------------------------------- channels -- */

Test(hashes, the_hash_of_a_name_is_that_of_the_firmware)
{
	cr_expect(channel_fits("#wardriving", "129"));
	cr_expect(channel_fits("#Public", "186"));
	cr_expect(channel_fits("Public", "186"));
	cr_expect(channel_fits("#test", "217"));
	cr_expect(channel_fits("#mesh", "176"));
	cr_expect(channel_fits("#bot", "202"));
	cr_expect_not(channel_fits("#bot", "203"));
}

static void
message(const char *json, int64_t ago)
{
	world_hear(&w, (struct heard){ .tx = next++,
				       .observer = "obs-SJC",
				       .type = 5,
				       .route = FLOOD,
				       .json = json,
				       .at = w.now - ago });
}

Test(hashes, one_name_with_two_hashes_is_two_channels)
{
	json_t *v;

	message("{\"channelHash\": 72, \"channel\": \"#wardriving\", \"sender\": \"a\", \"text\": "
		"\"x\"}",
		20);
	message("{\"channelHash\": 129, \"channel\": \"#wardriving\", \"sender\": \"a\", \"text\": "
		"\"x\"}",
		10);
	v = world_ask(&w, "channels", "{}", 200);
	world_expect(v, "activeChannels", "2");
	world_expect(v, "decryptable", "1");
	world_expect(v, "channels.0.name", "\"#wardriving\"");
	world_expect(v, "channels.0.hash", "\"129\"");
	world_expect(v, "channels.1.name", "\"ch72\"");
	world_expect(v, "channels.1.encrypted", "true");
	world_expect(v, "topSenders.0.count", "2");
	json_decref(v);
}

Test(hashes, what_was_decrypted_needs_no_fitting_name)
{
	json_t *v;

	message(
	    "{\"channelHash\": 17, \"channel\": \"Public\", \"sender\": \"a\", \"text\": \"a: hi\","
	    " \"decryptionStatus\": \"decrypted\"}",
	    10);
	message(
	    "{\"channelHash\": 17, \"channel\": \"Public\", \"sender\": \"b\", \"text\": \"b: ho\","
	    " \"decryptionStatus\": \"decrypted\"}",
	    5);
	v = world_ask(&w, "channels", "{}", 200);
	world_expect(v, "channels",
		     "[{\"hash\":\"17\",\"name\":\"Public\",\"messages\":2,\"senders\":2,"
		     "\"lastActivity\":\"2026-05-17T18:14:55Z\",\"encrypted\":false}]");
	world_expect(v, "msgLengths", "[5,5]");
	world_expect(v, "channelTimeline",
		     "[{\"hour\":\"2026-05-17T18\",\"channel\":\"Public\",\"count\":2}]");
	json_decref(v);
}

Test(hashes, a_name_that_does_not_fit_is_not_believed)
{
	json_t *v;

	message(
	    "{\"channelHash\": 17, \"channel\": \"#Public\", \"sender\": \"a\", \"text\": \"x\"}",
	    10);
	v = world_ask(&w, "channels", "{}", 200);
	world_expect(v, "channels.0.name", "\"ch17\"");
	world_expect(v, "channels.0.encrypted", "true");
	json_decref(v);
}

Test(hashes, the_byte_0_is_a_channel_like_any_other)
{
	json_t *v;

	message("{\"channelHash\": 0, \"decryptionStatus\": \"no_key\"}", 10);
	message("{\"channelHashHex\": \"00\", \"decryptionStatus\": \"no_key\"}", 10);
	message("{}", 10);
	v = world_ask(&w, "channels", "{}", 200);
	world_expect(v, "channels.0.hash", "\"0\"");
	world_expect(v, "channels.0.messages", "2");
	world_expect(v, "channels.1.hash", "\"?\"");
	json_decref(v);
}
