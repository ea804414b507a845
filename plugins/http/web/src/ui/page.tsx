// SPDX-License-Identifier: MIT
//
// The frame of a page: heading, views as tabs, drawer, menus, copying.
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { useKeys } from "../lib/keys";
import { place } from "../lib/router";
import { Icon, type IconName } from "./icons";

export interface Tab {
	href: string;
	title: string;
}

export function Page(p: { title: string; tabs?: Tab[]; aside?: ComponentChildren; fill?: boolean; children: ComponentChildren }) {
	useEffect(() => {
		document.title = `${p.title} · meshkern`;
	}, [p.title]);
	return (
		<div class={p.fill ? "page fill" : "page"}>
			<header class="page-head">
				<h1 tabIndex={-1}>{p.title}</h1>
				{p.tabs && <Tabs tabs={p.tabs} label={`Views of ${p.title}`} />}
				<div class="page-aside">{p.aside}</div>
			</header>
			{p.children}
		</div>
	);
}

export function Tabs({ tabs, label }: { tabs: Tab[]; label: string }) {
	const { path, query } = place.value;
	const here = `${path}?${query}`;
	const best = tabs.reduce<Tab | null>((a, t) => {
		const [to, q] = t.href.split("?");
		const fits = q ? here.includes(q) && path === to : path === to || path.startsWith(`${to}/`);
		return fits && (a === null || t.href.length > a.href.length) ? t : a;
	}, null);
	const nav = useRef<HTMLElement>(null);
	useEffect(() => {
		const n = nav.current!, a = n.querySelector<HTMLElement>("[aria-current]");
		if (a && n.scrollWidth > n.clientWidth) n.scrollLeft = a.offsetLeft - n.offsetLeft - (n.clientWidth - a.offsetWidth) / 2;
	}, [best?.href]);
	return (
		<nav class="tabs" aria-label={label} ref={nav}>
			{tabs.map((t) => <a key={t.href} href={t.href} aria-current={t === best ? "page" : undefined}>{t.title}</a>)}
		</nav>
	);
}

/** Details beside a list; on a phone over it. Escape closes it. */
export function Drawer(p: { title: ComponentChildren; label: string; onClose: () => void; actions?: ComponentChildren; children: ComponentChildren }) {
	const head = useRef<HTMLHeadingElement>(null);
	const box = useRef<HTMLElement>(null);
	useKeys({ Escape: p.onClose }, [{ keys: "Esc", words: "close the details" }]);
	// Whoever closes it from within goes on where it was opened: in the list, or on the map.
	useLayoutEffect(() => {
		const drawer = box.current!;
		return () => {
			if (!drawer.contains(document.activeElement)) return;
			const list = drawer.closest(".split")?.querySelector<HTMLElement>(".grid, .mesh-above");
			queueMicrotask(() => list?.focus({ preventScroll: true }));
		};
	}, []);
	return (
		<aside class="drawer" aria-label={p.label} ref={box}>
			<header class="drawer-head">
				<h2 ref={head} tabIndex={-1}>{p.title}</h2>
				<div class="drawer-actions">
					{p.actions}
					<Button icon="close" label="Close the details" onClick={p.onClose} />
				</div>
			</header>
			<div class="drawer-body">{p.children}</div>
		</aside>
	);
}

/** A button that is an icon; its label is what screen readers and the pointer are told. */
export function Button(p: {
	icon?: IconName; label: string; onClick: () => void; text?: ComponentChildren; pressed?: boolean; disabled?: boolean; kind?: string;
}) {
	return (
		<button
			type="button" class={`button ${p.text === undefined ? "bare" : ""} ${p.kind ?? ""}`} aria-label={p.label} title={p.label}
			aria-pressed={p.pressed} disabled={p.disabled} onClick={p.onClick}
		>
			{p.icon && <Icon name={p.icon} />}
			{p.text}
		</button>
	);
}

export function CopyButton({ text, label }: { text: string; label: string }) {
	const done = useSignal(false);
	const copy = async () => {
		await copyText(text);
		done.value = true;
		setTimeout(() => (done.value = false), 1500);
	};
	return <Button icon={done.value ? "check" : "copy"} label={done.value ? "Copied" : label} onClick={() => void copy()} />;
}

export async function copyText(text: string): Promise<void> {
	try {
		await navigator.clipboard.writeText(text);
	} catch {
		// Without https there is no clipboard for pages but this.
		const area = document.createElement("textarea");
		area.value = text;
		document.body.append(area);
		area.select();
		document.execCommand("copy");
		area.remove();
	}
}

/** A button that opens a small panel; Escape or a click elsewhere closes it. */
export function Menu(p: { icon?: IconName; label: string; text?: ComponentChildren; children: (close: () => void) => ComponentChildren }) {
	const open = useSignal(false);
	const box = useRef<HTMLDivElement>(null);
	useLayoutEffect(() => {
		if (!open.value) return;
		const out = (e: Event) => {
			if (!box.current?.contains(e.target as Node)) open.value = false;
		};
		addEventListener("pointerdown", out);
		addEventListener("focusin", out);
		return () => {
			removeEventListener("pointerdown", out);
			removeEventListener("focusin", out);
		};
	}, [open.value]);
	const escape = () => {
		open.value = false;
		box.current?.querySelector<HTMLElement>("button")?.focus();
	};
	return (
		<div class="menu" ref={box}>
			<button
				type="button" class={p.text === undefined ? "button bare" : "button"} aria-label={p.text === undefined ? p.label : undefined}
				title={p.label} aria-expanded={open.value} onClick={() => (open.value = !open.value)}
			>
				{p.icon && <Icon name={p.icon} />}{p.text}
			</button>
			{open.value && <MenuPanel label={p.label} onEscape={escape}>{p.children(() => (open.value = false))}</MenuPanel>}
		</div>
	);
}

/** Mounted while it is open, so that Escape is its own before that of what was there earlier. */
function MenuPanel(p: { label: string; onEscape: () => void; children: ComponentChildren }) {
	useKeys({ Escape: p.onEscape });
	return <div class="menu-panel" role="group" aria-label={p.label}>{p.children}</div>;
}

/** Saves a text as a file. */
export function download(name: string, type: string, text: string): void {
	const url = URL.createObjectURL(new Blob([text], { type }));
	const a = document.createElement("a");
	a.href = url;
	a.download = name;
	a.click();
	setTimeout(() => URL.revokeObjectURL(url), 10000);
}
