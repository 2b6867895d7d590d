# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Enforce which room may import which (docs/development.md)."""

from __future__ import annotations

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "ansible_collections.jetson.thor.plugins."
FILES = {
    ".".join(path.relative_to(ROOT / "plugins").with_suffix("").parts): path
    for path in sorted((ROOT / "plugins").rglob("*.py"))
    if path.name != "__init__.py"
}
CONTROLLER = ("plugin_utils", "action", "filter")
# What AnsiballZ sends to a device; ansible-core has no plugin_utils there.
DEVICE = ("module_utils", "modules")


def imports(source: str) -> set[str]:
    """The files of the collection that a file imports, at the top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PREFIX):
            package = (node.module or "").removeprefix(PREFIX)
            found |= {package} & set(FILES)
            found |= {f"{package}.{alias.name}" for alias in node.names} & set(FILES)
    return found


GRAPH = {name: imports(path.read_text(encoding="utf-8")) for name, path in FILES.items()}


def room(name: str) -> str:
    """The folder of a file; a single file of module_utils or plugin_utils is its own room."""
    parts = name.split(".")
    return ".".join(parts[:2]) if parts[0] in {"module_utils", "plugin_utils"} else parts[0]


def test_the_graph_sees_every_form_of_import() -> None:
    source = (
        f"from {PREFIX}module_utils import jobs, records\n"
        f"def late():\n    from {PREFIX}module_utils.services.switch import Switch as Other\n"
    )
    assert imports(source) == {"module_utils.jobs", "module_utils.records", "module_utils.services.switch"}


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith(DEVICE)])
def test_code_of_the_device_imports_no_code_of_the_controller(name: str) -> None:
    assert not [other for other in GRAPH[name] if other.startswith(CONTROLLER)]


def reached(name: str) -> set[str]:
    """The file and everything that it imports, at any distance."""
    found, waiting = set(), [name]
    while waiting:
        if (one := waiting.pop()) not in found:
            found.add(one)
            waiting += GRAPH[one]
    return found


STARTERS = [
    name for name in FILES if name.startswith("modules.") and "jobs.start(" in FILES[name].read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", STARTERS)
def test_what_a_module_has_done_as_a_job_is_sent_with_it(name: str) -> None:
    """AnsiballZ sends what a module imports; the job runs from a copy of that."""
    sent = reached(name)
    said = re.findall(r'target=(?:"([\w.]+)"|\w+\.TARGET)', FILES[name].read_text(encoding="utf-8"))
    targets = [one for one in said if one] or [
        target
        for other in GRAPH[name]
        for target in re.findall(r'^TARGET = "([\w.]+)"$', FILES[other].read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert targets and {f"module_utils.{target}" for target in targets} <= sent


def test_no_import_leads_back_to_where_it_came_from() -> None:
    try:
        list(TopologicalSorter(GRAPH).static_order())
    except CycleError as error:
        pytest.fail(f"these import each other: {' <- '.join(error.args[1])}")


def test_no_room_imports_a_room_that_imports_it() -> None:
    rooms: dict[str, set[str]] = {}
    for name, others in GRAPH.items():
        rooms.setdefault(room(name), set()).update(room(other) for other in others if room(other) != room(name))
    try:
        list(TopologicalSorter(rooms).static_order())
    except CycleError as error:
        pytest.fail(f"these rooms import each other: {' <- '.join(error.args[1])}")
