/* SPDX-License-Identifier: MIT
 *
 * The reference page and the commented sample of an option table.
 */
#include <stdlib.h>
#include <string.h>

#include "options_impl.h"

/* "A duration, 100ms to 1h": what may be given. */
static void
doc_type(const mk_option *o, FILE *out)
{
	static const char *const words[] = {
		[MK_OPT_BOOL] = "true or false", [MK_OPT_INT] = "whole number",
		[MK_OPT_FLOAT] = "number",       [MK_OPT_STRING] = "string",
		[MK_OPT_ENUM] = "one of ",       [MK_OPT_DURATION] = "duration",
		[MK_OPT_SIZE] = "size",          [MK_OPT_LIST] = "list of ",
		[MK_OPT_GROUP] = "map",          [MK_OPT_GROUPS] = "list of maps",
	};
	uint32_t unit = opt_is_list(o) || o->type == MK_OPT_STRING ? MK_OPT_INT : o->type;
	char min[40];
	char max[40];

	fputs(o->type >= MK_OPT_TREE ? "map" : words[o->type], out);
	for (size_t i = 0; o->choices != NULL && o->choices[i] != NULL; i++)
		fprintf(out, "%s%s", i > 0 ? ", " : "", o->choices[i]);
	if (o->type == MK_OPT_LIST && o->choices == NULL)
		fputs("strings", out);
	opt_format(unit, o->min, min, sizeof(min));
	opt_format(unit, o->max, max, sizeof(max));
	if (o->type == MK_OPT_STRING && (o->min > 1 || o->max > 0))
		fprintf(out, ", %s to %s bytes", min, o->max > 0 ? max : "4096");
	else if (opt_is_list(o) && (o->min > 0 || o->max > 0))
		fprintf(out, ", %s to %s entries", min, o->max > 0 ? max : "1024");
	else if (o->type == MK_OPT_STRING || opt_is_list(o) || o->type >= MK_OPT_TREE)
		return;
	else if (opt_has_max(o))
		fprintf(out, ", %s to %s", min, max);
	else if (opt_has_min(o))
		fprintf(out, ", at least %s", min);
}

static const char *
doc_help(const mk_option *o)
{
	return o->help != NULL ? o->help : "";
}

/* One line; in a table's cell a '|' would end it. */
static void
doc_text(const char *text, bool is_cell, FILE *out)
{
	for (; *text != '\0'; text++) {
		if (*text == '|' && is_cell)
			fputc('\\', out);
		fputc(*text == '\n' ? ' ' : *text, out);
	}
}

static void
doc_row(const mk_option *o, const char *path, FILE *out)
{
	fprintf(out, "| `%s` | ", path);
	doc_type(o, out);
	fputs(" | ", out);
	if (o->dflt != NULL) {
		fputc('`', out);
		doc_text(o->dflt, true, out);
		fputc('`', out);
	} else if ((o->flags & MK_OPT_REQUIRED) != 0) {
		fputs("required", out);
	}
	fputs(" | ", out);
	doc_text(doc_help(o), true, out);
	if ((o->flags & MK_OPT_MAIN) != 0)
		fputs(" (may stand alone instead of the map)", out);
	if ((o->flags & MK_OPT_LIVE) != 0)
		fputs(" (changes without restart)", out);
	if ((o->flags & MK_OPT_SECRET) != 0)
		fputs(" (secret)", out);
	fputs(" |\n", out);
}

/* False if it is too long, which the path of a valid option never is. */
static bool
doc_path(char path[OPT_PATH_MAX], const char *prefix, const mk_option *o, const char *end)
{
	int len = snprintf(path, OPT_PATH_MAX, "%s%s%s%s", prefix, o->name,
			   o->type == MK_OPT_GROUPS ? "[]" : "", end);

	return len >= 0 && (uint32_t)len < OPT_PATH_MAX;
}

static void
doc_rows(const mk_option *table, const char *prefix, uint32_t depth, FILE *out)
{
	char path[OPT_PATH_MAX];

	if (depth > OPT_DEPTH_MAX)
		return;
	for (const mk_option *o = table; o != NULL && o->name != NULL; o++) {
		if (doc_path(path, prefix, o, ""))
			doc_row(o, path, out);
		if (o->type != MK_OPT_MAP && doc_path(path, prefix, o, "."))
			doc_rows(o->sub, path, depth + 1, out); /* a map has a table of its own */
	}
}

void
mk_options_markdown(const mk_option *table, FILE *out)
{
	if (table == NULL || table->name == NULL)
		return;
	fputs("| option | type | default | meaning |\n|---|---|---|---|\n", out);
	doc_rows(table, "", 0, out);
}

/* -------------------------------------------------------------- sample --- */

/* Something of the right form for what has no default. */
static void
sample_value(const mk_option *o, FILE *out)
{
	int64_t number = o->min > 0 ? o->min : 0;
	char text[40];

	switch (o->type) {
	case MK_OPT_BOOL:
		fputs("false", out);
		break;
	case MK_OPT_STRING:
		fputs("\"...\"", out);
		break;
	case MK_OPT_ENUM:
		fputs(o->choices[0], out);
		break;
	case MK_OPT_LIST:
		fprintf(out, o->min > 0 ? "[ %s ]" : "[]", o->choices ? o->choices[0] : "\"...\"");
		break;
	default:
		if (opt_has_max(o) && number > o->max)
			number = o->max; /* a range of negative numbers */
		opt_format(o->type, number, text, sizeof(text));
		fputs(text, out);
	}
}

/* Comments explain. What may be left out is commented out, so that the sample
 * as it stands means the defaults; without its '#' a line is indented right. */
static void
sample_table(const mk_option *table, uint32_t indent, bool is_off, bool is_entry, FILE *out)
{
	if (indent > 32 + 4 * OPT_DEPTH_MAX)
		return;
	for (const mk_option *o = table; o != NULL && o->name != NULL; o++) {
		bool is_group = o->sub != NULL || o->type == MK_OPT_TREE;
		bool is_required = (o->flags & MK_OPT_REQUIRED) != 0;
		bool first = is_entry && o == table; /* carries the "- " of its entry */
		bool off = is_off || (!is_required && !first);

		fprintf(out, "%*s# ", (int)indent, "");
		doc_text(doc_help(o), false, out);
		fputs(" (", out);
		doc_type(o, out);
		fprintf(out, "%s)\n%*s%s%s%s:", is_required ? ", required" : "",
			(int)(first ? indent - 2 : indent), "", off ? "#" : "", first ? "- " : "",
			o->name);
		if (is_group) {
			bool is_list = o->type == MK_OPT_GROUPS;

			fputc('\n', out);
			if (o->type == MK_OPT_MAP)
				fprintf(out, "%*s#NAME:\n", (int)indent + 2, "");
			sample_table(o->sub, indent + (o->type == MK_OPT_GROUP ? 2 : 4), off,
				     is_list, out);
			continue;
		}
		fputc(' ', out);
		if (o->dflt != NULL)
			doc_text(o->dflt, false, out);
		else
			sample_value(o, out);
		fputc('\n', out);
	}
}

void
mk_options_sample(const mk_option *table, uint32_t indent, FILE *out)
{
	sample_table(table, indent < 32 ? indent : 32, false, false, out);
}
