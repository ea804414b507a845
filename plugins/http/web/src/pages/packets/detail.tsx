// SPDX-License-Identifier: MIT
//
// One packet: what it says, when it arrived where, by which path, and its bytes. The chosen
// observation changes path and bytes together.
import { useApi } from "../../lib/api";
import { clock, fixed, full, plural, seconds } from "../../lib/format";
import { hex, readFrame, unhex, withPath } from "../../lib/frame";
import { useKeys } from "../../lib/keys";
import { ROUTES, typeWord } from "../../lib/palette";
import { go, param, setQuery } from "../../lib/router";
import { nodes, observers, packets, useSet } from "../../lib/store";
import { withQuery } from "../../ui/list";
import { CopyButton, Drawer } from "../../ui/page";
import { Path } from "../../ui/path";
import { Facts, Honest, Notice } from "../../ui/state";
import { useEffect, useRef } from "preact/hooks";
import { Bytes } from "./bytes";
import { decodedFacts, type Decoded } from "./facts";

export interface Observation {
	id: number;
	observer_id: string | null;
	observer_name: string | null;
	observer_iata: string | null;
	snr: number | null;
	rssi: number | null;
	path_json: string | null;
	resolved_path?: (string | null)[] | null;
	timestamp: string | null;
	direction?: string | null;
}

interface Answer {
	packet: {
		id: number;
		hash: string;
		raw_hex: string | null;
		first_seen: string;
		route_type: number | null;
		payload_type: number | null;
		decoded_json: string | null;
		scope_name?: string | null;
	};
	observations?: Observation[];
}

export const hopsOf = (o: { path_json: string | null }): string[] => {
	try {
		const path: unknown = JSON.parse(o.path_json ?? "[]");
		return Array.isArray(path) ? path.filter((h) => typeof h === "string") : [];
	} catch {
		return [];
	}
};

const parse = (text: string | null): Decoded => {
	try {
		return (JSON.parse(text ?? "{}") ?? {}) as Decoded;
	} catch {
		return {};
	}
};

const close = () => go(withQuery("/packets"));

export function PacketDrawer({ hash }: { hash: string }) {
	const loaded = useApi<Answer>(`/api/packets/${encodeURIComponent(hash)}`);
	const { data, error } = loaded.value;
	useSet(nodes, 5000);
	useSet(observers, 5000);
	// Heard once more: the observations are asked for again.
	const row = rowOf(hash);
	const heard = row < 0 ? 0 : packets.state.value.table!.num("observations", row);
	useEffect(() => {
		if (data && heard > (data.observations?.length ?? 0)) loaded.peek().refresh();
	}, [heard]);
	const title = data ? typeWord(data.packet.payload_type ?? 255) : "Packet";
	return (
		<Drawer
			title={title} label="Details of the packet" onClose={close}
			actions={<CopyButton text={location.origin + location.pathname} label="Copy the address of this packet" />}
		>
			{error?.missing && !data
				? <Notice kind="info">{`No packet with the hash ${hash} is known.`}</Notice>
				: <Honest state={loaded.value} has={data !== null} what="the packet" owner="storage">{data && <Detail answer={data} />}</Honest>}
		</Drawer>
	);
}

/** Its row in the list, found from the newest on; -1: not there. */
function rowOf(hash: string): number {
	const t = packets.state.peek().table;
	for (let i = (t?.rows ?? 0) - 1, n = 0; i >= 0 && n < 5000; i--, n++) if (t!.hex("hash", i) === hash) return i;
	return -1;
}

function Detail({ answer }: { answer: Answer }) {
	const { packet } = answer;
	const observations = [...(answer.observations ?? [])].sort((a, b) => seconds(a.timestamp) - seconds(b.timestamp) || a.id - b.id);
	const longest = observations.reduce((a, o, i) => (hopsOf(o).length > hopsOf(observations[a]!).length ? i : a), 0);
	const asked = observations.findIndex((o) => String(o.id) === param("obs"));
	const at = asked >= 0 ? asked : longest;
	const with_ = observations.findIndex((o) => String(o.id) === param("with"));
	const chosen = observations[at];
	const decoded = parse(packet.decoded_json);
	const first = seconds(observations[0]?.timestamp ?? packet.first_seen);
	const choose = (i: number) => setQuery({ obs: observations[i]?.id, with: null });
	useKeys(
		{
			ArrowRight: () => choose(Math.min(observations.length - 1, at + 1)),
			ArrowLeft: () => choose(Math.max(0, at - 1)),
		},
		observations.length > 1 ? [{ keys: "← →", words: "previous or next observation" }] : [],
	);
	return (
		<>
			<Facts
				items={[
					["Hash", <span class="mono">{packet.hash} <CopyButton text={packet.hash} label="Copy the hash" /></span>],
					["First seen", full(first || seconds(packet.first_seen))],
					["Route", `${ROUTES[packet.route_type ?? 9] ?? "unknown"}${packet.scope_name ? `, scope ${packet.scope_name}` : packet.scope_name === "" ? ", a scope that is not known here" : ""}`],
					...decodedFacts(decoded),
				]}
			/>
			<section>
				<h3>{`Arrivals: ${plural(observations.length, "observation")}`}</h3>
				{observations.length === 0 && <p class="dim">Nobody's observation of it is stored.</p>}
				<Arrivals observations={observations} first={first} chosen={at} onChoose={choose} />
			</section>
			{chosen && (
				<section>
					<h3>{`Path as ${chosen.observer_name ?? "this observer"} saw it: ${plural(hopsOf(chosen).length, "hop")}`}</h3>
					<Path hops={hopsOf(chosen)} resolved={chosen.resolved_path} from={decoded.pubKey} to={chosen.observer_name ?? chosen.observer_id ?? undefined} />
					<p><a href={`/map?r=${packet.hash}`}>Show the route on the map</a></p>
				</section>
			)}
			<FrameOf raw={packet.raw_hex} observations={observations} at={at} with_={with_} />
			<details>
				<summary>Decoded object</summary>
				<pre class="mono wrap json">{JSON.stringify(decoded, null, 2)}</pre>
			</details>
		</>
	);
}

/** Who heard it when: a line of time, and the row that is chosen. */
function Arrivals({ observations, first, chosen, onChoose }: { observations: Observation[]; first: number; chosen: number; onChoose: (i: number) => void }) {
	const list = useRef<HTMLOListElement>(null);
	useEffect(() => {
		const ol = list.current!, li = ol.children[chosen] as HTMLElement | undefined;
		if (li && (li.offsetTop - ol.offsetTop < ol.scrollTop || li.offsetTop - ol.offsetTop + li.offsetHeight > ol.scrollTop + ol.clientHeight))
			ol.scrollTop = li.offsetTop - ol.offsetTop - ol.clientHeight / 2;
	}, [chosen]);
	const last = Math.max(first + 1, ...observations.map((o) => seconds(o.timestamp)));
	return (
		<ol class="arrivals" ref={list}>
			{observations.map((o, i) => {
				const at = seconds(o.timestamp);
				return (
					<li key={o.id}>
						<button type="button" aria-pressed={i === chosen} onClick={() => onChoose(i)} title={`${full(at)}, ${fixed(o.snr, 1, "dB")}, ${fixed(o.rssi, 0, "dBm")}`}>
							<span class="ellipsis">{o.observer_name ?? o.observer_id?.slice(0, 8) ?? "unknown"}</span>
							<span class="line" aria-hidden="true"><i style={{ left: `${((at - first) / (last - first)) * 100}%` }} /></span>
							<span class="right">{i === 0 ? clock(at, at) : `+${(at - first).toFixed(at % 1 || first % 1 ? 1 : 0)} s`}</span>
							<span class="right">{plural(hopsOf(o).length, "hop")}</span>
							<span class="right">{fixed(o.snr, 1)}</span>
						</button>
					</li>
				);
			})}
		</ol>
	);
}

function FrameOf({ raw, observations, at, with_ }: { raw: string | null; observations: Observation[]; at: number; with_: number }) {
	if (!raw) return <Notice kind="info">Its bytes are not stored.</Notice>;
	const frame = readFrame(unhex(raw));
	const of = (i: number): Uint8Array => {
		const o = observations[i];
		return (o && withPath(frame, hopsOf(o))) ?? frame.bytes;
	};
	const bytes = of(at);
	const rebuilt = hex(bytes) !== hex(frame.bytes);
	return (
		<section>
			<div class="row spread">
				<h3>{`Bytes: ${bytes.length}`}</h3>
				<span class="row">
					{observations.length > 1 && (
						<select aria-label="Compare the bytes with" value={with_ >= 0 ? String(observations[with_]!.id) : ""} onChange={(e) => setQuery({ with: e.currentTarget.value })}>
							<option value="">compare with …</option>
							{observations.map((o, i) => i !== at && <option key={o.id} value={String(o.id)}>{o.observer_name ?? o.observer_id ?? o.id}</option>)}
						</select>
					)}
					<CopyButton text={hex(bytes)} label="Copy the bytes" />
				</span>
			</div>
			{rebuilt && <p class="dim">Stored are the bytes of one copy; here its path is that of this observation. Nothing else changes on the way.</p>}
			<Bytes bytes={bytes} other={with_ >= 0 ? of(with_) : null} />
		</section>
	);
}

