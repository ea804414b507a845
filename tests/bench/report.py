#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes a report out of the lines that benchmarks print.

    report.py LINES OUT-FOLDER [EARLIER.json]

Writes report.json and report.md: the machine, the versions, every figure, and what is worse than in
the earlier report beyond the spread of both.
"""
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time

# Of these units, less is better; of rates, more. What has no unit says nothing by itself.
LESS = {"ns", "us", "ms", "s", "B", "bytes", "KiB", "MiB", "MB", "kB"}
LIBRARIES = ("libnng1", "libmsgpackc2", "libsqlite3-0", "libmicrohttpd12", "libpaho-mqtt1.3", "libyaml-0-2")


def output(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def first(path, pattern):
    try:
        with open(path) as f:
            found = re.search(pattern, f.read(), re.M)
            return found[1].strip() if found else ""
    except OSError:
        return ""


def machine():
    return {
        "processor": first("/proc/cpuinfo", r"^(?:model name|Model)\s*:\s*(.*)$"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_mib": int(first("/proc/meminfo", r"^MemTotal:\s*(\d+)") or 0) // 1024,
        "system": first("/etc/os-release", r'^PRETTY_NAME="?([^"\n]*)'),
        "kernel": platform.release(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def versions():
    found = {"meshkern": output("git", "describe", "--always", "--dirty"),
             "compiler": output("gcc", "-dumpfullversion")}
    if shutil.which("dpkg-query"):
        for line in output("dpkg-query", "-W", "-f", "${Package} ${Version}\n", *LIBRARIES).splitlines():
            name, version = line.split()
            found[name] = version
    return found


def figures(path):
    results = []
    with open(path) as f:
        for line in f:
            if not line.startswith("bench="):
                continue
            row = dict(word.split("=", 1) for word in line.split() if "=" in word)
            for key in ("median", "min", "max"):
                row[key] = float(row[key])
            row["runs"] = int(row["runs"])
            results.append(row)
    return results


def name(row):
    return row["bench"], row["case"], row["metric"]


def is_worse(now, was):
    """By how much, or None: beyond the spread of both."""
    if was["median"] <= 0 or now["median"] <= 0:
        return None
    if now["unit"] in LESS:
        factor, beyond = now["median"] / was["median"], now["min"] > was["max"]
    elif now["unit"].endswith("/s"):
        factor, beyond = was["median"] / now["median"], now["max"] < was["min"]
    else:
        return None
    enough = 1.1 if min(now["runs"], was["runs"]) > 1 else 1.5  # a single run is an anecdote
    return factor if beyond and factor > enough else None


def number(value):
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def markdown(report, worse):
    lines = ["# Measured", "", f"{report['at']}, meshkern {report['versions']['meshkern']}", ""]
    m = report["machine"]
    lines += [f"{m['processor']}, {m['cores']} cores, {m['memory_mib']} MiB, {m['system']}, Linux {m['kernel']}; "
              f"load before: {m['load_before']}.", "",
              ", ".join(f"{k} {v}" for k, v in report["versions"].items() if k != "meshkern"), ""]
    if worse is not None:
        lines += ["## Against the earlier report", ""]
        lines += [f"- {' '.join(name(now))}: {number(now['median'])} {now['unit']}, was {number(was['median'])} "
                  f"({factor:.2f} times worse)" for now, was, factor in worse] or ["Nothing is worse."]
        lines.append("")
    bench = None
    for row in report["results"]:
        if row["bench"] != bench:
            bench = row["bench"]
            lines += ["", f"## {bench}", "", "| case | metric | median | min | max | unit | runs |",
                      "|---|---|--:|--:|--:|---|--:|"]
        lines.append(f"| {row['case']} | {row['metric']} | {number(row['median'])} | {number(row['min'])} | "
                     f"{number(row['max'])} | {row['unit']} | {row['runs']} |")
    return "\n".join(lines) + "\n"


def main(path, out, earlier=None):
    report = {"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "machine": machine(),
              "versions": versions(), "results": figures(path)}
    worse = None
    if earlier and os.path.exists(earlier):
        with open(earlier) as f:
            before = {name(row): row for row in json.load(f)["results"]}
        pairs = [(row, before[name(row)]) for row in report["results"] if name(row) in before]
        worse = [(now, was, factor) for now, was in pairs if (factor := is_worse(now, was))]
        for now, was, factor in worse:
            print(f"worse: {' '.join(name(now))} {number(was['median'])} -> {number(now['median'])} {now['unit']}")
    os.makedirs(out, exist_ok=True)
    with open(f"{out}/report.json", "w") as f:
        head = json.dumps({k: v for k, v in report.items() if k != "results"}, indent=1)
        rows = ",\n".join(json.dumps(r) for r in report["results"])  # a line each, for diffs
        f.write(f'{head[:-2]},\n "results": [\n{rows}\n]}}\n')
    with open(f"{out}/report.md", "w") as f:
        f.write(markdown(report, worse))
    return 0


sys.exit(main(*sys.argv[1:]))
