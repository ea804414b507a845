/* SPDX-License-Identifier: MIT
 *
 * The interface described by itself: OpenAPI and a page, both made from the tables of routes.
 */
#include <string.h>

#include "../http.h"

static const char *
spec_type(const struct route_param *p)
{
	switch (p->type) {
	case PARAM_INT:
	case PARAM_LIMIT:
		return "integer";
	case PARAM_BOOL:
		return "boolean";
	case PARAM_FLOAT:
		return "number";
	case PARAM_TEXT:
	case PARAM_ENUM:
		break;
	}
	return "string";
}

/* The name of the next parameter of a path, from *at on. False: there is no more. */
static bool
spec_next(const char **at, const char **name, size_t *len)
{
	const char *open = strchr(*at, '{');

	if (open == NULL)
		return false;
	*name = open + 1;
	*len = strcspn(open + 1, "}");
	*at = open + 1 + *len;
	return true;
}

/* --------------------------------------------------------------- OpenAPI -- */

static void
spec_path_params(const struct route *route, struct json *out)
{
	const char *at = route->pattern, *name;
	size_t len;

	while (spec_next(&at, &name, &len)) {
		js_object(out);
		js_key(out, "name");
		js_strn(out, name, len);
		js_kstr(out, "in", "path");
		js_kbool(out, "required", true);
		js_kobject(out, "schema");
		js_kstr(out, "type", "string");
		js_object_end(out);
		js_object_end(out);
	}
}

static void
spec_schema(const struct route_param *p, struct json *out)
{
	js_kobject(out, "schema");
	js_kstr(out, "type", spec_type(p));
	if (p->type == PARAM_ENUM) {
		js_karray(out, "enum");
		for (const char *const *c = p->choices; *c != NULL; c++)
			js_str(out, *c);
		js_array_end(out);
		js_kstr(out, "default", p->choices[p->dflt]);
	} else if (p->type == PARAM_BOOL) {
		js_kbool(out, "default", p->dflt != 0);
	} else if (p->type == PARAM_TEXT) {
		js_kint(out, "maxLength", p->max > 0 ? p->max : 1024);
	} else {
		js_kint(out, "default", p->dflt);
		if (p->type == PARAM_LIMIT || p->min != 0 || p->max != 0) {
			js_kint(out, "minimum", p->type == PARAM_LIMIT ? 1 : p->min);
			js_kint(out, "maximum", p->max);
		}
	}
	js_object_end(out);
}

static void
spec_params(const struct route *route, struct json *out)
{
	js_karray(out, "parameters");
	spec_path_params(route, out);
	for (const struct route_param *p = route->params; p != NULL && p->name != NULL; p++) {
		js_object(out);
		js_kstr(out, "name", p->name);
		js_kstr(out, "in", "query");
		js_kbool(out, "required", p->type == PARAM_TEXT && p->min > 0);
		if (p->help != NULL)
			js_kstr(out, "description", p->help);
		spec_schema(p, out);
		js_object_end(out);
	}
	js_array_end(out);
}

static void
spec_content(const char *type, struct json *out)
{
	char plain[64];
	size_t len = strcspn(type, ";");

	len = len < sizeof(plain) ? len : sizeof(plain) - 1;
	memcpy(plain, type, len);
	plain[len] = '\0';
	js_kobject(out, "content");
	js_kobject(out, plain);
	js_kobject(out, "schema");
	js_kstr(out, "type", strcmp(plain, "application/json") == 0 ? "object" : "string");
	js_object_end(out);
	js_object_end(out);
	js_object_end(out);
}

static void
spec_answers(const struct route *route, struct json *out)
{
	static const char *const errors[][2] = { { "400", "a parameter is wrong" },
						 { "429", "too many expensive requests" },
						 { "503", "not now; see Retry-After" } };

	js_kobject(out, "responses");
	js_kobject(out, "200");
	js_kstr(out, "description", route->answer == NULL ? "the answer" : route->answer);
	spec_content(route->type == NULL ? "application/json" : route->type, out);
	js_object_end(out);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		js_kobject(out, errors[i][0]);
		js_kstr(out, "description", errors[i][1]);
		js_object_end(out);
	}
	if ((route->flags & ROUTE_KEY) != 0) {
		js_kobject(out, "401");
		js_kstr(out, "description", "the API key is missing or wrong");
		js_object_end(out);
	}
	js_object_end(out);
}

/* "/api/nodes/search" belongs to "nodes". */
static void
spec_tag(const struct route *route, struct json *out)
{
	const char *s = route->pattern;

	if (strncmp(s, "/api/", 5) == 0)
		s += 5;
	js_karray(out, "tags");
	js_strn(out, s + (*s == '/'), strcspn(s + (*s == '/'), "/"));
	js_array_end(out);
}

static void
spec_operation(const struct route *route, struct json *out)
{
	char method[16] = "";

	for (size_t i = 0; i + 1 < sizeof(method) && route->method[i] != '\0'; i++)
		method[i] = (char)(route->method[i] | 0x20);
	js_kobject(out, method);
	js_kstr(out, "summary", route->summary == NULL ? route->pattern : route->summary);
	spec_tag(route, out);
	spec_params(route, out);
	if (route->body_max > 0) {
		js_kobject(out, "requestBody");
		spec_content("application/json", out);
		js_object_end(out);
	}
	if ((route->flags & ROUTE_KEY) != 0) {
		js_karray(out, "security");
		js_object(out);
		js_karray(out, "ApiKeyAuth");
		js_array_end(out);
		js_object_end(out);
		js_array_end(out);
	}
	spec_answers(route, out);
	js_object_end(out);
}

static bool
spec_is_first(const struct router *router, uint32_t i)
{
	for (uint32_t k = 0; k < i; k++)
		if (strcmp(router_at(router, k)->pattern, router_at(router, i)->pattern) == 0)
			return false;
	return router_at(router, i)->summary != NULL;
}

static void
spec(struct request *rq, struct json *out)
{
	const struct http *h = request_context(rq);
	const struct router *router = httpd_router(h->server);

	js_object(out);
	js_kstr(out, "openapi", "3.0.3");
	js_kobject(out, "info");
	js_kstr(out, "title", "meshkern");
	js_kstr(out, "version", MK_VERSION);
	js_kstr(out, "description", "What a MeshCore mesh does, and the daemon that watches it.");
	js_object_end(out);
	js_kobject(out, "paths");
	for (uint32_t i = 0; i < router_count(router); i++) {
		const char *pattern = router_at(router, i)->pattern;

		if (!spec_is_first(router, i))
			continue;
		js_kobject(out, pattern);
		for (uint32_t k = i; k < router_count(router); k++)
			if (strcmp(router_at(router, k)->pattern, pattern) == 0)
				spec_operation(router_at(router, k), out);
		js_object_end(out);
	}
	js_object_end(out);
	js_kobject(out, "components");
	js_kobject(out, "securitySchemes");
	js_kobject(out, "ApiKeyAuth");
	js_kstr(out, "type", "apiKey");
	js_kstr(out, "in", "header");
	js_kstr(out, "name", "X-API-Key");
	js_object_end(out);
	js_object_end(out);
	js_object_end(out);
	js_object_end(out);
}

/* -------------------------------------------------------------- the page -- */

static void
docs_put(struct json *out, const char *text)
{
	for (; *text != '\0'; text++) {
		switch (*text) {
		case '<':
			js_text(out, "&lt;", 4);
			break;
		case '>':
			js_text(out, "&gt;", 4);
			break;
		case '&':
			js_text(out, "&amp;", 5);
			break;
		case '"':
			js_text(out, "&quot;", 6);
			break;
		default:
			js_text(out, text, 1);
		}
	}
}

static void
docs_say(struct json *out, const char *before, const char *text, const char *after)
{
	js_text(out, before, strlen(before));
	docs_put(out, text);
	js_text(out, after, strlen(after));
}

static void
docs_param(const struct route_param *p, struct json *out)
{
	docs_say(out, "<tr><td><code>", p->name, "</code>");
	docs_say(out, "<td>", spec_type(p), "<td>");
	if (p->type == PARAM_ENUM) {
		for (const char *const *c = p->choices; *c != NULL; c++)
			docs_say(out, "<code>", *c, "</code> ");
	} else if (p->type == PARAM_LIMIT || p->type == PARAM_INT) {
		js_printf(out, "%lld", (long long)p->dflt);
		if (p->max > 0)
			js_printf(out, " (at most %lld)", (long long)p->max);
	}
	docs_say(out, "<td>", p->help == NULL ? "" : p->help, "\n");
}

static void
docs_route(const struct route *route, struct json *out)
{
	docs_say(out, "<h2>", route->method, " ");
	docs_say(out, "<code>", route->pattern, "</code></h2>\n");
	docs_say(out, "<p>", route->summary, "");
	if ((route->flags & ROUTE_KEY) != 0)
		docs_say(out, " (", "needs X-API-Key", ")");
	docs_say(out, "", "\n", "");
	if (route->answer != NULL)
		docs_say(out, "<pre>", route->answer, "</pre>\n");
	if (route->params == NULL)
		return;
	docs_say(out, "<table><thead><tr><th>", "parameter", "<th>type<th>value<th></thead>\n");
	for (const struct route_param *p = route->params; p->name != NULL; p++)
		docs_param(p, out);
	docs_say(out, "</table>", "\n", "");
}

/* Nothing in it comes from elsewhere, and nothing has to run. */
static void
docs(struct request *rq, struct json *out)
{
	static const char head[] =
	    "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
	    "<meta name=\"viewport\" content=\"width=device-width\">\n"
	    "<title>meshkern: interface</title>\n"
	    "<link rel=\"stylesheet\" href=\"/start.css\">\n"
	    "<h1>meshkern: interface</h1>\n"
	    "<p>The same for programs: <a href=\"/api/spec\">/api/spec</a> (OpenAPI).\n";
	const struct http *h = request_context(rq);
	const struct router *router = httpd_router(h->server);

	js_text(out, head, sizeof(head) - 1);
	for (uint32_t i = 0; i < router_count(router); i++)
		if (router_at(router, i)->summary != NULL)
			docs_route(router_at(router, i), out);
	js_text(out, "</html>\n", 8);
}

const struct route spec_routes[] = {
	{ .method = "GET",
	  .pattern = "/api/spec",
	  .handle = spec,
	  .flags = ROUTE_OPEN,
	  .max_age_s = 3600,
	  .summary = "this interface as OpenAPI" },
	{ .method = "GET",
	  .pattern = "/api/docs",
	  .handle = docs,
	  .max_age_s = 3600,
	  .type = "text/html; charset=utf-8",
	  .summary = "this interface as a page" },
	{ .method = NULL },
};
