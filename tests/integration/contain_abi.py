#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Plugins that cannot be loaded, or may not: meshkernd --check says where the configuration names
them and why they are refused, and exits with 2; a daemon that runs refuses them by the same words."""

import os
import unittest

from contain import Company, bad
from daemon import SANITIZED, Daemon, Refused, main, test_plugin

CRASHED = "it was refused: " if SANITIZED else "crashed while "
REFUSED = {
    "symbol": r"no symbol mk_plugin_v1.*another major version",
    "major": "made for interface 2.0, this is 1",
    "size": "the descriptor is too small",
    "minor": "needs interface 1.9999, this is 1",
    "constructor": f"{CRASHED}.*",
    "hang": "did not load within",
    "exit": "imports exit, which no plugin may use",
}


class Abi(unittest.TestCase):
    def refused(self, entry, text):
        with Daemon({"pulse": {}, "bad-one": entry}, start=False) as d:
            status, output = d.check()
            self.assertEqual(status, 2, output)
            line, = output.splitlines()
            self.assertRegex(line, rf"^{d.file}:\d+:\d+: plugins\.bad-one.*({text})")
            number, column = map(int, line[len(d.file) + 1:].split(":")[:2])
            with open(d.file, encoding="utf-8") as f:
                self.assertIn('"bad-one"', f.read().splitlines()[number - 1])
            self.assertGreater(column, 1)

    def test_another_major_version_by_symbol(self):
        self.refused(bad("symbol"), REFUSED["symbol"])

    def test_another_major_version_by_descriptor(self):
        self.refused(bad("major"), REFUSED["major"])

    def test_a_descriptor_that_is_too_small(self):
        self.refused(bad("size"), REFUSED["size"])

    def test_a_plugin_for_a_newer_host(self):
        self.refused(bad("minor"), REFUSED["minor"])

    def test_a_crash_while_it_is_loaded(self):
        self.refused(bad("constructor"), REFUSED["constructor"])

    def test_a_load_that_does_not_end(self):
        self.refused(bad("hang"), REFUSED["hang"])

    def test_what_it_prints_while_it_is_loaded_is_made_readable(self):
        self.refused(bad("noise"), r"look \\x1b\[2J\\xff at me$")

    def test_a_check_that_crashes(self):
        self.refused(bad("check", where="crash"), f"{CRASHED}.*")

    def test_a_check_that_does_not_end(self):
        self.refused(bad("check", where="hang"), "did not check its options within")

    def test_a_check_that_calls_more_than_the_options(self):
        self.refused(bad("check", where="host"), f"{CRASHED}.*")

    def test_a_check_that_says_what_cannot_be_read(self):
        self.refused(bad("check", where="text"), r"config: look \\x1b\[2J(\\xff)+$")

    def test_exit_is_refused_before_anything_runs(self):
        self.refused(bad("exit"), REFUSED["exit"])

    def test_a_text_file(self):
        with Daemon({}, start=False) as d:
            path = f"{d.dir}/text.so"
            with open(path, "w", encoding="utf-8") as f:
                f.write("This is not a plugin.\n")
            self.refused({"path": path}, "not an ELF file")

    def test_a_file_that_ends_too_early(self):
        with open(test_plugin("bad_crash"), "rb") as f:
            whole = f.read()
        with Daemon({}, start=False) as d:
            path = f"{d.dir}/cut.so"
            with open(path, "wb") as f:
                f.write(whole[:len(whole) // 4])
            self.refused({"path": path}, "malformed shared object")

    def test_a_fifo_and_a_folder(self):
        with Daemon({}, start=False) as d:
            os.mkfifo(f"{d.dir}/fifo.so")
            os.mkdir(f"{d.dir}/folder.so")
            for name in "fifo", "folder":
                entry = {"pulse": {}, "bad-one": {"path": f"{d.dir}/{name}.so"}}
                d.configure(entry)
                status, output = d.check()
                self.assertEqual(status, 2)
                self.assertRegex(output, rf"^{d.file}:\d+:\d+: plugins\.bad-one.*there is no file")

    def test_all_problems_are_named_at_once(self):
        with Daemon({f"bad-{kind}": bad(kind) for kind in REFUSED}, start=False) as d:
            status, output = d.check()
            self.assertEqual(status, 2)
            for kind, text in REFUSED.items():
                self.assertRegex(output, rf"{d.file}:\d+:\d+: plugins\.bad-{kind}: .*({text})")

    def test_a_reload_with_one_changes_nothing(self):
        with Company({}) as d:
            d.wait_state("pulse", "running")
            d.configure({"pulse": {}, "noise": bad("noise"), "minor": bad("minor")})
            with self.assertRaises(Refused) as refused:
                d.ask("reload", dry_run=False)
            problems = "\n".join(refused.exception.data["problems"])
            self.assertRegex(problems, rf"{d.file}:\d+:\d+: plugins.noise: .*look \\x1b\[2J\\xff")
            self.assertRegex(problems, rf"{d.file}:\d+:\d+: plugins.minor: .*needs interface 1.9999")
            self.assertEqual(d.plugin("tally")["state"], "running")
            d.lost_nothing(self)

    def test_a_daemon_that_runs_refuses_them_and_goes_on(self):
        disabled = {f"bad-{kind}": bad(kind, more={"enabled": False}) for kind in REFUSED}
        with Company(disabled) as d:
            d.wait_state("pulse", "running")
            for kind, text in REFUSED.items():
                with self.assertRaisesRegex(Refused, text):
                    d.ask("enable", name=f"bad-{kind}")
                self.assertEqual(d.plugin(f"bad-{kind}")["state"], "disabled")
            d.lost_nothing(self)
            self.assertEqual(d.stop(), 0)


if __name__ == "__main__":
    main()
