// SPDX-License-Identifier: MIT
//
// One reception on its way: received, on the bus, decoded, stored, here; and how long each step takes.
// It is the same everywhere by the observer and the microsecond in which it was received.
import { useEffect, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { apiKey } from "../../lib/api";
import { listen, type Message } from "../../lib/events";
import { clock, count } from "../../lib/format";
import { useKeys } from "../../lib/keys";
import { typeWord } from "../../lib/palette";
import { param, setQuery } from "../../lib/router";
import { observerName, observers, useSet } from "../../lib/store";
import { now } from "../../lib/time";
import { Button } from "../../ui/page";
import { Figure } from "../../ui/state";
import { access, NeedsKey } from "./key";

interface Item {
	at?: number;
	observer?: string;
	hash?: string;
	type?: number;
}
/** When it was where, microseconds of Unix time. */
interface Trip {
	at: number;
	observer: string;
	hash: string;
	type: number;
	raw?: number;
	decoded?: number;
	stored?: number;
	here?: number;
}

const TOPICS = [["rx/raw", "raw"], ["packet/decoded", "decoded"], ["packet/stored", "stored"]] as const;
const STEPS: [id: "raw" | "decoded" | "stored" | "here", title: string, words: string][] = [
	["raw", "On the bus", "until the source has published it as rx/raw"], ["decoded", "Decoded", "until decode has published it as packet/decoded"],
	["stored", "Stored", "until storage has committed it and published packet/stored"], ["here", "Here", "until this page had it, by the clock of this computer"],
];
const KEPT = 1000;
const SHOWN = 60;
const FEW = 10;

const ms = (us: number): string => `${(us / 1000).toFixed(Math.abs(us) < 10000 ? 1 : 0)} ms`.replace("-", "−");

/** Time of a step: since the last one before it that is known. */
function took(t: Trip, i: number): number | undefined {
	const until = t[STEPS[i]![0]];
	if (until === undefined) return undefined;
	for (let k = i - 1; k >= 0; k--) if (t[STEPS[k]![0]] !== undefined) return until - t[STEPS[k]![0]]!;
	return until - t.at;
}

function quantile(list: number[], q: number): number {
	return list[Math.min(list.length - 1, Math.floor(q * list.length))] ?? NaN;
}

export function Follow() {
	const trips = useRef(new Map<string, Trip>());
	const version = useSignal(0), paused = useSignal(false), refused = useSignal(""), lost = useSignal(0);
	const q = param("q").trim().toLowerCase();
	useSet(observers, 5000);
	const key = apiKey.value;
	const may = ([topic]: readonly [string, string]): boolean => access(topic) === "open" || (access(topic) === "key" && key !== "");
	const topics = TOPICS.filter(may);
	useEffect(() => {
		let timer = 0;
		refused.value = "";
		lost.value = 0;
		const take = (m: Message<{ items?: Item[] }>, step: "raw" | "decoded" | "stored"): void => {
			if (paused.peek() || m.replayed) return;
			const here = Date.now() * 1000, all = trips.current;
			for (const item of m.body.items ?? []) {
				if (!item.at) continue;
				const key = `${item.observer ?? ""} ${item.at}`;
				const t = all.get(key) ?? { at: item.at, observer: item.observer ?? "", hash: "", type: 255 };
				all.delete(key);
				all.set(key, t);
				t[step] = m.time_us;
				t.hash = item.hash ?? t.hash;
				t.type = item.type ?? t.type;
				if (step === "stored") t.here = here;
			}
			for (const key of all.keys()) {
				if (all.size <= KEPT) break;
				all.delete(key);
			}
			timer ||= window.setTimeout(() => {
				timer = 0;
				version.value++;
			}, 400);
		};
		const stops = topics.map(([topic, step]) => listen<{ items?: Item[] }>(topic, {
			message: (m) => take(m, step),
			gap: (_, n) => void (lost.value += Math.max(1, n)),
			...(access(topic) === "key" ? { key, refused: (why: string) => void (refused.value = why) } : {}),
		}));
		return () => {
			stops.forEach((f) => f());
			clearTimeout(timer);
		};
	}, [topics.map(([t]) => t).join(), key]);
	useKeys({ space: () => void (paused.value = !paused.value) }, [{ keys: "space", words: "pause or go on" }]);
	void version.value;
	const fits = (t: Trip): boolean => !q || t.hash.startsWith(q) || observerName(t.observer).toLowerCase().includes(q);
	const all = [...trips.current.values()].reverse();
	const list = all.filter(fits);
	const needed = TOPICS.map(([t]) => t).filter((t) => access(t) !== "open");
	const shown = STEPS.filter(([id]) => id === "here" || topics.some(([topic, step]) => step === id && (access(topic) === "open" || refused.value === "")));
	return (
		<>
			<div class="toolbar">
				<label class="pick-inline grow">Follow <input type="text" data-filter class="grow" placeholder="the beginning of a hash, or an observer" value={param("q")} onInput={(e) => setQuery({ q: e.currentTarget.value })} /></label>
				<Button icon={paused.value ? "play" : "pause"} label={paused.value ? "Go on" : "Pause"} pressed={paused.value} onClick={() => (paused.value = !paused.value)} />
			</div>
			<NeedsKey topics={needed} refused={refused.value} so=": without them their time is counted in the next step" />
			<div class="figures">
				{shown.map(([id, title, words]) => {
					const times = list.map((t) => took(t, STEPS.findIndex(([s]) => s === id))).filter((x): x is number => x !== undefined).sort((a, b) => a - b);
					return <Figure key={id} name={title} value={times.length < FEW ? "too few" : ms(quantile(times, 0.5))} note={<span title={words}>{times.length < FEW ? `n = ${times.length}` : `95 of 100 within ${ms(quantile(times, 0.95))}`}</span>} />;
				})}
			</div>
			<p class="count" role="status">{`${count(Math.min(SHOWN, list.length))} of the last ${count(all.length)} receptions${lost.value > 0 ? `; ${count(lost.value)} messages were too many to be shown` : ""}${paused.value ? ", paused" : ""}`}</p>
			<div class="card scroll-x" tabIndex={0}>
				<table class="list follow">
					<thead><tr><th>Received</th><th>Packet</th><th>By</th>{shown.map(([id, title, words]) => <th key={id} class="right" title={words}>{title}</th>)}<th class="right">Altogether</th></tr></thead>
					<tbody>
						{list.slice(0, SHOWN).map((t) => (
							<tr key={`${t.observer} ${t.at}`}>
								<td class="dim">{clock(t.at / 1e6, now.value, true)}</td>
								<td>{t.hash ? <><a href={`/packets/${t.hash}?t=all`}><code>{t.hash.slice(0, 8)}</code></a> {typeWord(t.type)}</> : <span class="dim">not decoded yet</span>}</td>
								<td>{observerName(t.observer) || "–"}</td>
								{shown.map(([id]) => {
									const us = took(t, STEPS.findIndex(([s]) => s === id));
									return <td key={id} class="right">{us === undefined ? <span class="dim">–</span> : ms(us)}</td>;
								})}
								<td class="right">{t.here !== undefined ? ms(t.here - t.at) : t.stored !== undefined ? ms(t.stored - t.at) : <span class="dim">on its way</span>}</td>
							</tr>
						))}
					</tbody>
				</table>
				{list.length === 0 && <p class="dim">{all.length === 0 ? "Nothing came yet." : "None of them fits: it may come again."}</p>}
			</div>
		</>
	);
}
