/* SPDX-License-Identifier: MIT
 *
 * Results as text, generated from MK_RESULT_MAP.
 */
#include <meshkern/plugin.h>

const char *
mk_result_text(mk_result result)
{
	switch (result) {
#define RESULT_TEXT(name, value, text) \
	case name:                     \
		return text;
		MK_RESULT_MAP(RESULT_TEXT)
	default:
		return "unknown result";
	}
}

const char *
mk_result_name(mk_result result)
{
	switch (result) {
#define RESULT_NAME(name, value, text) \
	case name:                     \
		return #name;
		MK_RESULT_MAP(RESULT_NAME)
	default:
		return "MK_UNKNOWN";
	}
}
