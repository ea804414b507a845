/* SPDX-License-Identifier: MIT
 *
 * Would end the process that it is in, even while it is only looked at.
 */
#include "bad.h"

__attribute__((constructor)) static void
leave(void)
{
	exit(7);
}

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD,
	BAD_ABOUT("bad-exit"),
	.create = bad_create,
	.destroy = free,
};
