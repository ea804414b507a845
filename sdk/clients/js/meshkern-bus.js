// SPDX-License-Identifier: MIT
//
// Client of the meshkern bus over WebSocket, for browsers and Node; docs/events.md describes what
// it speaks. No dependencies.
//
//   import { Bus, Gap } from "./meshkern-bus.js";
//   for await (const item of new Bus("ws://localhost:7701/bus", { topics: ["rx/"] })) {
//     if (item instanceof Gap) console.warn("lost", item);
//     else console.log(item.topic, item.seq, item.body);
//   }
//
// The hub numbers the messages of a topic 1, 2, 3, ... within an epoch. What comes in order is
// handed out; what comes early is held while the missing part is asked for, and what the hub does
// not have any more becomes a Gap. A WebSocket cannot be told to wait, so when the consumer is
// slow and the queue is full, messages are put off: only their numbers are remembered (`seen`),
// and they are asked for when there is room again.

export const REPLAYED = 1, GAP = 2, RETAINED = 4, DELTA = 8, DURABLE = 16;

const TOPIC = /^[a-z0-9._\/-]{1,63}$/;
const HEADS = "core/heads";
const TOPICS_MAX = 16384; // topics that are followed
const ASKS_MAX = 4; // requests under way at a time
const ASK_COUNT = 1024; // messages of one request
const TRIES = 3; // repetitions without progress before messages are given up
const DEPTH_MAX = 32; // of nested maps and arrays
const TICK_MS = 200;

export class Message {
	// origin_seq is null unless the topic is durable; epoch is a BigInt if it exceeds 2^53.
	constructor(topic, [, epoch, seq, time_us, origin, schema, flags, origin_seq], body) {
		Object.assign(this, { topic, epoch, seq, time_us, origin, schema, flags });
		this.origin_seq = flags & DURABLE ? origin_seq : null;
		this.body = body;
	}
}

// Messages seq .. seq+lost-1 will not come. reason: "expired" (the hub has them no more),
// "unanswered" (it did not answer, or its answers were lost), "no-replay" (no address for
// requests), "superseded" (by a newer retained value), "restart" (the hub began a new epoch; if
// lost is null, nobody knows how many).
export class Gap {
	constructor(topic, epoch, seq, lost, reason) {
		Object.assign(this, { topic, epoch, seq, lost, reason });
	}
}

// ---------------------------------------------------------------- msgpack

const text = new TextDecoder("utf-8", { fatal: true });

// Reads one value after the other from `bytes`; throws on anything malformed. Nothing is
// allocated for a count before the bytes that it promises are there.
class Reader {
	constructor(bytes, pos) {
		this.bytes = bytes;
		this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
		this.pos = pos;
	}

	skip(n) {
		const at = this.pos;
		if (n > this.bytes.length - at) throw new RangeError("cut off");
		this.pos = at + n;
		return at;
	}

	uint(n) {
		const at = this.skip(n);
		if (n === 1) return this.bytes[at];
		if (n === 2) return this.view.getUint16(at);
		return n === 4 ? this.view.getUint32(at) : narrow(this.view.getBigUint64(at));
	}

	int(n) {
		const at = this.skip(n);
		if (n === 1) return this.view.getInt8(at);
		if (n === 2) return this.view.getInt16(at);
		return n === 4 ? this.view.getInt32(at) : narrow(this.view.getBigInt64(at));
	}

	str(n) {
		const at = this.skip(n);
		if (n < 24) {
			let s = "", i = at;
			while (i < at + n && this.bytes[i] < 128) s += String.fromCharCode(this.bytes[i++]);
			if (i === at + n) return s;
		}
		return text.decode(this.bytes.subarray(at, at + n));
	}

	bin(n) {
		const at = this.skip(n);
		return this.bytes.slice(at, at + n);
	}

	ext(n) {
		return { type: this.int(1), data: this.bin(n) };
	}

	array(n, depth) {
		if (depth > DEPTH_MAX) throw new RangeError("depth");
		const out = [];
		for (let i = 0; i < n; i++) out.push(this.value(depth));
		return out;
	}

	map(n, depth) {
		if (depth > DEPTH_MAX) throw new RangeError("depth");
		const out = {};
		for (let i = 0; i < n; i++) {
			const key = this.value(depth);
			const value = this.value(depth);
			if (typeof key !== "string") throw new TypeError("key");
			if (key !== "__proto__") out[key] = value; // it would not become a field
		}
		return out;
	}

	value(depth = 0) {
		const b = this.uint(1);
		if (b < 0x80) return b;
		if (b < 0x90) return this.map(b & 15, depth + 1);
		if (b < 0xa0) return this.array(b & 15, depth + 1);
		if (b < 0xc0) return this.str(b & 31);
		if (b >= 0xe0) return b - 256;
		if (b >= 0xcc && b <= 0xcf) return this.uint(1 << (b - 0xcc));
		if (b >= 0xd0 && b <= 0xd3) return this.int(1 << (b - 0xd0));
		if (b >= 0xd4 && b <= 0xd8) return this.ext(1 << (b - 0xd4));
		switch (b) {
		case 0xc0: return null;
		case 0xc2: return false;
		case 0xc3: return true;
		case 0xc4: case 0xc5: case 0xc6: return this.bin(this.uint(1 << (b - 0xc4)));
		case 0xc7: case 0xc8: case 0xc9: return this.ext(this.uint(1 << (b - 0xc7)));
		case 0xca: return this.view.getFloat32(this.skip(4));
		case 0xcb: return this.view.getFloat64(this.skip(8));
		case 0xd9: case 0xda: case 0xdb: return this.str(this.uint(1 << (b - 0xd9)));
		case 0xdc: case 0xdd: return this.array(this.uint(2 << (b - 0xdc)), depth + 1);
		case 0xde: case 0xdf: return this.map(this.uint(2 << (b - 0xde)), depth + 1);
		}
		throw new TypeError("0xc1");
	}
}

function narrow(big) {
	const n = Number(big);
	return Number.isSafeInteger(n) ? n : big;
}

// The only thing that is ever sent: a small map of short ASCII strings and whole numbers.
function pack(map) {
	const out = [0x80 | Object.keys(map).length];
	const str = (s) => out.push(0xd9, s.length, ...new TextEncoder().encode(s));
	for (const [key, value] of Object.entries(map)) {
		str(key);
		if (typeof value === "string") {
			str(value);
		} else {
			const eight = new DataView(new ArrayBuffer(8));
			eight.setBigUint64(0, BigInt(value));
			out.push(0xcf, ...new Uint8Array(eight.buffer));
		}
	}
	return new Uint8Array(out);
}

// -------------------------------------------------------------------- bus

class Topic {
	constructor(name, next, retained) {
		this.name = name;
		this.retained = retained;
		this.next = next; // sequence to hand out next, 0 = not known yet
		this.seen = 0; // highest sequence known to exist
		this.held = new Map(); // early ones: sequence -> [message, size]
		this.joining = retained && !next; // its retained value is awaited,
		this.kept = 0; // has come up to this sequence
		this.first = this.tries = this.deadline = 0; // of the request under way
	}

	// [first, end] of the missing range at `next`; null if nothing is missing.
	hole(limit) {
		if (!this.next || this.next > this.seen) return null;
		let stop = Math.min(this.seen + 1, this.next + limit);
		while (this.held.has(stop - 1)) stop--;
		return [this.next, stop];
	}

	firstHeld(otherwise) {
		let low = Infinity;
		for (const seq of this.held.keys()) low = Math.min(low, seq);
		return low === Infinity ? otherwise : low;
	}
}

const isCount = (n) => Number.isSafeInteger(n) && n >= 0;
const isMap = (v) =>
	v !== null && typeof v === "object" && Object.getPrototypeOf(v) === Object.prototype;
const isUint = (n) => isCount(n) || (typeof n === "bigint" && n > 0n);
const matches = (names, topic) =>
	names.some((n) => (!n || n.endsWith("/") ? topic.startsWith(n) : topic === n));

function wsUrl(url) {
	const u = new URL(url, globalThis.location?.href);
	if (!/^wss?:$/.test(u.protocol)) throw new SyntaxError(`${url} is not ws:// or wss://`);
	return u;
}

function defaultRequests(url) {
	const u = wsUrl(url);
	u.pathname = u.pathname.replace(/\/$/, "") + "/in";
	return u.href;
}

function randomId() {
	const hex = () => Math.floor(Math.random() * 0x100000000).toString(16);
	return `js-${hex()}${hex()}`;
}

const DEFAULTS = {
	topics: [], // names, or subtrees that end in "/"; none: everything
	requests: null, // address for replays; null: where the hub has it by default; "": do without
	// Whose retained value is wanted first, besides the topics that `topics` names.
	retained: ["snapshot/", "backfill/progress", "core/plugins"],
	since: null, // what position() gave: go on from there
	WebSocket: null, // a constructor like the browser's, for Node before 22
	client: null, // the id under which replays are asked for; null: random
	maxQueue: 65536, // messages waiting for the consumer; as many may be held
	maxQueueBytes: 64 << 20,
	maxMessage: 64 << 20,
	replyTimeout: 2000, // milliseconds, as everywhere
	connectTimeout: 5000,
	maxBackoff: 10000,
	silence: 30000, // without a message after which the link is taken for dead
};

// Asynchronously iterable: Message and Gap, in order per topic.
export class Bus {
	#o;
	#url;
	#requests;
	#names; // what is subscribed to
	#mine; // prefix of answers
	#link = null;
	#push = null;
	#pushing = []; // requests until the link for them is open
	#backoff = 100;
	#retryAt = 0;
	#pushRetryAt = 0;
	#openedAt = 0;
	#heardAt = 0;
	#closed = false;
	#ticker;
	#queue = []; // [item, size], from #head on: what next() hands out
	#head = 0;
	#waiting = []; // next() calls without an item
	#queueBytes = 0;
	#held = 0; // early messages of all topics
	#heldBytes = 0;
	#starved = false; // the queue was full and something was put off
	#tickedAt = 0;
	#topics = new Map();
	#wanting = new Set(); // topics to be asked about,
	#asks = new Set(); // being asked about
	#epoch = null;
	#fromOne = false; // topics not heard of yet begin at 1

	constructor(url, options = {}) {
		const o = (this.#o = { ...DEFAULTS, ...options });
		o.WebSocket ??= globalThis.WebSocket;
		if (!o.WebSocket) throw new TypeError("no WebSocket here: pass one as an option");
		this.#url = wsUrl(url).href;
		this.#requests = o.requests ?? defaultRequests(url);
		if (this.#requests) this.#requests = wsUrl(this.#requests).href;
		this.#names = [o.topics].flat();
		for (const name of this.#names)
			if (!TOPIC.test(name)) throw new SyntaxError(`topic ${name}`);
		if (!this.#names.length) this.#names.push("");
		o.client ??= randomId();
		this.#mine = `~${o.client}/`;
		this.stats = {
			received: 0, malformed: 0, duplicates: 0, put_off: 0, untracked: 0, dropped: 0, gaps: 0, lost: 0,
			requests: 0, request_errors: 0, connects: 0, disconnects: 0, restarts: 0,
		};
		if (o.since) {
			[this.#epoch, this.#fromOne] = [o.since[0], true];
			for (const [name, seq] of Object.entries(o.since[1]).slice(0, TOPICS_MAX))
				this.#track(name).next = seq + 1;
		}
		this.#ticker = setInterval(() => this.#tick(), TICK_MS);
		this.#tick();
	}

	// ------------------------------------------------------ for the user

	[Symbol.asyncIterator]() {
		return this;
	}

	async next() {
		if (this.#closed) return { done: true, value: undefined };
		if (this.#head === this.#queue.length)
			return new Promise((resolve) => this.#waiting.push(resolve));
		const [item, size] = this.#queue[this.#head];
		this.#queue[this.#head++] = undefined;
		if (this.#head > 1024 && this.#head * 2 > this.#queue.length) {
			this.#queue.splice(0, this.#head);
			this.#head = 0;
		}
		this.#queueBytes -= size;
		if (this.#starved && !this.#isFull(2)) {
			this.#starved = false;
			for (const t of this.#topics.values()) this.#repair(t);
			this.#pump(performance.now());
		}
		return { done: false, value: item };
	}

	async return() {
		this.close();
		return { done: true, value: undefined };
	}

	close() {
		this.#closed = true;
		clearInterval(this.#ticker);
		this.#drop(this.#link);
		this.#drop(this.#push);
		for (const resolve of this.#waiting.splice(0)) resolve({ done: true, value: undefined });
	}

	// How far the items handed out go, for `since` of a later Bus: [epoch, {topic: seq}].
	position() {
		const rest = this.#queue.slice(this.#head).map(([item]) => item);
		const epoch = rest.length ? rest[0].epoch : this.#epoch;
		const seqs = {};
		if (epoch === this.#epoch)
			for (const t of this.#topics.values()) if (t.next) seqs[t.name] = t.next - 1;
		for (const item of rest.reverse())
			if (item.epoch === epoch && !(item.flags & RETAINED)) seqs[item.topic] = item.seq - 1;
		return [epoch, seqs];
	}

	// -------------------------------------------------------- the links

	#dial(url, peer, onOpen, onMessage, onEnd) {
		let ws;
		try {
			ws = new this.#o.WebSocket(url, [`${peer}.sp.nanomsg.org`]);
		} catch {
			queueMicrotask(onEnd); // forbidden here, by mixed content for example
			return { readyState: 3, close() {} };
		}
		ws.binaryType = "arraybuffer";
		ws.onopen = () => onOpen(ws);
		ws.onmessage = (event) => onMessage(event.data);
		ws.onerror = ws.onclose = () => { // some implementations give only one of the two
			this.#drop(ws);
			onEnd();
		};
		return ws;
	}

	#drop(ws) {
		if (!ws) return;
		ws.onopen = ws.onmessage = ws.onclose = null;
		ws.onerror = () => {};
		ws.close();
	}

	#connect() {
		this.#openedAt = this.#heardAt = performance.now();
		this.#link = this.#dial(this.#url, "pub", () => this.#opened(),
			(data) => this.#take(data), () => this.#disconnect());
	}

	#opened() {
		this.stats.connects++;
		this.#openedAt = this.#heardAt = performance.now();
		if (this.#epoch === null)
			for (const name of this.#names)
				if (name && !name.endsWith("/") && !this.#topics.has(name)) this.#track(name);
		this.#askAnew();
		if (this.#requests) this.#request(HEADS, 0, 1); // a hub that retains it spares us a wait
		this.#pump(performance.now());
	}

	#disconnect() {
		const now = performance.now();
		this.#drop(this.#link);
		this.#link = null;
		this.stats.disconnects++;
		if (now - this.#openedAt > this.#o.maxBackoff) this.#backoff = 100;
		this.#retryAt = now + this.#backoff * (0.5 + Math.random() / 2);
		this.#backoff = Math.min(2 * this.#backoff, this.#o.maxBackoff);
	}

	#tick() {
		const now = performance.now();
		const isOpen = this.#link?.readyState === 1;
		// After a stop of this program, what came meanwhile has not been looked at yet.
		if (now - this.#tickedAt > 10 * TICK_MS) this.#heardAt = now;
		this.#tickedAt = now;
		if (!this.#link) {
			if (now >= this.#retryAt) this.#connect();
		} else if (now - this.#heardAt > (isOpen ? this.#o.silence : this.#o.connectTimeout)) {
			this.#disconnect();
		} else if (isOpen) {
			this.#pump(now);
		}
	}

	// Send a request; if that fails, the missing answer has it repeated.
	#request(topic, first, count) {
		this.stats.requests++;
		const data = pack({ do: "replay", client: this.#o.client, topic, from: first, n: count });
		if (this.#push?.readyState === 1) {
			this.#push.send(data);
			return;
		}
		if (!this.#push && performance.now() < this.#pushRetryAt) return;
		if (this.#pushing.length < 2 * ASKS_MAX) this.#pushing.push(data);
		this.#push ??= this.#dial(this.#requests, "pull",
			(ws) => this.#pushing.splice(0).forEach((d) => ws.send(d)), () => {},
			() => {
				this.stats.request_errors++;
				this.#push = null;
				this.#pushing = [];
				this.#pushRetryAt = performance.now() + 1000;
			});
	}

	// --------------------------------------------------------- messages

	// {m, size, isAnswer}, or null if it is for someone else; throws if malformed.
	#decode(data) {
		if (!(data instanceof ArrayBuffer) || data.byteLength > this.#o.maxMessage)
			throw new TypeError("not a message");
		const bytes = new Uint8Array(data);
		const space = bytes.subarray(0, 128).indexOf(0x20);
		let topic = String.fromCharCode(...bytes.subarray(0, Math.max(space, 0)));
		const isAnswer = topic.startsWith(this.#mine);
		if (isAnswer) topic = topic.slice(this.#mine.length);
		else if (topic[0] === "~") return null;
		if (!TOPIC.test(topic)) throw new TypeError("topic");
		if (!isAnswer && topic !== HEADS && !matches(this.#names, topic)) return null;
		const reader = new Reader(bytes, space + 1);
		const [header, body] = reader.value();
		const [version, epoch, seq, time_us, origin, schema, flags, origin_seq] = header;
		if (version !== 1 || ![epoch, time_us, schema, flags].every(isUint) || !isCount(seq) ||
			typeof origin !== "string" || (!seq && !isAnswer) || !isMap(body) ||
			(flags & DURABLE && !isUint(origin_seq)) || reader.pos !== bytes.length)
			throw new TypeError("header");
		return { m: new Message(topic, header, body), size: bytes.length, isAnswer };
	}

	#take(data) {
		this.#heardAt = performance.now();
		this.stats.received++;
		let found = null;
		try {
			found = this.#decode(data);
		} catch {
			this.stats.malformed++;
		}
		if (!found) return;
		const { m, size, isAnswer } = found;
		if (m.epoch !== this.#epoch) this.#beginEpoch(m.epoch);
		if (isAnswer) this.#answer(m, size);
		else this.#live(m, size);
		if (this.#wanting.size) this.#pump(this.#heardAt);
	}

	#live(m, size) {
		if (m.topic === HEADS) {
			this.#learnHeads(m.body);
			if (!matches(this.#names, HEADS)) return;
		}
		const t = this.#topics.get(m.topic) ?? this.#track(m.topic);
		if (t) {
			t.next ||= m.seq;
			this.#place(t, m, size);
		} else if (this.#isFull()) {
			this.stats.put_off++;
		} else {
			this.#give(m, size);
		}
	}

	#place(t, m, size) {
		t.seen = Math.max(t.seen, m.seq);
		if (m.seq < t.next || t.held.has(m.seq)) {
			this.stats.duplicates++;
		} else if (m.seq === t.next && !t.joining && !this.#isFull()) {
			this.#give(m, size);
			t.next++;
			this.#drain(t);
		} else if ((t.joining || m.seq !== t.next) && this.#held < this.#o.maxQueue &&
			this.#heldBytes + size <= this.#o.maxQueueBytes) {
			t.held.set(m.seq, [m, size]);
			this.#held++;
			this.#heldBytes += size;
		} else {
			this.#starved ||= this.#isFull();
			this.stats.put_off++;
		}
		if (t.next <= t.seen) this.#repair(t);
	}

	#isFull(part = 1) {
		const count = this.#queue.length - this.#head;
		return count * part >= this.#o.maxQueue || this.#queueBytes * part >= this.#o.maxQueueBytes;
	}

	// What comes out of hold, gaps and retained values come on top of a full queue, to a limit
	// that only a misbehaving hub can reach.
	#give(item, size) {
		if (this.#waiting.length) {
			this.#waiting.shift()({ done: false, value: item });
		} else if (this.#isFull(0.25)) {
			this.stats.dropped++;
		} else {
			this.#queue.push([item, size]);
			this.#queueBytes += size;
		}
	}

	// Take an early message out of hold; undefined if it is not there.
	#release(t, seq) {
		const entry = t.held.get(seq);
		if (entry) {
			t.held.delete(seq);
			this.#held--;
			this.#heldBytes -= entry[1];
		}
		return entry;
	}

	#drain(t) {
		for (let entry; t.held.size && (entry = this.#release(t, t.next)); t.next++)
			this.#give(...entry);
	}

	// ------------------------------------------ topics, heads and epochs

	#track(name) {
		if (this.#topics.size >= TOPICS_MAX) {
			this.stats.untracked++;
			return null;
		}
		const retained = this.#requests &&
			(this.#names.includes(name) || matches(this.#o.retained, name));
		const t = new Topic(name, this.#fromOne ? 1 : 0, Boolean(retained));
		this.#topics.set(name, t);
		this.#repair(t);
		return t;
	}

	#learnHeads(body) {
		if (!isMap(body.heads)) {
			this.stats.malformed++;
			return;
		}
		for (const [name, seq] of Object.entries(body.heads)) {
			if (!isCount(seq) || !TOPIC.test(name) || !matches(this.#names, name)) continue;
			const t = this.#topics.get(name) ?? this.#track(name);
			if (!t) continue;
			t.next ||= seq + 1;
			t.seen = Math.max(t.seen, seq);
			this.#repair(t);
		}
		this.#fromOne = true;
	}

	#beginEpoch(epoch) {
		if (this.#epoch === null) {
			this.#epoch = epoch;
			return;
		}
		this.stats.restarts++;
		this.#fromOne = true;
		for (const t of this.#topics.values()) {
			if (t.next > 1 || (t.next && t.next <= t.seen)) {
				this.#lose(t, t.seen + 1, "restart");
				this.#give(new Gap(t.name, this.#epoch, t.next, null, "restart"), 0);
				this.stats.gaps++;
			}
			[t.next, t.seen, t.joining] = [1, 0, false];
		}
		this.#epoch = epoch;
		this.#askAnew();
	}

	// No answer will come to the requests under way.
	#askAnew() {
		const asked = [...this.#asks];
		this.#asks.clear();
		for (const t of asked) {
			t.tries = 0;
			this.#repair(t);
		}
	}

	// -------------------------------------------------- gaps and replays

	// The next `lost` messages are gone.
	#gap(t, lost, reason) {
		this.stats.gaps++;
		this.stats.lost += lost;
		this.#give(new Gap(t.name, this.#epoch, t.next, lost, reason), 0);
		t.next += lost;
		if (t.retained && (reason === "expired" || reason === "unanswered"))
			[t.joining, t.kept] = [true, 0]; // a delta is worth nothing without what it changes
	}

	// What is missing before `stop` is gone for good; hand out the rest.
	#lose(t, stop, reason) {
		const held = [...t.held.keys()].filter((seq) => seq < stop).sort((a, b) => a - b);
		for (const seq of [...held, stop]) {
			if (seq > t.next) this.#gap(t, seq - t.next, reason);
			this.#drain(t);
		}
	}

	// See to it that the topic gets what it lacks.
	#repair(t) {
		if (!this.#requests) {
			if (!this.#starved && t.next && t.next <= t.seen)
				this.#lose(t, t.seen + 1, "no-replay");
		} else if (!this.#asks.has(t) && (t.joining || t.next <= t.seen)) {
			this.#wanting.add(t);
		}
	}

	// Send the requests that are due; repeat, or give up, what was not answered.
	#pump(now) {
		for (const t of [...this.#asks]) {
			if (now < t.deadline) continue;
			this.#asks.delete(t);
			if (++t.tries > (t.first ? TRIES : 1)) {
				t.tries = 0;
				if (!t.first) this.#joined(t);
				else if (t.next <= t.seen) this.#lose(t, t.firstHeld(t.seen + 1), "unanswered");
			}
			this.#repair(t);
		}
		for (const t of this.#wanting) {
			if (this.#asks.size >= ASKS_MAX || this.#isFull() || this.#link?.readyState !== 1) break;
			this.#wanting.delete(t);
			this.#ask(t, now);
		}
	}

	#ask(t, now) {
		const hole = t.joining ? [0, 1] : t.hole(ASK_COUNT);
		if (!hole) return;
		t.first = hole[0];
		t.deadline = now + this.#o.replyTimeout * 2 ** t.tries;
		this.#asks.add(t);
		this.#request(t.name, t.first, hole[1] - t.first);
	}

	#answer(m, size) {
		if (m.topic === HEADS && m.flags & RETAINED) {
			this.#learnHeads(m.body);
			return;
		}
		const t = this.#topics.get(m.topic);
		if (!this.#asks.has(t)) {
			this.stats.duplicates++; // late: it was asked for again, or given up
			return;
		}
		if (!(m.flags & (GAP | REPLAYED))) {
			this.#answered(t);
			return;
		}
		const { lost } = m.body;
		t.deadline = this.#heardAt + this.#o.replyTimeout * 2 ** t.tries;
		if (m.flags & RETAINED) this.#takeRetained(t, m, size);
		else if (!t.first) return; // of a topic that is not retained after all
		else if (!(m.flags & GAP)) this.#place(t, m, size);
		else if (isCount(lost) && lost && m.seq <= t.next)
			this.#lose(t, Math.min(m.seq + lost, t.seen + 1), "expired");
	}

	// The hub has said all it has to say to the request under way.
	#answered(t) {
		if (t.first && t.next === t.first && t.next <= t.seen) {
			// Nothing of it arrived. The hub's queue may be full; leave it some time.
			t.deadline = this.#heardAt + 100 * 2 ** t.tries;
			return;
		}
		this.#asks.delete(t);
		t.tries = 0;
		if (!t.first) this.#joined(t);
		this.#repair(t);
	}

	#takeRetained(t, m, size) {
		if (!t.joining || m.seq <= t.kept) {
			this.stats.duplicates++;
			return;
		}
		if (t.next && t.next < m.seq) this.#gap(t, m.seq - t.next, "superseded");
		t.kept = m.seq;
		t.next = Math.max(t.next, m.seq + 1);
		t.seen = Math.max(t.seen, m.seq);
		this.#give(m, size);
	}

	// The retained value has come, or never will: go on with what came meanwhile.
	#joined(t) {
		t.joining = false;
		for (const seq of [...t.held.keys()]) if (seq < t.next) this.#release(t, seq);
		this.#drain(t);
	}
}
