/* SPDX-License-Identifier: MIT
 *
 * Copies of a database: see backup.h.
 */
#include "backup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define STEP_PAGES 1024
#define SPARE_BYTES (UINT64_C(16) << 20)

void
backup_remove(const char *path)
{
	static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };
	char name[PATH_MAX + 64];

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		(void)snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
		(void)unlink(name);
	}
}

static mk_result
sync_path(const char *path, int flags, mk_err *err)
{
	int fd = open(path, flags | O_CLOEXEC);
	mk_result rc = MK_OK;

	if (fd == -1 || fsync(fd) != 0)
		rc = mk_err_errno(err, "write %s to disk", path);
	if (fd != -1)
		close(fd);
	return rc;
}

static mk_result
sync_folder(const char *path, mk_err *err)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX];

	(void)snprintf(folder, sizeof(folder), "%.*s", slash == NULL ? 1 : (int)(slash - path + 1),
		       slash == NULL ? "." : path);
	return sync_path(folder, O_RDONLY | O_DIRECTORY, err);
}

mk_result
backup_publish(const char *from, const char *to, mk_err *err)
{
	mk_result rc = sync_path(from, O_RDWR, err);

	if (rc != MK_OK)
		return rc;
	/* Unlike rename, link never replaces a file. Not every file system has it. */
	if (link(from, to) == 0) {
		(void)unlink(from);
	} else if (errno == EEXIST || access(to, F_OK) == 0) {
		return mk_err_set(err, MK_EEXIST, "%s exists already", to);
	} else if (rename(from, to) != 0) {
		return mk_err_errno(err, "rename %s to %s", from, to);
	}
	return sync_folder(to, err);
}

static mk_result
check_space(struct db *source, const char *path, mk_err *err)
{
	const char *slash = strrchr(path, '/');
	int64_t pages = 0, page_size = 0;
	char folder[PATH_MAX];
	struct statvfs fs;
	uint64_t need, have;
	mk_result rc = db_int(source, err, &pages, "PRAGMA page_count", "");

	if (rc == MK_OK)
		rc = db_int(source, err, &page_size, "PRAGMA page_size", "");
	if (rc != MK_OK)
		return rc;
	(void)snprintf(folder, sizeof(folder), "%.*s", slash == NULL ? 1 : (int)(slash - path + 1),
		       slash == NULL ? "." : path);
	if (statvfs(folder, &fs) != 0)
		return mk_err_errno(err, "look at the file system of %s", folder);
	need = (uint64_t)pages * (uint64_t)page_size + SPARE_BYTES;
	have = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (have < need)
		return mk_err_set(
		    err, MK_EFULL,
		    "a copy of %s needs %llu MiB in %s, and %llu MiB are free: make room",
		    db_path(source), (unsigned long long)(need >> 20), folder,
		    (unsigned long long)(have >> 20));
	return MK_OK;
}

static mk_result
copy_pages(struct db *source, struct db *target, const struct backup_options *o, mk_err *err)
{
	sqlite3_backup *copy =
	    sqlite3_backup_init(db_handle(target), "main", db_handle(source), "main");
	mk_result rc = MK_OK;
	int step;

	if (copy == NULL)
		return db_fail(target, sqlite3_errcode(db_handle(target)), err);
	do {
		step = sqlite3_backup_step(copy, STEP_PAGES);
		if (o->on_progress != NULL)
			o->on_progress(o->arg,
				       sqlite3_backup_pagecount(copy) -
					   sqlite3_backup_remaining(copy),
				       sqlite3_backup_pagecount(copy));
		if (o->cancel != NULL && atomic_load(o->cancel))
			rc = mk_err_set(err, MK_ETIMEDOUT, "cancelled");
	} while (step == SQLITE_OK && rc == MK_OK);
	if (rc == MK_OK && step != SQLITE_DONE)
		rc = db_fail((step & 0xff) == SQLITE_BUSY ? source : target, step, err);
	step = sqlite3_backup_finish(copy);
	if (rc == MK_OK && step != SQLITE_OK)
		rc = db_fail(target, step, err);
	return rc;
}

mk_result
backup_copy(struct db *source, const char *path, const struct backup_options *options, mk_err *err)
{
	struct db_options o = { .path = path, .create = true };
	struct db *target = NULL;
	struct stat st;
	mk_result rc = check_space(source, path, err);

	if (rc != MK_OK)
		return rc;
	backup_remove(path);
	rc = db_open(&target, &o, err);
	/* It is brought to disk once, when it is complete. */
	if (rc == MK_OK)
		rc = db_exec(target, "PRAGMA synchronous = OFF", err);
	/* While this read lasts, nobody's writing makes the copy begin again. */
	if (rc == MK_OK && sqlite3_get_autocommit(db_handle(source)) != 0)
		rc = db_exec(source, "BEGIN; SELECT count(*) FROM sqlite_master", err);
	if (rc == MK_OK)
		rc = copy_pages(source, target, options, err);
	db_rollback(source);
	db_close(target);
	if (rc == MK_OK && stat(db_path(source), &st) == 0)
		(void)chmod(path, (st.st_mode & 0777) | S_IRUSR | S_IWUSR);
	if (rc == MK_OK)
		rc = sync_path(path, O_RDWR, err);
	if (rc != MK_OK)
		backup_remove(path);
	return rc;
}
