// SPDX-License-Identifier: MIT
import assert from "node:assert/strict";
import test from "node:test";
import { readSet } from "./sets";

function make(): ArrayBuffer {
	const head = (offset: number) => JSON.stringify({
		name: "t", rows: 3, version: "7", total: 9, complete: false, at: 5,
		columns: [{ name: "key", type: "bytes2", offset, length: 6 }, { name: "n", type: "f64", offset: offset + 8, length: 24 },
			{ name: "who", type: "u16", offset: offset + 32, length: 6, dict: "names" }, { name: "new", type: "u128", offset, length: 0 }],
		dicts: { names: ["a", null, "b"] },
	}).padEnd(400);
	const body = new ArrayBuffer(8 + 400 + 40);
	const view = new DataView(body);
	view.setUint32(0, 0x4d4b4331);
	view.setUint32(4, 400, true);
	new Uint8Array(body).set(new TextEncoder().encode(head(408)), 8);
	new Uint8Array(body, 408, 6).set([1, 2, 0xab, 0xcd, 5, 6]);
	new Float64Array(body, 416, 3).set([1.5, 2.5, 3.5]);
	new Uint16Array(body, 440, 3).set([2, 0xffff, 1]);
	return body;
}

test("columns are read in place", () => {
	const t = readSet(make());
	assert.deepEqual([t.rows, t.total, t.complete, t.version], [3, 9, false, "7"]);
	assert.equal(t.hex("key", 1), "abcd");
	assert.deepEqual([0, 1, 2].map((i) => t.text("who", i)), ["b", null, null]);
	assert.equal(t.has("new"), false);
	assert.equal(t.num("absent", 2), 0);
});
test("rows can be added, and texts that were not there", () => {
	const t = readSet(make());
	for (let i = 3; i < 1000; i++) {
		const row = t.push();
		assert.equal(row, i);
		t.setHex("key", row, "0102");
		t.setText("who", row, i % 2 ? "b" : "c");
		t.set("n", row, i);
	}
	assert.equal(t.hex("key", 999), "0102");
	assert.equal(t.text("who", 998), "c");
	assert.equal(t.text("who", 0), "b");
	assert.equal(t.num("n", 999), 999);
});
test("the order can be reversed", () => {
	const t = readSet(make()).reverse();
	assert.deepEqual([t.hex("key", 0), t.num("n", 0), t.text("who", 2)], ["0506", 3.5, "b"]);
});
test("what is no set is refused", () => {
	assert.throws(() => readSet(new ArrayBuffer(4)));
	assert.throws(() => readSet(new ArrayBuffer(64)));
});
