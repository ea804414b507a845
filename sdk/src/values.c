/* SPDX-License-Identifier: MIT
 *
 * Checked values by path: a list in the order of the table, found through a
 * hash table. Also their form on the wire.
 */
#include <stdlib.h>
#include <string.h>

#include "options_impl.h"

static uint32_t
values_hash(const char *path)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (; *path != '\0'; path++)
		hash = (hash ^ (unsigned char)*path) * 16777619u;
	return hash;
}

mk_values *
opt_values_new(void)
{
	return calloc(1, sizeof(mk_values));
}

void
mk_values_free(mk_values *v)
{
	if (v == NULL)
		return;
	mk_arena_fini(&v->arena);
	free(v->list);
	free(v->slots);
	free(v);
}

struct opt_value *
opt_values_add(mk_values *v, const char *path, size_t name_at)
{
	struct opt_value *value;
	const char *copy;

	if (v->count == v->cap) {
		uint32_t cap = v->cap == 0 ? 32 : v->cap * 2;
		struct opt_value *list = realloc(v->list, cap * sizeof(*list));

		if (list == NULL)
			return NULL;
		v->list = list;
		v->cap = cap;
	}
	copy = mk_arena_dup(&v->arena, path, strlen(path));
	if (copy == NULL)
		return NULL;
	value = &v->list[v->count++];
	*value = (struct opt_value){ .path = copy, .name = copy + name_at, .end = v->count };
	return value;
}

bool
opt_values_index(mk_values *v)
{
	uint32_t size = 16;

	while (size < v->count * 2)
		size *= 2;
	v->slots = calloc(size, sizeof(*v->slots));
	if (v->slots == NULL)
		return false;
	v->slot_mask = size - 1;
	for (uint32_t i = 0; i < v->count; i++) {
		uint32_t slot = values_hash(v->list[i].path) & v->slot_mask;

		while (v->slots[slot] != 0)
			slot = (slot + 1) & v->slot_mask;
		v->slots[slot] = i + 1;
	}
	return true;
}

const struct opt_value *
opt_values_find(const mk_values *v, const char *path)
{
	uint32_t slot;

	if (v == NULL)
		return NULL;
	slot = values_hash(path) & v->slot_mask;
	for (; v->slots[slot] != 0; slot = (slot + 1) & v->slot_mask) {
		const struct opt_value *value = &v->list[v->slots[slot] - 1];

		if (strcmp(value->path, path) == 0)
			return value;
	}
	return NULL;
}

/* -------------------------------------------------------------- getters -- */

const char *
mk_values_str(const mk_values *v, const char *path)
{
	const struct opt_value *value = opt_values_find(v, path);

	return value != NULL ? value->text : NULL;
}

int64_t
mk_values_int(const mk_values *v, const char *path)
{
	const struct opt_value *value = opt_values_find(v, path);

	return value != NULL ? value->number : 0;
}

double
mk_values_float(const mk_values *v, const char *path)
{
	const struct opt_value *value = opt_values_find(v, path);

	return value != NULL ? value->real : 0;
}

uint32_t
mk_values_count(const mk_values *v, const char *path)
{
	const struct opt_value *value = opt_values_find(v, path);
	bool is_list =
	    value != NULL && (value->type == MK_OPT_LIST || value->type == MK_OPT_GROUPS);

	return is_list ? value->count : 0;
}

bool
mk_values_has(const mk_values *v, const char *path)
{
	const struct opt_value *value = opt_values_find(v, path);

	return value != NULL && (value->type != MK_OPT_GROUP || value->count > 0);
}

bool
mk_values_where(const mk_values *v, const char *path, uint32_t *line, uint32_t *column)
{
	const struct opt_value *value = opt_values_find(v, path);

	if (value == NULL || value->line == 0)
		return false;
	*line = value->line;
	*column = value->column;
	return true;
}

/* ----------------------------------------------------------- on the wire -- */

static void values_put(const mk_values *v, mk_writer *w, const struct opt_value *value);

/* Groups that were left out are left out again: their defaults are in the
 * receiver's table. */
static bool
values_is_sent(const struct opt_value *value)
{
	return value->type != MK_OPT_GROUP || value->count > 0;
}

static void
values_put_group(const mk_values *v, mk_writer *w, uint32_t from, uint32_t end)
{
	uint32_t pairs = 0;

	for (uint32_t i = from; i < end; i = v->list[i].end)
		pairs += values_is_sent(&v->list[i]);
	mk_put_map(w, pairs);
	for (uint32_t i = from; i < end; i = v->list[i].end) {
		if (!values_is_sent(&v->list[i]))
			continue;
		mk_put_str(w, v->list[i].name);
		values_put(v, w, &v->list[i]);
	}
}

static void
values_put(const mk_values *v, mk_writer *w, const struct opt_value *value)
{
	uint32_t first = (uint32_t)(value - v->list) + 1;

	switch (value->type) {
	case MK_OPT_BOOL:
		mk_put_bool(w, value->number != 0);
		break;
	case MK_OPT_INT:
		mk_put_i64(w, value->number);
		break;
	case MK_OPT_FLOAT:
		mk_put_f64(w, value->real);
		break;
	case MK_OPT_GROUP:
		values_put_group(v, w, first, value->end);
		break;
	case MK_OPT_LIST:
	case MK_OPT_GROUPS:
		mk_put_array(w, value->count);
		for (uint32_t i = first; i < value->end; i = v->list[i].end)
			values_put(v, w, &v->list[i]);
		break;
	default:
		mk_put_str(w, value->text);
	}
}

mk_result
mk_values_write(const mk_values *v, mk_writer *w)
{
	values_put_group(v, w, 0, v->count);
	return w->error;
}

struct wire {
	mk_arena arena;
	const char *why; /* set when something cannot be a value */
};

static mk_node *wire_node(struct wire *wire, const mk_val *v);

static mk_node *
wire_scalar(struct wire *wire, const mk_val *v, mk_node *node)
{
	const char *text;
	size_t len;
	int64_t number;
	double real;
	bool truth;

	if (mk_get_str(v, &text, &len)) {
		if (len > 0 && memchr(text, '\0', len) != NULL)
			wire->why = "a text contains a NUL character";
		node->plain = false;
		node->text = mk_arena_dup(&wire->arena, text, len);
	} else if (mk_get_bool(v, &truth)) {
		node->text = truth ? "true" : "false";
	} else if (mk_get_i64(v, &number)) {
		node->text = mk_arena_printf(&wire->arena, "%lld", (long long)number);
	} else if (mk_get_f64(v, &real)) {
		node->text = mk_arena_printf(&wire->arena, "%.17g", real);
	} else if (!mk_is_nil(v)) {
		wire->why = "a value is of a type that options do not have";
	}
	return node->text != NULL ? node : NULL;
}

static mk_node *
wire_collection(struct wire *wire, const mk_val *v, mk_node *node)
{
	uint32_t count = mk_count(v);
	bool is_map = mk_is_map(v);

	node->kind = is_map ? MK_NODE_MAP : MK_NODE_LIST;
	node->items = mk_arena_array(&wire->arena, count, sizeof(*node->items));
	node->keys = mk_arena_array(&wire->arena, is_map ? count : 0, sizeof(*node->keys));
	if (node->items == NULL || node->keys == NULL)
		return NULL;
	for (; node->count < count; node->count++) {
		uint32_t i = node->count;

		node->items[i] = wire_node(wire, is_map ? mk_val_at(v, i) : mk_at(v, i));
		if (is_map)
			node->keys[i] = wire_node(wire, mk_key_at(v, i));
		if (node->items[i] == NULL || (is_map && node->keys[i] == NULL))
			return NULL;
	}
	return node;
}

/* The depth is bounded by the document's limits. NULL: no memory. */
static mk_node *
wire_node(struct wire *wire, const mk_val *v)
{
	mk_node *node = mk_arena_alloc(&wire->arena, sizeof(*node));

	if (node == NULL)
		return NULL;
	*node = (mk_node){ .kind = MK_NODE_SCALAR, .plain = true, .text = "" };
	if (mk_is_map(v) || mk_is_array(v))
		return wire_collection(wire, v, node);
	return wire_scalar(wire, v, node);
}

mk_values *
mk_values_read(const mk_option *table, const void *body, size_t len, mk_problems *problems)
{
	uint32_t before = mk_problems_count(problems);
	struct wire wire = { 0 };
	mk_values *values = NULL;
	const mk_node *root;
	char why[OPT_WORDS];
	mk_doc doc;

	mk_doc_init(&doc);
	if (mk_doc_open(&doc, body, len, NULL, why, sizeof(why)) != MK_OK) {
		mk_problems_add(problems, 0, 0, "malformed values: %s", why);
		goto done;
	}
	root = wire_node(&wire, mk_doc_root(&doc));
	if (root == NULL)
		wire.why = "out of memory";
	if (wire.why != NULL) {
		mk_problems_add(problems, 0, 0, "%s", wire.why);
		goto done;
	}
	values = mk_options_read(table, root, "", problems);
	if (mk_problems_count(problems) != before) {
		mk_values_free(values);
		values = NULL;
	}
done:
	mk_arena_fini(&wire.arena);
	mk_doc_close(&doc);
	mk_doc_fini(&doc);
	return values;
}
