// SPDX-License-Identifier: MIT
import assert from "node:assert/strict";
import test from "node:test";
import { hex, readFrame, unhex, withPath } from "./frame";

const names = (text: string): string[] => readFrame(unhex(text)).parts.map((p) => p.name);

test("a group text has channel, MAC and the rest", () => {
	const f = readFrame(unhex("1503112233A5B6C7D8E9"));
	assert.deepEqual(f.parts.map((p) => [p.name, p.from, p.to]), [["Header", 0, 1], ["Path length", 1, 2], ["Path", 2, 5], ["Channel", 5, 6], ["MAC", 6, 8], ["Encrypted", 8, 10]]);
	assert.deepEqual(f.path, { from: 2, size: 1, count: 3 });
});
test("transport codes come before the path", () => assert.deepEqual(names("14aabbccdd00ff1122").slice(0, 3), ["Header", "Transport codes", "Path length"]));
test("an advert is read to its name", () => {
	const body = "11".repeat(32) + "00000060" + "22".repeat(64) + "92" + "40420f00" + "80841e00" + "48c3bc";
	const f = readFrame(unhex("1100" + body));
	assert.deepEqual(f.parts.slice(-4).map((p) => [p.name, p.value]), [["Flags", "repeater"], ["Latitude", "1.000000"], ["Longitude", "2.000000"], ["Name", "Hü"]]);
});
test("what is cut off says so, and nothing is read beyond the end", () => {
	assert.deepEqual(names("1100" + "11".repeat(30)), ["Header", "Path length", "Key (cut off)"]);
	assert.deepEqual(names("15"), ["Header"]);
	assert.deepEqual(names(""), []);
	assert.deepEqual(names("15c0ff"), ["Header", "Path length", "Channel"]);
});
test("another path is put into the frame with its length", () => {
	const f = readFrame(unhex("1503112233A5B6C7D8E9"));
	assert.equal(hex(withPath(f, ["AA"])!), "1501AAA5B6C7D8E9");
	assert.equal(hex(withPath(f, [])!), "1500A5B6C7D8E9");
	assert.equal(hex(withPath(f, ["AABB", "CCDD"])!), "1542AABBCCDDA5B6C7D8E9");
	assert.equal(withPath(f, ["AABB", "CC"]), null);
	assert.equal(withPath(readFrame(unhex("2600" + "00".repeat(9))), ["AA"]), null);
});
