/* SPDX-License-Identifier: MIT
 *
 * Says that it follows version 2 of the interface, under the symbol of version 1.
 */
#include "bad.h"

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	.struct_size = sizeof(mk_plugin_desc),
	.abi_major = 2,
	.topic_size = sizeof(mk_topic),
	.option_size = sizeof(mk_option),
	.method_size = sizeof(mk_method),
	BAD_ABOUT("bad-major"),
	.create = bad_create,
	.destroy = free,
};
