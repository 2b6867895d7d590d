# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Hosts share what follows from their variables only if it is the same."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.status.same_variables import fingerprint

FIRST: dict[str, Any] = {"inventory_hostname": "thor01", "ansible_host": "10.0.0.1", "thor_profiles": ["a"], "seen": 1}
SECOND: dict[str, Any] = {"inventory_hostname": "thor02", "ansible_host": "10.0.0.2", "thor_profiles": ["a"], "seen": 2}


def same(**more: Any) -> bool:
    return fingerprint("thor01", {**FIRST, **more}, ["seen"]) == fingerprint("thor02", {**SECOND, **more}, ["seen"])


def test_names_and_addresses_alone_make_no_difference() -> None:
    assert same() and same(thor_device_memory_gib="{{ memory_of_all }}")
    assert fingerprint("thor01", FIRST) != fingerprint("thor02", SECOND), "seen counts unless it is left out"


@pytest.mark.parametrize(
    "value",
    [
        "{{ inventory_hostname }}",
        "{{ {'thor01': 8001}[inventory_hostname_short] }}",
        "{{ hostvars['thor09'].port }}",
        "{{ ansible_host }}",
        "{{ 'x' in group_names }}",
    ],
)
def test_a_template_that_may_differ_from_host_to_host_is_not_shared(value: str) -> None:
    assert not same(thor_profiles=[{"profile": value}])
    assert not same(mine=value), "it may be what a variable of ours refers to"


def test_another_value_is_another_fingerprint() -> None:
    assert fingerprint("thor01", FIRST) != fingerprint("thor01", {**FIRST, "thor_profiles": ["b"]})
    assert fingerprint("thor01", FIRST) != fingerprint("thor01", {**FIRST, "more": 1})
