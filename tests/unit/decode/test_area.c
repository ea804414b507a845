/* SPDX-License-Identifier: MIT
 *
 * The area that is set while the daemon runs: a file that wins over the options.
 */
#include <criterion/criterion.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <decode/area.h>

static char dir[64];
static struct config config;
static mk_err err;

static void
setup(void)
{
	(void)snprintf(dir, sizeof(dir), "/tmp/mk-area-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	memset(&config, 0, sizeof(config));
	memset(&err, 0, sizeof(err));
}

static void
teardown(void)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/" AREA_FILE, dir);
	(void)unlink(path);
	(void)rmdir(dir);
	config_fini(&config);
}

TestSuite(area, .init = setup, .fini = teardown, .timeout = 120);

/* What decode/set_area is asked: `count` points at (i, -i). */
static mk_result
area_ask(uint32_t count, double lat, double buffer)
{
	mk_result rc;
	mk_writer w;
	mk_doc doc;

	mk_writer_init(&w, MK_BODY_DEFAULT);
	mk_put_map(&w, 2);
	mk_kv_array(&w, "polygon", count);
	for (uint32_t i = 0; i < count; i++) {
		mk_put_array(&w, 2);
		mk_put_f64(&w, i == 0 ? lat : i % 90);
		mk_put_f64(&w, i == 0 ? 0.1 : -(double)(i % 90));
	}
	mk_kv_f64(&w, "buffer_km", buffer);
	cr_assert_eq(mk_writer_end(&w), MK_OK);
	mk_doc_init(&doc);
	cr_assert_eq(mk_doc_open(&doc, w.data, (uint32_t)w.len, NULL, NULL, 0), MK_OK);
	rc = area_save(dir, mk_doc_root(&doc), &err);
	mk_doc_fini(&doc);
	mk_writer_fini(&w);
	return rc;
}

static void
area_file(const char *text)
{
	char path[128];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/" AREA_FILE, dir);
	f = fopen(path, "we");
	cr_assert_not_null(f);
	(void)fputs(text, f);
	(void)fclose(f);
}

Test(area, without_a_file_the_options_stay)
{
	config.area.buffer_km = 7;
	cr_assert_eq(area_load(&config, dir, &err), MK_ENOENT);
	cr_assert_float_eq(config.area.buffer_km, 7, 0);
}

Test(area, what_is_saved_comes_back_to_the_bit)
{
	cr_assert_eq(area_ask(3, 51.123456789012345, 0.1), MK_OK, "%s", err.text);
	cr_assert_eq(area_load(&config, dir, &err), MK_OK, "%s", err.text);
	cr_assert_eq(config.area.count, 3);
	cr_assert(config.area.points[0].lat == 51.123456789012345);
	cr_assert(config.area.points[0].lon == 0.1);
	cr_assert(config.area.buffer_km == 0.1);
	cr_assert_not(config.area.has_box);
}

Test(area, an_empty_polygon_is_an_area_without_limits)
{
	config.area.has_box = true;
	cr_assert_eq(area_ask(0, 0, 0), MK_OK);
	cr_assert_eq(area_load(&config, dir, &err), MK_OK);
	cr_assert_eq(config.area.count, 0);
	cr_assert(mc_area_contains(&config.area, 80, 170));
}

Test(area, what_makes_no_sense_is_refused_and_the_old_one_stays)
{
	cr_assert_eq(area_ask(4, 1, 2), MK_OK);
	cr_assert_eq(area_ask(2, 1, 0), MK_EINVAL);
	cr_assert_eq(area_ask(MC_AREA_POINTS_MAX + 1, 1, 0), MK_EINVAL);
	cr_assert_eq(area_ask(3, 91, 0), MK_EINVAL);
	cr_assert_eq(area_ask(3, (double)NAN, 0), MK_EINVAL);
	cr_assert_eq(area_ask(3, 1, -1), MK_EINVAL);
	cr_assert_eq(area_ask(3, 1, 20001), MK_EINVAL);
	cr_assert_eq(area_load(&config, dir, &err), MK_OK);
	cr_assert_eq(config.area.count, 4);
}

Test(area, the_largest_one_fits)
{
	cr_assert_eq(area_ask(MC_AREA_POINTS_MAX, 1, 20000), MK_OK, "%s", err.text);
	cr_assert_eq(area_load(&config, dir, &err), MK_OK, "%s", err.text);
	cr_assert_eq(config.area.count, MC_AREA_POINTS_MAX);
}

Test(area, a_damaged_file_is_an_error_that_names_the_line)
{
	area_file("# comment\n\nbuffer_km 1\n1,2\nnonsense\n");
	cr_assert_eq(area_load(&config, dir, &err), MK_EFORMAT);
	cr_assert_not_null(strstr(err.text, "line 5"), "%s", err.text);
	area_file("buffer_km -1\n");
	cr_assert_eq(area_load(&config, dir, &err), MK_EFORMAT);
	area_file("1,2\n3,4\n");
	cr_assert_eq(area_load(&config, dir, &err), MK_EFORMAT);
	cr_assert_eq(config.area.count, 0);
}
