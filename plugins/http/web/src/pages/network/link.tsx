// SPDX-License-Identifier: MIT
//
// One link and what speaks for it.
import type { ComponentChildren } from "preact";
import { count, fixed, percent, shortKey } from "../../lib/format";
import { links, nodes } from "../../lib/store";
import { Bars } from "../../ui/chart";
import { Drawer } from "../../ui/page";
import { Ago, Badge, Facts } from "../../ui/state";
import { NodeName, snrText } from "../map/panels";
import { Evidence } from "./evidence";

/** There and back as a bar of two parts. */
export function Directions({ ab, ba }: { ab: number; ba: number }) {
	const share = ab + ba > 0 ? ab / (ab + ba) : 0;
	return (
		<svg class="split-bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
			<rect class="fill-1" width={share * 100} height="6" /><rect class="fill-2" x={share * 100} width={(1 - share) * 100} height="6" />
		</svg>
	);
}

export function LinkFacts({ row, onClose, more }: { row: number; onClose: () => void; more?: ComponentChildren }) {
	const l = links.state.value.table!, t = nodes.state.value.table!;
	const a = l.num("a", row), b = l.num("b", row), n = l.num("count", row), ab = l.num("ab", row);
	const unsure = l.num("resolved", row) === 1;
	const name = (i: number): string => t.text("name", i) ?? shortKey(t.hex("key", i));
	const sizes: [string, number][] = [["1 byte", l.num("s1", row)], ["2 bytes", l.num("s2", row)], ["3 bytes", l.num("s3", row)]];
	const direct = n - sizes.reduce((s, x) => s + x[1], 0);
	return (
		<Drawer title="Link" label="Link" onClose={onClose}>
			<p class="ends">
				<a href={`/nodes/${t.hex("key", a)}`}><NodeName t={t} row={a} /></a> <span aria-hidden="true">↔</span><span class="sr">and</span>
				<a href={`/nodes/${t.hex("key", b)}`}><NodeName t={t} row={b} /></a>
			</p>
			{unsure
				? <p><Badge kind="warn">ambiguous</Badge> Nothing but hops that could be other nodes, too, say that this link exists.</p>
				: <p><Badge kind="good">certain</Badge> Packets say so whose hops can be only these two.</p>}
			<Facts
				items={[
					["Packets", count(n)],
					["Directions", (
						<>
							<Directions ab={ab} ba={n - ab} />
							{`${name(a)} → ${name(b)}: ${count(ab)} (${percent(n > 0 ? ab / n : null)})`}<br />
							{`${name(b)} → ${name(a)}: ${count(n - ab)} (${percent(n > 0 ? 1 - ab / n : null)})`}
						</>
					)],
					["SNR", l.num("snr", row) === -32768 ? "not measured: no observer is at its end" : `${snrText(l.num("snr", row))} (mean at the observer)`],
					["Distance", Number.isFinite(l.num("km", row)) ? fixed(l.num("km", row), 1, "km") : "not known: a position is missing"],
					["Seen by", `${count(l.num("observers", row))} ${l.num("observers", row) === 1 ? "observer" : "observers"}`],
					["First seen", <Ago at={l.num("first", row)} />],
					["Last seen", <Ago at={l.num("last", row)} />],
				]}
			/>
			<Evidence key={`${a}-${b}`} a={t.hex("key", a)} b={t.hex("key", b)} />
			<section>
				<h3>Everything so far, by bytes of the hop</h3>
				<Bars label="Packets by bytes of the hop" bars={[...sizes.map(([label, value]) => ({ label, value })), { label: "heard direct", value: Math.max(0, direct) }]} />
				<p class="dim">A hop of one byte fits every 256th node; of two, every 65,536th. Heard direct: without a hop.</p>
			</section>
			<div class="row">{more}</div>
		</Drawer>
	);
}
