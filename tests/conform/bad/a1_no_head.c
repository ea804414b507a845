/* SPDX-License-Identifier: MIT
 *
 * Forgot MK_PLUGIN_HEAD: all sizes are 0.
 */
#include "bad.h"

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	.id = "bad", .version = "1.0.0", .create = bad_create, .destroy = bad_destroy
};
