// SPDX-License-Identifier: MIT
import assert from "node:assert/strict";
import test from "node:test";
import { ago, bytes, count, duration, fixed, percent, plural, seconds, short, shortKey, UNKNOWN } from "./format";

test("unknown is never a number", () => {
	for (const f of [count, short, bytes, fixed, percent, duration]) assert.equal(f(null), UNKNOWN);
	assert.equal(ago(0, 100), UNKNOWN);
	assert.equal(fixed(NaN), UNKNOWN);
});
test("numbers are short and exact where it matters", () => {
	assert.equal(count(71000), "71\u202f000");
	assert.equal(short(12345), "12.3 k");
	assert.equal(bytes(1536000), "1.5 MB");
	assert.equal(fixed(-3.26, 1, "dB"), "−3.3 dB");
	assert.equal(percent(0.123, 1), "12.3\u00a0%");
	assert.equal(plural(1, "node"), "1 node");
	assert.equal(plural(2, "node"), "2 nodes");
});
test("durations have one unit", () => {
	assert.deepEqual([0.4, 45, 720, 7200, 400000].map(duration), ["400 ms", "45 s", "12 min", "2 h", "5 d"]);
});
test("times of answers are read in all their forms", () => {
	assert.equal(seconds("1970-01-01T00:01:00.000Z"), 60);
	assert.equal(seconds("1970-01-01 00:01:00"), 60);
	assert.equal(seconds(1_700_000_000_000), 1_700_000_000);
	assert.equal(seconds("nonsense"), 0);
	assert.equal(seconds(null), 0);
});
test("keys are cut in the middle", () => assert.equal(shortKey("0123456789abcdef0123"), "01234567…0123"));
