#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Ten thousand connections that do nothing: another client is served as before, memory is bounded,
what is above the limit is refused, and when they are gone everything is as it was."""

import json
import os
import resource
import time
import unittest

import daemon
from daemon import wait_for
from http_client import ask, connect, read_answer, served

COUNT = 10000
PER_CONNECTION = 48 << 10  # bytes of the daemon's memory, of which MHD keeps 32 KiB for a request
REQUEST = b"GET /api/healthz HTTP/1.1\r\nHost: a\r\n\r\n"


def rss(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class Idle(unittest.TestCase):
    def setUp(self):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < COUNT + 1000:
            self.skipTest(f"only {hard} open files are allowed")
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    def times(self, port, count=200):
        """Seconds of the quickest and of the slowest of so many requests on one connection."""
        times = []
        with connect(port) as s, s.makefile("rb") as stream:
            for _ in range(count):
                began = time.monotonic()
                s.sendall(REQUEST)
                read_answer(stream)
                times.append(time.monotonic() - began)
        return min(times), max(times)

    def test_ten_thousand(self):
        limits = {"connections": COUNT + 50, "per_address": COUNT + 50, "idle": "600s"}
        with served({"limits": limits}) as d:
            before, files, alone = rss(d.pid), descriptors(d.pid), self.times(d.port)
            idle = []
            try:
                while len(idle) < COUNT:  # no more at a time than the kernel lets wait
                    idle += [connect(d.port) for _ in range(500)]
                    # It may have had a few more for a moment when they were counted.
                    wait_for("connections that are taken",
                             lambda: descriptors(d.pid) > files + len(idle) - 20)
                for s in idle[::10]:  # some have asked for something once
                    s.sendall(REQUEST)
                for s in idle[::10]:
                    self.assertGreater(len(s.recv(4096)), 0)
                among = self.times(d.port)
                grown = rss(d.pid) - before
                more = [connect(d.port) for _ in range(100)]
                refused = sum(self.is_refused(s) for s in more)
                for s in more:
                    s.close()
            finally:
                for s in idle:
                    s.close()
            print(json.dumps({"connections": COUNT, "worst_alone_ms": round(1000 * alone[1], 2),
                              "worst_among_ms": round(1000 * among[1], 2), "refused_of_100": refused,
                              "bytes_per_connection": grown // COUNT}), flush=True)
            # The slowest says how busy the machine is.
            self.assertLess(among[0], max(0.1, 20 * alone[0]))
            self.assertLess(grown, COUNT * PER_CONNECTION)
            self.assertGreaterEqual(refused, 40)
            wait_for("descriptors back", lambda: descriptors(d.pid) <= files + 2)
            self.assertEqual(ask(d.port, "/api/routes").status, 200)

    def is_refused(self, s):
        """The daemon says 503 and closes, or closes; else nothing comes."""
        try:
            s.sendall(REQUEST)
            return b"\"ready\"" not in s.recv(4096)
        except OSError:
            return True


if __name__ == "__main__":
    daemon.main()
