/* SPDX-License-Identifier: MIT
 *
 * Configurations for the checks: the one given with --config, with one option
 * set to something else.
 */
#define _GNU_SOURCE
#include "conform.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <meshkern/options.h>

#define PATH_SIZE 256

/* -------------------------------------------------------------- values --- */

/* The range as options.c reads it: 0..0 is none. */
static int64_t
config_min(const mk_option *o)
{
	bool unsigned_kind = o->type != MK_OPT_INT && o->type != MK_OPT_FLOAT;

	if (o->min != 0 || o->max != 0 || unsigned_kind)
		return o->min;
	return o->type == MK_OPT_INT ? INT64_MIN : -1000000000;
}

static int64_t
config_max(const mk_option *o)
{
	if (o->max != 0 || o->min < 0)
		return o->max;
	switch (o->type) {
	case MK_OPT_INT:
		return INT64_MAX;
	case MK_OPT_DURATION:
		return INT64_C(3153600000000000); /* a hundred years */
	case MK_OPT_SIZE:
		return INT64_C(1) << 40;
	case MK_OPT_STRING:
		return 4096;
	case MK_OPT_LIST:
		return 1024;
	default:
		return 1000000000;
	}
}

static char *
config_print(const char *format, int64_t value)
{
	char *text = NULL;

	/* The formats are those of config_number. */
	if (strcmp(format, "us") == 0)
		value = asprintf(&text, "%" PRId64 "us", value);
	else if (strcmp(format, "B") == 0)
		value = asprintf(&text, "%" PRId64 "B", value);
	else
		value = asprintf(&text, "%" PRId64, value);
	if (value < 0)
		abort();
	return text;
}

/* `count` times `unit`, between two brackets or quotes. */
static char *
config_repeat(int64_t count, const char *unit, const char *ends)
{
	size_t len = strlen(unit);
	char *text = malloc((size_t)count * len + 3);
	char *at = text;

	if (text == NULL)
		abort();
	*at++ = ends[0];
	for (int64_t i = 0; i < count; i++, at += len)
		memcpy(at, unit, len);
	*at++ = ends[1];
	*at = '\0';
	return text;
}

static char *
config_amount(const mk_option *o, int64_t amount)
{
	char entry[128] = "a, ";

	switch (o->type) {
	case MK_OPT_STRING:
		return config_repeat(amount, "a", "\"\"");
	case MK_OPT_LIST:
		if (o->choices != NULL)
			snprintf(entry, sizeof(entry), "\"%s\", ", o->choices[0]);
		return config_repeat(amount, entry, "[]");
	case MK_OPT_DURATION:
		return config_print("us", amount);
	case MK_OPT_SIZE:
		return config_print("B", amount);
	default:
		return config_print("", amount);
	}
}

static char *
config_word(const mk_option *o, uint32_t i, bool bad)
{
	uint32_t count = 0;
	char *text = NULL;

	if (bad)
		return i == 0 ? strdup("conform-has-no-such") : NULL;
	if (o->type == MK_OPT_BOOL)
		return i < 2 ? strdup(i == 0 ? "false" : "true") : NULL;
	while (o->choices[count] != NULL)
		count++;
	if (i < count && asprintf(&text, "\"%s\"", o->choices[i]) < 0)
		abort();
	return text;
}

char *
config_value(const mk_option *o, uint32_t i, bool bad)
{
	int64_t min = config_min(o);
	int64_t max = config_max(o);
	bool has_max =
	    o->max != 0 || o->min < 0 || o->type == MK_OPT_STRING || o->type == MK_OPT_LIST;

	if (o->type == MK_OPT_BOOL || o->type == MK_OPT_ENUM)
		return config_word(o, i, bad);
	if (!bad)
		return i == 0 ? config_amount(o, min) : i == 1 ? config_amount(o, max) : NULL;
	/* A length cannot be negative, and what has no limit has nothing over it. */
	if (i == 0 && has_max && max < INT64_MAX)
		return config_amount(o, max + 1);
	if (i == (has_max && max < INT64_MAX) && min > INT64_MIN && (o->min != 0 || o->max != 0) &&
	    (min > 0 || (o->type != MK_OPT_STRING && o->type != MK_OPT_LIST)))
		return config_amount(o, min - 1);
	return NULL;
}

/* ------------------------------------------------------- configurations -- */

static void
config_quote(FILE *out, const char *text)
{
	putc('"', out);
	for (; *text != '\0'; text++) {
		unsigned char byte = (unsigned char)*text;

		if (byte == '"' || byte == '\\')
			fprintf(out, "\\%c", byte);
		else if (byte < 0x20 || byte == 0x7f)
			fprintf(out, "\\x%02x", byte);
		else
			putc(byte, out);
	}
	putc('"', out);
}

static void
config_scalar(FILE *out, const mk_node *n)
{
	/* A plain text stays one, for it may be a number. With these bytes in
	 * it, it is none, and would mean something else between brackets. */
	if (n->plain && n->text[0] != '\0' && strpbrk(n->text, ",[]{}#:\"'") == NULL)
		fputs(n->text, out);
	else if (n->plain && n->text[0] == '\0')
		fputs("null", out);
	else
		config_quote(out, n->text);
}

/* `path` is what is left of the option's path below this node; "" = nothing
 * to be changed here. A list that the path goes through is left as it is. */
static void
config_emit(FILE *out, const mk_node *n, const char *path, const char *value)
{
	size_t head = strcspn(path, ".");
	const char *rest = path[head] == '.' ? path + head + 1 : "";
	bool done = head == 0;

	if (n != NULL && n->kind == MK_NODE_SCALAR) {
		config_scalar(out, n);
		return;
	}
	putc(n != NULL && n->kind == MK_NODE_LIST ? '[' : '{', out);
	for (uint32_t i = 0; n != NULL && i < n->count; i++) {
		bool mine = false;

		if (n->kind == MK_NODE_MAP) {
			const char *key = n->keys[i]->text;

			mine = !done && strlen(key) == head && memcmp(key, path, head) == 0;
			config_quote(out, key);
			fputs(": ", out);
		}
		if (mine && rest[0] == '\0')
			fputs(value, out);
		else
			config_emit(out, n->items[i], mine ? rest : "", value);
		done |= mine;
		fputs(", ", out);
	}
	if (!done && (n == NULL || n->kind == MK_NODE_MAP)) {
		fprintf(out, "\"%.*s\": ", (int)head, path);
		if (rest[0] == '\0')
			fputs(value, out);
		else
			config_emit(out, NULL, rest, value);
	}
	putc(n != NULL && n->kind == MK_NODE_LIST ? ']' : '}', out);
}

char *
config_with(struct conform *c, const char *path, const char *value)
{
	mk_problems *problems = mk_problems_new("config");
	mk_yaml *yaml = NULL;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (problems == NULL || out == NULL)
		abort();
	if (c->config != NULL)
		yaml = mk_yaml_load(c->config, strlen(c->config), problems);
	config_emit(out, yaml != NULL ? mk_yaml_root(yaml) : NULL, path, value);
	fclose(out);
	mk_yaml_free(yaml);
	mk_problems_free(problems);
	return text;
}

static enum verdict
config_walk(struct conform *c, const mk_option *table, const char *where,
	    enum verdict (*each)(struct conform *c, const mk_option *o, const char *path))
{
	enum verdict v = PASS;
	char path[PATH_SIZE];

	for (const mk_option *o = table; o != NULL && o->name != NULL && v == PASS; o++) {
		snprintf(path, sizeof(path), "%s%s%s", where, where[0] != '\0' ? "." : "", o->name);
		if (o->type == MK_OPT_GROUP)
			v = config_walk(c, o->sub, path, each);
		else if (o->type != MK_OPT_GROUPS)
			v = each(c, o, path);
	}
	return v;
}

enum verdict
config_each(struct conform *c,
	    enum verdict (*each)(struct conform *c, const mk_option *o, const char *path))
{
	return config_walk(c, c->manifest->options, "", each);
}
