// SPDX-License-Identifier: MIT
//
// The same nodes as on the map, as a table: for screen readers, for sorting, and for export.
import { useMemo } from "preact/hooks";
import { count, UNKNOWN } from "../../lib/format";
import { links, nodes } from "../../lib/store";
import type { Mesh2D } from "../../mesh/source";
import { Ago } from "../../ui/state";
import { Rows } from "../../ui/rows";
import type { ColumnDef } from "../../ui/table";
import { NodeName } from "./panels";
import { mapState, selectNode } from "./state";

export function MapTable({ mesh }: { mesh: Mesh2D }) {
	const t = nodes.state.value.table!, l = links.state.value.table;
	const { selected } = mapState.value;
	const weak = useMemo(() => mesh.graph.weakPoints().nodes, [mesh]);
	const rows = useMemo(() => Array.from({ length: mesh.count }, (_, i) => i).filter((i) => mesh.nodeClass[i] !== 255), [mesh]);
	const packets = (row: number): number => {
		let n = 0;
		for (let i = mesh.graph.first[row]!; i < mesh.graph.first[row + 1]!; i++) n += l?.num("count", mesh.graph.by[i]!) ?? 0;
		return n;
	};
	const number = (id: string, title: string, width: string, value: (r: number) => number, help = ""): ColumnDef =>
		({ id, title, width, right: true, value, cell: (r) => count(value(r)), ...(help ? { help } : {}) });
	const columns: ColumnDef[] = [
		{ id: "name", title: "Node", width: "minmax(160px, 2fr)", value: (r) => t.text("name", r) ?? "", cell: (r) => <NodeName t={t} row={r} /> },
		{ id: "role", title: "Role", width: "100px", value: (r) => t.text("role", r), cell: (r) => t.text("role", r) ?? UNKNOWN },
		number("links", "Links", "80px", (r) => mesh.graph.degree(r)),
		number("packets", "Packets on links", "130px", packets),
		number("relays", "Relayed 24 h", "110px", (r) => t.num("relays_24h", r)),
		{
			id: "cut", title: "Cut off without it", help: "So many nodes lose their only chain of known links", width: "140px", right: true,
			value: (r) => weak.get(r) ?? 0, cell: (r) => (weak.has(r) ? count(weak.get(r)!) : ""),
		},
		{ id: "last", title: "Last heard", width: "110px", right: true, value: (r) => t.num("last", r), cell: (r) => <Ago at={t.num("last", r)} /> },
	];
	return (
		<div class="map-table">
			<Rows
				what="nodes of the map" columns={columns} rows={rows} version={mesh} rowKey={(r) => t.hex("key", r)} sort="-links"
				text={(r) => `${t.text("name", r) ?? ""} ${t.hex("key", r)}`.toLowerCase()}
				onOpen={(r) => selectNode(t.hex("key", r))} open={(r) => selected.includes(t.hex("key", r))}
				narrow={(r) => (
					<div class="two">
						<span><NodeName t={t} row={r} /></span><span>{`${count(mesh.graph.degree(r))} links`}</span>
						<span>{t.text("role", r) ?? UNKNOWN}</span><span><Ago at={t.num("last", r)} /></span>
					</div>
				)}
			/>
		</div>
	);
}
