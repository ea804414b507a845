/* SPDX-License-Identifier: MIT
 *
 * Made for the interface that comes after this one: its symbol has another name.
 */
#include "bad.h"

MK_EXPORT extern const mk_plugin_desc mk_plugin_v2;

MK_EXPORT const mk_plugin_desc mk_plugin_v2 = {
	MK_PLUGIN_HEAD,
	BAD_ABOUT("bad-symbol"),
	.create = bad_create,
	.destroy = free,
};
