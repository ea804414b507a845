// SPDX-License-Identifier: MIT
//
// What the shape of the mesh says: who is how far, which nodes and links it hangs on, ways from one
// to another. Nodes are numbers; links are given by their ends and a count of packets.

export class Graph {
	readonly count: number;
	/** Neighbors of n are at `first[n]` to `first[n + 1]` of `to`, and the links to them of `by`. */
	readonly first: Uint32Array;
	readonly to: Uint32Array;
	readonly by: Uint32Array;

	constructor(
		count: number,
		readonly a: Uint32Array,
		readonly b: Uint32Array,
		use: (link: number) => boolean = () => true,
	) {
		this.count = count;
		this.first = new Uint32Array(count + 1);
		const used: number[] = [];
		for (let i = 0; i < a.length; i++) {
			if (a[i]! >= count || b[i]! >= count || a[i] === b[i] || !use(i)) continue;
			used.push(i);
			this.first[a[i]! + 1]!++;
			this.first[b[i]! + 1]!++;
		}
		for (let i = 0; i < count; i++) this.first[i + 1]! += this.first[i]!;
		this.to = new Uint32Array(2 * used.length);
		this.by = new Uint32Array(2 * used.length);
		const at = this.first.slice();
		for (const i of used) {
			this.to[at[a[i]!]!] = b[i]!;
			this.by[at[a[i]!]!++] = i;
			this.to[at[b[i]!]!] = a[i]!;
			this.by[at[b[i]!]!++] = i;
		}
	}

	degree(n: number): number {
		return this.first[n + 1]! - this.first[n]!;
	}

	/** Hops from the nearest of `from` to each node; 255: not within `most`. */
	distances(from: readonly number[], most = 254): Uint8Array {
		const out = new Uint8Array(this.count).fill(255);
		let edge = from.filter((n) => n < this.count);
		for (const n of edge) out[n] = 0;
		for (let d = 1; d <= most && edge.length > 0; d++) {
			const next: number[] = [];
			for (const n of edge)
				for (let i = this.first[n]!; i < this.first[n + 1]!; i++) {
					const m = this.to[i]!;
					if (out[m] !== 255) continue;
					out[m] = d;
					next.push(m);
				}
			edge = next;
		}
		return out;
	}

	/** The largest k for which a node is in a part of the mesh where all have k neighbors or more. */
	cores(): Uint16Array {
		const core = new Uint16Array(this.count);
		const degree = Uint32Array.from({ length: this.count }, (_, n) => this.degree(n));
		const buckets: number[][] = [];
		degree.forEach((d, n) => (buckets[d] ??= []).push(n));
		const done = new Uint8Array(this.count);
		let k = 0;
		for (let d = 0; d < buckets.length; d++) {
			for (let n = buckets[d]?.pop(); n !== undefined; n = buckets[d]?.pop()) {
				if (done[n] || degree[n]! !== d) continue;
				done[n] = 1;
				k = Math.max(k, d);
				core[n] = k;
				for (let i = this.first[n]!; i < this.first[n + 1]!; i++) {
					const m = this.to[i]!;
					if (done[m] || degree[m]! <= d) continue;
					degree[m]!--;
					(buckets[degree[m]!] ??= []).push(m);
				}
			}
		}
		return core;
	}

	/**
	 * Nodes and links whose loss splits the mesh, with how many nodes are cut off from the larger
	 * rest (Tarjan; without recursion, for long chains).
	 */
	weakPoints(): { nodes: Map<number, number>; links: Map<number, number> } {
		const nodes = new Map<number, number>(), links = new Map<number, number>();
		const seen = new Uint32Array(this.count), low = new Uint32Array(this.count);
		const size = new Uint32Array(this.count), cutOff = new Uint32Array(this.count);
		const at = this.first.slice(), parentLink = new Int32Array(this.count).fill(-1);
		let time = 0;
		for (let root = 0; root < this.count; root++) {
			if (seen[root] || this.degree(root) === 0) continue;
			const members: number[] = [], children: [parent: number, child: number][] = [];
			const stack = [root];
			seen[root] = low[root] = ++time;
			size[root] = 1;
			while (stack.length > 0) {
				const n = stack[stack.length - 1]!;
				if (at[n]! < this.first[n + 1]!) {
					const m = this.to[at[n]!]!, link = this.by[at[n]!]!;
					at[n]!++;
					if (link === parentLink[n]) continue;
					if (seen[m]) {
						low[n] = Math.min(low[n]!, seen[m]!);
						continue;
					}
					parentLink[m] = link;
					seen[m] = low[m] = ++time;
					size[m] = 1;
					stack.push(m);
					continue;
				}
				stack.pop();
				members.push(n);
				const p = stack[stack.length - 1];
				if (p === undefined) continue;
				low[p] = Math.min(low[p]!, low[n]!);
				size[p]! += size[n]!;
				children.push([p, n]);
			}
			this.judge(root, members.length, children, { seen, low, size, cutOff, parentLink, nodes, links });
		}
		return { nodes, links };
	}

	private judge(
		root: number, total: number, children: [number, number][],
		w: {
			seen: Uint32Array; low: Uint32Array; size: Uint32Array; cutOff: Uint32Array; parentLink: Int32Array;
			nodes: Map<number, number>; links: Map<number, number>;
		},
	): void {
		const rootChildren = children.filter(([p]) => p === root).length;
		const largest = new Map<number, number>();
		for (const [p, n] of children) {
			if (w.low[n]! > w.seen[p]!) w.links.set(w.parentLink[n]!, Math.min(w.size[n]!, total - w.size[n]!));
			if (p === root ? rootChildren < 2 : w.low[n]! < w.seen[p]!) continue;
			w.cutOff[p]! += w.size[n]!;
			largest.set(p, Math.max(largest.get(p) ?? 0, w.size[n]!));
		}
		for (const [p, size] of largest) {
			const rest = total - 1 - w.cutOff[p]!; // the side of the parent
			w.nodes.set(p, total - 1 - Math.max(size, rest));
		}
	}

	/** The number of its part for each node, the largest part being 0. */
	parts(): { part: Int32Array; sizes: number[] } {
		const found = new Int32Array(this.count).fill(-1);
		const sizes: number[] = [];
		for (let root = 0; root < this.count; root++) {
			if (found[root] !== -1 || this.degree(root) === 0) continue;
			const stack = [root];
			let size = 0;
			found[root] = sizes.length;
			while (stack.length > 0) {
				const n = stack.pop()!;
				size++;
				for (let i = this.first[n]!; i < this.first[n + 1]!; i++) {
					if (found[this.to[i]!] !== -1) continue;
					found[this.to[i]!] = sizes.length;
					stack.push(this.to[i]!);
				}
			}
			sizes.push(size);
		}
		const rank = sizes.map((_, i) => i).sort((x, y) => sizes[y]! - sizes[x]!);
		const place = rank.reduce<number[]>((out, old, now) => ((out[old] = now), out), []);
		return { part: found.map((p) => (p < 0 ? -1 : place[p]!)), sizes: rank.map((i) => sizes[i]!) };
	}

	/** The cheapest way, both ends included; null: there is none. */
	path(from: number, to: number, cost: (link: number) => number): number[] | null {
		const best = new Float64Array(this.count).fill(Infinity);
		const before = new Int32Array(this.count).fill(-1);
		const heap: [number, number][] = [[0, from]];
		best[from] = 0;
		while (heap.length > 0) {
			const [d, n] = heapPop(heap);
			if (n === to) break;
			if (d > best[n]!) continue;
			for (let i = this.first[n]!; i < this.first[n + 1]!; i++) {
				const m = this.to[i]!, sum = d + cost(this.by[i]!);
				if (sum >= best[m]!) continue;
				best[m] = sum;
				before[m] = n;
				heapPush(heap, [sum, m]);
			}
		}
		if (best[to] === Infinity) return null;
		const path = [to];
		while (path[0] !== from) path.unshift(before[path[0]!]!);
		return path;
	}
}

function heapPush(heap: [number, number][], item: [number, number]): void {
	let i = heap.push(item) - 1;
	while (i > 0) {
		const up = (i - 1) >> 1;
		if (heap[up]![0] <= item[0]) break;
		heap[i] = heap[up]!;
		i = up;
	}
	heap[i] = item;
}

function heapPop(heap: [number, number][]): [number, number] {
	const top = heap[0]!, last = heap.pop()!;
	if (heap.length === 0) return top;
	let i = 0;
	for (;;) {
		let down = 2 * i + 1;
		if (down >= heap.length) break;
		if (down + 1 < heap.length && heap[down + 1]![0] < heap[down]![0]) down++;
		if (heap[down]![0] >= last[0]) break;
		heap[i] = heap[down]!;
		i = down;
	}
	heap[i] = last;
	return top;
}
