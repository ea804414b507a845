// SPDX-License-Identifier: MIT
//
// What key prefixes and path sizes mean for the relays of the mesh: who begins like whom, and whose
// upgrade to multi-byte paths helps most. Pure, over the tables of nodes and links.
import type { Table } from "../../lib/sets";

export const isRelay = (t: Table, row: number): boolean => {
	const role = t.text("role", row);
	return role === "repeater" || role === "room";
};

/** Relays by the first `bytes` bytes of their keys, upper case. */
export function byPrefix(t: Table, bytes: number, all = false): Map<string, number[]> {
	const found = new Map<string, number[]>();
	for (let i = 0; i < t.rows; i++) {
		if (!all && !isRelay(t, i)) continue;
		const prefix = t.hex("key", i).slice(0, 2 * bytes).toUpperCase();
		const list = found.get(prefix);
		if (list) list.push(i);
		else found.set(prefix, [i]);
	}
	return found;
}

export interface Upgrade {
	row: number;
	/** Packets with hops of one byte that went over its links: they stay so while it is as it is. */
	oneByte: number;
	/** Other relays with the same first byte. */
	alike: number;
	/** Its place in the list; higher helps more. */
	worth: number;
}

/** Relays of which nothing says that they can do multi-byte paths, the most useful upgrade first. */
export function upgrades(nodes: Table, links: Table | null): Upgrade[] {
	const oneByte = new Float64Array(nodes.rows);
	for (let i = 0; i < (links?.rows ?? 0); i++) {
		for (const end of [links!.num("a", i), links!.num("b", i)]) if (end < nodes.rows) oneByte[end]! += links!.num("s1", i);
	}
	const alike = byPrefix(nodes, 1);
	const out: Upgrade[] = [];
	for (let row = 0; row < nodes.rows; row++) {
		if (!isRelay(nodes, row) || nodes.num("capability", row) === 2) continue;
		const others = (alike.get(nodes.hex("key", row).slice(0, 2).toUpperCase())?.length ?? 1) - 1;
		// Every packet over it counts, and more where its byte leaves open who it was.
		out.push({ row, oneByte: oneByte[row]!, alike: others, worth: oneByte[row]! * (1 + others) });
	}
	return out.sort((a, b) => b.worth - a.worth || b.alike - a.alike);
}

/** Prefixes of so many bytes that no relay has, with the fewest other nodes that begin alike. */
export function freePrefixes(t: Table, bytes: number, most: number, dice: () => number): string[] {
	const taken = byPrefix(t, bytes), others = byPrefix(t, bytes, true), close = byPrefix(t, 1);
	const space = 256 ** bytes, free: string[] = [];
	const fits = (n: number): string | null => {
		const prefix = n.toString(16).padStart(2 * bytes, "0").toUpperCase();
		// A key does not begin with 00 or FF: the firmware makes another one.
		return prefix.startsWith("00") || prefix.startsWith("FF") || taken.has(prefix) ? null : prefix;
	};
	if (bytes === 1) for (let n = 0; n < space; n++) {
		const p = fits(n);
		if (p) free.push(p);
	}
	else for (let i = 0; i < 4000 && free.length < 400; i++) {
		const p = fits(Math.floor(dice() * space));
		if (p && !free.includes(p)) free.push(p);
	}
	const crowd = (p: string): number => (others.get(p)?.length ?? 0) * 1000 + (close.get(p.slice(0, 2))?.length ?? 0);
	return free.sort((a, b) => crowd(a) - crowd(b)).slice(0, most);
}
