// SPDX-License-Identifier: MIT
//
// Packets on their way: a dot that runs along the hops and leaves a trail, a ring where one arrives.

export interface Pulse {
	/** Nodes, as far as they are known; null is skipped with a broken line. */
	nodes: (number | null)[];
	color: string;
}

interface Running {
	xs: number[]; // places in the list of nodes that are known
	color: string;
	begun: number;
	broken: boolean[]; // for each leg: somebody between is not known
	hopMs: number;
}

const MOST = 240;
const TRAIL_MS = 260;
const RING_MS = 700;

export class Pulses {
	private running: Running[] = [];
	/** Not shown because too many were under way. */
	skipped = 0;

	add(pulse: Pulse, now: number, speed = 1): void {
		const xs: number[] = [];
		const broken: boolean[] = [];
		let hole = false;
		for (const n of pulse.nodes) {
			if (n === null) {
				hole = true;
				continue;
			}
			if (n === xs[xs.length - 1]) continue;
			if (xs.length > 0) broken.push(hole);
			xs.push(n);
			hole = false;
		}
		if (xs.length === 0) return;
		if (this.running.length >= MOST) {
			this.skipped++;
			return;
		}
		const legs = xs.length - 1;
		const hopMs = Math.max(140, Math.min(420, 2200 / Math.max(1, legs))) / Math.sqrt(speed);
		this.running.push({ xs, broken, color: pulse.color, begun: now, hopMs });
	}

	clear(): void {
		this.running = [];
	}

	get active(): boolean {
		return this.running.length > 0;
	}

	draw(ctx: CanvasRenderingContext2D, x: Float32Array, y: Float32Array, now: number, still: boolean): void {
		this.running = this.running.filter((p) => now - p.begun < (p.xs.length - 1) * p.hopMs + RING_MS);
		ctx.lineCap = "round";
		for (const p of this.running) this.one(ctx, p, x, y, now - p.begun, still);
		ctx.globalAlpha = 1;
		ctx.setLineDash([]);
	}

	private one(ctx: CanvasRenderingContext2D, p: Running, x: Float32Array, y: Float32Array, age: number, still: boolean): void {
		const legs = p.xs.length - 1;
		ctx.strokeStyle = ctx.fillStyle = p.color;
		// Without motion the whole way is shown and fades.
		const head = still ? legs : Math.min(legs, age / p.hopMs);
		const tail = still ? 0 : Math.max(0, (age - TRAIL_MS) / p.hopMs - 0.4);
		const fade = Math.min(1, (legs * p.hopMs + RING_MS - age) / RING_MS);
		ctx.lineWidth = 2.4;
		for (let leg = Math.floor(tail); leg < Math.min(legs, Math.ceil(head)); leg++) {
			const from = Math.max(0, tail - leg), to = Math.min(1, head - leg);
			if (to <= from) continue;
			const a = p.xs[leg]!, b = p.xs[leg + 1]!;
			const dx = x[b]! - x[a]!, dy = y[b]! - y[a]!;
			if (!Number.isFinite(dx + dy)) continue;
			ctx.globalAlpha = 0.75 * (still ? fade : 1);
			if (p.broken[leg]) ctx.setLineDash([3, 6]);
			ctx.beginPath();
			ctx.moveTo(x[a]! + dx * from, y[a]! + dy * from);
			ctx.lineTo(x[a]! + dx * to, y[a]! + dy * to);
			ctx.stroke();
			if (p.broken[leg]) ctx.setLineDash([]);
		}
		if (head < legs) this.dot(ctx, p, x, y, head);
		else this.ring(ctx, x[p.xs[legs]!]!, y[p.xs[legs]!]!, still ? 1 - fade : (age - legs * p.hopMs) / RING_MS);
	}

	private dot(ctx: CanvasRenderingContext2D, p: Running, x: Float32Array, y: Float32Array, head: number): void {
		const leg = Math.floor(head), t = head - leg;
		const a = p.xs[leg]!, b = p.xs[leg + 1]!;
		const px = x[a]! + (x[b]! - x[a]!) * t, py = y[a]! + (y[b]! - y[a]!) * t;
		if (!Number.isFinite(px + py)) return;
		ctx.globalAlpha = 1;
		ctx.beginPath();
		ctx.arc(px, py, 3.4, 0, 2 * Math.PI);
		ctx.fill();
	}

	private ring(ctx: CanvasRenderingContext2D, x: number, y: number, t: number): void {
		if (!Number.isFinite(x + y)) return;
		ctx.globalAlpha = Math.max(0, 0.8 * (1 - t));
		ctx.lineWidth = 2;
		ctx.beginPath();
		ctx.arc(x, y, 5 + 13 * Math.max(0, t), 0, 2 * Math.PI);
		ctx.stroke();
	}
}
