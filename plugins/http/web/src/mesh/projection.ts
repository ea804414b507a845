// SPDX-License-Identifier: MIT
//
// Web Mercator: the world is the square from (0, 0), north-west, to (1, 1).

const LIMIT = 85.0511;

export const mercatorX = (lon: number): number => (lon + 180) / 360;

export function mercatorY(lat: number): number {
	const s = Math.sin((Math.max(-LIMIT, Math.min(LIMIT, lat)) * Math.PI) / 180);
	return 0.5 - Math.log((1 + s) / (1 - s)) / (4 * Math.PI);
}

export const longitude = (x: number): number => x * 360 - 180;

export const latitude = (y: number): number => (Math.atan(Math.sinh(Math.PI * (1 - 2 * y))) * 180) / Math.PI;

/** Kilometres between two places on the globe. */
export function distanceKm(lat1: number, lon1: number, lat2: number, lon2: number): number {
	const r = Math.PI / 180;
	const a = Math.sin(((lat2 - lat1) * r) / 2) ** 2 +
		Math.cos(lat1 * r) * Math.cos(lat2 * r) * Math.sin(((lon2 - lon1) * r) / 2) ** 2;
	return 12742 * Math.asin(Math.min(1, Math.sqrt(a)));
}

/** Metres that one pixel is, `k` pixels being the whole world. */
export const metersPerPixel = (lat: number, k: number): number => (40075016 * Math.cos((lat * Math.PI) / 180)) / k;
