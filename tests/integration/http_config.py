#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Options of pages, the area of the mesh, what operators ask for, and CoreScope's pages on a listener
of their own."""

import json
import os
import sqlite3
import tempfile
import unittest

import daemon
from daemon import wait_for
from http_client import KEY, ask, get_json, served

PLUGINS = {"decode": {}, "storage": {}}
SQUARE = [[10, 10], [10, 20], [20, 20], [20, 10]]
HEADERS = {"X-API-Key": KEY}
NODES = [("aa" * 32, "inside", 15, 15), ("bb" * 32, "outside B", 50, 50),
         ("cc" * 32, "outside A", -50, 50), ("dd" * 32, "nowhere", None, None),
         ("ee" * 32, "zero", 0, 0)]
FILE = {"branding": {"siteName": "<b>Mesh</b>"}, "theme": {"accent": "#123456"},
        "typeColors": {"REQUEST": "#000001"}, "map": {"tiles": {"a": "b"}}, "cacheTTL": {"stats": 1},
        "apiKey": "nobody must see this"}
TILES = "https://tiles.example:8443/a/{z}/{x}/{y}.png"


def filled(config=None):
    """A daemon whose database has some nodes."""
    d = served(config, PLUGINS)
    try:
        wait_for("database", lambda: ask(d.port, "/api/healthz").status == 200, context=d.log)
        d.stop()
        db = sqlite3.connect(f"{d.dir}/data/meshkern.db")
        db.executemany("INSERT INTO nodes (public_key, name, role, lat, lon, last_seen, first_seen)"
                       " VALUES (?, ?, 'repeater', ?, ?, strftime('%Y-%m-%dT%H:%M:%SZ', 'now'),"
                       " '2026-01-01T00:00:00Z')", NODES)
        db.executemany("INSERT INTO dropped_packets (hash, reason, observer_id, node_pubkey,"
                       " dropped_at) VALUES (?, 'bad', ?, ?,"
                       " strftime('%Y-%m-%dT%H:%M:%SZ', 'now', ?))",
                       [("1" * 16, "O1", "aa" * 32, "-2 hours"),
                        ("2" * 16, "O2", "bb" * 32, "-1 hours")])
        db.commit()
        db.close()
        mark = d.mark()
        d.start()
        d.port = int(d.wait_log(r"plugin http: listening .* port=(\d+)", mark).group(1))
        wait_for("nodes", lambda: ask(d.port, "/api/stats").status == 200 and
                 get_json(d.port, "/api/stats")["totalNodes"] == len(NODES), context=d.log)
    except BaseException:
        d.close()
        raise
    return d


class Options(unittest.TestCase):
    def test_pages_are_told_what_is_configured(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(FILE, file)
            file.flush()
            config = {"pages": {"files": [file.name], "health": {"node_silent": "2h"},
                                "times": {"mode": "absolute"}, "max_hop_km": 12.5,
                                "disabled_tabs": ["x"]},
                      "map": {"center": "1.5,-2", "zoom": 3, "tiles": TILES},
                      "regions": [{"code": "SJC", "label": "San Jose"}],
                      "areas": [{"key": "B", "lat_min": 1, "lat_max": 2, "lon_min": 3, "lon_max": 4},
                                {"key": "A", "label": "First",
                                 "polygon": ["1,2", "3,4", "5,6"]}]}
            with served(config) as d:
                self.check(d.port)
                answer = ask(d.port, "/api/config/theme")
                again = ask(d.port, "/api/config/theme",
                            headers={"If-None-Match": answer.headers["etag"]})
                self.assertEqual(again.status, 304)
                d.configure({"http": {"config": {"listen": ["127.0.0.1:0"], "api_key": KEY,
                                                 "web": "none"}}})
                d.ask("reload")
                wait_for("the default", lambda: get_json(d.port, "/api/config/map")["zoom"] == 9)
                self.assertEqual(get_json(d.port, "/api/web/map"), {"tiles": None})
                policy = ask(d.port, "/api/web/map").headers["content-security-policy"]
                self.assertIn("img-src 'self' data: blob:;", policy)

    def check(self, port):
        client = get_json(port, "/api/config/client")
        self.assertEqual(client["healthThresholds"]["nodeSilentMs"], 7200000)
        self.assertEqual(client["timestamps"]["defaultMode"], "absolute")
        self.assertEqual((client["maxHopDist"], client["perfSlowMs"]), (12.5, None))
        self.assertEqual(client["map"], {"tiles": {"a": "b"}})
        self.assertEqual(client["customizer"], {"disabledTabs": ["x"]})
        theme_answer = ask(port, "/api/config/theme")
        self.assertNotIn(b"<b>", theme_answer.body)
        theme = json.loads(theme_answer.body)
        self.assertEqual(theme["branding"]["siteName"], "<b>Mesh</b>")
        self.assertEqual((theme["theme"]["accent"], theme["themeDark"]["accent"]),
                         ("#123456", "#4a9eff"))
        self.assertEqual((theme["typeColors"]["REQ"], theme["typeColors"]["ACK"]),
                         ("#000001", "#6b7280"))
        self.assertEqual(get_json(port, "/api/config/cache"), {"stats": 1})
        self.assertEqual(get_json(port, "/api/config/map"), {"center": [1.5, -2], "zoom": 3})
        self.assertEqual(get_json(port, "/api/web/map"),
                         {"tiles": {"url": TILES, "attribution": "", "max_zoom": 19}})
        self.assertIn("img-src 'self' data: blob: https://tiles.example:8443;",
                      theme_answer.headers["content-security-policy"])
        self.assertEqual(get_json(port, "/api/config/regions"), {"SJC": "San Jose"})
        self.assertEqual(get_json(port, "/api/config/areas"), [{"key": "A", "label": "First"}])
        self.assertEqual([a["key"] for a in get_json(port, "/api/config/areas/polygons")],
                         ["A", "B"])

    def test_options_that_make_no_sense_are_refused(self):
        for config, what in (({"regions": [{"code": "a b", "label": "x"}]}, "regions[0].code"),
                             ({"regions": [{"code": "A", "label": "<"}]}, "regions[0].label"),
                             ({"areas": [{"key": "a", "lat_min": 1}]}, "all four sides"),
                             ({"areas": [{"key": "a", "polygon": ["1,2"]}]}, "three corners"),
                             ({"map": {"center": "here"}}, "map.center"),
                             ({"map": {"tiles": "https://a/{z}/{x}/{y}; script-src *"}}, "map.tiles"),
                             ({"map": {"tiles": "https://{s}.a/{z}/{x}/{y}.png"}}, "map.tiles"),
                             ({"map": {"tiles": "https://a/{z}/{x}.png"}}, "map.tiles")):
            with served() as d:
                d.configure({"http": {"config": config}})
                status, text = d.check()
                self.assertEqual(status, 2, text)
                self.assertIn(what, text)

    def test_known_channels_come_from_a_file(self):
        entries = [{"channel": "#a", "region": "us", "evil": 1}, {"channel": "#b", "region": "de"},
                   {"region": "us"}]
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump({"source": "here", "entries": entries}, file)
            file.flush()
            with served({"pages": {"known_channels": file.name}}) as d:
                self.assertEqual(get_json(d.port, "/api/known-channels?region=US")["entries"],
                                 [{"channel": "#a", "region": "us"}])
                self.assertEqual(len(get_json(d.port, "/api/known-channels")["entries"]), 2)


class Operators(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = filled({"budget": {"per_second": 1000, "burst": 1000}})
        cls.addClassCleanup(cls.d.close)

    def put(self, body, status=200):
        answer = ask(self.d.port, "/api/config/geo-filter", "PUT", HEADERS, body)
        self.assertEqual(answer.status, status, answer)
        return json.loads(answer.body)

    def prune(self, more="", body=None, status=200):
        answer = ask(self.d.port, f"/api/admin/prune-geo-filter{more}", "POST", HEADERS, body)
        self.assertEqual(answer.status, status, answer)
        return json.loads(answer.body)

    def test_1_an_area_is_set_and_stays(self):
        self.assertEqual(ask(self.d.port, "/api/config/geo-filter", "PUT", None, {}).status, 401)
        for body, text in ((b"{", "invalid JSON"), ({"polygon": 1}, "invalid JSON"),
                           ({"polygon": SQUARE[:2]}, "at least 3 points"),
                           ({"polygon": SQUARE * 251}, "at most 1000 points"),
                           ({"polygon": [[91, 0]] * 3}, "out of range"),
                           ({"polygon": [[None, 0]] * 3}, "out of range"),
                           ({"polygon": SQUARE, "bufferKm": -1}, "finite number"),
                           ({"polygon": SQUARE, "bufferKm": 20001}, "finite number")):
            self.assertIn(text, self.put(body, 400)["error"])
        self.assertEqual(self.prune(status=400)["error"], "no geo_filter configured")
        self.assertEqual(self.put({"polygon": SQUARE, "bufferKm": 1.5}),
                         {"polygon": SQUARE, "bufferKm": 1.5})
        wait_for("the area", lambda: get_json(self.d.port, "/api/config/geo-filter") ==
                 {"polygon": SQUARE, "bufferKm": 1.5, "writeEnabled": True})
        self.d.ask("restart", name="decode")
        self.d.wait_log("the area is the one that was set")
        self.assertEqual(get_json(self.d.port, "/api/config/geo-filter")["polygon"], SQUARE)

    def test_2_nodes_outside_of_it_are_told_and_deleted(self):
        found = self.prune()
        self.assertEqual((found["dryRun"], found["count"]), (True, 2))
        self.assertEqual([n["name"] for n in found["nodes"]], ["outside A", "outside B"])
        self.prune("?confirm=true", None, 400)
        self.prune("?confirm=true", {"pubkeys": []}, 400)
        done = self.prune("?confirm=true", {"pubkeys": ["bb" * 32, "aa" * 32, "no"]}, 202)
        self.assertEqual((done["count"], done["deleted"], done["accepted"]), (1, 1, True))
        status = ask(self.d.port, done["statusUrl"], headers=HEADERS)
        self.assertEqual((json.loads(status.body)["status"], json.loads(status.body)["deleted"]),
                         ("done", 1))
        for more, code in (("", 400), ("?id=xyz", 400), ("?id=1234", 404)):
            answer = ask(self.d.port, f"/api/admin/prune-geo-filter/status{more}", headers=HEADERS)
            self.assertEqual(answer.status, code)
        wait_for("it to be gone", lambda: get_json(self.d.port, "/api/stats")["totalNodes"] ==
                 len(NODES) - 1)
        self.assertEqual(self.prune()["count"], 1)

    def test_3_a_copy_of_the_database_is_one(self):
        self.assertEqual(ask(self.d.port, "/api/backup").status, 401)
        answer = ask(self.d.port, "/api/backup", headers=HEADERS)
        self.assertEqual(answer.status, 200)
        self.assertRegex(answer.headers["content-disposition"], r'filename="corescope-backup-\d+\.db"')
        with tempfile.NamedTemporaryFile() as file:
            file.write(answer.body)
            file.flush()
            db = sqlite3.connect(file.name)
            self.assertEqual(db.execute("PRAGMA integrity_check").fetchone(), ("ok",))
            self.assertEqual(db.execute("SELECT count(*) FROM nodes").fetchone(), (len(NODES) - 1,))
            db.close()
        run = f"{self.d.dir}/data/run/plugins/http"
        self.assertEqual(os.listdir(run) if os.path.isdir(run) else [], [])

    def test_4_what_was_dropped_is_told(self):
        self.assertEqual(ask(self.d.port, "/api/dropped-packets").status, 401)
        rows = json.loads(ask(self.d.port, "/api/dropped-packets", headers=HEADERS).body)
        self.assertEqual([r["hash"][0] for r in rows], ["2", "1"])
        for query, count in (("limit=1", 1), ("observer=O1", 1), (f"pubkey={'bb' * 32}", 1),
                             ("observer=' OR 1", 0)):
            rows = ask(self.d.port, "/api/dropped-packets?" + query.replace(" ", "%20"),
                       headers=HEADERS)
            self.assertEqual(len(json.loads(rows.body)), count, query)

    def test_5_it_tells_how_it_performs(self):
        perf = get_json(self.d.port, "/api/perf")
        self.assertGreater(perf["endpoints"]["/api/stats"]["count"], 0)
        self.assertIn("PUT /api/config/geo-filter", perf["endpoints"])
        self.assertGreater(perf["sqlite"]["dbSizeMB"], 0)
        self.assertEqual(ask(self.d.port, "/api/perf/reset", "POST").status, 401)
        ask(self.d.port, "/api/perf/reset", "POST", HEADERS)
        self.assertLess(get_json(self.d.port, "/api/perf")["totalRequests"], 3)
        self.assertEqual(get_json(self.d.port, "/api/perf/sqlite")["pageSize"], 4096)
        self.assertGreaterEqual(get_json(self.d.port, "/api/perf/io")["syscallsRead"], 0)

    def test_6_the_overview_is_short_and_complete(self):
        answer = ask(self.d.port, f"/api/overview?pins={'aa' * 32},{'ff' * 32},x")
        self.assertLess(len(answer.body), 20480)
        self.assertIn("etag", answer.headers)
        told = json.loads(answer.body)
        self.assertEqual([p["name"] for p in told["pins"]], ["inside"])
        self.assertEqual(len(told["flow"]["sparkline"]), 60)
        self.assertEqual(told["totals"]["nodes"], len(NODES) - 1)
        self.assertEqual(told["alerts"], [])

    def test_7_every_route_is_described(self):
        spec = get_json(self.d.port, "/api/spec")
        page = ask(self.d.port, "/api/docs").body.decode()
        self.assertNotIn("<script", page)
        self.assertNotIn("http://", page)
        for route in get_json(self.d.port, "/api/routes")["routes"]:
            if route["path"].startswith("/api/"):
                self.assertIn(route["method"].lower(), spec["paths"][route["path"]], route)
                self.assertIn(f"<code>{route['path']}</code>", page)
        self.assertEqual(ask(self.d.port, "/api/spec").headers["access-control-allow-origin"], "*")


class Compatible(unittest.TestCase):
    """CoreScope's pages on a listener of their own."""

    def test_pages_as_corescope_serves_them(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in (("index.html", "a __BUST__ b __BUST__"), ("app.js", "x = 1"),
                               ("icon.svg", "<svg/>"), (".secret", "no")):
                with open(f"{folder}/{name}", "w", encoding="ascii") as f:
                    f.write(text)
            os.mkdir(f"{folder}/sub")
            os.symlink("/etc/passwd", f"{folder}/link")
            with served({"compat": {"listen": ["127.0.0.1:0"], "static": folder}}) as d:
                port = int(d.wait_log(r"listening .* port=(\d+) tls=0 compat=1").group(1))
                self.pages(port)
                # The main listener knows nothing of them.
                self.assertNotEqual(ask(d.port, "/app.js").body, b"x = 1")

    def pages(self, port):
        index = ask(port, "/")
        self.assertRegex(index.body, rb"^a \d{10} b \d{10}$")
        self.assertEqual(index.headers["cache-control"], "no-cache, no-store, must-revalidate")
        for path in ("/index.html", "/nodes/abc", "/sub", "/sub/", "/none.js", "/.secret", "/link"):
            self.assertEqual(ask(port, path).body, index.body, path)
        for path, kind in (("/app.js", "text/javascript; charset=utf-8"),
                           ("/icon.svg", "image/svg+xml")):
            answer = ask(port, path)
            self.assertEqual((answer.status, answer.headers["content-type"]), (200, kind))
        for path in ("/%2e%2e/etc/passwd", "/..%2fx", "/a%5cb", "/a\\b"):
            self.assertEqual(ask(port, path).status, 400, path)
        self.assertEqual(ask(port, "/api/none").status, 404)
        self.assertEqual(get_json(port, "/api/config/map")["zoom"], 9)
        policy = ask(port, "/").headers["content-security-policy"]
        self.assertIn("https://unpkg.com", policy)
        self.assertIn("object-src 'none'", policy)


if __name__ == "__main__":
    daemon.main()
