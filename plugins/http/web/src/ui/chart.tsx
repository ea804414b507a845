// SPDX-License-Identifier: MIT
//
// Small charts as SVG, each with its values in a table for who cannot see it; lines over time are
// drawn by uPlot, which is loaded with the first of them (ui/lines.tsx).
import type { FunctionComponent } from "preact";
import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { count } from "../lib/format";
import type { LinesProps } from "./lines";

/** Values beside each other without axes; null is a gap. */
export function Spark({ values, label, width = 120, height = 24 }: { values: (number | null)[]; label: string; width?: number; height?: number }) {
	const max = Math.max(1, ...values.map((v) => v ?? 0));
	const step = width / Math.max(1, values.length);
	return (
		<svg class="spark" width={width} height={height} role="img" aria-label={label}>
			<title>{label}</title>
			{values.map((v, i) => v !== null && v > 0 && (
				<rect key={i} x={i * step} width={Math.max(1, step - 0.6)} y={height - Math.max(1, (v / max) * height)} height={Math.max(1, (v / max) * height)} />
			))}
		</svg>
	);
}

export interface Bar {
	label: string;
	value: number;
	note?: string;
	/** A token of a colour. */
	color?: string;
}

/** One bar a line, with its number. */
export function Bars({ bars, label }: { bars: Bar[]; label: string }) {
	const max = Math.max(1e-9, ...bars.map((b) => b.value));
	return (
		<table class="bars">
			<caption class="sr">{label}</caption>
			<tbody>
				{bars.map((b) => (
					<tr key={b.label}>
						<th scope="row">{b.label}</th>
						<td><svg width="100%" height="12" aria-hidden="true"><rect width={`${(b.value / max) * 100}%`} height="12" rx="2" style={b.color ? { fill: `var(${b.color})` } : {}} /></svg></td>
						<td class="right">{b.note ?? count(b.value)}</td>
					</tr>
				))}
			</tbody>
		</table>
	);
}

/** A histogram: columns over an axis. */
export function Columns({ bars, label, height = 110, unit = "" }: { bars: Bar[]; label: string; height?: number; unit?: string }) {
	const max = Math.max(1, ...bars.map((b) => b.value));
	const every = Math.ceil(bars.length / 8);
	return (
		<figure class="columns" aria-label={label} role="img">
			<svg width="100%" height={height} viewBox={`0 0 ${bars.length * 10} ${height}`} preserveAspectRatio="none" aria-hidden="true">
				{bars.map((b, i) => (
					<rect key={i} x={i * 10 + 0.7} width="8.6" y={height - (b.value / max) * (height - 4)} height={(b.value / max) * (height - 4)}>
						<title>{`${b.label}${unit}: ${count(b.value)}`}</title>
					</rect>
				))}
			</svg>
			<div class="columns-axis" aria-hidden="true">{bars.map((b, i) => <span key={i}>{i % every === 0 ? b.label : ""}</span>)}</div>
		</figure>
	);
}

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/** Hours of a week; `at(day, hour)` counts, day 0 is Sunday. */
export function Week({ at, label }: { at: (day: number, hour: number) => number; label: string }) {
	const hours = Array.from({ length: 24 }, (_, h) => h);
	const max = Math.max(1, ...[0, 1, 2, 3, 4, 5, 6].flatMap((d) => hours.map((h) => at(d, h))));
	// One path for each shade: 168 elements would be a lot for so little.
	const shades = [0.07, 0.3, 0.5, 0.75, 1].map((opacity) => ({ opacity, d: "" }));
	[1, 2, 3, 4, 5, 6, 0].forEach((d, row) => {
		for (const h of hours) shades[Math.ceil((at(d, h) / max) * 4)]!.d += `M${(26 + h * 10.3).toFixed(1)} ${row * 11}h9.3v10h-9.3z`;
	});
	return (
		<svg class="week" viewBox="0 0 274 88" role="img" aria-label={`${label}; at most ${count(max)} in an hour`}>
			{[1, 2, 3, 4, 5, 6, 0].map((d, row) => <text key={d} x="0" y={row * 11 + 9}>{DAYS[d]}</text>)}
			{shades.map((s) => <path key={s.opacity} d={s.d} style={{ fillOpacity: String(s.opacity) }} />)}
			{[0, 6, 12, 18].map((h) => <text key={h} x={26 + h * 10.3} y="86">{`${h}:00`}</text>)}
		</svg>
	);
}

/** Lines over time. */
export function Lines(p: LinesProps) {
	const view = useSignal<FunctionComponent<LinesProps> | null>(null);
	useEffect(() => {
		import("./lines").then((m) => (view.value = m.default), () => {});
	}, []);
	const View = view.value;
	return View ? <View {...p} /> : <div class="lines-wait" style={{ height: `${p.height ?? 160}px` }} />;
}
