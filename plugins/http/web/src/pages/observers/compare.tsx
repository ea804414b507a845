// SPDX-License-Identifier: MIT
//
// What two to four observers heard of the same packets, and how well.
import { useApi } from "../../lib/api";
import { count, fixed, percent } from "../../lib/format";
import { param, setQuery } from "../../lib/router";
import { observerName, observers, useSet } from "../../lib/store";
import { Honest, Notice } from "../../ui/state";
import { nameOf } from "./list";

interface Answer {
	observers: { id: string; packets: number; only: number }[];
	/** Packets by who heard them: bit n is the n-th observer. */
	sets: { mask: number; packets: number }[];
	pairs: { a: number; b: number; both: number; snr_difference: number | null; n: number }[];
	packets: number;
}

/** Below it nothing is concluded. */
const FEW = 30;

function Picker({ ids }: { ids: string[] }) {
	const { table: t } = useSet(observers, 2000);
	if (!t) return null;
	const rows = Array.from({ length: t.rows }, (_, i) => i).sort((a, b) => nameOf(t, a).localeCompare(nameOf(t, b)));
	const set = (i: number, id: string) => setQuery({ ids: [...ids.slice(0, i), id, ...ids.slice(i + 1)].filter(Boolean).join("~") });
	return (
		<div class="row">
			{[0, 1, 2, 3].slice(0, Math.min(4, ids.length + 1)).map((i) => (
				<select key={i} aria-label={`Observer ${i + 1}`} value={ids[i] ?? ""} onChange={(e) => set(i, e.currentTarget.value)}>
					<option value="">{i < 2 ? "choose an observer" : "and another one"}</option>
					{rows.map((r) => <option key={r} value={t.text("id", r) ?? ""} disabled={ids.includes(t.text("id", r) ?? "") && ids[i] !== t.text("id", r)}>{nameOf(t, r)}</option>)}
				</select>
			))}
			<select data-time aria-label="Time" value={param("hours") || "24"} onChange={(e) => setQuery({ hours: e.currentTarget.value })}>
				{[["1", "last hour"], ["6", "last 6 hours"], ["24", "last 24 hours"], ["168", "last 7 days"]].map(([h, words]) => <option key={h} value={h}>{words}</option>)}
			</select>
		</div>
	);
}

const names = (mask: number, ids: string[]): string => ids.filter((_, i) => mask & (1 << i)).map(observerName).join(" and ");

export function Compare() {
	const ids = param("ids").split("~").filter(Boolean).slice(0, 4);
	const query = new URLSearchParams({ ids: ids.join("~"), hours: param("hours") || "24" });
	useSet(observers, 2000);
	const loaded = useApi<Answer>(ids.length >= 2 ? `/api/web/compare?${query}` : null);
	const { data } = loaded.value;
	return (
		<>
			<Picker ids={ids} />
			{ids.length < 2 && <Notice kind="info">Choose at least two observers: what both heard, what only one of them did, and who heard it better.</Notice>}
			{ids.length >= 2 && (
				<Honest state={loaded.value} has={data !== null} what="the comparison" owner="http">
					{data && (
						<div class="cards">
							<section class="card">
								<h2>{`${count(data.packets)} different packets`}</h2>
								<div class="scroll-x" tabIndex={0}>
									<table class="list">
										<thead><tr><th>Heard by</th><th class="right">Packets</th><th class="right">Share</th></tr></thead>
										<tbody>
											{[...data.sets].sort((a, b) => b.packets - a.packets).map((s) => (
												<tr key={s.mask}>
													<td>{[1, 2, 4, 8].includes(s.mask) ? `only ${names(s.mask, ids)}` : names(s.mask, ids)}</td>
													<td class="right">{count(s.packets)}</td><td class="right">{percent(data.packets ? s.packets / data.packets : null)}</td>
												</tr>
											))}
										</tbody>
									</table>
								</div>
							</section>
							<section class="card">
								<h2>In pairs</h2>
								{data.pairs.map((p) => <Pair key={`${p.a}-${p.b}`} p={p} a={data.observers[p.a]!} b={data.observers[p.b]!} />)}
							</section>
						</div>
					)}
				</Honest>
			)}
		</>
	);
}

function Pair({ p, a, b }: { p: Answer["pairs"][0]; a: Answer["observers"][0]; b: Answer["observers"][0] }) {
	const one = observerName(a.id), two = observerName(b.id);
	if (a.packets < FEW || b.packets < FEW) {
		return <p>{`${one} and ${two}: too few packets to compare (${count(a.packets)} and ${count(b.packets)}, at least ${FEW} each are needed).`}</p>;
	}
	const better = p.snr_difference !== null && p.n >= FEW
		? Math.abs(p.snr_difference) < 0.5 ? " They hear these equally well." : ` ${p.snr_difference > 0 ? one : two} hears these ${fixed(Math.abs(p.snr_difference), 1, "dB")} better (n = ${count(p.n)}).`
		: ` How well cannot be told: the SNR of both is known for ${count(p.n)}.`;
	return (
		<p>
			{`${two} heard ${percent(p.both / a.packets)} of what ${one} heard, ${one} ${percent(p.both / b.packets)} of what ${two} heard.`}
			{p.both > 0 ? better : ""}
		</p>
	);
}
