# SPDX-License-Identifier: MIT
"""What the kill, durable and reload tests share: the plugins of tests/plugins/{kill,durable}_*.c and
what they write down (numbers.h)."""

import json
import os
import statistics
import time
from collections import namedtuple

import daemon

RECORD = 24
GAP = 2
Record = namedtuple("Record", "number seq flags lost")  # lost: or the index of the origin


PUBLISHES = {"kill_source": ["kill/"], "durable_source": ["durable/"],
             "durable_sink": ["storage/committed"]}


def plugin(kind, isolation="process", more=None, **config):
    """An entry of `plugins`; `more` are keys of the entry, `config` options of the plugin."""
    return {"path": daemon.test_plugin(kind), "plugin": kind.replace("_", "-"),
            "isolation": isolation, "publish": PUBLISHES.get(kind, []), "config": config,
            **(more or {})}


def path(d, name):
    return f"{d.dir}/data/state/{name}/numbers"


def read(d, name):
    """All records of an instance."""
    try:
        with open(path(d, name), "rb") as f:
            data = memoryview(f.read())
    except FileNotFoundError:
        return []
    words = data[:len(data) // RECORD * RECORD].cast("Q").tolist()
    return [Record(number, seq, note & 0xffffffff, note >> 32)
            for number, seq, note in zip(*[iter(words)] * 3)]


def count(d, name):
    try:
        return os.path.getsize(path(d, name)) // RECORD
    except FileNotFoundError:
        return 0


def published(d, name):
    """The numbers that a source has published for certain, without the marks of its starts."""
    return [r.number for r in read(d, name) if r.number & 0xffffffff]


def last(d, name):
    with open(path(d, name), "rb") as f:
        f.seek(-RECORD, os.SEEK_END)
        return int.from_bytes(f.read(8), "little")


def wait_count(d, name, more, seconds=daemon.SECONDS):
    """Until so many more records were written."""
    aim = count(d, name) + more
    daemon.wait_for(f"{more} more numbers of {name}", lambda: count(d, name) >= aim, seconds,
                    lambda: f"{count(d, name)} of {aim}\n{d.log()}")


def wait_last(d, sink, source, seconds=daemon.SECONDS):
    """Until a sink has what a source, which has stopped, published last."""
    aim = published(d, source)[-1]  # a run that was stopped at once leaves its mark and no number
    daemon.wait_for(f"number {aim:#x} at {sink}", lambda: last(d, sink) == aim, seconds,
                    lambda: f"the last is {last(d, sink):#x}\n{d.log()}")


def in_order(test, d, name, records, wanted):
    """Every wanted number once, in order; returns how many came twice in a row."""
    numbers = [r.number for r in records if not r.flags & GAP]
    once = [n for i, n in enumerate(numbers) if i == 0 or n != numbers[i - 1]]
    if once != wanted:
        at = next(i for i in range(len(wanted) + 1) if once[i:i + 1] != wanted[i:i + 1])
        test.fail(f"{name}: {[hex(n) for n in once[at:at + 5]]} where "
                  f"{[hex(n) for n in wanted[at:at + 5]]} are due, "
                  f"{len(set(wanted) - set(once))} of {len(wanted)} are missing\n{d.log()}")
    return len(numbers) - len(once)


def kill(d, control, name):
    """kill -9 of a plugin's process; seconds until it runs again, by the daemon's own clock."""
    row, = [p for p in control.ask("plugins")["items"] if p["name"] == name]
    at = time.time()
    os.kill(row["pid"], 9)
    new = {}

    def is_back():
        new.update(next(p for p in control.ask("plugins")["items"] if p["name"] == name))
        return new["state"] == "running" and new["pid"] not in (0, row["pid"])

    daemon.wait_for(f"{name} that runs again", is_back, context=lambda: f"{new}\n{d.log()}")
    return new["since_us"] / 1e6 - at


def milliseconds(seconds):
    return (f"median {statistics.median(seconds) * 1e3:.1f} ms, "
            f"max {max(seconds) * 1e3:.1f} ms of {len(seconds)}")


def set_rate(d, name, rate):
    """A live option, through the configuration file; returns when it is in force."""
    with open(d.file, encoding="utf-8") as f:
        text = json.load(f)
    plugins = text.pop("plugins")
    text.pop("meshkern")
    plugins[name]["config"]["rate"] = rate
    d.configure(plugins, **text)
    d.ask("reload")
    d.wait_plugin(name, f"at rate {rate}", lambda p: p["numbers"].get("rate") == rate)


def wait_all(d, sink, wanted, seconds=daemon.SECONDS):
    """Until a sink has all these numbers."""
    wanted, missing = set(wanted), set()

    def look():
        missing.clear()
        if count(d, sink) >= len(wanted):
            missing.update(wanted - {r.number for r in read(d, sink)})
            return not missing
        return False

    while not look():  # however long it takes, as long as some come
        have = count(d, sink)
        daemon.wait_for(f"more of {len(wanted)} numbers at {sink}",
                        lambda: count(d, sink) > have or look(), seconds, lambda: (
                            f"{have} are there, missing {[hex(n) for n in sorted(missing)[:5]]} "
                            f"and {len(missing)} altogether\n{d.log()}"))


def folder_bytes(d, folder):
    """What its files hold."""
    return sum(entry.stat().st_size for entry in os.scandir(f"{d.dir}/data/{folder}"))
