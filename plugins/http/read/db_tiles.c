/* SPDX-License-Identifier: MIT */
#include "db_tiles.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BUSY_MS 100
#define TEXT_MAX 4096        /* of the metadata */
#define ROWS_MAX 1000        /* likewise */
#define PROGRESS_STEPS 10000 /* of SQLite's machine; one lookup takes some dozens */
#define PROGRESS_MAX 200u    /* so often: a view that computes for long is cut off */

struct tile_file {
	pthread_mutex_t lock; /* of the connection */
	sqlite3 *db;
	sqlite3_stmt *find;
	uint32_t progress;
	struct tile_info info;
};

static int
tiles_on_progress(void *arg)
{
	struct tile_file *f = arg;

	return ++f->progress > PROGRESS_MAX;
}

static mk_result
tiles_fail(struct tile_file *f, mk_err *err)
{
	int rc = f->db == NULL ? SQLITE_NOMEM : sqlite3_extended_errcode(f->db) & 255;

	if (rc == SQLITE_TOOBIG)
		return mk_err_set(err, MK_ETOOBIG, "a picture of more than 1 MiB");
	if (rc == SQLITE_INTERRUPT)
		return mk_err_set(err, MK_ETIMEDOUT, "a lookup takes too long");
	if (rc == SQLITE_NOMEM)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	if (rc == SQLITE_NOTADB || rc == SQLITE_ERROR)
		return mk_err_set(err, MK_EFORMAT, "no MBTiles file: %s", sqlite3_errmsg(f->db));
	return mk_err_set(err, MK_EUNAVAIL, "%s", sqlite3_errmsg(f->db));
}

/* ------------------------------------------------------------- metadata -- */

/* The owner's words, which often are HTML: without tags, and with the two entities that occur. */
static void
tiles_attribution(char *out, size_t size, const char *text)
{
	static const char *const entities[][2] = { { "&copy;", "\xc2\xa9" }, { "&amp;", "&" } };
	size_t n = 0;

	while (*text != '\0' && n + 3 < size) {
		const char *end = *text == '<' ? strchr(text, '>') : NULL;
		bool is = false;

		if (end != NULL) {
			text = end + 1;
			continue;
		}
		for (int i = 0; i < 2 && !is; i++) {
			size_t len = strlen(entities[i][0]), put = strlen(entities[i][1]);

			is = strncmp(text, entities[i][0], len) == 0;
			if (!is)
				continue;
			memcpy(out + n, entities[i][1], put);
			n += put;
			text += len;
		}
		if (!is)
			out[n++] = *text++;
	}
	/* Not half of a character at the end. */
	while (*text != '\0' && n > 0 && ((unsigned char)out[n - 1] & 0xc0) == 0x80)
		n--;
	if (*text != '\0' && n > 0 && ((unsigned char)out[n - 1] & 0x80) != 0)
		n--;
	out[n] = '\0';
}

static mk_result
tiles_meta(struct tile_file *f, const char *name, const char *value, bool *zoom, mk_err *err)
{
	if (strcmp(name, "attribution") == 0) {
		tiles_attribution(f->info.attribution, sizeof(f->info.attribution), value);
	} else if (strcmp(name, "maxzoom") == 0) {
		char *end;
		unsigned long z = strtoul(value, &end, 10);

		*zoom = end != value && z <= TILES_ZOOM_MAX;
		f->info.max_zoom = *zoom ? (uint32_t)z : 0;
	} else if (strcmp(name, "format") == 0 && strcmp(value, "pbf") == 0) {
		return mk_err_set(err, MK_EFORMAT,
				  "it has vector tiles (pbf), not pictures: PNG, JPEG or WebP");
	}
	return MK_OK;
}

static mk_result
tiles_read_meta(struct tile_file *f, mk_err *err)
{
	sqlite3_stmt *s = NULL;
	bool zoom = false;
	mk_result rc = MK_OK;
	int step;

	step = sqlite3_prepare_v2(f->db, "SELECT name, value FROM metadata", -1, &s, NULL);
	for (int i = 0; rc == MK_OK && step == SQLITE_OK && i < ROWS_MAX; i++) {
		const char *name, *value;

		step = sqlite3_step(s);
		if (step != SQLITE_ROW)
			break;
		name = (const char *)sqlite3_column_text(s, 0);
		value = (const char *)sqlite3_column_text(s, 1);
		if (name != NULL && value != NULL && strlen(value) < TEXT_MAX)
			rc = tiles_meta(f, name, value, &zoom, err);
		step = SQLITE_OK;
	}
	if (rc == MK_OK && step != SQLITE_OK && step != SQLITE_DONE)
		rc = tiles_fail(f, err);
	sqlite3_finalize(s);
	if (rc != MK_OK || zoom)
		return rc;
	step = sqlite3_prepare_v2(f->db,
				  "SELECT zoom_level FROM tiles ORDER BY zoom_level DESC LIMIT 1",
				  -1, &s, NULL);
	if (step == SQLITE_OK)
		step = sqlite3_step(s);
	if (step == SQLITE_ROW && sqlite3_column_int64(s, 0) >= 0 &&
	    sqlite3_column_int64(s, 0) <= TILES_ZOOM_MAX)
		f->info.max_zoom = (uint32_t)sqlite3_column_int64(s, 0);
	else
		rc = step == SQLITE_DONE || step == SQLITE_ROW
			 ? mk_err_set(err, MK_EFORMAT, "no tiles in it")
			 : tiles_fail(f, err);
	sqlite3_finalize(s);
	return rc;
}

/* ------------------------------------------------------------- the file -- */

static mk_result
tiles_connect(struct tile_file *f, const char *path, mk_err *err)
{
	static const char pragmas[] = "PRAGMA query_only = 1; PRAGMA trusted_schema = 0;"
				      " PRAGMA cell_size_check = 1; PRAGMA mmap_size = 0;"
				      " PRAGMA cache_size = -1024";
	static const char find[] = "SELECT tile_data FROM tiles WHERE zoom_level = ?1"
				   " AND tile_column = ?2 AND tile_row = ?3";

	if (sqlite3_open_v2(path, &f->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) !=
	    SQLITE_OK)
		return tiles_fail(f, err);
	(void)sqlite3_extended_result_codes(f->db, 1);
	(void)sqlite3_limit(f->db, SQLITE_LIMIT_LENGTH, TILES_BYTES_MAX);
	(void)sqlite3_db_config(f->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_progress_handler(f->db, PROGRESS_STEPS, tiles_on_progress, f);
	if (sqlite3_busy_timeout(f->db, BUSY_MS) != SQLITE_OK ||
	    sqlite3_exec(f->db, pragmas, NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v3(f->db, find, -1, SQLITE_PREPARE_PERSISTENT, &f->find, NULL) !=
		SQLITE_OK)
		return tiles_fail(f, err);
	return MK_OK;
}

mk_result
tiles_open(struct tile_file **out, const char *path, mk_err *err)
{
	struct tile_file *f;
	struct stat st;
	mk_result rc;

	/* Opening a pipe would wait for somebody to write. */
	if (stat(path, &st) != 0)
		return mk_err_errno(err, "%s", path);
	if (!S_ISREG(st.st_mode))
		return mk_err_set(err, MK_EFORMAT, "%s: not a file", path);
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	f->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	f->info.version =
	    (uint64_t)st.st_mtim.tv_sec * 31 + (uint64_t)st.st_mtim.tv_nsec + (uint64_t)st.st_size;
	rc = tiles_connect(f, path, err);
	if (rc == MK_OK)
		rc = tiles_read_meta(f, err);
	if (rc != MK_OK) {
		tiles_close(f);
		return mk_err_wrap(err, "%s", path);
	}
	*out = f;
	return MK_OK;
}

void
tiles_close(struct tile_file *f)
{
	if (f == NULL)
		return;
	sqlite3_finalize(f->find);
	sqlite3_close(f->db);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

const struct tile_info *
tiles_info(const struct tile_file *f)
{
	return &f->info;
}

static const char *
tiles_type(const uint8_t *data, size_t len)
{
	if (len >= 8 && memcmp(data, "\x89PNG\r\n\x1a\n", 8) == 0)
		return "image/png";
	if (len >= 3 && memcmp(data, "\xff\xd8\xff", 3) == 0)
		return "image/jpeg";
	if (len >= 12 && memcmp(data, "RIFF", 4) == 0 && memcmp(data + 8, "WEBP", 4) == 0)
		return "image/webp";
	return NULL;
}

mk_result
tiles_get(struct tile_file *f, uint32_t z, uint32_t x, uint32_t y,
	  void (*fn)(void *arg, const void *data, size_t len, const char *type), void *arg,
	  mk_err *err)
{
	const char *type;
	const void *data;
	mk_result rc = MK_OK;
	size_t len;
	int step;

	if (z > TILES_ZOOM_MAX || x >= 1u << z || y >= 1u << z)
		return mk_err_set(err, MK_EINVAL, "no place on the map");
	pthread_mutex_lock(&f->lock);
	f->progress = 0;
	(void)sqlite3_bind_int64(f->find, 1, z);
	(void)sqlite3_bind_int64(f->find, 2, x);
	(void)sqlite3_bind_int64(f->find, 3, (1u << z) - 1 - y); /* rows are from the south */
	step = sqlite3_step(f->find);
	if (step == SQLITE_ROW) {
		data = sqlite3_column_blob(f->find, 0);
		len = (size_t)sqlite3_column_bytes(f->find, 0);
		type = data == NULL ? NULL : tiles_type(data, len);
		if (type != NULL)
			fn(arg, data, len, type);
		else
			rc = mk_err_set(err, MK_EFORMAT, "neither PNG, JPEG nor WebP");
	} else {
		rc = step == SQLITE_DONE ? mk_err_set(err, MK_ENOENT, "no picture of this place")
					 : tiles_fail(f, err);
	}
	sqlite3_reset(f->find);
	pthread_mutex_unlock(&f->lock);
	return rc;
}
