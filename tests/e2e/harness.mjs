// SPDX-License-Identifier: MIT
//
// What the tests of the pages have in common: a daemon with a living mesh, a browser, waiting, and
// counting. Waiting is for something to be so, never for time.
import { spawn } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import net from "node:net";
import os from "node:os";
import path from "node:path";

const require = createRequire(path.join(process.env.MK_PACKAGES, "package.json"));
const { chromium } = require("playwright-core");
export const axeSource = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

export const KEY = "0123456789abcdef-key";
const BUILD = process.env.MK_BINARY_DIR;
/** How long something may take to become so. Nobody waits that long unless it never does. */
export const SECONDS = 40;
/** When a test that is still under way tells where it is: ctest ends it soon after, and nothing would be told. */
const TELL_AFTER = 285 - Number(process.env.MK_WAITED ?? 0);

/** The first true result of `look`. */
export async function eventually(what, look, seconds = SECONDS) {
	const deadline = Date.now() + seconds * 1000;
	let failed = null;
	for (;;) {
		try {
			failed = null;
			const found = await look();
			if (found) return found;
		} catch (e) {
			failed = e;
		}
		if (Date.now() > deadline) throw new Error(`no ${what} within ${seconds} s${failed ? `: ${failed.message}` : ""}`);
		await new Promise((r) => setTimeout(r, 50));
	}
}

async function freePort() {
	const server = net.createServer().listen(0, "127.0.0.1");
	await new Promise((r) => server.once("listening", r));
	const { port } = server.address();
	await new Promise((r) => server.close(r));
	return port;
}

/** A meshkernd with sim in a folder of its own, on a port that it keeps over restarts. */
export class Daemon {
	static async start({ sim = {}, http = {}, plugins = {}, database = null } = {}) {
		const d = new Daemon();
		d.dir = fs.mkdtempSync(path.join(os.tmpdir(), "mk-e2e-"));
		d.port = await freePort();
		d.base = `http://127.0.0.1:${d.port}`;
		d.log = "";
		fs.mkdirSync(path.join(d.dir, "data"));
		if (database) fs.copyFileSync(database, path.join(d.dir, "data/meshkern.db"));
		const config = {
			meshkern: 1,
			plugins: {
				...(sim ? { sim: { isolation: "process", config: { nodes: 40, observers: 8, seed: 1, rate: 200, ...sim } } } : {}),
				decode: { config: { hash_channels: ["#test", "#bot", "#chat"] } },
				storage: {}, neighbors: {}, mbcap: {},
				http: {
					config: {
						listen: [`127.0.0.1:${d.port}`], api_key: KEY, budget: { per_second: 100000, burst: 100000 },
						limits: { connections: 512, per_address: 512 }, ...http,
					},
				},
				...(fs.existsSync(`${BUILD}/plugins/analytics.so`) ? { analytics: {} } : {}),
				...plugins,
			},
		};
		fs.writeFileSync(path.join(d.dir, "meshkern.yaml"), JSON.stringify(config), { mode: 0o600 });
		await d.run();
		return d;
	}

	async run() {
		this.process = spawn(`${BUILD}/bin/meshkernd`, ["-c", "meshkern.yaml"], { cwd: this.dir, stdio: ["ignore", "ignore", "pipe"] });
		this.process.stderr.on("data", (text) => (this.log += text));
		await eventually("answer of the daemon", async () => (await fetch(`${this.base}/api/routes`)).ok);
	}

	/** SIGTERM, or SIGKILL, and the end of it. */
	async stop(signal = "SIGTERM") {
		const p = this.process;
		if (!p || p.exitCode !== null || p.signalCode !== null) return;
		const ended = new Promise((r) => p.once("exit", r));
		p.kill(signal);
		const timer = setTimeout(() => p.kill("SIGKILL"), SECONDS * 1000);
		await ended;
		clearTimeout(timer);
	}

	async close() {
		await this.stop("SIGKILL");
		fs.rmSync(this.dir, { recursive: true, force: true });
	}

	async get(address) {
		const answer = await fetch(this.base + address);
		if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
		return answer.json();
	}

	async post(address, body) {
		const answer = await fetch(this.base + address, {
			method: "POST", headers: { "X-API-Key": KEY, ...(body ? { "Content-Type": "application/json" } : {}) }, ...(body ? { body: JSON.stringify(body) } : {}),
		});
		if (!answer.ok) throw new Error(`${address}: ${answer.status} ${await answer.text()}`);
		return answer.json();
	}

	/** The mesh has so many nodes and packets. */
	async alive(nodes = 20, packets = 60) {
		await eventually("living mesh", async () => {
			const [n, p] = await Promise.all([this.get("/api/nodes?limit=1"), this.get("/api/packets?limit=1")]);
			return n.total >= nodes && p.total >= packets;
		}, 2 * SECONDS);
	}
}

let browser = null;
const daemons = [];
const pages = new Set();
// A test that ends early leaves nothing behind but what the daemons have said.
process.on("exit", (code) => daemons.forEach((d) => {
	d.process?.kill("SIGKILL");
	if (code !== 0) console.log(d.log.split("\n").slice(-40).join("\n"));
}));

export async function start(options) {
	const d = await Daemon.start(options);
	daemons.push(d);
	return d;
}

export const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };
export const DESKTOP = { viewport: { width: 1440, height: 900 } };

/** A page in a context of its own; `page.problems` collects what it complains about. */
export async function open(address, options = {}) {
	browser ??= await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
	const context = await browser.newContext({ ...DESKTOP, colorScheme: "light", reducedMotion: "reduce", ...options });
	context.setDefaultTimeout(SECONDS * 1000);
	const page = await context.newPage();
	// MK_SLOW=8: as on a processor that is so many times slower.
	if (process.env.MK_SLOW) await (await context.newCDPSession(page)).send("Emulation.setCPUThrottlingRate", { rate: Number(process.env.MK_SLOW) });
	pages.add(page);
	page.on("close", () => pages.delete(page));
	page.problems = [];
	page.lines = [];
	const note = (line) => {
		page.lines.push(`${new Date().toISOString().slice(11, 23)} ${line.slice(0, 300)}`);
		if (page.lines.length > 25) page.lines.shift();
	};
	page.on("framenavigated", (f) => f === page.mainFrame() && note(`address ${f.url()}`));
	page.on("requestfailed", (r) => note(`request ${r.url()}: ${r.failure()?.errorText}`));
	page.on("response", (r) => r.status() >= 400 && note(`answer ${r.status()} ${r.url()}`));
	page.on("console", (m) => note(`console ${m.type()}: ${m.text()}`));
	page.on("crash", () => page.problems.push("the page crashed"));
	page.on("pageerror", (e) => page.problems.push(String(e.stack ?? e)));
	page.on("console", (m) => {
		// What the network says is the page's business, and no fault of its program.
		if (m.type() === "error" && !/Failed to load resource|WebSocket connection/.test(m.text())) page.problems.push(m.text());
	});
	if (address) await page.goto(address);
	return page;
}

/** What a log has to say about a page at which a test failed. */
async function tell(page) {
	const look = page.evaluate(() => {
		const brief = (e) => e?.outerHTML.replace(/\s+/g, " ").slice(0, 160);
		const text = (selector) => [...document.querySelectorAll(selector)].map((e) => e.innerText.replace(/\s+/g, " ").slice(0, 160)).join(" | ");
		return {
			focus: brief(document.activeElement), connection: text(".connection"), open: text("dialog[open], .drawer h2, .menu-panel"),
			waiting: document.querySelectorAll(".skeleton").length, notices: text(".notice, .offline"), main: text("main").slice(0, 600),
		};
	}).catch((e) => ({ "does not answer": e.message }));
	let timer = 0;
	const late = new Promise((r) => (timer = setTimeout(r, 5000, { "does not answer": "for 5 s" })));
	const seen = await Promise.race([look, late]);
	clearTimeout(timer);
	console.log([`the page is at ${page.url()}`, ...Object.entries(seen).map(([k, v]) => `  ${k}: ${v}`),
		...page.problems.map((p) => `  problem: ${p}`), ...page.lines.map((l) => `  ${l}`)].join("\n"));
}

/** Keys one after the other, as a hand does it: without waiting for what the page makes of each. */
export const sequence = (page, ...keys) => Promise.all(keys.map((key) => page.keyboard.press(key)));

/** Violations that axe finds, in words; serious and critical ones only. */
export async function axe(page, options = {}) {
	if (!(await page.evaluate("typeof axe === 'object'"))) await page.evaluate(axeSource);
	const { violations } = await page.evaluate((o) => axe.run(document, { resultTypes: ["violations"], preload: false, ...o }), options);
	return violations.filter((v) => ["serious", "critical"].includes(v.impact))
		.map((v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(" | ")}`);
}

/** Another address without loading the program again. */
export async function visit(page, address) {
	await page.evaluate((to) => {
		history.pushState(null, "", to);
		dispatchEvent(new PopStateEvent("popstate"));
	}, address);
}

const tests = [];
export const test = (name, run) => tests.push([name, run]);

export function equal(a, b, what = "") {
	if (JSON.stringify(a) !== JSON.stringify(b)) throw new Error(`${what}: ${JSON.stringify(a)}, not ${JSON.stringify(b)}`);
}
export function ok(is, what) {
	if (!is) throw new Error(`not so: ${what}`);
}

/** Runs the tests one after the other and ends the process. */
export async function finish() {
	let failed = 0, present = "";
	if (/^test_/.test(path.basename(process.argv[1])) && !process.env.MK_DATABASE) {
		setTimeout(async () => {
			console.log(`FAILED ${present}\nunder way ${Math.round(process.uptime())} s after the start, load ${os.loadavg().join(" ")}`);
			for (const page of pages) await tell(page);
			process.exit(1);
		}, (TELL_AFTER - process.uptime()) * 1000);
	}
	for (const [name, run] of tests) {
		const begun = Date.now(), others = new Set(pages);
		present = name;
		try {
			await run();
			console.log(`ok ${name} (${Date.now() - begun} ms)`);
		} catch (e) {
			failed++;
			console.log(`FAILED ${name} (${Date.now() - begun} ms, load ${os.loadavg().join(" ")})\n${e.stack ?? e}`);
			for (const page of [...pages].filter((p) => !others.has(p))) {
				await tell(page);
				await page.context().close().catch(() => {});
			}
		}
	}
	await browser?.close();
	for (const d of daemons) await d.close();
	console.log(`${tests.length - failed} passed, ${failed} failed, 0 skipped`);
	process.exit(failed > 0 ? 1 : 0);
}
