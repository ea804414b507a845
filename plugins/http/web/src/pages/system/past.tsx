// SPDX-License-Identifier: MIT
//
// Jobs that came to their end, and how long each took: so long the next upgrade of such a database
// takes.
import { useEffect } from "preact/hooks";
import { useApi } from "../../lib/api";
import { clock, count, duration } from "../../lib/format";
import { now } from "../../lib/time";
import { Badge, Honest } from "../../ui/state";

interface Ended {
	name: string;
	status: string;
	/** Unix seconds, 0: not known. */
	started: number;
	ended: number;
	error: string | null;
	rows: number;
}

const DAYS = 30;

function took(e: Ended): string {
	if (e.started <= 0) return "–";
	return e.ended > e.started ? duration(e.ended - e.started) : "under 1 s";
}

/** `ended`: how many have, which is looked for anew when it changes. */
export function Past({ ended }: { ended: number }) {
	const state = useApi<{ items: Ended[] }>("/api/jobs", 30000);
	useEffect(() => {
		if (ended > 0) state.peek().refresh();
	}, [ended]);
	const list = state.value.data?.items.filter((e) => e.ended >= now.value - DAYS * 86400) ?? [];
	return (
		<section class="card">
			<h2>{`Ended in the last ${DAYS} days`}</h2>
			<Honest state={state.value} has={state.value.data !== null} what="jobs that came to their end" owner="storage">
				{list.length === 0 && <p class="dim">None.</p>}
				{list.length > 0 && (
					<div class="scroll-x" tabIndex={0}>
						<table class="list">
							<thead><tr><th>Job</th><th>Ended</th><th class="right">Took</th><th class="right">Rows</th><th>Outcome</th></tr></thead>
							<tbody>
								{list.map((e) => (
									<tr key={e.name}>
										<td>{e.name.replaceAll("_", " ")}</td><td>{clock(e.ended, now.value)}</td>
										<td class="right">{took(e)}</td><td class="right">{count(e.rows)}</td>
										<td><Badge kind={e.status === "done" ? "good" : "bad"}>{e.status}</Badge> {e.error}</td>
									</tr>
								))}
							</tbody>
						</table>
					</div>
				)}
			</Honest>
		</section>
	);
}
