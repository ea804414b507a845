// SPDX-License-Identifier: MIT
import { useSignal } from "@preact/signals";
import { useApi } from "../../lib/api";
import { count, seconds } from "../../lib/format";
import { Path } from "../../ui/path";
import { Ago, Honest, Notice } from "../../ui/state";

interface Answer {
	paths: { hops: { prefix: string; pubkey: string | null }[]; count: number; lastSeen: string | null; sampleHash: string }[];
	totalPaths: number;
	totalTransmissions: number;
}

/** Paths that it is a hop of. */
export function Paths({ key_ }: { key_: string }) {
	const loaded = useApi<Answer>(`/api/nodes/${key_}/paths`);
	const { data } = loaded.value;
	const many = useSignal(10);
	return (
		<Honest state={loaded.value} has={data !== null} what="its paths" owner="http">
			{data?.paths.length === 0 && <Notice kind="info">No packet is known that it passed on.</Notice>}
			{data && data.paths.length > 0 && (
				<>
					<p class="dim">{`${count(data.totalTransmissions)} packets took ${count(data.totalPaths)} paths through it; the newest of them:`}</p>
					<ul class="paths">
						{data.paths.slice(0, many.value).map((p) => (
							<li key={p.sampleHash + p.hops.length + p.count}>
								<Path hops={p.hops.map((h) => h.prefix)} resolved={p.hops.map((h) => h.pubkey)} />
								<span class="dim">{`×${count(p.count)} · `}<Ago at={seconds(p.lastSeen)} /> · <a href={`/packets/${p.sampleHash}?t=all`}>a packet</a> · <a href={`/map?r=${p.sampleHash}`}>map</a></span>
							</li>
						))}
					</ul>
					{data.paths.length > many.value && <button type="button" class="chip" onClick={() => (many.value += 10)}>More paths</button>}
				</>
			)}
		</Honest>
	);
}
