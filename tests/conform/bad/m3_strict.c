/* SPDX-License-Identifier: MIT
 *
 * Ignores messages with more keys than it knows.
 */
#include "bad.h"

static void
on_msg(void *self, const mk_msg *msg)
{
	const mk_val *root;
	mk_doc doc;

	mk_doc_init(&doc);
	if (msg->body != NULL && mk_doc_open(&doc, msg->body, msg->body_len, NULL, NULL, 0) == 0) {
		root = mk_doc_root(&doc);
		if (mk_count(root) == 1 && mk_find(root, "items") != NULL)
			bad_publish(self, "bad/out");
	}
	mk_doc_fini(&doc);
}

BAD_PLUGIN(.create = bad_create, .destroy = bad_destroy, .subscribes = bad_in, .publishes = bad_out,
	   .on_msg = on_msg);
