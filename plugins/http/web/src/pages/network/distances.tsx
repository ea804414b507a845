// SPDX-License-Identifier: MIT
//
// How long links are: over all links whose ends have told where they are.
import { useMemo } from "preact/hooks";
import { count, fixed, shortKey } from "../../lib/format";
import { href } from "../../lib/router";
import { links, nodes, useSet } from "../../lib/store";
import type { Table } from "../../lib/sets";
import { Columns } from "../../ui/chart";
import { Ago, Badge, Figure, Honest } from "../../ui/state";
import { Rows } from "../../ui/rows";
import type { ColumnDef } from "../../ui/table";
import { go, param, setQuery } from "../../lib/router";
import { NodeName, snrText } from "../map/panels";
import { isRelay } from "./relays";

const BINS = 30;
const KINDS = ["Relay to relay", "Relay to other", "Other to other"];
const FEW = 5;

export function Distances() {
	const n = useSet(nodes, 3000), l = useSet(links, 3000);
	return (
		<Honest state={l} has={l.table !== null && n.table !== null} what="the links" owner="neighbors">
			{l.table && n.table && <Loaded n={n.table} l={l.table} />}
		</Honest>
	);
}

function Loaded({ n, l }: { n: Table; l: Table }) {
	const sure = param("sure") !== "0";
	const rows = useMemo(
		() => Array.from({ length: l.rows }, (_, i) => i).filter((i) => Number.isFinite(l.num("km", i)) && l.num("a", i) < n.rows && l.num("b", i) < n.rows && (!sure || l.num("resolved", i) === 0)),
		[l, n.rows, sure],
	);
	const kms = rows.map((i) => l.num("km", i)).sort((a, b) => a - b);
	const at = (q: number): number => kms[Math.min(kms.length - 1, Math.floor(q * kms.length))] ?? NaN;
	const few = kms.length < FEW;
	const top = Math.max(1, at(0.995));
	const bins = Array.from({ length: BINS }, (_, b) => ({ label: (b * top / BINS).toFixed(top < 30 ? 1 : 0), value: 0 }));
	for (const km of kms) bins[Math.min(BINS - 1, Math.floor((km / top) * BINS))]!.value++;
	const kind = (i: number): number => 2 - Number(isRelay(n, l.num("a", i))) - Number(isRelay(n, l.num("b", i)));
	const name = (row: number): string => n.text("name", row) ?? shortKey(n.hex("key", row));
	const ends = (i: number): string => `${n.hex("key", l.num("a", i))}~${n.hex("key", l.num("b", i))}`;
	const columns: ColumnDef[] = [
		{ id: "km", title: "km", width: "84px", right: true, value: (i) => l.num("km", i), cell: (i) => fixed(l.num("km", i)) },
		{ id: "a", title: "From", width: "minmax(140px, 1fr)", value: (i) => name(l.num("a", i)), cell: (i) => <NodeName t={n} row={l.num("a", i)} /> },
		{ id: "b", title: "To", width: "minmax(140px, 1fr)", value: (i) => name(l.num("b", i)), cell: (i) => <NodeName t={n} row={l.num("b", i)} /> },
		{ id: "kind", title: "Kind", width: "130px", value: kind, cell: (i) => KINDS[kind(i)]! },
		{ id: "count", title: "Packets", width: "84px", right: true, value: (i) => l.num("count", i), cell: (i) => count(l.num("count", i)) },
		{ id: "snr", title: "SNR", width: "84px", right: true, value: (i) => (l.num("snr", i) === -32768 ? null : l.num("snr", i)), cell: (i) => snrText(l.num("snr", i)) },
		{ id: "sure", title: "Evidence", width: "110px", value: (i) => l.num("resolved", i), cell: (i) => (l.num("resolved", i) ? <Badge kind="warn">ambiguous</Badge> : <Badge kind="good">certain</Badge>) },
		{ id: "last", title: "Last seen", width: "100px", right: true, value: (i) => l.num("last", i), cell: (i) => <Ago at={l.num("last", i)} /> },
	];
	return (
		<>
			<div class="figures">
				<Figure name="Links with both positions" value={count(kms.length)} note={`of ${count(l.rows)}`} />
				<Figure name="Half are shorter than" value={few ? "too few" : fixed(at(0.5), 1, "km")} note={few ? `n = ${kms.length}` : ""} />
				<Figure name="9 of 10" value={few ? "too few" : fixed(at(0.9), 1, "km")} />
				<Figure name="Longest" value={fixed(kms[kms.length - 1], 1, "km")} />
				{KINDS.map((k, i) => <Figure key={k} name={k} value={count(rows.filter((r) => kind(r) === i).length)} />)}
			</div>
			{!few && <section class="card"><h2>Links by length in km</h2><Columns bars={bins} label={`Links by length: half are shorter than ${at(0.5).toFixed(1)} km`} height={90} unit=" km" /></section>}
			<Rows
				what="links" columns={columns} rows={rows} version={l.version + sure + n.rows} rowKey={ends} sort="-km" text={(i) => `${name(l.num("a", i))} ${name(l.num("b", i))}`.toLowerCase()}
				onOpen={(i) => go(href("/map", { l: ends(i) }))}
				tools={<label class="check"><input type="checkbox" checked={sure} onChange={(e) => setQuery({ sure: e.currentTarget.checked ? "" : 0 })} />Certain links only</label>}
				narrow={(i) => (
					<div class="two">
						<span>{`${name(l.num("a", i))} ↔ ${name(l.num("b", i))}`}</span><span>{fixed(l.num("km", i), 1, "km")}</span>
						<span>{KINDS[kind(i)]}</span><span>{`${count(l.num("count", i))} packets`}</span>
					</div>
				)}
			/>
		</>
	);
}
