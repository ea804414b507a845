// SPDX-License-Identifier: MIT
//
// Work on old rows: upgrades, backfills, retention. How far, how fast, until when.
import { useEffect, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { listen } from "../../lib/events";
import { count, duration, percent, short } from "../../lib/format";
import { Button } from "../../ui/page";
import { Badge, Notice, Skeleton, type Kind } from "../../ui/state";
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
	rate?: number;
	eta_s?: number;
	error?: string;
}

const STATES: Record<string, Kind> = { running: "info", done: "good", failed: "bad", interrupted: "warn", waiting: "off", pending: "off" };

/** The mean since the page saw the job first, beside the rate of now: the two ends of the estimate. */
function useMeans(jobs: Job[]): Map<string, number> {
	const first = useRef(new Map<string, { at: number; done: number }>());
	const means = new Map<string, number>();
	for (const j of jobs) {
		const f = first.current.get(j.name);
		if (!f || j.done < f.done) first.current.set(j.name, { at: Date.now(), done: j.done });
		else if (Date.now() - f.at > 10000) means.set(j.name, (j.done - f.done) / ((Date.now() - f.at) / 1000));
	}
	return means;
}

function eta(j: Job, mean: number | undefined): string {
	const left = j.total - j.done;
	const times = [j.rate, mean].filter((r): r is number => r !== undefined && r > 0).map((r) => left / r);
	if (times.length === 0) return j.eta_s !== undefined && j.eta_s >= 0 ? `ready in ${duration(j.eta_s)}` : "when it is ready is not known yet";
	const [a, b] = [Math.min(...times), Math.max(...times)];
	return duration(a) === duration(b) ? `ready in ${duration(a)}` : `ready in ${duration(a)} to ${duration(b)}`;
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
	const means = useMeans(list);
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
						{j.state === "running" && `, ${short(j.rate)} a second, ${eta(j, means.get(j.name))}`}
						{j.waits && `, waits for ${j.waits}`}
					</p>
					<p class="dim">
						{[
							j.kind, j.skipped ? `${count(j.skipped)} rows skipped` : "", j.attempts && j.attempts > 1 ? `${j.attempts} attempts` : "",
							j.longest_us ? `longest step ${duration(j.longest_us / 1e6)}` : "",
						].filter(Boolean).join(" · ")}
					</p>
					{j.error && <Notice kind="bad">{j.error}</Notice>}
				</section>
			))}
			<Past ended={list.filter((j) => j.state === "done").length} />
		</div>
	);
}
