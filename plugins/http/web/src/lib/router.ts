// SPDX-License-Identifier: MIT
//
// Addresses. Everything that a colleague would need to see the same is in the address; typing
// replaces it, going somewhere adds to the history.
import { computed, signal } from "@preact/signals";

export interface Place {
	path: string;
	query: URLSearchParams;
}

const read = (): Place => ({ path: location.pathname, query: new URLSearchParams(location.search) });

export const place = signal<Place>(read());
/** The parts of the path: /nodes/ab12 is ["nodes", "ab12"]. */
export const parts = computed(() => place.value.path.split("/").filter(Boolean).map(decode));

function decode(part: string): string {
	try {
		return decodeURIComponent(part);
	} catch {
		return part;
	}
}

/** An address of a page; parameters that are null or "" are left out. */
export function href(path: string, query: Record<string, string | number | null | undefined> = {}): string {
	const q = new URLSearchParams();
	for (const [k, v] of Object.entries(query)) if (v !== null && v !== undefined && v !== "") q.set(k, String(v));
	const text = q.toString();
	return text ? `${path}?${text}` : path;
}

export function go(address: string, replace = false): void {
	if (address === location.pathname + location.search) return;
	history[replace ? "replaceState" : "pushState"](null, "", address);
	place.value = read();
}

/** Changes parameters of the present address and leaves the others. */
export function setQuery(change: Record<string, string | number | null | undefined>, replace = true): void {
	const query = Object.fromEntries(new URLSearchParams(location.search));
	go(href(location.pathname, { ...query, ...change }), replace);
}

export const param = (name: string): string => place.value.query.get(name) ?? "";

/** Old addresses of CoreScope's pages: #/packets/HASH, #/nodes/KEY, #/analytics?tab=… */
export function fromHash(hash: string): string | null {
	const found = /^#\/([a-z-]+)(?:\/([^?]*))?(?:\?(.*))?$/.exec(hash);
	if (!found) return null;
	const [, page, rest, query] = found;
	const to: Record<string, string> = {
		home: "/", packets: "/packets", packet: "/packets", nodes: "/nodes", map: "/map", live: "/map",
		channels: "/channels", observers: "/observers", perf: "/system", traces: "/packets",
		compare: "/observers/compare",
	};
	const tabs: Record<string, string> = {
		neighborgraph: "/network/neighbors", topology: "/network/neighbors", hashsizes: "/network/multibyte", hashstats: "/network/multibyte",
		collisions: "/network/prefixes", hashissues: "/network/prefixes", prefixtool: "/network/prefixes", distance: "/network/distances",
		scopes: "/network/scopes", subpaths: "/network/routes", overview: "/", relayairtime: "/network/airtime", channels: "/channels",
		nodes: "/nodes", roles: "/nodes", clockhealth: "/nodes", rfhealth: "/observers", rf: "/observers",
	};
	const given = new URLSearchParams(query ?? ""), tab = (given.get("tab") ?? "").replaceAll("-", "");
	const [lat, lon, zoom] = ["lat", "lon", "zoom"].map((name) => given.get(name));
	if ((page === "map" || page === "live") && lat && lon) return href("/map", { c: `${lat},${lon},${zoom ?? 10}` });
	if (page === "packets" && !rest && given.get("filter")) return href("/packets", { q: given.get("filter") });
	if (page === "analytics") return tabs[tab] ?? "/network";
	const base = to[page!];
	if (base === undefined) return null;
	return rest ? `${base}/${rest}` : base;
}

function onClick(e: MouseEvent): void {
	if (e.defaultPrevented || e.button !== 0 || e.ctrlKey || e.metaKey || e.shiftKey || e.altKey) return;
	const a = (e.target as Element | null)?.closest("a");
	if (!a || a.target || a.hasAttribute("download") || a.origin !== location.origin) return;
	if (a.pathname.startsWith("/api/") || a.pathname === "/metrics") return;
	e.preventDefault();
	if (a.hash && a.pathname === location.pathname) return void document.querySelector<HTMLElement>(a.hash)?.focus();
	go(a.pathname + a.search);
}

/** Called once, by the shell. */
export function startRouter(): void {
	const old = fromHash(location.hash);
	if (old !== null) go(old, true);
	addEventListener("popstate", () => (place.value = read()));
	document.addEventListener("click", onClick);
}
