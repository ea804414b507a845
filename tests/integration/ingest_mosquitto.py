#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""From a real Mosquitto to committed rows, with what can go wrong on the way: short forms of
tests/long/ingest_flood.py."""

import json
import os
import random
import subprocess
import time
import unittest

from daemon import BUILD, SANITIZED, main, wait_for
from ingest import Rig

COUNT = 6000 if SANITIZED else 30000
KILLS = 3
MESH = ("--nodes", 100, "--observers", 20, "--connections", 2)


class Ingest(unittest.TestCase):
    def finish(self, rig, mesh, what):
        summary = mesh.wait()
        rig.wait_stored(summary["observations"])
        rig.expect_all(self, summary)
        print(f"{what}: {summary['receptions']:.0f} receptions, 0 lost, 0 twice")

    def test_whatever_is_killed_everything_arrives_once(self):
        moments = random.Random(5)
        with Rig() as rig:
            mesh = rig.publish(COUNT, *MESH)
            for kill in range(KILLS):
                rig.wait_stored(int(COUNT * (kill + moments.random()) / (KILLS + 1)))
                for name in ("mqtt", "decode", "storage"):
                    wait_for(f"kill of {name}", lambda n=name: rig.kill_plugin(n))
                time.sleep(moments.random() * 0.2)
                rig.daemon.kill()
                rig.daemon.start()
            self.finish(rig, mesh, f"kill -9 of three plugins and of the daemon, {KILLS} times each")

    def test_a_broker_that_goes_away_keeps_what_we_have_not_had(self):
        with Rig("inproc") as rig:
            mesh = rig.publish(COUNT, *MESH)
            rig.wait_stored(COUNT // 3)
            rig.broker.stop()
            rig.broker.start()
            self.finish(rig, mesh, "broker restarted")

    def test_a_forged_advert_never_becomes_a_node(self):
        with Rig("inproc") as rig:
            truth = f"{rig.dir}/truth"
            done = subprocess.run(
                [f"{BUILD}/bin/meshsim", "--publish", rig.broker.url, "--flat-out", "--count",
                 "4000", "--forged", "0.3", "--nodes", "40", "--truth", truth],
                stderr=subprocess.PIPE, text=True, check=True, timeout=600)
            summary = dict(w.split("=") for w in done.stderr.split())
            self.assertGreater(int(summary["refused"]), 0)
            rig.wait_stored(int(summary["observations"]))
            with open(truth, encoding="utf-8") as f:
                keys = {r["key"] for r in map(json.loads, f) if r["is"] == "node"}
            self.assertEqual(len(keys), 40)
            # Damaged adverts have wrong signatures, too, and must not become nodes either.
            stored = set(rig.column("SELECT public_key FROM nodes"))
            self.assertGreater(len(stored), 20)
            self.assertEqual(stored - keys, set())
            self.assertEqual(rig.query("SELECT COUNT(*) FROM transmissions t JOIN dropped_packets d "
                                       "ON d.hash = t.hash")[0], 0)
            self.assertGreater(rig.count("dropped_packets"), 0)
            print(f"{summary['refused']} forged or damaged adverts refused, {len(stored)} nodes")


if __name__ == "__main__":
    main()
