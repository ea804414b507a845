// SPDX-License-Identifier: MIT
//
// What the page System shows of the inside: the last hour of bus and plugins, messages on their way and
// byte by byte, jobs under way.
import { axe, equal, eventually, finish, KEY, ok, open, PHONE, start, test } from "./harness.mjs";

const d = await start({ sim: { nodes: 12, observers: 4, rate: 200 } });

const close = async (page) => {
	equal(page.problems, []);
	await page.context().close();
};
const giveKey = async (page, key = KEY) => {
	await page.locator("#operator-key").fill(key);
	await page.getByRole("button", { name: "Use it" }).click();
};

test("the bus shows its last hour: rates of topics, how far subscribers were behind, a strip for each plugin", async () => {
	const page = await open(`${d.base}/system/bus`);
	await page.locator("tr", { hasText: "packet/stored" }).locator("svg.spark path").waitFor();
	await page.locator("th", { hasText: "Hour, p95" }).waitFor();
	await page.locator(".beat-rows div", { hasText: "storage" }).locator("svg.beats path").first().waitFor();
	// The first sample may be of its start.
	const strip = page.locator(".beat-rows div", { hasText: "storage" }).locator("svg.beats");
	await eventually("a strip that tells of work", async () => {
		const label = await strip.getAttribute("aria-label");
		ok(/^storage, the last hour until .*(works|nothing to do) \d+ (s|min)/.test(label), label);
		return true;
	});
	equal(await axe(page), []);
	await close(page);
});

test("a plugin that was restarted says how often in a day, and shows it in its strip", async () => {
	await d.post("/api/plugins/mbcap/restart");
	await eventually("a restart", async () => {
		const { items } = await d.get("/api/plugins");
		return items.some((p) => p.name === "mbcap" && p.restarts > 0 && p.state === "running");
	});
	const page = await open(`${d.base}/system/plugins?plugin=mbcap`);
	await page.locator(".drawer", { hasText: /[1-9]\d* in 24 hours, [1-9]\d* in all/ }).waitFor();
	await page.locator(".drawer svg.beats path.b-again").waitFor();
	equal(await axe(page), []);
	await close(page);
});

test("with the key it is followed from the air: received, decoded, stored, with the time of each step", async () => {
	const page = await open(`${d.base}/system/bus?follow=1`);
	await page.locator(".notice", { hasText: "rx/raw and packet/decoded are shown to who has the operator's key" }).waitFor();
	await page.locator("main").getByRole("button", { name: /Give the key to look at rx\/raw/ }).click();
	await giveKey(page, "not-the-right-key");
	await page.locator(".notice.bad", { hasText: "the key is not right" }).waitFor();
	await page.locator("main").getByRole("button", { name: /Give the key to look at rx\/raw/ }).click();
	await giveKey(page);
	const whole = page.locator("table.follow tbody tr").filter({ hasNotText: "–" }).filter({ hasNotText: "on its way" });
	await whole.first().waitFor();
	equal(await page.locator("table.follow th").allInnerTexts(), ["Received", "Packet", "By", "On the bus", "Decoded", "Stored", "Here", "Altogether"]);
	await eventually("who looks, among the subscribers", async () => (await d.get("/api/bus")).inspector.topics.sort().join() === "packet/decoded,rx/raw");
	equal(await axe(page), []);
	await close(page);
	await eventually("nobody looks any more", async () => (await d.get("/api/bus")).inspector.topics.length === 0);
});

test("a message is read byte by byte, and copied as curl and as a test of the decoder", async () => {
	const page = await open(null);
	await page.addInitScript(() => {
		window.copied = [];
		Object.defineProperty(navigator, "clipboard", { value: { writeText: (text) => Promise.resolve(window.copied.push(text)) } });
	});
	const hex = "1503112233A5B6C7D8E9";
	await page.goto(`${d.base}/system/bus?topic=packet/decoded&q=${hex}`);
	await page.locator("main").getByRole("button", { name: /Give the key to look at packet\/decoded/ }).click();
	await giveKey(page);
	await eventually("the packet on the bus", async () => {
		await d.post("/api/packets", { hex, observer: "F".repeat(64), region: "BRU" });
		return (await page.locator(".bus-message").count()) > 0;
	});
	await page.locator(".bus-message").first().click();
	await page.getByText(", paused").waitFor();
	await page.locator(".bus-tools").getByText("Bytes", { exact: true }).click();
	await page.locator(".bus-body .bytes td", { hasText: "Header" }).waitFor();
	for (const what of ["curl", "Test vector", "Message"]) await page.getByRole("button", { name: `Copy ${what}` }).click();
	const [curl, vector, message] = await eventually("three texts", async () => {
		const all = await page.evaluate(() => window.copied);
		return all.length === 3 && all;
	});
	const line = JSON.parse(vector);
	equal(line.raw_hex, hex);
	ok(curl.includes(`/api/decode`) && curl.includes(line.raw_hex), curl);
	equal(JSON.parse(message).topic, "packet/decoded");
	const answer = await (await fetch(`${d.base}/api/decode`, { method: "POST", body: JSON.stringify({ hex: line.raw_hex }) })).json();
	equal(answer.decoded.payload.type, line.decoded.type);
	equal(answer.decoded.path.hops, line.expect.path);
	equal(await axe(page), []);
	// It was paused for this message alone.
	await page.getByLabel("Has").fill("");
	await page.getByLabel("Topic").selectOption("packet/stored");
	await page.locator(".bus-message", { hasText: "packet/stored" }).first().waitFor();
	await close(page);
});

test("a job under way tells who wanted it, its pace, what is missing until its end, and has its own log", async () => {
	// A real one is over before it is seen: the page is told of one that never ends.
	const job = {
		name: "mk_rehash_v1", table: "transmissions", kind: "backfill", state: "running", paused: false, waits: "", done: 2000, total: 10000, skipped: 0,
		attempts: 1, longest_us: 9000, rate: 100, eta_s: 80, by: "upgrade", steps: 40, yields: 7, batch: 50, began_us: Date.now() * 1000 - 20e6, rate_now: 50,
	};
	const page = await open(null, { ...PHONE, colorScheme: "dark" });
	await page.routeWebSocket(/api\/events/, (ws) => {
		const server = ws.connectToServer();
		ws.onMessage((text) => {
			server.send(text);
			if (JSON.parse(text).do !== "subscribe" || JSON.parse(text).topic !== "backfill/progress") return;
			ws.send(JSON.stringify({ type: "message", topic: "backfill/progress", epoch: 1, seq: 1, time_us: 1, origin: "backfill", retained: true, body: { items: [job] } }));
		});
	});
	await page.route("**/api/live/details", (r) => r.fulfill({
		contentType: "application/json",
		body: JSON.stringify({ options: {}, log: ["mk_rehash_v1: begins", "mk_rehash_v2: begins"].map((text) => ({ time_us: 1, level: 2, area: "plugin backfill", text: `backfill ${text}` })) }),
	}));
	await page.goto(`${d.base}/system/jobs`);
	const card = page.locator(".card", { has: page.locator(".badge", { hasText: "running" }) });
	for (const words of [
		/50\D* a second, ready in 80 s to 3 min|ready in 1 min to 3 min/, "storage, to bring an older database up to date", "40; after 7 of them ingest went first", "50 rows",
		/50\D* rows a second in the last minute, 100\D* in the mean/, /Until then: Copies of one packet/,
	]) await card.getByText(words).first().waitFor();
	await card.locator("summary").click();
	await card.getByRole("button", { name: "Give the operator's key" }).click();
	await giveKey(page);
	await card.locator(".log li", { hasText: "mk_rehash_v1: begins" }).waitFor();
	equal(await card.locator(".log li").count(), 1);
	equal(await axe(page), []);
	ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "nothing is wider than the phone");
	await close(page);
});

await finish();
