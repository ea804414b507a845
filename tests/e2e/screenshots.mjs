// SPDX-License-Identifier: MIT
//
// Pictures of every page and view, in light, dark and on a phone, for people to look at:
//
//   MK_BINARY_DIR=build bash tests/e2e/run.sh tests/e2e/screenshots.mjs
//
// They are in build/screenshots, or in MK_SCREENSHOTS; MK_ONLY is a part of the names that are wanted.
// With MK_DATABASE they show that database, without it a mesh that has lived for a while.
import fs from "node:fs";
import path from "node:path";
import { eventually, finish, KEY, open, PHONE, start, test, visit } from "./harness.mjs";

const folder = process.env.MK_SCREENSHOTS ?? path.join(process.env.MK_BINARY_DIR, "screenshots");
const only = process.env.MK_ONLY ?? "";
const database = process.env.MK_DATABASE ?? null;
fs.mkdirSync(folder, { recursive: true });

const d = await start(database
	? { database, sim: { nodes: 120, observers: 12, rate: 20 } }
	: { sim: { nodes: 120, observers: 12, rate: 3000 }, plugins: { neighbors: { config: { interval: "2s" } } } });
await d.alive(60, Number(process.env.MK_PACKETS ?? 700));
await eventually("links", async () => (await d.get("/api/analytics/neighbor-graph?min_count=1&min_score=0")).edges.length > 20, 60);

const { nodes } = await d.get("/api/nodes?limit=500");
const repeaters = nodes.filter((n) => n.role === "repeater" && n.name && n.lat);
const { observers } = await d.get("/api/observers");
const { packets } = await d.get("/api/packets?limit=200&groupByHash=true");
const many = [...packets].sort((a, b) => (b.observation_count ?? 0) - (a.observation_count ?? 0))[0];
const advert = packets.find((p) => p.payload_type === 4) ?? many;
const [one, two] = repeaters.map((n) => n.public_key);
const pins = repeaters.slice(0, 4).map((n) => n.public_key).join(".");

/** Views, by name: an address, and what is done there before the picture is taken. */
const views = {
	now: [`/?pins=${pins}`],
	map: ["/map"],
	"map-look": ["/map", async (p) => p.getByTitle("Look and filters").click()],
	"map-legend": ["/map?by=heard&links=snr", async (p) => p.locator(".legend summary").click()],
	"map-node": [`/map?n=${one}`],
	"map-between": [`/map?n=${one},${two}`],
	"map-route": [`/map?r=${many.hash}`],
	"map-weak": ["/map?weak=1"],
	"map-history": ["/map?t=1h"],
	"map-table": ["/map?table=1"],
	graph: ["/map?m=graph"],
	packets: ["/packets?t=all"],
	"packets-filter": ["/packets?t=all&q=type%3Aadvert", async (p) => p.locator("[data-filter]").focus()],
	"packets-open": [`/packets/${many.hash}?t=all`],
	"packets-advert": [`/packets/${advert.hash}?t=all`],
	"packets-decode": ["/packets/decode?hex=1503112233A5B6C7D8"],
	nodes: ["/nodes"],
	"node-overview": [`/nodes/${one}`],
	"node-links": [`/nodes/${one}/links`],
	"node-paths": [`/nodes/${one}/paths`],
	"node-packets": [`/nodes/${one}/packets`],
	"node-history": [`/nodes/${one}/history`],
	"nodes-compare": [`/nodes/compare?keys=${one}.${two}`],
	observers: ["/observers"],
	"observer-overview": [`/observers/${observers[0].id}`],
	"observer-radio": [`/observers/${observers[0].id}/radio`],
	"observer-hears": [`/observers/${observers[0].id}/hears`],
	"observer-packets": [`/observers/${observers[0].id}/packets`],
	"observers-compare": [`/observers/compare?ids=${observers[0].id}~${observers[1].id}&hours=1`],
	channels: ["/channels"],
	"channel-public": ["/channels/Public"],
	"network-neighbors": ["/network/neighbors"],
	"network-link": ["/network/neighbors", async (p) => p.locator(".grid-row").first().click()],
	"network-routes": ["/network/routes"],
	"network-multibyte": ["/network/multibyte"],
	"network-prefixes": ["/network/prefixes"],
	"network-airtime": ["/network/airtime"],
	"network-distances": ["/network/distances"],
	"network-scopes": ["/network/scopes"],
	"network-damaged": ["/network/damaged"],
	"system-plugins": ["/system/plugins"],
	"system-plugin": ["/system/plugins?plugin=storage"],
	"system-bus": ["/system/bus"],
	"system-bus-below": ["/system/bus", async (p) => (await p.locator(".beats path").nth(8).waitFor(), p.locator(".beat-legend").scrollIntoViewIfNeeded())],
	"system-inspector": ["/system/bus?inspect=1", async (p) => p.locator(".bus-message").first().click()],
	"system-bytes": ["/system/bus?topic=packet/decoded", async (p) => (await p.locator(".bus-message").first().click(), p.locator(".bus-tools .chip").nth(1).click())],
	"system-follow": ["/system/bus?follow=1", async (p) => p.locator(".follow tbody td:nth-child(7)").nth(20).waitFor()],
	"system-jobs": ["/system/jobs"],
	"system-ingest": ["/system/ingest"],
	"system-storage": ["/system/storage"],
	"system-http": ["/system/http"],
	"row-menu": ["/packets?t=all", async (p) => (await p.locator(".grid").focus(), await p.keyboard.press("j"), p.keyboard.press("."))],
	search: ["/", async (p) => (await p.keyboard.press("Control+k"), p.locator("dialog [role=combobox]").fill("a"))],
	keys: ["/packets", async (p) => p.keyboard.press("?")],
	nowhere: ["/nowhere"],
};

const looks = {
	light: {},
	dark: { colorScheme: "dark" },
	phone: { ...PHONE, deviceScaleFactor: 2 },
};

/** Nothing is being asked for, and what is painted by scripts is there. */
async function calm(page) {
	await page.locator("main h1").first().waitFor({ state: "attached" });
	await page.locator("main .skeleton").first().waitFor({ state: "detached" });
	await page.waitForLoadState("networkidle", { timeout: 1500 }).catch(() => {});
	if (await page.locator(".mesh-above").count()) {
		await eventually("a drawn mesh", () => page.evaluate(`(() => {
			const m = document.querySelector(".mesh-above")?.mesh;
			return m && m.stats.frames > 2 && !m.fitWhenSettled;
		})()`), 15).catch(() => {});
	}
	await new Promise((r) => setTimeout(r, 300));
}

for (const [look, options] of Object.entries(looks)) {
	const wanted = Object.entries(views).filter(([name]) => `${name}-${look}`.includes(only));
	if (wanted.length === 0) continue;
	test(`pictures, ${look}`, async () => {
		const page = await open(null, options);
		page.setDefaultTimeout(5000);
		await page.addInitScript((key) => sessionStorage.setItem("meshkern.key", key), KEY);
		await page.goto(`${d.base}/`);
		const failed = [];
		for (const [name, [address, act]] of wanted) {
			try {
				// Pins are read when the program begins.
				await (address.includes("pins=") ? page.goto(d.base + address) : visit(page, address));
				await calm(page);
				if (act) {
					await act(page);
					await calm(page);
				}
				const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
				if (wide > 0) failed.push(`${name}: ${wide} px wider than the window`);
			} catch (e) {
				failed.push(`${name}: ${e.message.split("\n")[0]}`);
			}
			await page.screenshot({ path: path.join(folder, `${name}-${look}.png`) });
			await page.keyboard.press("Escape");
		}
		failed.push(...page.problems);
		if (failed.length > 0) throw new Error(failed.join("\n"));
		await page.context().close();
	});
}

await finish();
