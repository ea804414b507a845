/* SPDX-License-Identifier: MIT
 *
 * A disk as slow as an SD card, for SQLite: the default VFS with pauses in it, registered as "slow".
 * Pauses are slept, so they cost no processor; they belong to the disk, so one waits for another.
 */
#ifndef MK_BENCH_SLOW_VFS_H
#define MK_BENCH_SLOW_VFS_H

#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <sqlite3.h>

#define SLOW_READ_US 500u  /* a page from anywhere: 2,000 a second */
#define SLOW_WRITE_US 400u /* a page: 10 MB a second */
#define SLOW_SYNC_US 15000u

struct slow_file {
	sqlite3_file base;
	sqlite3_file *real;
};

static pthread_mutex_t slow_disk = PTHREAD_MUTEX_INITIALIZER;

static inline void
slow_wait(uint32_t us)
{
	struct timespec t = { .tv_nsec = (long)us * 1000 };

	pthread_mutex_lock(&slow_disk);
	nanosleep(&t, NULL);
	pthread_mutex_unlock(&slow_disk);
}

#define SLOW_REAL(f) (((struct slow_file *)(void *)(f))->real)
#define SLOW_PASS(name, call, ...)                           \
	static int slow_##name(sqlite3_file *f, __VA_ARGS__) \
	{                                                    \
		sqlite3_file *real = SLOW_REAL(f);           \
		return real->pMethods->call;                 \
	}

/* clang-format off */
SLOW_PASS(truncate, xTruncate(real, n), sqlite3_int64 n)
SLOW_PASS(size, xFileSize(real, n), sqlite3_int64 *n)
SLOW_PASS(lock, xLock(real, n), int n)
SLOW_PASS(unlock, xUnlock(real, n), int n)
SLOW_PASS(reserved, xCheckReservedLock(real, n), int *n)
SLOW_PASS(control, xFileControl(real, op, arg), int op, void *arg)
SLOW_PASS(shm_map, xShmMap(real, a, b, c, out), int a, int b, int c, void volatile **out)
SLOW_PASS(shm_lock, xShmLock(real, a, b, c), int a, int b, int c)
SLOW_PASS(shm_unmap, xShmUnmap(real, n), int n)
/* clang-format on */

static int
slow_read(sqlite3_file *f, void *data, int n, sqlite3_int64 at)
{
	slow_wait(SLOW_READ_US);
	return SLOW_REAL(f)->pMethods->xRead(SLOW_REAL(f), data, n, at);
}

static int
slow_write(sqlite3_file *f, const void *data, int n, sqlite3_int64 at)
{
	/* Headers of frames in the log go with their pages. */
	if (n >= 512)
		slow_wait(SLOW_WRITE_US);
	return SLOW_REAL(f)->pMethods->xWrite(SLOW_REAL(f), data, n, at);
}

static int
slow_sync(sqlite3_file *f, int flags)
{
	slow_wait(SLOW_SYNC_US);
	return SLOW_REAL(f)->pMethods->xSync(SLOW_REAL(f), flags);
}

static int
slow_sector(sqlite3_file *f)
{
	return SLOW_REAL(f)->pMethods->xSectorSize(SLOW_REAL(f));
}

static int
slow_device(sqlite3_file *f)
{
	return SLOW_REAL(f)->pMethods->xDeviceCharacteristics(SLOW_REAL(f));
}

static void
slow_barrier(sqlite3_file *f)
{
	SLOW_REAL(f)->pMethods->xShmBarrier(SLOW_REAL(f));
}

static int
slow_close(sqlite3_file *f)
{
	sqlite3_file *real = SLOW_REAL(f);
	int rc = real->pMethods->xClose(real);

	sqlite3_free(real);
	return rc;
}

static const sqlite3_io_methods slow_methods = {
	2,           slow_close,   slow_read,     slow_write,    slow_truncate,  slow_sync,
	slow_size,   slow_lock,    slow_unlock,   slow_reserved, slow_control,   slow_sector,
	slow_device, slow_shm_map, slow_shm_lock, slow_barrier,  slow_shm_unmap, NULL,
	NULL,
};

static int
slow_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
	struct slow_file *f = (struct slow_file *)(void *)file;
	sqlite3_vfs *real = vfs->pAppData;
	int rc;

	memset(f, 0, sizeof(*f));
	f->real = sqlite3_malloc(real->szOsFile);
	if (f->real == NULL)
		return SQLITE_NOMEM;
	memset(f->real, 0, (size_t)real->szOsFile);
	rc = real->xOpen(real, name, f->real, flags, out);
	if (rc == SQLITE_OK)
		f->base.pMethods = &slow_methods;
	else
		sqlite3_free(f->real);
	return rc;
}

/* As the default of everything that is opened from now on, or not any more. */
static inline void
slow_vfs(int on)
{
	static sqlite3_vfs vfs;

	if (vfs.zName == NULL) {
		sqlite3_vfs *real = sqlite3_vfs_find(NULL);

		vfs = *real;
		vfs.zName = "slow";
		vfs.szOsFile = (int)sizeof(struct slow_file);
		vfs.pAppData = real;
		vfs.xOpen = slow_open;
	}
	if (on)
		sqlite3_vfs_register(&vfs, 1);
	else
		sqlite3_vfs_unregister(&vfs);
}

#endif
