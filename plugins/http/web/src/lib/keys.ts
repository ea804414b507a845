// SPDX-License-Identifier: MIT
//
// Keys. Whoever is mounted last is asked first, so Escape closes the innermost thing. Sequences
// ("g n") have a second to be completed; nothing is taken from fields into which text is typed.
import { useLayoutEffect, useRef } from "preact/hooks";

export interface KeyHelp {
	keys: string;
	words: string;
}

type Handler = (e: KeyboardEvent) => boolean | void;
interface Layer {
	keys: Record<string, Handler>;
	help: KeyHelp[];
}

const layers: Layer[] = [];
let begun = "";
let begunAt = 0;

const typing = (e: KeyboardEvent): boolean => {
	const t = e.target as HTMLElement;
	return t.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(t.tagName);
};

function name(e: KeyboardEvent): string {
	const mod = e.ctrlKey || e.metaKey ? "mod+" : e.altKey ? "alt+" : "";
	return mod + (e.key === " " ? "space" : e.key.length === 1 && mod ? e.key.toLowerCase() : e.key);
}

function onKey(e: KeyboardEvent): void {
	if (e.defaultPrevented || e.isComposing) return;
	const key = name(e);
	// While text is typed only what cannot be text is ours.
	if (typing(e) && !key.startsWith("mod+") && key !== "Escape") return;
	const both = begun && e.timeStamp - begunAt < 1000 ? `${begun} ${key}` : "";
	for (let i = layers.length - 1; i >= 0; i--) {
		const handler = (both && layers[i]!.keys[both]) || layers[i]!.keys[key];
		if (handler && handler(e) !== false) {
			e.preventDefault();
			begun = "";
			return;
		}
	}
	begun = key.length === 1 ? key : "";
	begunAt = e.timeStamp;
}

if (typeof document !== "undefined") document.addEventListener("keydown", onKey);

/** Keys of a component while it is mounted; a handler that returns false lets the key go on. */
export function useKeys(keys: Record<string, Handler>, help: KeyHelp[] = []): void {
	const layer = useRef<Layer>({ keys, help });
	layer.current.keys = keys;
	layer.current.help = help;
	// Together with what is shown: an effect after the next frame would leave keys that come before it to
	// what has just been opened over, or to what has just been closed.
	useLayoutEffect(() => {
		const mine = layer.current;
		layers.push(mine);
		return () => void layers.splice(layers.indexOf(mine), 1);
	}, []);
}

/** What `?` shows. */
export const keyHelp = (): KeyHelp[] => layers.flatMap((l) => l.help);
