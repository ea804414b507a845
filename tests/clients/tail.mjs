// SPDX-License-Identifier: MIT
//
// node tail.mjs URL TOPIC...: the JavaScript client as a process, printing the JSON lines that
// `python3 -m meshkern_bus --json` prints.

import { Bus, Gap } from "../../sdk/clients/js/meshkern-bus.js";
import { TinyWebSocket } from "./tinyws.mjs";

const [url, ...topics] = process.argv.slice(2);
const plain = (_, v) => (typeof v === "bigint" ? String(v) : v);

for await (const item of new Bus(url, { topics, WebSocket: globalThis.WebSocket ?? TinyWebSocket }))
	console.log(JSON.stringify(item instanceof Gap ? { gap: item } : item, plain));
