// SPDX-License-Identifier: MIT
//
// The shell: rail or bottom bar, the page of the present address, the state of the connection.
import { render, type FunctionComponent } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { signal, useSignal } from "@preact/signals";
import { gaps, link, listen } from "./lib/events";
import { clock, duration, plural } from "./lib/format";
import { useKeys } from "./lib/keys";
import { startNotifying } from "./lib/notify";
import { startTheme, theme, type Theme } from "./lib/palette";
import { go, parts, place, startRouter } from "./lib/router";
import { now } from "./lib/time";
import { destinations, type Destination } from "./pages";
import Now from "./pages/now/page";
import { Commands, commandsOpen } from "./ui/commands";
import { Icon, type IconName } from "./ui/icons";
import { KeySheet, keySheetOpen } from "./ui/keysheet";
import { Button, copyText } from "./ui/page";
import { RowMenu } from "./ui/rowmenu";
import { Notice, Skeleton } from "./ui/state";
import { Jobs } from "./ui/jobs";
import "./style/index.css";

const RAIL = "meshkern.rail";
const narrowRail = signal(localStorage.getItem(RAIL) === "narrow");
narrowRail.subscribe((narrow) => localStorage.setItem(RAIL, narrow ? "narrow" : "wide"));

const address = (d: Destination): string => `/${d.path}`;
const here = (): Destination | undefined => destinations.find((d) => d.path === (parts.value[0] ?? ""));

const themes: Record<Theme, [next: Theme, icon: IconName, words: string]> = {
	system: ["light", "system_theme", "Colours: as the system"],
	light: ["dark", "sun", "Colours: light"],
	dark: ["system", "moon", "Colours: dark"],
};

function ThemeButton() {
	const [next, icon, words] = themes[theme.value];
	return <Button icon={icon} label={words} onClick={() => (theme.value = next)} />;
}

const GAP_MS = 600000;

/** Messages that will not come: lists were loaded anew, but whoever counts on the stream is told. */
function Gap() {
	const last = gaps.value.at(-1);
	if (!last || now.value * 1000 - last.at > GAP_MS) return null;
	const many = last.lost < 0 ? "Messages were missed" : `${plural(last.lost, "message was", "messages were")} missed`;
	return <a class="gap" href="/system/bus" title={`${many} at ${clock(last.at / 1000, now.value)} on ${last.topic}; what is shown was loaded anew`}>gap {clock(last.at / 1000, now.value).slice(0, 5)}</a>;
}

/** Is what is shown live? In words; says so politely when it changes. */
function Connection() {
	const { state, since } = link.value;
	const down = now.value - since / 1000;
	const words = state === "open" ? "Live" : state === "connecting" ? "Connecting" : `Offline ${duration(Math.max(1, Math.floor(down)))}`;
	return (
		<p class={`connection ${state}`} title={state === "open" ? `Connected since ${clock(since / 1000, now.value)}` : "Reconnecting by itself"}>
			<i class="dot" aria-hidden="true" /><span>{words}</span><Gap />
			<span class="sr" role="status">{state === "down" ? "Connection lost" : state === "open" ? "Connected" : ""}</span>
		</p>
	);
}

function NavLink({ d }: { d: Destination }) {
	return (
		<a href={address(d)} aria-current={here() === d ? "page" : undefined} title={narrowRail.value ? d.title : undefined}>
			<Icon name={d.icon} size={20} /><span>{d.title}</span>
		</a>
	);
}

function Rail() {
	return (
		<div class="rail">
			<a class="brand" href="/" aria-label="meshkern, Now"><img src="/icon.svg" alt="" width="26" height="26" /><span>meshkern</span></a>
			<nav aria-label="Main">{destinations.map((d) => <NavLink key={d.path} d={d} />)}</nav>
			<div class="rail-foot">
				<Connection />
				<div class="rail-buttons">
					<Button icon="search" label="Search and commands (Ctrl K)" onClick={() => (commandsOpen.value = true)} />
					<ThemeButton />
					<Button icon="keyboard" label="Keys (?)" onClick={() => (keySheetOpen.value = true)} />
					<Button icon="sidebar" label={narrowRail.value ? "Wide navigation" : "Narrow navigation"} onClick={() => (narrowRail.value = !narrowRail.value)} />
				</div>
			</div>
		</div>
	);
}

function Bar() {
	const more = useSignal(false);
	const rest = destinations.filter((d) => !d.bar);
	useEffect(() => void (more.value = false), [place.value]);
	useKeys({ Escape: () => (more.value ? void (more.value = false) : false) });
	return (
		<div class="bar">
			{more.value && (
				<div class="bar-more">
					<nav aria-label="More pages">{rest.map((d) => <NavLink key={d.path} d={d} />)}</nav>
					<div class="bar-tools">
						<Connection />
						<Button icon="search" label="Search and commands" onClick={() => (commandsOpen.value = true)} />
						<ThemeButton />
					</div>
				</div>
			)}
			<nav aria-label="Main">
				{destinations.filter((d) => d.bar).map((d) => <NavLink key={d.path} d={d} />)}
				<button type="button" aria-expanded={more.value} class={rest.includes(here()!) ? "current" : ""} onClick={() => (more.value = !more.value)}>
					<Icon name="more" size={20} /><span>More</span>
				</button>
			</nav>
		</div>
	);
}

const loaded = new Map<Destination, FunctionComponent>([[destinations[0]!, Now]]);

function Outlet() {
	const d = here();
	const failed = useSignal<string | null>(null);
	const ready = useSignal(0);
	useEffect(() => {
		failed.value = null;
		if (!d || loaded.has(d)) return;
		d.load().then(
			(m) => {
				loaded.set(d, m.default);
				ready.value++;
			},
			() => (failed.value = `The page ${d.title} cannot be loaded: the daemon does not answer, or was updated. `),
		);
	}, [d]);
	void ready.value;
	const View = d && loaded.get(d);
	// The heading of another page is where reading begins; the first page leaves the focus where it is.
	// At once: later it might take the focus from where the next key has put it.
	const left = useRef<Destination | undefined>(d);
	useLayoutEffect(() => {
		const heading = View && left.current !== d ? document.querySelector<HTMLElement>("main h1") : null;
		if (!heading) return; // soon: some pages go on to their first view
		left.current = d;
		heading.focus({ preventScroll: true });
	}, [d, View, place.value.path]);
	if (View) return <View />;
	if (failed.value) return <Notice kind="bad">{failed.value}<a href={location.pathname} target="_self">Load again</a></Notice>;
	if (d) return <div class="page"><Skeleton what={d.title} /></div>;
	return (
		<div class="page">
			<h1 tabIndex={-1}>Not here</h1>
			<p>There is no page at this address. <a href="/">Go to Now</a></p>
		</div>
	);
}

function App() {
	useKeys(
		{
			...Object.fromEntries(destinations.map((d) => [`g ${d.key}`, () => go(address(d))])),
			"mod+k": () => void (commandsOpen.value = true),
			"?": () => void (keySheetOpen.value = true),
			"/": () => {
				const field = document.querySelector<HTMLElement>("[data-filter]");
				if (!field) return false;
				field.focus();
				return;
			},
			y: () => void copyText(location.href),
		},
		[{ keys: "Ctrl K", words: "search, go anywhere" },
			...destinations.map((d) => ({ keys: `g ${d.key}`, words: `go to ${d.title}` })),
			{ keys: "/", words: "filter" }, { keys: "y", words: "copy the address" }, { keys: "?", words: "these keys" }],
	);
	// A connection from the first moment, so that every page can say whether it is live.
	useEffect(() => listen("core/heads", { message: () => {} }), []);
	return (
		<div class={narrowRail.value ? "shell narrow-rail" : "shell"}>
			<a class="skip" href="#main">To the content</a>
			<Rail />
			<main id="main" tabIndex={-1}>
				{link.value.state === "down" && now.value - link.value.since / 1000 > 3 && (
					<p class="offline" role="status">
						{`No connection to the daemon since ${clock(link.value.since / 1000, now.value)}. What you see is from then; it goes on by itself.`}
					</p>
				)}
				<Outlet />
			</main>
			<Jobs />
			<Bar />
			<Commands />
			<KeySheet />
			<RowMenu />
		</div>
	);
}

startRouter();
startTheme();
startNotifying();
render(<App />, document.getElementById("app")!);

