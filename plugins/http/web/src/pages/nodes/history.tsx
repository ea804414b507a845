// SPDX-License-Identifier: MIT
import { useApi } from "../../lib/api";
import { count, duration, fixed, percent, seconds } from "../../lib/format";
import { typeToken, typeWord } from "../../lib/palette";
import { param, setQuery } from "../../lib/router";
import { Bars, Lines, Week } from "../../ui/chart";
import { Figure, Honest, Notice } from "../../ui/state";

interface Analytics {
	timeRange: { from: string; to: string; days: number };
	activityTimeline: { count: number; bucket: string }[];
	snrTrend: { timestamp: string; snr: number; observer_name: string | null }[];
	packetTypeBreakdown: { payload_type: number; count: number }[];
	hopDistribution: { hops: string; count: number }[];
	uptimeHeatmap: { dayOfWeek: number; hour: number; count: number }[];
	computedStats: {
		availabilityPct: number; longestSilenceMs: number; snrMean: number; snrStdDev: number; totalPackets: number; uniqueObservers: number; avgPacketsPerDay: number;
	};
}

interface Battery {
	samples: { timestamp: string; battery_mv: number }[];
	thresholds: { low_mv: number; critical_mv: number };
}

/** Counts of every hour or day (UTC), those without packets, too. */
export function every(step: number, buckets: { count: number; bucket: string }[], from: number, to: number): { times: number[]; values: number[] } {
	const found = new Map<number, number>();
	for (const b of buckets) {
		const at = Math.floor(seconds(b.bucket) / step) * step;
		found.set(at, (found.get(at) ?? 0) + b.count);
	}
	const times: number[] = [], values: number[] = [];
	for (let at = Math.floor(from / step) * step; at <= to && times.length < 9000; at += step) {
		times.push(at);
		values.push(found.get(at) ?? 0);
	}
	return { times, values };
}

const FEW = 20;

const DAYS: [id: string, words: string][] = [["1", "last day"], ["7", "last 7 days"], ["30", "last 30 days"], ["90", "last 90 days"], ["365", "last year"]];

/** The choice in the address, of those up to `most` days. */
export function daysOf(otherwise: string, most: number): string {
	const days = param("days");
	return DAYS.some(([id]) => id === days) && Number(days) <= most ? days : otherwise;
}

export function Days({ days, most }: { days: string; most: number }) {
	return (
		<select data-time aria-label="Time" value={days} onChange={(e) => setQuery({ days: e.currentTarget.value })}>
			{DAYS.filter(([id]) => Number(id) <= most).map(([id, words]) => <option key={id} value={id}>{words}</option>)}
		</select>
	);
}

export function History({ key_ }: { key_: string }) {
	const days = daysOf("7", 365), step = Number(days) > 30 ? 86400 : 3600;
	const loaded = useApi<Analytics>(`/api/nodes/${key_}/analytics?days=${days}`);
	const battery = useApi<Battery>(`/api/nodes/${key_}/battery?days=${days}`);
	const a = loaded.value.data, b = battery.value.data;
	const activity = a && every(step, a.activityTimeline, seconds(a.timeRange.from), seconds(a.timeRange.to));
	const s = a?.computedStats;
	const range: [number, number] | null = a && [seconds(a.timeRange.from), seconds(a.timeRange.to)];
	return (
		<>
			<div class="row"><Days days={days} most={365} /></div>
			<Honest state={loaded.value} has={a !== null} what="its history" owner="analytics">
				{a && s && activity && range && (
					<>
						<div class="figures">
							<Figure name="Packets" value={count(s.totalPackets)} note={`${fixed(s.avgPacketsPerDay, 1)} a day`} />
							<Figure name="Hours with packets" value={percent(s.availabilityPct / 100)} />
							<Figure name="Longest silence" value={s.longestSilenceMs > 0 ? duration(s.longestSilenceMs / 1000) : "–"} />
							<Figure name="Mean SNR" value={a.snrTrend.length === 0 ? "unknown" : a.snrTrend.length < FEW ? "too few" : fixed(s.snrMean, 1, "dB")} note={`n = ${count(a.snrTrend.length)}`} />
						</div>
						<section><h3>{`Packets ${step === 3600 ? "an hour" : "a day"}`}</h3><Lines label={`Packets ${step === 3600 ? "an hour" : "a day"}`} range={range} zero times={activity.times} series={[{ name: "Packets", bars: true, values: activity.values }]} /></section>
						<section>
							<h3>SNR</h3>
							{a.snrTrend.length === 0
								? <Notice kind="info">No observer measured it in this time.</Notice>
								: <Lines label="SNR" range={range} unit="dB" times={a.snrTrend.map((p) => seconds(p.timestamp))} series={[{ name: "SNR", points: true, digits: 1, color: "--series-3", values: a.snrTrend.map((p) => p.snr) }]} />}
						</section>
						{b && b.samples.length > 0 && (
							<section><h3>Battery</h3><Lines label="Battery" range={range} unit="V" times={b.samples.map((x) => seconds(x.timestamp))} series={[{ name: "Battery", digits: 2, values: b.samples.map((x) => x.battery_mv / 1000) }]} /></section>
						)}
						<section>
							<h3>Types</h3>
							<Bars label="Packets by type" bars={a.packetTypeBreakdown.map((t) => ({ label: typeWord(t.payload_type), value: t.count, color: typeToken(t.payload_type) }))} />
						</section>
						<section><h3>Hops to the observer</h3><Bars label="Packets by hops" bars={a.hopDistribution.map((h) => ({ label: h.hops, value: h.count }))} /></section>
						<section>
							<h3>Hours of the week, UTC</h3>
							<Week label="Packets by hour of the week" at={(d, h) => a.uptimeHeatmap.find((x) => x.dayOfWeek === d && x.hour === h)?.count ?? 0} />
						</section>
					</>
				)}
			</Honest>
		</>
	);
}
