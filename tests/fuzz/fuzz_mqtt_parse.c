/* SPDX-License-Identifier: MIT
 *
 * A topic, a NUL, a payload: the item, if there is one, is a valid message with the bounds that
 * docs/events.md promises. The first byte sets the rules.
 */
#include <stdlib.h>
#include <string.h>

#include <meshkern/codec.h>

#include "parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool good)
{
	if (!good)
		abort();
}

static void
check_number(const mk_val *item, const char *key, double most)
{
	double v;

	if (mk_get_f64(mk_find(item, key), &v))
		require(v >= -most && v <= most);
}

static void
check_item(const mk_val *item, enum route_kind kind)
{
	static const char *const texts[] = { "feed",  "region",   "observer",       "name",
					     "model", "firmware", "client_version", "radio" };
	const uint8_t *raw;
	const char *s;
	size_t len;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (!mk_get_str(mk_find(item, texts[i]), &s, &len))
			continue;
		require(len > 0 && len <= 128);
		for (size_t k = 0; k < len; k++)
			require((unsigned char)s[k] >= ' ' && s[k] != 0x7f);
	}
	check_number(item, "snr", 1e308);
	check_number(item, "rssi", 1e308);
	check_number(item, "lat", 90);
	check_number(item, "lon", 180);
	if (kind == ROUTE_PACKET || kind == ROUTE_CLIENT)
		require(mk_get_bin(mk_find(item, "raw"), &raw, &len) && len > 0);
	if (kind == ROUTE_CHANNEL || kind == ROUTE_DIRECT)
		require(mk_is_str(mk_find(mk_find(item, "bridge"), "text")));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char filter_text[] = "SJC";
	char *filter[] = { filter_text };
	struct strings iata = { filter, 0 };
	struct route_rules rules = { .max_payload = 4096, .max_depth = 8 };
	struct parse_source source = { .feed = "fuzz", .region = "SFO", .iata_filter = &iata };
	struct parse_message m = { .at_us = 1795243306000000 };
	enum route_kind kind;
	mk_writer out;
	mk_doc doc;
	const uint8_t *end;

	if (size < 2 || (end = memchr(data + 1, '\0', size - 1)) == NULL)
		return 0;
	rules.client_coverage = (data[0] & 1) != 0;
	m.retained = (data[0] & 2) != 0;
	iata.n = (data[0] & 4) != 0;
	if ((data[0] & 8) != 0)
		rules.iata_whitelist = (struct strings){ filter, 1 };
	m.topic = (const char *)data + 1;
	m.topic_len = (size_t)(end - data) - 1;
	m.payload = end + 1;
	m.len = size - m.topic_len - 2;
	(void)route_filter_covers(m.topic, (const char *)m.payload, m.len);
	mk_writer_init(&out, 0);
	if (parse_message(&rules, &source, &m, &kind, &out) == ROUTE_TAKEN) {
		require(mk_writer_end(&out) == MK_OK);
		mk_doc_init(&doc);
		require(mk_doc_open(&doc, out.data, out.len, NULL, NULL, 0) == MK_OK);
		check_item(mk_doc_root(&doc), kind);
		mk_doc_fini(&doc);
	} else {
		require(out.len == 0);
	}
	mk_writer_fini(&out);
	return 0;
}
