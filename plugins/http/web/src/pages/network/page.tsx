// SPDX-License-Identifier: MIT
//
// Network: what the packets say about the mesh. Each view asks for its own data and nothing else.
import { go, parts } from "../../lib/router";
import { Page } from "../../ui/page";
import { Airtime } from "./airtime";
import { Damaged } from "./damaged";
import { Distances } from "./distances";
import { Multibyte } from "./multibyte";
import { Neighbors } from "./neighbors";
import { Prefixes } from "./prefixes";
import { RoutePatterns } from "./routes";
import { Scopes } from "./scopes";
import { useEffect } from "preact/hooks";

const VIEWS = {
	neighbors: { title: "Neighbors", view: Neighbors },
	routes: { title: "Routes", view: RoutePatterns },
	multibyte: { title: "Multi-byte", view: Multibyte },
	prefixes: { title: "Prefixes", view: Prefixes },
	airtime: { title: "Airtime", view: Airtime },
	distances: { title: "Distances", view: Distances },
	scopes: { title: "Scopes", view: Scopes },
	damaged: { title: "Damaged copies", view: Damaged },
};

export default function NetworkPage() {
	const name = parts.value[1] ?? "";
	const found = VIEWS[name as keyof typeof VIEWS];
	useEffect(() => {
		if (!found) go("/network/neighbors", true);
	}, [found]);
	if (!found) return null;
	const View = found.view;
	return (
		<Page title="Network" fill tabs={Object.entries(VIEWS).map(([id, v]) => ({ href: `/network/${id}`, title: v.title }))}>
			<View />
		</Page>
	);
}
