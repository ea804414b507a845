/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <criterion/criterion.h>
#include <http/server/route.h>

TestSuite(route, .timeout = 120);

static const struct route first[] = {
	{ .method = "GET", .pattern = "/api/nodes" },
	{ .method = "GET", .pattern = "/api/nodes/{key}" },
	{ .method = "GET", .pattern = "/api/nodes/{key}/paths" },
	{ .method = NULL },
};
static const struct route second[] = {
	{ .method = "GET", .pattern = "/api/nodes/search" },
	{ .method = "PUT", .pattern = "/api/nodes/{key}" },
	{ .method = "POST", .pattern = "/api/nodes/observations" },
	{ .method = "GET", .pattern = "/api/channels/{name}/messages", .flags = ROUTE_SLASH },
	{ .method = NULL },
};
static struct target t;
static struct route_match m;
static struct router *router;

static const char *
find(const char *method, const char *path)
{
	cr_assert_eq(target_parse(&t, path, strlen(path)), TARGET_GOOD);
	router_find(router, method, &t, &m);
	return m.route == NULL ? "" : m.route->pattern;
}

static void
begin(void)
{
	static const struct route *const tables[] = { first, second, NULL };

	router = router_new(tables);
	cr_assert_not_null(router);
}

static void
end(void)
{
	router_free(router);
}

Test(route, fixed_segments_win_over_parameters, .init = begin, .fini = end)
{
	cr_expect_str_eq(find("GET", "/api/nodes/search"), "/api/nodes/search");
	cr_expect_str_eq(find("HEAD", "/api/nodes/abc"), "/api/nodes/{key}");
	cr_expect_str_eq(m.args[0], "abc");
	cr_expect_str_eq(find("GET", "/api/nodes/search/paths"), "/api/nodes/{key}/paths");
	cr_expect_str_eq(find("GET", "/api/nodes/observations"), "/api/nodes/{key}");
	cr_expect_str_eq(find("POST", "/api/nodes/observations"), "/api/nodes/observations");
}

Test(route, a_name_with_a_slash_is_for_those_that_want_it, .init = begin, .fini = end)
{
	cr_expect_str_eq(find("GET", "/api/nodes/a%2Fb"), "");
	cr_expect_str_eq(find("GET", "/api/channels/%23a%2Fb/messages"),
			 "/api/channels/{name}/messages");
	cr_expect_str_eq(m.args[0], "#a/b");
	cr_expect_str_eq(find("GET", "/api/channels/a/b/messages"), "");
}

Test(route, a_parameter_is_one_segment_that_is_not_empty, .init = begin, .fini = end)
{
	cr_expect_str_eq(find("GET", "/api/nodes/"), "");
	cr_expect_str_eq(find("GET", "/api/nodes/a%2fb"), "");
	cr_expect_str_eq(find("GET", "/api/nodes/a/b"), "");
	cr_expect_str_eq(m.allow, "");
}

Test(route, the_methods_of_a_path_are_told, .init = begin, .fini = end)
{
	cr_expect_str_eq(find("DELETE", "/api/nodes/abc"), "");
	cr_expect(strstr(m.allow, "PUT") != NULL && strstr(m.allow, "GET, HEAD") != NULL, "%s",
		  m.allow);
}

static int64_t
number(const struct route_param *p, const char *text)
{
	struct param_value v;

	cr_assert(route_param_read(p, text, &v));
	return v.number;
}

Test(route, numbers_have_defaults_and_ends)
{
	const struct route_param limit = { "l", PARAM_LIMIT, .dflt = 50, .max = 200 };
	const struct route_param days = { "d", PARAM_INT, .dflt = 7, .min = 1, .max = 365 };
	const struct route_param yes = { "b", PARAM_BOOL, .dflt = 1 };

	cr_expect_eq(number(&limit, NULL), 50);
	cr_expect_eq(number(&limit, "0"), 50);
	cr_expect_eq(number(&limit, "-5"), 50);
	cr_expect_eq(number(&limit, "12x"), 50);
	cr_expect_eq(number(&limit, "99999999999999999999"), 200);
	cr_expect_eq(number(&days, "0"), 1);
	cr_expect_eq(number(&days, "1000"), 365);
	cr_expect_eq(number(&days, ""), 7);
	cr_expect_eq(number(&yes, "false"), 0);
	cr_expect_eq(number(&yes, "perhaps"), 1);
}

Test(route, a_parameter_may_insist)
{
	static const char *const choices[] = { "1h", "24h", NULL };
	const struct route_param window = { "w", PARAM_ENUM, .choices = choices,
					    .error = "bad window" };
	const struct route_param since = { "s", PARAM_TEXT, .min = 1, .max = 4, .error = "since" };
	struct param_value v;

	cr_expect(route_param_read(&window, NULL, &v));
	cr_expect(route_param_read(&window, "24h", &v));
	cr_expect_eq(v.number, 1);
	cr_expect_not(route_param_read(&window, "2h", &v));
	cr_expect_not(route_param_read(&since, NULL, &v));
	cr_expect_not(route_param_read(&since, "12345", &v));
	cr_expect(route_param_read(&since, "1234", &v));
}
