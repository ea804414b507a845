// SPDX-License-Identifier: MIT
//
// Marks of nodes, drawn once for each look and then copied.
import type { NodeClass, Shape } from "./types";

interface Sprite {
	image: HTMLCanvasElement;
	half: number; // device pixels
}

function outline(ctx: CanvasRenderingContext2D, shape: Shape, r: number): void {
	ctx.beginPath();
	if (shape === "square") ctx.rect(-r * 0.86, -r * 0.86, r * 1.72, r * 1.72);
	else if (shape === "diamond") {
		ctx.moveTo(0, -r * 1.2);
		ctx.lineTo(r * 1.2, 0);
		ctx.lineTo(0, r * 1.2);
		ctx.lineTo(-r * 1.2, 0);
	} else if (shape === "triangle") {
		ctx.moveTo(0, -r * 1.15);
		ctx.lineTo(r * 1.1, r * 0.85);
		ctx.lineTo(-r * 1.1, r * 0.85);
	} else ctx.arc(0, 0, shape === "dot" ? r * 0.72 : r, 0, 2 * Math.PI);
	ctx.closePath();
}

export class Sprites {
	private readonly known = new Map<string, Sprite>();
	private dpr = 1;
	private halo = "";
	private hollow = "";

	setLook(halo: string, hollow: string, dpr: number): void {
		if (halo === this.halo && hollow === this.hollow && dpr === this.dpr) return;
		[this.halo, this.hollow, this.dpr] = [halo, hollow, dpr];
		this.known.clear();
	}

	get(c: NodeClass, radius: number, stale: boolean): Sprite {
		const key = `${c.shape}${c.color}${radius}${stale}${c.ring}`;
		let sprite = this.known.get(key);
		if (sprite === undefined) {
			sprite = this.make(c, radius, stale);
			this.known.set(key, sprite);
		}
		return sprite;
	}

	private make(c: NodeClass, radius: number, stale: boolean): Sprite {
		const half = Math.ceil((radius * 1.25 + (c.ring ? 5 : 2)) * this.dpr);
		const image = document.createElement("canvas");
		image.width = image.height = 2 * half;
		const ctx = image.getContext("2d")!;
		ctx.translate(half, half);
		ctx.scale(this.dpr, this.dpr);
		outline(ctx, c.shape, radius);
		ctx.lineWidth = 2.5;
		ctx.strokeStyle = this.halo;
		ctx.stroke();
		ctx.fillStyle = stale ? this.hollow : c.color;
		ctx.fill();
		if (c.ring) {
			ctx.beginPath();
			ctx.arc(0, 0, radius * 1.2 + 2.5, 0, 2 * Math.PI);
			ctx.lineWidth = 1.2;
			ctx.strokeStyle = c.color;
			ctx.stroke();
		}
		if (stale) {
			outline(ctx, c.shape, radius - 0.5);
			ctx.lineWidth = 1.4;
			ctx.strokeStyle = c.color;
			ctx.stroke();
		}
		return { image, half };
	}
}
