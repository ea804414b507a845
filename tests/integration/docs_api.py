#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""docs/api.md says what the server's own table of routes says.

    docs_api.py --write     writes it anew
"""

import json
import os
import sys
import unittest
import urllib.request

from daemon import BUILD, SECONDS, SOURCE, Daemon, main

if not os.path.exists(f"{BUILD}/plugins/http.so"):
    sys.exit(77)

FILE = f"{SOURCE}/docs/api.md"
HEAD = """# The interface for programs

Made from the server's table of routes: `tests/integration/docs_api.py --write`. The same as OpenAPI is at
`/api/spec`, as a page at `/api/docs`. Names, types and formats are CoreScope's where it has the route;
[compat.md](compat.md) says where answers differ. Live messages come over the WebSockets `/api/events`, and `/` and
`/ws` for CoreScope's clients; [events.md](events.md) has the topics.

- Answers are JSON in UTF-8 unless it says otherwise, compressed if the client takes gzip, with an ETag where
  they are kept. An error is `{"error": "..."}` with the status that fits; 503 has `Retry-After`.
- Public keys are accepted in any case. Times are UTC. Unknown parameters are ignored; a number that is none is its
  default, one that is too large its limit.
- **key**: needs the header `X-API-Key` with `api_key` of the configuration; without one configured these
  routes are closed.
- Costly routes have a budget for each client: 429 with `Retry-After`.
"""


def line(parameter):
    schema = parameter["schema"]
    facts = [f"`{parameter['name']}`"]
    if schema.get("enum"):
        facts.append(" or ".join(f"`{v}`" for v in schema["enum"]))
    if "default" in schema:
        facts.append(f"default {schema['default']}")
    if "maximum" in schema:
        facts.append(f"at most {schema['maximum']}")
    if parameter.get("required"):
        facts.append("required")
    text = parameter.get("description", "")
    return "- " + ", ".join(facts) + (f": {text}" if text else "")


def render(spec):
    groups = {}
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            groups.setdefault(operation.get("tags", ["other"])[0], []).append((path, method, operation))
    out = [HEAD]
    for tag in sorted(groups):
        out.append(f"## {tag}\n")
        for path, method, operation in sorted(groups[tag], key=lambda g: g[:2]):
            key = " · **key**" if operation.get("security") else ""
            out.append(f"**{method.upper()} {path}**{key}: {operation.get('summary', '')}\n")
            lines = [line(p) for p in operation.get("parameters", []) if p["in"] == "query"]
            if lines:
                out.append("\n".join(lines) + "\n")
    return "\n".join(out)


def current():
    with Daemon({"http": {"config": {"listen": ["127.0.0.1:0"]}}}) as d:
        d.wait_state("http", "running")
        port = d.wait_plugin("http", "its port", lambda p: p["numbers"].get("port"))["numbers"]["port"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/spec", timeout=SECONDS) as answer:
            return render(json.load(answer))


class Api(unittest.TestCase):
    def test_the_page_is_the_table(self):
        with open(FILE, encoding="utf-8") as f:
            self.assertEqual(f.read(), current(), "docs/api.md is old; run docs_api.py --write")


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        with open(FILE, "w", encoding="utf-8") as page:
            page.write(current())
    else:
        main()
