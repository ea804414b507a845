// SPDX-License-Identifier: MIT
//
// Map tiles of a server that the operator has named, over the outline map: painted as they come,
// kept while they are of use. Where one is missing a coarser one serves, or the outline.
import type { Basemap, View } from "./land";

export interface TileSource {
	/** Address with {z}, {x} and {y}. */
	url: string;
	attribution: string;
	max_zoom: number;
}

interface Tile {
	image: HTMLImageElement;
	/** The same for the night; made when it is first needed: filters are slow, frames are many. */
	dark: HTMLCanvasElement | null;
	state: "loading" | "here" | "failed";
	at: number;
}

const KEPT = 160;
const AGAIN_MS = 30000;
const COARSER = 4; // levels above, that are looked for

/** The level at which a tile is about as large as it was drawn. */
export const levelOf = (k: number, dpr: number, most: number): number =>
	Math.max(0, Math.min(most, Math.round(Math.log2((k * dpr) / 256) - (dpr > 1 ? 0.5 : 0))));

/** Tiles are made for daylight. */
function darkened(image: HTMLImageElement): HTMLCanvasElement {
	const canvas = document.createElement("canvas");
	canvas.width = image.naturalWidth;
	canvas.height = image.naturalHeight;
	const ctx = canvas.getContext("2d")!;
	ctx.filter = "invert(0.92) hue-rotate(180deg) saturate(0.6)";
	ctx.drawImage(image, 0, 0);
	return canvas;
}

export class Tiles implements Basemap {
	private readonly tiles = new Map<string, Tile>();

	constructor(
		private readonly source: TileSource,
		private readonly below: Basemap,
		private readonly isDark: () => boolean,
		private readonly changed: () => void,
	) {}

	get attribution(): string {
		return this.source.attribution;
	}

	draw(ctx: CanvasRenderingContext2D, view: View): void {
		this.below.draw(ctx, view);
		const z = levelOf(view.k, view.dpr, this.source.max_zoom);
		const n = 2 ** z, size = view.k / n;
		const west = Math.max(0, Math.floor(-view.x / size)), east = Math.min(n - 1, Math.floor((view.width - view.x) / size));
		const north = Math.max(0, Math.floor(-view.y / size)), south = Math.min(n - 1, Math.floor((view.height - view.y) / size));
		ctx.save();
		ctx.setTransform(view.dpr, 0, 0, view.dpr, 0, 0);
		const dark = this.isDark();
		for (let y = north; y <= south; y++)
			for (let x = west; x <= east; x++) this.paint(ctx, z, x, y, view.x + x * size, view.y + y * size, size, dark);
		ctx.restore();
		this.forget();
	}

	private paint(ctx: CanvasRenderingContext2D, z: number, x: number, y: number, left: number, top: number, size: number, dark: boolean): void {
		for (let up = 0; up <= Math.min(z, COARSER); up++) {
			const f = 2 ** up;
			const t = this.get(z - up, Math.floor(x / f), Math.floor(y / f), up === 0);
			if (t?.state !== "here") continue;
			const part = t.image.naturalWidth / f;
			// Half a pixel more hides the seams between tiles of broken sizes.
			ctx.drawImage(dark ? (t.dark ??= darkened(t.image)) : t.image, (x % f) * part, (y % f) * part, part, part, left, top, size + 0.5, size + 0.5);
			return;
		}
	}

	private get(z: number, x: number, y: number, wanted: boolean): Tile | undefined {
		const name = `${z}/${x}/${y}`;
		const known = this.tiles.get(name);
		if (known && !(known.state === "failed" && wanted && Date.now() - known.at > AGAIN_MS)) {
			this.tiles.delete(name); // the ones that were used last stay longest
			this.tiles.set(name, known);
			return known;
		}
		if (!wanted) return undefined;
		const image = new Image();
		const tile: Tile = { image, dark: null, state: "loading", at: Date.now() };
		const end = (state: Tile["state"]) => () => {
			tile.state = state;
			tile.at = Date.now();
			this.changed();
		};
		image.onload = end("here");
		image.onerror = end("failed");
		image.decoding = "async";
		image.src = this.source.url.replace("{z}", String(z)).replace("{x}", String(x)).replace("{y}", String(y));
		this.tiles.set(name, tile);
		return tile;
	}

	private forget(): void {
		for (const name of this.tiles.keys()) {
			if (this.tiles.size <= KEPT) break;
			this.tiles.delete(name);
		}
	}

	/** How many are here, and how many could not be had: for tests. */
	get counts(): { here: number; failed: number } {
		const all = [...this.tiles.values()];
		return { here: all.filter((t) => t.state === "here").length, failed: all.filter((t) => t.state === "failed").length };
	}
}
