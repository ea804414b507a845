// SPDX-License-Identifier: MIT
//
// The pages Now, Packets, Nodes, Observers and Channels against a daemon with a living mesh.
import { equal, eventually, finish, ok, open, PHONE, SECONDS, sequence, start, test } from "./harness.mjs";

const d = await start();
await d.alive();
const { nodes } = await d.get("/api/nodes?limit=200");
const repeaters = nodes.filter((n) => n.role === "repeater" && n.name);

const counted = async (page) => {
	const text = await page.locator("p.count").first().innerText();
	return Number(text.replace(/\u202f/g, "").match(/^\d+/)?.[0] ?? -1);
};
const focusGrid = (page) => page.locator(".grid").focus();

test("every destination opens by its key and by its link, with a heading and a title", async () => {
	const page = await open(`${d.base}/`);
	await page.locator("h1").waitFor();
	for (const link of await page.locator(".rail nav a").all()) {
		const title = await link.innerText();
		await link.click();
		await page.locator("main h1", { hasText: title }).waitFor();
		// Set when the page is shown, a moment after its heading stands.
		await page.waitForFunction((wanted) => document.title === wanted, `${title} · meshkern`);
		equal(await link.getAttribute("aria-current"), "page", title);
	}
	for (const [key, title] of [["p", "Packets"], ["n", "Nodes"], ["o", "Observers"], ["c", "Channels"], ["w", "Now"]]) {
		await sequence(page, "g", key);
		await page.locator("main h1", { hasText: title }).waitFor();
	}
	await page.goBack();
	await page.locator("main h1", { hasText: "Channels" }).waitFor();
	equal(page.problems, []);
	await page.context().close();
});

test("Now says that data flows, shows pinned nodes and what comes in", async () => {
	const pin = repeaters[0];
	const page = await open(`${d.base}/?pins=${pin.public_key}`);
	await page.locator(".flow", { hasText: "Data is flowing" }).waitFor();
	await page.locator(".mine", { hasText: pin.name }).waitFor();
	await page.locator(".live-rows li").first().waitFor();
	await page.getByText("Changed in 24 hours").waitFor();
	await page.getByRole("button", { name: `Unpin ${pin.name}` }).click();
	await page.getByText("Pin a node in the").waitFor();
	equal(page.problems, []);
	await page.context().close();
});

test("a new alert is told by the browser if that is wanted, and one that was there is not", async () => {
	const page = await open(null);
	await page.context().grantPermissions(["notifications"]);
	await page.addInitScript(() => {
		window.told = [];
		window.Notification = class {
			static permission = "granted";
			static requestPermission = async () => "granted";
			constructor(_, { body }) {
				window.told.push(body);
			}
			close() {}
		};
	});
	const alerts = [{ id: "a", level: "warn", text: "an old trouble" }];
	const overview = await d.get("/api/overview");
	await page.route("**/api/overview*", (route) => route.fulfill({ json: { ...overview, alerts } }));
	await page.goto(`${d.base}/`);
	await page.locator(".alerts", { hasText: "an old trouble" }).waitFor();
	await page.getByRole("button", { name: "Notify me of new alerts" }).click();
	await eventually("the wish", () => page.evaluate(() => localStorage.getItem("meshkern.notify") === "on"));
	// Now asks for the overview, too. On another page it is notifying alone that does: the first look
	// there has seen the old alert, so what comes then is new.
	await page.locator(".rail nav a", { hasText: "Nodes" }).click();
	await page.locator("main h1", { hasText: "Nodes" }).waitFor();
	await page.evaluate(() => {
		const ask = window.fetch;
		window.looks = 0;
		window.fetch = async (...given) => {
			const answer = await ask(...given);
			if (String(given[0]) === "/api/overview") {
				const read = answer.json.bind(answer);
				answer.json = () => read().finally(() => window.looks++);
			}
			return answer;
		};
	});
	const look = () => page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
	await look();
	await eventually("a look", () => page.evaluate(() => window.looks > 0));
	alerts.push({ id: "b", level: "bad", text: "a new trouble" });
	await eventually("a notification", async () => {
		await look();
		return (await page.evaluate(() => window.told)).length > 0;
	});
	equal(await page.evaluate(() => [...new Set(window.told)]), ["a new trouble"]);
	await page.unrouteAll({ behavior: "ignoreErrors" });
	equal(page.problems, []);
	await page.context().close();
});

test("the table of packets is filtered, also by its address, and says how many there are", async () => {
	const page = await open(`${d.base}/packets?t=all`);
	await page.locator(".grid-row").first().waitFor();
	const all = await counted(page);
	ok(all > 20, `${all} packets`);
	await page.keyboard.press("/");
	await page.keyboard.type("type == ADVERT");
	await eventually("adverts only", async () => {
		const types = await page.locator(".grid-row .type").allInnerTexts();
		return (await counted(page)) < all && types.length > 0 && types.every((t) => t === "Advert");
	});
	equal(new URL(page.url()).searchParams.get("q"), "type == ADVERT");
	await page.reload();
	await page.locator(".grid-row").first().waitFor();
	equal(await page.locator("[data-filter]").inputValue(), "type == ADVERT");
	await page.locator("[data-filter]").fill("type == ");
	await page.getByText("a value for type is missing").waitFor();
	await page.locator("[data-filter]").fill("nonsense == 1");
	await page.getByText("there is no field “nonsense”").waitFor();
	equal(page.problems, []);
	await page.context().close();
});

test("new packets come by themselves; while one looks at older ones they wait", async () => {
	const page = await open(`${d.base}/packets?t=all`);
	await page.locator(".grid-row").first().waitFor();
	const before = await counted(page);
	await eventually("new packets", async () => (await counted(page)) > before);
	await page.locator(".grid").evaluate((g) => g.scrollTo({ top: 28 * 12 }));
	const waiting = page.locator("p.count button");
	await waiting.waitFor();
	const first = await page.locator(".grid-row").first().elementHandle(), then = await waiting.innerText();
	await eventually("more of them", async () => (await waiting.innerText()) !== then);
	ok(await page.evaluate((row) => row === document.querySelector(".grid-row"), first), "the row stays");
	await waiting.click();
	await eventually("the top", () => page.locator(".grid").evaluate((g) => g.scrollTop === 0));
	await waiting.waitFor({ state: "detached" });
	await page.keyboard.press("Space");
	await page.getByText("paused").waitFor();
	equal(page.problems, []);
	await page.context().close();
});

test("a packet is opened, walked through and closed by keys, and has an address", async () => {
	const page = await open(`${d.base}/packets?t=all&q=hops%3E0`);
	await page.locator(".grid-row").first().waitFor();
	await focusGrid(page);
	await page.keyboard.press("j");
	await page.keyboard.press("j");
	await page.keyboard.press("Enter");
	await page.locator(".drawer .arrivals li").first().waitFor();
	const address = page.url();
	ok(/\/packets\/[0-9a-f]{16}\?/.test(address), address);
	await page.locator(".drawer .hex").waitFor();
	await page.locator(".drawer .path li").first().waitFor();
	await page.keyboard.press("]");
	await eventually("the next packet", () => page.url() !== address);
	await page.keyboard.press("Escape");
	await page.locator(".drawer").waitFor({ state: "detached" });
	await page.goto(address);
	await page.locator(".drawer .arrivals li").first().waitFor();
	equal(page.problems, []);
	await page.context().close();
});

test("a packet in hex is decoded", async () => {
	const page = await open(`${d.base}/packets/decode`);
	await page.locator("textarea").fill("15 03 11 22 33 A5 B6 C7 D8");
	await page.getByText("One digit is missing").waitFor({ state: "detached" });
	await page.locator(".card", { hasText: "GRP_TXT" }).first().waitFor();
	await eventually("its bytes", async () => (await page.locator(".bytes tbody tr").count()) === 6);
	await page.locator("textarea").fill("zz");
	await page.getByText("not all hex digits").waitFor();
	equal(page.problems, []);
	await page.context().close();
});

test("nodes are filtered by chips, opened with their tabs and compared", async () => {
	const page = await open(`${d.base}/nodes`);
	await page.locator(".grid-row").first().waitFor();
	await page.locator(".chip", { hasText: "repeater" }).click();
	await eventually("repeaters only", async () => (await counted(page)) === nodes.filter((n) => n.role === "repeater").length || (await page.locator(".grid-row").allInnerTexts()).every((t) => t.includes("repeater")));
	await page.goto(`${d.base}/nodes/${repeaters[0].public_key.slice(0, 12)}`);
	await page.locator(".drawer h2", { hasText: repeaters[0].name }).waitFor();
	for (const tab of ["Links", "Paths", "Packets", "History", "Overview"]) {
		await page.locator(".drawer .tabs a", { hasText: tab }).click();
		await page.locator(".drawer .tabs a[aria-current]", { hasText: tab }).waitFor();
		await page.locator(".drawer .skeleton").first().waitFor({ state: "detached" });
		equal(await page.locator(".drawer .notice.bad").count(), 0, tab);
	}
	await page.goto(`${d.base}/nodes/compare?keys=${repeaters.slice(0, 2).map((n) => n.public_key).join(".")}`);
	await page.locator("th a", { hasText: repeaters[1].name }).waitFor();
	equal(page.problems, []);
	await page.context().close();
});

test("observers are listed with a state, opened and compared", async () => {
	const page = await open(`${d.base}/observers`);
	await page.locator(".grid-row .badge").first().waitFor();
	// More of them may be heard of meanwhile.
	const observers = await eventually("all observers", async () => {
		const all = (await d.get("/api/observers")).observers;
		return all.length > 1 && (await counted(page)) === all.length && all;
	});
	for (const tab of ["", "/radio", "/hears", "/packets"]) {
		await page.goto(`${d.base}/observers/${observers[0].id}${tab}`);
		await page.locator(".drawer h2", { hasText: observers[0].name }).waitFor();
		await page.locator(".drawer .skeleton").first().waitFor({ state: "detached" });
		equal(await page.locator(".drawer .notice.bad").count(), 0, tab);
	}
	await page.goto(`${d.base}/observers/compare?ids=${observers[0].id}~${observers[1].id}&hours=1`);
	await page.getByText("different packets").waitFor();
	for (const ids of ["", observers[0].id, `${observers[0].id}~nobody`, `${observers[0].id}~${observers[0].id}`])
		equal((await fetch(`${d.base}/api/web/compare?ids=${ids}`)).status, 400, ids);
	equal(page.problems, []);
	await page.context().close();
});

test("channels have messages, which can be searched", async () => {
	await eventually("a message", async () => (await d.get("/api/channels")).channels.some((c) => c.name === "Public" && c.messageCount > 0), 2 * SECONDS);
	const page = await open(`${d.base}/channels`);
	await page.locator(".chat-list a", { hasText: "Public" }).click();
	await page.locator(".message").first().waitFor();
	await page.locator("[data-filter]").fill("no such words at all");
	await page.getByText("has “no such words at all”").waitFor();
	equal(page.problems, []);
	await page.context().close();
});

test("search finds a node by its name and goes there", async () => {
	const page = await open(`${d.base}/`);
	await page.locator("h1").waitFor();
	await page.keyboard.press("Control+k");
	await page.locator("dialog [role=combobox]").fill(repeaters[1].name);
	// Its name alone: "packets with" these words are offered before the nodes are known.
	await page.locator("#choices li:first-child").getByText(repeaters[1].name, { exact: true }).waitFor();
	await page.keyboard.press("Enter");
	await page.locator(".drawer h2", { hasText: repeaters[1].name }).waitFor();
	await page.keyboard.press("?");
	await page.locator("dialog", { hasText: "go to Packets" }).waitFor();
	await page.keyboard.press("Escape");
	await page.locator("dialog").waitFor({ state: "detached" });
	equal(page.problems, []);
	await page.context().close();
});

test("addresses of CoreScope's pages lead to ours, unknown ones say so", async () => {
	const page = await open(`${d.base}/#/nodes/${repeaters[0].public_key}`);
	await page.locator(".drawer h2", { hasText: repeaters[0].name }).waitFor();
	ok(page.url().startsWith(`${d.base}/nodes/`), page.url());
	await page.goto(`${d.base}/#/map?lat=50.5&lon=4.25&zoom=9`);
	await eventually("the same place", () => new URL(page.url()).searchParams.get("c")?.startsWith("50.5,4.25,9"));
	await page.goto(`${d.base}/#/packets?filter=${encodeURIComponent("type == ADVERT")}`);
	await eventually("the same filter", () => new URL(page.url()).searchParams.get("q") === "type == ADVERT");
	await page.goto(`${d.base}/nowhere`);
	await page.getByText("There is no page at this address").waitFor();
	await page.goto(`${d.base}/packets/0000000000000000`);
	await page.getByText("No packet with the hash").waitFor();
	await page.goto(`${d.base}/nodes/00ff00ff00ff00ff`);
	await page.getByText("No node has a key that begins so").waitFor();
	equal(page.problems, []);
	await page.context().close();
});

test("on a phone rows have two lines, details cover the list, and nothing scrolls sideways", async () => {
	const page = await open(`${d.base}/nodes`, PHONE);
	await page.locator(".grid.narrow .grid-row").first().tap();
	await page.locator(".drawer").waitFor();
	await eventually("a page that does not scroll sideways", () => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
	await page.getByRole("button", { name: "Close the details" }).tap();
	await page.locator(".bar button", { hasText: "More" }).tap();
	await page.locator(".bar-more a", { hasText: "Observers" }).tap();
	await page.locator("main h1", { hasText: "Observers" }).waitFor();
	equal(page.problems, []);
	await page.context().close();
});

await finish();
