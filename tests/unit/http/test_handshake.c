/* SPDX-License-Identifier: MIT
 *
 * Which requests become WebSockets.
 */
#include <criterion/criterion.h>

#include <string.h>

#include <http/server/handshake.h>

TestSuite(handshake, .timeout = 120);

static const char *const listed[] = { "*", "https://good.example", NULL };

static const struct handshake good = { .upgrade = "websocket",
				       .connection = "keep-alive, Upgrade",
				       .version = "13",
				       .key = "dGhlIHNhbXBsZSBub25jZQ==",
				       .host = "mesh.example:8080" };

static unsigned
check(struct handshake h)
{
	char accept[HANDSHAKE_ACCEPT];
	const char *why = NULL;
	unsigned status = handshake_check(&h, listed, accept, &why);

	cr_assert_eq(status == 0, why == NULL);
	return status;
}

Test(handshake, the_answer_is_that_of_the_standard)
{
	char accept[HANDSHAKE_ACCEPT];
	const char *why;

	cr_assert_eq(handshake_check(&good, listed, accept, &why), 0);
	cr_assert_str_eq(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

Test(handshake, tokens_are_words_in_any_case)
{
	cr_assert(handshake_has_token("WebSocket", "websocket"));
	cr_assert(handshake_has_token(" a ,\tUPGRADE", "upgrade"));
	cr_assert_not(handshake_has_token("websocket2, web", "websocket"));
	cr_assert_not(handshake_has_token("", "websocket"));
	cr_assert_not(handshake_has_token(NULL, "websocket"));
}

Test(handshake, what_is_missing_or_wrong_is_said)
{
	struct handshake h = good;

	h.upgrade = NULL;
	cr_assert_eq(check(h), 426);
	h = good;
	h.connection = "close";
	cr_assert_eq(check(h), 426);
	h = good;
	h.version = "8";
	cr_assert_eq(check(h), 426);
	h = good;
	h.key = NULL;
	cr_assert_eq(check(h), 400);
	h.key = "dGhlIHNhbXBsZSBub25jZQ==x";
	cr_assert_eq(check(h), 400);
}

Test(handshake, an_origin_is_the_host_itself_or_a_listed_one)
{
	static const struct {
		const char *origin;
		unsigned status;
	} cases[] = {
		{ NULL, 0 },
		{ "http://mesh.example:8080", 0 },
		{ "https://MESH.example:8080", 0 },
		{ "https://good.example", 0 },
		{ "*", 403 },
		{ "null", 403 },
		{ "", 403 },
		{ "http://mesh.example", 403 },
		{ "http://mesh.example:8080.evil.example", 403 },
		{ "http://evil.example/://mesh.example:8080", 403 },
		{ "https://good.example.evil.example", 403 },
	};
	struct handshake h = good;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		h.origin = cases[i].origin;
		cr_expect_eq(check(h), cases[i].status, "%s", h.origin == NULL ? "none" : h.origin);
	}
	h.origin = "http://";
	h.host = NULL;
	cr_assert_eq(check(h), 403);
}
