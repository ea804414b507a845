// SPDX-License-Identifier: MIT
//
// The budgets of the pages. What files, requests and elements cost is measured every time; times,
// tasks and memory only with MK_DATABASE, a database of 2,000 nodes and 71,000 packets, and then a
// broken budget is a failure as well (tests/long/web_budgets.py makes one).
import fs from "node:fs";
import path from "node:path";
import zlib from "node:zlib";
import { eventually, finish, ok, open, start, test, visit } from "./harness.mjs";

const database = process.env.MK_DATABASE ?? null;
const web = path.join(process.env.MK_BINARY_DIR, "web");
const built = JSON.parse(fs.readFileSync(path.join(web, "build.json"), "utf8"));

const BUDGET = {
	entry_kb: 60, route_kb: 120, requests: 8, elements: 1500,
	now_ms: 500, packets_ms: 600, task_ms: 100, heap_mb: 80,
};

const zipped = (name) => zlib.gzipSync(fs.readFileSync(path.join(web, name)), { level: 9 }).length / 1000;

/** What is loaded together with a file: itself and all that it imports at once. */
function closure(name, found = new Set()) {
	if (found.has(name) || !built[name]) return found;
	found.add(name);
	for (const [kind, to] of built[name].imports) if (kind === "import-statement") closure(to, found);
	return found;
}

/** Each figure as the benchmarks print theirs. */
function figure(name, value, unit, budget) {
	console.log(`bench=web case=${database ? "large" : "small"} metric=${name} unit=${unit} median=${Math.round(value * 10) / 10} budget=${budget}`);
	ok(value <= budget, `${name}: ${value.toFixed(1)} ${unit}, budget ${budget}`);
}

const [entry, { css }] = Object.entries(built).find(([, o]) => o.entry === "src/app.tsx");
const first = [...closure(entry), css];
const sum = (names) => names.reduce((s, n) => s + zipped(n), 0);

test("the first load is small", () => figure("first_load", sum(first), "kB", BUDGET.entry_kb));

test("no destination adds much to it", () => {
	const isPage = (name) => /^src\/pages\/[a-z]+\/page\.tsx$/.test(built[name]?.entry ?? "");
	const later = (names) => names.flatMap((n) => built[n].imports).filter(([kind]) => kind === "dynamic-import").map(([, to]) => to);
	// Charts and the engine are loaded when something of them is shown: they count for every page.
	const shared = later(first.filter((n) => built[n])).filter((n) => !isPage(n));
	const routes = Object.keys(built).filter(isPage);
	ok(routes.length >= 5, `${routes.length} destinations`);
	for (const name of routes) {
		const all = new Set(closure(name));
		for (const n of [...shared, ...later([...all].filter((x) => !first.includes(x)))]) closure(n, all);
		const o = built[name];
		figure(`route_${o.entry.split("/")[2]}`, sum([...all].filter((n) => !first.includes(n))), "kB", BUDGET.route_kb);
	}
});

// While budgets of time are measured nothing else is going on; for the others it has to be a living mesh.
const d = await start(database ? { database, sim: false } : {});
if (database) {
	await eventually("the model", async () => (await d.get("/api/overview")).warm !== false, 60);
} else {
	await d.alive();
}
const [node] = (await d.get("/api/nodes?limit=1&role=repeater")).nodes;
const [packet] = (await d.get("/api/packets?limit=1")).packets;
const [observer] = (await d.get("/api/observers")).observers;

const views = {
	now: ["/", ".flow"], packets: ["/packets?t=all", ".grid-row"], packet: [`/packets/${packet.hash}?t=all`, ".arrivals li"], nodes: ["/nodes", ".grid-row"],
	node: [`/nodes/${node.public_key}`, ".drawer .facts"], paths: [`/nodes/${node.public_key}/paths`, ".drawer .notice, .paths"],
	history: [`/nodes/${node.public_key}/history`, ".figures"], observers: ["/observers", ".grid-row"], observer: [`/observers/${observer.id}`, ".drawer .facts"],
	channels: ["/channels/Public", ".message, .messages"], map: ["/map", "canvas"], neighbors: ["/network", "h1"], multibyte: ["/network/multibyte", "h1"],
	prefixes: ["/network/prefixes", "h1"], system: ["/system", "h1"], bus: ["/system/bus", "h1"],
};

/**
 * Measures tasks of the page's main thread from now on; the result ends it and tells the longest, in ms
 * of processor time: what else the machine does is not the page's fault.
 */
async function tasks(page) {
	const browser = page.context().browser();
	await browser.startTracing(page, { categories: ["toplevel", "__metadata"] });
	return async () => {
		const { traceEvents } = JSON.parse((await browser.stopTracing()).toString());
		const main = new Set(traceEvents.filter((e) => e.name === "thread_name" && e.args.name === "CrRendererMain").map((e) => `${e.pid}:${e.tid}`));
		const found = traceEvents.filter((e) => e.name === "ThreadControllerImpl::RunTask" && main.has(`${e.pid}:${e.tid}`)).map((e) => e.tdur ?? 0);
		ok(found.length > 0, "there were tasks");
		return Math.max(...found) / 1000;
	};
}

/** Loads a view with an empty cache: ms until `what` is there, requests until then, the longest task. */
async function load([address, what], traced = false) {
	const page = await open(null);
	await page.addInitScript((selector) => {
		const look = () => {
			if (document.querySelector(selector)) window.shownAt = performance.now();
			else requestAnimationFrame(look);
		};
		requestAnimationFrame(look);
	}, what);
	const endTasks = traced ? await tasks(page) : null;
	await page.goto(d.base + address, { waitUntil: "commit" });
	const ms = await (await page.waitForFunction(() => window.shownAt)).jsonValue();
	// The page itself, and what had come before it could be shown.
	const requests = 1 + (await page.evaluate(() => performance.getEntriesByType("resource").filter((e) => e.responseEnd <= window.shownAt).length));
	await page.waitForLoadState("networkidle");
	await page.locator(".skeleton").first().waitFor({ state: "detached" });
	const task = endTasks ? await endTasks() : 0;
	return { page, ms, requests, task };
}

test("Now is there after few requests", async () => {
	const { page, requests } = await load(views.now);
	await page.context().close();
	figure("requests", requests, "", BUDGET.requests);
});

test("no page has many elements", async () => {
	const { page } = await load(views.now);
	const wrong = [];
	for (const [name, [address, what]] of Object.entries(views)) {
		await visit(page, address);
		await page.locator(what).first().waitFor();
		await page.locator(".skeleton").first().waitFor({ state: "detached" });
		try {
			figure(`elements_${name}`, await page.evaluate(() => document.querySelectorAll("*").length), "", BUDGET.elements);
		} catch (e) {
			wrong.push(e.message);
		}
	}
	await page.context().close();
	if (wrong.length > 0) throw new Error(wrong.join("\n"));
});

const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];

async function timed(name, budget) {
	const times = [];
	for (let i = 0; i < 5; i++) {
		const { page, ms } = await load(views[name]);
		await page.context().close();
		times.push(ms);
	}
	figure(`${name}_ready`, median(times), "ms", budget);
}

async function longest(name) {
	const found = [];
	for (let i = 0; i < 3; i++) {
		const { page, task } = await load(views[name], true);
		await page.context().close();
		found.push(task);
	}
	figure(`${name}_longest_task`, median(found), "ms", BUDGET.task_ms);
}

if (database) {
	test("Now can be read at once", () => timed("now", BUDGET.now_ms));
	test("so can 71,000 packets", () => timed("packets", BUDGET.packets_ms));
	for (const name of ["now", "packets", "packet", "nodes", "observers", "channels", "map", "neighbors", "multibyte", "system"])
		test(`${name}: no task is long`, () => longest(name));
	test("typing into the filter of 71,000 packets stays fluent", async () => {
		const { page } = await load(views.packets);
		const endTasks = await tasks(page);
		await page.locator("[data-filter]").pressSequentially("type:advert hops>3 from:a", { delay: 30 });
		await eventually("the rows", () => page.locator(".grid-row .type").first().isVisible());
		figure("filter_longest_task", await endTasks(), "ms", BUDGET.task_ms);
		const cdp = await page.context().newCDPSession(page);
		await cdp.send("HeapProfiler.collectGarbage");
		const { usedSize, backingStorageSize = 0 } = await cdp.send("Runtime.getHeapUsage");
		figure("heap", (usedSize + backingStorageSize) / 1e6, "MB", BUDGET.heap_mb);
		await page.context().close();
	});
}

await finish();
