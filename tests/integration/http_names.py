#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""HTML and script in everything that comes over the air or from a broker: whatever route tells of it,
it is inert."""

import json
import os
import re
import sqlite3
import unittest

import daemon
from daemon import wait_for
from http_client import KEY, ask, get_json, served

SCRIPT = "<script>alert(1)</script>"
IMAGE = "\"'><img src=x onerror=alert(1)>&`\u2028"
PLUGINS = ("decode", "storage", "neighbors", "mbcap", "analytics")
NODE, OBSERVER = "ab" * 32, "AB" * 32
PATHS = {"name": "http", "pubkey": NODE, "pubkey_or_name": NODE, "id": "1", "hash": "#" + SCRIPT,
         "prefix": "ab"}


def fill(path):
    db = sqlite3.connect(path)
    now = "strftime('%Y-%m-%dT%H:%M:%SZ', 'now')"
    db.execute(f"INSERT INTO nodes (public_key, name, role, lat, lon, last_seen, first_seen,"
               f" default_scope) VALUES (?, ?, ?, 1, 1, {now}, {now}, ?)",
               (NODE, SCRIPT, "repeater", IMAGE))
    db.execute(f"INSERT INTO nodes (public_key, name, role, last_seen, first_seen)"
               f" VALUES (?, ?, ?, {now}, {now})", ("cd" * 32, IMAGE, SCRIPT))
    db.execute(f"INSERT INTO observers (id, name, iata, model, firmware, radio, last_seen,"
               f" first_seen) VALUES (?, ?, ?, ?, ?, ?, {now}, {now})",
               (OBSERVER, IMAGE, SCRIPT, SCRIPT, IMAGE, SCRIPT))
    text = json.dumps({"type": "CHAN", "channel": "#" + SCRIPT, "text": IMAGE, "sender": SCRIPT})
    db.execute(f"INSERT INTO transmissions (id, raw_hex, hash, first_seen, route_type, payload_type,"
               f" decoded_json, channel_hash, scope_name, last_seen)"
               f" VALUES (1, '1500C35A3E', ?, {now}, 1, 5, ?, ?, ?, {now})",
               ("a" * 16, text, "#" + SCRIPT, IMAGE))
    db.execute("INSERT INTO observations (transmission_id, observer_idx, direction, path_json,"
               " timestamp) VALUES (1, (SELECT rowid FROM observers), ?, '[\"AB\"]',"
               " strftime('%s', 'now'))", (SCRIPT,))
    db.execute(f"INSERT INTO dropped_packets (hash, reason, observer_id, observer_name, node_name,"
               f" dropped_at) VALUES (?, ?, ?, ?, ?, {now})", (SCRIPT,) * 4 + (IMAGE,))
    db.commit()
    db.close()


class Names(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        plugins = {p: {} for p in PLUGINS if p in daemon_plugins()}
        plugins["storage"] = {"config": {"retention": {"nodes": 0, "observers": 0}}}
        cls.d = served({"budget": {"per_second": 100000, "burst": 100000}}, plugins)
        cls.addClassCleanup(cls.d.close)
        wait_for("database", lambda: ask(cls.d.port, "/api/healthz").status == 200)
        cls.d.stop()
        fill(f"{cls.d.dir}/data/meshkern.db")
        mark = cls.d.mark()
        cls.d.start()
        cls.d.port = int(cls.d.wait_log(r"plugin http: listening .* port=(\d+)", mark).group(1))
        wait_for("node", cls.has_nodes, context=cls.d.log)

    @classmethod
    def has_nodes(cls):
        try:
            return get_json(cls.d.port, "/api/stats")["totalNodes"] == 2
        except (AssertionError, OSError):
            return False

    def inert(self, answer, what):
        self.assertIsNotNone(answer, f"{what}\n{self.d.log()}")
        self.assertEqual(answer.headers["x-content-type-options"], "nosniff", what)
        policy = answer.headers["content-security-policy"]
        self.assertNotIn("unsafe", policy, what)
        self.assertIn("object-src 'none'", policy, what)
        kind = answer.headers.get("content-type", "")
        if kind.startswith("text/html"):
            self.assertNotIn(b"alert(1)", answer.body, what)
        elif kind.startswith("application/json"):
            self.assertIsNone(re.search(rb"[<>&]|\xe2\x80[\xa8\xa9]", answer.body), what)
            json.loads(answer.body)
        else:
            self.assertIn(kind.split(";")[0], ("text/plain", "application/octet-stream", "text/css",
                                               "text/javascript", "application/vnd.meshkern.set"),
                          what)

    def test_no_route_tells_of_it_as_html(self):
        seen = set()
        for route in get_json(self.d.port, "/api/routes")["routes"]:
            if route["method"] != "GET" or route["path"] in ("/start.js", "/start.css"):
                continue
            target = re.sub(r"\{(\w+)\}", lambda m: PATHS.get(m.group(1), "1")
                            .replace("#", "%23").replace("<", "%3C").replace(">", "%3E")
                            .replace("/", "%2F"), route["path"])
            answer = ask(self.d.port, target, headers={"X-API-Key": KEY})
            self.inert(answer, target)
            if b"alert(1)" in answer.body:
                seen.add(route["path"])
        # It is really there, so that this looks at something.
        for path in ("/api/nodes", "/api/observers", "/api/dropped-packets"):
            self.assertIn(path, seen)

    def test_what_was_asked_for_is_not_repeated(self):
        for target in ("/api/%3Cscript%3E", "/%3Cscript%3E", "/api/nodes/%3Cscript%3E",
                       "/api/packets/%3Cscript%3E", "/api/observers/%3Cscript%3E",
                       "/api/nodes/resolve?prefix=%3Cscript%3E", "/api/nodes?region=%3Cscript%3E",
                       "/api/observers/x/metrics?resolution=%3Cscript%3E",
                       "/api/observers/metrics/summary?window=%3Cscript%3E"):
            answer = ask(self.d.port, target)
            self.assertNotIn(b"<script", answer.body, target)
            self.assertEqual(answer.headers["x-content-type-options"], "nosniff")

    def test_regions_that_are_no_codes_are_not_offered(self):
        self.assertEqual(get_json(self.d.port, "/api/config/regions"), {})


def daemon_plugins():
    return {f[:-3] for f in os.listdir(f"{daemon.BUILD}/plugins") if f.endswith(".so")}


if __name__ == "__main__":
    daemon.main()
