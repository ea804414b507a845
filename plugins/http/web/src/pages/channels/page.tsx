// SPDX-License-Identifier: MIT
import { Page } from "../../ui/page";

export default function Channels() {
	return <Page title="Channels"><p>Soon.</p></Page>;
}
