# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The virtual environment of a hub's client: pinned packages, installed by the host's Python and its own pip.

ansible.builtin.pip is not used: a proxy with a password would have to be in its task's environment, which is written on a command line.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from ansible_collections.jetson.thor.plugins.module_utils.environments import index

SECONDS = 1800
# A site's index is answered with its words, which may be long.
LONGEST = 2000


class ClientError(Exception):
    """Why it could not be installed, in a sentence without passwords."""


def _name(text: str) -> str:
    """A package's name as wheels spell it (PEP 503, and PEP 427 for underscores)."""
    return re.sub(r"[-_.]+", "_", text).lower()


def installed(home: Path) -> dict[str, str]:
    """The packages of an environment with their versions."""
    folders = home.glob("lib/python*/site-packages/*.dist-info")
    pairs = (path.name.removesuffix(".dist-info").rsplit("-", 1) for path in folders)
    return {_name(pair[0]): pair[1] for pair in pairs if len(pair) == 2}


def missing(home: Path, packages: Sequence[str]) -> list[str]:
    """Those packages (``NAME==VERSION``) that the environment does not have in this version."""
    there = installed(home) if os.access(home / "bin/python", os.X_OK) else {}
    pairs = ((package, *package.split("==", 1)) for package in packages)
    return [package for package, name, version in pairs if there.get(_name(name.partition("[")[0])) != version]


def install(home: Path, packages: Sequence[str], pip_arguments: str) -> None:
    """Make the environment, and install the packages. Raises ClientError."""
    arguments, environment = _sources(pip_arguments)
    if not all(os.access(home / "bin" / name, os.X_OK) for name in ("python", "pip")):
        home.parent.mkdir(parents=True, exist_ok=True)
        _run(["python3", "-m", "venv", "--clear", str(home)], {})
    options = ["--no-input", "--disable-pip-version-check", "--progress-bar=off"]
    _run([str(home / "bin/pip"), "install", *options, *arguments, *packages], environment)


def _sources(pip_arguments: str) -> tuple[list[str], dict[str, str]]:
    """pip's arguments, and as much of them as possible in its environment: an address may hold a password."""
    try:
        return [], index.parse(pip_arguments).for_pip()
    except index.ArgumentError:
        pass  # pip has more options than those that say where packages come from
    try:
        return shlex.split(pip_arguments), {}
    except ValueError as error:
        raise ClientError(f"thor_pip_extra_args cannot be parsed: {error}") from None


def _run(command: Sequence[str], environment: Mapping[str, str]) -> None:
    own = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "PIP_ROOT_USER_ACTION": "ignore"}
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **own, **environment},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise ClientError(f"{command[0]} did not end within {SECONDS // 60} minutes") from None
    except OSError as error:
        raise ClientError(f"{command[0]} cannot be run: {error.strerror}") from None
    if done.returncode != 0:
        words = index.without_secrets(" ".join((done.stdout + done.stderr).split()))
        raise ClientError(f"{command[0]} ended with status {done.returncode}: {words[-LONGEST:] or 'without a word'}")
