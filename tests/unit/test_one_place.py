# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Some things are done in one place only: writing a file, asking systemd for properties, reading the memory of the host.

What roles and Python both have to name is the same in both.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.jetson.thor.plugins.module_utils.models.hubs import HUBS
from ansible_collections.jetson.thor.plugins.module_utils.observe import docker_host, power
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.inputs import DEVICE_MEMORY_GIB

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = [
    path
    for folder in ("plugins", "roles/serving/files/supervisor")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if path.name != "__init__.py"
]
PLACES = {
    "rename": {
        "plugins/module_utils/files.py",
        # Whole folders, and downloads of gigabytes, are complete before they get their names.
        "plugins/module_utils/builds/source.py",
        "plugins/module_utils/builds/install.py",
        "plugins/module_utils/builds/finished.py",  # a link
        "plugins/module_utils/trees.py",
        "plugins/module_utils/model_trees.py",
        "plugins/module_utils/models/hub_files.py",
        "plugins/module_utils/models/install.py",
        "plugins/module_utils/models/url.py",
        "plugins/module_utils/jobs.py",
    },
    "fsync": {"plugins/module_utils/files.py"},
    "systemctl show": {"plugins/module_utils/systemd.py"},
    "meminfo": {"plugins/module_utils/files.py"},
}


def deeds(source: str) -> set[str]:
    """Which of these things a Python file does."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.lstrip("/") == "proc/meminfo":
            found.add("meminfo")
        if isinstance(node, ast.Call | ast.List | ast.Tuple):
            words = [
                part.value if isinstance(part, ast.Constant) else None
                for part in (node.args if isinstance(node, ast.Call) else node.elts)
            ]
            if words[:2] == ["systemctl", "show"] or (called(node) == "run" and words[:1] == ["show"]):
                found.add("systemctl show")
        name = called(node)
        if name == "atomic_move" or (name in {"rename", "replace"} and is_rename(node)):
            found.add("rename")
        if name == "fsync":
            found.add("fsync")
    return found


def called(node: ast.AST) -> str | None:
    """The name of the method or function that is called, without what it belongs to."""
    if not isinstance(node, ast.Call):
        return None
    return getattr(node.func, "attr", None) or getattr(node.func, "id", None)


def is_rename(node: ast.AST) -> bool:
    """Tell Path.replace(target) and os.replace(source, target) from those of texts, dates and dataclasses."""
    assert isinstance(node, ast.Call)
    if isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "os":
        return True
    return len(node.args) == 1 and not node.keywords and isinstance(node.func, ast.Attribute)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: str(path.relative_to(ROOT)))
def test_nobody_does_it_a_second_time(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    others = {deed for deed in deeds(path.read_text(encoding="utf-8")) if name not in PLACES[deed]}
    assert not others, f"module_utils/files.py and module_utils/systemd.py do this: {', '.join(sorted(others))}"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("os.replace(partial, path)", {"rename"}),
        ("partial.replace(path)", {"rename"}),
        ("path.with_name('.new').rename(path)", {"rename"}),
        ("module.atomic_move(str(partial), str(path))", {"rename"}),
        ("os.fsync(stream.fileno())", {"fsync"}),
        ("subprocess.run(['systemctl', 'show', unit])", {"systemctl show"}),
        ("commands.output('systemctl', 'show', unit)", {"systemctl show"}),
        ("self.run('show', '--value', unit)", {"systemctl show"}),
        ("Path('/proc/meminfo').read_text()", {"meminfo"}),
        ("root / 'proc/meminfo'", {"meminfo"}),
        ("text.replace('a', 'b'); replace(service, port=1); now.replace(tzinfo=UTC)", set()),
        ("run('systemctl', 'daemon-reload'); say('see cat /proc/meminfo')", set()),
    ],
)
def test_every_way_of_doing_it_is_seen(source: str, found: set[str]) -> None:
    assert deeds(source) == found


def role_file(path: str) -> Any:
    return yaml.safe_load((ROOT / "roles" / path).read_text(encoding="utf-8"))


def test_roles_and_modules_name_the_same_places() -> None:
    assert role_file("power/vars/main.yml")["__power_sysctl_file"] == power.SYSCTL_FILE
    variables = role_file("model_store/vars/main.yml")
    assert {name: one["client"] for name, one in variables["__model_store_hubs"].items()} == {
        name: hub.client for name, hub in HUBS.items()
    }
    (record,) = [task for task in role_file("container_runtime/tasks/cdi.yml") if "Record the versions" in task["name"]]
    assert record["ansible.builtin.copy"]["dest"] == str(docker_host.CDI_RECORD)


def test_a_device_has_the_same_memory_by_default_everywhere() -> None:
    default = f"{{{{ thor_device_memory_gib | default({DEVICE_MEMORY_GIB:g}) }}}}"
    assert role_file("catalog/defaults/main.yml")["catalog_device_memory_gib"] == default
    assert role_file("preflight/defaults/main.yml")["preflight_device_memory_gib"] == default


DEVICE_FILE = re.compile(r"^/?(?:proc|sys)(?:/|$)")


def readers_of_device_files(source: str) -> list[str]:
    """Functions of a Python file that name a path below /sys or /proc and open a file themselves."""
    tree = ast.parse(source)

    def names_one(node: ast.AST, named: set[str]) -> bool:
        return any(
            (isinstance(part, ast.Constant) and isinstance(part.value, str) and DEVICE_FILE.match(part.value))
            or (isinstance(part, ast.Name) and part.id in named)
            for part in ast.walk(node)
        )

    constants = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign) and names_one(node.value, set())
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    found = []
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            called = {
                part.func.attr if isinstance(part.func, ast.Attribute) else part.func.id
                for part in ast.walk(function)
                if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute | ast.Name)
            }
            if called & {"open", "read_text", "read_bytes"} and names_one(function, constants):
                found.append(function.name)
    return found


@pytest.mark.parametrize(
    "path",
    [*sorted(ROOT.glob("plugins/module*/**/*.py")), *sorted(ROOT.glob("roles/serving/files/supervisor/**/*.py"))],
    ids=lambda path: path.stem,
)
def test_files_below_sys_and_proc_are_read_by_files_alone(path: Path) -> None:
    assert readers_of_device_files(path.read_text(encoding="utf-8")) == []


def test_a_function_that_reads_a_file_below_sys_or_proc_itself_is_found() -> None:
    source = """
P = Path("/proc")
def one(): return Path("/sys/class/x").read_text()
def two(): return (P / "1/comm").read_bytes()
def three(name): return open(f"/proc/{name}/comm")
def four(): return look.text(P / "1/comm")
def five(): return Path("/etc/system").read_text()
"""
    assert readers_of_device_files(source) == ["one", "two", "three"]
