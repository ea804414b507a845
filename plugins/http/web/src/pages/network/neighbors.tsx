// SPDX-License-Identifier: MIT
//
// Who hears whom: every link with what speaks for it.
import { useMemo } from "preact/hooks";
import { count, fixed, percent, shortKey } from "../../lib/format";
import { href, param, setQuery } from "../../lib/router";
import { links, nodes, useSet } from "../../lib/store";
import { NONE, type Table } from "../../lib/sets";
import { Graph } from "../../mesh/graph";
import { Badge, Ago, Honest } from "../../ui/state";
import { Rows } from "../../ui/rows";
import type { ColumnDef } from "../../ui/table";
import { NodeName, snrText } from "../map/panels";
import { LinkFacts } from "./link";

const KINDS: [id: string, words: string][] = [["", "All"], ["certain", "Certain"], ["ambiguous", "Ambiguous"], ["oneway", "One way only"]];

function kindFits(l: Table, i: number, kind: string): boolean {
	if (kind === "certain") return l.num("resolved", i) === 0;
	if (kind === "ambiguous") return l.num("resolved", i) === 1;
	if (kind === "oneway") return l.num("ab", i) === 0 || l.num("ab", i) === l.num("count", i);
	return true;
}

export function Neighbors() {
	const n = useSet(nodes, 3000), l = useSet(links, 3000);
	return (
		<Honest state={l} has={l.table !== null && n.table !== null} what="the links" owner="neighbors">
			{l.table && n.table && <Loaded n={n.table} l={l.table} />}
		</Honest>
	);
}

function Loaded({ n, l }: { n: Table; l: Table }) {
	const kind = param("kind"), open = param("link");
	const known = (i: number): boolean => l.num("a", i) < n.rows && l.num("b", i) < n.rows;
	const ends = (i: number): [string, string] => [n.hex("key", l.num("a", i)), n.hex("key", l.num("b", i))];
	const id = (i: number): string => ends(i).map((k) => k.slice(0, 16)).join("~");
	const all = useMemo(() => Array.from({ length: l.rows }, (_, i) => i).filter((i) => l.num("a", i) !== NONE[4] && l.num("b", i) !== NONE[4] && known(i)), [l, n.rows]);
	const rows = useMemo(() => all.filter((i) => kindFits(l, i, kind)), [all, kind]);
	const weak = useMemo(() => new Graph(n.rows, l.col("a") as Uint32Array, l.col("b") as Uint32Array).weakPoints(), [l, n.rows]);
	const name = (row: number): string => n.text("name", row) ?? shortKey(n.hex("key", row));
	const share = (i: number): number => (l.num("count", i) > 0 ? l.num("ab", i) / l.num("count", i) : NaN);
	const snr = (i: number): number | null => (l.num("snr", i) === -32768 ? null : l.num("snr", i) / 100);
	const column = (c: string, title: string, width: string, help = ""): ColumnDef =>
		({ id: c, title, width, right: true, value: (i) => l.num(c, i), cell: (i) => count(l.num(c, i)), ...(help ? { help } : {}) });
	const columns: ColumnDef[] = [
		{ id: "a", title: "From", width: "minmax(130px, 1.4fr)", value: (i) => name(l.num("a", i)), cell: (i) => <NodeName t={n} row={l.num("a", i)} /> },
		{ id: "b", title: "To", width: "minmax(130px, 1.4fr)", value: (i) => name(l.num("b", i)), cell: (i) => <NodeName t={n} row={l.num("b", i)} /> },
		column("count", "Packets", "84px", "Different packets that went over it, either way"),
		{ id: "ab", title: "From → to", width: "86px", right: true, help: "Share of them that went this way", value: share, cell: (i) => percent(share(i)) },
		{ id: "snr", title: "SNR", width: "84px", right: true, help: "Mean, where an observer is at the end", value: snr, cell: (i) => snrText(l.num("snr", i)) },
		{ id: "km", title: "km", width: "66px", right: true, value: (i) => l.num("km", i), cell: (i) => fixed(l.num("km", i)) },
		column("observers", "Seen by", "74px", "Observers that saw it"),
		column("s1", "1 byte", "70px", "Packets with hops of one byte"),
		column("s2", "2 bytes", "70px"), column("s3", "3 bytes", "70px"),
		{ id: "sure", title: "Evidence", width: "110px", value: (i) => l.num("resolved", i), cell: (i) => (l.num("resolved", i) === 1 ? <Badge kind="warn">ambiguous</Badge> : <Badge kind="good">certain</Badge>) },
		{ id: "cut", title: "Cuts off", width: "76px", right: true, help: "So many nodes are cut off if this link is lost", value: (i) => weak.links.get(i) ?? 0, cell: (i) => (weak.links.has(i) ? count(weak.links.get(i)!) : "") },
		{ id: "last", title: "Last seen", width: "96px", right: true, value: (i) => l.num("last", i), cell: (i) => <Ago at={l.num("last", i)} /> },
	];
	const chosen = open ? rows.find((i) => id(i) === open) : undefined;
	return (
		<Rows
			what="links" columns={columns} rows={rows} version={l.version + kind + rows.length} rowKey={id} sort="-count"
			text={(i) => `${name(l.num("a", i))} ${name(l.num("b", i))} ${ends(i).join(" ")}`.toLowerCase()}
			onOpen={(i) => setQuery({ link: id(i) }, false)} open={(i) => id(i) === open}
			tools={
				<div class="row">
					{KINDS.map(([k, words]) => <button type="button" key={k} class="chip" aria-pressed={kind === k} onClick={() => setQuery({ kind: k })}>{words}</button>)}
					<a class="button" href={href("/map", { m: "graph", weak: weak.nodes.size > 0 ? 1 : null })}>{`Graph${weak.nodes.size > 0 ? `, ${weak.nodes.size} weak points` : ""}`}</a>
				</div>
			}
			narrow={(i) => (
				<div class="two">
					<span><NodeName t={n} row={l.num("a", i)} /></span><span>{`${count(l.num("count", i))} packets`}</span>
					<span><NodeName t={n} row={l.num("b", i)} /></span><span>{snrText(l.num("snr", i))}</span>
				</div>
			)}
			{...(chosen !== undefined ? { drawer: <LinkFacts row={chosen} onClose={() => setQuery({ link: "" }, false)} more={<a class="button primary" href={href("/map", { l: ends(chosen).join("~") })}>Show on the map</a>} /> } : {})}
		/>
	);
}
