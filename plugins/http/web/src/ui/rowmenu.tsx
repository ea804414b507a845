// SPDX-License-Identifier: MIT
//
// What can be done with a row: `.` or the other mouse button opens it, arrows and Enter choose.
import { signal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import { Dialog } from "./dialog";
import { Icon, type IconName } from "./icons";

export interface RowAction {
	icon: IconName;
	words: string;
	run: () => void;
}

export interface RowMenuOf {
	title: string;
	actions: RowAction[];
}

export const rowMenu = signal<RowMenuOf | null>(null);

export function RowMenu() {
	return rowMenu.value ? <Open menu={rowMenu.value} /> : null;
}

function Open({ menu }: { menu: RowMenuOf }) {
	const list = useRef<HTMLUListElement>(null);
	const buttons = (): HTMLButtonElement[] => [...list.current!.querySelectorAll("button")];
	useLayoutEffect(() => buttons()[0]?.focus(), []);
	const move = (by: number): void => {
		const all = buttons(), at = all.indexOf(document.activeElement as HTMLButtonElement);
		all[(at + by + all.length) % all.length]?.focus();
	};
	return (
		<Dialog label={`What to do with ${menu.title}`} kind="row-menu" onClose={() => (rowMenu.value = null)}>
			<h2 class="ellipsis">{menu.title}</h2>
			<ul
				ref={list}
				onKeyDown={(e) => {
					const step = e.key === "ArrowDown" || e.key === "j" ? 1 : e.key === "ArrowUp" || e.key === "k" ? -1 : 0;
					if (step === 0) return;
					move(step);
					e.preventDefault();
				}}
			>
				{menu.actions.map((a) => (
					<li key={a.words}>
						<button type="button" onClick={() => ((rowMenu.value = null), a.run())}><Icon name={a.icon} size={16} />{a.words}</button>
					</li>
				))}
			</ul>
		</Dialog>
	);
}
