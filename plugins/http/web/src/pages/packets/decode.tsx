// SPDX-License-Identifier: MIT
import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { post, type ApiError } from "../../lib/api";
import { hex, readFrame, unhex } from "../../lib/frame";
import { param, setQuery } from "../../lib/router";
import { nodes, useSet } from "../../lib/store";
import { Path } from "../../ui/path";
import { Facts, Notice } from "../../ui/state";
import { Bytes } from "./bytes";
import { decodedFacts, type Decoded } from "./facts";

interface Answer {
	decoded: {
		header: { routeTypeName: string; payloadTypeName: string; payloadVersion: number };
		path: { hashSize: number; hashCount: number; hops: string[]; hopsCompleted?: number };
		payload: Decoded;
	};
}

/** A packet in hex, read field by field here and decoded by the daemon. */
export function Decode() {
	useSet(nodes, 5000);
	const text = param("hex");
	const clean = text.replace(/\s+/g, "");
	const good = clean.length > 0 && clean.length % 2 === 0 && clean.length <= 1024 && /^[0-9a-f]*$/i.test(clean);
	const answer = useSignal<Answer["decoded"] | null>(null);
	const error = useSignal<string | null>(null);
	useEffect(() => {
		answer.value = null;
		error.value = null;
		if (!good) return;
		let alive = true;
		const timer = setTimeout(() => {
			post<Answer>("/api/decode", { hex: clean }).then(
				(a) => alive && (answer.value = a.decoded),
				(e: ApiError) => alive && (error.value = e.missing ? "this daemon decodes nothing" : e.message),
			);
		}, 200);
		return () => {
			alive = false;
			clearTimeout(timer);
		};
	}, [clean]);
	const d = answer.value;
	return (
		<div class="decode">
			<label for="hex">Packet in hex</label>
			<textarea id="hex" rows={4} class="mono" spellcheck={false} value={text} data-filter onInput={(e) => setQuery({ hex: e.currentTarget.value })} placeholder="15 03 11 22 33 A5 …" />
			{clean && !good && <Notice kind="warn">{clean.length > 1024 ? "That is longer than any packet." : /^[0-9a-f]*$/i.test(clean) ? "One digit is missing at the end." : "That is not all hex digits."}</Notice>}
			{error.value && <Notice kind="bad">{`Not decoded: ${error.value}.`}</Notice>}
			{good && (
				<div class="cards">
					<section class="card">
						<h2>Decoded</h2>
						{d
							? (
								<>
									<Facts
										items={[
											["Type", `${d.header.payloadTypeName}, version ${d.header.payloadVersion}`], ["Route", d.header.routeTypeName],
											["Path", d.path.hops.length > 0 ? <Path hops={d.path.hops} /> : "no hops"], ...decodedFacts(d.payload),
										]}
									/>
									<details><summary>Decoded object</summary><pre class="mono wrap json">{JSON.stringify(d, null, 2)}</pre></details>
								</>
							)
							: !error.value && <p class="dim" role="status">Decoding …</p>}
					</section>
					<section class="card"><h2>{`Bytes: ${readFrame(unhex(clean)).bytes.length}`}</h2><Bytes bytes={unhex(hex(unhex(clean)))} /></section>
				</div>
			)}
		</div>
	);
}
