/* SPDX-License-Identifier: MIT
 *
 * Never comes back from being loaded.
 */
#include "bad.h"

__attribute__((constructor)) static void
hang(void)
{
	for (;;)
		bad_sleep(1000000);
}

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD,
	BAD_ABOUT("bad-hang"),
	.create = bad_create,
	.destroy = free,
};
