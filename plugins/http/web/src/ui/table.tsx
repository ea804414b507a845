// SPDX-License-Identifier: MIT
//
// A virtual table of rows of one height: some forty of any number of them exist. It is a grid for
// screen readers with one tab stop; arrows or j and k move, Enter opens, x selects.
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { useKeys } from "../lib/keys";
import { Icon } from "./icons";
import { rowMenu, type RowMenuOf } from "./rowmenu";

export interface ColumnDef {
	id: string;
	title: string;
	/** As in grid-template-columns: "90px", "minmax(120px, 1fr)". */
	width: string;
	/** Explains the title. */
	help?: string;
	right?: boolean;
	mono?: boolean;
	/** For sorting and for files; null is last. */
	value?: (row: number) => string | number | null;
	cell: (row: number) => ComponentChildren;
}

export interface Sort {
	id: string;
	down: boolean;
}

export const readSort = (text: string, otherwise: string): Sort => {
	const t = text || otherwise;
	return t.startsWith("-") ? { id: t.slice(1), down: true } : { id: t, down: false };
};
export const writeSort = (s: Sort): string => (s.down ? "-" : "") + s.id;

export interface GridProps {
	label: string;
	columns: ColumnDef[];
	/** Rows in the order in which they are shown; what a number means is the caller's. */
	rows: ArrayLike<number>;
	/** Tells rows apart when the order changes. */
	rowKey: (row: number) => string | number;
	sort?: Sort;
	onSort?: (sort: Sort) => void;
	onOpen?: (row: number) => void;
	/** The row whose details are open. */
	open?: (row: number) => boolean;
	selected?: (row: number) => boolean;
	onSelect?: (row: number) => void;
	rowClass?: (row: number) => string;
	/** On a phone: the row as two lines. */
	narrow?: (row: number) => ComponentChildren;
	/** What can be done with a row. */
	menu?: (row: number) => RowMenuOf;
	/** A drawer is open beside it: columns that do not fit are left out. */
	beside?: boolean;
	onTop?: (atTop: boolean) => void;
	empty?: ComponentChildren;
	rowHeight?: number;
}

const NARROW = 680;
const LEAST = 420; // beside a drawer a few columns are better than two lines
let ids = 0;

/** Columns that fit, from the first on, three at least. */
function fitting(columns: ColumnDef[], width: number): ColumnDef[] {
	let sum = 0;
	return columns.filter((c, i) => (sum += leastWidth(c)) <= width || i < 3);
}

const leastWidth = (c: ColumnDef): number => Number(/\d+/.exec(c.width)?.[0] ?? 0);

export function Grid(given: GridProps) {
	const box = useRef<HTMLDivElement>(null);
	const id = useRef(`grid${ids++}`).current;
	const view = useSignal({ first: 0, count: 40, width: 1000 });
	// The active row is remembered by its key: rows above it come and go.
	const mark = useSignal<{ index: number; key: string | number | null }>({ index: -1, key: null });
	const narrow = given.narrow !== undefined && view.value.width < NARROW && !(given.beside && view.value.width >= LEAST);
	const p = given.beside && !narrow ? { ...given, columns: fitting(given.columns, view.value.width) } : given;
	const height = narrow ? 54 : (p.rowHeight ?? 28);
	const total = p.rows.length;
	const active = locate(p, mark.value);
	const setActive = (index: number) => (mark.value = { index, key: index >= 0 ? p.rowKey(p.rows[index]!) : null });

	const measure = () => {
		const el = box.current;
		if (!el) return;
		const first = Math.max(0, Math.floor(el.scrollTop / height) - 3);
		const count = Math.ceil(el.clientHeight / height) + 6;
		const v = view.peek();
		if (v.first !== first || v.count !== count || v.width !== el.clientWidth)
			view.value = { first, count, width: el.clientWidth };
		p.onTop?.(el.scrollTop < height);
	};
	useLayoutEffect(() => {
		measure();
		const seen = new ResizeObserver(measure);
		seen.observe(box.current!);
		return () => seen.disconnect();
	}, [height]);
	useEffect(() => {
		measure();
	}, [total]);

	const show = (index: number) => {
		const el = box.current!;
		const top = index * height, head = narrow ? 0 : 30;
		if (top < el.scrollTop) el.scrollTop = top;
		else if (top + height + head > el.scrollTop + el.clientHeight) el.scrollTop = top + height + head - el.clientHeight;
	};
	const move = (to: number, open = false) => {
		if (total === 0) return;
		const index = Math.max(0, Math.min(total - 1, to));
		setActive(index);
		show(index);
		if (open && p.onOpen && p.open) p.onOpen(p.rows[index]!);
	};
	/** Where keys start from: the active row, else the open one, else the first in view. */
	const here = () => {
		if (active >= 0) return active;
		if (p.open) for (let i = 0; i < total; i++) if (p.open(p.rows[i]!)) return i;
		return Math.ceil((box.current?.scrollTop ?? 0) / height) - 1;
	};
	const page = () => Math.max(1, Math.floor((box.current?.clientHeight ?? 400) / height) - 2);
	const inGrid = () => document.activeElement === box.current || document.activeElement === document.body;
	const step = (by: number) => (inGrid() ? (box.current!.focus({ preventScroll: true }), move(here() + by)) : false);
	useKeys(
		{
			j: () => step(1) as void, k: () => step(-1) as void,
			ArrowDown: () => step(1) as void, ArrowUp: () => step(-1) as void,
			PageDown: () => step(page()) as void, PageUp: () => step(-page()) as void,
			Home: () => (inGrid() ? move(0) : false), End: () => (inGrid() ? move(total - 1) : false),
			Enter: () => (inGrid() && active >= 0 && p.onOpen ? p.onOpen(p.rows[active]!) : false),
			".": () => (inGrid() && active >= 0 && p.menu ? void (rowMenu.value = p.menu(p.rows[active]!)) : false),
			x: () => (inGrid() && active >= 0 && p.onSelect ? p.onSelect(p.rows[active]!) : false),
			"]": () => move(here() + 1, true), "[": () => move(here() - 1, true),
		},
		[{ keys: "j k ↑ ↓", words: "next or previous row" }, { keys: "Enter", words: "open the row" },
			{ keys: "[ ]", words: "open the previous or next one" }, ...(p.onSelect ? [{ keys: "x", words: "select the row" }] : []),
			...(p.menu ? [{ keys: ".", words: "what to do with the row" }] : [])],
	);

	const { first, count } = view.value;
	const last = Math.min(total, first + count);
	// Head and rows are as wide as the narrowest columns allow, so that they stay in line when it scrolls.
	const least = narrow ? "100%" : `${p.columns.reduce((sum, c) => sum + leastWidth(c), 0)}px`;
	const template = narrow ? "1fr" : p.columns.map((c) => c.width).join(" ");
	const shown = [];
	for (let i = first; i < last; i++) shown.push(i);
	return (
		<div
			class={narrow ? "grid narrow" : "grid"} ref={box} role="grid" tabIndex={0} aria-label={p.label} aria-rowcount={total + 1}
			aria-multiselectable={p.onSelect ? true : undefined}
			aria-activedescendant={active >= first && active < last ? `${id}-${active}` : undefined}
			onScroll={measure}
		>
			<div class={narrow ? "grid-head hidden" : "grid-head"} role="row" aria-rowindex={1} style={{ gridTemplateColumns: template, minWidth: least }}>
				{(narrow ? p.columns.slice(0, 1) : p.columns).map((c) => <Head key={c.id} column={c} sort={p.sort} onSort={p.onSort} />)}
			</div>
			<div class="grid-body" role="rowgroup" style={{ height: `${total * height}px`, minWidth: least }}>
				{shown.map((i) => {
					const row = p.rows[i]!;
					const classes = [
						"grid-row", i === active ? "active" : "", p.open?.(row) ? "open" : "",
						p.selected?.(row) ? "selected" : "", p.rowClass?.(row) ?? "",
					].filter(Boolean).join(" ");
					return (
						<div
							key={p.rowKey(row)} id={`${id}-${i}`} class={classes} role="row" aria-rowindex={i + 2}
							aria-selected={p.onSelect ? (p.selected?.(row) ?? false) : (p.open?.(row) ?? false)}
							style={{ transform: `translateY(${i * height}px)`, height: `${height}px`, gridTemplateColumns: template }}
							onClick={(e) => {
								if ((e.target as Element).closest("a, button, input")) return;
								setActive(i);
								p.onOpen?.(row);
							}}
							onContextMenu={(e) => {
								if (!p.menu || (e.target as Element).closest("a") || String(getSelection()) !== "") return;
								e.preventDefault();
								setActive(i);
								rowMenu.value = p.menu(row);
							}}
						>
							{narrow
								? <div class="cell" role="gridcell">{p.narrow!(row)}</div>
								: p.columns.map((c) => (
									<div key={c.id} class={`cell${c.right ? " right" : ""}${c.mono ? " mono" : ""}`} role="gridcell">{c.cell(row)}</div>
								))}
						</div>
					);
				})}
			</div>
			{total === 0 && <div class="grid-empty" role="row"><div role="gridcell">{p.empty ?? "Nothing matches."}</div></div>}
		</div>
	);
}

/** Where the marked row is now; -1: it is gone, or there is none. */
function locate(p: GridProps, mark: { index: number; key: string | number | null }): number {
	const { index, key } = mark;
	if (key === null) return -1;
	const is = (i: number) => i >= 0 && i < p.rows.length && p.rowKey(p.rows[i]!) === key;
	for (let d = 0; d < 5000; d++) {
		if (is(index + d)) return index + d;
		if (is(index - d)) return index - d;
	}
	return -1;
}

function Head({ column: c, sort, onSort }: { column: ColumnDef; sort?: Sort | undefined; onSort?: ((s: Sort) => void) | undefined }) {
	const mine = sort?.id === c.id;
	const order = mine ? (sort!.down ? "descending" : "ascending") : undefined;
	const title = c.help ? { title: c.help } : {};
	return (
		<div class={c.right ? "cell right" : "cell"} role="columnheader" aria-sort={order} {...title}>
			{c.value && onSort
				? (
					<button type="button" tabIndex={-1} onClick={() => onSort({ id: c.id, down: mine ? !sort!.down : !!c.right })}>
						{c.title}{mine && <Icon name={sort!.down ? "down" : "up"} size={12} />}
					</button>
				)
				: c.title}
		</div>
	);
}
