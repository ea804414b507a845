// SPDX-License-Identifier: MIT
//
// The pages Map, Network and System against a daemon with a living mesh.
import { equal, eventually, finish, KEY, ok, open, PHONE, start, test } from "./harness.mjs";

const d = await start({ sim: { nodes: 60, observers: 10, rate: 80 }, plugins: { neighbors: { config: { interval: "2s" } } } });
await d.alive(30, 80);
await eventually("a graph", async () => (await d.get("/api/analytics/neighbor-graph?min_count=1&min_score=0")).edges.length > 10, 60);
const { nodes } = await d.get("/api/nodes?limit=500");
const placed = nodes.filter((n) => n.name && n.lat && n.role === "repeater");

const settled = (page) => page.locator("main h1").waitFor();
const close = async (page) => {
	equal(page.problems, []);
	await page.context().close();
};
/** Something of the engine, once it has drawn a mesh. */
const mesh = (page, look) => page.evaluate(`(() => {
	const m = document.querySelector(".mesh-above")?.mesh;
	return m?.data ? (${look})(m) : null;
})()`).catch(() => null);
const drawn = (page) => eventually("a mesh with links", () => mesh(page, (m) => m.stats.frames > 0 && m.data.linksShown > 5));
const query = (page, name) => new URL(page.url()).searchParams.get(name);

/** Where the mark of a node is that no other one is near, and its name. */
const roomy = (page) => mesh(page, (m) => {
	const all = [...Array(m.data.count).keys()].filter((i) => m.data.nodeClass[i] !== 255 && m.position(i));
	for (const i of all) {
		const [x, y] = m.position(i);
		const free = all.every((j) => j === i || Math.hypot(m.position(j)[0] - x, m.position(j)[1] - y) > 14);
		if (free && x > 80 && y > 60 && x < m.element.clientWidth - 380 && y < m.element.clientHeight - 240) return [x, y, m.data.label(i)];
	}
	return null;
});

/** Clicks on the mark of a node that no other one is near. */
async function clickNode(page, modifiers = []) {
	// It stays where it is: what comes in or opens may move the whole mesh.
	let before = null;
	const at = await eventually("a node with room around it", async () => {
		const seen = await roomy(page), stays = JSON.stringify(seen) === JSON.stringify(before);
		before = seen;
		return stays && seen;
	});
	const box = await page.locator(".mesh-above").boundingBox();
	for (const key of modifiers) await page.keyboard.down(key);
	await page.mouse.click(box.x + at[0], box.y + at[1]);
	for (const key of modifiers) await page.keyboard.up(key);
	return at[2];
}

test("the map shows nodes and links, moves by mouse and keys, and keeps its place in the address", async () => {
	const page = await open(`${d.base}/map`);
	await drawn(page);
	ok((await page.locator(".legend summary").innerText()).includes("links"), "the legend counts");
	await page.locator(".mesh-above").focus();
	const before = await mesh(page, (m) => m.geoView);
	await page.keyboard.press("+");
	await page.keyboard.press("ArrowRight");
	await eventually("another view", async () => (await mesh(page, (m) => m.geoView)).zoom > before.zoom);
	const c = await eventually("its address", async () => {
		const { lat, lon, zoom } = await mesh(page, (m) => m.geoView);
		return query(page, "c") === `${lat.toFixed(4)},${lon.toFixed(4)},${zoom.toFixed(2)}` && query(page, "c");
	});
	await page.reload();
	await drawn(page);
	await eventually("the same view", async () => {
		const v = await mesh(page, (m) => m.geoView);
		return Math.abs(v.zoom - Number(c.split(",")[2])) < 0.02 && Math.abs(v.lat - Number(c.split(",")[0])) < 0.01;
	});
	await close(page);
});

test("a click opens a node, a second one with Shift the way between the two, Escape closes", async () => {
	const page = await open(`${d.base}/map`);
	await drawn(page);
	const name = await clickNode(page);
	await page.locator(".drawer h2", { hasText: name }).waitFor();
	ok(/^[0-9a-f]{64}$/.test(query(page, "n")), "its key is in the address");
	await page.keyboard.press("Escape");
	await page.locator(".drawer").waitFor({ state: "detached" });
	await page.goto(`${d.base}/map?n=${placed[0].public_key},${placed[1].public_key}`);
	await page.locator(".drawer h2", { hasText: "Between two nodes" }).waitFor();
	await page.locator(".drawer .ends", { hasText: placed[1].name }).waitFor();
	await page.getByRole("button", { name: "Turn the way round" }).click();
	await eventually("the other direction", () => query(page, "n")?.startsWith(placed[1].public_key));
	await close(page);
});

test("a node is found by its name, and its links lead to their evidence", async () => {
	const page = await open(`${d.base}/map`);
	await drawn(page);
	const linked = await eventually("a linked node", () => mesh(page, (m) => {
		for (let i = 0; i < m.data.count; i++) if (m.data.graph.degree(i) > 1 && m.data.label(i).length > 5) return m.data.label(i);
		return null;
	}));
	await page.keyboard.press("/");
	await page.keyboard.type(linked);
	await page.locator("#map-found li").first().waitFor();
	await page.keyboard.press("Enter");
	await page.locator(".drawer h2", { hasText: linked }).waitFor();
	await page.locator(".drawer .list .linkish").first().click();
	await page.locator(".drawer h2", { hasText: "Link" }).waitFor();
	await page.locator(".drawer h3", { hasText: "by bytes of the hop" }).waitFor();
	await page.locator(".drawer a", { hasText: "In the table of links" }).click();
	await page.locator(".drawer", { hasText: "by bytes of the hop" }).waitFor();
	ok(page.url().includes("/network/neighbors"), page.url());
	await close(page);
});

test("map and graph show the same, also as a table, and filters are in the address", async () => {
	const page = await open(`${d.base}/map`);
	await drawn(page);
	await page.keyboard.press("m");
	await eventually("the graph", async () => query(page, "m") === "graph" && (await mesh(page, (m) => m.mode)) === "graph");
	await eventually("places for all", () => mesh(page, (m) => Number.isFinite(m.position(0)?.[0])));
	await page.goto(`${d.base}/map?m=graph&hide=companion,sensor,unknown&by=size`);
	await drawn(page);
	const shown = await mesh(page, (m) => m.data.shown);
	await page.keyboard.press("v");
	await page.locator(".map-table .grid-row").first().waitFor();
	await eventually("as many rows", async () => Number((await page.locator(".map-table .count").innerText()).match(/^\d+/)[0]) >= shown);
	const roles = await page.locator(".grid-row .cell:nth-child(2)").allInnerTexts();
	ok(roles.every((r) => r === "repeater" || r === "room"), roles.join());
	await close(page);
});

test("live packets are seen and listed; one of them shows its ways; a replay plays the past", async () => {
	const page = await open(`${d.base}/map`);
	await drawn(page);
	await page.locator(".feed li button").first().waitFor();
	await page.keyboard.press("Space"); // what is to be clicked on does not move away
	await page.locator(".feed li button").first().click();
	await page.locator(".drawer h2", { hasText: "Ways of a packet" }).waitFor();
	await page.locator(".drawer .ways button").first().waitFor();
	ok(/^[0-9a-f]{16}$/.test(query(page, "r")), "its hash is in the address");
	await page.goto(`${d.base}/map?t=1h`);
	await drawn(page);
	await page.locator(".timeline .scrub").waitFor();
	const begun = (await d.get("/api/packets?limit=1&order=asc")).packets[0].first_seen;
	await page.goto(`${d.base}/map?t=1h&at=${Math.floor(Date.parse(begun) / 1000) - 2}`);
	await drawn(page);
	await page.locator(".timeline strong", { hasText: "Replay" }).waitFor();
	await page.locator("#map-speed").selectOption("5");
	await page.getByRole("button", { name: "Play from here" }).click();
	await eventually("shown receptions", async () => Number((await page.locator(".timeline output").innerText()).match(/, (\d+) shown/)?.[1] ?? 0) > 3);
	await page.getByRole("button", { name: "Pause the replay" }).click();
	await page.getByRole("button", { name: "Back to live" }).click();
	await page.locator(".timeline strong", { hasText: "Live" }).waitFor();
	await close(page);
});

test("every view of Network has something to say, and none an error", async () => {
	const page = await open(`${d.base}/network`);
	await settled(page);
	for (const view of ["Neighbors", "Routes", "Multi-byte", "Prefixes", "Airtime", "Distances", "Scopes", "Damaged copies"]) {
		await page.locator(".tabs a", { hasText: view }).click();
		await page.locator(".tabs a[aria-current]", { hasText: view }).waitFor();
		await page.locator("main .skeleton").first().waitFor({ state: "detached" });
		await page.locator("main :is(.grid, .card, .figures)").first().waitFor();
		equal(await page.locator("main .notice.bad").count(), 0, view);
	}
	await close(page);
});

test("the table of links is searched and sorted; evidence opens beside it", async () => {
	const page = await open(`${d.base}/network/neighbors`);
	await page.locator(".grid-row").first().waitFor();
	const packets = (await page.locator(".grid-row .cell:nth-child(3)").allInnerTexts()).map((t) => Number(t.replace(/\D/g, "")));
	equal(packets, [...packets].sort((a, b) => b - a), "the most used first");
	await page.locator(".grid-row").first().click();
	await page.locator(".drawer").getByText("Directions").waitFor();
	await page.locator("[data-filter]").fill("no such node");
	await page.getByText("fits").first().waitFor();
	await page.goto(`${d.base}/network/multibyte?show=upgrade`);
	await page.locator(".grid-row").first().waitFor();
	equal(await page.locator(".grid-row .cell:first-child").first().innerText(), "1", "the first of the upgrade list");
	await page.goto(`${d.base}/network/prefixes`);
	await page.locator(".matrix button").first().waitFor();
	equal(await page.locator(".matrix button").count(), 256);
	await page.locator(".matrix button").first().focus();
	await page.keyboard.press("ArrowDown");
	await eventually("the cell below", () => page.evaluate(() => document.activeElement.id === "cell-10"));
	await close(page);
});

test("a plugin is switched off and on with the key, and the page says what is missing", async () => {
	const page = await open(`${d.base}/system/plugins`);
	await page.locator(".grid-row", { hasText: "mbcap" }).click();
	await page.getByRole("button", { name: "Switch off mbcap" }).click();
	await page.getByRole("button", { name: "Really switch off mbcap" }).click();
	await page.locator("dialog input").fill("a wrong key of some length");
	await page.keyboard.press("Enter");
	await page.getByText("the key is not right").waitFor();
	await page.getByRole("button", { name: "Switch off mbcap" }).click();
	await page.getByRole("button", { name: "Really switch off mbcap" }).click();
	await page.locator("dialog input").fill(KEY);
	await page.keyboard.press("Enter");
	await page.locator(".notice", { hasText: "mbcap is off" }).waitFor();
	equal((await d.get("/api/plugins")).items.find((p) => p.name === "mbcap").state, "disabled");
	await page.getByRole("button", { name: "Switch on mbcap" }).click();
	await page.locator(".notice", { hasText: "mbcap is off" }).waitFor({ state: "detached" });
	await eventually("mbcap", async () => (await d.get("/api/plugins")).items.find((p) => p.name === "mbcap").state === "running");
	await close(page);
});

test("the bus is looked into, filtered, paused and stepped", async () => {
	const page = await open(`${d.base}/system/bus`);
	await page.locator("td", { hasText: "packet/stored" }).first().waitFor();
	await page.locator("td button", { hasText: "packet/stored" }).click();
	await page.locator(".bus-message").first().click();
	await page.locator(".bus-body pre", { hasText: "\"items\"" }).waitFor();
	await page.getByText(", paused").waitFor(); // what is being read does not move away
	const kept = async () => Number((await page.locator("p.count").innerText()).match(/(\d+) kept/)[1]);
	const before = await kept();
	await page.getByRole("button", { name: "The next one" }).click();
	await eventually("one more", async () => (await kept()) === before + 1);
	await page.locator("[data-filter]").fill("items.type=99");
	await page.getByRole("button", { name: "Go on" }).click();
	equal(query(page, "q"), "items.type=99");
	await close(page);
});

test("the other views of System say what there is", async () => {
	const page = await open(`${d.base}/system`);
	for (const [view, words] of [["Jobs", /job|nothing to do|database/i], ["Ingest", /From sim/], ["Storage", /Since the start/], ["HTTP", /\/api\//]]) {
		await page.locator(".tabs a", { hasText: view }).click();
		await page.getByText(words).first().waitFor();
		equal(await page.locator("main .notice.bad").count(), 0, view);
	}
	await close(page);
});

test("names that are markup stay text", async () => {
	const page = await open(`${d.base}/map`);
	await drawn(page);
	await page.evaluate(() => {
		const m = document.querySelector(".mesh-above").mesh;
		m.setData({ ...m.data, label: () => "<img src=x onerror=alert(1)>" });
	});
	equal(await page.locator("main img").count(), 0);
	await page.goto(`${d.base}/network/neighbors?q=${encodeURIComponent("<b>x</b>")}`);
	await page.locator(".grid-empty").waitFor();
	equal(await page.locator("main b").count(), 0);
	await close(page);
});

test("on a phone the map fills the page, and nothing scrolls sideways", async () => {
	const page = await open(`${d.base}/map`, PHONE);
	await drawn(page);
	const { height } = await page.locator(".mesh-above").boundingBox();
	ok(height > 450, `the map is ${height} high`);
	for (const address of ["/map?t=1h", "/network/neighbors", "/network/prefixes", "/network/damaged", "/system/plugins", "/system/bus", "/system/storage"]) {
		await page.goto(d.base + address);
		await settled(page);
		await page.locator("main .skeleton").first().waitFor({ state: "detached" });
		await eventually(`room for ${address}`, () => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
	}
	await close(page);
});

await finish();
