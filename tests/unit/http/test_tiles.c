/* SPDX-License-Identifier: MIT
 *
 * Map pictures from an MBTiles file: found where they are, and files that are not what they should
 * be do no harm.
 */
#include <criterion/criterion.h>
#include <http/read/db_tiles.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/mk-tiles-XXXXXX", path[64];

static void
begin(void)
{
	cr_assert_not_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/map.mbtiles", dir);
}

static void
finished(void)
{
	(void)unlink(path);
	(void)rmdir(dir);
}

TestSuite(tiles, .timeout = 120, .init = begin, .fini = finished);

#define PNG "x'89504E470D0A1A0A01'"
#define TABLES                                                                  \
	"CREATE TABLE metadata (name text, value text);"                        \
	"CREATE TABLE tiles (zoom_level integer, tile_column integer, tile_row" \
	" integer, tile_data blob);"                                            \
	"CREATE UNIQUE INDEX at ON tiles (zoom_level, tile_column, tile_row);"

static void
database(const char *sql)
{
	sqlite3 *db;

	cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
	sqlite3_close(db);
}

struct got {
	char type[32];
	size_t len;
	uint8_t last;
};

static void
take(void *arg, const void *data, size_t len, const char *type)
{
	struct got *g = arg;

	(void)snprintf(g->type, sizeof(g->type), "%s", type);
	g->len = len;
	g->last = ((const uint8_t *)data)[len - 1];
}

static mk_result
get(struct tile_file *f, uint32_t z, uint32_t x, uint32_t y, struct got *g)
{
	mk_err err = { 0 };

	*g = (struct got){ 0 };
	return tiles_get(f, z, x, y, take, g, &err);
}

static mk_result
opened(struct tile_file **f, mk_err *err)
{
	*f = NULL;
	return tiles_open(f, path, err);
}

Test(tiles, rows_are_counted_from_the_south_and_types_are_told_by_the_bytes)
{
	struct tile_file *f;
	struct got g;
	mk_err err;

	database(
	    TABLES
	    "INSERT INTO metadata VALUES ('maxzoom', '7'), ('format', 'jpg'),"
	    " ('attribution', '<a href=\"https://o\">&copy; O &amp; P</a><b');"
	    "INSERT INTO tiles VALUES (0, 0, 0, " PNG "), (2, 1, 3, x'FFD8FF02'),"
	    " (2, 1, 0, x'524946460400000057454250'), (2, 0, 0, x'3C737667'), (2, 2, 2, NULL)");
	cr_assert_eq(opened(&f, &err), MK_OK, "%s", err.text);
	cr_expect_eq(tiles_info(f)->max_zoom, 7);
	cr_expect_str_eq(tiles_info(f)->attribution, "\xc2\xa9 O & P<b");
	cr_expect_eq(get(f, 0, 0, 0, &g), MK_OK);
	cr_expect_str_eq(g.type, "image/png");
	cr_expect_eq(g.len, 9);
	cr_expect_eq(get(f, 2, 1, 0, &g), MK_OK);
	cr_expect_str_eq(g.type, "image/jpeg");
	cr_expect_eq(g.last, 2);
	cr_expect_eq(get(f, 2, 1, 3, &g), MK_OK);
	cr_expect_str_eq(g.type, "image/webp");
	cr_expect_eq(get(f, 2, 0, 3, &g), MK_EFORMAT, "an SVG is not given out");
	cr_expect_eq(get(f, 2, 2, 1, &g), MK_EFORMAT, "nothing is no picture");
	cr_expect_eq(get(f, 2, 3, 3, &g), MK_ENOENT);
	tiles_close(f);
}

Test(tiles, places_that_are_none_are_refused)
{
	static const uint32_t bad[][3] = {
		{ 0, 1, 0 },  { 0, 0, 1 },  { 2, 4, 0 },          { 2, 0, 4 },         { 25, 0, 0 },
		{ 32, 0, 0 }, { 31, 1, 1 }, { UINT32_MAX, 0, 0 }, { 3, UINT32_MAX, 0 }
	};
	struct tile_file *f;
	struct got g;
	mk_err err;

	database(TABLES "INSERT INTO metadata VALUES ('maxzoom', '3');"
			"INSERT INTO tiles VALUES (0, 1, 0, " PNG "), (31, 1, 1, " PNG ")");
	cr_assert_eq(opened(&f, &err), MK_OK, "%s", err.text);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(get(f, bad[i][0], bad[i][1], bad[i][2], &g), MK_EINVAL);
	cr_expect_eq(get(f, TILES_ZOOM_MAX, 0, (1u << TILES_ZOOM_MAX) - 1, &g), MK_ENOENT);
	tiles_close(f);
}

Test(tiles, the_finest_level_is_looked_for_where_it_is_not_told)
{
	static const char *const values[] = { NULL, "", "many", "-1", "99" };
	struct tile_file *f;
	mk_err err;

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		char sql[512];

		(void)unlink(path);
		(void)snprintf(sql, sizeof(sql),
			       TABLES "INSERT INTO tiles VALUES (3, 0, 0, " PNG "), (5, 0, 0, " PNG
				      "); INSERT INTO metadata VALUES ('%s', '%s')",
			       values[i] == NULL ? "name" : "maxzoom",
			       values[i] == NULL ? "x" : values[i]);
		database(sql);
		cr_assert_eq(opened(&f, &err), MK_OK, "%s", err.text);
		cr_expect_eq(tiles_info(f)->max_zoom, 5);
		tiles_close(f);
	}
}

Test(tiles, what_is_no_mbtiles_file_is_refused)
{
	struct tile_file *f;
	mk_err err;
	FILE *file;

	cr_expect_eq(opened(&f, &err), MK_ENOENT);
	database("CREATE TABLE other (x)");
	cr_expect_eq(opened(&f, &err), MK_EFORMAT, "%s", err.text);
	(void)unlink(path);
	database(TABLES);
	cr_expect_eq(opened(&f, &err), MK_EFORMAT, "without tiles: %s", err.text);
	(void)unlink(path);
	database(TABLES "INSERT INTO metadata VALUES ('format', 'pbf'), ('maxzoom', '3')");
	cr_expect_eq(opened(&f, &err), MK_EFORMAT);
	cr_expect_not_null(strstr(err.text, "vector"), "%s", err.text);
	file = fopen(path, "w");
	cr_assert_not_null(file);
	for (int i = 0; i < 5000; i++)
		(void)fputs("no database ", file);
	(void)fclose(file);
	cr_expect_eq(opened(&f, &err), MK_EFORMAT, "%s", err.text);
	(void)unlink(path);
	cr_assert_eq(mkfifo(path, 0600), 0);
	cr_expect_eq(opened(&f, &err), MK_EFORMAT, "a pipe would wait for a writer");
	cr_expect_null(f);
}

Test(tiles, a_picture_that_is_too_large_is_refused)
{
	struct tile_file *f;
	struct got g;
	mk_err err;

	database(TABLES "INSERT INTO metadata VALUES ('maxzoom', '1');"
			"INSERT INTO tiles VALUES (0, 0, 0, " PNG " || zeroblob(2097152)),"
			" (1, 0, 0, CAST(x'89504E470D0A1A0A' || zeroblob(1000000) AS BLOB))");
	cr_assert_eq(opened(&f, &err), MK_OK, "%s", err.text);
	cr_expect_eq(get(f, 0, 0, 0, &g), MK_ETOOBIG);
	cr_expect_eq(get(f, 1, 0, 1, &g), MK_OK);
	cr_expect_eq(g.len, 1000008);
	tiles_close(f);
}

/* A view can compute for ever. */
#define FOREVER "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT "

Test(tiles, a_file_that_computes_is_cut_off)
{
	struct tile_file *f;
	struct got g;
	mk_err err;

	database("CREATE VIEW metadata AS " FOREVER "'name' AS name, count(*) AS value FROM n;"
		 "CREATE TABLE tiles (zoom_level, tile_column, tile_row, tile_data)");
	cr_expect_eq(opened(&f, &err), MK_ETIMEDOUT, "%s", err.text);
	(void)unlink(path);
	database("CREATE TABLE metadata (name, value);"
		 "INSERT INTO metadata VALUES ('maxzoom', '3');"
		 "CREATE VIEW tiles AS SELECT 0 AS zoom_level, 0 AS tile_column, 0 AS tile_row,"
		 " (" FOREVER "count(*) FROM n) AS tile_data");
	cr_assert_eq(opened(&f, &err), MK_OK, "%s", err.text);
	for (int i = 0; i < 3; i++)
		cr_expect_eq(get(f, 0, 0, 0, &g), MK_ETIMEDOUT);
	tiles_close(f);
}

Test(tiles, a_damaged_file_does_no_harm)
{
	uint8_t bytes[65536];
	uint32_t pictures = 0;
	size_t len;
	FILE *file;

	database(TABLES "INSERT INTO metadata VALUES ('maxzoom', '3');"
			"WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n LIMIT 64)"
			" INSERT INTO tiles SELECT 3, i % 8, i / 8, CAST(x'89504E470D0A1A0A' ||"
			" zeroblob(200) AS BLOB) FROM n");
	file = fopen(path, "r");
	cr_assert_not_null(file);
	len = fread(bytes, 1, sizeof(bytes), file);
	(void)fclose(file);
	for (size_t at = 24; at < len; at += 61) {
		struct tile_file *f = NULL;
		struct got g;

		bytes[at] ^= 0xff;
		file = fopen(path, "w");
		cr_assert_not_null(file);
		cr_assert_eq(fwrite(bytes, 1, len, file), len);
		(void)fclose(file);
		bytes[at] ^= 0xff;
		if (tiles_open(&f, path, NULL) != MK_OK)
			continue;
		for (uint32_t i = 0; i < 64; i++)
			pictures += get(f, 3, i % 8, i / 8, &g) == MK_OK;
		tiles_close(f);
	}
	cr_expect_gt(pictures, 0);
}
