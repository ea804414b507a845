#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The program meshsim: the same bytes each time, the numbers in its last line, distinct receptions,
publishing to a broker, and what it refuses."""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import unittest

import daemon
from broker import free_port

MESHSIM = f"{daemon.BUILD}/bin/meshsim"


def run(*options, status=0):
    """(output, the numbers of the last line)"""
    done = subprocess.run([MESHSIM, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=300, check=False)
    error = done.stderr.decode()
    if done.returncode != status:
        raise AssertionError(f"exit status {done.returncode}: {error}")
    if status != 0:
        return done.stdout, error
    return done.stdout, {k: float(v) for k, v in (x.split("=") for x in error.split())}


def observation(topic, payload):
    """What makes a row of its own: hash, observer, path; None for what is no packet."""
    raw = bytes.fromhex(payload["raw"])
    at = 5 if raw[0] & 3 in (0, 3) else 1
    length = ((raw[at] >> 6) + 1) * (raw[at] & 63)
    path, rest = raw[at + 1:at + 1 + length], raw[at + 1 + length:]
    trace = raw[0] >> 2 & 15 == 9
    text = bytes([raw[0] >> 2 & 15]) + (bytes([raw[at], 0]) if trace else b"") + rest
    path = rest[9:] if trace else bytes([raw[at] >> 6 if path else 0]) + path
    return hashlib.sha256(text).hexdigest()[:16], topic.split("/")[2], path


def rows(output):
    found = []
    for line in output.splitlines():
        message = json.loads(line)
        topic, payload = message["topic"], message["payload"]
        if topic.endswith("/packets") and not topic.startswith("meshcore/client/"):
            found.append(observation(topic, payload))
    return found


class Meshsim(unittest.TestCase):
    def test_the_same_options_write_the_same_bytes(self):
        first, _ = run("--json", "-", "--count", "3000", "--seed", "5")
        self.assertEqual(first, run("--json", "-", "--count", "3000", "--seed", "5")[0])
        self.assertNotEqual(first, run("--json", "-", "--count", "3000", "--seed", "6")[0])

    def test_the_last_line_counts_what_was_written(self):
        output, said = run("--json", "-", "--count", "20000", "--rate", "200", "--damaged", "0",
                           "--forged", "0", "--repeated", "0.05")
        found = rows(output)
        self.assertEqual(said["messages"], output.count(b"\n"))
        self.assertEqual(said["receptions"], len(found))
        self.assertEqual(len(found), 20000)
        self.assertEqual(said["observations"], len(set(found)))
        self.assertEqual(said["transmissions"], len({row[0] for row in found}))
        self.assertEqual(said["messages"], said["receptions"] + said["statuses"] + said["clients"])
        self.assertLess(said["observations"], 19500)

    def test_distinct_receptions_are_distinct(self):
        output, said = run("--json", "-", "--count", "50000", "--rate", "20000", "--distinct")
        found = rows(output)
        self.assertEqual(len(found), 50000)
        self.assertEqual(len(set(found)), 50000)
        self.assertEqual((said["observations"], said["rejected"], said["refused"]), (50000, 0, 0))

    def test_a_duration_ends_it_in_the_time_of_the_mesh(self):
        output, _ = run("--json", "-", "--duration", "30", "--start", "1800000000")
        times = [json.loads(x)["payload"]["timestamp"] for x in output.splitlines()]
        self.assertTrue(all("2027-01-15T0" in t or "2027-01-15T1" in t for t in times))
        self.assertGreater(len(times), 100)

    def test_what_is_not_possible_is_refused(self):
        for options, text in ((["--json", "-", "--nodes", "1"], "--nodes"),
                              (["--json", "-", "--rate", "60000"], "--rate"),
                              (["--json", "-", "--observers", "61"], "observers"),
                              (["--json", "-", "--regions", "bru"], "regions"),
                              (["--json", "-", "--seed", "-1"], "--seed"),
                              (["--json", "-", "--frobnicate", "1"], "--frobnicate"),
                              (["--publish", "http://localhost"], "--publish"),
                              (["--json"], "--json"),
                              ([], "--json")):
            self.assertIn(text, run(*options, status=2)[1])

    def test_a_file_that_cannot_be_written_is_an_error(self):
        run("--json", "/nonexistent/file", status=1)
        if os.path.exists("/dev/full"):
            run("--json", "/dev/full", "--count", "5000", status=1)

    def test_no_broker_is_an_error(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))  # bound, and nobody listens
            url = f"mqtt://127.0.0.1:{s.getsockname()[1]}"
            self.assertIn(url, run("--publish", url, "--count", "10", status=1)[1])


@unittest.skipUnless(shutil.which("mosquitto") and shutil.which("mosquitto_sub"), "no mosquitto")
class Publish(unittest.TestCase):
    def setUp(self):
        self.port = free_port()
        self.folder = tempfile.mkdtemp(prefix="mk-")
        with open(f"{self.folder}/conf", "w", encoding="ascii") as f:
            f.write(f"listener {self.port} 127.0.0.1\nallow_anonymous true\n"
                    "max_queued_messages 0\n")
        self.broker = subprocess.Popen(["mosquitto", "-c", f"{self.folder}/conf"],
                                       stderr=subprocess.DEVNULL)
        daemon.wait_for("broker", self.listens)

    def tearDown(self):
        self.broker.kill()
        self.broker.wait()
        shutil.rmtree(self.folder)

    def listens(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def subscribed(self):
        """A subscriber, known to be one because it has got a message that waited for it."""
        sub = subprocess.Popen(["mosquitto_sub", "-p", str(self.port), "-q", "1", "-F", "%t %p",
                                "-t", "meshcore/#", "-t", "here", "-W", "300"],
                               stdout=subprocess.PIPE)
        subprocess.run(["mosquitto_pub", "-p", str(self.port), "-t", "here", "-r", "-m", "x"],
                       check=True, timeout=daemon.SECONDS)
        self.assertEqual(sub.stdout.readline(), b"here x\n")
        return sub

    def published(self, count, *options):
        with self.subscribed() as sub:
            try:
                _, said = run("--publish", f"mqtt://127.0.0.1:{self.port}", "--count", str(count),
                              *options)
                lines = []
                while len(lines) < said["messages"]:
                    line = sub.stdout.readline()
                    self.assertTrue(line, f"only {len(lines)} arrived")
                    # mosquitto may deliver a message that was retained just then twice
                    lines += [line.decode().split(" ", 1)] * (not line.startswith(b"here"))
            finally:
                sub.kill()
        return [observation(topic, json.loads(payload)) for topic, payload in lines
                if topic.endswith("/packets")], said

    def test_everything_arrives_once_over_several_connections(self):
        for options in ([], ["--pregenerate"]):
            found, said = self.published(10000, "--flat-out", "--rate", "5000", "--distinct",
                                         "--connections", "3", "--inflight", "50", *options)
            self.assertEqual(len(found), 10000)
            self.assertEqual(len(set(found)), 10000)
            self.assertEqual(said["observations"], 10000)

    def test_it_takes_the_time_of_the_mesh(self):
        _, said = self.published(400, "--rate", "200", "--qos", "0")
        self.assertGreater(said["seconds"], 1)


if __name__ == "__main__":
    if not os.path.exists(MESHSIM):
        raise SystemExit(77)
    daemon.main()
