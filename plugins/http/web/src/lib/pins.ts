// SPDX-License-Identifier: MIT
//
// My nodes: kept in this browser, and in an address that can be given to another one (?pins=).
import { effect, signal } from "@preact/signals";

const KEY = "meshkern.pins";
export const PINS_MAX = 20;

const good = (key: string): boolean => /^[0-9a-f]{64}$/.test(key);

function read(): string[] {
	const given = new URLSearchParams(location.search).get("pins");
	const mine = (localStorage.getItem(KEY) ?? "").split(",");
	return [...new Set([...mine, ...(given ?? "").split(".")])].filter(good).slice(0, PINS_MAX);
}

export const pins = signal<string[]>(read());
effect(() => localStorage.setItem(KEY, pins.value.join(",")));
addEventListener("storage", (e) => {
	if (e.key === KEY) pins.value = (e.newValue ?? "").split(",").filter(good);
});

export const isPinned = (key: string): boolean => pins.value.includes(key);

export function togglePin(key: string): void {
	pins.value = isPinned(key) ? pins.value.filter((k) => k !== key) : [...pins.value, key].slice(-PINS_MAX);
}
