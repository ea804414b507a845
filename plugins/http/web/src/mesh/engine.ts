// SPDX-License-Identifier: MIT
//
// Map and graph in one: the same nodes and links on a canvas, at their places on the globe or where
// a force layout puts them, and a short flight between the two. Two canvases lie upon each other:
// the scene is painted when something in it changed, what moves by itself on the one above it.
import { Camera, type Box } from "./camera";
import { Labels } from "./labels";
import { Land, type Basemap, type View } from "./land";
import { Layout } from "./layout";
import { paintLinks, paintNodes, paintRings, paintRoutes, type Scene } from "./paint";
import { mercatorX, mercatorY } from "./projection";
import { Pulses, type Pulse } from "./pulses";
import { Sprites } from "./sprites";
import { Tiles, type TileSource } from "./tiles";
import type { Emphasis, GeoView, Hit, Insets, MeshColors, MeshData, Mode, Route } from "./types";

export interface MeshEvents {
	hover?: (hit: Hit | null, x: number, y: number) => void;
	/** A click or Enter; null: beside everything. `add`: with Shift or Ctrl. */
	pick?: (hit: Hit | null, add: boolean) => void;
	/** The user looks elsewhere now (not more often than every 200 ms). */
	moved?: () => void;
	settled?: () => void;
}

const MORPH_MS = 600;
const PICK_RADIUS = { mouse: 12, touch: 24 };

/** Frames since the last look: for tests and budgets. */
export interface FrameStats {
	frames: number;
	/** ms of script per frame of the scene, the longest. */
	worst: number;
	total: number;
	labels: number;
}

export class Mesh {
	readonly canvas: HTMLCanvasElement;
	private readonly above: HTMLCanvasElement;
	private readonly ctx: CanvasRenderingContext2D;
	private readonly over: CanvasRenderingContext2D;
	private readonly camera: Camera;
	private readonly labels = new Labels();
	private readonly sprites = new Sprites();
	private readonly pulses = new Pulses();
	private readonly layout: Layout;
	private readonly land: Land;
	basemap: Basemap | null;
	stats: FrameStats = { frames: 0, worst: 0, total: 0, labels: 0 };

	private data: MeshData | null = null;
	private order = new Uint32Array(0); // nodes, the important ones first
	private geoX = new Float64Array(0);
	private geoY = new Float64Array(0);
	private graph: Float32Array<ArrayBufferLike> = new Float32Array(0);
	private x = new Float32Array(0); // pixels, of the last scene
	private y = new Float32Array(0);
	private emphasis: Emphasis | null = null;
	private routes: Route[] = [];
	private selected: readonly number[] = [];
	private hovered: Hit | null = null;
	private colors: MeshColors;
	private showLabels = true;
	private insets: Insets = { left: 0, right: 0, top: 0, bottom: 0 };

	private dpr = 1;
	private width = 0;
	private height = 0;
	private requested = 0;
	private stale = true; // the scene has to be painted
	private morphFrom = -1; // when the flight between modes began
	private laidOut = false;
	private fitWhenSettled = false;
	/** What was fitted last; it stays so when the size changes, until the user looks elsewhere. */
	private fitted: { nodes: ArrayLike<number> | undefined } | null = null;
	private movedTimer = 0;
	private readonly resize: ResizeObserver;
	private readonly still = matchMedia("(prefers-reduced-motion: reduce)");

	constructor(host: HTMLElement, colors: MeshColors, private readonly events: MeshEvents) {
		this.canvas = document.createElement("canvas");
		this.above = document.createElement("canvas");
		this.canvas.className = "mesh-scene";
		this.above.className = "mesh-above";
		this.above.tabIndex = 0;
		Object.assign(this.above, { mesh: this }); // for tests and for the curious
		host.append(this.canvas, this.above);
		this.ctx = this.canvas.getContext("2d", { alpha: false })!;
		this.over = this.above.getContext("2d")!;
		this.colors = colors;
		this.land = new Land(colors, () => this.repaint());
		this.basemap = this.land;
		this.layout = new Layout((positions, done) => this.laid(positions, done));
		this.camera = new Camera(this.above, (byUser) => this.looked(byUser));
		this.resize = new ResizeObserver(() => this.fitCanvas());
		this.resize.observe(host);
		this.listen();
		this.fitCanvas();
	}

	/** The element that has the focus, and its name for screen readers. */
	get element(): HTMLCanvasElement {
		return this.above;
	}

	// ------------------------------------------------------------- data --

	setData(data: MeshData): void {
		const grown = this.data === null || data.count !== this.data.count;
		this.data = data;
		if (grown) this.grow(data.count);
		for (let i = 0; i < data.count; i++) {
			const lat = data.lat[i]!, lon = data.lon[i]!;
			this.geoX[i] = mercatorX(lon);
			this.geoY[i] = Number.isNaN(lat) ? NaN : mercatorY(lat);
		}
		this.order = Uint32Array.from({ length: data.count }, (_, i) => i).sort((a, b) => data.weight[b]! - data.weight[a]!);
		if (this.laidOut && grown) this.startLayout(0.3);
		else if (this.camera.mode === "graph" && !this.laidOut) this.startLayout(1);
		this.repaint();
	}

	/** Classes of nodes or links have changed in place. */
	repaint(): void {
		this.stale = true;
		this.request();
	}

	private grow(count: number): void {
		const copy = <T extends Float64Array | Float32Array>(to: T, from: T): T => {
			to.set(from.subarray(0, Math.min(from.length, to.length)) as never);
			return to;
		};
		this.geoX = copy(new Float64Array(count), this.geoX);
		this.geoY = copy(new Float64Array(count), this.geoY);
		this.graph = copy(new Float32Array(2 * count), this.graph);
		this.x = new Float32Array(count).fill(NaN);
		this.y = new Float32Array(count).fill(NaN);
	}

	setColors(colors: MeshColors): void {
		this.colors = colors;
		this.land.recolor(colors);
		this.repaint();
	}

	/** Tiles over the outline map; null: the outline alone. */
	setTiles(source: TileSource | null, isDark: () => boolean): void {
		this.basemap = source === null ? this.land : new Tiles(source, this.land, isDark, () => this.repaint());
		this.repaint();
	}

	setEmphasis(emphasis: Emphasis | null): void {
		this.emphasis = emphasis;
		this.repaint();
	}

	setSelected(nodes: readonly number[]): void {
		this.selected = nodes;
		this.request();
	}

	setRoutes(routes: Route[]): void {
		this.routes = routes;
		this.repaint();
	}

	setInsets(insets: Insets): void {
		if (JSON.stringify(insets) === JSON.stringify(this.insets)) return;
		this.insets = insets;
		if (this.fitted !== null) this.fit(this.fitted.nodes, 0);
	}

	setLabels(on: boolean): void {
		this.showLabels = on;
		this.repaint();
	}

	pulse(pulse: Pulse, speed = 1): void {
		if (document.hidden) return;
		const nodes = pulse.nodes.map((n) => (n !== null && Number.isFinite(this.x[n]) ? n : null));
		this.pulses.add({ nodes, color: pulse.color }, performance.now(), speed);
		this.request();
	}

	clearPulses(): void {
		this.pulses.clear();
		this.request();
	}

	// ------------------------------------------------------------- view --

	get mode(): Mode {
		return this.camera.mode;
	}

	setMode(mode: Mode): void {
		if (mode === this.camera.mode) return;
		if (mode === "graph" && !this.laidOut) {
			this.fitWhenSettled = true;
			this.startLayout(1);
		}
		this.camera.setMode(mode);
		this.morphFrom = this.still.matches || this.x.length === 0 ? -1 : performance.now();
		this.repaint();
	}

	get geoView(): GeoView {
		return this.camera.geoView;
	}

	setGeoView(view: GeoView): void {
		this.fitted = null;
		this.camera.setGeoView(view);
	}

	zoomBy(factor: number): void {
		this.camera.zoomBy(factor);
		this.looked(true);
	}

	panBy(dx: number, dy: number): void {
		this.camera.panBy(dx, dy);
		this.looked(true);
	}

	/** Shows these nodes, or all that are shown; false: none of them has a place. */
	fit(nodes?: ArrayLike<number>, ms = 400): boolean {
		const xs: number[] = [], ys: number[] = [];
		const graph = this.camera.mode === "graph";
		const take = (n: number): void => {
			const x = graph ? this.graph[2 * n]! : this.geoX[n]!, y = graph ? this.graph[2 * n + 1]! : this.geoY[n]!;
			if (!Number.isFinite(x + y)) return;
			xs.push(x);
			ys.push(y);
		};
		if (nodes !== undefined) for (let i = 0; i < nodes.length; i++) take(nodes[i]!);
		else for (let i = 0; i < (this.data?.count ?? 0); i++) if (this.data!.nodeClass[i] !== 255) take(i);
		if (xs.length === 0) return false;
		this.fitted = { nodes };
		this.camera.fit(this.box(xs, ys, nodes === undefined && !graph), this.insets, ms);
		return true;
	}

	/** Around all of them; of a whole map without the few that are far away from all others. */
	private box(xs: number[], ys: number[], trim: boolean): Box {
		xs.sort((a, b) => a - b);
		ys.sort((a, b) => a - b);
		const cut = trim && xs.length > 50 ? Math.floor(xs.length * 0.01) : 0;
		const last = xs.length - 1 - cut;
		return { left: xs[cut]!, right: xs[last]!, top: ys[cut]!, bottom: ys[last]! };
	}

	destroy(): void {
		cancelAnimationFrame(this.requested);
		clearTimeout(this.movedTimer);
		this.resize.disconnect();
		this.layout.stop();
		this.camera.destroy();
		this.canvas.remove();
		this.above.remove();
	}

	// ----------------------------------------------------------- layout --

	private startLayout(alpha: number): void {
		const d = this.data;
		if (d === null || d.count === 0) return;
		if (!this.laidOut) this.seedFromMap(d);
		const ends: number[] = [], strength: number[] = [];
		for (let i = 0; i < d.links.count; i++) {
			if (d.links.a[i]! >= d.count || d.links.b[i]! >= d.count) continue;
			ends.push(d.links.a[i]!, d.links.b[i]!);
			strength.push(d.links.strength[i]!);
		}
		this.layout.start(this.graph.slice(), Uint32Array.from(ends), Float32Array.from(strength), alpha);
		this.laidOut = true;
	}

	/** It begins where nodes are on the map, so that north stays about where it was. */
	private seedFromMap(d: MeshData): void {
		const places = Array.from(this.order).filter((i) => Number.isFinite(this.geoY[i]));
		const mean = (v: Float64Array): number => places.reduce((s, i) => s + v[i]!, 0) / Math.max(1, places.length);
		const mx = mean(this.geoX), my = mean(this.geoY);
		const spread = places.reduce((s, i) => s + Math.hypot(this.geoX[i]! - mx, this.geoY[i]! - my), 0) / Math.max(1, places.length);
		const scale = (12 * Math.sqrt(d.count)) / Math.max(1e-9, spread);
		for (let i = 0; i < d.count; i++) {
			const known = Number.isFinite(this.geoY[i]);
			// The golden angle spreads the others evenly and is the same each time.
			const far = 2 + 9 * Math.sqrt(i), turn = i * 2.399963;
			this.graph[2 * i] = known ? Math.max(-4000, Math.min(4000, (this.geoX[i]! - mx) * scale)) : far * Math.cos(turn);
			this.graph[2 * i + 1] = known ? Math.max(-4000, Math.min(4000, (this.geoY[i]! - my) * scale)) : far * Math.sin(turn);
		}
	}

	private laid(positions: Float32Array, done: boolean): void {
		if (this.data === null || positions.length !== 2 * this.data.count) return;
		this.graph = positions;
		if (this.camera.mode === "graph") {
			if (this.fitWhenSettled) this.fit(undefined, 0);
			if (done) {
				this.fitWhenSettled = false;
				this.events.settled?.();
			}
			this.repaint();
		}
	}

	// ------------------------------------------------------------ input --

	private looked(byUser: boolean): void {
		this.repaint();
		if (!byUser) return;
		this.fitted = null;
		this.fitWhenSettled = false;
		clearTimeout(this.movedTimer);
		this.movedTimer = window.setTimeout(() => this.events.moved?.(), 200);
	}

	private listen(): void {
		const at = (e: PointerEvent | MouseEvent): [number, number] => {
			const r = this.above.getBoundingClientRect();
			return [e.clientX - r.left, e.clientY - r.top];
		};
		this.above.addEventListener("pointermove", (e) => {
			if (e.pointerType === "touch" || e.buttons !== 0) return;
			const [x, y] = at(e);
			this.hover(this.hit(x, y, PICK_RADIUS.mouse), x, y);
		});
		this.above.addEventListener("pointerleave", () => this.hover(null, 0, 0));
		// d3-zoom swallows the click that ends a drag.
		this.above.addEventListener("click", (e) => {
			const [x, y] = at(e);
			const touch = (e as PointerEvent).pointerType === "touch";
			this.events.pick?.(this.hit(x, y, PICK_RADIUS[touch ? "touch" : "mouse"]), e.shiftKey || e.ctrlKey || e.metaKey);
		});
	}

	private hover(hit: Hit | null, x: number, y: number): void {
		const same = hit?.kind === this.hovered?.kind && hit?.index === this.hovered?.index;
		if (same && hit === null) return;
		this.hovered = hit;
		this.above.classList.toggle("is-over", hit !== null);
		this.events.hover?.(hit, x, y);
		if (!same) this.request();
	}

	/** The nearest node, else the nearest link. */
	hit(x: number, y: number, radius: number): Hit | null {
		const d = this.data;
		if (d === null) return null;
		let best = radius * radius, index = -1;
		for (let i = 0; i < d.count; i++) {
			if (d.nodeClass[i] === 255) continue;
			const distance = (this.x[i]! - x) ** 2 + (this.y[i]! - y) ** 2;
			if (distance < best) [best, index] = [distance, i];
		}
		if (index >= 0) return { kind: "node", index };
		best = 25;
		for (let i = 0; i < d.links.count; i++) {
			if (d.links.class[i] === 255 || (this.emphasis?.links && !this.emphasis.links[i])) continue;
			const distance = this.toLink(x, y, d.links.a[i]!, d.links.b[i]!);
			if (distance < best) [best, index] = [distance, i];
		}
		return index >= 0 ? { kind: "link", index } : null;
	}

	private toLink(x: number, y: number, a: number, b: number): number {
		const ax = this.x[a]!, ay = this.y[a]!;
		const dx = this.x[b]! - ax, dy = this.y[b]! - ay;
		const t = Math.max(0, Math.min(1, ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy)));
		return (ax + t * dx - x) ** 2 + (ay + t * dy - y) ** 2;
	}

	/** Where a node was drawn last, in pixels; null: it has no place. */
	position(node: number): [number, number] | null {
		const x = this.x[node], y = this.y[node];
		return x !== undefined && Number.isFinite(x + y!) ? [x, y!] : null;
	}

	// ------------------------------------------------------------ frame --

	private fitCanvas(): void {
		const host = this.canvas.parentElement;
		if (host === null) return;
		const width = host.clientWidth, height = host.clientHeight, dpr = Math.min(2, devicePixelRatio || 1);
		if (width === this.width && height === this.height && dpr === this.dpr) return;
		for (const c of [this.canvas, this.above]) {
			c.width = Math.round(width * dpr);
			c.height = Math.round(height * dpr);
		}
		if (this.width > 0) this.camera.resized(width - this.width, height - this.height);
		[this.width, this.height, this.dpr] = [width, height, dpr];
		if (this.fitted !== null) this.fit(this.fitted.nodes, 0);
		this.stale = true;
		this.frame(performance.now()); // at once: an emptied canvas would flash
	}

	private request(): void {
		if (this.requested === 0) this.requested = requestAnimationFrame((now) => {
			this.requested = 0;
			this.frame(now);
		});
	}

	private frame(now: number): void {
		if (this.width === 0 || this.height === 0) return;
		const morphing = this.morphFrom >= 0;
		if (this.stale || morphing) {
			const begun = performance.now();
			this.stale = false;
			this.place(now);
			this.paintScene();
			const took = performance.now() - begun;
			this.stats.frames++;
			this.stats.total += took;
			this.stats.worst = Math.max(this.stats.worst, took);
		}
		this.paintAbove(now);
		if (this.pulses.active || this.morphFrom >= 0) this.request();
	}

	/** Nodes to pixels. */
	private place(now: number): void {
		const count = this.data?.count ?? 0;
		const t = this.camera.transform(this.camera.mode);
		const graph = this.camera.mode === "graph";
		for (let i = 0; i < count; i++) {
			this.x[i] = (graph ? this.graph[2 * i]! : this.geoX[i]!) * t.k + t.x;
			this.y[i] = (graph ? this.graph[2 * i + 1]! : this.geoY[i]!) * t.k + t.y;
		}
		if (this.morphFrom < 0) return;
		const part = Math.max(0, (now - this.morphFrom) / MORPH_MS);
		if (part >= 1) {
			this.morphFrom = -1;
			return;
		}
		const rest = 1 - part * part * (3 - 2 * part);
		const o = this.camera.transform(graph ? "geo" : "graph");
		for (let i = 0; i < count; i++) {
			const x = (graph ? this.geoX[i]! : this.graph[2 * i]!) * o.k + o.x;
			const y = (graph ? this.geoY[i]! : this.graph[2 * i + 1]!) * o.k + o.y;
			if (!Number.isFinite(x + y) || !Number.isFinite(this.x[i]! + this.y[i]!)) continue;
			this.x[i]! += (x - this.x[i]!) * rest;
			this.y[i]! += (y - this.y[i]!) * rest;
		}
	}

	private scene(ctx: CanvasRenderingContext2D): Scene {
		const t = this.camera.transform(this.camera.mode);
		const zoom = this.camera.mode === "geo" ? (Math.log2(t.k / 256) - 6) / 6 : Math.log2(t.k * 2) / 3;
		return {
			ctx, data: this.data!, x: this.x, y: this.y, width: this.width, height: this.height, dpr: this.dpr,
			scale: 0.75 + 0.45 * Math.max(0, Math.min(1, zoom)), sprites: this.sprites, emphasis: this.emphasis,
			colors: this.colors,
		};
	}

	private paintScene(): void {
		const { ctx, dpr } = this;
		const { geo, color } = { geo: this.camera.mode === "geo", color: this.colors };
		ctx.setTransform(dpr, 0, 0, dpr, 0, 0);
		ctx.globalAlpha = 1;
		ctx.fillStyle = geo ? color.water : color.halo;
		ctx.fillRect(0, 0, this.width, this.height);
		if (geo && this.basemap !== null && this.morphFrom < 0) {
			const t = this.camera.transform("geo");
			const view: View = { k: t.k, x: t.x, y: t.y, width: this.width, height: this.height, dpr };
			this.basemap.draw(ctx, view);
			ctx.setTransform(dpr, 0, 0, dpr, 0, 0);
		}
		if (this.data === null) return;
		this.sprites.setLook(color.halo, color.hollow, dpr);
		this.labels.setLook(color.text, color.halo, dpr);
		const scene = this.scene(ctx);
		paintLinks(scene);
		paintRoutes(scene, this.routes);
		paintNodes(scene, this.order);
		if (this.showLabels && this.morphFrom < 0) this.paintLabels(scene);
		else this.stats.labels = 0;
	}

	private paintLabels(scene: Scene): void {
		const { ctx } = this;
		const d = scene.data;
		const emphasised = this.emphasis?.nodes;
		const must = [...new Set(this.selected.concat(this.routes.filter((r) => r.main).flatMap((r) => r.nodes.filter((n) => n !== null))))];
		const first = Array.from(this.order).filter((i) => (!emphasised || emphasised[i] === 1) && !must.includes(i));
		ctx.setTransform(1, 0, 0, 1, 0, 0);
		this.stats.labels = this.labels.draw(ctx, this.width, this.height, {
			order: must.concat(first), must: must.length, x: this.x, y: this.y,
			shown: (n) => d.nodeClass[n] !== 255, text: d.label, radius: (n) => 2 + 5 * d.weight[n]! * scene.scale,
		});
	}

	private paintAbove(now: number): void {
		const { over, dpr } = this;
		over.setTransform(1, 0, 0, 1, 0, 0);
		over.clearRect(0, 0, this.above.width, this.above.height);
		over.setTransform(dpr, 0, 0, dpr, 0, 0);
		if (this.data === null) return;
		paintRings(this.scene(over), this.selected, this.hovered);
		if (this.pulses.active) this.pulses.draw(over, this.x, this.y, now, this.still.matches);
	}
}
