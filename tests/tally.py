#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Counts the test cases of one ctest run.

    tally.py RESULTS.xml CTEST-STATUS [AGAIN.xml]    prints: PASSED FAILED SKIPPED
    tally.py --failed RESULTS.xml [NAME...]          prints: the programs that failed, one a line;
                                                     of those named, also which did not run

AGAIN.xml: what failed ran once more, and that is what counts for it.

A Criterion program counts by its own summary, any other program by the last line
`N passed, N failed, N skipped` that it prints, and as one case if it prints none.
"""
import re
import sys
import xml.etree.ElementTree as ElementTree

CRITERION = re.compile(r"^\[====\] Synthesis: Tested: \d+ \| Passing: (\d+) \| Failing: (\d+)", re.M)
CRITERION_SKIP = re.compile(r"^\[SKIP\] ", re.M)
OWN = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", re.M)


def count(test):
    """(passed, failed, skipped) of one program."""
    skip = test.find("skipped")
    if test.get("status") == "disabled":
        return 0, 0, 1
    if skip is not None:  # also what ctest says of a program that does not exist
        return (0, 0, 1) if skip.get("message", "").startswith("SKIP_") else (0, 1, 0)
    ok = test.get("status") == "run"
    output = test.findtext("system-out") or ""
    passed, failed, skipped = int(ok), 0, 0
    if found := OWN.findall(output):
        passed, failed, skipped = map(int, found[-1])
    elif found := CRITERION.findall(output):
        passed, failed = map(int, found[-1])
        skipped = len(CRITERION_SKIP.findall(output))
    if not ok and failed == 0:  # it crashed, timed out, or failed outside of its cases
        failed = 1
    return passed, failed, skipped


def cases(path):
    """Program -> its element."""
    try:
        return {test.get("name"): test for test in ElementTree.parse(path).iter("testcase")}
    except (OSError, ElementTree.ParseError) as error:
        print(f"tally: {path}: {error}", file=sys.stderr)
        return {}


def total(path, status, again=None):
    tests = cases(path)
    if again:
        tests.update(cases(again))
    passed, failed, skipped = map(sum, zip((0, 0, 0), *map(count, tests.values())))
    if status != 0 and failed == 0 or not tests:
        failed += 1  # ctest itself failed, or ran nothing
    print(passed, failed, skipped)


if sys.argv[1] == "--failed":
    ran = cases(sys.argv[2])
    for name in sys.argv[3:] or ran:
        if name not in ran or count(ran[name])[1]:
            print(name)
else:
    total(sys.argv[1], int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None)
