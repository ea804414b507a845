// SPDX-License-Identifier: MIT
//
// Work on old rows: upgrades, backfills, retention. How far, how fast, until when.
import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { listen } from "../../lib/events";
import { clock, count, duration, percent, short } from "../../lib/format";
import { now } from "../../lib/time";
import { Button } from "../../ui/page";
import { Badge, Facts, Notice, Skeleton, type Kind } from "../../ui/state";
import { Before, LogLines, useDetails } from "./inside";
import { useAction } from "./key";
import { Past } from "./past";

interface Job {
	name: string;
	table?: string;
	kind?: string;
	state: string;
	paused?: boolean;
	waits?: string;
	done: number;
	total: number;
	skipped?: number;
	attempts?: number;
	longest_us?: number;
	/** Rows a second: the mean of this run, and of the last minute. */
	rate?: number;
	rate_now?: number;
	eta_s?: number;
	error?: string;
	/** "upgrade", "plugin NAME", "operator". */
	by?: string;
	steps?: number;
	/** Steps after which ingest went first. */
	yields?: number;
	/** Rows of the last step. */
	batch?: number;
	began_us?: number;
}

const STATES: Record<string, Kind> = { running: "info", done: "good", failed: "bad", interrupted: "warn", waiting: "off", pending: "off" };

/** What there is not, or is as it was, until a job has come to its end. */
const UNTIL: [name: RegExp, words: string][] = [
	[/_idx_v\d+$/, "Questions that this index would answer read whole tables: pages of observers and packets of old times take longer."],
	[/^cleanup_legacy/, "Packets without a hash or a time are still counted."],
	[/^tx_last_seen/, "Packets that were heard again later stand where they were heard first, if they are sorted by their last observation."],
	[/^mk_from_pubkey/, "Old adverts are not found by their node yet."],
	[/^mk_channel_hash/, "Old messages are not found by their channel yet."],
	[/^mk_rehash/, "Copies of one packet that got different hashes from an older version stand there as two."],
	[/node_keys/, "Nodes whose keys were written in capitals may be there twice."],
	[/^mk_advert_count/, "Numbers of adverts count copies of one advert, too."],
	[/^backfill_default_scope/, "Nodes that have not sent an advert since have no scope yet."],
	[/^backfill_path_json/, "Old observations without a path are not on the ways of routes and neighbors."],
	[/^mk_resolved_path/, "Hops of old observations are shown by their bytes, not by the node."],
];
export const until = (j: Job): string =>
	UNTIL.find(([name]) => name.test(j.name))?.[1] ?? (j.kind === "retention" ? "Rows that are too old are still there." : `Rows${j.table ? ` of ${j.table}` : ""} that it has not come to are as they were.`);

const BY: Record<string, string> = { upgrade: "storage, to bring an older database up to date", operator: "the operator, who wanted it again" };

/** Two ends: at the pace of the last minute, and at the mean of this run. */
export function eta(j: Job): string {
	const left = j.total - j.done;
	const times = [j.rate_now, j.rate].filter((r): r is number => r !== undefined && r > 0).map((r) => left / r);
	if (times.length === 0) return j.eta_s !== undefined && j.eta_s >= 0 ? `ready in ${duration(j.eta_s)}` : "when it is ready is not known yet";
	const [a, b] = [Math.min(...times), Math.max(...times)];
	return duration(a) === duration(b) ? `ready in ${duration(a)}` : `ready in ${duration(a)} to ${duration(b)}`;
}

function More({ j }: { j: Job }) {
	const facts: [string, string][] = [];
	if (j.by) facts.push(["Started by", BY[j.by] ?? j.by]);
	if (j.began_us) facts.push(["Runs since", `${clock(j.began_us / 1e6, now.value)}, for ${duration(now.value - j.began_us / 1e6)}`]);
	if (j.state === "running") facts.push(["Rate", `${j.rate_now === undefined ? "not known yet" : `${short(j.rate_now)} rows a second`} in the last minute, ${short(j.rate)} in the mean`]);
	if (j.batch) facts.push(["Last step", `${count(j.batch)} rows`]);
	if (j.steps) facts.push(["Steps", `${count(j.steps)}; after ${count(j.yields)} of them ingest went first`]);
	if (j.longest_us) facts.push(["Longest step", duration(j.longest_us / 1e6)]);
	if (j.skipped) facts.push(["Skipped", `${count(j.skipped)} rows that the database refused to change`]);
	if (j.attempts && j.attempts > 1) facts.push(["Attempts", count(j.attempts)]);
	return (
		<>
			<Facts items={facts} />
			<p><strong>Until then:</strong> {until(j)}</p>
		</>
	);
}

/** Its own lines, for who has the key. */
function Log({ name }: { name: string }) {
	const { data, error } = useDetails();
	if (!data) return <Before error={error} />;
	return <LogLines lines={data.log.filter((l) => l.text.includes(`backfill ${name}:`))} />;
}

function LogOf({ name }: { name: string }) {
	const open = useSignal(false);
	return (
		<details onToggle={(e) => (open.value = e.currentTarget.open)}>
			<summary>{`Log of ${name.replaceAll("_", " ")}`}</summary>
			{open.value && <Log name={name} />}
		</details>
	);
}

export function JobsView() {
	const jobs = useSignal<Job[] | null>(null);
	const waited = useSignal(false);
	const action = useAction();
	useEffect(() => listen<{ items: Job[] }>("backfill/progress", { retained: true, message: (m) => (jobs.value = m.body.items ?? []) }), []);
	useEffect(() => {
		const timer = setTimeout(() => (waited.value = true), 2000);
		return () => clearTimeout(timer);
	}, []);
	const list = jobs.value ?? [];
	return (
		<div class="scroll">
			{action.notice}
			{jobs.value === null && !waited.value && <Skeleton what="the jobs" />}
			{jobs.value === null && waited.value && <Notice kind="info">Nobody has told of any job: the plugin backfill does not run, or the database needs none.</Notice>}
			{jobs.value !== null && list.length === 0 && <Notice kind="good">There is nothing to do: the database is up to date.</Notice>}
			{[...list].sort((a, b) => Number(a.state === "done") - Number(b.state === "done")).map((j) => (
				<section class="card" key={j.name}>
					<div class="card-head">
						<h2>{j.name.replaceAll("_", " ")}</h2>
						<div class="row">
							<Badge kind={j.paused ? "warn" : (STATES[j.state] ?? "off")}>{j.paused ? "paused" : j.state}</Badge>
							{j.state !== "done" && (j.paused
								? <Button label={`Go on with ${j.name}`} text="Go on" disabled={action.busy !== ""} onClick={() => action.run(`/api/jobs/${encodeURIComponent(j.name)}/resume`, "Go on")} />
								: j.state === "failed"
									? <Button label={`Try ${j.name} again`} text="Try again" disabled={action.busy !== ""} onClick={() => action.run(`/api/jobs/${encodeURIComponent(j.name)}/retry`, "Try again")} />
									: <Button label={`Pause ${j.name}`} text="Pause" disabled={action.busy !== ""} onClick={() => action.run(`/api/jobs/${encodeURIComponent(j.name)}/pause`, "Pause")} />)}
						</div>
					</div>
					{j.state !== "done" && <progress class="job-bar" max={Math.max(1, j.total)} value={j.done} aria-label={j.name} />}
					<p>
						{j.state === "done" ? `${count(j.done)} rows` : `${count(j.done)} of ${count(j.total)} rows (${percent(j.total > 0 ? j.done / j.total : null)})`}
						{j.table && <span class="dim">{` of ${j.table}`}</span>}
						{j.state === "running" && `, ${short(j.rate_now ?? j.rate)} a second, ${eta(j)}`}
						{j.waits && `, waits for ${j.waits}`}
					</p>
					{j.state !== "done" && <More j={j} />}
					{j.error && <Notice kind="bad">{j.error}</Notice>}
					{j.kind !== "retention" && <LogOf name={j.name} />}
				</section>
			))}
			<Past ended={list.filter((j) => j.state === "done").length} />
		</div>
	);
}
