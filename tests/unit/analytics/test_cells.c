/* SPDX-License-Identifier: MIT
 *
 * The grid of hexagons: the examples of the specification.
 */
#include <criterion/criterion.h>

#include <analytics/cells.h>

TestSuite(cells, .timeout = 120);

Test(cells, places_are_in_the_cells_of_the_specification)
{
	static const struct {
		double lat, lon;
		int resolution;
		struct cell cell;
	} t[] = { { 51.05, 3.72, 9, { -461, 1033 } },
		  { 51.2, 3.72, 9, { -463, 1037 } },
		  { 51.05, 3.72, 13, { -7367, 16522 } },
		  { 37.7749, -122.4194, 12, { -17538, 5666 } },
		  { -33.8688, 151.2093, 10, { 5165, -1249 } },
		  { 0, 0, 5, { 0, 0 } } };

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct cell c = cells_at(t[i].lat, t[i].lon, t[i].resolution);

		cr_expect_eq(c.q, t[i].cell.q, "%zu: %d", i, c.q);
		cr_expect_eq(c.r, t[i].cell.r, "%zu: %d", i, c.r);
	}
}

Test(cells, beyond_the_map_is_its_edge)
{
	struct cell pole = cells_at(90, 3.72, 9), edge = cells_at(85.05112878, 3.72, 9);

	cr_expect_eq(pole.q, edge.q);
	cr_expect_eq(pole.r, 3121);
	cr_expect_eq(pole.q, -1505);
}

Test(cells, corners_are_around_the_middle)
{
	double lat, lon;

	cr_expect_float_eq(cells_size(9), 4280.4736, 1e-3);
	cells_corner((struct cell){ -461, 1033 }, 9, 0, &lat, &lon);
	cr_expect_float_eq(lon, 3.729660, 1e-6);
	cr_expect_float_eq(lat, 51.051754, 1e-6);
}
