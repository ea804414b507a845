// SPDX-License-Identifier: MIT
//
// What a decoded payload says, as facts.
import type { ComponentChildren } from "preact";
import { duration, fixed, full, shortKey } from "../../lib/format";
import { nodeName } from "../../lib/store";

export interface Decoded {
	type?: string;
	pubKey?: string;
	name?: string;
	text?: string;
	sender?: string;
	channel?: string;
	[key: string]: unknown;
}

type Fact = [string, ComponentChildren];

const link = (key: string): ComponentChildren => <a href={`/nodes/${key}`}>{nodeName(key)} <span class="mono dim">{shortKey(key)}</span></a>;

const known: Record<string, (v: unknown, d: Decoded) => Fact | null> = {
	pubKey: (v) => ["Node", link(String(v))],
	name: (v) => ["Its name", String(v)],
	channel: (v) => ["Channel", <a href={`/channels/${encodeURIComponent(String(v))}`}>{String(v)}</a>],
	sender: (v) => ["Sender", String(v)],
	text: (v, d) => ["Text", String(d.sender && String(v).startsWith(`${d.sender}: `) ? String(v).slice(d.sender.length + 2) : v)],
	sender_timestamp: (v) => ["Sent", full(Number(v))],
	timestamp: (v) => ["Its clock", full(Number(v))],
	lat: (v, d) => ["Position", `${fixed(Number(v), 5)}, ${fixed(Number(d.lon), 5)}`],
	signatureValid: (v) => ["Signature", v ? "valid" : "not valid"],
	battery_mv: (v) => ["Battery", `${(Number(v) / 1000).toFixed(2)} V`],
	temperature_c: (v) => ["Temperature", fixed(Number(v), 1, "°C")],
	channelHashHex: (v, d) => (d.channel ? null : ["Channel byte", <span class="mono">0x{String(v)}</span>]),
	decryptionStatus: (v) => (v === "decrypted" ? null : ["Encrypted", v === "no_key" ? "no key for this channel is known" : "no known key fits"]),
	destHash: (v) => ["To", <span class="mono">{String(v).toUpperCase()}</span>],
	srcHash: (v) => ["From", <span class="mono">{String(v).toUpperCase()}</span>],
	ephemeralPubKey: (v) => ["Key of the sender", <span class="mono wrap">{String(v)}</span>],
	extraHash: (v) => ["Acknowledges", <span class="mono">{String(v)}</span>],
	snrValues: (v) => ["SNR on the way", Array.isArray(v) ? v.map((x) => fixed(Number(x), 2)).join(", ") : null],
	error: (v) => ["Damaged", String(v)],
	ctrlSince: (v) => ["Since", duration(Number(v))],
};

export function decodedFacts(d: Decoded): Fact[] {
	return Object.entries(known).flatMap(([key, make]) => {
		const fact = d[key] === undefined || d[key] === null ? null : make(d[key], d);
		return fact ? [fact] : [];
	});
}
