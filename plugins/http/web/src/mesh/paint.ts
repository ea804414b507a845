// SPDX-License-Identifier: MIT
//
// One scene: links, routes, nodes. Everything of one look is one path, and what is out of sight is
// left out: both matter where no graphics card helps.
import type { Sprites } from "./sprites";
import type { Emphasis, Hit, MeshColors, MeshData, Route } from "./types";

export interface Scene {
	ctx: CanvasRenderingContext2D;
	data: MeshData;
	x: Float32Array;
	y: Float32Array;
	width: number;
	height: number;
	dpr: number;
	/** Of marks. */
	scale: number;
	sprites: Sprites;
	emphasis: Emphasis | null;
	colors: MeshColors;
}

const DIM = 0.22;
const WIDE_MOST = 1200; // links in sight; with more of them all lines are a pixel wide and none is broken

/** Radius of a mark, in half pixels so that there are few different ones. */
export const radius = (s: Scene, node: number): number =>
	Math.round((2.6 + 4.6 * s.data.weight[node]!) * s.scale * 2) / 2;

/** Links in sight by their class; those that stand out apart. */
function linksInSight(s: Scene): { plain: number[][]; strong: number[][]; count: number } {
	const { data, x, y, width, height } = s;
	const { a, b } = data.links;
	const cls = data.links.class;
	const marked = s.emphasis?.links;
	const plain = data.linkClasses.map((): number[] => []), strong = data.linkClasses.map((): number[] => []);
	let count = 0;
	for (let i = 0; i < data.links.count; i++) {
		const c = cls[i]!;
		if (c === 255) continue;
		const ax = x[a[i]!]!, ay = y[a[i]!]!, bx = x[b[i]!]!, by = y[b[i]!]!;
		if (!Number.isFinite(ax + ay + bx + by)) continue;
		if ((ax < 0 && bx < 0) || (ay < 0 && by < 0) || (ax > width && bx > width) || (ay > height && by > height)) continue;
		(marked?.[i] ? strong : plain)[c]!.push(i);
		count++;
	}
	return { plain, strong, count };
}

/** Lines of a pixel are cheap in long paths, wider ones in short paths. */
function strokeLinks(s: Scene, links: number[], hair: boolean): void {
	const { ctx, x, y } = s;
	const { a, b } = s.data.links;
	const chunk = hair ? 400 : 20;
	for (let from = 0; from < links.length; from += chunk) {
		const until = Math.min(links.length, from + chunk);
		ctx.beginPath();
		for (let k = from; k < until; k++) {
			const i = links[k]!;
			ctx.moveTo(x[a[i]!]!, y[a[i]!]!);
			ctx.lineTo(x[b[i]!]!, y[b[i]!]!);
		}
		ctx.stroke();
	}
}

export function paintLinks(s: Scene): void {
	const { ctx, data } = s;
	const { plain, strong, count } = linksInSight(s);
	const dim = s.emphasis ? DIM : 1;
	const many = count > WIDE_MOST;
	ctx.lineCap = "butt";
	data.linkClasses.forEach((c, i) => {
		ctx.strokeStyle = c.color;
		ctx.globalAlpha = c.alpha * dim;
		ctx.lineWidth = many ? 1 / s.dpr : c.width;
		if (c.dashed && !many) ctx.setLineDash([4, 4]);
		strokeLinks(s, plain[i]!, many);
		if (c.dashed && !many) ctx.setLineDash([]);
	});
	data.linkClasses.forEach((c, i) => {
		ctx.strokeStyle = c.color;
		ctx.globalAlpha = Math.min(1, c.alpha * 1.6 + 0.25);
		ctx.lineWidth = many && strong[i]!.length > WIDE_MOST ? 1 / s.dpr : c.width + 0.8;
		if (c.dashed) ctx.setLineDash([4, 4]);
		strokeLinks(s, strong[i]!, false);
		if (c.dashed) ctx.setLineDash([]);
	});
	ctx.globalAlpha = 1;
}

export function paintNodes(s: Scene, order: Uint32Array): void {
	const { ctx, data, x, y, dpr } = s;
	ctx.setTransform(1, 0, 0, 1, 0, 0);
	const pass = (marked: number, alpha: number): void => {
		ctx.globalAlpha = alpha;
		for (let k = order.length - 1; k >= 0; k--) { // the important ones on top
			const i = order[k]!;
			const c = data.nodeClass[i]!;
			if (c === 255 || (s.emphasis !== null && s.emphasis.nodes[i] !== marked)) continue;
			const px = x[i]!, py = y[i]!;
			if (!(px > -10 && py > -10 && px < s.width + 10 && py < s.height + 10)) continue;
			const mark = s.sprites.get(data.nodeClasses[c]!, radius(s, i), data.stale[i] === 1);
			ctx.drawImage(mark.image, Math.round(px * dpr) - mark.half, Math.round(py * dpr) - mark.half);
		}
	};
	if (s.emphasis !== null) pass(0, DIM + 0.08);
	pass(1, 1);
	ctx.globalAlpha = 1;
	ctx.setTransform(dpr, 0, 0, dpr, 0, 0);
}

/** Selected nodes and the one under the pointer, or the link under it. */
export function paintRings(s: Scene, selected: readonly number[], hovered: Hit | null): void {
	const { ctx, x, y, colors } = s;
	const ring = (n: number, width: number): void => {
		if (!Number.isFinite(x[n]! + y[n]!)) return;
		ctx.lineWidth = width;
		ctx.beginPath();
		ctx.arc(x[n]!, y[n]!, radius(s, n) + 4, 0, 2 * Math.PI);
		ctx.stroke();
	};
	ctx.strokeStyle = colors.select;
	for (const n of selected) ring(n, 2.5);
	if (hovered?.kind === "node") ring(hovered.index, 1.5);
	if (hovered?.kind === "link") {
		const a = s.data.links.a[hovered.index]!, b = s.data.links.b[hovered.index]!;
		ctx.lineWidth = 3;
		ctx.beginPath();
		ctx.moveTo(x[a]!, y[a]!);
		ctx.lineTo(x[b]!, y[b]!);
		ctx.stroke();
	}
}

/** From a to b as an arc, so that there and back do not cover each other; the arrow is in its middle. */
function leg(s: Scene, ax: number, ay: number, bx: number, by: number, arrow: boolean): void {
	const { ctx } = s;
	const dx = bx - ax, dy = by - ay, length = Math.hypot(dx, dy);
	if (!(length > 2)) return;
	const bend = Math.min(18, length * 0.1);
	const cx = (ax + bx) / 2 - (dy / length) * bend, cy = (ay + by) / 2 + (dx / length) * bend;
	ctx.beginPath();
	ctx.moveTo(ax, ay);
	ctx.quadraticCurveTo(cx, cy, bx, by);
	ctx.stroke();
	if (!arrow || length < 24) return;
	const mx = (ax + 2 * cx + bx) / 4, my = (ay + 2 * cy + by) / 4, ux = dx / length, uy = dy / length;
	ctx.beginPath();
	ctx.moveTo(mx + 6 * ux, my + 6 * uy);
	ctx.lineTo(mx - 5 * ux - 4.5 * uy, my - 5 * uy + 4.5 * ux);
	ctx.lineTo(mx - 5 * ux + 4.5 * uy, my - 5 * uy - 4.5 * ux);
	ctx.fill();
}

export function paintRoutes(s: Scene, routes: Route[]): void {
	const { ctx, x, y } = s;
	for (const r of [...routes].sort((a, b) => Number(a.main) - Number(b.main))) {
		ctx.strokeStyle = ctx.fillStyle = r.color;
		ctx.lineWidth = r.main ? 3 : 1.6;
		ctx.globalAlpha = r.main ? 1 : 0.55;
		let last = -1, hole = false;
		for (const n of r.nodes) {
			if (n === null || !Number.isFinite(x[n]! + y[n]!)) {
				hole = true;
				continue;
			}
			if (last >= 0) {
				ctx.setLineDash(hole ? [3, 6] : []);
				leg(s, x[last]!, y[last]!, x[n]!, y[n]!, r.main);
			}
			[last, hole] = [n, false];
		}
		ctx.setLineDash([]);
	}
	ctx.globalAlpha = 1;
}
