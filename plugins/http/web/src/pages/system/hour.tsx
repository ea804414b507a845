// SPDX-License-Identifier: MIT
//
// The last hour of the bus and of the plugins, as the daemon has sampled it. A drawing is one path, or
// one for each state: a rectangle for each minute of each topic would be thousands of elements.
import { useApi } from "../../lib/api";
import { clock, count, fixed } from "../../lib/format";
import { now } from "../../lib/time";

interface Quantiles {
	p50?: number;
	p95?: number;
	max?: number;
}
export interface PastInstance {
	name: string;
	lag: Quantiles;
	lag_ms: Quantiles;
	most: number;
	most_us: number;
	gap_us: number;
	restarts_24h: number;
	crashes_24h: number;
	beats: string;
}
export interface Past {
	at_us: number;
	since_us: number;
	beat_seconds: number;
	day: boolean;
	topics: { name: string; per_second: (number | null)[] }[];
	instances: PastInstance[];
}

const EVERY_MS = 10000;

/** null until it is there, or where the daemon does not sample. */
export function usePast(): Past | null {
	return useApi<Past>("/api/bus/past", EVERY_MS).value.data;
}

const WIDTH = 120, HEIGHT = 20;

export function HourSpark({ name, values }: { name: string; values: (number | null)[] | undefined }) {
	const known = (values ?? []).filter((v): v is number => v !== null);
	if (!values || known.length === 0) return <span class="dim">too young</span>;
	const max = Math.max(...known), step = WIDTH / values.length;
	const d = values.map((v, i) => (v ? `M${(i * step).toFixed(1)} ${HEIGHT}v-${Math.max(1, (v / max) * HEIGHT).toFixed(1)}h${(step - 0.5).toFixed(1)}V${HEIGHT}z` : "")).join("");
	const words = `${name}: at most ${fixed(max, 2)} messages a second in the last ${known.length} min`;
	return (
		<svg class="spark" width={WIDTH} height={HEIGHT} role="img" aria-label={words}>
			<title>{words}</title>
			<path d={d} />
		</svg>
	);
}

/** In the order of the digits; the worst is last. */
const BEATS: [id: string, words: string][] = [
	["unknown", "not known"], ["off", "off"], ["idle", "nothing to do"], ["busy", "works"], ["behind", "more than 1 s behind"],
	["lost", "lost messages"], ["down", "does not run"], ["again", "started"],
];
const CELL = 2;

export function BeatLegend() {
	return (
		<p class="legend-row beat-legend" aria-hidden="true">
			{BEATS.slice(1).map(([id, words]) => <span key={id}><i class={`beat-swatch b-${id}`} />{words}</span>)}
		</p>
	);
}

export function Beats({ p, seconds, at }: { p: PastInstance; seconds: number; at: number }) {
	const paths = BEATS.map(() => ""), times = BEATS.map(() => 0);
	// Neighbours of one kind are one rectangle.
	for (let i = 0, k = 0; i < p.beats.length; i = k) {
		const kind = Number(p.beats[i]);
		for (k = i; k < p.beats.length && p.beats[k] === p.beats[i]; k++) times[kind]! += seconds;
		const tall = kind > 3 ? 18 : kind === 3 ? 14 : 8;
		paths[kind] += `M${i * CELL} ${18 - tall}h${(k - i) * CELL}v${tall}h-${(k - i) * CELL}z`;
	}
	const told = BEATS.map(([, words], i) => [words, times[i]!] as const).filter(([, t], i) => i > 0 && t > 0);
	const label = `${p.name}, the last hour until ${clock(at / 1e6, now.value)}: ${told.map(([words, t]) => `${words} ${t < 60 ? `${t} s` : `${Math.round(t / 60)} min`}`).join(", ") || "nothing is known yet"}`;
	return (
		<svg class="beats" viewBox={`0 0 ${p.beats.length * CELL} 18`} preserveAspectRatio="none" role="img" aria-label={label}>
			<title>{label}</title>
			{BEATS.map(([id], i) => i > 0 && paths[i] && <path key={id} class={`b-${id}`} d={paths[i]} />)}
		</svg>
	);
}

/** "12 (about 0.3 s)" */
export function lagWords(messages: number | undefined, ms: number | undefined): string {
	if (messages === undefined) return "–";
	if (messages === 0 || !ms) return count(messages);
	return `${count(messages)} (${ms < 1000 ? `${Math.round(ms)} ms` : `${fixed(ms / 1000, 1)} s`})`;
}
