# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Every task of a role that fetches something is given the proxy of the site; no task has it in its environment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from module_docs import documentation

ROOT = Path(__file__).resolve().parents[3]
APT = "{{ ansible_facts['thor_plan']['proxy']['apt'] }}"
# Ansible's own modules that reach a network and could not be given a password without showing it.
UNUSED = {"pip", "get_url", "uri", "git", "apt_key", "apt_repository", "deb822_repository", "unarchive"}


def tasks(node: Any) -> Iterator[dict[str, Any]]:
    """Every task of a file, in blocks too."""
    for one in node or []:
        yield one
        for part in ("block", "rescue", "always"):
            yield from tasks(one.get(part))


ALL = [
    (f"{path.relative_to(ROOT)}: {task.get('name')}", task)
    for path in sorted(ROOT.glob("roles/*/tasks/*.yml"))
    for task in tasks(yaml.safe_load(path.read_text(encoding="utf-8")))
]


def test_apt_is_called_with_the_file_of_the_proxy() -> None:
    called = {place: task.get("environment") for place, task in ALL if "ansible.builtin.apt" in task}
    assert len(called) >= 7
    assert {place: given for place, given in called.items() if given != APT} == {}


def test_modules_with_the_option_are_given_it() -> None:
    fetching = {f"jetson.thor.{name}" for name, one in documentation().items() if "proxy" in (one.get("options") or {})}
    assert {"jetson.thor.hub_model", "jetson.thor.python_engine", "jetson.thor.docker_daemon"} <= fetching
    given = {
        place: one["proxy"] for place, task in ALL for name, one in task.items() if name in fetching and "proxy" in one
    }
    missing = [place for place, task in ALL if fetching & set(task) and place not in given]
    assert missing == []
    assert all(value.startswith("{{ __") and value.endswith(("_proxy }}", "_used }}")) for value in given.values())


def test_nothing_else_fetches_or_holds_it() -> None:
    assert [place for place, task in ALL for name in UNUSED if f"ansible.builtin.{name}" in task] == []
    assert [place for place, task in ALL if task.get("environment") not in (None, APT) and "proxy" in str(task)] == []
