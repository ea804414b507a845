// SPDX-License-Identifier: MIT
//
// Icons: strokes on a grid of 24, in the colour of the text. They stand beside a word or have one as
// the name of their button, so they are hidden from screen readers.

const PATHS = {
	now: "M3 12h4l3-8 4 16 3-8h4",
	map: "M9 4 3 7v13l6-3 6 3 6-3V4l-6 3-6-3zM9 4v13M15 7v13",
	packets: "M4 5h16M4 10h16M4 15h10M4 20h7",
	nodes: "M12 4a3 3 0 1 1 0 6 3 3 0 0 1 0-6zM5 15a2.5 2.5 0 1 1 0 5 2.5 2.5 0 0 1 0-5zM19 15a2.5 2.5 0 1 1 0 5 2.5 2.5 0 0 1 0-5zM10.5 9.6 6.4 15.4M13.5 9.6l4.1 5.8",
	observers: "M12 13v8M8 21h8M12 11a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3zM8 13.5a5.5 5.5 0 0 1 0-8M16 13.5a5.5 5.5 0 0 0 0-8M5 16a9.5 9.5 0 0 1 0-13M19 16a9.5 9.5 0 0 0 0-13",
	channels: "M4 5h16v11H10l-5 4v-4H4zM8 9h8M8 12h5",
	network: "M5 5h4v4H5zM15 5h4v4h-4zM5 15h4v4H5zM15 15h4v4h-4zM9 7h6M7 9v6M17 9v6M9 17h6M9 9l6 6",
	system: "M4 5h16v6H4zM4 13h16v6H4zM8 8h.01M8 16h.01M12 8h5M12 16h5",
	search: "M11 4a7 7 0 1 1 0 14 7 7 0 0 1 0-14zM16.2 16.2 21 21",
	close: "M6 6l12 12M18 6 6 18",
	more: "M5 12h.01M12 12h.01M19 12h.01",
	sun: "M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM12 2v2.5M12 19.5V22M2 12h2.5M19.5 12H22M5 5l1.7 1.7M17.3 17.3 19 19M5 19l1.7-1.7M17.3 6.7 19 5",
	moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z",
	system_theme: "M3 5h18v11H3zM9 20h6M12 16v4",
	keyboard: "M3 7h18v11H3zM7 11h.01M11 11h.01M15 11h.01M17.5 11h.01M8 14.5h8",
	pin: "M9 4h6l-1 6 3 3v1.5H7V13l3-3-1-6zM12 14.5V21",
	copy: "M9 9h11v11H9zM15 9V4H4v11h5",
	link: "M10 14a4 4 0 0 0 5.7 0l3.1-3.1a4 4 0 0 0-5.7-5.7L12 6.3M14 10a4 4 0 0 0-5.7 0l-3.1 3.1a4 4 0 0 0 5.7 5.7l1.1-1.1",
	left: "M15 5l-7 7 7 7",
	right: "M9 5l7 7-7 7",
	up: "M5 15l7-7 7 7",
	down: "M5 9l7 7 7-7",
	check: "M5 12.5l4.5 4.5L19 7.5",
	warn: "M12 4 2.5 20h19zM12 10v4.5M12 17.4v.1",
	bad: "M8 3h8l5 5v8l-5 5H8l-5-5V8zM12 8v5M12 16v.1",
	info: "M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18zM12 11v5.5M12 7.6v.1",
	pause: "M8 5v14M16 5v14",
	play: "M7 4.5 19 12 7 19.5z",
	columns: "M4 5h16v14H4zM10 5v14M15 5v14",
	filter: "M4 5h16l-6.5 8v6l-3-2v-4z",
	export: "M12 15V4M8 8l4-4 4 4M4 15v5h16v-5",
	refresh: "M20 11A8 8 0 0 0 6 6.3L4 8M4 4v4h4M4 13a8 8 0 0 0 14 4.7l2-1.7M20 20v-4h-4",
	lock: "M6 11h12v9H6zM8.5 11V7.5a3.5 3.5 0 0 1 7 0V11",
	unlock: "M6 11h12v9H6zM8.5 11V7.5a3.5 3.5 0 0 1 6.8-1.2",
	clock: "M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18zM12 7v5l3.5 2",
	menu: "M4 6h16M4 12h16M4 18h16",
	sidebar: "M4 5h16v14H4zM9.5 5v14",
	swap: "M7 4 3 8l4 4M3 8h14M17 12l4 4-4 4M21 16H7",
	target: "M12 5a7 7 0 1 1 0 14 7 7 0 0 1 0-14zM12 2v4M12 18v4M2 12h4M18 12h4",
	graph: "M6 6.5a2 2 0 1 1 0 .01M18 5.5a2 2 0 1 1 0 .01M12 18.5a2 2 0 1 1 0 .01M8 7.2l8-.8M7 8.3l4 8.5M17 7.3l-4 9.4",
	layers: "M12 4 3 9l9 5 9-5zM3 14l9 5 9-5",
	table: "M4 5h16v14H4zM4 10h16M4 14.5h16M10 10v9",
	bolt: "M13 3 5 13.5h6L10 21l8-10.5h-6z",
	bell: "M6 17V11a6 6 0 0 1 12 0v6l1.5 1.5h-15zM10 21h4",
	plus: "M12 5v14M5 12h14",
	minus: "M5 12h14",
	wrench: "M14.5 6.5a4 4 0 0 1 5-2l-2.7 2.7 2 2 2.7-2.7a4 4 0 0 1-5.3 5L8 19.7A2 2 0 0 1 5 17z",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
	return (
		<svg class="icon" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true">
			<path d={PATHS[name]} />
		</svg>
	);
}

import type { Role } from "../lib/palette";

/** A role by shape and colour; the word is in the title. */
export function RoleIcon({ role, size = 12 }: { role: Role; size?: number }) {
	const shapes: Record<Role, string> = {
		repeater: "M8 1.5 14.5 13.5h-13z",
		companion: "M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2z",
		room: "M2.5 2.5h11v11h-11z",
		sensor: "M8 1 15 8l-7 7-7-7z",
		unknown: "M8 3a5 5 0 1 1 0 10A5 5 0 0 1 8 3z",
	};
	return (
		<svg class={`role role-${role}`} width={size} height={size} viewBox="0 0 16 16" role="img" aria-label={role}>
			<title>{role}</title>
			<path d={shapes[role]} />
		</svg>
	);
}
