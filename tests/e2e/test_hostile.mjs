// SPDX-License-Identifier: MIT
//
// Names of nodes, observers and channels, codes of regions and messages that want to be programs: on
// every page that shows them they are text. They are put into the database as somebody else's program
// may have put them there, because the daemon's own ways in refuse some of them.
import { spawnSync } from "node:child_process";
import { equal, eventually, finish, open, start, test, visit } from "./harness.mjs";

const NODE = "ab".repeat(32), OTHER = "cd".repeat(32), OBSERVER = "AB".repeat(32), HASH = "a1".repeat(8);
const evil = (mark) => `<img src=/pwned onerror="window.pwned=1"><script>window.pwned=1</script>${mark}`;
const KINDS = {
	node: evil("a node"), observer: evil("an observer"), sender: evil("a sender"), text: evil("a text"),
	channel: '#<img src=pwned onerror="window.pwned=1">', // in an address it is one segment
	region: "<IMG SRC=/PWN>", // as long as a code may be
};

const FILL = `
import json, sqlite3, sys, time
kind, node, other, observer, hash = json.load(sys.stdin)
db = sqlite3.connect(sys.argv[1])
now, ago = (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - s)) for s in (30, 4000))
for key, name, lat in ((node, kind["node"], 50.8), (other, kind["node"] + "2", 50.9)):
    db.execute("INSERT INTO nodes (public_key, name, role, lat, lon, last_seen, first_seen, default_scope)"
               " VALUES (?, ?, 'repeater', ?, 4.3, ?, ?, ?)", (key, name, lat, now, ago, kind["region"]))
for id in (observer, "E" * 64):
    db.execute("INSERT INTO observers (id, name, iata, model, firmware, radio, last_seen, first_seen, packet_count)"
               " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 9)",
               (id, kind["observer"], kind["region"], kind["text"], kind["text"], kind["text"], now, ago))
chat = json.dumps({"type": "CHAN", "channel": kind["channel"], "text": kind["sender"] + ": " + kind["text"], "sender": kind["sender"]})
advert = json.dumps({"type": "ADVERT", "pubKey": node, "name": kind["node"], "flags": {"repeater": True}})
for raw, h, type, decoded, channel in (("1500C35A3E" + "00" * 16, hash, 5, chat, kind["channel"]),
                                       ("1100" + node + "00" * 70, "b2" * 8, 4, advert, None)):
    tx = db.execute("INSERT INTO transmissions (raw_hex, hash, first_seen, last_seen, route_type, payload_type, decoded_json,"
                    " channel_hash, scope_name, from_pubkey) VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?)",
                    (raw, h, now, now, type, decoded, channel, kind["region"], node if type == 4 else None)).lastrowid
    for i in (1, 2):
        db.execute("INSERT INTO observations (transmission_id, observer_idx, direction, snr, path_json, timestamp)"
                   " VALUES (?, ?, 'rx', 5, ?, ?)", (tx, i, json.dumps(["AB", "CD"][:i]), int(time.time()) - 30))
db.commit()
`;

const d = await start({ sim: null, plugins: { backfill: {} } });
await eventually("database", async () => (await fetch(`${d.base}/api/healthz`)).ok);
await d.stop();
const filled = spawnSync("python3", ["-c", FILL, `${d.dir}/data/meshkern.db`], { input: JSON.stringify([KINDS, NODE, OTHER, OBSERVER, HASH]), encoding: "utf8" });
equal(filled.status, 0, filled.stderr);
await d.run();
await eventually("all of it", async () => (await d.get("/api/healthz")).warm && (await d.get("/api/packets?limit=9")).total === 2);

// What each page shows of them.
const PAGES = {
	"/": ["node", "observer"],
	[`/?pins=${NODE}`]: ["node", "observer"],
	"/packets?t=all": ["node", "region", "channel"],
	[`/packets/${HASH}?t=all`]: ["node", "observer", "region", "channel", "text", "sender"],
	"/nodes": ["node"],
	[`/nodes/${NODE}`]: ["node", "observer"],
	[`/nodes/${NODE}/history`]: ["node"],
	[`/nodes/${NODE}/packets`]: ["node"],
	[`/nodes/${NODE}/paths`]: ["node"],
	[`/nodes/${NODE}/heard`]: ["node", "observer"],
	"/observers": ["observer", "region"],
	[`/observers/${OBSERVER}`]: ["observer"],
	[`/observers/compare?ids=${OBSERVER}~${"E".repeat(64)}`]: ["observer"],
	"/channels": ["channel", "text", "sender"],
	[`/channels/${encodeURIComponent(KINDS.channel)}`]: ["channel", "text", "sender"],
	[`/map?n=${NODE}`]: ["node"],
	"/map": [],
	"/network/neighbors": [],
	"/network/multibyte": ["node"],
	"/network/routes": ["node"],
	"/network/scopes": ["region"],
};

/** Texts and what is said instead of them, without regard to case. */
const shown = (page) => page.evaluate(() => [document.body.innerText,
	...[...document.querySelectorAll("[title],[aria-label],option,svg text")].flatMap((e) => [e.title, e.ariaLabel, e.textContent]),
	...[...document.querySelectorAll("input")].map((e) => e.value)].join(" ").toLowerCase());

async function inert(page, what) {
	equal(await page.evaluate(() => window.pwned ?? null), null, `${what}: something was run`);
	equal(await page.locator("img[src*=pw i], script:text('pwned')").count(), 0, `${what}: markup`);
	equal(page.problems, [], what);
}

test("what wants to be a program is text on every page that shows it", async () => {
	const page = await open();
	page.on("request", (r) => r.resourceType() === "image" && /pwn/i.test(r.url()) && page.problems.push(r.url()));
	await page.goto(d.base);
	for (const [address, kinds] of Object.entries(PAGES)) {
		await visit(page, "/system"); // which has nothing of it, so that what is seen then is of the next page
		await eventually("a page without them", async () => !/pwn/.test(await shown(page)));
		await visit(page, address);
		await page.locator("main h1").waitFor();
		for (const kind of kinds) await eventually(`${kind} on ${address}`, async () => (await shown(page)).includes(KINDS[kind].toLowerCase()));
		await inert(page, address);
	}
	await page.context().close();
});

test("so it is in what is searched, and in messages of the bus", async () => {
	const post = () => d.post("/api/packets", {
		hex: `1500C35A3E${Math.random().toString(16).slice(2, 10).padEnd(8, "0")}${"00".repeat(12)}`, observer: KINDS.region, region: KINDS.region,
	});
	await post();
	const page = await open(`${d.base}/system/bus`);
	await page.locator("td button", { hasText: "packet/stored" }).click();
	await eventually("a message", async () => (await post()) && page.locator(".bus-message").first().isVisible());
	await page.locator(".bus-message").first().click();
	await page.locator(".bus-body pre", { hasText: KINDS.region }).waitFor();
	await page.keyboard.press("Control+k");
	await page.locator("dialog [role=combobox]").fill("<img");
	await page.locator("#choices li", { hasText: KINDS.node }).first().waitFor();
	await inert(page, "search");
	await page.context().close();
});

await finish();
