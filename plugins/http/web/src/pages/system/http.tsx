// SPDX-License-Identifier: MIT
//
// The web server: which addresses are slow, what the cache spares, how much the model knows.
import { useApi } from "../../lib/api";
import { bytes, clock, count, duration, fixed, percent, seconds } from "../../lib/format";
import { now } from "../../lib/time";
import { Button } from "../../ui/page";
import { Badge, Figure, Honest } from "../../ui/state";
import { Rows } from "../../ui/rows";
import type { ColumnDef } from "../../ui/table";
import { useAction } from "./key";

interface Endpoint {
	count: number;
	avgMs: number;
	p50Ms: number;
	p95Ms: number;
	maxMs: number;
}
interface Perf {
	uptime: number;
	totalRequests: number;
	avgMs: number;
	endpoints: Record<string, Endpoint>;
	slowQueries: { path: string; ms: number; time: string; status: number }[];
	cache?: { hits?: number; misses?: number; hitRate?: number; bytes?: number; entries?: number };
	packetStore?: { totalLoaded?: number; totalObservations?: number; trackedMB?: number; backgroundLoadComplete?: boolean; backgroundLoadProgress?: number; oldestLoaded?: string | null };
}
interface Health {
	version: string;
	commit: string;
	uptime: number;
	memory: { rss: number };
	websocket: { clients: number };
	eventLoop: { p95Ms: number; maxLagMs: number };
}

const SLOW_MS = 100;

export function Http() {
	const perf = useApi<Perf>("/api/perf", 5000), health = useApi<Health>("/api/health", 5000);
	const action = useAction();
	const d = perf.value.data, h = health.value.data;
	return (
		<>
			{action.notice}
			<Honest state={perf.value} has={d !== null} what="the server's numbers" owner="http">
				{d && (
					<>
						<div class="figures">
							<Figure name="Requests" value={count(d.totalRequests)} note={`in ${duration(d.uptime)}`} />
							<Figure name="Mean" value={fixed(d.avgMs, 1, "ms")} />
							{d.cache?.hits !== undefined && <Figure name="From the cache" value={percent((d.cache.hitRate ?? 0) / 100)} note={`${count(d.cache.entries)} answers, ${bytes(d.cache.bytes)}`} />}
							{h && <Figure name="Live pages" value={count(h.websocket.clients)} note={`thread is late by ${fixed(h.eventLoop.p95Ms, 1, "ms")} (p95)`} />}
							{h && <Figure name="Memory" value={`${count(h.memory.rss)} MB`} note={`version ${h.version}`} />}
							{d.packetStore?.totalLoaded !== undefined && (
								<Figure name="Packets in memory" value={count(d.packetStore.totalLoaded)} note={d.packetStore.backgroundLoadComplete === false ? `being read: ${count(d.packetStore.backgroundLoadProgress)} %` : `${fixed(d.packetStore.trackedMB, 0)} MB`} />
							)}
						</div>
						<Endpoints d={d} action={action} />
					</>
				)}
			</Honest>
		</>
	);
}

function Endpoints({ d, action }: { d: Perf; action: ReturnType<typeof useAction> }) {
	const all = Object.entries(d.endpoints);
	const column = (id: keyof Endpoint, title: string): ColumnDef => ({
		id, title, width: "94px", right: true, value: (i) => all[i]![1][id],
		cell: (i) => (id === "count" ? count(all[i]![1].count) : <span class={all[i]![1][id] > SLOW_MS ? "warn-text" : ""}>{fixed(all[i]![1][id], 1, "ms")}</span>),
	});
	const columns: ColumnDef[] = [
		{ id: "path", title: "Address", width: "minmax(240px, 2fr)", mono: true, value: (i) => all[i]![0], cell: (i) => all[i]![0] },
		column("count", "Requests"), column("avgMs", "Mean"), column("p50Ms", "p50"), column("p95Ms", "p95"), column("maxMs", "Longest"),
	];
	return (
		<Rows
			what="addresses" columns={columns} rows={all.map((_, i) => i)} version={d} rowKey={(i) => all[i]![0]} sort="-p95Ms" text={(i) => all[i]![0].toLowerCase()}
			tools={<Button label="Begin anew with these numbers" text="Begin anew" onClick={() => action.run("/api/perf/reset", "Begin anew")} />}
			narrow={(i) => <div class="two"><span class="mono">{all[i]![0]}</span><span>{fixed(all[i]![1].p95Ms, 1, "ms")}</span><span>{`${count(all[i]![1].count)} requests`}</span><span>p95</span></div>}
			drawer={
				<aside class="drawer slow" aria-label="Slow requests">
					<header class="drawer-head"><h2>Slow requests</h2></header>
					<div class="drawer-body">
						{d.slowQueries.length === 0
							? <p><Badge kind="good">none</Badge> {`No request took more than ${SLOW_MS} ms.`}</p>
							: <table class="list"><thead><tr><th>When</th><th>Address</th><th class="right">Took</th></tr></thead><tbody>{d.slowQueries.map((s, i) => <tr key={i}><td>{clock(seconds(s.time), now.value)}</td><td><code class="wrap">{s.path}</code>{s.status >= 400 && <span class="bad-text">{` ${s.status}`}</span>}</td><td class="right">{fixed(s.ms, 0, "ms")}</td></tr>)}</tbody></table>}
					</div>
				</aside>
			}
		/>
	);
}
