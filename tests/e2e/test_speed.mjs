// SPDX-License-Identifier: MIT
//
// How smooth the map is with 2,000 nodes: dragged, zoomed, with 50 packets a second under way, drawn
// without a graphics card. Only with MK_DATABASE (tests/long/web_budgets.py makes one); a machine that
// does other things at the same time, too, is not what the budget speaks of.
import { eventually, finish, ok, open, start, test } from "./harness.mjs";

const database = process.env.MK_DATABASE ?? null;
if (database === null) {
	console.log("skipped: MK_DATABASE is a database of 2,000 nodes");
	process.exit(77);
}
const BUDGET = { pan_ms: 17.5, packets_ms: 33.5 }; // between two frames, half of them: 60 and 30 a second

const d = await start({ database, sim: false });
await eventually("the model", async () => (await d.get("/api/overview")).warm !== false, 60);
const page = await open(`${d.base}/map`, { reducedMotion: "no-preference" });
await eventually("the mesh", () => page.evaluate("document.querySelector('.mesh-above')?.mesh?.data?.linksShown > 0"), 60);

/** Milliseconds between frames while `act` goes on: half of them are shorter, 95 of 100, the longest. */
async function frames(name, act, budget) {
	await page.evaluate(() => {
		window.gaps = [];
		let last = performance.now();
		const tick = (now) => {
			window.gaps?.push(now - last);
			last = now;
			if (window.gaps) requestAnimationFrame(tick);
		};
		requestAnimationFrame(tick);
	});
	await act();
	const gaps = (await page.evaluate(() => {
		const found = window.gaps;
		window.gaps = null;
		return found;
	})).slice(2).sort((a, b) => a - b);
	const at = (q) => gaps[Math.min(gaps.length - 1, Math.floor(gaps.length * q))];
	console.log(`bench=web case=large metric=${name} unit=ms median=${at(0.5).toFixed(1)} p95=${at(0.95).toFixed(1)} max=${at(1).toFixed(1)} frames=${gaps.length} budget=${budget}`);
	ok(at(0.5) <= budget, `${name}: ${at(0.5).toFixed(1)} ms, budget ${budget}`);
}

async function drag() {
	const box = await page.locator(".mesh-above").boundingBox();
	const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
	await page.mouse.move(x, y);
	await page.mouse.down();
	for (let i = 0; i < 90; i++) await page.mouse.move(x + 180 * Math.sin(i / 12), y + 120 * Math.cos(i / 9));
	await page.mouse.up();
	for (let i = 0; i < 30; i++) await page.mouse.wheel(0, i < 15 ? -120 : 120);
}

/** 50 packets a second for three seconds, each over five links. */
const packets = () => page.evaluate(async () => {
	const mesh = document.querySelector(".mesh-above").mesh, { first, to } = mesh.data.graph;
	const linked = [...Array(mesh.data.count).keys()].filter((i) => first[i + 1] > first[i] && mesh.position(i));
	let dice = 1;
	const pick = (n) => (dice = (dice * 48271) % 2147483647) % n;
	for (let t = 0; t < 30; t++) {
		for (let k = 0; k < 5; k++) {
			const nodes = [linked[pick(linked.length)]];
			while (nodes.length < 6) {
				const n = nodes[nodes.length - 1];
				nodes.push(to[first[n] + pick(first[n + 1] - first[n])]);
			}
			mesh.pulse({ nodes, color: "#0b6b63" });
		}
		await new Promise((r) => setTimeout(r, 100));
	}
});

test("the map follows the mouse", () => frames("map_pan", drag, BUDGET.pan_ms));
test("50 packets a second are seen to move", () => frames("map_packets", packets, BUDGET.packets_ms));
test("the graph is there, and follows, too", async () => {
	await page.getByRole("button", { name: "Graph", exact: true }).click();
	await eventually("the graph", () => page.evaluate("document.querySelector('.mesh-above').mesh.mode === 'graph'"));
	await eventually("its layout", () => page.evaluate("!document.querySelector('.mesh-above').mesh.fitWhenSettled"), 60);
	await frames("graph_pan", drag, 2 * BUDGET.pan_ms);
});

await finish();
