#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The shell scripts pass shellcheck.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
. "$here/files.sh"
cd -- "$here/../.."

if ! command -v shellcheck >/dev/null; then
	echo 'shellcheck is not installed'
	exit 77
fi
source_files | xargs -r -d '\n' awk '
	FNR == 1 && (/^#!.*sh$/ || FILENAME ~ /\.sh$/) { print FILENAME }
	{ nextfile }' | xargs -r -d '\n' shellcheck --external-sources --source-path=SCRIPTDIR
