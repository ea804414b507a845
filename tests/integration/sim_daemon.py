#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The plugin sim in a daemon: in a process of its own, at its default rate and at a high one."""

import os
import unittest

import daemon


def sim(**config):
    return {"sim": {"isolation": "process", "config": config}}


class Sim(unittest.TestCase):
    def test_its_mesh_is_alive_within_seconds(self):
        with daemon.Daemon(sim()) as d, d.tail("rx/") as tail:
            seen = tail.until(lambda m: m.topic == "rx/status")
            seen += tail.until(lambda m: m.topic == "rx/raw")
            item = seen[-1].body["items"][0]
            self.assertEqual(item["feed"], "sim")
            self.assertEqual(len(item["observer"]), 64)
            self.assertAlmostEqual(item["at"], seen[-1].time_us, delta=daemon.SECONDS * 1e6)
            self.assertIsInstance(item["raw"], bytes)
            self.assertEqual(seen[-1].flags & 16, 16)  # durable

    def test_it_waits_when_nothing_takes_what_it_publishes(self):
        """Nothing commits here, so its outbox fills up: that is counted, and it lives on."""
        plugins = sim(rate=20000)
        plugins["sim"]["outbox"] = {"size": "8MiB"}
        with daemon.Daemon(plugins) as d:
            row = d.wait_plugin("sim", "stalled", lambda p: p["numbers"].get("stalls", 0) > 3)
            self.assertEqual(row["state"], "running")
            self.assertEqual(row["crashes"], 0)
            self.assertGreater(row["numbers"]["receptions"], 1000)

    def test_the_rate_is_changed_by_a_reload(self):
        with daemon.Daemon(sim(rate=1)) as d:
            d.wait_state("sim", "running")
            pid = d.plugin("sim")["pid"]
            d.configure(sim(rate=3000))
            d.ask("reload")
            d.wait_plugin("sim", "busy", lambda p: p["numbers"].get("receptions", 0) > 10000)
            self.assertEqual(d.plugin("sim")["pid"], pid)


if __name__ == "__main__":
    if not os.path.exists(f"{daemon.BUILD}/plugins/sim.so"):
        raise SystemExit(77)
    daemon.main()
