// SPDX-License-Identifier: MIT
//
// The bus: topics and their rates, who is behind, what was lost; and a look at the messages themselves.
import { useMemo } from "preact/hooks";
import { useApi } from "../../lib/api";
import { gaps as ownGaps } from "../../lib/events";
import { bytes, clock, count, duration, fixed } from "../../lib/format";
import { param, setQuery } from "../../lib/router";
import { now } from "../../lib/time";
import { Badge, Figure, Honest } from "../../ui/state";
import { Follow } from "./follow";
import { BeatLegend, Beats, HourSpark, lagWords, usePast } from "./hour";
import { Inspector } from "./inspector";

interface Ring {
	messages: number;
	bytes: number;
	max_messages: number;
	max_bytes: number;
	evicted: number;
	pushed_back_us: number;
}
interface Topic {
	name: string;
	class: string;
	seq: number;
	bytes: number;
	first: number;
	publishers: string[];
	subscribers: string[];
	per_second: number;
	bytes_per_second: number;
}
interface Answer {
	uptime_us: number;
	published: number;
	refused: number;
	ring: Record<string, Ring>;
	topics: Topic[];
	instances: { name: string; in: number; out: number; refused: number; gaps: number; lost: number; lag: number }[];
	outside: { clients: number; published: number; replayed: number; requests: number; refused: number };
	calls: { open: number; timeouts: number };
	log_dropped: number;
	gaps: { time_us: number; subscriber: string; topic: string; from: number; lost: number }[];
	inspector?: { topics: string[]; clients: number; messages: number; lost: number; pauses: number };
}

export function Bus() {
	const state = useApi<Answer>("/api/bus", 5000);
	const d = state.value.data;
	const following = param("follow") === "1";
	const inspecting = !following && (param("inspect") === "1" || param("topic") !== "");
	return (
		<div class="scroll">
			<div class="row">
				<button type="button" class="chip" aria-pressed={!inspecting && !following} onClick={() => setQuery({ inspect: "", topic: "", q: "", follow: "" }, false)}>Topics</button>
				<button type="button" class="chip" aria-pressed={inspecting} onClick={() => setQuery({ inspect: 1, follow: "", q: "" }, false)}>Live inspector</button>
				<button type="button" class="chip" aria-pressed={following} onClick={() => setQuery({ follow: 1, inspect: "", topic: "", q: "" }, false)}>Follow a packet</button>
			</div>
			{following
				? <Follow />
				: inspecting ? <Inspector /> : (
					<Honest state={state.value} has={d !== null} what="the state of the bus" owner="http">
						{d && <Loaded d={d} />}
					</Honest>
				)}
		</div>
	);
}

function Loaded({ d }: { d: Answer }) {
	const topics = useMemo(() => [...d.topics].sort((a, b) => b.per_second - a.per_second || b.seq - a.seq), [d]);
	const rate = d.topics.reduce((n, t) => n + t.per_second, 0);
	const past = usePast();
	const hours = useMemo(() => new Map(past?.topics.map((t) => [t.name, t.per_second])), [past]);
	const of = (name: string) => past?.instances.find((i) => i.name === name);
	const gapsOf = (name: string): number => d.gaps.reduce((n, g) => n + Number(g.topic === name), 0);
	return (
		<>
			<div class="figures">
				<Figure name="Messages" value={`${fixed(rate)}/s`} note={`${count(d.published)} in ${duration(d.uptime_us / 1e6)}`} />
				<Figure name="Bytes" value={`${bytes(d.topics.reduce((n, t) => n + t.bytes_per_second, 0))}/s`} />
				<Figure name="Refused" value={count(d.refused)} note="by the bus" />
				<Figure name="Programs outside" value={count(d.outside.clients)} note={`${count(d.outside.requests)} requests, ${count(d.outside.refused)} refused`} />
				<Figure name="Calls open" value={count(d.calls.open)} note={`${count(d.calls.timeouts)} timed out`} />
				{Object.entries(d.ring).map(([name, r]) => <RingFigure key={name} name={name} r={r} />)}
			</div>
			<section class="card">
				<h2>Topics</h2>
				<div class="scroll-x" tabIndex={0}>
					<table class="list">
						<thead><tr><th>Topic</th><th>Promise</th><th class="right">Messages/s</th><th>Last hour</th><th class="right">Bytes/s</th><th class="right">Messages</th><th class="right">Can be repeated</th><th class="right" title="Of the last 32 of all topics">Gaps</th><th>From</th><th>To</th></tr></thead>
						<tbody>
							{topics.map((t) => (
								<tr key={t.name}>
									<td><button type="button" class="linkish" onClick={() => setQuery({ topic: t.name }, false)}><code>{t.name}</code></button></td>
									<td>{t.class}</td><td class="right">{fixed(t.per_second)}</td><td><HourSpark name={t.name} values={hours.get(t.name)} /></td><td class="right">{bytes(t.bytes_per_second)}</td><td class="right">{count(t.seq)}</td>
									<td class="right">{t.first > 0 ? count(t.seq - t.first + 1) : "none"}</td><td class="right">{gapsOf(t.name) > 0 ? <span class="bad-text">{gapsOf(t.name)}</span> : "0"}</td><td>{t.publishers.join(", ") || "core"}</td><td>{t.subscribers.join(", ") || <span class="dim">nobody</span>}</td>
								</tr>
							))}
						</tbody>
					</table>
				</div>
			</section>
			<section class="card">
				<h2>Subscribers</h2>
				<div class="scroll-x" tabIndex={0}>
					<table class="list">
						<thead><tr><th>Plugin</th><th class="right">Behind now</th><th class="right" title="Half of the time in the last hour it was not more">Hour, p50</th><th class="right" title="95 of 100 times in the last hour it was not more">Hour, p95</th><th class="right" title="The most that waited, since the server of the pages was started">High-water mark</th><th class="right">Gaps</th><th class="right">Lost</th><th class="right">Refused</th></tr></thead>
						<tbody>
							{d.instances.map((i) => {
								const p = of(i.name);
								return (
									<tr key={i.name}>
										<td>{i.name}</td><td class="right">{count(i.lag)}</td><td class="right">{lagWords(p?.lag.p50, p?.lag_ms.p50)}</td><td class="right">{lagWords(p?.lag.p95, p?.lag_ms.p95)}</td>
										<td class="right">{p && p.most > 0 ? `${count(p.most)}, at ${clock(p.most_us / 1e6, now.value)}` : "0"}</td>
										<td class="right">{count(i.gaps)}</td><td class="right">{i.lost > 0 ? <span class="bad-text" title={p && p.gap_us > 0 ? `at last at ${clock(p.gap_us / 1e6, now.value)}` : ""}>{count(i.lost)}</span> : "0"}</td><td class="right">{count(i.refused)}</td>
									</tr>
								);
							})}
							{d.inspector && d.inspector.clients > 0 && (
								<tr>
									<td>{`live inspector of ${d.inspector.clients === 1 ? "1 page" : `${d.inspector.clients} views`}`}</td>
									<td colSpan={4}>{`${d.inspector.topics.join(", ")}: ${count(d.inspector.messages)} shown, 500 a second at most`}</td>
									<td class="right">{count(d.inspector.pauses)}</td><td class="right">{count(d.inspector.lost)}</td><td class="right">0</td>
								</tr>
							)}
						</tbody>
					</table>
				</div>
				<p class="dim">Behind: messages that wait, and in brackets for how long about, looked at every 5 s.</p>
			</section>
			<div class="cards">
				{past && (
					<section class="card">
						<h2>Heart-beat of the last hour</h2>
						<dl class="beat-rows">{past.instances.map((p) => <div key={p.name}><dt>{p.name}</dt><dd><Beats p={p} seconds={past.beat_seconds} at={past.at_us} /></dd></div>)}</dl>
						<BeatLegend />
					</section>
				)}
				<section class="card">
					<h2>The last gaps</h2>
					{d.gaps.length === 0 && ownGaps.value.length === 0 && <p><Badge kind="good">none</Badge> No message was lost on its way to a plugin or to this page.</p>}
					<ul class="plain">
						{d.gaps.map((g) => <li key={`${g.time_us}${g.topic}`}>{`${clock(g.time_us / 1e6, now.value)}: ${g.subscriber} lost ${count(g.lost)} of ${g.topic} from ${count(g.from)} on`}</li>)}
						{ownGaps.value.map((g) => <li key={`${g.at}${g.topic}`}>{`${clock(g.at / 1000, now.value)}: this page lost ${g.lost < 0 ? "an unknown number" : count(g.lost)} of ${g.topic}`}</li>)}
					</ul>
				</section>
			</div>
		</>
	);
}

function RingFigure({ name, r }: { name: string; r: Ring }) {
	const share = Math.max(r.messages / r.max_messages, r.bytes / r.max_bytes);
	return (
		<Figure
			name={`Ring, ${name}`} value={`${Math.round(share * 100)} %`}
			note={`${count(r.messages)} messages, ${bytes(r.bytes)}${r.pushed_back_us > 0 ? `; held publishers up for ${duration(r.pushed_back_us / 1e6)}` : ""}`}
		/>
	);
}
