#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""meshkern decode: the test vectors through the command line, keys from each place, and what is no
packet. MK_BINARY_DIR is the build folder, MK_SOURCE_DIR the source tree."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

BINARY_DIR = os.path.abspath(os.environ.get("MK_BINARY_DIR", "build"))
SOURCE_DIR = os.path.abspath(os.environ.get("MK_SOURCE_DIR", "."))
LONGFAST = "15007D1E15639564881DE509FE9546F6401E043A7E"  # a text on #LongFast
KEY = "2cc3d22840e086105ad73443da2cacb8"


def decode(*args):
    return subprocess.run([f"{BINARY_DIR}/bin/meshkern", "decode", *args], capture_output=True,
                          text=True, timeout=120, env={"LC_ALL": "C.UTF-8"})


class Decode(unittest.TestCase):
    def test_every_type_of_packet_has_the_object_of_its_vector(self):
        seen = set()
        with open(f"{SOURCE_DIR}/tests/data/vectors.jsonl") as f:
            vectors = [json.loads(line) for line in f]
        for v in vectors:
            type_ = v["expect"].get("payload_type")
            if v.get("validate_signatures") is False or type_ in seen or type_ in (5, 6):
                continue  # of channels, see below
            seen.add(type_)
            r = decode("--json", v["raw_hex"])
            if "reject" in v["expect"]:
                self.assertEqual((r.returncode, r.stdout), (1, ""), v["name"])
                continue
            out = json.loads(r.stdout)
            self.assertEqual(out["payload"], v["decoded"], v["name"])
            self.assertEqual(out["hash"], v["expect"]["hash"], v["name"])
            self.assertEqual(out["path"]["hops"], v["expect"]["path"], v["name"])
        self.assertGreater(len(seen), 10)

    def test_keys_come_from_a_file_a_flag_and_a_hashtag(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
            json.dump({"filed": KEY, "wrong": 1}, f)
            f.flush()
            for flags, channel in ((["--keys", f.name], "filed"), (["--key", f"a=b={KEY}"], "a=b"),
                                   (["--channel", "LongFast"], "#LongFast")):
                r = decode("--json", LONGFAST, *flags)
                self.assertEqual(json.loads(r.stdout)["payload"]["channel"], channel)
                self.assertEqual("1 entries are no keys" in r.stderr, channel == "filed")

    def test_people_get_a_table(self):
        r = decode("26 01 f4", "01000000 02000000", "00 aabb")
        self.assertEqual(r.returncode, 0)
        for line in ("packet         TRACE", "route to take  AA BB", "hops done      1 of 2",
                     "snrValues      [-3]"):
            self.assertIn(line, r.stdout.splitlines())

    def test_what_is_no_packet_or_no_key_is_told(self):
        for args, status, text in ((["zz"], 1, "invalid hex"), (["0A"], 1, "too short"),
                                   ([LONGFAST, "--key", "x"], 2, "NAME=HEX"),
                                   ([LONGFAST, "--key", "x=12"], 2, "32 or 64 hex digits"),
                                   ([LONGFAST, "--channel", "#"], 2, "no name"),
                                   ([LONGFAST, "--keys", "/nowhere"], 1, "/nowhere"), ([], 2, "")):
            r = decode(*args)
            self.assertEqual((r.returncode, r.stdout), (status, ""), args)
            self.assertIn(text, r.stderr)


if __name__ == "__main__":
    result = unittest.main(exit=False).result
    failed = len({str(getattr(t, "test_case", t)) for t, _ in result.failures + result.errors})
    print(f"{result.testsRun - failed} passed, {failed} failed, 0 skipped")
    sys.exit(0 if result.wasSuccessful() else 1)
