# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The catalog's container profiles, and how to ask the engines' real code about them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import real_parser
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import options, resolve
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.inputs import Inputs
from real_catalog import BUILT_IN

check, render = options.check, options.render
ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "roles/catalog/files"
REAL_PARSER = ROOT / "plugins/module_utils/real_parser.py"
PREPARED = ROOT / ".cache/contract"
STORED: dict[str, dict[str, Any]] = {
    path.stem: content
    for path in sorted((FILES / "flags").glob("*.json"))
    if "package" in (content := json.loads(path.read_text(encoding="utf-8")))
}


def run(package: str, script: Path, *arguments: str, text: str = "") -> Any:
    """The JSON output of a script, run with the package's code in the prepared environment."""
    sources = PREPARED / "sources" / package
    assert sources.is_dir(), f"{sources} does not exist: run tests/contract/prepare"
    environment = {**os.environ, "PYTHONPATH": str(sources), "HF_HUB_OFFLINE": "1"}
    command = [str(PREPARED / "venv/bin/python"), str(script), *arguments]
    done = subprocess.run(
        command, input=text, env=environment, capture_output=True, text=True, timeout=1800, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.rpartition(real_parser.MARK)[2])


def services(engine: str, version: str) -> dict[str, dict[str, Any]]:
    """Every service that the catalog's profiles of an engine can become with this version, by a readable name.

    A profile with an option that the version lacks is skipped; another test asserts which ones.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, profile in BUILT_IN.profiles.items():
        if profile["engine"] != engine:
            continue
        switchable = BUILT_IN.models[profile["model"]].get("thinking") == "switchable"
        for thinking in (True, False) if switchable else (None,):
            entry = {"profile": name, **({} if thinking is None else {"thinking": thinking})}
            inputs = Inputs([entry], engine_versions={engine: version}, allow_broken=True)
            resolution = resolve.resolve(inputs, BUILT_IN)
            assert resolution.problems == [], (name, version)
            found[f"{name}, thinking: {thinking}"] = resolution.facts[0]
    return found


def arguments_of(service: dict[str, Any]) -> list[str]:
    """The arguments for the engine's own parser: argv without the command itself."""
    own = {"vllm": ["vllm", "serve"], "sglang": ["python", "-m", "sglang.launch_server"]}[service["engine"]]
    argv: list[str] = service["argv"]
    assert argv[: len(own)] == own
    return argv[len(own) :]
