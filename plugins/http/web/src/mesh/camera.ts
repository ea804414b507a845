// SPDX-License-Identifier: MIT
//
// Where one looks: a transform for each mode, moved with mouse, touch and keys (d3-zoom).
import { select, type Selection } from "d3-selection";
import { zoom, zoomIdentity, type ZoomBehavior, type ZoomTransform } from "d3-zoom";
import { latitude, longitude, mercatorX, mercatorY } from "./projection";
import type { GeoView, Insets, Mode } from "./types";

const EXTENT: Record<Mode, [number, number]> = { geo: [300, 256 * 2 ** 19], graph: [0.05, 12] };
const CLOSEST: Record<Mode, number> = { geo: 256 * 2 ** 13, graph: 2.5 }; // that fitting goes

export interface Box {
	left: number;
	top: number;
	right: number;
	bottom: number;
}

export class Camera {
	mode: Mode = "geo";
	private readonly behavior: ZoomBehavior<HTMLCanvasElement, unknown>;
	private readonly target: Selection<HTMLCanvasElement, unknown, null, undefined>;
	private readonly transforms: Record<Mode, ZoomTransform> = {
		geo: zoomIdentity.translate(-200, -100).scale(1024),
		graph: zoomIdentity,
	};
	private quiet = false;
	private flight = 0;

	constructor(
		private readonly canvas: HTMLCanvasElement,
		private readonly moved: (byUser: boolean) => void,
	) {
		this.behavior = zoom<HTMLCanvasElement, unknown>()
			.scaleExtent(EXTENT.geo)
			.extent(() => [[0, 0], [this.width, this.height]])
			.filter((e: MouseEvent) => !e.button && (!e.ctrlKey || e.type === "wheel"))
			.on("zoom", (e: { transform: ZoomTransform; sourceEvent: unknown }) => {
				this.transforms[this.mode] = e.transform;
				if (e.sourceEvent) cancelAnimationFrame(this.flight);
				if (!this.quiet) this.moved(Boolean(e.sourceEvent));
			});
		this.target = select(canvas);
		this.target.call(this.behavior).on("dblclick.zoom", null);
	}

	get width(): number {
		return this.canvas.clientWidth;
	}

	get height(): number {
		return this.canvas.clientHeight;
	}

	/** Of a mode: pixels per unit, and where the origin is. */
	transform(mode: Mode): ZoomTransform {
		return this.transforms[mode];
	}

	setMode(mode: Mode): void {
		this.mode = mode;
		this.quiet = true;
		this.behavior.scaleExtent(EXTENT[mode]);
		this.target.call(this.behavior.transform, this.transforms[mode]);
		this.quiet = false;
	}

	private put(t: ZoomTransform): void {
		this.target.call(this.behavior.transform, t);
	}

	/** Goes there in a short flight; at once if motion is not wanted. */
	private fly(to: ZoomTransform, ms: number): void {
		cancelAnimationFrame(this.flight);
		if (ms === 0 || matchMedia("(prefers-reduced-motion: reduce)").matches) return this.put(to);
		const from = this.transforms[this.mode];
		const [cx, cy] = [this.width / 2, this.height / 2];
		const [fromX, fromY] = from.invert([cx, cy]), [toX, toY] = to.invert([cx, cy]);
		const begun = performance.now();
		const step = (now: number): void => {
			const t = Math.max(0, Math.min(1, (now - begun) / ms));
			const e = t * t * (3 - 2 * t);
			const k = from.k * (to.k / from.k) ** e;
			// In screen terms the middle moves evenly while the scale changes.
			const s = to.k === from.k ? e : (1 / from.k - 1 / k) / (1 / from.k - 1 / to.k);
			const [x, y] = [fromX + (toX - fromX) * s, fromY + (toY - fromY) * s];
			this.put(zoomIdentity.translate(cx - x * k, cy - y * k).scale(k));
			if (t < 1) this.flight = requestAnimationFrame(step);
		};
		this.flight = requestAnimationFrame(step);
	}

	fit(box: Box, insets: Insets, ms: number): void {
		const width = Math.max(60, this.width - insets.left - insets.right);
		const height = Math.max(60, this.height - insets.top - insets.bottom);
		// Names stand beside nodes, so the sides need more room.
		const side = Math.min(90, width / 6), margin = Math.min(50, height / 8);
		const k = Math.min(
			(width - 2 * side) / Math.max(1e-9, box.right - box.left),
			(height - 2 * margin) / Math.max(1e-9, box.bottom - box.top),
			CLOSEST[this.mode],
		);
		const scale = Math.max(EXTENT[this.mode][0], k);
		this.fly(zoomIdentity
			.translate(
				insets.left + width / 2 - ((box.left + box.right) / 2) * scale,
				insets.top + height / 2 - ((box.top + box.bottom) / 2) * scale,
			)
			.scale(scale), ms);
	}

	zoomBy(factor: number): void {
		cancelAnimationFrame(this.flight);
		this.target.call(this.behavior.scaleBy, factor);
	}

	panBy(dx: number, dy: number): void {
		cancelAnimationFrame(this.flight);
		const t = this.transforms[this.mode];
		this.put(zoomIdentity.translate(t.x + dx, t.y + dy).scale(t.k));
	}

	/** When the canvas gets another size the middle stays where it is. */
	resized(dx: number, dy: number): void {
		for (const mode of ["geo", "graph"] as const) {
			const t = this.transforms[mode];
			this.transforms[mode] = zoomIdentity.translate(t.x + dx / 2, t.y + dy / 2).scale(t.k);
		}
		this.setMode(this.mode);
	}

	get geoView(): GeoView {
		const t = this.transforms.geo;
		const [x, y] = t.invert([this.width / 2, this.height / 2]);
		return { lat: latitude(y), lon: longitude(x), zoom: Math.log2(t.k / 256) };
	}

	setGeoView(view: GeoView): void {
		const k = Math.max(EXTENT.geo[0], Math.min(EXTENT.geo[1], 256 * 2 ** view.zoom));
		const t = zoomIdentity
			.translate(this.width / 2 - mercatorX(view.lon) * k, this.height / 2 - mercatorY(view.lat) * k)
			.scale(k);
		this.transforms.geo = t;
		if (this.mode === "geo") this.put(t);
	}

	destroy(): void {
		cancelAnimationFrame(this.flight);
		this.target.on(".zoom", null);
	}
}
