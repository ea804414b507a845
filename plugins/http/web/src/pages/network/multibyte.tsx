// SPDX-License-Identifier: MIT
//
// Who can do multi-byte paths, how one knows, and whose upgrade helps the mesh most.
import { useMemo } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { useApi } from "../../lib/api";
import { count, percent } from "../../lib/format";
import { href, param, setQuery } from "../../lib/router";
import { links, nodes, useSet } from "../../lib/store";
import type { Table } from "../../lib/sets";
import type { Mesh } from "../../mesh/engine";
import { ROLES } from "../../mesh/source";
import { useMesh } from "../../mesh/use";
import { MeshView } from "../../mesh/view";
import { Bars } from "../../ui/chart";
import { Ago, Badge, Figure, Honest, type Kind } from "../../ui/state";
import { Rows } from "../../ui/rows";
import type { ColumnDef } from "../../ui/table";
import { NodeName } from "../map/panels";
import { Proofs } from "./proofs";
import { isRelay, upgrades, type Upgrade } from "./relays";
import { Trend, type Day, type Sizes } from "./trend";
import { useEffect } from "preact/hooks";

interface Snapshot {
	base: { window?: number; nodes: Row[]; days?: Day[] };
	deltas: { nodes?: Row[]; gone?: string[]; days?: Day[] }[];
}
type Row = [key: string, sup: number, evidence: string, size: number, at: number, candidates: number, downgrade: number | boolean, hash_size: number, inconsistent: number | boolean, sizes: number[]];

interface Evidence {
	at: number;
	candidates: number;
	downgrade: boolean;
	inconsistent: boolean;
}

/** The base and what has changed since. */
function evidenceOf(s: Snapshot | null): Map<string, Evidence> {
	const found = new Map<string, Evidence>();
	for (const body of s ? [s.base, ...s.deltas] : []) {
		for (const [key, , , , at, candidates, downgrade, , inconsistent] of body.nodes ?? [])
			found.set(key, { at, candidates, downgrade: Boolean(downgrade), inconsistent: Boolean(inconsistent) });
	}
	return found;
}

/** The relays of each day that is recorded, in order. */
function daysOf(s: Snapshot | null): Day[] {
	const found = new Map<number, Day>();
	for (const body of s ? [s.base, ...s.deltas] : []) for (const d of body.days ?? []) found.set(d[0], d);
	return [...found.values()].sort((a, b) => a[0] - b[0]);
}

const STATES: [word: string, kind: Kind][] = [["Not known", "off"], ["Suspected", "info"], ["Confirmed", "good"]];
const VIEWS: [id: string, words: string][] = [["", "All relays"], ["upgrade", "Upgrade first"], ["2", "Confirmed"], ["1", "Suspected"], ["0", "Not known"]];

export function Multibyte() {
	const n = useSet(nodes, 3000), l = useSet(links, 3000);
	const snapshot = useApi<Snapshot>("/api/web/capabilities", 60000);
	return (
		<Honest state={n} has={n.table !== null} what="the list of nodes" owner="http">
			{n.table && <Loaded n={n.table} l={l.table} evidence={evidenceOf(snapshot.value.data)} days={daysOf(snapshot.value.data)} missing={snapshot.value.error?.missing ?? false} />}
		</Honest>
	);
}

function reason(n: Table, row: number, e: Evidence | undefined): string {
	const how = n.text("evidence", row);
	if (how === "advert") return `advert, ${n.num("max_size", row)} bytes`;
	if (how === "path") return `hop, ${n.num("max_size", row)} bytes${e && e.candidates > 1 ? `, 1 of ${e.candidates} relays` : ""}`;
	return "";
}

function Loaded({ n, l, evidence, days, missing }: { n: Table; l: Table | null; evidence: Map<string, Evidence>; days: Day[]; missing: boolean }) {
	const view = param("show"), open = param("n");
	// Whoever is gone needs no upgrade, and is not in the trend.
	const here = (i: number): boolean => !n.has("active") || n.num("active", i) !== 0;
	const relays = useMemo(() => Array.from({ length: n.rows }, (_, i) => i).filter((i) => isRelay(n, i) && here(i)), [n, n.rows]);
	const ranked = useMemo(() => new Map(upgrades(n, l).filter((u) => here(u.row)).map((u, i): [number, Upgrade & { rank: number }] => [u.row, { ...u, rank: i + 1 }])), [n, l, n.rows]);
	// Where the chosen order leaves two alike, the more useful upgrade is first.
	const ordered = useMemo(() => [...relays].sort((a, b) => (ranked.get(a)?.rank ?? 1e9) - (ranked.get(b)?.rank ?? 1e9)), [relays, ranked]);
	const rows = ordered.filter((i) => (view === "upgrade" ? ranked.has(i) : view === "" || n.num("capability", i) === Number(view)));
	const by = (state: number): number => relays.filter((i) => n.num("capability", i) === state).length;
	const figure = (state: number): string => `${percent(relays.length > 0 ? by(state) / relays.length : null)} of ${count(relays.length)} relays`;
	const sizes = useApi<Sizes>("/api/analytics/hash-sizes", 300000).value.data;
	const ev = (row: number): Evidence | undefined => evidence.get(n.hex("key", row));
	const columns: ColumnDef[] = [
		{ id: "rank", title: "Rank", width: "64px", right: true, help: "Whose upgrade helps most: packets with one-byte hops over it, times the relays that begin alike", value: (r) => ranked.get(r)?.rank ?? null, cell: (r) => ranked.get(r)?.rank ?? "" },
		{ id: "name", title: "Relay", width: "minmax(150px, 1.6fr)", value: (r) => n.text("name", r), cell: (r) => <NodeName t={n} row={r} /> },
		{ id: "state", title: "Multi-byte", width: "116px", value: (r) => n.num("capability", r), cell: (r) => <State n={n} row={r} /> },
		{ id: "why", title: "Evidence", width: "minmax(130px, 1fr)", help: "advert: it said so itself. hop: a hop of so many bytes begins like its key", value: (r) => n.text("evidence", r), cell: (r) => reason(n, r, ev(r)) },
		{ id: "at", title: "Newest", width: "96px", right: true, value: (r) => ev(r)?.at ?? null, cell: (r) => <Ago at={ev(r)?.at} /> },
		{ id: "blocks", title: "1-byte packets", width: "120px", right: true, help: "Packets with one-byte hops that went over its links", value: (r) => ranked.get(r)?.oneByte ?? null, cell: (r) => (ranked.has(r) ? count(ranked.get(r)!.oneByte) : "") },
		{ id: "alike", title: "Begin alike", width: "88px", right: true, help: "Other relays with the same first byte", value: (r) => ranked.get(r)?.alike ?? null, cell: (r) => (ranked.has(r) ? count(ranked.get(r)!.alike) : "") },
		{ id: "odd", title: "Sizes", width: "100px", value: (r) => Number(ev(r)?.inconsistent ?? false), cell: (r) => (ev(r)?.inconsistent ? <Badge kind="warn">changing</Badge> : ev(r)?.downgrade ? <Badge kind="warn">was more</Badge> : "") },
		{ id: "last", title: "Last heard", width: "96px", right: true, value: (r) => n.num("last", r), cell: (r) => <Ago at={n.num("last", r)} /> },
	];
	const chosen = open ? nodes.find(open) : -1;
	return (
		<>
			<div class="figures">
				{[2, 1, 0].map((s) => <Figure key={s} name={STATES[s]![0]} value={count(by(s))} note={figure(s)} />)}
				{sizes && <PacketSizes {...sizes} />}
			</div>
			<Trend days={days} hourly={sizes?.hourly ?? null} />
			{missing && <p class="dim">The plugin mbcap has published nothing yet: what is shown is from the database.</p>}
			<Rows
				what="relays" columns={columns} rows={rows} version={`${n.version}${view}${n.rows}${evidence.size}${l?.version}`} rowKey={(r) => n.hex("key", r)}
				sort={view === "upgrade" ? "rank" : "-state"} text={(r) => `${n.text("name", r) ?? ""} ${n.hex("key", r)}`.toLowerCase()}
				onOpen={(r) => setQuery({ n: n.hex("key", r) })} open={(r) => n.hex("key", r) === open}
				tools={<div class="row">{VIEWS.map(([id, words]) => <button type="button" key={id} class="chip" aria-pressed={view === id} onClick={() => setQuery({ show: id, sort: "" })}>{words}</button>)}</div>}
				narrow={(r) => (
					<div class="two">
						<span><NodeName t={n} row={r} /></span><span><State n={n} row={r} /></span>
						<span>{reason(n, r, ev(r)) || "no evidence"}</span><span>{ranked.has(r) ? `rank ${ranked.get(r)!.rank}` : ""}</span>
					</div>
				)}
				drawer={<SideMap chosen={chosen} />}
			/>
		</>
	);
}

function State({ n, row }: { n: Table; row: number }) {
	const [word, kind] = STATES[n.num("capability", row)] ?? STATES[0]!;
	return <Badge kind={kind}>{word}</Badge>;
}

/** How packets write their hops. */
function PacketSizes({ distribution: d }: Sizes) {
	const total = Object.values(d).reduce((a, b) => a + b, 0);
	return (
		<div class="mini-bars">
			<Bars label="Packets by bytes of their hops" bars={["1", "2", "3"].map((s) => ({ label: s === "1" ? "1 byte" : `${s} bytes`, value: d[s] ?? 0, note: percent(total > 0 ? (d[s] ?? 0) / total : null, 1) }))} />
		</div>
	);
}

const relayRoles = new Set(ROLES.slice(0, 2));

/** The same relays on a map; what is selected in one is selected in the other. */
function SideMap({ chosen }: { chosen: number }) {
	const engine = useSignal<Mesh | null>(null);
	const mesh = useMesh({ nodeLook: "size", linkLook: "size", filter: { heard: 0, roles: relayRoles, minCount: 1, uncertain: true, linked: false } });
	const first = useSignal(true);
	useEffect(() => {
		if (!engine.value || !mesh.value) return;
		engine.value.setData(mesh.value);
		if (first.peek()) engine.value.fit(undefined, 0);
		first.value = false;
	}, [engine.value, mesh.value]);
	const key = chosen >= 0 ? nodes.state.peek().table!.hex("key", chosen) : "";
	useEffect(() => engine.value?.setSelected(chosen >= 0 ? [chosen] : []), [chosen, engine.value, mesh.value]);
	return (
		<aside class={key ? "side-map has-choice" : "side-map"} aria-label="Relays on the map">
			<MeshView
				engine={engine} label="Relays by multi-byte capability"
				events={{ pick: (hit) => setQuery({ n: hit?.kind === "node" ? nodes.state.peek().table!.hex("key", hit.index) : "" }) }}
			/>
			{key && <Proofs key={key} node={key} onClose={() => setQuery({ n: "" })} />}
			<a class="button side-map-more" href={href("/map", { by: "size", links: "size", n: key })}>Larger</a>
		</aside>
	);
}
