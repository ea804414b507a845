// SPDX-License-Identifier: MIT
import { Page } from "../../ui/page";

export default function Now() {
	return <Page title="Now"><p>Soon.</p></Page>;
}
