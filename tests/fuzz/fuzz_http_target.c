/* SPDX-License-Identifier: MIT
 *
 * Request targets: whatever is taken is UTF-8 without control characters and without a way up, and
 * a cleaned target is clean.
 */
#include <stdlib.h>
#include <string.h>

#include <meshkern/codec.h>

#include <http/server/route.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const choices[] = { "asc", "desc", NULL };

static void
check_text(const char *s)
{
	if (!mk_utf8_valid(s, strlen(s)))
		abort();
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			abort();
}

static void
check_params(const struct target *t)
{
	static const struct route_param params[] = {
		{ "a", PARAM_TEXT, .min = 1, .max = 8, .error = "bad" },
		{ "b", PARAM_INT, .dflt = 5, .min = 1, .max = 9 },
		{ "c", PARAM_LIMIT, .dflt = 50, .max = 100 },
		{ "d", PARAM_BOOL, .dflt = 1 },
		{ "e", PARAM_ENUM, .choices = choices },
		{ "f", PARAM_FLOAT, .min = -90, .max = 90, .error = "bad" },
	};

	for (size_t i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
		struct param_value v;

		route_param_read(&params[i], target_find(t, params[i].name), &v);
		if (params[i].type == PARAM_INT && (v.number < 1 || v.number > 9))
			abort();
		if (params[i].type == PARAM_LIMIT && (v.number < 1 || v.number > 100))
			abort();
		if (params[i].type == PARAM_FLOAT && !(v.real >= -90 && v.real <= 90))
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct target *t = malloc(sizeof(*t)), *again = malloc(sizeof(*t));
	char path[256];

	if (t == NULL || again == NULL)
		abort();
	switch (target_parse(t, (const char *)data, size)) {
	case TARGET_GOOD:
		for (uint32_t i = 0; i < t->segments; i++) {
			check_text(t->segment[i]);
			if (strcmp(t->segment[i], "..") == 0 || strchr(t->segment[i], '\\') != NULL)
				abort();
		}
		for (uint32_t i = 0; i < t->pairs; i++) {
			check_text(t->pair[i].name);
			check_text(t->pair[i].value);
		}
		if (target_path(t, path, sizeof(path)) && path[0] != '/')
			abort();
		check_params(t);
		break;
	case TARGET_UNCLEAN:
		if (t->text[0] != '/' || t->text[1] == '/' ||
		    target_parse(again, t->text, strlen(t->text)) == TARGET_UNCLEAN)
			abort();
		break;
	default:
		break;
	}
	free(t);
	free(again);
	return 0;
}
