#!/bin/sh
# SPDX-License-Identifier: MIT
#
# tests/clients/live.sh BUILD_DIR: both client libraries against the daemon that was built there.
# live.py says what is checked. Takes about half a minute; ends in a line "N passed, N failed,
# N skipped"; on a failure the end of the daemon's log is printed.
#
# Assumptions:
#   - BUILD_DIR/bin/meshkernd -c FILE stays in the foreground and ends at SIGTERM
#   - plugin `pulse` is found by its name, takes `interval: 20ms`, and publishes `pulse/beat`, at
#     least reliable (so that the hub's ring can replay it), at this rate from the start on
#   - bus.listen takes the three forms of the configuration in live.py; requests for replays go
#     to PATH.in (ipc), /bus/in on the same port (ws), and the address given (tcp)
#   - the folder data_dir/run is made by the daemon
# Needs python3 with msgpack (or set PYTHON) and node.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=python.sh disable=SC1091
. "$here/python.sh"
build=${1:?usage: live.sh BUILD_DIR}
if [ ! -x "$build/bin/meshkernd" ]; then
	echo "live.sh: there is no $build/bin/meshkernd" >&2
	exit 2
fi
exec "$PYTHON" "$here/live.py" "$build"
