#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Backfills under a running daemon: killed at any time, paused, retried, not asked for, and those of
other plugins."""

import json
import random
import sqlite3
import subprocess
import time
import unittest

import daemon
from daemon import BUILD, SECONDS, wait_for
from storage_upgrade import ask, database, make_old, storage_daemon, wait_backfilled, wait_ready

LAST_SEEN = "tx_last_seen_backfill_v1"


def backfills(d, *args):
    """(exit status, what it printed) of `meshkern backfills`."""
    done = subprocess.run([f"{BUILD}/bin/meshkern", "-c", d.file, "backfills", *args],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=3 * SECONDS,
                          check=False)
    return done.returncode, done.stdout.decode()


def items(d):
    return {i["name"]: i for i in json.loads(backfills(d, "--json")[1])["items"]}


def with_triggers(path):
    """Counts how often the last_seen of a row was written."""
    db = sqlite3.connect(path)
    db.executescript("""
        ALTER TABLE transmissions ADD COLUMN last_seen INTEGER NOT NULL DEFAULT 0;
        CREATE TABLE written (id INTEGER PRIMARY KEY, times INTEGER);
        CREATE TRIGGER counted AFTER UPDATE OF last_seen ON transmissions BEGIN
            INSERT INTO written VALUES (new.id, 1) ON CONFLICT (id) DO UPDATE SET times = times + 1;
        END;""")
    db.close()


class Backfill(unittest.TestCase):
    def test_killed_again_and_again_each_row_is_done_once(self):
        rng = random.Random(3)
        with storage_daemon() as d:
            d.configure({"storage": {"grant": ["storage.write", "storage.read"]},
                         "backfill": {"config": {"hold": "1ms", "share": 20}}})
            path = database(d)
            make_old(path, 6000, 6000)
            with_triggers(path)
            kills = 0
            while kills < 8:
                d.start(wait=False)
                time.sleep(rng.uniform(0.1, 0.5))  # the moment of the kill is the test's input
                d.kill()
                kills += 1
            d.start()
            wait_ready(d)
            wait_backfilled(d, path)
            d.stop()
            self.assertEqual(ask(path, "SELECT count(*), max(times) FROM written"), [(6000, 1)])
            self.assertEqual(ask(path, "SELECT count(*) FROM transmissions WHERE last_seen = 0"),
                             [(0,)])
            self.assertEqual(ask(path, "SELECT rows_processed, rows_total FROM _async_migrations "
                                       f"WHERE name = '{LAST_SEEN}'"), [(6000, 6000)])

    def test_an_operator_pauses_follows_and_retries(self):
        with storage_daemon() as d:
            path = database(d)
            make_old(path, 3000, 3000)
            d.configure({"storage": {"grant": ["storage.write", "storage.read"]},
                         "backfill": {"enabled": False}})
            d.start()
            wait_ready(d)
            d.stop()
            db = sqlite3.connect(path)
            db.execute("UPDATE mk_jobs SET paused = 1")
            db.execute(f"INSERT OR REPLACE INTO mk_jobs (name, paused, begun) "
                       f"VALUES ('{LAST_SEEN}', 1, 0)")
            db.commit()
            db.close()
            d.configure({"storage": {"grant": ["storage.write", "storage.read"]}, "backfill": {}})
            d.start()
            wait_ready(d)
            wait_for("all but one", lambda: [n for n, i in items(d).items()
                                             if i["state"] != "done"] == [LAST_SEEN])
            self.assertTrue(items(d)[LAST_SEEN]["paused"])
            status, text = backfills(d)
            self.assertEqual(status, 0, text)
            self.assertIn(LAST_SEEN, text)
            status, text = backfills(d, "retry", LAST_SEEN)
            self.assertEqual(status, 1)
            self.assertIn("is paused, so there is nothing to retry", text)
            self.assertEqual(backfills(d, "resume", LAST_SEEN), (0, ""))
            status, text = backfills(d, "--follow", "--json")
            self.assertEqual(status, 0, text)
            last = {i["name"]: i for i in json.loads(text.splitlines()[-1])["items"]}
            self.assertEqual((last[LAST_SEEN]["state"], last[LAST_SEEN]["done"]), ("done", 3000))
            self.assertEqual(backfills(d, "retry", LAST_SEEN), (0, ""))
            wait_for("second attempt", lambda: items(d)[LAST_SEEN]["attempts"] == 2 and
                     items(d)[LAST_SEEN]["state"] == "done")
            self.assertEqual(backfills(d, "pause", "nobody")[0], 1)
            self.assertEqual(backfills(d, "pause")[0], 2)

    def test_without_the_plugin_nothing_is_done_and_that_is_said(self):
        with storage_daemon() as d:
            path = database(d)
            make_old(path, 100, 100)
            d.configure({"storage": {"grant": ["storage.write", "storage.read"]}})
            d.start()
            wait_ready(d)
            with d.tail("storage/backfills", retained=True) as tail:
                told = tail.until(lambda m: "nobody asks" in m.body["reason"])[-1].body
            self.assertEqual({i["state"] for i in told["items"]
                              if not i["name"].startswith(("obs_", "mk_obs_"))}, {"pending"})
            d.wait_log("is the plugin backfill enabled")
            self.assertEqual(backfills(d)[0], 1)
            self.assertEqual(ask(path, "SELECT count(*) FROM transmissions WHERE last_seen <> 0"),
                             [(0,)])

    def test_what_failed_stays_visible_over_a_stop(self):
        with storage_daemon() as d:
            path = database(d)
            make_old(path, 200, 200)
            with_triggers(path)
            db = sqlite3.connect(path)
            db.execute("CREATE TRIGGER ignored BEFORE UPDATE OF last_seen ON transmissions "
                       "WHEN new.id = 150 BEGIN SELECT RAISE(IGNORE); END")
            db.close()
            d.start()
            wait_ready(d)
            wait_for("failure", lambda: items(d).get(LAST_SEEN, {}).get("state") == "failed")
            self.assertIn("still as they were", items(d)[LAST_SEEN]["error"])
            d.wait_log(f"backfill {LAST_SEEN}: failed: ")
            d.stop()
            (status, error, ended), = ask(path, "SELECT status, error, ended_at FROM "
                                          f"_async_migrations WHERE name = '{LAST_SEEN}'")
            self.assertEqual(status, "failed")
            self.assertTrue(error and ended)

    def test_a_guest_has_a_table_of_its_own(self):
        cells = {"name": "cells", "table": "nodes",
                 "create": ["CREATE TABLE IF NOT EXISTS x_core__cells (key TEXT PRIMARY KEY)"],
                 "step": "INSERT OR IGNORE INTO x_core__cells SELECT public_key FROM nodes "
                         "WHERE rowid = ?1"}
        with storage_daemon() as d:
            path = database(d)
            d.configure({"storage": {"grant": ["storage.write", "storage.read"]}, "backfill": {}})
            d.start()
            wait_ready(d)
            with self.assertRaisesRegex(daemon.Refused, "add it to the option guests"):
                d.call("storage/define", cells)
            d.stop()
            db = sqlite3.connect(path)
            db.executemany("INSERT INTO nodes (public_key) VALUES (?)", [("aa",), ("bb",)])
            db.commit()
            db.close()
            d.configure({"storage": {"grant": ["storage.write", "storage.read"],
                                     "config": {"guests": ["core"]}}, "backfill": {}})
            d.start()
            wait_ready(d)
            d.call("storage/define", cells)
            wait_for("two cells", lambda: items(d).get("core.cells", {}).get("state") == "done")
            self.assertEqual(ask(path, "SELECT key FROM x_core__cells ORDER BY 1"),
                             [("aa",), ("bb",)])


if __name__ == "__main__":
    daemon.main()
