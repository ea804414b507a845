// SPDX-License-Identifier: MIT
//
// Stretches of way that many packets have in common: the backbones of the mesh.
import { useApi } from "../../lib/api";
import { clock, count, fixed, percent, seconds } from "../../lib/format";
import { href, param, setQuery } from "../../lib/router";
import { now } from "../../lib/time";
import { Bars, Columns } from "../../ui/chart";
import { Drawer } from "../../ui/page";
import { Facts, Honest } from "../../ui/state";
import { Rows } from "../../ui/rows";
import type { ColumnDef } from "../../ui/table";
import { WindowChoice, windowOf } from "./window";

interface Subpath {
	path: string;
	rawHops: string[];
	count: number;
	hops: number;
	pct: number;
}
interface Bulk {
	results: { subpaths: Subpath[]; totalPaths: number }[];
}
interface Detail {
	nodes: { hop: string; name: string | null; pubkey: string | null }[];
	totalMatches: number;
	firstSeen: string;
	lastSeen: string;
	signal: { avgSnr: number | null; samples: number };
	hourDistribution: number[];
	parentPaths: { path: string; count: number }[];
	observers: { name: string; count: number }[];
}

export function RoutePatterns() {
	const window = windowOf("7d");
	const state = useApi<Bulk>(`/api/analytics/subpaths-bulk?groups=2-2:100,3-3:60,4-4:40,5-8:30${window === "all" ? "" : `&window=${window}`}`, 60000);
	const d = state.value.data;
	return (
		<Honest state={state.value} has={d?.results !== undefined} what="the routes" owner="http">
			{d && <Loaded all={d.results.flatMap((r) => r.subpaths)} total={d.results[0]?.totalPaths ?? 0} window={window} />}
		</Honest>
	);
}

function Loaded({ all, total, window }: { all: Subpath[]; total: number; window: string }) {
	const length = Number(param("hops")) || 0, open = param("path");
	const rows = all.map((_, i) => i).filter((i) => length === 0 || Math.min(5, all[i]!.rawHops.length) === length);
	const key = (i: number): string => all[i]!.rawHops.join(",");
	const columns: ColumnDef[] = [
		{ id: "path", title: "Stretch", width: "minmax(280px, 4fr)", value: (i) => all[i]!.path, cell: (i) => all[i]!.path },
		{ id: "hops", title: "Nodes", width: "72px", right: true, value: (i) => all[i]!.rawHops.length, cell: (i) => all[i]!.rawHops.length },
		{ id: "count", title: "Packets", width: "90px", right: true, value: (i) => all[i]!.count, cell: (i) => count(all[i]!.count) },
		{ id: "pct", title: "of all paths", width: "96px", right: true, value: (i) => all[i]!.pct, cell: (i) => percent(all[i]!.pct / 100, 1) },
		{ id: "raw", title: "As sent", width: "minmax(120px, 1fr)", mono: true, value: key, cell: key },
	];
	const chosen = open && rows.some((i) => key(i) === open);
	return (
		<Rows
			what="stretches" columns={columns} rows={rows} version={all} rowKey={(i) => `${key(i)}${all[i]!.path}`} sort="-count" text={(i) => `${all[i]!.path} ${key(i)}`.toLowerCase()}
			onOpen={(i) => setQuery({ path: key(i) }, false)} open={(i) => key(i) === open}
			tools={
				<div class="row">
					<WindowChoice value={window} otherwise="7d" />
					{[[0, "All"], [2, "2 nodes"], [3, "3"], [4, "4"], [5, "5 or more"]].map(([n, w]) => <button type="button" key={n} class="chip" aria-pressed={length === n} onClick={() => setQuery({ hops: n || "" })}>{w}</button>)}
					<span class="dim">{`${count(total)} paths`}</span>
				</div>
			}
			narrow={(i) => <div class="two"><span>{all[i]!.path}</span><span>{count(all[i]!.count)}</span><span>{`${all[i]!.rawHops.length} nodes`}</span><span>{percent(all[i]!.pct / 100, 1)}</span></div>}
			empty={all.length === 0 ? "No packet of this time had two hops or more." : "None fits."}
			{...(chosen ? { drawer: <Stretch hops={open} /> } : {})}
		/>
	);
}

function Stretch({ hops }: { hops: string }) {
	const state = useApi<Detail>(`/api/analytics/subpath-detail?hops=${encodeURIComponent(hops)}`);
	const d = state.value.data;
	const keys = d?.nodes.map((n) => n.pubkey).filter((k) => k !== null) ?? [];
	return (
		<Drawer title="Stretch of way" label="Stretch of way" onClose={() => setQuery({ path: "" }, false)}>
			<Honest state={state.value} has={d?.nodes !== undefined} what="this stretch">
				{d && (
					<>
						<ol class="hops">{d.nodes.map((n, i) => <li key={i}>{n.pubkey ? <a href={`/nodes/${n.pubkey}`}>{n.name ?? n.hop}</a> : <span class="dim">{n.name ?? "not certain"}</span>} <small class="dim"><code>{n.hop}</code></small></li>)}</ol>
						<Facts
							items={[
								["Packets", count(d.totalMatches)],
								["First", clock(seconds(d.firstSeen), now.value)], ["Last", clock(seconds(d.lastSeen), now.value)],
								["Signal", d.signal.samples < 5 ? `n = ${d.signal.samples}, too few` : `${fixed(d.signal.avgSnr, 1, "dB")} at the observers, n = ${count(d.signal.samples)}`],
							]}
						/>
						{keys.length >= 2 && <a class="button" href={href("/map", { n: `${keys[0]},${keys[keys.length - 1]}` })}>Ends on the map</a>}
						<section><h3>Hour of the day (UTC)</h3><Columns bars={d.hourDistribution.map((value, h) => ({ label: String(h), value }))} label="Packets by hour of the day" height={60} unit=":00" /></section>
						<section><h3>Part of these paths</h3><ul class="plain">{d.parentPaths.map((p) => <li key={p.path}>{p.path} <small class="dim">{count(p.count)}</small></li>)}</ul></section>
						<section><h3>Heard by</h3><Bars label="Observers" bars={d.observers.map((o) => ({ label: o.name, value: o.count }))} /></section>
					</>
				)}
			</Honest>
		</Drawer>
	);
}
