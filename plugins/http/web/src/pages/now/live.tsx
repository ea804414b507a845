// SPDX-License-Identifier: MIT
import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { listen } from "../../lib/events";
import { clock, plural, seconds } from "../../lib/format";
import { nodeName, nodes, observerName, observers, useSet } from "../../lib/store";
import { now } from "../../lib/time";
import { Type } from "../packets/type";

export interface Row {
	hash: string;
	type?: number | null;
	from_name?: string | null;
	from?: string | null;
	hops?: number | null;
	at?: number | string | null;
	observer_name?: string | null;
	observer?: string | null;
	channel?: string | null;
	heard?: number;
}

interface Item {
	hash?: string;
	type?: number;
	at?: number;
	from?: string;
	path?: string[];
	observer?: string;
	name?: string;
	channel?: string;
}

const MAX = 6;

/** The newest packets, a row each; heard again only counts. */
export function LiveRows({ first }: { first: Row[] }) {
	const rows = useSignal<Row[]>([]);
	useSet(nodes, 5000);
	useSet(observers, 5000);
	useEffect(() => {
		let waiting: Item[] = [];
		const draw = () => {
			const next = [...rows.peek()];
			for (const i of waiting) {
				const known = next.find((r) => r.hash === i.hash);
				if (known) {
					known.heard = (known.heard ?? 1) + 1;
					known.hops = Math.max(known.hops ?? 0, i.path?.length ?? 0);
				} else if (i.hash) {
					next.unshift({
						hash: i.hash, type: i.type ?? 255, at: (i.at ?? 0) / 1e6, from: i.from ?? null, hops: i.path?.length ?? 0, heard: 1,
						observer: i.observer ?? null, observer_name: i.name ?? null, channel: i.channel ?? null,
					});
				}
			}
			waiting = [];
			rows.value = next.slice(0, MAX).map((r) => ({ ...r }));
		};
		const stop = listen<{ items?: Item[] }>("packet/stored", {
			message: (m) => {
				if (waiting.length === 0) setTimeout(draw, 700);
				waiting.push(...(m.body.items ?? []));
			},
		});
		return stop;
	}, []);
	const all = [...rows.value, ...first.filter((f) => !rows.value.some((r) => r.hash === f.hash))].slice(0, MAX);
	const who = (r: Row): string => r.from_name ?? (r.from ? nodeName(r.from) : r.channel && !r.channel.startsWith("enc_") ? r.channel : "");
	return (
		<section class="card" aria-label="The newest packets">
			<div class="card-head"><h2>Newest packets</h2><a href="/packets">All</a></div>
			{all.length === 0 && <p class="dim">None has come since this page was opened.</p>}
			<ul class="live-rows">
				{all.map((r) => (
					<li key={r.hash}>
						<a href={`/packets/${r.hash}?t=all`}>
							<time>{clock(seconds(r.at ?? null), now.peek())}</time>
							<Type type={r.type ?? 255} />
							<span class="ellipsis grow">{who(r)}</span>
							<span class="dim ellipsis">{`${r.hops ? plural(r.hops, "hop") : "direct"} · ${r.observer_name ?? observerName(r.observer ?? "")}${(r.heard ?? 1) > 1 ? ` ×${r.heard}` : ""}`}</span>
						</a>
					</li>
				))}
			</ul>
		</section>
	);
}
