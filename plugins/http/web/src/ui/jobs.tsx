// SPDX-License-Identifier: MIT
//
// A thin line at the foot while the database is being upgraded or filled.
import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { listen } from "../lib/events";
import { duration, percent } from "../lib/format";

export interface Job {
	name: string;
	state: "waiting" | "running" | "done" | "failed" | "interrupted";
	done: number;
	total: number;
	rate?: number;
	eta_s?: number;
	error?: string;
}

export function Jobs() {
	const jobs = useSignal<Job[]>([]);
	useEffect(() => listen<{ items: Job[] }>("backfill/progress", { retained: true, message: (m) => (jobs.value = m.body.items ?? []) }), []);
	const job = jobs.value.find((j) => j.state === "running");
	if (!job) return null;
	const share = job.total > 0 ? job.done / job.total : 0;
	return (
		<a class="jobs" href="/system/jobs">
			<progress max={1} value={share} aria-label={`Job ${job.name}`} />
			<span>{`${job.name}: ${percent(share)}${job.eta_s && job.eta_s > 0 ? `, ready in ${duration(job.eta_s)}` : ""}`}</span>
		</a>
	);
}
