// SPDX-License-Identifier: MIT
//
// The plugins: what runs, how busy each one is, what hangs on it, and the switch.
import { useEffect, useMemo, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { useApi } from "../../lib/api";
import { covers, listen } from "../../lib/events";
import { bytes, clock, count, short, duration, fixed, percent } from "../../lib/format";
import { param, setQuery } from "../../lib/router";
import { now } from "../../lib/time";
import { Spark } from "../../ui/chart";
import { Button, Drawer } from "../../ui/page";
import { Ago, Badge, Facts, Honest, Notice, type Kind } from "../../ui/state";
import { Grid, type ColumnDef } from "../../ui/table";
import { BeatLegend, Beats, usePast, type Past } from "./hour";
import { Inside } from "./inside";
import { useAction } from "./key";

export interface Plugin {
	name: string;
	plugin: string;
	version: string;
	summary: string;
	state: string;
	reason: string;
	isolation: string;
	path: string;
	builtin: boolean;
	enabled: boolean;
	pid: number;
	rss_bytes: number;
	since_us: number;
	restarts: number;
	crashes: number;
	subscribes: string[];
	publishes: string[];
	in: number;
	out: number;
	refused: number;
	throttled: number;
	gaps: number;
	lost: number;
	lag: number;
	misbehaved: number;
	last_misbehaviour: string;
	outbox: { first: number; last: number; bytes: number; max_bytes: number; refused: number; damaged: number } | null;
	numbers: Record<string, number>;
	callback: string;
	callback_us: number;
}

const STATES: Record<string, [Kind, string]> = {
	running: ["good", "running"], starting: ["info", "starting"], draining: ["info", "stopping"], backoff: ["warn", "waits to start again"],
	quarantined: ["bad", "given up"], stuck: ["bad", "stuck"], disabled: ["off", "off"],
};
export const stateOf = (p: Plugin): [Kind, string] => STATES[p.state] ?? ["warn", p.state];

/** What is missing while a plugin does not run. */
const LOSS: Record<string, string> = {
	mqtt: "Nothing comes in from the brokers; they keep messages as far as they are set up to.",
	decode: "Packets wait on the bus and are decoded when it runs again, as far as the ring reaches.",
	storage: "Nothing is written. What came in waits in the outboxes of the sources.",
	neighbors: "Links and their evidence stay as they were.",
	mbcap: "What is known of multi-byte capability stays as it was.",
	analytics: "Airtime, scopes, damaged copies and the figures of nodes and observers are not there.",
	backfill: "Work on old rows waits.",
	sim: "The synthetic mesh is silent.",
	http: "This page cannot be reached any more; start it again with the command line.",
};

const SAMPLES = 60;

/** How fast a counter of each plugin grows, a second, since the page was opened. */
function useRates(items: Plugin[] | undefined, counter: (p: Plugin) => number): Map<string, number[]> {
	const rates = useRef(new Map<string, number[]>());
	const last = useRef<{ at: number; sums: Map<string, number> } | null>(null);
	useMemo(() => {
		if (!items) return;
		const at = performance.now();
		const sums = new Map(items.map((p) => [p.name, counter(p)]));
		const before = last.current;
		if (before && at - before.at < 500) return;
		for (const [name, sum] of before ? sums : []) {
			const rate = Math.max(0, (sum - (before!.sums.get(name) ?? sum)) / ((at - before!.at) / 1000));
			rates.current.set(name, [...(rates.current.get(name) ?? []), rate].slice(-SAMPLES));
		}
		last.current = { at, sums };
	}, [items]);
	return rates.current;
}

export function Plugins() {
	const live = useApi<{ items: Plugin[] }>("/api/live/plugins", 5000);
	const told = useApi<{ items: Plugin[] }>(live.value.error?.missing ? "/api/plugins" : null, 5000);
	const state = live.value.error?.missing ? told : live;
	const items = state.value.data?.items;
	const rates = useRates(items, (p) => p.in + p.out), cpus = useRates(items, (p) => p.numbers.cpu_us ?? 0);
	const action = useAction();
	const past = usePast();
	const open = param("plugin");
	// A change of state is told at once: look then, and not only every 5 s.
	useEffect(() => listen("core/plugins", { message: () => state.peek().refresh() }), [state]);
	const busy = action.busy;
	useEffect(() => {
		if (busy === "") state.peek().refresh();
	}, [busy]);
	const order = useMemo(() => (items ?? []).map((_, i) => i), [items?.length]);
	const rate = (p: Plugin): number => rates.get(p.name)?.at(-1) ?? NaN;
	const cpu = (p: Plugin): number => (p.numbers.cpu_us === undefined ? NaN : (cpus.get(p.name)?.at(-1) ?? NaN) / 1e6);
	const columns: ColumnDef[] = [
		{ id: "name", title: "Plugin", width: "minmax(110px, 1fr)", cell: (i) => <><strong>{items![i]!.name}</strong>{items![i]!.name !== items![i]!.plugin && <span class="dim">{` (${items![i]!.plugin})`}</span>}</> },
		{ id: "state", title: "State", width: "minmax(110px, 0.8fr)", cell: (i) => <Badge kind={stateOf(items![i]!)[0]} title={items![i]!.reason}>{stateOf(items![i]!)[1]}</Badge> },
		{ id: "since", title: "Since", width: "92px", right: true, cell: (i) => <Ago at={items![i]!.since_us / 1e6} /> },
		{ id: "rate", title: "Messages/s", width: "94px", right: true, help: "In and out", cell: (i) => fixed(rate(items![i]!), 1) },
		{ id: "spark", title: "Since you look", width: "136px", cell: (i) => <Spark values={rates.get(items![i]!.name) ?? []} label={`${items![i]!.name}: messages a second`} height={18} /> },
		{ id: "cpu", title: "CPU", width: "66px", right: true, help: "Of one processor, all its threads; since the last look", cell: (i) => percent(cpu(items![i]!), 1) },
		{ id: "lag", title: "Behind", width: "76px", right: true, help: "Messages that wait for it", cell: (i) => count(items![i]!.lag) },
		{ id: "lost", title: "Lost", width: "66px", right: true, help: "Messages it was told are gone", cell: (i) => (items![i]!.lost > 0 ? <span class="bad-text">{count(items![i]!.lost)}</span> : "0") },
		{ id: "restarts", title: "Restarts", width: "112px", right: true, help: "In 24 hours, of all since the daemon was started", cell: (i) => <Restarts p={items![i]!} past={past} /> },
		{ id: "memory", title: "Memory", width: "84px", right: true, help: "Of a process of its own", cell: (i) => (items![i]!.rss_bytes > 0 ? bytes(items![i]!.rss_bytes) : <span class="dim">shared</span>) },
		{ id: "version", title: "Version", width: "78px", cell: (i) => items![i]!.version },
		{ id: "does", title: "What it does", width: "minmax(200px, 2fr)", cell: (i) => <span title={items![i]!.summary}>{items![i]!.summary}</span> },
	];
	const chosen = items?.find((p) => p.name === open);
	return (
		<>
			{action.notice}
			{(items ?? []).filter((p) => p.state !== "running" && LOSS[p.plugin]).map((p) => (
				<Notice key={p.name} kind={p.enabled ? "warn" : "info"}>{`${p.name} ${p.enabled ? `is not running (${stateOf(p)[1]}${p.reason ? `: ${p.reason}` : ""})` : "is off"}. ${LOSS[p.plugin]}`}</Notice>
			))}
			<Honest state={state.value} has={items !== undefined} what="the list of plugins" owner="http">
				<div class={chosen ? "split with-drawer" : "split"}>
					<Grid
						label="Plugins" columns={columns} rows={order} rowKey={(i) => items![i]?.name ?? i} onOpen={(i) => setQuery({ plugin: items![i]!.name }, false)}
						open={(i) => items![i]?.name === open} rowHeight={34} rowClass={(i) => (items![i]?.state === "disabled" ? "faded" : "")}
						narrow={(i) => (
							<div class="two">
								<span><strong>{items![i]!.name}</strong></span><span><Badge kind={stateOf(items![i]!)[0]}>{stateOf(items![i]!)[1]}</Badge></span>
								<span>{items![i]!.summary}</span><span>{`${fixed(rate(items![i]!), 1)}/s`}</span>
							</div>
						)}
					/>
					{chosen && <Details p={chosen} all={items!} action={action} past={past} />}
				</div>
			</Honest>
		</>
	);
}

/** "2 of 5", with the crashes among them. */
function Restarts({ p, past }: { p: Plugin; past: Past | null }) {
	const day = past?.instances.find((x) => x.name === p.name);
	if (!day || !past) return <>{count(p.restarts)}</>;
	const words = `${count(day.restarts_24h)}${day.restarts_24h === p.restarts ? "" : ` of ${count(p.restarts)}`}`;
	const title = `${past.day ? "In 24 hours" : `Since ${clock(past.since_us / 1e6, now.value)}, when the server of the pages began to look`}: ${day.restarts_24h} restarts, ${day.crashes_24h} crashes. Since the daemon was started: ${p.restarts} and ${p.crashes}`;
	return day.crashes_24h > 0 ? <span class="bad-text" title={title}>{`${words}, ${count(day.crashes_24h)} crashed`}</span> : <span title={title}>{words}</span>;
}

function Details({ p, all, action, past }: { p: Plugin; all: Plugin[]; action: ReturnType<typeof useAction>; past: Past | null }) {
	const hour = past?.instances.find((x) => x.name === p.name);
	const sure = useSignal("");
	const path = (what: string): string => `/api/plugins/${encodeURIComponent(p.name)}/${what}`;
	const act = (what: string, words: string, warn = "") => (
		<Button
			label={`${sure.value === what ? `Really ${words.toLowerCase()}` : words} ${p.name}`} text={sure.value === what ? `Really ${words.toLowerCase()}` : words} kind={sure.value === what ? "danger" : ""} disabled={action.busy !== ""}
			onClick={() => {
				if (warn && sure.value !== what) return void (sure.value = what);
				sure.value = "";
				action.run(path(what), `${words} ${p.name}`);
			}}
		/>
	);
	const readers = all.filter((o) => o.name !== p.name && p.publishes.some((t) => o.subscribes.some((s) => covers(s, t) || covers(t, s))));
	const writers = all.filter((o) => o.name !== p.name && p.subscribes.some((t) => o.publishes.some((s) => covers(s, t) || covers(t, s))));
	const on = p.state !== "disabled";
	return (
		<Drawer title={p.name} label={`Plugin ${p.name}`} onClose={() => setQuery({ plugin: "" }, false)}>
			<p>{p.summary}</p>
			<div class="row">
				{on ? act("disable", "Switch off", "ask") : act("enable", "Switch on")}
				{on && act("restart", "Restart", p.plugin === "http" ? "ask" : "")}
				{p.state === "quarantined" && act("reset", "Forget its failures")}
			</div>
			{sure.value === "disable" && <Notice kind="warn">{LOSS[p.plugin] ?? "What it publishes stops."}</Notice>}
			{action.busy.startsWith(path("")) && <p role="status">Waiting until it is done…</p>}
			<p class="dim">Until the daemon stops; <code>enabled:</code> in the configuration decides about the next start.</p>
			<Facts
				items={[
					["State", <><Badge kind={stateOf(p)[0]}>{stateOf(p)[1]}</Badge> {p.reason}</>],
					["For", duration(now.value - p.since_us / 1e6)],
					["Version", `${p.plugin} ${p.version}`],
					["Runs", p.isolation === "process" ? `in a process of its own${p.pid ? `, ${p.pid}` : ""}` : "inside of the daemon"],
					["File", <code class="wrap">{p.path || "built in"}</code>],
					["Messages", `${count(p.in)} in, ${count(p.out)} out`],
					["Behind", `${count(p.lag)} messages`],
					["Gaps", `${count(p.gaps)}, ${count(p.lost)} messages lost`],
					["Refused", `${count(p.refused)} messages; ${count(p.throttled)} held up by its limit`],
					["CPU time", p.numbers.cpu_us === undefined ? "not told" : `${duration(p.numbers.cpu_us / 1e6)} since it was started`],
					["Restarts", `${hour ? `${count(hour.restarts_24h)} in 24 hours, ` : ""}${count(p.restarts)} in all, ${count(p.crashes)} after a crash`],
					...(hour && hour.most > 0 ? [["Most behind", `${count(hour.most)} messages, at ${clock(hour.most_us / 1e6, now.value)}`] as [string, string]] : []),
					...(p.misbehaved > 0 ? [["Misbehaved", `${count(p.misbehaved)} times, at last: ${p.last_misbehaviour}`] as [string, string]] : []),
					...(p.callback ? [["Is in", `${p.callback} for ${duration(p.callback_us / 1e6)}`] as [string, string]] : []),
				]}
			/>
			{hour && past && (
				<section>
					<h3>The last hour</h3>
					<Beats p={hour} seconds={past.beat_seconds} at={past.at_us} />
					<BeatLegend />
				</section>
			)}
			{p.outbox && (
				<section>
					<h3>Outbox</h3>
					<progress max={p.outbox.max_bytes} value={p.outbox.bytes} aria-label="Outbox" /> {`${bytes(p.outbox.bytes)} of ${bytes(p.outbox.max_bytes)}`}
					<p class="dim">{`What it has published and is not yet on disk: numbers ${count(p.outbox.first)} to ${count(p.outbox.last)}. ${count(p.outbox.refused)} refused, ${count(p.outbox.damaged)} damaged.`}</p>
				</section>
			)}
			<section>
				<h3>Gets its messages from</h3>
				<Names items={writers} none="nobody here" />
				<p class="dim">{p.subscribes.join("  ") || "It reads nothing from the bus."}</p>
				<h3>Who needs it</h3>
				<Names items={readers} none="nobody here" />
				<p class="dim">{p.publishes.join("  ") || "It publishes nothing."}</p>
			</section>
			<Inside plugin={p.name} />
			{Object.keys(p.numbers).length > 0 && (
				<section>
					<h3>Its numbers</h3>
					<dl class="numbers">{Object.entries(p.numbers).sort(([a], [b]) => (a < b ? -1 : 1)).map(([k, v]) => <div key={k}><dt>{k.replaceAll("_", " ")}</dt><dd>{k.endsWith("bytes") ? bytes(v) : short(v)}</dd></div>)}</dl>
				</section>
			)}
		</Drawer>
	);
}

function Names({ items, none }: { items: Plugin[]; none: string }) {
	if (items.length === 0) return <span class="dim">{none}</span>;
	return <div class="row">{items.map((o) => <button type="button" key={o.name} class="chip" onClick={() => setQuery({ plugin: o.name }, false)}>{o.name}</button>)}</div>;
}
