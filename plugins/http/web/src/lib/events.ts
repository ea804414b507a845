// SPDX-License-Identifier: MIT
//
// The one WebSocket to /api/events. After a reconnect it asks for what was missed and hands it out
// before anything newer; what cannot be had any more is told to the listeners as a gap.
import { signal } from "@preact/signals";

export interface Message<T = Record<string, unknown>> {
	topic: string;
	epoch: number;
	seq: number;
	time_us: number;
	origin: string;
	body: T;
	delta?: boolean;
	retained?: boolean;
	replayed?: boolean;
}

export interface Handlers<T = Record<string, unknown>> {
	message: (m: Message<T>) => void;
	/** Messages will not come; `lost` is -1 if nobody knows how many (the daemon was restarted). */
	gap?: (topic: string, lost: number) => void;
	/** Look into this subtree's last values first. */
	retained?: boolean;
	filter?: Record<string, unknown>;
	/** The operator's, for what is not offered to everybody. */
	key?: string;
	/** The daemon does not let this page listen, and why. */
	refused?: (why: string) => void;
}

export type LinkState = "connecting" | "open" | "down";

/** The state of the connection, and when it was last open (ms). */
export const link = signal<{ state: LinkState; since: number; attempts: number }>({
	state: "connecting", since: Date.now(), attempts: 0,
});
/** Gaps since the page was opened: shown to the user. */
export const gaps = signal<{ topic: string; lost: number; at: number }[]>([]);
/** Messages per topic since the page was opened. */
export const received = new Map<string, number>();
export const offered = signal<string[]>([]);
/** Everything else on the bus is offered to who has the operator's key. */
export const more = signal(false);

interface Frame extends Message {
	type: "hello" | "ok" | "error" | "pong" | "message" | "lost" | "end";
	topics?: string[];
	more?: boolean;
	do?: string;
	from?: number;
	lost?: number;
	error?: string;
}

interface Seen {
	epoch: number;
	next: number;
}

const PING_MS = 20000;
const SILENCE_MS = 45000;

class Stream {
	private socket: WebSocket | null = null;
	private readonly listeners = new Map<string, Set<Handlers<never>>>();
	private readonly seen = new Map<string, Seen>();
	private readonly held = new Map<string, Frame[]>(); // topics that are being caught up with
	private catching: string[] = [];
	private attempts = 0;
	private heardAt = 0;

	constructor() {
		setInterval(() => this.watch(), PING_MS / 4);
		addEventListener("online", () => this.socket === null && this.connect());
	}

	listen<T>(topic: string, handlers: Handlers<T>): () => void {
		const all = this.listeners.get(topic) ?? new Set();
		const fresh = all.size === 0;
		all.add(handlers as Handlers<never>);
		this.listeners.set(topic, all);
		if (this.socket === null && this.attempts === 0) this.connect();
		else if (fresh || handlers.retained || handlers.filter) this.subscribe(topic);
		return () => {
			all.delete(handlers as Handlers<never>);
			if (all.size > 0) return;
			this.listeners.delete(topic);
			for (const name of [...this.seen.keys()])
				if (covers(topic, name) && !this.covered(name)) this.seen.delete(name);
			this.send({ do: "unsubscribe", topic });
		};
	}

	private covered(name: string): boolean {
		return [...this.listeners.keys()].some((t) => covers(t, name));
	}

	private connect(): void {
		this.attempts++;
		const socket = new WebSocket(location.origin.replace(/^http/, "ws") + "/api/events");
		this.socket = socket;
		this.heardAt = Date.now();
		socket.onmessage = (e) => this.socket === socket && this.read(e.data as string);
		socket.onclose = () => this.socket === socket && this.lose();
	}

	private lose(): void {
		this.socket = null;
		this.held.clear();
		this.catching = [];
		const since = link.value.state === "open" ? Date.now() : link.value.since;
		link.value = { state: "down", since, attempts: this.attempts };
		const pause = Math.min(15000, 500 * 2 ** Math.min(this.attempts, 5)) * (0.5 + Math.random());
		setTimeout(() => this.socket === null && this.connect(), pause);
	}

	private watch(): void {
		if (this.socket?.readyState !== WebSocket.OPEN) return;
		if (Date.now() - this.heardAt > SILENCE_MS) {
			const socket = this.socket;
			this.lose();
			socket.close();
		} else if (Date.now() - this.heardAt > PING_MS) {
			this.send({ do: "ping" });
		}
	}

	private send(what: Record<string, unknown>): void {
		if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(what));
	}

	private subscribe(topic: string): void {
		const all = [...(this.listeners.get(topic) ?? [])];
		const retained = all.some((h) => h.retained);
		// One subscription serves all listeners, so it is filtered only if there is a single one.
		const filter = all.length === 1 ? all[0]!.filter : undefined;
		const key = all.find((h) => h.key)?.key;
		this.send({ do: "subscribe", topic, retained, ...(filter ? { filter } : {}), ...(key ? { key } : {}) });
	}

	private greet(topics: string[]): void {
		offered.value = topics;
		this.attempts = 1;
		link.value = { state: "open", since: Date.now(), attempts: 0 };
		for (const topic of this.listeners.keys()) {
			this.subscribe(topic);
			// Last values come again by themselves; of a stream the rest has to be asked for.
			if (this.seen.has(topic)) {
				this.held.set(topic, []);
				this.catching.push(topic);
			}
		}
		this.catchUp();
	}

	/** One replay at a time: that is what the daemon does. */
	private catchUp(): void {
		const topic = this.catching[0];
		const at = topic === undefined ? undefined : this.seen.get(topic);
		if (topic === undefined || at === undefined) return;
		this.send({ do: "replay", topic, from: at.next, epoch: at.epoch });
	}

	private caughtUp(topic: string): void {
		const waiting = this.held.get(topic) ?? [];
		this.held.delete(topic);
		for (const m of waiting) this.take(m);
		this.catching = this.catching.filter((t) => t !== topic);
		this.catchUp();
	}

	private read(text: string): void {
		this.heardAt = Date.now();
		const m = JSON.parse(text) as Frame;
		if (m.type === "hello") {
			more.value = m.more ?? false;
			this.greet(m.topics ?? []);
		} else if (m.type === "error" && m.do === "subscribe") for (const h of this.listeners.get(m.topic) ?? []) h.refused?.(m.error ?? "");
		else if (m.type === "message" && !m.replayed && this.held.has(m.topic)) this.held.get(m.topic)!.push(m);
		else if (m.type === "message") this.take(m);
		else if (m.type === "lost") this.tellGap(m.topic, m.lost ?? -1, m.epoch, (m.from ?? 0) + (m.lost ?? 0));
		else if (m.type === "end" || (m.type === "error" && m.topic === this.catching[0])) this.caughtUp(m.topic);
	}

	private take(m: Frame): void {
		const at = this.seen.get(m.topic);
		if (at !== undefined && !m.retained) {
			if (at.epoch === m.epoch && m.seq < at.next) return;
			if (at.epoch !== m.epoch) this.tellGap(m.topic, -1, m.epoch, m.seq);
		}
		// Retained values are states: only streams are caught up with.
		if (!m.retained) this.seen.set(m.topic, { epoch: m.epoch, next: m.seq + 1 });
		received.set(m.topic, (received.get(m.topic) ?? 0) + 1);
		for (const [topic, all] of this.listeners)
			if (covers(topic, m.topic)) for (const h of all) (h as Handlers).message(m);
	}

	private tellGap(topic: string, lost: number, epoch: number, next: number): void {
		const at = this.seen.get(topic);
		if (at !== undefined) this.seen.set(topic, { epoch, next });
		gaps.value = [...gaps.value.slice(-49), { topic, lost, at: Date.now() }];
		for (const [t, all] of this.listeners)
			if (covers(t, topic)) for (const h of all) h.gap?.(topic, lost);
	}
}

/** "core/" covers "core/plugins"; a name covers itself. */
export function covers(topic: string, name: string): boolean {
	return topic === name || (topic.endsWith("/") && name.startsWith(topic));
}

let stream: Stream | null = null;

/** Listens until the result is called. */
export function listen<T = Record<string, unknown>>(topic: string, handlers: Handlers<T>): () => void {
	stream ??= new Stream();
	return stream.listen(topic, handlers);
}
