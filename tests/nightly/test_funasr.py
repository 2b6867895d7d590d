# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The real FunASR server, on a CPU, from its lock, as the unit of the profile sensevoice-small-funasr starts it.

Command, variables and working directory are those of the rendered unit; the device is the CPU, and a temporary folder with a tiny
SenseVoiceSmall (tiny_sensevoice.py) is in place of /models. Each test meets a trap of funasr/bin/_server_app.py (1.4.16).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import resolved
from ansible_collections.jetson.thor.plugins.module_utils.clients import smallest_request, transcription
from ansible_collections.jetson.thor.plugins.module_utils.environments import lock
from ansible_collections.jetson.thor.plugins.plugin_utils.serving import configuration, unit
from ansible_collections.jetson.thor.plugins.plugin_utils.serving.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "tests" / "support" / "packages" / "funasr-1.4.16-cp311-x86_64.txt"
HOST = {"systemd": 255, "groups": [], "device_nodes": []}
WORD = "hello"  # of tiny_sensevoice.py
START = 240  # seconds; 20 on two idle cores


@pytest.fixture(scope="module", name="environment")
def _environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """FunASR's packages by hash. PyTorch for CPUs comes from where uv is configured to find it (UV_FIND_LINKS), else pip."""
    tree = tmp_path_factory.mktemp("funasr") / "environment"
    beside = str(Path(sys.executable).parent)
    uv = shutil.which("uv", path=f"{beside}{os.pathsep}{os.environ['PATH']}")
    assert uv, "requirements/dev.txt has uv"
    known = lock.parse(LOCK.read_text(encoding="utf-8"))
    links = os.environ.get("UV_FIND_LINKS") or os.environ.get("PIP_FIND_LINKS", "").replace(" ", ",")
    settings = {**os.environ, "UV_FIND_LINKS": links}
    subprocess.run([uv, "venv", "--quiet", "--python", f"python{known.python}", tree], check=True, env=settings)
    build = tree / "build.txt"
    build.write_text("".join(f"{one.line}\n" for one in known.build), encoding="ascii")
    sources = [word for name in known.source_only for word in ("--no-binary", name)]
    install = [uv, "pip", "install", "--quiet", "--python", str(tree / "bin/python"), "--no-deps", "--require-hashes"]
    install += ["--only-binary", ":all:", *sources, "--build-constraints", str(build), "--requirements", str(LOCK)]
    subprocess.run(install, check=True, env=settings)
    return tree


def models(environment: Path, folder: Path, *hears: str) -> Path:
    """A folder in place of /models."""
    maker = Path(__file__).with_name("tiny_sensevoice.py")
    subprocess.run([environment / "bin/python", maker, folder, *hears], check=True, capture_output=True, timeout=300)
    return folder


class Tripwire:
    """An HTTP proxy that answers nothing: whoever fetches something comes here first."""

    def __init__(self) -> None:
        self.touched = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._count, daemon=True)
        self._thread.start()

    def _count(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._socket.accept()[0].close()
                self.touched += 1

    def close(self) -> None:
        """Stop counting."""
        self._socket.shutdown(socket.SHUT_RDWR)  # it ends the accept(), which would outlive close()
        self._thread.join(10)
        self._socket.close()


class Server:
    """funasr-server as the unit starts it."""

    def __init__(self, environment: Path, folder: Path, work: Path, **changes: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        service = resolved.service("sensevoice-small-funasr", name="speech", port=port)
        argv = ["cpu" if word == "cuda" else word for word in service.argv]
        service = replace(service, argv=tuple(argv))
        host = {**HOST, "environments": {"funasr": {service.version: {"path": str(environment)}}}}
        lines = unit.text(service, host, Settings(), None).splitlines()
        found = {key: next(line.partition("=")[2] for line in lines if line.startswith(f"{key}=")) for key in UNIT_KEYS}
        assert found["WorkingDirectory"] == "/models"
        command = shlex.split(found["ExecStart"])
        home = work / "home"
        home.mkdir(exist_ok=True)
        variables = dict(word.split("=", 1) for word in shlex.split(found["Environment"]))
        variables = {key: value.replace("/var/cache/thor/speech", str(home)) for key, value in variables.items()}
        self.tripwire = Tripwire()
        proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), self.tripwire.address)
        self.config = configuration.configuration(service, Settings())
        self.endpoint = f"http://127.0.0.1:{port}"
        self.log = work / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command[command.index("--") + 1 :],
                cwd=folder,
                # The hub's own address stays local, so that a proxy does not hide that it is nobody's.
                env={**variables, **proxies, "no_proxy": "127.0.0.1", **changes},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + START
        while not self.answers():
            assert self.process.poll() is None and time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.2)

    def answers(self) -> bool:
        """Whether its port is bound."""
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.config["port"]), timeout=5).close()
            return True
        return False

    def health(self) -> dict[str, Any]:
        """Its own words."""
        with urllib.request.urlopen(f"{self.endpoint}/health", timeout=30) as answer:
            found: dict[str, Any] = json.loads(answer.read())
        return found

    def transcribe(self, path: str = "/v1/audio/transcriptions", **fields: str) -> tuple[int, str]:
        """Status and body of a request with two seconds of sound."""
        edge = "edge"
        form = [
            f'--{edge}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
            for key, value in fields.items()
        ]
        form.append(f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n')
        body = "".join(form).encode() + transcription.silence() + f"\r\n--{edge}--\r\n".encode()
        request = urllib.request.Request(f"{self.endpoint}{path}", body)
        request.add_header("Content-Type", f"multipart/form-data; boundary={edge}")
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def stop(self) -> None:
        """End it as the supervisor does."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) in (0, -signal.SIGTERM), self.log.read_text()
        self.tripwire.close()


UNIT_KEYS = ("ExecStart", "Environment", "WorkingDirectory")


@pytest.fixture(scope="module", name="server")
def _server(environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    work = tmp_path_factory.mktemp("server")
    server = Server(environment, models(environment, work / "models"), work)
    yield server
    server.stop()


def test_the_model_of_the_disk_is_loaded_before_the_port_is_bound(server: Server) -> None:
    assert server.health()["models_loaded"] == ["sensevoice"]
    assert "iic/SenseVoiceSmall/model.pt" in server.log.read_text()
    assert server.tripwire.touched == 0


def test_our_requests_name_the_model_and_are_answered(server: Server) -> None:
    smallest_request.ready(server.config, 60)
    assert server.transcribe(model=server.config["served_name"]) == (
        200,
        json.dumps({"text": WORD}, separators=(",", ":")),
    )
    # The name that clients of OpenAI's API cannot change means the model that the server was started with.
    assert server.transcribe(model="whisper-1")[0] == 200
    assert server.health()["models_loaded"] == ["sensevoice"]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/v1/audio/transcriptions", {}),
        ("/v1/audio/transcriptions", {"model": "paraformer"}),
        ("/v1/audio/transcriptions", {"model": "moss-transcribe-diarize"}),
        ("/asr", {}),
    ],
)
def test_a_request_for_another_model_fails_and_fetches_nothing(
    server: Server, path: str, fields: dict[str, str]
) -> None:
    begin = time.monotonic()
    assert server.transcribe(path, **fields)[0] == 500
    # Meanwhile nobody else is answered.
    assert time.monotonic() - begin < 30
    assert server.tripwire.touched == 0
    assert server.health()["models_loaded"] == ["sensevoice"]
    assert server.transcribe(model="sensevoice")[0] == 200


def test_who_speaks_is_not_asked_of_a_model_from_the_hub(server: Server) -> None:
    status, said = server.transcribe(model="sensevoice", spk="true")
    assert (status, server.tripwire.touched) == (400, 0), said
    assert "Speaker diarization is disabled" in said


def test_it_listens_on_the_loopback_only(server: Server) -> None:
    port = f"{server.config['port']:04X}"
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()]
    bound = [row[1] for row in rows if row[3] == "0A" and row[1].endswith(f":{port}")]
    assert bound == [f"0100007F:{port}"]


def test_silence_is_an_answer(environment: Path, tmp_path: Path) -> None:
    server = Server(environment, models(environment, tmp_path / "models", "deaf"), tmp_path)
    try:
        smallest_request.ready(server.config, 60)
        assert server.transcribe(model="sensevoice") == (200, '{"text":""}')
    finally:
        server.stop()


def test_the_tripwire_sees_a_server_that_may_fetch(environment: Path, tmp_path: Path) -> None:
    # Without the unit's address of the hub, the same request goes to the real one.
    server = Server(
        environment, models(environment, tmp_path / "models"), tmp_path, MODELSCOPE_ENDPOINT="", MODELSCOPE_DOMAIN=""
    )
    try:
        assert server.transcribe()[0] == 500
        assert server.tripwire.touched > 0
        assert re.search("Fun-ASR-Nano", server.log.read_text())
    finally:
        server.stop()
