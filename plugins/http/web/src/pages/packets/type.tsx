// SPDX-License-Identifier: MIT
import { TYPES, typeWord } from "../../lib/palette";

/** The type of a packet by colour and word. */
export function Type({ type }: { type: number }) {
	return <span class={`type type-${TYPES[type]?.[1] ?? "other"}`}><span>{typeWord(type)}</span></span>;
}
