// SPDX-License-Identifier: MIT
//
// What can be said of a node in a row of the set.
import type { ComponentChildren } from "preact";
import type { Fields } from "../../lib/filter";
import { count, fixed, percent, shortKey } from "../../lib/format";
import { GONE, nodeHealth, nodeState } from "../../lib/health";
import { isPinned, togglePin } from "../../lib/pins";
import { role } from "../../lib/palette";
import type { Table } from "../../lib/sets";
import { now } from "../../lib/time";
import { RoleIcon } from "../../ui/icons";
import { Button } from "../../ui/page";
import { Ago, Badge } from "../../ui/state";
import type { ColumnDef } from "../../ui/table";

export const nameOf = (t: Table, r: number): string => t.text("name", r) || shortKey(t.hex("key", r));
const isGone = (t: Table, r: number): boolean => t.has("active") && t.num("active", r) === 0;
export const healthOf = (t: Table, r: number) => isGone(t, r) ? GONE : nodeHealth(t.text("role", r), t.num("last", r), now.peek());

export const stateOf = (t: Table, r: number) => isGone(t, r) ? GONE : nodeState(t.text("role", r), t.num("last", r), now.peek());

const CAPABILITY = ["unknown", "suspected", "confirmed"];
export const capability = (t: Table, r: number): string => CAPABILITY[t.num("capability", r)] ?? "unknown";

/** Sizes that were seen: bits to "1, 2". */
const sizes = (bits: number): string => [1, 2, 3].filter((n) => bits & (1 << n)).join(", ");

export const ROLE_WORDS = ["repeater", "companion", "room", "sensor"];
const known = (v: number): number | null => (Number.isNaN(v) ? null : v);
const relays = (t: Table, r: number): boolean => t.text("role", r) === "repeater" || t.text("role", r) === "room";
const dash = <span class="dim">–</span>;

export const fields = (t: Table): Fields => ({
	name: { help: "any part of the name", column: "name" },
	key: { help: "beginning of the key: key starts_with 3f", text: (r) => t.hex("key", r) },
	prefix: { help: "first byte of the key, hex", text: (r) => t.hex("key", r).slice(0, 2) },
	role: { help: ROLE_WORDS.join(", "), column: "role" },
	state: { help: "active, quiet, silent, gone", text: (r) => stateOf(t, r).word },
	age: { help: "since it was last heard: 15m, 2h", number: (r) => now.peek() - t.num("last", r), duration: true },
	known: { help: "since it was first heard", number: (r) => now.peek() - t.num("first", r), duration: true },
	adverts: { help: "how many were heard", number: (r) => t.num("adverts", r) },
	hash_size: { help: "bytes of a hop in its packets", number: (r) => t.num("hash_size", r) },
	multibyte: { help: "confirmed, suspected, unknown", text: (r) => capability(t, r) },
	battery: { help: "volts", number: (r) => t.num("battery", r) / 1000 },
	relays: { help: "packets relayed in 24 hours", number: (r) => t.num("relays_24h", r) },
	neighbors: { help: "how many are known", number: (r) => t.num("neighbors", r) },
	scope: { help: "its default scope", column: "scope" },
	foreign: { help: "1: from outside of the area", number: (r) => t.num("foreign", r) },
	position: { help: "1: it tells where it is", number: (r) => (Number.isNaN(t.num("lat", r)) ? 0 : 1) },
	pinned: { help: "1: one of my nodes", number: (r) => (isPinned(t.hex("key", r)) ? 1 : 0) },
});

export function PinButton({ keyText, name }: { keyText: string; name: string }) {
	const on = isPinned(keyText);
	return <Button icon="pin" label={on ? `Unpin ${name}` : `Pin ${name} to Now`} pressed={on} onClick={() => togglePin(keyText)} />;
}

export function Capability({ t, row }: { t: Table; row: number }): ComponentChildren {
	const word = capability(t, row);
	const evidence = t.text("evidence", row);
	const kind = word === "confirmed" ? "good" : word === "suspected" ? "info" : "off";
	return <Badge kind={kind} title={evidence ? `Evidence: ${evidence === "advert" ? "its own adverts" : "as a hop in a path"}` : "No evidence"}>{word}</Badge>;
}

export function State({ t, row }: { t: Table; row: number }): ComponentChildren {
	const h = healthOf(t, row);
	return <Badge kind={h.kind} title={h.why}>{h.word}</Badge>;
}

export const columns = (t: Table): ColumnDef[] => [
	{ id: "name", title: "Name", width: "minmax(170px, 2fr)", value: (r) => nameOf(t, r), cell: (r) => <><RoleIcon role={role(t.text("role", r))} /><a href={`/nodes/${t.hex("key", r)}`} class={isPinned(t.hex("key", r)) ? "pinned" : ""}>{nameOf(t, r)}</a></> },
	{ id: "key", title: "Key", width: "130px", mono: true, value: (r) => t.hex("key", r), cell: (r) => shortKey(t.hex("key", r)) },
	{ id: "role", title: "Role", width: "96px", value: (r) => t.text("role", r), cell: (r) => t.text("role", r) ?? dash },
	{ id: "state", title: "State", width: "92px", help: "By when it was last heard", value: (r) => stateOf(t, r).rank, cell: (r) => <State t={t} row={r} /> },
	{ id: "last", title: "Last heard", width: "98px", right: true, value: (r) => t.num("last", r), cell: (r) => <Ago at={t.num("last", r)} /> },
	{ id: "first", title: "First heard", width: "98px", right: true, value: (r) => t.num("first", r), cell: (r) => <Ago at={t.num("first", r)} /> },
	{ id: "adverts", title: "Adverts", width: "76px", right: true, value: (r) => t.num("adverts", r), cell: (r) => count(t.num("adverts", r)) },
	{ id: "relays", title: "Relays 24 h", width: "98px", right: true, help: "Packets it passed on in 24 hours", value: (r) => (relays(t, r) ? t.num("relays_24h", r) : null), cell: (r) => (relays(t, r) ? count(t.num("relays_24h", r)) : dash) },
	{ id: "relays_1h", title: "Relays 1 h", width: "90px", right: true, value: (r) => (relays(t, r) ? t.num("relays_1h", r) : null), cell: (r) => (relays(t, r) ? count(t.num("relays_1h", r)) : dash) },
	{ id: "last_relayed", title: "Last relay", width: "98px", right: true, value: (r) => t.num("last_relayed", r) || null, cell: (r) => <Ago at={t.num("last_relayed", r)} /> },
	{ id: "neighbors", title: "Neighbors", width: "88px", right: true, value: (r) => t.num("neighbors", r), cell: (r) => t.num("neighbors", r) || dash },
	{ id: "multibyte", title: "Multi-byte", width: "116px", help: "Does it forward paths with longer hops?", value: (r) => t.num("capability", r), cell: (r) => <Capability t={t} row={r} /> },
	{ id: "hash_size", title: "Hop B", width: "64px", right: true, help: "Bytes of a hop in its newest advert", value: (r) => t.num("hash_size", r) || null, cell: (r) => t.num("hash_size", r) || dash },
	{ id: "sizes", title: "Sizes seen", width: "86px", value: (r) => sizes(t.num("sizes", r)), cell: (r) => sizes(t.num("sizes", r)) || dash },
	{ id: "battery", title: "Battery", width: "76px", right: true, value: (r) => t.num("battery", r) || null, cell: (r) => (t.num("battery", r) ? `${(t.num("battery", r) / 1000).toFixed(2)} V` : dash) },
	{ id: "usefulness", title: "Useful", width: "70px", right: true, help: "Bridge, coverage, redundancy and traffic together, 0 to 1", value: (r) => known(t.num("usefulness", r)), cell: (r) => fixed(t.num("usefulness", r), 2) },
	{ id: "bridge", title: "Bridge", width: "70px", right: true, help: "How much of the mesh is connected by it, 0 to 1", value: (r) => known(t.num("bridge", r)), cell: (r) => fixed(t.num("bridge", r), 2) },
	{ id: "traffic", title: "Traffic", width: "74px", right: true, help: "Share of packets that pass it", value: (r) => known(t.num("traffic", r)), cell: (r) => percent(known(t.num("traffic", r)), 1) },
	{ id: "scope", title: "Scope", width: "100px", value: (r) => t.text("scope", r), cell: (r) => t.text("scope", r) ?? dash },
	{ id: "position", title: "Position", width: "150px", mono: true, value: (r) => known(t.num("lat", r)), cell: (r) => (Number.isNaN(t.num("lat", r)) ? dash : `${t.num("lat", r).toFixed(4)}, ${t.num("lon", r).toFixed(4)}`) },
];

export const SHOWN = ["name", "key", "role", "state", "last", "adverts", "relays", "neighbors", "multibyte", "battery"];
