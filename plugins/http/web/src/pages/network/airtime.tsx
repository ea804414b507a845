// SPDX-License-Identifier: MIT
//
// What takes the air: the share of packets and the share of time on the air, by type.
import { useApi } from "../../lib/api";
import { count, duration, percent } from "../../lib/format";
import { typeToken, typeWord } from "../../lib/palette";
import { Figure, Honest } from "../../ui/state";
import { asQuery, WindowChoice, windowOf } from "./window";

interface Answer {
	rows: { payload_type: string; type: number; count: number; count_pct: number; score: number; airtime_pct: number }[];
	total_count: number;
	total_score: number;
	preset: { freq_hz: number; bw_khz: number; sf: number; cr: number; preamble: number };
}

export function Airtime() {
	const window = windowOf("24h");
	const state = useApi<Answer>(`/api/analytics/relay-airtime-share${asQuery(window)}`, 60000);
	const d = state.value.data;
	return (
		<div class="scroll">
			<div class="toolbar"><WindowChoice value={window} otherwise="24h" /></div>
			<Honest state={state.value} has={d !== null} what="the use of airtime" owner="analytics">
				{d && (
					<div class="cards">
						<section class="card wide">
							<div class="card-head"><h2>Share of packets and of airtime</h2><span class="dim row"><i class="mark-count" /> packets <i class="mark-air" /> airtime of relays</span></div>
							{d.rows.length === 0 ? <p>No packet in this time.</p> : <Dumbbells d={d} />}
						</section>
						<section class="card">
							<h2>How it is counted</h2>
							<div class="figures">
								<Figure name="Packets" value={count(d.total_count)} />
								<Figure name="Relayed time on the air" value={duration(d.total_score / 1e9)} />
							</div>
							<p class="dim">
								{`Each packet's time on the air, times the relays that are known to have sent it on, for ${(d.preset.freq_hz / 1e6).toFixed(3)} MHz, ${d.preset.bw_khz} kHz, SF ${d.preset.sf}, CR 4/${d.preset.cr}. Hops that could be several relays are not counted.`}
							</p>
						</section>
					</div>
				)}
			</Honest>
		</div>
	);
}

function Dumbbells({ d }: { d: Answer }) {
	const most = Math.max(1, ...d.rows.flatMap((r) => [r.count_pct, r.airtime_pct]));
	const x = (v: number): string => `${(v / most) * 96 + 2}%`;
	return (
		<table class="dumbbells">
			<thead><tr><th>Type</th><th><span class="sr">As a picture</span></th><th class="right">Packets</th><th class="right">of packets</th><th class="right">of airtime</th></tr></thead>
			<tbody>
				{d.rows.map((r) => (
					<tr key={r.type}>
						<th scope="row"><span class={`type ${typeToken(r.type).slice(2)}`}><span>{typeWord(r.type)}</span></span></th>
						<td>
							<svg width="100%" height="18" aria-hidden="true">
								<line x1={x(r.count_pct)} x2={x(r.airtime_pct)} y1="9" y2="9" class="bell" />
								<circle cx={x(r.count_pct)} cy="9" r="4" class="bell-count" /><circle cx={x(r.airtime_pct)} cy="9" r="5" class="bell-air" />
							</svg>
						</td>
						<td class="right">{count(r.count)}</td><td class="right">{percent(r.count_pct / 100, 1)}</td><td class="right">{percent(r.airtime_pct / 100, 1)}</td>
					</tr>
				))}
			</tbody>
		</table>
	);
}
