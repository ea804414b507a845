#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The meshkern tool against the real daemon with one small plugin: every command that talks to it.
MK_BINARY_DIR is the build folder, MK_SOURCE_DIR the source tree."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

BINARIES = os.path.abspath(os.path.join(os.environ.get("MK_BINARY_DIR", "build"), "bin"))
SOURCE_DIR = os.path.abspath(os.environ.get("MK_SOURCE_DIR", "."))

# Publishes what it is called with, and answers with the same.
PLUGIN = """
#include <meshkern/plugin.h>
static const mk_host *host;
static mk_result create(const mk_host *h, void **self) { host = h; *self = 0; return MK_OK; }
static void destroy(void *self) { (void)self; }
static void on_call(void *self, const mk_call *c) {
	(void)self;
	(void)host->publish(host, "echo/said", c->body, c->body_len, 0);
	(void)host->reply(host, c->id, MK_OK, "", c->body, c->body_len);
}
static const mk_topic out[] = {{.name = "echo/said", .flags = MK_TOPIC_RELIABLE}, {0}};
static const mk_method methods[] = {{"echo/say", "say it"}, {0}};
MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {MK_PLUGIN_HEAD, .id = "echo", .version = "1.2.3",
	.summary = "says it again", .license = "MIT", .publishes = out, .methods = methods,
	.create = create, .on_call = on_call, .destroy = destroy};
"""
CONFIG = """
meshkern: 1
plugins:
  echo: { path: ./echo.so, isolation: process, publish: [echo/] }
"""


class Daemon(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp()
        self.write("echo.c", PLUGIN)
        self.write("meshkern.yaml", CONFIG)
        subprocess.run(["cc", "-std=c11", "-shared", "-fPIC", "-fvisibility=hidden",
                        "-Wl,-z,nodelete", f"-I{SOURCE_DIR}/sdk/include", f"{self.dir}/echo.c",
                        "-o", f"{self.dir}/echo.so"], check=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            ready.bind(f"{self.dir}/ready")
            ready.settimeout(120)
            self.log = open(f"{self.dir}/log", "w+")
            self.daemon = subprocess.Popen([f"{BINARIES}/meshkernd"], cwd=self.dir, stderr=self.log,
                                           env={**os.environ, "NOTIFY_SOCKET": f"{self.dir}/ready"})
            self.addCleanup(self.stop)
            while b"READY=1" not in ready.recv(4096):
                pass

    def stop(self):
        self.daemon.terminate()
        self.daemon.wait(120)
        self.log.close()
        shutil.rmtree(self.dir)

    def write(self, name, text):
        with open(f"{self.dir}/{name}", "w") as f:
            f.write(text)
        os.chmod(f"{self.dir}/{name}", 0o600)

    def run_tool(self, *args, status=0):
        done = subprocess.run([f"{BINARIES}/meshkern", *args], cwd=self.dir, timeout=120,
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout if status == 0 else done.stderr

    def data(self, *args):
        return json.loads(self.run_tool(*args, "--json"))

    def state(self):
        return self.data("plugins", "echo")["state"]

    def test_the_operator_sees_and_steers_everything(self):
        self.run_tool("enable", "echo")  # returns when it runs
        status = self.data("status")
        self.assertEqual((status["state"], status["plugins"]["running"]), ("running", 1))
        self.assertEqual(status["pid"], self.daemon.pid)
        self.assertRegex(self.run_tool("plugins"), r"echo +1\.2\.3 +running")

        self.assertEqual(json.loads(self.run_tool("call", "echo/say", '{"n": 1}')), {"n": 1})
        self.run_tool("call", "echo/say", '{"n": 2}')
        # A call that came back proves nothing about a message, which goes its own way: wait for it.
        tail = subprocess.Popen([f"{BINARIES}/meshkern", "tail", "echo/", "--count", "1"],
                                cwd=self.dir, stdout=subprocess.PIPE, text=True)
        while tail.poll() is None:
            self.run_tool("call", "echo/say", '{"n": 3}')
        self.assertEqual(json.loads(tail.communicate()[0])["body"], {"n": 3})
        lines = self.run_tool("replay", "echo/said", "--from", "1", "--count", "2").splitlines()
        self.assertEqual([json.loads(line)["body"] for line in lines], [{"n": 1}, {"n": 2}])
        topic, = [t for t in self.data("stats")["topics"] if t["name"] == "echo/said"]
        self.assertGreaterEqual(topic["seq"], 3)

        self.assertEqual(self.data("disable", "echo")["state"], "disabled")
        self.assertEqual(self.state(), "disabled")
        self.assertIn("echo/say", self.run_tool("call", "echo/say", status=1))
        self.assertEqual(self.data("enable", "echo")["state"], "running")
        pid = self.data("plugins", "echo")["pid"]
        self.assertEqual(self.data("restart", "echo")["state"], "running")
        self.assertNotEqual(self.data("plugins", "echo")["pid"], pid)
        self.assertIn("absent", self.run_tool("enable", "absent", status=1))

    def test_a_changed_file_is_checked_planned_and_followed(self):
        self.run_tool("enable", "echo")
        self.assertEqual(self.run_tool("reload"), "nothing to change\n")
        self.write("meshkern.yaml", CONFIG + "nonsense: 1\n")
        self.assertRegex(self.run_tool("reload", status=2), r"meshkern\.yaml:5:1: .*nonsense")
        self.assertEqual(self.run_tool("config", "check", status=2).splitlines()[0],
                         self.run_tool("reload", status=2).splitlines()[0])
        self.write("meshkern.yaml", CONFIG.replace("{ path", "{ enabled: false, path"))
        self.assertIn("dry run", self.run_tool("reload", "--dry-run"))
        self.assertEqual(self.state(), "running")
        self.assertRegex(self.run_tool("reload"), "echo: .*\necho: disabled.*\ndone\n$")
        while self.state() == "draining":
            pass
        self.assertEqual(self.state(), "disabled")

    def test_a_daemon_that_stops_ends_the_tail_and_cannot_be_reached(self):
        tail = subprocess.Popen([f"{BINARIES}/meshkern", "tail", "--retained"], cwd=self.dir,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertTrue(tail.stdout.readline())  # it is connected
        self.daemon.terminate()
        self.daemon.wait(120)
        self.assertIn("closed the connection", tail.communicate(timeout=120)[1])
        self.assertEqual(tail.returncode, 3)
        self.assertIn("start it with `meshkernd -c meshkern.yaml`",
                      self.run_tool("status", status=3))


if __name__ == "__main__":
    result = unittest.main(exit=False).result
    failed = len({str(getattr(t, "test_case", t)) for t, _ in result.failures + result.errors})
    print(f"{result.testsRun - failed} passed, {failed} failed, 0 skipped")
    sys.exit(0 if result.wasSuccessful() else 1)
