# SPDX-License-Identifier: MIT
"""What the tests and benchmarks of ingest share: a Mosquitto of their own, a mesh that publishes to
it, a daemon with mqtt, decode and storage, and a look at what stands in the database.

    with Rig() as rig:
        mesh = rig.publish(count=20000)
        rig.wait_stored(mesh)
        rig.expect_all(self, mesh)
"""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time

from daemon import BUILD, SANITIZED, Daemon, wait_for

MOSQUITTO = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin")
SECONDS = 120 if SANITIZED else 60


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def need_mosquitto():
    if MOSQUITTO is None:
        print("mosquitto is not installed")
        sys.exit(77)


class Broker:
    """A Mosquitto as docs/operators.md sets it up: persistent, bounded by disk, QoS kept."""

    def __init__(self, folder, port=None):
        self.dir, self.port = folder, port or free_port()
        self.process = None
        os.makedirs(folder, exist_ok=True)
        with open(f"{folder}/mosquitto.conf", "w", encoding="utf-8") as f:
            f.write(f"""listener {self.port} 127.0.0.1
allow_anonymous true
user {'root' if os.getuid() == 0 else ''}
persistence true
persistence_location {folder}/
autosave_interval 1800
max_queued_messages 0
max_inflight_messages 200
queue_qos0_messages true
upgrade_outgoing_qos true
log_dest file {folder}/mosquitto.log
""".replace("user \n", ""))
        self.start()

    def start(self):
        self.process = subprocess.Popen([MOSQUITTO, "-c", f"{self.dir}/mosquitto.conf"])
        wait_for("broker", self.answers)

    def answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def stop(self):
        """Orderly, so that it writes down what it has."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(60)
            self.process = None

    @property
    def url(self):
        return f"mqtt://127.0.0.1:{self.port}"


class Mesh:
    """A meshsim that publishes; afterwards what it has published."""

    def __init__(self, rig, count, arguments):
        self.summary_file = f"{rig.dir}/meshsim-{rig.meshes}.json"
        rig.meshes += 1
        self.count = count
        self.output = open(self.summary_file, "wb")
        self.process = subprocess.Popen(
            [f"{BUILD}/bin/meshsim", "--publish", rig.broker.url, "--qos", "1", "--distinct",
             "--count", str(count), *map(str, arguments)], stdout=self.output)

    def wait(self, seconds=900):
        """Until all is published: the summary, a map."""
        status = self.process.wait(seconds)
        self.output.close()
        if status != 0:
            raise AssertionError(f"meshsim ended: {status}")
        with open(self.summary_file, encoding="utf-8") as f:
            return json.loads(f.read().strip().splitlines()[-1])

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.output.close()


class Rig:
    def __init__(self, isolation="process", data_dir=None, storage=None, mqtt=None, **settings):
        need_mosquitto()
        self.dir = tempfile.mkdtemp(prefix="mk-ingest-")
        self.meshes, self.running = 0, []
        self.broker = Broker(f"{self.dir}/broker")
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
        self.broker.stop()
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

    def query(self, sql, *arguments):
        """One row; nothing if the database cannot be read yet."""
        try:
            db = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=10)
        except sqlite3.OperationalError:
            return None
        try:
            return db.execute(sql, arguments).fetchone()
        except sqlite3.OperationalError:
            return None
        finally:
            db.close()

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
        """Resident bytes of the daemon and of its plugins' processes."""
        total = self.daemon.ask("status").get("rss_bytes", 0)
        return total + sum(p["rss_bytes"] for p in self.daemon.ask("plugins")["items"])
