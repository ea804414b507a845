#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Disabling, enabling and restarting subscribers while 3000 messages a second flow: the others
notice nothing, and who comes back goes on where it was."""

import random
import unittest

import kill_numbers as numbers
from daemon import Daemon, Refused, main

TIMES = 20


class Flow(unittest.TestCase):
    def run_changes(self, d, name, pause):
        """Each change is over when it is answered."""
        for i in range(TIMES):
            if i % 2:
                d.ask("restart", name=name)
            else:
                self.assertEqual(d.ask("disable", name=name)["state"], "disabled")
                came = numbers.count(d, name)
                numbers.wait_count(d, "other", pause)
                self.assertEqual(numbers.count(d, name), came, "a disabled one is at work")
                self.assertEqual(d.ask("enable", name=name)["state"], "running")
            numbers.wait_count(d, name, random.randint(20, 200))

    def others_have_everything(self, d):
        d.ask("disable", name="source")
        wanted = numbers.published(d, "source")
        numbers.wait_last(d, "other", "source")
        self.assertEqual(numbers.in_order(self, d, "other", numbers.read(d, "other"), wanted), 0)
        return wanted

    def test_who_was_away_for_less_than_the_ring_misses_nothing(self):
        for isolation in "process", "inproc":
            with Daemon({"source": numbers.plugin("kill_source"),
                         "sink": numbers.plugin("kill_sink", isolation),
                         "other": numbers.plugin("kill_sink", "inproc")}) as d:
                d.wait_state("sink", "running")
                self.run_changes(d, "sink", 300)
                wanted = self.others_have_everything(d)
                numbers.wait_last(d, "sink", "source")
                self.assertEqual(
                    numbers.in_order(self, d, "sink", numbers.read(d, "sink"), wanted), 0)
                self.assertEqual((d.plugin("sink")["gaps"], d.plugin("sink")["crashes"]), (0, 0))
                print(f"{TIMES} times disabled, enabled, restarted ({isolation}): {len(wanted)} "
                      "published, each once at it and at the other")

    def test_who_was_away_for_longer_hears_exactly_what_it_missed(self):
        with Daemon({"source": numbers.plugin("kill_source"),
                     "sink": numbers.plugin("kill_sink"),
                     "other": numbers.plugin("kill_sink", "inproc")},
                    bus={"ring": {"messages": 256}}) as d:
            d.wait_state("sink", "running")
            self.run_changes(d, "sink", 600)
            wanted = self.others_have_everything(d)
            numbers.wait_last(d, "sink", "source")
            following, lost, gaps = 1, 0, 0
            for r in numbers.read(d, "sink"):
                self.assertEqual(r.seq, following, d.log())
                following += r.lost if r.flags & numbers.GAP else 1
                lost += r.lost
                gaps += 1 if r.flags & numbers.GAP else 0
            self.assertEqual(following - 1, len(wanted))
            row = d.plugin("sink")
            self.assertEqual((row["gaps"], row["lost"]), (gaps, lost))
            self.assertGreaterEqual(gaps, TIMES // 2)
            print(f"{TIMES} times disabled and enabled with a ring of 256: {len(wanted)} published, "
                  f"{lost} of them told as lost in {gaps} gaps, exactly")

    def test_a_publisher_that_stops_and_starts_has_sent_everything(self):
        with Daemon({"source": numbers.plugin("kill_source", at_stop=3000),
                     "sink": numbers.plugin("kill_sink"),
                     "other": numbers.plugin("kill_sink", "inproc")}) as d:
            d.wait_state("sink", "running")
            for i in range(TIMES // 2):
                numbers.wait_count(d, "sink", random.randint(20, 300))
                if i % 2:
                    d.ask("restart", name="source")
                else:
                    d.ask("disable", name="source")
                    d.ask("enable", name="source")
            wanted = self.others_have_everything(d)
            numbers.wait_last(d, "sink", "source")
            self.assertEqual(numbers.in_order(self, d, "sink", numbers.read(d, "sink"), wanted), 0)
            print(f"{TIMES // 2} times a publisher was stopped with 3000 messages to say: "
                  f"{len(wanted)} published, 0 lost, 0 twice")

    def test_commands_are_answered_in_every_state(self):
        with Daemon({"sink": numbers.plugin("kill_sink", more={"enabled": False}),
                     "other": numbers.plugin("kill_sink", "inproc")}) as d:
            self.assertEqual(d.ask("disable", name="sink")["state"], "disabled")
            for do in "restart", "reset":
                with self.assertRaises(Refused):
                    d.ask(do, name="sink")
            self.assertEqual(d.ask("enable", name="sink")["state"], "running")
            self.assertEqual(d.ask("enable", name="sink")["state"], "running")
            self.assertEqual(d.ask("disable", name="sink")["state"], "disabled")
            self.assertEqual(d.ask("disable", name="sink")["state"], "disabled")
            with self.assertRaises(Refused):
                d.ask("enable", name="absent")
            d.wait_state("other", "running")
            with self.assertRaises(Refused):
                d.ask("reset", name="other")


if __name__ == "__main__":
    main()
