// SPDX-License-Identifier: MIT
//
// Where packets come from: each broker and why it brings nothing, if it does not.
import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { listen } from "../../lib/events";
import { count, duration, fixed } from "../../lib/format";
import { useApi } from "../../lib/api";
import { Bars } from "../../ui/chart";
import { Ago, Badge, Facts, Figure, Notice, type Kind } from "../../ui/state";
import type { Plugin } from "./plugins";

interface Source {
	name: string;
	broker: string;
	client_id: string;
	connected: boolean;
	verdict: string;
	connects: number;
	disconnects: number;
	failures: number;
	retry_us: number;
	last_error: string;
	messages: number;
	accepted: number;
	last_5m: number;
	refused: Record<string, number>;
	last_connect: number;
	last_disconnect: number;
	last_message: number;
}

const VERDICTS: Record<string, [Kind, string]> = {
	ok: ["good", "receiving"], connecting: ["info", "connecting"], disconnected: ["bad", "not connected"],
	"never-received": ["warn", "connected, nothing came yet"], stalled: ["warn", "nothing comes any more"], paused: ["bad", "paused: the outbox is full"],
};

export function Ingest() {
	const sources = useSignal<Source[] | null>(null);
	const plugins = useApi<{ items: Plugin[] }>("/api/live/plugins", 5000);
	useEffect(() => listen<{ items: Source[] }>("mqtt/sources", { retained: true, message: (m) => (sources.value = m.body.items ?? []) }), []);
	const feeds = (plugins.value.data?.items ?? []).filter((p) => p.publishes.includes("rx/raw"));
	const decode = plugins.value.data?.items.find((p) => p.plugin === "decode");
	return (
		<div class="scroll">
			<div class="figures">
				{feeds.map((p) => <Figure key={p.name} name={`From ${p.name}`} value={count(p.in)} note={`${p.state}${p.outbox ? `, ${count(Math.max(0, p.outbox.last - p.outbox.first + (p.outbox.first > 0 ? 1 : 0)))} not on disk yet` : ""}`} />)}
				{decode && <Figure name="Decoded" value={count(decode.numbers.decoded)} note={`${count(decode.lag)} wait`} />}
			</div>
			{sources.value === null && <Notice kind="info">The plugin mqtt has told of no broker: it does not run, or none is configured.</Notice>}
			{(sources.value ?? []).map((s) => <SourceCard key={s.name} s={s} />)}
		</div>
	);
}

function SourceCard({ s }: { s: Source }) {
	const [kind, words] = VERDICTS[s.verdict] ?? ["warn", s.verdict];
	const refused = Object.entries(s.refused ?? {}).filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]);
	return (
		<section class="card">
			<div class="card-head"><h2>{s.name} <span class="dim">{s.broker}</span></h2><Badge kind={kind}>{words}</Badge></div>
			<div class="cards">
				<Facts
					items={[
						["Last message", <Ago at={s.last_message / 1e6} />],
						["In 5 minutes", `${count(s.last_5m)} (${fixed(s.last_5m / 300, 1)}/s)`],
						["Received", `${count(s.messages)}, ${count(s.accepted)} passed on`],
						["Connected", s.connected ? <Ago at={s.last_connect / 1e6} /> : `no, ${count(s.failures)} attempts failed`],
						["Connections", `${count(s.connects)}, lost ${count(s.disconnects)}`],
						...(s.retry_us > 0 ? [["Next attempt", `in ${duration(s.retry_us / 1e6)}`] as [string, string]] : []),
						...(s.last_error ? [["Last error", s.last_error] as [string, string]] : []),
						["Session", <code>{s.client_id}</code>],
					]}
				/>
				<div>
					<h3>Not passed on, and why</h3>
					{refused.length === 0 ? <p class="dim">Everything was passed on.</p> : <Bars label={`Refused messages of ${s.name}`} bars={refused.map(([why, n]) => ({ label: why.replaceAll("_", " "), value: n }))} />}
				</div>
			</div>
		</section>
	);
}
