/* SPDX-License-Identifier: MIT
 *
 * The items of rx/raw (first byte even) and rx/client (odd) as any msgpack: whatever is in them, one
 * valid item comes out for each, with a hash or the reason why not.
 */
#include <stdlib.h>
#include <string.h>

#include <meshkern/codec.h>

#include <decode/cache.h>
#include <decode/items.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool holds)
{
	if (!holds)
		abort();
}

static void
check_item(const mk_val *item, bool client)
{
	const char *s;
	uint64_t at;
	size_t len;
	bool rejected = mk_get_str(mk_find(item, "rejected"), &s, &len) && len > 0;

	require(mk_get_u64(mk_find(item, "at"), &at));
	if (client) {
		require(mk_find(item, "raw") == NULL);
		require(rejected != mk_get_str(mk_find(item, "heard"), &s, &len));
		return;
	}
	require(rejected != (mk_get_str(mk_find(item, "hash"), &s, &len) && len == 16));
	require(rejected != (mk_get_str(mk_find(item, "json"), &s, &len) && s[len - 1] == '}'));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config config;
	static struct cache cache;
	static struct items items = { .cache = &cache };
	bool client = size > 0 && data[0] % 2 == 1;
	const mk_val *list;
	mk_writer w;
	mk_doc doc;

	if (cache.slots == NULL) {
		require(cache_init(&cache, &config) == MK_OK);
		require(mc_keys_add_public(&config.keys) == MC_KEY_SET);
		require(mc_regions_add(&config.regions, "test") == MC_KEY_SET);
		config.verify = config.drop_foreign = config.area.has_box = true;
	}
	mk_writer_init(&w, 0);
	mk_doc_init(&doc);
	if (size > 0 && mk_doc_open(&doc, data + 1, size - 1, NULL, NULL, 0) == MK_OK) {
		list = mk_doc_root(&doc);
		mk_put_array(&w, mk_is_array(list) ? mk_count(list) : 0);
		for (uint32_t i = 0; mk_is_array(list) && i < mk_count(list); i++)
			require((client ? items_client : items_raw)(&items, mk_at(list, i), 1,
								    &w) == MK_OK);
		require(mk_writer_end(&w) == MK_OK);
		require(mk_doc_open(&doc, w.data, w.len, NULL, NULL, 0) == MK_OK);
		for (uint32_t i = 0; i < mk_count(mk_doc_root(&doc)); i++)
			check_item(mk_at(mk_doc_root(&doc), i), client);
	}
	mk_doc_fini(&doc);
	mk_writer_fini(&w);
	return 0;
}
