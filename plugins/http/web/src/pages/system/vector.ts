// SPDX-License-Identifier: MIT
//
// A packet of the bus as a line of tests/data/vectors.jsonl: its bytes, and what they were decoded to.
import { hashtagKey } from "../../lib/crypto";
import { hex, readFrame, unhex } from "../../lib/frame";

export interface Item {
	raw?: { $bin: string };
	hash?: string;
	type?: number;
	route?: number;
	version?: number;
	hash_size?: number;
	path?: string[];
	codes?: string[];
	json?: string;
	rejected?: string;
	refused?: string;
	advert?: { role?: string; foreign?: boolean };
}

const PUBLIC = "8b3387e9c5cdea6ac9e5edbaa115cd72";
const TRACE = 9;

/** The keys without which it would be decoded to something else; null: they are nobody's business, or not known here. */
function keys(d: { decryptionStatus?: string; channel?: string }): Record<string, string> | null {
	if (d.decryptionStatus === undefined || d.decryptionStatus === "no_key") return {};
	if (d.decryptionStatus !== "decrypted" || !d.channel) return null;
	if (d.channel === "Public") return { Public: PUBLIC };
	return d.channel.startsWith("#") ? { [d.channel]: hex(hashtagKey(d.channel)).toLowerCase() } : null;
}

/** null: nobody has decoded it yet, or only with a key that this page does not have. */
export function vector(item: Item, raw: string): string | null {
	const head = `{"name":${JSON.stringify(`bus_${item.hash ?? raw.slice(0, 16)}`)},"raw_hex":"${raw.toUpperCase()}"`;
	if (item.rejected) return `${head},"channel_keys":{},"expect":{"reject":${JSON.stringify(item.rejected)}}}`;
	if (!item.hash || item.json === undefined) return null;
	const decoded = JSON.parse(item.json) as { decryptionStatus?: string; channel?: string };
	const known = keys(decoded), path = item.path ?? [];
	if (known === null) return null;
	const expect = {
		hash: item.hash, route_type: item.route, payload_type: item.type, payload_version: item.version, path,
		path_info: { hashSize: item.hash_size ?? 0, hashCount: path.length, ...(item.type === TRACE && path.length > 0 ? { hopsCompleted: readFrame(unhex(raw)).path?.count ?? 0 } : {}) },
		...(item.codes ? { transport_codes: { code1: item.codes[0], code2: item.codes[1] } } : {}),
		...(item.advert ? { advert_accepted: !item.refused || item.refused === "foreign", role: item.advert.role } : {}),
	};
	// The object as it is, and not read and written again: the tests compare it to the byte.
	return `${head},"channel_keys":${JSON.stringify(known)},"expect":${JSON.stringify(expect)},"decoded":${item.json}}`;
}
