// SPDX-License-Identifier: MIT
import { Page } from "../../ui/page";

export default function Nodes() {
	return <Page title="Nodes"><p>Soon.</p></Page>;
}
