# SPDX-License-Identifier: MIT
"""What the tests of the Python client share: the fake hub as an object, free ports, certificates."""

import os
import shutil
import socket
import subprocess

FAKEHUB = os.environ.get("FAKEHUB", "fakehub")
CLIENT_DIR = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                          "../../sdk/clients/python")


def free_ports(n):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def environment():
    """For a process that shall find the Python client."""
    path = [CLIENT_DIR] + [p for p in [os.environ.get("PYTHONPATH")] if p]
    return dict(os.environ, PYTHONPATH=os.pathsep.join(path))


class Hub:
    """fakehub with `listeners`: a list of (url, url for requests or None)."""

    def __init__(self, listeners, epoch=7, cert=None, ca=None):
        args = [FAKEHUB, "-e", str(epoch)]
        args += ["-c", cert, "-a", ca] if cert else []
        for url, requests in listeners:
            args += ["-l", url] + (["-r", requests] if requests else [])
        self._process = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         text=True)
        self._expect("ready")

    def _expect(self, start):
        line = self._process.stdout.readline().strip()
        if not line.startswith(start):
            raise AssertionError("fakehub says %r" % line)
        return line[len(start):].strip()

    def __call__(self, *words):
        """Give a command; returns what follows "ok"."""
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()
        return self._expect("ok")

    def stats(self):
        return {k: int(v) for k, v in (w.split("=") for w in self("stats").split())}

    def stop(self):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(10)


def make_certificates(folder):
    """A CA, and server.pem and client.pem with key and certificate; None without openssl."""
    if not shutil.which("openssl"):
        return None

    def openssl(*args):
        subprocess.run(("openssl",) + args, cwd=folder, check=True, stderr=subprocess.DEVNULL)

    with open(os.path.join(folder, "san"), "w") as f:
        f.write("subjectAltName=DNS:localhost\nauthorityKeyIdentifier=keyid\n")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test ca",
            "-addext", "keyUsage=critical,keyCertSign", "-keyout", "ca.key", "-out", "ca.pem")
    for name in "server", "client":
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost",
                "-keyout", name + ".key", "-out", name + ".csr")
        openssl("x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-days", "2", "-extfile", "san", "-out", name + ".crt")
        with open(os.path.join(folder, name + ".pem"), "w") as out:
            for part in ".crt", ".key":
                with open(os.path.join(folder, name + part)) as f:
                    out.write(f.read())
    return folder
