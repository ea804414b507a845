// SPDX-License-Identifier: MIT
import { signal } from "@preact/signals";
import { keyHelp } from "../lib/keys";
import { Dialog } from "./dialog";
import { Button } from "./page";

export const keySheetOpen = signal(false);

/** All keys that work here and now. */
export function KeySheet() {
	if (!keySheetOpen.value) return null;
	const close = () => (keySheetOpen.value = false);
	const known = new Map(keyHelp().map((k) => [k.keys + k.words, k]));
	return (
		<Dialog label="Keys" onClose={close}>
			<div class="row spread"><h2>Keys</h2><Button icon="close" label="Close" onClick={close} /></div>
			<dl class="keys">
				{[...known.values()].map((k) => (
					<div key={k.keys + k.words}><dt>{k.keys.split(" ").map((key, i) => <kbd key={i}>{key}</kbd>)}</dt><dd>{k.words}</dd></div>
				))}
			</dl>
		</Dialog>
	);
}
