# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""uv, the installer, in a virtual environment of its own: made by the host's Python and pip from a requirements file with hashes."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import files, trees
from ansible_collections.jetson.thor.plugins.module_utils.environments import errors, index
from ansible_collections.jetson.thor.plugins.module_utils.jobs import Reporter

HOME = Path("/opt/thor/venv/uv")
LOCK = "uv.txt"
# The index that pip uses by itself. Only its order among others has to be said, so nothing is lost if a later pip has moved it.
PIPS_INDEX = """\
try:
    from pip._internal.models.index import PyPI
    print(PyPI.simple_url)
except (ImportError, AttributeError):
    pass
"""
SECONDS = 900  # 17 MB over a slow line


def wanted(requirements: str) -> str | None:
    """The version that uv's requirements file pins."""
    found = re.search(r"^uv==([\w.]+)", requirements, re.MULTILINE)
    return found[1] if found else None


def is_installed(home: Path, requirements: str) -> bool:
    """Whether what these requirements pin is there."""
    return os.access(home / "bin/uv", os.X_OK) and files.text(home / LOCK) == requirements.strip()


def provide(spec: Mapping[str, Any], report: Reporter) -> index.Index:
    """Have uv installed as pinned; returns where packages come from, pip's own configuration included.

    Keys of ``spec``: ``uv`` (requirements), ``uv_home``, ``python``, ``pip_arguments``, ``engine``, ``version``. Raises PackagesError.
    """
    home = Path(spec["uv_home"])
    return _sources(home, spec, report) if is_installed(home, spec["uv"]) else _make(home, spec, report)


def _make(home: Path, spec: Mapping[str, Any], report: Reporter) -> index.Index:
    """Install uv beside its final place, and rename."""
    report.progress(0, 0, text=f"install uv {wanted(spec['uv'])}")
    stage = home.with_name(f".{home.name}.partial")
    shutil.rmtree(stage, ignore_errors=True)
    stage.parent.mkdir(parents=True, exist_ok=True)
    _run([spec["python"], "-m", "venv", stage], {}, spec, report)
    sources = _sources(stage, spec, report)
    (stage / LOCK).write_text(spec["uv"], encoding="utf-8")
    options = ["--quiet", "--no-input", "--no-deps", "--no-cache-dir", "--disable-pip-version-check"]
    options += ["--require-hashes", "--only-binary=:all:", "--requirement", str(stage / LOCK)]
    _run([stage / "bin/python", "-m", "pip", "install", *options], sources.for_pip(), spec, report, sources)
    os.sync()
    trees.put(stage, home)
    return sources


def _sources(home: Path, spec: Mapping[str, Any], report: Reporter) -> index.Index:
    """Where packages come from: pip's configuration on the host, then the person's arguments."""
    python = home / "bin/python"
    listing = _run([python, "-m", "pip", "config", "list"], {}, spec, report)
    try:
        found = index.parse(spec["pip_arguments"], index.configured(listing))
    except index.ArgumentError as error:
        remedy = "Correct thor_pip_extra_args, or pip's configuration on the host."
        errors.refuse("THOR-PACKAGES-ARGUMENTS", spec["engine"], spec["version"], str(error), remedy)
    if found.extra and not found.default:
        found = replace(found, default=_run([python, "-c", PIPS_INDEX], {}, spec, report).strip() or None)
    return found


def _run(
    command: list[Any],
    environment: Mapping[str, str],
    spec: Mapping[str, Any],
    report: Reporter,
    sources: index.Index | None = None,
) -> str:
    """Run a program and return its output. Raises PackagesError."""
    try:
        done = subprocess.run(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=SECONDS,
            env={**base_environment(), **environment},
        )
        words = (done.stderr + done.stdout).strip()
    except (subprocess.TimeoutExpired, FileNotFoundError) as error:
        words, done = str(error), None
    words = index.without_secrets(words, sources.secrets() if sources else ())
    if done is None or done.returncode != 0:
        report.say(words)
        if "ensurepip" in words:
            remedy = "Install the package python3-venv: sudo apt-get install python3-venv."
            errors.refuse(
                "THOR-PACKAGES-UV", spec["engine"], spec["version"], f"{spec['python']} -m venv: {words}", remedy
            )
        raise errors.explain(words, "uv", str(wanted(spec["uv"])))
    return done.stdout


def base_environment() -> dict[str, str]:
    """The environment that pip and uv start from: the job's, in English, and root's home, where .netrc may be."""
    return {**os.environ, "LC_ALL": "C.UTF-8", "HOME": pwd.getpwuid(os.getuid()).pw_dir, "NO_COLOR": "1"}
