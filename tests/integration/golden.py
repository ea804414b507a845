#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What CoreScope answered on a real database at a frozen clock, against what meshkern answers.

    golden.py                     all of them
    golden.py PATTERN [...]       those whose "METHOD URL" the regular expression finds, and how
                                  they differ: "-" only CoreScope, "+" only meshkern, "~" another
                                  value, "#" another length, "?" another kind or status
    golden.py -a PATTERN          the accepted differences, too
    golden.py -v PATTERN          both answers

tests/data/golden_differences.tsv says which differences are meant: URL, path within the answer, kind
and reason, separated by tabs, the first two of them regular expressions for the whole. A path is
like `.packets[].observations[].snr`; kind is any of the signs above together, `*` for all of them,
`order`: the list is compared without regard to its order, or `pending`: what is there is not compared
yet (path `-`: nothing of the answer is), which is reported as a skipped test. A row that covers a path covers what is
below it. `=` means the same text as in the row above."""

import collections
import functools
import glob
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest

import daemon
from daemon import BUILD, SECONDS, SOURCE, Daemon, wait_for
from http_client import ask

SHARED = os.path.join(SOURCE, "..", "shared")
GOLDEN = os.path.join(SHARED, "golden")
TABLE = os.path.join(SOURCE, "tests", "data", "golden_differences.tsv")
FAKETIME = next(iter(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")), "")
CLOCK = "2026-05-17 18:15:00"
KEY = "peer-benchmark-key-0123456789abcdef"

Recorded = collections.namedtuple("Recorded", "file method url status type key body unstable data")
Rule = collections.namedtuple("Rule", "url path kinds reason line")
Difference = collections.namedtuple("Difference", "kind path theirs ours")


# ------------------------------------------------------------- the recorded --

def unpack(folder):
    with tarfile.open(f"{GOLDEN}/answers.tar.xz") as tar:
        tar.extractall(folder)
    with open(f"{folder}/INDEX.tsv", encoding="utf-8") as f:
        lines = f.read().splitlines()[1:]
    for line in lines:
        file, method, url, status, kind, _, key, body, unstable, _ = \
            (line.split("\t") + [""] * 10)[:10]
        with open(f"{folder}/{file}", "rb") as f:
            data = f.read()
        yield Recorded(file, method, url, int(status), kind, key == "1", body,
                       [x for x in unstable.split(";") if x], data)


def read_rules():
    rules, last = [], [""] * 4
    with open(TABLE, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            if not line.strip() or line.startswith("#"):
                continue
            fields = [x.strip() for x in line.rstrip("\n").split("\t") if x.strip()]
            if len(fields) != 4:
                raise ValueError(f"{TABLE}:{number}: {len(fields)} fields instead of 4")
            last = [b if a == "=" else a for a, b in zip(fields, last)]
            rules.append(Rule(re.compile(last[0]), re.compile(last[1]), last[2], last[3], number))
    return rules


# --------------------------------------------------------------- comparison --

def equal(a, b):
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return a == b or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)
    if isinstance(a, str) and isinstance(b, str) and a != b and a[:1] in "{[" and a[:1]:
        try:  # JSON within JSON: the order of its keys means nothing
            return json.loads(a) == json.loads(b)
        except ValueError:
            return False
    return a == b


def mark(value):
    """By what two lists without an order are laid side by side."""
    if isinstance(value, dict):
        for name in ("hop", "id", "hash", "public_key", "pubkey", "observer_id", "observerID", "name",
                     "payload_type"):
            if isinstance(value.get(name), (str, int)):
                return (0, name, str(value[name]), json.dumps(value, sort_keys=True))
    return (1, "", "", json.dumps(value, sort_keys=True))


def is_among(path, unstable):
    """Paths of the recorded index may have `*` for a key, and a remark in parentheses."""
    names = (re.escape(x.split("(")[0]).replace("\\*", r"[^.\[]*") for x in unstable)
    return any(re.fullmatch(x, path) for x in names)


def side_by_side(theirs, ours):
    """Two lists without an order: first what has the same mark, then the others."""
    theirs, ours = sorted(theirs, key=mark), sorted(ours, key=mark)
    left, pairs, alone = {}, [], []
    for b in ours:
        left.setdefault(mark(b)[:3], []).append(b)
    for a in theirs:
        same = left.get(mark(a)[:3]) if mark(a)[0] == 0 else None
        if same:
            pairs.append((a, same.pop(0)))
        else:
            alone.append(a)
    rest = sorted((b for same in left.values() for b in same), key=mark)
    return pairs + list(zip(alone, rest))


class Comparison:
    """Paths in a list of differences are generic: indexes are left out."""

    def __init__(self, rules, unstable):
        self.rules, self.found = rules, []
        self.loose = [x for x in unstable if x.endswith("(order)")]

    def is_loose(self, path):
        path += "[]"
        if is_among(path, self.loose):
            return True
        for rule in self.rules:
            if rule.kinds == "order" and rule.path.fullmatch(path):
                USED.add(rule.line)
                return True
        return False

    def note(self, kind, path, theirs, ours):
        self.found.append(Difference(kind, path, theirs, ours))

    def compare(self, theirs, ours, path="", place=""):
        if isinstance(theirs, dict) and isinstance(ours, dict):
            for name in sorted(set(theirs) | set(ours)):
                below, there = f"{path}.{name}", f"{place}.{name}"
                if name not in ours:
                    self.note("-", below, theirs[name], there)
                elif name not in theirs:
                    self.note("+", below, there, ours[name])
                else:
                    self.compare(theirs[name], ours[name], below, there)
        elif isinstance(theirs, list) and isinstance(ours, list):
            if len(theirs) != len(ours):
                self.note("#", path + "[]", len(theirs), len(ours))
            pairs = side_by_side(theirs, ours) if self.is_loose(path) else zip(theirs, ours)
            for i, (a, b) in enumerate(pairs):
                self.compare(a, b, path + "[]", f"{place}[{i}]")
        elif (theirs is None) != (ours is None) or \
                isinstance(theirs, (dict, list, str)) != isinstance(ours, (dict, list, str)):
            self.note("?", path, theirs, ours)
        elif not equal(theirs, ours):
            self.note("~", path, theirs, ours)


USED = set()  # lines of the table that covered something


def covers(rule, difference):
    if rule.kinds not in ("*", "pending") and difference.kind not in rule.kinds:
        return False
    path = difference.path
    while True:
        if rule.path.fullmatch(path):
            USED.add(rule.line)
            return True
        if not path:
            return False
        path = path[:-2] if path.endswith("[]") else path[:path.rfind(".")]


def differences(recorded, answer, rules):
    """(what is not meant, what is) of one answer."""
    name = f"{recorded.method} {recorded.url}"
    rules = [r for r in rules if r.url.fullmatch(name)]
    comparison = Comparison(rules, recorded.unstable)
    if answer.status != recorded.status:
        comparison.note("?", "", recorded.status, f"{answer.status} {answer.body[:200]}")
    else:
        kind = answer.headers.get("content-type", "")
        if kind.split(";")[0] != recorded.type.split(";")[0]:
            comparison.note("?", ".content-type", recorded.type, kind)
        if recorded.type.startswith("application/json"):
            comparison.compare(json.loads(recorded.data), json.loads(answer.body))
        elif recorded.data.strip() != answer.body.strip():
            comparison.note("~", "", recorded.data[:80], answer.body[:80])
    unstable = [x for x in recorded.unstable if not x.endswith("(order)")]
    bad, meant = [], []
    for d in comparison.found:
        fine = is_among(d.path, unstable) or any(covers(r, d) for r in rules if r.kinds != "order")
        (meant if fine else bad).append(d)
    return bad, meant


def pending(recorded, rules):
    """Patterns of paths that are not compared."""
    name = f"{recorded.method} {recorded.url}"
    return [r.path.pattern for r in rules if r.kinds == "pending" and r.url.fullmatch(name)]


# ---------------------------------------------------------------- the daemon --

def why_not():
    if not os.path.isdir(GOLDEN):
        return "no ../shared/golden"
    if not os.path.exists(FAKETIME):
        return "no libfaketime (package faketime)"
    if daemon.SANITIZED:
        return "libfaketime and sanitizers exclude each other"
    return ""


def configured(d):
    """Writes the configuration, made from CoreScope's by the program for that."""
    os.mkdir(f"{d.dir}/data")
    shutil.copy(f"{SHARED}/fixtures/corescope-current.db", f"{d.dir}/data/fixture.db")
    with open(f"{GOLDEN}/config.json", encoding="utf-8") as f:
        config = json.load(f)
    config["dbPath"] = "data/fixture.db"
    # The server recorded here never removed anything; its ingestor did.
    config["retention"] = {"nodeDays": 36500, "observerDays": -1}
    config["neighborEdgesMaxAgeDays"] = 36500
    with open(f"{d.dir}/config.json", "w", encoding="utf-8") as f:
        json.dump(config, f)
    text = subprocess.run([f"{BUILD}/bin/meshkern", "import-config", f"{d.dir}/config.json"],
                          stdout=subprocess.PIPE, check=True, timeout=SECONDS).stdout.decode()
    text = text.replace('"*:13000"', '"127.0.0.1:0"')
    text = text.replace("  mqtt:\n    enabled: true", "  mqtt:\n    enabled: false")
    text = text.replace("      listen:", "      budget: { per_second: 1000000, burst: 1000000 }\n"
                        "      listen:")
    for name in ("neighbors", "mbcap", "analytics", "backfill"):
        if os.path.exists(f"{BUILD}/plugins/{name}.so") and f"\n  {name}:" not in text:
            text = text.replace("\n  http:", f"\n  {name}: {{ enabled: true }}\n  http:")
    # What CoreScope counts as packets is to be compared, damaged copies with it.
    text = text.replace("\n  analytics:\n    enabled: true",
                        "\n  analytics:\n    enabled: true\n    config: { copies: false }")
    with open(d.file, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(d.file, 0o600)


def served():
    d = Daemon({}, start=False, env={
        "LD_PRELOAD": FAKETIME, "FAKETIME": CLOCK, "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1", "TZ": "UTC"})
    try:
        configured(d)
        d.start()
        d.port = int(d.wait_log(r"plugin http: listening .* port=(\d+)").group(1))
        wait_for("database that is ready", lambda: ask(d.port, "/api/healthz").status == 200,
                 context=d.log)
        for name in ("neighbors", "mbcap", "relays"):
            wait_for(f"snapshot/{name}", lambda n=name: d.topic(f"snapshot/{n}")["seq"] > 0,
                     context=d.log)
        wait_for("analytics", lambda: ask(d.port, "/api/analytics/rf").status == 200,
                 context=d.log)
    except BaseException:
        d.close()
        raise
    return d


def get(port, recorded):
    headers = {"X-API-Key": KEY} if recorded.key else {}
    body = recorded.body.encode() if recorded.body else None
    if recorded.method == "POST" and body is None:
        body = b""
    return ask(port, recorded.url, recorded.method, headers, body)


def look(port, recorded, rules, deadline):
    """Differences at last: analytics may still be coming to know all."""
    while True:
        answer = get(port, recorded)
        bad, meant = differences(recorded, answer, rules)
        if not bad or answer.status == 404 or time.monotonic() > deadline:
            return answer, bad, meant
        time.sleep(0.2)


def text_of(d):
    return f"  {d.kind} {d.path}: {str(d.theirs)[:160]!s} -> {str(d.ours)[:160]!s}"


def show(list_of):
    """One line for each path, with how many there are."""
    groups = {}
    for d in list_of:
        groups.setdefault((d.kind, d.path), []).append(d)
    for same in groups.values():
        yield text_of(same[0]) + (f"   ({len(same)} times)" if len(same) > 1 else "")


# -------------------------------------------------------------------- ways in --

def area(recorded):
    parts = recorded.url.split("?")[0].split("/")
    return re.sub(r"\W", "_", parts[2])


class Golden(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        reason = why_not()
        if reason:
            raise unittest.SkipTest(reason)
        cls.rules, cls.d = read_rules(), served()
        cls.addClassCleanup(cls.d.close)

    def check(self, list_of):
        deadline = time.monotonic() + SECONDS
        lines, waiting = [], 0
        for recorded in list_of:
            paths = pending(recorded, self.rules)
            waiting += bool(paths)
            if "-" in paths:
                continue
            _, bad, _ = look(self.d.port, recorded, self.rules, deadline)
            if bad:
                lines += [f"{recorded.method} {recorded.url}", *show(bad)]
        self.assertFalse(lines, "\n".join(["differs:", *lines[:200]]))
        if waiting:
            self.skipTest(f"{waiting} of {len(list_of)} answers are not compared in full yet")


def add_cases():
    if why_not():
        Golden.test_of_all_recorded_answers = lambda self: None
        return
    with tempfile.TemporaryDirectory(prefix="mk-") as folder:
        recorded = list(unpack(folder))
    for name in sorted({area(r) for r in recorded}):
        some = [r for r in recorded if area(r) == name]
        setattr(Golden, f"test_of_{name}", functools.partialmethod(Golden.check, some))


def by_hand(arguments):
    options = {a for a in arguments if a in ("-a", "-v")}
    patterns = [re.compile(a) for a in arguments if a not in options]
    rules = read_rules()
    with tempfile.TemporaryDirectory(prefix="mk-") as folder:
        recorded = [r for r in unpack(folder)
                    if any(p.search(f"{r.method} {r.url}") for p in patterns)]
    good = 0
    with served() as d:
        time.sleep(float(os.environ.get("GOLDEN_PAUSE", "2")))  # for whoever looks, no test
        for r in recorded:
            answer, bad, meant = look(d.port, r, rules, 0)
            good += not bad
            print(f"{'ok  ' if not bad else 'BAD '} {r.file} {r.method} {r.url}")
            print("".join(f"{x}\n" for x in show(bad)), end="")
            if "-a" in options:
                print("".join(f"{x}   meant\n" for x in show(meant)), end="")
            if "-v" in options:
                print(f"  theirs {r.data.decode(errors='replace').strip()}")
                print(f"  ours   {answer.body.decode(errors='replace').strip()}")
    print(f"{good} of {len(recorded)} as meant")
    return 0 if good == len(recorded) else 1


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(by_hand(sys.argv[1:]))
    add_cases()
    daemon.main()
