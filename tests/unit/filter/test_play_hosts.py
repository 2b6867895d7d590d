# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Runs that would do nothing are refused, with the way out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from ansible import context
from ansible.errors import AnsibleFilterError
from ansible.utils.context_objects import CLIArgs
from ansible_collections.jetson.thor.plugins.filter.play_hosts import play_hosts

GROUPS = {"all": ["thor01", "build01"], "ungrouped": [], "thor": ["thor01", "thor02"], "builders": ["build01"]}


@pytest.fixture
def command_line(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set the arguments of ansible-playbook."""

    def called_with(**options: Any) -> None:
        monkeypatch.setattr(context, "CLIARGS", CLIArgs({"tags": ["all"], "inventory": ("hosts.yml",), **options}))

    called_with()
    return called_with


def why(group: str = "thor", groups: Mapping[str, list[str]] = GROUPS, reached: tuple[str, ...] = ("thor01",)) -> str:
    """The message of the refusal."""
    with pytest.raises(AnsibleFilterError) as caught:
        play_hosts(group, groups, reached)
    return str(caught.value)


def test_a_run_that_reaches_a_host_passes(command_line: Callable[..., None]) -> None:
    command_line(subset="thor01", skip_tags=())
    assert play_hosts("thor", GROUPS, ["thor01"]) == "thor"
    command_line(tags=["untagged"])
    assert play_hosts("thor", GROUPS, ["thor01"]) == "thor"
    command_line(
        skip_tags=["molecule-notest", "notest", "molecule-idempotence-notest"]
    )  # as molecule runs every playbook
    assert play_hosts("thor", GROUPS, ["thor01"]) == "thor"
    command_line(subset="localhost,thor01")
    assert play_hosts("localhost", {}, []) == "localhost"


def test_a_run_that_would_do_nothing_is_refused_with_the_way_out(command_line: Callable[..., None]) -> None:
    absent = why(groups={"all": ["a"], "ungrouped": [], "Thors": ["a"]})
    assert absent.startswith("THOR-HOSTS-NONE: The inventory (hosts.yml) has no group thor, ")
    assert "Its groups are Thors: rename the right one." in absent
    assert "/inventories/example, set the address" in absent
    assert "The group thor of the inventory (hosts.yml) has no hosts" in why(groups={"all": [], "thor": []})
    command_line(subset="build01")
    assert why(reached=("build01",)).startswith(
        "THOR-HOSTS-NONE: -l build01 matches none of the hosts in the group thor: thor01, thor02."
    )
    command_line(subset="thor01")
    assert why("localhost").startswith("THOR-HOSTS-NONE: -l thor01 excludes this machine")


@pytest.mark.parametrize("option", ["tags", "skip_tags"])
def test_tags_that_no_task_has_are_refused(command_line: Callable[..., None], option: str) -> None:
    command_line(**{option: ["build"]})
    assert f"THOR-TAGS-UNKNOWN: --{option.replace('_', '-')} build: " in why()


@pytest.mark.parametrize("reading", ["syntax", "listhosts", "listtasks", "listtags"])
def test_inspecting_a_playbook_needs_no_inventory(command_line: Callable[..., None], reading: str) -> None:
    command_line(**{reading: True})
    assert play_hosts("thor", {}, []) == "thor"
