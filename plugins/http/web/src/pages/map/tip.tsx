// SPDX-License-Identifier: MIT
//
// What lies under the pointer, in two lines.
import { useEffect, useRef } from "preact/hooks";
import { ago, count, fixed } from "../../lib/format";
import { links, nodes } from "../../lib/store";
import { now } from "../../lib/time";
import type { Mesh2D } from "../../mesh/source";
import type { Hit } from "../../mesh/types";
import { NodeName, snrText } from "./panels";

export function Tip({ mesh, hit, x, y }: { mesh: Mesh2D; hit: Hit; x: number; y: number }) {
	const box = useRef<HTMLDivElement>(null);
	useEffect(() => {
		const el = box.current!, around = el.parentElement!;
		const left = x + 14 + el.offsetWidth > around.clientWidth ? x - 14 - el.offsetWidth : x + 14;
		el.style.transform = `translate(${Math.max(0, left)}px, ${Math.min(y + 10, around.clientHeight - el.offsetHeight - 4)}px)`;
	});
	const t = nodes.state.value.table;
	if (t === null || (hit.kind === "node" && hit.index >= t.rows)) return null;
	if (hit.kind === "node") {
		return (
			<div class="tip" ref={box}>
				<strong><NodeName t={t} row={hit.index} /></strong>
				<span class="dim">{`heard ${ago(t.num("last", hit.index), now.value)}, ${count(mesh.graph.degree(hit.index))} links`}</span>
			</div>
		);
	}
	const l = links.state.value.table;
	if (l === null || hit.index >= l.rows) return null;
	const km = l.num("km", hit.index);
	return (
		<div class="tip" ref={box}>
			<strong><NodeName t={t} row={l.num("a", hit.index)} /></strong>
			<strong><NodeName t={t} row={l.num("b", hit.index)} /></strong>
			<span class="dim">
				{`${count(l.num("count", hit.index))} packets, SNR ${snrText(l.num("snr", hit.index))}${Number.isFinite(km) ? `, ${fixed(km, 1, "km")}` : ""}`}
			</span>
		</div>
	);
}
