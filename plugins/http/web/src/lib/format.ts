// SPDX-License-Identifier: MIT
//
// Numbers and times as text. Unknown is "–", never 0.

export const UNKNOWN = "–";

const integers = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export function count(n: number | null | undefined): string {
	return n === null || n === undefined || Number.isNaN(n) ? UNKNOWN : integers.format(n).replaceAll(",", "\u202f");
}

/** 12.3 k, 4.5 M */
export function short(n: number | null | undefined): string {
	if (n === null || n === undefined || Number.isNaN(n)) return UNKNOWN;
	const size = Math.abs(n);
	if (size >= 1e9) return `${(n / 1e9).toFixed(1)} G`;
	if (size >= 1e6) return `${(n / 1e6).toFixed(size >= 1e7 ? 0 : 1)} M`;
	if (size >= 1e4) return `${(n / 1e3).toFixed(size >= 1e5 ? 0 : 1)} k`;
	return size >= 100 || Number.isInteger(n) ? count(n) : n.toFixed(1);
}

export function bytes(n: number | null | undefined): string {
	if (n === null || n === undefined || Number.isNaN(n)) return UNKNOWN;
	const units = ["B", "kB", "MB", "GB", "TB"];
	let i = 0;
	while (Math.abs(n) >= 1000 && i < units.length - 1) {
		n /= 1000;
		i++;
	}
	return `${i === 0 || Math.abs(n) >= 100 ? Math.round(n) : n.toFixed(1)} ${units[i]}`;
}

export function fixed(n: number | null | undefined, digits = 1, unit = ""): string {
	if (n === null || n === undefined || Number.isNaN(n)) return UNKNOWN;
	return (n < 0 ? "−" : "") + Math.abs(n).toFixed(digits) + (unit ? ` ${unit}` : "");
}

export function percent(share: number | null | undefined, digits = 0): string {
	return share === null || share === undefined || Number.isNaN(share) ? UNKNOWN : `${(share * 100).toFixed(digits)}\u00a0%`;
}

/** 45 s, 12 min, 3 h, 5 d */
export function duration(seconds: number | null | undefined): string {
	if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return UNKNOWN;
	const s = Math.max(0, seconds);
	if (s < 1 && s > 0) return `${Math.round(s * 1000)} ms`;
	if (s < 99.5) return `${s < 10 && !Number.isInteger(s) ? s.toFixed(1) : Math.round(s)} s`;
	if (s < 99.5 * 60) return `${Math.round(s / 60)} min`;
	if (s < 48 * 3600) return `${Math.round(s / 3600)} h`;
	return `${Math.round(s / 86400)} d`;
}

/** "12 min ago"; `at` and `now` in Unix seconds, 0 is unknown. */
export function ago(at: number | null | undefined, now: number): string {
	if (!at) return UNKNOWN;
	return now - at < 1 ? "now" : `${duration(Math.floor(now - at))} ago`;
}

const two = (n: number): string => String(n).padStart(2, "0");

/** 14:05:09, or with the date where the day is another one. */
export function clock(at: number | null | undefined, now: number, millis = false): string {
	if (!at) return UNKNOWN;
	const d = new Date(at * 1000), today = new Date(now * 1000);
	const time = `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
	const full = millis ? `${time}.${String(d.getMilliseconds()).padStart(3, "0")}` : time;
	return d.toDateString() === today.toDateString() ? full : `${day(at)} ${full}`;
}

/** 2026-11-21, in the reader's zone */
export function day(at: number | null | undefined): string {
	if (!at) return UNKNOWN;
	const d = new Date(at * 1000);
	return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`;
}

export function full(at: number | null | undefined): string {
	return at ? `${day(at)} ${clock(at, at, at % 1 !== 0)}` : UNKNOWN;
}

/** Unix seconds of a time in an answer: a number of seconds, or ISO text. 0: none. */
export function seconds(time: string | number | null | undefined): number {
	if (typeof time === "number") return time > 1e11 ? time / 1000 : time;
	const ms = time ? Date.parse(time.includes("T") || time.endsWith("Z") ? time : `${time.replace(" ", "T")}Z`) : NaN;
	return Number.isNaN(ms) ? 0 : ms / 1000;
}

/** The beginning and the end of a key. */
export function shortKey(key: string): string {
	return key.length > 14 ? `${key.slice(0, 8)}…${key.slice(-4)}` : key;
}

/** One, two many. */
export function plural(n: number, one: string, many = `${one}s`): string {
	return `${count(n)} ${n === 1 ? one : many}`;
}
