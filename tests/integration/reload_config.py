#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""New configurations for a running daemon: a broken one changes nothing and says why, a good one
changes what differs and nothing else. Meanwhile 3000 messages a second flow."""

import copy
import os
import re
import signal
import subprocess
import time
import unittest

import kill_numbers as numbers
from daemon import BUILD, SECONDS, Daemon, Refused, main, wait_for

SAME = "pid", "restarts", "since_us", "state"  # what a plugin that is left alone keeps


class Reload(unittest.TestCase):
    def setUp(self):
        self.plugins = {"source": numbers.plugin("kill_source"),
                        "sink": numbers.plugin("kill_sink"),
                        "other": numbers.plugin("kill_sink", "inproc")}
        self.d = Daemon(self.plugins)
        self.addCleanup(self.d.close)
        for name in self.plugins:
            self.d.wait_state(name, "running")
        numbers.wait_count(self.d, "sink", 100)

    def text(self):
        with open(self.d.file, encoding="utf-8") as f:
            return f.read()

    def write(self, text):
        with open(f"{self.d.file}.new", "w", encoding="utf-8") as f:
            f.write(text)
        os.replace(f"{self.d.file}.new", self.d.file)

    def rows(self, *names):
        return {p["name"]: {k: p[k] for k in SAME} for p in self.d.ask("plugins")["items"]
                if not names or p["name"] in names}

    def configure(self, change):
        plugins = copy.deepcopy(self.plugins)
        change(plugins)
        self.d.configure(plugins)
        return plugins

    def reloads(self):
        try:
            return self.d.ask("reload")["plan"] == []
        except Refused as refused:
            if "under way" not in str(refused):
                raise
            return False

    def everything_came(self, *sinks):
        """The flow was never interrupted: every sink has every number once."""
        self.d.ask("disable", name="source")
        wanted = numbers.published(self.d, "source")
        for sink in sinks:
            numbers.wait_last(self.d, sink, "source")
            self.assertEqual(numbers.in_order(self, self.d, sink, numbers.read(self.d, sink),
                                              wanted), 0, "something came twice")
        return len(wanted)

    # ------------------------------------------------------------ broken ones --

    def broken(self):
        """(what, text of the file, what the problem says)"""
        good = self.text()
        yield "broken YAML", good + "\n: [", r"\d+:\d+: "
        yield "unknown key", good.replace('"isolation"', '"izolation"', 1), "izolation"
        yield "unknown option", good.replace('"config": {', '"config": {"rte": 1,', 1), "rte"
        for what, config, says in (
                ("value out of range", {"rate": -1}, "rate"),
                ("value of another type", {"rate": "many"}, "rate"),
                ("refused by check()", {"label": "refused"}, "this one is refused")):
            self.configure(lambda p, c=config: p["source"]["config"].update(c))
            yield what, self.text(), says
        yield "no such file", good.replace("kill_source.so", "absent.so"), "absent.so"
        yield "not a plugin", good.replace(numbers.daemon.test_plugin("kill_source"),
                                           f"{BUILD}/bin/meshkernd"), "meshkernd"
        yield "empty", "", "meshkern"

    def test_a_broken_file_changes_nothing_and_says_where_and_why(self):
        before, d, good = self.rows(), self.d, self.text()
        count = 0
        for what, text, says in list(self.broken()):
            with self.subTest(what):
                self.write(text)
                place = rf"{re.escape(d.file)}:\d+:\d+: .*"
                with self.assertRaises(Refused) as refused:
                    d.ask("reload")
                problems = refused.exception.data["problems"]
                self.assertRegex("\n".join(problems), place + says if says[0] != "\\" else place)
                for line in problems:
                    self.assertRegex(line, "^" + place)
                mark = d.mark()
                os.kill(d.pid, signal.SIGHUP)
                d.wait_log("nothing was changed", mark)
                for line in problems:
                    self.assertIsNotNone(d.find_log(re.escape(line), mark), d.log())
                tool = subprocess.run([f"{BUILD}/bin/meshkern", "-c", d.file, "reload"],
                                      check=False, capture_output=True, text=True, timeout=SECONDS)
                self.assertEqual(tool.returncode, 2, tool.stderr)
                self.assertIn(problems[0], tool.stderr)
                numbers.wait_count(d, "sink", 100)  # it flows
                self.assertEqual(self.rows(), before)
                count += 1
        self.write(good)
        self.assertEqual(d.ask("reload"),
                         {"plan": [], "changed": False, "problems": [], "results": []})
        self.assertEqual(self.rows(), before)
        total = self.everything_came("sink", "other")
        print(f"{count} broken files, each by control socket, SIGHUP and tool: nothing changed; "
              f"{total} messages meanwhile, 0 lost, 0 twice")

    # -------------------------------------------------------------- good ones --

    def test_a_live_option_is_taken_without_a_restart(self):
        before = self.rows()
        self.configure(lambda p: p["source"]["config"].update(rate=4000))
        self.assertRegex(str(self.d.ask("reload", dry_run=True)), "source: live option.* rate: ")
        answer = self.d.ask("reload")
        self.assertTrue(answer["changed"])
        self.assertEqual(answer["results"], ["source: running"])
        self.d.wait_plugin("source", "faster", lambda p: p["numbers"].get("rate") == 4000)
        self.assertEqual(self.rows(), before)
        self.everything_came("sink", "other")

    def test_another_option_restarts_only_its_plugin(self):
        before = self.rows("source", "other")
        old = self.rows("sink")["sink"]
        self.configure(lambda p: p["sink"]["config"].update(work="1us"))
        answer = self.d.ask("reload")
        self.assertTrue(any(line.startswith("sink: restart") for line in answer["plan"]), answer)
        self.assertEqual(answer["results"], ["sink: running"])
        new = self.d.plugin("sink")
        self.assertEqual(new["state"], "running")
        self.assertNotIn(new["pid"], (0, old["pid"]))
        numbers.wait_count(self.d, "sink", 100)
        self.assertEqual(self.rows("source", "other"), before)
        self.assertEqual(self.d.plugin("sink")["crashes"], 0)
        self.everything_came("sink", "other")

    def test_plugins_come_and_go(self):
        before = self.rows("source", "other")

        def change(plugins):
            del plugins["sink"]
            plugins["fresh"] = numbers.plugin("kill_sink")

        self.configure(change)
        old = self.rows()
        plan = self.d.ask("reload", dry_run=True)["plan"]
        self.assertEqual(sorted(plan), ["fresh: new, start", "sink: stop and remove"])
        numbers.wait_count(self.d, "sink", 100)
        self.assertEqual(self.rows(), old, "a dry run has changed something")
        self.assertEqual(sorted(self.d.ask("reload")["plan"]), sorted(plan))
        self.assertEqual(self.d.plugin("fresh")["state"], "running")
        self.assertNotIn("sink", self.rows())
        self.assertEqual(self.rows("source", "other"), before)
        # What the new one hears has no hole, wherever it begins.
        numbers.wait_count(self.d, "fresh", 1000)
        self.everything_came("other")
        numbers.wait_last(self.d, "fresh", "source")
        seqs = [r.seq for r in numbers.read(self.d, "fresh")]
        self.assertEqual(seqs, list(range(seqs[0], seqs[0] + len(seqs))))

    def test_a_plugin_that_does_not_start_goes_back_to_what_worked(self):
        before = self.rows("sink", "other")
        mark = self.d.mark()
        plugins = self.configure(lambda p: p["source"]["config"].update(label="no start"))
        began = time.monotonic()
        with self.assertRaises(numbers.daemon.Refused) as refused:
            self.d.ask("reload")
        result, = refused.exception.data["results"]
        self.assertRegex(result, "^source: running with the old configuration, the new one did not")
        self.d.wait_log("source: .*start failed", mark)
        self.d.wait_log("source: going back to the configuration that worked", mark)
        self.d.wait_state("source", "running")
        print(f"back to the old configuration after {(time.monotonic() - began) * 1e3:.0f} ms")
        numbers.wait_count(self.d, "sink", 100)
        self.assertEqual(self.rows("sink", "other"), before)
        # The file still asks for it, and can be put right.
        plugins["source"]["config"]["label"] = "good"
        self.d.configure(plugins)
        mark = self.d.mark()
        self.assertTrue(self.d.ask("reload")["changed"])
        self.d.wait_log("source: running", mark)
        numbers.wait_count(self.d, "sink", 100)
        self.everything_came("sink", "other")

    def test_settings_that_need_the_daemon_to_restart_say_so(self):
        before = self.rows()
        self.d.configure(self.plugins, bus={"ring": {"messages": 2048}}, log={"level": "debug"})
        answer = self.d.ask("reload")
        self.assertIn("data_dir and bus: taken at the next restart of the daemon", answer["plan"])
        self.assertIn("log: level or format", answer["plan"])
        self.assertEqual(self.rows(), before)

    def test_a_signal_during_a_reload_is_carried_out_after_it(self):
        """What was written since the one under way has read the file is not forgotten."""
        for i in range(5):
            mark = self.d.mark()
            self.configure(lambda p: p["sink"]["config"].update(work=f"{i + 1}us"))  # a restart
            os.kill(self.d.pid, signal.SIGHUP)
            # "reload: sink: restart" is told when it is over; until then the sink is not running.
            wait_for("reload under way", lambda: self.d.plugin("sink")["state"] != "running" or
                     self.d.find_log("sink: restart", mark))
            self.configure(lambda p: (p["sink"]["config"].update(work=f"{i + 1}us"),
                                      p["source"]["config"].update(rate=3001 + i)))
            os.kill(self.d.pid, signal.SIGHUP)
            self.d.wait_plugin("source", "told", lambda p, i=i: p["numbers"].get("rate") == 3001 + i)
            wait_for("the end of reloads", self.reloads)

    def test_a_storm_of_reloads_loses_nothing(self):
        """SIGHUP after SIGHUP, with a good and a broken file in turn."""
        before, good = self.rows(), self.text()
        for i in range(30):
            self.write(good if i % 2 else good[:len(good) // 2])
            os.kill(self.d.pid, signal.SIGHUP)
            numbers.wait_count(self.d, "sink", 20)
        self.d.wait_log("nothing was changed")
        # The last one may be under way still; it would start what everything_came() disables.
        wait_for("reload after the last one", self.reloads)
        self.assertEqual(self.rows(), before)
        self.everything_came("sink", "other")


if __name__ == "__main__":
    main()
