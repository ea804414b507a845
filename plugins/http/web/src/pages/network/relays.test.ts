// SPDX-License-Identifier: MIT
import assert from "node:assert/strict";
import test from "node:test";
import { Table } from "../../lib/sets";
import { byPrefix, freePrefixes, upgrades } from "./relays";

const column = (name: string, type: string, dict?: string) => ({ name, type, offset: 0, length: 0, ...(dict ? { dict } : {}) });

/** A table of nodes: key, role, capability. */
function nodesOf(rows: [key: string, role: string, capability: number][]): Table {
	const t = new Table({ name: "nodes", rows: 0, version: "1", columns: [column("key", "bytes32"), column("role", "u8", "roles"), column("capability", "u8")] }, null);
	for (const [key, role, capability] of rows) {
		const row = t.push();
		t.setHex("key", row, key.padEnd(64, "0"));
		t.setText("role", row, role);
		t.set("capability", row, capability);
	}
	return t;
}

function linksOf(rows: [a: number, b: number, s1: number][]): Table {
	const t = new Table({ name: "links", rows: 0, version: "1", columns: [column("a", "u32"), column("b", "u32"), column("s1", "u32")] }, null);
	for (const [a, b, s1] of rows) {
		const row = t.push();
		t.set("a", row, a);
		t.set("b", row, b);
		t.set("s1", row, s1);
	}
	return t;
}

const nodes = nodesOf([["aa11", "repeater", 0], ["aa22", "repeater", 1], ["bb11", "room", 0], ["aa33", "companion", 0], ["cc11", "repeater", 2]]);

test("only relays share a prefix; others count where all are asked for", () => {
	assert.deepEqual(byPrefix(nodes, 1).get("AA"), [0, 1]);
	assert.deepEqual(byPrefix(nodes, 1, true).get("AA"), [0, 1, 3]);
	assert.equal(byPrefix(nodes, 2).get("AA11")?.length, 1);
});

test("who carries one-byte packets and is easily confused is upgraded first; the confirmed are not in the list", () => {
	const list = upgrades(nodes, linksOf([[0, 2, 10], [1, 2, 4]]));
	assert.deepEqual(list.map((u) => [u.row, u.oneByte, u.alike]), [[0, 10, 1], [2, 14, 0], [1, 4, 1]]);
});

test("links to nodes that are not in the table are left out", () => {
	assert.equal(upgrades(nodes, linksOf([[0, 4294967295, 5]]))[0]!.oneByte, 5);
});

test("free prefixes are no relay's and none that the firmware refuses", () => {
	const free = freePrefixes(nodes, 1, 256, () => 0.5);
	for (const taken of ["AA", "BB", "CC", "00", "FF"]) assert.ok(!free.includes(taken), taken);
	assert.equal(free.length, 256 - 5);
});
