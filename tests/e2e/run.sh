# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# run.sh FILE.mjs: a test of the pages in Debian's Chromium, against a daemon of its own. Skipped, with
# the reason, where there is no browser, no pages were built or their packages cannot be had.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
build=${MK_BINARY_DIR:?MK_BINARY_DIR is the build folder}
packages=$build/web-test

skip() {
	echo "skipped: $*"
	exit 77
}

command -v node >/dev/null || skip "there is no node"
(($(node -p 'process.versions.node.split(".")[0]') >= 18)) || skip "node $(node --version) is too old"
if [[ ${1##*/} != check.mjs ]]; then
	[[ -x ${CHROMIUM:=$(command -v chromium || true)} ]] || skip "there is no chromium"
	[[ -e $build/web/index.html ]] || skip "the pages were not built"
fi

# Several tests start at once; one of them gets the packages.
(
	flock 9
	cmake -DSOURCE="$here/../../plugins/http/web" -DWORK="$packages" -DDEV=ON \
		-P "$here/../../plugins/http/web/make.cmake" 2>&1
) 9>"$build/web-test.lock"
[[ -d $packages/node_modules/playwright-core ]] || skip "the packages for tests cannot be had"

export CHROMIUM MK_PACKAGES=$packages MK_WAITED=$SECONDS
exec node "$1"
