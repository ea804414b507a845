#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Packets become rows, each once, whatever is killed, full or locked meanwhile."""

import os
import shutil
import signal
import sqlite3
import subprocess
import time
import unittest

from daemon import BUILD, Daemon, all_stored, main, test_plugin, wait_for

if not all(os.path.exists(f"{BUILD}/plugins/{name}.so") for name in ("storage", "decode")):
    print("the plugins are not built")
    raise SystemExit(77)


def plugins(isolation="process", limit=1000, items=10, burst=4, **config):
    return {
        "source": {"path": test_plugin("storage_source"), "plugin": "storage-source",
                   "publish": ["rx/raw", "snapshot/source"],
                   "config": {"limit": limit, "items": items, "burst": burst}},
        "decode": {"isolation": isolation},
        "storage": {"isolation": isolation, "config": config},
    }


def rows(d, sql, name="meshkern.db"):
    connection = sqlite3.connect(f"file:{d.dir}/data/{name}?mode=ro", uri=True)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def count(d, name="meshkern.db"):
    try:
        return rows(d, "SELECT count(*) FROM observations", name)[0][0]
    except sqlite3.OperationalError:
        return 0  # it is not there yet


class Rows(unittest.TestCase):
    def all_there(self, d, packets, name="meshkern.db"):
        """Nothing is missing, nothing is there twice, and nothing waits in an outbox."""
        wait_for("end of the packets", lambda: count(d, name) >= packets, context=d.log)
        d.wait_plugin("source", "rid of what is committed", lambda p: (
            p["outbox"] and p["outbox"]["bytes"] < 17 << 20))
        sums = rows(d, "SELECT (SELECT count(*) FROM transmissions),"
                       " (SELECT count(DISTINCT hash) FROM transmissions),"
                       " (SELECT count(*) FROM observations),"
                       " (SELECT count(*) FROM observations WHERE observer_idx IS NULL),"
                       " (SELECT sum(packet_count) FROM observers),"
                       " (SELECT count(*) FROM observers)", name)[0]
        self.assertEqual(sums, (packets, packets, packets, 0, packets, 7))
        self.assertEqual(rows(d, "PRAGMA integrity_check", name), [("ok",)])

    def test_what_was_heard_is_stored(self):
        for isolation in ("inproc", "process"):
            with Daemon(plugins(isolation, limit=300)) as d:
                self.all_there(d, 3000)
                mark, = rows(d, "SELECT source, mark FROM mk_sources")
                self.assertEqual(mark, ("source", 300))

    def test_kill_9_of_storage_and_decode_loses_nothing_and_doubles_nothing(self):
        with Daemon(plugins(limit=6000)) as d:
            for number in range(12):
                victim = "decode" if number % 4 == 3 else "storage"
                d.wait_state(victim, "running")
                before = count(d)
                wait_for("more rows", lambda: count(d) > before, context=d.log)
                time.sleep(0.05 * (number % 5))  # another moment each time
                os.kill(d.plugin(victim)["pid"], signal.SIGKILL)
            self.all_there(d, 60000)
            print(f"12 kills, {d.plugin('storage')['restarts']} of them of storage, 60000 packets")

    def test_kill_9_of_everything_loses_nothing(self):
        with Daemon(plugins("inproc", limit=100000)) as d:
            last = 0
            for _ in range(4):
                wait_for("more rows", lambda: count(d) > last + 2000, context=d.log)
                d.kill()
                last = count(d)
                self.assertEqual(rows(d, "PRAGMA integrity_check"), [("ok",)])
                d.start()
            d.ask("disable", name="source")
            # The source counts from 0 again with each run, so its packets come again, and
            # change nothing: there is a row for each number up to the highest.
            wait_for("end of storing", lambda: all_stored(d, "source"), context=d.log)
            n, numbers, counted = rows(
                d, "SELECT count(*), count(DISTINCT substr(raw_hex, 11, 16)),"
                   " (SELECT sum(packet_count) FROM observers) FROM transmissions")[0]
            self.assertEqual((n, n), (numbers, counted))

    def test_a_copy_of_the_files_at_any_moment_has_what_was_committed(self):
        """What a power failure leaves, if the disk has what was written."""
        with Daemon(plugins(limit=5000)) as d, d.tail("storage/committed") as tail:
            pid = d.wait_state("storage", "running")["pid"]
            committed = 0
            for moment in range(15):
                committed = self.last_committed(tail, committed)
                time.sleep(0.013 * (moment % 6))
                os.kill(pid, signal.SIGSTOP)
                try:
                    for suffix in ("", "-wal"):
                        shutil.copy(f"{d.dir}/data/meshkern.db{suffix}",
                                    f"{d.dir}/data/copy.db{suffix}")
                finally:
                    os.kill(pid, signal.SIGCONT)
                copy = sqlite3.connect(f"{d.dir}/data/copy.db")
                self.assertEqual(copy.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
                n, mark = copy.execute("SELECT (SELECT count(*) FROM observations),"
                                       " (SELECT mark FROM mk_sources)").fetchone()
                copy.close()
                self.assertGreaterEqual(mark, committed)
                self.assertGreaterEqual(n, 10 * mark)
                for suffix in ("", "-wal", "-shm"):
                    if os.path.exists(f"{d.dir}/data/copy.db{suffix}"):
                        os.unlink(f"{d.dir}/data/copy.db{suffix}")
            self.all_there(d, 50000)
            print(f"15 copies, the last one with {n} packets")

    def last_committed(self, tail, before):
        seen = tail.until(lambda m: m.body["items"][-1]["seq"] > before)
        return seen[-1].body["items"][-1]["seq"]

    def test_a_full_disk_is_waited_for(self):
        if os.geteuid() != 0:
            self.skipTest("only root can make a small disk")
        with Daemon(plugins(limit=3000, database="small/meshkern.db"), start=False) as d:
            folder = f"{d.dir}/data/small"
            os.makedirs(folder)
            done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", folder],
                                  check=False, stderr=subprocess.PIPE)
            if done.returncode != 0:
                self.skipTest(f"no small disk: {done.stderr.decode().strip()}")
            try:
                self.fill_up(d, folder)
            finally:
                d.kill()
                wait_for("end of the small disk", lambda: subprocess.run(
                    ["umount", folder], check=False, stderr=subprocess.DEVNULL).returncode == 0)

    def fill_up(self, d, folder):
        d.start()
        with d.tail("storage/state", retained=True) as tail:
            seen = tail.until(lambda m: m.body["state"] == "waiting" and "full" in m.body["reason"])
            stored = count(d, "small/meshkern.db")
            self.assertLess(stored, 30000)
            d.wait_plugin("storage", "waiting", lambda p: p["numbers"].get("waiting") == 1)
            # How much the log of the database takes depends on who reads meanwhile.
            subprocess.run(["mount", "-o", "remount,size=1g", folder], check=True)
            seen += tail.until(lambda m: m.body["state"] == "ready")
        self.all_there(d, 30000, "small/meshkern.db")
        print(f"full at {stored} of 30000 packets: {seen[-2].body['reason']}")

    def test_snapshots_outlive_the_daemon(self):
        with Daemon(plugins("inproc", limit=20, snapshots_after="100ms")) as d:
            self.all_there(d, 200)
            wait_for("snapshot", lambda: rows(d, "SELECT count(*) FROM mk_snapshots")[0][0] ==
                     d.topic("snapshot/source")["seq"], context=d.log)
            d.stop()
            kept = rows(d, "SELECT part, schema, origin, body FROM mk_snapshots ORDER BY part")
            self.assertEqual({(schema, origin) for _, schema, origin, _ in kept}, {(4, "source")})
            without = plugins("inproc")
            without["source"]["enabled"] = False
            d.configure(without)
            d.start()
            with d.tail("storage/state", retained=True) as tail:
                tail.until(lambda m: m.body["state"] == "ready")
            with d.tail("snapshot/", retained=True) as tail:
                parts = [tail.next() for _ in kept]
            self.assertEqual([m.topic for m in parts], ["snapshot/source"] * len(kept))
            self.assertEqual([m.schema for m in parts], [4] * len(kept))
            self.assertEqual([bool(m.flags & 8) for m in parts], [p[0] > 0 for p in kept])
            self.assertEqual(parts[-1].body, {"packets": 200})


if __name__ == "__main__":
    main()
