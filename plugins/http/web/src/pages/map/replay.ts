// SPDX-License-Identifier: MIT
//
// Plays the past: asks for it piece by piece, ahead of where it stands, and shows each reception when
// its time has come. Seconds of the past pass as fast as `speed` says.
import { signal } from "@preact/signals";
import type { Mesh } from "../../mesh/engine";
import { past, show, type Reception } from "./live";

export const SPEEDS = [1, 5, 20, 60, 300];
const AHEAD_S = 4; // of playing, that is asked for beforehand
const PIECE_S = 300; // of the past, at least, at a time

export class Replay {
	/** Unix seconds. */
	readonly at = signal(0);
	readonly playing = signal(false);
	readonly speed = signal(20);
	readonly error = signal("");
	/** Receptions shown since it was started. */
	readonly shown = signal(0);
	private queue: Reception[] = [];
	private loadedTo = 0;
	private loading: AbortController | null = null;
	private timer = 0;
	private last = 0;

	constructor(private readonly mesh: Mesh) {}

	seek(at: number): void {
		this.loading?.abort();
		this.loading = null;
		this.queue = [];
		this.loadedTo = at;
		this.at.value = at;
		this.mesh.clearPulses();
	}

	play(): void {
		if (this.playing.value) return;
		this.playing.value = true;
		this.last = performance.now();
		this.timer = window.setInterval(() => this.tick(), 50);
	}

	pause(): void {
		this.playing.value = false;
		clearInterval(this.timer);
	}

	stop(): void {
		this.pause();
		this.seek(0);
	}

	private tick(): void {
		const now = performance.now();
		const speed = this.speed.value;
		const to = Math.min(Date.now() / 1000, this.at.value + ((now - this.last) / 1000) * speed);
		this.last = now;
		// It waits for what is not here yet, and does not leave it out.
		if (this.loadedTo < to + AHEAD_S * speed) this.load(speed);
		const reach = Math.min(to, this.loadedTo);
		let n = 0;
		while (n < this.queue.length && this.queue[n]!.at <= reach) show(this.mesh, this.queue[n++]!, speed);
		if (n > 0) {
			this.queue.splice(0, n);
			this.shown.value += n;
		}
		this.at.value = reach;
		if (reach >= Date.now() / 1000 - 1) this.pause();
	}

	private load(speed: number): void {
		if (this.loading !== null || this.loadedTo >= Date.now() / 1000) return;
		const abort = (this.loading = new AbortController());
		const from = this.loadedTo, until = from + Math.max(PIECE_S, 2 * AHEAD_S * speed);
		past(from, until, abort.signal).then(
			(found) => {
				if (abort.signal.aborted) return;
				this.queue.push(...found.receptions.filter((r) => r.at > from && r.at <= found.until));
				this.loadedTo = found.until;
				this.loading = null;
				this.error.value = "";
			},
			(e: Error) => {
				if (abort.signal.aborted) return;
				this.error.value = e.message;
				setTimeout(() => this.loading === abort && (this.loading = null), 2000);
			},
		);
	}
}
