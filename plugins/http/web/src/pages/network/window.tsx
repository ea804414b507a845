// SPDX-License-Identifier: MIT
//
// The windows that the daemon's analytics know, as the choice of time of a view.
import { param, setQuery } from "../../lib/router";

const ALL: [id: string, words: string][] = [
	["1h", "last hour"], ["24h", "last 24 hours"], ["3d", "last 3 days"], ["7d", "last 7 days"], ["30d", "last 30 days"], ["all", "everything"],
];

export function windowOf(otherwise: string, allowed?: string[]): string {
	const t = param("t");
	return ALL.some(([id]) => id === t) && (!allowed || allowed.includes(t)) ? t : otherwise;
}

export function WindowChoice({ value, otherwise, allowed }: { value: string; otherwise: string; allowed?: string[] }) {
	return (
		<select data-time aria-label="Time" value={value} onChange={(e) => setQuery({ t: e.currentTarget.value === otherwise ? null : e.currentTarget.value })}>
			{ALL.filter(([id]) => !allowed || allowed.includes(id)).map(([id, words]) => <option key={id} value={id}>{words}</option>)}
		</select>
	);
}

/** A scrolling column of cards under a row of tools. */
export const asQuery = (window: string): string => (window === "all" ? "" : `?window=${window}`);
