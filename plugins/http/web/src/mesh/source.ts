// SPDX-License-Identifier: MIT
//
// From the sets of nodes and links to what the engine draws: which of them are shown, how large, in
// which look. Pure: tables in, arrays out.
import { NONE, type Table } from "../lib/sets";
import { role as roleOf, type Role } from "../lib/palette";
import { Graph } from "./graph";
import type { LinkClass, MeshData, NodeClass, Shape } from "./types";

export const ROLES: Role[] = ["repeater", "room", "companion", "sensor", "unknown"];
const SHAPES: Record<Role, Shape> = {
	repeater: "triangle", room: "square", companion: "circle", sensor: "diamond", unknown: "dot",
};

export type NodeLook = "role" | "heard" | "size" | "relays";
export type LinkLook = "use" | "snr" | "size";

export interface Legend {
	token: string;
	words: string;
}

export const NODE_LOOKS: Record<NodeLook, { title: string; legend: Legend[] }> = {
	role: { title: "Role", legend: ROLES.map((r) => ({ token: `--role-${r}`, words: r })) },
	heard: {
		title: "Last heard",
		legend: [
			{ token: "--good", words: "within an hour" }, { token: "--info", words: "within a day" },
			{ token: "--warn", words: "within 3 days" }, { token: "--role-unknown", words: "longer ago" },
		],
	},
	size: {
		title: "Multi-byte paths",
		legend: [
			{ token: "--good", words: "confirmed" }, { token: "--info", words: "suspected" }, { token: "--role-unknown", words: "nothing known" },
		],
	},
	relays: {
		title: "Relayed in 24 h",
		legend: [
			{ token: "--series-2", words: "over 1000 packets" }, { token: "--warn", words: "100 to 1000" },
			{ token: "--info", words: "1 to 100" }, { token: "--role-unknown", words: "none" },
		],
	},
};

export const LINK_LOOKS: Record<LinkLook, { title: string; legend: Legend[] }> = {
	use: { title: "Packets", legend: [{ token: "--link", words: "thicker is more" }] },
	snr: {
		title: "Signal (SNR)",
		legend: [
			{ token: "--good", words: "5 dB or more" }, { token: "--info", words: "0 to 5 dB" }, { token: "--warn", words: "−7 to 0 dB" },
			{ token: "--bad", words: "below −7 dB" }, { token: "--link", words: "not measured" },
		],
	},
	size: {
		title: "Bytes per hop",
		legend: [{ token: "--good", words: "2 or 3 bytes seen" }, { token: "--link", words: "1 byte only" }],
	},
};

export interface MeshFilter {
	/** Seconds; nodes and links that were not heard within are left out. 0: all. */
	heard: number;
	roles: ReadonlySet<Role>;
	minCount: number;
	/** Links that only ambiguous hops speak for. */
	uncertain: boolean;
	/** Only nodes that have a link. */
	linked: boolean;
	/** Only the part of the mesh in which every node has so many neighbors or more (its k-core). */
	core?: number;
	/** Only nodes with these keys. */
	within?: ReadonlySet<string> | null;
}

const DAY = 86400;
const WIDTHS: [least: number, alpha: number, width: number][] = [[1, 0.24, 0.7], [3, 0.36, 0.9], [10, 0.5, 1.2], [50, 0.66, 1.7], [300, 0.8, 2.3]];

/** The index of a role's place in its look's colours. */
function nodeColor(t: Table, row: number, look: NodeLook, now: number, role: number): number {
	if (look === "role") return role;
	if (look === "size") return 2 - Math.min(2, t.num("capability", row));
	if (look === "heard") {
		const age = now - t.num("last", row);
		return age < 3600 ? 0 : age < DAY ? 1 : age < 3 * DAY ? 2 : 3;
	}
	const n = t.num("relays_24h", row);
	return n > 1000 ? 0 : n >= 100 ? 1 : n > 0 ? 2 : 3;
}

function linkColor(t: Table, row: number, look: LinkLook): number {
	if (look === "use") return 0;
	if (look === "size") return t.num("s2", row) + t.num("s3", row) > 0 ? 0 : 1;
	const snr = t.num("snr", row);
	if (snr === -32768) return 4;
	return snr >= 500 ? 0 : snr >= 0 ? 1 : snr >= -700 ? 2 : 3;
}

/** Not heard for so long that it is drawn hollow. Repeaters speak seldom. */
export const STALE: Record<Role, number> = {
	repeater: 3 * DAY, room: 3 * DAY, companion: DAY, sensor: DAY, unknown: DAY,
};

export interface Mesh2D extends MeshData {
	/** Nodes of the links that are shown. */
	graph: Graph;
	shown: number;
	placed: number;
	linksShown: number;
	/** Links that point to nodes that this page does not know yet. */
	dangling: number;
}

export function readMesh(
	nodes: Table, links: Table | null, observers: Table | null,
	o: { now: number; nodeLook: NodeLook; linkLook: LinkLook; filter: MeshFilter; token: (name: string) => string },
): Mesh2D {
	const count = nodes.rows;
	const nodeTokens = NODE_LOOKS[o.nodeLook].legend.map((l) => l.token);
	const linkTokens = LINK_LOOKS[o.linkLook].legend.map((l) => l.token);
	const seen = observedBy(observers, count);
	const l = readLinks(nodes, links, o, linkTokens.length);
	const cls = new Uint8Array(count), weight = new Float32Array(count), stale = new Uint8Array(count);
	const lat = new Float32Array(count), lon = new Float32Array(count);
	const graph = new Graph(count, l.a, l.b, (i) => l.class[i] !== 255);
	const most = Math.log1p(Math.max(1, ...Array.from({ length: count }, (_, i) => nodes.num("relays_24h", i))));
	const widest = Math.log1p(Math.max(1, ...Array.from({ length: count }, (_, i) => graph.degree(i))));
	const core = o.filter.core ? graph.cores() : null;
	let shown = 0, placed = 0;
	for (let i = 0; i < count; i++) {
		const role = roleOf(nodes.text("role", i)), r = ROLES.indexOf(role);
		const at = nodes.num("lat", i), on = nodes.num("lon", i);
		const somewhere = Number.isFinite(at + on) && (at !== 0 || on !== 0);
		lat[i] = somewhere ? at : NaN;
		lon[i] = somewhere ? on : NaN;
		const hidden = !o.filter.roles.has(role) || (o.filter.heard > 0 && o.now - nodes.num("last", i) > o.filter.heard) ||
			(o.filter.linked && graph.degree(i) === 0) || (core !== null && core[i]! < o.filter.core!) ||
			(o.filter.within && !o.filter.within.has(nodes.hex("key", i)));
		cls[i] = hidden ? 255 : (nodeColor(nodes, i, o.nodeLook, o.now, r) * ROLES.length + r) * 2 + seen[i]!;
		stale[i] = o.now - nodes.num("last", i) > STALE[role] ? 1 : 0;
		const used = Math.log1p(nodes.num("relays_24h", i)) / most, linked = Math.log1p(graph.degree(i)) / widest;
		weight[i] = (role === "repeater" || role === "room" ? 0.2 : 0.05) + 0.5 * used + 0.3 * linked;
		if (hidden) continue;
		shown++;
		if (somewhere) placed++;
	}
	let linksShown = 0;
	for (let i = 0; i < l.count; i++) {
		if (l.class[i] !== 255 && (cls[l.a[i]!] === 255 || cls[l.b[i]!] === 255)) l.class[i] = 255;
		if (l.class[i] !== 255) linksShown++;
	}
	const nodeClasses: NodeClass[] = nodeTokens.flatMap((t) =>
		ROLES.flatMap((r) => [false, true].map((ring) => ({ color: o.token(t), shape: SHAPES[r], ring }))));
	const linkClasses: LinkClass[] = linkTokens.flatMap((t) =>
		[false, true].flatMap((unsure) => WIDTHS.map(([, alpha, width]) => ({
			color: o.token(t), alpha: unsure ? alpha * 0.6 : alpha, width, dashed: unsure,
		}))));
	const names = (i: number): string => nodes.text("name", i) ?? nodes.hex("key", i).slice(0, 6);
	return {
		count, lat, lon, weight, nodeClass: cls, nodeClasses, stale, label: names, links: l, linkClasses, graph,
		shown, placed, linksShown, dangling: l.dangling,
	};
}

/** 1 for nodes that are observers. */
function observedBy(observers: Table | null, count: number): Uint8Array {
	const out = new Uint8Array(count);
	for (let i = 0; i < (observers?.rows ?? 0); i++) {
		const n = observers!.num("node", i);
		if (n !== NONE[4] && n < count) out[n] = 1;
	}
	return out;
}

function readLinks(
	nodes: Table, t: Table | null,
	o: { now: number; linkLook: LinkLook; filter: MeshFilter }, colors: number,
): MeshData["links"] & { dangling: number } {
	const count = t?.rows ?? 0;
	const a = new Uint32Array(count), b = new Uint32Array(count), cls = new Uint8Array(count), strength = new Float32Array(count);
	const kinds = 2 * WIDTHS.length;
	let dangling = 0;
	for (let i = 0; i < count; i++) {
		a[i] = t!.num("a", i);
		b[i] = t!.num("b", i);
		const n = t!.num("count", i), unsure = t!.num("resolved", i) === 1;
		strength[i] = Math.min(1, Math.log10(1 + n) / 2.5) * (unsure ? 0.5 : 1);
		let width = WIDTHS.length - 1;
		while (width > 0 && n < WIDTHS[width]![0]) width--;
		cls[i] = Math.min(colors - 1, linkColor(t!, i, o.linkLook)) * kinds + (unsure ? WIDTHS.length : 0) + width;
		if (a[i]! >= nodes.rows || b[i]! >= nodes.rows) {
			if (a[i] !== NONE[4] && b[i] !== NONE[4]) dangling++;
			cls[i] = 255;
		}
		if (n < o.filter.minCount || (unsure && !o.filter.uncertain)) cls[i] = 255;
		if (o.filter.heard > 0 && o.now - t!.num("last", i) > o.filter.heard) cls[i] = 255;
	}
	return { count, a, b, strength, class: cls, dangling };
}
