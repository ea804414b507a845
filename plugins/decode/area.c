/* SPDX-License-Identifier: MIT
 *
 * The area that was set while the daemon ran: see area.h.
 *
 * The file is text, so that an operator sees what is in force: a line "buffer_km N", then a line
 * "lat,lon" for each corner; lines that begin with # are comments.
 */
#include "area.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES 128
#define BUFFER_MAX 20000.0

static mk_result
area_read(FILE *f, struct mc_area *area, struct mc_point *points, mk_err *err)
{
	static const char buffer[] = "buffer_km ";
	char line[LINE_BYTES];
	uint32_t number = 0;

	while (fgets(line, sizeof(line), f) != NULL) {
		number++;
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#' || line[0] == '\0')
			continue;
		if (strncmp(line, buffer, sizeof(buffer) - 1) == 0) {
			area->buffer_km = strtod(line + sizeof(buffer) - 1, NULL);
			if (area->buffer_km >= 0 && area->buffer_km <= BUFFER_MAX)
				continue;
		} else if (area->count < MC_AREA_POINTS_MAX &&
			   mc_point_parse(line, &points[area->count])) {
			area->count++;
			continue;
		}
		return mk_err_set(err, MK_EFORMAT, "line %u", number);
	}
	return ferror(f) ? mk_err_errno(err, "read") : MK_OK;
}

mk_result
area_load(struct config *c, const char *dir, mk_err *err)
{
	struct mc_area area = { 0 };
	struct mc_point *points;
	char path[4096];
	mk_result rc;
	FILE *f;

	if (snprintf(path, sizeof(path), "%s/" AREA_FILE, dir) >= (int)sizeof(path))
		return mk_err_set(err, MK_EIO, "the path is too long");
	f = fopen(path, "re");
	if (f == NULL)
		return errno == ENOENT ? MK_ENOENT : mk_err_errno(err, "%s", path);
	points = calloc(MC_AREA_POINTS_MAX, sizeof(*points));
	rc = points == NULL ? mk_err_set(err, MK_ENOMEM, "out of memory")
			    : area_read(f, &area, points, err);
	fclose(f);
	if (rc == MK_OK && (area.count == 1 || area.count == 2))
		rc = mk_err_set(err, MK_EFORMAT, "fewer than three corners");
	if (rc != MK_OK) {
		free(points);
		return mk_err_wrap(err, "%s", path);
	}
	free(c->points);
	c->points = points;
	area.points = points;
	c->area = area;
	return MK_OK;
}

static mk_result
area_write(FILE *f, const mk_val *polygon, double buffer, mk_err *err)
{
	double lat, lon;

	fprintf(f,
		"# Set while meshkern ran, in place of the option geo_filter.\n"
		"buffer_km %.17g\n",
		buffer);
	for (uint32_t i = 0; mk_is_array(polygon) && i < mk_count(polygon); i++) {
		const mk_val *p = mk_at(polygon, i);

		if (!mk_is_array(p) || mk_count(p) != 2 || !mk_get_f64(mk_at(p, 0), &lat) ||
		    !mk_get_f64(mk_at(p, 1), &lon) || !(fabs(lat) <= 90) || !(fabs(lon) <= 180))
			return mk_err_set(err, MK_EINVAL, "polygon[%u]: not [lat, lon]", i);
		fprintf(f, "%.17g,%.17g\n", lat, lon);
	}
	return fflush(f) == 0 && fsync(fileno(f)) == 0 ? MK_OK : mk_err_errno(err, "write");
}

mk_result
area_save(const char *dir, const mk_val *body, mk_err *err)
{
	const mk_val *polygon = mk_find(body, "polygon");
	uint32_t count = mk_is_array(polygon) ? mk_count(polygon) : 0;
	char path[4096], fresh[4096];
	double buffer = 0;
	mk_result rc;
	FILE *f;

	(void)mk_get_f64(mk_find(body, "buffer_km"), &buffer);
	if (count == 1 || count == 2 || count > MC_AREA_POINTS_MAX)
		return mk_err_set(err, MK_EINVAL, "polygon: 3 to %u corners", MC_AREA_POINTS_MAX);
	if (!(buffer >= 0 && buffer <= BUFFER_MAX))
		return mk_err_set(err, MK_EINVAL, "buffer_km: 0 to 20000");
	if (snprintf(path, sizeof(path), "%s/" AREA_FILE, dir) >= (int)sizeof(path) ||
	    snprintf(fresh, sizeof(fresh), "%s/" AREA_FILE ".new", dir) >= (int)sizeof(fresh))
		return mk_err_set(err, MK_EIO, "the path is too long");
	f = fopen(fresh, "we");
	if (f == NULL)
		return mk_err_errno(err, "%s", fresh);
	rc = area_write(f, polygon, buffer, err);
	if (fclose(f) != 0 && rc == MK_OK)
		rc = mk_err_errno(err, "%s", fresh);
	if (rc == MK_OK && rename(fresh, path) != 0)
		rc = mk_err_errno(err, "%s", path);
	if (rc != MK_OK)
		(void)unlink(fresh);
	return rc;
}

void
area_put(mk_writer *w, const struct mc_area *area)
{
	bool polygon = area->count >= 3;

	mk_put_map(w, polygon ? 2 : area->has_box ? 4 : 0);
	if (polygon) {
		mk_kv_array(w, "polygon", area->count);
		for (uint32_t i = 0; i < area->count; i++) {
			mk_put_array(w, 2);
			mk_put_f64(w, area->points[i].lat);
			mk_put_f64(w, area->points[i].lon);
		}
		mk_kv_f64(w, "buffer_km", area->buffer_km);
	} else if (area->has_box) {
		mk_kv_f64(w, "lat_min", area->lat_min);
		mk_kv_f64(w, "lat_max", area->lat_max);
		mk_kv_f64(w, "lon_min", area->lon_min);
		mk_kv_f64(w, "lon_max", area->lon_max);
	}
}
