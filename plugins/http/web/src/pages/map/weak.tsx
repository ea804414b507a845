// SPDX-License-Identifier: MIT
//
// What the mesh hangs on: nodes and links that have no way around, those first whose loss cuts off most.
import { useMemo } from "preact/hooks";
import { count, plural, shortKey } from "../../lib/format";
import { setQuery } from "../../lib/router";
import { nodes } from "../../lib/store";
import type { Mesh2D } from "../../mesh/source";
import { Drawer } from "../../ui/page";
import { End } from "./panels";
import { selectLink } from "./state";

const SHOWN = 50;

export function WeakPanel({ mesh }: { mesh: Mesh2D }) {
	const t = nodes.state.value.table!;
	const points = useMemo(() => mesh.graph.weakPoints(), [mesh]), { sizes } = useMemo(() => mesh.graph.parts(), [mesh]);
	const by = (m: Map<number, number>): [number, number][] => [...m].sort((a, b) => b[1] - a[1]);
	// A link to one node that has no other is nobody's weak point but that node's.
	const ends = by(points.links).filter(([, cut]) => cut > 1), single = points.links.size - ends.length;
	const name = (row: number): string => t.text("name", row) ?? shortKey(t.hex("key", row));
	return (
		<Drawer title="Weak points" label="Weak points" onClose={() => setQuery({ weak: "" }, false)}>
			<p class="dim">{`Of what is shown: ${plural(sizes[0] ?? 0, "node")} are connected${sizes.length > 1 ? `, ${plural(sizes.length - 1, "smaller part")} beside them` : ""}. Links that nobody has used yet may be ways around.`}</p>
			<section>
				<h3>{`Nodes without a way around: ${count(points.nodes.size)}`}</h3>
				{points.nodes.size === 0 && <p>The mesh holds without any one of them.</p>}
				<ol class="hops">{by(points.nodes).slice(0, SHOWN).map(([n, cut]) => <li key={n}><End row={n} /> <small class="dim">{`${plural(cut, "node")} cut off without it`}</small></li>)}</ol>
			</section>
			<section>
				<h3>{`Links without a way around: ${count(ends.length)}`}</h3>
				<ol class="hops">
					{ends.slice(0, SHOWN).map(([l, cut]) => {
						const a = mesh.links.a[l]!, b = mesh.links.b[l]!;
						return (
							<li key={l}>
								<button type="button" class="linkish" onClick={() => selectLink(t.hex("key", a), t.hex("key", b))}>{`${name(a)} ↔ ${name(b)}`}</button>{" "}
								<small class="dim">{`${plural(cut, "node")} cut off`}</small>
							</li>
						);
					})}
				</ol>
				{single > 0 && <p class="dim">{`${plural(single, "node")} with one link only ${single === 1 ? "is" : "are"} not listed.`}</p>}
			</section>
		</Drawer>
	);
}
