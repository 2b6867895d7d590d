# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The real nginx with the gateway's own files on loopback, in front of engines that are doubles."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import http.client
import ipaddress
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Service
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway import data_plane
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway.gateway import Client, Gateway, Paths
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NGINX = "/usr/sbin/nginx"
BODY_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Answer:
    """What the gateway answered."""

    status: int
    headers: Mapping[str, str]  # by name in lower case
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        """The error in OpenAI's shape; fails for any other body."""
        document = json.loads(self.body)
        assert set(document) == {"error"} and set(document["error"]) == {"message", "type", "param", "code"}
        error: dict[str, Any] = document["error"]
        return error

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def client(name: str, key: str, **rights: Any) -> Client:
    """A client with this key."""
    return Client(name=name, sha256=hashlib.sha256(key.encode()).hexdigest(), **rights)


class RunningGateway:
    """An nginx that has started."""

    def __init__(self, folder: Path, gateway: Gateway, services: Sequence[Service], keys: Mapping[str, str]) -> None:
        self.folder, self.gateway, self.services, self.keys = folder, gateway, services, keys
        self.log = Path(gateway.paths.log) / "access.log"
        self.errors = folder / "errors.log"
        self.context = ssl.create_default_context(cafile=str(folder / "tls.crt"))
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.gateway.port

    def write(self) -> None:
        """Write its files."""
        for file in data_plane.files(self.gateway, self.services, self.keys):
            if not file.path.startswith(str(self.folder)):
                continue  # logrotate's
            path = Path(file.path)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file.content, encoding="utf-8")
            path.chmod(int(file.mode, 8))

    def start(self) -> None:
        """Start nginx and wait until it listens."""
        with self.errors.open("ab") as errors:
            self.process = subprocess.Popen(
                [NGINX, "-c", f"{self.gateway.paths.configuration}/nginx.conf"], stdout=errors, stderr=errors
            )
        try:
            wait_for(lambda: self.listens() and len(self.workers()) >= 2, "nginx does not listen")
        except AssertionError as error:
            raise AssertionError(self.errors.read_text(encoding="utf-8")) from error

    def listens(self) -> bool:
        """Whether somebody accepts connections."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def stop(self) -> None:
        """Stop nginx at once."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)

    def workers(self) -> list[int]:
        """The numbers of the worker processes."""
        assert self.process
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(encoding="utf-8")
        return [int(word) for word in children.split()]

    def reload(self, **changes: Any) -> None:
        """Change the gateway and have nginx read its files again; returns when new workers serve."""
        assert self.process
        self.gateway = replace(self.gateway, **changes)
        self.write()
        before = set(self.workers())
        self.process.send_signal(signal.SIGHUP)
        wait_for(lambda: len(set(self.workers()) - before) >= 2, "nginx starts no new workers")
        time.sleep(0.3)  # the old ones close their sockets

    def connection(self, timeout: float = 30) -> http.client.HTTPSConnection:
        """A connection of a client that checks the certificate."""
        return http.client.HTTPSConnection("localhost", self.port, timeout=timeout, context=self.context)

    def ask(
        self, method: str, path: str, key: str | None = None, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request. A mapping becomes JSON, an iterator is sent in chunks."""
        sent = {**({"Authorization": f"Bearer {key}"} if key else {}), **(headers or {})}
        if isinstance(body, Mapping):
            body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        with contextlib.closing(self.connection()) as connection:
            connection.request(method, path, body=body, headers=sent)
            response = connection.getresponse()
            return Answer(
                response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
            )

    def chat(self, key: str | None, model: str = "chat", **more: Any) -> Answer:
        """A small chat."""
        return self.ask("POST", "/v1/chat/completions", key, {"model": model, "messages": [], **more})

    def records(self, number: int) -> list[dict[str, Any]]:
        """The lines of the access log, once there are so many."""
        wait_for(lambda: self.log.read_text(encoding="utf-8").count("\n") >= number, "the log has too few lines")
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]


def wait_for(holds: Callable[[], bool], otherwise: str, seconds: float = 15) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.02)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def write_certificate(folder: Path) -> tuple[str, str]:
    """A certificate for localhost that has signed itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    alternatives = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "tls.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "tls.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(folder / "tls.crt"), str(folder / "tls.key")


@contextlib.contextmanager
def running(
    services: Sequence[Service], clients: Sequence[Client], keys: Mapping[str, str] | None = None, **settings: Any
) -> Iterator[RunningGateway]:
    """A gateway in front of these services. Its files are in a folder that nginx's own account can reach."""
    folder = Path(tempfile.mkdtemp(prefix="thor-gateway-", dir="/tmp"))
    folder.chmod(0o755)
    # In memory, as on a device, where there is such a folder: a disk that others use would hold nginx up.
    memory = Path("/dev/shm")
    run = Path(tempfile.mkdtemp(prefix="thor-gateway-", dir=memory if memory.is_dir() else folder))
    run.chmod(0o755)
    paths = Paths(configuration=str(folder / "etc"), log=str(folder / "log"), run=str(run))
    for path in (paths.configuration, paths.log):
        os.mkdir(path)
    certificate, key = write_certificate(folder)
    values = {
        "port": free_port(),
        "address": "127.0.0.1",
        "names": ("localhost",),
        "body_bytes": BODY_BYTES,
        "metrics": True,
        "certificate": certificate,
        "key": key,
    }
    gateway = Gateway(clients=tuple(clients), paths=paths, **{**values, **settings})
    found = RunningGateway(folder, gateway, services, keys or {})
    try:
        found.write()
        found.start()
        yield found
    finally:
        found.stop()
        shutil.rmtree(run)
        shutil.rmtree(folder)


def kill(pid: int) -> None:
    """What no process can prevent."""
    os.kill(pid, signal.SIGKILL)
