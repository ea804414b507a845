#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""WebSocket clients of the running daemon: subscriptions, filters, replays, CoreScope's feed."""

import json
import unittest

import daemon
from http_client import KEY, Refused, WebSocket, ask, connect, get_json, served, wait_for

# A group text that cannot be read, and one whose route has three hops.
PACKETS = ["15005A4A0DB2F8", "1503112233A5B6C7D8E9"]


class Subscriptions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = served(plugins={"pulse": {"config": {"interval": "20ms"}},
                                "tally": {"config": {"interval": "50ms"}}})
        wait_for("snapshot", lambda: ask(cls.d.port, "/api/snapshots/tally").status == 200)

    @classmethod
    def tearDownClass(cls):
        cls.d.close()

    def test_it_greets_with_what_there_is(self):
        with WebSocket(self.d.port) as ws:
            hello = ws.receive()
            self.assertEqual(hello["type"], "hello")
            self.assertIn("snapshot/", hello["topics"])

    def test_retained_values_come_first_and_then_every_message(self):
        with WebSocket(self.d.port) as ws:
            ws.send(do="subscribe", topic="snapshot/tally", id=7)
            self.assertEqual(ws.until(lambda m: m["type"] != "hello"),
                             {"type": "ok", "do": "subscribe", "topic": "snapshot/tally", "id": 7})
            messages = [ws.receive() for _ in range(40)]
            self.assertTrue(messages[0]["retained"])
            self.assertNotIn("delta", messages[0])
            self.assertNotIn("retained", messages[-1])
            seqs = [m["seq"] for m in messages]
            self.assertEqual(seqs, list(range(seqs[0], seqs[0] + 40)))

    def test_a_subtree_and_its_end(self):
        with WebSocket(self.d.port) as ws:
            ws.send(do="subscribe", topic="core/", retained=False)
            self.assertTrue(ws.until(lambda m: m.get("topic") == "core/heads"))
            ws.send(do="unsubscribe", topic="core/")
            ws.until(lambda m: m.get("do") == "unsubscribe")
            ws.send(do="ping", id="x")
            self.assertEqual(ws.receive(), {"type": "pong", "do": "ping", "id": "x"})

    def test_a_filter_looks_into_items(self):
        with WebSocket(self.d.port) as ws:
            ws.send(do="subscribe", topic="core/plugins",
                    filter={"name": ["tally", "none"], "state": "running", "builtin": True})
            m = ws.until(lambda m: m.get("topic") == "core/plugins" and m["type"] == "message")
            self.assertEqual([i["name"] for i in m["body"]["items"]], ["tally"])

    def test_a_replay(self):
        with WebSocket(self.d.port) as ws:
            ws.send(do="subscribe", topic="snapshot/tally", retained=False)
            last = ws.until(lambda m: m["type"] == "message" and m["seq"] > 20)
            ws.send(do="replay", topic="snapshot/tally", **{"from": last["seq"] - 5})
            ws.until(lambda m: m.get("do") == "replay" and m["type"] == "ok")
            got = []
            end = ws.until(lambda m: got.append(m) or m["type"] == "end")
            seqs = [m["seq"] for m in got if m.get("replayed")]
            self.assertEqual(seqs[:5], list(range(last["seq"] - 5, last["seq"])))
            self.assertEqual(end["seq"], seqs[-1] + 1)

    def test_a_replay_of_what_is_gone_says_so(self):
        with WebSocket(self.d.port) as ws:
            ws.send(do="replay", topic="snapshot/tally", epoch=1, **{"from": 5})
            ws.until(lambda m: m["type"] == "end")

    def test_nonsense_is_answered(self):
        with WebSocket(self.d.port) as ws:
            for text in (b"", b"{", b"[]", b'"x"', b"{}", b'{"do":"fly","topic":"core/"}',
                         b'{"do":"subscribe"}', b'{"do":"subscribe","topic":"/"}',
                         b'{"do":"subscribe","topic":"rx/raw"}',
                         b'{"do":"subscribe","topic":"core/","filter":{"a":{}}}',
                         b'{"do":"subscribe","topic":"core/","filter":1}',
                         b'{"do":"replay","topic":"core/heads"}',
                         b'{"do":"unsubscribe","topic":"core/heads"}'):
                ws.frame(1, text)
                self.assertEqual(ws.until(lambda m: m["type"] != "hello")["type"], "error", text)

    def test_the_handshake_is_checked(self):
        for status, headers in ((403, {"Origin": "https://evil.example"}), (403, {"Origin": "null"}),
                                (426, {"Upgrade": None}), (426, {"Connection": "close"}),
                                (426, {"Sec-WebSocket-Version": "8"}),
                                (400, {"Sec-WebSocket-Key": "short"})):
            with self.assertRaises(Refused) as refused:
                WebSocket(self.d.port, headers=headers)
            self.assertEqual(refused.exception.args[0].status, status, headers)
        WebSocket(self.d.port, headers={"Origin": "http://test"}).close()
        self.assertEqual(ask(self.d.port, "/api/events").status, 426)

    def test_a_client_that_says_goodbye_gets_an_answer(self):
        with WebSocket(self.d.port) as ws:
            ws.frame(8, b"\x03\xe8")
            frame = ws.receive_frame()
            while frame[0] != 8:
                frame = ws.receive_frame()
            self.assertEqual(frame, (8, b"\x03\xe8"))

    def test_a_long_message_in_pieces(self):
        with WebSocket(self.d.port) as ws:
            ws.frame(1, b'{"do":', final=False)
            ws.frame(9, b"in between")
            ws.frame(0, b'"ping"}')
            frames = [ws.receive_frame() for _ in range(3)]
            self.assertIn((10, b"in between"), frames)
            self.assertTrue(any(b"pong" in f[1] for f in frames if f[0] == 1))

    def test_a_client_that_is_gone_is_noticed(self):
        with served({"events": {"ping": "2s"}}) as d:
            with WebSocket(d.port) as alive, WebSocket(d.port) as dead:
                for _ in range(3):
                    while alive.receive_frame()[0] != 9:
                        pass
                    alive.frame(10)
                while dead.receive_frame() is not None:
                    pass
                alive.send(do="ping")
                alive.until(lambda m: m["type"] == "pong")
            self.assertEqual(d.wait_plugin("http", "told", lambda p: p["numbers"].get(
                "clients_dropped"))["numbers"]["clients_dropped"], 1)

    def test_the_end_of_the_daemon_is_told(self):
        with served() as d, WebSocket(d.port) as ws:
            ws.receive()
            d.stop()
            frame = ws.receive_frame()
            self.assertEqual((frame[0], frame[1][:2]), (8, b"\x03\xe9"))


class Inspector(unittest.TestCase):
    def test_other_topics_are_shown_to_who_has_the_key_and_only_while_it_looks(self):
        options = {"listen": ["127.0.0.1:0"], "api_key": KEY, "web": "none"}
        for isolation in ("inproc", "process"):
            with served(plugins={"pulse": {"config": {"interval": "20ms"}},
                                 "http": {"isolation": isolation, "config": options}}) as d:
                self.look(d)

    def look(self, d):
        def topics():
            answer = ask(d.port, "/api/bus")  # 503 until the core has told its numbers
            return json.loads(answer.body)["inspector"]["topics"] if answer.status == 200 else None

        with WebSocket(d.port) as ws:
            self.assertTrue(ws.receive()["more"])
            for key in ({}, {"key": "wrong"}):
                ws.send(do="subscribe", topic="pulse/state", **key)
                self.assertEqual(ws.receive()["type"], "error", key)
            ws.send(do="subscribe", topic="pulse/state", key=KEY)
            first, then = (ws.until(lambda m: m["type"] == "message") for _ in range(2))
            self.assertEqual([first["topic"], first["origin"]], ["pulse/state", "pulse"])
            self.assertEqual(then["seq"], first["seq"] + 1)
            self.assertGreater(then["time_us"], first["time_us"])
            wait_for("the bus tells who looks", lambda: topics() == ["pulse/state"])
            # Another topic, too: what the first one misses by that is told.
            ws.send(do="subscribe", topic="tally/", key=KEY)
            expected = then["seq"] + 1
            while expected < then["seq"] + 30:
                m = ws.until(lambda m: m["type"] in ("message", "lost") and m["topic"] == "pulse/state")
                self.assertEqual(m["from" if m["type"] == "lost" else "seq"], expected)
                expected += m.get("lost", 1)
        wait_for("nobody looks any more", lambda: topics() == [])


class Packets(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = served(plugins={"decode": {}, "storage": {}})
        cls.d.wait_state("storage", "running")
        wait_for("database", lambda: ask(cls.d.port, "/api/healthz").status == 200)

    @classmethod
    def tearDownClass(cls):
        cls.d.close()

    def post(self, hexadecimal, **more):
        return ask(self.d.port, "/api/packets", "POST", {"X-API-Key": KEY},
                   {"hex": hexadecimal, "observer": "AB" * 32, "region": "sjc", **more})

    def test_ready_says_so(self):
        health = get_json(self.d.port, "/api/healthz")
        self.assertTrue(health["ready"] and health["from_pubkey_backfill"]["done"])
        self.assertEqual(ask(self.d.port, "/").headers["x-corescope-load-status"], "ready")

    def test_a_packet_is_decoded(self):
        answer = ask(self.d.port, "/api/decode", "POST", body={"hex": "15 00\n" + PACKETS[0][4:]})
        decoded = json.loads(answer.body)["decoded"]
        self.assertEqual((answer.status, decoded["header"]["payloadTypeName"]), (200, "GRP_TXT"))
        self.assertEqual(decoded["payload"]["type"], "GRP_TXT")
        for bad in ("15", "zz", "15<b>", ""):
            answer = ask(self.d.port, "/api/decode", "POST", body={"hex": bad})
            self.assertEqual(answer.status, 400)
            self.assertNotIn(b"<", answer.body)

    def test_a_posted_packet_reaches_the_feed_and_the_events(self):
        with WebSocket(self.d.port, "/") as feed, WebSocket(self.d.port) as events:
            events.send(do="subscribe", topic="packet/stored", filter={"observer": "AB" * 32})
            events.until(lambda m: m["type"] == "ok")
            answer = self.post(PACKETS[1], snr=-7.25, rssi=-101)
            self.assertEqual(answer.status, 200, answer)
            hash_ = json.loads(answer.body)["hash"]
            m = feed.receive()
            data = m["data"]
            self.assertEqual((m["type"], data["hash"], data["raw_hex"]),
                             ("packet", hash_, PACKETS[1]))
            self.assertEqual((data["snr"], data["rssi"], data["observer_id"]),
                             (-7.25, -101, "AB" * 32))
            self.assertEqual(json.loads(data["path_json"]), ["11", "22", "33"])
            self.assertEqual(data["decoded"]["header"]["payloadTypeName"], "GRP_TXT")
            self.assertEqual(data["decoded"]["payload"], json.loads(data["decoded_json"]))
            self.assertRegex(data["timestamp"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
            self.assertEqual(data["packet"], {k: v for k, v in data.items()
                                              if k not in ("decoded", "packet")})
            item, = events.until(lambda m: m["type"] == "message")["body"]["items"]
            self.assertEqual((item["hash"], item["raw"]), (hash_, {"$bin": PACKETS[1].lower()}))

    def test_bad_packets_are_refused(self):
        self.assertEqual(self.post("15").status, 400)
        self.assertEqual(self.post(PACKETS[0], observer="a\nb").status, 400)
        answer = ask(self.d.port, "/api/packets", "POST", body={"hex": PACKETS[0]})
        self.assertEqual(answer.status, 401)

    def test_the_feed_hears_nothing(self):
        with WebSocket(self.d.port, "/ws") as feed:
            feed.frame(1, b"hello")
            feed.frame(1, b"x" * 600)  # above 512 bytes it closes
            frame = feed.receive_frame()
            self.assertTrue(frame is None or frame[0] == 8, frame)

    def test_the_page_and_its_socket_share_an_address(self):
        self.assertEqual(ask(self.d.port, "/").status, 200)
        with connect(self.d.port) as s:
            s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n")
            self.assertTrue(s.recv(100).startswith(b"HTTP/1.1 200"))


if __name__ == "__main__":
    daemon.main()
