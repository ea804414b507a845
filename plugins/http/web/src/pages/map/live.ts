// SPDX-License-Identifier: MIT
//
// Packets as movement: those that come in now, or those of the past in order.
import { signal } from "@preact/signals";
import { get } from "../../lib/api";
import { listen } from "../../lib/events";
import { seconds } from "../../lib/format";
import { token, typeToken } from "../../lib/palette";
import { nodes, observers } from "../../lib/store";
import { NONE } from "../../lib/sets";
import type { Mesh } from "../../mesh/engine";

export interface Reception {
	hash: string;
	type: number;
	/** Unix seconds. */
	at: number;
	from: string | null;
	/** Keys of the hops, null where it is not certain. */
	hops: (string | null)[];
	observer: string;
}

interface StoredItem {
	hash?: string;
	type?: number;
	at?: number;
	from?: string;
	sender?: string;
	observer?: string;
	resolved?: (string | null)[];
	path?: string[];
	channel?: string;
}

/** Packets of the last minute, newest first, with how often they were heard. */
export interface Recent {
	hash: string;
	type: number;
	at: number;
	from: string | null;
	hops: number;
	heard: number;
	channel: string | null;
}
export const recent = signal<Recent[]>([]);
export const perMinute = signal(0);

const rowOf = (key: string | null): number | null => {
	const row = key === null ? -1 : nodes.find(key);
	return row < 0 ? null : row;
};

/** The nodes that a copy of a packet went over, as rows. */
export function wayOf(r: Reception): (number | null)[] {
	const way = r.hops.map(rowOf);
	if (r.from !== null) way.unshift(rowOf(r.from));
	const o = observers.find(r.observer);
	const node = o < 0 ? NONE[4]! : observers.state.peek().table!.num("node", o);
	return way.concat(node === NONE[4] ? rowOf(r.observer.toLowerCase()) : node);
}

export function show(mesh: Mesh, r: Reception, speed = 1): void {
	mesh.pulse({ nodes: wayOf(r), color: token(typeToken(r.type)) }, speed);
}

const RECENT = 40;
let waiting: StoredItem[] = [];
let arrivals: number[] = [];

function collect(items: StoredItem[]): void {
	const list = [...recent.peek()];
	for (const i of items) {
		if (!i.hash) continue;
		const known = list.find((r) => r.hash === i.hash);
		const hops = i.path?.length ?? 0;
		if (known) {
			known.heard++;
			known.hops = Math.max(known.hops, hops);
		} else {
			list.unshift({
				hash: i.hash, type: i.type ?? 255, at: (i.at ?? Date.now() * 1000) / 1e6, from: i.from ?? i.sender ?? null, hops, heard: 1,
				channel: i.channel && !i.channel.startsWith("enc_") ? i.channel : null,
			});
		}
	}
	recent.value = list.slice(0, RECENT).map((r) => ({ ...r }));
	const now = Date.now();
	arrivals = arrivals.filter((t) => now - t < 60000);
	perMinute.value = arrivals.length;
}

/** Shows what comes in until the result is called. */
export function follow(mesh: Mesh): () => void {
	const stop = listen<{ items?: StoredItem[] }>("packet/stored", {
		message: (m) => {
			if (m.replayed) return;
			for (const i of m.body.items ?? []) {
				arrivals.push(Date.now());
				waiting.push(i);
				show(mesh, {
					hash: i.hash ?? "", type: i.type ?? 255, at: 0, from: i.from ?? i.sender ?? null,
					hops: i.resolved ?? (i.path ?? []).map(() => null), observer: i.observer ?? "",
				});
			}
		},
	});
	const timer = setInterval(() => {
		collect(waiting);
		waiting = [];
	}, 1000);
	return () => {
		stop();
		clearInterval(timer);
		waiting = [];
	};
}

interface PastObservation {
	observer_id: string | null;
	timestamp: string | null;
	path_json: string | null;
	resolved_path?: (string | null)[];
}
interface PastPacket {
	id: number;
	hash: string;
	first_seen: string;
	payload_type: number | null;
	decoded_json: string | null;
	observations?: PastObservation[];
}

const PAST_MOST = 1000;

/**
 * The observations of packets between two times (Unix seconds), in the order in which they came;
 * `until` is how far they go if there are more than fit into an answer.
 */
export async function past(
	since: number, until: number, abort: AbortSignal,
): Promise<{ receptions: Reception[]; until: number }> {
	const iso = (t: number): string => new Date(t * 1000).toISOString();
	const path = `/api/packets?limit=${PAST_MOST}&order=asc&expand=observations&since=${iso(since)}&until=${iso(until)}`;
	const { packets } = await get<{ packets: PastPacket[] }>(path, abort);
	const out: Reception[] = [];
	for (const p of packets) {
		const from = senderOf(p);
		for (const o of p.observations ?? []) {
			const hops = o.resolved_path ?? (hopsOf(o.path_json) as string[]).map(() => null);
			const at = seconds(o.timestamp ?? p.first_seen);
			out.push({ hash: p.hash, type: p.payload_type ?? 255, at, from, hops, observer: o.observer_id ?? "" });
		}
	}
	const last = packets.length < PAST_MOST ? until : Math.max(since + 1, ...packets.map((p) => seconds(p.first_seen)));
	return { receptions: out.sort((a, b) => a.at - b.at), until: last };
}

export function hopsOf(pathJson: string | null): string[] {
	try {
		const hops: unknown = JSON.parse(pathJson ?? "[]");
		return Array.isArray(hops) ? hops.filter((h) => typeof h === "string") : [];
	} catch {
		return [];
	}
}

/** The key of whose advert it is. */
export function senderOf(p: { decoded_json: string | null }): string | null {
	try {
		const { pubKey } = JSON.parse(p.decoded_json ?? "{}") as { pubKey?: unknown };
		return typeof pubKey === "string" && /^[0-9a-f]{64}$/i.test(pubKey) ? pubKey.toLowerCase() : null;
	} catch {
		return null;
	}
}
