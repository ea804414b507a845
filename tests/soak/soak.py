#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A bounded long run of everything together, while everything goes wrong that can.

    soak.py [MINUTES] [SEED]        10 and 1 by default; scripts/soak builds and calls it

First half: packets at RATE a second through a real Mosquitto; readers, a WebSocket that never
reads and one that reads slowly; and every few seconds one of: kill -9 of a plugin, of the daemon, a
reload, a plugin switched off and on, a restart of the broker, a full disk. Second half: the same load
without the accidents, for the memory. At the end every reception that was published is in the
database once, the counters say so, too, and no process has more memory than one that has just begun
and read the same database needs: what grows with the database is no leak, what lies above it is one.

RATE=n in the environment: receptions a second, 2000 by default."""

import base64
import collections
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

from broker import free_port  # noqa: E402
from daemon import wait_for  # noqa: E402
from ingest import Rig  # noqa: E402

MINUTES = float(sys.argv[1]) if len(sys.argv) > 1 else 10
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else 1
RATE = int(os.environ.get("RATE", "2000"))
MORE, SLACK = 1.25, 12 << 20  # a heap that was in use has holes
# What is empty at first and has a limit: the bus's two rings, http's events and answers, SQLite's pages.
LIMITED = {"meshkernd": 44 << 20, "http": 32 << 20, "storage": 20 << 20}
SILENCE = 180  # seconds in which nothing is stored: something is stuck
READ = ["/api/healthz", "/api/stats", "/api/nodes?limit=50", "/api/packets?limit=50&groupByHash=true",
        "/api/observers", "/api/channels", "/api/plugins", "/metrics", "/api/overview",
        "/api/sets/nodes", "/api/analytics/rf", "/api/analytics/topology"]
OTHERS = ["neighbors", "mbcap", "analytics", "http"]  # nothing that is promised depends on them
INGEST = ["mqtt", "decode", "storage"]


class Readers:
    """Clients that are there all the time. Only that there are answers is counted."""

    def __init__(self, port):
        self.port, self.stop = port, threading.Event()
        self.answers = collections.Counter()
        self.threads = [threading.Thread(target=self.read, args=(i,)) for i in range(2)]
        self.threads += [threading.Thread(target=self.socket, args=(path, pause))
                         for path, pause in (("/ws", None), ("/api/events", 0.2))]
        for thread in self.threads:
            thread.start()

    def read(self, i):
        while not self.stop.wait(0.05):
            path = READ[i % len(READ)]
            i += 1
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
                    answer.read()
                    self.answers["good"] += 1
            except urllib.error.HTTPError as error:
                self.answers[error.code] += 1
                error.close()
            except OSError:
                self.answers["none"] += 1

    def socket(self, path, pause):
        """`pause` None: it never reads; otherwise a little now and then."""
        while not self.stop.wait(1):
            try:
                with socket.create_connection(("127.0.0.1", self.port), 5) as s:
                    key = base64.b64encode(os.urandom(16)).decode()
                    s.sendall((f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
                               "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                               f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
                               ).encode())
                    self.answers[f"sockets {path}"] += 1
                    while not self.stop.wait(pause or 5):
                        if pause is not None and not s.recv(4096):
                            break
            except OSError:
                pass

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()


class Soak(unittest.TestCase):
    def setUp(self):
        self.dice, self.done = random.Random(SEED), collections.Counter()
        self.disk = None
        if os.geteuid() == 0:
            self.disk = tempfile.mkdtemp(prefix="mk-soak-")
            size = int(MINUTES * 60 * RATE * 4 / 1024) + 2048
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}m", "none", self.disk], check=True)
            self.addCleanup(self.unmount)

    def unmount(self):
        subprocess.run(["umount", "-l", self.disk], check=True)
        os.rmdir(self.disk)

    # --------------------------------------------------------------- accidents --

    def kill_a_plugin(self, rig):
        name = self.dice.choice(INGEST + OTHERS)
        wait_for(f"kill of {name}", lambda: rig.kill_plugin(name), SILENCE)
        return name

    def kill_the_daemon(self, rig):
        rig.daemon.kill()
        rig.daemon.start()

    def reload(self, rig):
        rig.daemon.ask("reload")

    def switch_off_and_on(self, rig):
        name = self.dice.choice(INGEST + OTHERS)
        rig.daemon.ask("disable", name=name)
        time.sleep(self.dice.random() * 2)
        rig.daemon.ask("enable", name=name)
        return name

    def restart_the_broker(self, rig):
        rig.broker.stop()
        rig.broker.start()

    def fill_the_disk(self, rig):
        if not self.disk:
            return
        with open(f"{self.disk}/filler", "wb", buffering=0) as f:
            try:
                while True:
                    f.write(b"\0" * (1 << 20))
            except OSError:
                pass
        time.sleep(3)
        os.unlink(f"{self.disk}/filler")

    def accidents(self, rig, until):
        kinds = [self.kill_a_plugin, self.kill_a_plugin, self.switch_off_and_on, self.reload,
                 self.kill_the_daemon, self.restart_the_broker, self.fill_the_disk]
        while time.monotonic() < until:
            kind = self.dice.choice(kinds)
            what = kind(rig)
            self.done[kind.__name__ + (f" {what}" if what else "")] += 1
            time.sleep(1 + self.dice.random() * 5)

    # -------------------------------------------------------------------- memory --

    def watch(self, rig, until):
        """[(seconds, bytes)]"""
        began, found = time.monotonic(), []
        while time.monotonic() < until:
            found.append((time.monotonic() - began, sum(rig.memory().values())))
            time.sleep(1)
        return found

    def tell_slope(self, found):
        third = len(found) // 3
        first, last = (sorted(m for _, m in part)[len(part) // 2]
                       for part in (found[:third], found[-third:]))
        minutes = (found[-1][0] - found[0][0]) / 60
        print(f"memory: {first >> 20} MiB in the first third, {last >> 20} MiB in the last, "
              f"{(last - first) / (1 << 20) / (minutes * 2 / 3):+.1f} MiB a minute; "
              f"most {max(m for _, m in found) >> 20} MiB")

    def expect_no_leak(self, rig, old, port):
        """Against the same processes that have just begun and read the same database."""
        rig.daemon.stop()
        rig.daemon.start()
        wait_for("a daemon that is warm", lambda: self.is_warm(port), SILENCE)
        new = rig.memory()
        print("memory at the end and of new processes, MiB:", ", ".join(
            f"{name} {old[name] / (1 << 20):.1f} {new[name] / (1 << 20):.1f}" for name in sorted(new)))
        for name, size in new.items():
            self.assertLess(old[name], size * MORE + SLACK + LIMITED.get(name, 0), name)

    def is_warm(self, port):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/overview", timeout=5) as answer:
                return json.load(answer)["warm"]
        except (OSError, urllib.error.HTTPError):
            return False

    # ------------------------------------------------------------------- the run --

    def test_everything_at_once(self):
        port = free_port()
        rig = Rig("process", data_dir=self.disk and f"{self.disk}/data")
        with open(rig.daemon.file, encoding="utf-8") as f:
            plugins = json.load(f)["plugins"]
        for name in OTHERS:
            plugins[name] = {"isolation": "process"}
        plugins["http"]["config"] = {"listen": [f"127.0.0.1:{port}"]}
        rig.daemon.configure(plugins, **({"data_dir": rig.data} if self.disk else {}))
        with rig:
            count = int(MINUTES * 60 * RATE)
            began = time.monotonic()
            mesh = rig.publish(count, "--nodes", 300, "--observers", 40, "--rate", RATE)
            readers = Readers(port)
            try:
                self.accidents(rig, began + MINUTES * 30)
                for name in INGEST + OTHERS:
                    rig.daemon.wait_state(name, "running", seconds=SILENCE)
                found = self.watch(rig, began + MINUTES * 60)
                summary = mesh.wait()
                rig.wait_stored(summary["observations"], SILENCE)
                memory = rig.memory()
            finally:
                readers.end()
            print(f"{MINUTES:g} minutes, {summary['receptions']:.0f} receptions of "
                  f"{summary['transmissions']:.0f} packets")
            print("accidents:", json.dumps(self.done, sort_keys=True))
            print("readers:", json.dumps({str(k): v for k, v in readers.answers.items()}, sort_keys=True))
            self.assertNotIn("unable to open", rig.daemon.log())
            rig.expect_all(self, summary)
            self.tell_slope(found)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/stats", timeout=30) as answer:
                stats = json.load(answer)
            self.assertEqual(stats["totalPackets"], summary["transmissions"])
            self.assertEqual(stats["totalObservations"], summary["observations"])
            self.assertGreater(readers.answers["good"], MINUTES * 60)
            self.expect_no_leak(rig, memory, port)
            self.assertEqual(rig.daemon.stop(), 0)


if __name__ == "__main__":
    result = unittest.main(argv=sys.argv[:1], exit=False).result
    bad = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - bad} passed, {bad} failed, {len(result.skipped)} skipped")
    sys.exit(bad > 0)
