# SPDX-License-Identifier: MIT
"""Both clients against a running hub: the daemon (live.sh BUILD_DIR), or fakehub (--fake).

What is checked of every client process on every transport it speaks:
  order      the messages of pulse/beat come in sequence, none missing, none twice
  stop       the same over a kill -STOP of 3 s and -CONT
  cut        the same over three cut connections                              (tcp, ws)
  loss       the same on a line that loses every 7th message, by replays      (tcp, ws)
  restart    a restart of the hub is told, and the new epoch followed from 1
  docs       core/heads, core/plugins and core/stats have the fields that docs/events.md names
             (with the daemon)
"Missing" is what is neither delivered nor reported as a Gap. Reported losses fail the check as
well, except at a restart: everything here is short enough for the hub's ring.
"""

import argparse
import json
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

import hub as support
from relay import Relay

sys.path.insert(0, support.CLIENT_DIR)
from meshkern_bus import Bus  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
EVENTS_MD = os.path.join(HERE, "../../docs/events.md")
TOPIC = "pulse/beat"
WAIT = 30
REPLAYED = 1

CONFIG = """meshkern: 1
data_dir: %(dir)s
bus:
  listen:
    - "ipc://%(dir)s/run/bus.ipc"
    - { url: "tcp://127.0.0.1:%(tcp)d", requests: "tcp://127.0.0.1:%(requests)d" }
    - "ws://127.0.0.1:%(ws)d/bus"
plugins:
  pulse: { enabled: true, config: { interval: 20ms } }
"""


class Failure(Exception):
    pass


class Daemon:
    """build/bin/meshkernd on CONFIG."""

    def __init__(self, build, folder, ports):
        self.build, self.folder, self.ports = build, folder, ports
        self.config = os.path.join(folder, "meshkern.yaml")
        self.ipc = "ipc://%s/run/bus.ipc" % folder
        with open(self.config, "w") as f:
            f.write(CONFIG % dict(ports, dir=folder))

    def start(self):
        self.log = open(os.path.join(self.folder, "meshkernd.log"), "a")
        self.process = subprocess.Popen(
            [os.path.join(self.build, "bin/meshkernd"), "-c", self.config],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def stop(self):
        self.process.terminate()
        self.process.wait(WAIT)
        self.log.close()

    def explain(self):
        with open(os.path.join(self.folder, "meshkernd.log"), errors="replace") as f:
            return "".join(f.readlines()[-20:])


class Fake:
    """fakehub in its place, with a thread that publishes as the daemon would."""

    def __init__(self, folder, ports):
        self.ipc = "ipc://%s/bus.ipc" % folder
        self.listeners = [(self.ipc, self.ipc + ".in"),
                          ("tcp://127.0.0.1:%(tcp)d" % ports, "tcp://127.0.0.1:%(requests)d" % ports),
                          ("ws://127.0.0.1:%(ws)d/bus" % ports,
                           "ws://127.0.0.1:%(ws)d/bus/in" % ports)]
        self.epoch = 1

    def start(self):
        self.epoch += 1
        self.hub = support.Hub(self.listeners, epoch=self.epoch)
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.beat)
        self.thread.start()

    def beat(self):
        n = 0
        while not self.ended.wait(0.02):
            n += 1
            self.hub("publish", TOPIC, 1)
            if n % 50 == 0:
                self.hub("heads")

    def stop(self):
        self.ended.set()
        self.thread.join()
        self.hub.stop()

    def explain(self):
        return ""


class Client:
    """A client process whose lines are checked as they come."""

    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                                        env=support.environment())
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.epoch = self.next = None
        self.replayed = self.restarts = 0

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))
        self.lines.put(None)

    def check(self, n):
        """The next n messages are right."""
        for _ in range(n):
            try:
                item = self.lines.get(timeout=WAIT)
            except queue.Empty:
                raise Failure("nothing comes after %s" % self.next) from None
            if item is None:
                raise Failure("the client has ended")
            gap = item.get("gap")
            if gap and gap["reason"] == "restart":
                self.restarts += 1
                self.epoch, self.next = None, 1
            elif gap:
                raise Failure("lost: %s" % gap)
            else:
                self._message(item)

    def _message(self, item):
        if item["topic"] != TOPIC or self.epoch not in (None, item["epoch"]):
            raise Failure("unexpected: %s, epoch was %s" % (item, self.epoch))
        if self.next is not None and item["seq"] != self.next:
            raise Failure("%d comes where %d is due" % (item["seq"], self.next))
        self.epoch, self.next = item["epoch"], item["seq"] + 1
        self.replayed += item["flags"] & REPLAYED

    def signal(self, number):
        self.process.send_signal(number)

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def python(url, requests=None):
    extra = ["--requests", requests] if requests else []
    return Client(sys.executable, "-m", "meshkern_bus", url, "--topic", TOPIC, "--json", *extra)


def javascript(url):
    return Client("node", "--no-warnings", os.path.join(HERE, "tail.mjs"), url, TOPIC)


class Checks:
    def __init__(self, hub, ports):
        self.hub, self.ports = hub, ports
        self.passed = self.failed = 0

    def clients(self, names, relays=()):
        """A client process for each name; through its relay if there is one."""
        requests = "tcp://127.0.0.1:%(requests)d" % self.ports
        out = {}
        for name in names:
            program, transport = name.split()
            if transport == "ipc":
                url = self.hub.ipc
            else:
                port = relays[name].port if name in relays else self.ports[transport]
                url = {"tcp": "tcp://127.0.0.1:%d", "ws": "ws://127.0.0.1:%d/bus"}[transport] % port
            if program == "javascript":
                out[name] = javascript(url)
            else:
                out[name] = python(url, requests if transport == "tcp" else None)
        return out

    def each(self, clients, step):
        """Run step(name, client) for all of them at a time; returns what failed."""
        failures = {}

        def run(name, client):
            try:
                step(name, client)
            except Failure as failure:
                failures[name] = failure

        threads = [threading.Thread(target=run, args=item) for item in clients.items()]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        return failures

    def check(self, what, clients, *steps):
        """One check: steps with two arguments are run for each client, others once."""
        failures = {}
        for step in steps:
            if step in (self.hub.stop, self.hub.start):
                step()
            else:
                failures = {**self.each(clients, step), **failures}
        for name, client in clients.items():
            client.end()
            print("%-7s %-8s %s%s" % ("FAILED" if name in failures else "ok", what, name,
                                      ": %s" % failures[name] if name in failures else ""))
        self.failed += len(failures)
        self.passed += len(clients) - len(failures)
        sys.stdout.flush()

    def all(self):
        every = ("python ipc", "python tcp", "python ws", "javascript ws")
        self.check("order", self.clients(every), lambda _, c: c.check(100))
        self.check("stop", self.clients(every), self.stop)
        for what, step, loss in (("cut", self.cut, {}),
                                 ("loss", self.loss, dict(losing=TOPIC.encode() + b" ", every=7))):
            self.relays = {n: Relay(self.ports[n.split()[1]], n.endswith("ws"), **loss)
                           for n in every[1:]}
            self.check(what, self.clients(every[1:], self.relays), step)
            for relay in self.relays.values():
                relay.close()
        if isinstance(self.hub, Daemon):
            self.docs()
        self.check("restart", self.clients(every), lambda _, c: c.check(50), self.hub.stop,
                   self.hub.start, self.restarted)

    def docs(self):
        """The fields of each core topic, and of the items of core/plugins, as documented."""
        with open(EVENTS_MD) as f:
            parts = re.split(r"^##+ ", f.read(), flags=re.M)
        bus = Bus(self.hub.ipc, topics=["core/heads", "core/plugins", "core/stats"])
        bodies = {}
        while len(bodies) < 3 and (item := bus.get(WAIT)):
            bodies[item.topic] = item.body
        bus.close()
        for topic in "core/heads", "core/plugins", "core/stats":
            text = next(p for p in parts if p.startswith(topic + "\n"))
            cells = re.findall(r"^\| ((?:`\w+` ?)+)\|", text, re.M)
            documented = set(re.findall(r"\w+", " ".join(cells)))
            body = bodies.get(topic, {})
            fields = set(body) | set(body.get("items", [{}])[0])
            is_right = documented == fields
            self.passed += is_right
            self.failed += not is_right
            print("%-7s %-8s %s%s" % ("ok" if is_right else "FAILED", "docs", topic, "" if is_right
                                      else ": %s" % (documented ^ fields)), flush=True)

    def stop(self, _, client):
        client.check(20)
        client.signal(signal.SIGSTOP)
        time.sleep(3)
        client.signal(signal.SIGCONT)
        client.check(250)

    def cut(self, name, client):
        for _ in range(3):
            client.check(50)
            self.relays[name].cut()
        client.check(100)

    def loss(self, name, client):
        client.check(300)
        lost = self.relays[name].lost
        if lost < 20 or client.replayed < lost - 2:
            raise Failure("%d were lost, %d replayed" % (lost, client.replayed))

    def restarted(self, _, client):
        client.check(100)
        if client.restarts != 1:
            raise Failure("%d restarts reported" % client.restarts)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("build", nargs="?")
    p.add_argument("--fake", action="store_true", help="with the program that FAKEHUB names")
    args = p.parse_args()
    ports = dict(zip(("tcp", "requests", "ws"), support.free_ports(3)))
    with tempfile.TemporaryDirectory() as folder:
        hub = Fake(folder, ports) if args.fake else Daemon(args.build, folder, ports)
        hub.start()
        checks = Checks(hub, ports)
        try:
            checks.all()
        finally:
            hub.stop()
        if checks.failed:
            sys.stdout.write(hub.explain())
    print("%d passed, %d failed, 0 skipped" % (checks.passed, checks.failed))
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
