#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Ingest, flat out: from MQTT and from the bus to committed rows, what each stage costs, and what
readers of the database notice of it.

COUNT=n and RUNS=n in the environment change how much is measured."""

import os
import random
import sqlite3
import statistics
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

from daemon import Daemon  # noqa: E402
from ingest import Rig  # noqa: E402

COUNT = int(os.environ.get("COUNT", "300000"))
RUNS = int(os.environ.get("RUNS", "3"))
MESH = ("--nodes", 300, "--observers", 40, "--connections", 4)
TICK = os.sysconf("SC_CLK_TCK")
STAGES = ("broker", "mqtt", "decode", "storage", "sim", "meshkernd")


def figure(case, metric, unit, values):
    values = sorted(values)
    print(f"bench=ingest case={case} metric={metric} unit={unit} "
          f"median={statistics.median(values):.6g} min={values[0]:.6g} max={values[-1]:.6g} "
          f"runs={len(values)}", flush=True)


def cpu_of(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
        line = f.read()
    fields = line[line.rindex(")") + 2:].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def cpu_by_stage(pid):
    """CPU seconds of the daemon's threads by their names. Threads of libraries are named by what
    they do ("MQTTAsync_rcv"), and belong to the plugin that uses them."""
    seconds = dict.fromkeys(STAGES, 0.0)
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/stat", encoding="ascii", errors="replace") as f:
                line = f.read()
        except OSError:
            continue
        name = line[line.index("(") + 1:line.rindex(")")]
        fields = line[line.rindex(")") + 2:].split()
        stage = next((s for s in STAGES if name.startswith(s)), None)
        if stage is None:
            stage = "mqtt" if name.startswith("MQTT") or name.startswith("mqtt") else "meshkernd"
        seconds[stage] += (int(fields[11]) + int(fields[12])) / TICK
    return seconds


class Reader(threading.Thread):
    """Three questions that a page asks, again and again; how long each took."""

    QUESTIONS = {
        "latest": "SELECT t.hash, o.timestamp FROM observations o JOIN transmissions t "
                  "ON t.id = o.transmission_id ORDER BY o.id DESC LIMIT 100",
        "detail": "SELECT o.* FROM observations o WHERE o.transmission_id = "
                  "(SELECT MAX(id) - :back FROM transmissions)",
        "nodes": "SELECT * FROM nodes ORDER BY last_seen DESC LIMIT 200",
    }

    def __init__(self, path):
        super().__init__()
        self.path, self.over = path, False
        self.took = {name: [] for name in self.QUESTIONS}

    def run(self):
        db = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=10)
        chance = random.Random(4)
        while not self.over:
            for name, sql in self.QUESTIONS.items():
                began = time.perf_counter()
                parameters = {"back": chance.randrange(1000)} if ":back" in sql else {}
                db.execute(sql, parameters).fetchall()
                self.took[name].append(time.perf_counter() - began)
            time.sleep(0.01)
        db.close()

    def stop(self):
        self.over = True
        self.join()
        return self.took


def report_reads(case, took):
    for name, times in took.items():
        times = sorted(times)
        for label, part in (("p50", 0.50), ("p95", 0.95), ("p99", 0.99)):
            figure(case, f"read_{name}_{label}", "ms",
                   [times[min(len(times) - 1, int(len(times) * part))] * 1e3])


def measure(case, daemon, count_rows, want, broker=None):
    """Rate, CPU by stage and memory from the first stored row to the last."""

    def cpu_now():
        seconds = cpu_by_stage(daemon.pid)
        if broker is not None:
            seconds["broker"] = cpu_of(broker.process.pid)
        return seconds

    while (first := count_rows()) == 0:
        time.sleep(0.02)
    began, cpu = time.monotonic(), cpu_now()
    peak = 0
    while (have := count_rows()) < want:
        peak = max(peak, daemon.ask("status").get("rss_bytes", 0))
        time.sleep(0.1)
        if time.monotonic() - began > 300:
            raise AssertionError(f"{case}: {have} of {want} after 300 s\n{daemon.log()[-4000:]}")
    took, rows = time.monotonic() - began, have - first
    after = cpu_now()
    return {"rate": rows / took, "rss": peak,
            "cpu": {s: (after[s] - cpu[s]) / rows * 1e6 for s in STAGES}}


def report(case, runs):
    figure(case, "stored_per_s", "1/s", [r["rate"] for r in runs])
    figure(case, "rss", "MiB", [r["rss"] / (1 << 20) for r in runs])
    for stage in STAGES:
        if any(r["cpu"][stage] > 0 for r in runs):
            figure(case, f"cpu_{stage}", "us/packet", [r["cpu"][stage] for r in runs])


def from_mqtt():
    runs, reads, idle = [], {}, {}
    for _ in range(RUNS):
        with Rig("inproc") as rig:
            # The publisher shares the processors; what it makes it makes before.
            mesh = rig.publish(COUNT, *MESH, "--pregenerate")
            rig.wait_stored(1)
            reader = Reader(rig.database)
            reader.start()
            runs.append(measure("mqtt", rig.daemon, rig.observations, int(COUNT * 0.98),
                                rig.broker))
            reads = reader.stop()
            rig.wait_stored(mesh.wait()["observations"])
            reader = Reader(rig.database)
            reader.start()
            time.sleep(3)
            idle = reader.stop()
    report("mqtt", runs)
    report_reads("mqtt-reads-busy", reads)
    report_reads("mqtt-reads-idle", idle)


def from_backlog():
    """The broker has kept it all while we were away: what ingest does without a publisher beside
    it."""
    runs = []
    for _ in range(RUNS):
        with Rig("inproc") as rig:
            rig.daemon.stop()
            rig.publish(COUNT, *MESH, "--pregenerate").wait()
            rig.daemon.start()
            runs.append(measure("backlog", rig.daemon, rig.observations, int(COUNT * 0.98),
                                rig.broker))
    report("backlog", runs)


def from_bus():
    runs = []
    for _ in range(RUNS):
        with Daemon({"sim": {"config": {"nodes": 300, "observers": 40, "rate": 50000}},
                     "decode": {}, "storage": {}}) as d:
            path = f"{d.dir}/data/meshkern.db"

            def rows():
                try:
                    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
                    try:
                        return db.execute("SELECT COALESCE(MAX(id), 0) FROM observations"
                                      ).fetchone()[0]
                    finally:
                        db.close()
                except sqlite3.OperationalError:
                    return 0

            runs.append(measure("bus", d, rows, COUNT))
    report("bus", runs)


if __name__ == "__main__":
    from_mqtt()
    from_backlog()
    from_bus()
