# SPDX-License-Identifier: MIT
"""The Python client against fakehub (the real libnng) and against servers that misbehave.

FAKEHUB names the program; run.sh builds it and sets this.
"""

import json
import logging
import os
import random
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
import unittest

import msgpack

import hub as support

sys.path.insert(0, support.CLIENT_DIR)
from meshkern_bus import DURABLE, RETAINED, REPLAYED, Bus, Gap, Message  # noqa: E402

WAIT = 10
EVENTS_MD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/events.md")


def frame(topic, seq=1, body=None, epoch=7, header=None):
    header = header or [1, epoch, seq, 1000, "pulse", 1, 0]
    return topic.encode() + b" " + msgpack.packb([header, {} if body is None else body])


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.ipc = "ipc://%s/bus.ipc" % self.folder

    def bus(self, *args, **options):
        options.setdefault("reply_timeout", 0.5)
        bus = Bus(*args, **options)
        self.addCleanup(bus.close)
        return bus

    def connect(self, bus):
        bus._step(0)  # get(0) might already have something to give
        self.assertEqual(bus.stats["connects"], 1)

    def hub(self, listeners=None, **options):
        hub = support.Hub(listeners or [(self.ipc, self.ipc + ".in")], **options)
        self.addCleanup(hub.stop)
        return hub

    def joined(self, topics=("pulse/",), **options):
        """A hub on ipc and a bus that is connected to it."""
        hub = self.hub()
        bus = self.bus(self.ipc, topics=topics, **options)
        self.connect(bus)
        hub("peers", 1)
        while not hub.stats()["requests"]:
            pass  # it asks for core/heads once it is connected
        return hub, bus

    def take(self, bus, n):
        items = []
        for _ in range(n):
            item = bus.get(WAIT)
            self.assertIsNotNone(item, "item %d of %d does not come" % (len(items) + 1, n))
            items.append(item)
        return items

    def take_seqs(self, bus, n):
        items = self.take(bus, n)
        self.assertTrue(all(isinstance(i, Message) for i in items), items)
        return [i.seq for i in items]


class Transports(Case):
    def exchange(self, hub, bus):
        self.connect(bus)
        hub("peers", 1)
        hub("publish", "pulse/beat", 3)
        hub("drop", "pulse/beat", 2)
        hub("publish", "pulse/beat", 2)
        items = self.take(bus, 7)
        self.assertEqual([i.seq for i in items], [1, 2, 3, 4, 5, 6, 7])
        self.assertEqual([i.flags for i in items], [0, 0, 0, REPLAYED, REPLAYED, 0, 0])
        self.assertEqual([i.body for i in items], [{"n": n} for n in range(1, 8)])
        hub("publish", "pulse/beat", 1, 300000)
        self.assertEqual(len(self.take(bus, 1)[0].body["pad"]), 300000)
        self.assertEqual(hub.stats()["malformed"], 0)
        self.assertLessEqual(bus.stats["requests"], 4)  # none in vain

    def test_ipc_delivers_and_repairs(self):
        self.exchange(self.hub(), self.bus(self.ipc, topics="pulse/beat"))

    def test_tcp_delivers_and_repairs_over_the_configured_requests_address(self):
        url, requests = ("tcp://127.0.0.1:%d" % p for p in support.free_ports(2))
        self.exchange(self.hub([(url, requests)]), self.bus(url, requests, topics=["pulse/"]))

    def test_websocket_delivers_and_repairs(self):
        url = "ws://127.0.0.1:%d/bus" % support.free_ports(1)[0]
        self.exchange(self.hub([(url, url + "/in")]), self.bus(url, topics=["pulse/"]))

    def test_tls_delivers_only_to_clients_with_a_certificate(self):
        if not support.make_certificates(self.folder):
            self.skipTest("no openssl")
        ca, server, client = (os.path.join(self.folder, n + ".pem")
                              for n in ("ca", "server", "client"))
        url, requests = ("tls+tcp://localhost:%d" % p for p in support.free_ports(2))
        hub = self.hub([(u.replace("localhost", "127.0.0.1"), r.replace("localhost", "127.0.0.1"))
                        for u, r in [(url, requests)]], cert=server, ca=ca)
        self.exchange(hub, self.bus(url, requests, topics=["pulse/"],
                                    tls={"ca": ca, "cert": client}))
        nobody = self.bus(url, requests, topics=["pulse/"], tls={"ca": ca})
        hub("publish", "pulse/beat", 1)
        self.assertIsNone(nobody.get(0.5))
        self.assertEqual(nobody.stats["received"], 0)

    def test_a_wrong_url_is_refused_at_once(self):
        for url in ("http://x", "tcp://host", "ipc://", "ws://", "tcp://h:1\n", "tcp://h:99999"):
            with self.assertRaises(ValueError, msg=url):
                Bus(url)
        with self.assertRaises(ValueError):
            Bus(self.ipc, topics=["with space"])


class Delivery(Case):
    def test_a_name_is_exact_and_a_trailing_slash_is_a_subtree(self):
        hub, bus = self.joined(["rx/raw", "node/"])
        for topic in "rx/rawish", "rx/raw", "node/a", "node/b/c", "other":
            hub("publish", topic, 1)
        self.assertEqual({i.topic for i in self.take(bus, 3)}, {"rx/raw", "node/a", "node/b/c"})

    def test_without_topics_everything_comes_but_the_answers_to_others(self):
        hub, bus = self.joined([])
        other = self.bus(self.ipc, topics=["a"])
        self.connect(other)
        hub("peers", 2)
        hub("publish", "a", 1)
        hub("drop", "a", 1)
        hub("publish", "a", 1)
        self.assertEqual(self.take_seqs(other, 3), [1, 2, 3])
        self.assertEqual(self.take_seqs(bus, 3), [1, 2, 3])
        self.assertEqual(bus.stats["malformed"], 0)

    def test_durable_messages_carry_the_sequence_of_their_origin(self):
        hub, bus = self.joined(["rx/"])
        hub("publish", "rx/raw", 1)
        hub("publish", "rx/raw", 1)
        m = self.take(bus, 2)[1]
        self.assertEqual((m.origin_seq, m.flags, m.origin, m.schema), (1002, DURABLE, "pulse", 3))

    def test_the_beginning_is_where_one_joins(self):
        hub = self.hub()
        hub("publish", "pulse/beat", 5)
        bus = self.bus(self.ipc, topics=["pulse/"])
        self.connect(bus)
        hub("peers", 1)
        hub("heads")
        hub("publish", "pulse/beat", 2)
        self.assertEqual(self.take_seqs(bus, 2), [6, 7])
        named = self.bus(self.ipc, topics=["pulse/beat"])
        self.connect(named)
        hub("peers", 2)
        hub("publish", "pulse/beat", 2)
        self.assertEqual(self.take_seqs(named, 2), [8, 9])

    def test_a_subscriber_overrun_by_far_gets_everything_in_order(self):
        hub, bus = self.joined()
        hub("publish", "pulse/beat", 1)
        hub("publish", "pulse/beat", 40000)
        self.assertEqual(self.take_seqs(bus, 40001), list(range(1, 40002)))
        self.assertEqual(bus.stats["lost"], 0)
        self.assertLess(bus.stats["requests"], 100)

    def test_early_messages_beyond_the_limit_are_put_off_not_lost(self):
        hub, bus = self.joined(max_held=10)
        hub("publish", "pulse/beat", 1)
        hub("drop", "pulse/beat", 1)
        hub("publish", "pulse/beat", 50)
        self.assertEqual(self.take_seqs(bus, 52), list(range(1, 53)))
        self.assertGreater(bus.stats["put_off"], 0)
        self.assertEqual(bus.stats["lost"], 0)


class Gaps(Case):
    def test_the_loss_of_the_last_messages_shows_in_heads(self):
        hub, bus = self.joined()
        hub("publish", "pulse/beat", 1)
        hub("drop", "pulse/beat", 2)
        hub("heads")
        self.assertEqual(self.take_seqs(bus, 3), [1, 2, 3])

    def test_the_loss_of_a_new_topics_first_messages_shows(self):
        hub, bus = self.joined()
        hub("heads")
        hub("drop", "pulse/new", 2)
        hub("publish", "pulse/new", 1)
        self.assertEqual(self.take_seqs(bus, 3), [1, 2, 3])

    def test_what_is_lost_behind_the_first_heads_is_missed(self):
        hub = self.hub()
        hub("publish", "pulse/beat", 5)
        bus = self.bus(self.ipc, topics=["pulse/"])
        self.connect(bus)
        hub("peers", 1)
        hub("heads")
        hub("drop", "pulse/beat", 2)
        hub("publish", "pulse/beat", 1)
        self.assertEqual(self.take_seqs(bus, 3), [6, 7, 8])

    def test_what_the_hub_has_no_more_becomes_a_gap(self):
        hub, bus = self.joined()
        hub("publish", "pulse/beat", 2)
        hub("drop", "pulse/beat", 5000)
        hub("forget", "pulse/beat", 4000)
        hub("publish", "pulse/beat", 1)
        items = self.take(bus, 2)
        gaps = [self.take(bus, 1)[0]]
        while isinstance((item := self.take(bus, 1)[0]), Gap):
            gaps.append(item)
        self.assertEqual([i.seq for i in items], [1, 2])
        self.assertEqual({(g.topic, g.epoch, g.reason) for g in gaps},
                         {("pulse/beat", 7, "expired")})
        self.assertEqual((gaps[0].seq, sum(g.lost for g in gaps)), (3, 3998))
        self.assertEqual([item.seq] + self.take_seqs(bus, 1002), list(range(4001, 5004)))
        self.assertEqual(bus.stats["lost"], 3998)

    def test_without_an_address_for_requests_gaps_are_told_at_once(self):
        url = "tcp://127.0.0.1:%d" % support.free_ports(1)[0]
        hub = self.hub([(url, None)])
        bus = self.bus(url, topics=["pulse/"])
        self.connect(bus)
        hub("peers", 1)
        hub("publish", "pulse/beat", 1)
        hub("drop", "pulse/beat", 2)
        hub("publish", "pulse/beat", 1)
        self.assertEqual(self.take(bus, 3)[1], Gap("pulse/beat", 7, 2, 2, "no-replay"))

    def test_an_answer_that_is_lost_on_the_way_is_asked_for_again(self):
        hub, bus = self.joined()
        hub("publish", "pulse/beat", 1)
        hub("drop", "pulse/beat", 3)
        for lost in 1, 2, 4:
            hub("lose", lost)
            hub("drop", "pulse/beat", 1)
            hub("heads")
            self.assertIsInstance(bus.get(WAIT), Message)
        seqs = self.take_seqs(bus, 4)
        self.assertEqual(seqs, [4, 5, 6, 7])
        self.assertEqual(bus.stats["lost"], 0)

    def test_a_hub_that_never_answers_costs_a_gap_not_the_stream(self):
        hub, bus = self.joined(reply_timeout=0.02)
        hub("ignore", 1000)
        hub("publish", "pulse/beat", 1)
        hub("drop", "pulse/beat", 2)
        hub("publish", "pulse/beat", 2)
        items = self.take(bus, 4)
        self.assertEqual(items[1], Gap("pulse/beat", 7, 2, 2, "unanswered"))
        self.assertEqual([i.seq for i in items], [1, 2, 4, 5])

    def test_a_dead_requests_address_costs_a_gap_not_the_stream(self):
        url, requests = ("tcp://127.0.0.1:%d" % p for p in support.free_ports(2))
        hub = self.hub([(url, None)])
        bus = self.bus(url, requests, topics=["pulse/"], reply_timeout=0.05)
        self.connect(bus)
        hub("peers", 1)
        hub("publish", "pulse/beat", 1)
        hub("drop", "pulse/beat", 1)
        hub("publish", "pulse/beat", 1)
        self.assertEqual(self.take(bus, 3)[1].reason, "unanswered")
        self.assertGreater(bus.stats["request_errors"], 0)


class Restarts(Case):
    def test_after_a_cut_connection_nothing_is_missing(self):
        hub, bus = self.joined()
        hub("publish", "pulse/beat", 2)
        self.assertEqual(self.take_seqs(bus, 2), [1, 2])
        hub("kick")
        hub("publish", "pulse/beat", 3)
        while bus.stats["connects"] < 2:
            self.assertIsNone(bus.get(0.05))
        hub("peers", 1)
        hub("heads")
        self.assertEqual(self.take_seqs(bus, 3), [3, 4, 5])

    def test_a_request_whose_answer_was_cut_off_is_sent_again_at_once(self):
        hub, bus = self.joined(reply_timeout=2 * WAIT)
        hub("publish", "pulse/beat", 1)
        hub("ignore", 1)
        hub("drop", "pulse/beat", 1)
        hub("heads")
        self.assertEqual(self.take_seqs(bus, 1), [1])
        while hub.stats()["requests"] < 2:
            self.assertIsNone(bus.get(0.05))
        hub("kick")
        self.assertEqual(self.take_seqs(bus, 1), [2])

    def test_a_new_epoch_is_told_and_followed_from_its_first_message(self):
        hub, bus = self.joined()
        hub("publish", "pulse/beat", 2)
        self.assertEqual(self.take_seqs(bus, 2), [1, 2])
        hub("epoch", 8)
        hub("drop", "pulse/beat", 2)
        hub("publish", "pulse/beat", 1)
        gap, *items = self.take(bus, 4)
        self.assertEqual(gap, Gap("pulse/beat", 7, 3, None, "restart"))
        self.assertEqual([(i.epoch, i.seq) for i in items], [(8, 1), (8, 2), (8, 3)])

    def test_a_hub_that_comes_back_is_found(self):
        hub, bus = self.joined(max_backoff=0.3)
        hub("publish", "pulse/beat", 1)
        self.take(bus, 1)
        hub.stop()
        self.assertIsNone(bus.get(0.3))
        hub = self.hub(epoch=9)
        while bus.stats["connects"] < 2:
            self.assertIsNone(bus.get(0.05))
        hub("peers", 1)
        hub("publish", "pulse/beat", 1)
        self.assertEqual([(i.epoch, i.seq) for i in self.take(bus, 2)], [(7, 2), (9, 1)])

    def test_a_later_bus_goes_on_from_a_position(self):
        hub, bus = self.joined()
        hub("publish", "pulse/beat", 5)
        self.assertEqual(self.take_seqs(bus, 3), [1, 2, 3])
        position = bus.position()
        self.assertEqual(position, (7, {"pulse/beat": 3}))
        bus.close()
        hub("peers", 0)
        hub("publish", "pulse/beat", 2)
        later = self.bus(self.ipc, topics=["pulse/"], since=position)
        self.connect(later)
        hub("peers", 1)
        hub("heads")
        self.assertEqual(self.take_seqs(later, 4), [4, 5, 6, 7])

    def test_a_silent_link_is_given_up(self):
        hub, bus = self.joined(silence=0.2)
        self.assertIsNone(bus.get(1.2))
        self.assertGreater(bus.stats["connects"], 1)


class Retained(Case):
    def test_the_retained_value_comes_first(self):
        hub = self.hub()
        hub("publish", "snapshot/map", 6)
        hub("retain", "snapshot/map", 5)
        bus = self.bus(self.ipc, topics=["snapshot/map"])
        self.connect(bus)
        hub("peers", 1)
        hub("publish", "snapshot/map", 2)
        items = self.take(bus, 4)
        self.assertEqual([i.seq for i in items], [5, 6, 7, 8])
        self.assertTrue(items[0].flags & RETAINED and items[1].flags & RETAINED)
        self.assertIsNone(bus.get(0.1))
        self.assertEqual(bus._held, 0)  # 7 and 8 may have come a second time

    def test_the_retained_values_of_a_subtree_are_found_through_heads(self):
        hub = self.hub()
        hub("publish", "snapshot/a", 3)
        hub("retain", "snapshot/a", 3)
        hub("publish", "snapshot/b", 1)
        hub("retain", "snapshot/b", 1)
        bus = self.bus(self.ipc, topics=["snapshot/"])
        self.connect(bus)
        hub("peers", 1)
        hub("heads")
        items = self.take(bus, 2)
        self.assertEqual({(i.topic, i.seq) for i in items}, {("snapshot/a", 3), ("snapshot/b", 1)})

    def test_after_a_loss_the_retained_value_is_asked_for_again(self):
        hub, bus = self.joined(["snapshot/map"])
        hub("publish", "snapshot/map", 1)
        self.take(bus, 1)
        hub("drop", "snapshot/map", 4)
        hub("forget", "snapshot/map", 4)
        hub("retain", "snapshot/map", 5)
        hub("publish", "snapshot/map", 1)
        gap, *items = self.take(bus, 3)
        self.assertEqual(gap, Gap("snapshot/map", 7, 2, 3, "expired"))
        self.assertEqual([(i.seq, i.flags & RETAINED) for i in items],
                         [(5, RETAINED), (6, RETAINED)])


class Hostile(Case):
    def test_malformed_messages_are_counted_and_skipped(self):
        bad = [
            b"pulse/beat", b"pulse/beat ", b"pulse/beat \xc1", b"pulse/beat \x92", b"pulse/BEAT \x90",
            b"pulse/beat \xdd\xff\xff\xff\xff", b"pulse/beat \xdf\xff\xff\xff\xff",
            b"pulse/beat " + b"\x91" * 5000, b"pulse/beat " + b"\xdd\x00\x00\x20\x00" * 900,
            b"pulse/beat \x92\xdd\x7f\xff\xff\xff" + b"a" * 5000,
            frame("pulse/" + "x" * 100), frame("pulse/beat") + b"\x00",
            frame("pulse/beat", header=[1, 7]), frame("pulse/beat", header=[2, 7, 1, 1, "a", 1, 0]),
            frame("pulse/beat", header=[1, -7, 1, 1, "a", 1, 0]),
            frame("pulse/beat", header=[1, 7, 0, 1, "a", 1, 0]),
            frame("pulse/beat", header=[1, 7, "1", 1, "a", 1, 0]),
            frame("pulse/beat", header=[1, 7, 1, 1, None, 1, 0]),
            frame("pulse/beat", header=[1, 7, 1, 1, "a", 1, 16]),
            frame("pulse/beat", header=[1, 7, 1.5, 1, "a", 1, 0]),
            frame("pulse/beat", body=[1]), frame("pulse/beat", body=3),
            b"pulse/beat " + msgpack.packb([[1, 7, 1, 1, "a", 1, 0], {1: 2}]),
            b"pulse/beat " + msgpack.packb([[1, 7, 1, 1, "a", 1, 0], {"a": "x"}])[:-1] + b"\xff",
            frame("core/heads", body={"heads": 3}), frame("core/heads", 2, body={}),
        ]
        hub, bus = self.joined()
        for data in bad:
            hub("raw", data.hex())
        hub("publish", "pulse/beat", 1)
        self.assertEqual(self.take_seqs(bus, 1), [1])
        self.assertEqual(bus.stats["malformed"], len(bad))

    def test_absurd_numbers_do_no_harm(self):
        hub, bus = self.joined(reply_timeout=0.02)
        hub("publish", "pulse/beat", 1)
        big = (1 << 64) - 1
        odd = [
            frame("core/heads", big, {"heads": {"pulse/beat": -1, "pulse/x": "a", "Bad": 3}}),
            frame("~%s/pulse/beat" % bus._client, 0, {"lost": big},
                  header=[1, 7, 1, 1, "core", 0, 2]),
            frame("~%s/pulse/beat" % bus._client, 0, {"end": "x"}),
            frame("~%s/pulse/none" % bus._client, 5, {}),
            frame("pulse/far", big),
        ]
        for data in odd:
            hub("raw", data.hex())
        hub("publish", "pulse/beat", 2)
        items = [i for i in self.take(bus, 4) if i.topic == "pulse/beat"]
        self.assertEqual([i.seq for i in items], [1, 2, 3])

    def test_an_absurd_loss_counts_only_as_far_as_something_is_known_to_exist(self):
        hub, bus = self.joined()
        hub("publish", "pulse/beat", 1)
        hub("ignore", 1)
        hub("drop", "pulse/beat", 1)
        hub("publish", "pulse/beat", 1)
        self.assertEqual(self.take_seqs(bus, 1), [1])
        while hub.stats()["requests"] < 2:
            self.assertIsNone(bus.get(0.05))
        hub("raw", frame("~%s/pulse/beat" % bus._client, body={"lost": 1 << 63},
                         header=[1, 7, 2, 1, "core", 0, 2]).hex())
        hub("publish", "pulse/beat", 1)
        self.assertEqual(self.take(bus, 1)[0], Gap("pulse/beat", 7, 2, 1, "expired"))
        self.assertEqual(self.take_seqs(bus, 2), [3, 4])

    def test_counts_that_no_bytes_back_cost_no_memory(self):
        bus = self.bus(self.ipc)
        nested = b"pulse/beat " + b"\xdd\x00\x10\x00\x00" * 1000 + b"\0" * (1 << 20)
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        bus._take(bytearray(nested))
        self.assertEqual(bus.stats["malformed"], 1)
        self.assertLess(tracemalloc.get_traced_memory()[1], 32 << 20)

    def test_any_bytes_at_all_are_survived(self):
        rng = random.Random(1)
        bus = self.bus(self.ipc, topics=[], max_held=64)
        good = [frame("pulse/beat", n, {"a": [1, "x", b"y", 1.5, None]}) for n in range(1, 9)]
        good += [frame("core/heads", 1, {"heads": {"pulse/beat": 4, "b": 1}}),
                 frame("~%s/pulse/beat" % bus._client, 2, {"end": 9}),
                 frame("~%s/pulse/beat" % bus._client, 2, {"lost": 9},
                       header=[1, 7, 2, 1, "core", 0, 2])]
        for _ in range(30000):
            data = bytearray(rng.choice(good))
            for _ in range(rng.randrange(4)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            bus._take(data[:rng.randrange(len(data) + 1)] if rng.random() < 0.1 else data)
            bus._pump(time.monotonic())
            bus._ready.clear()
        self.assertLessEqual(bus._held, 64)
        self.assertEqual(bus._held, sum(len(t.held) for t in bus._topics.values()))

    def serve(self, *scripts):
        """A server that plays one script after the other, one a connection."""
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)

        def run():
            for script in scripts:
                peer, _ = server.accept()
                peer.settimeout(WAIT)
                try:
                    peer.recv(4096)
                    peer.sendall(script)
                    peer.recv(4096)
                except OSError:
                    pass
                peer.close()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self.addCleanup(thread.join, WAIT)
        return server.getsockname()[1]

    def test_a_server_that_breaks_the_tcp_framing_is_left_and_tried_again(self):
        hello = b"\0SP\0\0\x20\0\0"
        data = frame("pulse/beat")
        port = self.serve(
            b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0SP\0\0\x51\0\0", hello + b"\xff" * 8,
            hello + struct.pack(">Q", (64 << 20) + 1), hello + struct.pack(">Q", len(data)) + data)
        bus = self.bus("tcp://127.0.0.1:%d" % port, topics=["pulse/"], max_backoff=0.1)
        self.assertEqual(self.take_seqs(bus, 1), [1])
        self.assertEqual(bus.stats["connects"], 3)

    def test_a_server_that_breaks_the_websocket_rules_is_left(self):
        for answer in (b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 101 Hm\r\n\r\n", b"\xff" * 20000):
            port = self.serve(answer)
            bus = self.bus("ws://127.0.0.1:%d/" % port, "", connect_timeout=0.2)
            self.assertIsNone(bus.get(0.2))
            self.assertEqual(bus.stats["connects"], 0)

    def test_websocket_frames_are_cut_and_joined_by_the_rules(self):
        from meshkern_bus import links
        near, far = socket.socketpair()
        self.addCleanup(far.close)
        self.addCleanup(near.close)

        def link():
            near.setblocking(False)
            return links.WsLink(near, (b"a",), 1000)

        one = link()
        far.sendall(b"\x02\x02ab\x89\x01p\x00\x01c\x80\x01d" b"\x82\x01b" b"\x81\x01a" b"\x82\x7e\x00\x80"
                    + b"a" * 128)
        self.assertEqual(one.receive(), [b"abcd", b"a" * 128])
        pong = far.recv(100)
        self.assertEqual((pong[:2], pong[6] ^ pong[2]), (b"\x8a\x81", ord("p")))
        for bad in (b"\x82\x81xxxxa", b"\xc2\x01a", b"\x80\x01a", b"\x02\x01a\x02\x01a", b"\x88\x00",
                    b"\x09\x01a", b"\x89\x7e\x00\x80" + b"a" * 128, b"\x82\x7f" + b"\xff" * 8,
                    b"\x02\x7e\x02\x58" + b"a" * 600 + b"\x80\x7e\x02\x58"):
            two = link()
            far.sendall(bad)
            with self.assertRaises(OSError, msg=bad[:8]):
                two.receive()


class Outside(Case):
    def test_the_command_prints_messages_and_gaps_as_json_lines(self):
        hub = self.hub()
        with subprocess.Popen(
                [sys.executable, "-m", "meshkern_bus", self.ipc, "--topic", "pulse/", "--requests",
                 "", "--json", "--count", "3"], stdout=subprocess.PIPE,
                env=support.environment(), text=True) as p:
            hub("peers", 1)
            hub("publish", "pulse/beat", 1, 2)
            hub("drop", "pulse/beat", 1)
            hub("publish", "pulse/beat", 1)
            lines = [json.loads(line) for line in p.stdout]
        self.assertEqual(p.returncode, 0)
        self.assertEqual(lines[0]["body"], {"n": 1, "pad": {"$bin": "0000"}})
        self.assertEqual(lines[1]["gap"], {"topic": "pulse/beat", "epoch": 7, "seq": 2, "lost": 1,
                                           "reason": "no-replay"})
        self.assertEqual(lines[2]["seq"], 3)

    def test_the_worked_example_of_the_documentation_is_true(self):
        with open(EVENTS_MD) as f:
            table = f.read().split("## Worked example")[1].split("\n## ")[0]
        data = bytes.fromhex("".join(re.findall(r"^\| `([0-9a-f ]+)`", table, re.M)))
        bus = self.bus(self.ipc)
        bus._take(bytearray(data))
        self.assertEqual(bus.get(0), Message(
            "pulse/state", 1795234865745003, 2, 1795234866852318, "pulse", 0, 0, None,
            {"messages": 11, "number": 11, "interval_us": 100000}))


if __name__ == "__main__":
    logging.disable()  # the client's warnings are expected
    result = unittest.main(exit=False).result
    bad = len(result.failures) + len(result.errors)
    skipped = len(result.skipped)
    sys.stderr.flush()
    print("%d passed, %d failed, %d skipped" % (result.testsRun - bad - skipped, bad, skipped))
    sys.exit(bad > 0)
