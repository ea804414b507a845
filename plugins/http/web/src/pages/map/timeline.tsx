// SPDX-License-Identifier: MIT
//
// The past under the map: how many packets there were, a cursor, and a replay from where it stands.
import { useEffect, useRef } from "preact/hooks";
import { useComputed, useSignal } from "@preact/signals";
import { clock, count, day } from "../../lib/format";
import { setQuery } from "../../lib/router";
import { packets, useSet } from "../../lib/store";
import { now, span, WINDOWS } from "../../lib/time";
import { paint, token } from "../../lib/palette";
import { Button } from "../../ui/page";
import { Honest } from "../../ui/state";
import { SPEEDS, type Replay } from "./replay";
import { mapState } from "./state";

const BUCKETS = 240;

function histogram(from: number, until: number): { bins: Uint32Array; begins: number } {
	const t = packets.state.peek().table;
	const bins = new Uint32Array(BUCKETS);
	if (t === null || t.rows === 0) return { bins, begins: Infinity };
	const first = t.col("first");
	const scale = BUCKETS / (until - from);
	for (let i = t.rows - 1; i >= 0; i--) {
		const at = first[i]! / 1000;
		if (at < from || at >= until) continue;
		bins[Math.floor((at - from) * scale)]!++;
	}
	return { bins, begins: first[0]! / 1000 };
}

function draw(canvas: HTMLCanvasElement, bins: Uint32Array, cursor: number): void {
	const dpr = devicePixelRatio || 1;
	const width = canvas.clientWidth, height = canvas.clientHeight;
	canvas.width = width * dpr;
	canvas.height = height * dpr;
	const ctx = canvas.getContext("2d")!;
	ctx.scale(dpr, dpr);
	const most = Math.max(1, ...bins);
	const step = width / BUCKETS;
	for (let i = 0; i < BUCKETS; i++) {
		const h = (bins[i]! / most) * (height - 4);
		ctx.fillStyle = token(cursor >= 0 && i / BUCKETS > cursor ? "--line" : "--accent");
		ctx.fillRect(i * step, height - h, Math.max(1, step - 1), h);
	}
	if (cursor < 0) return;
	ctx.fillStyle = token("--series-2");
	ctx.fillRect(cursor * width - 1, 0, 2, height);
}

export function Timeline({ replay }: { replay: Replay }) {
	const state = useSet(packets);
	const s = mapState.value;
	const canvas = useRef<HTMLCanvasElement>(null);
	const slow = useComputed(() => Math.floor(now.value / 10) * 10);
	const range = span(s.history, slow.value, "24h");
	const until = Number.isFinite(range.until) ? range.until : slow.value;
	const oldest = state.table !== null && state.table.rows > 0 ? state.table.num("first", 0) / 1000 : until - 86400;
	const from = Number.isFinite(range.from) ? range.from : oldest;
	const bins = useSignal<Uint32Array>(new Uint32Array(BUCKETS));
	const at = replay.at.value;
	const cursor = at > 0 ? Math.max(0, Math.min(1, (at - from) / (until - from))) : -1;
	useEffect(() => {
		bins.value = histogram(from, until).bins;
	}, [from, until, state.table]);
	useEffect(() => {
		if (canvas.current) draw(canvas.current, bins.value, cursor);
	}, [bins.value, Math.round(cursor * 1000), paint.value]);
	const seek = (to: number): void => {
		replay.seek(Math.max(from, Math.min(until, to)));
		setQuery({ at: Math.round(replay.at.value) });
	};
	const total = bins.value.reduce((a, b) => a + b, 0);
	const words = at > 0 ? `${day(at)} ${clock(at, at)}` : "live";
	return (
		<section class="timeline" aria-label="History">
			<div class="row">
				<Button
					icon={replay.playing.value ? "pause" : "play"} label={replay.playing.value ? "Pause the replay" : "Play from here"}
					onClick={() => {
						if (replay.playing.value) return replay.pause();
						if (at === 0) seek(from);
						replay.play();
					}}
				/>
				<label class="sr" for="map-speed">Speed</label>
				<select id="map-speed" value={String(replay.speed.value)} onChange={(e) => (replay.speed.value = Number(e.currentTarget.value))}>
					{SPEEDS.map((n) => <option key={n} value={String(n)}>{`${n}×`}</option>)}
				</select>
				<label class="sr" for="map-window">Window</label>
				<select id="map-window" value={range.id} onChange={(e) => setQuery({ t: e.currentTarget.value })}>
					{WINDOWS.map(([id, w]) => <option key={id} value={id}>{w}</option>)}
				</select>
				<output class="grow">
					<strong>{at > 0 ? `Replay ${words}` : "Live"}</strong>
					<span class="dim">{at > 0 ? `, ${count(replay.shown.value)} shown` : `, ${count(total)} packets in ${range.words}`}</span>
					{replay.error.value && <span class="bad-text">{` ${replay.error.value}; it tries again`}</span>}
				</output>
				{at > 0 && (
					<Button
						label="Back to live" text="Live" icon="bolt"
						onClick={() => {
							replay.stop();
							setQuery({ at: "" });
						}}
					/>
				)}
				<Button icon="close" label="Close the history" onClick={() => {
					replay.stop();
					setQuery({ t: "", at: "" });
				}} />
			</div>
			<Honest state={state} has={state.table !== null} what="the list of packets">
				<div
					class="scrub" role="slider" tabIndex={0} aria-label="Time" aria-valuemin={Math.round(from)} aria-valuemax={Math.round(until)}
					aria-valuenow={Math.round(at || until)} aria-valuetext={words}
					onPointerDown={(e) => {
						e.currentTarget.setPointerCapture(e.pointerId);
						seek(from + ((until - from) * e.offsetX) / e.currentTarget.clientWidth);
					}}
					onPointerMove={(e) => e.buttons && seek(from + ((until - from) * e.offsetX) / e.currentTarget.clientWidth)}
					onKeyDown={(e) => {
						const step = { ArrowLeft: -1, ArrowRight: 1, PageDown: -12, PageUp: 12 }[e.key];
						if (step !== undefined) seek((at || until) + (step * (until - from)) / BUCKETS);
						else if (e.key === "Home") seek(from);
						else return;
						e.preventDefault();
						e.stopPropagation();
					}}
				>
					<canvas ref={canvas} />
				</div>
				<div class="scrub-ends dim"><span>{clock(from, until)}</span>{state.table !== null && !state.table.complete && <span>{`the newest ${count(state.table.rows)} packets`}</span>}<span>{clock(until, until)}</span></div>
			</Honest>
		</section>
	);
}
