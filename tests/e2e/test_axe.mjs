// SPDX-License-Identifier: MIT
//
// axe finds nothing serious on any page, in both themes and on a phone.
import { axe, equal, finish, open, PHONE, start, test, visit } from "./harness.mjs";

const d = await start();
await d.alive();
const [node] = (await d.get("/api/nodes?limit=200&role=repeater")).nodes;
const [observer] = (await d.get("/api/observers")).observers;
const [packet] = (await d.get("/api/packets?limit=1")).packets;

const views = [
	"/", "/packets?t=all", `/packets/${packet.hash}?t=all`, "/packets/decode?hex=1503112233A5B6C7D8", "/nodes", `/nodes/${node.public_key}`,
	`/nodes/${node.public_key}/history`, "/observers", `/observers/${observer.id}`, "/observers/compare", "/channels", "/channels/Public",
	"/map", "/network", "/network/multibyte", "/system", "/system/bus",
];

async function look(page, address, options) {
	await visit(page, address);
	await page.locator("main h1").waitFor();
	await page.locator(".skeleton").first().waitFor({ state: "detached" });
	equal(await axe(page, options), [], address);
	equal(page.problems, [], address);
}

// The rules that depend on colours are those that another theme can break.
const contrast = { runOnly: ["color-contrast", "link-in-text-block"] };
for (const [name, options, rules] of [["light", {}, {}], ["dark", { colorScheme: "dark" }, contrast], ["on a phone", PHONE, {}]]) {
	test(`every page, ${name}`, async () => {
		const page = await open(`${d.base}/`, options);
		const wrong = [];
		for (const address of views) await look(page, address, rules).catch((e) => wrong.push(e.message));
		if (wrong.length > 0) throw new Error(wrong.join("\n"));
		await page.context().close();
	});
}

await finish();
