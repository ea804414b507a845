// SPDX-License-Identifier: MIT
//
// Lines over time, by uPlot. All charts of a page share the cursor; dragging chooses a time.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { clock, day, fixed, UNKNOWN } from "../lib/format";
import { paint, token } from "../lib/palette";

export interface Series {
	name: string;
	/** A token of a colour; by default those of series in order. */
	color?: string;
	bars?: boolean;
	digits?: number;
	/** Points without a line. */
	points?: boolean;
	values: (number | null)[];
}

export interface LinesProps {
	label: string;
	/** Unix seconds, ascending. */
	times: number[];
	series: Series[];
	unit?: string;
	height?: number;
	/** Unix seconds: the time that is shown, whether there are values or not. */
	range?: [from: number, until: number];
	/** The axis begins at 0. */
	zero?: boolean;
	onRange?: (from: number, until: number) => void;
}

/** Times of an axis: the clock, and the day where it changes. */
function ticks(splits: number[], step: number): string[] {
	let last = "";
	return splits.map((t) => {
		const date = day(t).slice(5), at = clock(t, t).slice(0, step < 60 ? 8 : 5);
		const fresh = date !== last;
		last = date;
		return step >= 86400 ? date : fresh ? `${at}\n${date}` : at;
	});
}

/** Room for the longest label. */
const room = (_u: uPlot, values: string[] | null): number => 14 + 6.5 * Math.max(3, ...(values ?? []).map((v) => v.length));

function options(p: LinesProps, width: number): uPlot.Options {
	const axis = { stroke: token("--dim"), font: "11px system-ui", grid: { stroke: token("--line"), width: 1 }, ticks: { stroke: token("--line"), size: 4 } };
	const unit = p.unit ? ` ${p.unit}` : "";
	return {
		width,
		height: p.height ?? 160,
		cursor: { sync: { key: "meshkern" }, drag: { x: true, y: false, setScale: p.onRange === undefined }, points: { size: 7 } },
		legend: { live: true },
		scales: { x: { time: true, range: (_u, min, max) => p.range ?? (min === max ? [min - 1800, max + 1800] : [min, max]) }, y: p.zero ? { range: (_u, _min, max) => [0, max > 0 ? max * 1.08 : 1] } : {} },
		axes: [
			{ ...axis, space: 64, size: 42, values: (_u, splits, _axis, _space, step) => ticks(splits, step) },
			{ ...axis, size: room, values: (_u, values) => values.map((v) => `${String(v).replace("-", "−")}${unit}`) },
		],
		series: [
			{ label: "Time", value: (_u, v) => (v == null ? UNKNOWN : `${day(v).slice(5)} ${clock(v, v).slice(0, 5)}`) },
			...p.series.map((s, i): uPlot.Series => {
				const color = token(s.color ?? `--series-${(i % 4) + 1}`);
				return {
					label: s.name, stroke: color, width: s.points ? 0 : 1.5, spanGaps: false, value: (_u, v) => (v == null ? UNKNOWN : fixed(v, s.digits ?? 0, p.unit)),
					...(s.points ? { points: { show: true, size: 4, fill: color } } : {}),
					...(s.bars ? { fill: color, width: 0, paths: uPlot.paths.bars!({ size: [0.8, 40] }), points: { show: false } } : {}),
				};
			}),
		],
		hooks: {
			setSelect: [(u) => {
				if (!p.onRange || u.select.width < 4) return;
				p.onRange(u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x"));
				u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
			}],
		},
	};
}

export default function LinesView(p: LinesProps) {
	const box = useRef<HTMLDivElement>(null);
	const plot = useRef<uPlot | null>(null);
	const colors = paint.value;
	const data = [p.times, ...p.series.map((s) => s.values)] as uPlot.AlignedData;
	useEffect(() => {
		const el = box.current!;
		const width = () => Math.max(200, el.clientWidth);
		const u = (plot.current = new uPlot(options(p, width()), data, el));
		const seen = new ResizeObserver(() => u.setSize({ width: width(), height: p.height ?? 160 }));
		seen.observe(el);
		return () => {
			seen.disconnect();
			u.destroy();
		};
	}, [colors, p.series.map((s) => s.name).join(), p.unit, p.height]);
	useEffect(() => plot.current?.setData(data), [p.times, p.series]);
	const numbers = p.series.map((s) => {
		const known = s.values.filter((v): v is number => v !== null);
		return known.length === 0 ? `${s.name}: no values` : `${s.name}: ${fixed(Math.min(...known), s.digits ?? 0)} to ${fixed(Math.max(...known), s.digits ?? 0, p.unit)}`;
	});
	return <div class="lines" ref={box} role="img" aria-label={`${p.label}. ${numbers.join(". ")}`} />;
}
