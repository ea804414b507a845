// SPDX-License-Identifier: MIT
//
// Names beside nodes: the important ones first, none over another. A name is drawn once and then
// copied, because drawing text with a halo is what costs most in a frame.

interface Label {
	image: HTMLCanvasElement;
	width: number;
}

const MOST = 160;
const KEPT = 1200;
const LONGEST = 28; // characters
const WIDTH = 7; // of one, before it is known
const HEIGHT = 17;
const CELL = 8; // pixels of the grid of what is taken
const FONT = "12px system-ui, sans-serif";

export interface LabelJob {
	/** Nodes, the most important first; `must` of them are drawn even where they collide. */
	order: ArrayLike<number>;
	must: number;
	x: Float32Array;
	y: Float32Array;
	shown: (node: number) => boolean;
	text: (node: number) => string;
	radius: (node: number) => number;
}

export class Labels {
	private readonly images = new Map<string, Label>();
	private color = "";
	private halo = "";
	private dpr = 1;
	private taken = new Uint8Array(0);
	private columns = 0;
	private rows = 0;

	setLook(color: string, halo: string, dpr: number): void {
		if (color === this.color && halo === this.halo && dpr === this.dpr) return;
		[this.color, this.halo, this.dpr] = [color, halo, dpr];
		this.images.clear();
	}

	/** How many were drawn. The context's unit is a device pixel. */
	draw(ctx: CanvasRenderingContext2D, width: number, height: number, job: LabelJob): number {
		this.columns = Math.ceil(width / CELL);
		this.rows = Math.ceil(height / CELL);
		if (this.taken.length < this.columns * this.rows) this.taken = new Uint8Array(this.columns * this.rows);
		else this.taken.fill(0);
		let drawn = 0;
		for (let i = 0; i < job.order.length && drawn < MOST; i++) {
			const n = job.order[i]!;
			const x = job.x[n]!, y = job.y[n]!;
			if (!(x > -20 && y > -10 && x < width + 20 && y < height + 10) || !job.shown(n)) continue;
			const text = job.text(n);
			if (text !== "" && this.place(ctx, text, x, y, job.radius(n), i < job.must)) drawn++;
		}
		return drawn;
	}

	private place(ctx: CanvasRenderingContext2D, text: string, x: number, y: number, r: number, must: boolean): boolean {
		// Most names find no room: those are neither measured nor drawn.
		const width = this.images.get(text)?.width ?? Math.min(text.length, LONGEST) * WIDTH + 6;
		const top = y - HEIGHT / 2;
		const right = x + r + 2, other = x - r - 2 - width; // on the other side there may be room
		let left = right;
		if (!this.take(right, top, width, HEIGHT, false)) {
			const cut = right + width > this.columns * CELL;
			if (this.take(other, top, width, HEIGHT, must && cut)) left = x - r - 2 - this.image(text).width;
			else if (!must) return false;
			else this.take(right, top, width, HEIGHT, true);
		}
		ctx.drawImage(this.image(text).image, Math.round(left * this.dpr), Math.round(top * this.dpr));
		return true;
	}

	private take(x: number, y: number, width: number, height: number, must: boolean): boolean {
		if (!must && (x < 0 || x + width > this.columns * CELL)) return false; // it would be cut off
		const x0 = Math.max(0, Math.floor(x / CELL)), x1 = Math.min(this.columns - 1, Math.floor((x + width) / CELL));
		const y0 = Math.max(0, Math.floor(y / CELL)), y1 = Math.min(this.rows - 1, Math.floor((y + height - 3) / CELL));
		if (!must)
			for (let j = y0; j <= y1; j++)
				for (let i = x0; i <= x1; i++) if (this.taken[j * this.columns + i]) return false;
		for (let j = y0; j <= y1; j++) this.taken.fill(1, j * this.columns + x0, j * this.columns + x1 + 1);
		return true;
	}

	private image(text: string): Label {
		const known = this.images.get(text);
		if (known !== undefined) return known;
		if (this.images.size >= KEPT) this.images.clear();
		const image = document.createElement("canvas");
		const ctx = image.getContext("2d")!;
		const short = text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text;
		ctx.font = FONT;
		const width = Math.ceil(ctx.measureText(short).width) + 6, height = HEIGHT;
		image.width = Math.max(1, Math.ceil(width * this.dpr));
		image.height = Math.ceil(height * this.dpr);
		ctx.scale(this.dpr, this.dpr);
		ctx.font = FONT;
		ctx.textBaseline = "middle";
		ctx.lineJoin = "round";
		ctx.lineWidth = 3.5;
		ctx.strokeStyle = this.halo;
		ctx.strokeText(short, 3, height / 2 + 0.5);
		ctx.fillStyle = this.color;
		ctx.fillText(short, 3, height / 2 + 0.5);
		const label = { image, width };
		this.images.set(text, label);
		return label;
	}
}
