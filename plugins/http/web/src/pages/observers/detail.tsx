// SPDX-License-Identifier: MIT
//
// One observer: how it is, its radio, what it hears.
import { useApi } from "../../lib/api";
import { count, duration, fixed, full, plural, seconds, shortKey } from "../../lib/format";
import { typeToken, typeWord } from "../../lib/palette";
import { go } from "../../lib/router";
import { nodes, observers, useSet } from "../../lib/store";
import { Bars, Columns, Lines } from "../../ui/chart";
import { withQuery } from "../../ui/list";
import { CopyButton, Drawer, Tabs } from "../../ui/page";
import { Ago, Badge, Facts, Figure, Honest, Notice } from "../../ui/state";
import { Days, daysOf } from "../nodes/history";
import { PacketsOf } from "../nodes/packets";
import { Coverage } from "./coverage";
import { healthOf, nameOf, nodeOf } from "./list";

const TABS = [["overview", "Overview"], ["radio", "Radio"], ["hears", "Hears"], ["coverage", "Coverage"], ["packets", "Packets"]] as const;

export function ObserverDrawer({ id, tab }: { id: string; tab: string }) {
	const { table: t, loading } = useSet(observers, 1000);
	useSet(nodes, 5000);
	const row = t ? observers.find(id) : -1;
	const base = `/observers/${encodeURIComponent(id)}`;
	return (
		<Drawer
			title={t && row >= 0 ? nameOf(t, row) : shortKey(id)} label="Details of the observer" onClose={() => go(withQuery("/observers"))}
			actions={<CopyButton text={id} label="Copy the id" />}
		>
			<Tabs label="Details of the observer" tabs={TABS.map(([x, title]) => ({ href: withQuery(x === "overview" ? base : `${base}/${x}`), title }))} />
			{t && row < 0 && !loading && <Notice kind="info">No observer with this id is in the list.</Notice>}
			{tab === "radio" ? <Radio id={id} /> : tab === "hears" ? <Hears id={id} /> : tab === "coverage" ? t && <Coverage node={row >= 0 ? nodeOf(t, row) : null} /> : tab === "packets"
				? <PacketsOf query={`observer=${encodeURIComponent(id)}`} more={`/packets?q=${encodeURIComponent(`observer:"${id}"`)}`} />
				: t && row >= 0 && <Overview id={id} row={row} />}
		</Drawer>
	);
}

interface Detail {
	client_version: string | null;
	last_packet_at: string | null;
	first_seen: string | null;
	last_seen: string | null;
	clock_naive: boolean;
	clock_skew_seconds: number | null;
	clock_skew_count_24h: number;
	clock_last_naive_at: string | null;
}

function Overview({ id, row }: { id: string; row: number }) {
	const t = observers.state.value.table!;
	const detail = useApi<Detail>(`/api/observers/${encodeURIComponent(id)}`, 30000);
	const skews = useApi<{ observerID: string; offsetSec: number; samples: number }[]>("/api/observers/clock-skew");
	const d = detail.value.data;
	const health = healthOf(t, row), node = nodeOf(t, row);
	const skew = skews.value.data?.find((s) => s.observerID === id);
	const clock = skew
		? `${fixed(Math.abs(skew.offsetSec), 1, "s")} ${skew.offsetSec >= 0 ? "ahead" : "behind"}, from ${plural(skew.samples, "advert")} that others heard, too`
		: "not measured: nobody else heard the same adverts";
	return (
		<>
			<p><Badge kind={health.kind}>{health.word}</Badge> {health.why}</p>
			<div class="figures">
				<Figure name="Last hour" value={count(t.num("hour", row))} note="observations" />
				<Figure name="Altogether" value={count(t.num("packets", row))} note="packets" />
				<Figure name="Noise floor" value={fixed(Number.isNaN(t.num("noise", row)) ? null : t.num("noise", row), 0, "dBm")} />
				<Figure name="Up" value={t.num("uptime", row) ? duration(t.num("uptime", row)) : "–"} />
			</div>
			<Facts
				items={[
					["Id", <span class="mono wrap">{id}</span>],
					["Region", t.text("region", row) ?? "not told"],
					["Node", node ? <a href={`/nodes/${node}`}>{nodes.state.peek().table?.text("name", nodes.find(node)) || shortKey(node)}</a> : "none with this key"],
					["Mode", t.num("can_relay", row) === 1 ? "relays packets" : t.num("can_relay", row) === 0 ? "only listens" : "not told"],
					["Model", t.text("model", row) ?? "not told"],
					["Firmware", t.text("firmware", row) ?? "not told"],
					["Program", d?.client_version ?? "not told"],
					["Radio", t.text("radio", row) ?? "not told"],
					["Battery", t.num("battery", row) ? `${(t.num("battery", row) / 1000).toFixed(2)} V` : "not told"],
					["First report", full(t.num("first", row))],
					["Last packet", d?.last_packet_at ? <Ago at={seconds(d.last_packet_at)} /> : "–"],
					["Its clock", clock],
					...(d?.clock_naive
						? [["Its times", `have no zone and were ${duration(Math.abs(d.clock_skew_seconds ?? 0))} off; ${count(d.clock_skew_count_24h)} times in 24 h. They are corrected.`] as [string, string]]
						: []),
				]}
			/>
		</>
	);
}

interface Metrics {
	reboots: string[];
	metrics: { timestamp: string; noise_floor: number | null; battery_mv: number | null; tx_airtime_pct: number | null; rx_airtime_pct: number | null; recv_error_rate: number | null }[];
}

function Radio({ id }: { id: string }) {
	// What it reported of itself is in the database for longer than what analytics remember.
	const days = daysOf("1", 365);
	const since = new Date((Math.floor(Date.now() / 60000) * 60 - Number(days) * 86400) * 1000).toISOString();
	const loaded = useApi<Metrics>(`/api/observers/${encodeURIComponent(id)}/metrics?since=${since}&resolution=${days === "1" ? "5m" : "1h"}`);
	const { data } = loaded.value;
	const range: [number, number] = [seconds(since), seconds(since) + Number(days) * 86400];
	const times = data?.metrics.map((m) => seconds(m.timestamp)) ?? [];
	const has = (k: keyof Metrics["metrics"][0]) => data?.metrics.some((m) => m[k] !== null) ?? false;
	const of = (k: "noise_floor" | "tx_airtime_pct" | "rx_airtime_pct" | "recv_error_rate") => data!.metrics.map((m) => m[k]);
	return (
		<>
			<div class="row"><Days days={days} most={365} /></div>
			<Honest state={loaded.value} has={data !== null} what="the history of its radio" owner="storage">
				{data && data.metrics.length === 0 && <Notice kind="info">It reported nothing about its radio in this time.</Notice>}
				{data && data.metrics.length > 0 && (
					<>
						{data.reboots.length > 0 && <Notice kind="warn">{`Started again ${data.reboots.length === 1 ? "once" : `${count(data.reboots.length)} times`}, last ${full(seconds(data.reboots.at(-1)))}.`}</Notice>}
						{has("noise_floor")
							? <section><h3>Noise floor</h3><Lines label="Noise floor" range={range} unit="dBm" times={times} series={[{ name: "Noise floor", digits: 0, values: of("noise_floor") }]} /></section>
							: <Notice kind="info">It does not report a noise floor.</Notice>}
						{(has("tx_airtime_pct") || has("rx_airtime_pct")) && (
							<section><h3>Air time</h3><Lines label="Air time" range={range} unit="%" zero times={times} series={[{ name: "Receiving", digits: 1, values: of("rx_airtime_pct") }, { name: "Sending", digits: 1, values: of("tx_airtime_pct") }]} /></section>
						)}
						{has("recv_error_rate") && <section><h3>Receive errors</h3><Lines label="Receive errors" range={range} unit="%" zero times={times} series={[{ name: "Errors", color: "--series-2", digits: 1, values: of("recv_error_rate") }]} /></section>}
						{has("battery_mv") && <section><h3>Battery</h3><Lines label="Battery" range={range} unit="V" times={times} series={[{ name: "Battery", digits: 2, values: data.metrics.map((m) => (m.battery_mv === null ? null : m.battery_mv / 1000)) }]} /></section>}
					</>
				)}
			</Honest>
		</>
	);
}

interface Analytics {
	timeline: { label: string; count: number }[];
	nodesTimeline: { label: string; count: number }[];
	packetTypes: Record<string, number>;
	snrDistribution: { range: string; count: number }[];
}

const WEEKDAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** All buckets of the time, those that nothing was heard in, too; the answer leaves them out. */
export function buckets(found: { label: string; count: number }[], days: number, at: number): { label: string; value: number }[] {
	const step = days <= 1 ? 3600 : days <= 7 ? 14400 : 86400;
	const counts = new Map(found.map((b) => [b.label, b.count]));
	const all = [];
	for (let t = Math.floor((at - days * 86400) / step) * step; t <= at; t += step) {
		const d = new Date(t * 1000);
		const clock = `${String(d.getUTCHours()).padStart(2, "0")}:00`;
		const label = days <= 1 ? clock : days <= 7 ? `${WEEKDAYS[d.getUTCDay()]} ${clock}` : `${MONTHS[d.getUTCMonth()]} ${String(d.getUTCDate()).padStart(2, "0")}`;
		all.push({ label, value: counts.get(label) ?? 0 });
	}
	// The first and the last bucket of a week and of a day have one name: it belongs to the newer.
	if (all.length > 1 && all[0]!.label === all.at(-1)!.label) all.shift();
	return all;
}

function Hears({ id }: { id: string }) {
	const days = daysOf("1", 90);
	const loaded = useApi<Analytics>(`/api/observers/${encodeURIComponent(id)}/analytics?days=${days}`);
	const { data } = loaded.value;
	const at = Date.now() / 1000;
	const types = Object.entries(data?.packetTypes ?? {}).sort(([, a], [, b]) => b - a);
	return (
		<>
			<div class="row"><Days days={days} most={90} /></div>
			<Honest state={loaded.value} has={data !== null} what="what it hears" owner="analytics">
				{data && data.timeline.length === 0 && <Notice kind="info">It heard nothing in this time.</Notice>}
				{data && data.timeline.length > 0 && (
					<>
						<section><h3>Packets, UTC</h3><Columns label="Packets over time" bars={buckets(data.timeline, Number(days), at)} /></section>
						<section><h3>Different nodes in them</h3><Columns label="Nodes over time" bars={buckets(data.nodesTimeline, Number(days), at)} /></section>
						<section><h3>Types</h3><Bars label="Packets by type" bars={types.map(([t, n]) => ({ label: typeWord(Number(t)), value: n, color: typeToken(Number(t)) }))} /></section>
						<section>
							<h3>SNR</h3>
							{data.snrDistribution.length > 0
								? <Columns label="Packets by SNR" unit=" dB" bars={data.snrDistribution.map((b) => ({ label: b.range.split(" ")[0]!, value: b.count }))} />
								: <Notice kind="info">It does not report the SNR.</Notice>}
						</section>
					</>
				)}
			</Honest>
		</>
	);
}
