/* SPDX-License-Identifier: MIT
 *
 * A grid of hexagons over Web Mercator, pointed ends up: which cell a place is in, and its corners.
 */
#ifndef ANALYTICS_CELLS_H
#define ANALYTICS_CELLS_H

#include <stdint.h>

#define CELLS_MIN 3 /* resolutions, as zoom levels of a map */
#define CELLS_MAX 18

struct cell {
	int32_t q, r;
};

/* From the middle of a cell to a corner, in metres of the projection. */
double cells_size(int resolution);
struct cell cells_at(double lat, double lon, int resolution);
/* Corner 0 to 5 of a cell, in degrees. */
void cells_corner(struct cell cell, int resolution, int corner, double *lat, double *lon);

#endif
