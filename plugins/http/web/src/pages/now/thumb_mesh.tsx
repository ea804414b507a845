// SPDX-License-Identifier: MIT
import { useEffect, useRef } from "preact/hooks";
import { go } from "../../lib/router";
import { nodes } from "../../lib/store";
import { MeshView } from "../../mesh/view";
import { ROLES, type MeshFilter } from "../../mesh/source";
import { useMesh } from "../../mesh/use";
import { follow } from "../map/live";
import { useEngine } from "./thumb";

const filter: MeshFilter = { heard: 0, roles: new Set(ROLES), minCount: 1, uncertain: true, linked: false };

export default function ThumbMesh() {
	const data = useMesh({ nodeLook: "role", linkLook: "use", filter });
	const engine = useEngine(follow);
	const fitted = useRef(false);
	useEffect(() => {
		const mesh = engine.value, d = data.value;
		if (!mesh || !d) return;
		mesh.setData(d);
		if (fitted.current) return;
		fitted.current = true;
		mesh.setLabels(false);
		if (d.placed < 2) mesh.setMode("graph");
		mesh.fit(undefined, 0);
	}, [engine.value, data.value]);
	return (
		<MeshView
			engine={engine} label={`Mesh of ${data.value?.shown ?? 0} nodes; press m to open the map`}
			events={{
				pick: (hit) => {
					const t = nodes.state.peek().table;
					go(hit?.kind === "node" && t ? `/nodes/${t.hex("key", hit.index)}` : "/map");
				},
			}}
		/>
	);
}
