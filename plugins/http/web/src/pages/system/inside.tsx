// SPDX-License-Identifier: MIT
//
// What only the operator may see: the last lines of the daemon's log, and the options that are in
// force, with where each one comes from. Secrets never leave the daemon.
import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { ApiError, apiKey, request } from "../../lib/api";
import { clock, count } from "../../lib/format";
import { param, setQuery } from "../../lib/router";
import { now } from "../../lib/time";
import { Button, download } from "../../ui/page";
import { Badge, Notice, Skeleton, type Kind } from "../../ui/state";
import { withKey } from "./key";

interface Option {
	name: string;
	value: string;
	/** Of the configuration's file; 0: a default. */
	line: number;
	live: boolean;
}
interface Line {
	time_us: number;
	level: number;
	area: string;
	text: string;
}
interface Details {
	options: Record<string, Option[]>;
	log: Line[];
}

const EVERY_MS = 5000;
const LEVELS: [word: string, kind: Kind][] = [["error", "bad"], ["warning", "warn"], ["info", "off"], ["debug", "off"]];

/** Asked for while there is a key, and again while the page is visible. */
export function useDetails() {
	const state = useSignal<{ data: Details | null; error: ApiError | null; at: number }>({ data: null, error: null, at: 0 });
	const key = apiKey.value;
	useEffect(() => {
		if (!key) return void (state.value = { data: null, error: null, at: 0 });
		const abort = new AbortController();
		let timer = 0;
		const ask = async (): Promise<void> => {
			try {
				if (!document.hidden || state.peek().data === null) {
					const answer = await request("/api/live/details", { headers: { "X-API-Key": key }, signal: abort.signal });
					state.value = { data: (await answer.json()) as Details, error: null, at: Date.now() };
				}
			} catch (e) {
				if (abort.signal.aborted) return;
				const error = e instanceof ApiError ? e : new ApiError(0, "the answer makes no sense");
				state.value = { ...state.peek(), error };
				if (error.status === 401 || error.status === 403) return;
			}
			timer = window.setTimeout(() => void ask(), EVERY_MS);
		};
		void ask();
		return () => {
			abort.abort();
			clearTimeout(timer);
		};
	}, [key]);
	return state.value;
}

function why(e: ApiError): string {
	if (e.status === 401) return "The key is not right.";
	if (e.status === 403) return "This daemon has no key (option api_key of the plugin http), so nobody is shown this.";
	return `It cannot be had: ${e.message}.`;
}

/** What is shown until there is something: a question for the key, or why there is nothing. */
export function Before({ error }: { error: ApiError | null }) {
	const ask = () => {
		apiKey.value = "";
		withKey(() => {});
	};
	if (!apiKey.value || error?.status === 401) {
		return (
			<div class="card">
				{error && <Notice kind="bad">{why(error)}</Notice>}
				<p>The log and the options tell about the machine and its people: they are shown to who has the operator's key.</p>
				<Button icon="lock" label="Give the operator's key" text="Give the key" onClick={ask} />
			</div>
		);
	}
	return error ? <Notice kind="bad">{why(error)}</Notice> : <Skeleton what="log and options" />;
}

/** "plugin rx" and, of what the core says about it, "core: plugin rx: …". */
const isOf = (l: Line, plugin: string): boolean => l.area === `plugin ${plugin}` || (l.area === "core" && l.text.startsWith(`plugin ${plugin}:`));

const speaker = (l: Line): string => (l.area.startsWith("plugin ") ? l.area.slice(7) : l.area);

export function LogLines({ lines }: { lines: Line[] }) {
	if (lines.length === 0) return <p class="dim">No line of the last ones.</p>;
	return (
		<ol class="log" tabIndex={0} aria-label="Lines of the log, the newest first">
			{[...lines].reverse().map((l, i) => {
				const [word, kind] = LEVELS[l.level] ?? LEVELS[2]!;
				return (
					<li key={`${l.time_us}-${lines.length - i}`} class={l.level < 2 ? kind : ""}>
						<span class="dim">{clock(l.time_us / 1e6, now.value, true)}</span>
						{l.level < 2 ? <Badge kind={kind}>{word}</Badge> : <span class="dim">{word}</span>}
						<b>{speaker(l)}</b> <span class="wrap">{l.text}</span>
					</li>
				);
			})}
		</ol>
	);
}

function OptionTable({ options }: { options: Option[] }) {
	return (
		<div class="scroll-x" tabIndex={0}>
			<table class="list">
				<thead><tr><th>Option</th><th>Value</th><th>From</th><th>A change</th></tr></thead>
				<tbody>
					{options.map((o) => (
						<tr key={o.name}>
							<td><code>{o.name}</code></td><td class="wrap">{o.value === "***" ? <Badge kind="off">secret</Badge> : <code class="wrap">{o.value}</code>}</td>
							<td>{o.line > 0 ? `line ${o.line}` : <span class="dim">default</span>}</td>
							<td>{o.live ? "at once" : <span class="dim">restarts it</span>}</td>
						</tr>
					))}
				</tbody>
			</table>
		</div>
	);
}

/** Those that the file sets, or all of them. */
function Shown({ options, all }: { options: Option[]; all: boolean }) {
	if (options.length === 0) return <p class="dim">It has none, or it is off.</p>;
	const some = all ? options : options.filter((o) => o.line > 0);
	if (some.length === 0) return <p class="dim">{`Nothing is set: all ${options.length} have their defaults.`}</p>;
	return <OptionTable options={some} />;
}

/** Both for one plugin, in its drawer. */
export function Inside({ plugin }: { plugin: string }) {
	const { data, error } = useDetails();
	const all = useSignal(false);
	if (!apiKey.value) {
		return (
			<section>
				<h3>Options and log</h3>
				<Button icon="lock" label={`Give the key to see them: options and log of ${plugin}`} text="Give the key to see them" onClick={() => withKey(() => {})} />
			</section>
		);
	}
	const options = data?.options[plugin] ?? [];
	return (
		<>
			<section>
				<div class="row spread">
					<h3>Options in force</h3>
					<label class="check"><input type="checkbox" checked={all.value} onChange={(e) => (all.value = e.currentTarget.checked)} />defaults, too</label>
				</div>
				{data ? <Shown options={options} all={all.value} /> : <Before error={error} />}
			</section>
			{data && <section><h3>What it has logged, and why it was started again</h3><LogLines lines={data.log.filter((l) => isOf(l, plugin)).slice(-200)} /></section>}
		</>
	);
}

export function LogView() {
	const { data, error, at } = useDetails();
	const plugin = param("of"), least = param("level") || "3", q = param("q").toLowerCase();
	if (!data) return <div class="scroll"><Before error={error} /></div>;
	const speakers = [...new Set([...Object.keys(data.options), ...data.log.map(speaker)])].sort();
	const lines = data.log.filter((l) => (!plugin || isOf(l, plugin) || l.area === plugin) && l.level <= Number(least) && (!q || `${l.area} ${l.text}`.toLowerCase().includes(q)));
	return (
		<div class="scroll">
			<div class="toolbar">
				<label class="pick-inline">Of <select value={plugin} onChange={(e) => setQuery({ of: e.currentTarget.value })}><option value="">everybody</option>{speakers.map((s) => <option key={s} value={s}>{s}</option>)}</select></label>
				<label class="pick-inline">Level <select value={least} onChange={(e) => setQuery({ level: e.currentTarget.value === "3" ? "" : e.currentTarget.value })}><option value="3">all</option><option value="1">warnings and errors</option><option value="0">errors</option></select></label>
				<label class="pick-inline grow">Has <input type="text" data-filter class="grow" value={param("q")} onInput={(e) => setQuery({ q: e.currentTarget.value })} /></label>
				<Button icon="export" label="Save these lines" onClick={() => download("meshkern.log", "text/plain", lines.map((l) => `${new Date(l.time_us / 1000).toISOString()} ${LEVELS[l.level]?.[0] ?? l.level} ${l.area}: ${l.text}`).join("\n"))} />
			</div>
			{error && <Notice kind="warn">{`As of ${clock(at / 1000, now.value)}. ${why(error)}`}</Notice>}
			<p class="count" role="status">{`${count(lines.length)} of the last ${count(data.log.length)} lines`}</p>
			<LogLines lines={lines} />
		</div>
	);
}

export function OptionsView() {
	const { data, error, at } = useDetails();
	const all = param("all") === "1", plugin = param("of");
	if (!data) return <div class="scroll"><Before error={error} /></div>;
	const shown = Object.entries(data.options).filter(([name]) => !plugin || name === plugin);
	return (
		<div class="scroll">
			<div class="toolbar">
				<label class="pick-inline">Of <select value={plugin} onChange={(e) => setQuery({ of: e.currentTarget.value })}><option value="">all plugins</option>{Object.keys(data.options).map((s) => <option key={s} value={s}>{s}</option>)}</select></label>
				<label class="check"><input type="checkbox" checked={all} onChange={(e) => setQuery({ all: e.currentTarget.checked ? 1 : "" })} />defaults, too</label>
			</div>
			{error && <Notice kind="warn">{`As of ${clock(at / 1000, now.value)}. ${why(error)}`}</Notice>}
			<p class="dim">Read only: the file is the place to change them; <code>meshkern reload</code> brings a change into force.</p>
			{shown.map(([name, options]) => (
				<section class="card" key={name}>
					<h2>{name}</h2>
					<Shown options={options} all={all} />
				</section>
			))}
		</div>
	);
}
