// SPDX-License-Identifier: MIT
import { useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { suggest, type Fields } from "../lib/filter";
import { Icon } from "./icons";

/** The one line of a filter, with suggestions; `/` leads here, Escape clears it and then leaves. */
export function FilterBox(p: { value: string; onInput: (v: string) => void; error?: string | null; fields?: Fields; label: string; placeholder: string }) {
	const input = useRef<HTMLInputElement>(null);
	const open = useSignal(false);
	const chosen = useSignal(-1);
	const before = p.value.slice(0, input.current?.selectionStart ?? p.value.length);
	const offers = open.value && p.fields ? suggest(before, p.fields).slice(0, 10) : [];
	const take = (insert: string) => {
		const at = input.current?.selectionStart ?? p.value.length;
		p.onInput(p.value.slice(0, at) + insert + p.value.slice(at));
		chosen.value = -1;
		requestAnimationFrame(() => input.current?.setSelectionRange(at + insert.length, at + insert.length));
		input.current?.focus();
	};
	const onKey = (e: KeyboardEvent) => {
		const step = e.key === "ArrowDown" ? 1 : e.key === "ArrowUp" ? -1 : 0;
		if (step && offers.length > 0) chosen.value = (chosen.value + step + offers.length) % offers.length;
		else if ((e.key === "Enter" || e.key === "Tab") && offers[chosen.value]) take(offers[chosen.value]!.insert);
		else if (e.key === "Enter") input.current?.closest(".page")?.querySelector<HTMLElement>(".grid")?.focus();
		else if (e.key === "Escape" && p.value) p.onInput("");
		else if (e.key === "Escape") input.current?.blur();
		else return;
		e.preventDefault();
		e.stopPropagation();
	};
	return (
		<div class="filter">
			<Icon name="filter" size={16} />
			<input
				ref={input} type="text" data-filter value={p.value} aria-label={p.label} placeholder={p.placeholder} spellcheck={false} autocomplete="off"
				aria-invalid={p.error ? true : undefined} aria-describedby={p.error ? "filter-error" : undefined}
				role="combobox" aria-expanded={offers.length > 0} aria-controls="filter-offers" aria-autocomplete="list"
				aria-activedescendant={chosen.value >= 0 && offers[chosen.value] ? `offer-${chosen.value}` : undefined}
				onInput={(e) => {
					chosen.value = -1;
					open.value = true;
					p.onInput(e.currentTarget.value);
				}}
				onBlur={() => (open.value = false)} onKeyDown={onKey}
			/>
			{p.error && <p class="filter-error" id="filter-error" role="status">{p.error}</p>}
			{offers.length > 0 && !p.error?.startsWith("there is no field") && (
				<ul class="filter-offers" id="filter-offers" role="listbox" aria-label="Suggestions">
					{offers.map((o, i) => (
						<li key={o.help} id={`offer-${i}`} role="option" aria-selected={i === chosen.value} onPointerDown={(e) => (e.preventDefault(), take(o.insert))}>{o.help}</li>
					))}
				</ul>
			)}
		</div>
	);
}
