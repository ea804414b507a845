#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What a plugin posts from its own thread runs soon, also when nothing else wakes that thread."""

import unittest

import daemon
from daemon import Daemon, main


class Post(unittest.TestCase):
    def steps(self, isolation):
        chain = {"path": daemon.test_plugin("post_chain"), "plugin": "post-chain",
                 "isolation": isolation}
        with Daemon({"chain": chain}) as d:
            d.wait_plugin("chain", "through its steps", lambda p: p["numbers"].get("steps") == 1000)

    def test_steps_in_a_process(self):
        self.steps("process")

    def test_steps_inside_of_the_daemon(self):
        self.steps("inproc")


if __name__ == "__main__":
    main()
