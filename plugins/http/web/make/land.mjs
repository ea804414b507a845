// SPDX-License-Identifier: MIT
//
// The outline map: Natural Earth's coasts and borders, cut into cells of ten degrees, so that a page
// fetches only what it shows, and two coarse maps of the whole world for when it is far away.
//
// A file is a list of rings (land) and a list of lines (borders), each
//   count, then for each of them: count of points, then per point the difference to the last one,
// numbers as LEB128, differences zigzag. Unit: 1/16384 of a cell, of the world maps 1/65536 of 360 degrees.
// Cells overlap by 64 units, so that no seam is seen between them.
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import { feature, mesh } from 'topojson-client'

const CELL = 10
const CELL_UNITS = 16384
const WORLD_UNITS = 65536
const OVERLAP = (64 / CELL_UNITS) * CELL
const require = createRequire(import.meta.url)

const atlas = (name) => JSON.parse(fs.readFileSync(require.resolve(`world-atlas/${name}.json`), 'utf8'))

function ringsAndLines(topology) {
	const land = feature(topology, topology.objects.land)
	const shapes = land.type === 'FeatureCollection' ? land.features.map((f) => f.geometry) : [land.geometry]
	const rings = shapes.flatMap((g) => (g.type === 'Polygon' ? g.coordinates : g.coordinates.flat()))
	const lines = mesh(topology, topology.objects.countries, (a, b) => a !== b).coordinates
	return { rings, lines }
}

/** The part of a closed ring on one side of a line (Sutherland and Hodgman). */
function clipSide(ring, axis, limit, keepAbove) {
	const inside = (p) => (keepAbove ? p[axis] >= limit : p[axis] <= limit)
	const out = []
	let last = ring[ring.length - 1]
	for (const p of ring) {
		if (inside(p) !== inside(last)) {
			const t = (limit - last[axis]) / (p[axis] - last[axis])
			const cut = [last[0] + t * (p[0] - last[0]), last[1] + t * (p[1] - last[1])]
			cut[axis] = limit
			out.push(cut)
		}
		if (inside(p)) out.push(p)
		last = p
	}
	return out
}

const clipBand = (ring, axis, low) => {
	const above = clipSide(ring, axis, low - OVERLAP, true)
	return above.length < 3 ? [] : clipSide(above, axis, low + CELL + OVERLAP, false)
}

/** The parts of an open line inside a cell (Liang and Barsky, segment by segment). */
function clipLine(line, x0, y0) {
	const out = []
	let run = []
	for (let i = 1; i < line.length; i++) {
		const [ax, ay] = line[i - 1]
		const [dx, dy] = [line[i][0] - ax, line[i][1] - ay]
		let [from, to] = [0, 1]
		for (const [p, q] of [[-dx, ax - x0], [dx, x0 + CELL - ax], [-dy, ay - y0], [dy, y0 + CELL - ay]]) {
			if (p === 0) to = q < 0 ? -1 : to
			else if (p < 0) from = Math.max(from, q / p)
			else to = Math.min(to, q / p)
		}
		if (from > to) {
			if (run.length > 1) out.push(run)
			run = []
			continue
		}
		if (run.length === 0) run.push([ax + from * dx, ay + from * dy])
		run.push([ax + to * dx, ay + to * dy])
		if (to < 1) {
			out.push(run)
			run = []
		}
	}
	if (run.length > 1) out.push(run)
	return out
}

const bounds = (points, axis) => {
	let [low, high] = [Infinity, -Infinity]
	for (const p of points) {
		low = Math.min(low, p[axis])
		high = Math.max(high, p[axis])
	}
	const least = axis === 0 ? -180 : -90
	const first = Math.floor((low - OVERLAP) / CELL) * CELL
	return [Math.max(least, first), Math.min(high + OVERLAP, -least - 0.001)]
}

function encode({ rings, lines }, x0, y0, perDegree) {
	const bytes = []
	const number = (n) => {
		for (; n > 127; n = Math.floor(n / 128)) bytes.push((n % 128) | 128)
		bytes.push(n)
	}
	const list = (shapes, least) => {
		const exact = shapes.map((points) => {
			const out = []
			for (const [x, y] of points) {
				const p = [Math.round((x - x0) * perDegree), Math.round((y - y0) * perDegree)]
				const last = out[out.length - 1]
				if (!last || p[0] !== last[0] || p[1] !== last[1]) out.push(p)
			}
			return out
		}).filter((points) => points.length >= least)
		number(exact.length)
		for (const points of exact) {
			number(points.length)
			let last = [0, 0]
			for (const p of points) {
				for (const axis of [0, 1]) {
					const d = p[axis] - last[axis]
					number(d < 0 ? -2 * d - 1 : 2 * d)
				}
				last = p
			}
		}
	}
	list(rings, 3)
	list(lines, 2)
	return Buffer.from(bytes)
}

function cutIntoCells({ rings, lines }) {
	const cells = new Map()
	const cell = (x, y) => {
		const key = `${(x + 180) / CELL}_${(y + 90) / CELL}`
		if (!cells.has(key)) cells.set(key, { x, y, rings: [], lines: [] })
		return cells.get(key)
	}
	for (const ring of rings) {
		const [left, right] = bounds(ring, 0)
		for (let x = left; x <= right; x += CELL) {
			const band = clipBand(ring, 0, x)
			if (band.length < 3) continue
			const [bottom, top] = bounds(band, 1)
			for (let y = bottom; y <= top; y += CELL) {
				const part = clipBand(band, 1, y)
				if (part.length >= 3) cell(x, y).rings.push(part)
			}
		}
	}
	for (const line of lines) {
		const [left, right] = bounds(line, 0)
		const [bottom, top] = bounds(line, 1)
		for (let x = left; x <= right; x += CELL)
			for (let y = bottom; y <= top; y += CELL)
				for (const part of clipLine(line, x, y)) cell(x, y).lines.push(part)
	}
	return cells
}

export async function make({ write }) {
	const files = []
	const present = new Uint8Array(81) // a bit for each of the 36 x 18 cells
	for (const [key, c] of cutIntoCells(ringsAndLines(atlas('countries-10m')))) {
		const [x, y] = key.split('_').map(Number)
		files.push([`${key}.bin`, encode(c, c.x, c.y, CELL_UNITS / CELL)])
		present[(y * 36 + x) >> 3] |= 1 << ((y * 36 + x) & 7)
	}
	for (const scale of ['50m', '110m'])
		files.push([`world-${scale}.bin`, encode(ringsAndLines(atlas(`countries-${scale}`)), -180, -90, WORLD_UNITS / 360)])
	const hash = createHash('sha256')
	for (const [name, data] of files) hash.update(name).update(data)
	const folder = `assets/land-${hash.digest('hex').slice(0, 8)}`
	for (const [name, data] of files) write(`${folder}/${name}`, data)
	return { LAND_FOLDER: `/${folder}/`, LAND_CELLS: Buffer.from(present).toString('hex') }
}
