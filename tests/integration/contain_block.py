#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Plugins that do not come back from a callback, and what a crash inside of the daemon leads to."""

import os
import signal
import socket
import tempfile
import unittest

from contain import Company, bad
from daemon import SANITIZED, SECONDS, Refused, main

STUCK = {"deadlines": {"stuck": "1s"}}
LOAD = {"deadlines": {"create": "500ms", "start": "500ms"}}
SHORT = {"deadlines": {"stop": "500ms"}}
ABORTED = "blocked for too long in on_msg, topic pulse/beat"
STOP_SECONDS = 10 + SECONDS  # the daemon's own deadline is 10


class InAProcess(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Company({
            "in-message": bad("block", where="message", more=STUCK),
            "busy": bad("block", where="message", busy=True, more=STUCK),
            "in-create": bad("block", where="create", more=LOAD),
            "in-start": bad("block", where="start", more=LOAD),
            "in-stop": bad("block", where="stop", more=SHORT),
            "in-destroy": bad("block", where="destroy", more=SHORT),
            "called": bad("call", more=STUCK),
        })
        cls.addClassCleanup(cls.daemon.close)

    def aborted(self, name):
        d = self.daemon
        d.wait_log(f"error core: plugin {name}: blocked in on_msg for 1 s, aborted")
        row = d.wait_plugin(name, "restarted", lambda p: p["restarts"] > 0)
        self.assertGreaterEqual(row["crashes"], 1)
        d.wait_log(f"warn  core: plugin {name}: backoff: {ABORTED}")
        if not SANITIZED:
            d.wait_log(f"plugin {name}: fatal signal ABRT in plugin {name}, backtrace:")
        d.goes_on()

    def test_asleep_in_on_msg_it_is_aborted_and_restarted(self):
        self.aborted("in-message")

    def test_busy_in_on_msg_it_is_aborted_and_restarted(self):
        self.aborted("busy")

    def test_while_it_is_blocked_it_is_named(self):
        self.daemon.wait_log("warn  core: plugin in-message: on_msg takes long  ms=1... "
                             "topic=pulse/beat")

    def test_in_create(self):
        self.daemon.wait_log("backoff: did not start in time in create$")
        self.daemon.goes_on()

    def test_in_start(self):
        self.daemon.wait_log("backoff: did not start in time in start$")
        self.daemon.goes_on()

    def ends(self, name, callback):
        d = self.daemon
        d.wait_state(name, "running")
        self.assertEqual(d.ask("disable", name=name)["state"], "disabled")
        self.assertEqual(d.plugin(name)["reason"], f"did not stop in time in {callback}")
        d.wait_log(f"plugin {name}: disabled: did not stop in time in {callback}")
        d.goes_on()

    def test_in_stop(self):
        self.ends("in-stop", "stop")

    def test_in_destroy(self):
        self.ends("in-destroy", "destroy")

    def test_whoever_calls_it_hears_that_it_has_gone(self):
        d = self.daemon
        self.assertEqual(d.call("bad/call"), {})
        for how, result in ("crash", -9), ("block", -9), ("never", -8):
            with self.assertRaises(Refused) as refused:
                d.call("bad/call", {"how": how}, timeout_us=10_000_000 - 9_000_000 * (result == -8))
            self.assertEqual(refused.exception.result, result)
            d.wait_state("called", "running")
        self.assertEqual(d.call("bad/call", {"how": "twice"}), {})
        self.assertEqual(d.call("bad/call", {"how": "foreign"}), {})
        with self.assertRaisesRegex(Refused, "refused"):
            d.call("bad/call", {"how": "malformed"})

    def test_zz_meanwhile_the_others_have_lost_nothing(self):
        self.daemon.lost_nothing(self)
        self.assertEqual(self.daemon.stop(STOP_SECONDS), 0)


class Loading(unittest.TestCase):
    def test_what_takes_a_while_to_load_is_left_alone(self):
        with Company({"heavy": bad("heavy")}) as d:  # two looks at the plugins fall into it
            row = d.wait_state("heavy", "running")
            self.assertEqual((row["crashes"], row["restarts"]), (0, 0))
            d.lost_nothing(self)


class InsideOfTheDaemon(unittest.TestCase):
    def test_blocked_for_ever_it_is_stuck_and_next_time_in_a_process(self):
        with tempfile.TemporaryDirectory() as folder, \
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
            notified.bind(f"{folder}/notify")
            env = {"NOTIFY_SOCKET": f"{folder}/notify", "WATCHDOG_USEC": "30000000"}
            others = {"blocks": bad("block", "inproc", where="message", more=STUCK)}
            with Company(others, env=env) as d:
                row = d.wait_state("blocks", "stuck")
                self.assertEqual((row["reason"], row["isolation"], row["callback"]),
                                 ("blocked in on_msg for 1 s", "inproc", "on_msg"))
                d.wait_log("error core: plugin blocks: stuck: blocked in on_msg for 1 s")
                self.assertEqual(d.ask("status")["plugins"]["failed"], 1)
                with self.assertRaisesRegex(Refused, "only a restart of the daemon helps"):
                    d.ask("restart", name="blocks")
                self.not_alive(d, notified)
                d.lost_nothing(self)
                self.assertEqual(d.stop(STOP_SECONDS), 1)
                self.assertTrue(d.find_log("plugin blocks did not stop: stuck"))
                before = d.mark()
                d.start()
                d.wait_log("plugin blocks took the last run down: it gets a process", before)
                self.assertEqual(d.plugin("blocks")["isolation"], "process")
                d.wait_log(f"plugin blocks: backoff: {ABORTED}", before)
                d.goes_on()
                self.assertEqual(d.stop(STOP_SECONDS), 0)

    def not_alive(self, d, notified):
        """systemd hears no sign of life, so that it restarts the unit."""
        notified.setblocking(False)
        heard = []

        def drain():
            try:
                while True:
                    heard.append(notified.recv(4096))
            except BlockingIOError:
                return heard
        self.assertTrue(any(b"WATCHDOG=1" in x for x in drain()), heard)
        heard.clear()
        for _ in range(4):  # a second at least: two looks at the plugins
            d.goes_on()
        self.assertFalse(any(b"WATCHDOG=1" in x for x in drain()), heard)

    def test_it_may_move_again(self):
        blocks = bad("block", "inproc", where="message", time="3s", more=STUCK)
        with Company({"blocks": blocks}) as d:
            d.wait_state("blocks", "stuck")
            d.goes_on()
            d.wait_state("blocks", "running")
            d.wait_log("plugin blocks: running: moves again")
            with d.tail("bad/seen") as tail:
                last = tail.until(lambda m: m.body["seq"] > 400)[-1].body["seq"]
            self.assertEqual([m.body["seq"] for m in d.replay("bad/seen")][:last],
                             list(range(1, last + 1)))
            d.lost_nothing(self)
            self.assertEqual(d.stop(STOP_SECONDS), 0)
            before = d.mark()
            d.start()
            self.assertIsNone(d.find_log("took the last run down", before))
            self.assertEqual(d.plugin("blocks")["isolation"], "inproc")

    def test_disabled_while_it_is_blocked_it_stops_when_it_moves_again(self):
        blocks = bad("block", "inproc", where="message", time="3s", more=STUCK)
        with Company({"blocks": blocks}) as d:
            d.wait_state("blocks", "stuck")
            with self.assertRaisesRegex(Refused, "blocks is stuck: blocked in on_msg"):
                d.ask("disable", name="blocks")
            d.wait_state("blocks", "disabled")
            d.lost_nothing(self)
            self.assertEqual(d.stop(STOP_SECONDS), 0)

    def test_in_create_for_a_while(self):
        with Company({"starts": bad("block", "inproc", where="create", time="2s", more=LOAD)}) as d:
            d.wait_state("starts", "stuck")
            d.wait_state("starts", "running")
            d.lost_nothing(self)
            self.assertEqual(d.stop(STOP_SECONDS), 0)

    def test_in_create_for_a_while_and_then_it_fails(self):
        with Company({"fails": bad("block", "inproc", where="create", time="2s", refuse=True,
                                   more=LOAD)}) as d:
            d.wait_state("fails", "stuck")
            d.wait_log("plugin fails: backoff: create failed: input or output failed")
            d.lost_nothing(self)
            self.assertIn(d.stop(STOP_SECONDS), (0, 1))  # it may be in create again

    def test_in_create(self):
        with Company({"blocks": bad("block", "inproc", where="create", more=LOAD)}) as d:
            self.assertEqual(d.wait_state("blocks", "stuck")["reason"], "did not start in time")
            self.assertEqual(d.plugin("blocks")["callback"], "create")
            d.lost_nothing(self)
            self.assertEqual(d.stop(STOP_SECONDS), 1)

    def test_in_stop(self):
        with Company({"blocks": bad("block", "inproc", where="stop", more=SHORT)}) as d:
            d.wait_state("blocks", "running")
            with self.assertRaisesRegex(Refused, "blocks is stuck: did not stop in time"):
                d.ask("disable", name="blocks")
            d.lost_nothing(self)
            self.assertEqual(d.stop(STOP_SECONDS), 1)

    def test_blocked_when_the_daemon_stops(self):
        with Company({"blocks": bad("block", "inproc", where="stop", more=SHORT),
                      "process": bad("block", where="stop", more=SHORT)}) as d:
            d.wait_state("blocks", "running")
            d.wait_state("process", "running")
            self.assertEqual(d.stop(STOP_SECONDS), 1)
            d.wait_log("plugin blocks did not stop: stuck")

    def crash_in_a_thread(self, where):
        with Company({"threads": bad("thread", "inproc", where=where)}, start=False) as d:
            d.start(wait=False)
            self.assertEqual(d.ended(), -signal.SIGSEGV)
            self.assertTrue(d.find_log(r"fatal signal SEGV in (plugin|thread) threads, backtrace:"))
            before = d.mark()
            d.start()
            d.wait_log("plugin threads took the last run down: it gets a process", before)
            d.wait_log("plugin threads: backoff: killed by SIGSEGV", before)
            d.lost_nothing(self)

    @unittest.skipIf(SANITIZED, "the sanitizer handles the signal")
    def test_a_crash_in_a_thread_of_the_host_is_told_by_its_instance(self):
        self.crash_in_a_thread("host-crash")

    @unittest.skipIf(SANITIZED, "the sanitizer handles the signal")
    def test_a_crash_in_a_thread_of_its_own_is_told_by_its_instance(self):
        self.crash_in_a_thread("own-crash")

    @unittest.skipIf(SANITIZED, "the sanitizer handles the signal")
    def test_a_crash_takes_the_daemon_down_and_next_time_only_itself(self):
        self.crash("crash")

    @unittest.skipIf(SANITIZED, "the sanitizer handles the signal")
    def test_a_stack_that_overflows_takes_the_daemon_down_and_next_time_only_itself(self):
        self.crash("overflow")

    def crash(self, how):
        with Company({"crashes": bad("crash", "inproc", where="message", how=how)},
                     start=False) as d:
            d.start(wait=False)
            self.assertEqual(d.ended(), -signal.SIGSEGV)
            self.assertTrue(d.find_log("fatal signal SEGV in plugin crashes, backtrace:"))
            self.assertTrue(d.find_log(r"/bad_crash\.so\("))
            before = d.mark()
            d.start()
            d.wait_log("plugin crashes took the last run down: it gets a process", before)
            self.assertEqual(d.plugin("crashes")["isolation"], "process")
            d.wait_log("plugin crashes: backoff: killed by SIGSEGV in on_msg", before)
            d.lost_nothing(self)
            self.assertEqual(d.stop(STOP_SECONDS), 0)
            self.assertFalse(os.path.exists(f"{d.dir}/data/run/crash"))


if __name__ == "__main__":
    main()
