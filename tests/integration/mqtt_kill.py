#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""kill -9 at random moments while a broker delivers: what it has had acknowledged arrives."""

import os
import random
import time
import unittest

import broker as brokers
import kill_numbers as numbers
from broker import Broker
from daemon import SECONDS, Daemon, main, wait_for
from mqtt_flow import plugins, source, states, wait_up

COUNT = 40000
RATE = 4000


def wait_all(test, d, what):
    """Every number is there; says how often some came."""
    def missing():
        got = [r.number for r in numbers.read(d, "sink") if r.number <= COUNT]
        return COUNT - len(set(got)), len(got)

    wait_for("every number", lambda: missing()[0] == 0, 2 * SECONDS,
             lambda: f"{missing()} {states(d)}\n{d.log()}")
    print(f"{what}: {COUNT} published, 0 lost, {missing()[1] - COUNT} more than once")
    test.assertEqual(missing()[0], 0)


class Kill(unittest.TestCase):
    def run_daemon_kills(self, isolation):
        with Broker() as b, Daemon(plugins(source(b), sink=True, isolation=isolation)) as d:
            wait_up(d)
            publisher = b.numbers(1, COUNT, RATE)
            kills = 0
            while publisher.poll() is None:
                time.sleep(0.2 + random.random())  # the moment of the kill is what is tested
                d.kill()
                d.start()
                kills += 1
            self.assertEqual(publisher.wait(), 0)
            publisher.stdout.close()
            wait_all(self, d, f"meshkernd killed {kills} times, mqtt {isolation}")

    def test_of_the_daemon_with_mqtt_inside(self):
        self.run_daemon_kills("inproc")

    def test_of_the_daemon_with_mqtt_in_a_process(self):
        self.run_daemon_kills("process")

    def test_of_the_plugins_process(self):
        with Broker() as b, Daemon(plugins(source(b), sink=True, isolation="process")) as d:
            wait_up(d)
            publisher = b.numbers(1, COUNT, RATE)
            for _ in range(4):  # after five within a minute it would be quarantined
                time.sleep(0.5 + random.random() * 2)
                row = d.wait_state("mqtt", "running")
                os.kill(row["pid"], 9)
                d.wait_plugin("mqtt", "another process",
                              lambda p, old=row["pid"]: p["pid"] not in (0, old))
            self.assertEqual(publisher.wait(2 * SECONDS), 0)
            publisher.stdout.close()
            wait_all(self, d, "the plugin's process killed 4 times")


if __name__ == "__main__":
    brokers.skip_without()
    main()
