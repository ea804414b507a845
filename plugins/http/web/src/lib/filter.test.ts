// SPDX-License-Identifier: MIT
import assert from "node:assert/strict";
import test from "node:test";
import { compile, FilterError, rowsOf, suggest, type Fields } from "./filter";
import { Table } from "./sets";

const table = new Table({
	name: "packets", rows: 0, version: "1",
	columns: [{ name: "type", type: "u8", offset: 0, length: 0 }, { name: "hops", type: "u8", offset: 0, length: 0 },
		{ name: "from", type: "u16", offset: 0, length: 0, dict: "names" }, { name: "age", type: "u32", offset: 0, length: 0 }],
	dicts: { names: [] },
}, null);
for (const [type, hops, from, age] of [[4, 0, "Hill top", 30], [5, 3, "Valley", 90], [4, 5, "hilltop 2", 4000], [2, 1, null, 10]] as const) {
	const row = table.push();
	table.set("type", row, type);
	table.set("hops", row, hops);
	table.setText("from", row, from);
	table.set("age", row, age);
}
const fields: Fields = {
	type: { help: "", number: (r) => table.num("type", r), words: { advert: 4, grp_txt: 5 } },
	hops: { help: "", number: (r) => table.num("hops", r) },
	from: { help: "", column: "from" },
	age: { help: "", number: (r) => table.num("age", r), duration: true },
};
const rows = (source: string): number[] => [...rowsOf(table, compile(source, fields, table, ["from", "type"]))].reverse();

test("an empty filter takes all", () => assert.deepEqual(rows("  "), [0, 1, 2, 3]));
test("CoreScope's syntax is understood", () => {
	assert.deepEqual(rows("type == ADVERT && hops > 2"), [2]);
	assert.deepEqual(rows('from contains "hill" || type == GRP_TXT'), [0, 1, 2]);
	assert.deepEqual(rows("!(type == ADVERT)"), [1, 3]);
	assert.deepEqual(rows("from starts_with hilltop"), [2]);
	assert.deepEqual(rows('from matches "^h.*[0-9]$"'), [2]);
});
test("conditions beside each other must all hold, and bind closer than or", () => {
	assert.deepEqual(rows("type:advert hops>=5"), [2]);
	assert.deepEqual(rows("hops=1 or type:advert hops:0"), [0, 3]);
});
test("a word alone is looked for in names", () => {
	assert.deepEqual(rows("HILL"), [0, 2]);
	assert.deepEqual(rows('"hill top"'), [0]);
	assert.deepEqual(rows("advert"), [0, 2]);
});
test("times have units", () => assert.deepEqual(rows("age < 1m"), [0, 3]));
test("no name is no text that contains something, but it differs from any", () => {
	assert.deepEqual(rows("from != Valley"), [0, 2, 3]);
});
test("mistakes are told in words, with their place", () => {
	for (const [source, at] of [["hops >", 6], ["nope == 1", 0], ["hops > x", 7], ["(hops > 1", 9], ["from > a", 5], [") x", 0]] as const)
		assert.throws(() => rows(source), (e: unknown) => e instanceof FilterError && e.at === at, source);
});
test("what could come next is suggested", () => {
	assert.deepEqual(suggest("ty", fields).map((s) => s.insert), ["pe "]);
	assert.deepEqual(suggest("type == ad", fields).map((s) => s.insert), ["vert"]);
	assert.deepEqual(suggest("type == advert ", fields), []);
});
