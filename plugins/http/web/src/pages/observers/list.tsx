// SPDX-License-Identifier: MIT
import type { Fields } from "../../lib/filter";
import { count, duration, fixed, shortKey, short } from "../../lib/format";
import { GONE, observerHealth } from "../../lib/health";
import { go, href, param, setQuery } from "../../lib/router";
import { NONE, type Table } from "../../lib/sets";
import { nodes, observers, useSet } from "../../lib/store";
import { now } from "../../lib/time";
import { List, withQuery } from "../../ui/list";
import { Button, copyText } from "../../ui/page";
import type { RowMenuOf } from "../../ui/rowmenu";
import { Ago, Badge } from "../../ui/state";
import type { ColumnDef } from "../../ui/table";
import { ObserverDrawer } from "./detail";

export const nameOf = (t: Table, r: number): string => t.text("name", r) || shortKey(t.text("id", r) ?? "");
export const healthOf = (t: Table, r: number) => t.has("active") && t.num("active", r) === 0 ? GONE : observerHealth(t.num("last", r), t.has("interval") ? t.num("interval", r) : NaN, now.peek());
const known = (v: number): number | null => (Number.isNaN(v) ? null : v);
const dash = <span class="dim">–</span>;
const RELAY: Record<number, string> = { 0: "listens", 1: "relays" };

const fields = (t: Table): Fields => ({
	name: { help: "any part of the name", column: "name" },
	id: { help: "any part of the id", column: "id" },
	region: { help: "its code", column: "region" },
	state: { help: "reporting, late, silent", text: (r) => healthOf(t, r).word },
	age: { help: "since it last reported: 15m, 2h", number: (r) => now.peek() - t.num("last", r), duration: true },
	hour: { help: "observations in the last hour", number: (r) => t.num("hour", r) },
	noise: { help: "noise floor, dBm", number: (r) => t.num("noise", r) },
	battery: { help: "volts", number: (r) => t.num("battery", r) / 1000 },
	model: { help: "of the device", column: "model" },
	firmware: { help: "version", column: "firmware" },
	radio: { help: "frequency, bandwidth, spreading, coding", column: "radio" },
});

const columns = (t: Table): ColumnDef[] => [
	{ id: "name", title: "Name", width: "minmax(180px, 2fr)", value: (r) => nameOf(t, r), cell: (r) => <a href={`/observers/${encodeURIComponent(t.text("id", r) ?? "")}`}>{nameOf(t, r)}</a> },
	{ id: "region", title: "Region", width: "74px", value: (r) => t.text("region", r), cell: (r) => t.text("region", r) ?? dash },
	{ id: "state", title: "State", width: "104px", help: "Told from how often it usually reports", value: (r) => healthOf(t, r).rank, cell: (r) => <Badge kind={healthOf(t, r).kind} title={healthOf(t, r).why}>{healthOf(t, r).word}</Badge> },
	{ id: "last", title: "Last report", width: "100px", right: true, value: (r) => t.num("last", r), cell: (r) => <Ago at={t.num("last", r)} /> },
	{ id: "interval", title: "Usually", width: "84px", right: true, help: "Its usual time between packets", value: (r) => known(t.num("interval", r)), cell: (r) => (Number.isNaN(t.num("interval", r)) ? dash : duration(t.num("interval", r))) },
	{ id: "hour", title: "Last hour", width: "84px", right: true, help: "Observations in the last hour", value: (r) => t.num("hour", r), cell: (r) => count(t.num("hour", r)) },
	{ id: "packets", title: "Packets", width: "84px", right: true, help: "Since it is known", value: (r) => t.num("packets", r), cell: (r) => short(t.num("packets", r)) },
	{ id: "noise", title: "Noise floor", width: "96px", right: true, value: (r) => known(t.num("noise", r)), cell: (r) => fixed(known(t.num("noise", r)), 0, "dBm") },
	{ id: "relay", title: "Mode", width: "76px", help: "Does it pass packets on?", value: (r) => RELAY[t.num("can_relay", r)] ?? null, cell: (r) => RELAY[t.num("can_relay", r)] ?? dash },
	{ id: "battery", title: "Battery", width: "76px", right: true, value: (r) => t.num("battery", r) || null, cell: (r) => (t.num("battery", r) ? `${(t.num("battery", r) / 1000).toFixed(2)} V` : dash) },
	{ id: "uptime", title: "Up", width: "66px", right: true, help: "Since its last start", value: (r) => t.num("uptime", r) || null, cell: (r) => (t.num("uptime", r) ? duration(t.num("uptime", r)) : dash) },
	{ id: "skew", title: "Clock", width: "86px", right: true, help: "How far its clock was from ours when it last sent times without a zone", value: (r) => t.num("skew", r) || null, cell: (r) => (t.num("skew", r) ? `${t.num("skew", r) > 0 ? "+" : "−"}${duration(Math.abs(t.num("skew", r)))}` : dash) },
	{ id: "model", title: "Model", width: "minmax(110px, 1fr)", value: (r) => t.text("model", r), cell: (r) => t.text("model", r) ?? dash },
	{ id: "firmware", title: "Firmware", width: "minmax(100px, 1fr)", value: (r) => t.text("firmware", r), cell: (r) => t.text("firmware", r) ?? dash },
	{ id: "radio", title: "Radio", width: "150px", value: (r) => t.text("radio", r), cell: (r) => t.text("radio", r) ?? dash },
	{ id: "first", title: "First report", width: "100px", right: true, value: (r) => t.num("first", r), cell: (r) => <Ago at={t.num("first", r)} /> },
	{ id: "id", title: "Id", width: "140px", mono: true, value: (r) => t.text("id", r), cell: (r) => shortKey(t.text("id", r) ?? "") },
];

const SHOWN = ["name", "region", "state", "last", "interval", "hour", "packets", "noise", "relay", "firmware"];

function Facets({ t }: { t: Table }) {
	const q = param("q");
	const tally = new Map<string, number>();
	for (let r = 0; r < t.rows; r++)
		for (const k of [`state:${healthOf(t, r).word}`, ...(t.text("region", r) ? [`region:${t.text("region", r)}`] : [])]) tally.set(k, (tally.get(k) ?? 0) + 1);
	const words = q.split(/\s+/).filter(Boolean);
	const toggle = (k: string) => {
		const rest = words.filter((w) => !w.startsWith(k.split(":")[0]! + ":"));
		setQuery({ q: (words.includes(k) ? rest : [...rest, k]).join(" ") });
	};
	return <>{[...tally].sort(([a], [b]) => (a < b ? 1 : -1)).slice(0, 16).map(([k, n]) => (
		<button key={k} type="button" class="chip" aria-pressed={words.includes(k)} onClick={() => toggle(k)}>{k.split(":")[1]} <small>{count(n)}</small></button>
	))}</>;
}

/** The node that has the same key as an observer; null: none. */
export function nodeOf(t: Table, r: number): string | null {
	const row = t.num("node", r), n = nodes.state.peek().table;
	const id = (t.text("id", r) ?? "").toLowerCase();
	if (nodes.find(id) >= 0) return id;
	return row !== NONE[4] && t.has("node") && n && row < n.rows && n.hex("key", row) === id ? id : null;
}

function menuOf(t: Table, r: number): RowMenuOf {
	const id = t.text("id", r) ?? "", node = nodeOf(t, r), here = `/observers/${encodeURIComponent(id)}`;
	return {
		title: nameOf(t, r),
		actions: [
			{ icon: "observers", words: "Open", run: () => go(withQuery(here)) },
			{ icon: "packets", words: "Packets that it heard", run: () => go(href("/packets", { q: `observer:${id}`, t: "all" })) },
			...(node ? [{ icon: "map" as const, words: "Show it on the map", run: () => go(`/map?n=${node}`) }] : []),
			{ icon: "copy", words: "Copy its id", run: () => void copyText(id) },
			{ icon: "link", words: "Copy its address", run: () => void copyText(location.origin + here) },
		],
	};
}

export function ObserverList({ open, tab }: { open: string | null; tab: string }) {
	const state = useSet(observers, 500);
	return (
		<List
			what="observers" state={state} fields={fields} words={() => ["name", "id", "region", "model"]} columns={columns} shown={SHOWN} sort="-last"
			rowKey={(t, r) => t.text("id", r) ?? r} placeholder="name, region:BRU state:silent …"
			isOpen={(t, r) => open !== null && t.text("id", r) === open}
			onOpen={(t, r) => go(withQuery(`/observers/${encodeURIComponent(t.text("id", r) ?? "")}${tab === "overview" ? "" : `/${tab}`}`))}
			facets={state.table && <Facets t={state.table} />}
			actions={(ids, clear) => (
				<>
					<span>{count(ids.length)} selected</span>
					<Button label="Compare what they hear" icon="swap" text="Compare" disabled={ids.length < 2 || ids.length > 4} onClick={() => go(href("/observers/compare", { ids: ids.join("~") }))} />
					<Button label="Select none" icon="close" text="None" onClick={clear} />
				</>
			)}
			narrow={(t, r) => (
				<div class="two">
					<span>{nameOf(t, r)}</span><Ago at={t.num("last", r)} />
					<span>{t.text("region", r) ?? "no region"} · {count(t.num("hour", r))} in the last hour</span>
					<span><Badge kind={healthOf(t, r).kind}>{healthOf(t, r).word}</Badge></span>
				</div>
			)}
			menu={menuOf}
			drawer={open && <ObserverDrawer key={open} id={open} tab={tab} />}
		/>
	);
}
