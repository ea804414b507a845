// SPDX-License-Identifier: MIT
//
// Notifications of the browser about alerts that are new, if they are wanted: once for each, while a
// page of ours is open somewhere and nobody looks at its alerts.
import { signal } from "@preact/signals";
import { get } from "./api";
import { go } from "./router";

const KEY = "meshkern.notify";
const EVERY_MS = 60000;
const SEEN_MAX = 500;

/** The browser has them, which it has for https and on localhost only. */
export const canNotify = typeof Notification !== "undefined" && isSecureContext;
export const notifying = signal(canNotify && localStorage.getItem(KEY) === "on" && Notification.permission === "granted");

let seen: Set<string> | null = null; // null: what there is now is not new
let timer = 0;

function tell(id: string, text: string): void {
	const n = new Notification("meshkern", { body: text, tag: id });
	n.onclick = () => {
		focus();
		go("/");
		n.close();
	};
}

async function look(): Promise<void> {
	try {
		const { alerts = [] } = await get<{ alerts?: { id: string; text: string }[] }>("/api/overview");
		const here = !document.hidden && location.pathname === "/";
		if (seen && !here) for (const a of alerts) if (!seen.has(a.id)) tell(a.id, a.text);
		// One that went away and comes again is worth another word.
		seen = new Set(alerts.slice(0, SEEN_MAX).map((a) => a.id));
	} catch {
		// That the daemon does not answer is said by the page; the next look is in a minute.
	}
}

function follow(on: boolean): void {
	clearInterval(timer);
	document.removeEventListener("visibilitychange", look);
	if (!on) return;
	seen = null;
	void look();
	timer = window.setInterval(look, EVERY_MS);
	document.addEventListener("visibilitychange", look);
}

/** Asks the browser if need be; false: it does not allow it. */
export async function setNotifying(on: boolean): Promise<boolean> {
	const allowed = on && (await Notification.requestPermission()) === "granted";
	notifying.value = allowed;
	localStorage.setItem(KEY, allowed ? "on" : "off");
	return allowed === on;
}

/** Called once, by the shell. */
export const startNotifying = (): void => void notifying.subscribe(follow);
