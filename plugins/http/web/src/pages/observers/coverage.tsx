// SPDX-License-Identifier: MIT
//
// How far an observer hears: the nodes that it heard without anybody in between, with the distance
// and the signal of each.
import { count, fixed, shortKey } from "../../lib/format";
import { role } from "../../lib/palette";
import { href } from "../../lib/router";
import { links, nodes, useSet } from "../../lib/store";
import type { Table } from "../../lib/sets";
import { Columns } from "../../ui/chart";
import { RoleIcon } from "../../ui/icons";
import { Ago, Badge, Figure, Honest, Notice } from "../../ui/state";

const FEW = 5;
const SHOWN = 100;
const SECTORS = ["N", "NE", "E", "SE", "S", "SW", "W", "NW"];
const UNKNOWN_SNR = -32768;

interface Heard {
	link: number;
	other: number;
	km: number;
	/** Of the sector in which it is; -1: not known. */
	sector: number;
}

/** Degrees from north, clockwise. */
function bearing(lat1: number, lon1: number, lat2: number, lon2: number): number {
	const rad = Math.PI / 180, dl = (lon2 - lon1) * rad;
	const y = Math.sin(dl) * Math.cos(lat2 * rad);
	const x = Math.cos(lat1 * rad) * Math.sin(lat2 * rad) - Math.sin(lat1 * rad) * Math.cos(lat2 * rad) * Math.cos(dl);
	return (Math.atan2(y, x) / rad + 360) % 360;
}

/** Links over which something came to the node, and of which a signal is known. */
function heardBy(t: Table, l: Table, row: number): Heard[] {
	const found: Heard[] = [];
	const lat = t.num("lat", row), lon = t.num("lon", row);
	for (let i = 0; i < l.rows; i++) {
		const a = l.num("a", i), b = l.num("b", i);
		if ((a !== row && b !== row) || l.num("snr", i) === UNKNOWN_SNR) continue;
		const other = a === row ? b : a;
		const toIt = b === row ? l.num("ab", i) : l.num("count", i) - l.num("ab", i);
		if (other >= t.rows || toIt === 0) continue;
		const angle = bearing(lat, lon, t.num("lat", other), t.num("lon", other));
		found.push({ link: i, other, km: l.num("km", i), sector: Number.isNaN(angle) ? -1 : Math.round(angle / 45) % 8 });
	}
	return found.sort((x, y) => (Number.isNaN(y.km) ? -1 : y.km) - (Number.isNaN(x.km) ? -1 : x.km));
}

export function Coverage({ node }: { node: string | null }) {
	const n = useSet(nodes, 3000), l = useSet(links, 3000);
	const row = n.table && node ? nodes.find(node) : -1;
	if (n.table && row < 0) return <Notice kind="info">No node has the key of this observer: where it is, and whom it hears, is not known.</Notice>;
	return (
		<Honest state={l.error ? l : n} has={n.table !== null && l.table !== null} what="the links" owner="neighbors">
			{n.table && l.table && <Loaded t={n.table} l={l.table} row={row} node={node!} />}
		</Honest>
	);
}

function Loaded({ t, l, row, node }: { t: Table; l: Table; row: number; node: string }) {
	const heard = heardBy(t, l, row);
	const kms = heard.map((h) => h.km).filter((km) => !Number.isNaN(km));
	const snr = (h: Heard): number => l.num("snr", h.link) / 100;
	const sorted = [...kms].sort((a, b) => a - b);
	const farthest = SECTORS.map((label, s) => ({ label, value: Math.round(Math.max(0, ...heard.filter((h) => h.sector === s && !Number.isNaN(h.km)).map((h) => h.km))) }));
	if (heard.length === 0) return <Notice kind="info">Nobody is known that it heard without a hop in between.</Notice>;
	return (
		<>
			<div class="figures">
				<Figure name="Hears directly" value={count(heard.length)} note="nodes" />
				<Figure name="Farthest" value={kms.length > 0 ? fixed(Math.max(...kms), 1, "km") : "unknown"} note={`${count(kms.length)} with both positions`} />
				<Figure name="Half within" value={kms.length < FEW ? "too few" : fixed(sorted[Math.floor(sorted.length / 2)], 1, "km")} note={kms.length < FEW ? `n = ${kms.length}` : ""} />
			</div>
			{kms.length >= FEW && <section><h3>Farthest by direction, km</h3><Columns label={`Farthest by direction: ${farthest.map((s) => `${s.label} ${s.value} km`).join(", ")}`} bars={farthest} unit=" km" height={80} /></section>}
			<section>
				<div class="row spread"><h3>Heard without a hop</h3><a class="button" href={href("/map", { n: node })}>On the map</a></div>
				<div class="scroll-x" tabIndex={0}>
					<table class="list">
						<thead><tr><th>Node</th><th class="right">km</th><th>To</th><th class="right">SNR</th><th class="right">Packets</th><th>Link</th><th class="right">Last</th></tr></thead>
						<tbody>
							{heard.slice(0, SHOWN).map((h) => (
								<tr key={h.link}>
									<td><a href={`/nodes/${t.hex("key", h.other)}`}><RoleIcon role={role(t.text("role", h.other))} size={10} />{t.text("name", h.other) || shortKey(t.hex("key", h.other))}</a></td>
									<td class="right">{fixed(h.km)}</td><td>{SECTORS[h.sector] ?? "–"}</td><td class="right">{fixed(snr(h), 1)}</td><td class="right">{count(l.num("count", h.link))}</td>
									<td><a href={href("/network/neighbors", { link: [l.num("a", h.link), l.num("b", h.link)].map((r) => t.hex("key", r).slice(0, 16)).join("~") })}>{l.num("resolved", h.link) === 1 ? <Badge kind="warn">ambiguous</Badge> : "evidence"}</a></td>
									<td class="right"><Ago at={l.num("last", h.link)} /></td>
								</tr>
							))}
						</tbody>
					</table>
				</div>
				{heard.length > SHOWN && <p class="dim">{`The ${SHOWN} farthest of ${count(heard.length)}.`}</p>}
			</section>
		</>
	);
}
