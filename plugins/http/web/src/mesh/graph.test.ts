// SPDX-License-Identifier: MIT
import assert from "node:assert/strict";
import test from "node:test";
import { Graph } from "./graph";

const graph = (count: number, links: [number, number][]): Graph =>
	new Graph(count, Uint32Array.from(links, (l) => l[0]), Uint32Array.from(links, (l) => l[1]));

// Two triangles joined by the link 2-3 (number 3), and a tail 5-6.
const twoTriangles = graph(8, [[0, 1], [1, 2], [2, 0], [2, 3], [3, 4], [4, 5], [5, 3], [5, 6]]);

test("distances count hops and stop where asked", () => {
	assert.deepEqual([...twoTriangles.distances([0])], [0, 1, 1, 2, 3, 3, 4, 255]);
	assert.deepEqual([...twoTriangles.distances([0], 1)], [0, 1, 1, 255, 255, 255, 255, 255]);
});

test("weak points are the nodes and links whose loss splits the mesh, with what is lost", () => {
	const { nodes, links } = twoTriangles.weakPoints();
	assert.deepEqual([...nodes].sort((a, b) => a[0] - b[0]), [[2, 2], [3, 3], [5, 1]]);
	assert.deepEqual([...links].sort((a, b) => a[0] - b[0]), [[3, 3], [7, 1]]);
});

test("weak points agree with taking nodes away one after the other", () => {
	let seed = 7;
	const dice = (n: number): number => (seed = (seed * 48271) % 2147483647) % n;
	for (let round = 0; round < 60; round++) {
		const count = 4 + dice(14);
		const links = new Map<string, [number, number]>();
		for (let i = 0; i < count + dice(count); i++) {
			const a = dice(count), b = dice(count);
			if (a !== b) links.set(`${Math.min(a, b)}-${Math.max(a, b)}`, [Math.min(a, b), Math.max(a, b)]);
		}
		const all = [...links.values()], found = graph(count, all).weakPoints();
		const partsOf = (l: [number, number][], n: number): number[] => {
			const g = graph(count, l);
			const { part, sizes } = g.parts();
			return n < 0 ? sizes : sizes.concat(Array.from(part).filter((p, i) => p < 0 && i !== n && wasLinked(i)).map(() => 1));
		};
		const wasLinked = (n: number): boolean => all.some(([a, b]) => a === n || b === n);
		for (let n = 0; n < count; n++) {
			if (!wasLinked(n)) continue;
			const before = graph(count, all).parts().sizes.length;
			const after = partsOf(all.filter(([a, b]) => a !== n && b !== n), n).length;
			assert.equal(found.nodes.has(n), after > before, `node ${n} of ${JSON.stringify(all)}`);
		}
	}
});

test("cores take leaves off first", () => {
	assert.deepEqual([...twoTriangles.cores()], [2, 2, 2, 2, 2, 2, 1, 0]);
});

test("parts are numbered by size", () => {
	const g = graph(6, [[0, 1], [2, 3], [3, 4]]);
	const { part, sizes } = g.parts();
	assert.deepEqual(sizes, [3, 2]);
	assert.deepEqual([...part], [1, 1, 0, 0, 0, -1]);
});

test("the cheapest way may have more hops, and there may be none", () => {
	const g = graph(5, [[0, 3], [0, 1], [1, 2], [2, 3]]);
	assert.deepEqual(g.path(0, 3, () => 1), [0, 3]);
	assert.deepEqual(g.path(0, 3, (l) => (l === 0 ? 10 : 1)), [0, 1, 2, 3]);
	assert.equal(g.path(0, 4, () => 1), null);
	assert.deepEqual(g.path(2, 2, () => 1), [2]);
});

test("a chain of 50,000 nodes does not exhaust the stack", () => {
	const links = Array.from({ length: 49999 }, (_, i): [number, number] => [i, i + 1]);
	assert.equal(graph(50000, links).weakPoints().nodes.size, 49998);
});
