// SPDX-License-Identifier: MIT
//
// The clock, and the one choice of time for the whole application: `t` in the address.
import { computed, signal } from "@preact/signals";
import { param } from "./router";

/** Unix seconds, once a second while somebody looks. */
export const now = signal(Math.floor(Date.now() / 1000));
setInterval(() => {
	if (!document.hidden) now.value = Math.floor(Date.now() / 1000);
}, 1000);
document.addEventListener("visibilitychange", () => (now.value = Math.floor(Date.now() / 1000)));

export const WINDOWS: [id: string, words: string, seconds: number][] = [
	["15m", "15 minutes", 900], ["1h", "1 hour", 3600], ["6h", "6 hours", 21600], ["24h", "24 hours", 86400],
	["3d", "3 days", 259200], ["7d", "7 days", 604800], ["30d", "30 days", 2592000], ["all", "everything", Infinity],
];

export interface Span {
	id: string;
	words: string;
	/** Unix seconds; -Infinity and Infinity where it is open. */
	from: number;
	until: number;
	seconds: number;
}

const range = /^(\d{9,11})-(\d{9,11})$/;

/** What `t` means: one of WINDOWS, or FROM-UNTIL in Unix seconds. */
export function span(id: string, at: number, otherwise = "24h"): Span {
	const exact = range.exec(id);
	if (exact) {
		const from = Number(exact[1]), until = Number(exact[2]);
		return { id, words: "chosen range", from, until, seconds: until - from };
	}
	const [key, words, seconds] = WINDOWS.find((w) => w[0] === id) ?? WINDOWS.find((w) => w[0] === otherwise)!;
	return { id: key, words, from: at - seconds, until: Infinity, seconds };
}

/** The id alone; does not change with the clock. */
export const timeId = computed(() => param("t"));
