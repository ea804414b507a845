// SPDX-License-Identifier: MIT
//
// What is around the canvas: search, looks and filters, legend, the rows of what just came in.
import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { ago, count, plural, shortKey } from "../../lib/format";
import { token, typeToken, typeWord, role as roleOf, type Role } from "../../lib/palette";
import { setQuery } from "../../lib/router";
import { nodeName, nodes, observers } from "../../lib/store";
import { now } from "../../lib/time";
import { LINK_LOOKS, NODE_LOOKS, ROLES, type Mesh2D } from "../../mesh/source";
import { Icon, RoleIcon } from "../../ui/icons";
import { Menu } from "../../ui/page";
import { perMinute, recent } from "./live";
import { HEARD, mapState, selectNode, selectRoute } from "./state";

const FOUND = 8;

/** Rows whose name has the text in it, or whose key begins with it. */
export function findNodes(text: string, most = Infinity): number[] {
	const q = text.trim().toLowerCase();
	const t = nodes.state.peek().table;
	const found: number[] = [];
	if (!q || t === null) return found;
	for (let i = 0; i < t.rows && found.length < most; i++)
		if ((t.text("name", i) ?? "").toLowerCase().includes(q) || t.hex("key", i).startsWith(q)) found.push(i);
	return found;
}

export function Search() {
	const text = useSignal(mapState.peek().search);
	const open = useSignal(false);
	const at = useSignal(0);
	const found = open.value ? findNodes(text.value, FOUND) : [];
	const t = nodes.state.value.table;
	useEffect(() => {
		text.value = mapState.value.search;
	}, [mapState.value.search]);
	const choose = (row: number | undefined, add: boolean): void => {
		open.value = false;
		if (row === undefined || t === null) return;
		setQuery({ q: "" });
		selectNode(t.hex("key", row), add);
	};
	return (
		<div class="filter map-search">
			<Icon name="search" size={16} />
			<input
				type="text" data-filter role="combobox" aria-label="Find a node" placeholder="Find a node" spellcheck={false} autocomplete="off"
				aria-expanded={found.length > 0} aria-controls="map-found" aria-autocomplete="list"
				aria-activedescendant={found.length > 0 ? `map-found-${Math.min(at.value, found.length - 1)}` : undefined}
				value={text.value}
				onInput={(e) => {
					text.value = e.currentTarget.value;
					open.value = true;
					at.value = 0;
					setQuery({ q: text.value });
				}}
				onBlur={() => setTimeout(() => (open.value = false), 150)}
				onKeyDown={(e) => {
					const step = e.key === "ArrowDown" ? 1 : e.key === "ArrowUp" ? -1 : 0;
					if (step && found.length > 0) at.value = (at.value + step + found.length) % found.length;
					else if (e.key === "Enter") choose(found[at.value], e.shiftKey);
					else if (e.key === "Escape") {
						text.value = "";
						setQuery({ q: "" });
						e.currentTarget.blur();
					} else return;
					e.preventDefault();
				}}
			/>
			<ul id="map-found" role="listbox" aria-label="Nodes" class={found.length > 0 ? "found" : "found hidden"}>
				{found.map((row, i) => (
					<li key={row} id={`map-found-${i}`} role="option" aria-selected={i === at.value} onPointerDown={(e) => choose(row, e.shiftKey)}>
						<RoleIcon role={roleOf(t!.text("role", row))} /><span class="ellipsis grow">{t!.text("name", row) ?? "no name"}</span>
						<code class="dim">{shortKey(t!.hex("key", row))}</code>
					</li>
				))}
			</ul>
		</div>
	);
}

function Pick(p: { label: string; value: string; options: [string, string][]; onChange: (v: string) => void }) {
	return (
		<label class="pick">
			<span>{p.label}</span>
			<select value={p.value} onChange={(e) => p.onChange(e.currentTarget.value)}>
				{p.options.map(([id, words]) => <option key={id} value={id}>{words}</option>)}
			</select>
		</label>
	);
}

/** Codes of the regions that observers are in; the one in the address, too. */
function regions(): string[] {
	const t = observers.state.value.table;
	const all = new Set(Array.from({ length: t?.rows ?? 0 }, (_, i) => t!.text("region", i)).filter((r) => r !== null && r !== ""));
	if (mapState.value.region) all.add(mapState.value.region);
	return [...all].map(String).sort();
}

export function Layers() {
	const s = mapState.value;
	const looks = <T extends string>(all: Record<T, { title: string }>): [string, string][] =>
		Object.entries<{ title: string }>(all).map(([id, l]) => [id, l.title]);
	const hide = (r: Role, shown: boolean): void => {
		const hidden = ROLES.filter((x) => (x === r ? !shown : !s.filter.roles.has(x)));
		setQuery({ hide: hidden.join(",") });
	};
	return (
		<Menu icon="filter" label="Look and filters" text="Look">
			{() => (
				<>
					<Pick label="Nodes by" value={s.nodeLook} options={looks(NODE_LOOKS)} onChange={(v) => setQuery({ by: v === "role" ? "" : v })} />
					<Pick label="Links by" value={s.linkLook} options={looks(LINK_LOOKS)} onChange={(v) => setQuery({ links: v === "use" ? "" : v })} />
					<Pick label="Heard" value={s.heard} options={HEARD.map(([id, w]) => [id, w])} onChange={(v) => setQuery({ heard: v === "all" ? "" : v })} />
					<Pick
						label="Links with" value={String(s.filter.minCount)} options={[1, 3, 10, 50, 300].map((n) => [String(n), n === 1 ? "any packets" : `${n} packets or more`])}
						onChange={(v) => setQuery({ min: v === "1" ? "" : v })}
					/>
					<Pick
						label="Region" value={s.region} options={[["", "heard anywhere"], ...regions().map((r): [string, string] => [r, `heard in ${r}`])]}
						onChange={(v) => setQuery({ region: v })}
					/>
					<Pick
						label="Neighbors" value={String(s.filter.core ?? 0)} options={[["0", "any number"], ...[2, 3, 4, 5, 8].map((k): [string, string] => [String(k), `the core where all have ${k}`])]}
						onChange={(v) => setQuery({ core: v === "0" ? "" : v })}
					/>
					<h3>Roles</h3>
					{ROLES.map((r) => (
						<label class="check" key={r}>
							<input type="checkbox" checked={s.filter.roles.has(r)} onChange={(e) => hide(r, e.currentTarget.checked)} />
							<RoleIcon role={r} />{r}
						</label>
					))}
					<h3>Show</h3>
					<label class="check"><input type="checkbox" checked={s.labels} onChange={(e) => setQuery({ labels: e.currentTarget.checked ? "" : 0 })} />Names</label>
					<label class="check"><input type="checkbox" checked={s.filter.uncertain} onChange={(e) => setQuery({ sure: e.currentTarget.checked ? "" : 1 })} />Ambiguous links</label>
					<label class="check"><input type="checkbox" checked={s.filter.linked} onChange={(e) => setQuery({ linked: e.currentTarget.checked ? 1 : "" })} />Only nodes with links</label>
					<label class="check"><input type="checkbox" checked={s.weak} onChange={(e) => setQuery({ weak: e.currentTarget.checked ? 1 : "" })} />Weak points: what the mesh hangs on</label>
				</>
			)}
		</Menu>
	);
}

/** A token's colour as a square; a canvas knows no style sheet, and a style attribute is not allowed. */
function Swatch({ color }: { color: string }) {
	return <svg width="10" height="10" aria-hidden="true"><rect width="10" height="10" rx="2" fill={token(color)} /></svg>;
}

export function Legend({ mesh }: { mesh: Mesh2D }) {
	const s = mapState.value;
	const nodesBy = NODE_LOOKS[s.nodeLook], linksBy = LINK_LOOKS[s.linkLook];
	const away = mesh.shown - mesh.placed;
	return (
		<details class="legend">
			<summary>
				{`${count(mesh.shown)} nodes, ${count(mesh.linksShown)} links`}
				{s.mode === "geo" && away > 0 && <span class="dim">{`, ${count(away)} without a position`}</span>}
			</summary>
			<dl>
				<dt>{`Nodes: ${nodesBy.title.toLowerCase()}`}</dt>
				{nodesBy.legend.map((l, i) => (
					<dd key={l.words}>{s.nodeLook === "role" ? <RoleIcon role={ROLES[i]!} /> : <Swatch color={l.token} />} {l.words}</dd>
				))}
				<dd><svg width="12" height="12" viewBox="0 0 12 12" aria-hidden="true"><circle cx="6" cy="6" r="4.5" class="hollow" /></svg> hollow: not heard for a day, repeaters 3 days</dd>
				<dd><svg width="12" height="12" viewBox="0 0 12 12" aria-hidden="true"><circle cx="6" cy="6" r="2" /><circle cx="6" cy="6" r="5" class="hollow" /></svg> ring: an observer</dd>
				<dt>{`Links: ${linksBy.title.toLowerCase()}`}</dt>
				{linksBy.legend.map((l) => <dd key={l.words}><Swatch color={l.token} /> {l.words}</dd>)}
				<dd class="dim">faint or broken: ambiguous</dd>
				{s.mode === "geo" && <dd class="dim">Outline: Natural Earth</dd>}
			</dl>
		</details>
	);
}

/** What came in last: packets, and how to see their ways. */
export function Feed() {
	const open = useSignal(innerWidth > 900);
	return (
		<details class="feed" open={open.value} onToggle={(e) => (open.value = e.currentTarget.open)}>
			<summary>{`Live: ${count(perMinute.value)} heard in a minute`}</summary>
			{open.value && (
				<ul>
					{recent.value.slice(0, 7).map((r) => (
						<li key={r.hash}>
							<button type="button" onClick={() => selectRoute(r.hash)} title="Show its ways">
								<Dot type={r.type} />
								<span class="ellipsis grow">{typeWord(r.type)}{(r.from ?? r.channel) && <span class="dim">{` ${r.from ? nodeName(r.from) : r.channel}`}</span>}</span>
								<span class="dim">{`${r.hops === 0 ? "direct" : plural(r.hops, "hop")} ×${r.heard}`}</span>
								<span class="dim when">{ago(r.at, now.value).replace(" ago", "")}</span>
							</button>
						</li>
					))}
					{recent.value.length === 0 && <li class="dim">Nothing came yet.</li>}
				</ul>
			)}
		</details>
	);
}

function Dot({ type }: { type: number }) {
	return <svg width="8" height="8" aria-hidden="true"><circle cx="4" cy="4" r="4" fill={token(typeToken(type))} /></svg>;
}
