/* SPDX-License-Identifier: MIT
 *
 * Takes for granted that a message has its field.
 */
#include "bad.h"

static void
on_msg(void *self, const mk_msg *msg)
{
	const char *text;
	mk_doc doc;

	(void)self;
	mk_doc_init(&doc);
	if (msg->body != NULL && mk_doc_open(&doc, msg->body, msg->body_len, NULL, NULL, 0) == 0) {
		text = NULL; /* what a getter leaves when the key is absent */
		size_t len = 0;

		mk_get_str(mk_find(mk_doc_root(&doc), "text"), &text, &len);
		if (len == 0)
			len = *(const volatile char *)text != '\0';
	}
	mk_doc_fini(&doc);
}

BAD_PLUGIN(.create = bad_create, .destroy = bad_destroy, .subscribes = bad_in, .on_msg = on_msg);
