// SPDX-License-Identifier: MIT
import type { ComponentChildren } from "preact";
import type { Fields } from "../../lib/filter";
import { clock, count, fixed, full, plural } from "../../lib/format";
import { ROUTES, typeWord } from "../../lib/palette";
import { go, setQuery } from "../../lib/router";
import type { Table } from "../../lib/sets";
import { pathOf, pathsChanged, type PacketPath } from "../../lib/paths";
import { candidates, nodeName, nodes, observerName, observers, packets, useSet } from "../../lib/store";
import { now } from "../../lib/time";
import { List, withQuery } from "../../ui/list";
import { copyText } from "../../ui/page";
import type { RowMenuOf } from "../../ui/rowmenu";
import type { ColumnDef } from "../../ui/table";
import { PacketDrawer } from "./detail";
import { Type } from "./type";

const TYPE_WORDS: Record<string, number> = {
	req: 0, response: 1, txt_msg: 2, ack: 3, advert: 4, grp_txt: 5, grp_data: 6, anon_req: 7, path: 8, trace: 9, multipart: 10,
	control: 11, raw_custom: 15,
};
const ROUTE_WORDS: Record<string, number> = { transport_flood: 0, flood: 1, direct: 2, transport_direct: 3 };

const snr = (t: Table, row: number): number => {
	const v = t.num("snr", row);
	return v === -32768 ? NaN : v / 100;
};

const region = (id: string): string => {
	const row = observers.find(id);
	return row < 0 ? "" : (observers.state.peek().table!.text("region", row) ?? "");
};

/** The last hop, which is what the observer heard: a name if only one node can be meant. */
function lastHop(t: Table, row: number): string {
	const v = t.num("last_hop", row);
	if (v === 0xffffffff || v === 0) return "";
	const width = v >>> 24;
	return (v & 0xffffff).toString(16).toUpperCase().padStart(2 * width, "0");
}

function Via({ hop }: { hop: string }): ComponentChildren {
	if (!hop) return <span class="dim">heard directly</span>;
	const found = candidates(hop);
	const name = found.length === 1 ? nodes.state.peek().table!.text("name", found[0]!) : null;
	return name
		? <span title={`Hop ${hop}, the only node that begins so`}>{name}</span>
		: <span class="mono" title={found.length > 1 ? `${found.length} nodes begin so` : "No known node begins so"}>{found.length > 1 ? `${hop} ×${found.length}` : hop}</span>;
}

/** The way in names, for a title and for files; hops that several nodes may be as hex. */
function wayText(path: PacketPath): string {
	return path.hops.map((hop, i) => hopName(hop, path.keys?.[i] ?? null).name).join(" → ");
}

function hopName(hop: string, key: string | null): { name: string; sure: boolean } {
	if (key) return { name: nodeName(key), sure: true };
	const found = candidates(hop);
	const name = found.length === 1 ? nodes.state.peek().table!.text("name", found[0]!) : null;
	return { name: name ?? hop, sure: name !== null };
}

/** All hops; what does not fit is left out in the middle, where it matters least. */
function Way({ t, row }: { t: Table; row: number }) {
	void pathsChanged.value;
	const hops = t.num("hops", row);
	if (hops === 0) return <span class="dim">heard directly</span>;
	const path = pathOf(t.num("id", row), hops);
	if (path === null || path.hops.length === 0) return <Via hop={lastHop(t, row)} />;
	const parts = path.hops.map((hop, i) => hopName(hop, path.keys?.[i] ?? null));
	const last = parts.length - 1;
	// In a narrow cell all but the ends are a number, in a wide one those in the middle of a long way.
	const kind = (i: number): string => (i === 0 || i === last ? "" : parts.length > 5 && i > 1 && i < last - 1 ? " never" : " mid");
	return (
		<span class="way" title={wayText(path)}>
			{parts.map((p, i) => [
				parts.length > 5 && i === 2 && <span key="some" class="way-hop sum mid">{`+${parts.length - 4}`}</span>,
				parts.length > 2 && i === 1 && <span key="few" class="way-hop sum few">{`+${parts.length - 2}`}</span>,
				<span key={i} class={`way-hop${p.sure ? "" : " unsure"}${kind(i)}`}><span>{p.name}</span></span>,
			])}
		</span>
	);
}

const fields = (t: Table): Fields => ({
	type: { help: "ADVERT, GRP_TXT, TXT_MSG, ACK …", number: (r) => t.num("type", r), words: TYPE_WORDS },
	route: { help: "FLOOD, DIRECT …", number: (r) => t.num("route", r), words: ROUTE_WORDS },
	hops: { help: "length of the longest path", number: (r) => t.num("hops", r) },
	hash_size: { help: "bytes of a hop", number: (r) => t.num("hop_size", r) },
	snr: { help: "best of all observations, dB", number: (r) => snr(t, r) },
	rssi: { help: "with the best SNR, dBm", number: (r) => t.num("rssi", r) },
	size: { help: "bytes", number: (r) => t.num("size", r) },
	observations: { help: "how often it was heard", number: (r) => t.num("observations", r) },
	observers: { help: "by how many", number: (r) => t.num("observers", r) },
	from: { help: "node of an advert: name or key", column: "from", also: nodeName },
	observer: { help: "of the longest path: name or id", column: "observer", also: observerName },
	region: { help: "of that observer", column: "observer", also: region },
	channel: { help: "its name, or enc_ and its byte", column: "channel" },
	scope: { help: "region that a flood is limited to", column: "scope" },
	via: { help: "last hop, hex", text: (r) => lastHop(t, r) },
	hash: { help: "16 hex digits", text: (r) => t.hex("hash", r) },
	age: { help: "since it was first seen: 15m, 2h", number: (r) => now.peek() - t.num("first", r) / 1000, duration: true },
});

const words = (q: string): string[] => ["from", "observer", "channel", "type", ...(/(^|\s)[0-9a-f]{4,16}(\s|$)/i.test(q) ? ["hash"] : [])];

function who(t: Table, row: number): ComponentChildren {
	const from = t.text("from", row), channel = t.text("channel", row);
	if (from) return <a href={`/nodes/${from}`}>{nodeName(from)}</a>;
	if (channel) return <a href={`/channels/${encodeURIComponent(channel)}`}>{channel.startsWith("enc_") ? `encrypted ${channel.slice(4)}` : channel}</a>;
	return <span class="dim">–</span>;
}

const whoText = (t: Table, row: number): string => {
	const from = t.text("from", row);
	return from ? nodeName(from) : (t.text("channel", row) ?? "");
};

const columns = (t: Table): ColumnDef[] => [
	{ id: "time", title: "Time", width: "92px", value: (r) => t.num("first", r) / 1000, cell: (r) => <time title={full(t.num("first", r) / 1000)}>{clock(t.num("first", r) / 1000, now.peek()).slice(-8)}</time> },
	{ id: "type", title: "Type", width: "128px", value: (r) => typeWord(t.num("type", r)), cell: (r) => <Type type={t.num("type", r)} /> },
	{ id: "who", title: "From / channel", width: "minmax(120px, 1fr)", help: "The node of an advert, the channel of a message", value: (r) => whoText(t, r), cell: (r) => who(t, r) },
	{ id: "path", title: "Path", width: "minmax(240px, 2.6fr)", help: "The longest way that it was heard over", cell: (r) => <Way t={t} row={r} /> },
	{ id: "via", title: "Last hop", width: "minmax(110px, 1fr)", help: "Who the observer heard it from", value: (r) => lastHop(t, r), cell: (r) => <Via hop={lastHop(t, r)} /> },
	{ id: "hops", title: "Hops", width: "58px", right: true, value: (r) => t.num("hops", r), cell: (r) => t.num("hops", r) },
	{ id: "hash_size", title: "Hop B", width: "60px", right: true, help: "Bytes of a hop in the path", value: (r) => t.num("hop_size", r), cell: (r) => t.num("hop_size", r) || <span class="dim">–</span> },
	{ id: "snr", title: "SNR dB", width: "72px", right: true, help: "The best of all observations", value: (r) => snr(t, r), cell: (r) => fixed(snr(t, r)) },
	{ id: "rssi", title: "RSSI", width: "64px", right: true, value: (r) => (t.num("rssi", r) === -32768 ? null : t.num("rssi", r)), cell: (r) => (t.num("rssi", r) === -32768 ? "–" : fixed(t.num("rssi", r), 0)) },
	{ id: "observations", title: "Heard", width: "66px", right: true, help: "Observations of this packet", value: (r) => t.num("observations", r), cell: (r) => `×${count(t.num("observations", r))}` },
	{ id: "observer", title: "Observer", width: "minmax(110px, 0.8fr)", help: "Who heard the longest path", value: (r) => observerName(t.text("observer", r) ?? ""), cell: (r) => observerName(t.text("observer", r) ?? "") },
	{ id: "region", title: "Region", width: "70px", value: (r) => region(t.text("observer", r) ?? ""), cell: (r) => region(t.text("observer", r) ?? "") },
	{ id: "scope", title: "Scope", width: "92px", value: (r) => t.text("scope", r), cell: (r) => t.text("scope", r) ?? <span class="dim">–</span> },
	{ id: "route", title: "Route", width: "118px", value: (r) => ROUTES[t.num("route", r)] ?? null, cell: (r) => ROUTES[t.num("route", r)] ?? "–" },
	{ id: "size", title: "Bytes", width: "62px", right: true, value: (r) => t.num("size", r), cell: (r) => t.num("size", r) },
	{ id: "hash", title: "Hash", width: "150px", mono: true, value: (r) => t.hex("hash", r), cell: (r) => <a href={withQuery(`/packets/${t.hex("hash", r)}`)}>{t.hex("hash", r)}</a> },
];

const SHOWN = ["time", "type", "who", "path", "hops", "hash_size", "snr", "observations", "region"];

function menuOf(t: Table, r: number): RowMenuOf {
	const hash = t.hex("hash", r), from = t.text("from", r), channel = t.text("channel", r);
	const here = withQuery(`/packets/${hash}`);
	const only = (q: string) => () => setQuery({ q }, false);
	return {
		title: `${typeWord(t.num("type", r))} ${hash}`,
		actions: [
			{ icon: "packets", words: "Open", run: () => go(here) },
			{ icon: "map", words: "Show its ways on the map", run: () => go(`/map?r=${hash}`) },
			...(from ? [{ icon: "nodes" as const, words: `Go to ${nodeName(from)}`, run: () => go(`/nodes/${from}`) }, { icon: "filter" as const, words: `Only from ${nodeName(from)}`, run: only(`from:${from}`) }] : []),
			...(channel ? [{ icon: "channels" as const, words: "Go to its channel", run: () => go(`/channels/${encodeURIComponent(channel)}`) }] : []),
			{ icon: "filter", words: `Only ${typeWord(t.num("type", r)).toLowerCase()}`, run: only(`type == ${t.num("type", r)}`) },
			{ icon: "copy", words: "Copy its hash", run: () => void copyText(hash) },
			{ icon: "link", words: "Copy its address", run: () => void copyText(location.origin + here) },
		],
	};
}

export function PacketList({ open }: { open: string | null }) {
	const state = useSet(packets, 400);
	useSet(nodes, 2000);
	useSet(observers, 2000);
	return (
		<List
			what="packets" state={state} fields={fields} words={words} columns={columns} shown={SHOWN} sort="-time" live window="24h"
			time={(t, r) => t.num("first", r) / 1000} rowKey={(t, r) => t.num("id", r)}
			placeholder="type:advert from:hill hops>3, or any word"
			isOpen={(t, r) => open !== null && t.hex("hash", r) === open}
			onOpen={(t, r) => go(withQuery(`/packets/${t.hex("hash", r)}`))}
			narrow={(t, r) => (
				<div class="two">
					<span><Type type={t.num("type", r)} /> {who(t, r)}</span><time>{clock(t.num("first", r) / 1000, now.peek()).slice(-8)}</time>
					<span>{t.num("hops", r) === 0 ? "direct" : plural(t.num("hops", r), "hop")} · {observerName(t.text("observer", r) ?? "")}</span>
					<span>{fixed(snr(t, r), 1, "dB")} ×{t.num("observations", r)}</span>
				</div>
			)}
			menu={menuOf}
			drawer={open && <PacketDrawer key={open} hash={open} />}
		/>
	);
}
