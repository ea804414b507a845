// SPDX-License-Identifier: MIT
//
// How nodes and observers are, in words. Of an observer it is told from its own usual interval.
import { duration } from "./format";
import type { Kind } from "../ui/state";

export interface Health {
	kind: Kind;
	word: string;
	/** Why, in a sentence. */
	why: string;
	/** For sorting: the worse, the smaller. */
	rank: number;
}

const HOUR = 3600;

export function nodeHealth(role: string | null, last: number, at: number): Health {
	const relays = role === "repeater" || role === "room";
	const [active, quiet] = relays ? [24 * HOUR, 72 * HOUR] : [HOUR, 24 * HOUR];
	const age = at - last;
	if (!last) return { kind: "off", word: "unknown", why: "It has not been heard.", rank: 0 };
	const heard = `Heard ${duration(Math.max(0, age))} ago`;
	if (age < active) return { kind: "good", word: "active", why: `${heard}.`, rank: 3 };
	if (age < quiet) return { kind: "warn", word: "quiet", why: `${heard}; ${relays ? "repeaters and rooms" : "nodes of its kind"} are active if heard within ${duration(active)}.`, rank: 2 };
	return { kind: "off", word: "silent", why: `${heard}, longer than ${duration(quiet)}.`, rank: 1 };
}

/** `interval`: usual seconds between its packets, NaN if that is not known. */
export function observerHealth(last: number, interval: number, at: number): Health {
	if (!last) return { kind: "off", word: "unknown", why: "It has never reported.", rank: 0 };
	const age = Math.max(0, at - last);
	const usual = Number.isNaN(interval) ? null : Math.max(interval, 1);
	const late = Math.max(120, (usual ?? 60) * 10), dead = Math.max(900, (usual ?? 360) * 60);
	const why = `Last reported ${duration(age)} ago${usual === null ? "; how often it usually does is not known yet" : `, usually every ${duration(usual)}`}.`;
	if (age <= late) return { kind: "good", word: "reporting", why, rank: 3 };
	if (age <= dead) return { kind: "warn", word: "late", why, rank: 2 };
	return { kind: "bad", word: "silent", why, rank: 1 };
}
