// SPDX-License-Identifier: MIT
//
// The ways that one packet took, as its observers saw them: which hops, who heard it, how far each
// hop is. A hop that could be several nodes is shown as what was sent, not as a guess.
import { useApi } from "../../lib/api";
import { clock, count, fixed, seconds } from "../../lib/format";
import { token, typeWord } from "../../lib/palette";
import { setQuery } from "../../lib/router";
import { nodes, observerName, observers } from "../../lib/store";
import { NONE } from "../../lib/sets";
import { now } from "../../lib/time";
import { distanceKm } from "../../mesh/projection";
import type { Route } from "../../mesh/types";
import { Drawer } from "../../ui/page";
import { Facts, Honest } from "../../ui/state";
import { hopsOf, senderOf } from "./live";
import { NodeName } from "./panels";
import { selectNode } from "./state";

interface Observation {
	id: number;
	observer_id: string | null;
	observer_name: string | null;
	path_json: string | null;
	resolved_path?: (string | null)[];
	snr: number | null;
	timestamp: string | null;
}
export interface PacketAnswer {
	packet: { hash: string; first_seen: string; payload_type: number | null; decoded_json: string | null };
	observations: Observation[];
	observation_count: number;
}

export interface PacketWay {
	/** Hops as they were sent. */
	sent: string[];
	/** Rows of: the sender, the hops, the observer; null where nobody knows. */
	nodes: (number | null)[];
	hasSender: boolean;
	heard: Observation[];
}

const row = (key: string | null | undefined): number | null => {
	const r = key ? nodes.find(key.toLowerCase()) : -1;
	return r < 0 ? null : r;
};

function observerRow(id: string | null): number | null {
	const o = id === null ? -1 : observers.find(id);
	const n = o < 0 ? NONE[4]! : observers.state.peek().table!.num("node", o);
	return n === NONE[4] ? row(id) : n;
}

/** Observations that came the same way to the same observer are one way. */
export function waysOf(a: PacketAnswer): PacketWay[] {
	const from = senderOf(a.packet);
	const found = new Map<string, PacketWay>();
	for (const o of a.observations) {
		const sent = hopsOf(o.path_json);
		const key = `${sent.join()}|${o.observer_id}`;
		const known = found.get(key);
		if (known) {
			known.heard.push(o);
			continue;
		}
		const hops = sent.map((_, i) => row(o.resolved_path?.[i]));
		const way = [...hops, observerRow(o.observer_id)];
		if (from !== null) way.unshift(row(from));
		found.set(key, { sent, nodes: way, hasSender: from !== null, heard: [o] });
	}
	return [...found.values()].sort((x, y) => y.sent.length - x.sent.length);
}

export function routesOf(ways: PacketWay[], chosen: number): Route[] {
	return ways.map((w, i) => ({
		nodes: w.nodes, color: token(i === chosen ? "--series-2" : "--series-3"), main: i === chosen,
	}));
}

export const usePacket = (hash: string) => useApi<PacketAnswer>(hash ? `/api/packets/${hash}` : null);

export function RoutePanel(p: { state: ReturnType<typeof usePacket>; ways: PacketWay[]; chosen: number; onChoose: (i: number) => void; hash: string }) {
	const { data } = p.state.value;
	const way = p.ways[p.chosen];
	const known = p.ways.reduce((n, w) => n + w.nodes.filter((x) => x !== null).length, 0);
	const all = p.ways.reduce((n, w) => n + w.nodes.length, 0);
	return (
		<Drawer title="Ways of a packet" label="Ways of a packet" onClose={() => setQuery({ r: "" }, false)}>
			<Honest state={p.state.value} has={data !== null} what="this packet">
				{data && (
					<>
						<Facts
							items={[
								["Packet", <a href={`/packets/${p.hash}`}><code>{p.hash}</code></a>],
								["Type", typeWord(data.packet.payload_type ?? 255)],
								["First heard", clock(seconds(data.packet.first_seen), now.value)],
								["Heard", `${count(data.observations.length)} times, ${count(p.ways.length)} ${p.ways.length === 1 ? "way" : "ways"}`],
								["On the map", `${known} of ${all} hops are certain`],
							]}
						/>
						{way && <Hops way={way} />}
						<section>
							<h3>All ways</h3>
							<ul class="ways">
								{p.ways.slice(0, 60).map((w, i) => (
									<li key={i}>
										<button type="button" class="chip" aria-pressed={i === p.chosen} onClick={() => p.onChoose(i)}>
											{`${w.sent.length} ${w.sent.length === 1 ? "hop" : "hops"} to ${observerName(w.heard[0]!.observer_id ?? "")}`}
										</button>
									</li>
								))}
							</ul>
							{p.ways.length > 60 && <p class="dim">{`60 of ${count(p.ways.length)}.`}</p>}
						</section>
					</>
				)}
			</Honest>
		</Drawer>
	);
}

function Hops({ way }: { way: PacketWay }) {
	const t = nodes.state.value.table;
	const o = way.heard[0]!;
	const label = (i: number): string => {
		if (way.hasSender && i === 0) return "sender";
		if (i === way.nodes.length - 1) return way.nodes[i] == null ? `observer ${observerName(o.observer_id ?? "")}` : "observer";
		return way.sent[i - (way.hasSender ? 1 : 0)] ?? "";
	};
	const far = (i: number): string => {
		const a = way.nodes[i - 1], b = way.nodes[i];
		if (t === null || a == null || b == null) return "";
		const km = distanceKm(t.num("lat", a), t.num("lon", a), t.num("lat", b), t.num("lon", b));
		return Number.isFinite(km) ? `${km.toFixed(1)} km` : "";
	};
	return (
		<section>
			<h3>{`This way: ${way.sent.length} ${way.sent.length === 1 ? "hop" : "hops"}, SNR ${fixed(o.snr, 1, "dB")}`}</h3>
			<ol class="hops">
				{way.nodes.map((n, i) => (
					<li key={i}>
						{n !== null && t !== null
							? <button type="button" class="linkish" onClick={() => selectNode(t.hex("key", n))}><NodeName t={t} row={n} /></button>
							: <span class="dim">not certain</span>}
						<small class="dim"><code>{label(i)}</code>{i > 0 && far(i) && ` ${far(i)}`}</small>
					</li>
				))}
			</ol>
		</section>
	);
}
