// SPDX-License-Identifier: MIT
import assert from "node:assert/strict";
import fs from "node:fs";
import test from "node:test";
import { vector } from "./vector";

interface Line {
	raw_hex: string;
	expect: {
		hash: string; reject?: string; route_type: number; payload_type: number; payload_version: number; path: string[];
		path_info: { hashSize: number }; transport_codes?: { code1: string; code2: string }; advert_accepted?: boolean; role?: string; anomaly?: string;
	};
}

const file = `${process.env["MK_SOURCE_DIR"] ?? "../../.."}/tests/data/vectors.jsonl`;

test("a packet of the bus becomes the line that the tests of the decoder have for it", { skip: fs.existsSync(file) ? false : "the vectors are not here" }, () => {
	let compared = 0;
	for (const text of fs.readFileSync(file, "utf8").split("\n").filter(Boolean)) {
		const line = JSON.parse(text) as Line, e = line.expect;
		if (e.reject) {
			assert.deepEqual(JSON.parse(vector({ rejected: e.reject }, line.raw_hex)!).expect, { reject: e.reject });
			continue;
		}
		const json = text.slice(text.indexOf(',"decoded":') + ',"decoded":'.length, -1);
		const made = vector({
			hash: e.hash, route: e.route_type, type: e.payload_type, version: e.payload_version, hash_size: e.path_info.hashSize, path: e.path, json,
			...(e.transport_codes ? { codes: [e.transport_codes.code1, e.transport_codes.code2] } : {}),
			...(e.advert_accepted === undefined ? {} : { advert: { role: e.role! }, ...(e.advert_accepted ? {} : { refused: "invalid signature" }) }),
		}, line.raw_hex);
		if (made === null) {
			assert.match(json, /"decryptionStatus":"decrypt/);
			continue;
		}
		const { anomaly: _, ...expect } = e;
		assert.deepEqual((JSON.parse(made) as Line).expect, expect);
		assert.ok(made.endsWith(`,"decoded":${json}}`), "the object is the same to the byte");
		compared++;
	}
	assert.ok(compared > 150, `${compared} compared`);
});

test("what nobody has decoded, or only with a key of his own, is no test", () => {
	assert.equal(vector({}, "1500"), null);
	assert.equal(vector({ hash: "ab", json: '{"type":"CHAN","decryptionStatus":"decrypted","channel":"friends"}' }, "1500"), null);
	assert.match(vector({ hash: "ab", json: '{"type":"CHAN","decryptionStatus":"decrypted","channel":"#test"}' }, "1500")!, /"#test":"9cd8fcf22a47333b591d96a2b848b73f"/);
});
