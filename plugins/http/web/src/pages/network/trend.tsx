// SPDX-License-Identifier: MIT
//
// How multi-byte spreads: the relays of each day as the plugin mbcap judged them, and how packets write
// their hops.
import { count, day } from "../../lib/format";
import { param, setQuery } from "../../lib/router";
import { Lines } from "../../ui/chart";

/** Days since 1970, and so many relays. */
export type Day = [day: number, confirmed: number, suspected: number, unknown: number];

export interface Sizes {
	distribution: Record<string, number>;
	hourly?: ({ hour: string } & Record<string, number | string>)[];
}

const DAY_S = 86400;
const SHOWN = 90;
const LEAST = 2; // days of a trend
const FEW = 20; // packets of a day; with fewer it has no share
const STATES: [word: string, color: string][] = [["confirmed", "--good"], ["suspected", "--info"], ["not known", "--line-strong"]];

/** The last so many days that there are, with gaps where nobody recorded. */
export function withGaps(days: Day[], most: number): { times: number[]; values: (number | null)[][] } {
	const last = days.at(-1)?.[0] ?? 0, first = Math.max(days[0]?.[0] ?? 0, last - most + 1);
	const found = new Map(days.map((d) => [d[0], d]));
	const times: number[] = [], values: (number | null)[][] = [[], [], []];
	for (let at = first; days.length > 0 && at <= last; at++) {
		times.push(at * DAY_S);
		values.forEach((v, i) => v.push(found.get(at)?.[i + 1] ?? null));
	}
	return { times, values };
}

function Relays({ days }: { days: Day[] }) {
	if (days.length === 0) return <p class="dim">Nothing is recorded yet: the plugin mbcap notes each day how many relays it has confirmed.</p>;
	const { times, values } = withGaps(days, SHOWN);
	const first = days.find((d) => d[0] * DAY_S === times[0])!, last = days.at(-1)!, more = last[1] - first[1];
	const since = `Recorded since ${day(days[0]![0] * DAY_S)}`;
	return times.length < LEAST
		? <p class="dim">{`${since}: ${last[1]} confirmed, ${last[2]} suspected, ${last[3]} not known. One day is too few for a trend.`}</p>
		: (
			<>
				<Lines
					label={`Relays by what is known of them, ${times.length} days`} zero height={150} times={times}
					series={STATES.map(([name, color], i) => ({ name, color, values: values[i]! }))}
				/>
				<p class="dim">{`${since}. In ${count(times.length)} days ${more === 0 ? "as many are confirmed as before" : `${count(Math.abs(more))} ${more > 0 ? "more" : "fewer"} are confirmed`}. A day (UTC) is as it ended; a gap: nobody recorded.`}</p>
			</>
		);
}

/** Share of packets by bytes of their hops, each day (UTC). */
function Packets({ hourly }: { hourly: NonNullable<Sizes["hourly"]> }) {
	const days = new Map<number, number[]>();
	for (const h of hourly) {
		const at = Date.parse(`${String(h.hour).slice(0, 10)}T00:00:00Z`) / 1000;
		const sums = days.get(at) ?? days.set(at, [0, 0, 0]).get(at)!;
		["1", "2", "3"].forEach((s, i) => (sums[i]! += Number(h[s] ?? 0)));
	}
	const times = [...days.keys()].sort((a, b) => a - b);
	const share = (i: number) => times.map((at) => {
		const sums = days.get(at)!, sum = sums[0]! + sums[1]! + sums[2]!;
		return sum < FEW ? null : (sums[i]! / sum) * 100;
	});
	return times.length < LEAST
		? <p class="dim">There is one day only: too few for a trend.</p>
		: (
			<>
				<Lines label="Share of packets by bytes of their hops" unit="%" zero height={150} times={times} series={["1 byte", "2 bytes", "3 bytes"].map((name, i) => ({ name, digits: 1, values: share(i) }))} />
				<p class="dim">As far back as analytics remember.</p>
			</>
		);
}

export function Trend({ days, hourly }: { days: Day[]; hourly: Sizes["hourly"] | null }) {
	return (
		<details class="card trend" open={param("trend") === "1"} onToggle={(e) => setQuery({ trend: e.currentTarget.open ? 1 : "" })}>
			<summary>Trend</summary>
			{param("trend") === "1" && (
				<div class="trends">
					<section><h3>Relays</h3><Relays days={days} /></section>
					{hourly && <section><h3>Packets by bytes of their hops</h3><Packets hourly={hourly} /></section>}
				</div>
			)}
		</details>
	);
}
