/* SPDX-License-Identifier: MIT
 *
 * Importing: copy, compare, upgrade, backfill, compare, check, and only then the name.
 */
/* realpath() is in the X/Open part of POSIX. */
#define _XOPEN_SOURCE 700

#include "import.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup.h"
#include "jobs.h"
#include "open.h"
#include "upgrade.h"

/* Of the file's header: how its changes are written. */
#define HEADER_FORMAT 18
#define FORMAT_WAL 2

struct import {
	const struct import_options *options;
	struct import_report *report;
	struct db *source, *copy;
	char part[PATH_MAX + 16];
	char failed[sizeof(((mk_err *)NULL)->text)]; /* what a backfill said */
};

static void
import_tell(const struct import *im, const char *what, int64_t done, int64_t total)
{
	if (im->options->on_progress != NULL)
		im->options->on_progress(im->options->arg, what, done, total);
}

static bool
import_is_cancelled(const struct import *im)
{
	return im->options->cancel != NULL && atomic_load(im->options->cancel);
}

/* --------------------------------------------------------------------- source -- */

static bool
has_log(const char *path)
{
	char name[PATH_MAX + 8];

	(void)snprintf(name, sizeof(name), "%s-wal", path);
	return access(name, F_OK) == 0;
}

/* Reading a database with a log makes files beside it, if nobody has it open. Then it is read as
 * one that does not change, and import_compare looks whether that was true. */
static bool
is_at_rest(const char *path)
{
	uint8_t format[2] = { 0, 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool read = fd != -1 && pread(fd, format, sizeof(format), HEADER_FORMAT) == 2;

	if (fd != -1)
		close(fd);
	return read && format[0] == FORMAT_WAL && !has_log(path);
}

static mk_result
source_open(struct import *im, mk_err *err)
{
	struct db_options o = { .path = im->options->from, .read_only = true, .busy_ms = 5000 };
	enum schema_state state;
	mk_result rc = open_judge(o.path, err);

	if (rc == MK_ENOENT)
		return mk_err_set(err, rc, "%s does not exist", o.path);
	o.immutable = is_at_rest(o.path);
	if (rc == MK_OK)
		rc = db_open(&im->source, &o, err);
	if (rc == MK_OK)
		rc = schema_probe(im->source, &state, err);
	if (rc == MK_OK && state == SCHEMA_EMPTY)
		rc = mk_err_set(err, MK_EABI, "%s holds no tables", o.path);
	/* What is counted is what is copied. */
	return rc == MK_OK ? db_exec(im->source, "BEGIN", err) : rc;
}

/* ------------------------------------------------------------------- counting -- */

/* Not kept: each table has a statement of its own. */
static mk_result
count_rows(struct db *db, const char *table, int64_t *out, mk_err *err)
{
	char *sql = sqlite3_mprintf("SELECT count(*) FROM \"%w\"", table);
	sqlite3_stmt *stmt = NULL;
	int rc =
	    sql == NULL ? SQLITE_NOMEM : sqlite3_prepare_v2(db_handle(db), sql, -1, &stmt, NULL);

	if (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
		*out = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_free(sql);
	return rc == SQLITE_ROW ? MK_OK : db_fail(db, rc, err);
}

static mk_result
count_source(struct import *im, mk_err *err)
{
	struct import_report *r = im->report;
	sqlite3_stmt *row;
	mk_result rc = db_stmt(im->source,
			       "SELECT name FROM sqlite_master WHERE type = 'table' "
			       "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
			       &row, err);

	if (rc != MK_OK)
		return rc;
	while (r->count < IMPORT_TABLES_MAX && (rc = db_step(im->source, row, err)) == MK_OK) {
		struct import_table *t = &r->tables[r->count];

		(void)snprintf(t->name, sizeof(t->name), "%s",
			       (const char *)sqlite3_column_text(row, 0));
		rc = count_rows(im->source, t->name, &t->source, err);
		if (rc != MK_OK)
			break;
		r->count++;
	}
	sqlite3_reset(row);
	return rc == MK_ENOENT ? MK_OK : rc;
}

/* The copy must have every row of the source. */
static mk_result
import_compare(struct import *im, mk_err *err)
{
	for (uint32_t i = 0; i < im->report->count; i++) {
		struct import_table *t = &im->report->tables[i];
		mk_result rc = count_rows(im->copy, t->name, &t->imported, err);

		if (rc == MK_OK && t->imported != t->source)
			rc =
			    mk_err_set(err, MK_EIO,
				       "table %s has %lld rows in the source, and %lld in the copy",
				       t->name, (long long)t->source, (long long)t->imported);
		if (rc != MK_OK)
			return rc;
	}
	return MK_OK;
}

/* Where upgrade and backfills merge rows; all other tables keep theirs. */
static bool
may_shrink(const char *table)
{
	static const char *const tables[] = { "transmissions", "observations", "nodes",
					      "inactive_nodes" };

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		if (strcmp(table, tables[i]) == 0)
			return true;
	}
	return false;
}

static mk_result
import_recount(struct import *im, mk_err *err)
{
	for (uint32_t i = 0; i < im->report->count; i++) {
		struct import_table *t = &im->report->tables[i];
		mk_result rc = count_rows(im->copy, t->name, &t->imported, err);

		if (rc == MK_OK && t->imported < t->source && !may_shrink(t->name))
			rc = mk_err_set(err, MK_EIO, "table %s lost %lld rows", t->name,
					(long long)(t->source - t->imported));
		if (rc != MK_OK)
			return rc;
	}
	return MK_OK;
}

/* ------------------------------------------------------------------ the steps -- */

static void
on_copy(void *arg, int64_t done, int64_t total)
{
	import_tell(arg, "copy", done, total);
}

static mk_result
import_copy(struct import *im, mk_err *err)
{
	struct backup_options o = { on_copy, im, im->options->cancel };
	struct db_options copy = { .path = im->part };
	bool rest = is_at_rest(im->options->from);
	mk_result rc = backup_copy(im->source, im->part, &o, err);

	if (rc == MK_OK && rest && has_log(im->options->from))
		rc = mk_err_set(err, MK_EAGAIN,
				"%s was opened by another program meanwhile: try again",
				im->options->from);
	if (rc == MK_OK)
		rc = db_open(&im->copy, &copy, err);
	return rc == MK_OK ? import_compare(im, err) : rc;
}

static void
on_upgrade(void *arg, const char *what, int64_t done, int64_t total)
{
	import_tell(arg, what, done, total);
}

static void
on_job(void *arg, const struct job_progress *p)
{
	struct import *im = arg;

	import_tell(im, p->name, p->done, p->total);
	if (p->error[0] != '\0')
		(void)snprintf(im->failed, sizeof(im->failed), "%s: %s", p->name, p->error);
}

static uint64_t
on_now_us(void *arg)
{
	const struct import *im = arg;

	return im->options->now_us(im->options->arg);
}

static uint64_t
on_wall_us(void *arg)
{
	const struct import *im = arg;

	return im->options->wall_us(im->options->arg);
}

/* All backfills at once; nobody waits for them here. Retention is the daemon's. */
static mk_result
import_backfill(struct import *im, mk_err *err)
{
	struct jobs_options o = {
		.now_us = on_now_us, .wall_us = on_wall_us, .on_progress = on_job, .arg = im
	};
	struct jobs *jobs = NULL;
	const char *name;
	mk_result rc = jobs_new(&jobs, im->copy, &o, err);

	while (rc == MK_OK && (name = jobs_next(jobs)) != NULL) {
		rc = jobs_step(jobs, name, JOBS_HOLD_MAX_US, NULL, err);
		if (im->failed[0] != '\0')
			rc = mk_err_set(err, MK_EIO, "%s", im->failed);
		else if (import_is_cancelled(im))
			rc = mk_err_set(err, MK_ETIMEDOUT, "cancelled");
	}
	jobs_free(jobs);
	return rc;
}

static mk_result
import_upgrade(struct import *im, mk_err *err)
{
	struct upgrade_options o = {
		.no_backup = true,
		.wall_us = on_wall_us(im),
		.on_progress = on_upgrade,
		.arg = im,
		.cancel = im->options->cancel,
	};
	mk_result rc = upgrade_run(im->copy, &o, NULL, err);

	/* What follows is for all rows at once. */
	if (rc == MK_OK)
		rc = db_keep_temporary(im->copy, false, err);
	return rc == MK_OK ? import_backfill(im, err) : rc;
}

/* Observations name observers by their implicit rowid, which SQLite does not promise to keep. */
static mk_result
import_vacuum(struct import *im, mk_err *err)
{
	int64_t moved = 0;
	mk_result rc;

	import_tell(im, "vacuum", 0, 0);
	rc = db_exec(im->copy,
		     "CREATE TEMP TABLE seats AS SELECT rowid AS seat, id FROM observers;"
		     "PRAGMA auto_vacuum = INCREMENTAL; VACUUM",
		     err);
	if (rc == MK_OK)
		rc =
		    db_int(im->copy, err, &moved,
			   "SELECT count(*) FROM temp.seats s LEFT JOIN observers o ON o.id = s.id "
			   "WHERE o.rowid IS NOT s.seat",
			   "");
	if (rc == MK_OK && moved != 0)
		rc = mk_err_set(err, MK_EIO,
				"vacuum gave %lld observers another number: import without it",
				(long long)moved);
	return rc;
}

static mk_result
import_check(struct import *im, mk_err *err)
{
	sqlite3_stmt *row;
	const char *text;
	mk_result rc;

	import_tell(im, "integrity check", 0, 0);
	rc = db_row(im->copy, err, &row, "PRAGMA integrity_check(1)", "");
	if (rc != MK_OK)
		return rc;
	text = (const char *)sqlite3_column_text(row, 0);
	if (text == NULL || strcmp(text, "ok") != 0)
		rc = mk_err_set(err, MK_EFORMAT, "the copy is damaged, and so may be %s: %s",
				im->options->from, text == NULL ? "" : text);
	sqlite3_reset(row);
	/* Observations of no transmission: nobody sees them, and they do no harm. */
	if (rc == MK_OK)
		rc = db_int(im->copy, err, &im->report->orphans,
			    "SELECT count(*) FROM pragma_foreign_key_check", "");
	return rc;
}

static mk_result
import_locked(struct import *im, const char *to, mk_err *err)
{
	struct stat st;
	mk_result rc;

	backup_remove(im->part);
	rc = source_open(im, err);
	if (rc == MK_OK)
		rc = count_source(im, err);
	if (rc == MK_OK)
		rc = import_copy(im, err);
	db_close(im->source);
	im->source = NULL;
	if (rc == MK_OK)
		rc = import_upgrade(im, err);
	if (rc == MK_OK && im->options->vacuum)
		rc = import_vacuum(im, err);
	if (rc == MK_OK)
		rc = import_recount(im, err);
	if (rc == MK_OK)
		rc = import_check(im, err);
	if (rc == MK_OK)
		rc = db_checkpoint(im->copy, true, NULL, err);
	db_close(im->copy);
	if (rc == MK_OK && stat(im->part, &st) == 0)
		im->report->bytes = (int64_t)st.st_size;
	if (rc == MK_OK)
		rc = backup_publish(im->part, to, err);
	if (rc != MK_OK)
		backup_remove(im->part);
	return rc;
}

mk_result
import_run(const struct import_options *options, struct import_report *report, mk_err *err)
{
	struct import im = { .options = options, .report = report };
	int lock = -1, n = snprintf(im.part, sizeof(im.part), "%s.import-part", options->to);
	struct stat st;
	mk_result rc;

	memset(report, 0, sizeof(*report));
	if (n < 0 || n >= PATH_MAX)
		return mk_err_set(err, MK_EINVAL, "the path of the database is too long");
	if (lstat(options->to, &st) == 0)
		return mk_err_set(err, MK_EEXIST,
				  "%s exists already: an import never replaces a database",
				  options->to);
	/* Also refuses a log without its database. */
	rc = open_judge(options->to, err);
	if (rc != MK_ENOENT)
		return rc;
	rc = db_lock(options->to, &lock, err);
	if (rc != MK_OK)
		return rc;
	rc = import_locked(&im, options->to, err);
	db_unlock(&lock);
	return rc;
}
