#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
#   valgrind.sh PROGRAM     a Criterion program under memcheck; fails for what memcheck finds
#
# What the tests themselves say does not count here: under memcheck some take longer than they may,
# and there are system calls that it does not know.
# Criterion does not look at the end of its workers, so each one's findings go to a file.
set -euo pipefail

command -v valgrind >/dev/null || { echo "valgrind is not installed" && exit 77; }
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

valgrind -q --trace-children=yes --leak-check=full --show-leak-kinds=definite \
	--errors-for-leak-kinds=definite --num-callers=24 --log-file="$logs/%p" \
	--error-markers=FINDING,END \
	--suppressions="${BASH_SOURCE[0]%.sh}.supp" "$1" -j1 --verbose || true

found=0
for log in "$logs"/*; do
	grep -q FINDING "$log" && cat "$log" && ((++found))
done
printf '\n%d passed, %d failed, 0 skipped\n' $((found == 0)) $((found > 0))
((found == 0))
