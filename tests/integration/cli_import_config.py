#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""meshkern import-config: what it prints is a configuration, and the right one."""

import json
import os
import subprocess
import tempfile
import unittest

import daemon

PLUGINS = ("mqtt", "decode", "storage", "backfill", "neighbors", "mbcap", "analytics",
           "http")

FULL = {
    "_comment": "everything that has a meaning here, and some that has not",
    "port": 3100, "apiKey": "0123456789abcdef\"\\#", "dbPath": "data/old.db",
    "corsAllowedOrigins": ["https://mesh.example.org"], "compression": {"gzip": False},
    "MqttSources": [
        {"name": "a", "broker": "mqtts://mqtt.example.org:8883", "username": "u\n",
         "password": "p\"w: #", "rejectUnauthorized": False, "topics": ["meshcore/SJC/#", ""],
         "iataFilter": ["SJC"], "region": "SJC", "connectTimeoutSec": 900},
        {"name": "a", "broker": "ws://10.0.0.1/mqtt"},
        {"broker": "mqtt://u:p%40q@10.0.0.2"},
        {"name": "none", "broker": "http://x"}],
    "observerIATAWhitelist": ["SJC", " "], "observerBlacklist": ["abc"],
    "clientRxCoverage": {"enabled": True, "_comment": "x", "other": 1},
    "channelKeys": {"Ops": "00" * 16, "bad": "12", "Long": "ab" * 32},
    "channelKeysPath": "keys.json", "hashChannels": ["#a", "b"], "hashRegions": ["r"],
    "validateSignatures": False, "foreignAdverts": {"mode": " Drop "},
    "geo_filter": {"polygon": [[1, 2], [3, 4.5], [5, -6]], "bufferKm": 20},
    "retention": {"nodeDays": 30, "observerDays": -1, "metricsDays": 0, "packetDays": 90,
                  "clientRxDays": 10, "soon": 1},
    "neighborEdgesMaxAgeDays": 9, "metrics": {"sampleIntervalSec": 60},
    "ingestBufferSize": 1, "runtime": {"maxMemoryMB": 100}, "branding": {"siteName": "x"},
    "neighborGraph": {"maxEdgeKm": 3}, "nonsense\n": 1,
    "nodeBlacklist": ["AB"], "hiddenNamePrefixes": ["x"], "listLimits": {"packetsMax": 5},
    "regions": {"sjc": "San Jose", "toolongcode": "x", "OAK": "<b>"},
    "areas": {"A": {"label": "Bay", "polygon": [[1, 2], [3, 4], [5, 6]]},
              "B": {"latMin": 1, "latMax": 2, "lonMin": 3, "lonMax": 4}, "<": {"label": "x"}},
    "mapDefaults": {"center": [37.45, -122.0], "zoom": 9}, "theme": {"accent": "#123456"},
    "batteryThresholds": {"lowMv": 3400, "criticalMv": 3100},
    "healthThresholds": {"infraSilentHours": 2, "observerOnlineMinutes": 5},
    "timestamps": {"defaultMode": "absolute", "timezone": "nowhere"}, "maxHopDist": 12.5,
    "wsReconnectMs": 500, "liveMap": {"maxNodes": 5}, "debugAffinity": True,
    "customizer": {"disabledTabs": ["geo"]}, "defaultRegion": "SJC"}


def run(program, *arguments):
    return subprocess.run([f"{daemon.BUILD}/bin/{program}", *arguments], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=daemon.SECONDS, check=False)


class ImportConfig(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="mk-")
        self.addCleanup(folder.cleanup)
        self.dir = os.path.realpath(folder.name)
        os.mkdir(f"{self.dir}/data")

    def convert(self, config):
        with open(f"{self.dir}/config.json", "w", encoding="utf-8") as f:
            f.write(config if isinstance(config, str) else json.dumps(config))
        return run("meshkern", "import-config", f"{self.dir}/config.json")

    def text(self, config):
        done = self.convert(config)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.decode()

    def check(self, text):
        if not all(os.path.exists(f"{daemon.BUILD}/plugins/{p}.so") for p in PLUGINS):
            self.skipTest("not all plugins are built")
        with open(f"{self.dir}/meshkern.yaml", "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(f"{self.dir}/meshkern.yaml", 0o600)
        done = run("meshkernd", "--check", "-c", f"{self.dir}/meshkern.yaml")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr + text.encode())

    def test_every_key_is_taken_over_or_named(self):
        text = self.text(FULL)
        for line in (f'data_dir: "{self.dir}/data"', 'database: "old.db"', 'listen: [ "*:3100" ]',
                     'api_key: "0123456789abcdef\\"\\\\#"', 'cors: [ "https://mesh.example.org" ]',
                     'gzip: false', '- name: "a"', '- name: "a #2"', '- name: "source 3"',
                     'username: "u\\x0a"', 'password: "p\\"w: #"', 'tls: { verify: false }',
                     'topics: [ "meshcore/SJC/#" ]', 'iata_filter: [ "SJC" ]', 'region: "SJC"',
                     'connect_timeout: 300s', 'iata_whitelist: [ "SJC" ]',
                     'observer_blacklist: [ "abc" ]', 'client_coverage: true',
                     f'- {{ name: "Ops", key: "{"00" * 16}" }}',
                     f'channel_keys_file: "{self.dir}/keys.json"', 'hash_channels: [ "#a", "b" ]',
                     'hash_regions: [ "r" ]', 'validate_signatures: false',
                     'foreign_adverts: drop', 'polygon: [ "1,2", "3,4.5", "5,-6" ]',
                     'broker: "mqtt://10.0.0.2"', 'username: "u"', 'password: "p@q"',
                     'buffer_km: 20', 'nodes: 30', 'observers: 0', 'metrics: 30', 'packets: 90',
                     'clients: 10', 'edges: 9', 'metrics_interval: 60s', 'node_blacklist: [ "AB" ]',
                     'hidden_names: [ "x" ]', '- { code: "SJC", label: "San Jose" }',
                     'polygon: [ "1,2", "3,4", "5,6" ]', '- key: "B"', 'lon_max: 4',
                     'center: "37.45,-122"', 'zoom: 9', f'files: [ "{self.dir}/config.json" ]',
                     'low: 3400', 'critical: 3100', 'infra_silent: 7200s', 'observer_online: 300s', 'mode: absolute',
                     'max_hop_km: 12.5', 'reconnect: 500ms', 'live_map_nodes: 100',
                     'disabled_tabs: [ "geo" ]', 'debug_affinity: true', 'client_coverage: true'):
            self.assertIn(line, [x.strip() for x in text.splitlines()])
        for name in ("ingestBufferSize", "runtime", "defaultRegion", "retention.soon",
                     "neighborGraph.maxEdgeKm", "nonsense\\x0a", "clientRxCoverage.other", "bad",
                     "none", "toolongcode", "OAK", "<"):
            self.assertRegex(text, rf'# .*"{name}"'.replace("\\x", "\\\\x"))
        self.assertNotIn("_comment", text)

    def test_the_daemon_takes_the_result(self):
        self.check(self.text({k: v for k, v in FULL.items()}))

    def test_an_empty_configuration_gives_what_corescope_would_do(self):
        text = self.text({})
        self.assertIn('broker: "mqtt://localhost:1883"', text)
        self.assertIn('database: "meshcore.db"', text)
        self.check(text)

    def test_the_single_source_of_old_is_known(self):
        text = self.text({"mqtt": {"broker": "mqtt://b", "topic": "mesh/#"}})
        self.assertIn('topics: [ "mesh/#", "meshcore/#" ]', text)

    def test_a_box_is_a_geo_filter_too(self):
        text = self.text({"geo_filter": {"latMin": 1, "latMax": 2, "lonMin": 3, "lonMax": 4}})
        self.assertIn("lon_max: 4", text)
        self.check(text)

    def test_what_is_no_configuration_is_refused(self):
        for wrong in ("[]", "{", "nonsense"):
            done = self.convert(wrong)
            self.assertEqual((done.returncode, done.stdout), (1, b""))
            self.assertIn(b"config.json", done.stderr)
        self.assertEqual(run("meshkern", "import-config", f"{self.dir}/none").returncode, 1)


if __name__ == "__main__":
    daemon.main()
