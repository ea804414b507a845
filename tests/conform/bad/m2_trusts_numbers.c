/* SPDX-License-Identifier: MIT
 *
 * Uses a number from a message as an index.
 */
#include "bad.h"

static void
on_msg(void *self, const mk_msg *msg)
{
	static volatile uint8_t table[256];
	struct bad *b = self;
	uint32_t slot = 0;
	mk_doc doc;

	mk_doc_init(&doc);
	if (msg->body != NULL && mk_doc_open(&doc, msg->body, msg->body_len, NULL, NULL, 0) == 0 &&
	    mk_get_u32(mk_find(mk_doc_root(&doc), "slot"), &slot))
		b->number += table[slot]++;
	mk_doc_fini(&doc);
}

BAD_PLUGIN(.create = bad_create, .destroy = bad_destroy, .subscribes = bad_in, .on_msg = on_msg);
