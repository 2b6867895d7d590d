# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What identifies a Python environment."""

from __future__ import annotations

from ansible_collections.jetson.thor.plugins.module_utils.environments import inputs


def test_the_tag_is_cpythons_minor_version_and_the_machine() -> None:
    assert inputs.tag("3.12.3", "aarch64") == "cp312-aarch64"
    assert inputs.tag("3.9", "x86_64") == "cp39-x86_64"


def test_lock_and_platform_make_the_fingerprint() -> None:
    made = inputs.fingerprint("ab" * 32, "cp312-aarch64")
    assert len(made) == 12 and int(made, 16)
    assert made == inputs.fingerprint("ab" * 32, "cp312-aarch64")
    assert made != inputs.fingerprint("ac" + "ab" * 31, "cp312-aarch64")
    assert made != inputs.fingerprint("ab" * 32, "cp313-aarch64")
