#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""mqtt with a real Mosquitto: what arrives, what survives, what is said about brokers."""

import json
import os
import re
import socket
import subprocess
import time
import unittest

import broker as brokers
import kill_numbers as numbers
from broker import Broker
from daemon import BUILD, SECONDS, Daemon, main, test_plugin, wait_for

OBSERVER = "AB" * 32
PHONE = "cd" * 32
RAW = "1500A1B2C3D4"


def plugins(*sources, sink=False, isolation="inproc", **config):
    entry = {"mqtt": {"path": f"{BUILD}/plugins/mqtt.so", "isolation": isolation,
                      "publish": ["rx/", "mqtt/"], "grant": ["net"],
                      "config": {"sources": list(sources), **config}}}
    if sink:
        entry["sink"] = {"path": test_plugin("mqtt_sink"), "plugin": "mqtt-sink",
                         "isolation": "inproc", "publish": ["storage/committed"]}
    return entry


def source(broker, name="one", **more):
    return {"name": name, "broker": broker if isinstance(broker, str) else broker.url, **more}


def states(d):
    """mqtt/sources, by name."""
    messages = d.replay("mqtt/sources")
    return {x["name"]: x for x in messages[-1].body["items"]} if messages else {}


def wait_source(d, name, what, is_so, seconds=SECONDS):
    found = {}

    def look():
        found.clear()
        found.update(states(d).get(name, {}))
        return found and is_so(found)

    wait_for(f"{name} that is {what}", look, seconds, lambda: f"{found}\n{d.log()}")
    return found


def wait_up(d, name="one"):
    return wait_source(d, name, "connected", lambda s: s["connected"])


def packet(raw=RAW, **more):
    return json.dumps({"origin": "Hill", "raw": raw, "SNR": "5.5", "RSSI": -97, **more})


def items(tail, topic, count=1):
    """The next so many items of a topic."""
    found = []
    while len(found) < count:
        message = tail.next()
        if message.topic == topic:
            found += message.body["items"]
    return found


def wait_numbers(d, count):
    """Until the sink has the packets 1 to `count`, each at least once."""
    def missing():
        return set(range(1, count + 1)) - {r.number for r in numbers.read(d, "sink")}

    wait_for("every number", lambda: not missing(), 2 * SECONDS,
             lambda: f"{sorted(missing())[:20]} {states(d)}\n{d.log()}")


def raws(d):
    return [i["raw"] for m in d.replay("rx/raw") for i in m.body["items"] if "raw" in i]


class Flow(unittest.TestCase):
    def test_all_kinds_arrive(self):
        with Broker() as b, Daemon(plugins(source(b), client_coverage=True)) as d:
            wait_up(d)
            with d.tail("rx/") as tail:
                b.send(f"meshcore/SJC/{OBSERVER}/packets", packet())
                item, = items(tail, "rx/raw")
                self.assertEqual((item["feed"], item["region"], item["observer"], item["name"]),
                                 ("one", "SJC", OBSERVER, "Hill"))
                self.assertEqual((item["raw"], item["snr"], item["rssi"]),
                                 (bytes.fromhex(RAW), 5.5, -97))
                self.assertLess(abs(item["at"] / 1e6 - time.time()), SECONDS)
                b.send(f"meshcore/SJC/{OBSERVER}/status", json.dumps(
                    {"origin": "Hill", "model": "T3", "stats": {"battery_mv": 4100.4}}))
                item, = items(tail, "rx/status")
                self.assertEqual((item["model"], item["battery_mv"]), ("T3", 4100))
                self.assertNotIn("retained", item)
                b.send(f"meshcore/client/{PHONE.upper()}/packets", packet(
                    direction="RX", gps={"lat": 37.5, "lon": "-122.1", "acc_m": 4}))
                item, = items(tail, "rx/client")
                self.assertEqual((item["companion"], item["lat"], item["lon"], item["acc_m"]),
                                 (PHONE, 37.5, -122.1, 4))
                b.send("meshcore/message/channel/3", json.dumps(
                    {"text": "Ann: hi", "sender_timestamp": 1700000000}))
                item, = items(tail, "rx/raw")
                self.assertEqual(item["bridge"], {"kind": "channel", "channel": "3",
                                                  "text": "Ann: hi", "time": 1700000000})

    def test_what_is_not_wanted_is_counted(self):
        with Broker() as b, Daemon(plugins(source(b), iata_whitelist=["sjc"],
                                           observer_blacklist=["bad"])) as d:
            wait_up(d)
            b.send("meshcore/SJC/BAD/packets", packet())
            b.send("meshcore/LAX/x/packets", packet())
            b.send("meshcore/SJC/x/packets", "no JSON")
            b.send("meshcore/SJC/x/packets", packet(raw="15 0"))
            b.send("meshcore/SJC/x/packets", '{"a":' * 100 + "1" + "}" * 100)
            b.send("meshcore/SJC/x/packets", packet(note="x" * 20000))
            b.send(f"meshcore/client/{PHONE}/packets", packet())
            b.send("meshcore/message/direct/1", '{"text": "whitelists are not for me"}')
            s = wait_source(d, "one", "done", lambda s: s["messages"] == 8)
            self.assertEqual(s["refused"], {"blacklisted": 1, "region": 1, "not_json": 1,
                                            "bad_hex": 1, "too_deep": 1, "too_large": 1,
                                            "coverage_off": 1})
            self.assertEqual(s["accepted"], 1)

    def test_retained_statuses_are_marked_and_retained_packets_refused(self):
        with Broker() as b:
            b.send("meshcore/SJC/x/status", '{"status": "online"}', "-r")
            b.send("meshcore/SJC/x/packets", packet(), "-r")
            with Daemon(plugins(source(b))) as d:
                wait_up(d)
                wait_source(d, "one", "done", lambda s: s["messages"] == 2)
                message, = wait_for("the status", lambda: d.replay("rx/status"))
                self.assertIs(message.body["items"][0]["retained"], True)
                self.assertEqual(states(d)["one"]["refused"], {"retained": 1})

    def test_what_is_published_while_the_daemon_is_down_arrives_after(self):
        with Broker() as b, Daemon(plugins(source(b), sink=True)) as d:
            wait_up(d)
            self.assertEqual(d.stop(), 0)
            publisher = b.numbers(1, 3000)
            self.assertEqual(publisher.wait(2 * SECONDS), 0)
            publisher.stdout.close()
            d.start()
            wait_numbers(d, 3000)

    def test_a_broker_that_restarts_loses_nothing(self):
        with Broker() as b, Daemon(plugins(source(b), sink=True)) as d:
            wait_up(d)
            publisher = b.numbers(1, 20000, 4000)
            numbers.wait_count(d, "sink", 4000)
            b.stop()
            wait_source(d, "one", "cut off", lambda s: not s["connected"] and "retry_us" in s)
            b.start()
            self.assertEqual(publisher.wait(2 * SECONDS), 0)
            wait_numbers(d, 20000)
            s = wait_up(d)
            self.assertEqual((s["connects"], s["disconnects"]), (2, 1))
            publisher.stdout.close()

    def test_subscriptions_that_a_reload_removes_are_taken_back(self):
        with Broker() as b, Daemon(plugins(source(b, topics=["a/#", "b/+/x", "meshcore/#"]))) as d:
            wait_up(d)
            d.configure(plugins(source(b, topics=["meshcore/#", "b/+/x"])))
            d.ask("reload")
            wait_source(d, "one", "connected anew", lambda s: s["connects"] == 2 and s["connected"])
            b.send("a/SJC/x/packets", packet())
            b.send("meshcore/SJC/x/packets", packet())
            s = wait_source(d, "one", "counting", lambda s: s["accepted"] == 1)
            self.assertEqual((s["messages"], s["refused"]), (1, {}))
            # One that is taken away and comes back is not taken back by what was to be done before.
            for topics in (["meshcore/#"], ["a/#", "meshcore/#"]):
                d.configure(plugins(source(b, topics=topics)))
                d.ask("reload")
            wait_source(d, "one", "connected anew", lambda s: s["connects"] >= 3 and s["connected"])
            b.send("a/SJC/x/packets", packet())
            s = wait_source(d, "one", "counting", lambda s: s["messages"] == 2)

    def test_a_source_that_a_reload_removes_leaves_nothing_at_its_broker(self):
        with Broker() as b, Broker() as c, Daemon(plugins(
                source(b), source(c, "two", topics=["a/#"], client_id="leaver"))) as d:
            wait_up(d)
            wait_up(d, "two")
            d.configure(plugins(source(b)))
            d.ask("reload")
            wait_for("the end of the connection", lambda: re.search(
                "leaver (closed|disconn)", c.log()), context=c.log)
            wait_for("one source", lambda: list(states(d)) == ["one"], context=d.log)
            c.send("a/SJC/x/packets", packet())
            d.configure(plugins(source(b), source(c, "two", client_id="leaver")))
            d.ask("reload")
            wait_up(d, "two")
            c.send("meshcore/SJC/x/packets", packet())
            s = wait_source(d, "two", "counting", lambda s: s["accepted"] == 1)
            self.assertEqual((s["messages"], s["refused"]), (1, {}))

    def test_subscriptions_of_a_run_before_are_not_listened_to(self):
        with Broker() as b, Daemon(plugins(source(b, topics=["a/#", "meshcore/#"]))) as d:
            wait_up(d)
            self.assertEqual(d.stop(), 0)
            d.configure(plugins(source(b)))
            d.start()
            wait_up(d)
            b.send("a/SJC/x/packets", packet())
            wait_source(d, "one", "counting", lambda s: s["refused"] == {"not_wanted": 1})


class Trouble(unittest.TestCase):
    def test_one_wrong_broker_does_not_disturb_another(self):
        silent = socket.socket()  # takes connections, says nothing
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with silent, Broker() as b, Daemon(plugins(
                source("mqtt://no-such-host.invalid", "wrong"),
                source(f"mqtt://127.0.0.1:{brokers.free_port()}", "closed"),
                source(f"mqtt://127.0.0.1:{silent.getsockname()[1]}", "silent",
                       connect_timeout="1s"),
                source(b))) as d:
            wait_up(d)
            s = wait_source(d, "wrong", "failing", lambda s: s["failures"] >= 2)
            self.assertRegex(s["last_error"], "host no-such-host.invalid")
            s = wait_source(d, "closed", "failing", lambda s: s["failures"] >= 2)
            self.assertEqual(s["verdict"], "disconnected")
            wait_source(d, "silent", "failing", lambda s: s["failures"] >= 2)
            b.send("meshcore/SJC/x/packets", packet())
            wait_for("the packet", lambda: raws(d))
            self.assertEqual(states(d)["one"]["disconnects"], 0)

    def test_a_wrong_password_is_named_and_is_not_shown(self):
        with Broker() as b:
            b.stop()
            subprocess.run(["mosquitto_passwd", "-c", "-b", f"{b.dir}/pw", "ann", "right"],
                           check=True)
            with open(b.file, encoding="utf-8") as f:
                text = f.read().replace("allow_anonymous true",
                                        f"allow_anonymous false\npassword_file {b.dir}/pw")
            with open(b.file, "w", encoding="utf-8") as f:
                f.write(text)
            b.start()
            with Daemon(plugins(source(b, username="ann", password="topsecret"))) as d:
                wait_source(d, "one", "refused", lambda s: re.search(
                    "password|allowed", s.get("last_error", "")))
                self.assertNotIn("topsecret", d.log() + json.dumps(states(d)))
                d.configure(plugins(source(b, username="ann", password="right")))
                d.ask("reload")
                wait_up(d)
                self.assertNotIn("right", [w.strip('"') for w in d.log().split()])

    def test_silence_makes_a_new_connection_less_and_less_often(self):
        with Broker() as b, Daemon(plugins(source(b), silence="1s")) as d:
            wait_source(d, "one", "connected anew",
                        lambda s: s["connects"] >= 3 and s["verdict"] == "never-received")
            d.wait_log("never a message source=\"one\"")
            b.send("meshcore/SJC/x/status", "{}")
            d.wait_log("messages again source=\"one\"")

    def test_a_full_outbox_makes_the_broker_wait_and_loses_nothing(self):
        with Broker() as b:
            entry = plugins(source(b), sink=True, buffer="1MiB")
            entry["mqtt"]["outbox"] = {"size": "1MiB"}
            entry["sink"]["config"] = {"hold": True}
            with Daemon(entry) as d:
                wait_up(d)
                publisher = b.numbers(1, 12000)
                self.assertEqual(publisher.wait(2 * SECONDS), 0)
                publisher.stdout.close()
                wait_source(d, "one", "paused", lambda s: s["verdict"] == "paused")
                d.wait_log("the outbox is full")
                self.assertLess(d.plugin("mqtt")["numbers"]["inbox_bytes"], 1 << 20)
                entry["sink"]["config"] = {"hold": False}
                d.configure(entry)
                d.ask("reload")
                wait_numbers(d, 12000)
                wait_up(d)

    def test_a_reload_reconnects_only_what_changed(self):
        with Broker() as b, Broker() as c, Daemon(plugins(source(b), source(c, "two"))) as d:
            wait_up(d)
            wait_up(d, "two")
            d.configure(plugins(source(b, iata_filter=["LAX"], region="SFO"), iata_whitelist=["lax"]))
            d.ask("reload")
            wait_for("one source", lambda: list(states(d)) == ["one"], context=d.log)
            b.send("meshcore/SJC/x/packets", packet())
            b.send("meshcore/LAX/x/packets", packet())
            s = wait_source(d, "one", "done", lambda s: s["messages"] == 2)
            self.assertEqual((s["connects"], s["accepted"]), (1, 1))
            self.assertEqual(d.plugin("mqtt")["restarts"], 0)


def make_certificates(folder):
    """A CA, and a certificate of 127.0.0.1 and localhost."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out",
            "ca.pem", "-subj", "/CN=test authority", "-days", "2")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out", "server.csr",
            "-subj", "/CN=localhost")
    with open(f"{folder}/names", "w", encoding="utf-8") as f:
        f.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-out", "server.pem", "-days", "2", "-extfile", "names")


class Transports(unittest.TestCase):
    def run_transport(self, scheme, path, lines):
        port = brokers.free_port()
        with Broker() as b:
            make_certificates(b.dir)
            b.stop()
            with open(b.file, "a", encoding="utf-8") as f:
                f.write(f"\nlistener {port} 127.0.0.1\n" + lines.format(dir=b.dir) + "\n")
            b.start()
            url = f"{scheme}://localhost:{port}{path}"
            tls = scheme in ("mqtts", "wss")
            good = {"tls": {"ca": f"{b.dir}/ca.pem"}} if tls else {}
            with Daemon(plugins(source(url, **good))) as d:
                wait_up(d)
                with d.tail("rx/") as tail:
                    b.send("meshcore/SJC/x/packets", packet())
                    self.assertEqual(items(tail, "rx/raw")[0]["raw"], bytes.fromhex(RAW))
                if not tls:
                    return
                d.configure(plugins(source(url)))  # of no authority that the system knows
                d.ask("reload")
                # Failures may be those of before: a connection must stand to end the row.
                wait_source(d, "one", "refused", lambda s: re.search(
                    "(?i)certificate|tls", s.get("last_error", "")))
                d.configure(plugins(source(url, tls={"verify": False})))
                d.ask("reload")
                wait_up(d)

    TLS = "certfile {dir}/server.pem\nkeyfile {dir}/server.key\n"

    def test_mqtts(self):
        self.run_transport("mqtts", "", self.TLS)

    def test_ws(self):
        self.run_transport("ws", "/mqtt", "protocol websockets")

    def test_wss(self):
        self.run_transport("wss", "/mqtt", "protocol websockets\n" + self.TLS)


if __name__ == "__main__":
    brokers.skip_without()
    main()
