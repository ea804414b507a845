#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whether what the observers of the synthetic mesh say agrees with what meshsim says has happened.
Packets are taken apart here by the description of the protocol, without any of our C code."""

import collections
import hashlib
import json
import os
import subprocess
import tempfile
import unittest

import daemon

MESHSIM = f"{daemon.BUILD}/bin/meshsim"
FLOODS = ("FLOOD", "TRANSPORT_FLOOD")
Frame = collections.namedtuple("Frame", "route type size hops path payload hash")


def parse(raw):
    route, kind = raw[0] & 3, raw[0] >> 2 & 15
    at = 5 if route in (0, 3) else 1
    byte = raw[at]
    size, hops = (byte >> 6) + 1, byte & 63
    path, payload = raw[at + 1:at + 1 + size * hops], raw[at + 1 + size * hops:]
    text = bytes([kind]) + (bytes([byte, 0]) if kind == 9 else b"") + payload
    return Frame(route, kind, size, hops, path, payload, hashlib.sha256(text).hexdigest()[:16])


def prefixes(keys, size):
    return b"".join(bytes.fromhex(k)[:size] for k in keys)


class Truth(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.things = collections.defaultdict(list)
        cls.messages = []
        with tempfile.TemporaryDirectory(prefix="mk-") as folder:
            truth, out = f"{folder}/truth", f"{folder}/json"
            subprocess.run([MESHSIM, "--json", out, "--truth", truth, "--count", "40000", "--rate",
                            "100", "--damaged", "0", "--forged", "0.03"], check=True, timeout=300,
                           stderr=subprocess.DEVNULL)
            with open(truth, encoding="utf-8") as lines:
                for line in lines:
                    thing = json.loads(line)
                    cls.things[thing["is"]].append(thing)
            with open(out, encoding="utf-8") as lines:
                cls.messages = [json.loads(line) for line in lines]
        cls.nodes = {n["key"]: n for n in cls.things["node"]}
        cls.packets = {p["id"]: p for p in cls.things["packet"]}
        cls.links = {(x["from"], x["to"]): x for x in cls.things["link"]}
        cls.heard = collections.defaultdict(list)
        for copy in cls.things["copy"]:
            for one in copy["heard"]:
                cls.heard[one["observer"], copy["hash"]].append((copy, one))

    def receptions(self):
        for message in self.messages:
            parts, payload = message["topic"].split("/"), message["payload"]
            if parts[3] == "packets" and parts[1] != "client":
                yield parts[2].lower(), payload, parse(bytes.fromhex(payload["raw"]))

    def agrees(self, frame, copy, one, snr):
        packet = self.packets[copy["id"]]
        done, way = len(copy["path"]), packet.get("way", [])
        if one["snr"] != snr:
            return False
        if packet["route"] in FLOODS:
            return frame.size == packet["hash_size"] and \
                frame.path == prefixes(copy["path"], frame.size)
        if frame.type == 9:
            width = 1 << (frame.payload[8] & 3)
            return frame.hops == done and frame.payload[9:] == prefixes(way, width)
        return frame.path == prefixes(way[done:], frame.size)

    def test_every_reception_is_a_copy_that_the_observer_heard(self):
        count = collections.Counter()
        for observer, payload, frame in self.receptions():
            copies = self.heard[observer, frame.hash]
            self.assertTrue(any(self.agrees(frame, copy, one, float(payload["SNR"]))
                                for copy, one in copies), (payload, copies))
            count[frame.type] += 1
        self.assertGreaterEqual(sum(count.values()), 40000)
        self.assertGreater(count[9], 100)

    def test_floods_are_forwarded_as_the_firmware_does(self):
        longest = 0
        for copy in self.things["copy"]:
            packet, path = self.packets[copy["id"]], copy["path"]
            if packet["route"] not in FLOODS:
                continue
            longest = max(longest, len(path))
            self.assertEqual(len(set(path)), len(path))
            self.assertNotIn(packet["from"], path)
            self.assertLessEqual(len(path) * packet["hash_size"], 64)
            self.assertTrue(not path or not packet.get("forged"))
            for hops, (sender, key) in enumerate(zip([packet["from"], *path], path)):
                node = self.nodes[key]
                self.assertIn((sender, key), self.links)
                self.assertTrue(node["repeats"] and hops < node["max_hops"])
                self.assertTrue(packet["hash_size"] == 1 or node["multibyte"])
        self.assertGreater(longest, 4)

    def test_nobody_forwards_a_flood_twice(self):
        senders = collections.Counter((c["id"], c["by"]) for c in self.things["copy"]
                                      if self.packets[c["id"]]["route"] in FLOODS)
        self.assertEqual(max(senders.values()), 1)

    def test_packets_have_the_hash_size_of_who_sends_them(self):
        for packet in self.packets.values():
            if packet["route"] in FLOODS:
                self.assertEqual(packet["hash_size"], self.nodes[packet["from"]]["hash_size"])

    def test_links_lose_what_they_are_said_to_lose(self):
        down = {s["key"] for s in self.things["service"]}
        expected, got, sent = 0.0, 0, 0
        observers = [o["key"] for o in self.things["observer"] if o["key"] not in down]
        for copy in self.things["copy"]:
            heard = {one["observer"] for one in copy["heard"]}
            for observer in observers:
                link = self.links.get((copy["by"], observer))
                if link is not None:
                    sent += 1
                    expected += 1 - link["loss"]
                    got += observer in heard
        self.assertGreater(sent, 10000)
        self.assertAlmostEqual(got / sent, expected / sent, delta=0.02)

    def test_adverts_carry_the_senders_clock(self):
        offsets, seen = set(), 0
        at = {c["hash"]: (c["at_us"], self.packets[c["id"]]) for c in self.things["copy"]
              if not c["path"] and self.packets[c["id"]]["type"] == "ADVERT"}
        for _, _, frame in self.receptions():
            if frame.type != 4 or at[frame.hash][1].get("forged"):
                continue
            at_us, packet = at[frame.hash]
            node = self.nodes[packet["about"]]
            said = int.from_bytes(frame.payload[32:36], "little")
            if packet["about"] == packet["from"] and not node["drift_ppm"]:
                self.assertAlmostEqual(said - at_us / 1e6, node["clock_s"], delta=5)
                offsets.add(node["clock_s"])
                seen += 1
        self.assertGreater(seen, 1000)
        self.assertTrue(any(abs(x) > 86400 for x in offsets), "no clock is years off")
        self.assertTrue(any(600 < abs(x) <= 86400 for x in offsets), "no clock is hours off")

    def test_most_direct_packets_and_traces_come_through(self):
        for kinds in (("TRACE",), ("TXT_MSG", "ACK", "REQ", "RESPONSE")):
            done = collections.defaultdict(int)
            for copy in self.things["copy"]:
                done[copy["id"]] = max(done[copy["id"]], len(copy["path"]))
            mine = [p for p in self.packets.values() if p["type"] in kinds and "way" in p]
            self.assertGreater(len(mine), 10)
            whole = sum(done[p["id"]] >= len(p["way"]) for p in mine)
            self.assertGreater(whole / len(mine), 0.6)


if __name__ == "__main__":
    if not os.path.exists(MESHSIM):
        raise SystemExit(77)
    daemon.main()
