#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The meshkern tool against a daemon made of a few lines: what it asks, what it prints, how it
exits. MK_BINARY_DIR is the build folder. Needs python3-msgpack, no network and no daemon."""

import json
import os
import pty
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

import msgpack

BINARY = os.path.abspath(os.path.join(os.environ.get("MK_BINARY_DIR", "build"), "bin/meshkern"))

STATUS = {
    "version": "0.1.0", "pid": 4242, "epoch": 17, "uptime_us": 273_600_000_000,
    "config": "/etc/meshkern/meshkern.yaml", "data_dir": "/var/lib/meshkern", "state": "running",
    "rss_bytes": 50_541_363, "plugins": {"running": 7, "starting": 0, "failed": 1, "disabled": 2},
    "bus": {"published": 1234567, "delivered": 5, "refused": 0, "gaps": 0, "lost": 0},
}
PLUGIN = {
    "name": "storage", "plugin": "storage", "version": "1.0.0", "summary": "writes the database",
    "state": "running", "reason": "", "isolation": "inproc", "pid": 4242, "since_us": 1_000_000,
    "restarts": 0, "crashes": 0, "path": "/x/storage.so", "builtin": True, "enabled": True,
    "rss_bytes": 1048576, "subscribes": ["rx/raw", "packet/"], "publishes": ["packet/stored"],
    "misbehaved": 0, "last_misbehaviour": "", "in": 12345, "out": 2, "refused": 0, "lost": 0,
    "lag": 3, "outbox": {"first": 1, "last": 9, "bytes": 2048, "max_bytes": 1 << 30,
                         "refused": 0, "damaged": 0},
    "numbers": {"rows": 77}, "callback": "", "callback_us": 0, "landlock": False,
}


def frame(topic, seq, body, flags=0, origin="sim", origin_seq=None):
    header = [1, 17, seq, 1_763_695_631_123_456, origin, 1, flags]
    if origin_seq is not None:
        header.append(origin_seq)
    return topic.encode() + b" " + msgpack.packb([header, body])


class Daemon:
    """Answers each method with the prepared list of answers, and keeps the requests."""

    def __init__(self, path):
        self.answers, self.requests, self.raw = {}, [], None
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(8)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            with client:
                self.converse(client)

    def converse(self, client):
        request = self.receive(client)
        if request is None:
            return
        self.requests.append(request)
        if self.raw is not None:
            client.sendall(self.raw)
            return
        answers = self.answers.get(request["do"], [])
        for i, answer in enumerate(answers):
            answer = {"id": request["id"], "result": 0, "error": "", **answer}
            if i + 1 < len(answers):
                answer["more"] = True
            data = msgpack.packb(answer)
            try:
                client.sendall(struct.pack("<I", len(data)) + data)
            except BrokenPipeError:
                return

    @staticmethod
    def receive(client):
        data = b""
        while len(data) < 4 or len(data) < 4 + struct.unpack("<I", data[:4])[0]:
            piece = client.recv(65536)
            if not piece:
                return None
            data += piece
        return msgpack.unpackb(data[4:])


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp()
        os.makedirs(f"{self.dir}/data/run")
        self.socket = f"{self.dir}/data/run/control.sock"
        self.env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        self.daemon = None

    def tearDown(self):
        self.stop()
        shutil.rmtree(self.dir)

    def stop(self):
        if self.daemon:
            self.daemon.listener.shutdown(socket.SHUT_RDWR)
            self.daemon.listener.close()
            os.unlink(self.socket)
            self.daemon = None

    def start(self, **answers):
        self.stop()
        self.daemon = Daemon(self.socket)
        self.daemon.answers = answers

    def run_tool(self, *args, status=0, control=True, stdin=""):
        where = ["--control", self.socket] if control else []
        done = subprocess.run([BINARY, *where, *args], env=self.env, cwd=self.dir, input=stdin,
                              capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, status, done.stderr)
        return done

    def out(self, *args, **more):
        return self.run_tool(*args, **more).stdout

    def err(self, *args, **more):
        return self.run_tool(*args, **more).stderr

    def request(self):
        request = dict(self.daemon.requests[-1])
        request.pop("id")
        return request


class Finding(Case):
    def test_a_missing_socket_is_status_3_and_says_how_to_start(self):
        self.assertIn("start it with `meshkernd", self.err("status", status=3))

    def test_a_socket_that_nobody_listens_on_is_status_3(self):
        with socket.socket(socket.AF_UNIX) as abandoned:
            abandoned.bind(self.socket)
        self.assertIn("is gone", self.err("status", status=3))

    def test_the_configuration_leads_to_the_socket(self):
        self.start(status=[{"data": STATUS}])
        os.mkdir(f"{self.dir}/etc")
        with open(f"{self.dir}/etc/m.yaml", "w") as f:
            f.write("meshkern: 1\ndata_dir: ../data\nplugins: { broken: { nonsense: 1 } }\n")
        self.out("-c", "etc/m.yaml", "status", control=False)
        self.out("-c", f"{self.dir}/etc/m.yaml", "status", control=False)

    def test_without_a_word_the_file_in_this_folder_is_taken_with_its_default(self):
        self.start(status=[{"data": STATUS}])
        with open(f"{self.dir}/meshkern.yaml", "w") as f:
            f.write("meshkern: 1\n")
        self.out("status", control=False)

    def test_the_environment_names_the_socket_and_c_overrides_it(self):
        self.start(status=[{"data": STATUS}])
        self.env["MESHKERN_CONTROL"] = self.socket
        self.out("status", control=False)
        self.err("-c", "absent.yaml", "status", control=False, status=2)

    def test_malformed_yaml_is_status_2_with_its_position(self):
        with open(f"{self.dir}/meshkern.yaml", "w") as f:
            f.write("data_dir: [\n")
        self.assertRegex(self.err("status", control=False, status=2), r"meshkern\.yaml:\d+:\d+: ")


class Results(Case):
    def test_status_shows_units_and_states(self):
        self.start(status=[{"data": STATUS}])
        lines = self.out("status").splitlines()
        self.assertIn("uptime    3d 4h", lines)
        self.assertIn("rss       48.2 MiB", lines)
        self.assertIn("pid       4242", lines)
        self.assertIn("plugins   running 7, starting 0, failed 1, disabled 2", lines)

    def test_json_is_the_data_on_one_line(self):
        self.start(status=[{"data": STATUS}])
        text = self.out("status", "--json")
        self.assertEqual(text.count("\n"), 1)
        self.assertEqual(json.loads(text), STATUS)

    def test_plugins_are_a_table(self):
        self.start(plugins=[{"data": {"items": [PLUGIN]}}])
        head, row = self.out("plugins").splitlines()
        self.assertTrue(head.startswith("NAME     VERSION  STATE    "))
        self.assertRegex(row, r"^storage  1\.0\.0    running  .* inproc .* 4242  1\.0 MiB  12,345")

    def test_one_plugin_is_shown_completely(self):
        self.start(plugins=[{"data": {"items": [PLUGIN]}}])
        text = self.out("plugins", "storage")
        self.assertIn("first 1, last 9, bytes 2.0 KiB, max 1.0 GiB", text)
        self.assertIn("subscribes         rx/raw, packet/\n", text)
        self.assertEqual(json.loads(self.out("plugins", "storage", "--json")), PLUGIN)
        self.assertIn("no plugin is called", self.err("plugins", "stor", status=1))

    def test_stats_show_rings_and_tables(self):
        ring = {"messages": 1, "bytes": 2, "max_messages": 3, "max_bytes": 4, "evicted": 5,
                "pushed_back_us": 6}
        self.start(stats=[{"data": {
            "uptime_us": 1, "ring": {"reliable": ring, "latest": ring},
            "topics": [{"name": "rx/raw", "class": "durable", "seq": 1234, "bytes": 4096,
                        "publishers": ["sim"], "subscribers": []}],
            "instances": [{"name": "sim", "in": 1, "lag": 2}]}}])
        text = self.out("stats")
        self.assertIn("ring reliable", text)
        self.assertRegex(text, r"rx/raw +durable +1,234 +4\.0 KiB +sim +-")
        self.assertRegex(text, r"NAME +IN +LAG\nsim +1 +2")

    def test_changes_name_the_plugin_and_show_the_note(self):
        for verb in ("enable", "disable", "restart", "reset"):
            with self.subTest(verb):
                self.start(**{verb: [{"data": {"name": "a", "state": "running", "note": "x"}}]})
                self.assertRegex(self.out(verb, "a"), "name +a\nstate +running\nnote +x")
                self.assertEqual(self.request(), {"do": verb, "name": "a"})

    def test_a_refusal_is_status_1_with_the_reason(self):
        self.start(enable=[{"result": -6, "error": "no such plugin"}], reset=[{"result": -16}])
        self.assertEqual(self.err("enable", "a", status=1), "meshkern: a: no such plugin\n")
        self.assertIn("not possible in this state", self.err("reset", "a", status=1))

    def test_reload_prints_the_plan_and_dry_run_is_passed_on(self):
        self.start(reload=[{"data": {"plan": ["http: restart"], "changed": True, "problems": [],
                                     "results": ["http: running"]}}])
        self.assertEqual(self.out("reload"), "http: restart\nhttp: running\ndone\n")
        self.assertEqual(self.request(), {"do": "reload", "dry_run": False})
        self.assertIn("dry run", self.out("reload", "--dry-run"))
        self.assertEqual(self.request(), {"do": "reload", "dry_run": True})

    def test_reload_that_a_plugin_did_not_survive_is_status_1(self):
        data = {"plan": ["http: restart"], "changed": True, "problems": [],
                "results": ["http: quarantined: start failed"]}
        self.start(reload=[{"result": -9, "error": "not every plugin", "data": data}])
        done = self.run_tool("reload", status=1)
        self.assertEqual(done.stdout, "http: restart\nhttp: quarantined: start failed\n")
        self.assertEqual(done.stderr, "meshkern: reload: not every plugin\n")

    def test_reload_with_problems_is_status_2(self):
        data = {"plan": [], "changed": False, "problems": ["m.yaml:1:2: bad", "m.yaml:3:4: worse"]}
        self.start(reload=[{"result": -1, "error": "2 problems", "data": data}])
        done = self.run_tool("reload", status=2)
        self.assertEqual(done.stderr,
                         "m.yaml:1:2: bad\nm.yaml:3:4: worse\nmeshkern: reload: 2 problems\n")
        self.assertEqual(json.loads(self.out("reload", "--json", status=2)), data)


class Messages(Case):
    def test_tail_prints_a_line_for_each_message(self):
        frames = [frame("rx/raw", 7, {"raw": b"\x00\xff", "n": -1}, 1 | 16, origin_seq=99),
                  frame("core/heads", 8, {"heads": {"rx/raw": 7}})]
        self.start(tail=[{"data": {"frames": frames}}, {"data": {"lost": 5}}, {"data": {}}])
        lines = [json.loads(line) for line in self.out("tail", "rx/", "core/heads").splitlines()]
        self.assertEqual(lines[0], {
            "topic": "rx/raw", "epoch": 17, "seq": 7, "time": "2025-11-21T03:27:11.123456Z",
            "origin": "sim", "origin_seq": 99, "schema": 1, "flags": ["replayed", "durable"],
            "body": {"raw": {"$bin": "00ff"}, "n": -1}})
        self.assertEqual(lines[1]["body"], {"heads": {"rx/raw": 7}})
        self.assertEqual(lines[2], {"lost": 5})
        self.assertEqual(self.request(),
                         {"do": "tail", "topics": ["rx/", "core/heads"], "retained": False})

    def test_tail_ends_after_the_count(self):
        self.start(tail=[{"data": {"frames": [frame("a", i, {}) for i in range(9)]}}] * 3)
        self.assertEqual(len(self.out("tail", "--count", "11", "--retained").splitlines()), 11)
        self.assertEqual(self.request(), {"do": "tail", "topics": [], "retained": True})

    def test_the_end_of_the_daemon_ends_a_tail_with_status_3(self):
        self.start(tail=[])
        self.assertIn("it has stopped", self.err("tail", status=3))

    def test_replay_shows_gaps(self):
        gap = frame("rx/raw", 3, {"lost": 4}, 2, origin="core")
        self.start(replay=[{"data": {"frames": [gap]}}, {"data": {}}])
        line = json.loads(self.out("replay", "rx/raw", "--from", "3", "--count=10"))
        self.assertEqual((line["flags"], line["body"]), (["gap"], {"lost": 4}))
        self.assertEqual(self.request(), {"do": "replay", "topic": "rx/raw", "from": 3, "n": 10})

    def test_malformed_frames_are_status_1(self):
        for bad in (b"", b"rx/raw", b"rx/raw ", b" \x90", b"a \x92\x91\x01\x80", b"a \xdd\xff\xff",
                    frame("t" * 300, 1, {}), frame("a", 1, []), frame("a", 1, {}, origin="x" * 99)):
            with self.subTest(bad[:20]):
                self.start(tail=[{"data": {"frames": [bad]}}])
                self.assertIn("malformed", self.err("tail", status=1))

    def test_call_turns_json_into_msgpack_and_back(self):
        self.start(**{"call": [{"data": {"body": msgpack.packb({"ok": True, "b": b"\x01"})}}]})
        body = '{"hex": {"$bin": "0Aff"}, "n": [1, -2, 2.5, null, true], "s": "\\u00e9"}'
        self.assertEqual(json.loads(self.out("call", "decode/packet", body, "--timeout", "3")),
                         {"ok": True, "b": {"$bin": "01"}})
        request = self.request()
        self.assertEqual(msgpack.unpackb(request.pop("body")),
                         {"hex": b"\x0a\xff", "n": [1, -2, 2.5, None, True], "s": "é"})
        self.assertEqual(request, {"do": "call", "method": "decode/packet", "timeout_us": 3000000})
        self.out("call", "a/b", "-", stdin='{"from": "stdin"}')
        self.assertEqual(msgpack.unpackb(self.request()["body"]), {"from": "stdin"})

    def test_a_bad_body_is_status_2_and_nothing_is_sent(self):
        self.start()
        for bad in ("", "[]", "{", '{"a":1,"a":2}', '{"a":' * 40 + "1" + "}" * 40,
                    '{"%s":1}' % ("k" * 200), "1", '{"n": 99999999999999999999}'):
            self.assertIn("JSON-BODY", self.err("call", "a/b", bad, status=2), bad)
        self.assertEqual(self.daemon.requests, [])


class Hostility(Case):
    def test_strings_cannot_steer_the_terminal(self):
        evil = "a\x1b]0;x\x07\x9b31m\u202e\u0301\n"
        plugin = {**PLUGIN, "reason": evil, "name": evil, "summary": evil,
                  "numbers": {evil: 1}, evil: evil}
        self.start(plugins=[{"data": {"items": [plugin]}}],
                   status=[{"data": {**STATUS, evil: evil}}],
                   tail=[{"data": {"frames": [frame("a", 1, {evil: evil})]}}],
                   enable=[{"result": -1, "error": evil}],
                   reload=[{"result": -1, "error": evil, "data": {"problems": [evil]}}])
        texts = [self.out("plugins"), self.out("status"), self.out("tail"),
                 self.out("status", "--json"),
                 self.err("enable", "x", status=1), self.err("enable", evil, status=1),
                 self.err(evil, status=2), self.err("reload", status=2)]
        for text in texts:
            clean = text.replace("\n", "")
            self.assertTrue(clean.isprintable(), text)
            self.assertNotIn("\u0301", clean)
        self.assertIn(r"a\x1b]0;x\x07\u{9b}31m\u{202e}\u{301}\x0a", texts[0])

    def test_answers_that_break_the_protocol_end_the_tool_with_a_sentence(self):
        cases = [(b"", 3), (b"\x01\x00", 3), (struct.pack("<I", 1 << 30), 1),
                 (struct.pack("<I", 5) + b"\xdd\xff\xff\xff\xff", 1), (struct.pack("<I", 0), 1),
                 (struct.pack("<I", 1) + b"\x80", 1), (struct.pack("<I", 1) + b"\x01", 1)]
        for raw, status in cases:
            with self.subTest(raw):
                self.start()
                self.daemon.raw = raw
                self.assertRegex(self.err("status", status=status), "^meshkern: .")

    def test_data_of_other_types_than_expected_do_no_harm(self):
        for data in (None, 1, [], "x", {"items": 1}, {"items": [1, None, {}]}, {"items": {"a": 1}},
                     {"plan": {"a": 1}, "frames": {"b": 1}, "body": 3}):
            with self.subTest(data):
                answer = [{"data": data}]
                self.start(status=answer, plugins=answer, stats=answer, reload=answer, call=answer)
                for command in (["status"], ["plugins"], ["stats"], ["reload"], ["call", "a/b"]):
                    self.out(*command)
                    self.out(*command, "--json")


class Terminal(Case):
    def on_terminal(self, *args, columns=60, **env):
        try:
            parent, child = pty.openpty()
        except OSError as e:
            self.skipTest(f"there is no terminal to be had: {e}")
        import fcntl
        import termios
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        tool = subprocess.Popen([BINARY, "--control", self.socket, *args], stdout=child,
                                env={**self.env, "TERM": "xterm", **env})
        os.close(child)
        text = b""
        while True:
            try:
                piece = os.read(parent, 65536)
            except OSError:
                break
            text += piece
        os.close(parent)
        self.assertEqual(tool.wait(120), 0)
        return text.decode()

    def test_a_terminal_gets_colours_and_lines_that_fit(self):
        self.start(plugins=[{"data": {"items": [{**PLUGIN, "reason": "r" * 500}]}}])
        text = self.on_terminal("plugins", columns=100)
        self.assertIn("\x1b[32mrunning\x1b[0m", text)
        plain = text.replace("\x1b[32m", "").replace("\x1b[2m", "").replace("\x1b[0m", "")
        for line in plain.splitlines():
            self.assertLessEqual(len(line), 100)
        self.assertIn("…", plain)

    def test_no_color_and_dumb_terminals_get_none(self):
        self.start(status=[{"data": STATUS}])
        self.assertNotIn("\x1b", self.on_terminal("status", NO_COLOR="1"))
        self.assertNotIn("\x1b", self.on_terminal("status", TERM="dumb"))
        self.assertIn("\x1b", self.on_terminal("status", NO_COLOR=""))

    def test_a_terminal_of_a_few_columns_is_no_problem(self):
        self.start(status=[{"data": STATUS}])
        for columns in (1, 2, 3, 11, 12):
            for line in self.on_terminal("status", columns=columns, NO_COLOR="1").splitlines():
                self.assertLessEqual(len(line), columns)


class Usage(Case):
    def test_every_command_has_a_manual(self):
        lines = self.out("--help").split("COMMANDS\n")[1].split("OPTIONS")[0].splitlines()
        names = [" ".join(w for w in line.split() if w.islower() and w[0] not in "[-")
                 for line in lines[:-1:2]]
        self.assertGreaterEqual(len(names), 16)
        for name in names:
            self.assertIn(f"meshkern {name} - ", self.out(*name.split(), "--help"))
            self.assertIn(f"meshkern {name} - ", self.out("help", *name.split()))

    def test_wrong_arguments_are_status_2(self):
        for args in ([], ["nothing"], ["plugin"], ["plugin", "x"], ["enable"], ["enable", "a", "b"],
                     ["status", "--nothing"], ["--from", "1", "replay"], ["tail", "Bad Topic"],
                     ["replay", "a"], ["replay", "a", "--from"], ["replay", "a", "--from", "-1"],
                     ["replay", "a", "--from", "1", "--from", "2"], ["replay", "a/", "--from", "1"],
                     ["replay", "a", "--from", "18446744073709551616"], ["reload", "--dry-run=1"],
                     ["call", "a", "{}", "--timeout", "0"], ["plugin", "new", "Bad"],
                     ["plugin", "new", "a", "--out", "x/"], ["status", "-c"]):
            with self.subTest(args):
                self.assertRegex(self.err(*args, status=2), "^meshkern: .")

    def test_a_full_disk_is_status_1(self):
        self.start(status=[{"data": STATUS}])
        with open("/dev/full", "w") as full:
            done = subprocess.run([BINARY, "--control", self.socket, "status"], stdout=full,
                                  stderr=subprocess.PIPE, text=True, timeout=120)
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot write", done.stderr)


if __name__ == "__main__":
    result = unittest.main(exit=False).result
    failed = len({str(getattr(t, "test_case", t)) for t, _ in result.failures + result.errors})
    print(f"{result.testsRun - failed} passed, {failed} failed, 0 skipped")
    sys.exit(0 if result.wasSuccessful() else 1)
