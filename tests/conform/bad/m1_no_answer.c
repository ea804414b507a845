/* SPDX-License-Identifier: MIT
 *
 * Does not answer calls.
 */
#include "bad.h"

static const mk_method methods[] = { { "bad/ask", "" }, { NULL, NULL } };

static void
on_call(void *self, const mk_call *call)
{
	(void)self;
	(void)call;
}

BAD_PLUGIN(.create = bad_create, .destroy = bad_destroy, .methods = methods, .on_call = on_call);
