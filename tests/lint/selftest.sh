#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# boundaries.sh finds a planted violation of each kind in a small tree, and nothing in a clean one.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
passed=0 failed=0

# put FILE LINE...: a file of the tree, with the line that every file starts with.
put() {
	mkdir -p "$(dirname "$tree/$1")"
	printf '%s\n' '/* SPDX-License-Identifier: MIT */' "${@:2}" >"$tree/$1"
}

clean() {
	rm -rf "${tree:?}"/*
	put sdk/include/meshkern/plugin.h '#include <stdint.h>' 'int32_t mk_f(void);'
	put sdk/src/yaml.c '#include <yaml.h>' '#include <meshkern/plugin.h>'
	put sdk/src/codec_read.c '#include <msgpack/unpack.h>'
	put sdk/testkit/kit.h 'int kit_f(void);'
	put sdk/tools/conform/main.c '#include "kit.h"'
	put sdk/examples/hello/hello.c '#include <meshkern/plugin.h>'
	put core/ring.h '#include <meshkern/plugin.h>' 'int ring_f(void);'
	put sdk/host/bus_link.c '#include <nng/nng.h>'
	put core/cli/main.c '#include "ring.h"' '#include "../ring.h"'
	put plugins/storage/storage.c '#include <sqlite3.h>' '#include "rows.h"'
	put plugins/storage/rows.h 'int rows_f(void);'
	put plugins/decode/decode.c '/* strcpy(a, b) */ char *s = "system(";' 'x->system(1); my_gets(2);' \
		'/* two' 'atoi(lines) */ int atoi_like;'
	put tests/plugins/bad.c '#include <meshkern/plugin.h>' 'int x = system("true");'
	put tests/unit/core/test_ring.c '#include "ring.h"' '#include <nng/nng.h>'
	put README.md 'Text about ./work/home/.'
}

verdict() {
	if [[ $2 == "$3" ]]; then
		((++passed))
	else
		((++failed))
		printf 'FAILED: %s\n  expected: %s\n  printed:  %s\n' "$1" "$2" "$3"
	fi
}

check() {
	local status=0
	"$here/boundaries.sh" "$tree" || status=$?
	echo "status $status"
}

passes() {
	verdict "$1" 'status 0' "$(check)"
}

# finds NAME EXPECTED: the tree has this violation and no other.
finds() {
	verdict "$1" "$2"$'\nstatus 1' "$(check)"
	clean
}

lines() {
	seq -f 'int x%g;' "$1"
}

clean
passes 'a clean tree'

put plugins/decode/decode.c '#include "ring.h"'
finds 'a plugin includes the core' 'plugins/decode/decode.c:2: "ring.h" is not within plugins/decode/'
put plugins/decode/decode.c '' '#include <ring.h>'
finds 'a plugin includes the core as a system header' 'plugins/decode/decode.c:3: <ring.h> is a header of the core'
put plugins/decode/decode.c '#include "../storage/rows.h"'
finds 'a plugin includes another plugin' \
	'plugins/decode/decode.c:2: "../storage/rows.h" is not within plugins/decode/'
put sdk/examples/hello/hello.c '#include "../../src/arena.h"'
finds 'an example includes the inside of the SDK' \
	'sdk/examples/hello/hello.c:2: "../../src/arena.h" is not within sdk/examples/hello/'
put plugins/decode/decode.c '#include <meshkern/secret.h>'
finds 'a header that the SDK does not have' \
	'plugins/decode/decode.c:2: <meshkern/secret.h> is no header of the SDK'
put tests/plugins/bad.c '#include "../../core/ring.h"'
finds 'a test plugin includes the core' \
	'tests/plugins/bad.c:2: "../../core/ring.h" is not within tests/plugins/'
put core/ring.c '#include "../plugins/storage/rows.h"'
finds 'the core includes a plugin' 'core/ring.c:2: "../plugins/storage/rows.h" is not within core/'
put sdk/src/arena.c '#include "../../core/ring.h"'
finds 'the SDK includes the core' 'sdk/src/arena.c:2: "../../core/ring.h" is not within sdk/'
put core/ring.c '#include "ring.c"'
finds 'a .c file is included' 'core/ring.c:2: includes a .c file; link it'
put core/ring.c '#include <nng/nng.h>'
finds 'nng outside of its adapter' 'core/ring.c:2: <nng/nng.h> belongs to another file'
put core/ring.c '#  include <sqlite3.h>'
finds 'sqlite outside of storage' 'core/ring.c:2: <sqlite3.h> belongs to another file'
put plugins/decode/decode.c '#include <yaml.h>'
finds 'yaml outside of its adapter' 'plugins/decode/decode.c:2: <yaml.h> belongs to another file'
put core/ring.c '#include <msgpack.h>'
finds 'msgpack outside of the codec' 'core/ring.c:2: <msgpack.h> belongs to another file'

for name in strcpy strcat sprintf vsprintf strncpy strtok atoi gets system alloca setjmp; do
	put core/ring.c '/* a comment */ int x = '"$name"' (1);'
	finds "$name" "core/ring.c:2: forbidden function: /* a comment */ int x = $name (1);"
done

put plugins/decode/decode.c
lines 799 >>"$tree/plugins/decode/decode.c"
passes 'a file of 800 lines'
echo 'int x;' >>"$tree/plugins/decode/decode.c"
finds 'a file of 801 lines' 'plugins/decode/decode.c:801: more than 800 lines'

rm "$tree/core/ring.h" "$tree/tests/unit/core/test_ring.c"
for part in cli/main a b c d e f; do
	put "core/$part.c"
	lines 799 >>"$tree/core/$part.c"
done
lines 198 >"$tree/core/g.c"
sed -i '1s|^|/* SPDX-License-Identifier: MIT */\n|' "$tree/core/g.c"
passes 'a core of 4999 lines'
echo 'int x;' >>"$tree/core/g.c"
finds 'a core of 5000 lines' 'core/CMakeLists.txt:1: the core has 5000 lines; it must stay under 5000'

echo 'int x;' >"$tree/core/ring.c"
finds 'no licence' 'core/ring.c:1: no SPDX line'
printf 'text \n' >>"$tree/README.md"
finds 'trailing white space' 'README.md:3: trailing white space'
printf 'int x;\t\n' >>"$tree/core/ring.h"
finds 'a trailing tab' 'core/ring.h:4: trailing white space'
printf 'see /%s/me\n' home >>"$tree/README.md"
finds 'a path of one machine' "README.md:3: path of one machine: see /home""/me"
put core/ring.h 'uint32_t ring_f(void);'
finds 'a header that needs another first' \
	"core/ring.h:2: does not compile alone: unknown type name 'uint32_t'"
put sdk/include/meshkern/plugin.h 'int mk_f(int class);'
verdict 'a public header that is no C++' 'sdk/include/meshkern/plugin.h:2: does not compile alone' \
	"$(check | head -n 1 | cut -d: -f1-3)"

printf '%d passed, %d failed, 0 skipped\n' "$passed" "$failed"
((failed == 0))
