/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <http/server/peers.h>

TestSuite(peers, .timeout = 120);

static struct peer_key
key(const char *text)
{
	struct peer_key k = { 0 };

	cr_assert(peer_parse(text, &k), "%s", text);
	return k;
}

Test(peers, an_ipv6_client_is_its_64)
{
	struct peer_key a = key("2001:db8:1:2::1"), b = key("2001:db8:1:2:ffff::9");
	struct peer_key c = key("2001:db8:1:3::1"), d = key("::ffff:192.0.2.1"),
			e = key("192.0.2.1");

	cr_expect_arr_eq(&a, &b, sizeof(a));
	cr_expect_arr_neq(&a, &c, sizeof(a));
	cr_expect_arr_eq(&d, &e, sizeof(d));
	cr_expect_not(peer_parse("localhost", &a));
	cr_expect_not(peer_parse("", &a));
}

Test(peers, connections_are_counted_per_address)
{
	struct peers *p = peers_new();

	for (int i = 0; i < 3; i++)
		cr_expect(peers_connect(p, key("192.0.2.1"), 3));
	cr_expect_not(peers_connect(p, key("192.0.2.1"), 3));
	cr_expect(peers_connect(p, key("192.0.2.2"), 3));
	peers_disconnect(p, key("192.0.2.1"));
	cr_expect(peers_connect(p, key("192.0.2.1"), 3));
	peers_free(p);
}

Test(peers, a_budget_is_filled_up_again)
{
	struct peers *p = peers_new();
	struct peer_key k = key("192.0.2.1");

	for (int i = 0; i < 5; i++)
		cr_expect_eq(peers_spend(p, k, 2, 2, 10, 1000000), 0);
	cr_expect_eq(peers_spend(p, k, 2, 2, 10, 1000000), 2);
	cr_expect_eq(peers_spend(p, key("192.0.2.2"), 2, 2, 10, 1000000), 0);
	cr_expect_eq(peers_spend(p, k, 2, 2, 10, 2000000), 0);
	cr_expect_neq(peers_spend(p, k, 2, 2, 10, 2000000), 0);
	cr_expect_eq(peers_spend(p, k, 1000, 2, 10, 900000000), 0, "more than the bucket holds");
	peers_free(p);
}

Test(peers, a_full_table_is_bounded_and_counts_right)
{
	struct peers *p = peers_new();
	struct peer_key k = { .family = 4 };
	uint32_t n = 0;

	for (uint32_t round = 0; round < 2; round++) {
		for (n = 0; n < 20000; n++) {
			k.bytes[0] = (uint8_t)n;
			k.bytes[1] = (uint8_t)(n >> 8);
			peers_connect(p, k, UINT32_MAX);
		}
		for (n = 0; n < 20000; n++) {
			k.bytes[0] = (uint8_t)n;
			k.bytes[1] = (uint8_t)(n >> 8);
			peers_disconnect(p, k);
		}
	}
	for (n = 0; n < 20000; n++) {
		k.bytes[0] = (uint8_t)n;
		k.bytes[1] = (uint8_t)(n >> 8);
		cr_assert(peers_connect(p, k, 1), "%u has a connection left", n);
		peers_disconnect(p, k);
	}
	peers_free(p);
}
