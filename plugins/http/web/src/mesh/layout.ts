// SPDX-License-Identifier: MIT
//
// The page's side of the force layout.
import address from "worker:./layout.worker.ts";
import type { LayoutAnswer, LayoutRequest } from "./layout.worker";

export class Layout {
	private worker: Worker | null = null;
	private run = 0;

	constructor(private readonly moved: (positions: Float32Array, done: boolean) => void) {}

	start(positions: Float32Array, ends: Uint32Array, strength: Float32Array, alpha: number): void {
		if (this.worker === null) {
			this.worker = new Worker(address, { type: "module" });
			this.worker.onmessage = (e: MessageEvent<LayoutAnswer>) => {
				if (e.data.run === this.run) this.moved(e.data.positions, e.data.done);
			};
		}
		const request: LayoutRequest = { run: ++this.run, positions, ends, strength, alpha };
		this.worker.postMessage(request);
	}

	stop(): void {
		this.worker?.terminate();
		this.worker = null;
	}
}
