// SPDX-License-Identifier: MIT
//
// Ctrl K: nodes, observers, channels, packets by hash, pages and actions under one field.
import { signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { get } from "../lib/api";
import { shortKey } from "../lib/format";
import { role, theme } from "../lib/palette";
import { go } from "../lib/router";
import { nodes, observers, useSet } from "../lib/store";
import { destinations } from "../pages";
import { Dialog } from "./dialog";
import { Icon, RoleIcon, type IconName } from "./icons";
import { keySheetOpen } from "./keysheet";
import { copyText } from "./page";

export const commandsOpen = signal(false);

interface Choice {
	id: string;
	icon: IconName | ReturnType<typeof role>;
	title: string;
	note: string;
	run: () => void;
}

const MAX = 8; // of a kind

const actions: Choice[] = [
	{ id: "keys", icon: "keyboard", title: "Show all keys", note: "?", run: () => void (keySheetOpen.value = true) },
	{ id: "copy", icon: "copy", title: "Copy the address of this view", note: "y", run: () => void copyText(location.href) },
	{ id: "dark", icon: "moon", title: "Dark colours", note: "theme", run: () => void (theme.value = "dark") },
	{ id: "light", icon: "sun", title: "Light colours", note: "theme", run: () => void (theme.value = "light") },
	{ id: "system", icon: "system_theme", title: "Colours as the system", note: "theme", run: () => void (theme.value = "system") },
];

const pages: Choice[] = destinations.map((d) => ({
	id: `page-${d.path}`, icon: d.icon, title: d.title, note: `g ${d.key}`, run: () => go(`/${d.path}`),
}));

function find(text: string, channels: string[]): Choice[] {
	const q = text.trim().toLowerCase();
	const fits = (title: string) => title.toLowerCase().includes(q);
	const found = [...pages, ...actions].filter((c) => !q || fits(c.title));
	if (!q) return found;
	const n = nodes.state.peek().table, o = observers.state.peek().table;
	let hits = 0;
	for (let i = 0; n && i < n.rows && hits < MAX; i++) {
		const name = n.text("name", i) ?? "", key = n.hex("key", i);
		if (!fits(name) && !key.startsWith(q)) continue;
		hits++;
		found.push({ id: `n${key}`, icon: role(n.text("role", i)), title: name || shortKey(key), note: shortKey(key), run: () => go(`/nodes/${key}`) });
	}
	hits = 0;
	for (let i = 0; o && i < o.rows && hits < MAX; i++) {
		const name = o.text("name", i) ?? "", id = o.text("id", i) ?? "";
		if (!fits(name) && !id.toLowerCase().startsWith(q)) continue;
		hits++;
		found.push({ id: `o${id}`, icon: "observers", title: name || shortKey(id), note: "observer", run: () => go(`/observers/${encodeURIComponent(id)}`) });
	}
	for (const c of channels.filter(fits).slice(0, MAX))
		found.push({ id: `c${c}`, icon: "channels", title: c, note: "channel", run: () => go(`/channels/${encodeURIComponent(c)}`) });
	if (/^[0-9a-f]{6,16}$/.test(q))
		found.push({ id: "hash", icon: "packets", title: `Packet ${q}`, note: "by hash", run: () => go(q.length === 16 ? `/packets/${q}` : `/packets?q=hash:${q}`) });
	found.push({ id: "filter", icon: "filter", title: `Packets with “${text.trim()}”`, note: "filter", run: () => go(`/packets?q=${encodeURIComponent(text.trim())}`) });
	return found;
}

export function Commands() {
	return commandsOpen.value ? <Open /> : null;
}

function Open() {
	useSet(nodes);
	useSet(observers);
	const text = useSignal("");
	const at = useSignal(0);
	const channels = useSignal<string[]>([]);
	const list = useRef<HTMLUListElement>(null);
	const close = () => (commandsOpen.value = false);
	useEffect(() => {
		get<{ channels: { name: string }[] }>("/api/channels").then((a) => (channels.value = a.channels.map((c) => c.name)), () => {});
	}, []);
	const choices = find(text.value, channels.value);
	const chosen = Math.min(at.value, choices.length - 1);
	const run = (c: Choice | undefined) => {
		close();
		c?.run();
	};
	useEffect(() => list.current?.children[chosen]?.scrollIntoView({ block: "nearest" }), [chosen]);
	return (
		<Dialog label="Search and commands" kind="commands" onClose={close}>
			<div class="commands-field">
				<Icon name="search" />
				<input
					type="text" role="combobox" aria-expanded="true" aria-controls="choices" aria-activedescendant={`choice-${chosen}`} autofocus
					aria-label="Search nodes, observers, channels, packets, pages" placeholder="Node, observer, channel, packet hash, page…"
					value={text.value} spellcheck={false} autocomplete="off"
					onInput={(e) => {
						text.value = e.currentTarget.value;
						at.value = 0;
					}}
					onKeyDown={(e) => {
						const step = e.key === "ArrowDown" ? 1 : e.key === "ArrowUp" ? -1 : 0;
						if (step) at.value = (chosen + step + choices.length) % choices.length;
						else if (e.key === "Enter") run(choices[chosen]);
						else return;
						e.preventDefault();
					}}
				/>
			</div>
			<ul id="choices" role="listbox" aria-label="Results" ref={list}>
				{choices.map((c, i) => (
					<li key={c.id} id={`choice-${i}`} role="option" aria-selected={i === chosen} onClick={() => run(c)} onPointerMove={() => (at.value = i)}>
						{c.icon === "repeater" || c.icon === "companion" || c.icon === "room" || c.icon === "sensor" || c.icon === "unknown"
							? <RoleIcon role={c.icon} size={16} />
							: <Icon name={c.icon} size={16} />}
						<span>{c.title}</span><small>{c.note}</small>
					</li>
				))}
			</ul>
		</Dialog>
	);
}
