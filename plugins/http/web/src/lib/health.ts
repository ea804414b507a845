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

type Bare = Omit<Health, "why">;

const ACTIVE: Bare = { kind: "good", word: "active", rank: 3 };
const QUIET: Bare = { kind: "warn", word: "quiet", rank: 2 };
const SILENT: Bare = { kind: "off", word: "silent", rank: 1 };
/** Kept apart, because nobody has heard it for very long. */
export const GONE: Health = { kind: "off", word: "gone", why: "It has not been heard for so long that it counts as gone.", rank: 0 };
const UNKNOWN: Bare = { kind: "off", word: "unknown", rank: 0 };

const isRelay = (role: string | null): boolean => role === "repeater" || role === "room";
const limits = (role: string | null): [active: number, quiet: number] => (isRelay(role) ? [24 * HOUR, 72 * HOUR] : [HOUR, 24 * HOUR]);

/** The state without the reason, for what looks at all nodes. */
export function nodeState(role: string | null, last: number, at: number): Bare {
	const [active, quiet] = limits(role);
	return !last ? UNKNOWN : at - last < active ? ACTIVE : at - last < quiet ? QUIET : SILENT;
}

export function nodeHealth(role: string | null, last: number, at: number): Health {
	const state = nodeState(role, last, at);
	const [active, quiet] = limits(role);
	const heard = `Heard ${duration(Math.max(0, at - last))} ago`;
	const why = {
		unknown: "It has not been heard.", active: `${heard}.`, silent: `${heard}, longer than ${duration(quiet)}.`,
		quiet: `${heard}; ${isRelay(role) ? "repeaters and rooms" : "nodes of its kind"} are active if heard within ${duration(active)}.`,
	}[state.word]!;
	return { ...state, why };
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
