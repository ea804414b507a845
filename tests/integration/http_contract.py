#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every route of the daemon against tests/data/http_contract.txt, which also says how to read it: on an
empty database, on one that CoreScope wrote, and on one that a synthetic mesh filled. The routes are
those of the daemon's own OpenAPI document, so one without a contract fails.

    http_contract.py [PATTERN ...]    those whose "METHOD /path" has all the patterns"""

import concurrent.futures
import http.client
import itertools
import json
import os
import re
import shutil
import sys
import unittest
import urllib.parse

import daemon
from daemon import BUILD, SECONDS, SOURCE, Daemon, wait_for
from http_client import KEY

FIXTURE = os.path.join(SOURCE, "..", "shared", "fixtures", "corescope-current.db")
CONTRACT = os.path.join(SOURCE, "tests", "data", "http_contract.txt")
PLUGINS = ("decode", "backfill", "neighbors", "mbcap", "analytics")
FOREVER = {"nodes": 0, "observers": 0, "edges": 0}  # no day after the fixture's empties it
ENOUGH = 3000  # observations
NUMBERS = ("0", "-1", "99999999999999999999", "-99999999999999999999", "1e400", "nan", "x", "",
           "%00", "%ff", "0x10", "+1", "1.5")
TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?")


# ------------------------------------------------------------- the description --

class Shapes:
    """Parses types, and compares values with them."""

    TOKEN = re.compile(r'\s*(\.\.\.|"[^"]*"|[\w]+|[{}\[\]:,|?~*])')

    def __init__(self):
        self.named = {}

    def parse(self, text):
        self.tokens = self.TOKEN.findall(text)
        if "".join(self.tokens) != re.sub(r"\s", "", text):
            raise ValueError(f"not understood: {text}")
        shape = self.alternatives()
        if self.tokens:
            raise ValueError(f"too much: {self.tokens} in {text}")
        return shape

    def take(self, *wanted):
        if not self.tokens or (wanted and self.tokens[0] not in wanted):
            raise ValueError(f"{wanted} expected at {self.tokens[:8]}")
        return self.tokens.pop(0)

    def alternatives(self):
        choices = [self.one()]
        while self.tokens and self.tokens[0] in "|?":
            choices.append("null" if self.take() == "?" else self.one())
        return choices[0] if len(choices) == 1 else ("or", choices)

    def one(self):
        token = self.take()
        if token == "[":
            shape = ("list", self.alternatives())
            self.take("]")
            return shape
        if token != "{":
            return token
        members = {}
        while self.tokens[0] != "}":
            name = self.take()
            if name == "...":
                members.update(self.named[self.take()][1])
            else:
                absent = self.tokens[0] == "~" and self.take()
                self.take(":")
                members[name.strip('"')] = (bool(absent), self.alternatives())
            if self.tokens[0] == ",":
                self.take()
        self.take("}")
        return ("map", members)

    def wrong(self, shape, value, path=""):
        """What is wrong with it, one line each."""
        if isinstance(shape, str):
            if shape in self.named:
                return self.wrong(self.named[shape], value, path)
            return [] if self.is_a(shape, value) else [f"{path}: {value!r:.100} is no {shape}"]
        kind, inner = shape
        if kind == "or":
            found = [self.wrong(s, value, path) for s in inner]
            # Of several, what is wrong with the only one that is more than a word.
            return [] if [] in found else next((f for s, f in zip(inner, found) if s != "null"), [])
        if kind == "list":
            if not isinstance(value, list):
                return [f"{path}: {value!r:.100} is no list"]
            return [x for v in value for x in self.wrong(inner, v, path + "[]")]
        if not isinstance(value, dict):
            return [f"{path}: {value!r:.100} is no object"]
        found = [f"{path}.{n} is missing" for n, (absent, _) in inner.items()
                 if not absent and n != "*" and n not in value]
        for name, v in value.items():
            if name not in inner and "*" not in inner:
                found.append(f"{path}.{name} is not in the contract: {v!r:.100}")
            else:
                found += self.wrong(inner.get(name, inner.get("*"))[1], v, f"{path}.{name}")
        return found

    def is_a(self, name, value):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return {"any": lambda: True, "null": lambda: value is None,
                "bool": lambda: isinstance(value, bool), "num": lambda: number,
                "int": lambda: number and isinstance(value, int),
                "str": lambda: isinstance(value, str),
                "hex": lambda: isinstance(value, str) and re.fullmatch(r"[0-9a-f]*", value),
                "time": lambda: isinstance(value, str) and TIME.fullmatch(value)}[name]()


class Contract:
    def __init__(self, name):
        self.name, self.asks, self.answer, self.type = name, [], None, "application/json"
        self.empty = self.missing = 200
        self.some = None
        self.unknown, self.lists, self.body, self.limited, self.live = 404, [], None, None, False


def read_contracts():
    """{"METHOD /path": contract}, shapes"""
    shapes, contracts, contract = Shapes(), {}, None
    with open(CONTRACT, encoding="utf-8") as f:
        text = re.sub(r"(?m)^#.*\n", "", f.read())
    text = re.sub(r"\n {8,}", " ", text)  # continued lines
    for line in filter(str.strip, text.split("\n")):
        word, _, rest = line.strip().partition(" ")
        if not line.startswith(" "):
            if rest.startswith("= "):
                shapes.named[word] = shapes.parse(rest[2:])
            else:
                contract = contracts[line] = Contract(line)
        elif word == "answer":
            contract.answer = shapes.parse(rest)
        elif word == "ask":
            query, _, other = rest.partition(" -> ")
            contract.asks.append((query, shapes.parse(other) if other else None))
        elif word in ("empty", "unknown", "missing", "some"):
            setattr(contract, word, int(rest))
        elif word == "sorted":
            contract.lists.append(rest.split())
        elif word in ("type", "body", "limited", "live"):
            setattr(contract, word, rest or True)
        else:
            raise ValueError(f"not understood: {line}")
    return contracts, shapes


CONTRACTS, SHAPES = read_contracts()


def inside(value, path):
    """The lists at a path as `results[].subpaths`; `[]` is the value itself."""
    if path == "[]":
        return [value]
    name, _, rest = path.partition("[].")
    return [x for v in value[name] for x in inside(v, rest)] if rest else [value[name]]


# --------------------------------------------------------------- the databases --

OPTIONS = {"listen": ["127.0.0.1:0"], "api_key": KEY,
           "pages": {"client_coverage": True, "debug_affinity": True},
           "areas": [{"key": "HERE", "label": "here", "lat_min": 50, "lat_max": 52, "lon_min": 3,
                      "lon_max": 6}],
           "budget": {"per_second": 1000000, "burst": 1000000}}
BROKER = {"sources": [{"name": "none", "broker": "mqtt://127.0.0.1:1"}]}
STORAGE = {"storage": {"config": {"database": "m.db", "retention": FOREVER}}}


def fill(d):
    """Lets a mesh fill the database, and stops it."""
    d.configure({"sim": {"config": {"rate": 3000}}, "decode": {}, **STORAGE})
    d.start()
    d.wait_plugin("storage", "filled", lambda p: p["numbers"].get("obs_inserted", 0) > ENOUGH)
    if d.stop() != 0:
        raise AssertionError(d.log())


def served(kind):
    d = Daemon({}, start=False)
    try:
        os.makedirs(f"{d.dir}/data")
        if kind == "FIXTURE":
            shutil.copy(FIXTURE, f"{d.dir}/data/m.db")
            os.chmod(f"{d.dir}/data/m.db", 0o600)
        if kind == "MESH":
            fill(d)
        # On the empty one also the pages that come with it.
        config = OPTIONS if kind == "EMPTY" else {**OPTIONS, "web": "none"}
        d.configure({"http": {"config": config}, "mqtt": {"config": BROKER}, **STORAGE,
                     **{p: {} for p in PLUGINS}})
        begin = d.mark()
        d.start()
        d.port = int(d.wait_log(r"plugin http: listening .* port=(\d+)", begin).group(1))
    except BaseException:
        d.close()
        raise
    return d


DAEMONS = {}  # they start while others are asked
PATTERNS = []


def setUpModule():
    starter = concurrent.futures.ThreadPoolExecutor(3)
    unittest.addModuleCleanup(starter.shutdown)
    for kind in ("EMPTY", "FIXTURE", "MESH"):
        if kind != "FIXTURE" or os.path.exists(FIXTURE):
            DAEMONS[kind] = starter.submit(served, kind)
            unittest.addModuleCleanup(end, DAEMONS[kind])


def end(daemon_to_be):
    if not daemon_to_be.exception():
        daemon_to_be.result().close()


class Client:
    """One connection that is kept."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)

    def ask(self, target, method="GET", key=True, body=None, headers=()):
        self.connection.request(method, target, body,
                                {**({"X-API-Key": KEY} if key else {}), **dict(headers)})
        answer = self.connection.getresponse()
        answer.data = answer.read()
        return answer

    def get(self, target):
        answer = self.ask(target)
        return json.loads(answer.data) if answer.status == 200 else None


class Routes:
    kind = None

    @classmethod
    def setUpClass(cls):
        if cls.kind == "FIXTURE" and not os.path.exists(FIXTURE):
            raise unittest.SkipTest("no ../shared/fixtures")
        cls.d = DAEMONS[cls.kind].result()
        cls.addClassCleanup(cls.d.close)
        cls.client = Client(cls.d.port)
        cls.addClassCleanup(cls.client.connection.close)
        for what, path in (("database in memory", "/api/healthz"), ("links", "/api/snapshots/neighbors"),
                           ("relays", "/api/snapshots/relays"), ("signals", "/api/analytics/rf"),
                           ("topology", "/api/analytics/topology")):
            wait_for(what, lambda p=path: (cls.client.get(p) or {}).get("warm", True) and
                     cls.client.get(p), context=cls.d.log)
        cls.paths = cls.client.get("/api/spec")["paths"]
        cls.sample()

    @classmethod
    def sample(cls):
        """Values for what a path or query names in braces; what there is none of, is unknown."""
        get = cls.client.get
        nodes = [n["public_key"] for n in get("/api/nodes?limit=2000")["nodes"]]
        observers = [o["id"] for o in get("/api/observers")["observers"]]
        packets = [p["hash"] for p in get("/api/packets?limit=200")["packets"]]
        channels = [c["hash"] for c in get("/api/channels")["channels"]]
        hops = next(iter(get("/api/analytics/subpaths?minLen=2&maxLen=3")["subpaths"]),
                    {"rawHops": ["a8", "b8"]})["rawHops"]
        pick = lambda many, unknown: many[::max(1, len(many) // 12)][:12] or [unknown]
        cls.values = {
            "pubkey": pick(nodes, "0" * 64), "prefix": [n[:8] for n in pick(nodes, "0" * 64)],
            "observer": pick(observers, "none"), "packet": pick(packets, "0" * 16),
            "channel": pick(channels, "none"), "name": ["neighbors", "relays"],
            "two": ["~".join((observers + ["a", "b"])[:2])], "hops": [",".join(hops)],
            "other": [(nodes or ["0" * 64])[-1]], "z": ["0"], "x": ["0"], "y": ["0"]}

    def fill(self, path):
        """The path with known values: all combinations, of which there are few."""
        names = re.findall(r"{(\w+)}", path)
        here = {"id": "observer" if "observers" in path else "packet",
                "hash": "channel" if "channels" in path else "packet"}
        lists = [self.values[here.get(n, n)] for n in names]
        for values in itertools.product(*lists):
            filled = path
            for name, value in zip(names, values):
                filled = filled.replace(f"{{{name}}}", urllib.parse.quote(value, safe=","), 1)
            yield filled

    def targets(self, path, contract):
        """(target, shape) of what has an answer."""
        for query, shape in contract.asks or [("", None)]:
            for target in self.fill(path):
                for asked in self.fill(query):
                    yield target + (f"?{asked}" if asked != "-" and asked else ""), \
                        shape or contract.answer

    def expect(self, condition, what, answer):
        if not condition:
            self.found.append(f"{what}: {answer.status} {answer.data[:160]!r}")

    def is_error(self, answer, status):
        if answer.status != status:
            return False
        if answer.headers["content-type"].startswith("text/plain"):
            return bool(answer.data.strip())
        return bool(json.loads(answer.data)["error"]) and answer.data.endswith(b"\n")

    # ------------------------------------------------------------- the checks --

    def check_answer(self, target, shape, contract):
        answer = self.client.ask(target)
        if self.kind == "EMPTY" and contract.empty != 200:
            self.expect(self.is_error(answer, contract.empty), f"{target} on nothing", answer)
            return None
        if answer.status == contract.some:
            self.expect(self.is_error(answer, contract.some), target, answer)
            return None
        self.expect(answer.status == 200, target, answer)
        self.expect(answer.headers["content-type"].split(";")[0] == contract.type,
                    f"{target} is {answer.headers['content-type']}", answer)
        if answer.status != 200 or contract.type != "application/json":
            return None
        value = json.loads(answer.data)
        for line in dict.fromkeys(SHAPES.wrong(shape, value)):
            self.found.append(f"{target}: {line}")
        return value

    def check_order(self, target, value, path, key):
        down, name = key[0] == "-", key.lstrip("-")
        for rows in inside(value, path):
            got = [(r.get(name) is not None, r.get(name) or 0) for r in rows]  # null is the least
            if got != sorted(got, reverse=down):
                self.found.append(f"{target}: {path} is not in the order of {key}")

    def check_bounds(self, path, operation, contract):
        """Whatever a number is, the answer has the shape or is an error."""
        target, shape = next(self.targets(path, contract))
        join = "&" if "?" in target else "?"
        for p in operation["parameters"]:
            if p["in"] != "query" or p["schema"]["type"] not in ("integer", "number"):
                continue
            for text in NUMBERS:
                asked = f"{target}{join}{p['name']}={text}"
                answer = self.client.ask(asked)
                if answer.status == 200 and contract.type == "application/json":
                    for line in dict.fromkeys(SHAPES.wrong(shape, json.loads(answer.data))):
                        self.found.append(f"{asked}: {line}")
                else:
                    self.expect(answer.status == 200 or self.is_error(answer, 400) or
                                self.is_error(answer, 404), asked, answer)

    def check_limit(self, path, operation, contract):
        """At most so many; at least one; no number is the default; nothing beyond the end."""
        schema = {p["name"]: p["schema"] for p in operation["parameters"]}
        target = next(self.fill(path))
        count = lambda query: len(inside(self.client.get(f"{target}?{query}"), contract.limited)[0])
        if self.kind == "EMPTY":
            self.assertEqual(count("limit=1"), 0)
            return
        default = count(f"limit={schema['limit']['default']}")
        for text, most in (("1", 1), ("2", 2), ("0", default), ("-5", default), ("x", default),
                           ("99999999999999999999", schema["limit"]["maximum"])):
            got = count(f"limit={text}")
            if got > most or (most == default and got != default):
                self.found.append(f"{target}: limit={text} gives {got}")
        if "offset" in schema:
            some = [count(f"limit=5&offset={o}") for o in ("0", "-5", "x", "99999999999999999999")]
            if some != [some[0]] * 3 + [0]:
                self.found.append(f"{target}: offset gives {some}")

    def check_head(self, path, contract):
        target, _ = next(self.targets(path, contract))
        names = ["content-type"] + ([] if contract.live else ["content-length", "etag"])
        for _ in range(3):  # something may have changed in between
            get, head = self.client.ask(target), self.client.ask(target, "HEAD")
            if head.status == get.status and all(head.headers[n] == get.headers[n] for n in names):
                break
        else:
            self.expect(False, f"HEAD {target} is not GET", head)
        self.expect(head.data == b"", f"HEAD {target}", head)

    def check_unknown(self, path, contract):
        target = re.sub(r"{\w+}", "f" * 64, path)
        queries = [q for q, _ in contract.asks] or [""]
        answer = self.client.ask(target + (f"?{next(self.fill(queries[0]))}"
                                           if queries[0] not in ("", "-") else ""))
        if contract.unknown == 200:
            self.expect(answer.status == 200, f"{target} is unknown", answer)
            for line in SHAPES.wrong(contract.answer, json.loads(answer.data)):
                self.found.append(f"{target}: {line}")
        else:
            self.expect(self.is_error(answer, contract.unknown), f"{target} is unknown", answer)

    def check_method(self, path):
        """Another method is not allowed. A path may be another route's, too: /api/packets/{id}."""
        target = re.sub(r"{\w+}", "f" * 64, path)
        methods = {m for p, all_of in self.paths.items() for m in all_of
                   if re.fullmatch(re.sub(r"{\w+}", "[^/]+", p), target)}
        for method in {"DELETE", "PATCH", "POST", "GET", "PUT"} - {m.upper() for m in methods}:
            answer = self.client.ask(target, method, body=b"" if method in ("POST", "PUT") else None)
            allow = answer.headers.get("allow", "")
            self.expect(self.is_error(answer, 405) and
                        all(m.upper() in allow.split(", ") for m in methods) and
                        ("HEAD" in allow) == ("get" in methods), f"{method} {target}", answer)
        answer = self.client.ask(target, "OPTIONS")
        self.expect(answer.status == 204 and answer.data == b"" and
                    all(m.upper() in answer.headers["allow"] for m in methods),
                    f"OPTIONS {target}", answer)

    def check_key(self, path, method, operation, contract):
        target = next(self.targets(path, contract))[0] if method == "GET" else \
            re.sub(r"{\w+}", "x", path)
        answer = self.client.ask(target, method, key=False, body=b"" if method != "GET" else None)
        if "security" in operation:
            self.expect(self.is_error(answer, 401), f"{target} without a key", answer)

    def check_get(self, path, operation, contract):
        for i, (target, shape) in enumerate(self.targets(path, contract)):
            value = self.check_answer(target, shape, contract)
            for at, key in contract.lists if value is not None and i == 0 else ():
                self.check_order(target, value, at, key)
        self.check_bounds(path, operation, contract)
        self.check_head(path, contract)
        if contract.limited:
            self.check_limit(path, operation, contract)
        if "{" in path and contract.unknown:
            self.check_unknown(path, contract)
        if contract.missing != 200:
            answer = self.client.ask(next(self.fill(path)))
            self.expect(self.is_error(answer, contract.missing), f"{path} without a query", answer)

    def check_body(self, path, method, contract):
        """A body that is none is an error, one that is right has an answer of the shape."""
        target = re.sub(r"{\w+}", "x", path)
        for body in (b"", b"{", b"[]", b"\xff", b"null", b'{"a":' * 100, b"x" * 600):
            answer = self.client.ask(target, method, body=body)
            self.expect(answer.status == 200 or 400 <= answer.status < 500 and
                        self.is_error(answer, answer.status), f"{method} {target} {body[:9]}", answer)
        if contract.body is None:
            return
        text = contract.body
        for name in re.findall(r"<(\w+)>", text):
            text = text.replace(f"<{name}>", self.values[name][0])
        answer = self.client.ask(target, method, body=text.encode())
        self.expect(answer.status == 200, f"{method} {target}", answer)
        if answer.status == 200:
            for line in dict.fromkeys(SHAPES.wrong(contract.answer, json.loads(answer.data))):
                self.found.append(f"{method} {target}: {line}")

    # -------------------------------------------------------------- the cases --

    def run_all(self, wanted, check):
        self.found = []
        for path, methods in self.paths.items():
            for method, operation in methods.items():
                name = f"{method.upper()} {path}"
                contract = CONTRACTS.get(name)
                if contract is None:
                    self.found.append(f"{name} has no contract in tests/data/http_contract.txt")
                elif wanted(name) and all(re.search(p, name) for p in PATTERNS):
                    check(path, method.upper(), operation, contract)
        self.assertFalse(self.found, "\n" + "\n".join(self.found[:100]))

    def test_gets(self):
        self.run_all(lambda name: name.startswith("GET"),
                     lambda path, _, operation, contract: self.check_get(path, operation, contract))

    def test_others(self):
        self.run_all(lambda name: not name.startswith("GET"),
                     lambda path, method, _, contract: self.check_body(path, method, contract))


class Empty(Routes, unittest.TestCase):
    kind = "EMPTY"

    def test_methods_and_keys(self):
        self.run_all(lambda _: True, self.check_key)
        for path in self.paths:
            self.check_method(path)
        self.assertFalse(self.found, "\n" + "\n".join(self.found))

    def test_pages_can_be_linked_to(self):
        """Whatever a page's address is, a browser gets the index, a program an error."""
        if not os.path.exists(f"{BUILD}/web/index.html"):
            self.skipTest("built without the pages")
        for path in ("/", "/map", "/packets", "/packets/0123456789abcdef", "/nodes/" + "a" * 64,
                     "/observers/a%20b", "/channels/%23test", "/network", "/system/jobs"):
            page = self.client.ask(path, headers={"Accept": "text/html,*/*;q=0.8"})
            self.assertEqual((page.status, page.headers["content-type"].split(";")[0]),
                             (200, "text/html"), path)
            self.assertIn(b"<script", page.data)
            self.assertEqual(self.client.ask(path, headers={"Accept": "*/*"}).status,
                             200 if path == "/" else 404)
        page = self.client.ask("/api/none", headers={"Accept": "text/html"})
        self.assertTrue(self.is_error(page, 404))

    def test_all_contracts_are_of_routes(self):
        names = {f"{m.upper()} {p}" for p, methods in self.paths.items() for m in methods}
        self.assertEqual(set(CONTRACTS) - names, set())


class Fixture(Routes, unittest.TestCase):
    kind = "FIXTURE"


class Mesh(Routes, unittest.TestCase):
    kind = "MESH"


if __name__ == "__main__":
    if not all(os.path.exists(f"{BUILD}/plugins/{p}.so") for p in (*PLUGINS, "http", "sim", "storage")):
        sys.exit(77)
    PATTERNS += sys.argv[1:]
    sys.argv[1:] = []
    daemon.main()
