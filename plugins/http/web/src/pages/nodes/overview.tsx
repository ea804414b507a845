// SPDX-License-Identifier: MIT
import { useApi } from "../../lib/api";
import { count, duration, fixed, full, percent, seconds } from "../../lib/format";
import { nodes } from "../../lib/store";
import { Ago, Badge, Facts, Figure, Honest, Notice } from "../../ui/state";
import { Capability, healthOf } from "./columns";

interface Health {
	observers: { observer_id: string; observer_name: string | null; iata?: string; avgSnr: number | null; packetCount: number }[];
	stats: { totalTransmissions: number; totalObservations: number; packetsToday: number; avgSnr: number | null; avgHops: number; lastHeard: string | null };
}

interface Detail {
	node: {
		name: string | null; role: string | null; lat: number | null; lon: number | null; first_seen: string | null; last_seen: string | null;
		battery_mv: number | null; temperature_c?: number | null; default_scope: string | null; foreign: boolean; hash_size: number | null;
		hash_size_inconsistent: boolean; hash_sizes_seen?: number[]; relay_active?: boolean; relay_count_24h?: number; last_relayed?: string;
		transported_scopes?: string[]; usefulness_score?: number; bridge_score?: number; coverage_score?: number;
		redundancy_score?: number; traffic_share_score?: number; flood_advert_count_7d?: number;
	};
}

interface Skew {
	severity: string;
	recentMedianSkewSec: number;
	driftPerDaySec: number;
	sampleCount: number;
}

const SEVERITY: Record<string, string> = {
	ok: "right", warning: "a little off", critical: "wrong", absurd: "far from any real time", no_clock: "never set",
};

function Clock({ skew }: { skew: Skew }) {
	const s = skew.recentMedianSkewSec;
	const words = SEVERITY[skew.severity] ?? skew.severity.replaceAll("_", " ");
	return (
		<>
			<Badge kind={skew.severity === "ok" ? "good" : skew.severity === "warning" ? "warn" : "bad"}>{words}</Badge>{" "}
			{Math.abs(s) >= 1 && `${duration(Math.abs(s))} ${s > 0 ? "ahead" : "behind"}`}
			{skew.sampleCount < 5 && <span class="dim"> n = {skew.sampleCount}, few</span>}
		</>
	);
}

export function Overview({ key_, row }: { key_: string; row: number }) {
	const detail = useApi<Detail>(`/api/nodes/${key_}`, 60000);
	const health = useApi<Health>(`/api/nodes/${key_}/health`, 60000);
	const skew = useApi<Skew>(`/api/nodes/${key_}/clock-skew`);
	const t = nodes.state.value.table;
	const n = detail.value.data?.node, h = health.value.data;
	const state = t && row >= 0 ? healthOf(t, row) : null;
	const relays = n?.role === "repeater" || n?.role === "room";
	return (
		<>
			{state && <p><Badge kind={state.kind}>{state.word}</Badge> {state.why}</p>}
			{t && row >= 0 && (
				<div class="figures">
					<Figure name="Heard by" value={h ? count(h.observers.length) : "–"} note="observers" />
					<Figure name="Packets today" value={h ? count(h.stats.packetsToday) : "–"} note="since 00:00 UTC" />
					{relays && <Figure name="Relayed in 24 h" value={count(n?.relay_count_24h ?? t.num("relays_24h", row))} note={n?.last_relayed ? <>last <Ago at={seconds(n.last_relayed)} /></> : "none known"} />}
					<Figure name="Neighbors" value={count(t.num("neighbors", row))} />
				</div>
			)}
			<Honest state={detail.value} has={n !== undefined} what="the node's row" owner="storage">
				{n && (
					<Facts
						items={[
							["Key", <span class="mono wrap">{key_}</span>],
							["Role", n.role ?? "not known"],
							["First heard", full(seconds(n.first_seen))],
							["Last heard", <>{full(seconds(n.last_seen))} <span class="dim">(<Ago at={seconds(n.last_seen)} />)</span></>],
							["Position", n.lat ? <a href={`/map?n=${key_}`}>{`${fixed(n.lat, 5)}, ${fixed(n.lon, 5)}`}</a> : "it does not tell"],
							["Battery", n.battery_mv ? `${(n.battery_mv / 1000).toFixed(2)} V` : "not reported"],
							...(n.temperature_c != null ? [["Temperature", fixed(n.temperature_c, 1, "°C")] as [string, string]] : []),
							["Its clock", skew.value.data ? <Clock skew={skew.value.data} /> : skew.value.loading ? "…" : "no samples"],
							["Multi-byte paths", t && row >= 0 ? <><Capability t={t} row={row} />{relays && <> <a href={`/network/multibyte?n=${key_}`}>packets that say so</a></>}</> : "–"],
							["Bytes of a hop", `${n.hash_size || "not known"}${n.hash_size_inconsistent ? `; seen ${n.hash_sizes_seen?.join(", ") ?? "several"} within 7 days, which old firmware does by mistake` : ""}`],
							["Scope", n.default_scope ?? "none"],
							...(n.transported_scopes?.length ? [["Relays scopes", n.transported_scopes.join(", ")] as [string, string]] : []),
							...(n.foreign ? [["Area", "outside of the configured one"] as [string, string]] : []),
							...(relays && n.usefulness_score !== undefined
								? [["Usefulness", `${fixed(n.usefulness_score, 2)}: bridge ${fixed(n.bridge_score, 2)}, coverage ${fixed(n.coverage_score, 2)}, redundancy ${fixed(n.redundancy_score, 2)}, traffic ${percent(n.traffic_share_score, 1)}`] as [string, string]]
								: []),
						]}
					/>
				)}
			</Honest>
			<section>
				<h3>Heard by</h3>
				<Honest state={health.value} has={h !== null} what="who hears it" owner="http">
					{h && h.observers.length === 0 && <Notice kind="info">No observer has heard a packet of this node or one that it passed on.</Notice>}
					{h && h.observers.length > 0 && (
						<table class="list">
							<thead><tr><th>Observer</th><th>Region</th><th class="right">Packets</th><th class="right">Mean SNR</th></tr></thead>
							<tbody>
								{h.observers.slice(0, 12).map((o) => (
									<tr key={o.observer_id}>
										<td><a href={`/observers/${encodeURIComponent(o.observer_id)}`}>{o.observer_name || o.observer_id.slice(0, 8)}</a></td>
										<td>{o.iata ?? "–"}</td>
										<td class="right">{count(o.packetCount)}</td>
										<td class="right">{o.packetCount < 3 && o.avgSnr !== null ? <span class="dim" title="Too few packets for a mean">n = {o.packetCount}</span> : fixed(o.avgSnr, 1, "dB")}</td>
									</tr>
								))}
							</tbody>
						</table>
					)}
					{h && h.observers.length > 12 && <p class="dim">{`and ${count(h.observers.length - 12)} more`}</p>}
				</Honest>
			</section>
		</>
	);
}
