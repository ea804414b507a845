// SPDX-License-Identifier: MIT
//
// What a page says when there is no data, or old data: skeletons, absences, errors, ages.
import type { ComponentChildren } from "preact";
import type { ApiError } from "../lib/api";
import { ago, clock } from "../lib/format";
import { now } from "../lib/time";
import { Icon, type IconName } from "./icons";

interface Known {
	error: ApiError | null;
	loading: boolean;
	at: number;
}

/**
 * Shows `children` when there is data; before that a skeleton, or why there is none. `what` is the
 * thing that is asked for, "the list of nodes"; `owner` the plugin that makes it.
 */
export function Honest(p: { state: Known; has: boolean; what: string; owner?: string; children: ComponentChildren }) {
	const { error, at } = p.state;
	if (p.has) {
		return (
			<>
				{error && !error.missing && at > 0 && (
					<Notice kind="warn">{`As of ${clock(at / 1000, now.value)}: ${p.what} cannot be updated, ${error.message}.`}</Notice>
				)}
				{p.children}
			</>
		);
	}
	if (error?.missing) return <Absent what={p.what} owner={p.owner} />;
	if (error) return <Notice kind="bad">{`No ${p.what.replace(/^the /, "")}: ${error.message}. It is asked for again by itself.`}</Notice>;
	return <Skeleton what={p.what} />;
}

export function Absent({ what, owner }: { what: string; owner?: string | undefined }) {
	return (
		<Notice kind="info">
			{`This daemon does not offer ${what}${owner ? `; it comes from the plugin ${owner}` : ""}.`}
		</Notice>
	);
}

export function Skeleton({ what }: { what: string }) {
	return (
		<div class="skeleton" role="status">
			<span class="sr">{`Loading ${what}`}</span>
			<i /><i /><i /><i /><i />
		</div>
	);
}

export type Kind = "good" | "warn" | "bad" | "info" | "off";
export const kindIcon: Record<Kind, IconName> = { good: "check", warn: "warn", bad: "bad", info: "info", off: "minus" };

export function Notice({ kind, children }: { kind: Kind; children: ComponentChildren }) {
	return (
		<p class={`notice ${kind}`} role={kind === "bad" ? "alert" : undefined}>
			<Icon name={kindIcon[kind]} size={16} /> <span>{children}</span>
		</p>
	);
}

/** A state by shape, word and colour. */
export function Badge({ kind, children, title }: { kind: Kind; children: ComponentChildren; title?: string }) {
	return <span class={`badge ${kind}`} title={title}><Icon name={kindIcon[kind]} size={13} />{children}</span>;
}

/** "12 min ago", with the exact time as its title; goes on by itself. */
export function Ago({ at }: { at: number | null | undefined }) {
	return <time title={at ? new Date(at * 1000).toLocaleString() : undefined}>{ago(at, now.value)}</time>;
}

/** Facts as a list of pairs. */
export function Facts({ items }: { items: [string, ComponentChildren][] }) {
	return <dl class="facts">{items.map(([k, v]) => <div key={k}><dt>{k}</dt><dd>{v}</dd></div>)}</dl>;
}

/** A figure with its name. */
export function Figure({ name, value, note }: { name: string; value: ComponentChildren; note?: ComponentChildren }) {
	return (
		<div class="figure">
			<span class="figure-name">{name}</span>
			<span class="figure-value">{value}</span>
			{note && <span class="figure-note">{note}</span>}
		</div>
	);
}
