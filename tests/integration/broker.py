# SPDX-License-Identifier: MIT
"""A Mosquitto of a test's own: its configuration in a temporary folder, its ports random ones of
the loopback. It takes what the operators' guide recommends."""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

import daemon

PATH = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
MOSQUITTO = shutil.which("mosquitto", path=PATH)
PUBLISH = f"{daemon.BUILD}/bench/mqtt_publish"


def skip_without():
    """Exit status 77, which the test runner shows as skipped."""
    if MOSQUITTO is None or shutil.which("mosquitto_pub") is None:
        print("mosquitto or mosquitto-clients is not installed\n0 passed, 0 failed, 1 skipped")
        sys.exit(77)


def free_port():
    """One that somebody else will not get meanwhile just because it is free."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                continue
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


class Broker:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="mk-broker-")
        self.port = free_port()
        self.process = None
        self.file = f"{self.dir}/mosquitto.conf"
        with open(self.file, "w", encoding="utf-8") as f:
            f.write(f"listener {self.port} 127.0.0.1\n"
                    f"allow_anonymous true\npersistence true\npersistence_location {self.dir}/\n"
                    "autosave_interval 1\n"
                    "upgrade_outgoing_qos true\nmax_queued_messages 0\nmax_inflight_messages 200\n"
                    f"log_dest file {self.dir}/log\nlog_type error\nlog_type warning\n"
                    "log_type notice\n")
        if os.geteuid() == 0:  # it would become somebody who may not write here
            with open(self.file, "a", encoding="utf-8") as f:
                f.write("\nuser root\n")

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)

    @property
    def url(self):
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self):
        self.process = subprocess.Popen([MOSQUITTO, "-c", self.file], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        daemon.wait_for("broker", self.answers, context=self.log)

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"mosquitto ended\n{self.log()}")
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        """It saves what it holds."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(daemon.SECONDS)
        self.process = None

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def log(self):
        try:
            with open(f"{self.dir}/log", encoding="utf-8", errors="replace") as f:
                return f.read()[-4000:]
        except OSError:
            return ""

    def send(self, topic, payload, *more):
        subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(self.port), "-q", "1", "-t",
                        topic, "-s", *more], input=payload.encode(), check=True,
                       timeout=daemon.SECONDS)

    def numbers(self, first, count, rate=0):
        """Publishes in the background; the process ends with 0 when all are acknowledged. Paho leaks
        what it had under way when a connection was lost, which is not our subject."""
        return subprocess.Popen([PUBLISH, f"tcp://127.0.0.1:{self.port}", str(first), str(count),
                                 str(rate)], stdout=subprocess.PIPE,
                                env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
