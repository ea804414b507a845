#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Rules about the source that no compiler checks; docs/style.md names them.
#
#   boundaries.sh [ROOT]     prints FILE:LINE: text for each violation, exits 1 if there is one
#
# shellcheck disable=SC2016 # the dollar signs are awk's
set -euo pipefail
export LC_ALL=C

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
. "$here/files.sh"
cd -- "${1:-$here/../..}"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

source_files >"$scratch/files"
grep -E '\.[ch]$' "$scratch/files" >"$scratch/c" || true
grep -E '^(core|sdk|plugins)/' "$scratch/c" >"$scratch/product" || true
grep -vE '^tests/(plugins|conform)/' "$scratch/c" >"$scratch/careful" || true

# over LIST COMMAND...: runs it on the files of a list, if there are any.
over() {
	xargs -r -d '\n' -a "$scratch/$1" "${@:2}"
}

# Who may include what. Quoted includes must be found within the part the file belongs to, by a path
# that starts anywhere in it: a plugin or an example is a part, so are core/, sdk/, tests/plugins/
# and tests/conform/.
includes() {
	over c awk -v list="$scratch/files" '
	function say(text) { printf "%s:%d: %s\n", FILENAME, FNR, text }
	function part(path) {
		if (match(path, /^(plugins|sdk\/examples|sdk\/clients)\/[^\/]+\//))
			return substr(path, 1, RLENGTH)
		match(path, /^(tests\/)?[^\/]+\//)
		return substr(path, 1, RLENGTH)
	}
	function resolve(folder, name) {
		while (sub(/^\.\.\//, "", name))
			if (!sub(/[^\/]+\/$/, "", folder))
				return ""
		return folder name
	}
	function ours_alone(name) { return (getline line < ("/usr/include/" name)) < 0 }
	function only(header, where) {
		if (index(name, header) == 1 && FILENAME !~ where)
			say("<" name "> belongs to another file")
	}
	BEGIN {
		while ((getline file < list) > 0) {
			known[file] = 1
			mine = part(file)
			for (rest = substr(file, length(mine) + 1); rest; sub(/^[^\/]*\/?/, "", rest))
				within[mine, rest] = 1
			if (match(file, /^sdk\/(host|config)\/[^\/]*\.h$/)) {
				name = file
				sub(/.*\//, "", name)
				within["core/", name] = 1
			}
			if (file ~ /^core\/.*\.h$/)
				core[substr(file, 6)] = 1
		}
	}
	!/^[ \t]*#[ \t]*include[ \t]*[<"]/ { next }
	{
		name = $0
		sub(/^[^<"]*/, "", name)
		quoted = name ~ /^"/
		name = substr(name, 2)
		sub(/[>"].*/, "", name)
		folder = FILENAME
		sub(/[^\/]*$/, "", folder)
	}
	name ~ /\.c$/ { say("includes a .c file; link it") }
	index(name, "meshkern/") == 1 && !(("sdk/include/" name) in known) {
		say("<" name "> is no header of the SDK")
	}
	# Tests of the inside see the inside; what the tests build as plugins does not.
	FILENAME ~ /^tests\// && FILENAME !~ /^tests\/(plugins|conform)\// { next }
	quoted {
		mine = part(FILENAME)
		path = resolve(folder, name)
		if (!((mine, name) in within) && !(index(path, mine) == 1 && (path in known)))
			say("\"" name "\" is not within " mine)
		next
	}
	(name in core) && FILENAME !~ /^core\// && ours_alone(name) {
		say("<" name "> is a header of the core")
	}
	FILENAME !~ /^sdk\/clients\// {
		only("nng/", "^sdk/host/bus_link\\.c$")
		# Only storage writes; who needs the past reads it in a history.c or, http, in db*.c of its own.
		only("sqlite3.h", "^plugins/(storage/|.*/history\\.c$|http/read/db[a-z_]*\\.[ch]$)")
		only("yaml.h", "^sdk/src/yaml")
		only("msgpack", "^sdk/src/codec")
	}'
}

# Functions that cannot be used safely, outside of comments, strings and plugins that are bad on
# purpose.
functions() {
	over careful awk '
	BEGIN {
		no = "strcpy|strcat|sprintf|vsprintf|strncpy|strtok|atoi|gets|system|alloca|setjmp"
		no = "(^|[^A-Za-z0-9_.>])(" no ")[ \t]*\\("
	}
	FNR == 1 { comment = 0 }
	{
		line = $0
		gsub(/\\./, "", line)
		gsub(/"[^"]*"/, "\"\"", line)
		while (comment || (at = index(line, "/*"))) {
			end = index(comment ? line : substr(line, at + 2), "*/")
			if (!end) {
				line = comment ? "" : substr(line, 1, at - 1)
				comment = 1
				break
			}
			line = comment ? substr(line, end + 2) \
				: substr(line, 1, at - 1) " " substr(line, at + end + 3)
			comment = 0
		}
		sub(/\/\/.*/, "", line)
		if (match(line, no))
			printf "%s:%d: forbidden function: %s\n", FILENAME, FNR, $0
	}'
}

sizes() {
	over product awk '
	FNR == 801 { printf "%s:801: more than 800 lines\n", FILENAME }
	FILENAME ~ /^core\// && FILENAME !~ /^core\/cli\// { core++ }
	END {
		if (core >= 5000)
			printf "core/CMakeLists.txt:1: the core has %d lines; it must stay under 5000\n", core
	}'
}

heads() {
	grep -E '\.(c|h|sh|py|js|ts)$|^scripts/|^\.ci/run$' "$scratch/files" >"$scratch/spdx" || true
	over spdx awk '
	FNR <= 3 && /SPDX-License-Identifier: MIT/ { found[FILENAME] = 1 }
	FNR == 1 { seen[FILENAME] = 1 }
	END { for (file in seen) if (!found[file]) print file ":1: no SPDX line" }' | sort
}

text() {
	over files grep -HnIE '[[:space:]]$' | sed -E 's/^([^:]*:[0-9]+:).*/\1 trailing white space/' ||
		true
	over files grep -HnIE '(^|[^]A-Za-z0-9_.})$%*/-])/(work|home|root|farm|Users)/' |
		sed -E 's/^([^:]*:[0-9]+:)/\1 path of one machine: /' || true
}

# Each header compiles alone; those of the SDK also as C++.
headers() {
	grep '\.h$' "$scratch/product" | grep -v '^sdk/template/' >"$scratch/headers" || true
	grep '^sdk/include/' "$scratch/headers" >"$scratch/public" || true
	echo 'int alone;' >"$scratch/alone.c"
	compile headers gcc -std=c11 -D_POSIX_C_SOURCE=200809L
	compile public g++ -std=c++17 -x c++
}

# compile LIST COMPILER...
compile() {
	local said
	if ! said=$(over "$1" -P "$(nproc)" -I{} "${@:2}" -fsyntax-only -Wall -Wextra -Wpedantic -Werror \
		-fmax-errors=1 -fno-diagnostics-show-caret -Isdk/include -iquote core -iquote sdk/host \
		-iquote sdk/config -Iplugins/decode -Iplugins/neighbors -Iplugins/http -include {} "$scratch/alone.c" 2>&1); then
		sed -nE 's|^(\./)?([^: ]+:[0-9]+:)([0-9]+:)? (fatal )?error:|\2 does not compile alone:|p' <<<"$said" |
			grep . || printf '%s\n' "$said"
	fi
}

for rule in includes functions sizes heads text headers; do
	"$rule"
done | tee "$scratch/violations"
[[ ! -s $scratch/violations ]]
