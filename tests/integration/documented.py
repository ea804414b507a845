#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Every command of README.md and docs/*.md, run as a reader would, in a folder with a daemon.

docs/plugins.md is one long session and has a test of its own, guide.py. What waits for ever is ended
after it has printed something. What needs a whole system, or is what runs this,
stands in ELSEWHERE with who runs it."""

import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import broker
from daemon import BUILD, SECONDS, SOURCE, Daemon, main, wait_for
from storage_upgrade import make_old

KEY = "documented-key-0123456789"
ELSEWHERE = {
    r"(systemctl|journalctl) ": "needs a service manager",
    r"apt install ": "long/package.py, in a root of its own",
    r"scripts/\w+": "test_scripts_tell_their_usage",
    r"nngcat .*tls\+tcp:": "integration/outside_nngcat.py, with certificates",
    r"(build/bin/)?meshkern plugin new": "integration/guide.py",
}
# What never ends by itself is ended, and must have said something; meshsim says it at its end.
PRELUDE = """
said=$PWD/said
some() {
	command "$@" >"$said" 2>&1 &
	it=$! tries=0
	sleep 2
	while [ ! -s "$said" ] && kill -0 $it && [ $((tries += 1)) -lt ${patience:-600} ]; do sleep 0.1; done
	if kill -TERM $it 2>/dev/null; then wait $it || :; else wait $it; fi
	cat "$said"
	test -s "$said"
}
nngcat() { some nngcat "$@"; }
meshkernd() { case " $* " in *" --check "*) command meshkernd "$@" ;; *) some meshkernd "$@" ;; esac; }
meshkern() { case $1 in tail) some meshkern "$@" ;; *) command meshkern "$@" ;; esac; }
meshsim() { case $1 in --publish) patience=20 some meshsim "$@" ;; *) command meshsim "$@" ;; esac; }
python3() { case $1 in -m) some python3 "$@" ;; *) command python3 "$@" ;; esac; }
"""


def blocks(path):
    """What stands in a document to be typed."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    yield from re.findall(r"^```sh\n(.*?)^```", text, re.S | re.M)
    for block in re.findall(r"(?:^    (?:scripts/|build/bin/|nngcat ).*\n)+", text, re.M):
        yield re.sub(r"^    (build/bin/)?", "", block, flags=re.M)


def typed(block):
    """As a script; a line that is run elsewhere only says where."""
    lines = []
    for line in block.splitlines():
        where = next((w for pattern, w in ELSEWHERE.items() if re.match(pattern, line)), None)
        lines.append(line if where is None else f"echo 'elsewhere: {where}'")
    return PRELUDE + "set -eux\n" + "\n".join(lines)


class Documented(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = broker.Broker()
        cls.addClassCleanup(cls.broker.__exit__, None, None, None)
        cls.broker.start()
        cls.daemon = d = Daemon({
            "sim": {"config": {"rate": 50}}, "decode": {}, "storage": {}, "backfill": {},
            "mqtt": {"config": {"sources": [{"name": "home", "broker": cls.broker.url}]}},
            "http": {"config": {"listen": ["127.0.0.1:0"], "web": "none", "api_key": KEY}},
        }, bus={"listen": ["ipc://./data/run/bus.ipc"]})
        cls.addClassCleanup(d.close)
        port = d.wait_log(r"plugin http: listening .* port=(\d+)").group(1)
        wait_for("packets", lambda: d.topic("packet/stored")["seq"] > 20, context=d.log)
        tools = f"{d.dir}/tools"
        os.mkdir(tools)
        for program in ("meshkern", "meshkernd", "meshsim"):
            os.symlink(f"{BUILD}/bin/{program}", f"{tools}/{program}")
        os.symlink(sys.executable, f"{tools}/python3")  # one that has msgpack
        os.mkdir(f"{d.dir}/corescope")
        with open(f"{d.dir}/corescope/config.json", "w", encoding="utf-8") as f:
            json.dump({"port": int(port) + 1, "dbPath": "data/meshcore.db", "mqttSources": [
                {"name": "a", "broker": cls.broker.url}]}, f)
        make_old(f"{d.dir}/corescope/meshcore.db", 50, 500)
        cls.env = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "KEY": KEY,
                   "MESHKERN_CONTROL": d.socket}
        cls.places = {"ipc:///PATH/TO": f"ipc://{d.dir}", "ipc://data/": f"ipc://{d.dir}/data/",
                      "/opt/corescope": f"{d.dir}/corescope", "127.0.0.1:8080": f"127.0.0.1:{port}",
                      "mqtt://localhost": cls.broker.url, "--count 1000000": "--count 20000"}

    def run_block(self, block):
        for there, here in self.places.items():
            block = block.replace(there, here)
        with tempfile.TemporaryDirectory(prefix="mk-") as folder:
            os.mkdir(f"{folder}/data")
            os.symlink(f"{SOURCE}/sdk", f"{folder}/sdk")
            shutil.copy(f"{SOURCE}/meshkern.yaml", folder)
            done = subprocess.run(["bash", "-c", typed(block)], cwd=folder, env=self.env, check=False,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=3 * SECONDS)
        self.assertEqual(done.returncode, 0, f"{block}\n{done.stdout.decode(errors='replace')}")

    def document(self, name, least):
        found = list(blocks(f"{SOURCE}/{name}"))
        self.assertGreaterEqual(len(found), least, "commands were lost, or are written differently")
        for block in found:
            with self.subTest(block=block):
                self.run_block(block)

    def test_readme(self):
        self.document("README.md", 2)

    def test_operators(self):
        self.document("docs/operators.md", 6)

    def test_events(self):
        self.document("docs/events.md", 4)

    def test_sim(self):
        self.document("docs/sim.md", 1)

    def test_no_other_document_has_commands(self):
        tested = {"README.md", "docs/operators.md", "docs/events.md", "docs/sim.md", "docs/plugins.md"}
        for path in glob.glob(f"{SOURCE}/*.md") + glob.glob(f"{SOURCE}/docs/**/*.md", recursive=True):
            name = os.path.relpath(path, SOURCE)
            if name not in tested:
                self.assertEqual(list(blocks(path)), [], f"{name} is not run by any test")

    def test_scripts_tell_their_usage(self):
        named = set()
        for path in glob.glob(f"{SOURCE}/*.md") + glob.glob(f"{SOURCE}/docs/*.md"):
            with open(path, encoding="utf-8") as f:
                named |= set(re.findall(r"scripts/(\w+)", f.read()))
        self.assertEqual(set(os.listdir(f"{SOURCE}/scripts")), named)
        for name in named:
            done = subprocess.run([f"{SOURCE}/scripts/{name}", "--help"], stdout=subprocess.PIPE,
                                  timeout=SECONDS, check=False)
            self.assertEqual(done.returncode, 0, name)
            self.assertIn(f"scripts/{name}".encode(), done.stdout)


if __name__ == "__main__":
    broker.skip_without()
    main()
