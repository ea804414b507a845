// SPDX-License-Identifier: MIT
//
// Reading channels whose key only this browser has. Browsers offer no ECB, and without https no
// WebCrypto at all, so SHA-256, HMAC and AES-128 are here; a page of messages takes a millisecond.

const K = new Uint32Array(64), H = new Uint32Array(8);
{
	const frac = (x: number): number => ((x - Math.floor(x)) * 2 ** 32) >>> 0;
	let n = 0;
	for (let p = 2; n < 64; p++) {
		let prime = true;
		for (let d = 2; d * d <= p; d++) if (p % d === 0) prime = false;
		if (!prime) continue;
		if (n < 8) H[n] = frac(Math.sqrt(p));
		K[n++] = frac(Math.cbrt(p));
	}
}

const ror = (x: number, n: number): number => (x >>> n) | (x << (32 - n));

export function sha256(data: Uint8Array): Uint8Array {
	const blocks = new Uint8Array(((data.length + 72) >> 6) << 6);
	blocks.set(data);
	blocks[data.length] = 0x80;
	const view = new DataView(blocks.buffer);
	view.setUint32(blocks.length - 8, Math.floor(data.length / 2 ** 29));
	view.setUint32(blocks.length - 4, data.length << 3);
	const h = Uint32Array.from(H), w = new Uint32Array(64);
	for (let at = 0; at < blocks.length; at += 64) {
		for (let i = 0; i < 64; i++) {
			if (i < 16) {
				w[i] = view.getUint32(at + 4 * i);
				continue;
			}
			const a = w[i - 15]!, b = w[i - 2]!;
			w[i] = w[i - 16]! + (ror(a, 7) ^ ror(a, 18) ^ (a >>> 3)) + w[i - 7]! + (ror(b, 17) ^ ror(b, 19) ^ (b >>> 10));
		}
		const s = Array.from(h);
		for (let i = 0; i < 64; i++) {
			const [a, b, c, , e, f, g] = s as [number, number, number, number, number, number, number];
			const t = (s[7]! + (ror(e, 6) ^ ror(e, 11) ^ ror(e, 25)) + ((e & f) ^ (~e & g)) + K[i]! + w[i]!) | 0;
			const u = ((ror(a, 2) ^ ror(a, 13) ^ ror(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
			s.unshift((t + u) | 0);
			s.pop();
			s[4] = (s[4]! + t) | 0;
		}
		for (let i = 0; i < 8; i++) h[i] = h[i]! + s[i]!;
	}
	const out = new Uint8Array(32);
	h.forEach((v, i) => new DataView(out.buffer).setUint32(4 * i, v));
	return out;
}

const join = (a: Uint8Array, b: Uint8Array): Uint8Array => {
	const both = new Uint8Array(a.length + b.length);
	both.set(a);
	both.set(b, a.length);
	return both;
};

/** The key is at most a block long. */
export function hmac(key: Uint8Array, data: Uint8Array): Uint8Array {
	const pad = (x: number): Uint8Array => Uint8Array.from({ length: 64 }, (_, i) => (key[i] ?? 0) ^ x);
	return sha256(join(pad(0x5c), sha256(join(pad(0x36), data))));
}

const double = (x: number): number => ((x << 1) ^ (x & 0x80 ? 0x11b : 0)) & 0xff;

function multiply(a: number, b: number): number {
	let product = 0;
	for (; b > 0; b >>= 1, a = double(a)) if (b & 1) product ^= a;
	return product;
}

const SBOX = new Uint8Array(256), INVERSE = new Uint8Array(256);
for (let x = 0; x < 256; x++) {
	let inverse = 0;
	for (let y = 1; y < 256 && x > 0; y++) if (multiply(x, y) === 1) inverse = y;
	let s = 0x63;
	for (let i = 0; i < 5; i++) s ^= ((inverse << i) | (inverse >> (8 - i))) & 0xff;
	SBOX[x] = s;
	INVERSE[s] = x;
}

function expand(key: Uint8Array): Uint8Array {
	const w = new Uint8Array(176);
	w.set(key);
	for (let i = 16, round = 1; i < 176; i += 4) {
		let t = Array.from(w.subarray(i - 4, i));
		if (i % 16 === 0) {
			t = [t[1]!, t[2]!, t[3]!, t[0]!].map((b) => SBOX[b]!);
			t[0]! ^= round;
			round = double(round);
		}
		for (let k = 0; k < 4; k++) w[i + k] = w[i + k - 16]! ^ t[k]!;
	}
	return w;
}

/** AES-128 in ECB mode; the length is a multiple of 16. */
export function aesDecrypt(key: Uint8Array, data: Uint8Array): Uint8Array {
	const w = expand(key), out = new Uint8Array(data.length);
	const add = (s: Uint8Array, round: number) => s.forEach((b, i) => (s[i] = b ^ w[16 * round + i]!));
	for (let at = 0; at + 16 <= data.length; at += 16) {
		let s = data.slice(at, at + 16);
		add(s, 10);
		for (let round = 9; round >= 0; round--) {
			s = s.map((_, i) => INVERSE[s[(i - 4 * (i % 4) + 16) % 16]!]!);
			add(s, round);
			if (round === 0) break;
			s = s.map((_, i) => [14, 11, 13, 9].reduce((sum, f, k) => sum ^ multiply(s[(i & ~3) + ((i + k) & 3)]!, f), 0));
		}
		out.set(s, at);
	}
	return out;
}

export interface ChannelKey {
	name: string;
	/** 16 bytes. */
	key: Uint8Array;
}

/** The key of a hashtag channel follows from its name. */
export const hashtagKey = (name: string): Uint8Array => sha256(new TextEncoder().encode(name)).slice(0, 16);

/** The byte by which packets name a channel. */
export const channelByte = (key: Uint8Array): number => sha256(key)[0]!;

export interface Opened {
	at: number;
	sender: string;
	text: string;
}

/** A group text with this key, or null if it is not the right one. */
export function openText(key: Uint8Array, mac: Uint8Array, sealed: Uint8Array): Opened | null {
	const sum = hmac(key, sealed);
	if (sealed.length === 0 || sealed.length % 16 !== 0 || sum[0] !== mac[0] || sum[1] !== mac[1]) return null;
	const plain = aesDecrypt(key, sealed);
	const end = plain.indexOf(0, 5);
	let text: string;
	try {
		text = new TextDecoder("utf-8", { fatal: true }).decode(plain.subarray(5, end < 0 ? plain.length : end));
	} catch {
		return null; // a MAC of two bytes fits by chance now and then
	}
	const cut = text.indexOf(": ");
	const named = cut >= 1 && cut <= 49 && !/[:[\]]/.test(text.slice(0, cut));
	return { at: new DataView(plain.buffer).getUint32(0, true), sender: named ? text.slice(0, cut) : "", text: named ? text.slice(cut + 2) : text };
}
