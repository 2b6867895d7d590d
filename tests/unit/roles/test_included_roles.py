# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Arguments are validated once: the action resolve checks the variables of all roles, or the role that a person calls checks its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
FILES = [
    *ROOT.glob("roles/*/tasks/*.yml"),
    *(ROOT / "playbooks" / name for name in ("plan.yml", "preflight.yml", "rollout.yml", "site.yml")),
]
# The entry point of people's own playbooks.
ENTRIES = {"roles/preflight/tasks/main.yml"}


def included(node: Any) -> Iterator[dict[str, Any]]:
    """The arguments of every include_role and import_role in a file."""
    for one in node if isinstance(node, list) else []:
        for key, value in one.items():
            if key in ("ansible.builtin.include_role", "ansible.builtin.import_role"):
                yield value
            elif key in ("block", "rescue", "always", "tasks"):
                yield from included(value)


@pytest.mark.parametrize("name", sorted({str(path.relative_to(ROOT)) for path in FILES} - ENTRIES))
def test_an_included_role_does_not_validate_its_arguments_again(name: str) -> None:
    for role in included(yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))):
        assert role.get("rolespec_validate") is False, f"{role['name']} in {name}"


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_what_resolve_checks_is_left_to_it_everywhere(name: str) -> None:
    """Its problems have codes, and Ansible's own text shows the whole specification instead."""
    (catalog,) = [
        role
        for role in included(yaml.safe_load((ROOT / name).read_text(encoding="utf-8")))
        if role["name"] == "jetson.thor.catalog"
    ]
    assert catalog["rolespec_validate"] is False


def test_the_roles_that_others_include_are_found() -> None:
    found = {role["name"] for path in FILES for role in included(yaml.safe_load(path.read_text(encoding="utf-8")))}
    assert {"jetson.thor.cmake_build", "jetson.thor.serving", "jetson.thor.power", "jetson.thor.catalog"} <= found
