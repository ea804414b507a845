#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The power goes, at random moments under load: what storage/committed had covered is there.

The data folder lies on an ext4 of its own on a loop device, whose file lies on an XFS. A reflink
copy of that file is what the disk held at that moment: what had not been written back is missing in
it, as after a real power cut. Each copy is mounted (which replays the journal) and looked at."""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

from daemon import main  # noqa: E402
from ingest import Rig  # noqa: E402

COUNT = int(os.environ.get("COUNT", "150000"))
CUTS = 12


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


class Disk:
    """An ext4 whose device can be copied in one instant."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="mk-power-")
        self.mounted = []
        self.outer, self.inner = f"{self.dir}/outer", f"{self.dir}/inner"
        run("truncate", "-s", "8G", f"{self.dir}/outer.img")
        run("mkfs.xfs", "-q", "-m", "reflink=1", f"{self.dir}/outer.img")
        self.mount(f"{self.dir}/outer.img", self.outer)
        run("truncate", "-s", "1500M", f"{self.outer}/disk.img")
        run("mkfs.ext4", "-q", f"{self.outer}/disk.img")
        self.mount(f"{self.outer}/disk.img", self.inner)

    def mount(self, image, where):
        os.makedirs(where, exist_ok=True)
        run("mount", "-o", "loop", image, where)
        self.mounted.append(where)

    def umount(self, where):
        run("umount", "-l", where)
        self.mounted.remove(where)

    def cut(self, number):
        """What the disk holds now."""
        copy = f"{self.outer}/cut-{number}.img"
        run("cp", "--reflink=always", f"{self.outer}/disk.img", copy)
        return copy

    def close(self):
        for where in reversed(self.mounted[:]):
            self.umount(where)
        shutil.rmtree(self.dir, ignore_errors=True)


class Witness(threading.Thread):
    """Sees on the bus what was received under which number, and what is said to be on disk."""

    def __init__(self, daemon):
        super().__init__()
        self.tail = daemon.tail("rx/raw", "storage/committed")
        self.tail.control.socket.settimeout(600)
        self.received, self.committed, self.lost = {}, 0, 0
        self.over = False

    def run(self):
        while not self.over:
            try:
                m = self.tail.next()
            except OSError:
                return
            self.lost = self.tail.lost
            if m.topic == "rx/raw":
                self.received[m.origin_seq] = [(i["observer"], i["raw"].hex().upper())
                                               for i in m.body["items"]]
            else:
                for item in m.body["items"]:
                    if item["source"] == "mqtt":
                        self.committed = max(self.committed, item["seq"])


def usable():
    return os.getuid() == 0 and shutil.which("mkfs.xfs") and os.path.exists("/dev/loop-control")


@unittest.skipUnless(usable(), "needs root, loop devices and mkfs.xfs")
class PowerCut(unittest.TestCase):
    def setUp(self):
        self.disk = Disk()
        self.addCleanup(self.disk.close)

    def test_what_was_said_to_be_on_disk_is_on_disk(self):
        moments, copies = random.Random(3), []
        with Rig(data_dir=f"{self.disk.inner}/data") as rig:
            witness = Witness(rig.daemon)
            witness.start()
            mesh = rig.publish(COUNT, "--nodes", 200, "--observers", 30, "--rate", 4000)
            for cut in range(CUTS):
                rig.wait_stored(int(COUNT * (cut + moments.random()) / (CUTS + 2)), 60)
                time.sleep(moments.random())
                promised = witness.committed  # before the cut
                copies.append((self.disk.cut(cut), promised))
            rig.wait_stored(mesh.wait()["observations"], 60)
            witness.over = True
            witness.tail.control.socket.shutdown(2)
            witness.join()
            witness.tail.control.socket.close()
        self.assertEqual(witness.lost, 0, "the witness itself has missed something")
        checked = [self.look(copy, promised, witness.received) for copy, promised in copies]
        print(f"power cut {CUTS} times: {checked} receptions had been said to be on disk and are, "
              "every database sound")
        self.assertGreater(checked[-1], COUNT // 4)

    def look(self, copy, promised, received):
        where = f"{self.disk.dir}/copy"
        self.disk.mount(copy, where)
        try:
            db = sqlite3.connect(f"{where}/data/meshkern.db")
            self.assertEqual(db.execute("PRAGMA integrity_check").fetchone()[0], "ok")
            stored = set(db.execute("SELECT b.id, o.raw_hex FROM observations o "
                                    "JOIN observers b ON b.rowid = o.observer_idx"))
            db.close()
            wanted = {r for number, items in received.items() if number <= promised for r in items}
            missing = wanted - stored
            self.assertEqual(len(missing), 0, f"of {len(wanted)} up to number {promised}")
            return len(wanted)
        finally:
            self.disk.umount(where)


if __name__ == "__main__":
    main()
