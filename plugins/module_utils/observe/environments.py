# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Observe the device's own Python, and the Python environments of engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import bounded, commands
from ansible_collections.jetson.thor.plugins.module_utils.environments import finished

PYTHON = "/usr/bin/python3"
# Debian and Ubuntu have Python.h in python3-dev and ensurepip, without which `python3 -m venv` fails, in python3-venv.
_ASK = """\
import importlib.util, json, os, platform, sysconfig
headers = os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h"))
venv = importlib.util.find_spec("ensurepip") is not None
print(json.dumps({"version": platform.python_version(), "headers": headers, "venv": venv}))
"""


def python(path: str = PYTHON) -> dict[str, Any]:
    """The Python that environments are made for: ``tag`` is such as cp312; version and tag are None where there is none."""
    try:
        found = bounded.parse(commands.output(path, "-I", "-c", _ASK))
    except ValueError:
        return {"version": None, "tag": None, "path": path, "headers": False, "venv": False}
    minor = "".join(found["version"].split(".")[:2])
    return {"version": found["version"], "tag": f"cp{minor}", "path": path, **found}


def environments(engines: Path) -> dict[str, dict[str, Any]]:
    """Finished environments by engine and version: the trees that the links of the versions point to."""
    seen: dict[str, dict[str, Any]] = {}
    for link in sorted(engines.glob("*/*")):
        tree = link.resolve()
        record = finished.read(tree) if link.is_symlink() else None
        if record is not None:
            known = {
                **finished.summary(tree, record),
                "installation": finished.installation(record),
                "damaged": finished.damage(tree, record),
            }
            seen.setdefault(link.parent.name, {})[link.name] = known
    return seen
