/* SPDX-License-Identifier: MIT
 *
 * Harmless strings, readable numbers, tables. See text.h.
 */
/* wcwidth() is in the X/Open part of POSIX. */
#define _XOPEN_SOURCE 700

#include "text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>
#include <wctype.h>

#include "cli.h"

/* ------------------------------------------------------------- strings -- */

/* The next character of `s` as it may be shown. Returns the bytes of `s` it took. */
static size_t
text_step(const char *s, size_t len, char shown[16], uint32_t *width)
{
	mbstate_t state = { 0 };
	wchar_t wc = 0;
	size_t taken = mbrtowc(&wc, s, len, &state);
	int columns = -1;

	if (taken == 0 || taken > len)
		taken = 1; /* a NUL, or not a character in this locale */
	else if (iswprint((wint_t)wc))
		columns = wcwidth(wc);
	if (columns > 0) {
		memcpy(shown, s, taken);
		shown[taken] = '\0';
		*width = (uint32_t)columns;
		return taken;
	}
	if (taken == 1)
		*width = (uint32_t)snprintf(shown, 16, "\\x%02x", (unsigned)(uint8_t)s[0]);
	else
		*width = (uint32_t)snprintf(shown, 16, "\\u{%x}", (unsigned)wc);
	return taken;
}

/* Appends what fits into `columns`; returns how much of `s` that was. */
static size_t
text_append(char *out, const char *s, size_t len, uint32_t columns, uint32_t *width)
{
	size_t at = 0, used = 0;

	*width = 0;
	while (at < len) {
		char shown[16];
		uint32_t w;
		size_t taken = text_step(s + at, len - at, shown, &w);
		size_t n = strlen(shown);

		if (columns - *width < w)
			break;
		memcpy(out + used, shown, n);
		used += n;
		*width += w;
		at += taken;
	}
	out[used] = '\0';
	return at;
}

char *
text_clean(const char *s, size_t len, uint32_t columns, uint32_t *width)
{
	/* The longest form of a byte is \xNN; of a multi-byte character it is shorter per byte.
	 * One more character is for the ellipsis. */
	char *out = cli_alloc(NULL, 4 * len + 5);
	uint32_t w;

	if (text_append(out, s, len, columns == 0 ? UINT32_MAX : columns, &w) < len) {
		(void)text_append(out, s, len, columns - 1, &w);
		memcpy(out + strlen(out), MB_CUR_MAX > 1 ? "…" : "~", MB_CUR_MAX > 1 ? 4 : 2);
		w++;
	}
	if (width != NULL)
		*width = w;
	return out;
}

void
text_lines(FILE *out, const char *indent, const char *text)
{
	while (*text != '\0') {
		size_t len = strcspn(text, "\n");
		char *clean = text_clean(text, len, 0, NULL);

		fprintf(out, "%s%s\n", len == 0 ? "" : indent, clean);
		free(clean);
		text += len + (text[len] == '\n');
	}
}

/* ------------------------------------------------------------- numbers -- */

struct text
text_size(uint64_t bytes)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes / 1024;
	struct text t;
	size_t unit = 0;

	if (bytes < 1024) {
		snprintf(t.s, sizeof(t.s), "%" PRIu64 " B", bytes);
		return t;
	}
	for (; value >= 1023.95 && unit < 5; unit++)
		value /= 1024;
	snprintf(t.s, sizeof(t.s), "%.1f %s", value, units[unit]);
	return t;
}

struct text
text_duration(uint64_t us)
{
	uint64_t s = us / 1000000;
	struct text t;

	if (us < 1000)
		snprintf(t.s, sizeof(t.s), "%" PRIu64 "us", us);
	else if (us < 1000000)
		snprintf(t.s, sizeof(t.s), "%.4gms", (double)(us / 100) / 10);
	else if (s < 60)
		snprintf(t.s, sizeof(t.s), "%.4gs", (double)(us / 10000) / 100);
	else if (s < 3600)
		snprintf(t.s, sizeof(t.s), "%" PRIu64 "m %" PRIu64 "s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(t.s, sizeof(t.s), "%" PRIu64 "h %" PRIu64 "m", s / 3600, s / 60 % 60);
	else
		snprintf(t.s, sizeof(t.s), "%" PRIu64 "d %" PRIu64 "h", s / 86400, s / 3600 % 24);
	return t;
}

struct text
text_count(uint64_t n)
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, n);
	struct text t;
	size_t used = 0;

	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			t.s[used++] = ',';
		t.s[used++] = digits[i];
	}
	t.s[used] = '\0';
	return t;
}

struct text
text_time(uint64_t unix_us)
{
	time_t seconds = (time_t)(unix_us / 1000000);
	struct text t = { "" };
	struct tm tm;
	size_t n;

	/* Years beyond 9999 have no such form; a hostile daemon may send them. */
	if (unix_us / 1000000 > 253402300799u || gmtime_r(&seconds, &tm) == NULL) {
		snprintf(t.s, sizeof(t.s), "%" PRIu64, unix_us);
		return t;
	}
	n = strftime(t.s, sizeof(t.s), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(t.s + n, sizeof(t.s) - n, ".%06" PRIu64 "Z", unix_us % 1000000);
	return t;
}

/* -------------------------------------------------------------- tables -- */

void
table_init(struct table *t, const char *const *heads, uint32_t columns)
{
	*t = (struct table){ .heads = heads, .columns = columns };
}

void
table_add(struct table *t, enum tone tone, const char *s, size_t len)
{
	struct cell *cell;

	if (t->count == t->cap) {
		t->cap = t->cap == 0 ? 64 : 2 * t->cap;
		t->cells = cli_alloc(t->cells, t->cap * sizeof(*t->cells));
	}
	cell = &t->cells[t->count++];
	cell->tone = tone;
	cell->text = text_clean(s, len, 0, &cell->width);
}

/* How wide each column is, after the shortenable ones gave way to the terminal. */
static void
table_measure(const struct table *t, uint32_t width, uint32_t *w)
{
	uint32_t total = 2 * (t->columns - 1);

	for (uint32_t c = 0; c < t->columns; c++) {
		w[c] = (uint32_t)strlen(t->heads[c]);
		if (t->heads[c][0] == '>' || t->heads[c][0] == '~')
			w[c]--;
		for (uint32_t i = c; i < t->count; i += t->columns)
			if (t->cells[i].width > w[c])
				w[c] = t->cells[i].width;
		total += w[c];
	}
	while (width != 0 && total > width) {
		uint32_t widest = t->columns;

		for (uint32_t c = 0; c < t->columns; c++)
			if (t->heads[c][0] == '~' && w[c] > 10 &&
			    (widest == t->columns || w[c] > w[widest]))
				widest = c;
		if (widest == t->columns)
			break; /* the ends of the lines are cut instead */
		w[widest]--;
		total--;
	}
}

static void
table_cell_print(const struct cell *cell, uint32_t column, bool right, bool last, FILE *out,
		 bool colour)
{
	static const char *const codes[] = { "", "\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[2m" };
	uint32_t width;
	char *s = text_clean(cell->text, strlen(cell->text), column, &width);
	int pad = (int)(column - width);
	bool coloured = colour && cell->tone != TONE_PLAIN;

	fprintf(out, "%*s%s%s%s%*s", right ? pad : 0, "", coloured ? codes[cell->tone] : "", s,
		coloured ? "\x1b[0m" : "", right || last ? 0 : pad, "");
	free(s);
}

static void
table_row_print(const struct table *t, const struct cell *row, const uint32_t *w, FILE *out,
		uint32_t width, bool colour)
{
	uint32_t left = width == 0 ? UINT32_MAX : width;

	for (uint32_t c = 0; c < t->columns && left > 0; c++) {
		uint32_t column = w[c] < left ? w[c] : left;
		bool last = c + 1 == t->columns || left - column <= 2;

		if (column > 0)
			table_cell_print(&row[c], column, t->heads[c][0] == '>', last, out, colour);
		fputs(last ? "" : "  ", out);
		left = last ? 0 : left - column - 2;
	}
	fputc('\n', out);
}

void
table_print(struct table *t, FILE *out, uint32_t width, bool colour)
{
	uint32_t w[TABLE_COLUMNS_MAX];
	struct cell heads[TABLE_COLUMNS_MAX];

	table_measure(t, width, w);
	for (uint32_t c = 0; c < t->columns; c++) {
		const char *s = t->heads[c] + (t->heads[c][0] == '>' || t->heads[c][0] == '~');

		heads[c].text = text_clean(s, strlen(s), 0, &heads[c].width);
		heads[c].tone = TONE_DIM;
	}
	if (t->heads[0][0] != '\0' && t->count > 0)
		table_row_print(t, heads, w, out, width, colour);
	for (uint32_t i = 0; i + t->columns <= t->count; i += t->columns)
		table_row_print(t, &t->cells[i], w, out, width, colour);
	for (uint32_t c = 0; c < t->columns; c++)
		free(heads[c].text);
	for (uint32_t i = 0; i < t->count; i++)
		free(t->cells[i].text);
	free(t->cells);
	*t = (struct table){ 0 };
}
