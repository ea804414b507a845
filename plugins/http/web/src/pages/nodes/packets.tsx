// SPDX-License-Identifier: MIT
import { useApi } from "../../lib/api";
import { clock, count, fixed, full, seconds } from "../../lib/format";
import { now } from "../../lib/time";
import { Honest, Notice } from "../../ui/state";
import { Type } from "../packets/type";

interface Tx {
	hash: string;
	payload_type: number | null;
	first_seen: string;
	latest?: string;
	observation_count: number;
	snr: number | null;
	path_json: string | null;
	observer_name: string | null;
}

/** The newest packets that a node or an observer has to do with; `query` asks for them. */
export function PacketsOf({ query, more }: { query: string; more: string }) {
	const loaded = useApi<{ packets: Tx[]; total: number }>(`/api/packets?${query}&groupByHash=true&limit=50`, 30000);
	const { data } = loaded.value;
	return (
		<Honest state={loaded.value} has={data !== null} what="its packets" owner="storage">
			{data?.packets.length === 0 && <Notice kind="info">No packet is known.</Notice>}
			{data && data.packets.length > 0 && (
				<>
					<p class="dim">{`The newest ${count(data.packets.length)} of ${count(data.total)}. `}<a href={more}>The table of packets</a></p>
					<div class="scroll-x" tabIndex={0}>
						<table class="list">
							<thead><tr><th>Time</th><th>Type</th><th class="right">Hops</th><th class="right">SNR</th><th class="right">Heard</th><th class="wide-only">Hash</th></tr></thead>
							<tbody>
								{data.packets.map((p) => (
									<tr key={p.hash}>
										<td><time title={full(seconds(p.first_seen))}>{clock(seconds(p.first_seen), now.value)}</time></td>
										<td><a href={`/packets/${p.hash}?t=all`}><Type type={p.payload_type ?? 255} /></a></td>
										<td class="right">{(p.path_json?.match(/"/g)?.length ?? 0) / 2}</td>
										<td class="right">{fixed(p.snr)}</td>
										<td class="right">×{count(p.observation_count)}</td>
										<td class="mono wide-only"><a href={`/packets/${p.hash}?t=all`}>{p.hash.slice(0, 8)}</a></td>
									</tr>
								))}
							</tbody>
						</table>
					</div>
				</>
			)}
		</Honest>
	);
}

export const NodePackets = ({ key_ }: { key_: string }) => <PacketsOf query={`node=${key_}`} more={`/packets?q=from:${key_}&t=all`} />;
