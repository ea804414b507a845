#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The container: packaging/Dockerfile is built on a bare Debian, its daemon runs as the image says, and
takes what comes to a broker with compose.yaml's configuration. Needs root, debootstrap, a mirror and
buildah."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

from bare_root import Daemon, Root, run  # noqa: E402
from broker import free_port  # noqa: E402
from daemon import wait_for  # noqa: E402

SOURCE = os.path.abspath(os.environ.get("MK_SOURCE_DIR", "."))
BASES = ["docker.io/library/debian:bookworm", "docker.io/library/debian:bookworm-slim"]
CONFIG = "/etc/meshkern/meshkern.yaml"
RECEPTIONS = 2000
# npm's registry, as this system has it, and who vouches for it.
BUNDLE, TRUSTED = "/etc/ssl/certs/ca-certificates.crt", "/usr/share/of-the-host.crt"
if not shutil.which("buildah") or not shutil.which("mosquitto"):
    print("needs buildah and mosquitto")
    sys.exit(77)


class Images:
    """buildah, with images and containers in a folder of its own."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="mk-images-")
        with open(f"{self.dir}/storage.conf", "w", encoding="ascii") as f:
            f.write(f'[storage]\ndriver = "overlay"\nrunroot = "{self.dir}/run"\n'
                    f'graphroot = "{self.dir}/graph"\n')

    def __call__(self, *arguments):
        env = {**os.environ, "CONTAINERS_STORAGE_CONF": f"{self.dir}/storage.conf"}
        with open(f"{self.dir}/log", "a+", encoding="utf-8") as log:  # what is said beside the answer
            done = subprocess.run(["buildah", *arguments], env=env, stdout=subprocess.PIPE, stderr=log,
                                  text=True, check=False)
            log.seek(0)
            assert done.returncode == 0, f"buildah {arguments}: {done.returncode}\n{log.read()[-4000:]}"
        return done.stdout.strip()

    def make_base(self):
        """What Debian publishes as debian:bookworm, from its packages."""
        root = Root()
        try:
            shutil.copy(BUNDLE, root.path(TRUSTED))
            if os.path.exists(os.path.expanduser("~/.npmrc")):
                shutil.copy(os.path.expanduser("~/.npmrc"), os.path.join(root.dir, "root"))
            name = self("from", "scratch")
            root.unmount()
            self("add", "--quiet", name, root.dir, "/")
            self("config", "--env", f"NODE_EXTRA_CA_CERTS={TRUSTED}", name)
        finally:
            root.close()
        for base in BASES:
            self("commit", "--quiet", name, base)
        self("rm", name)

    def close(self):
        self("umount", "--all")
        self("rm", "--all")
        shutil.rmtree(self.dir)


class Container(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.images = Images()
        cls.addClassCleanup(cls.images.close)
        cls.images.make_base()
        with tempfile.TemporaryDirectory() as source:
            run("git", "clone", "--quiet", SOURCE, source)
            cls.images("build", "--quiet", "--isolation", "chroot", "--network", "host", "--pull-never",
                       "--tag", "meshkern", "--file", f"{source}/packaging/Dockerfile", source)
        image = json.loads(cls.images("inspect", "--type", "image", "localhost/meshkern"))
        cls.image = image["OCIv1"]["config"]
        cls.root = cls.images("mount", cls.images("from", "--pull-never", "localhost/meshkern"))
        run("mount", "-t", "proc", "proc", f"{cls.root}/proc")
        cls.addClassCleanup(run, "umount", f"{cls.root}/proc")

    def start_broker(self):
        """With the file that compose.yaml gives it, but for its place and its port."""
        data, port = tempfile.mkdtemp(prefix="mk-broker-"), free_port()
        self.addCleanup(shutil.rmtree, data)
        with open(f"{SOURCE}/packaging/mosquitto.conf", encoding="ascii") as f:
            text = f.read()
        text = text.replace("listener 1883", f"listener {port} 127.0.0.1")
        text = text.replace("/mosquitto/data/", f"{data}/") + "user root\n"
        with open(f"{data}/mosquitto.conf", "w", encoding="ascii") as f:
            f.write(text)
        broker = subprocess.Popen(["mosquitto", "-c", f"{data}/mosquitto.conf"],
                                  stderr=subprocess.DEVNULL)
        self.addCleanup(broker.wait)
        self.addCleanup(broker.terminate)
        return port

    def test_it_is_built_run_and_takes_packets(self):
        self.assertEqual((self.image["User"], self.image["StopSignal"]), ("meshkern", "SIGTERM"))
        self.assertEqual(list(self.image["Volumes"]), ["/var/lib/meshkern"])
        self.assertEqual(self.image["Entrypoint"], ["/usr/bin/meshkernd", "-c", CONFIG])
        with open(self.root + CONFIG, encoding="utf-8") as f:
            text = f.read()
        self.assertIn("0.0.0.0:8080", text)
        port, broker = free_port(), self.start_broker()
        text = text.replace("0.0.0.0:8080", f"127.0.0.1:{port}")
        text = re.sub(r"mqtt://localhost:1883", f"mqtt://localhost:{broker}", text)
        with open(self.root + CONFIG, "w", encoding="utf-8") as f:
            f.write(text)

        daemon = Daemon(self.root, self.image["User"], self.image["Entrypoint"], port)
        self.addCleanup(daemon.end)
        self.assertIn(b'"ready":true', daemon.get("/api/healthz"))
        self.assertIn(b"<html", daemon.get("/"))
        with open(f"{SOURCE}/packaging/Dockerfile", encoding="utf-8") as f:
            health = re.search(r"^HEALTHCHECK CMD (.*)$", f.read(), re.M)[1]
        run("chroot", self.root, "setpriv", "--reuid=meshkern", "--regid=meshkern", "--init-groups",
            *health.split())
        summary = run("chroot", self.root, "meshsim", "--publish", f"mqtt://127.0.0.1:{broker}",
                      "--flat-out", "--count", str(RECEPTIONS))
        self.assertIn(str(RECEPTIONS), summary)
        wait_for("the packets", lambda: json.loads(
            daemon.get("/api/stats"))["totalObservations"] > RECEPTIONS * 0.8)
        daemon.stop()


if __name__ == "__main__":
    done = unittest.main(exit=False).result
    bad = len(done.failures) + len(done.errors)
    print(f"{max(0, done.testsRun - bad)} passed, {bad} failed, {len(done.skipped)} skipped")
    sys.exit(bad > 0)
