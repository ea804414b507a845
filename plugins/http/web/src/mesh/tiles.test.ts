// SPDX-License-Identifier: MIT
import assert from "node:assert/strict";
import { test } from "node:test";
import { levelOf } from "./tiles";

test("the level of tiles is that at which they are about as large as they were drawn", () => {
	assert.equal(levelOf(256, 1, 19), 0);
	assert.equal(levelOf(256 * 2 ** 9, 1, 19), 9);
	assert.equal(levelOf(256 * 2 ** 9.4, 1, 19), 9);
	assert.equal(levelOf(256 * 2 ** 9.6, 1, 19), 10);
});

test("no level is asked for that the server does not have", () => {
	assert.equal(levelOf(256 * 2 ** 21, 2, 17), 17);
	assert.equal(levelOf(100, 1, 17), 0);
});
