/* SPDX-License-Identifier: MIT
 *
 * Has a descriptor of another name.
 */
#include "bad.h"

extern MK_EXPORT const mk_plugin_desc mk_plugin;

MK_EXPORT const mk_plugin_desc mk_plugin = { MK_PLUGIN_HEAD, .id = "bad", .version = "1.0.0",
					     .create = bad_create, .destroy = bad_destroy };
