#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Pages that stay open while tens of thousands of packets pass: their memory does not grow beyond what
they show; see tests/e2e/soak.mjs. MK_PACKETS and MK_ROUNDS make it shorter or longer."""

import os
import subprocess
import sys

SOURCE = os.environ["MK_SOURCE_DIR"]

sys.exit(subprocess.run(["bash", f"{SOURCE}/tests/e2e/run.sh", f"{SOURCE}/tests/e2e/soak.mjs"],
                        check=False).returncode)
