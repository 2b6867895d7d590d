# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""inventories/example: it resolves, and names every variable of an inventory with the default of the roles."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import resolve, schema
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.inputs import Inputs
from real_catalog import load

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "inventories" / "example"
# Not for inventories of users: the sandbox's root for device facts, and arguments of one playbook run.
ELSEWHERE = {"thor_facts_root", "thor_plan_file", "thor_service", "thor_status_file"}
ELSEWHERE |= {f"thor_remove_{name}" for name in ("confirm", "models", "packages")}
ELSEWHERE |= {"thor_logs_lines", "thor_logs_since", "thor_support_dir"}


def _read_by_roles() -> dict[str, Any]:
    """``{variable: default}`` of every ``thor_*`` variable in the defaults of a role."""
    found: dict[str, Any] = {}
    for path in sorted(ROOT.glob("roles/*/defaults/main.yml")):
        for value in (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).values():
            match = re.fullmatch(r"\{\{ (thor_\w+) \| default\((.*)\) \}\}", str(value))
            if match:
                found[match[1]] = yaml.safe_load(match[2])
    return {name: default for name, default in found.items() if name not in ELSEWHERE}


def test_the_example_resolves_without_problems() -> None:
    written = yaml.safe_load((EXAMPLE / "group_vars" / "all.yml").read_text(encoding="utf-8"))
    assert set(written) == {"thor_profiles"}, "optional settings are comments"
    entries, problems = load()
    resolution = resolve.resolve(Inputs(profiles=written["thor_profiles"]), entries)
    assert problems + resolution.problems == []
    assert [service["name"] for service in resolution.facts] == ["chat"]


def test_every_commented_line_is_yaml_that_resolves() -> None:
    text = (EXAMPLE / "group_vars" / "all.yml").read_text(encoding="utf-8")
    head = text.split("# ---- Optional")[0]
    profiles = yaml.safe_load(re.sub(r"^#(?=   \w| - )", " ", head, flags=re.MULTILINE))["thor_profiles"]
    entries, _problems = load()
    resolution = resolve.resolve(Inputs(profiles=profiles), entries)
    assert resolution.problems == []
    assert [(one["name"], one["port"]) for one in resolution.facts] == [("chat", 8001), ("coder", 8002)]


def test_every_variable_of_the_roles_is_there_with_its_default() -> None:
    text = (EXAMPLE / "group_vars" / "all.yml").read_text(encoding="utf-8")
    shown = {name: yaml.safe_load(value) for name, value in re.findall(r"^# (thor_\w+): (.*)$", text, re.MULTILINE)}
    read = _read_by_roles()
    read.pop("thor_profiles")
    # Defaults that a role leaves to its callees are written out here.
    assert {name: value for name, value in shown.items() if read.get(name) not in (None, "")} == {
        name: value for name, value in read.items() if value not in (None, "")
    }
    assert set(shown) >= set(read)


def test_the_address_is_one_for_documentation() -> None:
    hosts = yaml.safe_load((EXAMPLE / "hosts.yml").read_text(encoding="utf-8"))["thor"]["hosts"]
    for host in hosts.values():
        assert ipaddress.ip_address(host["ansible_host"]) in ipaddress.ip_network("192.0.2.0/24")


def test_every_inventory_in_the_documentation_resolves() -> None:
    text = (ROOT / "docs" / "catalog.md").read_text(encoding="utf-8")
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
    assert len(blocks) > 4
    for block in blocks:
        own = {noun: block.pop(f"thor_extra_{noun}", {}) for noun in schema.NOUNS}
        entries, problems = load(own)
        inputs = {name.removeprefix("thor_"): value for name, value in block.items()}
        resolution = resolve.resolve(Inputs(**inputs), entries)
        assert problems + resolution.problems == []
        assert resolution.facts
