# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# source_files: everything that belongs to the source, whether git knows it yet or not, relative to
# the current folder, sorted. Build folders, recorded data and what programs leave behind are not.
source_files() {
	find . \( -name .git -o -name 'build*' -o -path ./data -o -path ./tests/data -o -name node_modules \
		-o -path ./tests/fuzz/corpus -o -name __pycache__ \) -prune -o -type f -printf '%P\n' | sort
}
