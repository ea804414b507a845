// SPDX-License-Identifier: MIT
//
// Map: the mesh on the globe or as a graph, what moves in it now or moved then, and what is known of
// the node, link or packet that is selected.
import { useEffect, useMemo, useRef } from "preact/hooks";
import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import { useApi } from "../../lib/api";
import { useKeys } from "../../lib/keys";
import { href, setQuery } from "../../lib/router";
import { links, nodes, useSet } from "../../lib/store";
import type { Mesh } from "../../mesh/engine";
import type { Mesh2D } from "../../mesh/source";
import type { TileSource } from "../../mesh/tiles";
import type { Emphasis, Hit } from "../../mesh/types";
import { useMesh } from "../../mesh/use";
import { MeshView } from "../../mesh/view";
import { Button } from "../../ui/page";
import { Honest } from "../../ui/state";
import { follow } from "./live";
import { clearSelection, NodePanel, WayPanel, waysBetween, type Way } from "./panels";
import { LinkFacts } from "../network/link";
import { Replay } from "./replay";
import { RoutePanel, routesOf, usePacket, waysOf } from "./route";
import { mapState, selectLink, selectNode, useHeardIn, wantTiles, writeView } from "./state";
import { MapTable } from "./table";
import { Timeline } from "./timeline";
import { Feed, Layers, Legend, Search, findNodes } from "./tools";
import { Tip } from "./tip";
import { WeakPanel } from "./weak";
import { isDark, paint, token } from "../../lib/palette";

const rowsOf = (keys: readonly string[]): number[] => keys.map((k) => nodes.find(k)).filter((r) => r >= 0);

function linkRow(mesh: Mesh2D | null, ends: [string, string] | null): number {
	const [a, b] = ends === null ? [] : rowsOf(ends);
	if (mesh === null || a === undefined || b === undefined) return -1;
	for (let i = mesh.graph.first[a]!; i < mesh.graph.first[a + 1]!; i++) if (mesh.graph.to[i] === b) return mesh.graph.by[i]!;
	return -1;
}

/** What stands out, all else being dimmed. */
function emphasis(mesh: Mesh2D, selected: number[], link: number, ways: Way[], routeNodes: (number | null)[], weak: boolean, ego: number, search: string, group: number[]): Emphasis | null {
	const out: Emphasis = { nodes: new Uint8Array(mesh.count), links: new Uint8Array(mesh.links.count) };
	const node = (n: number | null): void => void (n !== null && (out.nodes[n] = 1));
	if (routeNodes.length > 0) routeNodes.forEach(node);
	else if (link >= 0) {
		out.links![link] = 1;
		node(mesh.links.a[link]!);
		node(mesh.links.b[link]!);
	} else if (selected.length === 2) selected.concat(ways.flatMap((w) => w.nodes)).forEach(node);
	else if (selected.length === 1) around(mesh, selected[0]!, Math.max(1, ego), out);
	else if (weak) {
		const points = mesh.graph.weakPoints();
		for (const n of points.nodes.keys()) out.nodes[n] = 1;
		for (const l of points.links.keys()) out.links![l] = 1;
	} else if (group.length > 0) group.forEach(node);
	else if (search.trim() !== "") findNodes(search).forEach(node);
	else return null;
	return out;
}

function around(mesh: Mesh2D, center: number, hops: number, out: Emphasis): void {
	const far = mesh.graph.distances([center], hops);
	far.forEach((d, n) => d <= hops && (out.nodes[n] = 1));
	for (let i = 0; i < mesh.links.count; i++) {
		const a = far[mesh.links.a[i]!], b = far[mesh.links.b[i]!];
		// Links of the center, and those that lead on from there.
		if (a !== undefined && b !== undefined && Math.min(a, b) < hops && a <= hops && b <= hops) out.links![i] = 1;
	}
}

export default function MapPage() {
	const s = mapState.value;
	const nodeState = useSet(nodes), linkState = links.state.value;
	const engine = useSignal<Mesh | null>(null);
	const heardIn = useHeardIn(s.region);
	const mesh = useMesh({ nodeLook: s.nodeLook, linkLook: s.linkLook, filter: { ...s.filter, within: heardIn.within } });
	const config = useApi<{ tiles: TileSource | null }>("/api/web/map");
	const tiles = config.value.data?.tiles ?? null;
	const packet = usePacket(s.route);
	const chosen = useSignal(0);
	const tip = useSignal<{ hit: Hit; x: number; y: number } | null>(null);
	const paused = useSignal(false);
	const seen = useRef(false); // the first view was set

	const data = mesh.value;
	const selected = rowsOf(s.selected), group = rowsOf(s.group);
	const link = linkRow(data, s.link);
	const between = useMemo(
		() => (data && selected.length === 2 ? waysBetween(data, selected[0]!, selected[1]!) : []),
		[data, s.selected.join()],
	);
	const packetWays = useMemo(() => (packet.value.data ? waysOf(packet.value.data) : []), [packet.value.data, nodeState.table]);
	const replay = useComputed(() => (engine.value ? new Replay(engine.value) : null));

	useEffect(() => void (document.title = "Map · meshkern"), []);
	useEffect(() => void (chosen.value = 0), [s.route]);
	useSignalEffect(() => {
		const m = engine.value, d = mesh.value;
		if (m === null || d === null) return;
		m.setData(d);
		if (seen.current) return;
		seen.current = true;
		const v = mapState.peek().view;
		if (v) m.setGeoView(v);
		else if (!m.fit(undefined, 0) && d.shown > 0) setQuery({ m: "graph" }); // nobody told a position
		m.setMode(mapState.peek().mode);
	});
	useEffect(() => engine.value?.setMode(s.mode), [s.mode, engine.value]);
	useEffect(() => engine.value?.setLabels(s.labels), [s.labels, engine.value]);
	useEffect(() => engine.value?.setTiles(wantTiles.value ? tiles : null, isDark), [engine.value, tiles, wantTiles.value, paint.value]);
	useEffect(() => {
		const m = engine.value;
		if (m === null || data === null) return;
		const shown = routesOf(packetWays, chosen.value);
		const routes = s.route ? shown : between.map((w, i) => ({ nodes: w.nodes, color: token(i === 0 ? "--series-2" : "--series-3"), main: i === 0 }));
		m.setRoutes(routes);
		m.setSelected(selected);
		m.setEmphasis(emphasis(data, selected, link, between, s.route ? packetWays.flatMap((w) => w.nodes) : [], s.weak, s.ego, s.search, group));
	}, [data, s.group.join(), s.selected.join(), s.link?.join(), s.route, packetWays, chosen.value, s.weak, s.ego, s.search, engine.value]);
	// What is fitted is not to lie under a panel.
	useEffect(() => {
		const m = engine.value, around = m?.element.closest<HTMLElement>(".map-body")?.getBoundingClientRect();
		if (!m || !around) return;
		const covered = (name: string): number => {
			const p = document.querySelector(`.map-page ${name}`)?.getBoundingClientRect();
			return p && p.left < around.right && p.bottom > around.top ? Math.max(0, around.bottom - p.top) : 0;
		};
		const bottom = Math.max(covered(".feed"), covered(".legend"), covered(".drawer"));
		m.setInsets({ left: 0, right: 0, top: 0, bottom: Math.min(bottom, around.height * 0.55) });
	});
	// What is selected comes into view, once.
	const focus = s.route ? packetWays.flatMap((w) => w.nodes) : s.link ? rowsOf(s.link) : between.length > 0 ? between[0]!.nodes : group;
	const focusKey = focus.length > 1 ? `${s.route}${s.link?.join()}${s.selected.join()}${s.group.join()}` : "";
	useEffect(() => {
		const rows = focus.filter((n) => n !== null);
		if (focusKey && rows.length > 1) requestAnimationFrame(() => engine.peek()?.fit(rows));
	}, [focusKey, engine.value, packetWays.length]);
	// Live unless somebody looks at the past, or at one packet.
	useEffect(() => {
		if (engine.value === null || paused.value || s.at > 0 || s.route) return;
		return follow(engine.value);
	}, [engine.value, paused.value, s.at > 0, s.route !== ""]);
	useEffect(() => {
		if (replay.value && s.at > 0 && Math.abs(replay.value.at.peek() - s.at) > 1 && !replay.value.playing.peek()) replay.value.seek(s.at);
		return () => replay.peek()?.pause();
	}, [replay.value]);

	const pick = (hit: Hit | null, add: boolean): void => {
		const t = nodes.state.peek().table!;
		if (hit?.kind === "node") selectNode(t.hex("key", hit.index), add);
		else if (hit) selectLink(t.hex("key", data!.links.a[hit.index]!), t.hex("key", data!.links.b[hit.index]!));
		else if (s.selected.length > 0 || s.link || s.route || s.group.length > 0) selectNode(null);
	};
	const fit = (): void => void engine.value?.fit(selected.length > 1 ? selected : undefined);
	const cycle = (by: number): void => {
		// Neighbors of the selected node, the important ones first, without a mouse.
		if (data === null) return;
		const order = Array.from({ length: data.count }, (_, i) => i).filter((i) => data.nodeClass[i] !== 255).sort((a, b) => data.weight[b]! - data.weight[a]!);
		const now = selected.length === 1 ? order.indexOf(selected[0]!) : -1;
		const next = order[(now + by + order.length) % order.length];
		if (next !== undefined) selectNode(nodes.state.peek().table!.hex("key", next));
	};
	useKeys(
		{
			f: fit, l: () => setQuery({ labels: s.labels ? 0 : "" }), v: () => setQuery({ table: s.table ? "" : 1 }),
			m: () => setQuery({ m: s.mode === "geo" ? "graph" : "" }), t: () => setQuery({ t: s.history ? "" : "24h" }),
			space: () => (s.at > 0 && replay.value ? (replay.value.playing.value ? replay.value.pause() : replay.value.play()) : void (paused.value = !paused.value)),
			"]": () => cycle(1), "[": () => cycle(-1),
			Escape: () => (s.selected.length > 0 || s.link || s.route || s.group.length > 0 ? selectNode(null) : false),
		},
		[{ keys: "m", words: "map or graph" }, { keys: "f", words: "fit what is shown" }, { keys: "l", words: "names on or off" },
			{ keys: "v", words: "the same as a table" }, { keys: "t", words: "history and replay" }, { keys: "Space", words: "pause live or replay" },
			{ keys: "← → ↑ ↓ + −", words: "move and zoom" }, { keys: "[ ]", words: "select the previous or next node" }],
	);
	const panel = data && nodeState.table && (
		s.route
			? <RoutePanel state={packet} ways={packetWays} chosen={chosen.value} onChoose={(i) => (chosen.value = i)} hash={s.route} />
			: link >= 0 && linkState.table
				? <LinkFacts row={link} onClose={clearSelection} more={<a class="button" href={href("/network/neighbors", { link: s.link!.map((k) => k.slice(0, 16)).join("~") })}>In the table of links</a>} />
				: selected.length === 2
					? <WayPanel mesh={data} a={selected[0]!} b={selected[1]!} ways={between} />
					: selected.length === 1 ? <NodePanel mesh={data} row={selected[0]!} /> : s.weak && !s.table ? <WeakPanel mesh={data} /> : null
	);
	return (
		<div class="page fill map-page">
			<header class="page-head">
				<h1 tabIndex={-1}>Map</h1>
				<div class="segments" role="group" aria-label="Arrangement">
					<button type="button" class="chip" aria-pressed={s.mode === "geo"} onClick={() => setQuery({ m: "" })}>Geography</button>
					<button type="button" class="chip" aria-pressed={s.mode === "graph"} onClick={() => setQuery({ m: "graph" })}>Graph</button>
				</div>
				<Search />
				<div class="page-aside">
					<Layers />
					{tiles && <Button icon="layers" label={wantTiles.value ? "Without map tiles" : "With map tiles"} pressed={wantTiles.value} onClick={() => (wantTiles.value = !wantTiles.value)} />}
					<Button icon="target" label="Fit what is shown (f)" onClick={fit} />
					<Button icon="table" label="The same as a table (v)" pressed={s.table} onClick={() => setQuery({ table: s.table ? "" : 1 })} />
					<Button icon="clock" label="History and replay (t)" pressed={s.history !== ""} onClick={() => setQuery({ t: s.history ? "" : "24h" })} />
					<Button icon={paused.value ? "play" : "pause"} label={paused.value ? "Show live packets" : "Pause live packets"} onClick={() => (paused.value = !paused.value)} />
				</div>
			</header>
			<div class={panel ? "split with-drawer" : "split"}>
				<div class="map-body">
					{s.table && data
						? <MapTable mesh={data} />
						: (
							<>
								<p id="map-keys" class="sr">Arrow keys move, plus and minus zoom, brackets go from node to node, v shows the same as a table.</p>
								<MeshView
									engine={engine} label={`Mesh: ${data?.shown ?? 0} nodes, ${data?.linksShown ?? 0} links`} describedBy="map-keys"
									events={{ pick, hover: (hit, x, y) => (tip.value = hit && { hit, x, y }), moved: () => s.mode === "geo" && engine.value && writeView(engine.value.geoView) }}
								/>
								{tip.value && data && <Tip mesh={data} hit={tip.value.hit} x={tip.value.x} y={tip.value.y} />}
								{data ? <Legend mesh={data} /> : <div class="map-wait"><Honest state={nodeState} has={false} what="the list of nodes" owner="http">{null}</Honest></div>}
								{heardIn.error && <p class="map-note">{`Who was heard in ${s.region} cannot be told: ${heardIn.error.message}. All are shown.`}</p>}
								{tiles && wantTiles.value && s.mode === "geo" && tiles.attribution && <p class="attribution">{tiles.attribution}</p>}
								{data && linkState.error && <p class="map-note">{linkState.error.missing ? "This daemon does not offer links; nodes alone are shown." : `No links: ${linkState.error.message}.`}</p>}
								{data && !s.route && <Feed />}
							</>
						)}
				</div>
				{panel}
			</div>
			{s.history && replay.value && <Timeline replay={replay.value} />}
		</div>
	);
}
