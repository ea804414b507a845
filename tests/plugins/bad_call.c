/* SPDX-License-Identifier: MIT
 *
 * Is asked, and answers in all the ways in which one should not: bad/call {"how": WAY}.
 */
#include "bad.h"

static const char bad_body[] = "\x81\xa1k"; /* ends too early */

static void
reply(const mk_host *host, uint64_t id)
{
	host->reply(host, id, MK_OK, NULL, "\x80", 1);
}

static void
on_call(void *self, const mk_call *call)
{
	const mk_host *host = ((struct bad *)self)->host;
	char how[16] = "";
	mk_doc doc;

	mk_doc_init(&doc);
	if (mk_doc_open(&doc, call->body, call->body_len, NULL, NULL, 0) == MK_OK)
		mk_copy_str(mk_find(mk_doc_root(&doc), "how"), how, sizeof(how));
	mk_doc_fini(&doc);
	if (strcmp(how, "crash") == 0)
		bad_crash();
	if (strcmp(how, "block") == 0)
		for (;;)
			bad_sleep(1000000);
	if (strcmp(how, "never") == 0)
		return;
	if (strcmp(how, "malformed") == 0 &&
	    host->reply(host, call->id, MK_OK, NULL, bad_body, 3) != MK_OK)
		host->reply(host, call->id, MK_EFORMAT, "refused \xff\n", NULL, 0);
	if (strcmp(how, "foreign") == 0)
		for (uint64_t id = 0; id < 4096; id++)
			if (id != call->id)
				reply(host, id);
	if (strcmp(how, "twice") == 0)
		reply(host, call->id);
	reply(host, call->id);
}

static const mk_method methods[] = { { "bad/call", "answers badly" }, { NULL, NULL } };

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD,       BAD_ABOUT("bad-call"), .methods = methods,
	.create = bad_create, .on_call = on_call,    .destroy = free,
};
