/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>
#include <http/server/cache.h>
#include <zlib.h>

TestSuite(cache, .timeout = 120);

static struct answer *
answer(size_t len, uint64_t version)
{
	struct answer *a = answer_new(len);

	cr_assert_not_null(a);
	for (size_t i = 0; i < len; i++)
		a->data[i] = (char)('a' + i % 7);
	a->version = version;
	a->expires_us = UINT64_MAX;
	return a;
}

static bool
has(struct cache *c, const char *key, uint64_t version, uint64_t now_us)
{
	struct answer *a = cache_get(c, key, false, version, now_us);

	answer_unref(a);
	return a != NULL;
}

static void
put(struct cache *c, const char *key, struct answer *a)
{
	cache_put(c, key, a);
	answer_unref(a);
}

Test(cache, an_answer_is_good_as_long_as_its_version)
{
	struct cache *c = cache_new(1 << 20);

	put(c, "/a", answer(100, 5));
	cr_expect(has(c, "/a", 5, 0));
	cr_expect_not(has(c, "/b", 5, 0));
	cr_expect_not(has(c, "/a", 6, 0));
	cr_expect_not(has(c, "/a", 5, 0), "it was thrown away");
	cache_free(c);
}

Test(cache, an_answer_may_be_good_for_a_time)
{
	struct cache *c = cache_new(1 << 20);
	struct answer *a = answer(100, 5);

	a->until_us = 1000;
	a->expires_us = 2000;
	put(c, "/a", a);
	cr_expect(has(c, "/a", 6, 999));
	cr_expect(has(c, "/a", 5, 1999));
	cr_expect_not(has(c, "/a", 5, 2000));
	cache_free(c);
}

Test(cache, the_one_not_asked_for_longest_goes)
{
	struct cache *c = cache_new(10000);
	char key[16];

	for (int i = 0; i < 50; i++) {
		(void)snprintf(key, sizeof(key), "/%d", i);
		put(c, key, answer(1000, 1));
		cr_expect(i == 0 || has(c, "/0", 1, 0), "%d", i);
		cr_expect_leq(cache_bytes(c), 10000);
	}
	cr_expect_not(has(c, "/1", 1, 0));
	cr_expect(has(c, "/49", 1, 0));
	put(c, "/large", answer(5000, 1));
	cr_expect_not(has(c, "/large", 1, 0));
	cache_free(c);
}

Test(cache, a_compressed_answer_reads_back)
{
	struct gzip *g = gzip_new();
	static const size_t lengths[] = { 512, 5000, 300000 };

	for (int i = 0; i < 3; i++) {
		struct answer *a = answer(lengths[i], 1), *small;
		char *back = malloc(lengths[i] + 1);
		z_stream z = { 0 };

		small = gzip_answer(g, a);
		cr_assert_not_null(small);
		cr_expect_lt(small->len, a->len);
		cr_assert_eq(inflateInit2(&z, 31), Z_OK);
		z.next_in = (Bytef *)small->data;
		z.avail_in = (uInt)small->len;
		z.next_out = (Bytef *)back;
		z.avail_out = (uInt)lengths[i] + 1;
		cr_expect_eq(inflate(&z, Z_FINISH), Z_STREAM_END);
		cr_expect_eq(z.total_out, lengths[i]);
		cr_expect_arr_eq(back, a->data, lengths[i]);
		inflateEnd(&z);
		free(back);
		answer_unref(a);
		answer_unref(small);
	}
	gzip_free(g);
}

Test(cache, what_does_not_get_smaller_stays_as_it_is)
{
	struct gzip *g = gzip_new();
	struct answer *a = answer(4096, 1);
	uint32_t dice = 1;

	for (size_t i = 0; i < a->len; i++)
		a->data[i] = (char)((dice = dice * 1664525 + 1013904223) >> 24);
	cr_expect_null(gzip_answer(g, a));
	answer_unref(a);
	a = answer(20, 1);
	cr_expect_null(gzip_answer(g, a));
	answer_unref(a);
	gzip_free(g);
}

Test(cache, tags_tell_contents_apart)
{
	struct answer *a = answer(10, 1), *b = answer(11, 1);

	answer_tag(a, a->data, a->len);
	answer_tag(b, b->data, b->len);
	cr_expect_str_neq(a->tag, b->tag);
	cr_expect_eq(strncmp(a->tag, "W/\"", 3), 0);
	answer_unref(a);
	answer_unref(b);
}
