// SPDX-License-Identifier: MIT
//
// The operator's key, for what changes something: asked for once, kept for this tab.
import { signal, useSignal } from "@preact/signals";
import { ApiError, apiKey, post } from "../../lib/api";
import { Dialog } from "../../ui/dialog";
import { Button } from "../../ui/page";
import { covers, more, offered } from "../../lib/events";
import { Notice } from "../../ui/state";

const asking = signal<(() => void) | null>(null);

/** Runs `then` with a key: at once, or when one was given. */
export function withKey(then: () => void): void {
	if (apiKey.peek()) then();
	else asking.value = then;
}

export function KeyButton() {
	const has = apiKey.value !== "";
	return (
		<>
			<Button
				icon={has ? "unlock" : "lock"} label={has ? "Key given: forget it" : "Key of the operator"} text={has ? "Key given" : "Key"}
				onClick={() => (has ? (apiKey.value = "") : (asking.value = () => {}))}
			/>
			{asking.value && <Ask />}
		</>
	);
}

/** How a page may listen to a topic: as everybody, with the operator's key, or not at all. */
export function access(topic: string): "open" | "key" | "closed" {
	if (offered.value.some((o) => covers(o, topic))) return "open";
	return more.value ? "key" : "closed";
}

/** What is said about topics that only the operator may look at. `refused`: why the key was not taken. */
export function NeedsKey({ topics, refused, so }: { topics: string[]; refused: string; so: string }) {
	const ask = (): void => {
		apiKey.value = "";
		withKey(() => {});
	};
	if (topics.length === 0 || offered.value.length === 0) return null;
	const names = topics.join(" and "), are = topics.length === 1 ? "is" : "are";
	if (!more.value) return <Notice kind="info">{`${names} ${are} not offered to pages by this daemon${so}.`}</Notice>;
	if (apiKey.value && !refused) return null;
	return (
		<Notice kind={refused ? "bad" : "info"}>
			{refused ? `${names}: ${refused}. ` : `${names} ${are} shown to who has the operator's key${so}. `}
			<Button icon="lock" label={`Give the key to look at ${names}`} text={refused ? "Give another key" : "Give the key"} onClick={ask} />
		</Notice>
	);
}

function Ask() {
	const text = useSignal("");
	const close = (): void => void (asking.value = null);
	return (
		<Dialog label="Operator's key" onClose={close}>
			<form
				class="key-form"
				onSubmit={(e) => {
					e.preventDefault();
					const then = asking.value;
					apiKey.value = text.value.trim();
					close();
					if (apiKey.value) then?.();
				}}
			>
				<h2>Operator's key</h2>
				<p>Changing the daemon needs its <code>api_key</code> (option of the plugin http). It stays in this tab until that is closed.</p>
				<label for="operator-key">Key</label>
				<input id="operator-key" type="password" autocomplete="off" autofocus value={text.value} onInput={(e) => (text.value = e.currentTarget.value)} />
				<div class="row">
					<button type="submit" class="button primary" disabled={text.value.trim() === ""}>Use it</button>
					<Button label="Cancel" text="Cancel" onClick={close} />
				</div>
			</form>
		</Dialog>
	);
}

export interface Outcome {
	kind: "good" | "bad";
	text: string;
}

/** Something that the operator asks for, and what became of it. */
export function useAction() {
	const outcome = useSignal<Outcome | null>(null);
	const busy = useSignal("");
	const run = (path: string, what: string): void =>
		withKey(() => {
			busy.value = path;
			outcome.value = null;
			post<{ state?: string; note?: string }>(path).then(
				(a) => (outcome.value = { kind: "good", text: `${what}: ${a?.note || a?.state || "done"}` }),
				(e: unknown) => {
					const error = e instanceof ApiError ? e : new ApiError(0, String(e));
					if (error.status === 401) apiKey.value = "";
					outcome.value = { kind: "bad", text: `${what}: ${error.status === 401 ? "the key is not right" : error.status === 403 ? "this daemon has no key, or does not let the plugin http change anything" : error.message}` };
				},
			).finally(() => (busy.value = ""));
		});
	const notice = outcome.value && <Notice kind={outcome.value.kind}>{outcome.value.text}</Notice>;
	return { run, busy: busy.value, notice };
}
