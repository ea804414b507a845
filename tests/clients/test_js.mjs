// SPDX-License-Identifier: MIT
//
// The JavaScript client against fakehub (the real libnng) and against a socket under the test's
// control. Uses the global WebSocket if there is one, else tinyws.mjs.
//
// FAKEHUB names the program; run.sh builds it and sets this.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { test } from "node:test";

import { Bus, DURABLE, Gap, Message, REPLAYED, RETAINED } from "../../sdk/clients/js/meshkern-bus.js";
import { TinyWebSocket } from "./tinyws.mjs";

const WebSocket = globalThis.WebSocket ?? TinyWebSocket;
const WAIT = 10000;

// ------------------------------------------------------------- the hub

async function freePort() {
	const server = createServer();
	await new Promise((done) => server.listen(0, "127.0.0.1", done));
	const { port } = server.address();
	await new Promise((done) => server.close(done));
	return port;
}

class Hub {
	static async start(t, { epoch = 7, requests = true, url = null } = {}) {
		const hub = new Hub();
		hub.url = url ?? `ws://127.0.0.1:${await freePort()}/bus`;
		const args = ["-e", String(epoch), "-l", hub.url];
		if (requests) args.push("-r", `${hub.url}/in`);
		hub.process = spawn(process.env.FAKEHUB, args, { stdio: ["pipe", "pipe", "inherit"] });
		hub.lines = createInterface(hub.process.stdout)[Symbol.asyncIterator]();
		assert.equal((await hub.lines.next()).value, "ready");
		t.after(() => hub.stop());
		return hub;
	}

	// Give commands; the last answer without its "ok".
	async do(...commands) {
		let line;
		for (const command of commands) {
			this.process.stdin.write(`${command}\n`);
			line = (await this.lines.next()).value;
			assert.match(line, /^ok/, `${command}: ${line}`);
		}
		return line.slice(3);
	}

	async stop() {
		if (this.process.exitCode !== null) return;
		const ended = new Promise((done) => this.process.once("exit", done));
		this.process.stdin.end();
		await ended;
	}
}

function open(t, url, options = {}) {
	const bus = new Bus(url, { WebSocket, replyTimeout: 500, topics: "pulse/", ...options });
	t.after(() => bus.close());
	return bus;
}

async function joined(t, options = {}) {
	const hub = await Hub.start(t);
	const bus = open(t, hub.url, options);
	await hub.do("peers 1");
	return [hub, bus];
}

async function take(bus, n) {
	const items = [];
	while (items.length < n) {
		let timer;
		const late = new Promise((_, no) => {
			timer = setTimeout(() => no(new Error(`item ${items.length + 1} of ${n} does not come ` +
				JSON.stringify(bus.stats))), WAIT);
		});
		const { value, done } = await Promise.race([bus.next(), late]);
		clearTimeout(timer);
		assert.equal(done, false);
		items.push(value);
	}
	return items;
}

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const seqs = (items) => items.map((i) => (i instanceof Message ? i.seq : i));
const same = (item, fields) => assert.deepEqual({ ...item }, fields);

// A WebSocket whose other side is the test.
class Puppet {
	static all = [];
	constructor(url, protocols) {
		Object.assign(this, { url, protocols, readyState: 1, sent: [] });
		Puppet.all.push(this);
		queueMicrotask(() => this.onopen?.());
	}
	send(data) {
		this.sent.push(data);
	}
	close() {
		this.readyState = 3;
	}
}

async function puppet(t, options = {}) {
	Puppet.all = [];
	const bus = open(t, "ws://x/bus", { WebSocket: Puppet, client: "me", topics: [], ...options });
	await null;
	const [link] = Puppet.all;
	return [bus, (bytes) => link.onmessage({ data: Uint8Array.from(bytes).buffer }), link];
}

const ascii = (s) => [...Buffer.from(s)];
const num = (n) => [0xcf, ...new Uint8Array(new BigUint64Array([BigInt(n)]).buffer).reverse()];
const str = (s) => [0xd9, s.length, ...ascii(s)];
const frame = (topic, seq, { epoch = 7, flags = 0, body = [0x80], origin = "a" } = {}) => [
	...ascii(`${topic} `), 0x92, 0x97, 1, ...num(epoch), ...num(seq), 1, ...str(origin), 1, flags,
	...body];
const oneKey = (key, value) => [0x81, ...str(key), ...value];

// ------------------------------------------------------------- delivery

test("messages come in order and lost ones are repaired", async (t) => {
	const [hub, bus] = await joined(t);
	await hub.do("publish pulse/beat 3", "drop pulse/beat 2", "publish pulse/beat 2");
	const items = await take(bus, 7);
	assert.deepEqual(seqs(items), range(1, 7));
	assert.deepEqual(items.map((i) => i.flags), [0, 0, 0, REPLAYED, REPLAYED, 0, 0]);
	assert.deepEqual(items.map((i) => i.body), range(1, 7).map((n) => ({ n })));
	await hub.do("publish pulse/beat 1 300000");
	assert.equal((await take(bus, 1))[0].body.pad.length, 300000);
	assert.match(await hub.do("stats"), /malformed=0/);
	assert.ok(bus.stats.requests <= 4, "none in vain");
});

test("a name is exact and a trailing slash is a subtree", async (t) => {
	const [hub, bus] = await joined(t, { topics: ["rx/raw", "node/"] });
	await hub.do("publish rx/rawish 1", "publish rx/raw 1", "publish node/a 1", "publish other 1",
		"publish node/b/c 1");
	const items = (await take(bus, 3)).sort((a, b) => (a.topic < b.topic ? -1 : 1));
	assert.deepEqual(items.map((i) => i.topic), ["node/a", "node/b/c", "rx/raw"]);
	assert.deepEqual([items[2].flags, items[2].origin_seq, items[1].origin_seq], [DURABLE, 1001, null]);
});

test("a subscriber overrun by far gets everything in order", async (t) => {
	const [hub, bus] = await joined(t);
	await hub.do("publish pulse/beat 1", "publish pulse/beat 30000");
	assert.deepEqual(seqs(await take(bus, 30001)), range(1, 30001));
	assert.equal(bus.stats.lost, 0);
	assert.ok(bus.stats.requests < 100);
});

test("a slow consumer with a small queue gets everything in order", async (t) => {
	const [hub, bus] = await joined(t, { maxQueue: 20 });
	await hub.do("publish pulse/beat 1", "publish pulse/beat 500");
	await new Promise((done) => setTimeout(done, 100));
	assert.deepEqual(seqs(await take(bus, 501)), range(1, 501));
	assert.ok(bus.stats.put_off > 0);
	assert.equal(bus.stats.lost + bus.stats.dropped, 0);
});

test("a slow consumer without replays is told what it missed", async (t) => {
	const [bus, send] = await puppet(t, { requests: "", maxQueue: 20 });
	for (let n = 1; n <= 100; n++) send(frame("x", n));
	const items = await take(bus, 42); // 20 of the queue, 20 that were held, two gaps
	let next = 1;
	for (const item of items) {
		assert.equal(item.seq, next);
		next += item.lost ?? 1;
	}
	assert.equal(next, 101);
	send(frame("x", 101));
	assert.deepEqual(seqs(await take(bus, 1)), [101]);
});

test("for await ends when the bus is closed", async (t) => {
	const [hub, bus] = await joined(t);
	await hub.do("publish pulse/beat 2");
	let n = 0;
	for await (const item of bus) {
		n += item.seq;
		if (n === 3) setTimeout(() => bus.close(), 10);
	}
	assert.equal(n, 3);
});

// ----------------------------------------------------------------- gaps

test("the loss of the last messages shows in heads", async (t) => {
	const [hub, bus] = await joined(t);
	await hub.do("publish pulse/beat 1", "drop pulse/beat 2", "heads");
	assert.deepEqual(seqs(await take(bus, 3)), [1, 2, 3]);
});

test("the loss of a new topic's first messages shows", async (t) => {
	const [hub, bus] = await joined(t);
	await hub.do("heads", "drop pulse/new 2", "publish pulse/new 1");
	assert.deepEqual(seqs(await take(bus, 3)), [1, 2, 3]);
});

test("what is lost behind the first heads is missed", async (t) => {
	const hub = await Hub.start(t);
	await hub.do("publish pulse/beat 5");
	const bus = open(t, hub.url);
	await hub.do("peers 1", "heads", "drop pulse/beat 2", "publish pulse/beat 1");
	assert.deepEqual(seqs(await take(bus, 3)), [6, 7, 8]);
});

test("what the hub has no more becomes a gap", async (t) => {
	const [hub, bus] = await joined(t);
	await hub.do("publish pulse/beat 2", "drop pulse/beat 500", "forget pulse/beat 400",
		"publish pulse/beat 1");
	const items = await take(bus, 3);
	assert.deepEqual(seqs(items.slice(0, 2)), [1, 2]);
	assert.ok(items[2] instanceof Gap);
	same(items[2], { topic: "pulse/beat", epoch: 7, seq: 3, lost: 398, reason: "expired" });
	assert.deepEqual(seqs(await take(bus, 103)), range(401, 503));
});

test("without an address for requests gaps are told at once", async (t) => {
	const [hub, bus] = await joined(t, { requests: "" });
	await hub.do("publish pulse/beat 1", "drop pulse/beat 2", "publish pulse/beat 1");
	same((await take(bus, 3))[1],
		{ topic: "pulse/beat", epoch: 7, seq: 2, lost: 2, reason: "no-replay" });
});

test("an answer that is lost on the way is asked for again", async (t) => {
	const [hub, bus] = await joined(t);
	await hub.do("publish pulse/beat 1");
	for (const lost of [1, 2, 4])
		await hub.do(`lose ${lost}`, "drop pulse/beat 2", "heads");
	assert.deepEqual(seqs(await take(bus, 7)), range(1, 7));
});

test("a hub that never answers costs a gap, not the stream", async (t) => {
	const [hub, bus] = await joined(t, { replyTimeout: 10 });
	await hub.do("ignore 1000", "publish pulse/beat 1", "drop pulse/beat 2", "publish pulse/beat 2");
	const items = await take(bus, 4);
	same(items[1], { topic: "pulse/beat", epoch: 7, seq: 2, lost: 2, reason: "unanswered" });
	assert.deepEqual(seqs(items.slice(2)), [4, 5]);
});

test("a dead requests address costs a gap, not the stream", async (t) => {
	const hub = await Hub.start(t, { requests: false });
	const bus = open(t, hub.url, { replyTimeout: 20 });
	await hub.do("peers 1", "publish pulse/beat 1", "drop pulse/beat 1", "publish pulse/beat 1");
	assert.equal((await take(bus, 3))[1].reason, "unanswered");
	assert.ok(bus.stats.request_errors > 0);
});

// ------------------------------------------------------------- restarts

test("after a cut connection nothing is missing", async (t) => {
	const [hub, bus] = await joined(t);
	await hub.do("publish pulse/beat 2");
	assert.deepEqual(seqs(await take(bus, 2)), [1, 2]);
	await hub.do("kick", "peers 0", "publish pulse/beat 3", "peers 1", "heads");
	assert.deepEqual(seqs(await take(bus, 3)), [3, 4, 5]);
	assert.equal(bus.stats.connects, 2);
});

test("a new epoch is told and followed from its first message", async (t) => {
	const [hub, bus] = await joined(t);
	await hub.do("publish pulse/beat 2", "epoch 8", "drop pulse/beat 2", "publish pulse/beat 1");
	const items = await take(bus, 6);
	same(items[2], { topic: "pulse/beat", epoch: 7, seq: 3, lost: null, reason: "restart" });
	assert.deepEqual(items.slice(3).map((i) => [i.epoch, i.seq]), [[8, 1], [8, 2], [8, 3]]);
});

test("a hub that comes back is found", async (t) => {
	const [hub, bus] = await joined(t, { maxBackoff: 300 });
	await hub.do("publish pulse/beat 1");
	await take(bus, 1);
	await hub.stop();
	const again = await Hub.start(t, { epoch: "18446744073709551615", url: hub.url });
	await again.do("peers 1", "publish pulse/beat 1");
	assert.deepEqual((await take(bus, 2)).map((i) => [i.epoch, i.seq]),
		[[7, 2], [18446744073709551615n, 1]]);
});

test("a later bus goes on from a position", async (t) => {
	const [hub, bus] = await joined(t);
	await hub.do("publish pulse/beat 5");
	assert.deepEqual(seqs(await take(bus, 3)), [1, 2, 3]);
	const since = bus.position();
	assert.deepEqual(since, [7, { "pulse/beat": 3 }]);
	bus.close();
	await hub.do("peers 0", "publish pulse/beat 2");
	const later = open(t, hub.url, { since });
	await hub.do("peers 1", "heads");
	assert.deepEqual(seqs(await take(later, 4)), [4, 5, 6, 7]);
});

test("a silent link is given up", async (t) => {
	const [hub, bus] = await joined(t, { silence: 100 });
	await hub.do("peers 0", "peers 1");
	assert.ok(bus.stats.disconnects > 0);
});

// ------------------------------------------------------------- retained

test("the retained value comes first", async (t) => {
	const hub = await Hub.start(t);
	await hub.do("publish snapshot/map 6", "retain snapshot/map 5");
	const bus = open(t, hub.url, { topics: ["snapshot/map"] });
	await hub.do("peers 1", "publish snapshot/map 2");
	const items = await take(bus, 4);
	assert.deepEqual(seqs(items), [5, 6, 7, 8]);
	assert.ok(items[0].flags & RETAINED && items[1].flags & RETAINED);
});

test("the retained values of a subtree are found through heads", async (t) => {
	const hub = await Hub.start(t);
	await hub.do("publish snapshot/a 3", "retain snapshot/a 3", "publish snapshot/b 1",
		"retain snapshot/b 1");
	const bus = open(t, hub.url, { topics: ["snapshot/"] });
	await hub.do("peers 1", "heads");
	assert.deepEqual((await take(bus, 2)).map((i) => i.topic + i.seq).sort(),
		["snapshot/a3", "snapshot/b1"]);
});

// -------------------------------------------------------------- hostile

test("every kind of value is decoded", async (t) => {
	const [bus, send] = await puppet(t);
	send(frame("x", 1, { body: [0x8e,
		...str("nil"), 0xc0, ...str("no"), 0xc2, ...str("yes"), 0xc3, ...str("neg"), 0xff,
		...str("i8"), 0xd0, 0x80, ...str("i16"), 0xd1, 0x80, 0, ...str("i32"), 0xd2, 0x80, 0, 0, 0,
		...str("i64"), 0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0, ...str("u64"), ...num("18446744073709551615"),
		...str("f32"), 0xca, 0x3f, 0x80, 0, 0, ...str("f64"), 0xcb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0,
		...str("ext"), 0xd5, 7, 1, 2, ...str("bin"), 0xc5, 0, 2, 8, 9,
		...str("arr"), 0xdc, 0, 3, 0xa2, 0xc3, 0xa4, 0xda, 0, 1, 0x61, 0xde, 0, 0] }));
	const [m] = await take(bus, 1);
	assert.deepEqual(m.body, { nil: null, no: false, yes: true, neg: -1, i8: -128, i16: -32768,
		i32: -2147483648, i64: -(2n ** 63n), u64: 2n ** 64n - 1n, f32: 1, f64: 1.5,
		ext: { type: 7, data: Uint8Array.of(1, 2) }, bin: Uint8Array.of(8, 9), arr: ["ä", "a", {}] });
});

test("malformed messages are counted and skipped", async (t) => {
	const [bus, send, link] = await puppet(t);
	const bad = [
		[], ascii("x"), ascii("x "), ascii("X y"), [...ascii("x "), 0xc1], [...ascii("x "), 0x92],
		[...ascii("x "), 0xdd, 0xff, 0xff, 0xff, 0xff], [...ascii("x "), 0xdf, 0xff, 0xff, 0xff, 0xff],
		[...ascii("x "), ...Array(5000).fill(0x91)], [...frame("x", 1), 0],
		frame("x", 1).slice(0, -1), frame("x", 0), frame("x", "18446744073709551615"),
		frame("x", 1, { body: [0x90] }), frame("x", 1, { body: [0x81, 1, 1] }),
		frame("x", 1, { body: oneKey("a", [...Array(40).fill(0x91), 0xc0]) }),
		frame("x", 1, { flags: 16 }), frame("x", 1, { body: [0x81, 0xa1, 0xff, 0] }),
		frame("y".repeat(64), 1),
		frame("core/heads", 1, { body: oneKey("heads", [1]) }),
		frame("core/heads", 2, { body: oneKey("heads", [0x90]) }),
	];
	bad.forEach(send);
	link.onmessage({ data: "text" });
	send(frame("x", 1));
	const items = await take(bus, 3);
	assert.deepEqual(items.map((i) => i.topic), ["core/heads", "core/heads", "x"]);
	assert.equal(bus.stats.malformed, bad.length + 1);
});

test("a key that would change the object itself is left out", async (t) => {
	const [bus, send] = await puppet(t);
	send(frame("x", 1, { body: [0x82, ...str("__proto__"), ...oneKey("a", [1]), ...str("b"), 2] }));
	const [{ body }] = await take(bus, 1);
	assert.deepEqual([body.a, body.b, Object.keys(body)], [undefined, 2, ["b"]]);
});

test("any bytes at all are survived", async (t) => {
	const [bus, send] = await puppet(t, { maxQueue: 64 });
	let state = 1;
	const random = (n) => (state = (state * 48271) % 0x7fffffff) % n;
	const good = range(1, 8).map((n) => frame("x", n, { body: oneKey("a", [0x93, 1, 0xa1, 65, 0xc0]) }));
	good.push(frame("core/heads", 1, { body: oneKey("heads", oneKey("x", [4])) }),
		frame("~me/x", 2, { body: oneKey("end", [9]) }),
		frame("~me/x", 2, { flags: 2, body: oneKey("lost", [9]) }));
	for (let i = 0; i < 20000; i++) {
		const data = [...good[random(good.length)]];
		for (let k = random(4); k > 0; k--) data[random(data.length)] = random(256);
		send(random(10) ? data : data.slice(0, random(data.length + 1)));
	}
	assert.equal(bus.stats.received, 20000);
	assert.ok(bus.stats.malformed > 1000);
});

test("memory stays bounded when nobody consumes and epochs never end", async (t) => {
	const [bus, send] = await puppet(t, { maxQueue: 10 });
	for (let i = 1; i < 2000; i++) send(frame("x", 1, { epoch: i }));
	assert.ok(bus.stats.dropped > 0);
	assert.ok(bus.stats.dropped + 40 >= bus.stats.restarts);
});

test("a wrong url or topic is refused at once", () => {
	for (const url of ["http://x", "tcp://h:1", "nonsense"])
		assert.throws(() => new Bus(url, { WebSocket }), url);
	assert.throws(() => new Bus("ws://x", { WebSocket, topics: ["a b"] }));
});
