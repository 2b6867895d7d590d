# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What the plan has to know of a role: its own ``__ROLE_planned``, for actions that run outside of the role."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import is_trusted_as_template
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.files import ROLES

_NAME = re.compile(r"\{\{ (\w+) \}\}")


def of_role(role: str, variables: Mapping[str, Any], templar: Any) -> dict[str, Any]:
    """By the role's defaults and what the host has been given. ``templar`` is the action's."""
    planned: dict[str, Any] = value(role, f"__{role}_planned", variables, templar)
    return planned


def value(role: str, wanted: Any, variables: Mapping[str, Any], templar: Any) -> Any:
    """The value that an internal variable, or a template, has within a role."""
    folder = str(ROLES / role)
    defaults, internals = _written(role)
    own = {"role_path": folder, "ansible_search_path": [folder]}
    known = {**defaults, **variables, **internals, **own}
    found = internals[wanted] if isinstance(wanted, str) else wanted
    if isinstance(found, dict):
        # Most of it is plain, then, and only templates are left to Jinja, which takes a millisecond for each.
        found = {key: _followed(one, known) for key, one in found.items()}
    return templar.copy_with_new_env(available_variables=known).template(found)


def _followed(value: Any, variables: Mapping[str, Any]) -> Any:
    """What a template that is nothing but the name of a variable, and that variable's value again, lead to."""
    seen: set[str] = set()
    while isinstance(value, str) and is_trusted_as_template(value) and (named := _NAME.fullmatch(value)):
        if named[1] in seen or named[1] not in variables:
            break  # Jinja says what is wrong with it
        seen.add(named[1])
        value = variables[named[1]]
    return value


def read(roles: Iterable[str]) -> None:
    """Read what these roles say, for the processes that are forked from this one."""
    for role in roles:
        _written(role)


@cache
def _written(role: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A role's defaults and internal variables."""
    loader = DataLoader()
    defaults, internals = (
        loader.load_from_file(str(ROLES / role / part / "main.yml"), unsafe=True, trusted_as_template=True)
        for part in ("defaults", "vars")
    )
    return defaults, internals
