// SPDX-License-Identifier: MIT
//
// The mesh in small, with what passes through it now.
import { useEffect, useRef } from "preact/hooks";
import { signal, useSignal, type Signal } from "@preact/signals";
import type { FunctionComponent } from "preact";
import type { Mesh } from "../../mesh/engine";

const module_ = signal<FunctionComponent | null>(null);

/** The engine is a chunk of its own: the rest of the page does not wait for it. */
export function Thumb() {
	useEffect(() => {
		if (module_.value === null) import("./thumb_mesh").then((m) => (module_.value = m.default), () => {});
	}, []);
	const View = module_.value;
	return (
		<section class="card thumb" aria-label="The mesh now">
			<div class="card-head"><h2>Mesh</h2><a href="/map">Map</a></div>
			<div class="thumb-box">{View && <View />}</div>
		</section>
	);
}

/** Calls `make` with the engine when it is there, and what it returns when it goes. */
export function useEngine(make: (mesh: Mesh) => () => void): Signal<Mesh | null> {
	const engine = useSignal<Mesh | null>(null);
	const stop = useRef<(() => void) | null>(null);
	useEffect(() => {
		if (engine.value) stop.current = make(engine.value);
		return () => stop.current?.();
	}, [engine.value]);
	return engine;
}
