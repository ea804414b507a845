/* SPDX-License-Identifier: MIT
 *
 * Any text gives a sound tree, or problems and no tree.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <meshkern/options.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_node(const mk_node *node, uint32_t depth)
{
	if (node->line == 0 || node->column == 0 || depth > 21)
		abort();
	if (node->kind == MK_NODE_SCALAR && strlen(node->text) > 1u << 20)
		abort();
	for (uint32_t i = 0; node->kind != MK_NODE_SCALAR && i < node->count; i++) {
		check_node(node->items[i], depth + 1);
		if (node->kind != MK_NODE_MAP)
			continue;
		check_node(node->keys[i], depth + 1);
		if (mk_node_find(node, node->keys[i]->text) != node->items[i])
			abort(); /* a key is there twice */
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	mk_problems *problems = mk_problems_new("fuzz");
	mk_yaml *y = mk_yaml_load(data, size, problems);

	if ((y == NULL) != (mk_problems_count(problems) > 0))
		abort();
	if (y != NULL)
		check_node(mk_yaml_root(y), 1);
	mk_yaml_free(y);
	mk_problems_free(problems);
	return 0;
}
