// SPDX-License-Identifier: MIT
import { parts } from "../../lib/router";
import { Page } from "../../ui/page";
import { Compare } from "./compare";
import { NodeList } from "./list";

export default function Nodes() {
	const [, key, tab] = parts.value;
	if (key === "compare") return <Page title="Compare nodes"><Compare /></Page>;
	return <Page title="Nodes" fill><NodeList open={key?.toLowerCase() ?? null} tab={tab ?? "overview"} /></Page>;
}
