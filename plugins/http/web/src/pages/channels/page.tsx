// SPDX-License-Identifier: MIT
import { useEffect } from "preact/hooks";
import { useApi } from "../../lib/api";
import { channelByte } from "../../lib/crypto";
import { listen } from "../../lib/events";
import { count, seconds, short } from "../../lib/format";
import { go, param, parts } from "../../lib/router";
import { Icon } from "../../ui/icons";
import { Button, Page } from "../../ui/page";
import { Ago, Honest, Notice } from "../../ui/state";
import { Chat } from "./chat";
import { KeyDialog } from "./keydialog";
import { myChannels } from "./keys";
import { useSignal } from "@preact/signals";

export interface Channel {
	hash: string;
	name: string;
	lastMessage: string | null;
	lastSender: string | null;
	messageCount: number;
	lastActivity: string | null;
	encrypted?: boolean;
}

const address = (hash: string): string => `/channels/${encodeURIComponent(hash)}`;

/** What an encrypted channel is called: my name for it if I have a key with its byte. */
export function titleOf(hash: string): string {
	if (!hash.startsWith("enc_")) return hash;
	const mine = myChannels.value.filter((c) => channelByte(c.key) === parseInt(hash.slice(4), 16)).map((c) => c.name);
	return mine.length > 0 ? mine.join(" or ") : `Encrypted 0x${hash.slice(4)}`;
}

export default function Channels() {
	const loaded = useApi<{ channels: Channel[] }>("/api/channels?includeEncrypted=true", 60000);
	const keys = useSignal(false);
	const open = parts.value[1] ?? null;
	const list = loaded.value.data?.channels;
	// News of any channel: the list is asked for again, soon and not for each.
	useEffect(() => {
		let timer = 0;
		const stop = listen<{ items?: { channel?: string; new?: boolean }[] }>("packet/stored", {
			message: (m) => {
				if (m.body.items?.some((i) => i.channel && i.new)) timer ||= window.setTimeout(() => ((timer = 0), loaded.peek().refresh()), 5000);
			},
		});
		return () => {
			stop();
			clearTimeout(timer);
		};
	}, []);
	const readable = list?.filter((c) => !c.encrypted || titleOf(c.hash) !== `Encrypted 0x${c.hash.slice(4)}`) ?? [];
	const sealed = list?.filter((c) => !readable.includes(c)) ?? [];
	return (
		<Page title="Channels" fill aside={<Button icon="lock" label="Keys of channels" text="Keys" onClick={() => (keys.value = true)} />}>
			<div class={open ? "chat-split open" : "chat-split"}>
				<nav class="chat-list" aria-label="Channels">
					<Honest state={loaded.value} has={list !== undefined} what="the list of channels" owner="storage">
						{list?.length === 0 && <p class="dim pad">No channel message has been heard.</p>}
						<ul>{readable.map((c) => <Row key={c.hash} c={c} open={open} />)}</ul>
						{sealed.length > 0 && (
							<details open={sealed.some((c) => c.hash === open)}>
								<summary>{`${count(sealed.length)} that cannot be read`}</summary>
								<ul>{sealed.slice(0, 100).map((c) => <Row key={c.hash} c={c} open={open} />)}</ul>
							</details>
						)}
					</Honest>
				</nav>
				<section class="chat" aria-label={open ? `Channel ${titleOf(open)}` : "Channel"}>
					{open
						? <Chat key={open} hash={open} title={titleOf(open)} onBack={() => go("/channels")} query={param("q")} />
						: <div class="pad"><Notice kind="info">Choose a channel. Only channels whose key the daemon or this browser has can be read.</Notice></div>}
				</section>
			</div>
			{keys.value && <KeyDialog onClose={() => (keys.value = false)} />}
		</Page>
	);
}

function Row({ c, open }: { c: Channel; open: string | null }) {
	const title = titleOf(c.hash);
	return (
		<li>
			<a href={address(c.hash)} aria-current={c.hash === open ? "page" : undefined}>
				<span class="row spread">
					<b class="ellipsis">{c.encrypted && <Icon name={title.startsWith("Encrypted") ? "lock" : "unlock"} size={13} />} {title}</b>
					<small><Ago at={seconds(c.lastActivity)} /></small>
				</span>
				<span class="row spread">
					<span class="ellipsis grow dim">{c.lastMessage ? `${c.lastSender ? `${c.lastSender}: ` : ""}${c.lastMessage}` : "–"}</span>
					<small class="dim" title="messages">{short(c.messageCount)}</small>
				</span>
			</a>
		</li>
	);
}
