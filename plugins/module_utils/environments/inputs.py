# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What identifies a Python environment: its lock and the platform. Pure; controller and device compute the same."""

from __future__ import annotations

import hashlib


def tag(version: str, machine: str) -> str:
    """The platform that a lock is for, from a version of CPython and ``platform.machine()``: ``cp312-aarch64``."""
    major, minor = version.split(".")[:2]
    return f"cp{major}{minor}-{machine}"


def fingerprint(lock_sha256: str, platform_tag: str) -> str:
    """Twelve hexadecimal digits that identify an environment. ``lock_sha256``: see Lock.sha256."""
    return hashlib.sha256(f"{lock_sha256} {platform_tag}".encode()).hexdigest()[:12]
