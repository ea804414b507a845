#!/bin/sh
# SPDX-License-Identifier: MIT
#
# tests/clients/run.sh BUILD_DIR: the tests of the client libraries against fakehub, a stand-in for
# the daemon on the real libnng that is built into BUILD_DIR. Ends in "N passed, N failed, N
# skipped". Needs cc, libnng-dev, libmsgpack-dev, python3-msgpack; without node the JavaScript
# client's tests count as one skipped.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=python.sh disable=SC1091
. "$here/python.sh"
build=${1:?usage: run.sh BUILD_DIR}
mkdir -p "$build/tests/clients"
FAKEHUB=$(cd "$build/tests/clients" && pwd)/fakehub
export FAKEHUB PYTHONDONTWRITEBYTECODE=1
# shellcheck disable=SC2046
${CC:-cc} -std=c11 -D_POSIX_C_SOURCE=200809L -O1 -g -Wall -Wextra -Wshadow -Wconversion \
	"$here/fakehub.c" -o "$FAKEHUB" -lnng $(pkg-config --cflags --libs msgpack) -lpthread

log=$(mktemp)
trap 'rm -f "$log" "$log.js"' EXIT
passed=0 failed=0 skipped=0
add() { # NAME COMMAND...: run it, and add the numbers of its last line
	name=$1
	shift
	"$@" >"$log" 2>&1 && status=0 || status=$?
	line=$(tail -n 1 "$log")
	expr "$line" : '[0-9]* passed, [0-9]* failed, [0-9]* skipped$' >/dev/null ||
		line="0 passed, 1 failed, 0 skipped"
	[ "$status" -eq 0 ] || cat "$log"
	echo "$name: $line"
	# shellcheck disable=SC2086
	set -- $line
	passed=$((passed + $1)) failed=$((failed + $3)) skipped=$((skipped + $5))
}

javascript() {
	node "$@" --test --test-reporter=tap "$here/test_js.mjs" >"$log.js" 2>&1 && status=0 || status=$?
	grep -A12 '^not ok' "$log.js" || :
	awk '/^# pass/ { p = $3 } /^# fail/ { f = $3 } /^# cancelled/ { c = $3 } /^# skipped/ { s = $3 }
		END { printf "%d passed, %d failed, %d skipped\n", p, p ? f + c : 1, s }' "$log.js"
	return "$status"
}

add python "$PYTHON" "$here/test_python.py"
if command -v node >/dev/null; then
	add javascript javascript --no-warnings
	# Node 20 has a WebSocket of its own behind a flag; later ones have it in any case.
	if node --experimental-websocket -e '' 2>/dev/null; then
		add "javascript, Node's own WebSocket" javascript --experimental-websocket --no-warnings
	fi
	add "both on bad lines" "$PYTHON" "$here/live.py" --fake
else
	echo "no node: the JavaScript client is not tested"
	skipped=$((skipped + 1))
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
