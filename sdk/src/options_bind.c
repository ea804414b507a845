/* SPDX-License-Identifier: MIT
 *
 * From checked values to the members of a structure.
 */
#include <string.h>

#include "options_impl.h"

struct bind {
	const mk_values *values;
	const mk_bind *row;
	mk_arena *arena;
	const char *folder;
	char path[OPT_PATH_MAX];
};

/* NULL: no memory. */
static const char *
bind_text(const struct bind *b, const char *path, bool is_path)
{
	const char *text = mk_values_str(b->values, path);

	if (text == NULL) /* not what the table asks for, and a problem already */
		text = "";
	return is_path ? mk_arena_path(b->arena, b->folder, text)
		       : mk_arena_dup(b->arena, text, strlen(text));
}

/* NULL: no memory. */
static const char *const *
bind_list(const struct bind *b, bool is_path)
{
	uint32_t count = mk_values_count(b->values, b->path);
	const char **list = mk_arena_array(b->arena, count + 1u, sizeof(*list));
	char entry[OPT_PATH_MAX + 16];

	for (uint32_t i = 0; list != NULL && i < count; i++) {
		(void)snprintf(entry, sizeof(entry), "%s[%u]", b->path, i);
		list[i] = bind_text(b, entry, is_path);
		if (list[i] == NULL)
			return NULL;
	}
	return list;
}

static bool
bind_member(const struct bind *b, void *to)
{
	int64_t number = mk_values_int(b->values, b->path);
	bool is_path = b->row->type == MK_BIND_PATH || b->row->type == MK_BIND_PATHS;

	switch (b->row->type) {
	case MK_BIND_BOOL:
		*(bool *)to = number != 0;
		return true;
	case MK_BIND_GIVEN:
		*(bool *)to = true;
		return true;
	case MK_BIND_ENUM:
		*(int *)to = (int)number;
		return true;
	case MK_BIND_U64:
		*(uint64_t *)to = (uint64_t)number;
		return true;
	case MK_BIND_TEXT:
	case MK_BIND_PATH:
		*(const char **)to = bind_text(b, b->path, is_path);
		return *(const char **)to != NULL;
	default:
		*(const char *const **)to = bind_list(b, is_path);
		return *(const char *const **)to != NULL;
	}
}

mk_result
mk_values_bind(const mk_values *v, const char *base, const mk_bind *table, void *to,
	       mk_arena *arena, const char *folder)
{
	struct bind b = { .values = v, .arena = arena, .folder = folder };

	for (b.row = table; b.row->path != NULL; b.row++) {
		bool is_list = b.row->type == MK_BIND_TEXTS || b.row->type == MK_BIND_PATHS;

		(void)snprintf(b.path, sizeof(b.path), "%s%s%s", base, base[0] != '\0' ? "." : "",
			       b.row->path);
		if ((is_list || mk_values_has(v, b.path)) &&
		    !bind_member(&b, (char *)to + b.row->at))
			return MK_ENOMEM;
	}
	return MK_OK;
}

static bool
bind_lists_differ(const char *const *a, const char *const *b)
{
	static const char *const none[] = { NULL };

	a = a != NULL ? a : none;
	b = b != NULL ? b : none;
	for (; *a != NULL && *b != NULL; a++, b++)
		if (strcmp(*a, *b) != 0)
			return true;
	return *a != *b;
}

bool
mk_bind_differs(const mk_bind *row, const void *a, const void *b)
{
	const void *x = (const char *)a + row->at, *y = (const char *)b + row->at;
	const char *s, *t;

	switch (row->type) {
	case MK_BIND_BOOL:
	case MK_BIND_GIVEN:
		return *(const bool *)x != *(const bool *)y;
	case MK_BIND_ENUM:
		return *(const int *)x != *(const int *)y;
	case MK_BIND_U64:
		return *(const uint64_t *)x != *(const uint64_t *)y;
	case MK_BIND_TEXT:
	case MK_BIND_PATH:
		s = *(const char *const *)x;
		t = *(const char *const *)y;
		return s == NULL || t == NULL ? s != t : strcmp(s, t) != 0;
	default:
		return bind_lists_differ(*(const char *const *const *)x,
					 *(const char *const *const *)y);
	}
}
