/* SPDX-License-Identifier: MIT
 *
 * From a path to a database that may be written: see open.h.
 */
/* realpath() is in the X/Open part of POSIX. */
#define _XOPEN_SOURCE 700

#include "open.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup.h"

/* A database that is gone, but not its log: a new one of the same name would take that log for its
 * own and be damaged by it. */
static mk_result
find_orphan(const char *path, mk_err *err)
{
	static const char *const suffixes[] = { "-wal", "-journal" };

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		char name[PATH_MAX + 16];
		struct stat st;

		(void)snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
		if (stat(name, &st) == 0 && st.st_size > 0)
			return mk_err_set(err, MK_EFORMAT,
					  "%s is missing, but %s, which holds changes of it, is "
					  "there: bring the database back, or move that file away",
					  path, name);
	}
	return MK_OK;
}

mk_result
open_judge(const char *path, mk_err *err)
{
	struct stat st;
	mk_result rc;

	if (stat(path, &st) != 0 && errno != ENOENT)
		return mk_err_errno(err, "open %s", path);
	if (stat(path, &st) != 0) {
		if (lstat(path, &st) == 0)
			return mk_err_set(err, MK_EFORMAT,
					  "%s is a link to a file that does not exist", path);
		rc = find_orphan(path, err);
		return rc == MK_OK ? MK_ENOENT : rc;
	}
	if (S_ISDIR(st.st_mode))
		return mk_err_set(err, MK_EFORMAT,
				  "%s is a directory: name a file in it as the database", path);
	if (!S_ISREG(st.st_mode))
		return mk_err_set(err, MK_EFORMAT, "%s is not a regular file", path);
	if (st.st_size == 0)
		return mk_err_set(
		    err, MK_EFORMAT,
		    "%s is empty, which no database is: if nothing was lost, delete it, "
		    "and a new one is made; else restore a backup",
		    path);
	return MK_OK;
}

static mk_result
make_fill(struct db *db, mk_err *err)
{
	/* auto_vacuum is fixed with the first page. */
	mk_result rc = db_exec(db, "PRAGMA auto_vacuum = INCREMENTAL", err);

	if (rc == MK_OK)
		rc = db_begin(db, err);
	if (rc == MK_OK)
		rc = schema_create(db, err);
	if (rc == MK_OK)
		rc = db_commit(db, err);
	return rc == MK_OK ? db_use_wal(db, err) : rc;
}

/* Under another name, and renamed when it is complete. */
static mk_result
make_database(const char *path, const struct db_options *options, mk_err *err)
{
	struct db_options o = *options;
	char name[PATH_MAX + 16];
	struct db *db = NULL;
	mk_result rc;

	(void)snprintf(name, sizeof(name), "%s.new", path);
	backup_remove(name);
	o.path = name;
	o.create = true;
	rc = db_open(&db, &o, err);
	if (rc == MK_OK)
		rc = make_fill(db, err);
	db_close(db);
	if (rc == MK_OK)
		rc = backup_publish(name, path, err);
	if (rc != MK_OK)
		backup_remove(name);
	return rc;
}

/* An empty database that somebody else made is filled where it is. */
static mk_result
fill_database(struct opened *o, mk_err *err)
{
	mk_result rc = db_exec(o->db, "PRAGMA auto_vacuum = INCREMENTAL; VACUUM", err);

	if (rc == MK_OK)
		rc = make_fill(o->db, err);
	o->state = SCHEMA_READY;
	o->created = true;
	return rc;
}

/* Sorting for indexes needs temporary files, and a plugin in a sandbox has only its folders.
 * SQLite keeps the name for the whole process; it is set once, before the database is announced to
 * anybody else who could be using SQLite. */
static void
use_temporary_folder(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (sqlite3_temp_directory == NULL && slash != NULL && slash != path)
		sqlite3_temp_directory = sqlite3_mprintf("%.*s", (int)(slash - path), path);
}

static mk_result
open_locked(struct opened *o, const char *path, const struct db_options *options, mk_err *err)
{
	struct db_options real = *options;
	mk_result rc = open_judge(path, err);

	real.path = path;
	if (rc == MK_ENOENT) {
		rc = make_database(path, options, err);
		o->created = rc == MK_OK;
	}
	if (rc == MK_OK)
		rc = db_open(&o->db, &real, err);
	if (rc == MK_OK)
		rc = schema_probe(o->db, &o->state, err);
	if (rc == MK_OK && o->state == SCHEMA_EMPTY)
		rc = fill_database(o, err);
	if (rc == MK_OK && o->state == SCHEMA_READY)
		rc = db_use_wal(o->db, err);
	if (rc == MK_OK && o->state == SCHEMA_READY)
		rc = db_keep_temporary(o->db, true, err);
	if (rc == MK_OK && o->state == SCHEMA_UPGRADE)
		use_temporary_folder(path);
	return rc;
}

mk_result
open_database(struct opened *out, const struct db_options *options, mk_err *err)
{
	struct opened o = { .lock_fd = -1 };
	char path[PATH_MAX];
	mk_result rc;

	/* Through a link it is the same file, so it must be the same lock. */
	if (realpath(options->path, path) == NULL) {
		int n = snprintf(path, sizeof(path), "%s", options->path);

		if (n < 0 || n >= (int)sizeof(path))
			return mk_err_set(err, MK_EINVAL, "the path of the database is too long");
	}
	/* Before locking: the lock file must not be left beside what is no database. */
	rc = open_judge(path, err);
	if (rc != MK_OK && rc != MK_ENOENT)
		return rc;
	rc = db_lock(path, &o.lock_fd, err);
	if (rc == MK_OK)
		rc = open_locked(&o, path, options, err);
	if (rc != MK_OK) {
		/* Not even the log of a crashed program is brought into what is not ours. */
		if (o.db != NULL)
			sqlite3_db_config(db_handle(o.db), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1,
					  NULL);
		db_close(o.db);
		db_unlock(&o.lock_fd);
		return rc;
	}
	*out = o;
	return MK_OK;
}

void
open_close(struct opened *o)
{
	if (o->db != NULL)
		(void)db_checkpoint(o->db, true, NULL, NULL);
	db_close(o->db);
	o->db = NULL;
	db_unlock(&o->lock_fd);
}
