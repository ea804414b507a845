/* SPDX-License-Identifier: MIT */
#include <storage/resolve.h>

#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

TestSuite(resolve, .timeout = 120);

/* A key that begins with these bytes. */
static const uint8_t *
key(uint8_t a, uint8_t b, uint8_t c)
{
	static uint8_t keys[8][ITEM_KEY];
	static int next;
	uint8_t *k = keys[next++ % 8];

	memset(k, 0xee, ITEM_KEY);
	k[0] = a;
	k[1] = b;
	k[2] = c;
	return k;
}

static struct text
hex(const uint8_t *bytes)
{
	static char texts[4][2 * ITEM_KEY + 1];
	static int next;
	char *text = texts[next++ % 4];

	item_hex(bytes, ITEM_KEY, false, text);
	return (struct text){ text, 2 * ITEM_KEY };
}

static const struct text repeater = { "repeater", 8 };

static void
relay(struct resolve *r, const uint8_t *bytes)
{
	cr_assert_eq(resolve_node(r, hex(bytes), repeater), MK_OK);
}

static mk_result
edge(struct resolve *r, const uint8_t *a, const uint8_t *b)
{
	return resolve_edge(r, hex(a), hex(b));
}

static struct resolve *
made(void)
{
	struct resolve *r;

	cr_assert_eq(resolve_new(&r), MK_OK);
	return r;
}

Test(resolve, a_hop_that_only_one_node_can_be_is_that_node)
{
	struct resolve *r = made();
	struct hop hops[] = { { { 0x0a }, 1 }, { { 0x0b, 0x02 }, 2 } };
	const char *keys[2];

	relay(r, key(0x0a, 1, 1));
	relay(r, key(0x0b, 1, 1));
	relay(r, key(0x0b, 2, 1));
	cr_assert(resolve_path(r, NULL, hops, 2, keys));
	cr_expect_str_eq(keys[0], hex(key(0x0a, 1, 1)).s);
	cr_expect_str_eq(keys[1], hex(key(0x0b, 2, 1)).s);
	resolve_free(r);
}

Test(resolve, an_ambiguous_hop_is_the_only_neighbour_of_the_one_before)
{
	struct resolve *r = made();
	struct hop hops[] = { { { 0x0a }, 1 }, { { 0x0b }, 1 } };
	const char *keys[2];

	relay(r, key(0x0a, 1, 1));
	relay(r, key(0x0b, 1, 1));
	relay(r, key(0x0b, 2, 1));
	cr_assert(resolve_path(r, NULL, hops, 2, keys));
	cr_expect_null(keys[1], "nothing is known about neighbours");
	edge(r, key(0x0b, 2, 1), key(0x0a, 1, 1));
	cr_assert(resolve_path(r, NULL, hops, 2, keys));
	cr_expect_str_eq(keys[1], hex(key(0x0b, 2, 1)).s);
	edge(r, key(0x0a, 1, 1), key(0x0b, 1, 1));
	cr_assert(resolve_path(r, NULL, hops, 2, keys));
	cr_expect_null(keys[1], "two neighbours of it are as good as none");
	resolve_free(r);
}

Test(resolve, the_sender_is_the_first_to_be_next_to_and_never_a_hop)
{
	struct resolve *r = made();
	struct hop hops[] = { { { 0x0b }, 1 }, { { 0x0a }, 1 } };
	const char *keys[2];

	relay(r, key(0x0a, 1, 1));
	relay(r, key(0x0b, 1, 1));
	relay(r, key(0x0b, 2, 1));
	edge(r, key(0x0a, 1, 1), key(0x0b, 2, 1));
	cr_assert(resolve_path(r, key(0x0a, 1, 1), hops, 2, keys));
	cr_expect_str_eq(keys[0], hex(key(0x0b, 2, 1)).s);
	cr_expect_null(keys[1]);
	resolve_free(r);
}

Test(resolve, behind_an_uncertain_hop_only_certain_ones_resolve)
{
	struct resolve *r = made();
	struct hop hops[] = { { { 0x0a }, 1 }, { { 0x77 }, 1 }, { { 0x0b }, 1 }, { { 0x0c }, 1 } };
	const char *keys[4];

	relay(r, key(0x0a, 1, 1));
	relay(r, key(0x0b, 1, 1));
	relay(r, key(0x0b, 2, 1));
	relay(r, key(0x0c, 2, 1));
	edge(r, key(0x0a, 1, 1), key(0x0b, 2, 1));
	cr_assert(resolve_path(r, NULL, hops, 4, keys));
	cr_expect_not_null(keys[0]);
	cr_expect_null(keys[1]);
	cr_expect_null(keys[2]);
	cr_expect_not_null(keys[3]);
	resolve_free(r);
}

Test(resolve, hops_of_five_and_seven_bytes_never_resolve)
{
	struct resolve *r = made();
	const char *keys[1];

	relay(r, key(0x0a, 1, 1));
	for (uint8_t len = 1; len <= 8; len++) {
		struct hop hop = { { 0x0a, 1, 1, 0xee, 0xee, 0xee, 0xee, 0xee }, len };

		cr_expect_eq(resolve_path(r, NULL, &hop, 1, keys), len != 5 && len != 7, "%u", len);
	}
	resolve_free(r);
}

Test(resolve, a_removed_node_is_no_candidate_any_more)
{
	struct resolve *r = made();
	struct hop hop = { { 0x0b }, 1 };
	const char *keys[1];

	relay(r, key(0x0b, 1, 1));
	relay(r, key(0x0b, 2, 1));
	relay(r, key(0x0b, 2, 1));
	cr_expect_eq(resolve_nodes(r), 2);
	resolve_remove(r, hex(key(0x0b, 1, 1)));
	resolve_remove(r, hex(key(0x0b, 9, 9)));
	cr_assert(resolve_path(r, NULL, &hop, 1, keys));
	cr_expect_str_eq(keys[0], hex(key(0x0b, 2, 1)).s);
	resolve_free(r);
}

Test(resolve, ten_thousand_nodes_and_edges_are_found_again)
{
	struct resolve *r = made();
	uint8_t a[ITEM_KEY] = { 0 }, b[ITEM_KEY] = { 0 };
	const char *keys[2];

	for (uint32_t i = 0; i < 10000; i++) {
		a[0] = (uint8_t)(i * 7);
		a[1] = (uint8_t)(i >> 8);
		a[2] = (uint8_t)i;
		cr_assert_eq(resolve_node(r, hex(a), repeater), MK_OK);
		memcpy(b, a, ITEM_KEY);
		b[7] = 1;
		cr_assert_eq(edge(r, a, b), MK_OK);
	}
	cr_expect_eq(resolve_nodes(r), 10000);
	cr_expect_eq(resolve_edges(r), 10000);
	for (uint32_t i = 0; i < 10000; i++) {
		struct hop hop = { { (uint8_t)(i * 7), (uint8_t)(i >> 8), (uint8_t)i }, 3 };

		cr_assert(resolve_path(r, NULL, &hop, 1, keys), "%u", i);
	}
	resolve_free(r);
}

Test(resolve, who_forwards_nothing_is_no_candidate)
{
	struct resolve *r = made();
	struct hop hop = { { 0x0b }, 1 };
	const char *keys[1];

	relay(r, key(0x0b, 1, 1));
	cr_assert_eq(resolve_node(r, hex(key(0x0b, 2, 1)), (struct text){ "companion", 9 }), MK_OK);
	cr_assert(resolve_path(r, NULL, &hop, 1, keys));
	cr_expect_str_eq(keys[0], hex(key(0x0b, 1, 1)).s);
	cr_assert_eq(resolve_observer(r, hex(key(0x0b, 1, 1)), true), MK_OK);
	cr_expect_not(resolve_path(r, NULL, &hop, 1, keys), "an observer that only listens");
	cr_assert_eq(resolve_observer(r, hex(key(0x0b, 1, 1)), false), MK_OK);
	cr_expect(resolve_path(r, NULL, &hop, 1, keys));
	resolve_free(r);
}
