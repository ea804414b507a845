// SPDX-License-Identifier: MIT
//
// My nodes: those that were pinned, a dense row each.
import { useApi } from "../../lib/api";
import { count, fixed } from "../../lib/format";
import { pins } from "../../lib/pins";
import { role } from "../../lib/palette";
import { href } from "../../lib/router";
import { nodes, useSet } from "../../lib/store";
import { Spark } from "../../ui/chart";
import { RoleIcon } from "../../ui/icons";
import { CopyButton } from "../../ui/page";
import { Ago, Badge } from "../../ui/state";
import { healthOf, nameOf, PinButton } from "../nodes/columns";

interface Mine {
	pins?: {
		key: string; heard_by: number; hops: number | null; snr: number | null; packets_24h: number; spark: number[]; last_heard: number | null;
		battery_mv: number | null; relays_24h: number;
	}[];
}

export function MyNodes() {
	const { table: t } = useSet(nodes, 1000);
	const keys = pins.value;
	const day = useApi<Mine>(keys.length > 0 ? `/api/overview?pins=${keys.join(",")}` : null, 30000);
	const known = new Map(day.value.data?.pins?.map((n) => [n.key, n]));
	return (
		<section class="card" aria-label="My nodes">
			<div class="card-head">
				<h2>My nodes</h2>
				{keys.length > 0 && <span class="row"><CopyButton text={location.origin + href("/", { pins: keys.join(".") })} label="Copy an address that pins them elsewhere" /></span>}
			</div>
			{keys.length === 0 && <p class="dim">Pin a node in the <a href="/nodes">list of nodes</a>, and its state is here.</p>}
			{keys.length > 0 && t && (
				<div class="scroll-x" tabIndex={0}>
					<table class="list mine">
						<thead>
							<tr><th>Node</th><th>State</th><th class="right">Last heard</th><th class="right">Heard by</th><th class="right" title="Fewest to an observer">Hops</th><th class="right" title="Best that was heard directly">SNR</th><th class="right">Battery</th><th class="right">Relays 24 h</th><th>24 h</th><th><span class="sr">Pin</span></th></tr>
						</thead>
						<tbody>
							{keys.map((key) => {
								const r = nodes.find(key), d = known.get(key);
								if (r < 0) return <tr key={key}><td class="mono">{key.slice(0, 12)}…</td><td colSpan={8} class="dim">not known here</td><td><PinButton keyText={key} name={key.slice(0, 8)} /></td></tr>;
								const health = healthOf(t, r);
								return (
									<tr key={key}>
										<td><RoleIcon role={role(t.text("role", r))} /><a href={`/nodes/${key}`}>{nameOf(t, r)}</a></td>
										<td><Badge kind={health.kind} title={health.why}>{health.word}</Badge></td>
										<td class="right"><Ago at={Math.max(t.num("last", r), d?.last_heard ?? 0)} /></td>
										<td class="right">{d ? count(d.heard_by) : "–"}</td>
										<td class="right">{d?.hops ?? "–"}</td>
										<td class="right">{fixed(d?.snr, 1)}</td>
										<td class="right">{t.num("battery", r) ? `${(t.num("battery", r) / 1000).toFixed(2)} V` : "–"}</td>
										<td class="right">{t.text("role", r) === "repeater" || t.text("role", r) === "room" ? count(d?.relays_24h ?? t.num("relays_24h", r)) : "–"}</td>
										<td>{d && <Spark values={d.spark} width={64} height={18} label={`${count(d.packets_24h)} packets in 24 hours`} />}</td>
										<td><PinButton keyText={key} name={nameOf(t, r)} /></td>
									</tr>
								);
							})}
						</tbody>
					</table>
				</div>
			)}
		</section>
	);
}
