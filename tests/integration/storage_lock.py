#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Two that want to write one database: a second daemon is refused, another program is waited for."""

import os
import re
import sqlite3
import unittest

import daemon
from daemon import Daemon, wait_for


def storage_daemon(path):
    return Daemon({"storage": {"grant": ["storage.write", "storage.read"],
                               "config": {"database": path}}}, start=False)


def wait_state(d, state):
    with d.tail("storage/state", retained=True) as tail:
        return tail.until(lambda m: m.body["state"] == state)[-1].body


class Lock(unittest.TestCase):
    def test_a_second_daemon_is_told_who_has_it_and_takes_over(self):
        with storage_daemon("meshkern.db") as first:
            first.start()
            path = wait_state(first, "ready")["database"]
            with storage_daemon("meshkern.db") as second:
                os.makedirs(f"{second.dir}/data", exist_ok=True)
                os.symlink(path, f"{second.dir}/data/meshkern.db")
                second.start()
                reason = wait_state(second, "waiting")["reason"]
                pid = int(re.search(r"in use by process (\d+)", reason).group(1))
                self.assertTrue(os.path.exists(f"/proc/{pid}"), reason)
                first.kill()
                wait_for("end of the first", lambda: not os.path.exists(f"/proc/{pid}"))
                same = wait_state(second, "ready")["database"]
                self.assertEqual(os.path.realpath(same), os.path.realpath(path))

    def test_while_another_program_writes_it_waits_and_then_goes_on(self):
        with storage_daemon("meshkern.db") as d:
            d.start()
            path = wait_state(d, "ready")["database"]
            d.stop()
            other = sqlite3.connect(path, isolation_level=None)
            other.execute("PRAGMA journal_mode = DELETE")
            other.execute("BEGIN EXCLUSIVE")
            d.start()
            reason = wait_state(d, "waiting")["reason"]
            self.assertIn(f"process {os.getpid()}", reason)
            other.execute("COMMIT")
            other.close()
            wait_state(d, "ready")
            d.wait_state("storage", "running")


if __name__ == "__main__":
    daemon.main()
