// SPDX-License-Identifier: MIT
//
// Hops of a path as names where only one node can be meant, as hex where not.
import { shortKey } from "../lib/format";
import { role } from "../lib/palette";
import { candidates, nodeName, nodes } from "../lib/store";
import { RoleIcon } from "./icons";

/** One hop; `key` is the node if the daemon is certain. */
export function Hop({ hop, node }: { hop: string; node?: string | null | undefined }) {
	const t = nodes.state.peek().table;
	if (node) {
		const row = nodes.find(node);
		return (
			<a class="hop" href={`/nodes/${node}`} title={`Hop ${hop}: ${shortKey(node)}`}>
				<RoleIcon role={role(row >= 0 ? t?.text("role", row) : null)} size={10} />{nodeName(node)}
			</a>
		);
	}
	const found = candidates(hop);
	if (t && found.length === 1) {
		return (
			<a class="hop guess" href={`/nodes/${t.hex("key", found[0]!)}`} title={`Hop ${hop}: the only known node that begins so`}>
				<RoleIcon role={role(t.text("role", found[0]!))} size={10} />{t.text("name", found[0]!) ?? hop}
			</a>
		);
	}
	const who = found.slice(0, 6).map((i) => t?.text("name", i) ?? "").join(", ");
	return <span class="hop open mono" title={found.length > 0 ? `Could be ${who}${found.length > 6 ? " …" : ""}` : "No known node begins so"}>{hop}{found.length > 1 && ` ×${found.length}`}</span>;
}

export function Path({ hops, resolved, from, to }: { hops: string[]; resolved?: (string | null)[] | null | undefined; from?: string | null | undefined; to?: string | undefined }) {
	return (
		<ol class="path">
			{from && <li><Hop hop={shortKey(from)} node={from} /></li>}
			{hops.map((h, i) => <li key={i}><Hop hop={h} node={resolved?.[i]} /></li>)}
			{to && <li><span class="hop">{to}</span></li>}
		</ol>
	);
}
