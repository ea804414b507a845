/* SPDX-License-Identifier: MIT
 *
 * Crashes while it is loaded, before anything of it was asked for.
 */
#include "bad.h"

__attribute__((constructor)) static void
crash(void)
{
	bad_crash();
}

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD,
	BAD_ABOUT("bad-constructor"),
	.create = bad_create,
	.destroy = free,
};
