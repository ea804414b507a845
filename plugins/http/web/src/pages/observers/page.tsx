// SPDX-License-Identifier: MIT
import { Page } from "../../ui/page";

export default function Observers() {
	return <Page title="Observers"><p>Soon.</p></Page>;
}
