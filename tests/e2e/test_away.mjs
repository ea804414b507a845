// SPDX-License-Identifier: MIT
//
// A page whose connection is gone for a while: a lid that was closed, a train in a tunnel. What the
// daemon still has is made up for without a gap; what it has not is said, and everything loaded anew.
import net from "node:net";
import { equal, eventually, finish, ok, open, SECONDS, start, test } from "./harness.mjs";

/** Something between page and daemon that can be cut. */
async function wire(d) {
	const sockets = new Set();
	let whole = true;
	const server = net.createServer((a) => {
		if (!whole) return void a.destroy();
		const b = net.connect(d.port, "127.0.0.1");
		for (const [from, to] of [[a, b], [b, a]]) {
			sockets.add(from);
			from.on("error", () => {}).on("close", () => (sockets.delete(from), to.destroy()));
			from.pipe(to);
		}
	}).listen(0, "127.0.0.1");
	await new Promise((r) => server.once("listening", r));
	return {
		base: `http://127.0.0.1:${server.address().port}`,
		cut() {
			whole = false;
			for (const s of sockets) s.destroy();
		},
		mend: () => (whole = true),
	};
}

const total = async (d) => (await d.get("/api/packets?limit=1")).total;
const shown = async (page) => Number((await page.locator("p.count").first().innerText()).replace(/\u202f/g, "").match(/^\d+/)?.[0] ?? -1);

async function away(d, more) {
	const w = await wire(d);
	const page = await open(null);
	page.loads = 0;
	page.on("response", (r) => r.ok() && r.url().endsWith("/api/sets/packets") && page.loads++);
	await page.goto(`${w.base}/packets?t=all`);
	await page.locator(".grid-row").first().waitFor();
	await page.locator(".connection.open").waitFor();
	// The stream has begun: only of what was heard of can one know what is missing.
	const before = await shown(page);
	await eventually("news", async () => (await shown(page)) > before);
	w.cut();
	await page.locator(".connection.down").waitFor();
	await page.locator(".offline", { hasText: "No connection" }).waitFor();
	const then = await total(d);
	await eventually("packets that the page did not see", async () => (await total(d)) >= then + more, 3 * SECONDS);
	w.mend();
	await page.locator(".connection.open").waitFor({ timeout: 2000 * SECONDS });
	const wanted = await total(d);
	await eventually("all packets in the table", async () => (await shown(page)) >= wanted);
	await page.locator(".offline").waitFor({ state: "detached" });
	return page;
}

test("after a short while away nothing is missing, and nothing was loaded anew", async () => {
	const d = await start({ sim: { nodes: 30, observers: 6, rate: 200 } });
	await d.alive(5, 10);
	const page = await away(d, 5);
	equal(await page.locator(".gap").count(), 0, "no gap is told of");
	equal(page.loads, 1, "times that the whole list was loaded");
	equal(page.problems, []);
	await page.context().close();
	await d.close();
});

test("after a long one the page says what it missed, and has everything again", async () => {
	const d = await start({ sim: { nodes: 40, observers: 8, rate: 2000 }, http: { event_ring: "64KiB" } });
	await d.alive(10, 50);
	const page = await away(d, 400);
	const gap = page.locator(".rail .gap");
	await gap.waitFor();
	ok(/missed .* on [a-z/]+; what is shown was loaded anew/.test(await gap.getAttribute("title")), await gap.getAttribute("title"));
	await gap.click();
	await page.locator("main", { hasText: /this page lost|packet\/stored/ }).waitFor();
	equal(page.problems, []);
	await page.context().close();
});

await finish();
