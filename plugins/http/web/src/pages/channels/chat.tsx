// SPDX-License-Identifier: MIT
//
// The messages of a channel, a page at a time, the newest at the bottom.
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { useApi, type Loaded } from "../../lib/api";
import { channelByte, openText } from "../../lib/crypto";
import { listen } from "../../lib/events";
import { clock, count, day, fixed, full, plural, seconds } from "../../lib/format";
import { unhex } from "../../lib/frame";
import { setQuery } from "../../lib/router";
import { FilterBox } from "../../ui/filterbox";
import { Button } from "../../ui/page";
import { Honest, Notice } from "../../ui/state";
import { myChannels } from "./keys";

interface Message {
	sender: string;
	text: string;
	/** Unix seconds: heard; by the sender's clock. */
	at: number;
	sent: number | null;
	hash: string;
	repeats: number;
	hops: number;
	snr: number | null;
}

interface Answer {
	messages: {
		sender: string; text: string; timestamp: string; first_seen?: string; sender_timestamp: number | null; packetHash: string; repeats: number;
		hops: number; snr: number | null;
	}[];
	total: number;
}

interface Packets {
	packets: { hash: string; first_seen: string; decoded_json: string | null; observation_count: number; path_json: string | null; snr: number | null }[];
	total: number;
}

const PAGE = 100;
const SEARCHED = 500;

/** Opens what is encrypted with the keys of this browser. */
function opened(packets: Packets["packets"], byte: number): Message[] {
	const keys = myChannels.value.filter((c) => channelByte(c.key) === byte);
	return packets.flatMap((p): Message[] => {
		let d: { mac?: string; encryptedData?: string; type?: string };
		try {
			d = JSON.parse(p.decoded_json ?? "{}");
		} catch {
			return [];
		}
		if (!d.mac || !d.encryptedData) return [];
		for (const k of keys) {
			const m = openText(k.key, unhex(d.mac), unhex(d.encryptedData));
			if (m) return [{ sender: m.sender, text: m.text, at: seconds(p.first_seen), sent: m.at, hash: p.hash, repeats: p.observation_count, hops: (p.path_json?.match(/"/g)?.length ?? 0) / 2, snr: p.snr }];
		}
		return [];
	}).reverse();
}

function useMessages(hash: string, page: number, searching: boolean): { state: Loaded<unknown>; messages: Message[] | null; total: number; tried: number } {
	const sealed = hash.startsWith("enc_");
	const size = searching ? SEARCHED : PAGE;
	const offset = searching ? 0 : page * PAGE;
	const loaded = useApi<Answer & Packets>(
		sealed
			? `/api/packets?type=5&channel=${encodeURIComponent(hash)}&limit=${size}&offset=${offset}`
			: `/api/channels/${encodeURIComponent(hash)}/messages?limit=${size}&offset=${offset}`,
	);
	useEffect(() => {
		let timer = 0;
		const stop = listen<{ items?: { channel?: string }[] }>("packet/stored", {
			message: (m) => {
				if (page === 0 && m.body.items?.some((i) => i.channel === hash)) timer ||= window.setTimeout(() => ((timer = 0), loaded.peek().refresh()), 1000);
			},
			gap: () => loaded.peek().refresh(),
		});
		return () => {
			stop();
			clearTimeout(timer);
		};
	}, [hash, page]);
	const d = loaded.value.data;
	if (d === null) return { state: loaded.value, messages: null, total: 0, tried: 0 };
	const messages = sealed
		? opened(d.packets ?? [], parseInt(hash.slice(4), 16))
		: (d.messages ?? []).map((m): Message => ({
			sender: m.sender, text: m.text, at: seconds(m.first_seen ?? m.timestamp), sent: m.sender_timestamp, hash: m.packetHash, repeats: m.repeats, hops: m.hops, snr: m.snr,
		}));
	return { state: loaded.value, messages, total: d.total, tried: sealed ? (d.packets ?? []).length : messages.length };
}

/** Mentions like @[name] stand out; everything is text. */
function Text({ text }: { text: string }): ComponentChildren {
	return text.split(/(@\[[^\]]{1,64}\])/).map((part, i) => (part.startsWith("@[") ? <b key={i} class="mention">{`@${part.slice(2, -1)}`}</b> : part));
}

export function Chat({ hash, title, onBack, query }: { hash: string; title: string; onBack: () => void; query: string }) {
	const page = useSignal(0);
	const { state, messages, total, tried } = useMessages(hash, page.value, query !== "");
	const box = useRef<HTMLOListElement>(null), bottom = useRef(true);
	const words = query.toLowerCase();
	const found = messages?.filter((m) => !words || m.text.toLowerCase().includes(words) || m.sender.toLowerCase().includes(words)) ?? [];
	const shown = found.slice(-PAGE);
	useLayoutEffect(() => {
		if (bottom.current && box.current) box.current.scrollTop = box.current.scrollHeight;
	}, [messages?.at(-1)?.hash, messages?.length, page.value]);
	const pages = Math.ceil(total / PAGE);
	return (
		<>
			<header class="chat-head">
				<span class="only-phone"><Button icon="left" label="Back to the channels" onClick={onBack} /></span>
				<h2 class="ellipsis">{title}</h2>
				<FilterBox value={query} onInput={(q) => setQuery({ q })} label="Search messages" placeholder={`Search the newest ${SEARCHED}`} />
			</header>
			<Honest state={state} has={messages !== null} what="the messages" owner="storage">
				{hash.startsWith("enc_") && messages?.length === 0 && tried > 0 && (
					<Notice kind="info">{`${plural(tried, "packet")} of this channel cannot be read: no key in this browser fits. Add one under Keys.`}</Notice>
				)}
				{messages && shown.length === 0 && tried === messages.length && <p class="dim pad">{query ? `None of the newest ${count(messages.length)} messages has “${query}”.` : "No messages."}</p>}
				<ol
					class="messages" ref={box} tabIndex={0} aria-label={`Messages of ${title}`}
					onScroll={(e) => (bottom.current = e.currentTarget.scrollTop + e.currentTarget.clientHeight > e.currentTarget.scrollHeight - 40)}
				>
					{!query && page.value < pages - 1 && <li class="pager"><Button label="Older messages" icon="up" text="Older" onClick={() => ((bottom.current = true), page.value++)} /></li>}
					{shown.map((m, i) => (
						<Line key={m.hash} m={m} newDay={i === 0 || day(shown[i - 1]!.at) !== day(m.at)} same={i > 0 && shown[i - 1]!.sender === m.sender && m.at - shown[i - 1]!.at < 300} />
					))}
					{!query && page.value > 0 && <li class="pager"><Button label="Newer messages" icon="down" text="Newer" onClick={() => page.value--} /></li>}
				</ol>
				{messages && (
					<p class="count pad-x" role="status">
						{query ? `${count(found.length)} of the newest ${count(messages.length)} messages` : `Messages ${count(Math.max(1, total - page.value * PAGE - tried + 1))} to ${count(total - page.value * PAGE)} of ${count(total)}`}
					</p>
				)}
			</Honest>
		</>
	);
}

function Line({ m, newDay, same }: { m: Message; newDay: boolean; same: boolean }) {
	const off = m.sent === null ? 0 : m.at - m.sent;
	return (
		<>
			{newDay && <li class="day"><span>{day(m.at)}</span></li>}
			<li class={same && !newDay ? "message same" : "message"}>
				{(!same || newDay) && <b class="sender">{m.sender || "unnamed"}</b>}
				<p><Text text={m.text} /></p>
				<a class="meta" href={`/packets/${m.hash}?t=all`} title={`${full(m.at)}; ${fixed(m.snr, 1, "dB")}${Math.abs(off) > 300 && m.sent ? `; by the sender's clock ${full(m.sent)}` : ""}`}>
					{`${clock(m.at, m.at).slice(0, 5)} · ${m.hops === 0 ? "direct" : plural(m.hops, "hop")} · ×${m.repeats}`}
				</a>
			</li>
		</>
	);
}
