# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Runs on a sandbox host: makes images in a registry, and an unreliable connection between dockerd and the registry.

    image_helper.py push REGISTRY NAME:TAG --layers 3 --megabytes 8    layers of noise, made without an engine
    image_helper.py proxy PORT HOST:PORT --rate 500000 --cut 3000000 --times 1
    image_helper.py wait BYTES                                         until so many have come through the proxy

The proxy listens on 127.0.0.1, because dockerd talks plain HTTP to registries there without further configuration. It writes what
it did to --stats as JSON: bytes that came from the registry, connections, and cuts.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import hashlib
import io
import json
import platform
import random
import socket
import struct
import sys
import tarfile
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
STATS = "/run/thor-image-proxy.json"
ARCHITECTURES = {"aarch64": "arm64", "x86_64": "amd64"}


def ask(method: str, url: str, data: bytes | None = None, content: str = "application/octet-stream") -> Any:
    """One request to the registry; its answer, which must not be an error."""
    request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": content})
    return urllib.request.urlopen(request, timeout=60)


def upload(base: str, blob: bytes) -> str:
    """Push a blob to the registry; its digest."""
    digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
    start = f"{base}/blobs/uploads/"
    location = urllib.parse.urljoin(start, ask("POST", start, b"").headers["Location"])
    ask("PUT", f"{location}{'&' if '?' in location else '?'}digest={digest}", blob)
    return digest


def archive(files: dict[str, bytes]) -> bytes:
    """A tar archive of programs."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def tiny_program() -> bytes:
    """A "python3" for this machine, without a library: an ELF file, written by hand.

    Called as ``python3 -c SCRIPT`` it exits with the first byte of the script as its code, 0 if the script is empty.
    """
    code = {
        "x86_64": bytes.fromhex("488b442418 0fb638 6a3c58 0f05"),
        "aarch64": bytes.fromhex("e00f40f9 00004039 a80b80d2 010000d4"),
    }[platform.machine()]
    machine = {"x86_64": 62, "aarch64": 183}[platform.machine()]
    base = 0x400000
    size = 64 + 56 + len(code)
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = ident + struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, base + 120, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    return header + struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x10000) + code


def push(options: argparse.Namespace) -> str:
    """Push an image of noise; the digest of its manifest, after that of its index if it has one."""
    name, _, tag = options.reference.rpartition(":")
    base = f"http://{options.registry}/v2/{name}"
    archives = [archive({"usr/bin/python3": tiny_program()})]
    noise = random.Random(f"{options.seed} {options.reference}")
    archives += [
        archive({f"noise-{number}": noise.randbytes(options.megabytes << 20)}) for number in range(options.layers)
    ]
    entries = []
    for content in archives:
        blob = gzip.compress(content, 1, mtime=0)
        entries.append({"mediaType": LAYER, "size": len(blob), "digest": upload(base, blob)})
    config = json.dumps(
        {
            "architecture": options.architecture,
            "os": "linux",
            "config": {
                "Env": ["PATH=/usr/bin"],
                "Labels": {"thor.test": "yes"},
                **({"Entrypoint": options.entrypoint} if options.entrypoint else {}),
            },
            "rootfs": {
                "type": "layers",
                "diff_ids": [f"sha256:{hashlib.sha256(content).hexdigest()}" for content in archives],
            },
            "history": [],
        }
    ).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "size": len(config), "digest": upload(base, config)},
        "layers": entries,
    }
    content = json.dumps(manifest).encode()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    ask("PUT", f"{base}/manifests/{digest if options.index else tag}", content, MANIFEST)
    if not options.index:
        return digest
    platform_of = {"architecture": options.architecture, "os": "linux"}
    one = {"mediaType": MANIFEST, "size": len(content), "digest": digest, "platform": platform_of}
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [one]}
    answer = ask("PUT", f"{base}/manifests/{tag}", json.dumps(index).encode(), INDEX)
    return f"{answer.headers['Docker-Content-Digest']} {digest}"


class Proxy:
    """A connection to a registry that is slow, breaks, or goes silent."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.lock = threading.Lock()
        self.left = options.times
        self.stats = {"bytes": 0, "connections": 0, "cuts": 0}
        self.tell()

    def tell(self) -> None:
        """Write the figures in one rename."""
        path = Path(self.options.stats)
        partial = path.with_name(f".{path.name}")
        partial.write_text(json.dumps(self.stats), encoding="utf-8")
        partial.replace(path)

    def run(self) -> None:
        """Accept forever."""
        with socket.create_server(("127.0.0.1", self.options.port)) as server:
            while True:
                client, _ = server.accept()
                threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client: socket.socket) -> None:
        """One connection, until one side ends it or it breaks."""
        host, _, port = self.options.target.rpartition(":")
        with client, contextlib.suppress(OSError), socket.create_connection((host, int(port)), 10) as registry:
            registry.settimeout(None)
            with self.lock:
                self.stats["connections"] += 1
                self.tell()
            up = threading.Thread(target=self.up, args=(client, registry), daemon=True)
            up.start()
            self.down(registry, client)
            for one in (client, registry):
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
            up.join()

    @staticmethod
    def up(client: socket.socket, registry: socket.socket) -> None:
        """Requests, unchanged."""
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                registry.sendall(data)
            registry.shutdown(socket.SHUT_WR)

    def down(self, registry: socket.socket, client: socket.socket) -> None:
        """Answers, with the faults of the connection."""
        passed, rate = 0, self.options.rate
        with contextlib.suppress(OSError):
            while data := registry.recv(65536 if not rate else max(1024, min(65536, rate // 10))):
                client.sendall(data)
                passed += len(data)
                with self.lock:
                    self.stats["bytes"] += len(data)
                    self.tell()
                    broken = bool(self.options.cut) and passed >= self.options.cut and self.left != 0
                    if broken:
                        self.left -= 1
                        self.stats["cuts"] += 1
                        self.tell()
                if broken and self.options.silent:
                    time.sleep(3600)
                if broken:
                    return
                if rate:
                    time.sleep(len(data) / rate)


def main() -> None:
    """Read the arguments and run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("push")
    make.add_argument("registry")
    make.add_argument("reference")
    make.add_argument("--layers", type=int, default=3)
    make.add_argument("--megabytes", type=int, default=8, help="of each layer")
    make.add_argument("--architecture", default=ARCHITECTURES.get(platform.machine(), platform.machine()))
    make.add_argument("--seed", default="", help="another one makes other layers")
    make.add_argument("--index", action="store_true", help="the tag names an index, which has the manifest")
    make.add_argument("--entrypoint", action="append", default=[], help="one of its words")
    line = commands.add_parser("proxy")
    line.add_argument("port", type=int)
    line.add_argument("target")
    line.add_argument("--rate", type=int, default=0, help="bytes a second of each connection; 0: as fast as it goes")
    line.add_argument("--cut", type=int, default=0, help="break a connection after this many bytes")
    line.add_argument("--times", type=int, default=-1, help="how often; -1: always")
    line.add_argument("--silent", action="store_true", help="instead of a cut: say nothing any more")
    line.add_argument("--stats", default=STATS)
    wait = commands.add_parser("wait")
    wait.add_argument("bytes", type=int, help="return when so many have come over the line")
    options = parser.parse_args()
    if options.command == "push":
        sys.stdout.write(f"{push(options)}\n")
    elif options.command == "proxy":
        Proxy(options).run()
    else:
        while json.loads(Path(STATS).read_text(encoding="utf-8"))["bytes"] < options.bytes:
            time.sleep(0.1)


if __name__ == "__main__":
    main()
