// SPDX-License-Identifier: MIT
//
// Views beside the tables: the evidence of a link, what is inside of the plugins, jobs that ended, a
// packet on its way over the bus.
import { axe, equal, eventually, finish, KEY, ok, open, PHONE, start, test } from "./harness.mjs";

const d = await start({ sim: { nodes: 24, observers: 6, rate: 200 }, plugins: { neighbors: { config: { interval: "2s" } }, backfill: {} } });
await d.alive(12, 60);
const edges = await eventually("links", async () => {
	const all = (await d.get("/api/analytics/neighbor-graph?min_count=3&min_score=0")).edges.filter((e) => !e.ambiguous);
	return all.length > 3 && all;
}, 60);
const link = edges.sort((a, b) => b.weight - a.weight)[0];
const id = [link.source, link.target].map((k) => k.slice(0, 16)).join("~");

const close = async (page) => {
	equal(page.problems, []);
	await page.context().close();
};
const giveKey = async (page, key = KEY) => {
	await page.locator("#operator-key").fill(key);
	await page.getByRole("button", { name: "Use it" }).click();
};

test("a link shows its evidence: each way, how its ends are known, by which observers, the packets", async () => {
	const page = await open(`${d.base}/network/neighbors?link=${encodeURIComponent(id)}`);
	const evidence = page.locator(".evidence");
	await evidence.getByText("How its ends are known").waitFor();
	ok((await evidence.locator(".legend-row").innerText()).includes("→"), "both ways");
	await evidence.locator("table.list tbody tr").first().waitFor();
	await evidence.locator("select").selectOption("90");
	await page.waitForURL(/days=90/);
	await eventually("90 days", async () => (await evidence.locator("figure.columns g").count()) === 90);
	equal(await axe(page), []);
	await evidence.locator(".plain a").first().click();
	await page.locator(".drawer .arrivals li").first().waitFor();
	await close(page);
});

test("the evidence is as good on a phone, and says so when it cannot be had", async () => {
	const page = await open(null, { ...PHONE, colorScheme: "dark" });
	await page.route("**/api/web/link?*", (r) => r.fulfill({ status: 500, contentType: "application/json", body: '{"error":"no luck"}' }));
	await page.goto(`${d.base}/network/neighbors?link=${encodeURIComponent(id)}`);
	await page.locator(".evidence .notice.bad", { hasText: "no luck" }).waitFor();
	await page.unroute("**/api/web/link?*");
	await page.locator(".evidence").getByText("How its ends are known").waitFor();
	equal(await axe(page), []);
	await eventually("room for all", () => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
	await close(page);
});

test("a plugin shows its processor time, and with the key its options and its log", async () => {
	const page = await open(`${d.base}/system/plugins?plugin=http`);
	const drawer = page.locator(".drawer");
	await drawer.getByText(/since it was started/).waitFor();
	await drawer.getByRole("button", { name: /options and log of http/ }).click();
	await giveKey(page, "not-the-right-key");
	await drawer.getByText("The key is not right.").waitFor();
	await drawer.getByRole("button", { name: "Give the operator's key" }).click();
	await giveKey(page);
	await drawer.locator("tr", { hasText: "api_key" }).getByText("secret").waitFor();
	await drawer.locator(".log li", { hasText: "listening" }).waitFor();
	equal(await axe(page), []);
	await close(page);
});

test("the log and the options have views of their own, filtered by their addresses", async () => {
	const page = await open(`${d.base}/system/log?of=http&q=listening`);
	await page.locator("main").getByRole("button", { name: "Give the operator's key" }).click();
	await giveKey(page);
	await page.locator(".log li", { hasText: "listening" }).first().waitFor();
	ok((await page.locator(".log li").allInnerTexts()).every((t) => t.includes("listening")), "only those lines");
	await page.locator(".tabs a", { hasText: "Options" }).click();
	await page.locator(".card h2", { hasText: "storage" }).waitFor();
	const set = await page.locator("table.list tbody tr").count();
	await page.locator("main input[type=checkbox]").check();
	await eventually("the defaults, too", async () => (await page.locator("table.list tbody tr").count()) > set);
	equal(await axe(page), []);
	await close(page);
});

test("jobs that came to their end are listed with what they took", async () => {
	const page = await open(`${d.base}/system/jobs`);
	await page.locator("h2", { hasText: "Ended in the last 30 days" }).waitFor();
	await page.locator("table.list tbody tr").first().waitFor();
	await close(page);
});

test("an observer shows whom it hears without a hop, with the evidence; its radio looks back 90 days", async () => {
	const one = await eventually("an observer with a link", async () => {
		const { edges: all } = await d.get("/api/analytics/neighbor-graph?min_count=3&min_score=0");
		const heard = new Set(all.filter((e) => !e.ambiguous && e.avg_snr !== null).flatMap((e) => [e.source, e.target]));
		return (await d.get("/api/observers")).observers.find((o) => heard.has(o.id.toLowerCase()));
	});
	const page = await open(`${d.base}/observers/${one.id}/coverage`);
	await page.locator(".drawer h3", { hasText: "Heard without a hop" }).waitFor();
	equal(await axe(page), []);
	await page.goto(`${d.base}/observers/${one.id}/radio?days=90`);
	await eventually("90 days", async () => (await page.locator(".drawer select").inputValue()) === "90");
	await page.goto(`${d.base}/observers/${one.id}/coverage`);
	await page.locator(".drawer td a", { hasText: /evidence|ambiguous/ }).first().click();
	await page.locator(".evidence h3").waitFor();
	await close(page);
});

test("a packet is followed over the bus to this page", async () => {
	const page = await open(`${d.base}/system/bus?follow=1`);
	const first = page.locator("table.follow tbody tr a").first();
	await first.waitFor();
	await page.keyboard.press("Space");
	await page.getByText("paused").waitFor();
	const hash = (await first.getAttribute("href")).match(/[0-9a-f]{16}/)[0];
	await page.locator("[data-filter]").fill(hash);
	await eventually("this one only", async () =>
		(await page.locator("table.follow tbody tr a").evaluateAll((all, h) => all.length > 0 && all.every((a) => a.href.includes(h)), hash)));
	ok(page.url().includes(hash), page.url());
	await close(page);
});

await finish();
