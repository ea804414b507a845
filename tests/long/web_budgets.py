#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The budgets of the pages on 2,000 nodes and 71,000 packets; see tests/e2e/test_budgets.mjs and
test_speed.mjs."""

import os
import subprocess
import sys
import tempfile

BUILD = os.environ["MK_BINARY_DIR"]
SOURCE = os.environ["MK_SOURCE_DIR"]

with tempfile.TemporaryDirectory(prefix="mk-web-") as folder:
    file = f"{folder}/meshkern.db"
    subprocess.run([f"{BUILD}/bench/big_database", file], check=True, stdout=subprocess.DEVNULL)
    codes = [subprocess.run(["bash", f"{SOURCE}/tests/e2e/run.sh", f"{SOURCE}/tests/e2e/{test}.mjs"],
                            env={**os.environ, "MK_DATABASE": file}, check=False).returncode
             for test in ("test_budgets", "test_speed")]
sys.exit(next((code for code in codes if code != 0), 0))
