# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Ask nvidia-smi, which may be missing, or hang in the driver."""

from __future__ import annotations

import re
import subprocess

SECONDS = 10


def output(*arguments: str) -> str | None:
    """The output of nvidia-smi; None if it is missing, fails, or hangs in a driver that does not even let it be killed."""
    try:
        asked = subprocess.Popen(
            ["nvidia-smi", *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
    except OSError:
        return None
    try:
        found = asked.communicate(timeout=SECONDS)[0]
    except subprocess.TimeoutExpired:
        asked.kill()
        return None
    return found if asked.returncode == 0 else None


def load() -> float | None:
    """How busy the GPU is, from 0 to 1; None if it does not say (``[N/A]``)."""
    found = re.fullmatch(
        r"(\d+)", (output("--query-gpu=utilization.gpu", "--format=csv,noheader,nounits") or "").strip()
    )
    return int(found[1]) / 100 if found else None
