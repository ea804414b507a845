// SPDX-License-Identifier: MIT
//
// The part of the browser's WebSocket that the client library uses, over node:net, for tests on a
// Node that has none. It trusts its server (the test's own hub); it is not for production.

import { createHash, randomBytes } from "node:crypto";
import { connect } from "node:net";

export class TinyWebSocket {
	constructor(url, protocols = []) {
		const { hostname, port, pathname, host } = new URL(url);
		this.readyState = 0;
		this.binaryType = "arraybuffer";
		this.rest = Buffer.alloc(0);
		this.parts = [];
		this.key = randomBytes(16).toString("base64");
		this.socket = connect(Number(port || 80), hostname, () => this.socket.write(
			`GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\n` +
			`Connection: Upgrade\r\nSec-WebSocket-Key: ${this.key}\r\nSec-WebSocket-Version: 13\r\n` +
			`Sec-WebSocket-Protocol: ${[protocols].flat().join(", ")}\r\n\r\n`));
		this.socket.on("error", (error) => this.onerror?.({ error }));
		this.socket.on("close", () => {
			this.readyState = 3;
			this.onclose?.({});
		});
		this.socket.on("data", (data) => this.read(data));
	}

	read(data) {
		this.rest = this.rest.length ? Buffer.concat([this.rest, data]) : data;
		if (this.readyState === 0 && !this.greet()) return;
		while (this.readyState === 1 && this.frame());
	}

	greet() {
		const end = this.rest.indexOf("\r\n\r\n");
		if (end < 0) return false;
		const head = this.rest.subarray(0, end).toString("latin1");
		const accept = createHash("sha1")
			.update(this.key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest("base64");
		this.rest = this.rest.subarray(end + 4);
		if (!head.startsWith("HTTP/1.1 101") || !head.includes(accept)) {
			this.socket.destroy();
			return false;
		}
		this.readyState = 1;
		this.onopen?.({});
		return true;
	}

	frame() {
		let [size, at] = [(this.rest[1] ?? 0) & 127, 2];
		if (size >= 126) {
			at = size === 126 ? 4 : 10;
			if (this.rest.length < at) return false;
			size = size === 126 ? this.rest.readUInt16BE(2) : Number(this.rest.readBigUInt64BE(2));
		}
		if (this.rest.length < at + size) return false;
		const first = this.rest[0];
		if (first & 8) {
			if ((first & 15) === 9) this.write(10, this.rest.subarray(at, at + size));
			else this.socket.destroy();
		} else {
			this.parts.push(this.rest.subarray(at, at + size));
			if (first & 0x80) {
				const whole = Buffer.concat(this.parts.splice(0));
				this.onmessage?.({ data: Uint8Array.from(whole).buffer });
			}
		}
		this.rest = this.rest.subarray(at + size);
		return this.rest.length > 0;
	}

	write(opcode, data) {
		const mask = randomBytes(4);
		const size = data.length < 126 ? [0x80 | data.length]
			: [0xfe, data.length >> 8, data.length & 255];
		this.socket.write(Buffer.concat([Buffer.from([0x80 | opcode, ...size]), mask,
			Buffer.from(data).map((b, i) => b ^ mask[i & 3])]));
	}

	send(data) {
		this.write(2, data);
	}

	close() {
		this.readyState = 2;
		this.socket.destroy();
	}
}
