#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the http plugin says of nodes, observers, channels and links, from a database made here."""

import json
import os
import sqlite3
import time
import unittest
import urllib.parse

import daemon
from http_client import KEY, ask, get_json, served, wait_for

NOW = int(time.time())
HOSTILE = "<script>alert(\"1\")</script>'&`\u2028"
KEYS = {
    "alpha": "aa11" + "0" * 60, "beta": "bb22" + "0" * 60, "gamma": "cc33" + "0" * 60,
    "twin1": "abcdef12" + "1" * 56, "twin2": "abcdef12" + "2" * 56, "hidden": "dd44" + "0" * 60,
    "blocked": "ee55" + "0" * 60, "mobile": "ff66" + "0" * 60,
}

SCHEMA = """
CREATE TABLE nodes (public_key TEXT PRIMARY KEY, name TEXT, role TEXT, lat REAL, lon REAL,
    last_seen TEXT, first_seen TEXT, advert_count INTEGER DEFAULT 0);
CREATE TABLE observers (id TEXT PRIMARY KEY, name TEXT, iata TEXT, last_seen TEXT,
    first_seen TEXT, packet_count INTEGER DEFAULT 0, model TEXT, firmware TEXT,
    client_version TEXT, radio TEXT, battery_mv INTEGER, uptime_secs INTEGER, noise_floor REAL);
CREATE TABLE transmissions (id INTEGER PRIMARY KEY AUTOINCREMENT, raw_hex TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE, first_seen TEXT NOT NULL, route_type INTEGER,
    payload_type INTEGER, payload_version INTEGER, decoded_json TEXT,
    created_at TEXT DEFAULT (datetime('now')));
CREATE TABLE observations (id INTEGER PRIMARY KEY AUTOINCREMENT,
    transmission_id INTEGER NOT NULL REFERENCES transmissions(id), observer_idx INTEGER,
    direction TEXT, snr REAL, rssi REAL, score INTEGER, path_json TEXT,
    timestamp INTEGER NOT NULL);
CREATE TABLE observer_metrics (observer_id TEXT NOT NULL, timestamp TEXT NOT NULL,
    noise_floor REAL, tx_air_secs INTEGER, rx_air_secs INTEGER, recv_errors INTEGER,
    battery_mv INTEGER, packets_sent INTEGER, packets_recv INTEGER,
    PRIMARY KEY (observer_id, timestamp));
"""


def stamp(ago):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW - ago))


def add_packet(db, raw, kind, obj, ago, seen):
    """`seen`: (observer's row, path, snr, seconds ago) of each observation."""
    cursor = db.execute("INSERT INTO transmissions (raw_hex, hash, first_seen, route_type, "
                        "payload_type, payload_version, decoded_json) VALUES (?, ?, ?, 1, ?, 0, ?)",
                        (raw, f"{abs(hash(raw)):016x}"[:16], stamp(ago), kind, json.dumps(obj)))
    for observer, path, snr, at in seen:
        db.execute("INSERT INTO observations (transmission_id, observer_idx, direction, snr, rssi, "
                   "path_json, timestamp) VALUES (?, ?, 'rx', ?, -90, ?, ?)",
                   (cursor.lastrowid, observer, snr, json.dumps(path, separators=(",", ":")), NOW - at))


def add_people(db):
    for i, (name, role, lat, lon, ago, count) in enumerate([
            ("alpha", "repeater", 50, 4, 60, 5), ("beta", "repeater", 50.1, 4.1, 120, 9),
            ("gamma", "room", None, None, 90000, 1), ("twin1", "repeater", 0, 0, 4000, 0),
            ("twin2", "repeater", 10, 10, 4000, 0), ("hidden", "repeater", 50, 4, 10, 3),
            ("blocked", "repeater", 50, 4, 11, 3), ("mobile", "companion", 50.05, 4.05, 5, 2)]):
        shown = {"alpha": "Alpha 100%", "beta": HOSTILE, "hidden": "secret one"}.get(name, name)
        db.execute("INSERT INTO nodes VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                   (KEYS[name], shown, role, lat, lon, stamp(ago), stamp(200000 - i), count))
    for name, shown, region in (("alpha", "Watcher <b>", "BRU"), ("beta", "Other", "ant "),
                                ("stray", HOSTILE, "<i>")):
        key = KEYS.get(name, "stray-1").upper()
        db.execute("INSERT INTO observers (id, name, iata, last_seen, first_seen, packet_count) "
                   "VALUES (?, ?, ?, ?, ?, 7)", (key, shown, region, stamp(30), stamp(9000)))


def add_packets(db):
    for i in range(25):
        raw = f"11{'01AA' if i % 2 else '00'}{KEYS['mobile'].upper()}{i:08X}" + "5A" * 70
        add_packet(db, raw, 4, {"type": "ADVERT", "pubKey": KEYS["mobile"], "name": "mobile"},
                   1000 - i, [(1, ["AA"] if i % 2 else [], 5.0 + i % 2, 1000 - i),
                              (2, ["AA", "BB"] if i % 2 else [], -3.0, 900 - i)])
    for i in range(6):
        text = {"type": "CHAN", "channel": "#test", "sender": HOSTILE,
                "text": f"{HOSTILE}: hello <b>{i}</b>", "sender_timestamp": 1700000000 + i}
        add_packet(db, f"150099{i:04X}" + "AB" * 20, 5, text, 600 - i,
                   [(2 - i % 2, ["BB", "AA"], 1.5, 500 - i)])
    add_packet(db, "15003A12345678" + "CD" * 16, 5,
               {"type": "GRP_TXT", "channelHash": 58, "channelHashHex": "3A",
                "decryptionStatus": "no_key", "mac": "1234", "encryptedData": "cd"}, 700,
               [(1, [], None, 700)])


def add_metrics(db):
    """Every 5 minutes: 30 s of sending; then a gap, then a restart."""
    base = (NOW - 7200) // 300 * 300
    rows = [(0, -110, 100, 10, 0, 3400, 100), (300, -108, 130, 25, 10, 3299, 190),
            (600, None, 160, 40, 20, None, 280), (1800, -100, 170, 50, 30, 3000, 300),
            (2100, -90, 5, 1, 0, 2999, 4)]
    for name, first in (("alpha", 0), ("beta", -20)):
        for at, noise, tx, rx, errors, battery, good in rows:
            db.execute("INSERT INTO observer_metrics VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?)",
                       (KEYS[name].upper(),
                        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(base + at)),
                        noise and noise + first, tx, rx, errors, battery, good))
    for at, tx in ((NOW - 300, 100), (NOW + 3600, 5)):  # of the nearest interval, which may lie ahead
        db.execute("INSERT INTO observer_metrics VALUES ('ahead', ?, -100, ?, 1, 0, 3500, 0, 1)",
                   (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)), tx))
    return base


def resolved(port):
    """The model was filled again when the database had all hops, and will not be once more."""
    answers = [ask(port, target) for target in
               ("/api/jobs", "/api/healthz", f"/api/nodes/{KEYS['alpha']}/health")]
    if any(a.status != 200 for a in answers):
        return False
    jobs, state, health = (json.loads(a.body) for a in answers)
    return all(j["status"] == "done" for j in jobs["items"]) and state["warm"] and \
        health["stats"]["totalPackets"] == 18


def filled():
    """A daemon whose database was there before."""
    options = {"listen": ["127.0.0.1:0"], "api_key": KEY, "web": "none",
               "node_blacklist": [KEYS["blocked"].upper()], "hidden_names": ["secret"],
               "areas": [{"key": "HERE", "label": "here", "lat_min": 49, "lat_max": 51,
                          "lon_min": 3, "lon_max": 5},
                         {"key": "SEA", "label": "sea", "lat_min": -1, "lat_max": 1,
                          "lon_min": -1, "lon_max": 1}],
               "budget": {"per_second": 1000000, "burst": 1000000}}
    d = daemon.Daemon({"http": {"config": options},
                       "storage": {"config": {"database": "m.db"}}, "backfill": {}}, start=False)
    try:
        os.makedirs(f"{d.dir}/data", exist_ok=True)
        db = sqlite3.connect(f"{d.dir}/data/m.db")
        db.executescript(SCHEMA)
        add_people(db)
        add_packets(db)
        d.base = add_metrics(db)
        db.commit()
        db.close()
        d.start()
        d.port = int(d.wait_log(r"plugin http: listening .* port=(\d+)").group(1))
        for job in ("mk_rehash_v1", "mk_advert_count_v1", "mk_resolved_path_v1"):
            d.wait_log(f"backfill {job}: done")
        wait_for("hops that are resolved", lambda: resolved(d.port), context=d.log)
    except BaseException:
        d.close()
        raise
    return d


class Filled(unittest.TestCase):
    d = None

    @classmethod
    def setUpClass(cls):
        if Filled.d is None:
            Filled.d = filled()
            unittest.addModuleCleanup(Filled.d.close)

    def get(self, target, status=200, **more):
        answer = ask(self.d.port, target, **more)
        self.assertEqual(answer.status, status, (target, answer))
        return json.loads(answer.body)

    def names(self, target):
        return [n["name"] for n in self.get(target)["nodes"]]


class Nodes(Filled):
    def test_the_list_is_the_newest_first_and_without_the_hidden(self):
        answer = self.get("/api/nodes")
        self.assertEqual([n["public_key"] for n in answer["nodes"]],
                         [KEYS[n] for n in ("mobile", "alpha", "beta", "twin1", "twin2", "gamma")])
        self.assertEqual(answer["total"], 6)
        self.assertEqual(answer["counts"],
                         {"repeaters": 4, "rooms": 1, "companions": 1, "sensors": 0})
        gamma = answer["nodes"][-1]
        self.assertEqual((gamma["lat"], gamma["battery_mv"], gamma["default_scope"]),
                         (None, None, None))
        self.assertEqual(gamma["last_heard"], gamma["last_seen"])

    def test_pages_are_full_although_nodes_are_hidden(self):
        pages = [self.names(f"/api/nodes?limit=2&offset={i}") for i in (0, 2, 4, 6)]
        self.assertEqual([len(p) for p in pages], [2, 2, 2, 0])
        self.assertEqual(sum(pages, []), self.names("/api/nodes"))
        self.assertEqual(self.get("/api/nodes?limit=1&area=HERE")["total"], 3)

    def test_filters_of_the_list(self):
        for query, found in {
                "role=room": ["gamma"], "role=none": [], "search=ALPHA": ["Alpha 100%"],
                "search=%25": ["Alpha 100%"], "search=_": [], "lastHeard=1h":
                ["mobile", "Alpha 100%", HOSTILE], "lastHeard=24h&role=repeater&limit=2":
                ["Alpha 100%", HOSTILE], "sortBy=packetCount&limit=2": ["mobile", HOSTILE],
                "sortBy=name&limit=2": [HOSTILE, "Alpha 100%"], "area=SEA": [],
                "area=HERE&sortBy=name": [HOSTILE, "Alpha 100%", "mobile"],
                "region=bru": ["mobile"], "region=%20ant": ["mobile"], "region=XXX": [],
                f"before={stamp(199999)}": ["Alpha 100%"],
                "limit=-5&offset=-5&role=room": ["gamma"], "limit=1&region=All": ["mobile"]}.items():
            self.assertEqual(self.names(f"/api/nodes?{query}")[:len(found) or 9], found, query)

    def test_search_finds_names_and_beginnings_of_keys(self):
        self.assertEqual(self.names("/api/nodes/search?q=%20alpha%20"), ["Alpha 100%"])
        self.assertEqual(self.names("/api/nodes/search?q=ABCDEF12"), ["twin1", "twin2"])
        self.assertEqual(self.names("/api/nodes/search?q=%25"), ["Alpha 100%"])
        for q in ("", "%20", "secret", KEYS["blocked"], "x" * 500):
            self.assertEqual(self.names(f"/api/nodes/search?q={q}"), [], q)

    def test_detail_by_key_in_any_case_and_by_its_beginning(self):
        for key in (KEYS["mobile"], KEYS["mobile"].upper(), KEYS["mobile"][:8]):
            answer = self.get(f"/api/nodes/{key}")
            self.assertEqual(answer["node"]["name"], "mobile")
            self.assertEqual(len(answer["recentAdverts"]), 20)
        first = answer["recentAdverts"][0]
        self.assertEqual((first["payload_type"], first["observation_count"]), (4, 2))
        self.assertGreaterEqual(first["observations"][0]["timestamp"],
                                first["observations"][1]["timestamp"])
        self.assertNotIn("raw_hex", first["observations"][0])  # it is in the packet
        self.get("/api/nodes/abcdef12", 409)
        self.get(f"/api/nodes/{KEYS['twin1'][:9]}")
        for key in ("abcdef1", "zz" * 32, KEYS["hidden"], KEYS["blocked"], KEYS["hidden"][:10],
                    "0" * 64, "%00", "a" * 900):
            self.assertIn(ask(self.d.port, f"/api/nodes/{key}").status, (400, 404), key)
        for below in ("health", "paths", "neighbors", "battery"):
            self.get(f"/api/nodes/{KEYS['blocked']}/{below}", 404)
            self.get(f"/api/nodes/{KEYS['hidden']}/{below}", 404)

    def test_health_counts_what_a_node_sent_or_passed_on(self):
        answer = self.get(f"/api/nodes/{KEYS['mobile']}/health")
        self.assertEqual(answer["stats"]["totalTransmissions"], 25)
        self.assertEqual(answer["stats"]["totalObservations"], 50)
        self.assertEqual(answer["stats"]["avgHops"], 2)
        self.assertEqual(answer["stats"]["lastHeard"], stamp(976))
        self.assertEqual(len(answer["recentPackets"]), 20)
        self.assertGreater(answer["recentPackets"][0]["id"], answer["recentPackets"][1]["id"])
        rows = {o["observer_name"]: o for o in answer["observers"]}
        # Of 13 direct ones the first observation is shown, of 12 others the longer path.
        self.assertEqual(rows["Watcher <b>"]["packetCount"], 13)
        self.assertEqual((rows["Other"]["packetCount"], rows["Other"]["avgSnr"]), (12, -3.0))
        self.assertIsNone(rows["Other"]["can_relay"])
        alpha = self.get(f"/api/nodes/{KEYS['alpha']}/health")["stats"]
        self.assertEqual(alpha["totalPackets"], 18)
        quiet = self.get(f"/api/nodes/{KEYS['gamma']}/health")
        self.assertEqual((quiet["stats"]["totalPackets"], quiet["stats"]["lastHeard"],
                          quiet["stats"]["avgSnr"], quiet["observers"]), (0, None, None, []))

    def test_health_of_many(self):
        rows = self.get("/api/nodes/bulk-health")
        self.assertEqual([r["public_key"] for r in rows],
                         [n["public_key"] for n in self.get("/api/nodes")["nodes"]])
        self.assertEqual(rows[0]["stats"]["totalTransmissions"], 25)
        self.assertEqual(len(self.get("/api/nodes/bulk-health?limit=2")), 2)
        self.assertEqual(len(self.get("/api/nodes/bulk-health?limit=1&area=HERE")), 3)
        self.assertEqual(self.get("/api/nodes/bulk-health?area=SEA"), [])
        self.assertEqual({r["name"] for r in self.get("/api/nodes/bulk-health?region=BRU")},
                         {"mobile", "Alpha 100%", HOSTILE})
        self.assertEqual(self.get("/api/nodes/bulk-health?region=XXX"), [])

    def test_network_status_goes_by_role_and_age(self):
        self.assertEqual(self.get("/api/nodes/network-status"),
                         {"total": 6, "active": 5, "degraded": 1, "silent": 0,
                          "roleCounts": {"companion": 1, "repeater": 4, "room": 1}})

    def test_resolve_wants_four_digits(self):
        self.assertEqual(self.get("/api/nodes/resolve?prefix=AA11"),
                         {"prefix": "aa11", "pubkey": KEYS["alpha"], "name": "Alpha 100%",
                          "ambiguous": False})
        self.assertEqual(self.get("/api/nodes/resolve?prefix=abcdef"),
                         {"prefix": "abcdef", "ambiguous": True})
        for prefix in ("dd44", "ee55", "1234"):
            self.assertEqual(self.get(f"/api/nodes/resolve?prefix={prefix}"),
                             {"prefix": prefix, "ambiguous": False})
        for prefix, text in (("aa", b"at least 4"), ("zzzz", b"must be hex"), ("", b"at least"),
                             ("a" * 65, b"at most 64"), ("%3Cb%3E", b"must be hex")):
            answer = ask(self.d.port, f"/api/nodes/resolve?prefix={prefix}")
            self.assertEqual((answer.status, answer.headers["content-type"]),
                             (400, "text/plain; charset=utf-8"))
            self.assertIn(text, answer.body)
            self.assertNotIn(b"<", answer.body)

    def test_paths_are_grouped_by_who_the_hops_are(self):
        answer = self.get(f"/api/nodes/{KEYS['beta']}/paths")
        self.assertEqual((answer["totalTransmissions"], answer["totalPaths"]), (18, 2))
        paths = {tuple(h["prefix"] for h in p["hops"]): p for p in answer["paths"]}
        self.assertEqual(paths["AA", "BB"]["count"], 12)
        self.assertEqual(paths["BB", "AA"]["lastSeen"], stamp(595))
        hop = paths["AA", "BB"]["hops"][1]
        self.assertEqual((hop["name"], hop["pubkey"], hop["lat"]), (HOSTILE, KEYS["beta"], 50.1))
        packet = self.get(f"/api/packets/{paths['BB', 'AA']['sampleHash']}")["packet"]
        self.assertEqual(packet["payload_type"], 5)
        self.assertEqual(self.get(f"/api/nodes/{KEYS['gamma']}/paths")["paths"], [])

    def test_battery_goes_by_the_newest_sample(self):
        answer = self.get(f"/api/nodes/{KEYS['alpha'].upper()}/battery")
        self.assertEqual([s["battery_mv"] for s in answer["samples"]], [3400, 3299, 3000, 2999])
        self.assertEqual((answer["latest_mv"], answer["status"], answer["days"]),
                         (2999, "critical", 7))
        self.assertEqual(answer["thresholds"], {"low_mv": 3300, "critical_mv": 3000})
        empty = self.get(f"/api/nodes/{KEYS['gamma']}/battery?days=999")
        self.assertEqual((empty["samples"], empty["status"], empty["latest_ts"], empty["days"]),
                         ([], "unknown", None, 7))

    def test_neighbors_of_nobody_are_none(self):
        self.assertEqual(self.get(f"/api/nodes/{'0' * 64}/neighbors"),
                         {"node": "0" * 64, "neighbors": [], "total_observations": 0})

    def test_hostile_names_are_escaped(self):
        for target in ("/api/nodes", "/api/nodes/search?q=%3Cscript", "/api/observers",
                       f"/api/nodes/{KEYS['beta']}", "/api/nodes/bulk-health", "/api/channels",
                       f"/api/nodes/{KEYS['beta']}/paths", "/api/channels/%23test/messages",
                       f"/api/nodes/{KEYS['beta']}/health", "/api/resolve-hops?hops=BB",
                       "/api/observers/metrics/summary", "/api/nodes/resolve?prefix=bb22"):
            answer = ask(self.d.port, target)
            self.assertEqual(answer.status, 200, target)
            for bad in (b"<", b">", b"&", "\u2028".encode()):
                self.assertNotIn(bad, answer.body, target)
            self.assertIn(b"\\u003c", answer.body, target)


class Observers(Filled):
    def test_the_list_knows_their_nodes(self):
        answer = self.get("/api/observers")
        rows = {o["name"]: o for o in answer["observers"]}
        self.assertEqual(len(rows), 3)
        alpha = rows["Watcher <b>"]
        self.assertEqual((alpha["id"], alpha["lat"], alpha["nodeRole"], alpha["packet_count"]),
                         (KEYS["alpha"].upper(), 50.0, "repeater", 7))
        self.assertEqual(alpha["packetsLastHour"], 29)
        self.assertEqual((alpha["clock_naive"], alpha["clock_skew_count_24h"]), (False, 0))
        self.assertNotIn("can_relay", alpha)
        self.assertIsNone(rows[HOSTILE]["lat"])
        self.assertRegex(answer["server_time"], r"^20\d\d-.*Z$")

    def test_one_is_told_as_in_the_list(self):
        for o in self.get("/api/observers")["observers"]:
            self.assertEqual(self.get(f"/api/observers/{o['id']}"), o)
        self.assertEqual(self.get("/api/observers/none", 404)["error"], "Observer not found")
        self.get(f"/api/observers/{KEYS['alpha']}", 404)  # an id is exact

    def test_counters_become_rates(self):
        answer = self.get(f"/api/observers/{KEYS['alpha'].upper()}/metrics")
        rows = answer["metrics"]
        self.assertEqual([r["tx_airtime_pct"] for r in rows], [None, 10.0, 10.0, None, None])
        self.assertEqual([r["rx_airtime_pct"] for r in rows], [None, 5.0, 5.0, None, None])
        self.assertEqual([r["recv_error_rate"] for r in rows], [None, 10.0, 10.0, None, None])
        self.assertEqual([r.get("is_reboot_sample") for r in rows], [None] * 4 + [True])
        self.assertEqual(answer["reboots"], [rows[4]["timestamp"]])
        self.assertEqual([r["noise_floor"] for r in rows], [-110, -108, None, -100, -90])
        self.assertEqual(answer["observer_name"], "Watcher <b>")

    def test_nothing_is_of_the_future(self):
        answer = self.get("/api/observers/ahead/metrics")
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.assertEqual(len(answer["reboots"]), 1)
        self.assertEqual(answer["metrics"][1]["timestamp"], answer["reboots"][0])
        self.assertLessEqual(answer["reboots"][0], now)
        self.assertGreater(answer["reboots"][0], answer["metrics"][0]["timestamp"])

    def test_hours_have_their_last_sample(self):
        rows = self.get(f"/api/observers/{KEYS['alpha'].upper()}/metrics?resolution=1h")["metrics"]
        self.assertLess(len(rows), 3)
        self.assertEqual(rows[-1]["battery_mv"], 2999)
        day = self.get(f"/api/observers/{KEYS['alpha'].upper()}/metrics?resolution=1d")["metrics"]
        self.assertIn(len(day), (1, 2))
        answer = self.get(f"/api/observers/{KEYS['alpha']}/metrics?resolution=%3Cb%3E", 400)
        self.assertNotIn("<", answer["error"])

    def test_metrics_of_a_time(self):
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.d.base + 300))
        one = f"/api/observers/{KEYS['alpha'].upper()}/metrics?since={at}"
        self.assertEqual(len(self.get(one)["metrics"]), 4)
        self.assertEqual(len(self.get(f"{one}&until={at}")["metrics"]), 1)
        self.assertEqual(self.get("/api/observers/none/metrics"),
                         {"observer_id": "none", "observer_name": None, "metrics": [],
                          "reboots": []})
        self.assertEqual(self.get(f"{one}'%20OR%201=1;--")["metrics"][:0], [])

    def test_the_summary_is_the_loudest_first(self):
        rows = self.get("/api/observers/metrics/summary")["observers"]
        self.assertEqual([r["observer_name"] for r in rows], ["Watcher <b>", "Other"])
        first = rows[0]
        self.assertEqual((first["max_noise_floor_24h"], first["avg_noise_floor_24h"],
                          first["current_noise_floor"], first["battery_mv"], first["sample_count"]),
                         (-90, -102, -90, 2999, 5))
        self.assertEqual(first["sparkline"], [-110, -108, None, -100, -90])
        self.assertEqual(first["iata"], "BRU")
        for query, count in {"region=bru,ANT": 2, "region=ant": 1, "region=All": 2,
                             "region=X": 0, "window=7d": 2, "window=1h30m": 2,
                             "window=1s": 0}.items():
            found = self.get(f"/api/observers/metrics/summary?{query}")["observers"]
            self.assertEqual(len(found), count, query)
        for window in ("bad", "-1h", "1", "h", "1e99d", "nan", "5x", "1h-1h"):
            self.get(f"/api/observers/metrics/summary?window={window}", 400)


class Channels(Filled):
    def test_channels_have_their_last_message(self):
        one, = self.get("/api/channels")["channels"]
        self.assertEqual((one["hash"], one["name"], one["messageCount"], one["lastSender"],
                          one["lastMessage"], one["lastActivity"]),
                         ("#test", "#test", 6, HOSTILE, "hello <b>5</b>", stamp(595)))
        both = self.get("/api/channels?includeEncrypted=true")["channels"]
        self.assertEqual(both[1], {"hash": "enc_3A", "name": "Encrypted (0x3A)",
                                   "lastMessage": None, "lastSender": None, "messageCount": 1,
                                   "lastActivity": stamp(700), "encrypted": True})

    def test_channels_of_a_region_count_messages(self):
        one, = self.get("/api/channels?region=BRU")["channels"]
        self.assertEqual((one["messageCount"], one["lastMessage"]), (3, "hello <b>5</b>"))
        one, = self.get("/api/channels?region=ant")["channels"]
        self.assertEqual(one["lastMessage"], "hello <b>4</b>")
        self.assertEqual(self.get("/api/channels?region=XXX"), {"channels": []})

    def test_messages_are_the_newest_in_the_order_of_time(self):
        answer = self.get("/api/channels/%23test/messages?limit=2")
        self.assertEqual(answer["total"], 6)
        self.assertEqual([m["text"] for m in answer["messages"]],
                         ["hello <b>4</b>", "hello <b>5</b>"])
        older = self.get("/api/channels/%23test/messages?limit=2&offset=4")["messages"]
        self.assertEqual([m["text"] for m in older], ["hello <b>0</b>", "hello <b>1</b>"])
        m = older[1]
        self.assertEqual((m["sender"], m["sender_timestamp"], m["hops"], m["snr"], m["repeats"],
                          m["observers"], m["timestamp"], m["first_seen"]),
                         (HOSTILE, 1700000001, 2, 1.5, 1, ["Watcher <b>"], stamp(499), stamp(599)))
        self.assertEqual(m["packet_hash"], m["packetHash"])
        self.assertEqual(self.get("/api/channels/%23test/messages?region=BRU")["total"], 3)
        for name in ("none", "%23TEST", urllib.parse.quote("#test' OR 1=1", safe="")):
            self.assertEqual(self.get(f"/api/channels/{name}/messages"),
                             {"messages": [], "total": 0})
        quiet, = self.get("/api/channels/enc_3A/messages")["messages"]
        self.assertEqual((quiet["sender"], quiet["text"], quiet["sender_timestamp"],
                          quiet["snr"]), ("", "", None, None))


class Hops(Filled):
    def test_hops_are_resolved(self):
        answer = self.get("/api/resolve-hops?hops=AA,abcdef12,DD,zz,,AA,c")["resolved"]
        self.assertEqual(sorted(answer), ["AA", "DD", "abcdef12", "c", "zz"])
        self.assertEqual((answer["AA"]["pubkey"], answer["AA"]["confidence"]),
                         (KEYS["alpha"], "unique_prefix"))
        self.assertEqual(answer["AA"]["conflicts"], [])
        twins = answer["abcdef12"]
        self.assertTrue(twins["ambiguous"])
        self.assertEqual(twins["conflicts"], twins["candidates"])
        self.assertEqual((twins["pubkey"], twins["confidence"]), (KEYS["twin2"], "gps_preference"))
        for hop in ("DD", "zz", "c"):
            self.assertEqual(answer[hop], {"name": None, "candidates": [], "conflicts": [],
                                           "confidence": "no_match"}, hop)
        for query in ("", "?hops=", "?hops=,,"):
            self.assertEqual(self.get(f"/api/resolve-hops{query}"), {"resolved": {}})
        many = ",".join(f"{i:04x}" for i in range(600))
        self.get(f"/api/resolve-hops?hops={many}", 400)

    def test_a_trace_is_in_the_order_of_time(self):
        packet = self.get("/api/packets?type=4&limit=1")["packets"][0]
        rows = self.get(f"/api/traces/{packet['hash'].upper()}")["traces"]
        self.assertEqual([r["observer"] for r in rows], [KEYS["alpha"].upper(),
                                                         KEYS["beta"].upper()])
        self.assertLess(rows[0]["time"], rows[1]["time"])
        self.assertEqual((rows[1]["snr"], rows[1]["rssi"]), (-3.0, -90))
        for name in ("0" * 16, "x", "%3Cb%3E", "9" * 300):
            self.assertEqual(self.get(f"/api/traces/{name}"), {"traces": []})

    def inspect(self, body, status=200):
        answer = ask(self.d.port, "/api/paths/inspect", "POST", body=body)
        self.assertEqual(answer.status, status, answer)
        return json.loads(answer.body)

    def test_a_path_is_inspected(self):
        answer = self.inspect({"prefixes": ["AA", "bb"]})
        best = answer["candidates"][0]
        self.assertEqual(best["path"], [KEYS["alpha"], KEYS["beta"]])
        self.assertEqual(best["names"], ["Alpha 100%", HOSTILE])
        # 1 for the first hop; without a link .2 + .3
        self.assertEqual((best["score"], best["speculative"]), (0.707, False))
        self.assertEqual(best["evidence"]["perHop"][1]["edgeWeight"], 0.5)
        self.assertEqual(answer["input"], {"hops": 2, "prefixes": ["aa", "bb"]})
        self.assertEqual(answer["stats"]["expansionsRun"], 40)
        self.assertEqual(self.inspect({"prefixes": ["aa", "dd"]})["candidates"], [])
        twins = self.inspect({"prefixes": ["abcdef"], "limit": 1})["candidates"]
        self.assertEqual(len(twins), 1)
        self.assertEqual(twins[0]["evidence"]["perHop"][0]["candidatesConsidered"], 2)
        self.assertEqual(len(twins[0]["evidence"]["perHop"][0]["alternatives"]), 1)

    def test_what_is_no_path_is_refused(self):
        for body, text in ((b"{", "invalid JSON"), ({}, "prefixes required"),
                           ({"prefixes": "aa"}, "prefixes required"),
                           ({"prefixes": ["aa"] * 65}, "too many prefixes (max 64)"),
                           ({"prefixes": ["a"]}, "prefixes must be even-length hex"),
                           ({"prefixes": [7]}, "prefixes must be even-length hex"),
                           ({"prefixes": ["zz"]}, "prefixes must be valid hex"),
                           ({"prefixes": ["aabbccdd"]}, "prefix exceeds 3 bytes"),
                           ({"prefixes": ["aa", "bbcc"]}, "mixed prefix lengths not allowed")):
            self.assertEqual(self.inspect(body, 400)["error"], text)
        self.assertEqual(ask(self.d.port, "/api/paths/inspect", "POST",
                             body=b"x" * 5000).status, 413)

    def test_links_without_a_graph_are_none(self):
        answer = self.get("/api/analytics/neighbor-graph")
        self.assertEqual((answer["nodes"], answer["edges"]), ([], []))
        self.assertEqual(answer["stats"]["avg_cluster_size"], 0)
        self.get("/api/debug/affinity", 401)
        answer = self.get("/api/debug/affinity?prefix=%3C", headers={"X-API-Key": KEY})
        self.assertEqual((answer["edges"], answer["resolutions"]), ([], []))

class Evidence(Filled):
    """Adverts of mobile over AA (alpha) and BB (beta), and texts that came over BB and AA."""

    def link(self, a, b, more=""):
        return self.get(f"/api/web/link?a={KEYS[a]}&b={KEYS[b]}{more}")

    def test_a_link_is_counted_each_way_and_by_its_observers(self):
        answer = self.link("alpha", "beta")
        self.assertEqual(answer["packets"], {"ab": 15, "ba": 6})
        self.assertEqual(len(answer["days"]), 7)
        self.assertEqual(sum(d["ab"] for d in answer["days"]), 15)
        seen = {o["id"]: o for o in answer["observers"]}
        beta = seen[KEYS["beta"].upper()]
        self.assertEqual((beta["ab"], beta["ba"], beta["snr_ab"], beta["snr_ab_n"], beta["snr_ba_n"]),
                         (15, 3, 1.5, 3, 0))
        alpha = seen[KEYS["alpha"].upper()]
        self.assertEqual((alpha["ab"], alpha["ba"], alpha["snr_ba"]), (0, 3, None))
        self.assertEqual({(h["how"], h["bytes"]) for h in answer["how"]}, {("unique", 1)})
        self.assertEqual(answer["alike"], [[1, 1, 1], [1, 1, 1]])
        self.assertEqual(len(answer["samples"]), 20)

    def test_the_other_way_round_it_is_the_same_link(self):
        answer = self.link("beta", "alpha", "&days=30")
        self.assertEqual(answer["packets"], {"ab": 6, "ba": 15})
        self.assertEqual(len(answer["days"]), 30)

    def test_who_was_heard_without_a_hop_is_known_by_the_key(self):
        answer = self.link("mobile", "alpha")
        self.assertEqual(answer["packets"], {"ab": 25, "ba": 0})
        self.assertEqual({(h["how"], h["bytes"]): h["packets"] for h in answer["how"]},
                         {("named", 0): 13, ("unique", 1): 12})

    def test_without_packets_there_is_no_evidence(self):
        answer = self.link("twin1", "gamma")
        self.assertEqual((answer["packets"], answer["how"], answer["observers"], answer["samples"]),
                         ({"ab": 0, "ba": 0}, [], [], []))

    def test_who_is_hidden_or_not_there_has_none(self):
        for other in (KEYS["hidden"], KEYS["blocked"], "00" * 32, "zz"):
            self.get(f"/api/web/link?a={KEYS['alpha']}&b={other}", 404)
        self.get(f"/api/web/link?a={KEYS['alpha']}", 400)


class Inside(Filled):
    def test_options_and_log_are_for_who_has_the_key(self):
        self.get("/api/live/details", 401)
        answer = self.get("/api/live/details", headers={"X-API-Key": KEY})
        http = {o["name"]: o for o in answer["options"]["http"]}
        self.assertEqual(http["api_key"]["value"], "***")
        self.assertEqual((http["threads"]["line"], http["listen"]["line"] > 0), (0, True))
        self.assertNotIn(KEY, json.dumps(answer))
        said = [line["text"] for line in answer["log"] if line["area"] == "plugin http"]
        self.assertTrue(any(text.startswith("listening") for text in said), said)
        self.assertEqual(answer["log"], sorted(answer["log"], key=lambda line: line["time_us"]))

    def test_ended_jobs_are_told_with_their_times(self):
        jobs = {j["name"]: j for j in self.get("/api/jobs")["items"]}
        done = jobs["mk_rehash_v1"]
        self.assertEqual((done["status"], done["error"]), ("done", None))
        self.assertTrue(NOW - 60 <= done["started"] <= done["ended"], done)

    def test_a_plugin_tells_its_cpu_time(self):
        def spent():
            items = self.get("/api/live/plugins")["items"]
            return {p["name"]: p["numbers"].get("cpu_us", 0) for p in items}
        wait_for("time of http and storage",
                 lambda: spent()["http"] > 0 and spent()["storage"] > 0, context=self.d.log)


class Empty(unittest.TestCase):
    def test_nothing_is_told_as_nothing(self):
        d = served({}, {"storage": {"config": {"database": "m.db"}}})
        self.addCleanup(d.close)
        wait_for("warm model", lambda: ask(d.port, "/api/healthz").status == 200 and
                 get_json(d.port, "/api/healthz").get("warm"), context=d.log)
        for target, body in {
                "/api/nodes": {"nodes": [], "total": 0, "counts":
                               {"repeaters": 0, "rooms": 0, "companions": 0, "sensors": 0}},
                "/api/nodes/search?q=a": {"nodes": []}, "/api/nodes/bulk-health": [],
                "/api/nodes/network-status": {"total": 0, "active": 0, "degraded": 0, "silent": 0,
                                              "roleCounts": {}},
                "/api/channels": {"channels": []}, "/api/channels/x/messages":
                {"messages": [], "total": 0}, "/api/observers/metrics/summary": {"observers": []},
                "/api/traces/0011223344556677": {"traces": []},
                "/api/resolve-hops": {"resolved": {}}}.items():
            self.assertEqual(get_json(d.port, target), body, target)
        self.assertEqual(get_json(d.port, "/api/observers")["observers"], [])
        for target in ("/api/nodes/aa", "/api/nodes/aa/health", "/api/nodes/aa/paths",
                       "/api/nodes/aa/battery", "/api/observers/x"):
            self.assertEqual(ask(d.port, target).status, 404, target)


if __name__ == "__main__":
    daemon.main()
