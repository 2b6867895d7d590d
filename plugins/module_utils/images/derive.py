# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Python packages that a service needs and an engine's image may lack: looked for, and added in a small image of its own.

Upstream's images of vLLM leave out what reads sound. Such an image starts and serves all the same, and refuses the first sound: so it
is asked before a service is switched over. The derived image is what ``docker commit`` makes of a container in which pip ran, with the
versions of everything else in the image as constraints: nothing of the engine is changed. It is known by its id and the record
(images.py) and has no name in any registry.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import tarfile
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from ansible_collections.jetson.thor.plugins.module_utils import bounded
from ansible_collections.jetson.thor.plugins.module_utils.docker_api import Docker, DockerError
from ansible_collections.jetson.thor.plugins.module_utils.jobs import Reporter

NAME = "thor-extend"  # of the container, and of the label
REPOSITORY = "thor-derived"
LOOK_SECONDS = 300.0  # importing such a package may compile a part of it
ADD_SECONDS = 1800.0
SAID = 15  # lines of a failure
# Imports each module and tells last, as JSON, which ones failed and why: one whose library is missing is as good as not there.
LOOK = """\
import importlib, json, sys
failed = {}
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except Exception as error:
        failed[name] = f"{type(error).__name__}: {error}"
print("failed:", json.dumps(failed))
"""
# Adds packages and changes no other one. What pip is told (indexes and proxies may hold passwords) comes in a file that is gone before
# pip runs: arguments and environment of a container become the image's.
ASKED = "thor-extend.json"
ADD = f"""\
import importlib.metadata, json, os, re, subprocess, sys, tempfile
with open("/{ASKED}") as stream:
    asked = json.load(stream)
os.remove("/{ASKED}")
pins = {{}}
for one in importlib.metadata.distributions():
    if one.metadata["Name"]:  # of two the first is the one that is imported
        pins.setdefault(re.sub(r"[-_.]+", "-", one.metadata["Name"]).lower(), one.version)
with tempfile.NamedTemporaryFile("w") as stream:
    stream.write("".join(f"{{name}}=={{version}}\\n" for name, version in pins.items()))
    stream.flush()
    command = [sys.executable, "-m", "pip", "install", "--no-input", "--progress-bar=off", f"--constraint={{stream.name}}"]
    sys.exit(subprocess.call([*command, *asked["arguments"]], env={{**os.environ, **asked["environment"]}}))
"""


class CannotExtend(Exception):
    """The packages cannot be looked for, or not be added; the message says why."""


def key_of(packages: Iterable[str]) -> str:
    """By what the record knows a set of packages."""
    return " ".join(sorted(packages))


def module_of(package: str) -> str:
    """The module that a package is imported as; of those in the catalog it is the package's own name."""
    return package.partition("==")[0].strip()


def lacking(docker: Docker, name: str, packages: Iterable[str]) -> dict[str, str]:
    """Which of the packages cannot be imported in a container of the image, and why. Raises CannotExtend."""
    modules = {module_of(package): package for package in packages}
    with _container(docker, name, ["python3", "-c", LOOK, *modules], {"NetworkMode": "none", "CapDrop": ["ALL"]}):
        status, output = _ended(docker, LOOK_SECONDS, None)
    told = re.search(r"^failed: (\{.*\})\s*\Z", output, re.MULTILINE)
    try:
        failed = bounded.parse(told[1]) if told else None
    except ValueError:
        failed = None
    if status != 0 or not isinstance(failed, dict) or not failed.keys() <= modules.keys():
        raise CannotExtend(f"its Python cannot be asked for {', '.join(modules)}: {_tail(output)}")
    return {modules[module]: str(reason) for module, reason in failed.items()}


def add(
    docker: Docker,
    name: str,
    packages: Iterable[str],
    pip_arguments: str,
    environment: Mapping[str, str],
    report: Reporter,
) -> str:
    """Make an image of ``name`` with the packages in it; the id of the new image. Raises CannotExtend, DockerError."""
    packages = sorted(packages)
    base = docker.get(f"/images/{name}/json")["Config"]
    variables = {
        "PIP_BREAK_SYSTEM_PACKAGES": "1",  # the image's Python is nobody else's
        "PIP_ROOT_USER_ACTION": "ignore",
        "PIP_NO_CACHE_DIR": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "TERM": "dumb",  # no colours in what it says
        "PYTHON_COLORS": "0",
        **environment,
    }
    try:
        arguments = [*shlex.split(pip_arguments), *packages]
    except ValueError as error:
        raise CannotExtend(f"thor_pip_extra_args = {pip_arguments!r} cannot be taken apart: {error}") from None
    host = {"NetworkMode": "host", "SecurityOpt": ["no-new-privileges"]}
    with _container(docker, name, ["python3", "-c", ADD], host, {"arguments": arguments, "environment": variables}):
        status, output = _ended(docker, ADD_SECONDS, report)
        if status != 0:
            ended = "did not come to an end" if status is None else f"ended with {status}"
            raise CannotExtend(f"pip {ended}: {_tail(output)}")
        report.progress(0, 0, text=f"{name}: the derived image is written")
        query = urlencode({"container": NAME, "repo": REPOSITORY, "tag": str(int(time.time()))})
        config = {**base, "Labels": {**(base.get("Labels") or {}), NAME: " ".join(packages)}}
        made = Docker(docker.socket_path, ADD_SECONDS).request("POST", f"/commit?{query}", config)
    return str(made["Id"])


@contextlib.contextmanager
def _container(
    docker: Docker, image: str, command: list[str], host: Mapping[str, Any], asked: Mapping[str, Any] | None = None
) -> Iterator[None]:
    """A started container of the image, which is removed in the end; ``asked`` lies in it as a file."""
    body = {
        "Image": image,
        "Entrypoint": [],
        "Cmd": command,
        "Tty": True,  # without one the log is framed
        "Labels": {NAME: "yes"},
        # It wants no GPU, and the runtime nvidia, which may be the default, might refuse the image.
        "HostConfig": {"LogConfig": {"Type": "json-file"}, "Runtime": "runc", **host},
    }
    _remove(docker)
    docker.request("POST", f"/containers/create?name={NAME}", body)
    try:
        if asked is not None:
            docker.request("PUT", f"/containers/{NAME}/archive?path=/", _archive(ASKED, json.dumps(asked).encode()))
        docker.request("POST", f"/containers/{NAME}/start")
        yield
    finally:
        with contextlib.suppress(DockerError):
            _remove(docker)


def _archive(name: str, content: bytes) -> bytes:
    """A tar archive of one file that only root reads."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(content), 0o600
        archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def _ended(docker: Docker, seconds: float, report: Reporter | None) -> tuple[int | None, str]:
    """Wait for the container's end: its exit status, None where it took too long, and what it said."""
    deadline = time.monotonic() + seconds
    while True:
        state = docker.get(f"/containers/{NAME}/json")["State"]
        output = str(docker.get(f"/containers/{NAME}/logs?stdout=1&stderr=1&tail=200") or "")
        if not state["Running"]:
            return int(state["ExitCode"]), output
        if time.monotonic() > deadline:
            return None, output
        if report is not None:
            report.progress(0, 0, text=f"pip: {_tail(output, 1)}"[:150])
        time.sleep(1)


def _tail(output: str, lines: int = SAID) -> str:
    return " | ".join([line.strip() for line in output.splitlines() if line.strip()][-lines:]) or "without a word"


def _remove(docker: Docker) -> None:
    try:
        docker.request("DELETE", f"/containers/{NAME}?force=1&v=1")
    except DockerError as error:
        if error.status != 404:
            raise


def remove_unused(
    docker: Docker, record: dict[str, Any], wanted: Iterable[Mapping[str, Any]], texts: Iterable[str]
) -> tuple[list[str], dict[str, str]]:
    """Remove derived images that no service wants and no unit names, also from the record; which were, and why others were not."""
    units = list(texts)
    unused = set(unwanted(record["images"], wanted, units))
    named = {one["id"] for entry in record["images"].values() for one in entry["extras"].values()}
    query = urlencode({"filters": json.dumps({"reference": [REPOSITORY]})})
    found = [str(image["Id"]) for image in docker.get(f"/images/json?{query}") or []]
    unused |= {one for one in found if one not in named and not any(one in text for text in units)}
    removed, kept = [], {}
    for one in sorted(unused):
        try:
            remove_image(docker, one)
        except DockerError as error:
            kept[one] = error.message
            continue
        removed.append(one)
        for entry in record["images"].values():
            entry["extras"] = {key: made for key, made in entry["extras"].items() if made["id"] != one}
    return removed, kept


def unwanted(
    held: Mapping[str, Mapping[str, Any]], wanted: Iterable[Mapping[str, Any]], texts: Iterable[str]
) -> list[str]:
    """Ids of recorded derived images that no service wants and no unit names (a service that is yet to be switched does)."""
    keys = {(image["reference"], key_of(packages)) for image in wanted for packages in image["extras"]}
    units = list(texts)
    return [
        one["id"]
        for reference, entry in held.items()
        for key, one in entry["extras"].items()
        if one["id"] and (reference, key) not in keys and not any(one["id"] in text for text in units)
    ]


def remove_image(docker: Docker, name: str) -> None:
    """Remove an image, or the name of one, that may be gone."""
    try:
        docker.request("DELETE", f"/images/{name}")
    except DockerError as error:
        if error.status != 404:
            raise
