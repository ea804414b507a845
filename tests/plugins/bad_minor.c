/* SPDX-License-Identifier: MIT
 *
 * Needs a host that is newer than any.
 */
#include "bad.h"

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD,       .min_host_minor = 9999, BAD_ABOUT("bad-minor"),
	.create = bad_create, .destroy = free,
};
