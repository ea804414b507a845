// SPDX-License-Identifier: MIT
//
// The force layout, away from the page's thread. Positions go out many times while it settles, so
// that something is seen at once.
import {
	forceCollide, forceLink, forceManyBody, forceSimulation, forceX, forceY, type Simulation, type SimulationNodeDatum,
} from "d3-force";

/** Ends of links are numbers of nodes; positions are x, y, x, y, … */
export interface LayoutRequest {
	run: number;
	positions: Float32Array;
	ends: Uint32Array;
	strength: Float32Array;
	/** So warm it begins: 1 for a new graph, less for a changed one. */
	alpha: number;
}
export interface LayoutAnswer {
	run: number;
	positions: Float32Array;
	done: boolean;
}

const TICK_MS = 40;
let simulation: Simulation<SimulationNodeDatum, undefined> | null = null;
let timer: ReturnType<typeof setTimeout> | undefined;

function tell(run: number, nodes: SimulationNodeDatum[], done: boolean): void {
	const positions = new Float32Array(nodes.length * 2);
	nodes.forEach((n, i) => {
		positions[2 * i] = n.x ?? 0;
		positions[2 * i + 1] = n.y ?? 0;
	});
	const answer: LayoutAnswer = { run, positions, done };
	postMessage(answer, { transfer: [positions.buffer] });
}

onmessage = (e: MessageEvent<LayoutRequest>) => {
	const { run, positions, ends, strength, alpha } = e.data;
	clearTimeout(timer);
	simulation?.stop();
	const nodes: SimulationNodeDatum[] = [];
	for (let i = 0; i < positions.length / 2; i++)
		nodes.push({ index: i, x: positions[2 * i]!, y: positions[2 * i + 1]! });
	const links = Array.from({ length: ends.length / 2 }, (_, i) => ({
		source: ends[2 * i]!, target: ends[2 * i + 1]!, strength: strength[i]!,
	}));
	const made = forceSimulation(nodes)
		.force("link", forceLink(links).distance((l) => 26 + 40 * (1 - l.strength)).strength((l) => 0.04 + 0.3 * l.strength))
		.force("charge", forceManyBody().strength(-42).distanceMax(420).theta(1.1))
		.force("collide", forceCollide(7))
		.force("x", forceX(0).strength(0.035))
		.force("y", forceY(0).strength(0.045))
		.alpha(alpha).alphaMin(0.012).alphaDecay(0.022).stop();
	simulation = made;
	const step = (): void => {
		const until = performance.now() + TICK_MS;
		do made.tick();
		while (made.alpha() > made.alphaMin() && performance.now() < until);
		const done = made.alpha() <= made.alphaMin();
		tell(run, nodes, done);
		if (!done) timer = setTimeout(step, 8);
	};
	step();
};
