// SPDX-License-Identifier: MIT
//
// Messages of the bus as they come: a subscriber like any other, which shows a part of them if there
// are many, and says so.
import { useEffect, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { apiKey, useApi } from "../../lib/api";
import { listen, more, offered, type Message } from "../../lib/events";
import { clock, count } from "../../lib/format";
import { useKeys } from "../../lib/keys";
import { param, setQuery } from "../../lib/router";
import { Button, download } from "../../ui/page";
import { access, NeedsKey } from "./key";
import { Body } from "./message";

const KEPT = 1000;
const SHOWN = 60;
const PER_SECOND = 20;
/** Subtrees that say more together, where nobody has to know the names below. */
const TREES = ["core/", "storage/", "snapshot/"];

const SAMPLES: [id: string, words: string][] = [["all", "all"], ["20s", "20 a second at most"], ["10", "one in 10"], ["100", "one in 100"]];

/** Does the message have the text in it, or the value at the path: `items.type=4`? */
function fits(m: Message, q: string): boolean {
	if (q === "") return true;
	const pair = /^([\w.]+)\s*=\s*(.+)$/.exec(q);
	if (!pair) return JSON.stringify(m.body).toLowerCase().includes(q.toLowerCase());
	return values(m.body, pair[1]!.split(".")).some((v) => String(v).toLowerCase() === pair[2]!.trim().toLowerCase());
}

function values(v: unknown, path: string[]): unknown[] {
	if (Array.isArray(v)) return v.flatMap((x) => values(x, path));
	if (path.length === 0) return [v];
	if (typeof v !== "object" || v === null) return [];
	return values((v as Record<string, unknown>)[path[0]!], path.slice(1));
}

export function Inspector() {
	const topic = param("topic") || "packet/stored";
	const q = param("q"), sample = param("sample") || "20s";
	const kept = useRef<Message[]>([]);
	const counts = useRef({ came: 0, fit: 0, lost: 0 });
	const version = useSignal(0);
	const paused = useSignal(false), step = useRef(false);
	const open = useSignal<string>(""), refused = useSignal("");
	const bus = useApi<{ topics: { name: string }[] }>("/api/bus", 30000);
	const way = access(topic), key = way === "key" ? apiKey.value : "";
	const latest = useRef({ q, sample });
	latest.current = { q, sample };
	useEffect(() => {
		kept.current = [];
		counts.current = { came: 0, fit: 0, lost: 0 };
		refused.value = "";
		version.value++;
		// It was held for what was being read, which is gone.
		if (open.peek() !== "") [open.value, paused.value] = ["", false];
		if (way === "closed" ? offered.peek().length > 0 : way === "key" && !key) return;
		let second = 0, inSecond = 0, timer = 0;
		const draw = (): void => {
			timer ||= window.setTimeout(() => {
				timer = 0;
				version.value++;
			}, 200);
		};
		const stop = listen(topic, {
			retained: true,
			message: (m) => {
				const c = counts.current, { q: text, sample: part } = latest.current;
				c.came++;
				if (paused.peek() && !step.current) return draw();
				if (!fits(m, text)) return draw();
				c.fit++;
				const at = Math.floor(Date.now() / 1000);
				if (at !== second) [second, inSecond] = [at, 0];
				if (part === "20s" ? inSecond >= PER_SECOND : part !== "all" && c.fit % Number(part) !== 0) return draw();
				inSecond++;
				step.current = false;
				kept.current.push(m);
				if (kept.current.length > KEPT) kept.current.splice(0, kept.current.length - KEPT);
				draw();
			},
			gap: (_, lost) => {
				counts.current.lost += Math.max(1, lost);
				draw();
			},
			...(key ? { key, refused: (why: string) => void (refused.value = why) } : {}),
		});
		return () => {
			stop();
			clearTimeout(timer);
		};
	}, [topic, way, key]);
	useKeys({ space: () => void (paused.value = !paused.value) }, [{ keys: "space", words: "pause or go on" }]);
	void version.value;
	const list = kept.current.slice(-SHOWN).reverse();
	const id = (m: Message): string => `${m.topic}-${m.epoch}-${m.seq}`;
	const c = counts.current;
	// What is being read does not move away.
	const look = (which: string): void => {
		open.value = open.value === which ? "" : which;
		if (open.value !== "") paused.value = true;
	};
	const known = (bus.value.data?.topics ?? []).map((t) => t.name).filter((t) => more.value || access(t) === "open");
	const topics = [...new Set([topic, "packet/stored", ...TREES.filter((t) => access(t) === "open"), ...offered.value.filter((t) => !t.endsWith("/")), ...known])].sort();
	return (
		<>
			<div class="toolbar">
				<label class="pick-inline">Topic <select value={topic} onChange={(e) => setQuery({ topic: e.currentTarget.value })}>{topics.map((t) => <option key={t} value={t}>{access(t) === "key" ? `${t} (with the key)` : t}</option>)}</select></label>
				<label class="pick-inline grow">Has <input type="text" data-filter class="grow" placeholder="a text, or items.type=4" value={q} onInput={(e) => setQuery({ q: e.currentTarget.value })} /></label>
				<label class="pick-inline">Show <select value={sample} onChange={(e) => setQuery({ sample: e.currentTarget.value === "20s" ? "" : e.currentTarget.value })}>{SAMPLES.map(([s, w]) => <option key={s} value={s}>{w}</option>)}</select></label>
				<Button icon={paused.value ? "play" : "pause"} label={paused.value ? "Go on" : "Pause"} pressed={paused.value} onClick={() => (paused.value = !paused.value)} />
				{paused.value && <Button icon="right" label="The next one" onClick={() => void (step.current = true)} />}
				<Button icon="export" label={`Save the last ${count(kept.current.length)} as NDJSON`} onClick={() => download(`${topic.replaceAll("/", "-")}.ndjson`, "application/x-ndjson", kept.current.map((m) => JSON.stringify(m)).join("\n"))} />
			</div>
			<NeedsKey topics={way === "open" ? [] : [topic]} refused={refused.value} so="" />
			<p class="count" role="status">{`${count(c.came)} came, ${count(c.fit)} fit, ${count(kept.current.length)} kept, ${count(list.length)} shown${c.lost > 0 ? `, ${count(c.lost)} lost` : ""}${paused.value ? ", paused" : ""}`}</p>
			<ol class="bus-messages">
				{list.map((m) => (
					<li key={id(m)}>
						<button type="button" class="bus-message" aria-expanded={open.value === id(m)} onClick={() => look(id(m))}>
							<span class="dim">{clock(m.time_us / 1e6, Date.now() / 1000, true)}</span> <code>{m.topic}</code> <span class="dim">{`#${m.seq} ${m.origin}`}</span>
							{m.retained && <span class="badge off">last value</span>}{m.delta && <span class="badge off">change</span>}
							<span class="ellipsis grow dim mono">{brief(m.body)}</span>
						</button>
						{open.value === id(m) && <Body m={m} />}
					</li>
				))}
			</ol>
			{list.length === 0 && (way === "open" || key) && !refused.value && <p class="dim">{paused.value ? "Paused: what comes is not kept." : "Nothing yet."}</p>}
		</>
	);
}

function brief(body: unknown): string {
	const text = JSON.stringify(body);
	return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}
