// SPDX-License-Identifier: MIT
//
// What an operator looks for less often: a daemon that has just begun, how multi-byte spreads and which
// packets say so, what the mesh hangs on, a map without internet, a selection as a file.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { axe, equal, eventually, finish, ok, open, start, test } from "./harness.mjs";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "mk-tiles-"));
process.on("exit", () => fs.rmSync(folder, { recursive: true, force: true }));
const tiles = path.join(folder, "map.mbtiles");
// One picture of one colour for all of the world at the coarsest level; finer ones are not there.
const made = spawnSync("/usr/bin/python3", ["-c", `
import sqlite3, struct, sys, zlib
chunk = lambda t, d: struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d))
png = b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 256, 256, 8, 2, 0, 0, 0)) \\
    + chunk(b"IDAT", zlib.compress((b"\\0" + bytes((255, 0, 0)) * 256) * 256)) + chunk(b"IEND", b"")
db = sqlite3.connect(sys.argv[1])
db.execute("CREATE TABLE metadata (name text, value text)")
db.execute("CREATE TABLE tiles (zoom_level integer, tile_column integer, tile_row integer, tile_data blob)")
db.executemany("INSERT INTO metadata VALUES (?, ?)", [("maxzoom", "4"), ("attribution", "<i>&copy; Nobody</i>")])
db.executemany("INSERT INTO tiles VALUES (4, ?, ?, ?)", [(x, y, png) for x in range(16) for y in range(16)])
db.commit()`, tiles], { encoding: "utf8" });
if (made.status !== 0) throw new Error(made.stderr ?? "python3 is not there");

const d = await start({
	sim: { nodes: 60, observers: 8, rate: 1000 },
	plugins: { neighbors: { config: { interval: "2s" } }, mbcap: { config: { interval: "2s" } } },
	http: { map: { mbtiles: tiles } },
});
await d.alive(30, 200);
await eventually("a graph", async () => (await d.get("/api/analytics/neighbor-graph?min_count=1&min_score=0")).edges.length > 10, 60);
const close = async (page) => {
	await page.unrouteAll({ behavior: "ignoreErrors" }); // what is still asked for may be cut off
	equal(page.problems, []);
	await page.context().close();
};

test("a daemon that still reads the past does not say that all is well", async () => {
	const page = await open();
	let warm = false, asked = 0;
	await page.route("**/api/overview*", async (route) => {
		const answer = await route.fetch(), o = await answer.json();
		asked++;
		ok(typeof o.warm === "boolean" && o.progress >= 0 && o.progress <= 1, "the daemon says how far it is");
		await route.fulfill({ json: { ...o, alerts: [], warm, progress: warm ? 1 : 0.4 } });
	});
	await page.goto(`${d.base}/`);
	await page.getByText(/reads the past \(40/).waitFor();
	equal(await page.getByText("Nothing needs you").count(), 0);
	await page.getByText(/so far/).waitFor();
	warm = true;
	await page.getByText("Nothing needs you").waitFor();
	equal(await page.getByText(/reads the past/).count(), 0);
	ok(asked >= 2, "it asks again by itself");
	await close(page);
});

test("the relays of each day are a trend, with gaps, and one day is none", async () => {
	await eventually("today's relays", async () => (await d.get("/api/snapshots/mbcap")).base.days?.length === 1);
	const page = await open(`${d.base}/network/multibyte?trend=1`);
	await page.getByText(/Recorded since .* One day is too few/).waitFor();
	const today = Math.floor(Date.now() / 86400000);
	await page.route("**/api/web/capabilities", async (route) => {
		const answer = await route.fetch(), s = await answer.json();
		s.base.days = Array.from({ length: 120 }, (_, i) => [today - 120 + i, i, 5, 9]).filter((_, i) => i < 60 || i > 69);
		await route.fulfill({ json: s });
	});
	await page.reload();
	const chart = page.locator(".trends .lines").first();
	await chart.waitFor();
	ok(/90 days\. confirmed: /.test(await chart.getAttribute("aria-label")), await chart.getAttribute("aria-label"));
	await page.getByText(/In 90 days \d+ (more|fewer) are confirmed/).waitFor();
	await page.locator(".trend summary").click();
	await eventually("an address without it", () => !page.url().includes("trend"));
	await close(page);
});

test("the packets that speak for a relay are told and are one click away", async () => {
	const { key, proof } = await eventually("a confirmed relay", async () => {
		const rows = (await d.get("/api/snapshots/mbcap")).base.nodes.filter((n) => n[1] === 2).map((n) => n[0]);
		const { nodes } = await d.get("/api/nodes?limit=500");
		const relay = nodes.find((n) => rows.includes(n.public_key) && ["repeater", "room"].includes(n.role) && n.name);
		return relay && { key: relay.public_key, proof: await d.get(`/api/web/multibyte?node=${relay.public_key}`) };
	}, 60);
	ok(proof.advert.packets >= 1 && /^[0-9a-f]{16}$/.test(proof.advert.first.hash), JSON.stringify(proof));
	const advert = (await d.get(`/api/packets/${proof.advert.first.hash}`)).packet;
	equal([advert.payload_type, JSON.parse(advert.decoded_json).pubKey], [4, key]);
	const page = await open(`${d.base}/network/multibyte?n=${key}`);
	const box = page.locator(".proofs");
	await box.getByText(/packet/).first().waitFor();
	equal(await axe(page), []);
	await box.getByLabel("Evidence of").selectOption("30");
	await eventually("the choice in the address", () => page.url().includes("days=30"));
	await box.getByRole("link", { name: "first", exact: true }).first().click();
	await page.locator(".drawer h2").waitFor();
	ok(page.url().includes(`/packets/${proof.advert.first.hash}`), page.url());
	equal((await fetch(`${d.base}/api/web/multibyte?node=${"0".repeat(64)}`)).status, 404);
	await close(page);
});

test("what the mesh hangs on is a list beside the map", async () => {
	const page = await open(`${d.base}/map?m=graph`);
	await page.getByTitle("Look and filters").click();
	await page.getByLabel(/Weak points/).check();
	const drawer = page.getByRole("complementary", { name: "Weak points" });
	await drawer.waitFor();
	await page.getByTitle("Look and filters").click();
	await page.locator(".menu-panel").waitFor({ state: "detached" });
	equal(await axe(page), []);
	const first = drawer.locator("ol .linkish").first();
	if (await first.count()) {
		await first.click();
		await page.getByRole("complementary", { name: "Node" }).or(page.getByRole("complementary", { name: "Link" })).waitFor();
		await page.keyboard.press("Escape");
		await drawer.waitFor();
	}
	await drawer.getByRole("button", { name: "Close the details" }).click();
	await drawer.waitFor({ state: "detached" });
	ok(!page.url().includes("weak"), page.url());
	await close(page);
});

test("a map from a file needs no other host, by day and by night", async () => {
	for (const colorScheme of ["light", "dark"]) {
		const page = await open(null, { colorScheme });
		const elsewhere = [];
		page.on("request", (r) => !r.url().startsWith(d.base) && !/^(data|blob):/.test(r.url()) && elsewhere.push(r.url()));
		await page.goto(`${d.base}/map?c=50.8500,4.3500,9.00`);
		await page.locator(".attribution", { hasText: "© Nobody" }).waitFor();
		// Of the finest level that there is, magnified, and dark at night.
		const here = () => page.evaluate("document.querySelector('.mesh-above')?.mesh?.basemap.counts?.here > 0");
		await eventually("the picture", here);
		const seen = await page.evaluate(async () => {
			for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame); // until it has been drawn
			const canvas = document.querySelector(".mesh-scene"), copy = document.createElement("canvas");
			copy.width = copy.height = 1;
			const ctx = copy.getContext("2d");
			ctx.drawImage(canvas, 3, 3, 1, 1, 0, 0, 1, 1);
			return [...ctx.getImageData(0, 0, 1, 1).data].slice(0, 3);
		});
		if (colorScheme === "light") equal(seen, [255, 0, 0]);
		else ok(seen.join() !== "255,0,0", seen.join());
		equal(elsewhere, []);
		await close(page);
	}
});

test("addresses of CoreScope's analytics lead to what is the same here", async () => {
	const page = await open();
	for (const [tab, path_] of [["prefix-tool", "/network/prefixes"], ["neighbor-graph", "/network/neighbors"], ["hashsizes", "/network/multibyte"], ["rf-health", "/observers"], ["unheard-of", "/network"]]) {
		await page.goto(`${d.base}/#/analytics?tab=${tab}`);
		await eventually(path_, () => new URL(page.url()).pathname.startsWith(path_));
	}
	await close(page);
});

test("selected nodes are saved as a file, and only these", async () => {
	const page = await open(`${d.base}/nodes?sort=name`);
	await page.locator(".grid-row").nth(3).waitFor();
	await page.locator(".grid").focus();
	for (const key of ["j", "x", "j", "x"]) await page.keyboard.press(key);
	await page.getByText("2 selected").waitFor();
	const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Save them as CSV" }).click()]);
	const lines = fs.readFileSync(await file.path(), "utf8").trim().split("\n");
	equal(lines.length, 3);
	ok(lines[0].includes("name") && lines[0].includes("key"), lines[0]);
	await close(page);
});

await finish();
