# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Source distributions that a lock may build on a device: what building needs, and whether it would use the network.

Nothing is run. Refused are the backends of NVIDIA's stubs, whose build fetches the real wheel from another index (seen in
tensorrt-cu13-libs), and build scripts that import what speaks to the network or starts programs (seen in nvidia-pyindex, whose
setup.py rewrites pip's configuration). A script that hides that deeper is not found.
"""

from __future__ import annotations

import ast
import io
import tarfile
import tomllib
import zipfile
import zlib

STUBS = {"nvidia_stub", "wheel_stub"}
NETWORK = {"ftplib", "http.client", "httpx", "pip", "requests", "socket", "subprocess", "urllib.request", "urllib3"}
KINDS = ("/pyproject.toml", ".py")
# PEP 517: what a project without a pyproject.toml needs, as uv has it.
LEGACY = ["setuptools>=40.8.0"]


class Refused(Exception):
    """A lock that must not be made; the message says why, and what can be done."""


def build_requirements(file: str, content: bytes) -> list[str]:
    """The requirements of the build, from pyproject.toml; raises Refused."""
    texts = _scripts(file, content)
    project: dict[str, object] = {}
    if "pyproject.toml" in texts:
        try:
            project = tomllib.loads(texts["pyproject.toml"]).get("build-system", {})
        except tomllib.TOMLDecodeError as error:
            raise Refused(f"{file}: its pyproject.toml cannot be read: {error}") from None
    if not isinstance(project, dict):
        raise Refused(f"{file}: build-system in its pyproject.toml is not a table")
    requires, backend = project.get("requires", LEGACY), str(project.get("build-backend", ""))
    if not (isinstance(requires, list) and all(isinstance(one, str) for one in requires)):
        raise Refused(f"{file}: build-system.requires in its pyproject.toml is not a list of requirements")
    addresses = [one for one in requires if "://" in one]
    if addresses:
        raise Refused(f"{file}: its build needs {addresses[0]}, which comes from no index")
    if backend.partition(":")[0].partition(".")[0] in STUBS:
        raise Refused(f"{file} is a stub: building it with {backend} fetches the real wheel from another index")
    scripts = ["setup.py"] if "setup.py" in texts else []
    if "backend-path" in project:  # a backend inside the source distribution: then every script may take part
        scripts = sorted(name for name in texts if name.endswith(".py"))
    for script in scripts:
        found = sorted(_imports(file, script, texts[script]) & NETWORK)
        if found:
            raise Refused(
                f"{file}: {script} imports {', '.join(found)}: building it may use the network or start programs"
            )
    return list(requires)


def _scripts(file: str, content: bytes) -> dict[str, str]:
    """What decides about the build, by its path below the archive's only folder: pyproject.toml and Python files."""
    found: dict[str, bytes] = {}
    try:
        if file.endswith(".zip"):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                found = {name: archive.read(name) for name in archive.namelist() if name.endswith(KINDS)}
        else:
            with tarfile.open(fileobj=io.BytesIO(content)) as tar:
                for member in tar:
                    inside = tar.extractfile(member) if member.isfile() and member.name.endswith(KINDS) else None
                    found |= {member.name: inside.read()} if inside else {}
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, OSError, EOFError) as error:
        raise Refused(f"{file} cannot be read: {error}") from None
    return {name.partition("/")[2]: text.decode(errors="replace") for name, text in found.items()}


def _imports(file: str, script: str, text: str) -> set[str]:
    """The modules that a script imports, with the packages that they are in."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError) as error:
        raise Refused(f"{file}: {script} cannot be parsed: {error}") from None
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules |= {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
    return modules | {module.partition(".")[0] for module in modules}
