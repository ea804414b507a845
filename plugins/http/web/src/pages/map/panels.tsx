// SPDX-License-Identifier: MIT
//
// What is known of the thing that is selected: a node, a link, or the way between two nodes.
import type { ComponentChildren } from "preact";
import { fixed, count, shortKey, UNKNOWN } from "../../lib/format";
import { role as roleOf } from "../../lib/palette";
import { href, setQuery } from "../../lib/router";
import { links, nodes } from "../../lib/store";
import type { Table } from "../../lib/sets";
import type { Mesh2D } from "../../mesh/source";
import { distanceKm } from "../../mesh/projection";
import { RoleIcon } from "../../ui/icons";
import { Button, CopyButton, Drawer } from "../../ui/page";
import { Ago, Facts } from "../../ui/state";
import { mapState, selectLink, selectNode } from "./state";

export const clearSelection = (): void => setQuery({ n: "", l: "", r: "", ego: "" }, false);
export const snrText = (hundredths: number): string => (hundredths === -32768 ? UNKNOWN : fixed(hundredths / 100, 1, "dB"));

export function NodeName({ t, row }: { t: Table; row: number }) {
	return <><RoleIcon role={roleOf(t.text("role", row))} />{t.text("name", row) ?? shortKey(t.hex("key", row))}</>;
}

const CAPABILITY = ["not known", "suspected", "confirmed"];

export function NodePanel({ mesh, row }: { mesh: Mesh2D; row: number }) {
	const t = nodes.state.value.table!, l = links.state.value.table;
	const key = t.hex("key", row);
	const own: number[] = [];
	for (let i = mesh.graph.first[row]!; i < mesh.graph.first[row + 1]!; i++) own.push(mesh.graph.by[i]!);
	own.sort((a, b) => l!.num("count", b) - l!.num("count", a));
	const { ego } = mapState.value;
	return (
		<Drawer
			title={<NodeName t={t} row={row} />} label="Node" onClose={clearSelection}
			actions={<CopyButton text={key} label="Copy the key" />}
		>
			<Facts
				items={[
					["Key", <code class="wrap">{key}</code>],
					["Role", t.text("role", row) ?? UNKNOWN],
					["Last heard", <Ago at={t.num("last", row)} />],
					["Position", Number.isFinite(t.num("lat", row)) ? `${t.num("lat", row).toFixed(4)}, ${t.num("lon", row).toFixed(4)}` : "not told"],
					["Relayed", `${count(t.num("relays_24h", row))} packets in 24 h`],
					["Multi-byte", CAPABILITY[t.num("capability", row)] ?? UNKNOWN],
				]}
			/>
			<div class="row">
				<a class="button primary" href={`/nodes/${key}`}>All about it</a>
				<a class="button" href={href("/packets", { q: `node:${key.slice(0, 12)}` })}>Packets</a>
			</div>
			<section>
				<h3>Show around it</h3>
				<div class="row">
					{[1, 2, 3].map((n) => (
						<button type="button" key={n} class="chip" aria-pressed={Math.max(1, ego) === n} onClick={() => setQuery({ ego: n > 1 ? n : "" })}>
							{n === 1 ? "neighbors" : `${n} hops`}
						</button>
					))}
				</div>
				<p class="dim">Shift-click a second node for the way between the two.</p>
			</section>
			<section>
				<h3>{`Links (${count(own.length)})`}</h3>
				<LinkList rows={own.slice(0, 100)} from={row} />
				{own.length > 100 && <p class="dim">{`The 100 most used of ${count(own.length)}.`}</p>}
			</section>
		</Drawer>
	);
}

/** Links with what speaks for them; of `from` the other ends. */
function LinkList({ rows, from }: { rows: number[]; from: number }) {
	const t = nodes.state.value.table!, l = links.state.value.table!;
	if (rows.length === 0) return <p class="dim">No link is known: no packet has told who hears it.</p>;
	return (
		<div class="scroll-x" tabIndex={0}>
			<table class="list">
				<thead><tr><th>Neighbor</th><th class="right">Packets</th><th class="right">SNR</th><th class="right">km</th></tr></thead>
				<tbody>
					{rows.map((i) => {
						const a = l.num("a", i), b = l.num("b", i), other = a === from ? b : a;
						return (
							<tr key={i}>
								<td>
									<button type="button" class="linkish" onClick={() => selectLink(t.hex("key", a), t.hex("key", b))}>
										<NodeName t={t} row={other} />
									</button>
									{l.num("resolved", i) === 1 && <small class="dim" title="Only ambiguous hops say that it exists"> unsure</small>}
								</td>
								<td class="right">{count(l.num("count", i))}</td>
								<td class="right">{snrText(l.num("snr", i))}</td>
								<td class="right">{fixed(l.num("km", i))}</td>
							</tr>
						);
					})}
				</tbody>
			</table>
		</div>
	);
}

export function End({ row }: { row: number }) {
	const t = nodes.state.value.table!;
	return <button type="button" class="linkish" onClick={() => selectNode(t.hex("key", row))}><NodeName t={t} row={row} /></button>;
}

export interface Way {
	title: string;
	note: string;
	nodes: number[];
}

/** The shortest way between two nodes and the one that packets take most. */
export function waysBetween(mesh: Mesh2D, a: number, b: number): Way[] {
	const l = links.state.peek().table;
	if (l === null) return [];
	const short = mesh.graph.path(a, b, () => 1);
	const used = mesh.graph.path(a, b, (i) => 1 / Math.log2(2 + l.num("count", i)) + 0.15);
	const ways: Way[] = [];
	if (used) ways.push({ title: "Over the busiest links", note: "what packets most likely take", nodes: used });
	if (short && short.length < (used?.length ?? Infinity)) ways.push({ title: "Fewest hops", note: "", nodes: short });
	return ways;
}

export function WayPanel({ mesh, a, b, ways }: { mesh: Mesh2D; a: number; b: number; ways: Way[] }) {
	const t = nodes.state.value.table!, l = links.state.value.table!;
	const step = (from: number, to: number): ComponentChildren => {
		let link = -1;
		for (let i = mesh.graph.first[from]!; i < mesh.graph.first[from + 1]!; i++) if (mesh.graph.to[i] === to) link = mesh.graph.by[i]!;
		const km = distanceKm(t.num("lat", from), t.num("lon", from), t.num("lat", to), t.num("lon", to));
		return <small class="dim">{link < 0 ? "" : `${count(l.num("count", link))} packets, ${Number.isFinite(km) ? `${km.toFixed(1)} km` : "distance not known"}`}</small>;
	};
	return (
		<Drawer title="Between two nodes" label="Way between two nodes" onClose={clearSelection} actions={<Button icon="swap" label="Turn the way round" onClick={() => setQuery({ n: `${t.hex("key", b)},${t.hex("key", a)}` })} />}>
			<p class="ends"><End row={a} /> <span aria-hidden="true">→</span><span class="sr">to</span> <End row={b} /></p>
			{ways.length === 0 && <p>No chain of known links joins them.</p>}
			{ways.map((w) => (
				<section key={w.title}>
					<h3>{`${w.title}: ${w.nodes.length - 1} ${w.nodes.length === 2 ? "hop" : "hops"}`}</h3>
					{w.note && <p class="dim">{w.note}</p>}
					<ol class="hops">
						{w.nodes.map((n, i) => (
							<li key={n}><End row={n} />{i > 0 && step(w.nodes[i - 1]!, n)}</li>
						))}
					</ol>
				</section>
			))}
		</Drawer>
	);
}
