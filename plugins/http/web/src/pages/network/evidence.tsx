// SPDX-License-Identifier: MIT
//
// What speaks for a link, packet by packet: on which days, each way, seen by whom, and how one knows
// that the hops are these two nodes and no others.
import { useApi } from "../../lib/api";
import { clock, count, fixed, plural, seconds, shortKey } from "../../lib/format";
import { typeWord } from "../../lib/palette";
import { param, setQuery } from "../../lib/router";
import { nodeName, observerName } from "../../lib/store";
import { now } from "../../lib/time";
import { Bars } from "../../ui/chart";
import { Ago, Honest, Notice } from "../../ui/state";

interface Ways {
	ab: number;
	ba: number;
}
interface Answer {
	from: number;
	oldest: string | null;
	packets: Ways;
	days: Ways[];
	how: { how: string; bytes: number; packets: number }[];
	alike: [number, number, number][];
	observers: (Ways & { id: string; name: string | null; last: number; snr_ab: number | null; snr_ab_n: number; snr_ba: number | null; snr_ba_n: number })[];
	samples: { hash: string; at: number; type: number; ab: boolean; how: string; bytes: number; observer: string | null; snr: number | null }[];
}

const DAYS: [id: string, words: string][] = [["1", "today"], ["7", "last 7 days"], ["30", "last 30 days"], ["90", "last 90 days"]];
const FEW = 3; // measurements; with fewer no mean is shown

const size = (bytes: number): string => (bytes === 0 ? "" : bytes === 1 ? "1 byte" : `${bytes} bytes`);

/** How an end of the link is known, in words. */
function howWords(how: string, bytes: number): string {
	if (how === "named") return bytes ? `key, and a hop of ${size(bytes)}` : "both by their keys";
	if (how === "unique") return `unique prefix, ${size(bytes)}`;
	if (how === "neighbor") return `affinity, ${size(bytes)}`;
	if (how === "geography") return `geography, ${size(bytes)}`;
	return `open, ${size(bytes)}`;
}

const HOW_HELP: [term: string, words: string][] = [
	["Both by their keys", "an advert says who sent it, and an observer who heard it"],
	["Unique prefix", "no other relay begins like the hop"],
	["Affinity", "several relays begin so, and this one is the neighbor of the one before or after"],
	["Geography", "several begin so, and this one is by far the nearest"],
	["Open", "it could be another node: not counted"],
];

export function Evidence({ a, b }: { a: string; b: string }) {
	const days = DAYS.some(([id]) => id === param("days")) ? param("days") : "7";
	const state = useApi<Answer>(`/api/web/link?a=${a}&b=${b}&days=${days}`, 60000);
	const d = state.value.data;
	const name = (key: string): string => nodeName(key);
	return (
		<section class="evidence" aria-label="Evidence for the link">
			<div class="row spread">
				<h3>Evidence in packets</h3>
				<select data-time aria-label="Days of evidence" value={days} onChange={(e) => setQuery({ days: e.currentTarget.value === "7" ? null : e.currentTarget.value })}>
					{DAYS.map(([id, words]) => <option key={id} value={id}>{words}</option>)}
				</select>
			</div>
			<Honest state={state.value} has={d !== null} what="the packets that speak for it" owner="http">
				{d && <Loaded d={d} a={name(a)} b={name(b)} keys={[a, b]} />}
			</Honest>
		</section>
	);
}

function Loaded({ d, a, b, keys }: { d: Answer; a: string; b: string; keys: [string, string] }) {
	const open = d.how.filter((h) => h.how === "open").reduce((n, h) => n + h.packets, 0);
	const known = d.how.filter((h) => h.how !== "open");
	const oldest = seconds(d.oldest);
	const all = d.packets.ab + d.packets.ba;
	return (
		<>
			{oldest > d.from && <Notice kind="info">{`Packets before ${clock(oldest, now.value)} are not in memory and not looked at.`}</Notice>}
			{all === 0 && <p>{open > 0 ? `No packet of this time is certain; ${plural(open, "packet")} may have gone over it.` : "No packet of this time says so: the link is known from older ones."}</p>}
			{all > 0 && (
				<>
					<ByDay d={d} a={a} b={b} />
					<h4>How its ends are known</h4>
					<Bars label="Packets by how the ends are known" bars={known.map((h) => ({ label: howWords(h.how, h.bytes), value: h.packets }))} />
					{open > 0 && <p class="dim">{`And ${plural(open, "packet")} of which one end could be another node.`}</p>}
				</>
			)}
			<details>
				<summary>What these words mean, and who begins alike</summary>
				<dl class="words">{HOW_HELP.map(([term, words]) => <div key={term}><dt>{term}</dt><dd>{words}</dd></div>)}</dl>
				{keys.map((key, i) => <p key={key}>{`${i === 0 ? a : b}: ${alike(key, d.alike[i]!)}`}</p>)}
			</details>
			{d.observers.length > 0 && <ByObserver d={d} a={a} b={b} />}
			{d.samples.length > 0 && <Samples d={d} a={a} b={b} />}
		</>
	);
}

function alike(key: string, n: [number, number, number]): string {
	if (n[0] === 0) return "it does not relay, no hop stands for it";
	return n.map((k, i) => `${key.slice(0, 2 * i + 2).toUpperCase()} ${k === 1 ? "is it alone" : `is one of ${k}`}`).join(", ");
}

const dayOf = (at: number): string => new Date(at * 1000).toISOString().slice(5, 10);

/** One way above the line, the other below. */
function ByDay({ d, a, b }: { d: Answer; a: string; b: string }) {
	const most = Math.max(1, ...d.days.flatMap((x) => [x.ab, x.ba]));
	const half = 44, every = Math.ceil(d.days.length / 7);
	const up = (n: number): number => (n / most) * half;
	return (
		<>
			<p class="row legend-row">
				<span><svg width="10" height="10" aria-hidden="true"><rect class="fill-1" width="10" height="10" rx="2" /></svg>{` ${a} → ${b}: ${count(d.packets.ab)}`}</span>
				<span><svg width="10" height="10" aria-hidden="true"><rect class="fill-2" width="10" height="10" rx="2" /></svg>{` ${b} → ${a}: ${count(d.packets.ba)}`}</span>
			</p>
			<figure class="columns" role="img" aria-label={`Packets a day, each way, at most ${count(most)}: ${d.days.map((x, i) => `${dayOf(d.from + i * 86400)} ${x.ab} and ${x.ba}`).slice(-14).join("; ")}`}>
				<svg width="100%" height={2 * half + 2} viewBox={`0 0 ${d.days.length * 10} ${2 * half + 2}`} preserveAspectRatio="none" aria-hidden="true">
					{d.days.map((x, i) => (
						<g key={i}>
							<title>{`${dayOf(d.from + i * 86400)}: ${x.ab} and ${x.ba}`}</title>
							<rect class="fill-1" x={i * 10 + 0.8} width="8.4" y={half - up(x.ab)} height={up(x.ab)} />
							<rect class="fill-2" x={i * 10 + 0.8} width="8.4" y={half + 2} height={up(x.ba)} />
						</g>
					))}
				</svg>
				<div class="columns-axis" aria-hidden="true">{d.days.map((_, i) => <span key={i}>{i % every === 0 ? dayOf(d.from + i * 86400) : ""}</span>)}</div>
			</figure>
			<p class="dim">{`Packets a day (UTC), at most ${count(most)}.`}</p>
		</>
	);
}

const mean = (snr: number | null, n: number): string => (snr === null ? "–" : n < FEW ? `n = ${n}` : fixed(snr, 1));

function ByObserver({ d, a, b }: { d: Answer; a: string; b: string }) {
	const list = [...d.observers].sort((x, y) => y.ab + y.ba - x.ab - x.ba);
	return (
		<>
			<h4>{`Seen by ${plural(list.length, "observer")}`}</h4>
			<div class="scroll-x" tabIndex={0}>
				<table class="list">
					<thead>
						<tr>
							<th>Observer</th><th class="right" title={`${a} → ${b}`}>There</th><th class="right" title={`${b} → ${a}`}>Back</th>
							<th class="right" title={`dB, where the observer is ${b}`}>SNR there</th><th class="right" title={`dB, where the observer is ${a}`}>SNR back</th><th class="right">Last</th>
						</tr>
					</thead>
					<tbody>
						{list.slice(0, 20).map((o) => (
							<tr key={o.id}>
								<td><a href={`/observers/${encodeURIComponent(o.id)}`}>{o.name ?? shortKey(o.id)}</a></td>
								<td class="right">{count(o.ab)}</td><td class="right">{count(o.ba)}</td>
								<td class="right">{mean(o.snr_ab, o.snr_ab_n)}</td><td class="right">{mean(o.snr_ba, o.snr_ba_n)}</td><td class="right"><Ago at={o.last} /></td>
							</tr>
						))}
					</tbody>
				</table>
			</div>
			{list.length > 20 && <p class="dim">{`and ${count(list.length - 20)} more`}</p>}
			<p class="dim">{`There: ${a} was heard by ${b}. SNR only where the observer itself is the end that heard.`}</p>
		</>
	);
}

function Samples({ d, a, b }: { d: Answer; a: string; b: string }) {
	return (
		<>
			<h4>{`The newest ${d.samples.length === 1 ? "packet" : plural(d.samples.length, "packet")}`}</h4>
			<ul class="plain">
				{d.samples.map((s) => (
					<li key={`${s.hash}${s.ab}`}>
						<a href={`/packets/${s.hash}?t=all`}><code>{s.hash.slice(0, 8)}</code></a>{` ${typeWord(s.type)}, ${s.ab ? a : b} → ${s.ab ? b : a} `}
						<span class="dim">{`${howWords(s.how, s.bytes)}${s.observer ? `, by ${observerName(s.observer)}` : ""}${s.snr !== null ? `, ${fixed(s.snr, 1, "dB")}` : ""} `}<Ago at={s.at} /></span>
					</li>
				))}
			</ul>
		</>
	);
}
