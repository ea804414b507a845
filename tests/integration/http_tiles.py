#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Pictures of the map from a file of the operator's: served as pictures, another file at a reload, and
nothing that is none."""

import os
import sqlite3
import tempfile
import unittest

import daemon
from daemon import wait_for
from http_client import ask, get_json, served

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20
JPEG = b"\xff\xd8\xff" + b"j" * 100


def make(path, tiles, metadata=()):
    if os.path.exists(path):
        os.unlink(path)
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE metadata (name text, value text)")
    db.execute("CREATE TABLE tiles (zoom_level integer, tile_column integer, tile_row integer,"
               " tile_data blob)")
    db.executemany("INSERT INTO metadata VALUES (?, ?)", metadata)
    db.executemany("INSERT INTO tiles VALUES (?, ?, ?, ?)", tiles)
    db.commit()
    db.close()


class Tiles(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = f"{folder.name}/map.mbtiles"

    def served(self, **config):
        return served({"map": {"mbtiles": self.file, **config}})

    def test_pictures_are_served_with_their_type_and_may_be_kept(self):
        make(self.file, [(0, 0, 0, PNG), (3, 5, 7 - 2, JPEG), (3, 1, 7 - 1, b"<svg onload=x>")],
             [("attribution", "<b>&copy; Maps</b>"), ("maxzoom", "3")])
        with self.served(tiles="https://elsewhere.example/{z}/{x}/{y}.png") as d:
            told = get_json(d.port, "/api/web/map")["tiles"]
            self.assertEqual((told["attribution"], told["max_zoom"]), ("\u00a9 Maps", 3))
            url = told["url"].replace("{z}", "0").replace("{x}", "0").replace("{y}", "0")
            answer = ask(d.port, url, headers={"Accept-Encoding": "gzip"})
            self.assertEqual((answer.status, answer.headers["content-type"], answer.body),
                             (200, "image/png", PNG))
            self.assertEqual(answer.headers["cache-control"], "max-age=86400")
            self.assertEqual(answer.headers["x-content-type-options"], "nosniff")
            self.assertNotIn("elsewhere", answer.headers["content-security-policy"])
            self.assertNotIn("content-encoding", answer.headers)
            answer = ask(d.port, "/tiles/3/5/2")
            self.assertEqual((answer.headers["content-type"], answer.body), ("image/jpeg", JPEG))
            self.assertEqual(ask(d.port, "/tiles/3/5/2", "HEAD").status, 200)
            answer = ask(d.port, "/tiles/3/0/0")
            self.assertEqual((answer.status, answer.body), (204, b""))
            self.assertEqual(ask(d.port, "/tiles/3/1/1").status, 500)
            for place in ("3/8/0", "3/0/8", "25/0/0", "99999999999/0/0", "-1/0/0", "0/0/x", "0/0/0.png",
                          "0/0/0%00", "3/1e0/1", "0/0"):
                answer = ask(d.port, f"/tiles/{place}")
                self.assertIn(answer.status, (400, 404), place)
                self.assertNotIn(b"PNG", answer.body)

    def test_a_reload_takes_another_file_and_keeps_the_old_one_if_it_is_none(self):
        make(self.file, [(0, 0, 0, PNG)])
        with self.served() as d:
            first = get_json(d.port, "/api/web/map")["tiles"]
            other = f"{self.file}.new"
            make(other, [(0, 0, 0, JPEG), (1, 0, 0, JPEG)])
            os.replace(other, self.file)
            self.assertEqual(ask(d.port, "/tiles/0/0/0").body, PNG, "the file that was opened")
            d.configure({"http": {"config": {"listen": [f"127.0.0.1:{d.port}"], "web": "none",
                                             "map": {"mbtiles": self.file, "zoom": 5}}}})
            d.ask("reload")
            wait_for("the new file", lambda: ask(d.port, "/tiles/0/0/0").body == JPEG, context=d.log)
            told = get_json(d.port, "/api/web/map")["tiles"]
            self.assertEqual(told["max_zoom"], 1)
            self.assertNotEqual(told["url"], first["url"], "browsers ask anew")

    def test_a_file_that_is_none_is_told_at_start(self):
        with open(self.file, "w", encoding="utf-8") as f:
            f.write("no database\n" * 500)
        d = daemon.Daemon({"http": {"config": {"listen": ["127.0.0.1:0"], "web": "none",
                                               "map": {"mbtiles": self.file}}}})
        try:
            d.wait_log(r"map\.mbtiles: .*no MBTiles file")
        finally:
            d.close()

    def test_without_a_file_there_are_no_pictures(self):
        with served() as d:
            self.assertEqual(ask(d.port, "/tiles/0/0/0").status, 404)
            self.assertIsNone(get_json(d.port, "/api/web/map")["tiles"])


if __name__ == "__main__":
    daemon.main()
