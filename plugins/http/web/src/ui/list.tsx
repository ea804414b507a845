// SPDX-License-Identifier: MIT
//
// A list of a set: filter, time, columns, order, selection, files; all of it in the address.
import type { ComponentChildren } from "preact";
import { useMemo, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { compile, FilterError, rowsOf, type Fields, type Test } from "../lib/filter";
import { count } from "../lib/format";
import { useKeys } from "../lib/keys";
import { param, place, setQuery } from "../lib/router";
import type { Table } from "../lib/sets";
import type { SetState } from "../lib/store";
import { now, span, WINDOWS } from "../lib/time";
import { FilterBox } from "./filterbox";
import { Button, download, Menu } from "./page";
import type { RowMenuOf } from "./rowmenu";
import { Honest } from "./state";
import { Grid, readSort, writeSort, type ColumnDef, type Sort } from "./table";

export interface ListProps {
	/** Several of the things, "packets"; also where their columns are remembered. */
	what: string;
	state: SetState;
	fields: (table: Table) => Fields;
	/** Fields in which a word alone is looked for. */
	words: (filter: string) => string[];
	columns: (table: Table) => ColumnDef[];
	shown: string[];
	sort: string;
	/** Unix seconds of a row, if the list has a choice of time. */
	time?: (table: Table, row: number) => number;
	/** The choice if there is none in the address. */
	window?: string;
	rowKey: (table: Table, row: number) => string | number;
	onOpen: (table: Table, row: number) => void;
	isOpen: (table: Table, row: number) => boolean;
	rowClass?: (table: Table, row: number) => string;
	narrow: (table: Table, row: number) => ComponentChildren;
	/** Keys of rows can be selected: what may be done with them. */
	actions?: (keys: string[], clear: () => void) => ComponentChildren;
	menu?: (table: Table, row: number) => RowMenuOf;
	facets?: ComponentChildren;
	/** Rows come in all the time: while one looks at older ones, or pauses, they do not move. */
	live?: boolean;
	placeholder: string;
	drawer?: ComponentChildren;
	tools?: ComponentChildren;
}

const remembered = (what: string): string[] | null => localStorage.getItem(`meshkern.columns.${what}`)?.split(",") ?? null;

function useColumns(p: ListProps, all: ColumnDef[]) {
	const wanted = param("cols") ? param("cols").split(".") : (remembered(p.what) ?? p.shown);
	const columns = all.filter((c) => wanted.includes(c.id));
	const set = (ids: string[]) => {
		const same = ids.join() === p.shown.join();
		if (same) localStorage.removeItem(`meshkern.columns.${p.what}`);
		else localStorage.setItem(`meshkern.columns.${p.what}`, ids.join());
		setQuery({ cols: same ? null : ids.join(".") });
	};
	const menu = (
		<Menu icon="columns" label="Columns">
			{() => (
				<>
					{all.map((c) => (
						<label class="check" key={c.id} title={c.help}>
							<input
								type="checkbox" checked={wanted.includes(c.id)}
								onChange={(e) => set(all.map((x) => x.id).filter((id) => (id === c.id ? e.currentTarget.checked : wanted.includes(id))))}
							/>
							{c.title}
						</label>
					))}
					<Button label="As at first" text="As at first" onClick={() => set(p.shown)} />
				</>
			)}
		</Menu>
	);
	return { columns: columns.length > 0 ? columns : all.slice(0, 1), menu };
}

const ORDER = new Intl.Collator("en", { numeric: true });

export function order(rows: Uint32Array, column: ColumnDef | undefined, sort: Sort): Uint32Array {
	if (!column?.value) return rows;
	const keyed = Array.from(rows, (row) => ({ row, v: column.value!(row) }));
	const sign = sort.down ? -1 : 1;
	const absent = (v: string | number | null) => v === null || v === "" || Number.isNaN(v);
	keyed.sort((a, b) => {
		if (absent(a.v) || absent(b.v)) return Number(absent(a.v)) - Number(absent(b.v));
		const c = typeof a.v === "string" ? ORDER.compare(a.v, String(b.v)) : (a.v as number) - (b.v as number);
		return c * sign;
	});
	return Uint32Array.from(keyed, (k) => k.row);
}

export function asFile(kind: "csv" | "json", columns: ColumnDef[], rows: Uint32Array): string {
	const with_ = columns.filter((c) => c.value);
	if (kind === "json") return JSON.stringify(Array.from(rows, (r) => Object.fromEntries(with_.map((c) => [c.id, c.value!(r)]))), null, 1);
	// A text that a spreadsheet would take for a formula gets an apostrophe in front.
	const cell = (v: string | number | null) => (typeof v === "string" ? `"${(/^[=+\-@\t\r]/.test(v) ? `'${v}` : v).replaceAll('"', '""')}"` : (v ?? ""));
	return [with_.map((c) => c.id).join(","), ...Array.from(rows, (r) => with_.map((c) => cell(c.value!(r))).join(","))].join("\n");
}

export function List(p: ListProps) {
	const table = p.state.table;
	return (
		<Honest state={p.state} has={table !== null} what={`the list of ${p.what}`} owner="http">
			{table && <Loaded {...p} table={table} />}
		</Honest>
	);
}

/** The rows that fit and their order; what is wrong with the filter. */
function useRows(p: ListProps, table: Table, all: ColumnDef[], sort: Sort, frozen: boolean) {
	const q = param("q"), id = param("t");
	const last = useRef<{ rows: Uint32Array; error: string | null; size: number; q: string }>({ rows: new Uint32Array(), error: null, size: 0, q: "" });
	const stays = frozen && last.current.q === q + id + writeSort(sort) + table.version;
	if (stays) return { ...last.current, fresh: table.rows - last.current.size };
	let test: Test | null = null, error: string | null = null;
	try {
		test = compile(q, p.fields(table), table, p.words(q));
	} catch (e) {
		if (!(e instanceof FilterError)) throw e;
		error = e.message;
	}
	// While a condition is being typed the rows stay as they are.
	if (error !== null && last.current.size > 0) return { ...last.current, error, fresh: 0 };
	if (p.time) {
		const t = span(id, now.peek(), p.window), inner = test, time = p.time;
		if (t.from > -Infinity || t.until < Infinity)
			test = (r) => time(table, r) >= t.from && time(table, r) <= t.until && (inner === null || inner(r));
	}
	// Rows come newest first, which is the order that needs no sorting.
	const rows = rowsOf(table, test);
	const ordered = writeSort(sort) === p.sort && p.live ? rows : order(rows, all.find((c) => c.id === sort.id), sort);
	last.current = { rows: ordered, error, size: table.rows, q: q + id + writeSort(sort) + table.version };
	return { ...last.current, fresh: 0 };
}

function Loaded(p: ListProps & { table: Table }) {
	const { table } = p;
	const all = useMemo(() => p.columns(table), [table]);
	const { columns, menu } = useColumns(p, all);
	const sort = readSort(param("sort"), p.sort);
	const top = useSignal(true), paused = useSignal(false);
	const selection = useSignal<ReadonlySet<string>>(new Set());
	const frozen = p.live === true && (!top.value || paused.value);
	const { rows, error, fresh } = useRows(p, table, all, sort, frozen);
	useKeys(
		{
			...(p.live ? { space: () => void (paused.value = !paused.value) } : {}),
			t: () => document.querySelector<HTMLElement>("[data-time]")?.focus(),
			e: () => download(`${p.what}.csv`, "text/csv", asFile("csv", columns, rows)),
		},
		[...(p.live ? [{ keys: "space", words: "pause or go on" }] : []), ...(p.time ? [{ keys: "t", words: "choose the time" }] : []), { keys: "e", words: "save the rows as CSV" }],
	);
	const toTop = () => {
		paused.value = false;
		document.querySelector(".grid")?.scrollTo({ top: 0 });
	};
	const key = (row: number) => String(p.rowKey(table, row));
	const toggle = (row: number) => {
		const next = new Set(selection.value);
		if (!next.delete(key(row))) next.add(key(row));
		selection.value = next;
	};
	const all_ = table.total > table.rows && !table.complete ? `the newest ${count(table.rows)} of ${count(table.total)}` : count(table.rows);
	return (
		<>
			<div class="toolbar">
				<FilterBox
					value={param("q")} onInput={(q) => setQuery({ q })} error={error} fields={p.fields(table)} label={`Filter ${p.what}`} placeholder={p.placeholder}
				/>
				{p.time && (
					<select data-time aria-label="Time" value={span(param("t"), 0, p.window).id} onChange={(e) => setQuery({ t: e.currentTarget.value === p.window ? null : e.currentTarget.value })}>
						{WINDOWS.map(([id, words]) => <option key={id} value={id}>{id === "all" ? words : `last ${words}`}</option>)}
						{span(param("t"), 0, p.window).words === "chosen range" && <option value={param("t")}>chosen range</option>}
					</select>
				)}
				{p.live && <Button icon={paused.value ? "play" : "pause"} label={paused.value ? "Go on" : "Pause"} pressed={paused.value} onClick={() => (paused.value = !paused.value)} />}
				{p.tools}
				{menu}
				<Menu icon="export" label="Save as a file">
					{(close) => (["csv", "json"] as const).map((kind) => (
						<Button
							key={kind} label={`Save these ${p.what} as ${kind.toUpperCase()}`} text={kind.toUpperCase()}
							onClick={() => (download(`${p.what}.${kind}`, kind === "csv" ? "text/csv" : "application/json", asFile(kind, columns, rows)), close())}
						/>
					))}
				</Menu>
			</div>
			{(p.facets || selection.value.size > 0) && (
				<div class="row">
					{selection.value.size > 0 && p.actions
						? <>{p.actions([...selection.value], () => (selection.value = new Set()))}</>
						: p.facets}
				</div>
			)}
			<p class="count" role="status">
				{`${count(rows.length)} of ${all_} ${p.what}`}
				{fresh > 0 && <button type="button" class="chip" onClick={toTop}>{`${count(fresh)} new`}</button>}
				{paused.value && <span class="dim">paused</span>}
			</p>
			<div class={p.drawer ? "split with-drawer" : "split"}>
				<Grid
					label={`List of ${p.what}`} columns={columns} rows={rows} rowKey={(r) => p.rowKey(table, r)} sort={sort} beside={Boolean(p.drawer)}
					onSort={(s) => setQuery({ sort: writeSort(s) === p.sort ? null : writeSort(s) })}
					onOpen={(r) => p.onOpen(table, r)} open={(r) => p.isOpen(table, r)} narrow={(r) => p.narrow(table, r)}
					{...(p.rowClass ? { rowClass: (r: number) => p.rowClass!(table, r) } : {})}
					{...(p.actions ? { onSelect: toggle, selected: (r: number) => selection.value.has(key(r)) } : {})}
					{...(p.menu ? { menu: (r: number) => p.menu!(table, r) } : {})}
					onTop={(is) => (top.value = is)}
					empty={error ?? (table.rows === 0 ? `There are no ${p.what} yet.` : `None of ${count(table.rows)} ${p.what} fits${p.time ? " in this time" : ""}.`)}
				/>
				{p.drawer}
			</div>
		</>
	);
}

/** The address of this page with another last part and the same parameters. */
export const withQuery = (path: string): string => {
	const q = place.value.query.toString();
	return q ? `${path}?${q}` : path;
};
