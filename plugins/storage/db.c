/* SPDX-License-Identifier: MIT
 *
 * The connection: see db.h. Owned by whoever opened it; one thread at a time.
 */
#include "db_impl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STMT_MAX 384u

#define BUSY_MS 1000u
#define CACHE_KIB 16384u
#define WAL_PAGES 4000u
#define WAL_LIMIT_KIB 65536u

enum db_class
db_class(mk_result rc)
{
	switch (rc) {
	case MK_OK:
		return DB_FINE;
	case MK_EAGAIN:
	case MK_EUNAVAIL:
	case MK_EFULL:
	case MK_EDENIED:
	case MK_EIO:
	case MK_ENOMEM:
	case MK_ETIMEDOUT:
		return DB_RETRY;
	case MK_EEXIST:
	case MK_ETOOBIG:
		return DB_ROW;
	default:
		return DB_FATAL;
	}
}

/* ---------------------------------------------------------------- errors -- */

static mk_result
result_of_errno(int e)
{
	switch (e) {
	case ENOSPC:
	case EDQUOT:
		return MK_EFULL;
	case EACCES:
	case EPERM:
	case EROFS:
		return MK_EDENIED;
	default:
		return MK_EIO;
	}
}

static mk_result
result_of(sqlite3 *handle, int rc)
{
	if (rc == SQLITE_READONLY_DBMOVED)
		return MK_ESTATE;
	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_PROTOCOL:
		return MK_EAGAIN;
	case SQLITE_FULL:
		return MK_EFULL;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return MK_EDENIED;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		return rc == SQLITE_IOERR_NOMEM
			   ? MK_ENOMEM
			   : result_of_errno(handle == NULL ? 0 : sqlite3_system_errno(handle));
	case SQLITE_NOMEM:
		return MK_ENOMEM;
	case SQLITE_INTERRUPT:
		return MK_ETIMEDOUT;
	case SQLITE_CONSTRAINT:
	case SQLITE_MISMATCH:
		return MK_EEXIST;
	case SQLITE_TOOBIG:
		return MK_ETOOBIG;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return MK_EFORMAT;
	default:
		return MK_EINVAL;
	}
}

mk_result
db_fail(struct db *db, int sqlite_rc, mk_err *err)
{
	mk_result rc = result_of(db->handle, sqlite_rc);
	const char *fact = sqlite3_errmsg(db->handle);
	char who[64];

	switch (rc) {
	case MK_EAGAIN:
		db_holder(db->path, false, who, sizeof(who));
		return mk_err_set(err, rc, "%s is locked by %s, for more than %u ms: stop it",
				  db->path, who[0] == '\0' ? "another program" : who, db->busy_ms);
	case MK_EFULL:
		return mk_err_set(err, rc, "%s: the disk is full (%s): make room", db->path, fact);
	case MK_EDENIED:
		return mk_err_set(
		    err, rc,
		    "%s: %s: the daemon's user must be able to write the file and its "
		    "folder",
		    db->path, fact);
	case MK_ESTATE:
		return mk_err_set(err, rc, "%s was moved or replaced while it was open", db->path);
	case MK_EFORMAT:
		if ((sqlite_rc & 0xff) == SQLITE_NOTADB)
			return mk_err_set(err, rc,
					  "%s is no SQLite database (or an encrypted one): it was "
					  "left as it is; name another file, or move it away",
					  db->path);
		return mk_err_set(err, rc,
				  "%s is damaged (%s): restore a backup, or save what can be read: "
				  "sqlite3 %s .recover | sqlite3 rescued.db",
				  db->path, fact, db->path);
	default:
		return mk_err_set(err, rc, "%s: %s", db->path, fact);
	}
}

/* ------------------------------------------------------------ connection -- */

static mk_result
db_configure(struct db *db, const struct db_options *o, mk_err *err)
{
	char pragmas[256];
	mk_result rc;

	db->busy_ms = o->busy_ms == 0 ? BUSY_MS : o->busy_ms;
	db->log_limit = (int)(o->wal_pages == 0 ? WAL_PAGES : o->wal_pages);
	sqlite3_busy_timeout(db->handle, (int)db->busy_ms);
	/* What is in the file may come from anybody: its schema must not run functions of ours. */
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
	/* The first access: here it shows whether it is a database at all. */
	rc = db_exec(db, "SELECT count(*) FROM sqlite_master", err);
	if (rc != MK_OK)
		return rc;
	if (!o->read_only && sqlite3_db_readonly(db->handle, "main") == 1)
		return mk_err_set(
		    err, MK_EDENIED,
		    "%s is read-only: the daemon's user must be able to write the file "
		    "and its folder",
		    db->path);
	(void)snprintf(
	    pragmas, sizeof(pragmas),
	    "PRAGMA synchronous = %s; PRAGMA cache_size = -%u; PRAGMA cell_size_check = ON; "
	    "PRAGMA journal_size_limit = %llu;",
	    o->full ? "FULL" : "NORMAL", o->cache_kib == 0 ? CACHE_KIB : o->cache_kib,
	    (o->wal_limit_kib == 0 ? WAL_LIMIT_KIB : o->wal_limit_kib) * 1024ull);
	rc = db_exec(db, pragmas, err);
	if (rc == MK_OK && o->read_only)
		rc = db_exec(db, "PRAGMA query_only = ON", err);
	sqlite3_wal_hook(db->handle, db_on_commit, db);
	return rc;
}

/* As a URI, the only way to say immutable. */
static int
open_immutable(const char *path, sqlite3 **handle, int flags)
{
	static const char digits[] = "0123456789ABCDEF";
	char *uri = malloc(3 * strlen(path) + sizeof("file:?immutable=1"));
	size_t at = 5;
	int rc;

	if (uri == NULL)
		return SQLITE_NOMEM;
	memcpy(uri, "file:", at);
	for (; *path != '\0'; path++) {
		if (strchr("?#%", *path) == NULL) {
			uri[at++] = *path;
			continue;
		}
		uri[at++] = '%';
		uri[at++] = digits[(*path >> 4) & 0xf];
		uri[at++] = digits[*path & 0xf];
	}
	memcpy(uri + at, "?immutable=1", sizeof("?immutable=1"));
	rc = sqlite3_open_v2(uri, handle, flags | SQLITE_OPEN_URI, NULL);
	free(uri);
	return rc;
}

mk_result
db_open(struct db **out, const struct db_options *o, mk_err *err)
{
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
		    (o->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) |
		    (o->create ? SQLITE_OPEN_CREATE : 0);
	struct db *db = calloc(1, sizeof(*db));
	mk_result rc;
	int sqlite_rc;

	if (db != NULL)
		db->path = strdup(o->path);
	if (db == NULL || db->path == NULL) {
		free(db);
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	}
	sqlite_rc = o->immutable ? open_immutable(o->path, &db->handle, flags)
				 : sqlite3_open_v2(o->path, &db->handle, flags, NULL);
	if (db->handle == NULL)
		rc = mk_err_set(err, MK_ENOMEM, "out of memory");
	else if (sqlite_rc != SQLITE_OK)
		rc = db_fail(db, sqlite_rc, err);
	else
		rc = db_configure(db, o, err);
	if (rc != MK_OK) {
		db_close(db);
		return rc;
	}
	*out = db;
	return MK_OK;
}

void
db_close(struct db *db)
{
	if (db == NULL)
		return;
	for (uint32_t i = 0; i < STMT_SLOTS; i++)
		sqlite3_finalize(db->kept[i].stmt);
	db_rollback(db);
	sqlite3_close(db->handle);
	free(db->path);
	free(db);
}

sqlite3 *
db_handle(struct db *db)
{
	return db->handle;
}

const char *
db_path(const struct db *db)
{
	return db->path;
}

mk_result
db_use_wal(struct db *db, mk_err *err)
{
	sqlite3_stmt *row;
	mk_result rc = db_row(db, err, &row, "PRAGMA journal_mode = WAL", "");
	bool good;

	if (rc != MK_OK)
		return rc;
	good = sqlite3_stricmp((const char *)sqlite3_column_text(row, 0), "wal") == 0;
	sqlite3_reset(row);
	return good ? MK_OK
		    : mk_err_set(err, MK_EUNAVAIL,
				 "%s: its file system cannot have a write-ahead log: put it on a "
				 "local disk",
				 db->path);
}

mk_result
db_keep_temporary(struct db *db, bool in_memory, mk_err *err)
{
	return db_exec(db, in_memory ? "PRAGMA temp_store = MEMORY" : "PRAGMA temp_store = FILE",
		       err);
}

/* ------------------------------------------------------------ statements -- */

mk_result
db_stmt(struct db *db, const char *sql, sqlite3_stmt **out, mk_err *err)
{
	uint32_t slot = (uint32_t)(((uintptr_t)sql * UINT64_C(0x9e3779b97f4a7c15)) >> 40);
	struct kept *kept;
	int rc;

	for (;; slot++) {
		kept = &db->kept[slot % STMT_SLOTS];
		if (kept->sql == NULL || kept->sql == sql)
			break;
	}
	if (kept->sql == NULL) {
		if (db->kept_count == STMT_MAX)
			return mk_err_set(err, MK_EINVAL, "too many statements are kept");
		rc = sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &kept->stmt,
					NULL);
		if (rc != SQLITE_OK)
			return db_fail(db, rc, err);
		kept->sql = sql;
		db->kept_count++;
	} else {
		sqlite3_reset(kept->stmt);
		sqlite3_clear_bindings(kept->stmt);
	}
	*out = kept->stmt;
	return MK_OK;
}

static mk_result
bind_values(struct db *db, mk_err *err, sqlite3_stmt *stmt, const char *types, va_list ap)
{
	int rc = SQLITE_OK;

	for (int i = 0; types[i] != '\0' && rc == SQLITE_OK; i++) {
		const void *data;

		switch (types[i]) {
		case 'i':
			rc = sqlite3_bind_int64(stmt, i + 1, va_arg(ap, int64_t));
			break;
		case 'd':
			rc = sqlite3_bind_double(stmt, i + 1, va_arg(ap, double));
			break;
		case 's':
			rc = sqlite3_bind_text(stmt, i + 1, va_arg(ap, const char *), -1,
					       SQLITE_STATIC);
			break;
		case 'b':
			data = va_arg(ap, const void *);
			rc = sqlite3_bind_blob(stmt, i + 1, data, va_arg(ap, int), SQLITE_STATIC);
			break;
		case 'n':
			rc = sqlite3_bind_null(stmt, i + 1);
			break;
		default:
			rc = SQLITE_MISUSE;
		}
	}
	return rc == SQLITE_OK ? MK_OK : db_fail(db, rc, err);
}

mk_result
db_bind(struct db *db, mk_err *err, sqlite3_stmt *stmt, const char *types, ...)
{
	va_list ap;
	mk_result rc;

	va_start(ap, types);
	rc = bind_values(db, err, stmt, types, ap);
	va_end(ap);
	return rc;
}

mk_result
db_step(struct db *db, sqlite3_stmt *stmt, mk_err *err)
{
	int rc = sqlite3_step(stmt);
	mk_result result;

	if (rc == SQLITE_ROW)
		return MK_OK;
	result = rc == SQLITE_DONE ? MK_ENOENT : db_fail(db, rc, err);
	sqlite3_reset(stmt);
	return result;
}

static mk_result
first_row(struct db *db, mk_err *err, sqlite3_stmt **out, const char *sql, const char *types,
	  va_list ap)
{
	sqlite3_stmt *stmt = NULL;
	mk_result rc = db_stmt(db, sql, &stmt, err);

	if (rc == MK_OK)
		rc = bind_values(db, err, stmt, types, ap);
	if (rc == MK_OK)
		rc = db_step(db, stmt, err);
	if (rc == MK_OK)
		*out = stmt;
	return rc;
}

mk_result
db_row(struct db *db, mk_err *err, sqlite3_stmt **row, const char *sql, const char *types, ...)
{
	va_list ap;
	mk_result rc;

	va_start(ap, types);
	rc = first_row(db, err, row, sql, types, ap);
	va_end(ap);
	return rc;
}

mk_result
db_run(struct db *db, mk_err *err, const char *sql, const char *types, ...)
{
	sqlite3_stmt *stmt = NULL;
	va_list ap;
	mk_result rc;

	va_start(ap, types);
	rc = first_row(db, err, &stmt, sql, types, ap);
	va_end(ap);
	while (rc == MK_OK)
		rc = db_step(db, stmt, err);
	return rc == MK_ENOENT ? MK_OK : rc;
}

mk_result
db_int(struct db *db, mk_err *err, int64_t *out, const char *sql, const char *types, ...)
{
	sqlite3_stmt *row;
	va_list ap;
	mk_result rc;

	va_start(ap, types);
	rc = first_row(db, err, &row, sql, types, ap);
	va_end(ap);
	if (rc != MK_OK)
		return rc;
	*out = sqlite3_column_int64(row, 0);
	sqlite3_reset(row);
	return MK_OK;
}

mk_result
db_exec(struct db *db, const char *sql, mk_err *err)
{
	int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? MK_OK : db_fail(db, rc, err);
}

int64_t
db_changes(struct db *db)
{
	return sqlite3_changes64(db->handle);
}

size_t
db_memory(const struct db *db)
{
	static const int parts[] = { SQLITE_DBSTATUS_CACHE_USED, SQLITE_DBSTATUS_SCHEMA_USED,
				     SQLITE_DBSTATUS_STMT_USED };
	size_t all = sizeof(*db);
	int now, most;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (sqlite3_db_status(db->handle, parts[i], &now, &most, 0) == SQLITE_OK)
			all += (size_t)now;
	return all;
}

/* ---------------------------------------------------------- transactions -- */

mk_result
db_begin(struct db *db, mk_err *err)
{
	return db_run(db, err, "BEGIN IMMEDIATE", "");
}

mk_result
db_commit(struct db *db, mk_err *err)
{
	mk_result rc = db_run(db, err, "COMMIT", "");

	if (rc != MK_OK)
		db_rollback(db);
	return rc;
}

void
db_rollback(struct db *db)
{
	if (db->handle != NULL && sqlite3_get_autocommit(db->handle) == 0)
		(void)sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
}
