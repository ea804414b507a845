// SPDX-License-Identifier: MIT
//
// The packets that say that a relay can do multi-byte paths: how many, the first, the last.
import { useApi } from "../../lib/api";
import { count, plural } from "../../lib/format";
import { href, param, setQuery } from "../../lib/router";
import { nodeName } from "../../lib/store";
import { Button } from "../../ui/page";
import { Ago, Honest } from "../../ui/state";

interface Proof {
	packets: number;
	first: { hash: string; at: number } | null;
	last: { hash: string; at: number } | null;
}
interface Answer {
	oldest: string | null;
	advert: Proof;
	path: Proof;
	/** Packets whose hop can be nobody else. */
	sure: number;
}

const DAYS: [id: string, words: string][] = [["7", "7 days"], ["30", "30 days"], ["90", "90 days"], ["365", "a year"]];

function Line({ name, proof, note }: { name: string; proof: Proof; note?: string }) {
	const to = (which: string, p: { hash: string; at: number }) => <><a href={`/packets/${p.hash}?t=all`}>{which}</a> <span class="dim"><Ago at={p.at} /></span></>;
	return (
		<div>
			<dt>{name}</dt>
			<dd>
				{proof.packets === 0
					? <span class="dim">none</span>
					: <>{`${plural(proof.packets, "packet")}${note ?? ""}: `}{to("first", proof.first!)}{proof.packets > 1 && <>, {to("last", proof.last!)}</>}</>}
			</dd>
		</div>
	);
}

export function Proofs({ node, onClose }: { node: string; onClose: () => void }) {
	const days = DAYS.some(([id]) => id === param("days")) ? param("days") : "7";
	const loaded = useApi<Answer>(href("/api/web/multibyte", { node, days }), 60000);
	const d = loaded.value.data;
	return (
		<section class="proofs" aria-label="Evidence for the chosen relay">
			<div class="row spread">
				<h3 class="ellipsis"><a href={`/nodes/${node}`}>{nodeName(node)}</a></h3>
				<span class="row">
					<select data-time aria-label="Evidence of" value={days} onChange={(e) => setQuery({ days: e.currentTarget.value === "7" ? "" : e.currentTarget.value })}>
						{DAYS.map(([id, words]) => <option key={id} value={id}>{words}</option>)}
					</select>
					<Button icon="close" label="Choose none" onClick={onClose} />
				</span>
			</div>
			<Honest state={loaded.value} has={d !== null} what="the evidence" owner="http">
				{d && (
					<dl class="words">
						<Line name="Its adverts" proof={d.advert} />
						<Line name="As a hop" proof={d.path} note={d.path.packets === 0 || d.sure === d.path.packets ? "" : d.sure === 0 ? ", which others may be" : `, ${count(d.sure)} of them surely`} />
					</dl>
				)}
				{d?.oldest && <p class="dim">{`Packets older than ${d.oldest.slice(0, 10)} were not looked at.`}</p>}
			</Honest>
		</section>
	);
}
