#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every route and every plugin over a database with values that have no business there (spoiled.py):
each question gets an answer that is JSON, or a client's error; nothing crashes, and packets are stored.

    http_spoiled.py [SEED ...]"""

import json
import os
import sys
import unittest

import daemon
import http_contract
from http_contract import PLUGINS, Routes
from spoiled import spoil

SEEDS = [int(s) for s in sys.argv[1:]] or [1, 2]
PACKET = "1500AABBCCDD"


class Spoiled(Routes):
    kind = "MESH"

    @classmethod
    def setUpClass(cls):
        filled = http_contract.fill

        def fill(d):
            filled(d)
            print(f"seed {cls.seed}: {spoil(f'{d.dir}/data/m.db', cls.seed)} values spoiled")

        http_contract.fill = fill
        cls.addClassCleanup(setattr, http_contract, "fill", filled)
        http_contract.DAEMONS["MESH"] = Started(http_contract.served("MESH"))
        super().setUpClass()

    def check_survives(self, path, operation, contract):
        for target, _ in self.targets(path, contract):
            answer = self.client.ask(target)
            if not (answer.status == 200 or 400 <= answer.status < 500):
                self.found.append(f"{target}: {answer.status} {answer.data[:160]!r}")
            elif answer.headers["content-type"].startswith("application/json"):
                try:
                    json.loads(answer.data.decode())
                except ValueError as error:
                    self.found.append(f"{target}: {error}: {answer.data[:160]!r}")

    def test_gets(self):
        self.run_all(lambda name: name.startswith("GET"),
                     lambda path, _, operation, contract: self.check_survives(path, operation, contract))

    def test_others(self):
        """A packet is decoded, stored and answered with its number."""
        answer = self.client.ask("/api/packets", "POST", body=json.dumps({"hex": PACKET}).encode())
        self.assertEqual((answer.status, json.loads(answer.data)["id"] is not None), (200, True),
                         f"{answer.data}\n{self.d.log()}")

    def test_zz_all_plugins_still_run(self):
        for row in self.d.ask("plugins")["items"]:
            self.assertEqual((row["state"], row["crashes"], row["restarts"], row["misbehaved"]),
                             ("running", 0, 0, 0), row)
            self.assertEqual(row["numbers"].get("unpublished", 0), 0, row)
        self.assertNotRegex(self.d.log(), "(?m)^[^ ]+ error ")
        self.assertEqual(self.d.stop(), 0)


class Started:
    """A daemon that is there already, where one is expected that will be."""

    def __init__(self, d):
        self.result = lambda: d


if __name__ == "__main__":
    if not all(os.path.exists(f"{daemon.BUILD}/plugins/{p}.so")
               for p in (*PLUGINS, "http", "sim", "storage")):
        sys.exit(77)
    for seed in SEEDS:
        globals()[f"Spoiled{seed}"] = type(f"Spoiled{seed}", (Spoiled, unittest.TestCase), {"seed": seed})
    sys.argv[1:] = []
    daemon.main()
