// SPDX-License-Identifier: MIT
//
// One node. Each tab asks for its data when it is opened.
import { shortKey } from "../../lib/format";
import { role } from "../../lib/palette";
import { go } from "../../lib/router";
import { nodes, observers, useSet } from "../../lib/store";
import { RoleIcon } from "../../ui/icons";
import { withQuery } from "../../ui/list";
import { CopyButton, Drawer, Tabs } from "../../ui/page";
import { Notice, Skeleton } from "../../ui/state";
import { nameOf, PinButton } from "./columns";
import { History } from "./history";
import { Links } from "./links";
import { Overview } from "./overview";
import { NodePackets } from "./packets";
import { Paths } from "./paths";

const TABS = [["overview", "Overview"], ["links", "Links"], ["paths", "Paths"], ["packets", "Packets"], ["history", "History"]] as const;

/** The whole key that begins so, if there is one only. */
function keyOf(start: string): { key: string | null; many: number } {
	const t = nodes.state.value.table;
	if (start.length === 64) return { key: start, many: 1 };
	const found: string[] = [];
	for (let r = 0; t && r < t.rows; r++) if (t.hex("key", r).startsWith(start)) found.push(t.hex("key", r));
	return { key: found.length === 1 ? found[0]! : null, many: found.length };
}

export function NodeDrawer({ start, tab }: { start: string; tab: string }) {
	const { table: t, loading } = useSet(nodes, 1000);
	useSet(observers, 5000);
	const { key, many } = keyOf(start);
	const row = key ? nodes.find(key) : -1;
	const name = t && row >= 0 ? nameOf(t, row) : shortKey(start);
	const base = `/nodes/${start}`;
	return (
		<Drawer
			title={<><RoleIcon role={role(t && row >= 0 ? t.text("role", row) : null)} size={14} />{name}</>} label="Details of the node" onClose={() => go(withQuery("/nodes"))}
			actions={key && <><PinButton keyText={key} name={name} /><CopyButton text={key} label="Copy the key" /></>}
		>
			<Tabs label="Details of the node" tabs={TABS.map(([id, title]) => ({ href: withQuery(id === "overview" ? base : `${base}/${id}`), title }))} />
			{key === null && !loading && <Notice kind="info">{many > 1 ? `${many} nodes have keys that begin so. Type more of it.` : "No node has a key that begins so."}</Notice>}
			{key === null && loading && <Skeleton what="the node" />}
			{key && (
				tab === "links" ? <Links key_={key} />
				: tab === "paths" ? <Paths key_={key} />
				: tab === "packets" ? <NodePackets key_={key} />
				: tab === "history" ? <History key_={key} />
				: <Overview key_={key} row={row} />
			)}
		</Drawer>
	);
}
