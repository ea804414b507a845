/* SPDX-License-Identifier: MIT
 *
 * Places: see geo.h.
 */
#include "geo.h"

#include <math.h>
#include <stdlib.h>

#define PI 3.14159265358979323846
#define EARTH_KM 6371.0
#define DEGREE_KM 111.0 /* of latitude */

static double
geo_radians(double degrees)
{
	return degrees * PI / 180;
}

/* Even-odd rule. Nobody's mesh crosses the 180th meridian yet; a polygon that does is wrong. */
bool
mc_polygon_contains(const struct mc_point *points, uint32_t count, double lat, double lon)
{
	bool inside = false;

	for (uint32_t i = 0; i < count; i++) {
		const struct mc_point *a = &points[i], *b = &points[i > 0 ? i - 1 : count - 1];

		if ((a->lat > lat) != (b->lat > lat) &&
		    lon < (b->lon - a->lon) * (lat - a->lat) / (b->lat - a->lat) + a->lon)
			inside = !inside;
	}
	return inside;
}

/* On a flat earth, which is good enough for the width of a buffer. */
static double
geo_edge_km(const struct mc_point *a, const struct mc_point *b, double lat, double lon)
{
	double scale = DEGREE_KM * cos(geo_radians((a->lat + b->lat) / 2));
	double ax = (a->lon - lon) * scale, ay = (a->lat - lat) * DEGREE_KM;
	double dx = (b->lon - lon) * scale - ax, dy = (b->lat - lat) * DEGREE_KM - ay;
	double square = dx * dx + dy * dy, t;

	if (square == 0)
		return hypot(ax, ay);
	t = -(ax * dx + ay * dy) / square;
	t = t < 0 ? 0 : t > 1 ? 1 : t;
	return hypot(ax + t * dx, ay + t * dy);
}

bool
mc_area_contains(const struct mc_area *area, double lat, double lon)
{
	if (lat == 0 && lon == 0)
		return true;
	if (area->count < 3)
		return !area->has_box || (lat >= area->lat_min && lat <= area->lat_max &&
					  lon >= area->lon_min && lon <= area->lon_max);
	if (mc_polygon_contains(area->points, area->count, lat, lon))
		return true;
	for (uint32_t i = 0; i < area->count && area->buffer_km > 0; i++) {
		const struct mc_point *next = &area->points[i + 1 < area->count ? i + 1 : 0];

		if (geo_edge_km(&area->points[i], next, lat, lon) <= area->buffer_km)
			return true;
	}
	return false;
}

bool
mc_point_parse(const char *text, struct mc_point *out)
{
	struct mc_point p;
	char *end;

	p.lat = strtod(text, &end);
	if (end == text || *end != ',')
		return false;
	text = end + 1;
	p.lon = strtod(text, &end);
	while (*end == ' ')
		end++;
	/* Written so that what is not a number fails, too. */
	if (end == text || *end != '\0' || !(fabs(p.lat) <= 90) || !(fabs(p.lon) <= 180))
		return false;
	*out = p;
	return true;
}

double
mc_distance_km(double lat1, double lon1, double lat2, double lon2)
{
	double a = sin(geo_radians(lat2 - lat1) / 2), b = sin(geo_radians(lon2 - lon1) / 2);
	double h = a * a + cos(geo_radians(lat1)) * cos(geo_radians(lat2)) * b * b;

	h = h > 1 ? 1 : h; /* antipodes, rounded */
	return 2 * EARTH_KM * atan2(sqrt(h), sqrt(1 - h));
}
