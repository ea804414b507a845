# SPDX-License-Identifier: MIT
"""What the tests and benchmarks of ingest share: a Mosquitto of their own, a mesh that publishes to
it, a daemon with mqtt, decode and storage, and a look at what stands in the database.

    with Rig() as rig:
        mesh = rig.publish(count=20000)
        rig.wait_stored(mesh)
        rig.expect_all(self, mesh)
"""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

from broker import Broker, skip_without
from daemon import BUILD, SANITIZED, Daemon

SECONDS = 120 if SANITIZED else 60


class Mesh:
    """A meshsim that publishes; afterwards what it has published."""

    def __init__(self, rig, count, arguments):
        self.summary_file = f"{rig.dir}/meshsim-{rig.meshes}"
        rig.meshes += 1
        self.count = count
        self.output = open(self.summary_file, "wb")
        if "--rate" not in arguments:
            arguments = ("--flat-out", *arguments)
        self.process = subprocess.Popen(
            [f"{BUILD}/bin/meshsim", "--publish", rig.broker.url, "--qos", "1", "--distinct",
             "--count", str(count), *map(str, arguments)], stderr=self.output)

    def wait(self, seconds=900):
        """Until all is published: the summary, numbers by name."""
        status = self.process.wait(seconds)
        self.output.close()
        if status != 0:
            raise AssertionError(f"meshsim ended: {status}")
        with open(self.summary_file, encoding="utf-8") as f:
            words = f.read().strip().splitlines()[-1].split()
        return {k: float(v) for k, v in (w.split("=") for w in words)}

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.output.close()


class Rig:
    def __init__(self, isolation="process", data_dir=None, storage=None, mqtt=None, **settings):
        skip_without()
        self.dir = tempfile.mkdtemp(prefix="mk-ingest-")
        self.meshes, self.running = 0, []
        self.broker = Broker()
        self.broker.start()
        source = {"name": "local", "broker": self.broker.url, "topics": ["meshcore/#"],
                  **(mqtt or {})}
        if data_dir:
            settings["data_dir"] = data_dir
        self.daemon = Daemon({
            "mqtt": {"isolation": isolation, "config": {"sources": [source]}},
            "decode": {"isolation": isolation},
            "storage": {"isolation": isolation, "config": {**(storage or {})}},
        }, start=False, **settings)
        self.data = data_dir or f"{self.daemon.dir}/data"
        self.daemon.socket = f"{self.data}/run/control.sock"
        self.database = f"{self.data}/meshkern.db"

    def __enter__(self):
        try:
            self.daemon.start()
            self.wait_connected()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            print(self.daemon.log()[-20000:], file=sys.stderr)
        self.close()

    def close(self):
        for mesh in self.running:
            mesh.close()
        self.daemon.close()
        self.broker.kill()
        shutil.rmtree(self.broker.dir, ignore_errors=True)
        shutil.rmtree(self.dir, ignore_errors=True)

    def wait_connected(self, seconds=SECONDS):
        """The subscription stands at the broker: from now on it keeps what is published."""
        for name in ("storage", "decode", "mqtt"):
            self.daemon.wait_state(name, "running", seconds=seconds)
        with self.daemon.tail("mqtt/sources", retained=True) as tail:
            tail.until(lambda m: all(s.get("connected") for s in m.body["items"]))

    def publish(self, count, *arguments):
        """Start publishing `count` distinct receptions."""
        mesh = Mesh(self, count, arguments)
        self.running.append(mesh)
        return mesh

    def kill_plugin(self, name):
        """SIGKILL to its process; False if it has none at this moment."""
        pid = self.daemon.plugin(name)["pid"]
        if not pid:
            return False
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    # -------------------------------------------------------------- database --

    def rows(self, sql, *arguments):
        """Nothing if the database cannot be read yet."""
        try:
            db = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=10)
        except sqlite3.OperationalError:
            return []
        try:
            return db.execute(sql, arguments).fetchall()
        except sqlite3.OperationalError:
            return []
        finally:
            db.close()

    def query(self, sql, *arguments):
        """The first row, or None."""
        return next(iter(self.rows(sql, *arguments)), None)

    def column(self, sql, *arguments):
        return [row[0] for row in self.rows(sql, *arguments)]

    def observations(self):
        """By the last id, which is quick and at least as many as there are."""
        row = self.query("SELECT COALESCE(MAX(id), 0) FROM observations")
        return row[0] if row else 0

    def count(self, table):
        row = self.query(f"SELECT COUNT(*) FROM {table}")
        return row[0] if row else 0

    def wait_stored(self, wanted, seconds=SECONDS):
        """Until so many observations are there; fails when nothing comes any more."""
        last, since = -1, time.monotonic()
        while True:
            have = self.observations()
            if have >= wanted and (have := self.count("observations")) >= wanted:
                return have
            if have != last:
                last, since = have, time.monotonic()
            elif time.monotonic() - since > seconds:
                raise AssertionError(f"{have} of {wanted} observations after {seconds} s of silence\n"
                                     f"{self.daemon.log()[-8000:]}")
            time.sleep(0.2)

    def expect_all(self, test, summary):
        """Every distinct reception once, nothing else, and a sound database."""
        test.assertEqual(self.count("observations"), summary["observations"])
        test.assertEqual(self.count("transmissions"), summary["transmissions"])
        twice = self.query("SELECT COUNT(*) FROM (SELECT 1 FROM observations GROUP BY "
                           "transmission_id, observer_idx, COALESCE(path_json, '') "
                           "HAVING COUNT(*) > 1)")[0]
        test.assertEqual(twice, 0)
        test.assertEqual(self.query("SELECT COUNT(*) FROM transmissions t WHERE NOT EXISTS "
                                    "(SELECT 1 FROM observations WHERE transmission_id = t.id)")[0],
                         0)
        test.assertEqual(self.query("PRAGMA integrity_check")[0], "ok")

    def memory(self):
        """{name: resident bytes} of the daemon and of its plugins' processes."""
        return {"meshkernd": self.daemon.ask("status")["rss_bytes"],
                **{p["name"]: p["rss_bytes"] for p in self.daemon.ask("plugins")["items"]}}
