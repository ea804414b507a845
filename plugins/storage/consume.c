/* SPDX-License-Identifier: MIT
 *
 * Snapshots that become rows, besides being kept: apply.h knows which, and how. Each body has a
 * savepoint, so that one that is refused leaves no trace in the transaction.
 */
#include <stdlib.h>
#include <string.h>

#include "apply.h"
#include "batch.h"

struct consume { /* what one body changed, told when it is applied completely */
	struct batch *batch;
	char (*keys)[KEY_CHARS + 1];
	size_t count, cap;
	bool lost; /* no memory for all of them */
};

static void
consume_on_node(void *arg, const char *table, const char *key)
{
	struct consume *c = arg;

	(void)table;
	if (strlen(key) > KEY_CHARS)
		return;
	if (c->count == c->cap) {
		size_t cap = c->cap == 0 ? 64 : 2 * c->cap;
		char(*keys)[KEY_CHARS + 1] = realloc(c->keys, cap * sizeof(*keys));

		c->lost = c->lost || keys == NULL;
		if (keys == NULL)
			return;
		c->keys = keys;
		c->cap = cap;
	}
	memcpy(c->keys[c->count++], key, strlen(key) + 1);
}

/* Edges that are gone stay in memory until the next start: they make a hop no more certain than it
 * was when they were seen. */
static void
consume_on_edge(void *arg, const char *a, const char *b, bool gone)
{
	const struct consume *c = arg;

	if (!gone)
		(void)resolve_edge(c->batch->rows.resolve, (struct text){ a, strlen(a) },
				   (struct text){ b, strlen(b) });
}

static bool
consume_is_refusal(mk_result rc)
{
	return rc == MK_EDENIED || rc == MK_EFORMAT || rc == MK_EEXIST || rc == MK_ESTATE ||
	       rc == MK_ENOENT;
}

static mk_result
consume_part(struct consume *c, const char *name, struct snapshot_part *p, mk_err *err)
{
	struct batch *b = c->batch;
	struct apply_input in = { .name = name,
				  .origin = p->origin,
				  .body = p->body,
				  .len = p->len,
				  .delta = p->number > 0,
				  .on_node = consume_on_node,
				  .on_edge = consume_on_edge,
				  .arg = c };
	mk_result rc = db_run(b->db, err, "SAVEPOINT snapshot", ""), applied;

	if (rc != MK_OK)
		return rc;
	c->count = 0;
	applied = apply_snapshot(b->db, &in, NULL, err);
	p->refused = consume_is_refusal(applied) && applied != MK_ENOENT;
	if (p->refused) {
		b->stats->snapshots_refused++;
		batch_complain(b, "a snapshot is refused: %s  name=%s origin=%s", err->text, name,
			       p->origin);
	}
	if (applied != MK_OK && !consume_is_refusal(applied))
		return applied;
	if (applied != MK_OK)
		rc = db_run(b->db, err, "ROLLBACK TO snapshot", "");
	if (rc == MK_OK)
		rc = db_run(b->db, err, "RELEASE snapshot", "");
	for (size_t i = 0; applied == MK_OK && rc == MK_OK && i < c->count; i++)
		rc = rows_changed(&b->rows, "nodes", c->keys[i], err);
	return rc;
}

mk_result
batch_consume(struct batch *b, mk_err *err)
{
	struct consume c = { .batch = b };
	mk_result rc = MK_OK;

	for (uint32_t i = 0; i < b->snapshots.count && rc == MK_OK; i++) {
		const struct snapshot *n = b->snapshots.list[i];

		for (struct snapshot_part *p = n->first; p != NULL && rc == MK_OK; p = p->next)
			rc = consume_part(&c, n->name, p, err);
	}
	if (c.lost)
		batch_complain(b, "no memory to tell all nodes that a snapshot changed");
	free(c.keys);
	return rc;
}
