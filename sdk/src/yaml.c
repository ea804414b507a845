/* SPDX-License-Identifier: MIT
 *
 * YAML text to a bounded tree, over libyaml's event parser.
 *
 * Only what a configuration needs is accepted: maps, lists and scalars of one
 * document. Anchors, aliases, tags and merge keys are refused by name, because
 * they make a file mean something else than what stands at the place.
 */
#include <meshkern/options.h>

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <yaml.h>

#include <meshkern/arena.h>

#include "yaml_explain.h"

#define YAML_TEXT_MAX (1u << 20)
#define YAML_DEPTH_MAX 20u
#define YAML_NODES_MAX 100000u

struct mk_yaml {
	mk_arena arena;
	const mk_node *root;
};

struct loader {
	yaml_parser_t parser;
	mk_yaml *yaml;
	mk_problems *problems;
	const char *text;
	size_t len;
	mk_node **stack; /* children of the maps and lists being read */
	size_t stack_len;
	size_t stack_cap;
	uint32_t nodes;
};

static uint32_t
yaml_line(const yaml_mark_t *mark)
{
	return (uint32_t)mark->line + 1;
}

static uint32_t
yaml_column(const yaml_mark_t *mark)
{
	return (uint32_t)mark->column + 1;
}

#define yaml_problem(l, mark, ...) \
	mk_problems_add((l)->problems, yaml_line(mark), yaml_column(mark), __VA_ARGS__)

static mk_node *
yaml_no_memory(struct loader *l)
{
	mk_problems_add(l->problems, 0, 0, "out of memory");
	return NULL;
}

static bool
yaml_push(struct loader *l, mk_node *node)
{
	if (l->stack_len == l->stack_cap) {
		size_t cap = l->stack_cap == 0 ? 64 : l->stack_cap * 2;
		mk_node **stack = realloc(l->stack, cap * sizeof(*stack));

		if (stack == NULL)
			return false;
		l->stack = stack;
		l->stack_cap = cap;
	}
	l->stack[l->stack_len++] = node;
	return true;
}

static bool
yaml_next(struct loader *l, yaml_event_t *event)
{
	if (yaml_parser_parse(&l->parser, event) != 0)
		return true;
	yaml_explain(&l->parser, l->text, l->len, l->problems);
	return false;
}

/* ------------------------------------------------------------ refusals -- */

static void
yaml_refuse_anchor(struct loader *l, const yaml_event_t *e, const yaml_char_t *anchor)
{
	if (anchor != NULL)
		yaml_problem(l, &e->start_mark, "anchor \"&%.60s\" is not supported",
			     (const char *)anchor);
}

static void
yaml_refuse_tag(struct loader *l, const yaml_event_t *e, const yaml_char_t *tag)
{
	static const char core[] = "tag:yaml.org,2002:";
	const char *text = (const char *)tag;

	if (tag == NULL)
		return;
	if (strncmp(text, core, sizeof(core) - 1) == 0)
		yaml_problem(l, &e->start_mark, "tag \"!!%.60s\" is not supported",
			     text + sizeof(core) - 1);
	else
		yaml_problem(l, &e->start_mark, "tag \"%.60s\" is not supported", text);
}

/* ---------------------------------------------------------------- tree -- */

static mk_node *
yaml_node(struct loader *l, const yaml_event_t *e, int kind)
{
	mk_node *node;

	if (++l->nodes > YAML_NODES_MAX) {
		yaml_problem(l, &e->start_mark, "more than %u values", YAML_NODES_MAX);
		return NULL;
	}
	node = mk_arena_alloc(&l->yaml->arena, sizeof(*node));
	if (node == NULL)
		return yaml_no_memory(l);
	*node = (mk_node){ .kind = kind,
			   .line = yaml_line(&e->start_mark),
			   .column = yaml_column(&e->start_mark),
			   .text = "" };
	return node;
}

static mk_node *
yaml_scalar(struct loader *l, const yaml_event_t *e)
{
	const char *text = (const char *)e->data.scalar.value;
	size_t len = e->data.scalar.length;
	mk_node *node = yaml_node(l, e, MK_NODE_SCALAR);

	if (node == NULL)
		return NULL;
	yaml_refuse_anchor(l, e, e->data.scalar.anchor);
	yaml_refuse_tag(l, e, e->data.scalar.tag);
	if (memchr(text, '\0', len) != NULL)
		yaml_problem(l, &e->start_mark, "the text contains a NUL character");
	node->plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	node->text = mk_arena_dup(&l->yaml->arena, text, len);
	return node->text == NULL ? yaml_no_memory(l) : node;
}

static int
yaml_compare_keys(const void *a, const void *b)
{
	const mk_node *x = *(mk_node *const *)a;
	const mk_node *y = *(mk_node *const *)b;
	int order = strcmp(x->text, y->text);

	if (order == 0)
		order = x->line < y->line ? -1 : x->line > y->line;
	if (order == 0)
		order = x->column < y->column ? -1 : x->column > y->column;
	return order;
}

/* Sorting a copy keeps a map of many thousand keys cheap. */
static bool
yaml_check_keys(struct loader *l, const mk_node *map)
{
	mk_node **sorted;

	if (map->count < 2)
		return true;
	sorted = malloc(map->count * sizeof(*sorted));
	if (sorted == NULL)
		return false;
	memcpy(sorted, map->keys, map->count * sizeof(*sorted));
	qsort(sorted, map->count, sizeof(*sorted), yaml_compare_keys);
	for (uint32_t i = 1; i < map->count; i++)
		if (strcmp(sorted[i - 1]->text, sorted[i]->text) == 0)
			mk_problems_add(l->problems, sorted[i]->line, sorted[i]->column,
					"key \"%.60s\" is given twice, before at line %u",
					sorted[i]->text, sorted[i - 1]->line);
	free(sorted);
	return true;
}

/* Take what was pushed since `base` as the node's children. */
static mk_node *
yaml_take_children(struct loader *l, mk_node *node, size_t base)
{
	size_t step = node->kind == MK_NODE_MAP ? 2 : 1;
	size_t count = (l->stack_len - base) / step;
	mk_node **room = mk_arena_array(&l->yaml->arena, count * step, sizeof(*room));

	if (room == NULL)
		return yaml_no_memory(l);
	node->count = (uint32_t)count;
	node->items = room;
	node->keys = step == 2 ? room + count : NULL;
	for (size_t i = 0; i < count; i++) {
		room[i] = l->stack[base + i * step + step - 1];
		if (step == 2)
			node->keys[i] = l->stack[base + i * step];
	}
	l->stack_len = base;
	if (step == 2 && !yaml_check_keys(l, node))
		return yaml_no_memory(l);
	return node;
}

static void
yaml_check_key(struct loader *l, const mk_node *key)
{
	if (key->kind != MK_NODE_SCALAR)
		mk_problems_add(l->problems, key->line, key->column, "a %s cannot be a key",
				key->kind == MK_NODE_LIST ? "list" : "map");
	else if (key->plain && strcmp(key->text, "<<") == 0)
		mk_problems_add(l->problems, key->line, key->column,
				"merge key \"<<\" is not supported");
	else if (key->text[0] == '\0')
		mk_problems_add(l->problems, key->line, key->column,
				"a key is missing before \":\"");
}

static mk_node *yaml_value(struct loader *l, yaml_event_t *e, uint32_t depth);

static mk_node *
yaml_collection(struct loader *l, const yaml_event_t *start, uint32_t depth)
{
	bool is_map = start->type == YAML_MAPPING_START_EVENT;
	size_t base = l->stack_len;
	mk_node *node = yaml_node(l, start, is_map ? MK_NODE_MAP : MK_NODE_LIST);

	if (node == NULL)
		return NULL;
	if (depth > YAML_DEPTH_MAX) {
		yaml_problem(l, &start->start_mark, "nested more than %u levels deep",
			     YAML_DEPTH_MAX);
		return NULL;
	}
	for (;;) {
		yaml_event_t e;
		mk_node *child;

		if (!yaml_next(l, &e))
			return NULL;
		if (e.type == YAML_SEQUENCE_END_EVENT || e.type == YAML_MAPPING_END_EVENT) {
			yaml_event_delete(&e);
			return yaml_take_children(l, node, base);
		}
		child = yaml_value(l, &e, depth + 1);
		if (child == NULL)
			return NULL;
		if (is_map && (l->stack_len - base) % 2 == 0)
			yaml_check_key(l, child);
		if (!yaml_push(l, child))
			return yaml_no_memory(l);
	}
}

/* Consumes the event. NULL: the rest of the file makes no sense. */
static mk_node *
yaml_value(struct loader *l, yaml_event_t *e, uint32_t depth)
{
	mk_node *node;

	switch (e->type) {
	case YAML_SCALAR_EVENT:
		node = yaml_scalar(l, e);
		break;
	case YAML_ALIAS_EVENT:
		yaml_problem(l, &e->start_mark, "alias \"*%.60s\" is not supported",
			     (const char *)e->data.alias.anchor);
		node = yaml_node(l, e, MK_NODE_SCALAR);
		break;
	case YAML_SEQUENCE_START_EVENT:
		yaml_refuse_anchor(l, e, e->data.sequence_start.anchor);
		yaml_refuse_tag(l, e, e->data.sequence_start.tag);
		node = yaml_collection(l, e, depth);
		break;
	case YAML_MAPPING_START_EVENT:
		yaml_refuse_anchor(l, e, e->data.mapping_start.anchor);
		yaml_refuse_tag(l, e, e->data.mapping_start.tag);
		node = yaml_collection(l, e, depth);
		break;
	default: /* libyaml's grammar has no other event here */
		yaml_problem(l, &e->start_mark, "expected a value");
		node = NULL;
	}
	yaml_event_delete(e);
	return node;
}

static void
yaml_check_root(struct loader *l, const mk_node *root)
{
	if (root->kind == MK_NODE_MAP)
		l->yaml->root = root;
	else if (!mk_node_is_null(root))
		mk_problems_add(l->problems, root->line, root->column,
				"expected \"key: value\" lines, found a %s",
				root->kind == MK_NODE_LIST ? "list" : "text");
}

static void
yaml_load_stream(struct loader *l)
{
	bool have_document = false;
	bool more = true;

	while (more) {
		yaml_event_t e;
		mk_node *root;

		if (!yaml_next(l, &e))
			return;
		more = e.type != YAML_STREAM_END_EVENT;
		if (e.type == YAML_DOCUMENT_START_EVENT && have_document) {
			yaml_problem(l, &e.start_mark,
				     "a second document (\"---\") is not supported");
			more = false;
		}
		if (e.type != YAML_DOCUMENT_START_EVENT || !more) {
			yaml_event_delete(&e);
			continue;
		}
		have_document = true;
		if (e.data.document_start.tag_directives.start !=
		    e.data.document_start.tag_directives.end)
			yaml_problem(l, &e.start_mark, "the directive %%TAG is not supported");
		yaml_event_delete(&e);
		if (!yaml_next(l, &e))
			return;
		root = yaml_value(l, &e, 1);
		if (root == NULL)
			return;
		yaml_check_root(l, root);
	}
}

mk_yaml *
mk_yaml_load(const void *text, size_t len, mk_problems *problems)
{
	static const mk_node empty = { .kind = MK_NODE_MAP, .line = 1, .column = 1, .text = "" };
	struct loader l = { .problems = problems, .text = text, .len = len };
	uint32_t before = mk_problems_count(problems);

	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* would shift columns */
		l.text += 3;
		l.len -= 3;
	}
	if (len > YAML_TEXT_MAX) {
		mk_problems_add(problems, 0, 0, "larger than %u bytes", YAML_TEXT_MAX);
		return NULL;
	}
	l.yaml = calloc(1, sizeof(*l.yaml));
	if (l.yaml == NULL || yaml_parser_initialize(&l.parser) == 0) {
		free(l.yaml);
		(void)yaml_no_memory(&l);
		return NULL;
	}
	l.yaml->root = &empty;
	yaml_parser_set_encoding(&l.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&l.parser, (const unsigned char *)l.text, l.len);
	yaml_load_stream(&l);
	yaml_parser_delete(&l.parser);
	free(l.stack);
	if (mk_problems_count(problems) == before)
		return l.yaml;
	mk_yaml_free(l.yaml);
	return NULL;
}

const mk_node *
mk_yaml_root(const mk_yaml *y)
{
	return y->root;
}

void
mk_yaml_free(mk_yaml *y)
{
	if (y == NULL)
		return;
	mk_arena_fini(&y->arena);
	free(y);
}

const mk_node *
mk_node_find(const mk_node *map, const char *key)
{
	if (map == NULL || map->kind != MK_NODE_MAP)
		return NULL;
	for (uint32_t i = 0; i < map->count; i++)
		if (strcmp(map->keys[i]->text, key) == 0)
			return map->items[i];
	return NULL;
}

bool
mk_node_is_null(const mk_node *node)
{
	return node->kind == MK_NODE_SCALAR && node->plain &&
	       (node->text[0] == '\0' || strcmp(node->text, "~") == 0 ||
		strcasecmp(node->text, "null") == 0);
}
