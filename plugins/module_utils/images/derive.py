# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Python packages that a service needs and an engine's image may lack: looked for, and added in a small derived image.

Upstream's images of vLLM lack the packages that read sound. Such an image starts and serves, and refuses the first sound, so we
check before a service is switched. The derived image is what ``docker commit`` makes of a container in which pip ran, with the
version of everything else in the image as a constraint: nothing of the engine changes. It is known by its id in the record
(record.py) and has no name in any registry.
"""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from ansible_collections.jetson.thor.plugins.module_utils import bounded
from ansible_collections.jetson.thor.plugins.module_utils.docker_api import Docker
from ansible_collections.jetson.thor.plugins.module_utils.images import container, references
from ansible_collections.jetson.thor.plugins.module_utils.images.pull_errors import ImageError, image_error
from ansible_collections.jetson.thor.plugins.module_utils.jobs import Reporter

NAME = "thor-derive"  # of the container, and of the label
REPOSITORY = "thor-derived"
LOOK_SECONDS = 300.0  # importing such a package may compile part of it
ADD_SECONDS = 1800.0
# Imports each module; the last line is JSON with those that failed and why. A package whose library is missing does not count.
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
# Adds packages and changes no others. pip's arguments (indexes and proxies may contain passwords) come in a file that is removed
# before pip runs: arguments and environment of a container become part of the image.
REQUEST = "thor-derive.json"
ADD = f"""\
import importlib.metadata, json, os, re, subprocess, sys, tempfile
with open("/{REQUEST}") as stream:
    request = json.load(stream)
os.remove("/{REQUEST}")
pins = {{}}
for one in importlib.metadata.distributions():
    if one.metadata["Name"]:  # of two, the first is the one that Python imports
        pins.setdefault(re.sub(r"[-_.]+", "-", one.metadata["Name"]).lower(), one.version)
with tempfile.NamedTemporaryFile("w") as stream:
    stream.write("".join(f"{{name}}=={{version}}\\n" for name, version in pins.items()))
    stream.flush()
    command = [sys.executable, "-m", "pip", "install", "--no-input", "--progress-bar=off", f"--constraint={{stream.name}}"]
    sys.exit(subprocess.call([*command, *request["arguments"]], env={{**os.environ, **request["environment"]}}))
"""
PIP_ENVIRONMENT = {
    "PIP_BREAK_SYSTEM_PACKAGES": "1",  # nobody else uses the image's Python
    "PIP_ROOT_USER_ACTION": "ignore",
    "PIP_NO_CACHE_DIR": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "TERM": "dumb",  # no colours in its output
    "PYTHON_COLORS": "0",
}


class CannotDerive(Exception):
    """The packages cannot be looked for or added; the message says why."""


def key_of(packages: Iterable[str]) -> str:
    """The name of a set of packages in the record."""
    return " ".join(sorted(packages))


def module_of(package: str) -> str:
    """The module that a package is imported as; for those in the catalog it is the package's own name."""
    return package.partition("==")[0].strip()


def derive(
    docker: Docker,
    image: Mapping[str, Any],
    digest: str,
    packages: list[str],
    spec: Mapping[str, Any],
    report: Reporter,
) -> str | None:
    """The id of an image that has the packages; None if the image itself has them. Raises ImageError THOR-IMAGE-EXTRAS."""
    name = references.by_digest(image["reference"], digest)
    report.progress(0, 0, text=f"{image['reference']}: looking for {', '.join(packages)}")
    missing: Mapping[str, str] = {}
    try:
        missing = lacking(docker, name, packages)
        if not missing:
            return None
        if spec["derive"]:
            made = add(docker, name, missing, spec["pip_arguments"], spec["environment"], report)
            missing = lacking(docker, made, packages)
            if not missing:
                return made
            docker.delete(f"/images/{made}")
        words = "; ".join(f"{package} ({why})" for package, why in missing.items())
        raise _refused(image, f"it lacks what its service needs: {words}")
    except CannotDerive as error:
        what = f"cannot add {', '.join(missing)}" if missing else "cannot tell whether it has what its service needs"
        raise _refused(image, f"{what}: {error}") from error


def _refused(image: Mapping[str, Any], reason: str) -> ImageError:
    remedy = (
        "engine_image_derive: true adds the packages in a derived image, for which pip needs an index that the host can reach "
        "(thor_pip_extra_args); or name an image that has them (thor_extra_engines), or remove the service from thor_profiles."
    )
    return image_error("THOR-IMAGE-EXTRAS", image, reason, remedy)


def lacking(docker: Docker, name: str, packages: Iterable[str]) -> dict[str, str]:
    """The packages that cannot be imported in a container of the image, and why. Raises CannotDerive."""
    modules = {module_of(package): package for package in packages}
    body = _body(name, ["python3", "-c", LOOK, *modules], {"NetworkMode": "none", "CapDrop": ["ALL"]})
    with container.started(docker, NAME, body):
        status, output = container.wait(docker, NAME, LOOK_SECONDS)
    found = re.search(r"^failed: (\{.*\})\s*\Z", output, re.MULTILINE)
    try:
        failed = bounded.parse(found[1]) if found else None
    except ValueError:
        failed = None
    if status != 0 or not isinstance(failed, dict) or not failed.keys() <= modules.keys():
        raise CannotDerive(f"its Python cannot be asked for {', '.join(modules)}: {container.tail(output)}")
    return {modules[module]: str(reason) for module, reason in failed.items()}


def add(
    docker: Docker,
    name: str,
    packages: Iterable[str],
    pip_arguments: str,
    environment: Mapping[str, str],
    report: Reporter,
) -> str:
    """Make an image of ``name`` that has the packages, and return its id. Raises CannotDerive, DockerError."""
    packages = sorted(packages)
    base = docker.get(f"/images/{name}/json")["Config"]
    try:
        arguments = [*shlex.split(pip_arguments), *packages]
    except ValueError as error:
        # Without the value: an address in it may hold a password.
        raise CannotDerive(f"thor_pip_extra_args cannot be parsed: {error}") from None
    request = json.dumps({"arguments": arguments, "environment": {**PIP_ENVIRONMENT, **environment}}).encode()
    body = _body(name, ["python3", "-c", ADD], {"NetworkMode": "host", "SecurityOpt": ["no-new-privileges"]})

    def show(output: str) -> None:
        report.progress(0, 0, text=f"pip: {container.tail(output, 1)}"[:150])

    with container.started(docker, NAME, body, {REQUEST: request}):
        status, output = container.wait(docker, NAME, ADD_SECONDS, show)
        if status != 0:
            raise CannotDerive(f"pip {container.ended(status)}: {container.tail(output)}")
        report.progress(0, 0, text=f"{name}: writing the derived image")
        query = urlencode({"container": NAME, "repo": REPOSITORY, "tag": str(int(time.time()))})
        config = {**base, "Labels": {**(base.get("Labels") or {}), NAME: " ".join(packages)}}
        made = Docker(docker.socket_path, ADD_SECONDS).request("POST", f"/commit?{query}", config)
    return str(made["Id"])


def _body(image: str, command: list[str], host: Mapping[str, Any]) -> dict[str, Any]:
    """It needs no GPU, and the runtime nvidia, which may be the default, might refuse the image."""
    return {"Image": image, "Entrypoint": [], "Cmd": command, "HostConfig": {"Runtime": "runc", **host}}
