/* SPDX-License-Identifier: MIT */
#include "held.h"

#include <stdlib.h>
#include <string.h>

static void
held_free(struct held_call *call)
{
	free(call->name);
	free(call->body);
}

bool
held_put(struct held *h, const mk_call *call, uint64_t until_us)
{
	struct held_call *to = &h->calls[h->count];

	if (h->count == HELD_MAX)
		return false;
	*to = (struct held_call){ .id = call->id,
				  .until_us = until_us,
				  .name = strdup(call->name),
				  .body = malloc(call->body_len + 1u),
				  .len = call->body_len };
	if (to->name == NULL || to->body == NULL) {
		held_free(to);
		return false;
	}
	memcpy(to->body, call->body, call->body_len);
	h->count++;
	return true;
}

void
held_try(struct held *h, bool (*answer)(void *arg, const struct held_call *call), void *arg)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < h->count; i++) {
		if (answer(arg, &h->calls[i]))
			held_free(&h->calls[i]);
		else
			h->calls[kept++] = h->calls[i];
	}
	h->count = kept;
}

void
held_fini(struct held *h)
{
	for (uint32_t i = 0; i < h->count; i++)
		held_free(&h->calls[i]);
	h->count = 0;
}
