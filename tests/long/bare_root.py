# SPDX-License-Identifier: MIT
"""What the tests of the packages and of the container share: a Debian that has nothing else."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

MINUTES = 60
if os.geteuid() != 0 or not shutil.which("debootstrap"):
    print("needs root and debootstrap")
    sys.exit(77)


def run(*command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=20 * MINUTES, **more)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}"
    return done.stdout


class Root:
    """A minimal Debian in a folder, with the package sources of this system."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="mk-root-")
        os.chmod(self.dir, 0o755)  # it is everybody's /
        run("debootstrap", "--variant=minbase", "bookworm", self.dir)
        for name in ("etc/apt/sources.list", "etc/apt/sources.list.d", "etc/apt/apt.conf.d",
                     "etc/resolv.conf", "etc/hosts"):
            if os.path.isdir(f"/{name}"):
                shutil.copytree(f"/{name}", f"{self.dir}/{name}", dirs_exist_ok=True)
            elif os.path.exists(f"/{name}"):
                shutil.copy(f"/{name}", f"{self.dir}/{name}")
        run("mount", "-t", "proc", "proc", f"{self.dir}/proc")
        self("apt-get", "-qq", "update")

    def __call__(self, *command):
        proxies = {k: v for k, v in os.environ.items() if k.lower().endswith("_proxy")}
        return run("chroot", self.dir, *command, env={
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
            "DEBIAN_FRONTEND": "noninteractive", **proxies})

    def apt(self, *arguments):
        return self("apt-get", "-qq", "--yes", "--no-install-recommends", *arguments)

    def path(self, name):
        return self.dir + name

    def unmount(self):
        if os.path.ismount(f"{self.dir}/proc"):
            run("umount", f"{self.dir}/proc")

    def close(self):
        self.unmount()
        shutil.rmtree(self.dir)


class Daemon:
    """As the service and the container start it: as its user, in the foreground."""

    def __init__(self, root, user, command, port):
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            ["chroot", root, "setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups",
             *command], stderr=subprocess.PIPE, text=True)

    def get(self, path):
        end = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(self.url + path, timeout=10) as answer:
                    return answer.read()
            except OSError:
                if time.monotonic() > end or self.process.poll() is not None:
                    self.process.kill()
                    raise AssertionError(self.process.stderr.read()) from None
                time.sleep(0.2)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0, self.process.stderr.read()

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()
