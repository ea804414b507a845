// SPDX-License-Identifier: MIT
import { param } from "../../lib/router";
import { nodes, useSet } from "../../lib/store";
import { Honest, Notice } from "../../ui/state";
import { columns } from "./columns";

/** Two to six nodes beside each other, ?keys=A.B.C */
export function Compare() {
	const state = useSet(nodes, 1000);
	const { table } = state;
	const keys = param("keys").split(".").filter(Boolean).slice(0, 6);
	const rows = table ? keys.map((k) => nodes.find(k)).filter((r) => r >= 0) : [];
	return (
		<Honest state={state} has={table !== null} what="the list of nodes" owner="http">
			{rows.length === 0 && <Notice kind="info">Select two to six nodes in the <a href="/nodes">list</a> (key x) and choose Compare.</Notice>}
			{table && rows.length > 0 && (
				<div class="card scroll-x" tabIndex={0}>
					<table class="list">
						<thead><tr><th>Fact</th>{rows.map((r) => <th key={r}>{columns(table)[0]!.cell(r)}</th>)}</tr></thead>
						<tbody>
							{columns(table).slice(1).map((c) => (
								<tr key={c.id}><th scope="row" title={c.help}>{c.title}</th>{rows.map((r) => <td key={r} class={c.mono ? "mono" : ""}>{c.cell(r)}</td>)}</tr>
							))}
						</tbody>
					</table>
				</div>
			)}
		</Honest>
	);
}
