// SPDX-License-Identifier: MIT
//
// What an operator wants to know in ten seconds: is data flowing, what is broken, what changed, how
// are my nodes, and what does it look like.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { useSignal, type Signal } from "@preact/signals";
import { useApi } from "../../lib/api";
import { listen } from "../../lib/events";
import { count, duration, percent, plural, short } from "../../lib/format";
import { now } from "../../lib/time";
import { Spark } from "../../ui/chart";
import { Page } from "../../ui/page";
import { Ago, Badge, Honest, type Kind } from "../../ui/state";
import { Alerts, type Alert } from "./alerts";
import { Changes, type Change } from "./changes";
import { LiveRows, type Row } from "./live";
import { MyNodes } from "./mine";
import { Thumb } from "./thumb";

export interface Overview {
	at?: number;
	/** All of the past that is held in memory is read; until then who is silent cannot be told. */
	warm?: boolean;
	progress?: number;
	flow?: {
		brokers?: { connected: number; total: number } | null;
		sources?: string[];
		last_packet_at?: number | null;
		last_minute?: number | null;
		per_minute?: number | null;
		usual_per_minute?: number | null;
		lag_p95_ms?: number | null;
		sparkline?: number[];
	};
	alerts?: Alert[];
	checked_at?: number;
	changes?: Change[];
	totals?: Partial<Record<"nodes" | "nodes_active" | "observers" | "observers_active" | "packets" | "observations" | "observations_24h", number | null>>;
	recent?: Row[];
}

const WARMING_MS = 2000;

/** The rest is asked for when the first question is answered. */
export default function Now() {
	const loaded = useApi<Overview>("/api/overview", 10000);
	const o = loaded.value.data;
	const warming = o?.warm === false;
	// A daemon that has just begun knows more every second.
	useEffect(() => {
		if (!warming) return;
		const timer = setInterval(() => loaded.peek().refresh(), WARMING_MS);
		return () => clearInterval(timer);
	}, [warming]);
	return (
		<Page title="Now" aside={o?.totals && <Totals totals={o.totals} warming={warming} />}>
			<Honest state={loaded.value} has={o !== null} what="the overview" owner="http">{o && <Flow o={o} />}</Honest>
			{(o !== null || loaded.value.error !== null) && (
				<div class="now">
					<div class="now-main">
						{o && <Alerts alerts={o.alerts} checked={o.checked_at ?? o.at} reading={warming ? (o.progress ?? 0) : null} />}
						<MyNodes />
						{o && <Changes changes={o.changes} />}
					</div>
					<div class="now-side">
						<Thumb />
						<LiveRows first={o?.recent ?? []} />
					</div>
				</div>
			)}
		</Page>
	);
}

function Totals({ totals: t, warming }: { totals: NonNullable<Overview["totals"]>; warming: boolean }) {
	return (
		<span class="totals">
			{t.nodes_active != null && <span>{`${count(t.nodes_active)} of ${plural(t.nodes ?? 0, "node")} active`}</span>}
			{t.observers_active != null && <span>{`${count(t.observers_active)} of ${plural(t.observers ?? 0, "observer")}`}</span>}
			{t.observations_24h != null && <span>{`${count(t.observations_24h)} receptions in 24 h${warming ? " so far" : ""}`}</span>}
		</span>
	);
}

/** The last packet as the stream tells it, which is newer than the overview. */
function useLast(loaded: number | null | undefined): Signal<{ at: number; minute: number }> {
	const last = useSignal({ at: loaded ?? 0, minute: 0 });
	const times = useRef<number[]>([]);
	useEffect(() => {
		let waiting = false;
		return listen<{ items?: unknown[] }>("packet/stored", {
			message: (m) => {
				for (let i = m.body.items?.length ?? 0; i > 0; i--) times.current.push(Date.now());
				if (waiting) return;
				waiting = true;
				setTimeout(() => {
					waiting = false;
					times.current = times.current.filter((x) => Date.now() - x < 60000);
					last.value = { at: m.time_us / 1e6, minute: times.current.length };
				}, 500);
			},
		});
	}, []);
	if (loaded && loaded > last.peek().at) last.value = { ...last.peek(), at: loaded };
	return last;
}

function flowState(o: Overview, at: number): { kind: Kind; words: string } {
	const f = o.flow;
	const age = at ? now.value - at : Infinity;
	const usual = f?.usual_per_minute ?? f?.per_minute ?? null;
	// Longer than any usual pause between two packets.
	const limit = usual && usual > 0 ? Math.max(60, (60 / usual) * 30) : 600;
	if (f?.brokers && f.brokers.total > 0 && f.brokers.connected === 0 && !f.sources?.length)
		return { kind: "bad", words: "No broker is connected" };
	if (age === Infinity) return { kind: "off", words: "No packet has come yet" };
	if (age > limit) return { kind: "bad", words: `No packet for ${duration(age)}` };
	if (f?.brokers && f.brokers.connected < f.brokers.total && !f.sources?.length) return { kind: "warn", words: "Data is flowing, not from everywhere" };
	return { kind: "good", words: "Data is flowing" };
}

function Flow({ o }: { o: Overview }) {
	const f = o.flow ?? {};
	const last = useLast(f.last_packet_at).value;
	const { kind, words } = flowState(o, last.at);
	const minute = f.last_minute ?? (last.minute || null);
	const change = f.usual_per_minute && f.per_minute != null ? f.per_minute / f.usual_per_minute - 1 : null;
	const facts: ComponentChildren[] = [
		f.brokers && f.brokers.total > 0 && <>Brokers <b>{`${f.brokers.connected} of ${f.brokers.total}`}</b></>,
		f.sources && f.sources.length > 0 && <>Source <b>{f.sources.join(", ")}</b></>,
		last.at > 0 && <>Last packet <b><Ago at={last.at} /></b></>,
		minute !== null && <><b>{count(minute)}</b> heard in the last minute</>,
		f.per_minute != null && f.per_minute > 0 && <><b>{short(f.per_minute)}</b> a minute on average{change !== null && ` (${change >= 0 ? "+" : "−"}${percent(Math.abs(change))} against the same hour of 7 days)`}</>,
		f.lag_p95_ms != null && <>Stored within <b>{duration(f.lag_p95_ms / 1000)}</b></>,
	].filter(Boolean);
	return (
		<section class={`flow ${kind}`} aria-label="Is data flowing?">
			<Badge kind={kind}>{words}</Badge>
			<span class="flow-facts">{facts.map((x, i) => <span key={i}>{x}</span>)}</span>
			{f.sparkline && f.sparkline.length > 1 && <Spark values={f.sparkline} width={180} label={`Observations a minute in the last ${f.sparkline.length} minutes, at most ${count(Math.max(...f.sparkline))}`} />}
		</section>
	);
}

