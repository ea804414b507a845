/* SPDX-License-Identifier: MIT
 *
 * What the answers about runs of hops have in common.
 */
#ifndef ANALYTICS_SUBPATHS_H
#define ANALYTICS_SUBPATHS_H

#include "frame.h"

struct subpaths {
	struct frame *frame;
};

/* The names of hops with arrows between them; who has none appears by the hop itself. */
void subpath_text(struct json *j, const char *key, struct frame *f, const uint32_t *hops,
		  uint32_t count, bool upper);
uint32_t subpath_detail(void *self, const struct an_query *q, struct json *j);

#endif
