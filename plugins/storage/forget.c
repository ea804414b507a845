/* SPDX-License-Identifier: MIT
 *
 * Nodes that an operator does not want to know any more: their rows are deleted, in a transaction of
 * their own, and whoever looks is told that they are gone. A node that advertises again comes back as
 * a new one.
 */
#include <string.h>

#include "service.h"

#define FORGET_MAX 4096u
#define KEY_MAX 128u

static mk_result
forget_one(struct service *s, const char *key, int64_t *deleted, mk_err *err)
{
	static const char *const tables[] = { "DELETE FROM nodes WHERE public_key = ?1",
					      "DELETE FROM inactive_nodes WHERE public_key = ?1" };
	mk_result rc = MK_OK;
	int64_t n = 0;

	for (int i = 0; i < 2 && rc == MK_OK; i++) {
		rc = db_run(s->opened.db, err, tables[i], "s", key);
		n += rc == MK_OK ? db_changes(s->opened.db) : 0;
	}
	*deleted += n > 0;
	return rc;
}

static mk_result
forget_all(struct service *s, const mk_val *keys, int64_t *deleted, mk_err *err)
{
	char key[KEY_MAX];
	mk_result rc = db_begin(s->opened.db, err);

	if (rc != MK_OK)
		return rc;
	for (uint32_t i = 0; rc == MK_OK && i < mk_count(keys); i++)
		rc = mk_copy_str(mk_at(keys, i), key, sizeof(key))
			 ? forget_one(s, key, deleted, err)
			 : mk_err_set(err, MK_EINVAL, "keys[%u] is no key", i);
	if (rc == MK_OK)
		return db_commit(s->opened.db, err);
	db_rollback(s->opened.db);
	return rc;
}

mk_result
service_forget(struct service *s, const mk_val *body, int64_t *deleted, mk_err *err)
{
	const mk_val *keys = mk_find(body, "keys");
	char key[KEY_MAX];
	mk_err why = { 0 };
	mk_result rc;

	if (!mk_is_array(keys) || mk_count(keys) > FORGET_MAX)
		return mk_err_set(err, MK_EINVAL, "keys: a list of at most %u keys", FORGET_MAX);
	if (batch_is_open(&s->batch) && service_takes(s))
		service_commit(s, false);
	if (!service_takes(s))
		return mk_err_set(err, MK_EUNAVAIL, "storage waits: %.200s", s->reason);
	rc = forget_all(s, keys, deleted, err);
	if (rc != MK_OK)
		return rc;
	for (uint32_t i = 0; i < mk_count(keys); i++)
		if (mk_copy_str(mk_at(keys, i), key, sizeof(key)) &&
		    batch_changed(&s->batch, "nodes", key, &why) != MK_OK)
			batch_complain(&s->batch, "a node that is gone is not told: %s", why.text);
	service_settle(s);
	return MK_OK;
}
