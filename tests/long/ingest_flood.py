#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Half a million receptions through a real Mosquitto, as fast as it takes them: everything is in the
database once, whatever dies, fills up or goes away in the middle.

COUNT=n in the environment makes it smaller or larger."""

import os
import random
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

from daemon import main, wait_for  # noqa: E402
from ingest import Rig  # noqa: E402

COUNT = int(os.environ.get("COUNT", "500000"))
KILLS = 20
SILENCE = 120  # seconds in which nothing is stored: it is over
MESH = ("--nodes", 300, "--observers", 40, "--connections", 4)


def rng(seed):
    """Moments that are the same in every run."""
    return random.Random(seed)


class Flood(unittest.TestCase):
    def finish(self, rig, mesh, began, what):
        summary = mesh.wait()
        published = time.monotonic() - began
        rig.wait_stored(summary["observations"], SILENCE)
        took = time.monotonic() - began
        rig.expect_all(self, summary)
        print(f"{what}: {summary['receptions']} receptions of {summary['transmissions']} packets, "
              f"published in {published:.1f} s, stored in {took:.1f} s, "
              f"{summary['receptions'] / took:.0f}/s, 0 lost, 0 twice", flush=True)

    def test_everything_arrives_once_in_flat_memory(self):
        for isolation in ("process", "inproc"):
            with Rig(isolation) as rig:
                began = time.monotonic()
                mesh, memory = rig.publish(COUNT, *MESH), []
                while rig.observations() < COUNT * 0.95:
                    memory.append((rig.observations(), sum(rig.memory().values())))
                    time.sleep(0.5)
                    self.assertLess(time.monotonic() - began, 600)
                self.finish(rig, mesh, began, f"undisturbed, {isolation}")
                early = max(m for n, m in memory if n < COUNT * 0.3)
                late = max(m for n, m in memory if n > COUNT * 0.6)
                print(f"  resident: {early >> 20} MiB in the first third, {late >> 20} MiB in the last")
                self.assertLess(late, early * 1.25 + (16 << 20))

    def test_the_daemon_is_killed_twenty_times(self):
        with Rig() as rig:
            began, moments = time.monotonic(), rng(1)
            mesh = rig.publish(COUNT, *MESH)
            for kill in range(KILLS):
                # Spread over the whole run, by what is stored and not by the clock.
                rig.wait_stored(int(COUNT * (kill + moments.random()) / (KILLS + 1)), SILENCE)
                time.sleep(moments.random() * 0.2)
                rig.daemon.kill()
                rig.daemon.start()
            self.finish(rig, mesh, began, f"kill -9 of meshkernd {KILLS} times")

    def test_plugins_are_killed_twenty_times_each(self):
        with Rig() as rig:
            began, moments = time.monotonic(), rng(2)
            mesh, killed = rig.publish(COUNT, *MESH), {"mqtt": 0, "decode": 0, "storage": 0}
            for kill in range(KILLS):
                rig.wait_stored(int(COUNT * (kill + moments.random()) / (KILLS + 1)), SILENCE)
                for name in killed:
                    wait_for(f"kill of {name}", lambda n=name: rig.kill_plugin(n))
                    killed[name] += 1
                    time.sleep(moments.random() * 0.1)
            self.finish(rig, mesh, began, f"kill -9 of plugins {killed}")

    def test_the_broker_is_restarted(self):
        with Rig() as rig:
            began = time.monotonic()
            mesh = rig.publish(COUNT, *MESH)
            for part in (0.3, 0.6):
                rig.wait_stored(int(COUNT * part), SILENCE)
                rig.broker.stop()
                rig.broker.start()
            self.finish(rig, mesh, began, "broker restarted twice")

    @unittest.skipUnless(os.getuid() == 0, "only root can mount a small disk")
    def test_the_disk_fills_up(self):
        disk = tempfile.mkdtemp(prefix="mk-disk-")
        size = max(COUNT // 1000, 100) * 2 + 300  # MiB
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}m", "none", disk], check=True)
        try:
            with Rig(data_dir=f"{disk}/data") as rig:
                began = time.monotonic()
                mesh = rig.publish(COUNT, *MESH)
                rig.wait_stored(int(COUNT * 0.3), SILENCE)
                with open(f"{disk}/filler", "wb", buffering=0) as f:
                    try:
                        while True:
                            f.write(b"\0" * 65536)
                    except OSError:
                        pass
                rig.daemon.wait_log("disk", seconds=SILENCE)
                stopped = rig.observations()
                time.sleep(3)
                print(f"  disk full at {stopped} observations; 3 s later there are "
                      f"{rig.observations()}")
                os.unlink(f"{disk}/filler")
                self.finish(rig, mesh, began, "disk full in the middle")
        finally:
            subprocess.run(["umount", "-l", disk], check=True)
            os.rmdir(disk)


if __name__ == "__main__":
    main()
