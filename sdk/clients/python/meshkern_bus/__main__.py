# SPDX-License-Identifier: MIT
"""Print what is on the bus: python3 -m meshkern_bus URL --topic rx/ [--json]"""

import argparse
import json
import logging
import os
import sys
import time

from . import Bus, Gap


def _plain(value):
    """What JSON has no form for."""
    return {"$bin": value.hex()} if isinstance(value, bytes) else repr(value)


def _line(item, as_json):
    fields = {k: v for k, v in item._asdict().items() if v is not None or k == "lost"}
    if as_json:
        return json.dumps({"gap": fields} if isinstance(item, Gap) else fields, default=_plain)
    if isinstance(item, Gap):
        return "%s GAP %s lost=%s %s" % (item.topic, item.seq, item.lost, item.reason)
    stamp = time.strftime("%H:%M:%S", time.gmtime(item.time_us // 1000000 % (1 << 40)))
    return "%s.%03d %s %d %s" % (stamp, item.time_us // 1000 % 1000, item.topic, item.seq,
                                 json.dumps(item.body, default=_plain))


def main():
    p = argparse.ArgumentParser(prog="python3 -m meshkern_bus", description=__doc__)
    p.add_argument("url", help="ipc://PATH tcp://HOST:PORT tls+tcp://HOST:PORT ws://HOST:PORT/PATH")
    p.add_argument("--topic", action="append", default=[], help="a topic, or a subtree: rx/")
    p.add_argument("--requests", help="address for replays, '' to do without")
    p.add_argument("--json", action="store_true", help="one JSON object a line")
    p.add_argument("--count", type=int, default=0, help="leave after so many items")
    p.add_argument("--ca", help="certificates that may sign the server's")
    p.add_argument("--cert", help="own certificate, and --key unless it contains the key")
    p.add_argument("--key")
    p.add_argument("--server-name", help="name in the server's certificate, if not the host")
    args = p.parse_args()
    logging.basicConfig(format="meshkern_bus: %(message)s")
    tls = dict(ca=args.ca, cert=args.cert, key=args.key, server_name=args.server_name)
    try:
        bus = Bus(args.url, args.requests, args.topic, tls=tls)
    except (ValueError, OSError) as error:
        p.error(str(error))
    left = args.count or -1
    for item in bus:
        try:
            sys.stdout.write(_line(item, args.json) + "\n")
        except (RecursionError, ValueError) as error:
            sys.stderr.write("meshkern_bus: %s %d cannot be printed: %s\n"
                             % (item.topic, item.seq, error))
        left -= 1
        if not bus.backlog or not left:
            sys.stdout.flush()
        if not left:
            break
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
