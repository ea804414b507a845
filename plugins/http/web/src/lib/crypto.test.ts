// SPDX-License-Identifier: MIT
import assert from "node:assert/strict";
import { createCipheriv, createHash, createHmac, randomBytes } from "node:crypto";
import test from "node:test";
import { aesDecrypt, channelByte, hashtagKey, hmac, openText, sha256 } from "./crypto";
import { hex, unhex } from "./frame";

const bytes = (b: Buffer): Uint8Array => new Uint8Array(b);

test("SHA-256 and HMAC agree with Node's at every length around a block", () => {
	for (let n = 0; n < 200; n++) {
		const data = bytes(randomBytes(n)), key = bytes(randomBytes(n % 33));
		assert.equal(hex(sha256(data)), createHash("sha256").update(data).digest("hex").toUpperCase());
		assert.equal(hex(hmac(key, data)), createHmac("sha256", key).update(data).digest("hex").toUpperCase());
	}
});
test("AES-128 is undone", () => {
	for (let n = 1; n < 12; n++) {
		const key = randomBytes(16), plain = randomBytes(16 * n);
		const cipher = createCipheriv("aes-128-ecb", key, null).setAutoPadding(false);
		assert.equal(hex(aesDecrypt(bytes(key), bytes(Buffer.concat([cipher.update(plain), cipher.final()])))), hex(bytes(plain)));
	}
});
test("the byte of the public channel is 0x11", () => assert.equal(channelByte(unhex("8b3387e9c5cdea6ac9e5edbaa115cd72")), 0x11));
test("a message is opened with its key and with no other", () => {
	const key = hashtagKey("#test");
	const plain = Buffer.alloc(32);
	plain.writeUInt32LE(1_700_000_000, 0);
	plain.write("Änne: hi: there", 5);
	const cipher = createCipheriv("aes-128-ecb", key, null).setAutoPadding(false);
	const sealed = bytes(Buffer.concat([cipher.update(plain), cipher.final()]));
	const mac = hmac(key, sealed).slice(0, 2);
	assert.deepEqual(openText(key, mac, sealed), { at: 1_700_000_000, sender: "Änne", text: "hi: there" });
	assert.equal(openText(hashtagKey("#tesT"), mac, sealed), null);
	assert.equal(openText(key, mac, sealed.slice(0, 15)), null);
	assert.equal(openText(key, mac, new Uint8Array()), null);
});
