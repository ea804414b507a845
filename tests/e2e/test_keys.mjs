// SPDX-License-Identifier: MIT
//
// Without a mouse, and with larger text: every destination is reached and worked with by keys alone,
// one always sees where one is, what opens closes again, and nothing is lost at 200 %.
import { equal, eventually, finish, ok, open, sequence, start, test, visit } from "./harness.mjs";

const d = await start();
await d.alive();
const { nodes } = await d.get("/api/nodes?limit=200");
const [repeater] = nodes.filter((n) => n.role === "repeater" && n.name);

const focused = (page) => page.evaluate(() => {
	const e = document.activeElement;
	return e.getAttribute("aria-label") || e.textContent.trim().slice(0, 60) || e.tagName;
});
const isIn = (page, selector) => page.evaluate((s) => document.activeElement.closest(s) !== null, selector);

/** What has the focus is seen to have it: an outline, or a mark of its own. */
const isMarked = (page) => page.evaluate(() => {
	const e = document.activeElement, style = getComputedStyle(e);
	const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
	return outlined || e.matches("h1, main, .commands-field input") || e === document.body;
});

test("all destinations are reached by Tab and Enter, and each stop can be seen", async () => {
	const page = await open(`${d.base}/`);
	await page.locator("h1").waitFor();
	await page.keyboard.press("Tab");
	equal(await focused(page), "To the content", "the first stop leads past the navigation");
	const reached = [];
	for (let i = 0; i < 20 && reached.length < 8; i++) {
		await page.keyboard.press("Tab");
		ok(await isMarked(page), `one sees that ${await focused(page)} has the focus`);
		if (await isIn(page, ".rail nav")) reached.push(await focused(page));
	}
	equal(reached, ["Now", "Map", "Packets", "Nodes", "Observers", "Channels", "Network", "System"]);
	await page.keyboard.press("Enter");
	await page.locator("main h1", { hasText: "System" }).waitFor();
	await eventually("focus on the heading", () => isIn(page, "main h1"));
	equal(page.problems, []);
	await page.context().close();
});

test("on every page what can be clicked can be reached, and nothing holds the focus", async () => {
	const page = await open(`${d.base}/`);
	for (const address of ["/", "/map", "/packets?t=all", "/nodes", "/observers", "/channels", "/network", "/system"]) {
		await visit(page, address);
		await page.locator("main .skeleton").first().waitFor({ state: "detached" });
		await page.locator("main h1").first().waitFor({ state: "attached" });
		await page.evaluate(() => document.querySelector("main").focus());
		let stops = 0, left = false;
		for (; stops < 70 && !left; stops++) {
			await page.keyboard.press("Tab");
			left = !(await isIn(page, "main"));
			if (!left && stops < 12) ok(await isMarked(page), `${address}: one sees that ${await focused(page)} has the focus`);
		}
		ok(stops > 2, `${address} has ${stops} stops`);
	}
	equal(page.problems, []);
	await page.context().close();
});

for (const [address, sub] of [["/packets?t=all", ".arrivals, .facts"], ["/nodes", ".tabs"], ["/observers", ".tabs"]]) {
	test(`rows of ${address} are walked through, opened, asked what can be done with them, and closed`, async () => {
		const page = await open(d.base + address);
		await page.locator(".grid-row").nth(4).waitFor();
		await page.keyboard.press("/");
		await eventually("the filter", () => isIn(page, ".filter"));
		await page.keyboard.press("Escape");
		await page.locator(".grid").focus();
		for (const key of ["j", "ArrowDown", "k"]) await page.keyboard.press(key);
		await page.locator(".grid-row.active").waitFor();
		await page.keyboard.press(".");
		const menu = page.locator("dialog.row-menu");
		await menu.locator("button").nth(1).waitFor();
		await eventually("the first choice", () => isIn(page, "dialog.row-menu li:first-child"));
		await page.keyboard.press("ArrowDown");
		await eventually("the second choice", () => isIn(page, "dialog.row-menu li:nth-child(2)"));
		await page.keyboard.press("Escape");
		await menu.waitFor({ state: "detached" });
		await eventually("focus in the list again", () => isIn(page, ".grid"));
		await page.keyboard.press("Enter");
		await page.locator(".drawer").locator(sub).first().waitFor();
		// Closed from within, the focus is in the list again.
		await page.getByRole("button", { name: "Close the details" }).focus();
		await page.keyboard.press("Escape");
		await page.locator(".drawer").waitFor({ state: "detached" });
		await eventually("focus in the list again", () => isIn(page, ".grid"));
		equal(page.problems, []);
		await page.context().close();
	});
}

test("the sheet of keys names those of the page, and Escape closes the innermost thing first", async () => {
	const page = await open(`${d.base}/nodes/${repeater.public_key}`);
	await page.locator(".drawer h2", { hasText: repeater.name }).waitFor();
	await page.keyboard.press("?");
	const sheet = page.locator("dialog", { hasText: "what to do with the row" });
	await sheet.waitFor();
	await page.keyboard.press("Escape");
	await sheet.waitFor({ state: "detached" });
	await page.locator(".drawer h2").waitFor();
	await page.getByRole("button", { name: "Columns" }).or(page.getByTitle("Columns")).first().click();
	await page.locator(".menu-panel").waitFor();
	await page.keyboard.press("Escape");
	await page.locator(".menu-panel").waitFor({ state: "detached" });
	await page.locator(".drawer h2").waitFor();
	await page.keyboard.press("Escape");
	await page.locator(".drawer").waitFor({ state: "detached" });
	equal(page.problems, []);
	await page.context().close();
});

/** Keys that come one after the other before the next frame is painted. */
const atOnce = (page, keys) => page.evaluate(async (all) => {
	for (const key of all) {
		document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
		for (let i = 0; i < 20; i++) await null;
	}
	for (let i = 0; i < 3; i++) await new Promise((r) => requestAnimationFrame(() => setTimeout(r)));
}, keys);

// Several keys can come before the next frame is painted: of a quick hand, or because the machine is slow.
test("each key is for what is there when it comes, and not for what the last frame showed", async () => {
	const page = await open(`${d.base}/nodes/${repeater.public_key}`);
	await page.locator(".drawer h2", { hasText: repeater.name }).waitFor();
	/** What is open after each step; between steps the page gets no turn, so nothing is painted. */
	const after = await page.evaluate(async () => {
		const all = { drawer: ".drawer", menu: ".menu-panel", search: "dialog.commands[open]", "in it": "dialog.commands :focus" };
		const open = async () => {
			for (let i = 0; i < 20; i++) await null;
			return Object.keys(all).filter((name) => document.querySelector(all[name])).join();
		};
		const press = (key, rest = {}) => {
			document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...rest }));
			return open();
		};
		const columns = document.querySelector("[title=Columns]");
		columns.focus();
		columns.click();
		return [await open(), await press("Escape"), await press("Escape"), await press("k", { ctrlKey: true })];
	});
	equal(after, ["drawer,menu", "drawer", "", "search,in it"]);
	await page.keyboard.press("Escape");
	await page.locator("dialog").waitFor({ state: "detached" });
	// The heading of a page that has been gone to does not take the focus from what the next key led to.
	await sequence(page, "g", "p");
	await page.locator("main h1", { hasText: "Packets" }).waitFor();
	await atOnce(page, ["g", "n", "/"]);
	equal(await focused(page), "Filter nodes");
	equal(page.problems, []);
	await page.context().close();
});

test("the map is worked with by keys: nodes in turn, the table, the history, and back", async () => {
	const page = await open(`${d.base}/map`);
	await eventually("a mesh", () => page.evaluate("document.querySelector('.mesh-above')?.mesh?.stats.frames > 0 && document.querySelector('.mesh-above').mesh.data?.shown > 5"));
	await page.locator(".mesh-above").focus();
	ok(await isMarked(page), "the map shows that it has the focus");
	await page.keyboard.press("]");
	await page.locator(".drawer h2").waitFor();
	const first = await page.locator(".drawer h2").innerText();
	await page.keyboard.press("]");
	await eventually("the next node", async () => (await page.locator(".drawer h2").innerText()) !== first);
	await page.keyboard.press("Escape");
	await page.locator(".drawer").waitFor({ state: "detached" });
	await page.keyboard.press("v");
	await page.locator(".map-table .grid-row").first().waitFor();
	await page.keyboard.press("v");
	// There and back again so fast that no frame shows it: it is still a map that lives.
	await atOnce(page, ["v", "v", "t"]);
	await eventually("a mesh again", () => page.evaluate("document.querySelector('.mesh-above')?.mesh?.stats.frames > 0"));
	await page.locator(".scrub").focus();
	await page.keyboard.press("ArrowLeft");
	await page.locator(".timeline strong", { hasText: "Replay" }).waitFor();
	equal(page.problems, []);
	await page.context().close();
});

/** What the page has no room for. */
const tight = (page) => page.evaluate(() => {
	const over = document.documentElement.scrollWidth - innerWidth;
	// What a scrolling box cuts off can be scrolled to; anything else that sticks out cannot.
	const lost = [...document.querySelectorAll("main button, main a, main input, main select")].filter((e) => {
		const r = e.getBoundingClientRect();
		if (r.width === 0 || r.left >= -1 && r.right <= innerWidth + 1) return false;
		for (let p = e.parentElement; p; p = p.parentElement) if (/auto|scroll/.test(getComputedStyle(p).overflowX)) return false;
		return true;
	});
	return [...(over > 0 ? [`${over} px of its width`] : []), ...lost.map((e) => e.getAttribute("aria-label") || e.textContent.slice(0, 40))];
});

// 200 % of a window 1280 wide, and text twice as large as it was made.
test("at 200 % nothing is lost: no page scrolls sideways, and all of it can be reached", async () => {
	const page = await open(`${d.base}/`, { viewport: { width: 640, height: 512 }, deviceScaleFactor: 2 });
	const wrong = [];
	for (const zoomed of [false, true]) {
		if (zoomed) await page.evaluate(() => document.documentElement.style.setProperty("font-size", "28px"));
		for (const address of ["/", "/map", "/packets?t=all", "/nodes", `/nodes/${repeater.public_key}`, "/observers", "/channels/Public", "/network/neighbors", "/network/prefixes", "/system/plugins", "/system/bus"]) {
			await visit(page, address);
			await page.locator("main .skeleton").first().waitFor({ state: "detached" });
			await page.locator("main h1").first().waitFor({ state: "attached" });
			await eventually("room for all", async () => (equal(await tight(page), []), true), 5).catch((e) => wrong.push(`${address}: ${e.message}`));
		}
	}
	if (wrong.length > 0) throw new Error(wrong.join("\n"));
	equal(page.problems, []);
	await page.context().close();
});

test("where motion is not wanted nothing moves by itself", async () => {
	const page = await open(`${d.base}/map?m=graph`);
	await eventually("a mesh", () => page.evaluate("(({ data, mode } = {}) => data?.shown > 5 && mode === 'graph')(document.querySelector('.mesh-above')?.mesh)"));
	const moving = () => page.evaluate(() => document.getAnimations().filter((a) => a.playState === "running").length);
	equal(await moving(), 0, "animations of style sheets");
	await page.keyboard.press("m");
	await eventually("the other arrangement, at once", () => page.evaluate("(({ mode, morphFrom }) => mode === 'geo' && morphFrom < 0)(document.querySelector('.mesh-above').mesh)"));
	equal(page.problems, []);
	await page.context().close();
});

await finish();
