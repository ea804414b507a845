# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# Sourced: sets PYTHON to a python3 that has msgpack (Debian: python3-msgpack).
for candidate in ${PYTHON:-python3 /usr/bin/python3}; do
	if "$candidate" -c 'import msgpack' 2>/dev/null; then
		PYTHON=$candidate
		break
	fi
	PYTHON=
done
if [ -z "$PYTHON" ]; then
	echo "no python3 with msgpack: apt-get install python3-msgpack, or set PYTHON" >&2
	exit 2
fi
