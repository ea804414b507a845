// SPDX-License-Identifier: MIT
//
// Which first bytes of keys relays use: collisions, free ones, and who begins like a given key.
import { useMemo } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { count, fixed, percent } from "../../lib/format";
import { param, setQuery } from "../../lib/router";
import { nodes, useSet } from "../../lib/store";
import type { Table } from "../../lib/sets";
import { distanceKm } from "../../mesh/projection";
import { Button, CopyButton } from "../../ui/page";
import { Ago, Badge, Figure, Honest, type Kind } from "../../ui/state";
import { Rows } from "../../ui/rows";
import type { ColumnDef } from "../../ui/table";
import { NodeName } from "../map/panels";
import { byPrefix, freePrefixes } from "./relays";

/** The two that are farthest from each other; NaN: fewer than two have a position. */
function widest(t: Table, rows: number[]): number {
	let far = NaN;
	for (let i = 0; i < Math.min(rows.length, 64); i++)
		for (let j = i + 1; j < Math.min(rows.length, 64); j++) {
			const km = distanceKm(t.num("lat", rows[i]!), t.num("lon", rows[i]!), t.num("lat", rows[j]!), t.num("lon", rows[j]!));
			if (!(km <= far)) far = Number.isNaN(km) ? far : km;
		}
	return far;
}

const near = (km: number): [Kind, string] =>
	Number.isNaN(km) ? ["off", "not known"] : km < 50 ? ["bad", "local"] : km < 200 ? ["warn", "regional"] : ["info", "distant"];

export function Prefixes() {
	const n = useSet(nodes, 3000);
	return (
		<Honest state={n} has={n.table !== null} what="the list of nodes" owner="http">
			{n.table && <Loaded t={n.table} />}
		</Honest>
	);
}

function Loaded({ t }: { t: Table }) {
	const bytes = Math.min(3, Math.max(1, Number(param("bytes")) || 1));
	const cell = /^[0-9A-F]{2}$/.test(param("cell")) ? param("cell") : "";
	const groups = useMemo(() => byPrefix(t, bytes), [t, t.rows, bytes]);
	const one = useMemo(() => byPrefix(t, 1), [t, t.rows]);
	const list = useMemo(() => [...groups].filter(([, rows]) => rows.length > 1).map(([prefix, rows]) => ({ prefix, rows, km: widest(t, rows) })), [groups]);
	const shown = list.filter((g) => !cell || g.prefix.startsWith(cell));
	const relays = [...groups.values()].reduce((n, r) => n + r.length, 0);
	const space = 256 ** bytes;
	const columns: ColumnDef[] = [
		{ id: "prefix", title: "Prefix", width: "90px", mono: true, value: (i) => shown[i]!.prefix, cell: (i) => shown[i]!.prefix },
		{ id: "n", title: "Relays", width: "76px", right: true, value: (i) => shown[i]!.rows.length, cell: (i) => count(shown[i]!.rows.length) },
		{ id: "class", title: "Apart", width: "110px", help: "How far the two farthest are from each other: near ones are confused most", value: (i) => ({ bad: 3, warn: 2, info: 1 } as Record<string, number>)[near(shown[i]!.km)[0]] ?? 0, cell: (i) => <Badge kind={near(shown[i]!.km)[0]}>{near(shown[i]!.km)[1]}</Badge> },
		{ id: "km", title: "km", width: "76px", right: true, value: (i) => shown[i]!.km, cell: (i) => fixed(shown[i]!.km) },
		{ id: "who", title: "Who", width: "minmax(240px, 3fr)", value: (i) => shown[i]!.rows.map((r) => t.text("name", r) ?? "").join("; "), cell: (i) => shown[i]!.rows.map((r, k) => <>{k > 0 && ", "}<a href={`/nodes/${t.hex("key", r)}`}>{t.text("name", r) ?? t.hex("key", r).slice(0, 8)}</a></>) },
	];
	return (
		<>
			<div class="figures">
				<Figure name="Relays" value={count(relays)} />
				<Figure name="Prefixes in use" value={count(groups.size)} note={`${percent(groups.size / space, bytes === 1 ? 0 : 3)} of ${count(space)}`} />
				<Figure name="Collisions" value={count(list.length)} note={`${count(list.reduce((n, g) => n + g.rows.length, 0))} relays in them`} />
				<Figure name="Of them within 50 km" value={count(list.filter((g) => g.km < 50).length)} />
			</div>
			<div class="prefix-page">
				<div class="prefix-side">
					<Matrix cells={one} chosen={cell} />
					<Free t={t} bytes={bytes} />
					<Check t={t} />
				</div>
				<div class="prefix-main">
					<Rows
						what="collisions" columns={columns} rows={shown.map((_, i) => i)} version={`${t.version}${t.rows}${bytes}${cell}`} rowKey={(i) => shown[i]!.prefix} sort="-class"
						text={(i) => `${shown[i]!.prefix} ${shown[i]!.rows.map((r) => t.text("name", r) ?? "").join(" ")}`.toLowerCase()}
						tools={
							<div class="row">
								{[1, 2, 3].map((b) => <button type="button" key={b} class="chip" aria-pressed={b === bytes} onClick={() => setQuery({ bytes: b === 1 ? "" : b })}>{b === 1 ? "1 byte" : `${b} bytes`}</button>)}
								{cell && <button type="button" class="chip" aria-pressed="true" onClick={() => setQuery({ cell: "" })}>{`only ${cell}…`}</button>}
							</div>
						}
						narrow={(i) => (
							<div class="two">
								<span><code>{shown[i]!.prefix}</code></span><span>{`${count(shown[i]!.rows.length)} relays`}</span>
								<span>{shown[i]!.rows.map((r) => t.text("name", r) ?? "").join(", ")}</span><span>{near(shown[i]!.km)[1]}</span>
							</div>
						)}
						empty={list.length === 0 ? `No two relays begin with the same ${bytes === 1 ? "byte" : `${bytes} bytes`}.` : "None fits."}
					/>
				</div>
			</div>
		</>
	);
}

const HEX = [..."0123456789ABCDEF"];

/** All first bytes: how many relays have each. One tab stop; arrows move in it. */
function Matrix({ cells, chosen }: { cells: Map<string, number[]>; chosen: string }) {
	const at = useSignal(chosen || "00");
	const move = (e: KeyboardEvent): void => {
		const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -16, ArrowDown: 16 }[e.key];
		if (step === undefined) return;
		at.value = ((parseInt(at.value, 16) + step + 256) % 256).toString(16).padStart(2, "0").toUpperCase();
		document.getElementById(`cell-${at.value}`)?.focus();
		e.preventDefault();
		e.stopPropagation();
	};
	return (
		<section class="card">
			<h2>First bytes of relays</h2>
			<div class="matrix" role="grid" aria-label="First bytes of relays" onKeyDown={move}>
				{HEX.map((high) => (
					<div role="row" key={high}>
						{HEX.map((low) => {
							const byte = high + low, n = cells.get(byte)?.length ?? 0;
							return (
								<button
									type="button" role="gridcell" key={byte} id={`cell-${byte}`} tabIndex={byte === at.value ? 0 : -1} aria-selected={byte === chosen}
									class={`n${Math.min(n, 4)}`} aria-label={`${byte}: ${n} ${n === 1 ? "relay" : "relays"}`} title={`${byte}: ${n}`}
									onClick={() => ((at.value = byte), setQuery({ cell: byte === chosen ? "" : byte }))}
								>{byte}</button>
							);
						})}
					</div>
				))}
			</div>
			<p class="dim matrix-key"><i class="n0">free</i> <i class="n1">1</i> <i class="n2">2</i> <i class="n3">3</i> <i class="n4">4 or more</i></p>
		</section>
	);
}

function Free({ t, bytes }: { t: Table; bytes: number }) {
	const again = useSignal(0);
	const free = useMemo(() => freePrefixes(t, bytes, 12, Math.random), [t, t.rows, bytes, again.value]);
	return (
		<section class="card">
			<div class="card-head"><h2>{`Free ${bytes === 1 ? "bytes" : `prefixes of ${bytes} bytes`}`}</h2>{bytes > 1 && <Button icon="refresh" label="Others" onClick={() => again.value++} />}</div>
			{free.length === 0
				? <p>{bytes === 1 ? "Every byte is taken by a relay: use two bytes." : "None was found."}</p>
				: <ul class="free">{free.map((p) => <li key={p}><code>{p}</code><CopyButton text={p} label={`Copy ${p}`} /></li>)}</ul>}
			<p class="dim">For the key of a new relay: no relay that was heard begins so. Keys that begin with 00 or FF are not used by the firmware.</p>
		</section>
	);
}

function Check({ t }: { t: Table }) {
	const text = useSignal("");
	const q = text.value.trim().toLowerCase();
	const valid = /^[0-9a-f]{2,64}$/.test(q);
	const rows = valid ? [...byPrefix(t, 1, true).get(q.slice(0, 2).toUpperCase()) ?? []].filter((r) => t.hex("key", r).startsWith(q.slice(0, 6).slice(0, q.length - (q.length % 2)))) : [];
	return (
		<section class="card">
			<h2>Who begins like…</h2>
			<input type="text" class="mono" aria-label="A key or its beginning, in hex" placeholder="a key, or its first bytes" value={text.value} onInput={(e) => (text.value = e.currentTarget.value)} spellcheck={false} />
			{q && !valid && <p class="bad-text">Two hex digits or more.</p>}
			{valid && <p role="status">{rows.length === 0 ? "Nobody that was heard." : `${count(rows.length)} nodes share its first ${Math.min(3, q.length >> 1)} bytes:`}</p>}
			<ul class="plain">{rows.slice(0, 20).map((r) => <li key={r}><a href={`/nodes/${t.hex("key", r)}`}><NodeName t={t} row={r} /></a> <small class="dim"><Ago at={t.num("last", r)} /></small></li>)}</ul>
		</section>
	);
}
