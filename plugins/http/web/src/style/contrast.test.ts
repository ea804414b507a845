// SPDX-License-Identifier: MIT
//
// Text can be read on its ground in both themes: 4.5 to 1, and 3 to 1 for shapes (WCAG 2.2 AA).
import assert from "node:assert/strict";
import test from "node:test";
import css from "./tokens.css";

function tokens(selector: string): Map<string, string> {
	const block = (css as unknown as string).split(selector)[1]!.split("}")[0]!;
	return new Map([...block.matchAll(/(--[a-z0-9-]+):\s*(#[0-9a-f]{3,8})/gi)].map((m) => [m[1]!, m[2]!]));
}

function luminance(hex: string): number {
	const full = hex.length === 4 ? [...hex.slice(1)].map((c) => c + c).join("") : hex.slice(1);
	const [r, g, b] = [0, 2, 4].map((i) => {
		const c = parseInt(full.slice(i, i + 2), 16) / 255;
		return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
	}) as [number, number, number];
	return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a: string, b: string): number {
	const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p) as [number, number];
	return (x + 0.05) / (y + 0.05);
}

const light = tokens(":root {");
const themes = { light, dark: new Map([...light, ...tokens(':root[data-theme="dark"] {')]) };
const grounds = ["--bg", "--surface", "--raised", "--sunken", "--select"];

for (const [name, t] of Object.entries(themes)) {
	const need = (text: string, ground: string, least: number) => {
		const c = contrast(t.get(text)!, t.get(ground)!);
		assert.ok(c >= least, `${text} on ${ground}: ${c.toFixed(2)}`);
	};
	test(`${name}: text can be read on every ground`, () => {
		for (const g of grounds) for (const x of ["--text", "--dim"]) need(x, g, 4.5);
		for (const g of grounds.slice(0, 4)) need("--accent", g, 4.5);
		need("--on-accent", "--accent", 4.5);
		for (const k of ["good", "warn", "bad", "info"]) {
			need(`--${k}`, `--${k}-bg`, 4.5);
			for (const g of ["--bg", "--surface"]) need(`--${k}`, g, 4.5);
		}
		need("--text", "--hit", 4.5);
	});
	test(`${name}: shapes, lines of charts and borders of fields stand out`, () => {
		for (const x of [...t.keys()].filter((k) => /^--(role|type|series)-/.test(k) || k === "--line-strong"))
			for (const g of ["--surface", "--bg"]) need(x, g, 3);
	});
}
