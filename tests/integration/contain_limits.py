#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Plugins that use up more than they may, and those that leave something behind."""

import os
import signal
import unittest

from contain import Company, bad
from daemon import SANITIZED, main, wait_for

LIMIT = {"limits": {"memory": "64MiB"}}


@unittest.skipIf(SANITIZED, "a sanitizer needs more memory than any limit leaves")
class Memory(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Company({
            "steps": bad("memory", where="steps", more=LIMIT),
            "at-once": bad("memory", where="at-once", more=LIMIT),
            "copes": bad("memory", where="copes", more=LIMIT),
            "computes": bad("block", where="message", busy=True,
                            more={"limits": {"cpu": "1s"}, "deadlines": {"stuck": "10m"}}),
        })
        cls.addClassCleanup(cls.daemon.close)

    def exceeds(self, name):
        d = self.daemon
        d.wait_log(f"warn  core: plugin {name}: backoff: memory limit .*on_timer")
        row = d.wait_plugin(name, "restarted", lambda p: p["restarts"] > 0)
        self.assertGreater(row["crashes"], 0)
        d.goes_on()

    def test_taken_in_steps(self):
        self.exceeds("steps")

    def test_taken_at_once(self):
        self.exceeds("at-once")

    def test_who_copes_with_being_refused_it_runs_on(self):
        row = self.daemon.wait_plugin("copes", "refused memory",
                                      lambda p: p["numbers"].get("refused", 0) > 0)
        self.assertEqual((row["state"], row["crashes"]), ("running", 0))
        self.assertLess(row["rss_bytes"], 64 << 20)

    def test_processor_time(self):
        self.daemon.wait_log("plugin computes: backoff: killed by SIGXCPU in on_msg")
        self.daemon.goes_on()

    def test_zz_meanwhile_the_others_have_lost_nothing(self):
        self.daemon.lost_nothing(self)
        self.assertEqual(self.daemon.stop(), 0)


@unittest.skipIf(SANITIZED, "a sanitizer needs more memory than any limit leaves")
class Large(unittest.TestCase):
    def test_killed_beside_a_large_daemon_a_process_has_not_reached_its_limit(self):
        """What the kernel says of its memory begins with the daemon's own."""
        others = {"floods": bad("flood", more={"limits": {"rate": 0}}), "victim": bad("slow", more=LIMIT)}
        ring = {"ring": {"messages": 4_000_000, "bytes": "128MiB"}}
        with Company(others, bus=ring) as d:
            wait_for("a large daemon", lambda: d.ask("status")["rss_bytes"] > 80 << 20,
                     context=d.log)
            d.ask("disable", name="floods")
            for _ in range(3):
                pid = d.wait_state("victim", "running")["pid"]
                os.kill(pid, signal.SIGKILL)
                d.wait_plugin("victim", "another",
                              lambda p, old=pid: p["state"] == "running" and p["pid"] not in (0, old))
            row = d.plugin("victim")
            self.assertEqual((row["restarts"], row["crashes"]), (3, 0), d.log())


class Temporary(unittest.TestCase):
    def test_a_process_makes_temporary_files_in_its_own_folder(self):
        with Company({"sorts": bad("temporary")}) as d:
            row = d.wait_plugin("sorts", "running", lambda p: "made" in p["numbers"])
            self.assertEqual(row["numbers"]["made"], 1)
            self.assertEqual(os.listdir(f"{d.dir}/data/state/sorts"), [f"left-{row['pid']}"])


class LeftBehind(unittest.TestCase):
    WHAT = {"own": "1 threads of its own", "host": "thread stayer still running",
            "descriptor": "1 watched descriptors"}

    def left(self, isolation):
        with Company({f"leaves-{what}": bad("thread", isolation, where=what)
                      for what in self.WHAT}) as d:
            for what, text in self.WHAT.items():
                name = f"leaves-{what}"
                d.wait_state(name, "running")
                self.assertEqual(d.ask("disable", name=name)["state"], "disabled")
                row = d.plugin(name)
                self.assertEqual((row["misbehaved"], row["last_misbehaviour"]),
                                 (1, f"left behind: {text}"))
                d.wait_log(f"warn  core: plugin {name}: left behind: {text}$")
            d.goes_on()
            # It is no reason not to run it again.
            self.assertEqual(d.ask("enable", name="leaves-own")["state"], "running")
            d.lost_nothing(self)
            self.assertEqual(d.stop(), 0)

    def test_in_a_process(self):
        self.left("process")

    def test_inside_of_the_daemon(self):
        self.left("inproc")


if __name__ == "__main__":
    main()
