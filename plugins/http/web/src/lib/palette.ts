// SPDX-License-Identifier: MIT
//
// Colours for canvases and charts: the same tokens as the style sheets, read again when the theme
// changes. Roles and packet types have a shape or a word beside their colour everywhere.
import { effect, signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";

const KEY = "meshkern.theme";
const stored = localStorage.getItem(KEY);

export const theme = signal<Theme>(stored === "light" || stored === "dark" ? stored : "system");
/** Grows when colours have changed. */
export const paint = signal(0);

const system = matchMedia("(prefers-color-scheme: dark)");
export const isDark = (): boolean => theme.value === "dark" || (theme.value === "system" && system.matches);

export function startTheme(): void {
	effect(() => {
		const t = theme.value;
		document.documentElement.dataset.theme = isDark() ? "dark" : "light";
		if (t === "system") localStorage.removeItem(KEY);
		else localStorage.setItem(KEY, t);
		tokens.clear();
		paint.value = paint.peek() + 1;
	});
	system.addEventListener("change", () => {
		if (theme.value !== "system") return;
		document.documentElement.dataset.theme = isDark() ? "dark" : "light";
		tokens.clear();
		paint.value++;
	});
}

const tokens = new Map<string, string>();

/** The value of a custom property, "--accent". */
export function token(name: string): string {
	let value = tokens.get(name);
	if (value === undefined) {
		value = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
		tokens.set(name, value);
	}
	return value;
}

export type Role = "repeater" | "companion" | "room" | "sensor" | "unknown";

export function role(text: string | null | undefined): Role {
	return text === "repeater" || text === "companion" || text === "room" || text === "sensor" ? text : "unknown";
}

export const roleColor = (r: Role): string => token(`--role-${r}`);

/** Names of payload types, by number. */
export const TYPES: Record<number, [word: string, token: string]> = {
	0: ["Request", "request"], 1: ["Response", "request"], 2: ["Direct text", "text"], 3: ["Ack", "ack"],
	4: ["Advert", "advert"], 5: ["Channel text", "channel"], 6: ["Channel data", "channel"],
	7: ["Anon request", "request"], 8: ["Path", "path"], 9: ["Trace", "path"], 10: ["Multipart", "other"],
	11: ["Control", "other"], 15: ["Raw custom", "other"],
};
export const typeWord = (t: number): string => TYPES[t]?.[0] ?? (t === 255 ? "Unknown" : `Type ${t}`);
export const typeToken = (t: number): string => `--type-${TYPES[t]?.[1] ?? "other"}`;

/** Names of route types, by number. */
export const ROUTES = ["Transport flood", "Flood", "Direct", "Transport direct"];
