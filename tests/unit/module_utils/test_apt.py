# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What apt says."""

from __future__ import annotations

from ansible_collections.jetson.thor.plugins.module_utils import apt
from apt_keys import COLONS, PINNED, SUBKEY


def test_removals_and_complaints_of_a_simulation_are_read() -> None:
    text = (
        "Remv nvidia-jetpack [7.1-b10]\nPurg docker.io [26.1] \nInst x [1] (2 repo [arm64])\nConf x (2 repo [arm64])\n"
    )
    assert apt.removed(text) == ["nvidia-jetpack 7.1-b10", "docker.io 26.1"]
    assert apt.complaints("Reading...\nE: Unable to correct problems\n") == "E: Unable to correct problems"


def test_primary_keys_and_subkeys_are_distinguished() -> None:
    assert apt.fingerprints_of(COLONS) == {PINNED: PINNED, SUBKEY: PINNED, "A" * 40: "A" * 40}
    assert apt.fingerprints_of("") == {}
