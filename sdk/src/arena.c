/* SPDX-License-Identifier: MIT
 *
 * A list of blocks; what is large gets a block of its own.
 */
#include <meshkern/arena.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BLOCK 8192u /* a file's tree takes a handful */

struct mk_arena_block {
	struct mk_arena_block *next;
	_Alignas(max_align_t) char data[];
};

static char *
arena_block(mk_arena *a, size_t size)
{
	struct mk_arena_block *b = NULL;

	if (size <= SIZE_MAX - sizeof(*b))
		b = calloc(1, sizeof(*b) + size);
	if (b == NULL)
		return NULL;
	b->next = a->blocks;
	a->blocks = b;
	return b->data;
}

void *
mk_arena_alloc(mk_arena *a, size_t size)
{
	const size_t align = _Alignof(max_align_t);
	char *data;

	if (size > SIZE_MAX - align)
		return NULL;
	size = size == 0 ? align : (size + align - 1) / align * align;
	if (size > ARENA_BLOCK / 4)
		return arena_block(a, size);
	if (size > a->left) {
		data = arena_block(a, ARENA_BLOCK);
		if (data == NULL)
			return NULL;
		a->next = data;
		a->left = ARENA_BLOCK;
	}
	data = a->next;
	a->next += size;
	a->left -= size;
	return data;
}

void *
mk_arena_array(mk_arena *a, size_t count, size_t size)
{
	return size != 0 && count > SIZE_MAX / size ? NULL : mk_arena_alloc(a, count * size);
}

char *
mk_arena_dup(mk_arena *a, const char *text, size_t len)
{
	char *copy = len == SIZE_MAX ? NULL : mk_arena_alloc(a, len + 1);

	if (copy != NULL && len > 0)
		memcpy(copy, text, len);
	return copy;
}

char *
mk_arena_vprintf(mk_arena *a, const char *format, va_list ap)
{
	char *text = NULL;
	va_list again;
	int len;

	va_copy(again, ap);
	len = vsnprintf(NULL, 0, format, ap);
	if (len >= 0)
		text = mk_arena_alloc(a, (size_t)len + 1);
	if (text != NULL)
		(void)vsnprintf(text, (size_t)len + 1, format, again);
	va_end(again);
	return text;
}

char *
mk_arena_printf(mk_arena *a, const char *format, ...)
{
	char *text;
	va_list ap;

	va_start(ap, format);
	text = mk_arena_vprintf(a, format, ap);
	va_end(ap);
	return text;
}

char *
mk_arena_path(mk_arena *a, const char *folder, const char *path)
{
	char *full = mk_arena_printf(a, "%s/%s", path[0] == '/' ? "" : folder, path);
	char *to = full;

	for (const char *from = full; from != NULL && *from != '\0';) {
		size_t len = strcspn(from, "/");
		bool is_dot = len == 0 || (len == 1 && from[0] == '.');

		if (!is_dot) {
			*to++ = '/';
			memmove(to, from, len);
			to += len;
		}
		from += len + (from[len] == '/');
	}
	if (full == NULL)
		return NULL;
	if (to == full)
		*to++ = '/';
	*to = '\0';
	return full;
}

void
mk_arena_fini(mk_arena *a)
{
	struct mk_arena_block *b = a->blocks;

	while (b != NULL) {
		struct mk_arena_block *next = b->next;

		free(b);
		b = next;
	}
	*a = (mk_arena){ 0 };
}
