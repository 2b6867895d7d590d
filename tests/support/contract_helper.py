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
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import engine_version, options, resolve
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


def _of_this_run() -> dict[str, dict[str, Any]]:
    """The lists whose real parsers are run: the oldest and the newest of each engine, and all with THOR_CONTRACT=all."""
    chosen: dict[str, dict[str, Any]] = {}
    for engine in sorted({stored["engine"] for stored in STORED.values()}):
        names = [name for name, stored in STORED.items() if stored["engine"] == engine]
        names.sort(key=lambda name: engine_version.key(STORED[name]["version"]))
        for name in names if os.environ.get("THOR_CONTRACT") == "all" else dict.fromkeys((names[0], names[-1])):
            chosen[name] = STORED[name]
    return chosen


REAL = _of_this_run()


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


def versions(stored: dict[str, Any]) -> list[str]:
    """The catalog's versions that a stored list is for."""
    engine = stored["engine"]
    known = BUILT_IN.engines[engine]["versions"]
    mine = BUILT_IN.flags[engine, stored["version"]]
    return [version for version in known if BUILT_IN.flags_of(engine, version) is mine]


def services(stored: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every service that the catalog's profiles can become with the versions of a stored list, by a readable name.

    A profile is for the version that it names and for later ones. If its status says that it is broken with one of these, it may have
    options which that version lacks; it is left out then.
    """
    found: dict[str, dict[str, Any]] = {}
    for version in versions(stored):
        for name, profile in BUILT_IN.profiles.items():
            if profile["engine"] != stored["engine"] or not _is_for(profile, stored):
                continue
            switchable = BUILT_IN.models[profile["model"]].get("thinking") == "switchable"
            for thinking in (True, False) if switchable else (None,):
                entry = {"profile": name, **({} if thinking is None else {"thinking": thinking})}
                inputs = Inputs([entry], engine_versions={stored["engine"]: version}, allow_broken=True)
                resolution = resolve.resolve(inputs, BUILT_IN)
                (service,) = resolution.facts
                if resolution.problems and service["status"]["state"] == "broken":
                    continue
                assert resolution.problems == [], (name, version)
                found[f"{name}, {version}, thinking: {thinking}"] = service
    return found


def _is_for(profile: dict[str, Any], stored: dict[str, Any]) -> bool:
    """Whether the version of a stored list is the one that a profile names, or a later one."""
    own = BUILT_IN.engines[profile["engine"]]["versions"].get(profile.get("version"), {}).get("engine_version")
    return own is None or engine_version.key(own) <= engine_version.key(stored["version"])


def arguments_of(service: dict[str, Any]) -> list[str]:
    """The arguments for the engine's own parser: argv without the command itself."""
    own = {"vllm": ["vllm", "serve"], "sglang": ["python", "-m", "sglang.launch_server"]}[service["engine"]]
    argv: list[str] = service["argv"]
    assert argv[: len(own)] == own
    return argv[len(own) :]
