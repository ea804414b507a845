// SPDX-License-Identifier: MIT
import { useSignal } from "@preact/signals";
import { channelByte } from "../../lib/crypto";
import { hex } from "../../lib/frame";
import { Dialog } from "../../ui/dialog";
import { Button, CopyButton } from "../../ui/page";
import { Notice } from "../../ui/state";
import { addChannel, myChannels, removeChannel } from "./keys";

/** Channels that this browser can read: a hashtag by its name, others by their key. */
export function KeyDialog({ onClose }: { onClose: () => void }) {
	const name = useSignal(""), key = useSignal(""), wrong = useSignal<string | null>(null);
	const add = (e: Event) => {
		e.preventDefault();
		wrong.value = addChannel(name.value, key.value);
		if (wrong.value === null) name.value = key.value = "";
	};
	return (
		<Dialog label="Keys of channels" onClose={onClose}>
			<div class="row spread"><h2>Keys of channels</h2><Button icon="close" label="Close" onClick={onClose} /></div>
			<p class="dim">They stay in this browser and are sent nowhere. What the daemon can read is configured there.</p>
			<form class="row" onSubmit={add}>
				<input type="text" aria-label="Name of the channel" placeholder="#hashtag, or a name" value={name.value} onInput={(e) => (name.value = e.currentTarget.value)} />
				<input type="text" class="grow mono" aria-label="Key, hex or base64" placeholder="key (not for #hashtags)" value={key.value} onInput={(e) => (key.value = e.currentTarget.value)} />
				<button type="submit" class="button primary">Add</button>
			</form>
			{wrong.value && <Notice kind="bad">{wrong.value}</Notice>}
			<ul class="plain">
				{myChannels.value.map((c) => (
					<li key={c.name} class="row spread">
						<span><b>{c.name}</b> <span class="dim mono">0x{channelByte(c.key).toString(16).toUpperCase().padStart(2, "0")}</span></span>
						<span class="row"><CopyButton text={hex(c.key)} label={`Copy the key of ${c.name}`} /><Button icon="close" label={`Forget ${c.name}`} onClick={() => removeChannel(c.name)} /></span>
					</li>
				))}
			</ul>
			{myChannels.value.length === 0 && <p class="dim">None yet.</p>}
		</Dialog>
	);
}
