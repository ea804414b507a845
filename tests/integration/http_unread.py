#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""WebSocket clients that never read what they are sent: their queue is bounded, they are cut off and
counted, and neither others nor the memory of the daemon notice."""

import re
import threading
import time
import unittest

import daemon
from http_client import KEY, WebSocket, ask, served, wait_for

PATHS = ["/", "/ws", "/api/events"]
QUEUE = 1536 << 10  # what the kernel and the server may hold for one of them, generously
CONFIG = {"events": {"ping": "4s"}, "event_ring": "4MiB", "api_key": KEY}
PLUGINS = {"storage": {}, "decode": {},
           "sim": {"config": {"nodes": 60, "observers": 12, "rate": 400, "seed": 5}}}
PING, PONG, TEXT, CLOSE = 9, 10, 1, 8


class Reader(threading.Thread):
    """One that does as it should."""

    def __init__(self, port, path):
        super().__init__()
        self.ws = WebSocket(port, path)
        if path == "/api/events":
            self.ws.send(do="subscribe", topic="packet/stored", retained=False)
        self.count, self.lost, self.ended = 0, False, threading.Event()

    def run(self):
        while not self.ended.is_set():
            frame = self.ws.receive_frame()
            if frame is None or frame[0] == CLOSE:
                return
            if frame[0] == PING:
                self.ws.frame(PONG, frame[1])
            self.count += frame[0] == TEXT
            self.lost = self.lost or b'"type":"lost"' in frame[1][:64]

    def end(self):
        self.ended.set()
        self.join()
        self.ws.close()


class Unread(unittest.TestCase):
    def setUp(self):
        self.d = served(CONFIG, PLUGINS)
        self.addCleanup(self.d.close)
        wait_for("the first packets", lambda: ask(self.d.port, "/api/packets").status == 200)
        self.readers = [Reader(self.d.port, path) for path in PATHS]
        for r in self.readers:
            r.start()
            self.addCleanup(r.end)

    def numbers(self):
        return self.d.plugin("http")["numbers"]

    def rss(self):
        """What is not the pages of files."""
        with open(f"/proc/{self.d.pid}/status", encoding="ascii") as f:
            return int(re.search(r"RssAnon:\s*(\d+) kB", f.read())[1]) << 10

    def everybody_reads(self):
        before = [r.count for r in self.readers]
        wait_for("news for those who read", lambda: all(
            r.count > n + 50 for r, n in zip(self.readers, before)))

    def test_they_are_cut_off_and_nobody_else_notices(self):
        self.everybody_reads()
        before = self.rss()
        unread = [WebSocket(self.d.port, path, buffer=4096) for path in PATHS * 6]
        for ws in unread[2::3]:
            ws.send(do="subscribe", topic="packet/stored")
        wait_for("all clients", lambda: self.numbers()["clients"] == len(PATHS) + len(unread))
        over = threading.Event()

        def chatter():
            """Half of them say that they are there, again and again."""
            while not over.wait(0.5):
                for ws in unread[len(unread) // 2:]:
                    try:
                        ws.frame(PONG)
                    except OSError:
                        pass

        talk = threading.Thread(target=chatter)
        talk.start()
        try:
            began = time.monotonic()
            wait_for("those that are gone",
                     lambda: self.numbers().get("clients_dropped") == len(unread), 120)
            print(f"{len(unread)} cut off within {time.monotonic() - began:.0f} s")
        finally:
            over.set()
            talk.join()
        self.assertEqual(self.numbers()["clients"], len(PATHS))
        for ws in unread:
            self.assertLess(self.held(ws), QUEUE)
            ws.close()
        self.everybody_reads()
        self.assertFalse(any(r.lost for r in self.readers))
        if not daemon.SANITIZED:
            grown = self.rss() - before
            print(f"{grown >> 20} MiB more")  # with the packets that came meanwhile
            self.assertLess(grown, 48 << 20)

    @staticmethod
    def held(ws):
        """Bytes that were on their way to it."""
        count = 0
        try:
            while more := ws.stream.read1(65536):
                count += len(more)
        except ConnectionResetError:
            pass
        return count


if __name__ == "__main__":
    daemon.main()
