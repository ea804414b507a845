// SPDX-License-Identifier: MIT
//
// System: the daemon itself. Plugins, bus, jobs, ingest, storage, HTTP, log, options.
import { useEffect } from "preact/hooks";
import { go, parts } from "../../lib/router";
import { Page } from "../../ui/page";
import { Bus } from "./bus";
import { Http } from "./http";
import { Ingest } from "./ingest";
import { LogView, OptionsView } from "./inside";
import { JobsView } from "./jobs";
import { KeyButton } from "./key";
import { Plugins } from "./plugins";
import { Storage } from "./storage";

const VIEWS = {
	plugins: { title: "Plugins", view: Plugins },
	bus: { title: "Bus", view: Bus },
	jobs: { title: "Jobs", view: JobsView },
	ingest: { title: "Ingest", view: Ingest },
	storage: { title: "Storage", view: Storage },
	http: { title: "HTTP", view: Http },
	log: { title: "Log", view: LogView },
	options: { title: "Options", view: OptionsView },
};

export default function SystemPage() {
	const found = VIEWS[(parts.value[1] ?? "") as keyof typeof VIEWS];
	useEffect(() => {
		if (!found) go("/system/plugins", true);
	}, [found]);
	if (!found) return null;
	const View = found.view;
	return (
		<Page title="System" fill tabs={Object.entries(VIEWS).map(([id, v]) => ({ href: `/system/${id}`, title: v.title }))} aside={<KeyButton />}>
			<View />
		</Page>
	);
}
