// SPDX-License-Identifier: MIT
//
// Packets that are others with wrong bits: how many, after which relays, and which ones.
import { useApi } from "../../lib/api";
import { clock, count, percent, plural, seconds } from "../../lib/format";
import { typeWord } from "../../lib/palette";
import { now } from "../../lib/time";
import { Bars } from "../../ui/chart";
import { Figure, Honest, Notice } from "../../ui/state";
import { WindowChoice, windowOf } from "./window";

interface Answer {
	summary: {
		copies: number; packets?: number; share?: number; inTail: number; fewBits: number; atReception: number;
		judgedBy: { mac: number; observers: number; path: number; order: number }; notCompared: number; forgotten: number;
	};
	byType: { type: number; name: string; count: number }[];
	relays: { hop: string; name: string | null; pubkey: string | null; damaged: number; blame: number; carried?: number; rate?: number }[];
	observers: { observer_id: string; observer_name: string | null; damaged: number }[];
	copies: {
		hash: string; original: string; payload_type: number; timestamp: string; bits: number; first_bit: number; last_bit: number;
		payload_bits: number; hops: number; judge: string; suspects: string[];
	}[];
}

const FEW = 20; // copies; with fewer nobody is judged by a rate

export function Damaged() {
	const window = windowOf("24h");
	const state = useApi<Answer>(`/api/analytics/damaged-copies?limit=100${window === "all" ? "" : `&window=${window}`}`, 60000);
	const d = state.value.data;
	return (
		<div class="scroll">
			<div class="toolbar"><WindowChoice value={window} otherwise="24h" /></div>
			<Honest state={state.value} has={d?.summary !== undefined} what="damaged copies" owner="analytics">
				{d && <Loaded d={d} />}
			</Honest>
		</div>
	);
}

function Loaded({ d }: { d: Answer }) {
	const s = d.summary;
	return (
		<>
			<div class="figures">
				<Figure name="Damaged copies" value={count(s.copies)} note={s.packets !== undefined ? `${percent(s.share, 2)} of ${count(s.packets)} packets` : ""} />
				<Figure name="Damaged at reception" value={count(s.atReception)} note="by the observer itself" />
				<Figure name="In the last tenth" value={count(s.inTail)} note="of the payload" />
				<Figure name="Six bits or fewer" value={count(s.fewBits)} />
			</div>
			{s.notCompared > 0 && <Notice kind="info">{`${plural(s.notCompared, "packet")} came in so dense a crowd that they were not compared with all others.`}</Notice>}
			{s.copies === 0
				? <p>In this time no packet was another one with wrong bits.</p>
				: (
					<div class="cards">
						<section class="card wide">
							<h2>Relays that may have done it</h2>
							{s.copies < FEW && <p class="dim">{`n = ${s.copies}: too few to blame anybody.`}</p>}
							<div class="scroll-x" tabIndex={0}>
								<table class="list">
									<thead><tr><th>Relay</th><th class="right">Damaged</th><th class="right" title="Each copy divided by the relays that may have done it">Blame</th><th class="right">Carried well</th><th class="right">Rate</th></tr></thead>
									<tbody>
										{d.relays.slice(0, 40).map((r) => (
											<tr key={r.hop + (r.pubkey ?? "")}>
												<td>{r.pubkey ? <a href={`/nodes/${r.pubkey}`}>{r.name ?? r.hop}</a> : <span class="dim">not certain</span>} <code class="dim">{r.hop}</code></td>
												<td class="right">{count(r.damaged)}</td><td class="right">{r.blame.toFixed(1)}</td><td class="right">{count(r.carried)}</td>
												<td class="right">{s.copies < FEW ? "" : percent(r.rate, 1)}</td>
											</tr>
										))}
									</tbody>
								</table>
							</div>
						</section>
						<section class="card"><h2>By type</h2><Bars label="Damaged copies by type" bars={d.byType.map((t) => ({ label: typeWord(t.type), value: t.count }))} /></section>
						{d.observers.length > 0 && <section class="card"><h2>Observers that receive damaged</h2><Bars label="By observer" bars={d.observers.slice(0, 15).map((o) => ({ label: o.observer_name ?? o.observer_id.slice(0, 8), value: o.damaged }))} /></section>}
						<section class="card wide">
							<h2>{`The newest ${d.copies.length}`}</h2>
							<div class="scroll-x" tabIndex={0}>
								<table class="list">
									<thead><tr><th>When</th><th>Copy</th><th>Of</th><th>Type</th><th class="right">Wrong bits</th><th>Where</th><th>Judged by</th><th>After</th></tr></thead>
									<tbody>
										{d.copies.map((c) => (
											<tr key={c.hash}>
												<td>{clock(seconds(c.timestamp), now.value)}</td>
												<td><a href={`/packets/${c.hash}`}><code>{c.hash}</code></a></td><td><a href={`/packets/${c.original}`}><code>{c.original}</code></a></td>
												<td>{typeWord(c.payload_type)}</td><td class="right">{count(c.bits)}</td>
												<td><Where c={c} /></td><td>{c.judge}</td><td><code>{c.suspects.join(" ")}</code></td>
											</tr>
										))}
									</tbody>
								</table>
							</div>
						</section>
					</div>
				)}
		</>
	);
}

/** The stretch of the payload in which bits are wrong. */
function Where({ c }: { c: Answer["copies"][number] }) {
	const scale = 100 / Math.max(1, c.payload_bits);
	return (
		<svg class="where" width="90" height="10" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label={`bits ${c.first_bit} to ${c.last_bit} of ${c.payload_bits}`}>
			<rect class="where-all" width="100" height="10" /><rect class="fill-2" x={c.first_bit * scale} width={Math.max(2, (c.last_bit - c.first_bit + 1) * scale)} height="10" />
		</svg>
	);
}
