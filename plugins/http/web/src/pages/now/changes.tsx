// SPDX-License-Identifier: MIT
import { count, shortKey } from "../../lib/format";
import { Ago } from "../../ui/state";

export interface Change {
	kind: string;
	total: number;
	items: { key?: string | null; name?: string | null; at?: number | null; text?: string | null }[];
}

const WORDS: Record<string, [one: string, many: string]> = {
	new_node: ["new node", "new nodes"], lost_node: ["node not heard any more", "nodes not heard any more"],
	new_link: ["new link", "new links"], lost_link: ["link not used any more", "links not used any more"],
	collision: ["prefix that two share now", "prefixes that several share now"],
	multibyte: ["node became multi-byte", "nodes became multi-byte"], firmware: ["firmware changed", "firmwares changed"],
	new_observer: ["new observer", "new observers"],
};

/** What is different from a day ago. */
export function Changes({ changes }: { changes: Change[] | undefined }) {
	if (changes === undefined) return null;
	const some = changes.filter((c) => c.total > 0);
	return (
		<section class="card" aria-label="What changed in 24 hours">
			<h2>Changed in 24 hours</h2>
			{some.length === 0 && <p class="dim">Nothing.</p>}
			<dl class="changes">
				{some.map((c) => (
					<div key={c.kind}>
						<dt><b>{count(c.total)}</b> {WORDS[c.kind]?.[c.total === 1 ? 0 : 1] ?? c.kind.replaceAll("_", " ")}</dt>
						<dd>
							{c.items.map((i, n) => (
								<span key={n}>
									{i.key && /^[0-9a-f]{64}$/.test(i.key) ? <a href={`/nodes/${i.key}`}>{i.name || shortKey(i.key)}</a> : (i.name ?? i.key ?? "")}
									{i.text ? ` ${i.text}` : ""}{i.at ? <span class="dim"> <Ago at={i.at} /></span> : null}
								</span>
							))}
							{c.total > c.items.length && c.items.length > 0 && <span class="dim">{`and ${count(c.total - c.items.length)} more`}</span>}
						</dd>
					</div>
				))}
			</dl>
		</section>
	);
}
