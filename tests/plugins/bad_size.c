/* SPDX-License-Identifier: MIT
 *
 * Its descriptor ends before the first version's does.
 */
#include "bad.h"

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	.struct_size = 64,
	.abi_major = MK_ABI_MAJOR,
	.topic_size = sizeof(mk_topic),
	.option_size = sizeof(mk_option),
	.method_size = sizeof(mk_method),
	BAD_ABOUT("bad-size"),
	.create = bad_create,
	.destroy = free,
};
