// SPDX-License-Identifier: MIT
//
// The engine as a component: makes it, gives it the theme's colours, and lets the page have it.
import { useEffect, useRef } from "preact/hooks";
import { useSignalEffect, type Signal } from "@preact/signals";
import { paint, token } from "../lib/palette";
import { Mesh, type MeshEvents } from "./engine";
import type { MeshColors } from "./types";

export const meshColors = (): MeshColors => ({
	water: token("--water"), land: token("--land"), coast: token("--coast"), border: token("--line-strong"),
	text: token("--text"), halo: token("--surface"), select: token("--series-2"), hollow: token("--surface"),
});

export interface MeshViewProps {
	/** Where the page finds the engine once it is there. */
	engine: Signal<Mesh | null>;
	label: string;
	/** The id of a text that says which keys there are. */
	describedBy?: string;
	events: MeshEvents;
	/** Called with the new engine before it is painted. */
	begin?: (mesh: Mesh) => void;
}

const STEP = 80;

/** Keys while the canvas has the focus. */
function onKey(e: KeyboardEvent, mesh: Mesh): void {
	if (e.ctrlKey || e.metaKey || e.altKey) return;
	const step = e.shiftKey ? STEP * 3 : STEP;
	const moves: Record<string, () => void> = {
		ArrowLeft: () => mesh.panBy(step, 0), ArrowRight: () => mesh.panBy(-step, 0),
		ArrowUp: () => mesh.panBy(0, step), ArrowDown: () => mesh.panBy(0, -step),
		"+": () => mesh.zoomBy(1.5), "=": () => mesh.zoomBy(1.5), "-": () => mesh.zoomBy(1 / 1.5),
	};
	const move = moves[e.key];
	if (move === undefined) return;
	move();
	e.preventDefault();
	e.stopPropagation();
}

export function MeshView(p: MeshViewProps) {
	const host = useRef<HTMLDivElement>(null);
	const events = useRef(p.events);
	events.current = p.events;
	useEffect(() => {
		const mesh = new Mesh(host.current!, meshColors(), {
			hover: (h, x, y) => events.current.hover?.(h, x, y),
			pick: (h, add) => events.current.pick?.(h, add),
			moved: () => events.current.moved?.(),
			settled: () => events.current.settled?.(),
		});
		mesh.element.setAttribute("role", "application");
		mesh.element.addEventListener("keydown", (e) => onKey(e, mesh));
		p.begin?.(mesh);
		p.engine.value = mesh;
		return () => {
			// A view that came in its place before the next frame is there already.
			if (p.engine.peek() === mesh) p.engine.value = null;
			mesh.destroy();
		};
	}, []);
	useSignalEffect(() => {
		void paint.value;
		p.engine.value?.setColors(meshColors());
	});
	useEffect(() => {
		const canvas = p.engine.peek()?.element;
		canvas?.setAttribute("aria-label", p.label);
		if (p.describedBy) canvas?.setAttribute("aria-describedby", p.describedBy);
	});
	return <div class="mesh" ref={host} />;
}
