/* SPDX-License-Identifier: MIT
 *
 * Commits reach the disk without the plugin's thread waiting for it: a helper thread syncs the log
 * of the database when it is asked to, and says when that is done.
 *
 * DOC: Why syncing the log is enough
 *
 * With synchronous NORMAL a COMMIT only writes its pages to the log, `PATH-wal`. An fdatasync of
 * that file which begins after the COMMIT brings everything to the disk that the file holds then,
 * through whatever descriptor it was written. What is not in the file any more was moved by a
 * checkpoint: it syncs the log before it writes to the database, and the database before it lets
 * the log begin anew, be cut or be deleted. So each commit is on the disk in the log, in the
 * database, or in both, and after a power cut SQLite takes from the log what its checksums hold
 * together.
 *
 * The file is opened by its name each time, which is cheap beside the sync: then there is no
 * question whether it is still the one that SQLite writes to. That it is not there means that a
 * checkpoint was the last one to touch it. Closing the descriptor drops no lock, since SQLite locks
 * the database and its index, never the log.
 *
 * When it fails, trying again proves nothing: the kernel may have marked as clean what it could not
 * write. What counts then is a complete checkpoint, which writes it all once more, elsewhere.
 */
#ifndef STORAGE_SYNC_H
#define STORAGE_SYNC_H

#include <pthread.h>

#include <meshkern/err.h>
#include <meshkern/plugin.h>

#include "db.h"

/* A helper thread that does one thing again and again, when it is asked to. */
struct sync {
	const mk_host *host;
	const char *name;
	mk_result (*work)(struct sync *s, mk_err *err); /* on the thread, with s->path */
	void (*on_done)(void *);                        /* posted to the plugin's thread */
	void *arg;
	/* The plugin's thread: */
	bool running, started; /* a round is under way; the thread is there */
	uint64_t began_us;
	/* Under the lock: */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool asked, done, over;
	mk_result result;
	mk_err err;
	char path[4096];
	bool all;          /* for sync_log: until nothing is left */
	struct db_wal wal; /* sync_log's, to be read when the round is over */
};

void sync_init(struct sync *s, const mk_host *host, const char *name,
	       mk_result (*work)(struct sync *, mk_err *), void (*on_done)(void *), void *arg);
void sync_fini(struct sync *s); /* the thread has been joined */
/* A round that begins now; ask only when none is running. Without a thread it happens at once. */
void sync_begin(struct sync *s, const char *database);
/* True, once, when the round is over: with its result. */
bool sync_is_over(struct sync *s, mk_result *result, mk_err *err);
/* The thread ends as soon as the disk lets it. */
void sync_stop(struct sync *s);
/* The two works: bring the log to the disk; bring it into the database. */
mk_result sync_disk(struct sync *s, mk_err *err);
mk_result sync_log(struct sync *s, mk_err *err);
/* On the calling thread. */
mk_result sync_file(const char *database, mk_err *err);

#endif
