#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Every bad plugin must be found by the check that its name begins with, and
# the checks of the descriptor must not be what found it. Then the outputs and
# the exit status of the program itself.
set -u
bin=${MK_BINARY_DIR:?}/bin/meshkern-conform
plugins=$MK_BINARY_DIR/tests/conform
passed=0
failed=0
skipped=0

result() { # STATUS NAME [OUTPUT]
	if [ "$1" = 0 ]; then
		passed=$((passed + 1))
		echo "ok   $2"
	else
		failed=$((failed + 1))
		echo "FAIL $2"
		printf '%s\n' "${3-}" | sed 's/^/     | /'
	fi
}

for plugin in "$plugins"/*.so; do
	name=$(basename "$plugin" .so)
	id=$(echo "${name%%_*}" | tr '[:lower:]' '[:upper:]')
	case $id in
	A*) only=$id ;;
	*) only=A1,A2,A3,$id ;;
	esac
	output=$("$bin" --only "$only" "$plugin" 2>&1)
	status=$?
	if printf '%s\n' "$output" | grep -q "^skip  $id "; then
		skipped=$((skipped + 1))
		echo "skip $name"
		continue
	fi
	[ $status = 1 ] && [ "$(printf '%s\n' "$output" | grep '^FAIL' | cut -c7-8)" = "$id" ]
	result $? "$name" "$output"
done

good=$MK_BINARY_DIR/plugins/tally.so
output=$("$bin" --format tap --only A1,c3 "$good")
[ "$output" = "ok 1 - A1 mk_plugin_v1 is exported, complete and UTF-8
ok 2 - C3 check() only looks # SKIP has no check()
1..2
# level: not rated, because checks were left out
# 1 passed, 0 failed, 1 skipped" ]
result $? "TAP" "$output"

output=$("$bin" --format junit --only A5 "$plugins/a5_no_nodelete.so" 2>/dev/null | sed 's/time="[^"]*"//; s/classname="[^"]*"//')
[ "$output" = '<?xml version="1.0" encoding="UTF-8"?>
<testsuite name="meshkern-conform" tests="1" failures="1" skipped="0">
  <testcase  name="A5 is linked with -z nodelete" ><failure message="link with -Wl,-z,nodelete"></failure></testcase>
</testsuite>' ]
result $? "JUnit" "$output"

if [ -z "${MK_SANITIZE-}" ]; then # a sanitizer ends the process in its own way
	output=$("$bin" --only L4 "$plugins/l4_needs_start.so")
	printf '%s\n' "$output" | grep -q 'crashed with SIGSEGV (Segmentation fault) at: destroy'
	result $? "a crash is a failed check that names the signal" "$output"

	output=$("$bin" --only M8 "$plugins/m8_keeps_body.so")
	printf '%s\n' "$output" | grep -q 'a message was used after its callback'
	result $? "using a message too late is called by its name" "$output"
fi

output=$("$bin" --skip A4,A5,A6,A7 "$plugins/a2_id.so")
[ "$(printf '%s\n' "$output" | tail -1)" = "2 passed, 1 failed, 25 skipped" ]
result $? "what cannot be loaded is not driven" "$output"

"$bin" --only Z9 "$good" 2>/dev/null
[ $? = 2 ]
result $? "an unknown check is wrong usage"
"$bin" /nonexistent.so 2>/dev/null
[ $? = 2 ]
result $? "a missing file is wrong usage"
[ "$("$bin" --list | wc -l)" = 32 ]
result $? "--list has all checks"

echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
