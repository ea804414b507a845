#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Clients that mean no good, against the running daemon. While they are at it, another client is
served, and afterwards the daemon has no more memory, connections or descriptors than before."""

import gzip
import os
import random
import socket
import threading
import time
import unittest
import zlib

import daemon
from daemon import SECONDS
from http_client import Refused, WebSocket, ask, connect, get_json, read_answer, served, wait_for

LIMITS = {"connections": 64, "per_address": 60, "idle": "2s", "request": "2s"}


class Hostile(unittest.TestCase):
    def setUp(self):
        self.d = served({"limits": LIMITS, "events": {"clients": 20, "per_address": 20},
                         "event_ring": "256KiB"},
                        {"pulse": {"config": {"interval": "10ms"}},
                         "tally": {"config": {"interval": "10ms"}}})
        self.addCleanup(self.d.close)
        self.served, self.failed = 0, None
        self.quiet = threading.Event()
        self.good = threading.Thread(target=self.be_good)
        self.memory = self.rss()
        self.good.start()
        self.addCleanup(self.stop_good)
        wait_for("first answer", lambda: self.served > 0)

    def stop_good(self):
        self.quiet.set()
        self.good.join()

    def be_good(self):
        """A client that is served all the time, on one connection as long as it is quick enough for
        the limits."""
        try:
            while not self.quiet.is_set():
                with connect(self.d.port) as s, s.makefile("rb") as stream:
                    self.ask_on(s, stream)
        except OSError as e:
            print(f"the good client: {e}")
            self.failed = e

    def ask_on(self, s, stream):
        last = time.monotonic()
        while not self.quiet.is_set():
            slow = time.monotonic() - last > 1  # it was idle for so long: then it may be sent away
            try:
                s.sendall(b"GET /api/routes HTTP/1.1\r\nHost: a\r\n\r\n")
                answer = read_answer(stream)
            except ConnectionError:
                answer = None
            if answer is None and slow:
                return
            if answer is None or answer.status != 200:
                raise OSError(f"it was not served: {answer}")
            self.served += 1
            last = time.monotonic()
            self.quiet.wait(0.01)

    def rss(self):
        with open(f"/proc/{self.d.pid}/statm", encoding="ascii") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    def numbers(self):
        return self.d.plugin("http")["numbers"]

    def well(self, megabytes=24):
        """The good client was served all the time, and nothing piles up."""
        before = self.served
        wait_for("more answers", lambda: self.served > before + 5)
        self.stop_good()
        self.assertIsNone(self.failed)
        wait_for("connections that are closed", lambda: self.numbers().get("connections") == 0)
        if not daemon.SANITIZED:
            self.assertLess(self.rss() - self.memory, megabytes << 20)
        self.assertEqual(self.d.plugin("http")["restarts"], 0)

    def drained(self, s):
        """Everything the server sends, until it closes."""
        data = b""
        try:
            while more := s.recv(65536):
                data += more
        except (ConnectionResetError, BrokenPipeError):
            pass
        return data

    def test_slowloris(self):
        slow = [connect(self.d.port) for _ in range(40)]
        for s in slow:
            s.sendall(b"GET /api/routes HTTP/1.1\r\nHost: a\r\n")
        open_ = list(slow)
        deadline = time.monotonic() + SECONDS
        while open_ and time.monotonic() < deadline:  # a byte now and then, for ever
            for s in list(open_):
                try:
                    s.sendall(b"X-a: b\r\n")
                    s.settimeout(0.001)
                    if s.recv(1000) == b"":
                        open_.remove(s)
                except TimeoutError:
                    pass
                except OSError:
                    open_.remove(s)
        for s in slow:
            s.close()
        self.assertEqual(open_, [])
        wait_for("time-outs", lambda: self.numbers().get("timeouts", 0) >= 40)
        self.well()

    def test_a_body_that_never_ends(self):
        s = connect(self.d.port)
        s.sendall(b"POST /api/decode HTTP/1.1\r\nHost: a\r\nContent-Length: 4000\r\n\r\n{")
        self.assertEqual(self.drained(s), b"")
        s.close()
        self.well()

    def test_idle_connections_are_bounded_and_go(self):
        idle, refused = [], 0
        for _ in range(2000):
            s = connect(self.d.port)
            idle.append(s)
        for s in idle[100:]:
            answer = self.drained(s)
            refused += b" 503 " in answer or answer == b""
            s.close()
        self.assertGreater(refused, 1800)
        self.assertLessEqual(self.numbers().get("connections", 0), LIMITS["connections"])
        for s in idle[:100]:
            self.drained(s)
            s.close()
        self.well()

    def test_a_socket_that_is_never_read(self):
        clients = [WebSocket(self.d.port, buffer=4096) for _ in range(10)]
        for ws in clients:
            ws.send(do="subscribe", topic="snapshot/")
            ws.send(do="subscribe", topic="core/")
        before = self.d.topic("snapshot/tally")["seq"]
        wait_for("a few hundred messages",
                 lambda: self.d.topic("snapshot/tally")["seq"] > before + 400)
        with WebSocket(self.d.port) as ws:
            ws.send(do="subscribe", topic="snapshot/tally")
            ws.until(lambda m: m["type"] == "message")
        for ws in clients:
            ws.close()
        self.well()

    def test_a_socket_that_floods(self):
        for opcode, payload in ((9, b"x" * 100), (1, b'{"do":"ping"}'), (2, b"x" * 1000),
                                (1, b'{"do":"subscribe","topic":"core/"}')):
            ws = WebSocket(self.d.port, buffer=4096)
            try:
                for _ in range(5000):
                    ws.frame(opcode, payload)
            except OSError:
                pass
            ws.close()
        self.well()

    def test_frames_that_are_none(self):
        dice = random.Random(1)
        for head in (b"\x81\x05hello", b"\xff\xff\xff", b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff",
                     b"\x89\xfe\x10\x00", b"\x80\x80aaaa", dice.randbytes(500)):
            ws = WebSocket(self.d.port)
            ws.socket.sendall(head)
            ws.socket.settimeout(1)
            try:
                while ws.receive_frame() not in (None, (8, b"\x03\xea")):
                    pass
            except (OSError, IndexError, ValueError):
                pass
            ws.close()
        with WebSocket(self.d.port) as ws:
            ws.frame(1, b"\xff\xfe")
            while ws.receive_frame()[0] != 8:
                pass
        self.well()

    def test_upgrades_are_limited(self):
        clients, refused = [], 0
        for _ in range(40):
            try:
                clients.append(WebSocket(self.d.port))
            except Refused as e:
                refused += e.args[0].status == 503
        # Who asks before those before are counted is let in and sent away at once.
        self.assertEqual(len(clients) + refused, 40)
        self.assertGreaterEqual(len(clients), 20)
        wait_for("twenty", lambda: self.numbers().get("clients") == 20)
        with self.assertRaises(Refused):
            WebSocket(self.d.port)
        for ws in clients:
            ws.close()
        wait_for("room", lambda: self.numbers().get("clients") == 0)
        for _ in range(200):
            wait_for("a place that is free again", self.come_and_go)
        self.well()

    def come_and_go(self):
        try:
            WebSocket(self.d.port).close()
        except Refused:
            return False
        return True

    def test_pages_of_others_get_no_socket(self):
        for _ in range(50):
            for origin in ("https://evil.example", "null", f"http://127.0.0.1.evil:{self.d.port}"):
                with self.assertRaises(Refused) as refused:
                    WebSocket(self.d.port, headers={"Origin": origin})
                self.assertEqual(refused.exception.args[0].status, 403, origin)
        self.well()

    def test_a_message_that_never_ends(self):
        ws = WebSocket(self.d.port)
        with self.assertRaises(OSError):
            ws.frame(1, b"{", final=False)
            for _ in range(5000):
                ws.frame(0, b" " * 60000, final=False)
        ws.close()
        self.well()

    def test_compressed_bombs(self):
        """Nothing is unpacked: not a body, and a socket does not agree to compressed messages."""
        bomb = gzip.compress(b"{" + b" " * (4 << 20))
        for name in ("Content-Encoding", "Transfer-Encoding"):
            answer = ask(self.d.port, "/api/decode", "POST", {name: "gzip"}, bomb)
            self.assertTrue(answer is None or 400 <= answer.status < 500, answer)
        offer = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
        for _ in range(10):
            with WebSocket(self.d.port, headers=offer) as ws:
                self.assertNotIn("sec-websocket-extensions", ws.headers)
                packed = zlib.compress(b" " * (1 << 20))[2:-4]
                ws.frame(1, packed, reserved=0x40)
                frame = ws.receive_frame()
                while frame is not None and frame[0] != 8:
                    frame = ws.receive_frame()
                self.assertIn(frame, (None, (8, b"\x03\xea")))
        self.well()

    def test_half_handshakes(self):
        for text in (b"GET /api/events HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
                     b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                     b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",):
            for cut in range(0, len(text), 7):
                with connect(self.d.port) as s:
                    s.sendall(text[:cut])
            for _ in range(50):
                with connect(self.d.port) as s:
                    s.sendall(text + b"\x81\x85aaaa" + b"h")
        self.well()

    def test_pipelining_without_reading(self):
        s = connect(self.d.port, buffer=4096)
        s.settimeout(5)
        try:
            for _ in range(500):
                s.sendall(b"GET /api/plugins HTTP/1.1\r\nHost: a\r\n\r\n" * 50)
        except OSError:
            pass
        s.close()
        self.well()

    def test_heads_that_are_none(self):
        dice = random.Random(2)
        heads = [b"\r\n\r\n\r\n", b"GET\r\n\r\n", b"GET /\r\n\r\n", b"\x16\x03\x01\x02\x00\x01",
                 b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"get / http/1.1\r\n\r\n",
                 b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
                 b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
                 b"POST /api/decode HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
                 b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n",
                 b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20000 + b"\r\n",
                 b"GET /?" + b"&".join(b"a" for _ in range(3000)) + b" HTTP/1.1\r\nHost: a\r\n\r\n",
                 b"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n",
                 b"GET /% HTTP/1.1\r\nHost: a\r\n\r\n", b"GET http:// HTTP/1.1\r\nHost: a\r\n\r\n",
                 b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
                 b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", b"A" * 200 + b" / HTTP/1.1\r\nHost: a\r\n\r\n"]
        heads += [dice.randbytes(dice.randrange(1, 400)) for _ in range(100)]
        while heads:  # as many at a time as there may be
            some, heads = heads[:40], heads[40:]
            open_ = [connect(self.d.port) for _ in some]
            for s, head in zip(open_, some):
                try:
                    s.sendall(head)
                    s.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
            for s, head in zip(open_, some):
                answer = self.drained(s)
                self.assertNotRegex(answer, rb"HTTP/1.1 50[0234]", head[:80])
                s.close()
        self.well()

    def test_connections_cut_off_at_any_point(self):
        text = b"POST /api/decode HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n{\"hex\":\"1500AABBCC\"}"
        for cut in range(len(text)):
            with connect(self.d.port) as s:
                s.sendall(text[:cut])
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
        self.well()

    def test_the_daemon_stops_with_all_of_them_connected(self):
        sockets = [connect(self.d.port) for _ in range(10)]
        for i, s in enumerate(sockets):
            s.sendall(b"GET /api/routes HTTP/1.1\r\nHost: a\r\n\r\n"[:i * 4])
        clients = [WebSocket(self.d.port, buffer=4096) for _ in range(5)]
        for ws in clients:
            ws.send(do="subscribe", topic="core/")
        self.stop_good()
        self.assertEqual(self.d.stop(), 0)
        for s in sockets + clients:
            s.close()


class Waiting(unittest.TestCase):
    def test_a_decoder_that_does_not_answer(self):
        """Requests that wait for the bus, and a daemon that stops meanwhile."""
        deaf = {"deaf": {"path": daemon.test_plugin("http_deaf")}}
        with served({"limits": {"per_address": 300}}, deaf) as d:
            d.wait_state("deaf", "running")
            waiting = [connect(d.port) for _ in range(150)]
            for s in waiting:
                self.addCleanup(s.close)
            body = b'{"hex":"15005A4A0DB2F8"}'
            for s in waiting:
                s.sendall(b"POST /api/decode HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s"
                          % (len(body), body))
            self.assertIn("routes", get_json(d.port, "/api/routes"))
            with waiting[0].makefile("rb") as stream:
                self.assertIn(read_answer(stream).status, (503, 504))
            self.assertEqual(d.stop(), 0)


if __name__ == "__main__":
    daemon.main()
