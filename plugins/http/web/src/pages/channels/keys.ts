// SPDX-License-Identifier: MIT
//
// Channels that only this browser can read. Their keys are never sent anywhere.
import { signal } from "@preact/signals";
import { hashtagKey, type ChannelKey } from "../../lib/crypto";
import { hex, unhex } from "../../lib/frame";

const KEY = "meshkern.channels";

function read(): ChannelKey[] {
	try {
		const stored = JSON.parse(localStorage.getItem(KEY) ?? "[]") as { name: string; key: string }[];
		return stored.filter((c) => typeof c.name === "string" && /^[0-9A-F]{32}$/.test(c.key)).map((c) => ({ name: c.name, key: unhex(c.key) }));
	} catch {
		return [];
	}
}

export const myChannels = signal<ChannelKey[]>(read());
myChannels.subscribe((all) => localStorage.setItem(KEY, JSON.stringify(all.map((c) => ({ name: c.name, key: hex(c.key) })))));

/** 16 bytes as 32 hex digits or as base64, or null. */
export function readKey(text: string): Uint8Array | null {
	const t = text.trim();
	if (/^[0-9a-f]{32}$/i.test(t)) return unhex(t);
	try {
		const raw = atob(t);
		return raw.length === 16 ? Uint8Array.from(raw, (c) => c.charCodeAt(0)) : null;
	} catch {
		return null;
	}
}

/** Adds a channel; says what is wrong, or null. */
export function addChannel(name: string, key: string): string | null {
	const n = name.trim();
	if (!n) return "A name is missing.";
	if (!n.startsWith("#") && !key.trim()) return "A channel without # needs its key.";
	const bytes = key.trim() ? readKey(key) : hashtagKey(n);
	if (bytes === null) return "The key is 32 hex digits, or 16 bytes in base64.";
	myChannels.value = [...myChannels.value.filter((c) => c.name !== n), { name: n, key: bytes }];
	return null;
}

export const removeChannel = (name: string): void => void (myChannels.value = myChannels.value.filter((c) => c.name !== name));
