// SPDX-License-Identifier: MIT
//
// A list of rows that a page has computed: search, order and files, without a set behind it. The
// bigger sister for sets is ui/list.tsx.
import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import { count } from "../lib/format";
import { param, setQuery } from "../lib/router";
import { asFile, order } from "./list";
import { Icon } from "./icons";
import { Button, download, Menu } from "./page";
import { Grid, readSort, writeSort, type ColumnDef } from "./table";

export interface RowsProps {
	/** Several of the things: "links". */
	what: string;
	columns: ColumnDef[];
	rows: ArrayLike<number>;
	/** Changes when the rows do. */
	version: unknown;
	rowKey: (row: number) => string | number;
	sort: string;
	/** Lower-case text in which is searched; absent: there is no search. */
	text?: (row: number) => string;
	onOpen?: (row: number) => void;
	open?: (row: number) => boolean;
	selected?: (row: number) => boolean;
	onSelect?: (row: number) => void;
	rowClass?: (row: number) => string;
	narrow?: (row: number) => ComponentChildren;
	tools?: ComponentChildren;
	drawer?: ComponentChildren;
	empty?: ComponentChildren;
}

export function Rows(p: RowsProps) {
	const q = param("q").trim().toLowerCase();
	const sort = readSort(param("sort"), p.sort);
	const rows = useMemo(() => {
		const found = q && p.text ? Uint32Array.from(Array.from(p.rows).filter((r) => p.text!(r).includes(q))) : Uint32Array.from(p.rows);
		return order(found, p.columns.find((c) => c.id === sort.id), sort);
	}, [p.version, p.rows.length, q, writeSort(sort)]);
	return (
		<>
			<div class="toolbar">
				{p.text && (
					<div class="filter">
						<Icon name="search" size={16} />
						<input
							type="text" data-filter aria-label={`Find in ${p.what}`} placeholder={`Find in ${p.what}`} spellcheck={false} value={param("q")}
							onInput={(e) => setQuery({ q: e.currentTarget.value })}
						/>
					</div>
				)}
				{p.tools}
				<Menu icon="export" label="Save as a file">
					{(close) => (["csv", "json"] as const).map((kind) => (
						<Button
							key={kind} label={`Save these ${p.what} as ${kind.toUpperCase()}`} text={kind.toUpperCase()}
							onClick={() => (download(`${p.what.replaceAll(" ", "-")}.${kind}`, kind === "csv" ? "text/csv" : "application/json", asFile(kind, p.columns, rows)), close())}
						/>
					))}
				</Menu>
			</div>
			<p class="count" role="status">{rows.length === p.rows.length ? `${count(rows.length)} ${p.what}` : `${count(rows.length)} of ${count(p.rows.length)} ${p.what}`}</p>
			<div class={p.drawer ? "split with-drawer" : "split"}>
				<Grid
					label={`List of ${p.what}`} columns={p.columns} rows={rows} rowKey={p.rowKey} sort={sort} beside={Boolean(p.drawer)}
					onSort={(s) => setQuery({ sort: writeSort(s) === p.sort ? null : writeSort(s) })}
					{...(p.onOpen ? { onOpen: p.onOpen } : {})} {...(p.open ? { open: p.open } : {})} {...(p.narrow ? { narrow: p.narrow } : {})}
					{...(p.rowClass ? { rowClass: p.rowClass } : {})} {...(p.onSelect ? { onSelect: p.onSelect, selected: p.selected! } : {})}
					empty={p.empty ?? (p.rows.length === 0 ? `There are no ${p.what}.` : `None of ${count(p.rows.length)} fits.`)}
				/>
				{p.drawer}
			</div>
		</>
	);
}
