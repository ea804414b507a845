// SPDX-License-Identifier: MIT
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

/** A modal dialog of the browser's own: it keeps the focus and gives it back. */
export function Dialog(p: { label: string; kind?: string; onClose: () => void; children: ComponentChildren }) {
	const box = useRef<HTMLDialogElement>(null);
	// Before the next key: what is typed at once is for the dialog.
	useLayoutEffect(() => {
		const before = document.activeElement as HTMLElement | null;
		box.current!.showModal();
		// It may also go because something in it was chosen.
		return () => queueMicrotask(() => document.activeElement === document.body && before?.isConnected && before.focus({ preventScroll: true }));
	}, []);
	return (
		<dialog
			ref={box} class={`dialog ${p.kind ?? ""}`} aria-label={p.label} onClose={p.onClose}
			onClick={(e) => e.target === box.current && box.current!.close()}
			onKeyDown={(e) => e.stopPropagation()}
		>
			<div class="dialog-body">{p.children}</div>
		</dialog>
	);
}
