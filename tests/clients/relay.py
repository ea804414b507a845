# SPDX-License-Identifier: MIT
"""A bad line: passes connections on, cuts them on demand, and loses messages if told to."""

import socket
import struct
import threading


def _sp_frame(buf):
    """Where the payload of the first frame begins and ends; None if it is not complete."""
    if len(buf) < 8:
        return None
    end = 8 + struct.unpack_from(">Q", buf)[0]
    return (8, end) if len(buf) >= end else None


def _ws_frame(buf):
    if len(buf) < 2:
        return None
    size, start = buf[1] & 127, 2
    if size >= 126:
        start = 4 if size == 126 else 10
        size = int.from_bytes(buf[2:start], "big")
    return (start, start + size) if len(buf) >= start + size else None


def _sp_greeting(buf):
    return 8 if len(buf) >= 8 else 0


def _ws_greeting(buf):
    return buf.find(b"\r\n\r\n") + 4 if b"\r\n\r\n" in buf else 0


class Relay:
    """Listens on `port` for `target`; of the messages whose topic begins with `losing`, every
    `every`-th is lost on the way from the target."""

    def __init__(self, target, is_ws=False, losing=None, every=0):
        self._target = target
        self._greeting, self._frame = ((_ws_greeting, _ws_frame) if is_ws
                                       else (_sp_greeting, _sp_frame))
        self._losing, self._every, self._count = losing, every, 0
        self._pairs = []
        self._lock = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.lost = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self._server.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                return
            with self._lock:
                self._pairs.append((near, far))
            for args in ((self._up, near, far), (self._down, far, near)):
                threading.Thread(target=args[0], args=args[1:], daemon=True).start()

    @staticmethod
    def _shut(*sockets):
        for s in sockets:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _up(self, source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        self._shut(source, sink)

    def _is_lost(self, payload):
        if not self._losing or not payload.startswith(self._losing):
            return False
        self._count += 1
        self.lost += self._count % self._every == 0
        return self._count % self._every == 0

    def _down(self, source, sink):
        buf, greeted = b"", False
        try:
            while data := source.recv(65536):
                buf += data
                if not greeted and (n := self._greeting(buf)):
                    sink.sendall(buf[:n])
                    buf, greeted = buf[n:], True
                while greeted and (found := self._frame(buf)):
                    start, end = found
                    if not self._is_lost(buf[start:end]):
                        sink.sendall(buf[:end])
                    buf = buf[end:]
        except OSError:
            pass
        self._shut(source, sink)

    def cut(self):
        """End every connection there is."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            self._shut(*pair)

    def close(self):
        self._server.close()
        self.cut()
