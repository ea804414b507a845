// SPDX-License-Identifier: MIT
//
// The pages without a browser: types, unit tests, and that nothing of a page is made from HTML text.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";

const packages = process.env.MK_PACKAGES;
let passed = 0, failed = 0;

function count(ok, what, output = "") {
	if (ok) passed++;
	else failed++;
	console.log(`${ok ? "ok" : "FAILED"} ${what}${ok ? "" : `\n${output}`}`);
}

const types = spawnSync(process.execPath, ["node_modules/typescript/bin/tsc", "--noEmit"], { cwd: packages, encoding: "utf8" });
count(types.status === 0, "types", types.stdout + types.stderr);

const FORBIDDEN = /innerHTML|outerHTML|insertAdjacentHTML|document\.write|dangerouslySetInnerHTML|\beval\(|new Function\(|https?:\/\/(?!www\.w3\.org)/;
for (const entry of fs.readdirSync(path.join(packages, "src"), { recursive: true }).filter((f) => /\.(tsx?|css)$/.test(f) && !/\.test\./.test(f))) {
	const bad = fs.readFileSync(path.join(packages, "src", entry), "utf8").split("\n").findIndex((line) => FORBIDDEN.test(line));
	if (bad >= 0) count(false, `src/${entry}:${bad + 1} is made from text, or names another host`);
}
count(true, "nothing is made from HTML text");

const unit = spawnSync(process.execPath, ["build.mjs", "--test", "--out", path.join(packages, "unit", "out")], { cwd: packages, encoding: "utf8" });
const number = (what) => Number(new RegExp(`^# ${what} (\\d+)`, "m").exec(unit.stdout)?.[1] ?? 0);
passed += number("pass");
failed += number("fail") + number("cancelled");
if (unit.status !== 0 || number("pass") === 0) console.log(unit.stdout.slice(-6000), unit.stderr.slice(-3000));
if (number("pass") === 0) failed++;

console.log(`${passed} passed, ${failed} failed, 0 skipped`);
process.exit(failed > 0 ? 1 : 0);
