/* SPDX-License-Identifier: MIT
 *
 * Backfills of other plugins, for tables of their own.
 *
 * DOC: What another plugin may do in the database
 *
 * An instance OWNER that the option `guests` names calls storage/define with
 *
 *	name    what it is called; OWNER.NAME for everybody else
 *	create  SQL that makes its tables and indexes, if they are missing; optional
 *	table   whose rows are walked, its own or one of ours
 *	where   which of them, with `index`, the partial index that answers it; optional
 *	step    one statement for the row with the rowid ?1
 *	verify  counts the rows of ?1 < rowid <= ?2 that a step should have changed; optional
 *
 * Everything may be read; created and written only tables whose names begin with x_OWNER__ (dashes
 * become underscores), which SQLite's authorizer decides for each statement as it is prepared.
 * Nothing that would act on rows of ours by itself is accepted: triggers, views, REFERENCES. A
 * statement that takes long is interrupted, and the backfill has failed. So it has when the pages
 * that an owner's definitions and steps have added to the file, less those that they gave back, are
 * more than the option `guests_size` allows: what went beyond has not been done.
 *
 * A definition lives as long as the database is open: it is to be sent whenever storage/state says
 * ready. What was done stays done.
 */
#include "job_state.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema.h"

#define SQL_MAX 4096
#define CREATE_MAX 16u
#define NAME_MAX_BYTES 40u
#define STATEMENT_US UINT64_C(200000)
#define STEPS_BETWEEN 2000 /* of SQLite's machine, until the clock is looked at */
#define TOTAL_COUNTED "10000"

enum { SQL_SELECT, SQL_STEP, SQL_VERIFY, SQL_UNTIL, SQL_TOTAL, SQL_COUNT };

struct job_defined {
	struct job_def def;
	struct db *db;
	char name[MK_ID_MAX + NAME_MAX_BYTES + 2], table[64], prefix[MK_ID_MAX + 8];
	char text[SQL_COUNT][SQL_MAX + 256];
	sqlite3_stmt *sql[SQL_COUNT];
	bool creates, writes; /* what the statement that is being prepared may do */
	const struct jobs_options *options;
	uint64_t late_us;
};

/* ------------------------------------------------------------------- permissions -- */

static bool
is_own(const struct job_defined *d, const char *table)
{
	return table != NULL && sqlite3_strnicmp(table, d->prefix, (int)strlen(d->prefix)) == 0;
}

static bool
is_schema(const char *table)
{
	return table != NULL && strncmp(table, "sqlite_", 7) == 0;
}

static int
on_access(void *arg, int action, const char *a, const char *b, const char *database,
	  const char *trigger)
{
	const struct job_defined *d = arg;

	(void)trigger;
	if (database != NULL && strcmp(database, "main") != 0)
		return SQLITE_DENY;
	switch (action) {
	case SQLITE_SELECT:
	case SQLITE_READ:
	case SQLITE_RECURSIVE:
		return SQLITE_OK;
	case SQLITE_FUNCTION:
		return sqlite3_stricmp(b, "load_extension") == 0 ? SQLITE_DENY : SQLITE_OK;
	case SQLITE_INSERT:
	case SQLITE_UPDATE:
	case SQLITE_DELETE:
		if (is_schema(a))
			return d->creates ? SQLITE_OK : SQLITE_DENY;
		return d->writes && is_own(d, a) ? SQLITE_OK : SQLITE_DENY;
	case SQLITE_CREATE_TABLE:
		return d->creates && is_own(d, a) ? SQLITE_OK : SQLITE_DENY;
	case SQLITE_CREATE_INDEX:
		return d->creates && (is_own(d, a) || is_schema(a)) && is_own(d, b) ? SQLITE_OK
										    : SQLITE_DENY;
	case SQLITE_REINDEX:
		return d->creates ? SQLITE_OK : SQLITE_DENY;
	default:
		return SQLITE_DENY;
	}
}

static bool
has_word(const char *sql, const char *word)
{
	for (; *sql != '\0'; sql++)
		if (sqlite3_strnicmp(sql, word, (int)strlen(word)) == 0)
			return true;
	return false;
}

/* Exactly one statement, and one that the plugin may have. [owned] */
static mk_result
define_prepare(struct job_defined *d, const char *sql, bool creates, bool writes,
	       sqlite3_stmt **out, mk_err *err)
{
	sqlite3 *handle = db_handle(d->db);
	const char *tail = "";
	int rc;

	d->creates = creates;
	d->writes = writes;
	sqlite3_set_authorizer(handle, on_access, d);
	rc = sqlite3_prepare_v3(handle, sql, -1, SQLITE_PREPARE_PERSISTENT, out, &tail);
	sqlite3_set_authorizer(handle, NULL, NULL);
	if (rc == SQLITE_OK && *out != NULL) {
		while (isspace((unsigned char)*tail) || *tail == ';')
			tail++;
		if (*tail == '\0')
			return MK_OK;
	}
	if (rc != SQLITE_OK)
		return mk_err_set(err, rc == SQLITE_AUTH ? MK_EDENIED : MK_EINVAL, "%s: %s (%s)",
				  d->name, sqlite3_errmsg(handle), sql);
	sqlite3_finalize(*out);
	*out = NULL;
	return mk_err_set(err, MK_EINVAL, "%s: exactly one statement is wanted: %s", d->name, sql);
}

/* -------------------------------------------------------------------------- room -- */

static mk_result
room_pages(struct db *db, int64_t *pages, mk_err *err)
{
	return db_int(db, err, pages,
		      "SELECT page_count - freelist_count FROM pragma_page_count, "
		      "pragma_freelist_count",
		      "");
}

/* Within a transaction that had so many pages in use before it did anything for this owner. */
static mk_result
room_account(struct job_defined *d, int64_t before, mk_err *err)
{
	int64_t after = before, used = 0, size = 0, most = d->options->guest_bytes;
	char name[sizeof(d->prefix) + 8];
	mk_result rc = room_pages(d->db, &after, err);

	(void)snprintf(name, sizeof(name), "%spages", d->prefix);
	if (rc == MK_OK && after == before)
		return MK_OK;
	if (rc == MK_OK)
		rc = schema_get(d->db, name, &used, err);
	if (rc == MK_OK || rc == MK_ENOENT)
		rc = db_int(d->db, err, &size, "SELECT page_size FROM pragma_page_size", "");
	if (rc != MK_OK)
		return rc;
	used += after - before;
	if (after > before && most > 0 && used > most / size) {
		if (d->options->guests_refused != NULL)
			++*d->options->guests_refused;
		return mk_err_set(err, MK_ETOOBIG,
				  "%s: its tables would take %lld KiB, and may take %lld: to allow "
				  "more, change the option guests_size",
				  d->name, (long long)(used * size / 1024),
				  (long long)(most / 1024));
	}
	return schema_set(d->db, name, used > 0 ? used : 0, err);
}

/* --------------------------------------------------------------------- execution -- */

static int
on_steps(void *arg)
{
	const struct job_defined *d = arg;

	return d->options->now_us(d->options->arg) > d->late_us;
}

/* MK_OK: a row; MK_ENOENT: the end. The statement is reset except after a row. */
static mk_result
define_step(struct job_defined *d, sqlite3_stmt *sql, mk_err *err)
{
	sqlite3 *handle = db_handle(d->db);
	mk_result rc;

	d->late_us = d->options->now_us(d->options->arg) + STATEMENT_US;
	sqlite3_progress_handler(handle, STEPS_BETWEEN, on_steps, d);
	rc = db_step(d->db, sql, err);
	sqlite3_progress_handler(handle, 0, NULL, NULL);
	if (rc == MK_ETIMEDOUT)
		rc = mk_err_set(err, MK_EINVAL, "%s: a statement took more than %u ms: %s", d->name,
				(unsigned)(STATEMENT_US / 1000), sqlite3_sql(sql));
	return rc;
}

/* A number that the statement answers with; 0 without a row or for NULL. */
static mk_result
define_int(struct job_defined *d, int which, int64_t a, int64_t b, int64_t *out, mk_err *err)
{
	sqlite3_stmt *sql = d->sql[which];
	mk_result rc;

	(void)sqlite3_bind_int64(sql, 1, a);
	(void)sqlite3_bind_int64(sql, 2, b);
	rc = define_step(d, sql, err);
	if (rc == MK_OK)
		*out = sqlite3_column_int64(sql, 0);
	if (rc == MK_OK)
		sqlite3_reset(sql);
	return rc == MK_ENOENT ? MK_OK : rc;
}

static mk_result
define_begin(const struct job_def *def, int64_t *until, int64_t *total, mk_err *err)
{
	struct job_defined *d = def->arg;
	mk_result rc = define_int(d, SQL_UNTIL, 0, 0, until, err);

	return rc == MK_OK ? define_int(d, SQL_TOTAL, *until, 0, total, err) : rc;
}

static mk_result
define_row(struct job_defined *d, struct chunk *c, int64_t id, mk_err *err)
{
	sqlite3_stmt *sql = d->sql[SQL_STEP];
	mk_result rc;

	(void)sqlite3_bind_int64(sql, 1, id);
	do
		rc = define_step(d, sql, err);
	while (rc == MK_OK);
	return rc == MK_ENOENT ? MK_OK : job_spare(c, rc);
}

static mk_result
define_run(struct chunk *c, mk_err *err)
{
	struct job_defined *d = c->def->arg;
	sqlite3_stmt *row = d->sql[SQL_SELECT];
	int64_t from = c->cursor, left = 0, pages = 0;
	mk_result rc = room_pages(d->db, &pages, err);

	if (rc != MK_OK)
		return rc;
	(void)sqlite3_bind_int64(row, 1, c->cursor);
	(void)sqlite3_bind_int64(row, 2, c->until);
	do {
		rc = define_step(d, row, err);
		if (rc != MK_OK)
			break;
		c->cursor = sqlite3_column_int64(row, 0);
		rc = define_row(d, c, c->cursor, err);
	} while (rc == MK_OK && job_goes_on(c));
	c->finished = rc == MK_ENOENT;
	sqlite3_reset(row);
	if (rc == MK_ENOENT)
		rc = MK_OK;
	if (rc == MK_OK && d->sql[SQL_VERIFY] != NULL && c->cursor != from)
		rc = define_int(d, SQL_VERIFY, from, c->cursor, &left, err);
	if (rc == MK_OK)
		rc = room_account(d, pages, err);
	if (rc == MK_OK && left > c->skipped)
		rc = mk_err_set(err, MK_EFORMAT, "%lld rows between %lld and %lld are as they were",
				(long long)(left - c->skipped), (long long)from,
				(long long)c->cursor);
	return rc;
}

/* ------------------------------------------------------------------- definitions -- */

void
job_defined_free(struct job_defined *d)
{
	if (d == NULL)
		return;
	for (int i = 0; i < SQL_COUNT; i++)
		sqlite3_finalize(d->sql[i]);
	free(d);
}

static bool
is_name(const char *s)
{
	return s[0] != '\0' && s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_-")] == '\0';
}

/* x_OWNER__, in which the end of the owner is certain. */
static mk_result
define_prefix(struct job_defined *d, const char *owner, mk_err *err)
{
	size_t len = strlen(owner);

	if (strstr(owner, "--") != NULL || len == 0 || owner[len - 1] == '-')
		return mk_err_set(
		    err, MK_EINVAL,
		    "%s: an instance with tables may have no \"--\" in its name and no "
		    "\"-\" at the end",
		    owner);
	(void)snprintf(d->prefix, sizeof(d->prefix), "x_%s__", owner);
	for (char *s = d->prefix; *s != '\0'; s++)
		*s = *s == '-' ? '_' : *s;
	return MK_OK;
}

static mk_result
define_read(struct job_defined *d, const char *owner, const mk_val *what, mk_err *err)
{
	char name[NAME_MAX_BYTES + 1] = "", where[SQL_MAX] = "", index[64] = "", by[100] = "";
	const char *t = d->table;

	if (!mk_copy_str(mk_find(what, "name"), name, sizeof(name)) || !is_name(name) ||
	    !mk_copy_str(mk_find(what, "table"), d->table, sizeof(d->table)) ||
	    !mk_copy_str(mk_find(what, "step"), d->text[SQL_STEP], SQL_MAX) ||
	    d->text[SQL_STEP][0] == '\0')
		return mk_err_set(err, MK_EINVAL,
				  "name (of a-z 0-9 _ -, at most %u), table and step are needed",
				  NAME_MAX_BYTES);
	(void)mk_copy_str(mk_find(what, "where"), where, sizeof(where));
	(void)mk_copy_str(mk_find(what, "index"), index, sizeof(index));
	(void)mk_copy_str(mk_find(what, "verify"), d->text[SQL_VERIFY], SQL_MAX);
	if (strchr(t, '"') != NULL || strchr(index, '"') != NULL)
		return mk_err_set(err, MK_EINVAL, "table and index are names, without quotes");
	/* Without its index, finding the next row could mean to look at all of them. */
	if ((where[0] == '\0') != (index[0] == '\0'))
		return mk_err_set(err, MK_EINVAL, "where needs its index, and index its where");
	if (index[0] != '\0')
		(void)snprintf(by, sizeof(by), "INDEXED BY \"%s\"", index);
	else
		(void)snprintf(where, sizeof(where), "1");
	(void)snprintf(d->name, sizeof(d->name), "%s.%s", owner, name);
	(void)snprintf(d->text[SQL_SELECT], sizeof(d->text[0]),
		       "SELECT rowid FROM \"%s\" %s WHERE (%s) AND rowid > ?1 AND rowid <= ?2 "
		       "ORDER BY rowid",
		       t, by, where);
	(void)snprintf(d->text[SQL_UNTIL], sizeof(d->text[0]),
		       "SELECT COALESCE(max(rowid), 0) FROM \"%s\"", t);
	(void)snprintf(d->text[SQL_TOTAL], sizeof(d->text[0]),
		       "SELECT count(*) FROM (SELECT 1 FROM \"%s\" %s WHERE (%s) AND rowid <= ?1 "
		       "LIMIT " TOTAL_COUNTED ")",
		       t, by, where);
	return MK_OK;
}

/* In the caller's transaction. */
static mk_result
define_create(struct job_defined *d, const mk_val *list, mk_err *err)
{
	mk_result rc = MK_OK;

	if (mk_count(list) > CREATE_MAX)
		return mk_err_set(err, MK_ETOOBIG, "%s: more than %u statements in create", d->name,
				  CREATE_MAX);
	for (uint32_t i = 0; i < mk_count(list) && rc == MK_OK; i++) {
		sqlite3_stmt *sql = NULL;
		char text[SQL_MAX];

		if (!mk_copy_str(mk_at(list, i), text, sizeof(text)))
			return mk_err_set(err, MK_EINVAL, "%s: create is a list of SQL", d->name);
		if (has_word(text, "REFERENCES"))
			return mk_err_set(err, MK_EDENIED, "%s: REFERENCES is not allowed",
					  d->name);
		rc = define_prepare(d, text, true, false, &sql, err);
		if (rc == MK_OK)
			rc = define_step(d, sql, err);
		sqlite3_finalize(sql);
		rc = rc == MK_ENOENT ? MK_OK : rc;
	}
	return rc;
}

static mk_result
define_make(struct job_defined *d, struct job *job, int64_t born, const mk_val *what, mk_err *err)
{
	mk_result rc = db_begin(d->db, err);
	int64_t pages = 0;

	if (rc == MK_OK)
		rc = room_pages(d->db, &pages, err);
	if (rc == MK_OK)
		rc = define_create(d, mk_find(what, "create"), err);
	if (rc == MK_OK)
		rc = room_account(d, pages, err);
	for (int i = 0; i < SQL_COUNT && rc == MK_OK; i++)
		if (d->text[i][0] != '\0')
			rc = define_prepare(d, d->text[i], false, i == SQL_STEP, &d->sql[i], err);
	if (rc == MK_OK)
		rc = job_load(d->db, job, born, err);
	if (rc == MK_OK)
		rc = job_announce(d->db, job, err);
	if (rc == MK_OK)
		rc = db_commit(d->db, err);
	if (rc != MK_OK)
		db_rollback(d->db);
	return rc;
}

/* The same definition once more is fine: its plugin was restarted. */
static mk_result
define_again(const struct job *there, const struct job_defined *d, mk_err *err)
{
	if (there->defined != NULL &&
	    strcmp(there->defined->text[SQL_SELECT], d->text[SQL_SELECT]) == 0 &&
	    strcmp(there->defined->text[SQL_STEP], d->text[SQL_STEP]) == 0)
		return MK_OK;
	return mk_err_set(err, MK_EEXIST, "%s is defined differently: use another name", d->name);
}

mk_result
jobs_define(struct jobs *jobs, const char *owner, const mk_val *what, mk_err *err)
{
	struct job_defined *d = calloc(1, sizeof(*d));
	struct job job = { .def = NULL };
	uint32_t at;
	mk_result rc;

	if (d == NULL)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	d->db = jobs->db;
	d->options = &jobs->options;
	d->def = (struct job_def){ .name = d->name,
				   .table = d->table,
				   .run = define_run,
				   .begin = define_begin,
				   .arg = d };
	job.def = &d->def;
	rc = define_prefix(d, owner, err);
	if (rc == MK_OK)
		rc = define_read(d, owner, what, err);
	at = rc == MK_OK ? jobs_index(jobs, d->name) : jobs->count;
	if (at < jobs->count) {
		rc = define_again(&jobs->jobs[at], d, err);
		job_defined_free(d);
		return rc;
	}
	if (rc == MK_OK && jobs->count == JOBS_MAX)
		rc = mk_err_set(err, MK_EFULL, "there are %u jobs already", JOBS_MAX);
	if (rc == MK_OK)
		rc = define_make(d, &job, jobs->born, what, err);
	if (rc != MK_OK) {
		job_defined_free(d);
		return rc;
	}
	job.defined = d;
	job.rows = jobs_add(jobs, job.def)->rows;
	jobs->jobs[at] = job;
	return MK_OK;
}
