# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Properties of systemd's units: the one place that runs ``systemctl show``."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence

SECONDS = 20  # for an answer


def show(units: Sequence[str], *properties: str, seconds: float = SECONDS) -> dict[str, dict[str, str]]:
    """The properties of each unit, by the name that was asked for; empty if systemd refuses to answer.

    Raises OSError without a systemctl, and subprocess.TimeoutExpired if systemd is silent.
    """
    if not units:
        return {}
    done = subprocess.run(
        ["systemctl", "show", f"--property={','.join(properties)}", "--", *units],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=seconds,
    )
    blocks = [dict(re.findall(r"^(\w+)=(.*)$", block, re.MULTILINE)) for block in done.stdout.strip("\n").split("\n\n")]
    return dict(zip(units, blocks, strict=True)) if len(blocks) == len(units) else {}


def observe(units: Sequence[str], *properties: str) -> dict[str, dict[str, str]]:
    """The same for observations: also empty if systemd cannot be asked."""
    try:
        return show(units, *properties)
    except (OSError, subprocess.TimeoutExpired):
        return {}


def installed(units: Sequence[str], *properties: str) -> dict[str, dict[str, str]]:
    """The same, only for units that have a file, wherever it comes from."""
    found = observe(units, "LoadState", *properties)
    return {unit: values for unit, values in found.items() if values.get("LoadState") == "loaded"}
