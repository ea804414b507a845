// SPDX-License-Identifier: MIT
//
// Who it is linked with. Neighbors are told from paths of any kind; two-way links only from hops that
// can be nobody else.
import { useApi } from "../../lib/api";
import { count, fixed, seconds } from "../../lib/format";
import { role } from "../../lib/palette";
import { param, setQuery } from "../../lib/router";
import { RoleIcon } from "../../ui/icons";
import { Ago, Badge, Honest, Notice } from "../../ui/state";

interface Neighbor {
	pubkey: string | null;
	prefix: string;
	name: string | null;
	role: string | null;
	count: number;
	score: number;
	last_seen: string;
	avg_snr: number | null;
	distance_km?: number | null;
	observers: string[];
	ambiguous: boolean;
	candidates?: { pubkey: string; name: string }[];
}

interface Reach {
	reliable_tokens: string[];
	importance: { neighbor_degree: number; degree_rank: number; nodes_with_edges: number; relay_observations: number; bidirectional_links: number };
	links: { pubkey: string; name: string; role: string; we_hear: number; they_hear: number; bidir: boolean; distance_km: number | null }[];
}

function who(n: Neighbor) {
	if (n.pubkey) return <a href={`/nodes/${n.pubkey}/links`}><RoleIcon role={role(n.role)} size={10} />{n.name || n.pubkey.slice(0, 8)}</a>;
	const names = n.candidates?.map((c) => c.name).join(", ");
	return <span title={names}><span class="mono">{n.prefix.toUpperCase()}</span> <span class="dim">{n.candidates?.length ? `one of ${n.candidates.length}` : "unknown"}</span></span>;
}

export function Links({ key_ }: { key_: string }) {
	const neighbors = useApi<{ neighbors: Neighbor[] }>(`/api/nodes/${key_}/neighbors`, 60000);
	const days = ["1", "7", "30"].includes(param("days")) ? param("days") : "7";
	const reach = useApi<Reach>(`/api/nodes/${key_}/reach?days=${days}`);
	const list = neighbors.value.data?.neighbors, r = reach.value.data;
	return (
		<>
			<section>
				<h3>{`Neighbors${list ? `: ${count(list.length)}` : ""}`}</h3>
				<Honest state={neighbors.value} has={list !== undefined} what="the list of neighbors" owner="neighbors">
					{list?.length === 0 && <Notice kind="info">No neighbor is known: nothing that it sent or passed on was heard yet.</Notice>}
					{list && list.length > 0 && (
						<div class="scroll-x" tabIndex={0}>
							<table class="list">
								<thead><tr><th>Neighbor</th><th class="right">Count</th><th class="right">SNR</th><th class="right">km</th><th class="right">Score</th><th class="right">Last</th></tr></thead>
								<tbody>
									{list.slice(0, 100).map((n) => (
										<tr key={(n.pubkey ?? "") + n.prefix}>
											<td>{who(n)}</td>
											<td class="right">{count(n.count)}</td>
											<td class="right">{fixed(n.avg_snr)}</td>
											<td class="right">{fixed(n.distance_km)}</td>
											<td class="right">{fixed(n.score, 2)}</td>
											<td class="right"><Ago at={seconds(n.last_seen)} /></td>
										</tr>
									))}
								</tbody>
							</table>
						</div>
					)}
				</Honest>
			</section>
			<section>
				<div class="row spread">
					<h3>Two-way links</h3>
					<select aria-label="Days for two-way links" value={days} onChange={(e) => setQuery({ days: e.currentTarget.value })}>
						<option value="1">last day</option><option value="7">last 7 days</option><option value="30">last 30 days</option>
					</select>
				</div>
				<Honest state={reach.value} has={r !== null} what="links in both directions" owner="analytics">
					{r && (
						<>
							<p class="dim">
								{r.reliable_tokens.length > 0
									? `Only hops that can be no other node are counted (${r.reliable_tokens.join(", ")}), in ${count(r.importance.relay_observations)} observations.`
									: "No hop stands for this node alone, so nothing can be counted."}
							</p>
							{r.links.length > 0 && (
								<div class="scroll-x" tabIndex={0}>
									<table class="list">
										<thead><tr><th>Node</th><th class="right">It hears</th><th class="right">Is heard</th><th>Both</th><th class="right">km</th></tr></thead>
										<tbody>
											{r.links.slice(0, 100).map((l) => (
												<tr key={l.pubkey}>
													<td><a href={`/nodes/${l.pubkey}/links`}><RoleIcon role={role(l.role)} size={10} />{l.name || l.pubkey.slice(0, 8)}</a></td>
													<td class="right">{count(l.we_hear)}</td>
													<td class="right">{count(l.they_hear)}</td>
													<td>{l.bidir ? <Badge kind="good">both ways</Badge> : <Badge kind="off">one way</Badge>}</td>
													<td class="right">{fixed(l.distance_km)}</td>
												</tr>
											))}
										</tbody>
									</table>
								</div>
							)}
						</>
					)}
				</Honest>
			</section>
		</>
	);
}
