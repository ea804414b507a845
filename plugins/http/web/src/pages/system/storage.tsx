// SPDX-License-Identifier: MIT
//
// The database: is it ready, what is written and how long that takes, how large it is.
import { useEffect, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { apiKey, request, useApi } from "../../lib/api";
import { listen } from "../../lib/events";
import { bytes, count, day, fixed } from "../../lib/format";
import { Button } from "../../ui/page";
import { Lines } from "../../ui/chart";
import { Badge, Figure, Honest, Notice } from "../../ui/state";
import { withKey } from "./key";

interface Timing {
	count: number;
	wait_ms_p50: number;
	wait_ms_p95: number;
	wait_ms_max: number;
	hold_ms_p50: number;
	hold_ms_p95: number;
	hold_ms_max: number;
}
type Stats = Record<string, number> & { writer_perf?: Record<string, Timing> };

const SAMPLES = 120;
const SHOWN: [key: string, words: string][] = [
	["tx_inserted", "Packets"], ["tx_dupes", "Packets that were there"], ["obs_inserted", "Observations"], ["obs_dupes", "Observations that were there"],
	["node_upserts", "Rows of nodes"], ["nodes_returned", "Nodes that came back"], ["observer_upserts", "Rows of observers"], ["statuses", "Statuses"],
	["sig_drops", "Adverts with a wrong signature"], ["refused", "Adverts that must not become nodes"], ["rejected", "No packets"], ["bad_items", "Makes no sense"],
	["write_errors", "Write errors"], ["rollbacks", "Transactions done again"], ["gaps", "Gaps on the bus"], ["asked_again", "Asked to send again"],
	["numbers_poisoned", "Messages that crash"], ["numbers_lost", "Messages given up"], ["syncs", "Times brought to the disk"], ["sync_errors", "Of them failed"],
];
const BAD = new Set(["write_errors", "sync_errors", "numbers_lost"]);

export function Storage() {
	const state = useSignal<{ state: string; reason: string; database: string } | null>(null);
	const stats = useSignal<Stats | null>(null);
	const history = useRef<{ at: number; rows: number; commits: number }[]>([]);
	const perf = useApi<{ sqlite?: { dbSizeMB?: number; walSizeMB?: number; freelistMB?: number; rows?: Record<string, number> } }>("/api/perf", 15000);
	useEffect(() => {
		const stop = [
			listen<{ state: string; reason: string; database: string }>("storage/state", { retained: true, message: (m) => (state.value = m.body) }),
			listen<Stats>("storage/stats", {
				retained: true,
				message: (m) => {
					stats.value = m.body;
					history.current = [...history.current, { at: m.time_us / 1e6, rows: m.body.rows ?? 0, commits: m.body.wal_commits ?? 0 }].slice(-SAMPLES);
				},
			}),
		];
		return () => stop.forEach((f) => f());
	}, []);
	const s = stats.value, sqlite = perf.value.data?.sqlite;
	const h = history.current;
	const rates = h.slice(1).map((p, i) => (p.rows - h[i]!.rows) / Math.max(0.5, p.at - h[i]!.at));
	return (
		<div class="scroll">
			<div class="figures">
				<Figure name="State" value={state.value ? <Badge kind={state.value.state === "ready" ? "good" : "warn"}>{state.value.state}</Badge> : "–"} note={state.value?.reason} />
				<Figure name="Database" value={sqlite?.dbSizeMB !== undefined ? bytes(sqlite.dbSizeMB * 1048576) : "–"} note={sqlite?.freelistMB ? `${bytes(sqlite.freelistMB * 1048576)} of it free` : ""} />
				<Figure name="Not merged yet" value={sqlite?.walSizeMB !== undefined ? bytes(sqlite.walSizeMB * 1048576) : "–"} note="write-ahead log" />
				<Figure name="Rows a commit" value={fixed(s?.rows_per_commit)} note={s ? `${count(s.wal_commits)} commits` : ""} />
				{Object.entries(sqlite?.rows ?? {}).map(([k, n]) => <Figure key={k} name={k[0]!.toUpperCase() + k.slice(1)} value={count(n)} />)}
			</div>
			{state.value && <p class="dim"><code class="wrap">{state.value.database}</code></p>}
			{!s && <Notice kind="info">The plugin storage has told no numbers yet: it does so when something is written.</Notice>}
			{s && (
				<div class="cards">
					<section class="card">
						<h2>Rows written a second, since you look</h2>
						{rates.length < 3 ? <p class="dim">A moment: there are too few points yet.</p> : <Lines label="Rows written a second" times={h.slice(1).map((p) => p.at)} series={[{ name: "rows/s", values: rates }]} zero height={120} />}
					</section>
					<section class="card">
						<h2>How long writing takes</h2>
						<div class="scroll-x" tabIndex={0}>
							<table class="list">
								<thead><tr><th>For</th><th class="right">Times</th><th class="right">Waits p50</th><th class="right">p95</th><th class="right">Takes p50</th><th class="right">p95</th><th class="right">longest</th></tr></thead>
								<tbody>
									{Object.entries(s.writer_perf ?? {}).map(([name, t]) => (
										<tr key={name}><td>{name}</td><td class="right">{count(t.count)}</td><td class="right">{ms(t.wait_ms_p50)}</td><td class="right">{ms(t.wait_ms_p95)}</td><td class="right">{ms(t.hold_ms_p50)}</td><td class="right">{ms(t.hold_ms_p95)}</td><td class="right">{ms(t.hold_ms_max)}</td></tr>
									))}
								</tbody>
							</table>
						</div>
					</section>
					<section class="card wide">
						<h2>Since the start</h2>
						<dl class="numbers wider">{SHOWN.filter(([k]) => s[k] !== undefined).map(([k, words]) => <div key={k}><dt>{words}</dt><dd class={BAD.has(k) && s[k]! > 0 ? "bad-text" : ""}>{count(s[k])}</dd></div>)}</dl>
					</section>
					<Backup />
				</div>
			)}
			{perf.value.error && !perf.value.error.missing && <Honest state={perf.value} has={false} what="the size of the database">{null}</Honest>}
		</div>
	);
}

const ms = (v: number): string => (v < 0.05 && v > 0 ? "< 0.1 ms" : fixed(v, 1, "ms"));

function Backup() {
	const error = useSignal(""), busy = useSignal(false);
	const save = async (): Promise<void> => {
		busy.value = true;
		error.value = "";
		try {
			const answer = await request("/api/backup", { headers: { "X-API-Key": apiKey.value } });
			const url = URL.createObjectURL(await answer.blob());
			const a = document.createElement("a");
			a.href = url;
			a.download = `meshkern-${day(Date.now() / 1000)}.db`;
			a.click();
			setTimeout(() => URL.revokeObjectURL(url), 60000);
		} catch (e) {
			error.value = (e as Error).message;
		}
		busy.value = false;
	};
	return (
		<section class="card">
			<h2>Backup</h2>
			<p>A consistent copy of the database, made while the daemon goes on.</p>
			<Button icon="export" label="Save a copy of the database" text={busy.value ? "Being made…" : "Save a copy"} disabled={busy.value} onClick={() => withKey(() => void save())} />
			{error.value && <Notice kind="bad">{`No copy: ${error.value}`}</Notice>}
		</section>
	);
}
