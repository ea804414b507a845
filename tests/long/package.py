#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The Debian packages, in a system that has nothing else: installed, run, upgraded, removed, purged;
and a plugin made with the SDK's package. Needs root, debootstrap and a mirror."""

import glob
import os
import re
import shutil
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

from bare_root import Daemon, Root, run  # noqa: E402
from broker import free_port  # noqa: E402

SOURCE = os.path.abspath(os.environ.get("MK_SOURCE_DIR", "."))
CONFIG = "/etc/meshkern/meshkern.yaml"


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        run(f"{SOURCE}/scripts/package")
        cls.root = Root()
        for deb in glob.glob(f"{SOURCE}/build/packages/*.deb"):
            shutil.copy(deb, cls.root.path("/opt/"))
        cls.debs = {re.match(r"(meshkern(-dev)?)_", os.path.basename(d))[1]:
                    "/opt/" + os.path.basename(d)
                    for d in glob.glob(f"{SOURCE}/build/packages/*.deb")}

    @classmethod
    def tearDownClass(cls):
        cls.root.close()

    def newer(self, deb):
        """The same package with a later version."""
        self.root("dpkg-deb", "-R", deb, "/opt/newer")
        control = self.root.path("/opt/newer/DEBIAN/control")
        with open(control) as f:
            text = re.sub(r"^(Version: .*)$", r"\1+1", f.read(), flags=re.M)
        with open(control, "w") as f:
            f.write(text)
        self.root("dpkg-deb", "-b", "/opt/newer", "/opt/newer.deb")
        return "/opt/newer.deb"

    def daemon(self, port):
        daemon = Daemon(self.root.dir, "meshkern", ["/usr/bin/meshkernd", "-c", CONFIG], port)
        self.addCleanup(daemon.end)
        return daemon

    def test_it_is_installed_run_upgraded_removed_and_purged(self):
        root, config = self.root, self.root.path(CONFIG)
        root.apt("install", self.debs["meshkern"])
        user = next(line for line in root("getent", "passwd").splitlines()
                    if line.startswith("meshkern:")).split(":")
        self.assertEqual(user[5:], ["/var/lib/meshkern", "/usr/sbin/nologin"])
        state = os.stat(root.path("/var/lib/meshkern"))
        self.assertEqual((state.st_uid, state.st_mode & 0o777), (int(user[2]), 0o750))
        self.assertEqual(os.stat(config).st_mode & 0o777, 0o640)
        for page in ("man1/meshkern.1", "man1/meshsim.1", "man5/meshkern.yaml.5", "man8/meshkernd.8"):
            self.assertTrue(os.path.exists(root.path(f"/usr/share/man/{page}.gz")), page)
        root("meshkernd", "--check", "-c", CONFIG)

        # The operator's changes: a mesh to look at, and a port that is free here.
        port = free_port()
        with open(config) as f:
            text = f.read().replace("127.0.0.1:8080", f"127.0.0.1:{port}")
        with open(config, "w") as f:
            f.write(re.sub(r"(\n  sim:\n    enabled: )false", r"\1true", text))
        daemon = self.daemon(port)
        self.assertIn(b'"ready":true', daemon.get("/api/healthz"))
        self.assertIn(b"<html", daemon.get("/"))
        self.assertIn(b'"storage"', daemon.get("/api/plugins"))
        self.assertIn("running", root("setpriv", "--reuid=meshkern", "--regid=meshkern",
                                      "--init-groups", "meshkern", "-c",
                                      CONFIG, "plugins"))
        daemon.stop()
        size = os.stat(root.path("/var/lib/meshkern/meshkern.db")).st_size

        root.apt("install", self.newer(self.debs["meshkern"]))
        with open(config) as f:
            self.assertIn(f"127.0.0.1:{port}", f.read())
        daemon = self.daemon(port)
        self.assertIn(b'"ready":true', daemon.get("/api/healthz"))
        daemon.stop()
        self.assertGreaterEqual(os.stat(root.path("/var/lib/meshkern/meshkern.db")).st_size, size)

        root.apt("remove", "meshkern")
        self.assertFalse(os.path.exists(root.path("/usr/bin/meshkernd")))
        self.assertTrue(os.path.exists(config))
        root.apt("purge", "meshkern")
        self.assertFalse(os.path.exists(config))
        self.assertTrue(os.path.exists(root.path("/var/lib/meshkern/meshkern.db")))

    def test_a_plugin_is_made_with_the_package_of_the_sdk(self):
        root = self.root
        root.apt("install", self.debs["meshkern"], self.debs["meshkern-dev"], "gcc", "libc6-dev",
                 "cmake", "ninja-build", "libcriterion-dev")
        root("sh", "-ec", "cd /opt && meshkern plugin new rainmap && cmake -S rainmap -B made -G Ninja"
             " && cmake --build made && ctest --test-dir made --output-on-failure")
        root("meshkern-conform", "/opt/made/plugins/rainmap.so")


if __name__ == "__main__":
    done = unittest.main(exit=False).result
    bad = len(done.failures) + len(done.errors)
    print(f"{max(0, done.testsRun - bad)} passed, {bad} failed, {len(done.skipped)} skipped")
    sys.exit(bad > 0)
