#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What analytics says over http of a mesh that lives meanwhile, after a restart, and without it."""

import time
import unittest
import urllib.parse

from daemon import SECONDS, all_stored
from http_client import ask, get_json, served, wait_for

SIM = {"nodes": 40, "observers": 8, "rate": 200, "spoiled": 0.05}
KINDS = {"rf", "topology", "channels", "distance", "hash-sizes", "hash-collisions",
         "subpaths", "relay-airtime-share", "roles", "damaged-copies"}


def plugins(**more):
    return {"storage": {}, "decode": {}, "neighbors": {"config": {"interval": "1s"}},
            "mbcap": {}, "analytics": {}, "sim": {"config": SIM}, **more}


def answer(d, path):
    """The answer as soon as there is one."""
    return wait_for(path, lambda: ask(d.port, path).status == 200 and get_json(d.port, path))


def first(d, path, is_it):
    return wait_for(path, lambda: is_it(value := answer(d, path)) and value, 4 * SECONDS)


class Living(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = served(plugins=plugins())

    @classmethod
    def tearDownClass(cls):
        cls.d.close()

    def test_every_route_answers_with_every_filter(self):
        for kind in sorted(KINDS):
            for query in ("", "?window=1h", "?region=BRU", "?region=nowhere", "?area=nowhere",
                          "?from=2020-01-01T00:00:00Z&to=x", "?window=%20&region=%3C&area=%3C"):
                answer(self.d, f"/api/analytics/{kind}{query}")

    def test_a_node_has_analytics_reach_and_a_clock(self):
        clocks = first(self.d, "/api/nodes/clock-skew", lambda v: len(v) > 3)
        self.assertIn("severity", clocks[0])
        self.assertNotIn("samples", clocks[0])
        key = clocks[0]["pubkey"]
        self.assertEqual(answer(self.d, f"/api/nodes/{key}/clock-skew")["pubkey"], key)
        v = first(self.d, f"/api/nodes/{key}/analytics",
                  lambda v: v["computedStats"]["totalPackets"] > 0)
        self.assertEqual(v["node"]["public_key"], key)
        self.assertEqual(v["clockSkew"]["pubkey"], key)
        self.assertEqual(v["timeRange"]["days"], 7)
        relay, reach = wait_for("a relay with reach", self.a_relay, 4 * SECONDS)
        self.assertIn("usefulness_grade", relay)
        self.assertEqual(reach["window"]["days"], 30)
        self.assertTrue(reach["reliable_tokens"])

    def a_relay(self):
        """One that both know. Reach counts only floods, by hops that nobody else's key begins with;
        relay counts are told of direct packets, too, and by who is whose neighbour."""
        for n in answer(self.d, "/api/nodes?limit=100")["nodes"]:
            if not n.get("relay_count_24h"):
                continue
            reach = answer(self.d, f"/api/nodes/{n['public_key']}/reach?days=999")
            if reach["importance"]["relay_observations"] > 0:
                return n, reach
        return None

    def test_an_observer_has_its_own(self):
        v = first(self.d, "/api/observers", lambda v: v["observers"])
        name = urllib.parse.quote(v["observers"][0]["id"])
        v = first(self.d, f"/api/observers/{name}/analytics", lambda v: v["recentPackets"])
        self.assertLessEqual(len(v["recentPackets"]), 20)
        self.assertGreater(sum(v["packetTypes"].values()), 0)
        self.assertEqual(answer(self.d, "/api/observers/nobody/analytics")["timeline"], [])
        answer(self.d, "/api/observers/clock-skew")

    def test_damaged_copies_are_found(self):
        v = first(self.d, "/api/analytics/damaged-copies?limit=3",
                  lambda v: v["summary"]["copies"] > 3)
        self.assertEqual(len(v["copies"]), 3)
        self.assertNotEqual(v["copies"][0]["hash"], v["copies"][0]["original"])

    def test_errors_are_those_of_corescope(self):
        for path, status, text in (
                ("/api/nodes/xyz/reach", 400, "invalid pubkey: expected 64 hex chars"),
                (f"/api/nodes/{'0' * 64}/reach", 404, "Not found"),
                (f"/api/nodes/{'0' * 64}/analytics", 404, "Not found"),
                (f"/api/nodes/{'0' * 64}/clock-skew", 404, "No clock skew data for this node"),
                ("/api/scope-stats?window=bad", 400, "window must be 1h, 24h, or 7d"),
                ("/api/rx-leaderboard", 404, "404 page not found"),
                ("/api/rx-coverage?bbox=1,2,3,4", 404, "404 page not found")):
            answer(self.d, "/api/analytics/roles")
            got = ask(self.d.port, path)
            self.assertEqual(got.status, status, path)
            self.assertIn(text.encode(), got.body)


class Alone(unittest.TestCase):
    def test_without_the_plugin_the_answer_is_to_ask_later(self):
        with served() as d:
            for path in ("/api/analytics/rf", "/api/nodes/clock-skew", "/api/scope-stats"):
                got = ask(d.port, path)
                self.assertEqual(got.status, 503)
                self.assertEqual(got.headers["retry-after"], "5")

    def test_coverage_is_there_if_it_is_wanted(self):
        with served(config={"pages": {"client_coverage": True}},
                    plugins=plugins(sim={"config": {**SIM, "phones": 8}})) as d:
            v = first(d, "/api/rx-leaderboard", lambda v: v["observers"])
            self.assertGreater(v["observers"][0]["score"], 0)
            first(d, "/api/rx-coverage?bbox=49,2,53,7&z=9", lambda v: v["features"])
            self.assertEqual(ask(d.port, "/api/rx-coverage?bbox=bad").status, 400)

    def test_after_a_restart_the_answers_are_the_same(self):
        paths = ("/api/analytics/roles", "/api/nodes/clock-skew", "/api/observers/clock-skew",
                 "/api/analytics/damaged-copies", "/api/analytics/hash-sizes")
        with served(plugins=plugins()) as d:
            first(d, "/api/analytics/damaged-copies", lambda v: v["summary"]["copies"] > 0)
            d.call("core/disable", {"name": "sim"})
            d.wait_state("sim", "disabled")
            wait_for("all of it stored", lambda: all_stored(d, "sim"), context=d.log)
            before = {}

            def settled():
                # The offsets of observers are looked at every ten seconds.
                now = {path: answer(d, path) for path in paths}
                if now != before.get("last"):
                    before.update(last=now, since=time.monotonic())
                return time.monotonic() - before["since"] > 12
            wait_for("the answers settle", settled)
            d.call("core/restart", {"name": "analytics"})

            def same():
                if any(ask(d.port, path).status != 200 for path in paths):
                    return False
                return {path: get_json(d.port, path) for path in paths} == before["last"]
            wait_for("the answers are the same again", same)


if __name__ == "__main__":
    unittest.main(verbosity=2)
