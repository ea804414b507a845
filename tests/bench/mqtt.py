#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How many packets a second come through a real Mosquitto into the outbox and to a subscriber that
commits. Two cases: together with the publisher, as the machine's cores allow; and what a persistent
session has collected while the daemon was down, which mqtt alone decides.

  bench=mqtt case=live  metric=messages_per_s ...
  bench=mqtt case=queue metric=messages_per_s ..."""

import os
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

import broker as brokers  # noqa: E402
import kill_numbers as numbers  # noqa: E402
from daemon import Daemon, wait_for  # noqa: E402
from mqtt_flow import plugins, source, wait_up  # noqa: E402

COUNT = 100000
RUNS = 3


def wait_numbers(d, since, count):
    """Seconds until so many more are at the sink."""
    began = time.monotonic()
    aim = since + count
    wait_for("all packets", lambda: numbers.count(d, "sink") >= aim, 120, d.log)
    return time.monotonic() - began


def figure(case, metric, unit, values):
    print(f"bench=mqtt case={case} metric={metric} unit={unit} median={statistics.median(values):.0f}"
          f" min={min(values):.0f} max={max(values):.0f} runs={len(values)}", flush=True)


def run(live, queue, memory):
    with brokers.Broker() as b, Daemon(plugins(source(b), sink=True)) as d:
        wait_up(d)
        publisher = b.numbers(1, COUNT)
        total = COUNT + COUNT // 100  # a status comes after every 100th packet
        live.append(total / wait_numbers(d, 0, total))
        publisher.wait(60)
        publisher.stdout.close()
        memory.append(d.ask("status")["rss_bytes"] / 1024)
        before = numbers.count(d, "sink")
        d.stop()
        publisher = b.numbers(COUNT + 1, COUNT)
        publisher.wait(120)
        publisher.stdout.close()
        d.start()
        wait_for("the first of them", lambda: numbers.count(d, "sink") > before, 30, d.log)
        first = numbers.count(d, "sink")
        queue.append((before + total - first) / wait_numbers(d, before, total))


def main():
    if brokers.MOSQUITTO is None:
        print("mosquitto is not installed", file=sys.stderr)
        return
    live, queue, memory = [], [], []
    for _ in range(RUNS):
        run(live, queue, memory)
    figure("live", "messages_per_s", "1/s", live)
    figure("queue", "messages_per_s", "1/s", queue)
    figure("live", "rss", "KiB", memory)


main()
