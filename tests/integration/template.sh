#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The way of a plugin author: install the SDK, make a plugin from the template,
# build it against what was installed, run its tests, and check it. Then the
# same with an example, by CMake and by hand with pkg-config.
set -euo pipefail
binary=${MK_BINARY_DIR:?}
if [ -n "${MK_SANITIZE-}" ]; then
	echo "an installed SDK has no sanitizers"
	exit 77
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
prefix=$tmp/prefix

step() {
	printf '== %s\n' "$*"
	"$@" >"$tmp/log" 2>&1 || {
		tail -60 "$tmp/log"
		exit 1
	}
}

expect() {
	"$@" || {
		echo "not so: $*"
		exit 1
	}
}

make_plugin() { # NAME IN OUT
	step "$binary/bin/meshkern" plugin new "$1" --in "$2" --out "$3" --dir "$tmp" \
		--author 'A. Person <person@example.org>' --template "$prefix/share/meshkern/template"
	if grep -rnE '@[A-Z]+@' "$tmp/$1" || find "$tmp/$1" | grep NAME; then
		echo "a placeholder is left"
		exit 1
	fi
}

build_plugin() { # FOLDER NAME
	step cmake -S "$1" -B "$1/build" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_FLAGS=-Werror
	step cmake --build "$1/build"
	step ctest --test-dir "$1/build" --output-on-failure --no-tests=error
	expect [ "$(ctest --test-dir "$1/build" -N | tail -1)" = "Total Tests: 2" ]
	step "$prefix/bin/meshkern-conform" "$1/build/plugins/$2.so"
	expect grep -q '^level: robust$' "$tmp/log"
}

step cmake --install "$binary" --component sdk --prefix "$prefix"

make_plugin rainmap rx/decoded rainmap/cell
build_plugin "$tmp/rainmap" rainmap
step cmake --install "$tmp/rainmap/build" --prefix "$tmp/elsewhere"
expect [ "$(find "$tmp/elsewhere" -path '*/meshkern/plugins/rainmap.so' | wc -l)" = 1 ]

# A name with a dash, and a whole subtree.
make_plugin rain-map rx/ rain/map
build_plugin "$tmp/rain-map" rain-map
if command -v dpkg-parsechangelog >/dev/null; then
	step dpkg-parsechangelog -l "$tmp/rain-map/debian/changelog"
	expect [ -x "$tmp/rain-map/debian/rules" ]
fi

cp -r "$prefix/share/meshkern/examples/tally" "$tmp/tally"
build_plugin "$tmp/tally" tally

PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name meshkern-sdk.pc)")
export PKG_CONFIG_PATH
# shellcheck disable=SC2046
step cc -std=c11 -fvisibility=hidden -fPIC -shared -Wl,-z,defs,-z,now,-z,nodelete \
	-o "$tmp/pulse.so" "$prefix/share/meshkern/examples/pulse/pulse.c" \
	$(pkg-config --cflags --libs meshkern-sdk)
step "$(pkg-config --variable=conform meshkern-sdk)" --only A1,A2,A3,A4,A5,A6,A7,L1 "$tmp/pulse.so"
expect [ "$(pkg-config --variable=abi meshkern-sdk)" = 1 ]
# shellcheck disable=SC2046
step cc -std=c11 -D_POSIX_C_SOURCE=200809L -o "$tmp/test_pulse" \
	"$prefix/share/meshkern/examples/pulse/"*.c \
	$(pkg-config --cflags --libs meshkern-testkit criterion)
step "$tmp/test_pulse"
