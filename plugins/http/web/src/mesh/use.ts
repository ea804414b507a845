// SPDX-License-Identifier: MIT
//
// The mesh of the shared sets, for a page: made anew when what is wanted changes at once, and when
// news come not more often than the eye needs.
import { useEffect, useRef } from "preact/hooks";
import { effect, useSignal, type Signal } from "@preact/signals";
import { paint, token } from "../lib/palette";
import { links, nodes, observers } from "../lib/store";
import { readMesh, type LinkLook, type Mesh2D, type MeshFilter, type NodeLook } from "./source";

const EVERY_MS = 2000;
const REFRESH_MS = 30000;

export interface Wanted {
	nodeLook: NodeLook;
	linkLook: LinkLook;
	filter: MeshFilter;
}

export function useMesh(wanted: Wanted): Signal<Mesh2D | null> {
	const mesh = useSignal<Mesh2D | null>(null);
	const latest = useRef(wanted);
	const timer = useRef(0);
	const refreshed = useRef(0);
	latest.current = wanted;
	const read = useRef(() => {
		clearTimeout(timer.current);
		timer.current = 0;
		const n = nodes.state.peek().table;
		if (n === null) return;
		const l = links.state.peek();
		if (l.table === null && l.error === null) return; // soon; a first picture without links would only flash
		mesh.value = readMesh(n, l.table, observers.state.peek().table, { now: Date.now() / 1000, token, ...latest.current });
		if (mesh.value.dangling > 0 && Date.now() - refreshed.current > REFRESH_MS) {
			refreshed.current = Date.now();
			nodes.refresh();
		}
	}).current;
	useEffect(() => {
		const release = [nodes.hold(), links.hold(), observers.hold()];
		const stop = effect(() => {
			void nodes.changes.value;
			void links.changes.value;
			void links.state.value;
			void observers.changes.value;
			if (mesh.peek() === null) queueMicrotask(read);
			else if (timer.current === 0) timer.current = window.setTimeout(read, EVERY_MS);
		});
		return () => {
			stop();
			clearTimeout(timer.current);
			for (const f of release) f();
		};
	}, []);
	const { nodeLook, linkLook, filter } = wanted;
	useEffect(read, [nodeLook, linkLook, filter.heard, [...filter.roles].join(), filter.minCount, filter.uncertain, filter.linked, filter.core, filter.within, paint.value]);
	return mesh;
}
