#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""SIGTERM under load: everything published before arrives, nothing is left behind."""

import os
import re
import subprocess
import time
import unittest

import kill_numbers as numbers
from daemon import BUILD, SECONDS, Daemon, main

BEHIND = 500
LAST_WORDS = 8000  # messages published in stop(), far more than the hub takes at once


class Term(unittest.TestCase):
    def came(self, d, sink, wanted):
        """All of it, once and in order; a machine that is too slow for the deadline of a stop tells
        how many of the last ones are missing at most."""
        left = sum(map(int, re.findall(r"source: left behind: (\d+) messages", d.log())))
        records = numbers.read(d, sink)
        count = len({r.number for r in records if not r.flags & numbers.GAP})
        self.assertGreaterEqual(count, len(wanted) - left, d.log())
        self.assertEqual(numbers.in_order(self, d, sink, records, wanted[:count]), 0,
                         "something came twice")

    def test_a_stopped_daemon_has_brought_everything_to_everyone(self):
        for source in "process", "inproc":
            with Daemon({"source": numbers.plugin("kill_source", source, at_stop=LAST_WORDS),
                         "sink": numbers.plugin("kill_sink", "process"),
                         "other": numbers.plugin("kill_sink", "inproc")}) as d:
                d.wait_state("sink", "running")
                numbers.wait_count(d, "sink", 2000)
                began = time.monotonic()
                self.assertEqual(d.stop(), 0)
                took = time.monotonic() - began
                wanted = numbers.published(d, "source")
                for sink in "sink", "other":
                    self.came(d, sink, wanted)
                self.assertEqual(os.listdir(f"{d.dir}/data/run/bus"), [])
                self.assertFalse(os.path.exists(d.socket))
                self.assertEqual([line for line in d.lines if "did not" in line], [])
                print(f"SIGTERM at 3000 messages/s, publisher {source}: {len(wanted)} published, "
                      f"{LAST_WORDS} of them in stop(), 0 lost, stopped in {took * 1e3:.0f} ms")

    def test_a_subscriber_that_was_behind_when_it_came_to_stop_gets_everything(self):
        with Daemon({"source": numbers.plugin("kill_source", "inproc", rate=500,
                                              at_stop=BEHIND),
                     "sink": numbers.plugin("kill_sink", "process", work="300us",
                                            more={"deadlines": {"stop": "9s"}})}) as d:
            numbers.wait_count(d, "sink", 100)
            began = time.monotonic()
            self.assertEqual(d.stop(), 0)
            took = time.monotonic() - began
            wanted = numbers.published(d, "source")
            self.came(d, "sink", wanted)
            print(f"SIGTERM with a subscriber {BEHIND} behind: {len(wanted)} published, "
                  f"0 lost, stopped in {took * 1e3:.0f} ms")

    def test_who_holds_messages_back_gets_all_of_them_later_and_can_be_stopped_meanwhile(self):
        with Daemon({"source": numbers.plugin("kill_source", "inproc", rate=20000),
                     "sink": numbers.plugin("kill_sink", "process", hold="150ms")}) as d:
            numbers.wait_count(d, "sink", 8500)
            d.ask("restart", name="sink")  # in the middle of a pause, most likely
            numbers.wait_count(d, "sink", 12500)
            holds = d.plugin("sink")["numbers"].get("holds", 0)
            d.ask("disable", name="source")
            numbers.wait_last(d, "sink", "source")
            records = numbers.read(d, "sink")
            self.assertEqual([r for r in records if r.flags & numbers.GAP], [])
            twice = numbers.in_order(self, d, "sink", records, numbers.published(d, "source"))
            self.assertEqual(twice, 0)
            print(f"held back {holds} times since its restart: {len(records)} messages, 0 lost")
            self.assertGreater(holds, 2)

    def test_one_data_folder_takes_one_daemon(self):
        with Daemon({"sink": numbers.plugin("kill_sink")}) as d:
            d.wait_state("sink", "running")
            done = subprocess.run([f"{BUILD}/bin/meshkernd", "-c", d.file], cwd=d.dir, check=False,
                                  capture_output=True, text=True, timeout=SECONDS)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"{d.dir}/data/run: another meshkernd is running here (pid {d.pid})",
                          done.stderr)
            # The first one has noticed nothing.
            self.assertEqual(d.ask("status")["plugins"]["running"], 1)
            d.ask("restart", name="sink")
            # What a killed one leaves is no obstacle.
            d.kill()
            self.assertNotEqual(os.listdir(f"{d.dir}/data/run/bus"), [])
            d.start()
            d.wait_state("sink", "running")
            self.assertEqual(d.stop(), 0)
            self.assertEqual(os.listdir(f"{d.dir}/data/run/bus"), [])


if __name__ == "__main__":
    main()
