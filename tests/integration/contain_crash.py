#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Plugins that crash: all of them in one daemon at the same time, each in a process of its own."""

import re
import unittest
from datetime import datetime

import msgpack

from contain import Company, bad
from daemon import SANITIZED, SECONDS, Refused, main

DIED = r"exited with status \d+" if SANITIZED else "killed by SIGSEGV"
ABORTED = r"(exited with status \d+|killed by SIGABRT)"
ALWAYS = {
    "in-create": (bad("crash", where="create"), f"{DIED} in create"),
    "in-start": (bad("crash", where="start", how="abort"), f"{ABORTED} in start"),
    "in-message": (bad("crash", where="message"), f"{DIED} in on_msg, topic pulse/beat"),
    "leaves": (bad("crash", where="message", how="leave"),
               "exited with status 0 in on_msg, topic pulse/beat"),
    "refuses": (bad("crash", where="create", how="refuse"),
                "create failed: input or output failed"),
    "no-start": (bad("crash", where="start", how="refuse"), "start failed: input or output failed"),
    "resets": (bad("crash", where="start", how="abort"), f"{ABORTED} in start"),
    "disabled": (bad("crash", where="create", how="refuse"),
                 "create failed: input or output failed"),
}
POISON, MANUAL_POISON = 40, 43  # sequence numbers of pulse/beat


class Crash(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Company({
            **{name: entry for name, (entry, _) in ALWAYS.items()},
            "poisoned": bad("crash", where="poison", at=POISON),
            "by-hand": bad("manual", at=MANUAL_POISON),
            "in-stop": bad("crash", where="stop"),
            "in-destroy": bad("crash", where="destroy"),
        })
        cls.addClassCleanup(cls.daemon.close)

    def quarantined(self, name):
        """More than five crashes within a minute; what it is told as."""
        d, reason = self.daemon, ALWAYS[name][1]
        row = d.wait_state(name, "quarantined", seconds=2 * SECONDS)
        self.assertEqual((row["crashes"], row["restarts"], row["enabled"]), (6, 5, True))
        self.assertRegex(row["reason"], f"^{reason}$")
        d.wait_log(rf"error core: plugin {name}: quarantined: {reason}$")
        self.assertEqual(len(self.times(name, f"backoff: {reason}")), 5)
        d.goes_on()

    def times(self, name, what):
        pattern = re.compile(rf"(\S+)Z \w+ +core: plugin {name}: {what}$")
        return [datetime.fromisoformat(m[1]).timestamp()
                for m in map(pattern.match, self.daemon.lines) if m]

    def test_in_create(self):
        self.quarantined("in-create")

    def test_in_start(self):
        self.quarantined("in-start")

    def test_in_every_message(self):
        self.quarantined("in-message")

    def test_ending_its_process_without_a_signal(self):
        self.quarantined("leaves")

    def test_create_that_fails(self):
        self.quarantined("refuses")

    def test_start_that_fails(self):
        self.quarantined("no-start")

    def test_it_waits_longer_each_time(self):
        self.quarantined("in-create")
        waits = [start - crash for crash, start in zip(self.times("in-create", "backoff: .*"),
                                                       self.times("in-create", "starting")[1:])]
        self.assertEqual(len(waits), 5)
        for wait, least in zip(waits, [0, 1, 2, 4, 8]):
            self.assertGreaterEqual(wait, least - 0.01)

    @unittest.skipIf(SANITIZED, "the sanitizer prints its own")
    def test_the_log_has_a_backtrace_with_the_place(self):
        self.daemon.wait_log("plugin in-message: fatal signal SEGV in plugin in-message, backtrace")
        self.daemon.wait_log(r"plugin in-message: .*/bad_crash\.so\(")

    def test_reset_gives_it_another_chance(self):
        d = self.daemon
        self.quarantined("resets")
        with self.assertRaisesRegex(Refused, f"resets is backoff: {ABORTED} in start"):
            d.ask("reset", name="resets")  # nothing has changed: it crashes twice
        with open(f"{d.dir}/data/state/resets/well", "w", encoding="ascii"):
            pass
        self.assertEqual(d.ask("reset", name="resets")["state"], "running")
        row = d.plugin("resets")
        self.assertEqual((row["state"], row["reason"]), ("running", ""))
        with self.assertRaisesRegex(Refused, "nothing to reset"):
            d.ask("reset", name="resets")

    def test_disabled_it_stays_down(self):
        d = self.daemon
        self.quarantined("disabled")
        with self.assertRaisesRegex(Refused, "disabled is backoff: create failed"):
            d.ask("reset", name="disabled")
        self.assertEqual(d.ask("disable", name="disabled")["state"], "disabled")
        starts = d.plugin("disabled")["restarts"]
        self.quarantined("in-create")
        row = d.plugin("disabled")
        self.assertEqual((row["state"], row["restarts"]), ("disabled", starts))

    def test_a_message_that_kills_twice_is_skipped(self):
        d = self.daemon
        row = d.wait_plugin("poisoned", "back", lambda p: p["restarts"] == 2 and
                            p["state"] == "running")
        self.assertEqual(row["crashes"], 2)
        d.wait_log("plugin poisoned: crashed twice on the same message, which is skipped  "
                   f"topic=pulse/beat seq={POISON}")
        seen = self.seen("bad/seen", "poisoned", POISON + 20)
        self.assertEqual(seen[seen.index(POISON + 1):],
                         list(range(POISON + 1, seen[-1] + 1)))
        self.assertNotIn(POISON, seen)
        poison, = [m.body for m in d.replay("core/poison") if m.body["plugin"] == "poisoned"]
        beat, = d.replay("pulse/beat", POISON, 1)
        self.assertEqual((poison["topic"], poison["epoch"], poison["seq"]),
                         ("pulse/beat", beat.epoch, POISON))
        self.assertEqual(msgpack.unpackb(poison["body"]), beat.body)

    def test_skipping_loses_no_message_that_waits_for_its_ack(self):
        d = self.daemon
        d.wait_plugin("by-hand", "back", lambda p: p["restarts"] == 2 and p["state"] == "running")
        self.seen("bad/held", "by-hand", MANUAL_POISON + 20)
        when, = [m.time_us for m in d.replay("core/poison") if m.body["plugin"] == "by-hand"]
        held = [m.body["seq"] for m in d.replay("bad/held")
                if m.origin == "by-hand" and m.time_us > when]
        first = MANUAL_POISON // 5 * 5 + 1  # after the last one that was acknowledged
        self.assertEqual(held, [n for n in range(first, held[-1] + 1) if n != MANUAL_POISON])

    def seen(self, topic, origin, until):
        """Which beats an instance says that it has seen, in its order."""
        with self.daemon.tail(topic) as tail:
            tail.until(lambda m: m.origin == origin and m.body["seq"] >= until)
        return [m.body["seq"] for m in self.daemon.replay(topic) if m.origin == origin]

    def test_while_it_stops(self):
        d = self.daemon
        d.wait_state("in-stop", "running")
        self.assertEqual(d.ask("disable", name="in-stop")["state"], "disabled")
        self.assertRegex(d.plugin("in-stop")["reason"], f"{DIED} in stop")
        d.wait_log(f"plugin in-stop: disabled: {DIED} in stop")

    def test_while_it_is_destroyed(self):
        d = self.daemon
        d.wait_state("in-destroy", "running")
        self.assertEqual(d.ask("restart", name="in-destroy")["state"], "running")
        self.assertEqual(d.ask("disable", name="in-destroy")["state"], "disabled")
        self.assertRegex(d.plugin("in-destroy")["reason"], f"{DIED} in destroy")

    def test_zz_meanwhile_the_others_have_lost_nothing(self):
        self.daemon.lost_nothing(self)
        self.assertEqual(self.daemon.stop(), 0)


if __name__ == "__main__":
    main()
