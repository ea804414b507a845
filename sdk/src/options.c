/* SPDX-License-Identifier: MIT
 *
 * A tree checked against an option table. Reading goes on after a problem, so
 * that one run finds them all.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <meshkern/manifest.h>

#include "options_impl.h"

struct reader {
	mk_values *values;
	mk_problems *problems;
	const char *where;
	char path[OPT_PATH_MAX];
	size_t path_len;
	uint32_t depth;
	uint32_t inherited; /* flags of the groups around */
	bool in_default;    /* a default has no position in the file */
	bool in_absent;     /* inside of a group that is not there */
	bool failed;        /* no memory, or too many values */
};

static const mk_option list_entry = { .name = "", .type = MK_OPT_STRING };

static void read_option(struct reader *r, const mk_option *o, const mk_node *node);

__attribute__((format(printf, 3, 4))) static void
read_problem(struct reader *r, const mk_node *node, const char *format, ...)
{
	bool placed = node != NULL && !r->in_default;
	const char *dot = r->where[0] != '\0' && r->path[0] != '\0' ? "." : "";
	const char *colon = r->where[0] != '\0' || r->path[0] != '\0' ? ": " : "";
	char text[2 * OPT_WORDS + 256];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	mk_problems_add(r->problems, placed ? node->line : 0, placed ? node->column : 0,
			"%s%s%s%s%s%s", r->where, dot, r->path, colon,
			r->in_default ? "its default: " : "", text);
}

static void
read_failed(struct reader *r, const char *why)
{
	if (!r->failed)
		mk_problems_add(r->problems, 0, 0, "%s", why);
	r->failed = true;
}

/* ----------------------------------------------------------- nearest name -- */

#define NEAR_MAX 40u
#define NEAR_TRIES 100u /* later problems are only counted */

static char
near_fold(char c)
{
	if (c == '-')
		return '_';
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static uint32_t
near_min(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* Edit distance with transposed neighbours as one edit. */
static uint32_t
near_distance(const char *a, const char *b)
{
	uint32_t rows[3][NEAR_MAX + 1];
	size_t la = strlen(a);
	size_t lb = strlen(b);

	if (la > NEAR_MAX || lb > NEAR_MAX)
		return UINT32_MAX;
	for (uint32_t j = 0; j <= lb; j++)
		rows[0][j] = j;
	for (uint32_t i = 1; i <= la; i++) {
		uint32_t *row = rows[i % 3];
		const uint32_t *up = rows[(i + 2) % 3];
		const uint32_t *up2 = rows[(i + 1) % 3];

		row[0] = i;
		for (uint32_t j = 1; j <= lb; j++) {
			char x = near_fold(a[i - 1]);
			char y = near_fold(b[j - 1]);

			row[j] = near_min(up[j - 1] + (x != y), near_min(up[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && x == near_fold(b[j - 2]) && near_fold(a[i - 2]) == y)
				row[j] = near_min(row[j], up2[j - 2] + 1);
		}
	}
	return rows[la % 3][lb];
}

static const char *
near_name(const mk_option *table, const char *key)
{
	const char *best = NULL;
	uint32_t best_distance = UINT32_MAX;

	for (const mk_option *o = table; o != NULL && o->name != NULL; o++) {
		uint32_t distance = near_distance(key, o->name);
		uint32_t most = 1 + (uint32_t)strlen(o->name) / 4;
		bool begins = strlen(key) >= 3 && strncmp(key, o->name, strlen(key)) == 0;

		if (begins && distance > most)
			distance = most;
		if (distance <= most && distance < best_distance) {
			best = o->name;
			best_distance = distance;
		}
	}
	return best;
}

static void
read_unknown(struct reader *r, const mk_option *table, const mk_node *key)
{
	bool is_kept = mk_problems_count(r->problems) < NEAR_TRIES;
	const char *best = is_kept ? near_name(table, key->text) : NULL;
	char known[OPT_WORDS] = "";

	if (best != NULL) {
		read_problem(r, key, "unknown option \"%.60s\", did you mean \"%s\"?", key->text,
			     best);
		return;
	}
	for (const mk_option *o = table; o != NULL && o->name != NULL; o++)
		opt_append(known, sizeof(known), o->name);
	read_problem(r, key, "unknown option \"%.60s\"%s%s", key->text,
		     known[0] != '\0' ? "; known here: " : "; there are no options here", known);
}

/* -------------------------------------------------------------- parts ---- */

static const mk_option *
read_find(const mk_option *table, const char *name)
{
	for (const mk_option *o = table; o != NULL && o->name != NULL; o++)
		if (strcmp(o->name, name) == 0)
			return o;
	return NULL;
}

const mk_option *
opt_main(const mk_option *table)
{
	for (const mk_option *o = table; o != NULL && o->name != NULL; o++)
		if ((o->flags & MK_OPT_MAIN) != 0)
			return o;
	return NULL;
}

/* The path with ".name" or "[i]" at its end; returns the length before. */
static size_t
read_push(struct reader *r, const char *name, uint32_t i)
{
	size_t before = r->path_len;
	size_t room = sizeof(r->path) - before;
	int n;

	if (name != NULL)
		n = snprintf(r->path + before, room, "%s%s", before > 0 ? "." : "", name);
	else
		n = snprintf(r->path + before, room, "[%u]", i);
	if (n < 0 || (size_t)n >= room)
		read_failed(r, "a path is too long");
	else
		r->path_len += (size_t)n;
	return before;
}

static void
read_pop(struct reader *r, size_t before)
{
	r->path_len = before;
	r->path[before] = '\0';
}

/* Index of the new value, for lists and groups to close it; UINT32_MAX. */
static uint32_t
read_add(struct reader *r, const mk_option *o, const mk_node *node, const struct opt_scalar *scalar)
{
	const char *dot = strrchr(r->path, '.');
	struct opt_value *value = NULL;

	if (r->values->count == OPT_VALUES_MAX) {
		read_failed(r, "too many values");
		return UINT32_MAX;
	}
	value = opt_values_add(r->values, r->path, dot != NULL ? (size_t)(dot + 1 - r->path) : 0);
	if (value == NULL)
		goto no_memory;
	value->type = o->type;
	value->flags = o->flags | r->inherited;
	value->line = node != NULL && !r->in_default ? node->line : 0;
	value->column = node != NULL && !r->in_default ? node->column : 0;
	if (scalar == NULL)
		return r->values->count - 1;
	value->number = scalar->number;
	value->real = scalar->real;
	value->text = mk_arena_dup(&r->values->arena, scalar->text, strlen(scalar->text));
	if (value->text != NULL)
		return r->values->count - 1;
no_memory:
	read_failed(r, "out of memory");
	return UINT32_MAX;
}

static void
read_close(struct reader *r, uint32_t index, uint32_t count)
{
	if (index == UINT32_MAX)
		return;
	r->values->list[index].count = count;
	r->values->list[index].end = r->values->count;
}

static void
read_mismatch(struct reader *r, const mk_option *o, const mk_node *node)
{
	char expected[OPT_WORDS + 64];

	opt_expected(o, expected, sizeof(expected));
	if (node->kind == MK_NODE_SCALAR && ((o->flags | r->inherited) & MK_OPT_SECRET) == 0)
		read_problem(r, node, "expected %s, found \"%.60s\"", expected, node->text);
	else
		read_problem(r, node, "expected %s, found a %s", expected,
			     node->kind == MK_NODE_SCALAR ? "text"
			     : node->kind == MK_NODE_LIST ? "list"
							  : "map");
}

/* -------------------------------------------------------------- values --- */

static void
read_scalar(struct reader *r, const mk_option *o, const mk_node *node)
{
	bool secret = ((o->flags | r->inherited) & MK_OPT_SECRET) != 0;
	struct opt_scalar scalar;
	char why[2 * OPT_WORDS];

	if (node->kind != MK_NODE_SCALAR) {
		read_mismatch(r, o, node);
		return;
	}
	if (!opt_scan(o, node, secret, &scalar, why, sizeof(why))) {
		read_problem(r, node, "%s", why);
		return;
	}
	if (secret && !r->in_default && opt_take_exposed(r->problems))
		mk_problems_warn(r->problems, node->line, node->column,
				 "a secret in a file that others can read: chmod 600 it");
	(void)read_add(r, o, node, &scalar);
}

static void
read_table(struct reader *r, const mk_option *table, const mk_node *map)
{
	for (const mk_option *o = table; o != NULL && o->name != NULL && !r->failed; o++) {
		const mk_node *node = mk_node_find(map, o->name);
		bool missing = node == NULL && (o->flags & MK_OPT_REQUIRED) != 0;
		size_t before;

		if (missing && !r->in_absent)
			read_problem(r, map, "missing required option \"%s\"", o->name);
		before = read_push(r, o->name, 0);
		read_option(r, o, node);
		read_pop(r, before);
	}
	for (uint32_t i = 0; map != NULL && i < map->count; i++)
		if (read_find(table, map->keys[i]->text) == NULL)
			read_unknown(r, table, map->keys[i]);
}

/* node NULL: the group is not there, only its defaults are. */
static void
read_group(struct reader *r, const mk_option *o, const mk_node *node)
{
	const struct reader saved = { .inherited = r->inherited, .in_absent = r->in_absent };
	const mk_option *lone = opt_main(o->sub);
	mk_node key = { .kind = MK_NODE_SCALAR, .plain = true };
	mk_node *keys = &key;
	mk_node *items = NULL;
	mk_node map = { .kind = MK_NODE_MAP, .count = 1, .keys = &keys, .items = &items };
	mk_node value;
	uint32_t index;

	if (r->depth == OPT_DEPTH_MAX) {
		read_problem(r, node, "groups are nested too deep");
		return;
	}
	if (node != NULL && node->kind == MK_NODE_SCALAR && lone != NULL &&
	    !mk_node_is_null(node)) {
		value = *node;
		items = &value;
		key.text = lone->name;
		map.line = node->line;
		map.column = node->column;
		node = &map;
	}
	if (node != NULL && mk_node_is_null(node)) /* all lines in it are commented out */
		node = NULL;
	if (node != NULL && node->kind != MK_NODE_MAP) {
		read_mismatch(r, o, node);
		return;
	}
	r->depth++;
	r->inherited |= o->flags & (MK_OPT_LIVE | MK_OPT_SECRET);
	r->in_absent = node == NULL;
	index = read_add(r, o, node, NULL);
	read_table(r, o->sub, node);
	read_close(r, index, node != NULL);
	r->in_absent = saved.in_absent;
	r->inherited = saved.inherited;
	r->depth--;
}

static void
read_topic(struct reader *r, const mk_node *node)
{
	if (node->kind == MK_NODE_SCALAR && !mk_topic_valid(node->text, true))
		read_problem(r, node,
			     "\"%.80s\" is no topic: 1 to %d of a-z, 0-9, '.', '_', '-' and '/'; "
			     "a '/' at the end means all below",
			     node->text, MK_TOPIC_MAX);
}

static void
read_entry(struct reader *r, const mk_option *o, const mk_node *node)
{
	mk_option entry = list_entry;

	if (o->type == MK_OPT_GROUPS) {
		entry.type = MK_OPT_GROUP;
		entry.sub = o->sub;
	} else if (o->choices != NULL) {
		entry.type = MK_OPT_ENUM;
		entry.choices = o->choices;
	}
	entry.flags = o->flags & (MK_OPT_LIVE | MK_OPT_SECRET);
	if (mk_node_is_null(node))
		read_problem(r, node, "has no value");
	else if (o->type == MK_OPT_GROUPS)
		read_group(r, &entry, node);
	else
		read_scalar(r, &entry, node);
	if ((o->flags & MK_OPT_TOPICS) != 0)
		read_topic(r, node);
}

static void
read_list(struct reader *r, const mk_option *o, const mk_node *node)
{
	mk_node only = *node;
	mk_node *only_item = &only;
	const mk_node *const *items = (const mk_node *const *)node->items;
	uint32_t count = node->count;
	uint32_t index;

	if (mk_node_is_null(node)) {
		read_problem(r, node, "has no value: write [] for an empty list");
		return;
	}
	if (node->kind != MK_NODE_LIST) { /* one entry stands for a list of one */
		bool fits = o->type == MK_OPT_LIST
				? node->kind == MK_NODE_SCALAR
				: node->kind == MK_NODE_MAP || opt_main(o->sub) != NULL;

		if (!fits) {
			read_mismatch(r, o, node);
			return;
		}
		items = (const mk_node *const *)&only_item;
		count = 1;
	}
	if (count < o->min)
		read_problem(r, node, "has %u entries, the minimum is %lld", count,
			     (long long)o->min);
	if (count > opt_max_entries(o)) {
		read_problem(r, node, "has %u entries, the maximum is %lld", count,
			     (long long)opt_max_entries(o));
		return;
	}
	index = read_add(r, o, node, NULL);
	for (uint32_t i = 0; i < count && !r->failed; i++) {
		size_t before = read_push(r, NULL, i);

		read_entry(r, o, items[i]);
		read_pop(r, before);
	}
	read_close(r, index, count);
}

/* A group for each name. Its position is that of the name: it may have nothing else. */
static void
read_map(struct reader *r, const mk_option *o, const mk_node *node)
{
	const mk_option entry = { .name = "", .type = MK_OPT_GROUP, .sub = o->sub };
	uint32_t index;

	if (node->kind != MK_NODE_MAP) {
		if (!mk_node_is_null(node))
			read_mismatch(r, o, node);
		return;
	}
	if (node->count > opt_max_entries(o)) {
		read_problem(r, node->keys[opt_max_entries(o)],
			     "%u are too many, the maximum is %lld", node->count,
			     (long long)opt_max_entries(o));
		return;
	}
	index = read_add(r, o, node, NULL);
	for (uint32_t i = 0; i < node->count && !r->failed; i++) {
		const mk_node *key = node->keys[i];
		mk_node value = *node->items[i];
		size_t before;

		if (!mk_id_valid(key->text)) {
			read_problem(
			    r, key, "\"%.60s\" is no name: 1 to %d of a-z, 0-9 and -, letter first",
			    key->text, MK_ID_MAX);
			continue;
		}
		value.line = key->line;
		value.column = key->column;
		before = read_push(r, key->text, 0);
		read_group(r, &entry, &value);
		read_pop(r, before);
	}
	read_close(r, index, node->count);
}

static void
read_tree(struct reader *r, const mk_option *o, const mk_node *node)
{
	if (node->kind != MK_NODE_MAP && !mk_node_is_null(node))
		read_mismatch(r, o, node);
}

/* ------------------------------------------------------------- defaults -- */

/* Most defaults are words that YAML would leave alone; parsing each of them
 * for each entry of a list would be slow. */
static bool
read_is_word(const char *text)
{
	static const char chars[] = "abcdefghijklmnopqrstuvwxyz0123456789._/"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	return text[0] != '\0' && text[strspn(text, chars)] == '\0';
}

static void
read_default(struct reader *r, const mk_option *o)
{
	mk_node word = { .kind = MK_NODE_SCALAR, .text = o->dflt, .plain = true };
	bool in_default = r->in_default;
	mk_problems *problems = NULL;
	mk_yaml *yaml = NULL;
	const mk_node *node = &word;
	char *text = NULL;

	r->in_default = true;
	if (!read_is_word(o->dflt)) {
		mk_arena *arena = &r->values->arena;

		problems = mk_problems_new("default");
		text = mk_arena_printf(arena, "v: %s", o->dflt);
		if (problems != NULL && text != NULL)
			yaml = mk_yaml_load(text, strlen(text), problems);
		node = yaml != NULL && mk_yaml_root(yaml)->count == 1
			   ? mk_node_find(mk_yaml_root(yaml), "v")
			   : NULL;
	}
	if (node != NULL)
		read_option(r, o, node);
	else
		read_problem(r, NULL, "\"%.60s\" is not one YAML value", o->dflt);
	r->in_default = in_default;
	mk_yaml_free(yaml);
	mk_problems_free(problems);
}

static void
read_option(struct reader *r, const mk_option *o, const mk_node *node)
{
	if (node == NULL && o->dflt != NULL)
		read_default(r, o);
	else if (o->type == MK_OPT_GROUP)
		read_group(r, o, node);
	else if (node == NULL)
		return;
	else if (o->type == MK_OPT_TREE)
		read_tree(r, o, node);
	else if (o->type == MK_OPT_MAP)
		read_map(r, o, node);
	else if (opt_is_list(o))
		read_list(r, o, node);
	else
		read_scalar(r, o, node);
}

mk_values *
mk_options_read(const mk_option *table, const mk_node *map, const char *where,
		mk_problems *problems)
{
	struct reader r = { .problems = problems, .where = where != NULL ? where : "" };
	static const mk_option root = { .name = "", .type = MK_OPT_GROUP };

	r.values = opt_values_new();
	if (r.values == NULL)
		goto no_memory;
	if (map != NULL && map->kind != MK_NODE_MAP && !mk_node_is_null(map))
		read_mismatch(&r, &root, map);
	else
		read_table(&r, table, map);
	if (opt_values_index(r.values))
		return r.values;
no_memory:
	mk_problems_add(problems, 0, 0, "out of memory");
	mk_values_free(r.values);
	return NULL;
}
