// SPDX-License-Identifier: MIT
import { parts } from "../../lib/router";
import { Page } from "../../ui/page";
import { Decode } from "./decode";
import { PacketList } from "./list";

const tabs = [{ href: "/packets", title: "Table" }, { href: "/packets/decode", title: "Decode" }];

export default function Packets() {
	const part = parts.value[1];
	if (part === "decode") return <Page title="Packets" tabs={tabs}><Decode /></Page>;
	return <Page title="Packets" tabs={tabs} fill><PacketList open={part ?? null} /></Page>;
}
