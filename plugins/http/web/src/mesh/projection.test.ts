// SPDX-License-Identifier: MIT
import assert from "node:assert/strict";
import test from "node:test";
import { distanceKm, latitude, longitude, mercatorX, mercatorY } from "./projection";

test("there and back is the same place", () => {
	for (const [lat, lon] of [[0, 0], [52.5, 13.4], [-33.9, 151.2], [80, -179]] as const) {
		assert.ok(Math.abs(latitude(mercatorY(lat)) - lat) < 1e-9);
		assert.ok(Math.abs(longitude(mercatorX(lon)) - lon) < 1e-9);
	}
});

test("Berlin to Paris is 878 km", () => assert.ok(Math.abs(distanceKm(52.52, 13.405, 48.8566, 2.3522) - 878) < 2));
