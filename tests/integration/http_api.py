#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The http plugin of the running daemon: routes, errors, headers, files."""

import contextlib
import json
import os
import socket
import ssl
import subprocess
import tempfile
import unittest

import daemon
from http_client import (KEY, WebSocket, ask, connect, get_json, gunzip, raw, read_answer, served,
                         wait_for)

PACKET = "15005A4A0DB2F8"  # a group text with a payload that nobody can read


def at_once(port, target, count, more=""):
    """The answers to so many requests that are sent before the first is answered."""
    with connect(port) as s, s.makefile("rb") as stream:
        s.sendall(f"GET {target} HTTP/1.1\r\nHost: test\r\n{more}\r\n".encode() * count)
        return [read_answer(stream) for _ in range(count)]


class Basics(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = served({"cors": ["https://good.example"]},
                       {"pulse": {"config": {"interval": "100ms"}},
                        "tally": {"config": {"interval": "100ms"}}})
        wait_for("statistics", lambda: ask(cls.d.port, "/api/bus").status == 200)

    @classmethod
    def tearDownClass(cls):
        cls.d.close()

    def error(self, answer, status):
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.headers["content-type"], "application/json")
        self.assertTrue(json.loads(answer.body)["error"])
        self.assertTrue(answer.body.endswith(b"\n"))

    def test_plugins_are_shown(self):
        names = [p["name"] for p in get_json(self.d.port, "/api/plugins")["items"]]
        self.assertEqual(sorted(names), ["http", "pulse", "tally"])

    def test_topics_have_rates(self):
        def rate():
            topics = get_json(self.d.port, "/api/bus")["topics"]
            return next((t["per_second"] for t in topics if t["name"] == "pulse/beat"), 0)
        self.assertLess(wait_for("rate", rate), 100)

    def test_a_snapshot_has_its_base_and_the_deltas_since(self):
        wait_for("snapshot", lambda: ask(self.d.port, "/api/snapshots/tally").status == 200)
        snapshot = wait_for("deltas", lambda: (lambda s: s["deltas"] and s)(
            get_json(self.d.port, "/api/snapshots/tally")))
        self.assertIn("topics", snapshot["base"])
        self.assertIn("topics", snapshot["deltas"][0]["body"])
        self.assertEqual(snapshot["seq"], snapshot["deltas"][-1]["seq"])
        names = [s["name"] for s in get_json(self.d.port, "/api/snapshots")["items"]]
        self.assertEqual(names, ["tally"])
        self.error(ask(self.d.port, "/api/snapshots/none"), 404)

    def test_metrics_are_text_that_prometheus_reads(self):
        answer = ask(self.d.port, "/metrics")
        self.assertTrue(answer.headers["content-type"].startswith("text/plain; version=0.0.4"))
        for line in answer.body.decode().splitlines():
            self.assertRegex(line, r'^(# TYPE \w+ \w+|\w+(\{[^}]*\})? [-+.0-9e]+)$')
        self.assertIn(b'meshkern_plugin_running{plugin="pulse"} 1\n', answer.body)
        self.assertIn(b'meshkern_topic_messages_total{topic="pulse/beat"} ', answer.body)

    def test_without_storage_it_is_not_ready(self):
        answer = ask(self.d.port, "/api/healthz")
        self.assertEqual(answer.status, 503)
        self.assertEqual(json.loads(answer.body), {"ready": False, "reason": "loading"})
        self.assertEqual(answer.headers["retry-after"], "5")
        health = get_json(self.d.port, "/api/health")
        self.assertEqual((health["status"], health["engine"]), ("ok", "meshkern"))
        self.assertEqual(get_json(self.d.port, "/api/mqtt/status"), {"sources": [], "sampleAt": ""})

    def test_who_comes_too_early_is_told_once_when_to_come_again(self):
        for target in ("/api/packets", "/api/nodes", "/api/analytics/rf", "/api/healthz"):
            with connect(self.d.port) as s:
                s.sendall(f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
                with s.makefile("rb") as stream:
                    head = stream.read().split(b"\r\n\r\n")[0].lower()
            self.assertIn(b" 503 ", head.splitlines()[0], target)
            self.assertEqual(head.count(b"\r\nretry-after:"), 1, (target, head))

    def test_errors_are_json(self):
        self.error(ask(self.d.port, "/api/none"), 404)
        self.error(ask(self.d.port, "/none"), 404)
        self.error(ask(self.d.port, "/api/plugins/"), 404)
        answer = ask(self.d.port, "/api/plugins", "DELETE")
        self.error(answer, 405)
        self.assertEqual(answer.headers["allow"], "GET, HEAD")
        self.error(ask(self.d.port, "/api/plugins?a=%zz"), 400)
        self.error(ask(self.d.port, "/api/%ff"), 400)
        self.error(ask(self.d.port, "/api/" + "a" * 9000), 414)
        self.error(ask(self.d.port, "/api/plugins", headers={"X": "a" * 18000}), 431)
        self.error(ask(self.d.port, "/api/decode", "POST", body=b"x" * 9000), 413)
        self.error(ask(self.d.port, "/api/decode", "POST", body=b"{"), 400)
        self.error(ask(self.d.port, "/api/decode", "POST", body={"hex": "0"}), 400)

    def test_a_body_in_chunks_is_limited_too(self):
        head = b"POST /api/decode HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        chunks = b"".join(b"400\r\n" + b"x" * 1024 + b"\r\n" for _ in range(20)) + b"0\r\n\r\n"
        self.error(raw(self.d.port, head + chunks), 413)

    def test_paths_are_cleaned(self):
        for path, clean in (("//api/plugins?a=1", "/api/plugins?a=1"), ("/x/../api/bus", "/api/bus"),
                            ("/./", "/"), ("//evil.example/", "/evil.example/")):
            answer = ask(self.d.port, path)
            self.assertEqual((answer.status, answer.headers["location"]), (301, clean))

    def test_head_is_get_without_the_body(self):
        get, head = (ask(self.d.port, "/api/routes", m) for m in ("GET", "HEAD"))
        self.assertEqual((head.status, head.body), (200, b""))
        self.assertEqual(head.headers["content-length"], get.headers["content-length"])

    def test_what_did_not_change_is_not_sent_again(self):
        answer = ask(self.d.port, "/api/routes")
        again = ask(self.d.port, "/api/routes", headers={"If-None-Match": answer.headers["etag"]})
        self.assertEqual((again.status, again.body), (304, b""))
        self.assertEqual(answer.headers["cache-control"], "no-cache")
        other = ask(self.d.port, "/api/routes", headers={"If-None-Match": '"other"'})
        self.assertEqual(other.status, 200)

    def test_answers_are_compressed_for_who_takes_it(self):
        plain = ask(self.d.port, "/api/routes")
        for accept, packed in (("gzip", True), ("br, gzip;q=0.5", True), ("*", True),
                               ("gzip;q=0", False), ("identity", False)):
            answer = ask(self.d.port, "/api/routes", headers={"Accept-Encoding": accept})
            self.assertEqual(answer.headers.get("content-encoding") == "gzip", packed, accept)
            self.assertEqual(gunzip(answer.body) if packed else answer.body, plain.body)
            self.assertEqual(answer.headers["vary"], "Accept-Encoding")

    def test_only_listed_origins_may_read(self):
        good = ask(self.d.port, "/api/routes", headers={"Origin": "https://good.example"})
        self.assertEqual(good.headers["access-control-allow-origin"], "https://good.example")
        bad = ask(self.d.port, "/api/routes", headers={"Origin": "https://bad.example"})
        self.assertEqual(bad.status, 200)
        self.assertNotIn("access-control-allow-origin", bad.headers)
        for origin, status in (("https://good.example", 204), ("https://bad.example", 403)):
            answer = ask(self.d.port, "/api/routes", "OPTIONS", {"Origin": origin})
            self.assertEqual((answer.status, answer.body), (status, b""))
        self.assertEqual(ask(self.d.port, "/api/routes", "OPTIONS").headers["allow"], "GET, HEAD")

    def test_browsers_are_told_to_be_careful(self):
        headers = ask(self.d.port, "/").headers
        self.assertIn("default-src 'self'", headers["content-security-policy"])
        self.assertNotIn("unsafe", headers["content-security-policy"])
        self.assertEqual(headers["x-content-type-options"], "nosniff")
        self.assertEqual(headers["x-corescope-load-status"], "loading; progress=0")

    def test_the_first_page_has_its_parts(self):
        page = ask(self.d.port, "/")
        self.assertIn(b"/start.js", page.body)
        self.assertNotIn(b"<script>", page.body)
        self.assertIn("javascript", ask(self.d.port, "/start.js").headers["content-type"])
        self.assertIn("text/css", ask(self.d.port, "/start.css").headers["content-type"])

    def test_changing_needs_the_key(self):
        target = "/api/plugins/pulse/restart"
        self.error(ask(self.d.port, target, "POST"), 401)
        self.error(ask(self.d.port, target, "POST", {"X-API-Key": KEY[:-1] + "x"}), 401)
        self.error(ask(self.d.port, target, "POST", {"X-API-Key": KEY + KEY}), 401)
        answer = ask(self.d.port, target, "POST", {"X-API-Key": KEY})
        self.assertEqual((answer.status, json.loads(answer.body)["state"]), (200, "running"))
        self.error(ask(self.d.port, "/api/plugins/none/restart", "POST", {"X-API-Key": KEY}), 404)
        self.error(ask(self.d.port, "/api/plugins/pulse/fly", "POST", {"X-API-Key": KEY}), 404)

    def test_without_a_decoder_decoding_is_not_available(self):
        self.error(ask(self.d.port, "/api/decode", "POST", body={"hex": PACKET}), 503)

    def test_one_connection_takes_many_requests(self):
        with connect(self.d.port) as s, s.makefile("rb") as stream:
            s.sendall(b"GET /api/routes HTTP/1.1\r\nHost: a\r\n\r\n" * 50)  # all at once
            for _ in range(50):
                self.assertEqual(read_answer(stream).status, 200)
            s.sendall(b"GET /api/none HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
            self.assertEqual([read_answer(stream).status for _ in range(2)], [404, 404])


class Configured(unittest.TestCase):
    def test_no_key_and_weak_keys_open_nothing(self):
        for key in ("", "change-me", "short"):
            with served({"api_key": key}) as d:
                answer = ask(d.port, "/api/plugins/http/restart", "POST", {"X-API-Key": key})
                self.assertEqual(answer.status, 403, answer)

    def test_live_options_change_without_a_restart(self):
        with served() as d:
            self.assertNotIn("access-control-allow-origin",
                             ask(d.port, "/", headers={"Origin": "https://a"}).headers)
            config = {"listen": ["127.0.0.1:0"], "api_key": KEY, "web": "none", "cors": ["*"]}
            d.configure({"http": {"config": config}})
            d.ask("reload")
            wait_for("the new origin", lambda: ask(d.port, "/", headers={"Origin": "https://a"})
                     .headers.get("access-control-allow-origin") == "*")

    def test_a_budget_limits_expensive_answers(self):
        with served({"budget": {"per_second": 1, "burst": 5}}) as d:
            answers = at_once(d.port, "/metrics", 50)
            self.assertEqual([a.status for a in answers[:5]], [200] * 5)
            refused = [a for a in answers if a.status == 429]
            self.assertTrue(refused)
            self.assertEqual({a.headers["retry-after"] for a in refused}, {"1"})
            self.assertEqual(ask(d.port, "/api/routes").status, 200)

    def test_one_address_does_not_take_all_connections(self):
        request = b"GET /api/routes HTTP/1.1\r\nHost: a\r\n\r\n"

        def status(s):
            with s.makefile("rb") as stream:
                s.sendall(request)
                return read_answer(stream).status

        with served({"limits": {"per_address": 5}}) as d, contextlib.ExitStack() as stack:
            mine = [stack.enter_context(connect(d.port)) for _ in range(5)]
            self.assertEqual([status(s) for s in mine], [200] * 5)
            with connect(d.port) as more, more.makefile("rb") as stream:
                self.assertEqual(read_answer(stream).status, 503)
            with socket.create_connection(("127.0.0.1", d.port), daemon.SECONDS,
                                          ("127.0.0.2", 0)) as other:
                self.assertEqual(status(other), 200)
            mine[0].close()
            wait_for("room", lambda: ask(d.port, "/api/routes").status == 200)

    def test_clients_behind_a_known_proxy_are_told_apart(self):
        with served({"budget": {"per_second": 1, "burst": 2}, "proxies": ["127.0.0.1"]}) as d:
            for client in ("192.0.2.1", "2001:db8::1", "192.0.2.1, 198.51.100.7"):
                answers = at_once(d.port, "/metrics", 50, f"X-Forwarded-For: {client}\r\n")
                statuses = [a.status for a in answers]
                self.assertEqual(statuses[:2], [200, 200], client)
                self.assertIn(429, statuses, client)

    def test_several_addresses(self):
        try:
            connect(1, seconds=2, host="::1").close()
        except ConnectionRefusedError:
            pass
        except OSError:
            self.skipTest("no IPv6")
        with served({"listen": ["127.0.0.1:0", "[::1]:0"]}) as d:
            def told():
                return [line.split("port=")[1].split()[0] for line in d.lines if "port=" in line]
            ports = wait_for("both ports", lambda: len(told()) > 1 and told())
            self.assertEqual(ask(d.port, "/").status, 200)
            with connect(int(ports[1]), host="::1") as s, s.makefile("rb") as stream:
                s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                self.assertEqual(read_answer(stream).status, 200)

    def test_an_address_in_use_is_named(self):
        with served() as d, daemon.Daemon(
                {"http": {"config": {"listen": [f"127.0.0.1:{d.port}"]}}}) as other:
            other.wait_log(f"listen on 127.0.0.1:{d.port}: Address already in use")

    def test_in_a_process_of_its_own(self):
        with daemon.Daemon({"http": {"isolation": "process", "config": {
                "listen": ["127.0.0.1:0"]}}}) as d:
            port = int(d.wait_log(r"plugin http: listening .* port=(\d+)").group(1))
            d.wait_state("http", "running")
            self.assertEqual(ask(port, "/").status, 200)

    def test_tls(self):
        with tempfile.TemporaryDirectory() as folder:
            cert, key = f"{folder}/cert.pem", f"{folder}/key.pem"
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj",
                            "/CN=test", "-days", "2", "-keyout", key, "-out", cert], check=True,
                           capture_output=True)
            with served({"tls": {"cert": cert, "key": key}}) as d:
                context = ssl.create_default_context(cafile=cert)
                context.check_hostname = False
                with context.wrap_socket(connect(d.port)) as s, s.makefile("rb") as stream:
                    s.sendall(b"GET /api/routes HTTP/1.1\r\nHost: a\r\n\r\n")
                    self.assertEqual(read_answer(stream).status, 200)
                with WebSocket(d.port, wrap=context.wrap_socket) as ws:
                    for i in range(20):
                        ws.send(do="ping", id=i)
                    self.assertEqual(ws.until(lambda m: m.get("id") == 19)["type"], "pong")
                with connect(d.port) as s:  # not TLS
                    s.sendall(b"GET / HTTP/1.1\r\n\r\n")
                    self.assertNotIn(b"200 OK", s.recv(1000))
                self.assertEqual(d.stop(), 0)


class Files(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        root = cls.folder.name
        os.makedirs(f"{root}/web/assets")
        os.makedirs(f"{root}/web/.git")
        files = {"secret.txt": "secret", "web/index.html": "<p>index __BUST__", "web/a.js": "x" * 4000,
                 "web/assets/app.css": "css", "web/assets/app.css.gz": "packed",
                 "web/.git/config": "hidden", "web/ä.txt": "umlaut"}
        for name, text in files.items():
            with open(f"{root}/{name}", "w", encoding="utf-8") as f:
                f.write(text)
        os.symlink("../secret.txt", f"{root}/web/link.txt")
        os.mkfifo(f"{root}/web/pipe")
        cls.d = served({"web": f"{root}/web", "compat": {"listen": ["127.0.0.1:0"],
                                                         "static": f"{root}/web"}})
        cls.port = cls.d.port
        cls.compat = int(cls.d.wait_log(r"port=(\d+) tls=0 compat=1").group(1))

    @classmethod
    def tearDownClass(cls):
        cls.d.close()
        cls.folder.cleanup()

    def test_files_have_types_and_tags(self):
        answer = ask(self.port, "/a.js")
        self.assertEqual((answer.status, len(answer.body)), (200, 4000))
        self.assertEqual(answer.headers["content-type"], "text/javascript; charset=utf-8")
        again = ask(self.port, "/a.js", headers={"If-None-Match": answer.headers["etag"]})
        self.assertEqual(again.status, 304)
        self.assertEqual(ask(self.port, "/%C3%A4.txt").body, b"umlaut")
        self.assertIn("immutable", ask(self.port, "/assets/app.css").headers["cache-control"])

    def test_compressed_forms(self):
        sent = {"Accept-Encoding": "gzip"}
        answer = ask(self.port, "/assets/app.css", headers=sent)
        self.assertEqual((answer.headers["content-encoding"], answer.body), ("gzip", b"packed"))
        for _ in range(2):
            answer = ask(self.port, "/a.js", headers=sent)
            self.assertEqual(gunzip(answer.body), b"x" * 4000)

    def test_ranges(self):
        for asked, status, got in (("bytes=0-3", 206, b"xxxx"), ("bytes=-2", 206, b"xx"),
                                   ("bytes=3998-", 206, b"xx"), ("bytes=5000-", 416, b""),
                                   ("bytes=a-b", 200, b"x" * 4000)):
            answer = ask(self.port, "/a.js", headers={"Range": asked})
            self.assertEqual((answer.status, answer.body), (status, got), asked)

    def test_nothing_outside_can_be_reached(self):
        for path in ("/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/.%2e/secret.txt",
                     "/assets/../../secret.txt", "/assets/%2e%2e/%2e%2e/secret.txt", "/link.txt",
                     "/..\\secret.txt", "/%5c..%5csecret.txt", "/.git/config", "/pipe", "/assets",
                     "/assets/", "/a.js/", "/a.js%00.html", "/%c0%ae%c0%ae/secret.txt"):
            for port in (self.port, self.compat):
                answer = ask(port, path)
                self.assertNotIn(b"secret", answer.body, path)
                self.assertNotIn(b"hidden", answer.body, path)
                if port == self.port:
                    self.assertIn(answer.status, (301, 400, 404), path)

    def test_addresses_of_the_pages_lead_to_the_index(self):
        for path in ("/", "/index.html"):
            self.assertEqual(ask(self.port, path).body, b"<p>index __BUST__")
        for path in ("/nodes/abc", "/channels/%23a%2Fb"):
            page = ask(self.port, path, headers={"Accept": "text/html,*/*"})
            self.assertEqual((page.status, page.body), (200, b"<p>index __BUST__"), path)
        self.assertEqual(ask(self.port, "/assets%2Fapp.css").status, 404, "no name of a file")
        self.assertEqual(ask(self.port, "/nodes/abc").status, 404)
        self.assertEqual(ask(self.port, "/api/x", headers={"Accept": "text/html"}).status, 404)

    def test_the_second_listener_serves_pages_as_corescope_does(self):
        answer = ask(self.compat, "/")
        self.assertRegex(answer.body, rb"^<p>index \d+$")
        self.assertIn("no-store", answer.headers["cache-control"])
        self.assertIn("unsafe-inline", answer.headers["content-security-policy"])
        self.assertEqual(ask(self.compat, "/missing.js").body, answer.body)
        self.assertEqual(get_json(self.compat, "/api/mqtt/status")["sources"], [])
        self.assertEqual(ask(self.compat, "/api/none").status, 404)


if __name__ == "__main__":
    daemon.main()
