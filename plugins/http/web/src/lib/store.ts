// SPDX-License-Identifier: MIT
//
// What all pages share: the sets of nodes, observers, links and packets, loaded when the first page
// needs one and kept up to date from the stream. Changes are collected for a frame, so a burst of
// messages is one update.
import { useEffect } from "preact/hooks";
import { batch, signal, useSignal, type Signal } from "@preact/signals";
import { ApiError, request } from "./api";
import { listen, type Message } from "./events";
import { seconds } from "./format";
import { NONE, readSet, type Table } from "./sets";

type Item = Record<string, unknown>;

export interface SetState {
	table: Table | null;
	error: ApiError | null;
	loading: boolean;
	/** ms, when it was last in agreement with the daemon. */
	at: number;
}

interface Options {
	path: string;
	topic?: string;
	/** Puts an item of the topic into the table. */
	apply?: (store: SetStore, table: Table, item: Item) => void;
	/** Loaded again so often (ms), for what no message tells. */
	every: number;
	reverse?: boolean;
	/** The column that finds a row, as a string. */
	key: (table: Table, row: number) => string;
}

const AGAIN_MS = 5000;
/** Rows that may be added to a set before it is loaded anew, so an open page does not grow for ever. */
const ADDED_MAX = 100000;

export class SetStore {
	readonly state: Signal<SetState> = signal({ table: null, error: null, loading: false, at: 0 });
	/** Grows with each change within the table. */
	readonly changes = signal(0);
	private users = 0;
	private timer = 0;
	private stop: (() => void) | null = null;
	private queue: { item: Item; at: number }[] = [];
	private drawing = false;
	private rows: Map<string, number> | null = null;
	private loaded = 0;

	constructor(private readonly options: Options) {}

	/** The row that has this key; -1: none. */
	find(key: string): number {
		const { table } = this.state.peek();
		if (table === null) return -1;
		if (this.rows === null) {
			this.rows = new Map();
			for (let i = 0; i < table.rows; i++) this.rows.set(this.options.key(table, i), i);
		}
		return this.rows.get(key) ?? -1;
	}

	/** One more row, found by this key from now on. */
	add(table: Table, key: string): number {
		this.find(key);
		const row = table.push();
		this.rows!.set(key, row);
		return row;
	}

	/** Kept up to date until the result is called. */
	hold(): () => void {
		if (this.users++ === 0) this.begin();
		return () => {
			if (--this.users > 0) return;
			clearTimeout(this.timer);
			this.stop?.();
			this.stop = null;
		};
	}

	refresh(): void {
		clearTimeout(this.timer);
		void this.load();
	}

	private begin(): void {
		const { topic } = this.options;
		this.stop = topic === undefined ? () => {} : listen<{ items?: Item[] }>(topic, {
			message: (m: Message<{ items?: Item[] }>) => this.enqueue(m.body.items ?? [], m.time_us / 1e6),
			gap: () => this.refresh(),
			retained: false,
		});
		void this.load();
	}

	private async load(): Promise<void> {
		this.state.value = { ...this.state.value, loading: true };
		let next = this.options.every;
		try {
			const answer = await request(this.options.path, { cache: "no-cache" });
			const table = readSet(await answer.arrayBuffer());
			if (this.options.reverse) table.reverse();
			this.rows = null;
			this.loaded = table.rows;
			// What was on the bus before the answer was made is in it.
			this.queue = this.queue.filter((q) => q.at > table.at);
			batch(() => {
				this.state.value = { table, error: null, loading: false, at: Date.now() };
				this.changes.value++;
			});
		} catch (e) {
			const error = e instanceof ApiError ? e : new ApiError(0, (e as Error).message);
			this.state.value = { ...this.state.value, error, loading: false };
			next = error.missing ? 0 : AGAIN_MS;
		}
		clearTimeout(this.timer);
		if (next > 0 && this.users > 0) this.timer = window.setTimeout(() => this.tick(), next);
		this.draw();
	}

	private tick(): void {
		if (!document.hidden) return void this.load();
		this.timer = window.setTimeout(() => this.tick(), 1000);
	}

	private enqueue(items: Item[], at: number): void {
		for (const item of items) this.queue.push({ item, at });
		if (this.queue.length > 20000) this.queue.splice(0, this.queue.length - 20000);
		this.draw();
	}

	private draw(): void {
		if (this.drawing || this.queue.length === 0 || this.state.peek().table === null) return;
		this.drawing = true;
		const later = document.hidden ? (f: () => void) => setTimeout(f, 1000) : requestAnimationFrame;
		later(() => {
			this.drawing = false;
			const { table } = this.state.peek();
			if (table === null) return;
			for (const { item } of this.queue) this.options.apply?.(this, table, item);
			this.queue = [];
			this.changes.value++;
			if (table.rows > this.loaded + ADDED_MAX) this.refresh();
		});
	}
}

const text = (v: unknown): string => (typeof v === "string" ? v : "");
const number = (v: unknown): number | null => (typeof v === "number" ? v : null);

function applyNode(store: SetStore, t: Table, n: Item): void {
	const key = text(n.public_key);
	if (!/^[0-9a-f]{64}$/.test(key)) return;
	let row = store.find(key);
	if (row < 0) {
		row = store.add(t, key);
		t.setHex("key", row, key);
		t.set("active", row, 1);
		for (const c of ["usefulness", "bridge", "traffic", "lat", "lon"]) t.set(c, row, NaN);
		t.setText("scope", row, null);
	}
	if (typeof n.active === "boolean") t.set("active", row, n.active ? 1 : 0);
	if (n.gone === true) t.set("active", row, 0);
	if (n.name !== undefined) t.setText("name", row, (n.name as string | null) ?? null);
	if (n.role !== undefined) t.setText("role", row, (n.role as string | null) ?? null);
	const lat = number(n.lat), lon = number(n.lon);
	if (lat !== null && lon !== null && (lat !== 0 || lon !== 0)) {
		t.set("lat", row, lat);
		t.set("lon", row, lon);
	}
	if (n.last_seen) t.set("last", row, seconds(n.last_seen as string));
	if (n.first_seen) t.set("first", row, seconds(n.first_seen as string));
	if (number(n.advert_count) !== null) t.set("adverts", row, number(n.advert_count)!);
	if (number(n.battery_mv) !== null) t.set("battery", row, number(n.battery_mv)!);
	if (n.default_scope !== undefined) t.setText("scope", row, n.default_scope as string | null);
}

function applyObserver(store: SetStore, t: Table, o: Item): void {
	const id = text(o.id);
	if (!id) return;
	let row = store.find(id);
	if (row < 0) {
		row = store.add(t, id);
		t.setText("id", row, id);
		for (const c of ["name", "region", "model", "firmware", "radio"]) t.setText(c, row, null);
		for (const c of ["noise", "lat", "lon", "interval"]) t.set(c, row, NaN);
		t.set("node", row, NONE[4]!);
		t.set("can_relay", row, 255);
		if (o.first_seen) t.set("first", row, seconds(o.first_seen as string));
	}
	t.set("active", row, o.gone === true || o.inactive === true || o.inactive === 1 ? 0 : 1);
	for (const [from, to] of [["name", "name"], ["iata", "region"], ["model", "model"], ["firmware", "firmware"], ["radio", "radio"]] as const)
		if (o[from] !== undefined) t.setText(to, row, o[from] as string | null);
	if (o.last_seen) t.set("last", row, seconds(o.last_seen as string));
	for (const [from, to] of [["packet_count", "packets"], ["noise_floor", "noise"], ["battery_mv", "battery"], ["uptime_secs", "uptime"], ["clock_skew_seconds", "skew"]] as const)
		if (number(o[from]) !== null) t.set(to, row, number(o[from])!);
}

const hop = (text: string): number => (Math.min(text.length / 2, 3) << 24) | (parseInt(text.slice(0, 6), 16) || 0);

/** Half the length of a text of hex digits: what it stands for, in bytes. */
const size = (raw: unknown): number => (typeof raw === "string" ? raw.length >> 1 : 0);

function applyPacket(store: SetStore, t: Table, p: Item): void {
	const id = number(p.tx);
	if (id === null) return;
	const path = Array.isArray(p.path) ? (p.path as string[]) : [];
	const at = (number(p.at) ?? 0) / 1000;
	let row = store.find(String(id));
	if (row < 0) {
		row = store.add(t, String(id));
		t.set("id", row, id);
		t.setHex("hash", row, text(p.hash));
		t.set("first", row, at);
		t.set("type", row, number(p.type) ?? 255);
		t.set("route", row, number(p.route) ?? 255);
		t.set("size", row, size(p.raw));
		t.set("snr", row, -32768);
		t.set("rssi", row, -32768);
		t.setText("from", row, text(p.from) || null);
		t.setText("channel", row, text(p.channel) || null);
		t.setText("scope", row, typeof p.scope === "string" ? p.scope : null);
		t.setText("observer", row, text(p.observer) || null);
		t.set("last_hop", row, NONE[4]!);
	}
	t.set("latest", row, Math.max(t.num("latest", row), Math.floor(at / 1000)));
	if (p.first === true || t.num("observations", row) === 0) t.set("observations", row, t.num("observations", row) + 1);
	const snr = number(p.snr), best = t.num("snr", row);
	if (snr !== null && snr * 100 > best) {
		t.set("snr", row, Math.round(snr * 100));
		t.set("rssi", row, number(p.rssi) ?? -32768);
	}
	if (path.length < t.num("hops", row) || path.length === 0) return;
	t.set("hops", row, path.length);
	t.set("hop_size", row, number(p.hash_size) ?? 0);
	t.set("last_hop", row, hop(path[path.length - 1]!));
}

export const nodes = new SetStore({
	path: "/api/sets/nodes", topic: "node/changed", apply: applyNode, every: 60000, key: (t, i) => t.hex("key", i),
});
export const observers = new SetStore({
	path: "/api/sets/observers", topic: "observer/changed", apply: applyObserver, every: 60000,
	key: (t, i) => t.text("id", i) ?? "",
});
export const links = new SetStore({ path: "/api/sets/links", every: 60000, key: (t, i) => `${t.num("a", i)}-${t.num("b", i)}` });
/** Oldest first, so that new ones are added at the end. */
export const packets = new SetStore({
	path: "/api/sets/packets", topic: "packet/stored", apply: applyPacket, every: 0, reverse: true,
	key: (t, i) => String(t.num("id", i)),
});

/** The table of a set, kept up to date while the component is mounted, and drawn again at most so often. */
export function useSet(store: SetStore, every = 250): SetState {
	const tick = useSignal(0);
	useEffect(() => store.hold(), [store]);
	useEffect(() => {
		let timer = 0;
		const stop = store.changes.subscribe(() => {
			timer ||= window.setTimeout(() => {
				timer = 0;
				tick.value++;
			}, every);
		});
		return () => {
			stop();
			clearTimeout(timer);
		};
	}, [store, every]);
	void tick.value;
	return store.state.value;
}

/** What to call a node: its name, or the beginning of its key. */
export function nodeName(key: string): string {
	const row = nodes.find(key.toLowerCase());
	return (row >= 0 && nodes.state.peek().table!.text("name", row)) || key.slice(0, 8);
}

export function observerName(id: string): string {
	const row = observers.find(id);
	return (row >= 0 && observers.state.peek().table!.text("name", row)) || (id.length > 16 ? id.slice(0, 8) : id);
}

/** Nodes whose keys begin so, repeaters first: who may stand behind a hop. Rows of the set of nodes. */
export function candidates(prefix: string): number[] {
	const t = nodes.state.peek().table;
	const wanted = prefix.toLowerCase();
	if (t === null || wanted.length < 2) return [];
	const first = parseInt(wanted.slice(0, 2), 16), keys = t.col("key");
	const found: number[] = [];
	for (let i = 0; i < t.rows; i++) if (keys[i * 32] === first && t.hex("key", i).startsWith(wanted)) found.push(i);
	const relays = found.filter((i) => t.text("role", i) === "repeater" || t.text("role", i) === "room");
	return relays.length > 0 ? relays : found;
}
