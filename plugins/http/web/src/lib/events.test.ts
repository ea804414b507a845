// SPDX-License-Identifier: MIT
//
// The stream against a server that is played here.
import assert from "node:assert/strict";
import test from "node:test";

type Sent = Record<string, unknown>;

class Socket {
	static readonly OPEN = 1;
	static all: Socket[] = [];
	readyState = 1;
	sent: Sent[] = [];
	onmessage: ((e: { data: string }) => void) | null = null;
	onclose: (() => void) | null = null;
	constructor(readonly url: string) {
		Socket.all.push(this);
	}
	send(text: string): void {
		this.sent.push(JSON.parse(text) as Sent);
	}
	close(): void {}
	say(what: Sent): void {
		this.onmessage!({ data: JSON.stringify(what) });
	}
	message(seq: number, more: Sent = {}): void {
		this.say({ type: "message", topic: "packet/stored", epoch: 7, seq, time_us: 1, origin: "storage", body: { n: seq }, ...more });
	}
}

const timers: (() => void)[] = [];
Object.assign(globalThis, {
	WebSocket: Socket, location: { origin: "http://mesh" }, addEventListener: () => {}, setInterval: () => 0,
	setTimeout: (f: () => void) => timers.push(f),
});
const { listen, link, gaps, more } = await import("./events");

const got: number[] = [];
const lost: number[] = [];
listen<{ n: number }>("packet/stored", { message: (m) => got.push(m.body.n), gap: (_t, n) => lost.push(n) });
const now = (): Socket => Socket.all.at(-1)!;

function reconnect(): void {
	now().onclose!();
	assert.equal(link.value.state, "down");
	timers.pop()!();
	now().say({ type: "hello", topics: ["packet/stored"] });
}

test("it subscribes when it is greeted", () => {
	now().say({ type: "hello", topics: ["packet/stored"] });
	assert.deepEqual(now().sent, [{ do: "subscribe", topic: "packet/stored", retained: false }]);
	assert.equal(link.value.state, "open");
	now().message(1);
	now().message(2);
	assert.deepEqual(got, [1, 2]);
});
test("after a reconnect what was missed comes first, and nothing twice", () => {
	reconnect();
	assert.deepEqual(now().sent[1], { do: "replay", topic: "packet/stored", from: 3, epoch: 7 });
	now().message(5);
	now().message(3, { replayed: true });
	now().message(4, { replayed: true });
	now().message(5, { replayed: true });
	assert.deepEqual(got, [1, 2, 3, 4, 5]);
	now().say({ type: "end", topic: "packet/stored", seq: 6 });
	now().message(6);
	assert.deepEqual(got, [1, 2, 3, 4, 5, 6]);
	assert.deepEqual(lost, []);
});
test("what the daemon has no more is a gap", () => {
	reconnect();
	now().say({ type: "lost", topic: "packet/stored", epoch: 7, from: 7, lost: 3 });
	now().message(10, { replayed: true });
	now().say({ type: "end", topic: "packet/stored", seq: 11 });
	assert.deepEqual(lost, [3]);
	assert.deepEqual(got.slice(-1), [10]);
	assert.equal(gaps.value.length, 1);
});
test("after a restart of the daemon numbers begin anew, and that is a gap of unknown size", () => {
	reconnect();
	now().message(1, { epoch: 8, replayed: true });
	now().say({ type: "end", topic: "packet/stored", seq: 2 });
	now().message(2, { epoch: 8 });
	assert.deepEqual(lost, [3, -1]);
	assert.deepEqual(got.slice(-2), [1, 2]);
});
test("what is not offered to everybody is asked for with the key, and a refusal is told", () => {
	reconnect();
	assert.equal(more.value, false);
	now().say({ type: "hello", topics: ["packet/stored"], more: true });
	assert.equal(more.value, true);
	const told: string[] = [];
	const stop = listen("rx/raw", { message: () => {}, key: "secret", refused: (why) => told.push(why) });
	assert.deepEqual(now().sent.at(-1), { do: "subscribe", topic: "rx/raw", retained: false, key: "secret" });
	now().say({ type: "error", do: "subscribe", topic: "rx/raw", error: "the key is not right" });
	assert.deepEqual(told, ["the key is not right"]);
	stop();
});
