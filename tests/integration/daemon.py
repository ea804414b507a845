# SPDX-License-Identifier: MIT
"""A meshkernd of a test's own: a generated configuration in a temporary folder, its control socket,
its log. Waiting means waiting for something, with a deadline; whoever waits in vain sees the log.

    with Daemon({"pulse": {"config": {"interval": "10ms"}}}) as d:
        d.wait_state("pulse", "running")
        d.wait_log("plugin pulse: running")
        d.ask("restart", name="pulse")
        with d.tail("pulse/") as tail:
            beat = tail.next()

MK_BINARY_DIR is the build folder, MK_SOURCE_DIR the source tree."""

import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from collections import namedtuple

import msgpack

BUILD = os.path.abspath(os.environ.get("MK_BINARY_DIR", "build"))
SOURCE = os.path.abspath(os.environ.get("MK_SOURCE_DIR", "."))
SANITIZED = os.environ.get("MK_SANITIZE", "")
SECONDS = 120 if SANITIZED else 60  # within which whatever a test waits for has happened, however slow
PAUSE = 0.02  # between two looks at something that does not tell by itself

# One message as an outside program sees it. flags: 1 replayed, 2 gap, 4 retained, 8 delta.
Message = namedtuple("Message", "topic epoch seq time_us origin schema flags origin_seq body")


def test_plugin(name):
    """The file of tests/plugins/NAME.c."""
    return f"{BUILD}/tests/plugins/{name}.so"


def wait_for(what, look, seconds=SECONDS, context=lambda: ""):
    """The first true result of `look`."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"no {what} within {seconds} s\n{context()}")
        time.sleep(PAUSE)


class Refused(Exception):
    def __init__(self, result, error, data):
        super().__init__(f"{error} ({result}) {data or ''}")
        self.result, self.error, self.data = result, error, data


class Control:
    """One connection to the control socket."""

    def __init__(self, path, seconds=SECONDS):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(seconds)
        self.id = 0
        try:
            self.socket.connect(path)
        except OSError:
            self.socket.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, do, **parameters):
        self.id += 1
        request = msgpack.packb({"id": self.id, "do": do, **parameters})
        self.socket.sendall(struct.pack("<I", len(request)) + request)

    def exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(min(count - len(data), 1 << 20))
            if not more:
                raise ConnectionError("the daemon closed the connection")
            data += more
        return data

    def receive(self):
        """The next answer, a map."""
        length, = struct.unpack("<I", self.exactly(4))
        return msgpack.unpackb(self.exactly(length))

    def ask(self, do, **parameters):
        self.send(do, **parameters)
        answer = self.receive()
        if answer["result"] != 0:
            raise Refused(answer["result"], answer["error"], answer["data"])
        return answer["data"]


def read_frame(frame):
    topic, packed = frame.split(b" ", 1)
    header, body = msgpack.unpackb(packed, strict_map_key=False)
    return Message(topic.decode(), *header[1:7], header[7] if len(header) > 7 else None, body)


class Tail:
    """Messages from now on. `lost` counts those that this reader was too slow for."""

    def __init__(self, path, topics, retained):
        self.control = Control(path)
        self.control.send("tail", topics=list(topics), retained=retained)
        self.waiting, self.lost = [], 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.control.socket.close()

    def next(self):
        while not self.waiting:
            data = self.control.receive()["data"]
            self.lost += data.get("lost", 0)
            self.waiting += map(read_frame, data.get("frames", []))
        return self.waiting.pop(0)

    def until(self, is_it):
        """All messages up to the first one that it is."""
        deadline = time.monotonic() + SECONDS
        seen = [self.next()]
        while not is_it(seen[-1]):
            if time.monotonic() > deadline:
                raise AssertionError(f"not among {len(seen)} messages, the last of them {seen[-1]}")
            seen.append(self.next())
        return seen


class Daemon:
    def __init__(self, plugins, start=True, env=None, **settings):
        """`plugins` and `settings` as in meshkern.yaml, whose subset JSON is."""
        self.dir = tempfile.mkdtemp(prefix="mk-")
        self.file = f"{self.dir}/meshkern.yaml"
        self.socket = f"{self.dir}/data/run/control.sock"
        self.env = {**os.environ, **(env or {})}
        self.process, self.lines, self.reader = None, [], None
        self.configure(plugins, **settings)
        if start:
            try:
                self.start()
            except BaseException:
                self.close()
                raise

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            print(self.log(), file=sys.stderr)
        self.close()

    def close(self):
        """Whatever state it is in: nothing of it remains."""
        self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)

    # ------------------------------------------------------------- its life --

    def configure(self, plugins, **settings):
        text = json.dumps({"meshkern": 1, **settings, "plugins": plugins}, indent=2)
        with open(self.file, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(self.file, 0o600)

    def check(self, seconds=SECONDS):
        """(exit status, all that it printed) of meshkernd --check."""
        done = subprocess.run([f"{BUILD}/bin/meshkernd", "-c", self.file, "--check"], cwd=self.dir,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds,
                              env=self.env, check=False)
        return done.returncode, done.stdout.decode(errors="replace")

    def start(self, wait=True):
        """Returns when it answers; plugins may be starting still. Without `wait`, at once."""
        self.process = subprocess.Popen([f"{BUILD}/bin/meshkernd", "-c", self.file], cwd=self.dir,
                                        stderr=subprocess.PIPE, env=self.env)
        self.reader = threading.Thread(target=self.read_log, args=(self.process.stderr,))
        self.reader.start()
        if wait:
            wait_for("answer from the daemon", self.answers, context=self.log)

    def answers(self):
        if self.process.poll() is not None:
            self.reader.join()
            raise AssertionError(f"meshkernd ended: {self.process.returncode}\n{self.log()}")
        try:
            return self.ask("status")["pid"] == self.process.pid
        except OSError:
            return False

    def read_log(self, pipe):
        with pipe:
            for line in pipe:
                self.lines.append(line.decode(errors="replace").rstrip("\n"))

    @property
    def pid(self):
        return self.process.pid

    def stop(self, seconds=SECONDS):
        """SIGTERM; the exit status. Too slow is an error, and the end all the same."""
        self.process.terminate()
        return self.ended(seconds)

    def ended(self, seconds=SECONDS):
        """It ends by itself: the exit status, -N if it was by signal N."""
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"it did not end within {seconds} s\n{self.log()}") from None
        self.reader.join()
        self.process = None
        return status

    def kill(self):
        """SIGKILL, to it alone: its plugins notice by themselves."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.reader.join()
            self.process = None

    # ------------------------------------------------------------- its state --

    def ask(self, do, **parameters):
        with Control(self.socket) as control:
            return control.ask(do, **parameters)

    def call(self, method, body=None, timeout_us=10_000_000):
        data = self.ask("call", method=method, body=msgpack.packb(body or {}),
                        timeout_us=timeout_us)
        return msgpack.unpackb(data["body"])

    def plugin(self, name):
        item, = [p for p in self.ask("plugins")["items"] if p["name"] == name]
        return item

    def topic(self, name):
        """What `stats` says about a topic; nothing if it has not been seen."""
        return next((t for t in self.ask("stats")["topics"] if t["name"] == name), {"seq": 0})

    def tail(self, *topics, retained=False):
        return Tail(self.socket, topics, retained)

    def replay(self, topic, first=1, count=0):
        messages = []
        with Control(self.socket) as control:
            control.send("replay", topic=topic, n=count, **{"from": first})
            while True:
                answer = control.receive()
                messages += map(read_frame, answer["data"].get("frames", []))
                if not answer.get("more", False):
                    return messages

    def wait_plugin(self, name, what, is_so, seconds=SECONDS):
        """Its row once `is_so(row)`."""
        row = {}

        def look():
            row.update(self.plugin(name))
            return is_so(row)

        wait_for(f"{name} that is {what}", look, seconds, lambda: f"{row}\n{self.log()}")
        return row

    def wait_state(self, name, *states, seconds=SECONDS):
        return self.wait_plugin(name, " or ".join(states), lambda p: p["state"] in states, seconds)

    # ---------------------------------------------------------------- its log --

    def log(self):
        return "\n".join(self.lines)

    def mark(self):
        """For `since`: what is logged from now on."""
        return len(self.lines)

    def find_log(self, pattern, since=0):
        return next(filter(None, (re.search(pattern, x) for x in self.lines[since:])), None)

    def wait_log(self, pattern, since=0, seconds=SECONDS):
        """The match in the first line that has one."""
        return wait_for(f"line /{pattern}/", lambda: self.find_log(pattern, since), seconds,
                        self.log)


def last_message(d, topic):
    """The last message of a topic; None if there was none."""
    seq = d.topic(topic)["seq"]
    return d.replay(topic, seq)[-1] if seq else None


def all_stored(d, source):
    """Storage has committed all that an instance, which publishes no more, has published."""
    said = [last_message(d, t) for t in ("rx/raw", "rx/client", "rx/status")]
    said = [m.origin_seq for m in said if m and m.origin == source]
    done = last_message(d, "storage/committed")
    marks = [i["seq"] for i in done.body["items"] if i["source"] == source] if done else []
    return max(marks, default=0) >= max(said, default=0)


def main():
    """unittest.main, and the line that the test runner counts by."""
    result = unittest.main(exit=False).result
    failed = len({str(getattr(t, "test_case", t)) for t, _ in result.failures + result.errors})
    print(f"{result.testsRun - failed - len(result.skipped)} passed, {failed} failed, "
          f"{len(result.skipped)} skipped")
    sys.exit(0 if result.wasSuccessful() else 1)
