#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""kill -9 of the whole daemon while durable messages flow: what publish() has taken arrives."""

import os
import random
import signal
import subprocess
import threading
import time
import unittest

import kill_numbers as numbers
from daemon import BUILD, Daemon, main, wait_for

KILLS = 20
SEGMENT = 8 << 20  # bytes of an outbox file


def family(d):
    """The processes of this daemon, without zombies: pids, the daemon's as well."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as f:
                if f"MK_FAMILY={d.dir}".encode() in f.read().split(b"\0"):
                    found.append(int(pid))
        except OSError:
            continue  # it has gone, or is a zombie
    return found


class Family(Daemon):
    """A daemon whose processes can be told from others'."""

    def start(self):
        self.env["MK_FAMILY"] = self.dir
        super().start()

    def close(self):
        super().close()
        for pid in family(self):
            os.kill(pid, signal.SIGKILL)

    def wait_only(self, pids):
        """Until no other process is left."""
        others = set()

        def look():
            others.clear()
            others.update(set(family(self)) - set(pids))
            return not others

        wait_for("end of the processes of before", look, context=lambda: f"{others}\n{self.log()}")


class DurableKill(unittest.TestCase):
    def run_kills(self, source, sink):
        with Family({"source": numbers.plugin("durable_source", source, rate=3000, fill=500),
                     "sink": numbers.plugin("durable_sink", sink)}) as d:
            largest = 0
            for _ in range(KILLS):
                time.sleep(random.random() * 0.6)
                before = family(d)
                d.kill()
                largest = max(largest, numbers.folder_bytes(d, "outbox/source"))
                d.start()  # at once: the processes of before may be dying still
                d.wait_only(set(family(d)) - set(before))
            d.wait_state("source", "running")
            d.wait_state("sink", "running")
            numbers.wait_count(d, "source", 1000)
            self.assertEqual(d.plugin("source")["restarts"], 0)
            # It stays, for what nobody took while the daemon was down is still to be sent.
            numbers.set_rate(d, "source", 0)
            wanted = numbers.published(d, "source")
            numbers.wait_all(d, "sink", wanted)
            row = d.wait_plugin("source", "rid of what is committed", lambda p: (
                p["outbox"] and p["outbox"]["last"] >= len(wanted) and
                p["outbox"]["last"] - (p["outbox"]["first"] or p["outbox"]["last"]) < 3000))
            self.assertEqual(d.stop(), 0)
            records = numbers.read(d, "sink")
            kept = [r.number for r in records]
            self.assertEqual(len(set(kept)), len(kept), "a number was kept twice")
            self.assertEqual(sorted(r.seq for r in records), list(range(1, len(records) + 1)),
                             "origin_seq is not dense")
            self.assertEqual(row["outbox"]["damaged"], 0)
            self.assertLess(numbers.folder_bytes(d, "outbox/source"), SEGMENT)
            print(f"kill -9 of the daemon, {KILLS} times, publisher {source}, subscriber {sink}: "
                  f"{len(wanted)} published, {len(set(wanted) - set(kept))} lost, 0 kept twice; "
                  f"outbox at most {largest >> 10} KiB, "
                  f"{numbers.folder_bytes(d, 'outbox/source') >> 10} KiB at the end")
            self.assertEqual(set(wanted) - set(kept), set())

    def test_of_a_publisher_in_a_process_nothing_is_lost(self):
        self.run_kills("process", "inproc")

    def test_of_a_publisher_inside_of_the_daemon_nothing_is_lost(self):
        self.run_kills("inproc", "process")

    def test_a_daemon_that_is_killed_while_it_starts_leaves_no_process(self):
        with Family({"source": numbers.plugin("durable_source"),
                     "sink": numbers.plugin("durable_sink")}) as d:
            for _ in range(40):
                d.kill()
                d.process = subprocess.Popen([f"{BUILD}/bin/meshkernd", "-c", d.file], cwd=d.dir,
                                             stderr=subprocess.PIPE, env=d.env)
                d.reader = threading.Thread(target=d.read_log, args=(d.process.stderr,))
                mark = d.mark()
                d.reader.start()
                while not d.find_log("sink: starting", mark):  # wait_log would be too late
                    self.assertIsNone(d.process.poll(), d.log)
                    time.sleep(random.random() / 2000)
            d.kill()
            d.wait_only([])
            d.start()
            d.wait_state("source", "running")


if __name__ == "__main__":
    main()
