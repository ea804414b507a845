// SPDX-License-Identifier: MIT
//
// The outline map as a layer: fetches the cells that are in view (make/land.mjs makes them), keeps
// them as paths, and draws them under everything else.
import { latitude, longitude, mercatorX, mercatorY } from "./projection";

export interface View {
	/** Pixels of the whole world, and where its north-west corner is. */
	k: number;
	x: number;
	y: number;
	width: number;
	height: number;
	dpr: number;
}

/** What lies under the nodes; another one can take the outline's place. */
export interface Basemap {
	draw(ctx: CanvasRenderingContext2D, view: View): void;
	/** Text that has to be shown with it. */
	attribution: string;
}

export interface LandColors {
	land: string;
	coast: string;
	border: string;
}

interface Cell {
	fill: Path2D;
	coast: Path2D;
	border: Path2D;
	/** The world's square is this many units; where the cell's corner is in it. */
	units: number;
	x: number;
	y: number;
}

const OVERLAP = 64; // units, as in make/land.mjs
const MOST_CELLS = 24; // in view; with more the coarse map serves
const KEPT = 64;

/** Longitude and latitude of points become units of a cell in Mercator's projection. */
class Decoder {
	private at = 0;
	constructor(
		private readonly data: Uint8Array,
		private readonly degrees: number, // of a unit
		private readonly x0: number,
		private readonly y0: number,
		private readonly edge: number, // units of a side, beyond which a cell ends; 0: no cell
	) {}

	private number(): number {
		let n = 0, shift = 1, b: number;
		do {
			b = this.data[this.at++] ?? 0;
			n += (b & 127) * shift;
			shift *= 128;
		} while (b & 128);
		return n;
	}

	private signed(): number {
		const n = this.number();
		return n & 1 ? -(n + 1) / 2 : n / 2;
	}

	/** For each shape: every point as (x, y in the projection, is the line that leads to it a cut?). */
	private shapes(closed: boolean, each: (x: number, y: number, first: boolean, cut: boolean) => void): void {
		for (let n = this.number(); n > 0 && this.at < this.data.length; n--) {
			let x = 0, y = 0, firstX = 0, firstY = 0;
			const count = this.number();
			for (let i = 0; i < count; i++) {
				const lastX = x, lastY = y;
				x += this.signed();
				y += this.signed();
				if (i === 0) [firstX, firstY] = [x, y];
				this.tell(x, y, lastX, lastY, i === 0, each);
			}
			if (closed) this.tell(firstX, firstY, x, y, false, each);
		}
	}

	private tell(
		x: number, y: number, lastX: number, lastY: number, first: boolean,
		each: (x: number, y: number, first: boolean, cut: boolean) => void,
	): void {
		const low = -OVERLAP, high = this.edge + OVERLAP;
		const cut = (x === lastX && (Math.abs(this.x0 + x * this.degrees) === 180 || (this.edge > 0 && (x === low || x === high)))) ||
			(y === lastY && this.edge > 0 && (y === low || y === high));
		each(mercatorX(this.x0 + x * this.degrees), mercatorY(this.y0 + y * this.degrees), first, cut);
	}

	cell(units: number): Cell {
		const originX = mercatorX(this.x0), originY = mercatorY(this.y0);
		const fill = new Path2D(), coast = new Path2D(), border = new Path2D();
		this.shapes(true, (mx, my, first, cut) => {
			const x = (mx - originX) * units, y = (my - originY) * units;
			if (first) {
				fill.closePath();
				fill.moveTo(x, y);
			} else {
				fill.lineTo(x, y);
			}
			if (first || cut) coast.moveTo(x, y);
			else coast.lineTo(x, y);
		});
		this.shapes(false, (mx, my, first) => {
			const x = (mx - originX) * units, y = (my - originY) * units;
			if (first) border.moveTo(x, y);
			else border.lineTo(x, y);
		});
		return { fill, coast, border, units, x: originX, y: originY };
	}
}

export class Land implements Basemap {
	readonly attribution = "";
	private readonly cells = new Map<string, Cell | null>(); // null: on its way
	private readonly present = LAND_CELLS.match(/../g)!.map((h) => parseInt(h, 16));

	constructor(
		private colors: LandColors,
		private readonly changed: () => void,
	) {}

	recolor(colors: LandColors): void {
		this.colors = colors;
	}

	draw(ctx: CanvasRenderingContext2D, view: View): void {
		const names = this.inView(view);
		const coarse = names.length > MOST_CELLS || names.some((n) => !this.cells.get(n));
		const found: Cell[] = [];
		if (coarse) {
			const world = this.get(view.k > 3000 ? "world-50m" : "world-110m") ?? this.cells.get("world-110m");
			if (world) found.push(world);
		}
		if (names.length <= MOST_CELLS) {
			const fine = names.map((n) => this.get(n)).filter((c) => c !== null);
			// Cells take the coarse map's place together, so that coasts do not stand side by side.
			if (fine.length === names.length) found.splice(0, found.length, ...fine);
		}
		this.paint(ctx, view, found);
	}

	private inView(view: View): string[] {
		const west = Math.max(0, Math.floor((longitude(-view.x / view.k) + 180) / 10));
		const east = Math.min(35, Math.floor((longitude((view.width - view.x) / view.k) + 180) / 10));
		const north = Math.min(17, Math.floor((latitude(-view.y / view.k) + 90) / 10));
		const south = Math.max(0, Math.floor((latitude((view.height - view.y) / view.k) + 90) / 10));
		const names: string[] = [];
		for (let y = south; y <= north; y++)
			for (let x = west; x <= east; x++) {
				const bit = y * 36 + x;
				if (this.present[bit >> 3]! & (1 << (bit & 7))) names.push(`${x}_${y}`);
			}
		return names;
	}

	private get(name: string): Cell | null {
		const known = this.cells.get(name);
		if (known === undefined) {
			this.cells.set(name, null);
			void this.load(name);
		} else if (known !== null) {
			this.cells.delete(name); // the ones that were used last stay longest
			this.cells.set(name, known);
		}
		return known ?? null;
	}

	private async load(name: string): Promise<void> {
		try {
			const answer = await fetch(`${LAND_FOLDER}${name}.bin`);
			if (!answer.ok) throw new Error(String(answer.status));
			const data = new Uint8Array(await answer.arrayBuffer());
			const [x, y] = name.split("_").map(Number);
			const cell = name.startsWith("world")
				? new Decoder(data, 360 / 65536, -180, -90, 0).cell(65536)
				: new Decoder(data, 10 / 16384, x! * 10 - 180, y! * 10 - 90, 16384).cell(1 << 20);
			this.cells.delete(name);
			this.cells.set(name, cell);
			for (const [old, c] of this.cells) {
				if (this.cells.size <= KEPT) break;
				if (c !== null && !old.startsWith("world")) this.cells.delete(old);
			}
			this.changed();
		} catch {
			// Without it there is water; the next look at this place tries again.
			setTimeout(() => this.cells.delete(name), 5000);
		}
	}

	private paint(ctx: CanvasRenderingContext2D, view: View, cells: Cell[]): void {
		const place = (c: Cell): number => {
			const scale = view.k / c.units;
			const d = view.dpr;
			ctx.setTransform(scale * d, 0, 0, scale * d, (view.x + c.x * view.k) * d, (view.y + c.y * view.k) * d);
			return 1 / scale;
		};
		ctx.save();
		ctx.fillStyle = this.colors.land;
		for (const c of cells) {
			place(c);
			ctx.fill(c.fill, "evenodd");
		}
		for (const c of cells) {
			ctx.lineWidth = place(c);
			ctx.strokeStyle = this.colors.coast;
			ctx.stroke(c.coast);
			ctx.strokeStyle = this.colors.border;
			ctx.stroke(c.border);
		}
		ctx.restore();
	}
}
