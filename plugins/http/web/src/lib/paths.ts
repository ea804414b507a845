// SPDX-License-Identifier: MIT
//
// Longest paths of packets, asked for when their rows come into view and kept for a while: the set of
// packets has only their last hops.
import { signal } from "@preact/signals";
import { get } from "./api";

export interface PacketPath {
	hops: string[];
	/** Keys of the hops of which the daemon is certain, else null. */
	keys?: (string | null)[];
}

interface Answer {
	paths: (PacketPath & { id: number })[];
}

const KEPT = 4000;
const AT_ONCE = 100;
const GATHER_MS = 40;
const AGAIN_MS = 5000;

/** Grows when paths have come. */
export const pathsChanged = signal(0);
/** By the packet's id, with the length of the path that was asked for. */
const known = new Map<number, { length: number; path: PacketPath | null }>();
let wanted = new Map<number, number>();
let timer = 0;
let failures = 0;

async function ask(): Promise<void> {
	const some = [...wanted].slice(0, AT_ONCE);
	for (const [id] of some) wanted.delete(id);
	timer = wanted.size > 0 ? window.setTimeout(() => void ask(), GATHER_MS) : 0;
	try {
		const { paths } = await get<Answer>(`/api/web/paths?ids=${some.map(([id]) => id).join(",")}`);
		failures = 0;
		const found = new Map(paths.map((p) => [p.id, p]));
		for (const [id, length] of some) known.set(id, { length, path: found.get(id) ?? null });
		for (const id of known.keys()) {
			if (known.size <= KEPT) break;
			known.delete(id);
		}
	} catch {
		// Asked for again by whoever still looks at them, but less and less often.
		const until = Math.min(60000, AGAIN_MS * 2 ** failures++);
		for (const [id, length] of some) known.set(id, { length, path: null });
		setTimeout(() => {
			for (const [id] of some) if (known.get(id)?.path === null) known.delete(id);
			pathsChanged.value++;
		}, until);
	}
	pathsChanged.value++;
}

/** The path of a packet with `length` hops; null: it is being asked for, or cannot be had. */
export function pathOf(id: number, length: number): PacketPath | null {
	const k = known.get(id);
	if (k === undefined || k.length < length) {
		wanted.set(id, length);
		if (wanted.size > 400) wanted = new Map([...wanted].slice(-200)); // scrolled past
		timer ||= window.setTimeout(() => void ask(), GATHER_MS);
	}
	return k?.path ?? null;
}
