/* SPDX-License-Identifier: MIT
 *
 * What differs between two sets of values, in the order of the table.
 */
#include <stdlib.h>
#include <string.h>

#include "options_impl.h"

struct diff {
	const mk_values *a;
	const mk_values *b;
	void (*each)(void *arg, const char *path, const char *old_text, const char *new_text,
		     bool is_live);
	void *arg;
	uint32_t count;
	bool live;
};

/* Lists and groups as on one line of YAML, secrets as "***". */
static void
diff_print(FILE *out, const mk_values *v, const struct opt_value *value)
{
	uint32_t end = value->end;
	bool is_group = value->type == MK_OPT_GROUP;

	if (value->text != NULL) {
		fputs((value->flags & MK_OPT_SECRET) != 0 ? "***" : value->text, out);
		return;
	}
	fputs(is_group ? "{" : "[", out);
	for (uint32_t i = (uint32_t)(value - v->list) + 1; i < end; i = v->list[i].end) {
		if (is_group)
			fprintf(out, "%s: ", v->list[i].name);
		diff_print(out, v, &v->list[i]);
		if (v->list[i].end < end)
			fputs(", ", out);
	}
	fputs(is_group ? "}" : "]", out);
}

/* [owned] NULL: no memory. */
static char *
diff_text(const mk_values *v, const struct opt_value *value)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		return NULL;
	diff_print(out, v, value);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

static void
diff_report(struct diff *d, const char *path, const struct opt_value *a, const struct opt_value *b)
{
	bool is_live = ((a != NULL ? a : b)->flags & MK_OPT_LIVE) != 0;
	char *old_text;
	char *new_text;

	d->count++;
	d->live = d->live && is_live;
	if (d->each == NULL)
		return;
	old_text = a != NULL ? diff_text(d->a, a) : NULL;
	new_text = b != NULL ? diff_text(d->b, b) : NULL;
	d->each(d->arg, path, a != NULL && old_text == NULL ? "?" : old_text,
		b != NULL && new_text == NULL ? "?" : new_text, is_live);
	free(old_text);
	free(new_text);
}

/* Two values of one scalar or list of strings. */
static bool
diff_is_same(const struct diff *d, const struct opt_value *a, const struct opt_value *b)
{
	if (a->type != b->type || a->count != b->count)
		return false;
	if (a->text != NULL || b->text != NULL)
		return a->text != NULL && b->text != NULL && strcmp(a->text, b->text) == 0;
	for (uint32_t i = 1; i <= a->count; i++) {
		const struct opt_value *x = &d->a->list[a - d->a->list + i];
		const struct opt_value *y = &d->b->list[b - d->b->list + i];

		if (strcmp(x->text, y->text) != 0)
			return false;
	}
	return true;
}

static void diff_table(struct diff *d, const mk_option *table, const char *prefix, uint32_t depth);

static void
diff_groups(struct diff *d, const mk_option *o, const char *path, uint32_t depth)
{
	uint32_t count_a = mk_values_count(d->a, path);
	uint32_t count_b = mk_values_count(d->b, path);
	char entry[OPT_PATH_MAX + 16];

	for (uint32_t i = 0; i < count_a || i < count_b; i++) {
		const struct opt_value *a;
		const struct opt_value *b;

		(void)snprintf(entry, sizeof(entry), "%s[%u]", path, i);
		a = opt_values_find(d->a, entry);
		b = opt_values_find(d->b, entry);
		if (a != NULL && b != NULL)
			diff_table(d, o->sub, entry, depth + 1);
		else if (a != NULL || b != NULL)
			diff_report(d, entry, a, b);
	}
}

static void
diff_table(struct diff *d, const mk_option *table, const char *prefix, uint32_t depth)
{
	char path[OPT_PATH_MAX];

	if (depth > OPT_DEPTH_MAX)
		return;
	for (const mk_option *o = table; o != NULL && o->name != NULL; o++) {
		const struct opt_value *a;
		const struct opt_value *b;

		(void)snprintf(path, sizeof(path), "%s%s%s", prefix, prefix[0] != '\0' ? "." : "",
			       o->name);
		a = opt_values_find(d->a, path);
		b = opt_values_find(d->b, path);
		if (o->type == MK_OPT_GROUP)
			diff_table(d, o->sub, path, depth + 1);
		else if (o->type == MK_OPT_GROUPS)
			diff_groups(d, o, path, depth);
		else if ((a != NULL) != (b != NULL) || (a != NULL && !diff_is_same(d, a, b)))
			diff_report(d, path, a, b);
	}
}

uint32_t
mk_values_diff(const mk_option *table, const mk_values *a, const mk_values *b, bool *live,
	       void (*each)(void *arg, const char *path, const char *old_text, const char *new_text,
			    bool is_live),
	       void *arg)
{
	struct diff d = { .a = a, .b = b, .each = each, .arg = arg, .live = true };

	diff_table(&d, table, "", 0);
	if (live != NULL && !d.live)
		*live = false;
	return d.count;
}
