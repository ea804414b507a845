/* SPDX-License-Identifier: MIT
 *
 * What the parts of /api/overview have in common.
 */
#ifndef HTTP_ROUTES_OVERVIEW_H
#define HTTP_ROUTES_OVERVIEW_H

#include "../http.h"
#include "../read/read.h"

struct over {
	struct http *h;
	const struct settings *set;
	struct json *out;
	int64_t now_s;
	struct read_state state;
};

/* A number; negative: it is not known. */
void over_known(struct json *out, const char *key, double v);
const char *over_name(const struct over *o, uint32_t node); /* or its key */
/* A repeater or a room: somebody whom others need. */
bool over_is_infra(const struct read_node *n);
/* pins.c: nodes that somebody looks after, a row each; keys with commas between. */
void over_pins(const struct over *o, struct read_scratch *s, const char *pins);

#endif
