#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""neighbors and mbcap beside storage: killed in the middle, they know what they would know otherwise;
what they publish becomes rows; a start serves the last snapshot before anything is computed."""

import os
import shutil
import signal
import sqlite3
import sys
import time
import unittest

from daemon import BUILD, Daemon, all_stored, main, wait_for

NEEDED = ["sim", "decode", "storage", "neighbors", "mbcap"]
if not all(os.path.exists(f"{BUILD}/plugins/{name}.so") for name in NEEDED):
    sys.exit(77)

BOTH = ["neighbors", "mbcap"]
RATE = 1000  # receptions a second
ENOUGH = 2500  # observations


def plugins(sim=True, analytics=True):
    # sqlite's log has to be readable in a process of its own: that is what is tested, too
    quick = {"isolation": "process", "enabled": analytics,
             "config": {"interval": "200ms", "base_every": 3}}
    return {"storage": {"config": {"snapshots_after": "200ms"}}, "decode": {},
            "sim": {"enabled": sim, "config": {"nodes": 60, "seed": 3, "rate": RATE}},
            "neighbors": quick, "mbcap": quick}


def database(d):
    return f"{d.dir}/data/meshkern.db"


def query(d, sql):
    with sqlite3.connect(f"file:{database(d)}?mode=ro", uri=True, timeout=10) as db:
        return db.execute(sql).fetchall()


def last_base(d, name):
    """The newest complete one of this epoch, or None."""
    bases = [m for m in d.replay(f"snapshot/{name}") if not m.flags & 8 and m.body]
    return bases[-1].body if bases else None


def essence(body):
    return {k: v for k, v in body.items() if k not in ("serial", "n", "at")}


def wait_base(d, name, cursor, not_serial=0):
    """A complete snapshot that covers everything."""
    def look():
        body = last_base(d, name)
        return body if body and body["cursor"] >= cursor and body["serial"] != not_serial else None
    return wait_for(f"base of {name} up to {cursor}", look, context=d.log)


class Kill(unittest.TestCase):
    def everything(self, d):
        """The simulation has ended, and all that it said is stored."""
        d.ask("disable", name="sim")
        wait_for("end of storing", lambda: all_stored(d, "sim"), context=d.log)
        return query(d, "SELECT max(id) FROM observations")[0][0]

    def enough(self, d):
        for name in NEEDED:
            d.wait_state(name, "running")
        wait_for("observations", lambda: os.path.exists(database(d)) and query(
            d, "SELECT count(*) FROM observations")[0][0] > ENOUGH, context=d.log)
        for name in BOTH:
            wait_for(f"snapshot of {name}", lambda: last_base(d, name), context=d.log)

    def kill(self, d, name):
        pid = d.wait_plugin(name, "there", lambda p: p["state"] == "running" and p["pid"])["pid"]
        os.kill(pid, signal.SIGKILL)
        d.wait_plugin(name, "back", lambda p: p["state"] == "running" and p["pid"] not in (0, pid))

    def test_killed_plugins_know_what_an_undisturbed_one_knows(self):
        with Daemon(plugins()) as d:
            self.enough(d)
            for _ in range(3):
                for name in BOTH:
                    time.sleep(0.25)  # somewhere in its cycle
                    self.kill(d, name)
            cursor = self.everything(d)
            killed = {}
            for name in BOTH:
                old = last_base(d, name)["serial"]
                self.kill(d, name)
                killed[name] = essence(wait_base(d, name, cursor, old))
            self.assertGreater(len(killed["neighbors"]["edges"]), 30)
            self.assertGreater(len(killed["mbcap"]["nodes"]), 30)

            # What storage made of it.
            edges = killed["neighbors"]["edges"]
            wait_for("rows of all edges", lambda: len(edges) == query(
                d, "SELECT count(*) FROM neighbor_edges")[0][0], context=d.log)
            stored = dict(((a, b), c) for a, b, c in query(
                d, "SELECT node_a, node_b, count FROM neighbor_edges"))
            ids = killed["neighbors"]["ids"]
            self.assertEqual(stored, {(ids[e[0]], ids[e[1]]): e[2] for e in edges})
            for key, sup in query(d, "SELECT public_key, multibyte_sup FROM nodes"):
                now = next(n[1] for n in killed["mbcap"]["nodes"] if n[0] == key)
                self.assertGreaterEqual(sup, now)
            self.assertEqual(d.stop(), 0)

            # An undisturbed run over the same observations, from the database alone.
            with sqlite3.connect(database(d)) as db:
                db.execute("DELETE FROM mk_snapshots")
                db.execute("DELETE FROM mk_state WHERE name LIKE 'snapshot.%'")
            d.configure(plugins(sim=False))
            d.start()
            for name in BOTH:
                fresh = essence(wait_base(d, name, cursor))
                for part, value in killed[name].items():
                    self.assertEqual(fresh[part], value, f"{name} {part}")

    def test_a_start_serves_the_last_snapshot_before_anything_is_computed(self):
        with Daemon(plugins()) as d:
            self.enough(d)
            self.everything(d)
            wait_for("stored snapshots", lambda: len(query(
                d, "SELECT DISTINCT name FROM mk_snapshots")) >= 2, context=d.log)
            self.assertEqual(d.stop(), 0)
            d.configure(plugins(sim=False, analytics=False))
            d.start()
            for name in BOTH:
                body = wait_for(f"stored snapshot of {name}", lambda: last_base(d, name),
                                context=d.log)
                self.assertGreater(len(body["edges" if name == "neighbors" else "nodes"]), 0)

    def test_somebody_else_may_not_publish_the_name(self):
        """A plugin of somebody else may publish snapshot/ITS-NAME, and nothing more."""
        with Daemon({}, start=False) as d:
            shutil.copy(f"{BUILD}/plugins/neighbors.so", f"{d.dir}/other.so")
            d.configure({"other": {"path": "./other.so", "grant": ["storage.read"]}})
            status, text = d.check()
            self.assertEqual(status, 2)
            self.assertIn("publishes snapshot/neighbors", text)

    def test_what_somebody_else_publishes_under_the_name_is_not_written(self):
        """Even if the operator lets him publish it: rows are made of what its owner says."""
        with Daemon({}, start=False) as d:
            shutil.copy(f"{BUILD}/plugins/neighbors.so", f"{d.dir}/other.so")
            use = plugins()
            use["neighbors"] = {"enabled": False}
            use["other"] = {"path": "./other.so", "plugin": "neighbors",
                            "config": {"interval": "200ms"}, "grant": ["storage.read"],
                            "publish": ["snapshot/neighbors"]}
            d.configure(use)
            d.start()
            d.wait_state("other", "running")
            wait_for("a snapshot with edges", lambda: (last_base(d, "neighbors") or {}).get("edges"),
                     context=d.log)
            d.wait_log("a snapshot is refused.* name=neighbors origin=other")
            self.assertEqual(query(d, "SELECT count(*) FROM neighbor_edges"), [(0,)])
            self.assertEqual(query(d, "SELECT count(*) FROM mk_snapshots WHERE name = 'neighbors'"),
                             [(0,)])


if __name__ == "__main__":
    main()
