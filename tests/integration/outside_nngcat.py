#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Outside subscribers without any of our code: nngcat on every kind of address, its frames decoded
by an independent msgpack reader."""

import io
import os
import pathlib
import shutil
import stat
import subprocess
import sys
import unittest

import msgpack

import daemon
from broker import free_port

PULSE = {"pulse": {"config": {"interval": "20ms"}}}


def nngcat(url, count, *options, prefix="pulse/"):
    """The bodies of `count` messages, as nngcat prints them: one msgpack bin each."""
    done = subprocess.run(["nngcat", "--sub", "--dial", url, "--subscribe", prefix, "--count",
                           str(count), "--format", "msgpack", *options],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=daemon.SECONDS, check=False)
    return list(msgpack.Unpacker(io.BytesIO(done.stdout))), done.stderr


class Outside(unittest.TestCase):
    def check(self, frames, count):
        self.assertEqual(len(frames), count)
        last = {}
        for frame in frames:
            topic, packed = frame.split(b" ", 1)
            header, body = msgpack.unpackb(packed)
            version, epoch, seq, time_us, origin, schema, flags = header
            self.assertEqual((version, origin, schema, flags), (1, "pulse", 0, 0))
            self.assertTrue(topic.startswith(b"pulse/"))
            self.assertGreater(epoch, 1_600_000_000_000_000)
            self.assertGreaterEqual(time_us, epoch)
            self.assertIsInstance(body, dict)
            self.assertEqual(seq, last.get(topic, seq - 1) + 1)
            last[topic] = seq
        self.assertIn(b"pulse/beat", last)

    def test_ipc_is_for_its_owner_alone(self):
        with daemon.Daemon(PULSE, bus={"listen": ["ipc://./out.ipc"]}) as d:
            mode = stat.S_IMODE(os.stat(f"{d.dir}/out.ipc").st_mode)
            self.assertEqual(mode, 0o600)
            self.assertEqual(stat.S_IMODE(os.stat(f"{d.dir}/out.ipc.in").st_mode), 0o600)
            frames, _ = nngcat(f"ipc://{d.dir}/out.ipc", 30)
            self.check(frames, 30)

    def test_ipc_with_another_mode(self):
        listen = [{"url": "ipc://./out.ipc", "mode": "0660"}]
        with daemon.Daemon(PULSE, start=False) as d:
            d.configure(PULSE, bus={"listen": listen})
            file = pathlib.Path(d.file) # JSON has no octal numbers
            file.write_text(file.read_text().replace('"0660"', "0660"))
            d.start()
            self.assertEqual(stat.S_IMODE(os.stat(f"{d.dir}/out.ipc").st_mode), 0o660)

    def test_tcp_and_websocket(self):
        tcp, ws = free_port(), free_port()
        listen = [f"tcp://127.0.0.1:{tcp}", f"ws://127.0.0.1:{ws}/bus"]
        with daemon.Daemon(PULSE, bus={"listen": listen}) as d:
            for url in listen:
                with self.subTest(url=url):
                    frames, _ = nngcat(url, 10)
                    self.check(frames, 10)
            self.assertEqual(d.stop(), 0)

    def test_tls_with_and_without_client_certificates(self):
        plain, strict = free_port(), free_port()
        with daemon.Daemon(PULSE, start=False) as d:
            key, cert, both = (pathlib.Path(d.dir, f"{n}.pem") for n in ("key", "cert", "both"))
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days",
                            "2", "-subj", "/CN=localhost", "-addext",
                            "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert],
                           check=True, stderr=subprocess.DEVNULL)
            both.touch(0o600)
            both.write_text(cert.read_text() + key.read_text())
            d.configure(PULSE, bus={"listen": [
                {"url": f"tls+tcp://127.0.0.1:{plain}", "cert": str(both)},
                {"url": f"tls+tcp://127.0.0.1:{strict}", "cert": str(both), "ca": str(cert)}]})
            d.start()
            frames, _ = nngcat(f"tls+tcp://localhost:{plain}", 5, "--cacert", cert)
            self.check(frames, 5)
            mine = ["--cacert", cert, "--cert", cert, "--key", key]
            frames, _ = nngcat(f"tls+tcp://localhost:{strict}", 5, *mine)
            self.check(frames, 5)
            frames, error = nngcat(f"tls+tcp://localhost:{strict}", 1, "--cacert", cert)
            self.assertEqual(frames, [])
            self.assertNotEqual(error, b"")
            self.assertEqual(d.stop(), 0)

    def test_an_exact_topic_is_not_a_prefix_of_another(self):
        with daemon.Daemon(PULSE, bus={"listen": ["ipc://./out.ipc"]}) as d:
            frames, _ = nngcat(f"ipc://{d.dir}/out.ipc", 5, prefix="pulse/beat ")
            self.assertEqual({f.split(b" ")[0] for f in frames}, {b"pulse/beat"})


if __name__ == "__main__":
    if shutil.which("nngcat") is None:
        print("nngcat (package nng-utils) is not here")
        sys.exit(77)
    daemon.main()
