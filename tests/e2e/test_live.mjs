// SPDX-License-Identifier: MIT
//
// A page that stays open: the daemon is restarted, a plugin is switched off and on, and what comes over
// the air wants to be a program.
import { createCipheriv, createHash, createHmac, generateKeyPairSync, sign } from "node:crypto";
import { equal, eventually, finish, ok, open, SECONDS, start, test } from "./harness.mjs";

const d = await start();
await d.alive();

const EVIL = '<img src=x onerror="window.pwned=1">';
const OBSERVER = "\u003cscript\u003ewindow.pwned=1\u003c/script\u003e";

/** An advert with a right signature; keys are whose name it is. */
function advert(name) {
	const { publicKey, privateKey } = generateKeyPairSync("ed25519");
	const key = publicKey.export({ format: "der", type: "spki" }).subarray(-32);
	const time = Buffer.alloc(4);
	time.writeUInt32LE(Math.floor(Date.now() / 1000));
	const app = Buffer.concat([Buffer.from([0x82]), Buffer.from(name)]);
	const signature = sign(null, Buffer.concat([key, time, app]), privateKey);
	return { key: key.toString("hex"), hex: Buffer.concat([Buffer.from([0x11, 0]), key, time, signature, app]).toString("hex") };
}

/** A message in the channel #test. */
function message(text) {
	const key = createHash("sha256").update("#test").digest().subarray(0, 16);
	const plain = Buffer.alloc(Math.ceil((5 + Buffer.byteLength(text) + 1) / 16) * 16);
	plain.writeUInt32LE(Math.floor(Date.now() / 1000));
	plain.write(text, 5);
	const cipher = createCipheriv("aes-128-ecb", key, null).setAutoPadding(false);
	const sealed = Buffer.concat([cipher.update(plain), cipher.final()]);
	const mac = createHmac("sha256", key).update(sealed).digest().subarray(0, 2);
	const byte = createHash("sha256").update(key).digest().subarray(0, 1);
	return Buffer.concat([Buffer.from([0x15, 0]), byte, mac, sealed]).toString("hex");
}

test("names and messages that are programs stay text on every page", async () => {
	const evil = advert(EVIL.slice(0, 31));
	const observer = { observer: "F".repeat(64), region: "BRU" };
	await d.post("/api/packets", { hex: evil.hex, ...observer });
	await d.post("/api/packets", { hex: message(`${EVIL}: ${OBSERVER}${EVIL}`), ...observer });
	await eventually("the node", async () => (await fetch(`${d.base}/api/nodes/${evil.key}`)).ok);
	const page = await open(`${d.base}/?pins=${evil.key}`);
	await page.locator(".mine", { hasText: "<img src=x" }).waitFor();
	for (const [address, where] of [
		["/nodes?q=img", ".grid-row"], [`/nodes/${evil.key}`, ".drawer h2"], ["/packets?t=all&q=from%3Aimg", ".grid-row"],
		["/channels/%23test", ".messages"],
	]) {
		await page.goto(d.base + address);
		await page.locator(where, { hasText: "<img src=x" }).first().waitFor();
	}
	await page.keyboard.press("Control+k");
	await page.locator("dialog [role=combobox]").fill("<img");
	await page.locator("#choices li", { hasText: "<img src=x" }).first().waitFor();
	equal(await page.evaluate(() => window.pwned ?? null), null, "nothing was run");
	equal(await page.locator("img[src=x]").count(), 0);
	equal(page.problems, []);
	await page.context().close();
});

test("the page goes on by itself when the daemon was restarted, and catches up", async () => {
	const page = await open(`${d.base}/packets?t=all`);
	await page.locator(".grid-row").first().waitFor();
	await page.locator(".connection.open").waitFor();
	await d.stop();
	await page.locator(".connection.down").waitFor();
	ok((await page.locator(".grid-row").count()) > 5, "what was there stays");
	await page.locator(".offline", { hasText: "No connection" }).waitFor();
	await d.run();
	await page.locator(".connection.open").waitFor({ timeout: 2000 * SECONDS });
	// Whatever the database has now is in the table soon, without the page having been touched.
	const { total } = await eventually("a count", () => d.get("/api/packets?limit=1"));
	await eventually("all packets in the table", async () => Number((await page.locator("p.count").first().innerText()).replace(/\u202f/g, "").match(/^\d+/)[0]) >= total);
	equal(page.problems, []);
	await page.context().close();
});

test("when the source is switched off the page says that no data flows, and when it is on again that it does", async () => {
	await d.post("/api/plugins/sim/disable");
	const page = await open(`${d.base}/`);
	await page.locator(".flow-facts", { hasText: /Last packet ([3-9] s|\d\d+ s|\d+ min) ago/ }).waitFor({ timeout: 2000 * SECONDS });
	await d.post("/api/plugins/sim/enable");
	await page.locator(".flow-facts", { hasText: /Last packet (now|[12] s ago)/ }).waitFor({ timeout: 2000 * SECONDS });
	equal(page.problems, []);
	await page.context().close();
});

await finish();
