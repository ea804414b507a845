/* SPDX-License-Identifier: MIT
 *
 * The list of what is wrong with a file. Its lines go to terminals and logs,
 * so nothing from the file gets there as a control byte.
 */
#include <meshkern/options.h>

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <meshkern/codec.h>

#include "options_impl.h"

#define PROBLEMS_KEPT 100u
#define PROBLEMS_WARNINGS 50u /* warnings leave room for the problems */
#define PROBLEMS_TEXT 1000u   /* bytes; what is longer is cut with "..." */

struct mk_problems {
	char *file;
	uint32_t problems;
	uint32_t kept;
	bool exposed;
	char *lines[PROBLEMS_KEPT];
};

mk_problems *
mk_problems_new(const char *file)
{
	mk_problems *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->file = strdup(file);
	if (p->file == NULL) {
		free(p);
		return NULL;
	}
	return p;
}

void
mk_problems_free(mk_problems *p)
{
	if (p == NULL)
		return;
	for (uint32_t i = 0; i < p->kept; i++)
		free(p->lines[i]);
	free(p->file);
	free(p);
}

/* Cut with "..." at the end of a UTF-8 character. */
static void
problems_cut(char *text, size_t cap)
{
	size_t end = cap - 4;

	while (end > 0 && ((unsigned char)text[end] & 0xc0u) == 0x80u)
		end--;
	memcpy(text + end, "...", 4);
}

/* Append `text` with control bytes, and what is not UTF-8, as \xNN. `to` has room for four times it. */
static void
problems_escape(char *to, const char *text)
{
	static const char hex[] = "0123456789abcdef";
	bool utf8 = mk_utf8_valid(text, strlen(text));

	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c >= 0x20 && c != 0x7f && (c < 0x80 || utf8)) {
			*to++ = *text;
			continue;
		}
		*to++ = '\\';
		*to++ = 'x';
		*to++ = hex[c >> 4];
		*to++ = hex[c & 0xf];
	}
	*to = '\0';
}

__attribute__((format(printf, 5, 0))) static void
problems_keep(mk_problems *p, uint32_t line, uint32_t column, const char *kind, const char *format,
	      va_list ap)
{
	char text[PROBLEMS_TEXT];
	char place[64] = "";
	size_t head;
	char *kept;
	int n = vsnprintf(text, sizeof(text), format, ap);

	if (n < 0)
		text[0] = '\0';
	else if ((size_t)n >= sizeof(text))
		problems_cut(text, sizeof(text));
	if (line > 0)
		(void)snprintf(place, sizeof(place), ":%u:%u", line, column);
	head = strlen(p->file) + strlen(place) + 2 + strlen(kind);
	kept = malloc(head + 4 * strlen(text) + 1);
	if (kept == NULL)
		return;
	(void)snprintf(kept, head + 1, "%s%s: %s", p->file, place, kind);
	problems_escape(kept + head, text);
	p->lines[p->kept++] = kept;
}

void
mk_problems_add(mk_problems *p, uint32_t line, uint32_t column, const char *format, ...)
{
	va_list ap;

	if (p->problems < UINT32_MAX)
		p->problems++;
	if (p->kept == PROBLEMS_KEPT)
		return;
	va_start(ap, format);
	problems_keep(p, line, column, "", format, ap);
	va_end(ap);
}

void
mk_problems_warn(mk_problems *p, uint32_t line, uint32_t column, const char *format, ...)
{
	va_list ap;

	if (p->kept >= PROBLEMS_WARNINGS)
		return;
	va_start(ap, format);
	problems_keep(p, line, column, "warning: ", format, ap);
	va_end(ap);
}

uint32_t
mk_problems_count(const mk_problems *p)
{
	return p->problems;
}

uint32_t
mk_problems_lines(const mk_problems *p)
{
	return p->kept;
}

const char *
mk_problems_line(const mk_problems *p, uint32_t i)
{
	return i < p->kept ? p->lines[i] : "";
}

void
mk_problems_set_exposed(mk_problems *p)
{
	p->exposed = true;
}

bool
opt_take_exposed(mk_problems *p)
{
	bool exposed = p->exposed;

	p->exposed = false;
	return exposed;
}

void
mk_problems_print(const mk_problems *p, FILE *out)
{
	uint32_t count = mk_problems_count(p), lines = mk_problems_lines(p);

	for (uint32_t i = 0; i < lines; i++)
		fprintf(out, "%s\n", mk_problems_line(p, i));
	if (count > lines)
		fprintf(out, "... and %u more\n", count - lines);
}
