# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The distribution's own Prometheus and node exporter, unpacked from their packages without being installed."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "roles" / "monitoring" / "files"
RULES, DASHBOARD = FILES / "rules.yml", FILES / "dashboard.json"
PACKAGES = {
    "promtool": "prometheus",
    "prometheus": "prometheus",
    "prometheus-node-exporter": "prometheus-node-exporter",
}


def program(name: str) -> Path:
    """The path of a program of these packages; unpacks its package below .cache where it is not there yet."""
    folder = ROOT / ".cache" / PACKAGES[name]
    command = f"source {ROOT}/script/lib.sh; unpack_package {PACKAGES[name]} {folder}"
    subprocess.run(["bash", "-euo", "pipefail", "-c", command], check=True, capture_output=True, timeout=600)
    return folder / "usr" / "bin" / name


def promtool(*arguments: str | Path, folder: Path = ROOT, text: str | None = None) -> str:
    """Run promtool, which must be content; its output."""
    done = subprocess.run(
        [program("promtool"), *arguments],
        cwd=folder,
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def queries() -> list[str]:
    """The queries of the dashboard, for all hosts."""
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return [target["expr"].replace("$host", ".*") for panel in panels for target in panel.get("targets", ())]


def names(expressions: Iterable[str]) -> set[str]:
    """The metrics that expressions read: a name that is followed by a selector, a range, an operator or the end."""
    plain = (re.sub(r'"[^"]*"', "", one) for one in expressions)
    return {word for one in plain for word in re.findall(r"\b(?:thor|node|llamacpp|vllm|sglang)[_:][\w:]+|\bup\b", one)}


def fetched(address: str) -> str:
    """A page, as soon as it is there."""
    for _ in range(100):
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:
                return str(answer.read().decode())
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{address} does not answer")


def exporter_options() -> list[str]:
    """The options that the node exporter gets on a device."""
    unit = (ROOT / "roles/metrics/files/jetson-thor.conf").read_text(encoding="utf-8").replace("\\\n", " ")
    (command,) = re.findall(r"^ExecStart=/\S+ +(.+)$", unit, re.MULTILINE)
    return str(command).split()


@contextlib.contextmanager
def node_exporter(textfiles: Path) -> Iterator[tuple[str, int]]:
    """The real node exporter as on a device, but for its port and the folder of its files; its address and process number."""
    address = f"127.0.0.1:{free_port()}"
    changed = {"127.0.0.1:9100": address, "/var/lib/thor/metrics": str(textfiles)}
    options = exporter_options()
    for ours, other in changed.items():
        options = [option.replace(ours, other) for option in options]
    with _process(program("prometheus-node-exporter"), *options) as process:
        fetched(f"http://{address}/metrics")
        yield address, process.pid


@contextlib.contextmanager
def server(folder: Path) -> Iterator[str]:
    """The real Prometheus with the configuration in a folder, which the role monitoring has written; its address."""
    address = f"127.0.0.1:{free_port()}"
    options = ["--config.file=prometheus.yml", f"--storage.tsdb.path={folder}/data", f"--web.listen-address={address}"]
    with _process(program("prometheus"), *options, folder=folder):
        fetched(f"http://{address}/-/ready")
        yield f"http://{address}"


def ask(address: str, path: str, **parameters: str) -> Any:
    """The data of an answer of Prometheus' API."""
    query = urllib.parse.urlencode(parameters)
    return json.loads(fetched(f"{address}/api/v1/{path}?{query}"))["data"]


def lacking(address: str, expressions: Iterable[str]) -> list[str]:
    """Those of these queries that find nothing."""
    return [one for one in expressions if not ask(address, "query", query=one)["result"]]


def free_port() -> int:
    """A port of loopback that nobody has."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextlib.contextmanager
def _process(command: Path, *options: str, folder: Path = ROOT) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([command, *options], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)
