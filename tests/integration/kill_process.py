#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""kill -9 of a plugin's process, again and again, while 3000 messages a second flow."""

import os
import random
import signal
import time
import unittest

import kill_numbers as numbers
from daemon import SANITIZED, Control, Daemon, main

KILLS = 50
HELD = 8192 + 1024  # messages that wait for the hub in a publisher, and that it may be ahead of it
RESTART_MS = 100  # of the quickest: a machine that is busy with others gives turns late
RATE = 100  # at least, of 3000


class Kill(unittest.TestCase):
    def run_kills(self, d, name, times):
        """Kills at random moments; how long the restarts took."""
        restarts, epoch = [], d.ask("status")["epoch"]
        with Control(d.socket) as control:
            for _ in range(times):
                numbers.wait_count(d, name, random.randint(100, 500))
                time.sleep(random.random() / 50)
                restarts.append(numbers.kill(d, control, name))
        self.assertEqual(d.ask("status")["epoch"], epoch, "the core has restarted")
        row = d.plugin(name)
        self.assertEqual((row["restarts"], row["crashes"]), (times, 0))
        return restarts

    def test_a_killed_subscriber_misses_nothing_and_repeats_only_what_was_in_hand(self):
        with Daemon({"source": numbers.plugin("kill_source", "inproc"),
                     "sink": numbers.plugin("kill_sink"),
                     "other": numbers.plugin("kill_sink", "inproc")}) as d:
            d.wait_state("sink", "running")
            began, before = time.monotonic(), numbers.count(d, "source")
            restarts = self.run_kills(d, "sink", KILLS)
            rate = (numbers.count(d, "source") - before) / (time.monotonic() - began)
            d.ask("disable", name="source")
            numbers.wait_last(d, "sink", "source")
            numbers.wait_last(d, "other", "source")
            wanted = numbers.published(d, "source")
            records = numbers.read(d, "sink")
            twice = numbers.in_order(self, d, "sink", records, wanted)
            print(f"kill -9 of a subscriber, {KILLS} times at {rate:.0f} messages/s: "
                  f"{len(wanted)} published, 0 lost, {twice} twice; "
                  f"restart {numbers.milliseconds(restarts)}")
            self.assertEqual([r for r in records if r.flags & numbers.GAP], [])
            self.assertLessEqual(twice, KILLS)
            self.assertGreater(rate, RATE)
            if not SANITIZED:
                self.assertLess(min(restarts) * 1000, RESTART_MS)
            self.assertEqual(
                numbers.in_order(self, d, "other", numbers.read(d, "other"), wanted), 0)

    def test_a_killed_publisher_loses_no_more_than_it_had_not_sent(self):
        with Daemon({"source": numbers.plugin("kill_source"),
                     "sink": numbers.plugin("kill_sink", "inproc")}) as d:
            d.wait_state("source", "running")
            restarts = self.run_kills(d, "source", KILLS)
            d.ask("disable", name="source")
            numbers.wait_last(d, "sink", "source")
            wanted = numbers.published(d, "source")
            records = numbers.read(d, "sink")
            arrived = [r.number for r in records]
            self.assertEqual([r.seq for r in records], list(range(1, len(records) + 1)))
            self.assertEqual(arrived, sorted(set(arrived)), "twice, or out of order")
            runs = {}
            for n in wanted:
                runs.setdefault(n >> 32, [0, 0])[0] += 1
            for n in arrived:
                runs.setdefault(n >> 32, [0, 0])[1] += 1
                self.assertEqual(n & 0xffffffff, runs[n >> 32][1], "a hole within one run")
            # One may have been sent and not been written down.
            lost = [wrote - came for wrote, came in runs.values()]
            self.assertGreaterEqual(min(lost), -1)
            print(f"kill -9 of a publisher, {KILLS} times: {len(wanted)} published, "
                  f"{len(arrived)} arrived in order, none twice; lost in its queue at a kill: "
                  f"max {max(lost)}, {sum(max(n, 0) for n in lost)} altogether; "
                  f"restart {numbers.milliseconds(restarts)}")
            self.assertLessEqual(max(lost), HELD)

    def test_what_a_publisher_had_sent_before_its_death_arrives(self):
        # So slow that none of them waits for the hub before that sleeps.
        with Daemon({"source": numbers.plugin("kill_source", rate=300),
                     "sink": numbers.plugin("kill_sink", "inproc")}) as d:
            d.wait_state("source", "running")
            for _ in range(5):
                row = d.plugin("source")
                # The hub sleeps while messages fill the socket, and finds them and a death at once.
                os.kill(d.pid, signal.SIGSTOP)
                numbers.wait_count(d, "source", 150)  # which a socket holds easily
                os.kill(row["pid"], signal.SIGKILL)
                os.kill(d.pid, signal.SIGCONT)
                d.wait_plugin("source", "running again", lambda p, old=row["pid"]: (
                    p["state"] == "running" and p["pid"] not in (0, old)))
            d.ask("disable", name="source")
            numbers.wait_last(d, "sink", "source")
            wanted = numbers.published(d, "source")
            lost = len(set(wanted) - {r.number for r in numbers.read(d, "sink")})
            print(f"a publisher killed while the hub slept, 5 times: {len(wanted)} published, "
                  f"{lost} lost")
            self.assertLess(lost, 5 * 150 / 2)  # some may not have left it yet


if __name__ == "__main__":
    main()
