// SPDX-License-Identifier: MIT
//
// Columnar sets: /api/sets/NAME as typed arrays, without parsing. Dictionaries and columns can grow,
// so that live changes are written into the same arrays that were loaded.

export type Column =
	| Uint8Array | Uint16Array | Uint32Array | Int16Array | Int32Array | Float32Array | Float64Array;

interface Head {
	name: string;
	rows: number;
	version: string;
	columns: { name: string; type: string; offset: number; length: number; dict?: string }[];
	dicts?: Record<string, (string | null)[]>;
	total?: number;
	complete?: boolean;
	at?: number;
}

const TYPES: Record<string, { new (b: ArrayBuffer, o: number, n: number): Column; BYTES_PER_ELEMENT: number }> = {
	u8: Uint8Array, u16: Uint16Array, u32: Uint32Array, i16: Int16Array, i32: Int32Array, f32: Float32Array,
	f64: Float64Array,
};

/** All ones of a column: no place in its dictionary, no row. */
export const NONE: Record<number, number> = { 1: 0xff, 2: 0xffff, 4: 0xffffffff };

export class Dict {
	private places: Map<string, number> | null = null;
	constructor(readonly values: (string | null)[] = []) {}

	/** The place of a text; a new one if it is not there yet. */
	place(text: string): number {
		if (this.places === null) {
			this.places = new Map();
			this.values.forEach((v, i) => v !== null && !this.places!.has(v) && this.places!.set(v, i));
		}
		let at = this.places.get(text);
		if (at === undefined) {
			at = this.values.push(text) - 1;
			this.places.set(text, at);
		}
		return at;
	}
}

export class Table {
	rows: number;
	readonly name: string;
	readonly version: string;
	readonly total: number;
	readonly complete: boolean;
	readonly at: number;
	private readonly columns = new Map<string, { data: Column; width: number; dict: Dict | null }>();

	constructor(head: Head, body: ArrayBuffer | null) {
		this.name = head.name;
		this.rows = head.rows;
		this.version = head.version;
		this.total = head.total ?? head.rows;
		this.complete = head.complete ?? true;
		this.at = head.at ?? 0;
		const dicts = new Map(Object.entries(head.dicts ?? {}).map(([name, values]) => [name, new Dict(values)]));
		for (const c of head.columns) {
			const bytes = c.type.startsWith("bytes") ? Number(c.type.slice(5)) : 0;
			const make = bytes > 0 ? Uint8Array : TYPES[c.type];
			if (make === undefined) continue; // of a newer daemon
			const width = bytes || 1;
			const data = new make(body ?? new ArrayBuffer(0), body ? c.offset : 0, head.rows * width);
			const dict = c.dict === undefined ? null : (dicts.get(c.dict) ?? new Dict());
			if (c.dict !== undefined && dict) dicts.set(c.dict, dict);
			this.columns.set(c.name, { data, width, dict });
		}
	}

	has(name: string): boolean {
		return this.columns.has(name);
	}

	/** The numbers of a column. One that the daemon does not send is all zero. */
	col(name: string): Column {
		let c = this.columns.get(name);
		if (c === undefined) {
			c = { data: new Uint8Array(this.rows), width: 1, dict: null };
			this.columns.set(name, c);
		}
		return c.data;
	}

	dict(name: string): Dict | null {
		return this.columns.get(name)?.dict ?? null;
	}

	num(name: string, row: number): number {
		return this.col(name)[row] ?? 0;
	}

	/** A text by way of the column's dictionary; null: none. */
	text(name: string, row: number): string | null {
		const c = this.columns.get(name);
		if (c === undefined || c.dict === null) return null;
		return c.dict.values[c.data[row]!] ?? null;
	}

	/** A row of a column of bytes as hex digits. */
	hex(name: string, row: number): string {
		const c = this.columns.get(name);
		if (c === undefined) return "";
		let text = "";
		for (let i = row * c.width; i < (row + 1) * c.width; i++) text += HEX[c.data[i]!];
		return text;
	}

	/** One more row, all zero; its number. */
	push(): number {
		const row = this.rows++;
		for (const c of this.columns.values()) {
			const need = this.rows * c.width;
			if (c.data.length >= need) continue;
			const make = c.data.constructor as new (n: number) => Column;
			const grown = new make(Math.max(need, Math.ceil(c.data.length * 1.5), 256 * c.width));
			grown.set(c.data as never);
			c.data = grown;
		}
		return row;
	}

	set(name: string, row: number, value: number): void {
		const c = this.columns.get(name);
		if (c !== undefined) c.data[row] = value;
	}

	setText(name: string, row: number, text: string | null | undefined): void {
		const c = this.columns.get(name);
		if (c === undefined || c.dict === null) return;
		c.data[row] = text == null ? NONE[c.data.BYTES_PER_ELEMENT]! : c.dict.place(text);
	}

	setHex(name: string, row: number, hex: string): void {
		const c = this.columns.get(name);
		if (c === undefined) return;
		for (let i = 0; i < c.width; i++) c.data[row * c.width + i] = parseInt(hex.slice(2 * i, 2 * i + 2), 16) || 0;
	}

	/** The other order of rows: sets come newest first, and rows are added at the end. */
	reverse(): this {
		for (const c of this.columns.values()) {
			if (c.width === 1) c.data.subarray(0, this.rows).reverse();
			else reverseRows(c.data as Uint8Array, this.rows, c.width);
		}
		return this;
	}
}

const HEX = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, "0"));

function reverseRows(data: Uint8Array, rows: number, width: number): void {
	for (let a = 0, b = rows - 1; a < b; a++, b--) {
		const row = data.slice(a * width, (a + 1) * width);
		data.copyWithin(a * width, b * width, (b + 1) * width);
		data.set(row, b * width);
	}
}

/** Reads a body; throws what is wrong with it. */
export function readSet(body: ArrayBuffer): Table {
	const view = new DataView(body);
	if (body.byteLength < 8 || view.getUint32(0) !== 0x4d4b4331) throw new Error("this is no columnar set");
	const length = view.getUint32(4, true);
	const head = JSON.parse(new TextDecoder().decode(new Uint8Array(body, 8, length))) as Head;
	return new Table(head, body);
}
