// SPDX-License-Identifier: MIT
//
// Packets that are for one region only, and the regions that nodes belong to.
import { useMemo } from "preact/hooks";
import { useApi } from "../../lib/api";
import { count, percent, seconds } from "../../lib/format";
import { href } from "../../lib/router";
import { nodes, useSet } from "../../lib/store";
import { Bars, Lines } from "../../ui/chart";
import { Figure, Honest } from "../../ui/state";
import { WindowChoice, windowOf } from "./window";

interface Answer {
	summary: { transportTotal: number; scoped: number; unscoped: number; unknownScope: number };
	byRegion: { name: string; count: number }[];
	timeSeries: { t: string; scoped: number; unscoped: number }[];
}
const WINDOWS = ["1h", "24h", "7d"];

export function Scopes() {
	const window = windowOf("24h", WINDOWS);
	const state = useApi<Answer>(`/api/scope-stats?window=${window}`, 60000);
	const n = useSet(nodes, 5000);
	const own = useMemo(() => {
		const found = new Map<string, number>();
		for (let i = 0; i < (n.table?.rows ?? 0); i++) {
			const scope = n.table!.text("scope", i);
			if (scope) found.set(scope, (found.get(scope) ?? 0) + 1);
		}
		return [...found].sort((a, b) => b[1] - a[1]);
	}, [n.table, n.table?.rows]);
	const d = state.value.data;
	const all = d ? d.summary.scoped + d.summary.unscoped : 0;
	return (
		<div class="scroll">
			<div class="toolbar"><WindowChoice value={window} otherwise="24h" allowed={WINDOWS} /></div>
			<Honest state={state.value} has={d?.summary !== undefined} what="the scopes" owner="analytics">
				{d && (
					<>
						<div class="figures">
							<Figure name="For one region" value={count(d.summary.scoped)} note={`${percent(all > 0 ? d.summary.scoped / all : null, 1)} of ${count(all)} packets`} />
							<Figure name="For everybody" value={count(d.summary.unscoped)} />
							<Figure name="Of a region we do not know" value={count(d.summary.unknownScope)} note="its key is not configured" />
						</div>
						<div class="cards">
							<section class="card">
								<h2>Packets by region</h2>
								{d.byRegion.length === 0 ? <p>No packet of this time named a region that is known here.</p> : <Bars label="Packets by region" bars={d.byRegion.map((r) => ({ label: r.name, value: r.count }))} />}
							</section>
							<section class="card">
								<h2>Nodes by their region</h2>
								{own.length === 0 ? <p>No node has told its region.</p> : <Bars label="Nodes by region" bars={own.map(([label, value]) => ({ label, value }))} />}
							</section>
							<section class="card wide">
								<div class="card-head"><h2>Over time</h2><a href={href("/packets", { q: "scope:" })}>Packets with a scope</a></div>
								{d.timeSeries.length < 2
									? <p>{`${d.timeSeries.length === 0 ? "Nothing" : "One point"} in this time: too few for a line.`}</p>
									: <Lines label="Packets with and without a region over time" times={d.timeSeries.map((p) => seconds(p.t))} series={[{ name: "for a region", values: d.timeSeries.map((p) => p.scoped) }, { name: "for everybody", values: d.timeSeries.map((p) => p.unscoped) }]} zero />}
							</section>
						</div>
					</>
				)}
			</Honest>
		</div>
	);
}
