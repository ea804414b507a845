// SPDX-License-Identifier: MIT
//
// What the map shows on demand: tiles of the one host that the operator has named, the part of the
// mesh that a region hears or that is well connected, nodes and packets chosen elsewhere.
import http from "node:http";
import zlib from "node:zlib";
import { equal, eventually, finish, ok, open, start, test } from "./harness.mjs";

/** A picture of one colour as PNG. */
function png(red, green, blue) {
	const table = Array.from({ length: 256 }, (_, n) => {
		let c = n;
		for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
		return c >>> 0;
	});
	const crc = (data) => data.reduce((c, b) => table[(c ^ b) & 255] ^ (c >>> 8), 0xffffffff) ^ 0xffffffff;
	const chunk = (type, data) => {
		const body = Buffer.concat([Buffer.from(type), data]), out = Buffer.alloc(body.length + 8);
		out.writeUInt32BE(data.length, 0);
		body.copy(out, 4);
		out.writeUInt32BE(crc(body) >>> 0, body.length + 4);
		return out;
	};
	const head = Buffer.from([0, 0, 1, 0, 0, 0, 1, 0, 8, 2, 0, 0, 0]);
	const row = Buffer.concat([Buffer.from([0]), Buffer.alloc(768, Buffer.from([red, green, blue]))]);
	return Buffer.concat([
		Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), chunk("IHDR", head),
		chunk("IDAT", zlib.deflateSync(Buffer.concat(Array(256).fill(row)))), chunk("IEND", Buffer.alloc(0)),
	]);
}

const asked = [];
const RED = png(255, 0, 0);
const tiles = http.createServer((rq, answer) => {
	asked.push(rq.url);
	answer.writeHead(200, { "Content-Type": "image/png", "Cache-Control": "max-age=3600" }).end(RED);
}).listen(0, "127.0.0.1");
await new Promise((r) => tiles.once("listening", r));
const origin = `http://127.0.0.1:${tiles.address().port}`;

const d = await start({
	sim: { nodes: 40, observers: 8, rate: 1000 }, plugins: { neighbors: { config: { interval: "2s" } } },
	http: { map: { tiles: `${origin}/t/{z}/{x}/{y}.png`, tiles_attribution: "© Testers <of> maps", tiles_max_zoom: 12 } },
});
await d.alive(25, 60);
await eventually("a graph", async () => (await d.get("/api/analytics/neighbor-graph?min_count=1&min_score=0")).edges.length > 10, 60);

const mesh = (page, look) => page.evaluate(`(() => {
	const m = document.querySelector(".mesh-above")?.mesh;
	return m?.data ? (${look})(m) : null;
})()`).catch(() => null);
const drawn = (page) => eventually("a mesh", () => mesh(page, (m) => m.stats.frames > 0 && m.data.linksShown > 5));
const close = async (page) => {
	equal(page.problems, []);
	await page.context().close();
};
/** The colour of the map in a corner of the scene, where no node is. */
const corner = (page) => page.evaluate(() => {
	const c = document.querySelector(".mesh-scene"), copy = document.createElement("canvas");
	copy.width = copy.height = 1;
	const ctx = copy.getContext("2d");
	ctx.drawImage(c, 3, 3, 1, 1, 0, 0, 1, 1);
	try {
		return [...ctx.getImageData(0, 0, 1, 1).data];
	} catch {
		return "of another host"; // a canvas with tiles upon it cannot be read
	}
});

test("tiles come from the host that is configured, with its name, and are gone with one click", async () => {
	const policy = (await fetch(`${d.base}/`)).headers.get("content-security-policy");
	ok(policy.includes(`img-src 'self' data: blob: ${origin};`), policy);
	// At one place, so that nodes which come meanwhile do not move it.
	const page = await open(`${d.base}/map?c=50.8,4.4,8`);
	await drawn(page);
	const complete = () => mesh(page, (m) => m.basemap.counts?.here > 1 && [...m.basemap.tiles.values()].every((t) => t.state === "here"));
	await eventually("tiles", complete);
	await eventually("a picture of them", async () => (await corner(page)) === "of another host");
	await page.locator(".attribution", { hasText: "© Testers <of> maps" }).waitFor();
	ok(asked.every((a) => /^\/t\/\d+\/\d+\/\d+\.png$/.test(a) && Number(a.split("/")[2]) <= 12), asked.join());
	const before = asked.length;
	await page.getByRole("button", { name: "Without map tiles" }).click();
	await page.locator(".attribution").waitFor({ state: "detached" });
	await page.reload();
	await drawn(page);
	ok(Array.isArray(await corner(page)), "the outline map is back");
	equal(asked.length, before, "and nothing was asked for");
	await page.getByRole("button", { name: "With map tiles" }).click();
	await eventually("tiles again", complete);
	equal(asked.length, before, "they were kept");
	await close(page);
});

test("without a configured host no page may ask another one", async () => {
	const plain = await start({ sim: false });
	const policy = (await fetch(`${plain.base}/`)).headers.get("content-security-policy");
	ok(policy.includes("img-src 'self' data: blob:;"), policy);
	equal((await plain.get("/api/web/map")).tiles, null);
});

test("nodes are left out that a region does not hear, or that are not well connected", async () => {
	const { observers } = await d.get("/api/observers");
	const region = observers.find((o) => o.iata).iata;
	const heard = await eventually("who is heard there", async () => {
		const { keys } = await d.get(`/api/web/heard?region=${region}`);
		return keys.length > 0 && keys;
	});
	ok(heard.every((k) => /^[0-9a-f]{64}$/.test(k)), heard.join());
	equal((await d.get("/api/web/heard?region=NOWHERE")).keys, []);
	equal((await fetch(`${d.base}/api/web/heard`)).status, 400);
	const page = await open(`${d.base}/map?m=graph`);
	await drawn(page);
	const all = await mesh(page, (m) => m.data.shown);
	await page.getByTitle("Look and filters").click();
	await page.getByLabel("Neighbors").selectOption("3");
	ok(new URL(page.url()).searchParams.get("core") === "3", page.url());
	await eventually("fewer nodes", async () => ((await mesh(page, (m) => m.data.shown)) ?? all) < all);
	await eventually("three neighbors of each that are shown", () => mesh(page, (m) => {
		const d = m.data, shown = (n) => d.nodeClass[n] !== 255;
		for (let n = 0; n < d.count; n++) {
			if (!shown(n)) continue;
			let k = 0;
			for (let i = d.graph.first[n]; i < d.graph.first[n + 1]; i++) if (shown(d.graph.to[i])) k++;
			if (k < 3) return false;
		}
		return true;
	}));
	await page.getByLabel("Neighbors").selectOption("0");
	await page.getByLabel("Region").selectOption("");
	await page.goto(`${d.base}/map?m=graph&region=NOWHERE`);
	await eventually("no node", async () => (await mesh(page, (m) => m.data.shown)) === 0);
	await page.goto(`${d.base}/map?m=graph&region=${region}`);
	await drawn(page);
	await eventually("those who are heard there", async () => (await mesh(page, (m) => m.data.shown)) > 0);
	await close(page);
});

test("a packet's ways and chosen nodes are shown from their lists, and each has its address", async () => {
	const far = await eventually("a packet over two hops", async () =>
		(await d.get("/api/packets?limit=100&groupByHash=true")).packets.find((p) => JSON.parse(p.path_json ?? "[]").length > 1));
	const page = await open(`${d.base}/packets/${far.hash}?t=all`);
	await page.locator(".drawer a", { hasText: "Show the route on the map" }).click();
	await page.locator(".drawer h2", { hasText: "Ways of a packet" }).waitFor();
	await page.goto(`${d.base}/nodes?q=role:repeater`);
	await page.locator(".grid-row").nth(3).waitFor();
	await page.locator(".grid").focus();
	for (const key of ["j", "x", "j", "x"]) await page.keyboard.press(key);
	await page.getByRole("button", { name: "Show them on the map" }).click();
	await drawn(page);
	await eventually("two that stand out", () => mesh(page, (m) => m.emphasis?.nodes.reduce((a, b) => a + b, 0) === 2));
	await close(page);
});

test("paths stand in the table of packets with names, and are asked for only when they are seen", async () => {
	const page = await open(null);
	const calls = [];
	page.on("request", (r) => r.url().includes("/api/web/paths") && calls.push(r.url()));
	await page.goto(`${d.base}/packets?t=all&q=hops%3E1`);
	await page.locator(".grid-row .way").nth(2).waitFor();
	await eventually("a way of names", async () => /[A-Za-z]{3}.* → /.test(await page.locator(".grid-row .way").first().getAttribute("title") ?? "") ||
		(await page.locator(".grid-row .way").evaluateAll((all) => all.some((e) => /[a-z]{3}.* → /.test(e.title)))));
	ok(calls.length > 0 && calls.every((c) => new URL(c).searchParams.get("ids").split(",").length <= 100), calls.join());
	equal((await fetch(`${d.base}/api/web/paths?ids=${Array(101).fill(1).join(",")}`)).status, 400);
	equal((await fetch(`${d.base}/api/web/paths?ids=1;2`)).status, 400);
	equal((await d.get("/api/web/paths?ids=999999999")).paths, []);
	await close(page);
});

await finish();
