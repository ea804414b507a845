#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Strangers that knock at the bus's WebSocket without end. nng takes up to 0.1 s to put each of them
away, one after the other, on a thread that every other socket of the process waits for when it is
closed; and its listener may not be closed while one of them is at the door."""

import multiprocessing
import os
import resource
import socket
import threading
import time
import unittest

from broker import free_port
from daemon import Daemon, main, wait_for

KNOCKERS, AT_ONCE = 6, 8
UPGRADE = ("GET %s HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Protocol: %s.sp.nanomsg.org\r\n\r\n")
FILES = min(4000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
DOORS = [("/bus", "pub"), ("/bus/in", "pull")]


def knock(port, turn, is_full, until):
    """In, and out again without a word."""
    while time.monotonic() < until:
        turn += 1
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as s:
                s.settimeout(0.2)
                s.sendall((UPGRADE % DOORS[turn % 2]).encode())
                s.recv(100)
        except OSError:
            time.sleep(0.002)
        while is_full() and time.monotonic() < until:
            time.sleep(0.002)


def knock_at_once(port, pid, until):
    """The daemon keeps descriptors for its own use."""
    def is_full():
        try:
            return len(os.listdir(f"/proc/{pid}/fd")) > FILES
        except FileNotFoundError:
            return False  # it has ended

    for i in range(AT_ONCE):
        threading.Thread(target=knock, args=(port, i, is_full, until)).start()


class Knocking(unittest.TestCase):
    def test_plugins_come_and_go_and_the_daemon_ends_while_strangers_knock(self):
        port = free_port()
        plugins = {"pulse": {"isolation": "inproc", "config": {"interval": "20ms"}}}
        with Daemon(plugins, bus={"listen": ["ws://127.0.0.1:%d/bus" % port]}) as d:
            d.wait_plugin("pulse", "running", lambda p: p["state"] == "running")
            knockers = [multiprocessing.Process(
                target=knock_at_once, args=(port, d.pid, time.monotonic() + 40), daemon=True)
                for _ in range(KNOCKERS)]
            for k in knockers:
                k.start()
            try:
                time.sleep(1)  # so that some are being put away
                for _ in range(5):
                    d.ask("restart", name="pulse")  # refused if it does not come to an end
                    seen = d.topic("pulse/beat")["seq"]
                    wait_for("a beat", lambda s=seen: d.topic("pulse/beat")["seq"] > s)
                self.assertEqual(d.stop(), 0)
            finally:
                for k in knockers:
                    k.terminate()
                    k.join()


if __name__ == "__main__":
    main()
