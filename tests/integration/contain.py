# SPDX-License-Identifier: MIT
"""What the containment tests share: misbehaving plugins (tests/plugins/bad_*.c) beside a pair that
does its work, pulse in a process of its own and tally inside of the daemon."""

from daemon import Control, Daemon, read_frame, test_plugin, wait_for

GAP, RETAINED, DELTA = 2, 4, 8


def bad(kind, isolation="process", more=None, **config):
    """An entry of `plugins` for tests/plugins/bad_KIND.c; `more` are keys of the entry."""
    return {"path": test_plugin(f"bad_{kind}"), "plugin": f"bad-{kind}", "isolation": isolation,
            "publish": ["bad/"], "config": config, **(more or {})}


class Company(Daemon):
    """A daemon with the pair and others."""

    def __init__(self, others, start=True, **settings):
        pair = {"pulse": {"isolation": "process", "config": {"interval": "10ms"}},
                "tally": {"config": {"interval": "100ms"}}}
        super().__init__({**pair, **others}, start=start, **settings)

    def counted(self):
        """What tally has counted of pulse/beat."""
        rows = {}
        with Control(self.socket) as control:
            control.send("tail", topics=["snapshot/tally"], retained=True)
            for frame in control.receive()["data"]["frames"]:
                message = read_frame(frame)
                if not message.flags & (DELTA | GAP):
                    rows = {}
                rows.update(message.body.get("topics", {}))
        return rows.get("pulse/beat", {"messages": 0, "gaps": 0, "lost": 0})

    def goes_on(self):
        """The pair exchanges messages now."""
        before = self.counted()["messages"]
        wait_for("messages from pulse to tally", lambda: self.counted()["messages"] > before + 20,
                 context=self.log)

    def lost_nothing(self, test):
        """From the first to the last beat, all of them reached tally, and pulse goes on."""
        for name in "pulse", "tally":
            row = self.wait_plugin(name, "no longer starting", lambda p: p["state"] != "starting")
            test.assertEqual((row["state"], row["restarts"], row["misbehaved"]), ("running", 0, 0),
                             row)
        self.goes_on()
        self.ask("disable", name="pulse")
        beats = self.topic("pulse/beat")["seq"]
        wait_for(f"{beats} beats at tally", lambda: self.counted()["messages"] == beats,
                 context=lambda: f"{self.counted()}\n{self.log()}")
        counted = self.counted()
        test.assertEqual((counted["gaps"], counted["lost"]), (0, 0))
        kept = [m for m in self.replay("pulse/beat") if not m.flags & GAP]  # a flood pushes out
        test.assertEqual([m.body["items"][0]["number"] for m in kept],
                         list(range(beats - len(kept) + 1, beats + 1)))


