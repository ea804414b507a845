// SPDX-License-Identifier: MIT
import { useSignal } from "@preact/signals";
import { readFrame } from "../../lib/frame";

const HEX = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, "0").toUpperCase());

/** Bytes with their fields; those that differ from `other` are marked. Pointing at a field marks it. */
export function Bytes({ bytes, other }: { bytes: Uint8Array; other?: Uint8Array | null }) {
	const at = useSignal(-1);
	const { parts } = readFrame(bytes);
	return (
		<div class="bytes">
			<p class="hex mono" aria-label="Bytes of the packet">
				{parts.map((p, i) => (
					<span
						key={i} class={`part g${p.group}${at.value === i ? " on" : ""}`} title={`${p.name}, ${p.from} to ${p.to - 1}`}
						onPointerEnter={() => (at.value = i)} onPointerLeave={() => (at.value = -1)}
					>
						{Array.from(bytes.subarray(p.from, p.to), (b, k) => {
							const differs = other && other[p.from + k] !== b;
							return differs ? <mark key={k}>{`${HEX[b]} `}</mark> : `${HEX[b]} `;
						})}
					</span>
				))}
			</p>
			<div class="scroll-x" tabIndex={0}>
				<table class="list">
					<thead><tr><th>Field</th><th class="right">Bytes</th><th>Value</th></tr></thead>
					<tbody>
						{parts.map((p, i) => (
							<tr key={i} class={at.value === i ? "on" : ""} onPointerEnter={() => (at.value = i)} onPointerLeave={() => (at.value = -1)}>
								<td><span class={`swatch g${p.group}`} aria-hidden="true" />{p.name}</td>
								<td class="right mono">{p.to - p.from === 1 ? p.from : `${p.from}–${p.to - 1}`}</td>
								<td class="wrap mono">{p.value}</td>
							</tr>
						))}
					</tbody>
				</table>
			</div>
		</div>
	);
}
