#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The C sources are formatted as .clang-format says. To repair: clang-format-14 -i FILE
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
. "$here/files.sh"
cd -- "$here/../.."

# Other versions format differently.
if ! tool=$(command -v clang-format-14); then
	echo 'clang-format-14 is not installed'
	exit 77
fi
# What is in the template becomes C only when its names are filled in.
if ! said=$(source_files | grep -E '\.[ch]$' | grep -v '^sdk/template/' |
	xargs -r -d '\n' -n 8 -P "$(nproc)" "$tool" --dry-run -Werror 2>&1); then
	sed -nE 's/^([^: ]+:[0-9]+):[0-9]+: error: .*/\1: not formatted/p' <<<"$said" | sort -u |
		grep . || printf '%s\n' "$said"
	exit 1
fi
