#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs every command of docs/plugins.md, in order, as a reader would: in one shell, in an empty
home, stopping at the first that fails. Then looks at what the reader would have seen."""

import os
import re
import shutil
import subprocess
import sys
import tempfile

source = os.environ["MK_SOURCE_DIR"]
binary = os.environ["MK_BINARY_DIR"]

if os.environ.get("MK_SANITIZE"):
    print("an installed SDK has no sanitizers")
    sys.exit(77)

with open(os.path.join(source, "docs/plugins.md"), encoding="utf-8") as f:
    blocks = re.findall(r"^```sh\n(.*?)^```", f.read(), re.S | re.M)
assert len(blocks) >= 7, "the guide has lost its commands"

home = tempfile.mkdtemp(prefix="mk-guide-")
os.symlink(binary, os.path.join(home, "build"))
script = os.path.join(home, "guide.sh")
with open(script, "w", encoding="utf-8") as f:
    f.write("set -eu\ntrap 'kill %1 2>/dev/null || true' EXIT\n")
    for i, block in enumerate(blocks):
        f.write(f"echo '=== block {i + 1}'\n{block}")
env = dict(os.environ, HOME=home)
env.pop("MESHKERN_CONTROL", None)
env.pop("DESTDIR", None)
try:
    run = subprocess.run(["bash", script], cwd=home, env=env, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, timeout=540, check=False)
finally:
    shutil.rmtree(home, ignore_errors=True)

failed = []


def expect(what, good):
    print(("ok   " if good else "FAIL ") + what)
    if not good:
        failed.append(what)


out = run.stdout
expect("every command succeeds", run.returncode == 0)
expect("the generated plugin passes its tests", "100% tests passed" in out)
expect("and is found robust", "level: robust" in out)
expect("the plugin runs in a process of its own", re.search(r"rainmap +\S+ +running .* process", out))
expect("what it publishes is seen", out.count('"topic":"rainmap/sum"') == 3)
expect("the plan of the reload names the live option", "rainmap: live option interval" in out)
expect("a kill is told and survived", "killed by SIGKILL" in out)
expect("the daemon stops in good order", "core: stopped" in out)
if failed:
    print(out)
print(f"{8 - len(failed)} passed, {len(failed)} failed, 0 skipped")
sys.exit(1 if failed else 0)
