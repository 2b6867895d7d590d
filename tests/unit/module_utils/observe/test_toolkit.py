# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Which version of the toolkit JetPack depends on."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.observe import toolkit

EXACT = ", ".join(f"{name} (= 1.18.0-1)" for name in toolkit.PACKAGES)
LOOSE = "libnvidia-container1 (>= 1.18.0-1), nvidia-container-toolkit"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            f"ii |nvidia-container|7.1-b10|, docker-buildx | x, {EXACT}\nii |nvidia-jetpack|7.1-b10|, nvidia-container (= 7.1-b10)\n",
            {"version": "1.18.0-1", "by": "nvidia-container 7.1-b10", "installed": True},
        ),
        (
            f"hi |nvidia-jetpack|7.1-b10|, {EXACT}\n",
            {"version": "1.18.0-1", "by": "nvidia-jetpack 7.1-b10", "installed": True},
        ),
        (f"rc |nvidia-container|7.1-b10|, {EXACT}\nun |nvidia-jetpack||, \n", None),
        (f"ii |nvidia-container|7.2|, {LOOSE}\n", None),
        ("ii |nvidia-container|7.0|, nvidia-container-runtime (= 1.18.0-1)\n", None),
        ("", None),
        ("dpkg-query: no packages found", None),
    ],
)
def test_the_version_that_an_installed_metapackage_depends_on(text: str, found: dict[str, Any] | None) -> None:
    assert toolkit.wanted_by_installed(text) == found


def test_the_version_that_a_metapackage_known_to_apt_depends_on() -> None:
    text = (
        "Package: nvidia-jetpack\nVersion: 7.1-b10\nDepends: nvidia-container (= 7.1-b10)\nDescription: x\n more\n\n"
        f"Package: nvidia-container\nVersion: 7.1-b10\nPre-Depends: dpkg\nDepends: libc6, {EXACT}\n"
    )
    wanted = {"version": "1.18.0-1", "by": "nvidia-container 7.1-b10", "installed": False}
    assert toolkit.wanted_by_candidates(text) == wanted
    assert toolkit.wanted_by_candidates("") is None
