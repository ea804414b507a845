#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Plugins that misuse the bus: floods, messages that are malformed or not theirs, and processes that
have been taken over and speak to the hub past their host."""

import json
import os
import subprocess
import time
import unittest

from contain import Company, bad
from daemon import BUILD, SANITIZED, SECONDS, main, wait_for

MEMORY = 200 << 20
RATE = 1000
DENIED, TOO_BIG, MALFORMED = -5, -10, -11
RESULTS = {
    "undeclared": DENIED, "of-another": DENIED, "of-the-core": DENIED, "below": DENIED,
    "no-name": DENIED, "no-text": DENIED, "depth": MALFORMED, "array-count": MALFORMED,
    "map-count": MALFORMED, "string-length": MALFORMED, "bin-length": MALFORMED,
    "trailing": MALFORMED, "truncated": MALFORMED, "nothing": MALFORMED, "no-map": MALFORMED,
    "doubled-key": MALFORMED, "no-utf8": MALFORMED, "too-large": TOO_BIG,
}


def wrong(d, name):
    """How many messages of the flood were not the next one, as bad_slow says."""
    row = d.wait_plugin(name, "counting", lambda p: p["numbers"].get("count", 0) > 0)
    return row["numbers"]["wrong"]


def stands_still(d, topic):
    """For longer than the hub needs to come round."""
    before = d.topic(topic)["seq"]
    time.sleep(1)
    return d.topic(topic)["seq"] == before


class Flood(unittest.TestCase):
    def bounded(self, d, seconds):
        """The daemon's memory for so long, in which the pair goes on."""
        until, most = time.monotonic() + seconds, 0
        while time.monotonic() < until:
            d.goes_on()
            most = max(most, d.ask("status")["rss_bytes"])
        if not SANITIZED:
            self.assertLess(most, MEMORY)

    def flood(self, isolation):
        """Everyone who keeps up, if slowly, gets all of it; the flood waits for them."""
        free = {"limits": {"rate": 0}}
        brief = {"deadlines": {"stop": "100ms"}}
        with Company({"floods": bad("flood", isolation, more=free), "quick": bad("slow"),
                      "slow": bad("slow", time="5ms", more=brief)}) as d:
            d.wait_plugin("floods", "refused", lambda p: p["numbers"].get("refused", 0) > 0)
            wait_for("push-back", lambda: d.ask("stats")["ring"]["reliable"]["pushed_back_us"] > 0)
            self.bounded(d, 2)
            d.wait_plugin("slow", "at work", lambda p: p["numbers"].get("count", 0) > 300)
            self.assertEqual(wrong(d, "slow"), 0)
            self.assertEqual(wrong(d, "quick"), 0)
            d.lost_nothing(self)
            d.ask("disable", name="floods")
            self.assertEqual(d.plugin("floods")["reason"], "by command")  # it took no force
            self.assertEqual(d.stop(), 0)

    def test_from_a_process_it_waits_for_a_slow_subscriber(self):
        self.flood("process")

    def test_from_inside_of_the_daemon_it_waits_for_a_slow_subscriber(self):
        self.flood("inproc")

    def stopped(self, isolation):
        free = {"limits": {"rate": 0}, "deadlines": {"stop": "1m"}}
        with Company({"floods": bad("flood", isolation, more=free), "quick": bad("slow")}) as d:
            wait_for("a flood", lambda: d.topic("bad/flood")["seq"] > 10000)
            d.ask("disable", name="floods")
            accepted = int(d.wait_log(r"plugin floods: accepted=(\d+)")[1])
            self.assertEqual(d.topic("bad/flood")["seq"], accepted)
            self.assertEqual(d.plugin("floods")["last_misbehaviour"], "")

    def test_stopped_in_a_process_it_loses_nothing_that_was_accepted(self):
        self.stopped("process")

    def test_stopped_inside_of_the_daemon_it_loses_nothing_that_was_accepted(self):
        self.stopped("inproc")

    def test_stopped_while_others_hold_it_up_it_tells_what_was_not_taken(self):
        patient = {"limits": {"rate": 0}, "deadlines": {"stop": "20s"}}
        with Company({"floods": bad("flood", more=patient),
                      "asleep": bad("slow", time="30s", more={"deadlines": {"stop": "100ms"}})},
                     bus={"push_back": "1h"}) as d:
            wait_for("pressure", lambda: d.plugin("floods")["numbers"].get("refused", 0) > 0)
            wait_for("flood that stands still", lambda: stands_still(d, "bad/flood"))
            d.ask("disable", name="floods")
            accepted = int(d.wait_log(r"plugin floods: accepted=(\d+)")[1])
            left = int(d.wait_log(r"plugin floods: left behind: (\d+) messages that the bus did not "
                                  "take")[1])
            self.assertGreater(left, 0)
            # What was on its way then may have been taken after all.
            self.assertIn(d.topic("bad/flood")["seq"], range(accepted - left, accepted + 1))

    def test_a_subscriber_that_does_not_keep_up_at_all_hears_a_gap(self):
        """Others wait for it no longer than push_back."""
        with Company({"floods": bad("flood", more={"limits": {"rate": 0}}),
                      "asleep": bad("slow", time="30s", more={"deadlines": {"stop": "100ms"}}),
                      "quick": bad("slow")}, bus={"push_back": "1s"}) as d:
            d.wait_log("bus: asleep is too slow, others wait for it no longer  topic=bad/flood")
            before = d.topic("bad/flood")["seq"]
            wait_for("a flood that goes on", lambda: d.topic("bad/flood")["seq"] > before + 20_000)
            self.assertEqual(wrong(d, "quick"), 0)
            self.bounded(d, 1)
            d.lost_nothing(self)

    @unittest.skipIf(SANITIZED, "rates under a sanitizer say nothing")
    def test_a_limit_of_the_rate_holds(self):
        with Company({"floods": bad("flood", more={"limits": {"rate": RATE}})}) as d:
            wait_for("a first message", lambda: d.topic("bad/flood")["seq"] > 0)
            began, first = time.monotonic(), d.topic("bad/flood")["seq"]
            for _ in range(15):
                d.goes_on()
            count, seconds = d.topic("bad/flood")["seq"] - first, time.monotonic() - began
            self.assertLessEqual(count, RATE * seconds + 2 * RATE / 10)
            self.assertGreater(count, 0)
            d.wait_log("bus: floods publishes as fast as its limit allows  rate=1000")
            self.assertGreater(d.plugin("floods")["throttled"], 0)
            d.lost_nothing(self)

    def test_a_flooding_process_that_is_killed_again_and_again(self):
        with Company({"floods": bad("flood", more={"limits": {"rate": 0}}), "quick": bad("slow")}) as d:
            for _ in range(30):
                row = d.wait_plugin("floods", "at work", lambda p: p["state"] == "running" and
                                    p["pid"] and p["in"] > 10000)
                os.kill(row["pid"], 9)
                d.wait_plugin("floods", "another", lambda p, old=row["pid"]: p["pid"] != old)
            self.assertEqual(wrong(d, "quick"), 0)
            d.lost_nothing(self)
            self.assertEqual(d.stop(), 0)

    def log_lines(self, isolation):
        with Company({"floods": bad("flood", isolation, where="log")}) as d:
            d.wait_log("plugin floods: look at me")
            for _ in range(8):
                d.goes_on()
            self.assertLess(sum("look at me" in x for x in d.lines), 10000)
            d.lost_nothing(self)

    def test_of_log_lines_from_a_process(self):
        self.log_lines("process")

    def test_of_log_lines_from_inside_of_the_daemon(self):
        self.log_lines("inproc")

    def test_of_output(self):
        with Company({"floods": bad("flood", where="output")}) as d:
            d.wait_log("plugin floods: look at me")
            for _ in range(8):
                d.goes_on()
            self.assertLess(sum("look at me" in x for x in d.lines), 10000)
            d.lost_nothing(self)

    def test_of_numbers(self):
        with Company({"floods": bad("flood", where="numbers")}) as d:
            d.wait_plugin("floods", "counting", lambda p: p["numbers"].get("number", 0) > 0)
            d.lost_nothing(self)


class Malformed(unittest.TestCase):
    def through_the_host(self, isolation):
        with Company({"publishes": bad("publish", isolation)}) as d:
            with d.tail("bad/") as tail:
                d.wait_state("publishes", "running")
                d.ask("restart", name="publishes")  # now somebody listens
                message = tail.next()
            self.assertEqual((message.topic, message.body), ("bad/results", RESULTS))
            self.assertEqual(d.topic("bad/small")["seq"], 0)
            row = d.wait_plugin("publishes", "known",
                                lambda p: p["misbehaved"] >= 2 * len(RESULTS))
            self.assertEqual(row["last_misbehaviour"],
                             "message on bad/small refused: body of 1001 bytes, max_body is 1000")
            self.assertEqual((row["state"], row["crashes"]), ("running", 0))
            d.wait_log("warn  core: plugin publishes misbehaves: message on bad/other refused: "
                       "not declared")
            d.wait_log("plugin publishes misbehaves: message on bad/small refused: ")
            d.lost_nothing(self)

    def test_messages_through_the_host_of_a_process(self):
        self.through_the_host("process")

    def test_messages_through_the_host_inside_of_the_daemon(self):
        self.through_the_host("inproc")

    def test_records_past_the_host(self):
        with Company({"speaks": bad("wire", where="records")}) as d:
            row = d.wait_plugin("speaks", "known", lambda p: p["misbehaved"] >= 8)
            self.assertEqual((row["state"], row["crashes"], row["misbehaved"]), ("running", 0, 8))
            self.assertEqual(row["last_misbehaviour"], "??[2J?")
            self.assertEqual(row["refused"], 5)
            self.assertEqual(row["numbers"], {})
            for text in ("message on bad/wire refused: ", "sent a malformed record",
                         "message on pulse/beat refused: not declared or not granted"):
                d.wait_log(f"warn  core: plugin speaks misbehaves: {text}")
            wait_for("the message that was right", lambda: d.topic("bad/wire")["seq"] == 1)
            d.lost_nothing(self)

    def test_a_process_that_says_it_has_stopped(self):
        """Nobody asked it to: that is a failure like others, and not a reason to hurry."""
        with Company({"stops": bad("wire", where="stopped")}) as d:
            d.wait_plugin("stops", "ended", lambda p: p["crashes"] >= 2)
            d.wait_log("plugin stops: backoff: said that it had ended, unasked")
            d.lost_nothing(self)

    def test_vitals_that_are_nonsense(self):
        with Company({"scribbles": bad("wire", where="vitals")}) as d:
            d.wait_plugin("scribbles", "ended", lambda p: p["crashes"] >= 2)
            row = d.wait_state("scribbles", "backoff")
            self.assertRegex(row["reason"], r" in on_msg, topic \?+$")
            d.lost_nothing(self)

    def test_a_link_that_is_cut(self):
        with Company({"cuts": bad("wire", where="cut")}) as d:
            d.wait_plugin("cuts", "restarted", lambda p: p["restarts"] >= 2)
            d.lost_nothing(self)

    def test_the_tool_names_it(self):
        with Company({"publishes": bad("publish")}) as d:
            d.wait_plugin("publishes", "known", lambda p: p["misbehaved"] >= len(RESULTS))
            tool = subprocess.run([f"{BUILD}/bin/meshkern", "-c", d.file, "plugins", "publishes"],
                                  stdout=subprocess.PIPE, text=True, timeout=SECONDS, check=True)
            self.assertIn("message on bad/small refused: body of 1001 bytes", tool.stdout)
            tool = subprocess.run([f"{BUILD}/bin/meshkern", "-c", d.file, "plugins", "--json"],
                                  stdout=subprocess.PIPE, text=True, timeout=SECONDS, check=True)
            row, = [p for p in json.loads(tool.stdout)["items"] if p["name"] == "publishes"]
            self.assertEqual(row["misbehaved"], len(RESULTS))


if __name__ == "__main__":
    main()
