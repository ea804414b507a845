// SPDX-License-Identifier: MIT
import { parts } from "../../lib/router";
import { Page } from "../../ui/page";
import { Compare } from "./compare";
import { ObserverList } from "./list";

const tabs = [{ href: "/observers", title: "Table" }, { href: "/observers/compare", title: "Compare" }];

export default function Observers() {
	const [, id, tab] = parts.value;
	if (id === "compare") return <Page title="Observers" tabs={tabs}><Compare /></Page>;
	return <Page title="Observers" tabs={tabs} fill><ObserverList open={id ?? null} tab={tab ?? "overview"} /></Page>;
}
