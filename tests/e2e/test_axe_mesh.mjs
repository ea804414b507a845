// SPDX-License-Identifier: MIT
//
// axe finds nothing serious on the pages Map, Network and System, in both themes and on a phone.
import { axe, eventually, finish, open, PHONE, start, test, visit } from "./harness.mjs";

const d = await start({ plugins: { neighbors: { config: { interval: "2s" } } } });
await d.alive();
await eventually("a graph", async () => (await d.get("/api/analytics/neighbor-graph?min_count=1&min_score=0")).edges.length > 10, 60);
const [a, b] = await eventually("two nodes on the map", async () => {
	const placed = (await d.get("/api/nodes?limit=500&role=repeater")).nodes.filter((n) => n.name && n.lat);
	return placed.length > 1 && placed.map((n) => n.public_key);
});

const views = [
	"/map", "/map?table=1", `/map?n=${a}`, `/map?n=${a},${b}`, "/map?t=24h", "/network/neighbors", "/network/routes",
	"/network/multibyte", "/network/prefixes", "/network/airtime", "/network/distances", "/network/scopes", "/network/damaged",
	"/system/plugins?plugin=storage", "/system/bus", "/system/bus?inspect=1", "/system/jobs", "/system/ingest", "/system/storage", "/system/http",
];

for (const [name, options] of [["light", {}], ["dark and on a phone", { ...PHONE, colorScheme: "dark" }]]) {
	test(`every view, ${name}`, async () => {
		const page = await open(`${d.base}/`, options);
		const wrong = [];
		for (const address of views) {
			await visit(page, address);
			await page.locator("main h1").waitFor();
			await page.locator("main .skeleton").first().waitFor({ state: "detached" });
			wrong.push(...(await axe(page)).map((w) => `${address}: ${w}`));
		}
		if (wrong.length > 0) throw new Error([...new Set(wrong)].join("\n"));
		if (page.problems.length > 0) throw new Error(page.problems.join("\n"));
		await page.context().close();
	});
}

await finish();
