// SPDX-License-Identifier: MIT
//
// One message of the bus: as JSON, its packets byte by byte, and in forms that can be taken elsewhere.
import { useSignal } from "@preact/signals";
import type { Message } from "../../lib/events";
import { count } from "../../lib/format";
import { hex, unhex } from "../../lib/frame";
import { typeWord } from "../../lib/palette";
import { Button, copyText } from "../../ui/page";
import { Bytes } from "../packets/bytes";
import { vector, type Item } from "./vector";

const TEXT_MAX = 20000; // characters that are shown
const PICKED = 100; // packets of a message that can be chosen

/** Items with the bytes of a packet. */
function packets(m: Message): { item: Item; raw: string }[] {
	const items = m.body["items"];
	if (!Array.isArray(items)) return [];
	return (items as Item[]).flatMap((item) => {
		const raw = item.raw;
		return raw && typeof raw.$bin === "string" && raw.$bin !== "" ? [{ item, raw: raw.$bin }] : [];
	});
}

/** What asks the daemon for the same packet's fields: it changes nothing, so it can be pasted anywhere. */
const curl = (raw: string): string =>
	`curl -sS ${location.origin}/api/decode -H 'Content-Type: application/json' -d '{"hex":"${hex(unhex(raw))}"}'`;

function Copy({ what, text }: { what: string; text: () => string }) {
	const done = useSignal(false);
	const copy = async (): Promise<void> => {
		await copyText(text());
		done.value = true;
		setTimeout(() => (done.value = false), 1500);
	};
	return <Button icon={done.value ? "check" : "copy"} label={done.value ? `${what} copied` : `Copy ${what}`} text={what} onClick={() => void copy()} />;
}

export function Body({ m }: { m: Message }) {
	const all = packets(m);
	const bytes = useSignal(false), at = useSignal(0);
	const chosen = all[Math.min(at.value, all.length - 1)];
	const test = chosen && vector(chosen.item, chosen.raw);
	return (
		<div class="bus-body">
			<div class="row bus-tools">
				{chosen && <button type="button" class="chip" aria-pressed={!bytes.value} onClick={() => (bytes.value = false)}>JSON</button>}
				{chosen && <button type="button" class="chip" aria-pressed={bytes.value} onClick={() => (bytes.value = true)}>Bytes</button>}
				{all.length > 1 && (
					<label class="pick-inline">Packet <select value={at.value} onChange={(e) => (at.value = Number(e.currentTarget.value))}>
						{all.slice(0, PICKED).map((p, i) => <option key={i} value={i}>{`${i + 1} of ${all.length}${p.item.hash ? `, ${p.item.hash.slice(0, 8)} ${typeWord(p.item.type ?? 255)}` : ""}`}</option>)}
					</select></label>
				)}
				<Copy what="Message" text={() => JSON.stringify(m)} />
				{chosen && <Copy what="curl" text={() => curl(chosen.raw)} />}
				{test && <Copy what="Test vector" text={() => test} />}
			</div>
			{bytes.value && chosen ? <Bytes bytes={unhex(chosen.raw)} /> : <Json body={m.body} />}
		</div>
	);
}

function Json({ body }: { body: unknown }) {
	const text = JSON.stringify(body, null, 2);
	return <pre tabIndex={0}>{text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}\n… ${count(text.length - TEXT_MAX)} characters more; the file has them` : text}</pre>;
}
