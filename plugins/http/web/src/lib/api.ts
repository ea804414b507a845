// SPDX-License-Identifier: MIT
//
// Requests to the daemon. A failure says what failed in words; an address that this daemon does not
// have is `missing`, which pages show as a plain fact and not as an error.
import { useEffect, useRef } from "preact/hooks";
import { Signal, signal, useSignal } from "@preact/signals";

export class ApiError extends Error {
	constructor(
		readonly status: number,
		message: string,
	) {
		super(message);
	}
	/** The daemon has no such address, or no such thing. */
	get missing(): boolean {
		return this.status === 404 || this.status === 501;
	}
}

const KEY = "meshkern.key";

/** The operator's key, for what changes something. Kept for this tab only. */
export const apiKey = signal(sessionStorage.getItem(KEY) ?? "");
apiKey.subscribe((key) => (key ? sessionStorage.setItem(KEY, key) : sessionStorage.removeItem(KEY)));

async function reason(answer: Response): Promise<string> {
	const text = await answer.text().catch(() => "");
	try {
		const { error } = JSON.parse(text) as { error?: unknown };
		if (typeof error === "string") return error;
	} catch {
		// Not every error has a body of ours.
	}
	return text.length > 0 && text.length < 200 && !text.includes("<") ? text.trim() : `status ${answer.status}`;
}

export async function request(path: string, init?: RequestInit): Promise<Response> {
	let answer: Response;
	try {
		answer = await fetch(path, init);
	} catch (e) {
		if ((e as Error).name === "AbortError") throw e;
		throw new ApiError(0, "the daemon does not answer");
	}
	if (!answer.ok) throw new ApiError(answer.status, await reason(answer));
	return answer;
}

export async function get<T>(path: string, abort?: AbortSignal): Promise<T> {
	return (await request(path, { signal: abort ?? null })).json() as Promise<T>;
}

/** With the operator's key if there is one. */
export async function post<T>(path: string, body?: unknown): Promise<T> {
	const headers: Record<string, string> = {};
	if (apiKey.value) headers["X-API-Key"] = apiKey.value;
	if (body !== undefined) headers["Content-Type"] = "application/json";
	return (await request(path, { method: "POST", headers, body: body === undefined ? null : JSON.stringify(body) })).json() as Promise<T>;
}

/** What a page knows of something it asked for. Old data stays while new data is awaited. */
export interface Loaded<T> {
	data: T | null;
	error: ApiError | null;
	loading: boolean;
	at: number; // ms, when `data` came
	refresh: () => void;
}

/**
 * Asks for `path`, again every `every` ms while the page is visible, and once more after a failure.
 * null: nothing is asked for.
 */
export function useApi<T>(path: string | null, every = 0): Signal<Loaded<T>> {
	const again = useRef(() => {});
	const state = useSignal<Loaded<T>>({
		data: null, error: null, loading: path !== null, at: 0, refresh: () => again.current(),
	});
	useEffect(() => {
		if (path === null) {
			state.value = { ...state.value, data: null, error: null, loading: false };
			return;
		}
		const abort = new AbortController();
		let timer = 0;
		let failures = 0;
		const ask = async () => {
			clearTimeout(timer);
			if (document.hidden && state.value.data !== null) return void (timer = window.setTimeout(ask, 1000));
			state.value = { ...state.value, loading: true };
			let next = every;
			try {
				const data = await get<T>(path, abort.signal);
				failures = 0;
				if (abort.signal.aborted) return;
				state.value = { ...state.value, data, error: null, loading: false, at: Date.now() };
			} catch (e) {
				if (abort.signal.aborted) return;
				const error = e instanceof ApiError ? e : new ApiError(0, "the answer makes no sense");
				state.value = { ...state.value, error, loading: false };
				next = error.missing ? 0 : Math.min(30000, 2000 * 2 ** failures++);
			}
			if (next > 0) timer = window.setTimeout(ask, next);
		};
		again.current = ask;
		state.value = { ...state.value, data: null, error: null, loading: true };
		void ask();
		return () => {
			clearTimeout(timer);
			abort.abort();
		};
	}, [path, every]);
	return state;
}
