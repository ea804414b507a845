// SPDX-License-Identifier: MIT
//
// What is seen on the map, as it stands in the address.
import { computed, signal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { useApi, type ApiError } from "../../lib/api";
import type { Role } from "../../lib/palette";
import { href, place, setQuery } from "../../lib/router";
import { ROLES, type LinkLook, type MeshFilter, type NodeLook } from "../../mesh/source";
import type { GeoView, Mode } from "../../mesh/types";

const one = <T extends string>(text: string | null, all: readonly T[], otherwise: T): T =>
	all.includes(text as T) ? (text as T) : otherwise;

export const HEARD: [id: string, words: string, seconds: number][] = [
	["1h", "within an hour", 3600], ["24h", "within a day", 86400], ["3d", "within 3 days", 259200],
	["7d", "within 7 days", 604800], ["all", "ever", 0],
];

export interface MapState {
	mode: Mode;
	view: GeoView | null;
	/** Keys of selected nodes, two at most. */
	selected: string[];
	/** Keys of nodes that are to be seen together, as chosen in a list. */
	group: string[];
	/** Ends of the selected link. */
	link: [string, string] | null;
	/** Hash of the packet whose ways are shown. */
	route: string;
	nodeLook: NodeLook;
	linkLook: LinkLook;
	filter: MeshFilter;
	heard: string;
	/** Code of the region in which nodes have to have been heard; "": anywhere. */
	region: string;
	/** Hops around the selected node that stand out; 0: all. */
	ego: number;
	weak: boolean;
	table: boolean;
	labels: boolean;
	/** Window of the history, "" while it is closed. */
	history: string;
	/** Unix seconds at which the replay stands; 0: live. */
	at: number;
	search: string;
}

const KEY = /^[0-9a-f]{64}$/;

function readView(text: string | null): GeoView | null {
	const n = (text ?? "").split(",").map(Number);
	return n.length === 3 && n.every(Number.isFinite) ? { lat: n[0]!, lon: n[1]!, zoom: n[2]! } : null;
}

export const mapState = computed<MapState>(() => {
	const q = place.value.query;
	const hidden = (q.get("hide") ?? "").split(",");
	const heard = one(q.get("heard"), HEARD.map((h) => h[0]), "all");
	const ends = (q.get("l") ?? "").split("~");
	return {
		mode: one(q.get("m"), ["geo", "graph"], "geo"),
		view: readView(q.get("c")),
		selected: (q.get("n") ?? "").split(",").filter((k) => KEY.test(k)).slice(0, 2),
		group: (q.get("nodes") ?? "").split(".").filter((k) => KEY.test(k)),
		link: ends.length === 2 && ends.every((k) => KEY.test(k)) ? [ends[0]!, ends[1]!] : null,
		route: /^[0-9a-f]{16}$/.test(q.get("r") ?? "") ? q.get("r")! : "",
		nodeLook: one(q.get("by"), ["role", "heard", "size", "relays"], "role"),
		linkLook: one(q.get("links"), ["use", "snr", "size"], "use"),
		filter: {
			heard: HEARD.find((h) => h[0] === heard)![2],
			roles: new Set<Role>(ROLES.filter((r) => !hidden.includes(r))),
			minCount: Math.max(1, Number(q.get("min")) || 1),
			uncertain: q.get("sure") !== "1",
			linked: q.get("linked") === "1",
			core: Math.min(20, Math.max(0, Number(q.get("core")) || 0)),
		},
		heard,
		region: q.get("region") ?? "",
		ego: Math.min(3, Math.max(0, Number(q.get("ego")) || 0)),
		weak: q.get("weak") === "1",
		table: q.get("table") === "1",
		labels: q.get("labels") !== "0",
		history: q.get("t") ?? "",
		at: Number(q.get("at")) || 0,
		search: q.get("q") ?? "",
	};
});

/** Those who were heard in the chosen region; null: no region is chosen, or it is not known yet. */
export function useHeardIn(region: string): { within: ReadonlySet<string> | null; error: ApiError | null } {
	const heard = useApi<{ keys: string[] }>(region ? href("/api/web/heard", { region }) : null, 60000);
	const { data, error } = heard.value;
	const within = useMemo(() => (region && data ? new Set(data.keys) : null), [region, data]);
	return { within, error: region ? error : null };
}

const TILES = "meshkern.tiles";
/** Are the configured tiles wanted in this browser? */
export const wantTiles = signal(localStorage.getItem(TILES) !== "off");
wantTiles.subscribe((on) => (on ? localStorage.removeItem(TILES) : localStorage.setItem(TILES, "off")));

export const writeView = (v: GeoView): void =>
	setQuery({ c: `${v.lat.toFixed(4)},${v.lon.toFixed(4)},${v.zoom.toFixed(2)}` });

/** One thing is selected at a time; `add` makes it the second node. */
export function selectNode(key: string | null, add = false): void {
	const { selected } = mapState.peek();
	let next = key === null ? [] : [key];
	if (key !== null && add && selected.length > 0)
		next = selected.includes(key) ? selected.filter((k) => k !== key) : [selected[0]!, key];
	setQuery({ n: next.join(","), l: "", r: "", nodes: "", ego: next.length === 1 ? mapState.peek().ego || "" : "" }, false);
}

export const selectLink = (a: string, b: string): void => setQuery({ l: `${a}~${b}`, n: "", r: "", ego: "" }, false);
export const selectRoute = (hash: string): void => setQuery({ r: hash, n: "", l: "", ego: "" }, false);
