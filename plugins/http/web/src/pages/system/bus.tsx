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
						<thead><tr><th>Topic</th><th>Promise</th><th class="right">Messages/s</th><th class="right">Bytes/s</th><th class="right">Messages</th><th class="right">Can be repeated</th><th>From</th><th>To</th></tr></thead>
						<tbody>
							{topics.map((t) => (
								<tr key={t.name}>
									<td><button type="button" class="linkish" onClick={() => setQuery({ topic: t.name }, false)}><code>{t.name}</code></button></td>
									<td>{t.class}</td><td class="right">{fixed(t.per_second)}</td><td class="right">{bytes(t.bytes_per_second)}</td><td class="right">{count(t.seq)}</td>
									<td class="right">{t.first > 0 ? count(t.seq - t.first + 1) : "none"}</td><td>{t.publishers.join(", ") || "core"}</td><td>{t.subscribers.join(", ") || <span class="dim">nobody</span>}</td>
								</tr>
							))}
						</tbody>
					</table>
				</div>
			</section>
			<div class="cards">
				<section class="card">
					<h2>Subscribers</h2>
					<table class="list">
						<thead><tr><th>Plugin</th><th class="right">Behind</th><th class="right">Gaps</th><th class="right">Lost</th><th class="right">Refused</th></tr></thead>
						<tbody>{d.instances.map((i) => <tr key={i.name}><td>{i.name}</td><td class="right">{count(i.lag)}</td><td class="right">{count(i.gaps)}</td><td class="right">{count(i.lost)}</td><td class="right">{count(i.refused)}</td></tr>)}</tbody>
					</table>
				</section>
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
