// SPDX-License-Identifier: MIT
import { signal, useSignal } from "@preact/signals";
import { clock, duration, percent } from "../../lib/format";
import { canNotify, notifying, setNotifying } from "../../lib/notify";
import { now } from "../../lib/time";
import { Button, Menu } from "../../ui/page";
import { Badge, Notice } from "../../ui/state";

export interface Alert {
	id: string;
	level: "bad" | "warn";
	text: string;
	kind?: string;
	ref?: string;
	since?: number | null;
}

const KEY = "meshkern.snoozed";
const MAX = 7;

function readSnoozed(): Record<string, number> {
	try {
		return JSON.parse(localStorage.getItem(KEY) ?? "{}") as Record<string, number>;
	} catch {
		return {};
	}
}

/** Alerts by id, and until when they are out of the way (Unix seconds). */
const snoozed = signal<Record<string, number>>(readSnoozed());

function snooze(id: string, seconds: number): void {
	const t = Date.now() / 1000;
	const still = Object.fromEntries(Object.entries(snoozed.value).filter(([, until]) => until > t));
	snoozed.value = { ...still, [id]: t + seconds };
	localStorage.setItem(KEY, JSON.stringify(snoozed.value));
}

function wake(): void {
	snoozed.value = {};
	localStorage.removeItem(KEY);
}

/** Where the thing is that an alert is about. */
function place(a: Alert): string {
	const ref = encodeURIComponent(a.ref ?? "");
	const places: Record<string, string> = {
		observer: `/observers/${ref}`, node: `/nodes/${ref}`, plugin: `/system/plugins?plugin=${ref}`, bus: "/system/bus", storage: "/system/storage",
		broker: "/system/ingest", job: "/system/jobs",
	};
	return places[a.kind ?? ""] ?? "/system";
}

/** Switches the browser's notifications of new alerts on and off. */
function Notify() {
	const refused = useSignal(false);
	if (!canNotify) return null;
	const words = refused.value ? "The browser does not allow notifications here" : notifying.value ? "Do not notify me of new alerts" : "Notify me of new alerts";
	return (
		<Button
			icon="bell" label={words} pressed={notifying.value} disabled={refused.value}
			onClick={() => void setNotifying(!notifying.value).then((done) => (refused.value = !done))}
		/>
	);
}

/** `reading`: how much of the past is read, 0 to 1; null: all of it. */
export function Alerts({ alerts, checked, reading }: { alerts: Alert[] | undefined; checked: number | undefined; reading: number | null }) {
	if (alerts === undefined) return null;
	const t = now.value;
	const awake = alerts.filter((a) => !((snoozed.value[a.id] ?? 0) > t));
	const asleep = alerts.length - awake.length;
	return (
		<section class="card" aria-label="What is broken">
			<div class="card-head">
				<h2>Needs you</h2>
				<span class="row dim">{checked ? `checked ${clock(checked, t)}` : ""}<Notify /></span>
			</div>
			{reading !== null && <Notice kind="info">{`The daemon has just begun and reads the past (${percent(reading)}). Which observers are silent is told after that.`}</Notice>}
			{awake.length === 0 && reading === null && <Notice kind="good">{`Nothing needs you${asleep > 0 ? `; ${asleep} put off` : ""}.`}</Notice>}
			<ul class="alerts">
				{awake.slice(0, MAX).map((a) => (
					<li key={a.id}>
						<Badge kind={a.level}>{a.level === "bad" ? "broken" : "look"}</Badge>
						<a href={place(a)}>{a.text}</a>
						<span class="dim">{a.since ? `since ${duration(t - a.since)}` : ""}</span>
						<Menu icon="bell" label={`Put off: ${a.text}`}>
							{(close) => ([["1 hour", 3600], ["1 day", 86400], ["7 days", 604800]] as const).map(([words, s]) => (
								<Button key={words} label={`Put off for ${words}`} text={`Put off for ${words}`} onClick={() => (snooze(a.id, s), close())} />
							))}
						</Menu>
					</li>
				))}
			</ul>
			{awake.length > MAX && <p class="dim">{`and ${awake.length - MAX} more; `}<a href="/system">System</a></p>}
			{asleep > 0 && <button type="button" class="chip" onClick={wake}>{`Show ${asleep} put off`}</button>}
		</section>
	);
}
