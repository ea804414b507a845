/* SPDX-License-Identifier: MIT
 *
 * Keys of channels as JSON: see keys_file.h.
 */
#include "keys_file.h"

#include <stdio.h>
#include <string.h>

#include <jansson.h>

bool
mc_keys_parse(struct mc_keys *ring, const char *text, size_t len, uint32_t *skipped, char *why,
	      size_t why_len)
{
	json_t *root = NULL, *value;
	json_error_t error;
	const char *name;
	uint32_t bad = 0;

	if (len > MC_KEYS_FILE_MAX) {
		snprintf(why, why_len, "longer than %u bytes", MC_KEYS_FILE_MAX);
		return false;
	}
	root = json_loadb(text, len, 0, &error);
	if (!json_is_object(root)) {
		snprintf(why, why_len, "%s",
			 root == NULL ? error.text : "not a map of names to keys");
		json_decref(root);
		return false;
	}
	json_object_foreach(root, name, value)
	{
		enum mc_key_result r = MC_KEY_BAD;

		if (json_is_string(value))
			r = mc_keys_set(ring, name, json_string_value(value));
		if (r == MC_KEY_FULL) {
			snprintf(why, why_len, "more than %u keys, or out of memory", MC_KEYS_MAX);
			json_decref(root);
			return false;
		}
		bad += r == MC_KEY_BAD || r == MC_KEY_BAD_NAME;
	}
	json_decref(root);
	*skipped = bad;
	return true;
}
