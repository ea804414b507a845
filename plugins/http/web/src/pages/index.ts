// SPDX-License-Identifier: MIT
//
// The eight destinations. Each is a chunk of its own that is loaded when it is first opened; but Now,
// where most begin, is part of the shell.
import type { FunctionComponent } from "preact";
import type { IconName } from "../ui/icons";
import Now from "./now/page";

export interface Destination {
	/** First part of the path; "" is the root. */
	path: string;
	title: string;
	icon: IconName;
	/** Second key of the sequence g KEY. */
	key: string;
	/** In the bottom bar of a phone; the others are under More. */
	bar: boolean;
	load: () => Promise<{ default: FunctionComponent }>;
}

export const destinations: Destination[] = [
	{ path: "", title: "Now", icon: "now", key: "w", bar: true, load: () => Promise.resolve({ default: Now }) },
	{ path: "map", title: "Map", icon: "map", key: "m", bar: true, load: () => import("./map/page") },
	{ path: "packets", title: "Packets", icon: "packets", key: "p", bar: true, load: () => import("./packets/page") },
	{ path: "nodes", title: "Nodes", icon: "nodes", key: "n", bar: true, load: () => import("./nodes/page") },
	{ path: "observers", title: "Observers", icon: "observers", key: "o", bar: false, load: () => import("./observers/page") },
	{ path: "channels", title: "Channels", icon: "channels", key: "c", bar: true, load: () => import("./channels/page") },
	{ path: "network", title: "Network", icon: "network", key: "d", bar: false, load: () => import("./network/page") },
	{ path: "system", title: "System", icon: "system", key: "s", bar: false, load: () => import("./system/page") },
];
