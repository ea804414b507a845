// SPDX-License-Identifier: MIT
//
// Which bytes of a MeshCore packet are what. A packet that is cut off has its last field cut off.

export interface Part {
	name: string;
	from: number;
	to: number;
	/** Colour group, 0 to 7. */
	group: number;
	/** In words. */
	value: string;
}

export interface Frame {
	bytes: Uint8Array;
	parts: Part[];
	/** Where the path is, so that another observation's can be put there. */
	path: { from: number; size: number; count: number } | null;
	type: number;
}

export function unhex(text: string): Uint8Array {
	const clean = text.replace(/\s+/g, "");
	const bytes = new Uint8Array(clean.length >> 1);
	for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(clean.slice(2 * i, 2 * i + 2), 16);
	return bytes;
}

export const hex = (bytes: Uint8Array): string => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("").toUpperCase();

/** Fields of a payload: name, length (0: the rest), and how it is read. */
type Spec = [name: string, length: number, read?: (b: DataView) => string];

const time = (b: DataView): string => {
	const at = b.getUint32(0, true);
	return `${at}, ${new Date(at * 1000).toISOString().replace(".000Z", "Z")}`;
};
const text = (b: DataView): string => new TextDecoder().decode(new Uint8Array(b.buffer, b.byteOffset, b.byteLength));
const degrees = (b: DataView): string => (b.getInt32(0, true) / 1e6).toFixed(6);
const number = (b: DataView): string => String(b.byteLength >= 4 ? b.getUint32(0, true) : b.byteLength >= 2 ? b.getUint16(0, true) : b.getUint8(0));

const SEALED: Spec[] = [["MAC", 2], ["Encrypted", 0]];
const ADDRESSED: Spec[] = [["To", 1], ["From", 1], ...SEALED];
const PAYLOADS: Record<number, Spec[]> = {
	0: ADDRESSED, 1: ADDRESSED, 2: ADDRESSED, 8: ADDRESSED,
	3: [["Checksum", 4], ["Attempt", 1, number], ["Random", 1]],
	5: [["Channel", 1], ...SEALED], 6: [["Channel", 1], ...SEALED],
	7: [["To", 1], ["Key of the sender", 32], ...SEALED],
	9: [["Tag", 4], ["Code", 4], ["Flags", 1], ["Route", 0]],
	10: [["Remaining and type", 1], ["Inner payload", 0]],
	11: [["Flags", 1], ["Content", 0]],
};

const ADVERT_HEAD: Spec[] = [["Key", 32], ["Time", 4, time], ["Signature", 64]];
const ROLES = ["none", "companion", "repeater", "room", "sensor"];

function advert(bytes: Uint8Array, from: number): Spec[] {
	const flags = bytes[from + 100];
	if (flags === undefined) return ADVERT_HEAD;
	const rest: Spec[] = [["Flags", 1, () => ROLES[flags & 15] ?? `role ${flags & 15}`]];
	if (flags & 0x10) rest.push(["Latitude", 4, degrees], ["Longitude", 4, degrees]);
	if (flags & 0x20) rest.push(["Feature 1", 2, number]);
	if (flags & 0x40) rest.push(["Feature 2", 2, number]);
	if (flags & 0x80) rest.push(["Name", 0, text]);
	return [...ADVERT_HEAD, ...rest];
}

const ROUTE = ["transport flood", "flood", "direct", "transport direct"];

export function readFrame(bytes: Uint8Array): Frame {
	const parts: Part[] = [];
	let at = 0;
	const add = (name: string, length: number, group: number, read?: (b: DataView) => string) => {
		const from = at, to = length === 0 ? bytes.length : Math.min(bytes.length, at + length);
		if (from >= to) return;
		const whole = length === 0 || to - from === length;
		const view = new DataView(bytes.buffer, bytes.byteOffset + from, to - from);
		const value = whole && read ? read(view) : hex(bytes.subarray(from, to));
		parts.push({ name: whole ? name : `${name} (cut off)`, from, to, group, value });
		at = to;
	};
	const header = bytes[0] ?? 0;
	const route = header & 3, type = (header >> 2) & 15;
	add("Header", 1, 0, () => `${ROUTE[route]}, type ${type}, version ${header >> 6}`);
	if (route === 0 || route === 3) add("Transport codes", 4, 1);
	const length = bytes[at];
	const size = (length ?? 0) >> 6, count = (length ?? 0) & 63;
	add("Path length", 1, 2, () => (size === 3 ? "not valid" : `${count} hops of ${size + 1} B`));
	const path = length === undefined || size === 3 ? null : { from: at, size: size + 1, count };
	if (path && count > 0) add("Path", count * (size + 1), 3);
	const specs = type === 4 ? advert(bytes, at) : (PAYLOADS[type] ?? [["Payload", 0] as Spec]);
	specs.forEach(([name, n, read], i) => add(name, n, 4 + (i % 4), read));
	if (at < bytes.length) add("Beyond the packet", 0, 7);
	return { bytes, parts, path, type };
}

/**
 * The frame as an observer heard it who saw another path: only the path differs while a packet is
 * forwarded. null if it cannot be said, as for traces, whose path is in the payload.
 */
export function withPath(frame: Frame, hops: string[]): Uint8Array | null {
	if (frame.path === null || frame.type === 9) return null;
	const size = hops.length > 0 ? hops[0]!.length / 2 : frame.path.size;
	if (hops.some((h) => h.length !== size * 2) || size < 1 || size > 3 || hops.length > 63) return null;
	const { from } = frame.path;
	const path = unhex(hops.join(""));
	const end = frame.bytes.subarray(from + frame.path.size * frame.path.count);
	const bytes = new Uint8Array(from + path.length + end.length);
	bytes.set(frame.bytes.subarray(0, from - 1));
	bytes[from - 1] = ((size - 1) << 6) | hops.length;
	bytes.set(path, from);
	bytes.set(end, from + path.length);
	return bytes;
}
