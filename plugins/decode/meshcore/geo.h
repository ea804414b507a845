/* SPDX-License-Identifier: MIT
 *
 * Places: distances, and the area that a mesh is to stay in.
 */
#ifndef MC_GEO_H
#define MC_GEO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MC_AREA_POINTS_MAX 1000u

struct mc_point {
	double lat, lon; /* degrees */
};

struct mc_area {
	const struct mc_point *points; /* of a polygon; borrowed */
	uint32_t count;                /* fewer than 3: there is no polygon */
	double buffer_km;              /* around the polygon */
	bool has_box;                  /* used if there is no polygon */
	double lat_min, lat_max, lon_min, lon_max;
};

/* An area without limits contains everything, and (0, 0), which stands for "unknown", is in every
 * area. */
bool mc_area_contains(const struct mc_area *area, double lat, double lon);
bool mc_polygon_contains(const struct mc_point *points, uint32_t count, double lat, double lon);
/* "50.85,4.35" */
bool mc_point_parse(const char *text, struct mc_point *out);
/* Along the great circle. */
double mc_distance_km(double lat1, double lon1, double lat2, double lon2);

#endif
