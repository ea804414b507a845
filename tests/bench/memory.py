#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the daemon keeps in memory: with a database of a busy week (big_database.c) and the plugins of
meshkern.yaml, but those that receive, how much of it is resident

  start     when a page gets its first answer
  warm      when the past has been read, and again when nothing has changed for a while
  requests  after each route of the pages was asked once
  use       after a synthetic mesh has sent until everything is full that has a limit
  peak      the most that it ever was

and what the plugins say that they keep themselves. MK_BIG_DATABASE: one made earlier, of which a copy
is used. The part of files, programs and libraries, is in all of it: others may share that."""

import os
import re
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))

from daemon import Daemon, wait_for  # noqa: E402
from http_client import ask, get_json  # noqa: E402

BUILD = os.environ["MK_BINARY_DIR"]
SECONDS = 300
RATE, SEND_S = 2000, 60
SETTLED_S = 15  # what is free is given back every ten seconds
NUMBERS = re.compile(r"(^|_)(bytes|memory)($|_)")


def figure(case, metric, value):
    mib = value / (1 << 20)
    print(f"bench=memory case={case} metric={metric} unit=MiB "
          f"median={mib:.4g} min={mib:.4g} max={mib:.4g} runs=1", flush=True)


def resident(pid, field="VmRSS"):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(rf"^{field}:\s*(\d+) kB", f.read(), re.M)[1]) << 10


def routes():
    """Those that the benchmark http measures."""
    with open(os.path.join(HERE, "http.c"), encoding="utf-8") as f:
        return re.findall(r'ROUTE\("([^"]+)"\)', f.read())


def fill(port):
    """Routes with a node, a packet and an observer that exist."""
    day = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 86400))
    packet = get_json(port, "/api/packets?limit=1&offset=500&type=5")["packets"][0]
    names = {"node": get_json(port, "/api/nodes?limit=1")["nodes"][0]["public_key"],
             "hash": packet["hash"], "observer": packet["observer_id"], "since": day}
    return [re.sub(r"{(\w+)}", lambda m: names[m[1]], route) for route in routes()]


def database(d):
    path, made = f"{d.dir}/data/meshkern.db", os.environ.get("MK_BIG_DATABASE")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if made is None:
        subprocess.run([f"{BUILD}/bench/big_database", path], check=True)
    else:
        shutil.copyfile(made, path)


def answers(port, route):
    try:
        return ask(port, route, seconds=SECONDS).status == 200
    except OSError:
        return False


def rings(d):
    return d.ask("stats")["ring"].values()


def send(d, plugins):
    """For a minute, and until a ring of the bus is full."""
    plugins["sim"] = {"config": {"rate": RATE}}
    d.configure(plugins, bus={"listen": []})
    d.ask("reload")
    time.sleep(SEND_S)
    wait_for("a full ring", lambda: any(r["evicted"] > 0 for r in rings(d)), SECONDS, d.log)
    for kind, ring in d.ask("stats")["ring"].items():
        figure("use", f"bus_{kind}_bytes", ring["bytes"])


def numbers(d):
    for item in d.ask("plugins")["items"]:
        for name, value in sorted(item["numbers"].items()):
            if NUMBERS.search(name) and value > 0:
                figure(item["name"], name, value)


def main():
    plugins = {name: {} for name in ("decode", "storage", "backfill", "neighbors", "mbcap",
                                     "analytics")}
    plugins["http"] = {"config": {"listen": ["127.0.0.1:0"],
                                  "budget": {"per_second": 1000000, "burst": 1000000}}}
    with Daemon(plugins, start=False, bus={"listen": []}) as d:
        database(d)
        d.start()
        port = int(d.wait_log(r"plugin http: listening .* port=(\d+)").group(1))
        wait_for("packets", lambda: answers(port, "/api/packets?limit=50"), SECONDS)
        figure("start", "rss", resident(d.pid))
        for route in ("/api/sets/packets?limit=1", "/api/analytics/rf"):
            wait_for(route, lambda: answers(port, route), SECONDS, d.log)
        figure("warm", "rss", resident(d.pid))
        time.sleep(SETTLED_S)
        figure("warm", "rss_settled", resident(d.pid))
        numbers(d)
        for route in fill(port):
            if not answers(port, route):
                sys.exit(f"{route}: not answered")
        figure("requests", "rss", resident(d.pid))
        time.sleep(SETTLED_S)
        figure("requests", "rss_settled", resident(d.pid))
        send(d, plugins)
        figure("use", "rss", resident(d.pid))
        time.sleep(SETTLED_S)
        figure("use", "rss_settled", resident(d.pid))
        figure("peak", "rss", resident(d.pid, "VmHWM"))


if __name__ == "__main__":
    main()
