# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The distribution's own Prometheus and node exporter, unpacked from their packages without being installed."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

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
