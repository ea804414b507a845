#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Old databases under a running daemon: upgraded, backfilled, killed meanwhile, refused, imported."""

import glob
import hashlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import time
import unittest

import daemon
from daemon import BUILD, SECONDS, SOURCE, Daemon, wait_for

FIXTURES = os.path.join(SOURCE, "..", "shared", "fixtures")

OLD_SCHEMA = """
CREATE TABLE nodes (public_key TEXT PRIMARY KEY, name TEXT, role TEXT, lat REAL, lon REAL,
    last_seen TEXT, first_seen TEXT, advert_count INTEGER DEFAULT 0);
CREATE TABLE observers (id TEXT PRIMARY KEY, name TEXT, iata TEXT, last_seen TEXT,
    first_seen TEXT, packet_count INTEGER DEFAULT 0, model TEXT, firmware TEXT,
    client_version TEXT, radio TEXT, battery_mv INTEGER, uptime_secs INTEGER, noise_floor REAL);
CREATE TABLE transmissions (id INTEGER PRIMARY KEY AUTOINCREMENT, raw_hex TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE, first_seen TEXT NOT NULL, route_type INTEGER,
    payload_type INTEGER, payload_version INTEGER, decoded_json TEXT,
    created_at TEXT DEFAULT (datetime('now')));
CREATE TABLE observations (id INTEGER PRIMARY KEY AUTOINCREMENT,
    transmission_id INTEGER NOT NULL REFERENCES transmissions(id), observer_idx INTEGER,
    direction TEXT, snr REAL, rssi REAL, score INTEGER, path_json TEXT,
    timestamp INTEGER NOT NULL);
"""


def make_old(path, transmissions, observations):
    """Every tenth observation is there twice."""
    rng = random.Random(1)
    db = sqlite3.connect(path)
    db.executescript(OLD_SCHEMA)
    db.executemany("INSERT INTO observers (id, last_seen) VALUES (?, '2026-11-01T00:00:00Z')",
                   [(f"o{i}",) for i in range(50)])
    db.executemany("INSERT INTO transmissions (raw_hex, hash, first_seen, payload_type) "
                   "VALUES (?, ?, '2026-11-01T00:00:00Z', ?)",
                   [("0901AA" + rng.randbytes(100).hex().upper(), f"{i:016x}", 2 + i % 3)
                    for i in range(transmissions)])
    rows = []
    for i in range(observations):
        rows.append((1 + i % transmissions, 1 + i % 47, f'["{i // transmissions:04X}"]', 1000 + i))
        if i % 10 == 0:
            rows.append(rows[-1][:3] + (2000 + i,))
    db.executemany("INSERT INTO observations (transmission_id, observer_idx, path_json, timestamp) "
                   "VALUES (?, ?, ?, ?)", rows)
    db.commit()
    db.close()


def ask(path, sql):
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def storage_daemon(**kwargs):
    return Daemon({"storage": {"grant": ["storage.write", "storage.read"], **kwargs},
                   "backfill": {}}, start=False)


def database(d):
    os.makedirs(f"{d.dir}/data", exist_ok=True)
    return f"{d.dir}/data/meshkern.db"


def wait_ready(d, state="ready"):
    """The body of storage/state."""
    with d.tail("storage/state", retained=True) as tail:
        return tail.until(lambda m: m.body["state"] == state)[-1].body


def wait_backfilled(d, path):
    def done():
        rows = ask(path, "SELECT name, status, error FROM _async_migrations")
        assert not [r for r in rows if r[1] == "failed"], rows
        return rows and all(r[1] == "done" for r in rows)
    wait_for("end of the backfills", done, 3 * SECONDS, lambda: "\n".join(
        [str(r) for r in ask(path, "SELECT * FROM _async_migrations")] + [d.log()]))


def schema(path):
    return ask(path, "SELECT type, name, sql FROM sqlite_master ORDER BY 1, 2")


class Upgrade(unittest.TestCase):
    def fixture(self, name, to):
        source = os.path.join(FIXTURES, name)
        if not os.path.exists(source):
            self.skipTest(f"{source} is not there")
        shutil.copy(source, to)
        os.chmod(to, 0o644)

    def test_a_real_database_is_upgraded_and_a_second_start_changes_nothing(self):
        with storage_daemon() as d:
            path = database(d)
            self.fixture("corescope-old.db", path)
            d.start()
            wait_ready(d)
            wait_backfilled(d, path)
            self.assertEqual(ask(path, "SELECT count(*), sum(advert_count) FROM nodes"), [(200, 8396)])
            self.assertEqual(ask(path, "SELECT count(*) FROM observations"), [(499,)])
            backup, = glob.glob(f"{path}.pre-meshkern-*")
            self.assertEqual(ask(backup, "SELECT count(*) FROM observations"), [(500,)])
            d.stop()
            before, states = schema(path), ask(path, "SELECT * FROM _async_migrations")
            d.start()
            wait_ready(d)
            d.stop()
            self.assertEqual(schema(path), before)
            self.assertEqual(ask(path, "SELECT * FROM _async_migrations"), states)
            self.assertEqual(glob.glob(f"{path}.pre-meshkern-*"), [backup])

    def test_killed_at_any_time_it_is_finished_by_the_next_start(self):
        rng = random.Random(7)
        with storage_daemon() as d:
            path = database(d)
            make_old(path, 3000, 30000)
            for _ in range(6):
                d.start(wait=False)
                time.sleep(rng.uniform(0.05, 0.6))  # the moment of the kill is the test's input
                d.kill()
            d.start()
            wait_ready(d)
            wait_backfilled(d, path)
            d.stop()
            self.assertEqual(ask(path, "SELECT count(*) FROM transmissions"), [(3000,)])
            self.assertEqual(ask(path, "SELECT count(*), max(timestamp) FROM observations"),
                             [(30000, 30999)])
            self.assertEqual(ask(path, "SELECT count(*) FROM transmissions WHERE last_seen = 0"),
                             [(0,)])
            self.assertEqual(ask(path, "PRAGMA integrity_check"), [("ok",)])
            # Another one for each kill between a backup and the note that there is one.
            backups = glob.glob(f"{path}.pre-meshkern-*")
            self.assertIn(len(backups), range(1, 8))
            for backup in backups:
                self.assertEqual(ask(backup, "SELECT count(*) FROM observations"), [(33000,)])

    def test_stopped_during_a_backfill_it_goes_on_later(self):
        with storage_daemon() as d:
            path = database(d)
            make_old(path, 12000, 12000)
            d.start()
            with d.tail("backfill/progress", retained=True) as tail:
                tail.until(lambda m: any(i["done"] > 0 for i in m.body["items"]))
            d.stop()
            self.assertEqual(ask(path, "SELECT name FROM _async_migrations "
                                       "WHERE rows_processed > 0 AND status = 'pending_async'"), [])
            d.start()
            wait_ready(d)
            wait_backfilled(d, path)

    def refused(self, d, path, reason):
        before = digest(path)
        d.start()
        d.wait_log(reason)
        self.assertNotEqual(d.plugin("storage")["state"], "running")
        self.assertEqual(digest(path), before)

    def test_a_version_2_database_is_refused_with_directions(self):
        with storage_daemon() as d:
            path = database(d)
            db = sqlite3.connect(path)
            db.execute("CREATE TABLE packets (id INTEGER PRIMARY KEY, raw_hex TEXT)")
            db.close()
            self.refused(d, path, "meshkern import")

    def test_what_is_no_database_is_left_as_it_is(self):
        with storage_daemon() as d:
            path = database(d)
            with open(path, "w", encoding="utf-8") as f:
                f.write("This is a letter. " * 100)
            self.refused(d, path, "no SQLite database")

    def test_import_takes_a_database_that_is_in_use_and_leaves_it_alone(self):
        with storage_daemon() as d:
            path, source = database(d), f"{d.dir}/old.db"
            make_old(source, 500, 5000)
            live = sqlite3.connect(source)
            live.execute("PRAGMA journal_mode = WAL")
            live.execute("INSERT INTO nodes (public_key) VALUES ('ab')")
            live.commit()
            live.execute("INSERT INTO nodes (public_key) VALUES ('not yet')")
            done = subprocess.run([f"{BUILD}/bin/meshkern", "-c", d.file, "import", source, "--json"],
                                  cwd=d.dir, stdout=subprocess.PIPE, check=True)
            answer = json.loads(done.stdout)
            rows = {t["table"]: (t["source"], t["imported"]) for t in answer["tables"]}
            self.assertEqual(rows["nodes"], (1, 1))
            self.assertEqual(rows["observations"], (5500, 5000))
            self.assertEqual(os.path.realpath(answer["database"]), os.path.realpath(path))
            live.commit()
            self.assertEqual(live.execute("SELECT count(*) FROM nodes").fetchall(), [(2,)])
            live.close()
            again = subprocess.run([f"{BUILD}/bin/meshkern", "-c", d.file, "import", source],
                                   cwd=d.dir, stderr=subprocess.PIPE, check=False)
            self.assertEqual(again.returncode, 1)
            self.assertIn(b"exists already", again.stderr)
            d.start()
            wait_ready(d)
            self.assertEqual(glob.glob(f"{path}.pre-meshkern-*"), [])


if __name__ == "__main__":
    daemon.main()
