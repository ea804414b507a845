// SPDX-License-Identifier: MIT
import { count } from "../../lib/format";
import { pins, togglePin } from "../../lib/pins";
import { role } from "../../lib/palette";
import { go, href, param, setQuery } from "../../lib/router";
import type { Table } from "../../lib/sets";
import { nodes, useSet } from "../../lib/store";
import { RoleIcon } from "../../ui/icons";
import { asFile, List, withQuery } from "../../ui/list";
import { Button, copyText, download } from "../../ui/page";
import type { RowMenuOf } from "../../ui/rowmenu";
import { Ago } from "../../ui/state";
import { columns, fields, nameOf, ROLE_WORDS, SHOWN, State, stateOf } from "./columns";
import { NodeDrawer } from "./detail";

/** Roles and states as chips that put a condition into the filter. */
function Facets({ t }: { t: Table }) {
	const q = param("q");
	const tally = new Map<string, number>();
	const add = (k: string) => tally.set(k, (tally.get(k) ?? 0) + 1);
	for (let r = 0; r < t.rows; r++) {
		add(t.text("role", r) ?? "");
		add(stateOf(t, r).word);
	}
	const chips: [field: string, word: string, n: number][] = [
		...ROLE_WORDS.map((w): [string, string, number] => ["role", w, tally.get(w) ?? 0]),
		...["active", "quiet", "silent", "gone"].map((w): [string, string, number] => ["state", w, tally.get(w) ?? 0]),
		["pinned", "1", pins.value.filter((k) => nodes.find(k) >= 0).length],
	];
	const toggle = (field: string, word: string) => {
		const mine = `${field}:${word}`;
		const rest = q.split(/\s+/).filter((w) => w && !w.startsWith(`${field}:`));
		setQuery({ q: (q.split(/\s+/).includes(mine) ? rest : [...rest, mine]).join(" ") });
	};
	return (
		<>
			{chips.filter(([, , n]) => n > 0).map(([field, word, n]) => (
				<button key={field + word} type="button" class="chip" aria-pressed={q.split(/\s+/).includes(`${field}:${word}`)} onClick={() => toggle(field, word)}>
					{field === "role" && <RoleIcon role={role(word)} size={10} />}{field === "pinned" ? "my nodes" : word} <small>{count(n)}</small>
				</button>
			))}
		</>
	);
}

function menuOf(t: Table, r: number): RowMenuOf {
	const key = t.hex("key", r);
	return {
		title: nameOf(t, r),
		actions: [
			{ icon: "nodes", words: "Open", run: () => go(withQuery(`/nodes/${key}`)) },
			{ icon: "map", words: "Show it on the map", run: () => go(`/map?n=${key}`) },
			{ icon: "packets", words: "Packets from it", run: () => go(href("/packets", { q: `from:${key}`, t: "all" })) },
			{ icon: "pin", words: pins.value.includes(key) ? "Unpin it from Now" : "Pin it to Now", run: () => togglePin(key) },
			{ icon: "copy", words: "Copy its key", run: () => void copyText(key) },
			{ icon: "link", words: "Copy its address", run: () => void copyText(`${location.origin}/nodes/${key}`) },
		],
	};
}

/** All that is known of them, not only the columns that are shown. */
function save(t: Table, keys: string[]): void {
	const rows = Uint32Array.from(keys.map((k) => nodes.find(k)).filter((r) => r >= 0));
	download("nodes.csv", "text/csv", asFile("csv", columns(t), rows));
}

export function NodeList({ open, tab }: { open: string | null; tab: string }) {
	const state = useSet(nodes, 500);
	void pins.value;
	const isOpen = (t: Table, r: number) => open !== null && t.hex("key", r).startsWith(open);
	return (
		<List
			what="nodes" state={state} fields={fields} words={() => ["name", "key", "role"]} columns={columns} shown={SHOWN} sort="-last"
			rowKey={(t, r) => t.hex("key", r)} placeholder="name, beginning of a key, role:repeater age&lt;1h …" isOpen={isOpen}
			onOpen={(t, r) => go(withQuery(`/nodes/${t.hex("key", r)}${tab === "overview" ? "" : `/${tab}`}`))}
			rowClass={(t, r) => (stateOf(t, r).rank < 2 ? "faded" : "")}
			facets={state.table && <Facets t={state.table} />}
			actions={(keys, clear) => (
				<>
					<span>{count(keys.length)} selected</span>
					<Button label={keys.length > 6 ? "Compare them: six at most" : "Compare them"} icon="table" text="Compare" disabled={keys.length < 2 || keys.length > 6} onClick={() => go(href("/nodes/compare", { keys: keys.join(".") }))} />
					<Button label="Show them on the map" icon="map" text="Map" onClick={() => go(href("/map", { nodes: keys.join(".") }))} />
					<Button label="Pin them to Now" icon="pin" text="Pin" onClick={() => keys.filter((k) => !pins.value.includes(k)).forEach(togglePin)} />
					<Button label="Save them as CSV" icon="export" text="CSV" onClick={() => save(state.table!, keys)} />
					<Button label="Select none" icon="close" text="None" onClick={clear} />
				</>
			)}
			narrow={(t, r) => (
				<div class="two">
					<span><RoleIcon role={role(t.text("role", r))} />{nameOf(t, r)}</span><Ago at={t.num("last", r)} />
					<span>{t.text("role", r) ?? "unknown"} · {t.hex("key", r).slice(0, 8)}</span>
					<span><State t={t} row={r} /></span>
				</div>
			)}
			menu={menuOf}
			drawer={open && <NodeDrawer key={open} start={open} tab={tab} />}
		/>
	);
}
