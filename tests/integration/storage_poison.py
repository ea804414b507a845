#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A message that crashes the decoder each time never becomes rows; what comes after it is not kept
in the outbox for that."""

import os
import unittest

import daemon
from daemon import Daemon, test_plugin, wait_for

AT = 40


class Poison(unittest.TestCase):
    def test_a_message_that_decode_cannot_survive_does_not_stop_the_mark(self):
        decode = {"path": test_plugin("bad_decode"), "plugin": "bad-decode",
                  "isolation": "process", "publish": ["packet/", "client/"], "config": {"at": AT}}
        storage = {"grant": ["storage.write", "storage.read"]}
        with Daemon({"sim": {"config": {"rate": 100}}, "decode": decode, "storage": storage}) as d:
            with d.tail("storage/committed") as tail:
                given_up, = wait_for("poison", lambda: d.replay("core/poison"), context=d.log)
                poison = given_up.body
                number = poison["origin_seq"]
                seen = tail.until(lambda m: any(i["source"] == "sim" and i["seq"] > number + 100
                                                for i in m.body["items"]))
            self.assertEqual((poison["plugin"], poison["origin"], poison["topic"], poison["seq"]),
                             ("decode", "sim", "rx/raw", AT))
            # Until the core skips it the mark waits below it; how far, depends on what the dying
            # decoder could still send.
            early = [i["seq"] for m in seen if m.time_us < given_up.time_us for i in m.body["items"]]
            self.assertLess(max(early, default=0), number)
            d.wait_log(f"is given up, because it crashes decode  source=sim number={number}$")
            d.wait_plugin("storage", "counting it",
                          lambda p: p["numbers"].get("numbers_poisoned") == 1)
            self.assertEqual(d.plugin("storage")["numbers"].get("numbers_lost", 0), 0)
            self.assertEqual(d.plugin("decode")["restarts"], 2)


if __name__ == "__main__":
    if not os.path.exists(f"{daemon.BUILD}/plugins/storage.so"):
        raise SystemExit(77)
    daemon.main()
