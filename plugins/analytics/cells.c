/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700 /* M_PI */
#include "cells.h"

#include <math.h>

#define EARTH_M 6378137.0
#define LAT_MAX 85.05112878
#define PIXELS 14.0 /* at the zoom level of the same number */
#define PIXEL_M 156543.03392

static const double root3 = 1.7320508075688772;

double
cells_size(int resolution)
{
	return PIXELS * PIXEL_M / (double)(1 << resolution);
}

struct cell
cells_at(double lat, double lon, int resolution)
{
	double size = cells_size(resolution);
	double phi = fmin(fmax(lat, -LAT_MAX), LAT_MAX) * M_PI / 180;
	double x = EARTH_M * lon * M_PI / 180, y = EARTH_M * log(tan(M_PI / 4 + phi / 2));
	double q = (root3 / 3 * x - y / 3) / size, r = 2.0 / 3 * y / size, s = -q - r;
	double rq = round(q), rr = round(r), rs = round(s);
	double dq = fabs(rq - q), dr = fabs(rr - r), ds = fabs(rs - s);

	/* The three belong together; the one that was rounded most follows from the others. */
	if (dq > dr && dq > ds)
		rq = -rr - rs;
	else if (dr > ds)
		rr = -rq - rs;
	return (struct cell){ (int32_t)rq, (int32_t)rr };
}

void
cells_corner(struct cell cell, int resolution, int corner, double *lat, double *lon)
{
	double size = cells_size(resolution), angle = (60.0 * corner - 30) * M_PI / 180;
	double x = size * root3 * (cell.q + cell.r / 2.0) + size * cos(angle);
	double y = size * 1.5 * cell.r + size * sin(angle);

	*lon = x / EARTH_M * 180 / M_PI;
	*lat = (2 * atan(exp(y / EARTH_M)) - M_PI / 2) * 180 / M_PI;
}
