#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the http plugin says of packets: the same from memory, from the database, and live, and the
same as the rows say."""

import json
import random
import sqlite3
import time
import unittest
from contextlib import closing

import daemon
from daemon import all_stored
from http_client import KEY, WebSocket, ask, get_json, served, wait_for

NOW = int(time.time())
PACKETS, COPIES = 3000, 16  # more than a megabyte, the smallest memory
DETAILS = ["hash", "raw_hex", "first_seen", "route_type", "payload_type", "decoded_json", "scope_name"]


def stamp(at):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def key(i):
    return f"{i:02x}{i * 7919 % 65536:04x}" + f"{i:04x}" * 14 + "ab"


def fill(db):
    dice = random.Random(1)
    for i in range(40):
        db.execute("INSERT INTO nodes (public_key, name, role, lat, lon, last_seen, first_seen) "
                   "VALUES (?, ?, 'repeater', ?, ?, ?, ?)",
                   (key(i), f"Node {i}", 50 + i / 100, 4, stamp(NOW), stamp(NOW - 9999)))
    for i in range(12):
        db.execute("INSERT INTO observers (id, name, iata, last_seen, first_seen) VALUES (?,?,?,?,?)",
                   (key(i).upper(), f"Observer {i}", ["BRU", " ant", "LGG", None][i % 4], stamp(NOW),
                    stamp(NOW - 9999)))
    for i in range(PACKETS):
        at = NOW - (PACKETS - i) * 20
        kind = [4, 5, 5, 2, 9, 1][i % 6]
        sender = key(i % 40)
        text = (json.dumps({"type": "ADVERT", "pubKey": sender}) if kind == 4 else
                json.dumps({"type": "CHAN", "text": f"<b>{i}", "channel": "#test"}) if kind == 5 else None)
        db.execute("INSERT INTO transmissions (id, raw_hex, hash, first_seen, route_type, payload_type,"
                   " payload_version, decoded_json, from_pubkey, last_seen, channel_hash, scope_name)"
                   " VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?)",
                   (i - 7, f"15{i:08X}" if i % 2 else f"15ab{i:08x}", f"{i * 7919:016x}",
                    stamp(at - 90 * (i % 70 == 0)),  # some observers send late
                    i % 4, kind, text, sender if kind == 4 else None, 0,
                    ["#test", "enc_5A", "#a/b"][i % 5 % 3] if kind == 5 else None, [None, "", "#bel"][i % 3]))
        for k in range(0 if i % 50 == 49 else COPIES + i % 3):
            hops = [dice.randrange(40) for _ in range(dice.randrange(7))]
            size = 1 + i % 3
            path = [key(h)[:2 * size].upper() for h in hops]
            known = [key(h) if h % 3 else None for h in hops]
            db.execute("INSERT OR IGNORE INTO observations (transmission_id, observer_idx, direction,"
                       " snr, rssi, path_json, timestamp, resolved_path) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                       (i - 7, None if k == 5 else 1 + dice.randrange(12), ["rx", None][k % 2],
                        [None, k / 4, 0.1 * k][k % 3], [None, -90 - k][k % 2],
                        json.dumps(path, separators=(",", ":")), at + k * 3,
                        json.dumps(known) if any(known) else None))
    # As storage leaves it when it has corrected hashes.
    db.execute("CREATE TABLE mk_hash_aliases (hash TEXT PRIMARY KEY, transmission_id INTEGER NOT NULL)")
    db.execute("INSERT INTO mk_hash_aliases SELECT 'abcdef' || substr(hash, 7), id FROM transmissions")
    db.execute("UPDATE transmissions SET last_seen = coalesce((SELECT max(timestamp) FROM observations"
               " WHERE transmission_id = transmissions.id), unixepoch(first_seen))")


class Rows:
    """The database by itself, as what the answers are compared with."""

    def __init__(self, path):
        with closing(sqlite3.connect(path)) as db:
            db.row_factory = sqlite3.Row
            self.txs = db.execute("SELECT * FROM transmissions ORDER BY id DESC").fetchall()
            self.observers = {r["idx"]: r for r in db.execute("SELECT rowid AS idx, * FROM observers")}
            self.of = {}
            for o in db.execute("SELECT * FROM observations ORDER BY id"):
                self.of.setdefault(o["transmission_id"], []).append(o)

    def observations(self, t):
        return self.of.get(t["id"], [])

    def ids(self, matches):
        return [t["id"] for t in self.txs if matches(t, self.observations(t))]

    def item(self, t, observations=False):
        """A list item as it must be."""
        seen = self.observations(t)
        want = {k: t[k] for k in DETAILS}
        want.update(id=t["id"], timestamp=t["first_seen"], observation_count=len(seen))
        hops = [json.loads(o["path_json"]) for o in seen]
        shown = max(range(len(seen)), key=lambda i: len(hops[i])) if seen else None
        want.update(self.reception(seen[shown] if seen else None))
        want["_parsedPath"] = hops[shown] or None if seen else None
        if observations:
            want["observations"] = [
                {"id": o["id"], "timestamp": stamp(o["timestamp"])[:-1] + ".000Z", **self.reception(o)}
                for o in seen]
        return want

    def reception(self, o):
        by = self.observers.get(o["observer_idx"]) if o else None
        said = {"observer_id": by and by["id"], "observer_name": by and by["name"],
                "observer_iata": by and by["iata"]}
        said.update({k: o and o[k] for k in ("snr", "rssi", "path_json", "direction")})
        if o and o["resolved_path"]:
            said["resolved_path"] = json.loads(o["resolved_path"])
        return said


def make(memory):
    """A daemon with the database of `fill`."""
    d = daemon.Daemon({}, start=False)
    try:
        d.path = f"{d.dir}/data/mesh.db"
        plugins = {"storage": {"grant": ["storage.read", "storage.write"],
                               "config": {"database": d.path}}}
        d.configure(plugins)
        d.start()
        wait_for("ready database", lambda: d.topic("storage/state")["seq"] > 0)
        d.stop()
        with closing(sqlite3.connect(d.path)) as db, db:
            fill(db)
        plugins["http"] = {"grant": ["net", "core.control", "storage.read"],
                           "config": {"listen": ["127.0.0.1:0"], "memory": memory, "web": "none",
                                      "api_key": KEY}}
        d.configure(plugins)
        d.start()
        d.port = int(d.wait_log(r"plugin http: listening .* port=(\d+)").group(1))
    except BaseException:
        d.close()
        raise
    return d


class Same(unittest.TestCase):
    """One database, and memory for all of it or for a part."""

    @classmethod
    def setUpClass(cls):
        cls.daemons = []
        try:
            for memory in ("64MiB", "1MiB"):
                cls.daemons.append(make(memory))
            for d in cls.daemons:
                wait_for("filled model", lambda d=d: ask(d.port, "/api/sets/packets").status == 200)
            cls.rows = Rows(cls.daemons[0].path)
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def tearDownClass(cls):
        for d in cls.daemons:
            d.close()

    def each(self, target):
        for d in self.daemons:
            yield get_json(d.port, target)

    def check(self, query, ids):
        """The list has these, all of them in `total`."""
        for answer in self.each(f"/api/packets?limit=10000{query}"):
            self.assertEqual([p["id"] for p in answer["packets"]], ids, query)
            self.assertEqual(answer["total"], len(ids))

    def test_the_small_one_does_not_hold_everything(self):
        heads = []
        for d in self.daemons:
            body = ask(d.port, "/api/sets/packets").body
            heads.append(json.loads(body[8:8 + int.from_bytes(body[4:8], "little")]))
        self.assertEqual(heads[0]["rows"], PACKETS)
        self.assertTrue(heads[0]["complete"])
        self.assertLess(heads[1]["rows"], PACKETS)
        self.assertGreater(heads[1]["rows"], 100)
        self.assertFalse(heads[1]["complete"])
        self.assertEqual(heads[1]["total"], PACKETS)

    def test_items_say_what_the_rows_say(self):
        want = [self.rows.item(t, True) for t in self.rows.txs]
        for answer in self.each("/api/packets?limit=10000&expand=observations"):
            self.assertEqual(len(answer["packets"]), PACKETS)
            for have, expected in zip(answer["packets"], want):
                self.assertEqual(have, expected)

    def test_pages_follow_each_other(self):
        ids = [t["id"] for t in self.rows.txs]
        for order in ("", "&order=asc"):
            for offset in (0, 30, 700, 1990, 2000, 99999):
                for answer in self.each(f"/api/packets?limit=25&offset={offset}{order}"):
                    self.assertEqual([p["id"] for p in answer["packets"]],
                                     (ids if not order else ids[::-1])[offset:offset + 25])
                    self.assertEqual((answer["total"], answer["limit"], answer["offset"]),
                                     (PACKETS, 25, offset))
        for answer in self.each("/api/packets?offset=-5&limit=0"):
            self.assertEqual((answer["offset"], answer["limit"]), (0, 50))

    def test_filters_are_what_the_rows_say(self):
        ids, place = self.rows.ids, {i: (o["iata"] or "").strip().upper()
                                     for i, o in self.rows.observers.items()}
        one, two = key(3).upper(), key(7).upper()
        number = {o["id"]: i for i, o in self.rows.observers.items()}
        self.check("&type=4", ids(lambda t, o: t["payload_type"] == 4))
        self.check("&payloadType=5&route=2",
                   ids(lambda t, o: (t["payload_type"], t["route_type"]) == (5, 2)))
        self.check(f"&observer={one}", ids(lambda t, o: any(x["observer_idx"] == number[one] for x in o)))
        self.check(f"&observer={one},%20{two}", ids(
            lambda t, o: any(x["observer_idx"] in (number[one], number[two]) for x in o)))
        self.check("&observer=nobody", [])
        self.check("&region=ant,LGG", ids(
            lambda t, o: any(place.get(x["observer_idx"]) in ("ANT", "LGG") for x in o)))
        self.check("&region=XXX", [])
        self.check("&region=All,", ids(lambda t, o: True))
        self.check("&channel=%23test", ids(lambda t, o: t["channel_hash"] == "#test"))
        self.check("&channel=enc_5A&type=5", ids(lambda t, o: t["channel_hash"] == "enc_5A"))
        for answer in self.each("/api/channels/%23a%2Fb/messages?limit=1"):
            self.assertEqual(answer["total"], len(ids(lambda t, o: t["channel_hash"] == "#a/b")))
            self.assertEqual(len(answer["messages"]), 1)
        some = self.rows.txs[1000]
        self.check(f"&hash={some['hash'].upper()}", [some["id"]])
        self.check("&hash=ffffffffffffffff", [])

    def test_times_are_those_of_observations(self):
        first, last = NOW - 30000, NOW - 20001

        def within(t, seen):
            if not seen:
                return stamp(first) <= t["first_seen"] <= stamp(last)
            return any(first <= o["timestamp"] <= last for o in seen)
        self.check(f"&since={stamp(first)}&until={stamp(last)}", self.rows.ids(within))
        for answer in self.each(f"/api/packets/timestamps?since={stamp(first)}"):
            self.assertEqual(answer, sorted(t["first_seen"] for t in self.rows.txs
                                            if t["first_seen"] > stamp(first)))

    def test_a_node_has_what_it_sent_and_what_it_forwarded(self):
        def related(t, seen):
            return t["from_pubkey"] == key(5) or any(
                key(5) in json.loads(o["resolved_path"] or "[]") for o in seen)
        ids = self.rows.ids(related)
        self.check(f"&node={key(5)}", ids)
        for node in (key(5).upper(), "Node%205", "nobody,Node%205"):
            for answer in self.each(f"/api/packets?limit=1&node={node}"):
                self.assertEqual((answer["total"], answer["packets"][0]["id"]), (len(ids), ids[0]))
        self.check(f"&nodes={key(5)},{'ab' * 32}", ids)
        self.check(f"&node={key(5)}&since={stamp(NOW - 50000)}&type=4", self.rows.ids(
            lambda t, o: related(t, o) and t["payload_type"] == 4 and
            (max([x["timestamp"] for x in o], default=0) >= NOW - 50000)))
        for answer in self.each(f"/api/packets?node={key(5)}&groupByHash=true&offset=40&limit=10"):
            self.assertEqual((answer["total"], len(answer["packets"])), (len(ids), 10))
        self.check("&node=nobody", [])
        self.check(f"&node={'ab' * 32}", [])

    def test_groups_come_by_their_last_observation(self):
        def latest(t):
            return max([o["timestamp"] for o in self.rows.observations(t)],
                       default=NOW - (PACKETS - t["id"] - 7) * 20)
        order = sorted(self.rows.txs, key=lambda t: (-latest(t), -t["id"]))
        for answer in self.each("/api/packets?groupByHash=true&limit=300&offset=600"):
            self.assertEqual([p["hash"] for p in answer["packets"]], [t["hash"] for t in order[600:900]])
            for p, t in zip(answer["packets"], order[600:]):
                seen = self.rows.observations(t)
                by = {o["observer_idx"] for o in seen} - {None}
                self.assertEqual(p["count"], len(seen))
                self.assertEqual(p["observer_count"], len(by))
                self.assertEqual(p["distinct_iatas"], sorted(
                    {self.rows.observers[i]["iata"] for i in by} - {None}))

    def test_a_packet_is_found_by_hash_by_id_and_by_an_observation(self):
        for t in (self.rows.txs[3], self.rows.txs[-3]):
            o = self.rows.observations(t)[4]
            for name in (t["hash"], t["hash"].upper(), str(t["id"])):
                for answer in self.each(f"/api/packets/{name}"):
                    self.assertEqual(answer["packet"]["id"], t["id"])
                    self.assertEqual(len(answer["observations"]), answer["observation_count"])
                    self.assertEqual(answer["path"], answer["packet"]["_parsedPath"] or [])
                    self.assertEqual(answer["observations"][4]["raw_hex"], t["raw_hex"])
            for answer in self.each(f"/api/packets/{o['id']}"):
                if answer["packet"]["id"] == o["id"] and "transmission_id" in answer["packet"]:
                    self.assertEqual(answer["packet"]["transmission_id"], t["id"])
        for d in self.daemons:
            for name in ("nothing", "0123456789abcdef", "99999999", "1e3", "-99"):
                answer = ask(d.port, f"/api/packets/{name}")
                self.assertEqual((answer.status, json.loads(answer.body)), (404, {"error": "Not found"}))

    def test_a_hash_of_before_leads_to_its_packet(self):
        for t in (self.rows.txs[3], self.rows.txs[-3]):
            old = "abcdef" + t["hash"][6:]
            for answer in self.each(f"/api/packets/{old.upper()}"):
                self.assertEqual((answer["packet"]["id"], answer["packet"]["hash"]), (t["id"], t["hash"]))
            for answer in self.each(f"/api/traces/{old}"):
                self.assertEqual(len(answer["traces"]), len(self.rows.observations(t)))
            self.check(f"&hash={old}", [t["id"]])
            for d in self.daemons:
                answer = ask(d.port, "/api/packets/observations", "POST", body={"hashes": [old]})
                self.assertEqual(len(json.loads(answer.body)["results"][old]),
                                 len(self.rows.observations(t)))

    def test_many_are_asked_for_at_once(self):
        hashes = [t["hash"] for t in self.rows.txs[::50]] + ["none"]
        for d in self.daemons:
            answer = ask(d.port, "/api/packets/observations", "POST", body={"hashes": hashes})
            results = json.loads(answer.body)["results"]
            self.assertEqual(list(results), hashes)
            self.assertEqual(results["none"], [])
            for t in self.rows.txs[::50]:
                self.assertEqual(len(results[t["hash"]]), len(self.rows.observations(t)))
            for body, status in ((b"[]", 400), (b"{", 400), (b"{}", 200),
                                 ({"hashes": ["a"] * 10001}, 400)):
                self.assertEqual(ask(d.port, "/api/packets/observations", "POST", body=body).status,
                                 status)

    def test_nonsense_is_refused_or_passed_over(self):
        for d in self.daemons:
            self.assertEqual(ask(d.port, "/api/packets/timestamps").status, 400)
            for query in ("type=x", "since=yesterday", "until=", "region=,", "node=", "area=none"):
                self.assertEqual(get_json(d.port, f"/api/packets?{query}")["total"], PACKETS, query)
        text = ask(self.daemons[0].port, "/api/packets?type=5").body
        self.assertNotIn(b"<", text)


class Live(unittest.TestCase):
    def test_what_comes_in_is_what_is_read_after_a_restart(self):
        plugins = {"storage": {}, "decode": {},
                   "sim": {"config": {"nodes": 60, "observers": 12, "rate": 3000, "seed": 5}}}
        with served({}, plugins) as d:
            def count():
                answer = ask(d.port, "/api/packets?limit=10000&expand=observations")
                body = json.loads(answer.body) if answer.status == 200 else {"packets": []}
                return sum(p["observation_count"] for p in body["packets"]), body["packets"]
            with WebSocket(d.port, "/ws") as ws:
                seen = ws.receive()["data"]
            self.assertGreaterEqual(seen["observation_count"], 1)
            self.assertRegex(seen["first_seen"], r"^\d{4}-.*Z$")
            wait_for("traffic", lambda: count()[0] > 500)
            d.ask("disable", name="sim")
            path = f"{d.dir}/data/meshkern.db"

            def complete():
                with closing(sqlite3.connect(path)) as db:
                    stored, = db.execute("SELECT count(*) FROM observations").fetchone()
                return stored == count()[0] and stored
            wait_for("the end of the queues", lambda: all_stored(d, "sim") and complete())
            before = count()[1]
            mark = d.mark()
            d.ask("restart", name="http")
            d.port = int(d.wait_log(r"plugin http: listening .* port=(\d+)", mark).group(1))
            wait_for("filled model", lambda: ask(d.port, "/api/sets/packets").status == 200)
            self.assertEqual(count()[1], before)

    def test_who_posts_a_packet_is_told_its_id(self):
        with served({}, {"storage": {}, "decode": {}}) as d:
            wait_for("database", lambda: ask(d.port, "/api/sets/packets").status == 200)
            ids = []
            for raw in ("15005A4A0DB2F8", "15015AAA4A0DB2F9", "15015AAA4A0DB2F9"):
                answer = ask(d.port, "/api/packets", "POST", {"X-API-Key": KEY},
                             {"hex": raw, "observer": "me", "region": "bru", "snr": 3})
                said = json.loads(answer.body)
                self.assertEqual(answer.status, 200, said)
                self.assertEqual(said["decoded"]["header"]["payloadTypeName"], "GRP_TXT")
                ids.append(said["id"])
                wait_for("packet", lambda: ask(d.port, f"/api/packets/{said['hash']}").status == 200)
            self.assertEqual(ids[1], ids[2], "the same packet again")
            self.assertNotEqual(ids[0], ids[1])
            for headers, status in (({}, 401), ({"X-API-Key": KEY}, 400)):
                self.assertEqual(ask(d.port, "/api/packets", "POST", headers, {"hex": "15"}).status,
                                 status)


if __name__ == "__main__":
    daemon.main()
