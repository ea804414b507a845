/* SPDX-License-Identifier: MIT
 *
 * Takes its time to be loaded, as one with large libraries on a slow card does.
 */
#include "bad.h"

__attribute__((constructor)) static void
take_time(void)
{
	bad_sleep(1000000);
}

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD,
	BAD_ABOUT("bad-heavy"),
	.create = bad_create,
	.destroy = free,
};
