# SPDX-License-Identifier: MIT
"""Links: one nng peer over ipc, tcp, TLS or WebSocket, spoken without nng.

A link connects, shakes hands, and then cuts the byte stream into messages. It never holds more
than one message of `max_message` bytes and one read. Every failure is an OSError; the owner
closes the link then and opens a new one.
"""

import base64
import hashlib
import os
import select
import socket
import ssl
import struct
import time
from urllib.parse import urlsplit

SUB, PUSH = 0x21, 0x50
_PEER = {SUB: (0x20, "pub"), PUSH: (0x51, "pull")}  # what each of them may talk to
_READ = 1 << 18
_SEND_TIMEOUT = 1.0
_HTTP_MAX = 16384
_WS_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def check_url(url):
    """Return the parts of a bus address, or raise ValueError."""
    if any(c <= " " or c == "\x7f" for c in url):
        raise ValueError("control character or space in %r" % url)
    parts = urlsplit(url)
    if parts.scheme == "ipc":
        if len(url) <= len("ipc://"):
            raise ValueError("%r names no path" % url)
    elif parts.scheme not in ("tcp", "tls+tcp", "ws", "wss"):
        raise ValueError("%r is not ipc://, tcp://, tls+tcp://, ws:// or wss://" % url)
    elif not parts.hostname or not (parts.port or parts.scheme in ("ws", "wss")):
        raise ValueError("%r lacks a host or a port" % url)
    return parts


def default_requests(url):
    """Where the hub takes requests for replays unless it is configured otherwise."""
    parts = check_url(url)
    if parts.scheme == "ipc":
        return url + ".in"
    if parts.scheme in ("ws", "wss"):
        return parts._replace(path=parts.path.rstrip("/") + "/in").geturl()
    return None


def tls_context(tls):
    """`tls` is None, an SSLContext, or a dict of ca, cert, key: an SSLContext."""
    if isinstance(tls, ssl.SSLContext):
        return tls
    tls = tls or {}
    context = ssl.create_default_context(cafile=tls.get("ca"))
    if tls.get("cert"):
        context.load_cert_chain(tls["cert"], tls.get("key"))
    return context


class Link:
    """What the transports have in common; messages that begin with no prefix are skipped."""

    def __init__(self, sock, prefixes, max_message):
        self._sock, self._prefixes, self._max = sock, prefixes, max_message
        self._buf = bytearray()
        self._poll = select.poll()
        self._poll.register(sock.fileno(), select.POLLIN)

    def close(self):
        self._sock.close()

    def wait(self, seconds):
        """Until something can be read, or the time is up."""
        self._poll.poll(max(0, seconds) * 1000)

    def receive(self):
        """The messages of one read, as bytearrays; None if there was nothing to read."""
        try:
            data = self._sock.recv(_READ)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        if not data:
            raise ConnectionError("closed by the other side")
        self._buf += data
        return self._split()

    def _send(self, data):
        self._sock.settimeout(_SEND_TIMEOUT)
        self._sock.sendall(data)
        self._sock.setblocking(False)

    def _greet_read(self, n, deadline):
        self._sock.settimeout(max(0.001, deadline - time.monotonic()))
        data = self._sock.recv(n)
        if not data:
            raise ConnectionError("closed during the handshake")
        self._buf += data

    def _check_size(self, size):
        if size > self._max:
            raise ConnectionError("message of %d bytes, the limit is %d" % (size, self._max))


class SpLink(Link):
    """SP over a stream: 8 bytes of handshake, then length and message."""

    def __init__(self, sock, prefixes, max_message, is_ipc):
        super().__init__(sock, prefixes, max_message)
        self._head = struct.Struct(">BQ" if is_ipc else ">Q")

    def greet(self, protocol, _parts, deadline):
        self._sock.sendall(struct.pack(">4sHH", b"\0SP\0", protocol, 0))
        while len(self._buf) < 8:
            self._greet_read(8 - len(self._buf), deadline)
        if self._buf != struct.pack(">4sHH", b"\0SP\0", _PEER[protocol][0], 0):
            raise ConnectionError("not the expected SP peer: %s" % self._buf.hex())
        self._buf.clear()
        self._sock.setblocking(False)

    def send(self, payload):
        kind = (1,) if self._head.size == 9 else ()
        self._send(self._head.pack(*kind, len(payload)) + payload)

    def _split(self):
        buf, prefixes, out = self._buf, self._prefixes, []
        head, unpack = self._head.size, self._head.unpack_from
        pos, end = 0, len(buf)
        while end - pos >= head:
            size = unpack(buf, pos)[-1]
            if size > self._max or head == 9 and buf[pos] != 1:
                self._check_size(size)
                raise ConnectionError("ipc message type %d" % buf[pos])
            start = pos + head
            if start + size > end:
                break
            pos = start + size
            if buf.startswith(prefixes, start, pos):
                out.append(buf[start:pos])
        del buf[:pos]
        return out


class WsLink(Link):
    """SP over WebSocket (RFC 6455): one binary message each, in one or more frames."""

    def __init__(self, sock, prefixes, max_message):
        super().__init__(sock, prefixes, max_message)
        self._parts = None  # of the message whose frames are coming in
        self._binary = False

    def greet(self, protocol, parts, deadline):
        name = _PEER[protocol][1] + ".sp.nanomsg.org"
        key = base64.b64encode(os.urandom(16))
        target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
        self._sock.sendall((
            "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: %s\r\n\r\n"
            % (target, parts.netloc.rpartition("@")[2], key.decode(), name)).encode())
        while not self._buf.endswith(b"\r\n\r\n"):
            if len(self._buf) > _HTTP_MAX:
                raise ConnectionError("endless answer to the WebSocket handshake")
            self._greet_read(1, deadline)  # not more: what follows are frames
        status, *lines = self._buf.decode("latin-1").split("\r\n")
        fields = {k.strip().lower(): v.strip() for k, _, v in (s.partition(":") for s in lines)}
        accept = base64.b64encode(hashlib.sha1(key + _WS_GUID).digest()).decode()
        if status.split(" ")[1:2] != ["101"] or fields.get("sec-websocket-accept") != accept:
            raise ConnectionError("no WebSocket there: %.80s" % status)
        if fields.get("sec-websocket-protocol") != name:
            raise ConnectionError("the server does not speak %s" % name)
        self._buf.clear()
        self._sock.setblocking(False)

    def send(self, payload, opcode=2):
        key = os.urandom(4)
        size = len(payload)
        length = struct.pack(">B", 0x80 | size) if size < 126 else struct.pack(">BH", 0xFE, size)
        self._send(bytes((0x80 | opcode,)) + length + key
                   + bytes(b ^ key[i & 3] for i, b in enumerate(payload)))

    def _frame(self, pos):
        """First byte, start and end of the payload of the frame at pos; None if incomplete."""
        buf = self._buf
        size, start = buf[pos + 1], pos + 2
        if size & 0x80 or buf[pos] & 0x70:
            raise ConnectionError("masked or extended WebSocket frame from the server")
        if size >= 126:
            wide = 2 if size == 126 else 8
            if len(buf) < start + wide:
                return None
            size = int.from_bytes(buf[start:start + wide], "big")
            start += wide
        self._check_size(size + len(self._parts or ()))
        return (buf[pos], start, start + size) if start + size <= len(buf) else None

    def _split(self):
        out, pos = [], 0
        while len(self._buf) - pos >= 2:
            frame = self._frame(pos)
            if not frame:
                break
            first, start, pos = frame
            if first & 8:
                self._control(first, self._buf[start:pos])
                continue
            if (first & 15 == 0) != (self._parts is not None):
                raise ConnectionError("WebSocket frames out of order")
            if self._parts is None:
                self._parts, self._binary = bytearray(), first & 15 == 2
            self._parts += self._buf[start:pos]
            if first & 0x80:
                if self._binary and self._parts.startswith(self._prefixes):
                    out.append(self._parts)
                self._parts = None
        del self._buf[:pos]
        return out

    def _control(self, first, payload):
        if not first & 0x80 or len(payload) > 125 or first & 15 == 8:
            raise ConnectionError("WebSocket closed by the other side")
        if first & 15 == 9:
            self.send(payload, 10)


def open_link(url, protocol, prefixes=(), tls=None, server_name=None, timeout=5.0,
              max_message=64 << 20):
    """Connect and shake hands within `timeout` seconds; raises OSError."""
    deadline = time.monotonic() + timeout
    parts = check_url(url)
    if parts.scheme == "ipc":
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    else:
        port = parts.port or (443 if parts.scheme == "wss" else 80)
        sock = socket.create_connection((parts.hostname, port), timeout)
    try:
        sock.settimeout(timeout)
        if parts.scheme == "ipc":
            sock.connect(url[len("ipc://"):])
        else:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if parts.scheme in ("tls+tcp", "wss"):
            sock = tls.wrap_socket(sock, server_hostname=server_name or parts.hostname)
        if parts.scheme in ("ws", "wss"):
            link = WsLink(sock, prefixes, max_message)
        else:
            link = SpLink(sock, prefixes, max_message, parts.scheme == "ipc")
        link.greet(protocol, parts, deadline)
        return link
    except BaseException:
        sock.close()
        raise
