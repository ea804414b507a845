// SPDX-License-Identifier: MIT
//
// The filter language of the lists: what CoreScope's users type, and plain words.
//
//   type == ADVERT && snr > 5          from contains "hill" or hops >= 3
//   type:advert from:hill hops>3       the same, shorter: conditions beside each other must all hold
//   age < 1h   !(scope == belgium)     hilltop          a word alone is looked for where `words` says
//
// It is compiled once into a function of a row. What depends on a text of a dictionary is decided
// once for each text.
import type { Table } from "./sets";

export interface Field {
	help: string;
	/** A number, or a text by way of the column's dictionary, or any text. */
	number?: (row: number) => number;
	column?: string;
	/** Further texts that the place of the dictionary stands for, a name for a key. */
	also?: (text: string) => string;
	text?: (row: number) => string;
	/** Words that stand for numbers: ADVERT for 4. */
	words?: Record<string, number>;
	/** The value is a time: `age < 1h`. */
	duration?: boolean;
}

export type Fields = Record<string, Field>;
export type Test = (row: number) => boolean;

export class FilterError extends Error {
	constructor(message: string, readonly at: number) {
		super(message);
	}
}

interface Token {
	kind: "word" | "text" | "op" | "(" | ")" | "and" | "or" | "not";
	text: string;
	at: number;
}

const PATTERN = /\s*(?:("(?:[^"\\]|\\.)*")|(&&|\|\||==|!=|<=|>=|=~|[<>=:()!~])|([^\s"&|=!<>:()~]+))/y;
const LOGIC: Record<string, Token["kind"]> = { "&&": "and", "||": "or", "!": "not", "(": "(", ")": ")", and: "and", or: "or", not: "not" };
const WORD_OPS = new Set(["contains", "starts_with", "ends_with", "matches"]);

function tokens(source: string): Token[] {
	const found: Token[] = [];
	PATTERN.lastIndex = 0;
	while (PATTERN.lastIndex < source.trimEnd().length) {
		const from = PATTERN.lastIndex;
		const m = PATTERN.exec(source);
		if (!m) throw new FilterError(`cannot read “${source.slice(from, from + 12).trim()}”`, from);
		const at = PATTERN.lastIndex - m[0].trimStart().length;
		if (m[1] !== undefined) found.push({ kind: "text", text: m[1].slice(1, -1).replace(/\\(.)/g, "$1"), at });
		else if (m[2] !== undefined) found.push({ kind: LOGIC[m[2]] ?? "op", text: m[2], at });
		else found.push({ kind: LOGIC[m[3]!.toLowerCase()] ?? (WORD_OPS.has(m[3]!.toLowerCase()) ? "op" : "word"), text: m[3]!, at });
	}
	return found;
}

const UNITS: Record<string, number> = { s: 1, m: 60, min: 60, h: 3600, d: 86400, w: 604800 };

function amount(text: string, field: Field, at: number): number {
	const word = field.words?.[text.toLowerCase()];
	if (word !== undefined) return word;
	const m = /^(-?\d+(?:\.\d+)?)([a-z]*)$/i.exec(text);
	const unit = !m ? undefined : m[2] === "" ? 1 : field.duration ? UNITS[m[2]!.toLowerCase()] : undefined;
	if (!m || unit === undefined) {
		const known = field.words ? `: ${Object.keys(field.words).slice(0, 8).join(", ")} …` : field.duration ? ", 15m or 2h" : "";
		throw new FilterError(`“${text}” is no number here${known}`, at);
	}
	return Number(m[1]) * unit;
}

/** How a text is compared. */
function textTest(op: string, wanted: string, at: number): (text: string) => boolean {
	const w = wanted.toLowerCase();
	switch (op) {
		case "==": case "=": return (t) => t.toLowerCase() === w;
		case "!=": return (t) => t.toLowerCase() !== w;
		case ":": case "contains": case "~": return (t) => t.toLowerCase().includes(w);
		case "starts_with": return (t) => t.toLowerCase().startsWith(w);
		case "ends_with": return (t) => t.toLowerCase().endsWith(w);
		case "matches": case "=~": {
			let pattern: RegExp;
			try {
				pattern = new RegExp(wanted, "i");
			} catch {
				throw new FilterError(`“${wanted}” is no regular expression`, at);
			}
			return (t) => pattern.test(t);
		}
		default: throw new FilterError(`“${op}” compares numbers, this is text`, at);
	}
}

function numberTest(op: string, wanted: number, get: (row: number) => number, at: number): Test {
	switch (op) {
		case "==": case "=": case ":": return (r) => get(r) === wanted;
		case "!=": return (r) => get(r) !== wanted;
		case "<": return (r) => get(r) < wanted;
		case ">": return (r) => get(r) > wanted;
		case "<=": return (r) => get(r) <= wanted;
		case ">=": return (r) => get(r) >= wanted;
		default: throw new FilterError(`“${op}” compares text, this is a number`, at);
	}
}

class Parser {
	private at = 0;
	private readonly list: Token[];
	constructor(source: string, private readonly fields: Fields, private readonly table: Table, private readonly words: string[]) {
		this.list = tokens(source);
		this.end = source.length;
	}
	private readonly end: number;

	parse(): Test {
		const test = this.or();
		const rest = this.list[this.at];
		if (rest) throw new FilterError(`“${rest.text}” is not expected here`, rest.at);
		return test;
	}

	private is(kind: Token["kind"]): boolean {
		return this.list[this.at]?.kind === kind;
	}

	private or(): Test {
		const all = [this.and()];
		while (this.is("or")) {
			this.at++;
			all.push(this.and());
		}
		return all.length === 1 ? all[0]! : (r) => all.some((t) => t(r));
	}

	private and(): Test {
		const all = [this.not()];
		for (;;) {
			if (this.is("and")) this.at++;
			else if (this.at >= this.list.length || this.is("or") || this.is(")")) break;
			all.push(this.not());
		}
		return all.length === 1 ? all[0]! : (r) => all.every((t) => t(r));
	}

	private not(): Test {
		if (!this.is("not")) return this.primary();
		this.at++;
		const test = this.not();
		return (r) => !test(r);
	}

	private primary(): Test {
		const t = this.list[this.at++];
		if (!t) throw new FilterError("the filter ends too early", this.end);
		if (t.kind === "(") {
			const test = this.or();
			if (!this.is(")")) throw new FilterError("a closing parenthesis is missing", this.list[this.at]?.at ?? this.end);
			this.at++;
			return test;
		}
		if (t.kind !== "word" && t.kind !== "text") throw new FilterError(`“${t.text}” is not expected here`, t.at);
		if (t.kind === "word" && this.is("op")) return this.condition(t);
		return this.word(t.text);
	}

	private condition(name: Token): Test {
		const op = this.list[this.at++]!;
		const value = this.list[this.at++];
		const field = this.fields[name.text.toLowerCase()];
		if (!field) throw new FilterError(`there is no field “${name.text}” here; there are ${Object.keys(this.fields).join(", ")}`, name.at);
		if (!value || (value.kind !== "word" && value.kind !== "text")) throw new FilterError(`a value for ${name.text} is missing`, value?.at ?? this.end);
		if (field.number) return numberTest(op.text.toLowerCase(), amount(value.text, field, value.at), field.number, op.at);
		return this.textual(field, textTest(op.text.toLowerCase(), value.text, op.at), op.text === "!=");
	}

	private textual(field: Field, fits: (text: string) => boolean, every: boolean): Test {
		if (field.text) {
			const get = field.text;
			return (r) => fits(get(r));
		}
		const { table } = this, column = field.column!;
		const dict = table.dict(column);
		const known: boolean[] = [];
		const decide = (place: number): boolean => {
			const text = dict?.values[place] ?? "";
			const also = field.also?.(text);
			return also === undefined ? fits(text) : every ? fits(text) && fits(also) : fits(text) || fits(also);
		};
		return (r) => {
			const place = table.col(column)[r]!;
			return (known[place] ??= decide(place));
		};
	}

	/** A word alone: in any of the fields that are looked through. */
	private word(text: string): Test {
		const tests = this.words.map((name) => {
			const field = this.fields[name]!;
			if (field.number) {
				const n = field.words?.[text.toLowerCase()];
				return n === undefined ? null : numberTest("==", n, field.number, 0);
			}
			return this.textual(field, textTest("contains", text, 0), false);
		}).filter((t) => t !== null);
		return (r) => tests.some((t) => t(r));
	}
}

/** The test for `source`, or null if it is empty; throws a FilterError. */
export function compile(source: string, fields: Fields, table: Table, words: string[]): Test | null {
	return source.trim() ? new Parser(source, fields, table, words).parse() : null;
}

/** What could come next where the cursor stands: names of fields, or words for a value. */
export function suggest(before: string, fields: Fields): { insert: string; help: string }[] {
	const value = /([a-z_]+)\s*(?:==|!=|:|=)\s*([^\s"]*)$/i.exec(before);
	const field = value && fields[value[1]!.toLowerCase()];
	if (field?.words) {
		const start = value![2]!.toLowerCase();
		return Object.keys(field.words).filter((w) => w.startsWith(start) && w !== start).map((w) => ({ insert: w.slice(start.length), help: w }));
	}
	const word = /(?:^|[\s(!&|])([a-z_]*)$/i.exec(before);
	if (!word || !word[1]) return [];
	const start = word[1].toLowerCase();
	return Object.entries(fields).filter(([name]) => name.startsWith(start) && name !== start)
		.map(([name, f]) => ({ insert: `${name.slice(start.length)} `, help: `${name}: ${f.help}` }));
}

/** Rows for which the test holds, the last one first. */
export function rowsOf(table: Table, test: Test | null): Uint32Array {
	const found = new Uint32Array(table.rows);
	let n = 0;
	for (let i = table.rows - 1; i >= 0; i--) if (test === null || test(i)) found[n++] = i;
	return found.subarray(0, n);
}
