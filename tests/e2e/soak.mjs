// SPDX-License-Identifier: MIT
//
// A page that stays open for long: many packets pass through it, and all pages are gone through again
// and again; neither makes its memory grow beyond what it shows. tests/long/web_soak.py runs it.
import { eventually, finish, ok, open, start, test, visit } from "./harness.mjs";

const PACKETS = Number(process.env.MK_PACKETS ?? 30000);
const ROUNDS = Number(process.env.MK_ROUNDS ?? 20);
// heap_mb: as in ui budgets, after everything. row_bytes: what a packet more may cost where all of them
// are shown. rest_mb: and where they are not.
const BUDGET = { heap_mb: 80, row_bytes: 600, rest_mb: 6, round_kb: 100, elements: 1500, listeners: 50 };

const d = await start({ sim: { nodes: 200, observers: 12, rate: 3000 }, plugins: { neighbors: { config: { interval: "5s" } } } });
await d.alive(100, 300);

const total = async () => (await d.get("/api/packets?limit=1")).total;

async function measure(page) {
	page.cdp ??= await page.context().newCDPSession(page);
	await page.cdp.send("HeapProfiler.collectGarbage");
	const { usedSize } = await page.cdp.send("Runtime.getHeapUsage");
	const { nodes, jsEventListeners } = await page.cdp.send("Memory.getDOMCounters");
	return { heap: usedSize, nodes, listeners: jsEventListeners, elements: await page.evaluate(() => document.querySelectorAll("*").length) };
}

function figure(name, value, unit, budget) {
	console.log(`bench=web_soak case=large metric=${name} unit=${unit} median=${Math.round(value * 10) / 10} budget=${budget}`);
	ok(value <= budget, `${name}: ${value.toFixed(1)} ${unit}, budget ${budget}`);
}

async function live(name, address, ready, most) {
	const page = await open(d.base + address, { reducedMotion: "no-preference" });
	await page.locator(ready).first().waitFor();
	const begun = await total();
	await eventually("some packets", async () => (await total()) >= begun + 2000, 300);
	const before = await measure(page), from = await total();
	let most_ = before.heap;
	for (let step = 1; step <= 5; step++) {
		await eventually("packets", async () => (await total()) >= from + (PACKETS / 5) * step, 1200);
		const now = await measure(page);
		most_ = Math.max(most_, now.heap);
		console.log(`${name}: ${(await total()) - from} packets, heap ${(now.heap / 1e6).toFixed(1)} MB, ${now.nodes} nodes, ${now.listeners} listeners`);
	}
	const after = await measure(page);
	figure(`${name}_heap`, most_ / 1e6, "MB", BUDGET.heap_mb);
	figure(`${name}_grown`, (after.heap - before.heap) / 1e6, "MB", most((await total()) - from));
	figure(`${name}_elements`, after.elements, "elements", BUDGET.elements);
	figure(`${name}_listeners`, after.listeners - before.listeners, "more", BUDGET.listeners);
	ok(page.problems.length === 0, page.problems.join("\n"));
	await page.context().close();
}

test("the list of packets costs what its rows cost", () => live("packets", "/packets?t=all", ".grid-row", (n) => BUDGET.rest_mb + (n * BUDGET.row_bytes) / 1e6));
test("the map does not grow with what passes over it", () => live("map", "/map", ".mesh-above", () => BUDGET.rest_mb));
test("Now does not grow", () => live("now", "/", ".live-rows li", () => BUDGET.rest_mb));

test("pages that were left leave nothing behind", async () => {
	const page = await open(`${d.base}/`);
	const addresses = ["/", "/map", "/packets?t=15m", "/nodes", "/observers", "/channels/Public", "/network", "/network/multibyte", "/system", "/system/bus?inspect=1"];
	const round = async () => {
		for (const a of addresses) {
			await visit(page, a);
			await page.locator("main .skeleton").first().waitFor({ state: "detached" });
			await page.locator("main h1").first().waitFor({ state: "attached" });
		}
	};
	await round();
	await round();
	const before = await measure(page), from = await total();
	for (let i = 0; i < ROUNDS; i++) await round();
	const after = await measure(page), rows = (await total()) - from;
	figure("round_grown", Math.max(0, after.heap - before.heap - rows * BUDGET.row_bytes) / ROUNDS / 1000, "kB", BUDGET.round_kb);
	figure("round_nodes", (after.nodes - before.nodes) / ROUNDS, "nodes", 50);
	figure("round_listeners", (after.listeners - before.listeners) / ROUNDS, "listeners", 5);
	ok(page.problems.length === 0, page.problems.join("\n"));
});

await finish();
