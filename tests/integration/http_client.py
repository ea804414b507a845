# SPDX-License-Identifier: MIT
"""HTTP and WebSocket by hand, so that tests can say exactly what they like, well formed or not."""

import base64
import hashlib
import json
import os
import socket
import struct
import zlib
from collections import namedtuple

from daemon import SECONDS, Daemon, wait_for

Answer = namedtuple("Answer", "status headers body")
KEY = "0123456789abcdef-key"


def served(config=None, plugins=None, **settings):
    """A daemon with the http plugin on a free port; `port` is what it took."""
    options = {"listen": ["127.0.0.1:0"], "api_key": KEY, "web": "none", **(config or {})}
    d = Daemon({"http": {"config": options}, **(plugins or {})}, **settings)
    try:
        d.wait_state("http", "running")
        d.port = int(d.wait_log(r"plugin http: listening .* port=(\d+)").group(1))
    except BaseException:
        d.close()
        raise
    return d


def connect(port, seconds=SECONDS, buffer=None, host="127.0.0.1"):
    s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    s.settimeout(seconds)
    if buffer:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    try:
        s.connect((host, port))
    except OSError:
        s.close()
        raise
    return s


def read_answer(stream, method="GET"):
    """One answer from a socket's file; None at its end."""
    line = stream.readline()
    if not line:
        return None
    status = int(line.split()[1])
    headers = {}
    while True:
        line = stream.readline().strip()
        if not line:
            break
        name, value = line.decode().split(":", 1)
        headers.setdefault(name.lower(), value.strip())
    length = int(headers.get("content-length", 0))
    empty = method == "HEAD" or status in (101, 204, 304)
    return Answer(status, headers, b"" if empty else stream.read(length))


def raw(port, data, method="GET", seconds=SECONDS):
    """Sends bytes on a connection of their own and reads one answer."""
    with connect(port, seconds) as s, s.makefile("rb") as stream:
        s.sendall(data)
        return read_answer(stream, method)


def ask(port, target, method="GET", headers=None, body=None, seconds=SECONDS):
    lines = [f"{method} {target} HTTP/1.1", "Host: test"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body is not None:
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines.append(f"Content-Length: {len(body)}")
    data = "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")
    return raw(port, data, method, seconds)


def get_json(port, target, **more):
    answer = ask(port, target, **more)
    assert answer.status == 200, answer
    return json.loads(answer.body)


def gunzip(data):
    return zlib.decompress(data, 16 + zlib.MAX_WBITS)


class Refused(Exception):
    pass


class WebSocket:
    def __init__(self, port, path="/api/events", headers=None, buffer=None, wrap=lambda s: s):
        self.socket = wrap(connect(port, buffer=buffer))
        self.stream = self.socket.makefile("rb")
        key = base64.b64encode(os.urandom(16)).decode()
        fields = {"Host": "test", "Upgrade": "websocket", "Connection": "Upgrade",
                  "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key, **(headers or {})}
        text = f"GET {path} HTTP/1.1\r\n"
        text += "".join(f"{n}: {v}\r\n" for n, v in fields.items() if v is not None)
        self.socket.sendall(text.encode() + b"\r\n")
        answer = read_answer(self.stream)
        if answer is None or answer.status != 101:
            self.close()
            raise Refused(answer)
        self.headers = answer.headers
        guid = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        digest = hashlib.sha1(key.encode() + guid).digest()
        assert answer.headers["sec-websocket-accept"] == base64.b64encode(digest).decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.stream.close()
        self.socket.close()

    def frame(self, opcode, payload=b"", masked=True, final=True, reserved=0):
        head = bytes([(0x80 if final else 0) | reserved | opcode])
        mask = os.urandom(4) if masked else b""
        bit = 0x80 if masked else 0
        n = len(payload)
        head += (bytes([bit | n]) if n < 126 else bytes([bit | 126]) + struct.pack(">H", n)
                 if n < 65536 else bytes([bit | 127]) + struct.pack(">Q", n))
        if masked:
            payload = bytes(b ^ mask[i % 4] for i, b in enumerate(payload))
        self.socket.sendall(head + mask + payload)

    def send(self, **request):
        self.frame(1, json.dumps(request).encode())

    def receive_frame(self):
        """(opcode, payload); None at the end of the stream."""
        head = self.stream.read(2)
        if len(head) < 2:
            return None
        n = head[1] & 127
        if n == 126:
            n, = struct.unpack(">H", self.stream.read(2))
        elif n == 127:
            n, = struct.unpack(">Q", self.stream.read(8))
        return head[0] & 15, self.stream.read(n)

    def receive(self):
        """The next text, parsed."""
        while True:
            frame = self.receive_frame()
            assert frame is not None, "the server closed"
            assert frame[0] != 8, f"the server closed: {frame[1]}"
            if frame[0] == 1:
                return json.loads(frame[1])

    def until(self, is_it):
        for _ in range(100000):
            message = self.receive()
            if is_it(message):
                return message
        raise AssertionError("not among 100000 messages")


__all__ = ["Answer", "KEY", "Refused", "WebSocket", "ask", "connect", "get_json", "gunzip", "raw",
           "read_answer", "served", "wait_for"]
