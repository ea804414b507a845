#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Durable messages while nobody takes them: the outbox grows up to its limit, and what it holds
arrives later, also what the hub's memory has forgotten."""

import random
import time
import unittest

import kill_numbers as numbers
from daemon import Control, Daemon, main

RING = {"ring": {"messages": 1024}}


class DurableOutbox(unittest.TestCase):
    def arrives(self, d):
        """When the source pauses, everything that it has published comes to the sink, once."""
        d.wait_state("source", "running")
        numbers.set_rate(d, "source", 0)
        wanted = numbers.published(d, "source")
        numbers.wait_all(d, "sink", wanted)
        kept = [r.number for r in numbers.read(d, "sink")]
        self.assertEqual(len(set(kept)), len(kept), "a number was kept twice")
        return len(wanted)

    def test_what_was_published_while_the_subscriber_was_disabled_arrives(self):
        for isolation in "process", "inproc":
            with Daemon({"source": numbers.plugin("durable_source", isolation),
                         "sink": numbers.plugin("durable_sink")}, bus=RING) as d:
                d.wait_state("sink", "running")
                numbers.wait_count(d, "sink", 1000)
                d.ask("disable", name="sink")
                numbers.wait_count(d, "source", 5000)  # far more than the ring holds
                grown = d.wait_plugin("source", "behind", lambda p: (
                    p["outbox"]["last"] - p["outbox"]["first"] >= 5000))["outbox"]["bytes"]
                d.ask("enable", name="sink")
                count = self.arrives(d)
                lost = d.plugin("sink")["lost"]
                print(f"subscriber disabled for a while, publisher {isolation}: {count} published, "
                      f"0 lost; the outbox grew to {grown >> 10} KiB, {lost} had left the ring "
                      "and were sent again")
                self.assertGreater(lost, 3000)

    def test_a_full_outbox_refuses_and_says_so(self):
        with Daemon({"source": numbers.plugin("durable_source", more={"outbox": {"size": "1MiB"}},
                                              fill=500),
                     "sink": numbers.plugin("durable_sink")}, bus=RING) as d:
            d.ask("disable", name="sink")
            row = d.wait_plugin("source", "refused", lambda p: (
                p["outbox"] and p["outbox"]["refused"] > 0 and p["numbers"].get("full", 0) > 0))
            size = numbers.folder_bytes(d, "outbox/source")
            held = numbers.count(d, "source")
            d.ask("enable", name="sink")
            numbers.wait_count(d, "source", 3000)  # it is not stuck
            refused = d.plugin("source")["outbox"]["refused"]
            count = self.arrives(d)
            print(f"outbox of 1 MiB: full with {held} messages and {size >> 10} KiB, "
                  f"refused {refused} times, then {count} published and 0 lost")
            self.assertLessEqual(size, (1 << 20) + 4096)
            self.assertEqual(row["outbox"]["max_bytes"], 1 << 20)
            self.assertEqual(row["state"], "running")

    def test_gaps_while_the_publisher_comes_and_goes_are_filled(self):
        """The publisher is told to send again what the ring has lost, though it is killed before it
        hears that, or in the middle of sending, or there is one gap right after another."""
        with Daemon({"source": numbers.plugin("durable_source", rate=5000),
                     "sink": numbers.plugin("durable_sink")}, bus=RING) as d:
            d.wait_state("sink", "running")
            with Control(d.socket) as control:
                for _ in range(12):
                    d.ask("disable", name="sink")
                    numbers.wait_count(d, "source", 1500)  # more than the ring holds
                    if random.random() < 0.3:
                        d.ask("disable", name="source")
                        d.ask("enable", name="sink")
                        d.ask("enable", name="source")
                    else:
                        d.ask("enable", name="sink")
                    time.sleep(random.random() / 20)
                    if random.random() < 0.7:
                        numbers.kill(d, control, "source")
            count = self.arrives(d)
            print(f"12 times disabled while the publisher was killed: {count} published, 0 lost, "
                  f"{d.plugin('sink')['lost']} had left the ring")

    def test_a_publisher_that_is_killed_while_it_sends_again_goes_on_with_that(self):
        with Daemon({"source": numbers.plugin("durable_source", more={"limits": {"rate": 0}},
                                              rate=20000),
                     "sink": numbers.plugin("durable_sink")}, bus=RING) as d:
            d.wait_state("sink", "running")
            d.ask("disable", name="sink")
            numbers.wait_count(d, "source", 40000)
            d.ask("enable", name="sink")
            numbers.wait_count(d, "sink", 2000)
            with Control(d.socket) as control:
                numbers.kill(d, control, "source")
            left = numbers.count(d, "source") - numbers.count(d, "sink")
            count = self.arrives(d)
            print(f"killed with {left} of {count} messages still to be sent again: 0 lost")


if __name__ == "__main__":
    main()
